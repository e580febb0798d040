#include "agent/core/multipart.h"

#include "proto/json.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static enum err malformed(struct err_text *why, const char *what)
{
    return err_set(why, ERR_INVALID, "malformed multipart body: %s", what);
}

/* The value of a parameter; one that only ends so, or stands in the quotes
 * of another, is another. */
static const char *parameter(const char *type, const char *name)
{
    bool quoted = false;

    for (const char *p = type; *p != '\0'; p++) {
        if (quoted && *p == '\\' && p[1] != '\0') {
            p++;
        } else if (*p == '"') {
            quoted = !quoted;
        } else if (*p == ';' && !quoted) {
            const char *at = p + 1 + strspn(p + 1, " \t");

            if (strncasecmp(at, name, strlen(name)) == 0)
                return at + strlen(name);
        }
    }
    return NULL;
}

static size_t boundary_of(const char *type, const char **at)
{
    const char *found = parameter(type, "boundary=");

    if (found == NULL)
        return 0;
    *at = found;
    if (**at == '"') {
        ++*at;
        return strcspn(*at, "\"");
    }
    return strcspn(*at, "; \t");
}

enum err multipart_init(struct multipart *m, const char *content_type,
                        const struct multipart_events *events, void *arg,
                        struct err_text *why)
{
    const char *at = "";
    size_t n = boundary_of(content_type, &at);

    memset(m, 0, sizeof *m);
    if (n == 0 || n > MULTIPART_BOUNDARY)
        return malformed(why, "no boundary");
    m->events = events;
    m->arg = arg;
    m->n = (size_t)snprintf(m->delimiter, sizeof m->delimiter, "\r\n--%.*s",
                            (int)n, at);
    m->matched = m->borrowed = 2; /* it may stand at the very beginning */
    return ERR_OK;
}

void multipart_free(struct multipart *m)
{
    buf_free(&m->head);
}

bool multipart_complete(const struct multipart *m)
{
    return m->at == MULTIPART_DONE;
}

/* --- the head of a part ------------------------------------------------- */

static int hex(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The clients escape a name like a query; a broken escape stands as it is. */
static void take_name(struct span text, struct multipart_part *part)
{
    char *out = part->name;
    size_t n = 0;

    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];

        part->long_name = n == MULTIPART_NAME;
        if (part->long_name)
            break;
        if (c == '+') {
            c = ' ';
        } else if (c == '%' && i + 2 < text.n && hex(text.p[i + 1]) >= 0 &&
                   hex(text.p[i + 2]) >= 0) {
            c = (uint8_t)(hex(text.p[i + 1]) << 4 | hex(text.p[i + 2]));
            i += 2;
        }
        out[n++] = (char)c;
    }
    out[n] = '\0';
    if (strlen(out) != n || !json_utf8_valid(out, n))
        out[0] = '\0';
}

/* The value of filename="…" in a Content-Disposition; n 0: none. */
static struct span file_name(struct span line)
{
    static const char key[] = "filename=\"";
    const uint8_t *at = memmem(line.p, line.n, key, sizeof key - 1);
    const uint8_t *end;

    if (at == NULL)
        return span_of(line.p, 0);
    at += sizeof key - 1;
    end = memchr(at, '"', line.n - (size_t)(at - line.p));
    return span_of(at, end == NULL ? 0 : (size_t)(end - at));
}

static bool starts(struct span line, const char *text)
{
    size_t n = strlen(text);

    return line.n >= n && strncasecmp((const char *)line.p, text, n) == 0;
}

static void take_header(struct span line, struct multipart_part *part)
{
    if (starts(line, "content-disposition:"))
        take_name(file_name(line), part);
    if (starts(line, "content-type:")) {
        if (memmem(line.p, line.n, "application/x-directory", 23) != NULL)
            part->kind = MULTIPART_DIRECTORY;
        else if (memmem(line.p, line.n, "application/symlink", 19) != NULL)
            part->kind = MULTIPART_SYMLINK;
    }
    if (starts(line, "content-transfer-encoding:"))
        part->encoded = memmem(line.p, line.n, "quoted-printable", 16) !=
                        NULL;
}

static enum err begin_part(struct multipart *m, struct err_text *why)
{
    struct multipart_part part = {.kind = MULTIPART_FILE};
    struct span rest = span_buf(&m->head);

