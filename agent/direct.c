#include "agent/direct.h"

#include "proto/log.h"
#include "proto/mem.h"

#include <assert.h>
#include <stdlib.h>

struct direct {
    uv_loop_t *loop;
    struct kubo *kubo;
    struct kubo_call *listing;
    struct direct_question *answering; /* by the listing that runs */
    struct direct_question *pinned;    /* of those: met in it */
    struct direct_question *waiting;   /* for the next one */
    uint64_t not_before_ms;
    unsigned rows;
    bool dropped; /* the listing */
};

static struct direct_question **find(struct direct_question **at,
                                     const struct direct_question *q)
{
    while (*at != NULL && *at != q)
        at = &(*at)->next;
    return at;
}

static void on_row(void *arg, const struct cid *c, const char *name)
{
    struct direct *d = arg;
    struct direct_question **at = &d->answering, *q;

    (void)name;
    if (++d->rows > DIRECT_FEW) {
        kubo_cancel(d->kubo, d->listing);
        return;
    }
    while ((q = *at) != NULL) {
        if (!cid_equal(&q->cid, c)) {
            at = &q->next;
            continue;
        }
        *at = q->next;
        q->next = d->pinned;
        d->pinned = q;
    }
}

/* `done` may ask again, or take back what is still in the list. */
static void give_out(struct direct_question **list, bool pinned)
{
    struct direct_question *q;

    while ((q = *list) != NULL) {
        *list = q->next;
        q->done(q, pinned);
    }
}

static void on_listed(void *arg, const struct kubo_result *r);

static void begin(struct direct *d)
{
    struct direct_question *q;

    while ((q = d->waiting) != NULL) { /* who asked first comes first */
        d->waiting = q->next;
        q->next = d->answering;
        d->answering = q;
    }
    d->rows = 0;
    d->dropped = false;
    d->listing =
        kubo_list_brief(d->kubo, KUBO_DIRECT, on_row, on_listed, d);
}

static void on_listed(void *arg, const struct kubo_result *r)
{
    struct direct *d = arg;
    bool failed = r->error != ERR_OK && !d->dropped;

    if (failed)
        d->not_before_ms = uv_now(d->loop) + DIRECT_AGAIN_MS;
    if (failed && r->error != ERR_CLOSED)
        log_warn("direct_pins_not_listed", "text=%s", r->text);
    give_out(&d->pinned, true);
    give_out(&d->answering, failed);
    if (failed)
        give_out(&d->waiting, true);
    d->listing = NULL;
    if (d->waiting != NULL)
        begin(d);
}

bool direct_ask(struct direct *d, struct direct_question *q)
{
    if (uv_now(d->loop) < d->not_before_ms)
        return false;
    q->next = d->waiting;
    d->waiting = q;
    if (d->listing == NULL)
        begin(d);
    return true;
}

void direct_take_back(struct direct *d, struct direct_question *q)
{
    struct direct_question **lists[] = {&d->answering, &d->pinned,
                                        &d->waiting};

    for (size_t k = 0; k < sizeof lists / sizeof lists[0]; k++) {
        struct direct_question **at = find(lists[k], q);

        if (*at != NULL) {
            *at = q->next;
            return;
        }
    }
    assert(false); /* a question that nobody answers */
}

void direct_drop(struct direct *d)
{
    assert(d->answering == NULL && d->pinned == NULL && d->waiting == NULL);
    if (d->listing == NULL || d->dropped)
        return;
    d->dropped = true;
    kubo_cancel(d->kubo, d->listing);
}

struct direct *direct_new(uv_loop_t *loop, struct kubo *k)
{
    struct direct *d = mem_alloc(sizeof *d);

    d->loop = loop;
    d->kubo = k;
    return d;
}

void direct_free(struct direct *d)
{
    assert(d->listing == NULL && d->waiting == NULL);
    free(d);
}
