/* Reports on their way out: the same number and content until TAKEN. */
#include "agent/link_impl.h"

#include "proto/mem.h"

#include <assert.h>
#include <stdlib.h>

void link_report(struct link *l, uint64_t seq, struct span frame)
{
    struct report *r = mem_alloc(sizeof *r);

    assert(l->last == NULL || seq > l->last->seq);
    r->seq = seq;
    buf_add(&r->frame, frame.p, frame.n);
    if (l->last != NULL)
        l->last->next = r;
    else
        l->first = r;
    l->last = r;
    if (seq > l->fence.seq)
        l->fence.seq = seq;
    link_report_send(l);
    link_arm(l);
}

bool link_report_room(const struct link *l)
{
    return l->first == NULL && l->fence.checked;
}

void link_report_send(struct link *l)
{
    struct session *s = link_leader(l);
    uint64_t now = link_now_ms(l);

    if (l->first == NULL || s == NULL || s->state != SESSION_OPEN)
        return;
    if (l->sent_number == s->number && now - l->sent_ms < l->st.resend_ms)
        return;
    if (l->sent_number != 0)
        l->stats.resent++;
    l->stats.reports++;
    l->sent_number = s->number;
    l->sent_ms = now;
    (void)stream_send(s->stream, l->first->frame.p, l->first->frame.n);
}

static void drop_first(struct link *l)
{
    struct report *r = l->first;

    l->first = r->next;
    if (l->first == NULL)
        l->last = NULL;
    l->sent_number = 0;
    buf_free(&r->frame);
    free(r);
}

void link_report_taken(struct link *l, const struct message_taken *t)
{
    struct report *r = l->first;

    if (r == NULL || t->boot != l->st.boot || t->seq != r->seq)
        return; /* of one that was taken before */
    /* The message is the link's own memory, and the event may use it. */
    l->st.events->taken(l->st.events->arg, r->seq, span_buf(&r->frame));
    drop_first(l);
    link_report_send(l);
}

uint64_t link_report_due_ms(const struct link *l)
{
    if (l->first == NULL || l->fence.leader == 0)
        return UINT64_MAX;
    if (l->sent_number != l->fence.leader)
        return 0;
    return l->sent_ms + l->st.resend_ms;
}

void link_reports_free(struct link *l)
{
    while (l->first != NULL)
        drop_first(l);
}
