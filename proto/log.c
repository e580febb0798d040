/* One event, one line, one write(2): lines of several threads and processes
 * do not mix. A line that would be longer than LINE_MAX_BYTES is cut inside
 * the value that does not fit, and says cut=true. A reader that does not read
 * costs the first line that finds no room a short wait; those behind it are
 * dropped and counted.
 */
#include "proto/log.h"

#include "proto/json.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    LINE_MAX_BYTES = 4096, /* PIPE_BUF: the kernel does not split it */
    LINE_TAIL = 32,        /* kept for: quote, ,"cut":true and }\n */
    KEY_MAX = 64,
    PATIENCE_MS = 100
};

static const struct {
    const char *name;
    int priority; /* of syslog, for the journal */
} levels[] = {
    [LOG_ERROR] = {"error", 3},
    [LOG_WARN] = {"warn", 4},
    [LOG_INFO] = {"info", 6},
    [LOG_DEBUG] = {"debug", 7},
};

static atomic_int limit = LOG_INFO;
static atomic_bool as_json, to_journal;

/* Of threads, so that none takes the room that another has found. */
static pthread_mutex_t sink = PTHREAD_MUTEX_INITIALIZER;
static bool stuck;             /* under sink: the last line found no room */
static unsigned long long lost; /* under sink: lines since then */

struct line {
    char b[LINE_MAX_BYTES];
    size_t n;
    bool json, cut;
};

struct value {
    char b[LINE_MAX_BYTES];
    size_t n;
    bool number, null;
};

/* systemd sets JOURNAL_STREAM to the device and inode of the stream, so a
 * program whose stderr was redirected afterwards sees a difference. */
static bool stderr_is_journal(void)
{
    const char *text = getenv("JOURNAL_STREAM");
    char mine[64];
    struct stat st;

    if (text == NULL || fstat(2, &st) != 0)
        return false;
    snprintf(mine, sizeof(mine), "%ju:%ju", (uintmax_t)st.st_dev,
             (uintmax_t)st.st_ino);
    return strcmp(text, mine) == 0;
}

void log_setup(enum log_level level, bool json)
{
    atomic_store(&limit, (int)level);
    atomic_store(&as_json, json);
    atomic_store(&to_journal, stderr_is_journal());
}