    while (rest.n > 0) {
        const uint8_t *end = memmem(rest.p, rest.n, "\r\n", 2);
        size_t n = end == NULL ? rest.n : (size_t)(end - rest.p);

        take_header(span_of(rest.p, n), &part);
        n = end == NULL ? rest.n : n + 2;
        rest = span_of(rest.p + n, rest.n - n);
    }
    buf_reset(&m->head);
    m->at = MULTIPART_BODY;
    /* An empty part's delimiter may use the line end of its head. */
    m->matched = m->borrowed = 2;
    return m->events->begin(m->arg, &part, why);
}

/* Up to its empty line; gives how many bytes were eaten. */
static size_t take_head(struct multipart *m, struct span bytes, bool *ended)
{
    const uint8_t *p = bytes.p;

    *ended = false;
    for (size_t i = 0; i < bytes.n; i++) {
        buf_byte(&m->head, p[i]);
        if (p[i] != '\n')
            continue;
        *ended = (m->head.n == 2 && m->head.p[0] == '\r') ||
                 (m->head.n >= 4 &&
                  memcmp(m->head.p + m->head.n - 4, "\r\n\r\n", 4) == 0);
        if (*ended)
            return i + 1;
    }
    return bytes.n;
}

/* --- bodies and delimiters ---------------------------------------------- */

static enum err give(struct multipart *m, const void *p, size_t n,
                     struct err_text *why)
{
    if (n == 0 || m->at != MULTIPART_BODY)
        return ERR_OK;
    return m->events->data(m->arg, span_of(p, n), why);
}

/* What looked like a delimiter was none. */
static enum err give_back(struct multipart *m, struct err_text *why)
{
    size_t skip = m->borrowed, n = m->matched - skip;

    m->matched = m->borrowed = 0;
    return give(m, m->delimiter + skip, n, why);
}

/* It is complete; what follows decides whether it is one. */
static enum err behind(struct multipart *m, uint8_t c, struct err_text *why)
{
    enum err e;

    if (strchr(" \t\r\n-", c) == NULL || c == '\0') {
        e = give_back(m, why);
        return e == ERR_OK ? give(m, &c, 1, why) : e;
    }
    m->matched = m->borrowed = 0;
    m->dash = c == '-';
    e = m->at == MULTIPART_BODY ? m->events->end(m->arg, why) : ERR_OK;
    m->at = c == '\n' ? MULTIPART_HEADERS : MULTIPART_LINE;
    return e;
}

/* The rest of the delimiter's line. */
static enum err take_line(struct multipart *m, uint8_t c,
                          struct err_text *why)
{
    if (m->dash) {
        if (c != '-')
            return malformed(why, "a delimiter is broken");
        m->at = MULTIPART_DONE;
    } else if (c == '\n') {
        m->at = MULTIPART_HEADERS;
    } else if (strchr(" \t\r", c) == NULL || c == '\0') {
        return malformed(why, "a delimiter is broken");
    }
    return ERR_OK;
}

/* Bytes of a body or of the preamble up to what may be a delimiter. A CR
 * stands only at its beginning, so a mismatch needs no second look but at the
 * byte itself. */
static enum err take_body(struct multipart *m, struct span *rest,
                          struct err_text *why)
{
    enum err e;

    if (m->matched == 0) {
        const uint8_t *cr = memchr(rest->p, '\r', rest->n);
        size_t n = cr == NULL ? rest->n : (size_t)(cr - rest->p);

        e = give(m, rest->p, n, why);
        m->matched = cr != NULL;
        n += cr != NULL;
        *rest = span_of(rest->p + n, rest->n - n);
        return e;
    }
    if (m->matched == m->n) {
        e = behind(m, rest->p[0], why);
    } else if (rest->p[0] == (uint8_t)m->delimiter[m->matched]) {
        m->matched++;
        e = ERR_OK;
    } else {
        return give_back(m, why); /* the same byte again */
    }
    *rest = span_of(rest->p + 1, rest->n - 1);
    return e;
}

enum err multipart_take(struct multipart *m, struct span bytes,
                        struct err_text *why)
{
    struct span rest = bytes;
    enum err e = ERR_OK;

    assert(m->n > 4);
    while (rest.n > 0 && e == ERR_OK && m->at != MULTIPART_DONE) {
        if (m->at == MULTIPART_LINE) {
            e = take_line(m, rest.p[0], why);
            rest = span_of(rest.p + 1, rest.n - 1);
        } else if (m->at == MULTIPART_HEADERS) {
            bool ended;
            size_t n = take_head(m, rest, &ended);

            rest = span_of(rest.p + n, rest.n - n);
            if (m->head.n > MULTIPART_HEAD)
                e = malformed(why, "the head of a part is too long");
            else if (ended)
                e = begin_part(m, why);
        } else {
            e = take_body(m, &rest, why);
        }
    }
    return e;
}
