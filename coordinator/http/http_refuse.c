/* Connections that are refused before a request is there: each is counted,
 * and told to the application, which logs it. Outsiders can be refused at
 * will, so a door tells so many of them each while and then how many more.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include "coordinator/http/http_tls.h"

static const char *const words[HTTP_REFUSALS] = {
    [HTTP_REFUSED_BYTES] = "bytes",
    [HTTP_REFUSED_TLS_ON_PLAIN] = "tls_on_plain",
    [HTTP_REFUSED_PLAIN_ON_TLS] = "plain_on_tls",
    [HTTP_REFUSED_TLS] = "tls",
    [HTTP_REFUSED_LINE] = "request_line",
    [HTTP_REFUSED_VERSION] = "version",
    [HTTP_REFUSED_HEADER] = "header",
    [HTTP_REFUSED_FRAMING] = "framing",
    [HTTP_REFUSED_HOST] = "host",
    [HTTP_REFUSED_EXPECT] = "expectation",
    [HTTP_REFUSED_LARGE] = "too_large",
    [HTTP_REFUSED_SLOW] = "too_slow",
    [HTTP_REFUSED_CUT] = "cut",
    [HTTP_REFUSED_FULL] = "full",
    [HTTP_REFUSED_STRANGER] = "stranger",
};

const char *http_refusal_word(enum http_refusal why)
{
    return words[why];
}

uint64_t http_refused_count(const struct http_server *s, unsigned door,
                            enum http_refusal why)
{
    return s->refused[door].n[why];
}

void http_address_print(const struct sockaddr *from, char out[HTTP_CLIENT_MAX])
{
    if (!from)
        snprintf(out, HTTP_CLIENT_MAX, "unix");
    else if (uv_ip_name(from, out, HTTP_CLIENT_MAX) < 0)
        snprintf(out, HTTP_CLIENT_MAX, "-");
}

static void tell(struct http_server *s, struct http_refused_door *d)
{
    if (s->ops.on_refused)
        s->ops.on_refused(s->app, &d->last);
    d->last.count = 0;
}

void http_refuse_note(struct http_server *s, unsigned door,
                      const struct sockaddr *from, enum http_refusal why,
                      int status)
{
    struct http_refused_door *d = &s->refused[door];
    uint64_t now_ms = uv_now(s->loop);

    if (now_ms >= d->until_ms) {
        if (d->last.count > 0)
            tell(s, d);
        d->until_ms = now_ms + HTTP_REFUSED_MS;
        d->left = HTTP_REFUSED_LINES;
    }
    d->n[why]++;
    d->last.door = door;
    d->last.why = why;
    d->last.status = status;
    d->last.count++;
    http_address_print(from, d->last.client);
    if (d->left == 0)
        return;
    d->left--;
    tell(s, d);
}

void http_refuse_conn(struct http_conn *c, enum http_refusal why, int status)
{
    if (c->refused)
        return;
    c->refused = true;
    http_refuse_note(c->server, c->door, c->peer ? &c->from.any : NULL, why,
                     status);
}

/* A client that leaves in the midst of a head, or of a handshake. */
void http_refuse_cut(struct http_conn *c)
{
    if (c->server->draining || c->server->closing)
        return;
    if (http_tls_begun(c))
        http_refuse_conn(c, HTTP_REFUSED_TLS, 0);
    else if (!c->live && !c->held && c->in_state == HTTP_IN_HEAD && c->in.n)
        http_refuse_conn(c, HTTP_REFUSED_CUT, 0);
}

/* What was not told, when its while is over, or at the end. */
void http_refuse_tell(struct http_server *s, bool all)
{
    uint64_t now_ms = uv_now(s->loop);

    for (unsigned i = 0; i < HTTP_DOORS; i++) {
        struct http_refused_door *d = &s->refused[i];
        if (d->last.count > 0 && (all || now_ms >= d->until_ms))
            tell(s, d);
    }
}
