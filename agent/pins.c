#include "agent/pins.h"

#include "agent/direct.h"
#include "proto/log.h"
#include "proto/mem.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PREFIX_SIZE = 24, NAME_SIZE = 48, EMPTY_AGAIN_MS = 30000 };

/* A wish under way: one call after the other. */
struct op {
    struct op *next;
    struct pins *pins;
    struct kubo_call *call; /* NULL: the question waits */
    struct direct_question question;
    struct cid cid, from;     /* from: of an update */
    uint64_t pin, idx, size;
    enum copy_want want;
    enum kubo_pin_type looking;
    enum work_found found;
    enum cid_form form; /* that was found */
    bool ours;
    bool cancelled;
    bool dropped; /* the work list does not wait for it any more */
};

struct pins {
    struct pins_settings st;
    struct work *work;
    struct op *ops;
    struct direct *direct;
    char prefix[PREFIX_SIZE]; /* "pinfold:<tag>:" */
    struct kubo_call *listing;
    enum cid_form form;       /* of the look whose result is given out */
    uint64_t empty_ms;        /* the block without bytes was put last */
    bool list_dropped;
};

static const struct kubo_result fine; /* held, or looked at and not pinned */

static uint64_t now_ms(const struct pins *p)
{
    return uv_now(p->st.loop);
}

static bool is_ours(const struct pins *p, const char *name)
{
    return p->prefix[0] != '\0' &&
           strncmp(name, p->prefix, strlen(p->prefix)) == 0;
}

/* --- ops --- */

static struct op *op_new(struct pins *p, const struct work_item *i)
{
    struct op *o = mem_alloc(sizeof *o);

    o->pins = p;
    o->cid = i->cid;
    o->pin = i->pin;
    o->idx = i->idx;
    o->size = i->size;
    o->want = i->want;
    o->next = p->ops;
    p->ops = o;
    return o;
}

static void op_free(struct op *o)
{
    struct op **at = &o->pins->ops;

    while (*at != o)
        at = &(*at)->next;
    *at = o->next;
    free(o);
}

static void op_drop(struct op *o)
{
    if (o->dropped)
        return;
    o->dropped = true;
    if (o->call != NULL) {
        kubo_cancel(o->pins->st.kubo, o->call);
    } else {
        direct_take_back(o->pins->direct, &o->question);
        op_free(o);
    }
}

/* The end of an op that the work list still waits for. */
static void op_done(struct op *o, enum err e)
{
    struct pins *p = o->pins;
    bool cut = e == ERR_UNREACHABLE || e == ERR_DENIED || e == ERR_TIMEOUT;

    op_free(o);
    p->st.changed(p->st.arg, cut);
}

/* By the numbers of pin and order, which a coordinator's log joins with the
 * request: see docs/operations.md, Access log. */
static void tell(const struct op *o, const char *what,
                 const struct kubo_result *r)
{
    char cid[LIMIT_CID_TEXT];

    if (o->cancelled || !log_enabled(r->error == ERR_OK ? LOG_DEBUG : LOG_INFO))
        return;
    cid_print(&o->cid, CID_FORM_B32, cid);
    if (r->error == ERR_OK)
        log_debug("copy", "pin=%llu index=%llu cid=%s what=%s bytes=%llu",
                  (unsigned long long)o->pin, (unsigned long long)o->idx, cid,
                  what, (unsigned long long)o->size);
    else
        log_info("copy_failed", "pin=%llu index=%llu cid=%s what=%s "
                 "reason=%s text=%s", (unsigned long long)o->pin,
                 (unsigned long long)o->idx, cid, what, err_name(r->error),
                 r->text);
}

/* --- look --- */

static void looked(struct op *o, const struct kubo_result *r)
{
    o->pins->form = o->form; /* of the unpin that may be wished for */
    if (r->error != ERR_OK)
        tell(o, "look", r);
    else if (o->found != WORK_FOUND_NOTHING && o->want != COPY_RELEASED)
        tell(o, "found", r);
    work_looked(o->pins->work, o->pin, r->error, o->found, o->ours, o->size,
                r->code, r->text, now_ms(o->pins));
    op_done(o, r->error);
}

static void on_measured(void *arg, const struct kubo_result *r)
{
    struct op *o = arg;

    if (o->dropped) {
        op_free(o);
        return;
    }
    /* Held is held, even if nobody could measure it in time. */
    if (r->error == ERR_OK)
        o->size = r->size.cumulative;
    looked(o, &fine);
}

static void on_looked(void *arg, const struct kubo_result *r);

static void look(struct op *o, enum kubo_pin_type type)
{
    o->looking = type;
    o->call = kubo_look(o->pins->st.kubo, &o->cid, type, on_looked, o);
}

static void on_answer(struct direct_question *q, bool pinned)
{
    struct op *o = (struct op *)((char *)q - offsetof(struct op, question));

    if (pinned)
        look(o, KUBO_DIRECT);
    else
        looked(o, &fine);
}

/* Even where the content is wanted recursively: that would replace a direct
 * pin of the owner's. */
