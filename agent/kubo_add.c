/* Upload to the daemon's add or dag/import: the caller's multipart body goes
 * out unchanged and in chunks while the answer's lines come in. Either
 * direction can wait for the caller; little more than KUBO_FEED is kept on the
 * way out, and one read of libcurl's on the way in.
 */
#include "agent/kubo_call.h"

#include "proto/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum err kubo_read_add(const struct kubo_ask *ask,
                       const struct json_value *v, struct kubo_seen *seen,
                       struct kubo_result *r, struct err_text *why)
{
    struct json_value hash;
    uint64_t bytes = seen->bytes;

    (void)ask;
    (void)r;
    if (v->type != JSON_OBJECT)
        return err_set(why, ERR_PROTOCOL, "the answer is no object");
    /* Which one is the root, only the caller knows; the last has a hash. */
    seen->last = json_get(v, "Hash", &hash) && hash.type == JSON_STRING;
    (void)json_get_u64(v, "Bytes", &bytes);
    seen->moved = seen->last || bytes != seen->bytes;
    seen->bytes = bytes;
    return ERR_OK;
}

/* Without Stats it did not come to its end. */
enum err kubo_read_import(const struct kubo_ask *ask,
                          const struct json_value *v, struct kubo_seen *seen,
                          struct kubo_result *r, struct err_text *why)
{
    struct json_value stats;

    (void)ask;
    (void)r;
    if (v->type != JSON_OBJECT)
        return err_set(why, ERR_PROTOCOL, "the answer is no object");
    if (seen->last)
        return err_set(why, ERR_PROTOCOL, "the answer goes on behind its "
                       "end");
    seen->last = json_get(v, "Stats", &stats) && stats.type == JSON_OBJECT;
    return ERR_OK;
}

static void wake(struct kubo_call *c)
{
    c->feed->wake = true;
    kubo_settle_soon(c->kubo);
}

/* libcurl asks for more of the body. */
static size_t on_read(char *out, size_t size, size_t n, void *arg)
{
    struct kubo_call *c = arg;
    struct kubo_feed *f = c->feed;
    size_t left;

    n *= size;
    assert(c->magic == KUBO_CALL_MAGIC && f);
    if (c->ended)
        return CURL_READFUNC_ABORT;
    left = f->body.n - f->at;
    if (left == 0) {
        if (f->ended)
            return 0;
        f->send_paused = true;
        return CURL_READFUNC_PAUSE;
    }
    n = left < n ? left : n;
    memcpy(out, f->body.p + f->at, n);
    f->at += n;
    c->moved_ms = uv_now(c->kubo->loop);
    if (f->at == f->body.n) {
        buf_reset(&f->body);
        f->at = 0;
    }
    if (f->full && f->body.n - f->at <= KUBO_FEED / 2) {
        f->full = false;
        f->ask.room(f->ask.arg);
    }
    return n;
}

void kubo_add_setup(struct kubo_call *c)
{
    CURL *e = c->easy;

    curl_easy_setopt(e, CURLOPT_HTTPHEADER, c->feed->headers);
    curl_easy_setopt(e, CURLOPT_POSTFIELDS, NULL);
    curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE, -1L);
    curl_easy_setopt(e, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(e, CURLOPT_READDATA, c);
    /* A refused one may leave its connection in the middle. */
    curl_easy_setopt(e, CURLOPT_FORBID_REUSE, 1L);
}

struct curl_slist *kubo_add_headers(const struct kubo *k, const char *type)
{
    struct curl_slist *list = NULL;
    struct buf line = BUF_INIT;

    list = curl_slist_append(list, "Expect:");
    list = curl_slist_append(list, "Transfer-Encoding: chunked");
    buf_printf(&line, "Content-Type: %s", type);
    list = curl_slist_append(list, buf_cstr(&line));
    if (k->authorization)
        list = curl_slist_append(list, k->authorization);
    buf_free(&line);
    assert(list);
    return list;
}

