/* The daemon's garbage collection, when a coordinator calls for it. While it
 * waits for its lock every new pin waits behind it and cannot be cancelled, so
 * first nothing is begun any more, and what runs ends or is cut off; what was
 * cut is looked at again afterwards. Never while an upload could lose its
 * blocks. Never again by itself. One at a time.
 *
 *   IDLE -call-> DRAINING -nothing runs, or gc-wait-> COLLECTING -> IDLE
 */
#include "agent/agent_impl.h"

#include "proto/log.h"

#include <string.h>

enum {
    GC_KEYS = 1000,            /* named by an answer */
    GC_KEYS_BYTES = 200 << 10, /* and their bytes, below LIMIT_CALL */
    GC_DAY_MS = 86400000
};

static void on_timer(uv_timer_t *t);

static void arm(struct agent *a, uint64_t at_ms)
{
    uint64_t now = agent_now_ms(a);

    uv_timer_start(&a->gc.timer, on_timer, at_ms > now ? at_ms - now : 0, 0);
}

/* The total, then one CID a line. */
static void answer(struct agent *a, enum err e, const char *text)
{
    struct buf body = BUF_INIT;
    struct message_result r = {a->gc.id, e, span_text(text), {NULL, 0}};

    buf_printf(&body, "%llu\n", (unsigned long long)a->gc.total);
    buf_add(&body, a->gc.keys.p, a->gc.keys.n);
    r.body = span_buf(&body);
    link_result(a->link, a->gc.session, &r);
    buf_free(&body);
}

static void finish(struct agent *a, enum err e, const char *text)
{
    struct agent_gc *g = &a->gc;

    g->state = GC_IDLE;
    uv_timer_stop(&g->timer);
    if (a->stopping)
        return;
    log_info("gc_ended", "request=%s removed=%llu reason=%s text=%s",
             g->request, (unsigned long long)g->total, err_name(e), text);
    uploads_refuse(a->uploads, NULL);
    proxies_refuse(a->proxies, NULL);
    work_pause(a->work, false, agent_now_ms(a));
    answer(a, e, text);
    daemon_refill(a->daemon);
    if (g->cut)
        agent_list_soon(a, 0);
    agent_pump(a);
}

/* --- collecting --- */

static void on_row(void *arg, const struct cid *c, const char *name)
{
    struct agent *a = arg;
    struct agent_gc *g = &a->gc;
    char text[LIMIT_CID_TEXT];

    (void)name;
    cid_print(c, CID_FORM_B32, text);
    if (strcmp(text, KUBO_EMPTY) == 0)
        return; /* it is put back */
    g->total++;
    if (g->listed == GC_KEYS || g->keys.n > GC_KEYS_BYTES)
        return;
    g->listed++;
    buf_text(&g->keys, text);
    buf_byte(&g->keys, '\n');
}

static void on_collected(void *arg, const struct kubo_result *r)
{
    struct agent *a = arg;

    a->gc.call = NULL;
    if (a->gc.late)
        finish(a, ERR_TIMEOUT, "the daemon did not end its collection in "
               "time");
    else
        finish(a, r->error, r->error == ERR_OK ? "" : r->text);
}

static void collect(struct agent *a)
{
    a->gc.state = GC_COLLECTING;
    arm(a, a->gc.deadline_ms);
    a->gc.call = kubo_gc(a->kubo, on_row, on_collected, a);
}

/* --- draining --- */

static void on_timer(uv_timer_t *t)
{
    struct agent *a = t->data;
    struct agent_gc *g = &a->gc;
    uint64_t now = agent_now_ms(a);

    if (a->stopping || g->state == GC_IDLE)
        return;
    if (g->state == GC_COLLECTING) {
        g->late = true;
        kubo_cancel(a->kubo, g->call);
    } else if (now >= g->deadline_ms) {
        finish(a, ERR_TIMEOUT, "pins did not end in time");
    } else {
        log_info("gc_cuts", "request=%s text=%s", g->request,
                 "what runs is looked at again later");
        g->cut = true;
        pins_drop_calls(a->pins);
        work_daemon(a->work, false, now);
        work_daemon(a->work, true, now);
        collect(a);
    }
}

void agent_gc_step(struct agent *a)
{
    struct work_stats s;

    if (a->gc.state != GC_DRAINING)
        return;
    work_stats(a->work, &s);
    if (!a->working)
        finish(a, ERR_UNREACHABLE, "the IPFS daemon is not up");
    else if (s.busy == 0)
        collect(a);
}

/* --- the call --- */

static const char *refusal(struct agent *a)
{
    if (a->gc.state != GC_IDLE)
        return "a garbage collection is under way";
    if (uploads_running(a->uploads) > 0 || proxies_putting(a->proxies) > 0)
        return "an upload is under way";
    if (leases_open(&a->gc.leases, a->work, agent_now_ms(a)))
        return "what an upload of the last 10 minutes stored is not pinned "
               "yet";
    if (agent_now_ms(a) < a->gc.uploads_ms)
        return "the agent was started less than 10 minutes ago: what an "
               "upload stored before may not be pinned yet";
    return NULL;
}

static void refuse(struct agent *a, uint64_t session,
                   const struct message_call *c, enum err e, const char *text)
{
    struct message_result r = {c->id, e, span_text(text), span_text("0\n")};

    log_info("gc_refused", "request=%.*s text=%s", (int)c->request.n,
             (const char *)c->request.p, text);
    link_result(a->link, session, &r);
}

void agent_gc_call(struct agent *a, uint64_t session,
                   const struct message_call *c)
{
    struct agent_gc *g = &a->gc;
    const char *reason = refusal(a);
    uint64_t now = agent_now_ms(a), wait = a->config->gc_wait_ms;
    uint64_t limit = c->timeout_ms < GC_DAY_MS ? c->timeout_ms : GC_DAY_MS;

    if (reason != NULL || !a->working) {
        refuse(a, session, c, reason != NULL ? ERR_BUSY : ERR_UNREACHABLE,
               reason != NULL ? reason : "the IPFS daemon is not up");
        return;
    }
    span_print(c->request, g->request, sizeof g->request);
    log_info("gc_begins", "request=%s limit_ms=%llu", g->request,
             (unsigned long long)limit);
    g->state = GC_DRAINING;
    g->session = session;
    g->id = c->id;
    g->deadline_ms = now + limit;
    g->total = g->listed = 0;
    g->late = g->cut = false;
    buf_reset(&g->keys);
    uploads_refuse(a->uploads, "the node collects garbage");
    proxies_refuse(a->proxies, "the node collects garbage");
    work_pause(a->work, true, now);
    arm(a, now + (wait < limit ? wait : limit));
    agent_gc_step(a);
}

static void on_stored(void *arg, const struct cid *root)
{
    struct agent *a = arg;

    leases_add(&a->gc.leases, root, a->work, agent_now_ms(a));
}

/* Leases are in memory: of those before the start nothing is known. */
void agent_gc_init(struct agent *a)
{
    if (a->started_before)
        a->gc.uploads_ms = agent_now_ms(a) + LEASE_MS;
    uv_timer_init(&a->loop, &a->gc.timer);
    a->gc.timer.data = a;
    uploads_watch(a->uploads, on_stored, a);
    proxies_watch(a->proxies, on_stored, a);
}

void agent_gc_free(struct agent *a)
{
    buf_free(&a->gc.keys);
}
