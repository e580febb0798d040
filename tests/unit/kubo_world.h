/* A daemon that misbehaves as written (scripted_server.h), a client of it,
 * and what its callbacks brought. */
#ifndef PINFOLD_KUBO_WORLD_H
#define PINFOLD_KUBO_WORLD_H

#include "agent/kubo.h"
#include "tests/lib/scripted_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Short limits only where they are tested: the machine may be busy. */
enum { STALL_MS = 400, CALL_MS = 600, LIST_MS = 4000, PATIENT_MS = 15000,
       GIVE_UP_MS = 30000 };

/* Qm… and bafybei… of one dag-pb multihash; a raw one */
#define V0 "QmP4yFA1Cx7WyCYQQVK99sdAdZWBumSBgnjGzh4AphkSXH"
#define V1 "bafybeiak25nbs44lninjedijvebeuqtayqo437tccf3rinpnqqpzejr4xa"
#define RAW "bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"

#define UNUSED __attribute__((unused))

#define HEAD "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"           \
             "Trailer: X-Stream-Error\r\n"
#define CHUNKED HEAD "X-Chunked-Output: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
#define END "0\r\n\r\n"
#define DIRECT_ROW                                                             \
    "56\r\n{\"Cid\":\"" RAW "\",\"Type\":\"direct\"}\n\r\n"

struct world {
    uv_loop_t loop;
    struct script_server server;
    struct kubo *kubo;
    unsigned done, rows, progressed;
    bool inside, closed;  /* inside a call that must not call back */
    bool hasty;
    uint64_t bytes, nodes;
    struct kubo_result *r;
    struct kubo_call *call;
    char name[256];
    void (*on_row)(struct world *w);
};

UNUSED static struct cid cid_of(const char *text)
{
    enum cid_form form;
    struct cid c;
    enum err e = cid_parse(text, strlen(text), &c, &form, NULL);

    assert_int_equal(e, ERR_OK);
    return c;
}

UNUSED static void on_done(void *arg, const struct kubo_result *r)
{
    struct world *w = arg;

    assert_false(w->inside);
    *w->r = *r;
    w->done++;
}

UNUSED static void on_row(void *arg, const struct cid *c,
                          const char *name)
{
    struct world *w = arg;

    assert_true(c->n > 0);
    snprintf(w->name, sizeof(w->name), "%s", name);
    w->rows++;
    if (w->on_row)
        w->on_row(w);
}

UNUSED static void on_progress(void *arg, uint64_t bytes,
                               uint64_t nodes)
{
    struct world *w = arg;

    w->progressed++;
    w->bytes = bytes;
    w->nodes = nodes;
}

static void on_closed(void *arg)
{
    ((struct world *)arg)->closed = true;
}

static void on_give_up(uv_timer_t *t)
{
    (void)t;
    fail_msg("nothing came");
}

#define WAIT(w, what)                                                          \
    do {                                                                       \
        uv_timer_t give_up;                                                    \
        uv_timer_init(&(w)->loop, &give_up);                                   \
        uv_timer_start(&give_up, on_give_up, GIVE_UP_MS, 0);                   \
        while (!(what))                                                        \
            uv_run(&(w)->loop, UV_RUN_ONCE);                                   \
        uv_close((uv_handle_t *)&give_up, NULL);                               \
        uv_run(&(w)->loop, UV_RUN_NOWAIT);                                     \
    } while (0)

/* One call, to its end. */
#define DO(w, call_)                                                           \
    do {                                                                       \
        unsigned before = (w)->done;                                           \
        (w)->inside = true;                                                    \
        (w)->call = call_;                                                     \
        (w)->inside = false;                                                   \
        assert_int_equal((w)->done, before);                                   \
        WAIT(w, (w)->done > before);                                           \
        assert_int_equal((w)->done, before + 1);                               \
    } while (0)

#define IS(w, error_, part)                                                    \
    do {                                                                       \
        if ((w)->r->error != (error_) || !strstr((w)->r->text, part))          \
            fail_msg("%s: \"%s\"", err_name((w)->r->error), (w)->r->text);     \
    } while (0)

static void world_open(struct world *w, const char *address,
                       const char *authorization)
{
    struct kubo_settings st = {
        &w->loop, address, authorization, 4, PATIENT_MS,
        w->hasty ? CALL_MS : PATIENT_MS, w->hasty ? STALL_MS : PATIENT_MS,
        w->hasty ? LIST_MS : PATIENT_MS};
    struct err_text why;
    enum err e = kubo_new(&st, &w->kubo, &why);

    assert_int_equal(e, ERR_OK);
}

static struct world *world_of(const char *path, bool hasty)
{
    struct world *w = mem_alloc(sizeof(*w));

    uv_loop_init(&w->loop);
    w->hasty = hasty;
    w->r = mem_alloc(sizeof(*w->r));
    script_listen(&w->server, &w->loop, path);
    world_open(w, w->server.address, NULL);
    return w;
}

static struct world *world_new(const char *path)
{
    return world_of(path, false);
}

UNUSED static struct world *world_hasty(void)
{
    return world_of(NULL, true);
}

static void world_free(struct world *w)
{
    int rc;

    if (!w->closed) {
        kubo_close(w->kubo, on_closed, w);
        assert_false(w->closed);
        WAIT(w, w->closed);
    }
    script_stop(&w->server);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(w->server.open, 0);
    rc = uv_loop_close(&w->loop);
    assert_int_equal(rc, 0);
    free(w->r);
    free(w);
}

/* The daemon answers the next requests so. */
static void reply(struct world *w, struct script_reply r)
{
    assert_true(w->server.replies_n < SCRIPT_REPLIES);
    w->server.replies[w->server.replies_n++] = r;
}

static void forget(struct world *w)
{
    w->server.replies_n = w->server.requests = 0;
}

/* Status, body as one chunk, trailer. The text lives as long as the test. */
static const char *text_of(int status, const char *body, const char *trailer)
{
    static char texts[SCRIPT_REPLIES][8192];
    static unsigned i;
    char *out = texts[i++ % SCRIPT_REPLIES];
    char chunk[4096] = "";

    if (body[0])
        snprintf(chunk, sizeof(chunk), "%zx\r\n%s\r\n", strlen(body), body);
    snprintf(out, sizeof(texts[0]),
             "HTTP/1.1 %d Text\r\nContent-Type: application/json\r\n"
             "X-Chunked-Output: 1\r\nTransfer-Encoding: chunked\r\n"
             "Trailer: X-Stream-Error\r\n\r\n%s0\r\n%s%s%s\r\n",
             status, chunk, trailer ? "X-Stream-Error: " : "",
             trailer ? trailer : "", trailer ? "\r\n" : "");
    return out;
}

UNUSED static void answer(struct world *w, int status, const char *body,
                          const char *trailer)
{
    forget(w);
    reply(w, (struct script_reply){.bytes = text_of(status, body, trailer)});
}

#endif
