/* Judges whole request heads: a head is looked at again from its start until
 * it is complete, which needs no resumable state machine. Refuses everything
 * that two readers could understand differently (RFC 9112 11.2).
 */
#include "coordinator/http/http_parse.h"
#include <string.h>
#include <strings.h>

enum { TLS_HANDSHAKE = 0x16 }; /* the first byte of who speaks TLS */

/* tchar of RFC 9110 5.6.2 */
static bool is_token(unsigned char c)
{
    if ((c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z'))
        return true;
    return c && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct http_str str(const char *from, const char *to)
{
    return (struct http_str){from, (size_t)(to - from)};
}

bool http_equal(struct http_str s, const char *text)
{
    return s.n == strlen(text) && memcmp(s.p, text, s.n) == 0;
}

static bool equal_any_case(struct http_str s, const char *text)
{
    return s.n == strlen(text) && strncasecmp(s.p, text, s.n) == 0;
}

static bool list_has(struct http_str s, const char *text)
{
    const char *p = s.p, *end = s.p + s.n;
    while (p < end) {
        while (p < end && (is_blank(*p) || *p == ','))
            p++;
        const char *a = p;
        while (p < end && *p != ',')
            p++;
        const char *z = p;
        while (z > a && is_blank(z[-1]))
            z--;
        if (equal_any_case(str(a, z), text))
            return true;
    }
    return false;
}

static int64_t parse_length(struct http_str s)
{
    int64_t v = 0;
    if (s.n == 0 || s.n > HTTP_LENGTH_DIGITS)
        return -1;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return -1;
        v = v * 10 + (s.p[i] - '0');
    }
    return v;
}

struct http_str http_glance_path(const char *buf, size_t len)
{
    struct http_str path = {buf, 0};
    const char *end = buf + len;
    const char *p = len ? memchr(buf, ' ', len) : NULL;
    if (!p)
        return path;
    path.p = ++p;
    while (p < end && (unsigned char)*p > ' ' && *p != '?')
        p++;
    path.n = (size_t)(p - path.p);
    return path;
}

static int split_target(struct http_head *o)
{
    struct http_str t = o->target;
    if (equal_any_case(o->method, "OPTIONS") && t.n == 1 && t.p[0] == '*') {
        o->path = t;
        o->query = (struct http_str){t.p + 1, 0};
        return 0;
    }
    if (t.p[0] != '/') /* absolute and authority form are for proxies */
        return -400;
    const char *q = memchr(t.p, '?', t.n), *end = t.p + t.n;
    o->path = str(t.p, q ? q : end);
    o->query = str(q ? q + 1 : end, end);
    return 0;
}

static int parse_version(const char *p, const char *end, struct http_head *o)
{
    if (end - p != 8 || memcmp(p, "HTTP/", 5) != 0 || p[6] != '.' ||
        p[5] < '0' || p[5] > '9' || p[7] < '0' || p[7] > '9')
        return -400;
    if (p[5] != '1') {
        o->why = HTTP_REFUSED_VERSION;
        return -505;
    }
    o->minor = p[7] == '0' ? 0 : 1;
    return 0;
}

/* METHOD SP target SP HTTP/1.x */
static int request_line(const char *p, const char *end, struct http_head *o)
{
    const char *a = p;
    while (p < end && is_token((unsigned char)*p))
        p++;
    o->method = str(a, p);
    if (p == a || p == end || *p != ' ' || o->method.n > HTTP_METHOD_BYTES)
        return -400;
    a = ++p;
    while (p<end && * p> 0x20 && *p < 0x7f && *p != '#')
        p++;
    o->target = str(a, p);
    if (p == a || p == end || *p != ' ')
        return -400;
    if (o->target.n > HTTP_TARGET_BYTES) {
        o->why = HTTP_REFUSED_LARGE;
        return -414;
    }
    int rc = parse_version(p + 1, end, o);
    if (!rc)
        rc = split_target(o);
    o->head_only = http_equal(o->method, "HEAD");
    if (o->head_only)
        o->method = (struct http_str){"GET", 3};
    return rc;
}

/* The bytes are judged before the head is complete, so that rubbish is
 * refused at once. A CR at the very end may yet get its LF. */
static bool bytes_legal(const char *buf, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)buf[i];
        if (c == '\r') {
            if (i + 1 < n && buf[i + 1] != '\n')
                return false;
        } else if (c == '\n') {
            if (i == 0 || buf[i - 1] != '\r')
                return false;
        } else if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return true;
}

/* One line, [p, eol); folding and "Name :" fail at the colon. */
static int split_header(const char *p, const char *eol, struct http_header *h)
{
    const char *a = p;
    while (p < eol && is_token((unsigned char)*p))
        p++;
    if (p == a || p == eol || *p != ':')
        return -400;
    h->name = str(a, p);
    for (p++; p < eol && is_blank(*p); p++)
        ;
    const char *z = eol;
    while (z > p && is_blank(z[-1]))
        z--;
    h->value = str(p, z);
    return 0;
}

/* Bytes of a name or an address, and a port (RFC 3986 3.2.2, RFC 9112 3.2);
 * none at all for who has no name for us. */
static bool host_legal(struct http_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (!((c >= '0' && c <= '9') ||
              ((c | 32) >= 'a' && (c | 32) <= 'z')) &&
            !memchr("-._~!$&'()*+,;=%:[]", c, 19))
            return false;
    }
    return true;
}