bool log_level_parse(const char *text, enum log_level *level)
{
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
        if (strcmp(text, levels[i].name) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    return false;
}

bool log_enabled(enum log_level level)
{
    return (int)level <=
           atomic_load_explicit(&limit, memory_order_relaxed);
}

static void put(struct line *l, const char *p, size_t n)
{
    if (l->cut)
        return;
    if (n > LINE_MAX_BYTES - LINE_TAIL - l->n) {
        l->cut = true;
        return;
    }
    memcpy(l->b + l->n, p, n);
    l->n += n;
}

/* Only for what LINE_TAIL is kept for. */
static void put_tail(struct line *l, const char *s)
{
    size_t n = strlen(s);

    assert(n <= sizeof(l->b) - l->n);
    memcpy(l->b + l->n, s, n);
    l->n += n;
}

/* What does not fit here would fit even less into the line, so put() is the
 * one place that notices a cut. */
static void grow(struct value *v, const char *p, size_t n)
{
    size_t room = sizeof(v->b) - v->n;

    if (n > room)
        n = room;
    memcpy(v->b + v->n, p, n);
    v->n += n;
}

static size_t digits_of(uintmax_t x, unsigned base, char out[32])
{
    size_t n = 0;
    char back[32];

    do {
        back[n++] = "0123456789abcdef"[x % base];
        x /= base;
    } while (x != 0);
    for (size_t i = 0; i < n; i++)
        out[i] = back[n - 1 - i];
    return n;
}

struct conversion {
    int width; /* padded with zeros */
    int precision; /* -1: none */
    enum { LEN_INT, LEN_LONG, LEN_LLONG, LEN_SIZE, LEN_MAX } length;
    char kind;
};

static int read_digits(const char **f)
{
    int v = 0;

    while (**f >= '0' && **f <= '9' && v < LINE_MAX_BYTES)
        v = v * 10 + (*(*f)++ - '0');
    return v;
}

/* f is behind the '%'. */
static const char *read_conversion(const char *f, struct conversion *c,
                                   va_list *ap)
{
    *c = (struct conversion){.precision = -1};
    c->width = read_digits(&f);
    if (*f == '.') {
        f++;
        c->precision = *f == '*' ? va_arg(*ap, int) : read_digits(&f);
        f += *f == '*';
    }
    for (; *f == 'h' || *f == 'l' || *f == 'z' || *f == 'j'; f++) {
        if (*f == 'l')
            c->length = c->length == LEN_LONG ? LEN_LLONG : LEN_LONG;
        else if (*f == 'z')
            c->length = LEN_SIZE;
        else if (*f == 'j')
            c->length = LEN_MAX;
    }
    c->kind = *f++;
    return f;
}

static intmax_t take_signed(const struct conversion *c, va_list *ap)
{
    switch (c->length) {
    case LEN_INT:
        return va_arg(*ap, int);
    case LEN_LONG:
        return va_arg(*ap, long);
    case LEN_LLONG:
        return va_arg(*ap, long long);
    case LEN_SIZE:
        return va_arg(*ap, ssize_t);
    case LEN_MAX:
        return va_arg(*ap, intmax_t);
    }
    assert(false);
    return 0;
}

static uintmax_t take_unsigned(const struct conversion *c, va_list *ap)
{
    switch (c->length) {
    case LEN_INT:
        return va_arg(*ap, unsigned);
    case LEN_LONG:
        return va_arg(*ap, unsigned long);
    case LEN_LLONG:
        return va_arg(*ap, unsigned long long);
    case LEN_SIZE:
        return va_arg(*ap, size_t);
    case LEN_MAX:
        return va_arg(*ap, uintmax_t);
    }
    assert(false);
    return 0;
}

static void add_integer(struct value *v, const struct conversion *c,
                        va_list *ap)
{
    bool is_signed = c->kind == 'd' || c->kind == 'i';
    intmax_t x = is_signed ? take_signed(c, ap) : 0;
    uintmax_t u = !is_signed ? take_unsigned(c, ap)
                             : x < 0 ? 0 - (uintmax_t)x : (uintmax_t)x;
    char digits[32];
    size_t n = digits_of(u, c->kind == 'x' ? 16 : 10, digits);

    if (x < 0)
        grow(v, "-", 1);
    for (size_t i = n; i < (size_t)c->width; i++)
        grow(v, "0", 1);
    grow(v, digits, n);
}

static void add_text(struct value *v, const struct conversion *c,
                     va_list *ap)
{
    const char *s = va_arg(*ap, const char *);

    if (s == NULL) {
        v->null = true;
        return;
    }
    grow(v, s, strnlen(s, c->precision >= 0 ? (size_t)c->precision
                                            : sizeof(v->b)));
}

/* Up to the next blank of the format. */
static const char *read_value(const char *f, struct value *v, va_list *ap)
{
    unsigned parts = 0;
    bool plain = false;
    struct conversion c;

    v->n = 0;
    v->null = false;
    while (*f != 0 && *f != ' ') {
        parts++;
        if (*f != '%') {
            grow(v, f++, 1);
            continue;
        }
        f = read_conversion(f + 1, &c, ap);
        if (c.kind == '%') {
            grow(v, "%", 1);
        } else if (c.kind == 's') {
            add_text(v, &c, ap);
        } else {
            assert(c.kind != 0 && strchr("diux", c.kind) != NULL);
            plain = c.kind != 'x' && c.width == 0;
            add_integer(v, &c, ap);
        }
    }
    v->number = parts == 1 && plain;
    v->null = v->null && parts == 1;
    return f;
}

/* Length of the character at p and, if it must not stand as it is, its
 * escape. C1 controls are escaped too: terminals obey them. */
static size_t escape(const uint8_t *p, size_t n, char out[8])
{
    size_t length = json_utf8_length(p, n);

    out[0] = 0;
    if (length == 0) {
        memcpy(out, "\xEF\xBF\xBD", 4);
        return 1;
    }
    if (*p == '"' || *p == '\\')
        snprintf(out, 8, "\\%c", *p);
    else if (*p == '\n')
        memcpy(out, "\\n", 3);
    else if (*p == '\t')
        memcpy(out, "\\t", 3);
    else if (*p < 0x20 || *p == 0x7F)
        snprintf(out, 8, "\\u%04x", *p);
    else if (length == 2 && p[0] == 0xC2 && p[1] < 0xA0)
        snprintf(out, 8, "\\u%04x", p[1]);
    return length;
}

static void put_escaped(struct line *l, const struct value *v)
{
    char text[8];
    size_t length;

    for (size_t i = 0; i < v->n && !l->cut; i += length) {
        const uint8_t *p = (const uint8_t *)v->b + i;

        length = escape(p, v->n - i, text);
        if (text[0] != 0)
            put(l, text, strlen(text));
        else
            put(l, (const char *)p, length);
    }
}

static bool needs_quotes(const struct value *v)
{
    char text[8];
    size_t length;

    for (size_t i = 0; i < v->n; i += length) {
        length = escape((const uint8_t *)v->b + i, v->n - i, text);
        if (text[0] != 0 || v->b[i] == ' ' || v->b[i] == '=')
            return true;
    }
    return v->n == 0;
}

static void put_field(struct line *l, const char *key, size_t n,
                      const struct value *v)
{
    bool bare = v->number || v->null || (!l->json && !needs_quotes(v));
    char head[KEY_MAX + 32 + 8];
    int made;

    assert(n > 0 && n <= KEY_MAX && (!v->number || v->n <= 32));
    if (l->json)
        made = snprintf(head, sizeof(head), ",\"%.*s\":%s", (int)n, key,
                        bare ? "" : "\"");
    else
        made = snprintf(head, sizeof(head), " %.*s=%s", (int)n, key,
                        bare ? "" : "\"");
    assert(made > 0 && (size_t)made + 32 <= sizeof(head));
    /* together with the first bytes, else a key could stay alone */
    if (v->number || v->null) {
        memcpy(head + made, v->null ? "null" : v->b, v->null ? 4 : v->n);
        put(l, head, (size_t)made + (v->null ? 4 : v->n));
        return;
    }
    put(l, head, (size_t)made);
    if (l->cut)
        return;
    put_escaped(l, v);
    if (!bare)
        put_tail(l, "\"");
}

static void put_head(struct line *l, enum log_level level, const char *event)
{
    struct value v = {.number = false};
    struct timespec now;
    struct tm tm;
    char date[32], head[96];
    int n;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
    if (atomic_load(&to_journal)) {
        n = snprintf(head, sizeof(head), "<%d>", levels[level].priority);
        put(l, head, (size_t)n);
    }
    n = snprintf(head, sizeof(head),
                 l->json ? "{\"time\":\"%s.%03dZ\",\"level\":\"%s\""
                         : "time=%s.%03dZ level=%s",
                 date, (int)(now.tv_nsec / 1000000), levels[level].name);
    assert(n > 0 && (size_t)n < sizeof(head));
    put(l, head, (size_t)n);
    grow(&v, event, strlen(event));
    put_field(l, "event", 5, &v);
}

static void end_line(struct line *l)
{
    if (l->cut)
        put_tail(l, l->json ? ",\"cut\":true" : " cut=true");
    put_tail(l, l->json ? "}\n" : "\n");
}

static void begin_line(struct line *l, enum log_level level,
                       const char *event)
{
    l->n = 0;
    l->cut = false;
    l->json = atomic_load(&as_json);
    put_head(l, level, event);
}

/* A pipe that is writable has room for PIPE_BUF bytes, and a line has no
 * more. Its flags are shared with other processes and stay as they are. */
static bool has_room(void)
{
    struct pollfd p = {.fd = 2, .events = POLLOUT};
    int n;

    do {
        n = poll(&p, 1, stuck ? 0 : PATIENCE_MS);
    } while (n < 0 && errno == EINTR);
    return n != 0;
}

/* A log that cannot be written must not stop the program. */
static void write_line(const struct line *l)
{
    while (write(2, l->b, l->n) < 0 && errno == EINTR)
        ;
}

static void tell_lost(void)
{
    struct value v = {.number = true};
    struct line l;

    begin_line(&l, LOG_WARN, "log_lost");
    v.n = digits_of(lost, 10, v.b);
    put_field(&l, "lines", 5, &v);
    end_line(&l);
    lost = 0;
    write_line(&l);
}

static void deliver(const struct line *l)
{
    pthread_mutex_lock(&sink);
    stuck = !has_room();
    if (!stuck && lost > 0) {
        tell_lost();
        stuck = !has_room();
    }
    if (stuck)
        lost++;
    else
        write_line(l);
    pthread_mutex_unlock(&sink);
}

void log_write(enum log_level level, const char *event, const char *fmt, ...)
{
    struct line l;
    struct value v;
    int saved = errno;
    va_list ap;

    if (!log_enabled(level))
        return;
    begin_line(&l, level, event);
    va_start(ap, fmt);
    while (!l.cut) {
        const char *key = fmt += strspn(fmt, " ");
        size_t n = strcspn(fmt, "=");

        if (*fmt == 0)
            break;
        assert(fmt[n] == '=');
        fmt = read_value(fmt + n + 1, &v, &ap);
        put_field(&l, key, n, &v);
    }
    va_end(ap);
    end_line(&l);
    deliver(&l);
    errno = saved;
}
