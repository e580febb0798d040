/* The combined form, and what counts as a read. */
#include "agent/core/access_log_fields.h"

#include <stddef.h>
#include <string.h>

/* --- the combined form ---------------------------------------------------- */

/* Up to that byte; *at goes behind it. false: it is not there. */
static bool up_to(struct span line, size_t *at, uint8_t c, struct span *out)
{
    const uint8_t *p = line.p + *at;
    const uint8_t *q = *at < line.n ? memchr(p, c, line.n - *at) : NULL;

    if (q == NULL)
        return false;
    *out = span_of(p, (size_t)(q - p));
    *at += out->n + 1;
    return true;
}

/* A quote within is written \" or \x22. */
static bool quoted(struct span line, size_t *at, struct span *out)
{
    size_t from = ++*at;

    for (; *at < line.n && line.p[*at] != '"'; (*at)++)
        if (line.p[*at] == '\\')
            (*at)++;
    if (*at >= line.n)
        return false;
    *out = span_of(line.p + from, *at - from);
    (*at)++;
    return true;
}

static bool is_address(struct span text)
{
    struct access a;

    return access_client(text, &a);
}

/* "address ident user", or with a virtual host before. */
static bool who(struct span head, struct access_fields *f)
{
    struct span second;
    size_t at = 0;

    if (!up_to(head, &at, ' ', &f->client) || f->client.n == 0 ||
        !up_to(head, &at, ' ', &second))
        return false;
    if (!is_address(f->client) && is_address(second)) {
        f->host = f->client;
        f->client = second;
    }
    return true;
}

static bool word(struct span line, size_t *at, struct span *out)
{
    size_t from;

    while (*at < line.n && line.p[*at] == ' ')
        (*at)++;
    from = *at;
    while (*at < line.n && line.p[*at] != ' ')
        (*at)++;
    *out = span_of(line.p + from, *at - from);
    return out->n > 0;
}

static bool parse_combined(struct span line, struct access_fields *f,
                           bool *request)
{
    struct span head, text;
    size_t at = 0;

    if (!up_to(line, &at, '[', &head) || !who(head, f) ||
        !up_to(line, &at, ']', &f->time) || at + 1 >= line.n ||
        line.p[at] != ' ' || line.p[at + 1] != '"')
        return false;
    at++;
    if (!quoted(line, &at, &text))
        return false;
    *request = access_request(text, f);
    if (!word(line, &at, &text) || !access_number(text, &f->status))
        return false;
    if (word(line, &at, &text) && !access_number(text, &f->bytes) &&
        !span_is(text, "-"))
        return false;
    return true;
}

/* --- what counts ---------------------------------------------------------- */

static bool begins(struct span text, const char *with)
{
    size_t n = strlen(with);

    return text.n >= n && memcmp(text.p, with, n) == 0;
}

static struct span behind(struct span text, size_t n)
{
    return span_of(text.p + n, text.n - n);
}

/* "https://host/path": as proxies are asked. */
static void split_url(struct access_fields *f)
{
    size_t scheme = begins(f->target, "http://") ? 7
                    : begins(f->target, "https://") ? 8 : 0;
    size_t n = scheme;

    if (scheme == 0)
        return;
    while (n < f->target.n && f->target.p[n] != '/')
        n++;
    f->host = span_of(f->target.p + scheme, n - scheme);
    f->target = behind(f->target, n);
}

/* <cid>.ipfs.<anything> */
static bool cid_of_host(struct span host, struct cid *out)
{
    const uint8_t *dot = host.n > 0 ? memchr(host.p, '.', host.n) : NULL;
    enum cid_form form;
    size_t n;

    if (dot == NULL)
        return false;
    n = (size_t)(dot - host.p);
    return begins(behind(host, n), ".ipfs.") &&
           cid_parse((const char *)host.p, n, out, &form, NULL) == ERR_OK;
}

static bool cid_of_path(struct span path, struct cid *out)
{
    enum cid_form form;
    size_t n = 0;

    if (!begins(path, "/ipfs/"))
        return false;
    path = behind(path, 6);
    while (n < path.n && path.p[n] != '/' && path.p[n] != '?' &&
           path.p[n] != '#')
        n++;
    return cid_parse((const char *)path.p, n, out, &form, NULL) == ERR_OK;
}

static enum access_kind judge(struct access_fields *f, struct access *out)
{
    if (!span_is(f->method, "GET") ||
        (f->status != 200 && f->status != 206 && f->status != 304))
        return ACCESS_OTHER;
    split_url(f);
    if (!cid_of_host(f->host, &out->cid) &&
        !cid_of_path(f->target, &out->cid))
        return ACCESS_OTHER;
    out->whole = f->status == 304;
    out->bytes = f->bytes;
    out->time_ms = access_time_ms(f->time);
    (void)access_client(f->client, out);
    return ACCESS_READ;
}

enum access_kind access_log_parse(struct span line, struct access *out)
{
    struct access_fields f;
    bool request = true;
    size_t blank = 0;

    if (line.n > ACCESS_LINE_MAX)
        return ACCESS_MALFORMED;
    memset(&f, 0, offsetof(struct access_fields, scratch));
    memset(out, 0, sizeof *out);
    while (blank < line.n && (line.p[blank] == ' ' || line.p[blank] == '\r'))
        blank++;
    line = behind(line, blank);
    while (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    if (line.n > 0 && line.p[0] == '{') {
        if (!access_log_json(line, &f))
            return ACCESS_MALFORMED;
    } else if (!parse_combined(line, &f, &request)) {
        return ACCESS_MALFORMED;
    }
    return request ? judge(&f, out) : ACCESS_OTHER;
}
