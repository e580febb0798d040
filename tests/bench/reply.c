/* See reply.h. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "tests/bench/reply.h"

void reply_reset(struct reply *r)
{
    memset(r, 0, offsetof(struct reply, head));
}

/* Value of a header, behind its colon and blanks; NULL when absent. */
static const char *header(const char *head, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = strstr(head, "\r\n"); at && at[2];
         at = strstr(at + 2, "\r\n")) {
        if (strncasecmp(at + 2, name, n) != 0 || at[2 + n] != ':')
            continue;
        at += 3 + n;
        return at + strspn(at, " ");
    }
    return NULL;
}

static void end_head(struct reply *r)
{
    const char *value;
    if (strncmp(r->head, "HTTP/1.1 ", 9) != 0) {
        r->state = REPLY_BAD;
        return;
    }
    r->status = (int)strtol(r->head + 9, NULL, 10);
    value = header(r->head, "Connection");
    r->close = value && strncasecmp(value, "close", 5) == 0;
    value = header(r->head, "Transfer-Encoding");
    if (value) {
        r->state = REPLY_IN_SIZE;
        return;
    }
    value = header(r->head, "Content-Length");
    r->left = value ? strtoull(value, NULL, 10) : 0;
    r->state = r->left > 0 ? REPLY_IN_BODY : REPLY_DONE;
}

static size_t feed_head(struct reply *r, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (r->head_n == sizeof r->head - 1) {
            r->state = REPLY_BAD;
            return n;
        }
        r->head[r->head_n++] = p[i];
        if (r->head_n >= 4 && p[i] == '\n' &&
            memcmp(r->head + r->head_n - 4, "\r\n\r\n", 4) == 0) {
            r->head[r->head_n] = '\0';
            end_head(r);
            return i + 1;
        }
    }
    return n;
}

static size_t feed_body(struct reply *r, const char *p, size_t n)
{
    if (n > r->left)
        n = (size_t)r->left;
    r->left -= n;
    r->bytes += n;
    for (const char *at = p; (at = memchr(at, '\n', n - (size_t)(at - p)));
         at++)
        r->lines++;
    if (r->left == 0)
        r->state = r->state == REPLY_IN_BODY ? REPLY_DONE : REPLY_BEHIND;
    return n;
}

static void end_line(struct reply *r)
{
    r->head[r->line_n] = '\0';
    if (r->state == REPLY_IN_SIZE) {
        r->left = strtoull(r->head, NULL, 16);
        r->state = r->left > 0 ? REPLY_IN_CHUNK : REPLY_IN_TRAILER;
    } else if (r->state == REPLY_BEHIND) {
        r->state = REPLY_IN_SIZE;
    } else if (r->line_n == 0) {
        r->state = REPLY_DONE;
    } else if (strncasecmp(r->head, "X-Stream-Error:", 15) == 0) {
        r->trouble = r->head[15 + strspn(r->head + 15, " ")] != '\0';
    }
    r->line_n = 0;
}

static size_t feed_line(struct reply *r, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '\n') {
            end_line(r);
            return i + 1;
        }
        if (p[i] != '\r' && r->line_n < sizeof r->head - 1)
            r->head[r->line_n++] = p[i];
    }
    return n;
}

size_t reply_feed(struct reply *r, const char *p, size_t n)
{
    size_t used = 0;
    while (used < n && r->state != REPLY_DONE && r->state != REPLY_BAD) {
        if (r->state == REPLY_IN_HEAD)
            used += feed_head(r, p + used, n - used);
        else if (r->state == REPLY_IN_BODY || r->state == REPLY_IN_CHUNK)
            used += feed_body(r, p + used, n - used);
        else
            used += feed_line(r, p + used, n - used);
    }
    return used;
}
