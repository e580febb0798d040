#include "agent/core/fence.h"

#include <string.h>

static bool same_history(const struct fence *f,
                         const uint8_t history[TYPES_HISTORY])
{
    return memcmp(history, f->history, TYPES_HISTORY) == 0;
}

void fence_welcomed(struct fence *f, const struct message_welcome *w)
{
    if (same_history(f, w->history) && w->term > f->term)
        f->term = w->term;
}

void fence_session_gone(struct fence *f, uint64_t session)
{
    if (f->leader == session)
        f->leader = 0;
}

/* A leader of an older term gives up soon. One that does not, while none of
 * a newer term is heard, leads a state that was restored from a copy. */
static bool outlived(struct fence *f, uint64_t session, uint64_t now_ms)
{
    if (f->older != session || (f->leader != 0 && f->leader != session)) {
        f->older = session;
        f->older_ms = now_ms;
    }
    return now_ms - f->older_ms >= f->patience_ms;
}

/* Terms count within one history: after a restore they begin anew. Reports
 * are about pins of the history that is held: no other leader gets them, nor
 * one that has orders to send first. */
bool fence_hear(struct fence *f, uint64_t session,
                const struct message_orders *o, uint64_t now_ms)
{
    bool same = same_history(f, o->history);
    bool older = same && o->leading && o->term < f->term &&
                 outlived(f, session, now_ms);

    if (older)
        f->term = o->term;
    if (!same || o->term < f->term) {
        fence_session_gone(f, session);
        return false;
    }
    if (o->term > f->term) {
        f->term = o->term;
        f->leader = 0;
    }
    if (o->leading) {
        f->leader = session;
        f->older = 0;
    } else {
        fence_session_gone(f, session);
    }
    return older;
}

static const char *out_of_turn(const struct fence *f,
                               const struct message_orders *o)
{
    bool same = same_history(f, o->history);

    if (same && o->term < f->term)
        return "of an older term";
    if (o->full)
        return o->from == 0 ? NULL : "full, but not from 0";
    if (!same)
        return "of another history";
    if (o->from > f->index)
        return "some before them are missing";
    if (o->to < f->index)
        return "older than what is held";
    return NULL;
}

static const char *reason(const struct fence *f,
                          const struct message_orders *o)
{
    return o->seq > FENCE_SEQ_MAX ? "with a number that no report has"
                                  : out_of_turn(f, o);
}

enum fence_verdict fence_judge(struct fence *f,
                               const struct message_orders *o,
                               const char **why)
{
    *why = NULL;
    if (!o->leading)
        return FENCE_VIEW;
    *why = reason(f, o);
    if (*why != NULL)
        return FENCE_REFUSED;
    if (!o->full && (o->seq > f->seq ||
                     (o->seq == 0 && f->seq > 0 && !f->checked)))
        return FENCE_OLD;
    f->checked = true;
    if (o->n == 0 && !o->full && o->to == f->index)
        return o->more ? FENCE_VIEW : FENCE_CURRENT; /* more: on its way */
    return FENCE_TAKE;
}

void fence_restart(struct fence *f, const struct message_orders *o)
{
    f->index = 0;
    f->seq = o->seq > f->seq ? o->seq : f->seq;
    f->checked = true;
}

void fence_stored(struct fence *f, uint64_t session,
                  const struct message_orders *o)
{
    if (!same_history(f, o->history)) {
        memcpy(f->history, o->history, TYPES_HISTORY);
        f->term = o->term;
        f->leader = session;
        f->older = 0;
    }
    f->index = o->to;
    if (o->seq > f->seq)
        f->seq = o->seq;
}
