/* Any command of the daemon's, as a client asked it: the answer is not read
 * but passed on, head, body and trailer, as they come. What makes it whole is
 * HTTP's own end; one without a length cannot be told from a cut. Bodies go
 * out as uploads do (kubo_add.c).
 */
#include "agent/kubo_call.h"

#include "proto/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { HEAD_BYTES = 4 << 10 }; /* of the lines that are kept */

struct kubo_proxied {
    struct kubo_proxy ask;  /* its texts are not kept */
    struct buf text;        /* of the lines, each with its zero */
    size_t names[LIMIT_HEAD_LINES], values[LIMIT_HEAD_LINES];
    uint32_t n;
    bool told;              /* the head has gone to the caller */
};

void kubo_proxy_free(struct kubo_proxied *p)
{
    if (p == NULL)
        return;
    buf_free(&p->text);
    free(p);
}

static bool is(struct span name, const char *text)
{
    return name.n == strlen(text) &&
           strncasecmp((const char *)name.p, text, name.n) == 0;
}

static bool wanted(struct span name)
{
    return (name.n > 2 && strncasecmp((const char *)name.p, "X-", 2) == 0) ||
           is(name, "Content-Type") || is(name, "Content-Disposition");
}

/* "Name: value" and its line end. */
static bool split(struct span line, struct span *name, struct span *value)
{
    const uint8_t *colon = memchr(line.p, ':', line.n);
    const uint8_t *end = line.p + line.n;

    if (colon == NULL)
        return false;
    *name = span_of(line.p, (size_t)(colon - line.p));
    for (colon++; colon < end && (*colon == ' ' || *colon == '\t');)
        colon++;
    while (end > colon && strchr(" \t\r\n", end[-1]))
        end--;
    *value = span_of(colon, (size_t)(end - colon));
    return true;
}

static void keep(struct kubo_proxied *p, struct span name, struct span value)
{
    if (p->n == LIMIT_HEAD_LINES || name.n > LIMIT_HEAD_NAME ||
        p->text.n + name.n + value.n + 2 > HEAD_BYTES)
        return;
    p->names[p->n] = p->text.n;
    buf_add(&p->text, name.p, name.n);
    buf_byte(&p->text, 0);
    p->values[p->n++] = p->text.n;
    buf_add(&p->text, value.p, value.n);
    buf_byte(&p->text, 0);
}

static void tell_head(struct kubo_call *c)
{
    struct kubo_proxied *p = c->feed->proxied;
    struct kubo_line lines[LIMIT_HEAD_LINES];

    p->told = true;
    c->moved_ms = uv_now(c->kubo->loop);
    for (uint32_t i = 0; i < p->n; i++)
        lines[i] = (struct kubo_line){
            (const char *)p->text.p + p->names[i],
            (const char *)p->text.p + p->values[i]};
    p->ask.head(p->ask.arg, (unsigned)c->status, lines, p->n);
}

/* The status line, the head's lines, the empty one behind them; later the
 * trailer's. What goes before the answer (100) is passed over. A whole head
 * is progress; lines are not, since they may come for ever. */
static size_t on_header(char *text, size_t size, size_t n, void *arg)
{
    struct kubo_call *c = arg;
    struct kubo_proxied *p = c->feed->proxied;
    struct span line, name, value;

    n *= size;
    line = span_of(text, n);
    assert(c->magic == KUBO_CALL_MAGIC);
    if (c->ended)
        return n + 1;
    if (p->told) {
        if (split(line, &name, &value) && is(name, "X-Stream-Error"))
            kubo_text_trailer(&c->trailer, value);
        return n;
    }
    if (n > 5 && memcmp(text, "HTTP/", 5) == 0) {
        curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &c->status);
        c->framed = false;
        buf_reset(&p->text);
        p->n = 0;
    } else if (!split(line, &name, &value)) {
        if (c->status >= 200 && c->status <= 599)
            tell_head(c);
        if (c->status >= 400)
            kubo_add_refused(c);
    } else if (wanted(name)) {
        keep(p, name, value);
    } else if (is(name, "Content-Length") || is(name, "Transfer-Encoding")) {
        c->framed = true;
    }
    return n;
}

static size_t on_body(char *text, size_t size, size_t n, void *arg)
{
    struct kubo_call *c = arg;
    struct kubo_proxied *p = c->feed->proxied;

    n *= size;
    assert(c->magic == KUBO_CALL_MAGIC);
    if (c->ended || !p->told)
        return n + 1; /* anything but n stops the transfer */
    if (c->feed->held) {
        c->feed->read_paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    c->moved_ms = uv_now(c->kubo->loop);
    c->body_bytes += n;
    if (!p->ask.data(p->ask.arg, span_of(text, n)))
        c->feed->held = true;
    return n;
}

void kubo_proxy_done(struct kubo_call *c, CURLcode code)
{
    struct kubo_proxied *p = c->feed->proxied;
    const char *text = c->curl_text[0] ? c->curl_text
                                       : curl_easy_strerror(code);

    if (c->ended)
        return;
    /* A body that was refused may fail to be sent to its end. */
    if (code != CURLE_OK &&
        !(code == CURLE_SEND_ERROR && p->told && c->status >= 400))
        kubo_call_end(c, ERR_UNREACHABLE, FAIL_DAEMON, "%s: %s",
                      c->kubo->shown, text);
    else if (!p->told || !c->framed)
        kubo_call_end(c, ERR_PROTOCOL, FAIL_DAEMON, "%s: %s", c->kubo->shown,
                      "the daemon's answer has no end");
    else {
        if (c->trailer.n > 0)
            p->ask.trailer(p->ask.arg, span_buf(&c->trailer));
        kubo_call_end(c, ERR_OK, FAIL_NONE, "%s", "");
    }
}

static bool no_line(void *arg, struct span json)
{
    (void)arg;
    (void)json;
    return true;
}

static void set_up(struct kubo_call *c, const char *content_type)
{
    CURL *e = c->easy;

    if (content_type != NULL) {
        c->feed->headers = kubo_add_headers(c->kubo, content_type);
        kubo_add_setup(c);
    }
    /* What another command left of a connection is none of its business, and
     * a request with a body cannot be sent again. */
    curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(e, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
}

/* They come from a client, and go into a request's head. */
static bool can_be_sent(const struct kubo_proxy *p)
{
    for (size_t i = 0; i < p->query.n; i++)
        if (p->query.p[i] <= ' ' || p->query.p[i] >= 0x7f ||
            p->query.p[i] == '#')
            return false;
    return p->content_type == NULL ||
           strpbrk(p->content_type, "\r\n") == NULL;
}

struct kubo_call *kubo_proxy(struct kubo *k, const struct kubo_proxy *p)
{
    struct kubo_call *c = kubo_call_new(k, KIND_PROXY, p->done, p->arg);

    c->feed = mem_alloc(sizeof(*c->feed));
    c->feed->proxied = mem_alloc(sizeof(*c->feed->proxied));
    c->feed->proxied->ask = *p;
    c->feed->ask.room = p->room;
    c->feed->ask.line = no_line;
    c->feed->ask.arg = p->arg;
    set_up(c, p->content_type);
    buf_add(&c->target, p->command.p, p->command.n);
    if (p->query.n > 0) {
        buf_byte(&c->target, '?');
        buf_add(&c->target, p->query.p, p->query.n);
    }
    if (can_be_sent(p))
        kubo_call_start(c);
    else
        kubo_call_refuse(c, ERR_INVALID, "the request cannot be sent on");
    return c;
}
