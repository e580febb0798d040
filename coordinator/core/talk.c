#include "coordinator/core/talk.h"

#include <assert.h>
#include <string.h>

void talk_beat(struct talk *t, const struct message_beat *b)
{
    t->beaten = true;
    memcpy(t->held_history, b->history, TYPES_HISTORY);
    t->held_index = b->index;
    t->held_wanted = b->wanted;
    t->held_xor = b->wanted_xor;
    if (t->unconfirmed && b->index >= t->sent_to)
        t->unconfirmed = false;
}

static bool on_its_way(const struct talk *t, uint64_t now_ms)
{
    return t->unconfirmed && now_ms - t->sent_ms < TALK_UNCONFIRMED_MS;
}

bool talk_leads(bool leading, bool settled, bool ready)
{
    return leading && settled && ready;
}

enum talk_orders talk_answer(const struct talk *t, bool leading,
                             uint64_t now_ms)
{
    assert(t->beaten);
    return !leading || on_its_way(t, now_ms) ? TALK_VIEW : TALK_ORDERS;
}

enum talk_orders talk_push(const struct talk *t, bool leading,
                           uint64_t now_ms)
{
    return t->beaten && leading && !on_its_way(t, now_ms) ? TALK_ORDERS
                                                          : TALK_NOTHING;
}

void talk_sent(struct talk *t, const struct message_orders *o,
               uint64_t now_ms)
{
    t->sent_to = o->to;
    t->sent_ms = now_ms;
    t->unconfirmed = o->n > 0 || o->full;
}

void talk_leader_changed(struct talk *t)
{
    t->unconfirmed = false;
}

/* A report of another journal waits until the row names that one. */
enum talk_report talk_report(const struct talk *t, bool leading,
                             const struct node *row, uint64_t boot)
{
    if (!leading || row == NULL || row->boot != boot)
        return TALK_IGNORE;
    return t->reports == LIMIT_REPORTS_UNANSWERED ? TALK_FLOOD
                                                  : TALK_PROPOSE;
}

void talk_proposed(struct talk *t)
{
    t->reports++;
}

bool talk_reported(struct talk *t, enum err e, enum verdict v)
{
    assert(t->reports > 0);
    t->reports--;
    return e == ERR_OK && (v == VERDICT_ACCEPTED || v == VERDICT_ALREADY);
}
