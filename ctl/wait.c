/* Polls the status of one pin, or of a node. A coordinator that does not
 * answer meanwhile is waited for as well: only the answer is late.
 */
#include "ctl/wait.h"

#include "ctl/answer.h"
#include "ctl/ask.h"
#include "ctl/interrupt.h"
#include "ctl/pinview.h"
#include "ctl/print.h"
#include "ctl/progress.h"
#include "proto/limits.h"

#include <stdio.h>
#include <string.h>

enum { PAUSE_FIRST_MS = 100, PAUSE_MOST_MS = 1000, STALE_LOOKS = 10,
       LOOK_LEAST_MS = 1000 };

struct waiting {
    enum err (*look)(struct ctl *c, struct waiting *w, struct err_text *why);
    const char *cid;  /* or a node: its name, peer ID or number */
    unsigned stale;   /* looks in a row that did not show the drain */
    bool pinned; /* what is waited for */
    int64_t min;
    bool done;
    struct buf text; /* "1 of 2 copies pinned; node-b pinning 3.0 MiB" */
};

/* Nodes that are not where they should be. */
static void describe_nodes(struct waiting *w, const struct pinview *p)
{
    struct pinview_node n;
    size_t it = 0;

    while (pinview_next(p, &it, &n)) {
        char size[PRINT_SIZE];

        if (n.state == PINVIEW_REMOTE || n.state == PINVIEW_UNPINNED ||
            (w->pinned && n.state == PINVIEW_PINNED))
            continue;
        buf_printf(&w->text, "; %s %s", n.name, pinview_text(n.state));
        if (n.bytes > 0)
            buf_printf(&w->text, " %s", print_size(n.bytes, size));
        if (n.error[0] != 0)
            buf_printf(&w->text, " (%s)", n.error);
    }
}

static void judge(struct waiting *w, const struct pinview *p)
{
    buf_reset(&w->text);
    if (w->pinned) {
        w->done = pinview_reached(p, w->min);
        buf_printf(&w->text, "%u of %u copies pinned",
                   p->count[PINVIEW_PINNED], pinview_wanted(p, w->min));
    } else {
        w->done = pinview_gone(p);
        buf_printf(&w->text, "%u of %u nodes have let go",
                   p->count[PINVIEW_UNPINNED], p->nodes);
    }
    if (!w->done)
        describe_nodes(w, p);
}

/* What a coordinator says while there is no leader, it starts or is busy, or
 * what a proxy says for one; not what stays so. */
static bool may_pass(enum err e)
{
    int status = err_http_status(e);

    return status >= 502 && status <= 504 && e != ERR_PROTOCOL;
}

static enum err look_at_pin(struct ctl *c, struct waiting *w,
                            struct err_text *why)
{
    struct target t;
    struct buf body = BUF_INIT;
    struct json_value v;
    struct pinview p;
    enum err e;

    target_init(&t, "/pins");
    target_path(&t, w->cid);
    e = ask_value(c, "GET", target_text(&t), &body, &v, why);
    if (e == ERR_OK)
        e = pinview_read(&v, &p, why);
    if (e == ERR_OK)
        judge(w, &p);
    target_close(&t);
    buf_free(&body);
    return e;
}

static void judge_node(struct waiting *w, const struct json_value *v)
{
    uint64_t copies = answer_number(v, "copies");
    uint64_t moving = answer_number(v, "moving");
    uint64_t stuck = answer_number(v, "stuck");
    char state[16] = "";

    buf_reset(&w->text);
    buf_printf(&w->text, "%llu copies left", (unsigned long long)copies);
    if (moving > 0)
        buf_printf(&w->text, ", %llu moving", (unsigned long long)moving);
    if (stuck > 0)
        buf_printf(&w->text, ", %llu that no other node can take",
                   (unsigned long long)stuck);
    (void)json_get_string(v, "state", state, sizeof state);
    if (strcmp(state, "suspect") == 0 || strcmp(state, "down") == 0 ||
        strcmp(state, "out") == 0)
        buf_printf(&w->text, "; the node is %s, nothing can leave it until it "
                   "is back", state);
}

static bool find_node(const struct json_value *list, const char *which,
                      struct json_value *node)
{
    struct span key;
    size_t it = 0;

    while (json_next(list, &it, &key, node)) {
        char peer[LIMIT_PEER_ID_TEXT] = "", name[LIMIT_NODE_NAME + 1] = "";
        char number[24];
        uint64_t id = 0;

        (void)json_get_string(node, "peer", peer, sizeof peer);
        (void)json_get_string(node, "name", name, sizeof name);
        (void)json_get_u64(node, "id", &id);
        snprintf(number, sizeof number, "%llu", (unsigned long long)id);
        if (strcmp(peer, which) == 0 || strcmp(name, which) == 0 ||
            strcmp(number, which) == 0)
            return true;
    }
    return false;
}