static void look_direct_too(struct op *o)
{
    o->call = NULL;
    o->question.cid = o->cid;
    o->question.done = on_answer;
    if (!direct_ask(o->pins->direct, &o->question))
        look(o, KUBO_DIRECT);
}

static void on_looked(void *arg, const struct kubo_result *r)
{
    struct op *o = arg;

    if (o->dropped) {
        op_free(o);
        return;
    }
    if (r->error == ERR_OK && r->look.type == KUBO_NOT_PINNED &&
        o->looking == KUBO_RECURSIVE) {
        look_direct_too(o);
        return;
    }
    if (r->error != ERR_OK || r->look.type == KUBO_NOT_PINNED) {
        looked(o, r);
        return;
    }
    o->found = r->look.type == KUBO_RECURSIVE ? WORK_FOUND_RECURSIVE
                                              : WORK_FOUND_DIRECT;
    o->ours = is_ours(o->pins, r->look.name);
    o->form = r->look.form;
    if (o->want != COPY_RELEASED && o->size == 0)
        o->call = kubo_measured_size(o->pins->st.kubo, &o->cid, on_measured,
                                     o);
    else
        looked(o, r);
}

static void wish_look(void *arg, const struct work_item *i)
{
    look(op_new(arg, i), KUBO_RECURSIVE);
}

/* --- pin and unpin --- */

static struct op *find(struct pins *p, uint64_t pin)
{
    struct op *o = p->ops;

    while (o != NULL && (o->pin != pin || o->dropped))
        o = o->next;
    return o;
}

static void on_progress(void *arg, uint64_t bytes, uint64_t nodes)
{
    struct op *o = arg;

    if (o->dropped)
        return;
    o->size = bytes;
    work_progress(o->pins->work, o->pin, bytes, nodes);
    o->pins->st.changed(o->pins->st.arg, false);
}

static void pinned(struct op *o, const struct kubo_result *r)
{
    tell(o, "pin", r);
    work_pinned(o->pins->work, o->pin, r->error, o->size, r->code, r->text,
                now_ms(o->pins));
    op_done(o, r->error);
}

static void on_pin_measured(void *arg, const struct kubo_result *r)
{
    struct op *o = arg;

    if (o->dropped) {
        op_free(o);
        return;
    }
    if (r->error == ERR_OK)
        o->size = r->size.cumulative;
    pinned(o, &fine);
}

static void on_pinned(void *arg, const struct kubo_result *r)
{
    struct op *o = arg;

    if (o->dropped) {
        op_free(o);
        return;
    }
    if (r->error == ERR_OK)
        o->size = r->pin.bytes;
    if (r->error == ERR_OK && o->size == 0)
        o->call = kubo_measured_size(o->pins->st.kubo, &o->cid,
                                     on_pin_measured, o);
    else
        pinned(o, r);
}

static void connect_first(struct pins *p, const struct work_item *i)
{
    struct buf origins = BUF_INIT;

    holders_connect(p->st.holders, i->holders, i->n_holders);
    journal_origins_get(p->st.journal, i->pin, &origins);
    holders_origins(p->st.holders, span_buf(&origins));
    buf_free(&origins);
}

static void pin_plainly(struct op *o)
{
    struct pins *p = o->pins;
    char name[NAME_SIZE];

    snprintf(name, sizeof name, "%s%llu", p->prefix,
             (unsigned long long)o->pin);
    o->call = kubo_pin(p->st.kubo, &o->cid, o->want == COPY_RECURSIVE, name,
                       on_progress, on_pinned, o);
}

/* Between two calls of one pin: is it at its end? */
static bool step_ends(struct op *o, const struct kubo_result *r)
{
    struct kubo_result closed;

    if (o->dropped) {
        op_free(o);
        return true;
    }
    if (r->error == ERR_UNREACHABLE || r->error == ERR_DENIED ||
        r->error == ERR_CLOSED) {
        pinned(o, r);
        return true;
    }
    if (o->cancelled) { /* its result was there already */
        memset(&closed, 0, sizeof closed);
        closed.error = ERR_CLOSED;
        pinned(o, &closed);
        return true;
    }
    return false;
}

static void on_empty_put(void *arg, const struct kubo_result *r)
{
    if (!step_ends(arg, r))
        pin_plainly(arg);
}

/* --- update --- */

static void on_updated(void *arg, const struct kubo_result *r)
{
    struct op *o = arg;

    /* Refused: the old pin has gone meanwhile. */
    if (!o->dropped && !o->cancelled && r->error == ERR_INVALID)
        pin_plainly(o);
    else
        on_pinned(o, r);
}

/* The daemon gives the new pin the old one's name: that must be ours. */
static void on_from_looked(void *arg, const struct kubo_result *r)
{
    struct op *o = arg;

    if (step_ends(o, r))
        return;
    if (r->error == ERR_OK && r->look.type == KUBO_RECURSIVE &&
        is_ours(o->pins, r->look.name))
        o->call = kubo_update(o->pins->st.kubo, &o->from, r->look.form,
                              &o->cid, on_updated, o);
    else
        pin_plainly(o);
}

