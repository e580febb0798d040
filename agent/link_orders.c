/* What coordinators say. Which orders are taken is core/fence.c's. */
#include "agent/link_impl.h"

#include "proto/log.h"

#include <stdio.h>
#include <string.h>

/* --- WELCOME --- */

/* Two agents with one key (a copied data directory) must not each hold some
 * of the coordinators. A coordinator sees only its own sessions, so the
 * agents themselves yield: who has none takes none while another coordinator
 * has the other agent, and who is refused by more than it has gives up. */
static uint32_t taken_elsewhere(const struct link *l)
{
    uint64_t now = link_now_ms(l);
    uint32_t n = 0;

    for (uint32_t i = 0; i < l->st.n; i++)
        n += l->sessions[i].duplicate_ms != 0 &&
             now - l->sessions[i].duplicate_ms < LINK_DUPLICATE_MS;
    return n;
}

static void yield_if_outvoted(struct link *l)
{
    uint32_t elsewhere = taken_elsewhere(l);

    if (l->stats.open == 0 || elsewhere < l->stats.open ||
        (elsewhere == l->stats.open && l->fence.leader != 0))
        return;
    log_warn("duplicate_node", "sessions=%u elsewhere=%u text=%s",
             (unsigned)l->stats.open, elsewhere, "another agent with this "
             "key has more of the coordinators");
    for (uint32_t i = 0; i < l->st.n; i++)
        if (l->sessions[i].state == SESSION_OPEN)
            link_end(&l->sessions[i]);
}

static void refused(struct session *s, const struct message_welcome *w)
{
    char text[sizeof s->said];

    snprintf(text, sizeof text, "%.*s", (int)w->text.n,
             (const char *)w->text.p);
    s->starting = w->code == WELCOME_NOT_READY;
    link_say(s, "coordinator_refuses", text);
    link_end(s);
    if (w->code == WELCOME_DUPLICATE) {
        s->duplicate_ms = link_now_ms(s->link);
        yield_if_outvoted(s->link);
    }
}

bool link_session_holds(const struct session *s)
{
    return memcmp(s->history, s->link->fence.history, TYPES_HISTORY) == 0;
}

/* Two clusters in one list would pull the orders to and fro: who has those
 * that are held stays, and ends the others. */
static bool one_cluster(struct session *s)
{
    struct link *l = s->link;
    static const char text[] = "it belongs to another cluster than the "
                               "others of the list";

    for (uint32_t i = 0; i < l->st.n; i++) {
        struct session *o = &l->sessions[i];

        if (o == s || o->state != SESSION_OPEN ||
            link_session_holds(o) == link_session_holds(s))
            continue;
        link_say(link_session_holds(o) ? s : o, "coordinator_refused", text);
        link_end(link_session_holds(o) ? s : o);
        if (link_session_holds(o))
            return false;
    }
    return true;
}

/* Who answers first shall not decide: one that has the orders that are held
 * may be about to. */
static bool moves_too_soon(const struct session *s)
{
    static const uint8_t none[TYPES_HISTORY];
    const struct link *l = s->link;

    return l->st.n > 1 && !link_session_holds(s) &&
           memcmp(l->fence.history, none, TYPES_HISTORY) != 0 &&
           link_now_ms(l) < l->moves_ms;
}

/* No call has the id 0: a coordinator that does not know what this says takes
 * it for the answer to none. */
static void say_what_it_reads(struct session *s)
{
    struct message m = {.kind = MESSAGE_RESULT};

    m.result.body = span_text(MESSAGE_SECOND_VERSIONS MESSAGE_URGENT_ORDERS);
    (void)link_send(s, &m);
}

static void on_welcome(struct session *s, const struct message_welcome *w)
{
    struct link *l = s->link;

    if (w->code != WELCOME_OK) {
        refused(s, w);
        return;
    }
    memcpy(s->history, w->history, TYPES_HISTORY);
    s->pin_tag = w->pin_tag;
    if (!one_cluster(s))
        return;
    if (moves_too_soon(s)) {
        link_end(s); /* and asks again */
        return;
    }
    s->duplicate_ms = 0;
    if (l->stats.open == 0 && taken_elsewhere(l) > 0) {
        link_end(s); /* and asks again, when the others have let go too */
        return;
    }
    s->state = SESSION_OPEN;
    s->open_ms = link_now_ms(l);
    s->starting = false;
    l->stats.open++;
    fence_welcomed(&l->fence, w);
    if (s->flaps == 0) {
        s->failures = 0;
        s->said[0] = '\0';
    }
    s->told = s->flaps < LINK_FLAPS_TOLD;
    if (s->told)
        log_info("coordinator_session", "address=%s name=%.*s node=%u",
                 s->text, (int)w->name.n, (const char *)w->name.p, w->node);
    l->st.events->welcome(l->st.events->arg, w);
    say_what_it_reads(s);
    link_session_beat(s);
}

