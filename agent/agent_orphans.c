/* A coordinator asks for a page of the pins that bear a cluster's name and
 * have no order. Each page is a listing of its own, so nothing is kept
 * between two of them and memory does not grow with the pins; one at a time.
 * Only listed: what becomes of them is the operator's.
 */
#include "agent/agent_impl.h"

#include "agent/core/orphans.h"
#include "proto/mem.h"

#include <stdlib.h>

/* One page under way. */
struct listing {
    struct agent *agent;
    uint64_t session, id;  /* whom to answer */
    char request[LIMIT_REQUEST_ID + 1];
    uv_timer_t timer;
    struct kubo_call *call;
    bool late;
    struct orphans page;
};

static void reply(struct listing *l, enum err e, const char *text,
                  struct span body)
{
    struct message_result r = {l->id, e, span_text(text), body};

    agent_log_call("orphans", l->request, e, text);
    if (!l->agent->stopping)
        link_result(l->agent->link, l->session, &r);
}

static void on_timer_closed(uv_handle_t *h)
{
    free(h->data);
}

static void finish(struct listing *l, const struct kubo_result *r)
{
    struct agent *a = l->agent;
    struct buf body = BUF_INIT;

    if (l->late) {
        reply(l, ERR_TIMEOUT, "the daemon did not list its pins in time",
              span_of(NULL, 0));
    } else if (r->error != ERR_OK) {
        reply(l, r->error, r->text, span_of(NULL, 0));
    } else {
        orphans_end(&l->page);
        orphans_print(&l->page, &body);
        reply(l, ERR_OK, "", span_buf(&body));
    }
    buf_free(&body);
    a->orphans = NULL;
    uv_close((uv_handle_t *)&l->timer, on_timer_closed);
}

static void add_row(struct listing *l, const struct cid *c, const char *name,
                    bool recursive)
{
    const struct agent *a = l->agent;

    orphans_row(&l->page, a->work, journal_head(a->journal)->tag, c, name,
                recursive);
}

static void on_recursive_row(void *arg, const struct cid *c,
                             const char *name)
{
    add_row(arg, c, name, true);
}

static void on_direct_row(void *arg, const struct cid *c, const char *name)
{
    add_row(arg, c, name, false);
}

static void on_direct_listed(void *arg, const struct kubo_result *r)
{
    finish(arg, r);
}

static void on_recursive_listed(void *arg, const struct kubo_result *r)
{
    struct listing *l = arg;

    if (r->error != ERR_OK || l->late || l->agent->stopping)
        finish(l, r);
    else
        l->call = kubo_list(l->agent->kubo, KUBO_DIRECT, on_direct_row,
                            on_direct_listed, l);
}

static void on_deadline(uv_timer_t *t)
{
    struct listing *l = t->data;

    l->late = true;
    kubo_cancel(l->agent->kubo, l->call);
}

/* While full ORDERS come in, what they have not named yet is no orphan. */
static enum err refuse(const struct agent *a, struct err_text *why)
{
    if (!a->working)
        return err_set(why, ERR_UNREACHABLE, "the IPFS daemon is not up");
    if (a->full_orders)
        return err_set(why, ERR_NOT_READY, "the node's orders are coming in");
    if (a->orphans != NULL)
        return err_set(why, ERR_BUSY, "the node lists its orphans already");
    return ERR_OK;
}

void agent_orphans_call(struct agent *a, uint64_t session,
                        const struct message_call *c)
{
    struct cid after = {.n = 0};
    struct err_text why;
    struct listing *l = mem_alloc(sizeof *l);
    enum err e = refuse(a, &why);

    l->agent = a;
    l->session = session;
    l->id = c->id;
    span_print(c->request, l->request, sizeof l->request);
    if (e == ERR_OK && c->argument.n > 0)
        e = cid_from_bytes(c->argument.p, c->argument.n, &after, &why);
    if (e != ERR_OK) {
        reply(l, e, why.text, span_of(NULL, 0));
        free(l);
        return;
    }
    a->orphans = l;
    orphans_begin(&l->page, after.n > 0 ? &after : NULL);
    uv_timer_init(&a->loop, &l->timer);
    l->timer.data = l;
    uv_timer_start(&l->timer, on_deadline, c->timeout_ms, 0);
    l->call = kubo_list(a->kubo, KUBO_RECURSIVE, on_recursive_row,
                        on_recursive_listed, l);
}