static void wish_pin(void *arg, const struct work_item *i)
{
    struct pins *p = arg;
    struct op *o = op_new(p, i);

    assert(p->prefix[0] != '\0');
    o->size = 0;
    o->from = i->from;
    connect_first(p, i);
    if (i->from.n > 0) {
        o->call = kubo_look(p->st.kubo, &o->from, KUBO_RECURSIVE,
                            on_from_looked, o);
    } else if (i->attempts > 0 &&
               now_ms(p) >= p->empty_ms + EMPTY_AGAIN_MS) {
        /* What stalled may have waited for the block that does not travel:
         * a collection may have taken it. */
        p->empty_ms = now_ms(p);
        o->call = kubo_put_empty(p->st.kubo, on_empty_put, o);
    } else {
        pin_plainly(o);
    }
}

static void on_unpinned(void *arg, const struct kubo_result *r)
{
    struct op *o = arg;

    if (o->dropped) {
        op_free(o);
        return;
    }
    tell(o, "unpin", r);
    work_unpinned(o->pins->work, o->pin, r->error, r->code, r->text,
                  now_ms(o->pins));
    op_done(o, r->error);
}

static void wish_unpin(void *arg, const struct work_item *i, bool recursive)
{
    struct pins *p = arg;
    struct op *o = op_new(p, i);

    o->call = kubo_unpin(p->st.kubo, &i->cid, p->form, recursive,
                         on_unpinned, o);
}

/* The result still comes: the work list looks again after it. */
static void wish_cancel(void *arg, uint64_t pin)
{
    struct pins *p = arg;
    struct op *o = find(p, pin);

    if (o == NULL)
        return;
    o->cancelled = true;
    if (o->call != NULL)
        kubo_cancel(p->st.kubo, o->call);
}

static void wish_abandon(void *arg, uint64_t pin)
{
    struct op *o = find(arg, pin);

    if (o != NULL)
        op_drop(o);
}

static void wish_keep(void *arg, const struct work_item *i)
{
    struct pins *p = arg;

    journal_keep(p->st.journal, i);
}

static void wish_forget(void *arg, uint64_t pin)
{
    struct pins *p = arg;

    journal_forget(p->st.journal, pin);
}

void pins_wishes(struct pins *p, struct work_wishes *out)
{
    *out = (struct work_wishes){p, wish_look, wish_pin, wish_unpin,
                                wish_cancel, wish_abandon, wish_keep,
                                wish_forget};
}

/* --- listing --- */

static void on_row(struct pins *p, const struct cid *c, const char *name,
                   bool recursive)
{
    if (!p->list_dropped)
        work_list_row(p->work, c, recursive, is_ours(p, name));
}

static void on_recursive_row(void *arg, const struct cid *c,
                             const char *name)
{
    on_row(arg, c, name, true);
}

static void on_direct_row(void *arg, const struct cid *c, const char *name)
{
    on_row(arg, c, name, false);
}

static void list_done(struct pins *p, const struct kubo_result *r)
{
    bool complete = r->error == ERR_OK;

    p->listing = NULL;
    if (p->list_dropped)
        return;
    if (!complete)
        log_warn("listing_failed", "text=%s", r->text);
    work_list_end(p->work, complete, now_ms(p));
    p->st.listed(p->st.arg, complete);
    p->st.changed(p->st.arg, r->error == ERR_UNREACHABLE);
}

static void on_direct_listed(void *arg, const struct kubo_result *r)
{
    list_done(arg, r);
}

static void on_recursive_listed(void *arg, const struct kubo_result *r)
{
    struct pins *p = arg;

    if (r->error != ERR_OK || p->list_dropped)
        list_done(p, r);
    else
        p->listing = kubo_list(p->st.kubo, KUBO_DIRECT, on_direct_row,
                               on_direct_listed, p);
}

bool pins_list(struct pins *p)
{
    if (p->listing != NULL)
        return false;
    p->list_dropped = false;
    work_list_begin(p->work);
    p->listing = kubo_list(p->st.kubo, KUBO_RECURSIVE, on_recursive_row,
                           on_recursive_listed, p);
    return true;
}

/* --- life --- */

void pins_drop_calls(struct pins *p)
{
    for (struct op *o = p->ops, *next; o != NULL; o = next) {
        next = o->next;
        op_drop(o);
    }
    direct_drop(p->direct);
    if (p->listing != NULL && !p->list_dropped) {
        p->list_dropped = true;
        kubo_cancel(p->st.kubo, p->listing);
    }
}

void pins_set_work(struct pins *p, struct work *w)
{
    p->work = w;
}

void pins_set_tag(struct pins *p, uint32_t tag)
{
    snprintf(p->prefix, sizeof p->prefix, "pinfold:%08x:", tag);
}

struct pins *pins_new(const struct pins_settings *st)
{
    struct pins *p = mem_alloc(sizeof *p);

    p->st = *st;
    p->direct = direct_new(st->loop, st->kubo);
    return p;
}

void pins_free(struct pins *p)
{
    assert(p->ops == NULL && p->listing == NULL);
    direct_free(p->direct);
    free(p);
}