/* --- ORDERS --- */

static void on_orders(struct session *s, const struct message_orders *o)
{
    struct link *l = s->link;
    const struct link_events *ev = l->st.events;
    enum fence_verdict verdict;
    const char *reason;

    if (fence_hear(&l->fence, s->number, o, link_now_ms(l)))
        log_warn("older_term", "address=%s term=%llu text=%s", s->text,
                 (unsigned long long)o->term,
                 "the coordinators were restored from an older copy");
    l->stats.leader_known = l->fence.leader != 0;
    verdict = fence_judge(&l->fence, o, &reason);
    if (verdict == FENCE_VIEW) {
        link_report_send(l);
        return;
    }
    if (verdict == FENCE_REFUSED) {
        l->stats.refused_orders++;
        log_info("orders_refused", "address=%s from=%llu to=%llu text=%s",
                 s->text, (unsigned long long)o->from,
                 (unsigned long long)o->to, reason);
        return;
    }
    if (verdict == FENCE_OLD) {
        link_reports_free(l); /* some come again by link_report */
        if (!ev->old(ev->arg, o->seq))
            return;
        fence_restart(&l->fence, o);
        link_session_beat(s); /* it asks for all of them */
        return;
    }
    if (o->has_directory)
        ev->directory(ev->arg, o->directory, o->n_directory);
    if (verdict == FENCE_CURRENT) {
        ev->current(ev->arg);
        link_report_send(l);
        return;
    }
    if (o->full)
        link_reports_free(l);
    if (!ev->orders(ev->arg, o, s->pin_tag))
        return;
    l->stats.orders++;
    fence_stored(&l->fence, s->number, o);
    memcpy(s->history, o->history, TYPES_HISTORY);
    if (o->full)
        (void)one_cluster(s); /* at WELCOME none held what is held now */
    l->stats.leader_known = l->fence.leader != 0;
    if (!o->more)
        ev->current(ev->arg);
    if (o->n > 0 || o->full)
        link_session_beat(s); /* it asks for the next ones */
    link_report_send(l);
}

/* --- dispatch --- */

static void bad(struct session *s, const char *text)
{
    link_say(s, "coordinator_message", text);
    link_end(s);
}

static void on_goodbye(struct session *s, const struct message_goodbye *g)
{
    char text[sizeof s->said];

    snprintf(text, sizeof text, "%.*s", (int)g->reason.n,
             (const char *)g->reason.p);
    link_say(s, "coordinator_goodbye", text);
}

/* flat table */
static void dispatch(struct session *s, const struct message *m)
{
    const struct link_events *ev = s->link->st.events;

    switch (m->kind) {
    case MESSAGE_ORDERS:
        on_orders(s, &m->orders);
        return;
    case MESSAGE_TAKEN:
        link_report_taken(s->link, &m->taken);
        return;
    case MESSAGE_CALL:
        ev->call(ev->arg, s->number, &m->call);
        return;
    case MESSAGE_OPEN:
        ev->open(ev->arg, &s->to, &m->open);
        return;
    case MESSAGE_GOODBYE:
        on_goodbye(s, &m->goodbye);
        return;
    case MESSAGE_HELLO:
    case MESSAGE_WELCOME:
    case MESSAGE_BEAT:
    case MESSAGE_REPORT:
    case MESSAGE_READS:
    case MESSAGE_RESULT:
    case MESSAGE_TICKET:
    case MESSAGE_DATA:
    case MESSAGE_END:
    case MESSAGE_FAIL:
    case MESSAGE_HEAD:
    case MESSAGE_TRAILER:
        break;
    }
    bad(s, "a kind of message that no coordinator sends here");
}

void link_frame(struct session *s, struct span frame)
{
    struct link *l = s->link;
    struct message *m = &l->message;
    struct err_text why;

    if (message_decode(frame, m, &l->scratch, &why) != ERR_OK)
        bad(s, why.text);
    else if (s->state == SESSION_OPEN)
        dispatch(s, m);
    else if (m->kind == MESSAGE_WELCOME)
        on_welcome(s, &m->welcome);
    else
        bad(s, "a message before WELCOME");
    link_arm(l);
}