static struct kubo_call *upload(struct kubo *k, enum kubo_kind kind,
                                const struct kubo_upload *u,
                                const char *query)
{
    struct kubo_call *c = kubo_call_new(k, kind, u->done, u->arg);

    assert(u->room && u->line);
    c->feed = mem_alloc(sizeof(*c->feed));
    c->feed->ask = *u;
    c->feed->ask.query = c->feed->ask.content_type = NULL;
    c->feed->headers = kubo_add_headers(k, u->content_type);
    kubo_add_setup(c);
    if (query && query[0])
        buf_printf(&c->target, "?%s", query);
    /* They come from a client, and go into a request's head. */
    if (strpbrk(u->content_type, "\r\n") ||
        (query && strpbrk(query, " \t\r\n#")))
        kubo_call_refuse(c, ERR_INVALID,
                         "the upload's arguments cannot be sent");
    else
        kubo_call_start(c);
    return c;
}

struct kubo_call *kubo_add(struct kubo *k, const struct kubo_upload *u)
{
    return upload(k, KIND_ADD, u, u->query);
}

struct kubo_call *kubo_import(struct kubo *k, const struct kubo_upload *u)
{
    return upload(k, KIND_IMPORT, u, "pin-roots=false&stats=true");
}

bool kubo_feed(struct kubo_call *c, struct span bytes)
{
    struct kubo_feed *f = c->feed;

    assert(c->magic == KUBO_CALL_MAGIC && f && !f->ended);
    if (c->ended)
        return false; /* `done` is on its way */
    if (f->body.n - f->at + bytes.n > KUBO_FEED_MAX) {
        kubo_call_end(c, ERR_TOO_LARGE, FAIL_OTHER,
                      "more of the upload came than was asked for");
        return false;
    }
    if (f->at > 0) {
        buf_drop(&f->body, f->at);
        f->at = 0;
    }
    buf_add(&f->body, bytes.p, bytes.n);
    if (f->send_paused)
        wake(c);
    f->full = f->body.n >= KUBO_FEED;
    return !f->full;
}

void kubo_feed_end(struct kubo_call *c)
{
    assert(c->magic == KUBO_CALL_MAGIC && c->feed);
    c->feed->ended = true;
    if (c->feed->send_paused && !c->ended)
        wake(c);
}

void kubo_read_on(struct kubo_call *c)
{
    assert(c->magic == KUBO_CALL_MAGIC && c->feed);
    if (c->feed->held && !c->ended) {
        c->feed->read_on = true;
        wake(c);
    }
}

/* libcurl stops sending by itself, but not when it is paused: the transfer
 * would then never end. */
void kubo_add_refused(struct kubo_call *c)
{
    if (c->feed->send_paused)
        wake(c);
}

void kubo_add_yield(struct kubo_call *c)
{
    c->feed->read_paused = true;
    wake(c);
}

static void give_out(struct kubo_call *c)
{
    struct buf rest = c->feed->rest;

    c->feed->read_on = c->feed->held = false;
    memset(&c->feed->rest, 0, sizeof(c->feed->rest));
    (void)kubo_call_take(c, (const char *)rest.p, rest.n);
    buf_free(&rest);
}

/* Gives out what was held back, then lets libcurl go on. */
void kubo_add_wake(struct kubo_call *c)
{
    struct kubo_feed *f = c->feed;
    bool paused = f->send_paused || f->read_paused;

    f->wake = false;
    if (f->read_on)
        give_out(c);
    if (c->ended)
        return;
    if (c->arrived) {
        kubo_call_done(c, c->arrived_code);
        return;
    }
    f->send_paused = false;
    if (!f->held)
        f->read_paused = false;
    if (paused)
        curl_easy_pause(c->easy, f->read_paused ? CURLPAUSE_RECV
                                                : CURLPAUSE_CONT);
}

void kubo_add_free(struct kubo_call *c)
{
    curl_slist_free_all(c->feed->headers);
    kubo_proxy_free(c->feed->proxied);
    buf_free(&c->feed->body);
    buf_free(&c->feed->rest);
    free(c->feed);
    c->feed = NULL;
}
