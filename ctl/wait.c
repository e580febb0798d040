/* Polls the status of one pin. A coordinator that does not answer meanwhile
 * is waited for as well: the pin is safe, only the answer is late.
 */
#include "ctl/wait.h"

#include "ctl/ask.h"
#include "ctl/interrupt.h"
#include "ctl/pinview.h"
#include "ctl/print.h"
#include "ctl/progress.h"

#include <stdio.h>
#include <string.h>

enum { PAUSE_FIRST_MS = 100, PAUSE_MOST_MS = 1000 };

struct waiting {
    const char *cid;
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

static bool may_pass(enum err e)
{
    return err_http_status(e) >= 500 && e != ERR_PROTOCOL;
}

static enum err look(struct ctl *c, struct waiting *w, struct err_text *why)
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
    if (e == ERR_OK) {
        judge(w, &p);
    } else if (may_pass(e)) {
        buf_reset(&w->text);
        buf_printf(&w->text, "no answer: %s", why->text);
        e = ERR_OK;
    }
    target_close(&t);
    buf_free(&body);
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
        uint64_t spent;

        e = look(c, w, why);
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
    return e;
}

enum err wait_pinned(struct ctl *c, const char *cid, int64_t min,
                     struct err_text *why)
{
    struct waiting w = {.cid = cid, .pinned = true, .min = min};

    return wait_for(c, &w, why);
}

enum err wait_unpinned(struct ctl *c, const char *cid, struct err_text *why)
{
    struct waiting w = {.cid = cid};

    return wait_for(c, &w, why);
}