struct seen {
    int host, coding, who;
};

/* Headers that decide where the body ends, whether a next request may follow,
 * and who asks: what stands in front of us may have looked at another one. */
static int apply_header(const struct http_header *h, struct http_head *o,
                        struct seen *seen)
{
    o->why = HTTP_REFUSED_FRAMING;
    if (equal_any_case(h->name, "Content-Length")) {
        if (o->length >= 0)
            return -400;
        o->length = parse_length(h->value);
        return o->length < 0 ? -400 : 0;
    }
    if (equal_any_case(h->name, "Transfer-Encoding")) {
        if (seen->coding++)
            return -400;
        return equal_any_case(h->value, "chunked") ? 0 : -501;
    }
    o->why = HTTP_REFUSED_HOST;
    if (equal_any_case(h->name, "Host"))
        return seen->host++ || !host_legal(h->value) ? -400 : 0;
    o->why = HTTP_REFUSED_HEADER;
    if (equal_any_case(h->name, "Authorization"))
        return seen->who++ ? -400 : 0;
    if (equal_any_case(h->name, "Connection")) {
        if (list_has(h->value, "close"))
            o->keep = false;
        else if (o->minor == 0 && list_has(h->value, "keep-alive"))
            o->keep = true;
    } else if (equal_any_case(h->name, "Expect")) {
        o->why = HTTP_REFUSED_EXPECT;
        if (!equal_any_case(h->value, "100-continue"))
            return -417;
        o->expect = o->minor == 1;
    }
    return 0;
}

/* The lines behind the request line, [p, end). */
static int take_headers(const char *p, const char *end, struct http_head *o,
                        struct seen *seen)
{
    while (p < end) {
        const char *eol = memmem(p, (size_t)(end + 2 - p), "\r\n", 2);
        o->why = HTTP_REFUSED_LARGE;
        if (o->n == HTTP_HEADERS)
            return -431;
        struct http_header *h = &o->headers[o->n++];
        o->why = HTTP_REFUSED_HEADER;
        int rc = split_header(p, eol, h);
        if (!rc)
            rc = apply_header(h, o, seen);
        if (rc)
            return rc;
        p = eol + 2;
    }
    return 0;
}

int http_parse_head(const char *buf, size_t len, struct http_head *o)
{
    const char *end = memmem(buf, len, "\r\n\r\n", 4);
    size_t scan = end ? (size_t)(end - buf) + 4 : len;
    size_t bound = scan < HTTP_HEAD_BYTES ? scan : HTTP_HEAD_BYTES;
    if (!bytes_legal(buf, bound)) {
        o->why = buf[0] == TLS_HANDSHAKE ? HTTP_REFUSED_TLS_ON_PLAIN
                                         : HTTP_REFUSED_BYTES;
        return -400;
    }
    if (!end || scan > HTTP_HEAD_BYTES) {
        if (len < HTTP_HEAD_BYTES)
            return 0;
        o->why = HTTP_REFUSED_LARGE;
        return memchr(buf, '\n', bound) ? -431 : -414;
    }
    memset(o, 0, offsetof(struct http_head, headers));
    o->length = -1;
    o->why = HTTP_REFUSED_LINE;
    const char *eol = memmem(buf, scan, "\r\n", 2);
    struct seen seen = {0, 0, 0};
    int rc = request_line(buf, eol, o);
    if (rc)
        return rc;
    o->keep = o->minor == 1;
    rc = take_headers(eol + 2, end + 2, o, &seen);
    if (rc)
        return rc;
    o->why = HTTP_REFUSED_HOST;
    if (o->minor == 1 && seen.host != 1)
        return -400;
    o->why = HTTP_REFUSED_FRAMING;
    if (seen.coding && (o->length >= 0 || o->minor == 0))
        return -400;
    o->chunked = seen.coding != 0;
    return (int)scan;
}

const struct http_str *http_header(const struct http_head *head,
                                   const char *name)
{
    for (unsigned i = 0; i < head->n; i++)
        if (equal_any_case(head->headers[i].name, name))
            return &head->headers[i].value;
    return NULL;
}
