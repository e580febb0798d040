/* Rounds over the hosts. A refused connection costs nothing, so one round of
 * those is enough; a 503 passes with an election, so rounds go on for a
 * while.
 */
#include "ctl/failover.h"

#include "ctl/interrupt.h"
#include "ctl/print.h"

#include <string.h>

struct rounds {
    struct failover *f;
    struct client_call *q;
    uint64_t begun_ms, deadline_ms;
    bool unavailable;    /* some host answered 503 in this round */
    enum err error;      /* the most telling of this round */
    struct err_text all; /* what each host said */
};

static uint64_t left_ms(const struct rounds *r)
{
    uint64_t now = interrupt_now_ms();

    return now < r->deadline_ms ? r->deadline_ms - now : 0;
}

static struct failover_limits limits(const struct rounds *r, unsigned others)
{
    uint64_t left = left_ms(r), share = left / (others + 1);
    struct failover_limits l;

    if (r->f->timeout_ms == 0 && share < FAILOVER_ANSWER_MS)
        share = left < FAILOVER_ANSWER_MS ? left : FAILOVER_ANSWER_MS;
    l = (struct failover_limits){.answer_ms = share, .idle_ms = share};
    l.connect_ms = others > 0 && share > FAILOVER_CONNECT_MS
                       ? FAILOVER_CONNECT_MS
                       : share;
    if (r->q->on_item != NULL || r->q->upload != NULL)
        l.idle_ms = r->f->timeout_ms != 0 ? r->f->timeout_ms
                    : r->q->upload != NULL ? CLIENT_UPLOAD_IDLE_MS
                                           : CLIENT_TIMEOUT_MS;
    if (l.connect_ms == 0)
        l.connect_ms = 1; /* 0 is libcurl's "default" */
    return l;
}

static void note(struct rounds *r, const struct host *h, enum err e,
                 const char *text)
{
    struct err_text before = r->all;

    if (r->q->only || (r->f->hosts->n == 1 && r->q->status != 0))
        err_set(&r->all, e, "%s", text);
    else
        err_set(&r->all, e, "%s%s%s: %s", before.text,
                before.text[0] != 0 ? "; " : "", h->text, text);
    if (r->q->status == 503)
        r->unavailable = true;
    /* An answer says more than a refused connection. */
    if (r->error == ERR_OK || r->q->status == 503)
        r->error = e;
}

/* May the same be asked again? */
static bool repeatable(const struct rounds *r, enum err e,
                       const struct failover_trace *t, struct err_text *why)
{
    const struct client_call *q = r->q;
    struct err_text text = *why;

    if (interrupt_seen() != 0 || t->items > 0 ||
        (q->status != 503 && (q->status != 0 || e != ERR_UNREACHABLE)))
        return false;
    if (q->upload != NULL && t->uploaded > 0) {
        char size[PRINT_SIZE];

        err_set(why, e,
                "%s (the upload broke off after %s; it was not repeated: "
                "run the command again)",
                text.text, print_size(t->uploaded, size));
        return false;
    }
    return true;
}

/* true: that is the result. */
static bool ask(struct rounds *r, unsigned host, unsigned others,
                enum err *result, struct err_text *why)
{
    const struct host *h = &r->f->hosts->list[host];
    struct failover_limits l = limits(r, others);
    struct failover_trace t = {false, 0, 0};
    enum err e = ERR_CLOSED;

    if (interrupt_seen() == 0) /* nothing more is sent after Ctrl-C */
        e = r->f->attempt(r->f->arg, r->q, h, &l, &t, why);
    *result = e;
    r->q->host = host;
    if (e == ERR_OK) {
        *r->f->at = host;
        return true;
    }
    if (!repeatable(r, e, &t, why)) {
        if (r->q->status == 0 && !r->q->only)
            err_prefix(why, "%s", h->text);
        return true;
    }
    note(r, h, e, why->text);
    if ((t.sent && r->q->status == 0) || e == ERR_UNKNOWN_OUTCOME)
        r->q->doubtful = true;
    return false;
}

static bool ask_all(struct rounds *r, enum err *result, struct err_text *why)
{
    unsigned n = r->q->only ? 1 : r->f->hosts->n;
    unsigned first = r->q->only ? r->q->host : *r->f->at;

    r->unavailable = false;
    r->error = ERR_OK;
    r->all.text[0] = 0;
    for (unsigned i = 0; i < n && left_ms(r) > 0; i++)
        if (ask(r, (first + i) % r->f->hosts->n, n - 1 - i, result, why))
            return true;
    return false;
}

enum err failover_run(struct failover *f, struct client_call *q,
                      struct err_text *why)
{
    struct rounds r = {.f = f, .q = q, .begun_ms = interrupt_now_ms()};
    enum err result = ERR_OK;

    q->doubtful = false;
    r.deadline_ms = r.begun_ms + (f->timeout_ms != 0 ? f->timeout_ms
                                                     : CLIENT_TIMEOUT_MS);
    for (;;) {
        struct rounds before = r;
        uint64_t spent;

        if (ask_all(&r, &result, why))
            return result;
        /* A round that the deadline cut short says less than the last. */
        if (r.error == ERR_OK ||
            (before.unavailable && !r.unavailable && left_ms(&r) == 0))
            r = before;
        spent = interrupt_now_ms() - r.begun_ms;
        if (!r.unavailable || q->only || left_ms(&r) == 0 ||
            spent > FAILOVER_RETRY_MS)
            break;
        interrupt_sleep(FAILOVER_PAUSE_MS);
        if (interrupt_seen() != 0)
            break;
    }
    return err_set(why, r.error, "%s", r.all.text);
}