static enum err look_at_node(struct ctl *c, struct waiting *w,
                             struct err_text *why)
{
    struct buf body = BUF_INIT;
    struct json_value v, list, node;
    char admin[16] = "";
    uint64_t copies;
    enum err e = ask_value(c, "GET", "/api/v1/status", &body, &v, why);

    if (e == ERR_OK &&
        (!json_get(&v, "nodes", &list) || list.type != JSON_ARRAY))
        e = err_set(why, ERR_PROTOCOL, "malformed answer: no nodes");
    if (e == ERR_OK && find_node(&list, w->cid, &node)) {
        judge_node(w, &node);
        (void)json_get_string(&node, "admin", admin, sizeof admin);
    }
    /* A coordinator's picture may be a little old. */
    if (e == ERR_OK && strcmp(admin, "draining") == 0) {
        w->stale = 0;
        w->done = json_get_u64(&node, "copies", &copies) && copies == 0;
    } else if (e == ERR_OK && ++w->stale > STALE_LOOKS) {
        e = admin[0] == '\0'
                ? err_set(why, ERR_NOT_FOUND, "%s: the node is gone", w->cid)
                : err_set(why, ERR_CONFLICT, "%s: it is %s, not drained any "
                          "more; %s", w->cid, admin, buf_cstr(&w->text));
    }
    buf_free(&body);
    return e;
}

/* No look may take much longer than what is left of the wait. */
static enum err look_within(struct ctl *c, struct waiting *w,
                            uint64_t left_ms, struct err_text *why)
{
    uint64_t usual = c->client.timeout_ms, most = left_ms;
    enum err e;

    if (most < LOOK_LEAST_MS)
        most = LOOK_LEAST_MS;
    if (most < (usual != 0 ? usual : CLIENT_TIMEOUT_MS))
        c->client.timeout_ms = most;
    e = w->look(c, w, why);
    c->client.timeout_ms = usual;
    return e;
}

static enum err wait_for(struct ctl *c, struct waiting *w,
                         struct err_text *why)
{
    uint64_t limit = (uint64_t)cli_number(&c->cli, "wait-timeout",
                                          RUN_WAIT_MS);
    uint64_t begun = interrupt_now_ms(), pause = PAUSE_FIRST_MS;
    char span[PRINT_TIME];
    enum err e;

    for (;;) {
        uint64_t spent = interrupt_now_ms() - begun;

        e = look_within(c, w, spent < limit ? limit - spent : 0, why);
        if (interrupt_seen() == 0 && e != ERR_OK && may_pass(e)) {
            buf_reset(&w->text);
            buf_printf(&w->text, "no answer: %s", why->text);
            e = ERR_OK;
        }
        if (e != ERR_OK || interrupt_seen() != 0)
            break;
        /* A long CID would leave no room on a terminal. */
        if (progress_live())
            progress_show("%s", buf_cstr(&w->text));
        else
            progress_show("%s: %s", w->cid, buf_cstr(&w->text));
        if (w->done)
            break;
        spent = interrupt_now_ms() - begun;
        if (spent >= limit) {
            e = err_set(why, ERR_TIMEOUT, "%s: gave up waiting after %s: %s",
                        w->cid, print_span(limit, span),
                        buf_cstr(&w->text));
            break;
        }
        interrupt_sleep(pause < limit - spent ? pause : limit - spent);
        pause = pause * 3 / 2 < PAUSE_MOST_MS ? pause * 3 / 2
                                              : PAUSE_MOST_MS;
    }
    progress_clear();
    buf_free(&w->text);
    if (e == ERR_OK && !w->done)
        return err_set(why, ERR_CLOSED, "interrupted");
    return e;
}

enum err wait_pinned(struct ctl *c, const char *cid, int64_t min,
                     struct err_text *why)
{
    struct waiting w = {.look = look_at_pin, .cid = cid, .pinned = true,
                        .min = min};

    return wait_for(c, &w, why);
}

enum err wait_unpinned(struct ctl *c, const char *cid, struct err_text *why)
{
    struct waiting w = {.look = look_at_pin, .cid = cid};

    return wait_for(c, &w, why);
}

enum err wait_drained(struct ctl *c, const char *node, struct err_text *why)
{
    struct waiting w = {.look = look_at_node, .cid = node};

    return wait_for(c, &w, why);
}
