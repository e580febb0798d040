#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "tests/lib/fakekubo_multipart.h"

/* PREAMBLE -> AFTER -> (HEAD -> PART -> AFTER)* -> COMPLETE */
enum state {
    STATE_PREAMBLE,
    STATE_AFTER, /* behind a delimiter */
    STATE_HEAD,
    STATE_PART,
    STATE_COMPLETE,
    STATE_MALFORMED
};

/* The value of name="…" or name=… in a header; false if absent. */
static bool parameter(const char *p, size_t n, const char *name, char *out,
                      size_t size)
{
    size_t length = strlen(name);
    for (size_t i = 1; i + length < n; i++) {
        if (strncasecmp(p + i, name, length) != 0 || p[i + length] != '=' ||
            !strchr("; \t", p[i - 1]))
            continue;
        const char *v = p + i + length + 1, *end = p + n;
        char stop = ';';
        if (v < end && *v == '"') {
            stop = '"';
            v++;
        }
        const char *z = memchr(v, stop, (size_t)(end - v));
        size_t k = (size_t)((z ? z : end) - v);
        if (k >= size)
            return false;
        memcpy(out, v, k);
        out[k] = 0;
        return true;
    }
    return false;
}

bool multipart_init(struct multipart *m, const struct http_str *type)
{
    static const char want[] = "multipart/form-data";
    char boundary[MULTIPART_BOUNDARY + 1];
    memset(m, 0, sizeof *m);
    if (!type || type->n < sizeof want ||
        strncasecmp(type->p, want, sizeof want - 1) != 0 ||
        !parameter(type->p, type->n, "boundary", boundary, sizeof boundary) ||
        !boundary[0])
        return false;
    snprintf(m->delimiter, sizeof m->delimiter, "\r\n--%s", boundary);
    buf_text(&m->pending, "\r\n"); /* the first delimiter may lack it */
    return true;
}

static void begin_part(struct multipart *m, const char *head, size_t n)
{
    char raw[MULTIPART_NAME] = "", name[MULTIPART_NAME] = "", type[64] = "";
    for (const char *p = head, *end = head + n; p < end;) {
        const char *eol = memmem(p, (size_t)(end - p), "\r\n", 2);
        size_t k = (size_t)((eol ? eol : end) - p);
        if (k > 20 && strncasecmp(p, "Content-Disposition:", 20) == 0)
            parameter(p, k, "filename", raw, sizeof raw);
        else if (k > 13 && strncasecmp(p, "Content-Type:", 13) == 0)
            snprintf(type, sizeof type, "%.*s", (int)(k - 13), p + 13);
        p += k + 2;
    }
    struct http_str escaped = {raw, strlen(raw)};
    if (http_unescape(escaped, name, sizeof name, true) != HTTP_ITEM_OK)
        name[0] = 0;
    m->on_part(m->arg, name, strstr(type, "application/x-directory") != NULL);
}

static void end_data(struct multipart *m, size_t n)
{
    if (m->state == STATE_PART && n)
        m->on_data(m->arg, m->pending.p, n);
}

/* Everything up to the next delimiter. */
static bool take_data(struct multipart *m)
{
    size_t length = strlen(m->delimiter), n = m->pending.n;
    const uint8_t *at =
        n ? memmem(m->pending.p, n, m->delimiter, length) : NULL;
    if (!at) {
        size_t sure = n >= length ? n - length + 1 : 0;
        end_data(m, sure);
        buf_drop(&m->pending, sure);
        return false;
    }
    size_t before = (size_t)(at - m->pending.p);
    end_data(m, before);
    if (m->state == STATE_PART)
        m->on_part_end(m->arg);
    buf_drop(&m->pending, before + length);
    m->state = STATE_AFTER;
    return true;
}

static bool take_after(struct multipart *m)
{
    if (m->pending.n < 2)
        return false;
    if (memcmp(m->pending.p, "--", 2) == 0)
        m->state = STATE_COMPLETE;
    else if (memcmp(m->pending.p, "\r\n", 2) == 0)
        m->state = STATE_HEAD; /* the CRLF stays: a head may be empty */
    else
        m->state = STATE_MALFORMED;
    return true;
}

static bool take_head(struct multipart *m)
{
    const uint8_t *p = m->pending.p;
    const uint8_t *end = memmem(p, m->pending.n, "\r\n\r\n", 4);
    if (!end) {
        if (m->pending.n <= MULTIPART_HEAD)
            return false;
        m->state = STATE_MALFORMED;
        return true;
    }
    size_t n = (size_t)(end - p);
    begin_part(m, (const char *)p + 2, n >= 2 ? n - 2 : 0);
    buf_drop(&m->pending, n + 4);
    m->state = STATE_PART;
    return true;
}

bool multipart_feed(struct multipart *m, const void *p, size_t n)
{
    bool more = true;
    buf_add(&m->pending, p, n);
    while (more) {
        switch ((enum state)m->state) {
        case STATE_PREAMBLE:
        case STATE_PART:
            more = take_data(m);
            break;
        case STATE_AFTER:
            more = take_after(m);
            break;
        case STATE_HEAD:
            more = take_head(m);
            break;
        case STATE_COMPLETE: /* the epilogue means nothing */
            buf_reset(&m->pending);
            return true;
        case STATE_MALFORMED:
            return false;
        }
    }
    return true;
}

bool multipart_complete(const struct multipart *m)
{
    return m->state == STATE_COMPLETE;
}

void multipart_free(struct multipart *m)
{
    buf_free(&m->pending);
}
