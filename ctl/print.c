/* Texts, sizes and times for people; JSON for programs. */
#include "ctl/print.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct range {
    uint32_t first, last;
} wide[] = {{0x1100, 0x115F},   {0x2E80, 0x303E},   {0x3041, 0xA4CF},
            {0xA960, 0xA97F},   {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},
            {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6},
            {0x1F300, 0x1F64F}, {0x1F680, 0x1F6FF}, {0x1F900, 0x1FAFF},
            {0x20000, 0x3FFFD}},
  none[] = {{0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD},
            {0x0610, 0x061A}, {0x064B, 0x065F}, {0x0900, 0x0902},
            {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF}, {0x200B, 0x200D},
            {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}},
  harmful[] = {{0x0000, 0x001F}, {0x007F, 0x009F}, {0x061C, 0x061C},
               {0x200E, 0x200F}, {0x2028, 0x202E}, {0x2066, 0x2069}};

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static bool within(uint32_t c, const struct range *r, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (c >= r[i].first && c <= r[i].last)
            return true;
    return false;
}

/* The character at p and its length; bad bytes stand for themselves. */
static uint32_t decode(const uint8_t *p, size_t n, size_t *length)
{
    static const uint8_t masks[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    uint32_t c;

    *length = json_utf8_length(p, n);
    if (*length == 0) {
        *length = 1;
        return 0x80; /* a control character */
    }
    c = p[0] & masks[*length];
    for (size_t i = 1; i < *length; i++)
        c = c << 6 | (p[i] & 0x3Fu);
    return c;
}

size_t print_width(const char *text)
{
    const uint8_t *p = (const uint8_t *)text;
    size_t n = strlen(text), width = 0, length;

    for (; n > 0; p += length, n -= length) {
        uint32_t c = decode(p, n, &length);

        if (within(c, none, COUNT(none)))
            continue;
        width += within(c, wide, COUNT(wide)) ? 2 : 1;
    }
    return width;
}

void print_clean(struct buf *out, const char *text)
{
    const uint8_t *p = (const uint8_t *)text;
    size_t n = strlen(text), length;

    for (; n > 0; p += length, n -= length) {
        uint32_t c = decode(p, n, &length);

        if (within(c, harmful, COUNT(harmful)))
            buf_byte(out, '?');
        else
            buf_add(out, p, length);
    }
}

const char *print_size(uint64_t bytes, char out[PRINT_SIZE])
{
    static const char *const units[] = {"KiB", "MiB", "GiB",
                                        "TiB", "PiB", "EiB"};
    unsigned unit = 0;
    uint64_t tenths;

    if (bytes < 1024) {
        snprintf(out, PRINT_SIZE, "%u B", (unsigned)bytes);
        return out;
    }
    /* The next unit where rounding would show 1024.0. */
    while (unit < COUNT(units) - 1 && bytes >= 1024 * 1024 - 52) {
        bytes >>= 10;
        unit++;
    }
    tenths = bytes / 1024 * 10 + (bytes % 1024 * 10 + 512) / 1024;
    snprintf(out, PRINT_SIZE, "%llu.%llu %s",
             (unsigned long long)tenths / 10,
             (unsigned long long)tenths % 10, units[unit]);
    return out;
}

const char *print_span(uint64_t ms, char out[PRINT_TIME])
{
    static const struct {
        uint64_t ms;
        const char *name;
    } steps[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}};
    size_t i = 0;

    /* From two of a unit on: 90 minutes say more than one hour. */
    while (i < COUNT(steps) && ms < 2 * steps[i].ms)
        i++;
    if (i < COUNT(steps))
        snprintf(out, PRINT_TIME, "%llu%s",
                 (unsigned long long)(ms / steps[i].ms), steps[i].name);
    else
        snprintf(out, PRINT_TIME, "%llus", (unsigned long long)ms / 1000);
    return out;
}

bool print_time_read(const char *text, int64_t *ms)
{
    struct tm tm;
    int64_t offset = 0, fraction = 0, scale = 100;
    const char *p;
    int hours, minutes;

    memset(&tm, 0, sizeof tm);
    p = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (p == NULL || tm.tm_year < 0) /* year 1: the zero time */
        return false;
    if (*p == '.')
        for (p++; *p >= '0' && *p <= '9'; p++, scale /= 10)
            fraction += (*p - '0') * scale;
    if (*p == '+' || *p == '-') {
        if (sscanf(p + 1, "%2d:%2d", &hours, &minutes) != 2)
            return false;
        offset = (hours * 60 + minutes) * (*p == '-' ? -60 : 60);
    } else if (*p != 'Z') {
        return false;
    }
    *ms = ((int64_t)timegm(&tm) - offset) * 1000 + fraction;
    return true;
}

const char *print_time(const char *rfc3339, int64_t now_ms,
                       char out[PRINT_TIME])
{
    char span[PRINT_TIME];
    int64_t at;

    if (!print_time_read(rfc3339, &at)) {
        snprintf(out, PRINT_TIME, "-");
        return out;
    }
    print_span((uint64_t)(at > now_ms ? at - now_ms : now_ms - at), span);
    if (at > now_ms + 1000)
        snprintf(out, PRINT_TIME, "in %.20s", span);
    else
        snprintf(out, PRINT_TIME, "%.20s ago", at > now_ms ? "0s" : span);
    return out;
}

int64_t print_now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void print_field(const char *label, const char *fmt, ...)
{
    struct buf text = BUF_INIT;
    char part[2048];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(part, sizeof part, fmt, ap);
    va_end(ap);
    print_clean(&text, part);
    printf("%-13s%s\n", label, buf_cstr(&text));
    buf_free(&text);
}

void print_text(const char *fmt, ...)
{
    struct buf text = BUF_INIT;
    char part[8192]; /* more than two texts of answers */
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(part, sizeof part, fmt, ap);
    va_end(ap);
    print_clean(&text, part);
    fputs(buf_cstr(&text), stdout);
    buf_free(&text);
}

void print_failure(const char *text)
{
    struct buf clean = BUF_INIT;

    print_flush();
    print_clean(&clean, text);
    fprintf(stderr, "pinfold: %s\n", buf_cstr(&clean));
    buf_free(&clean);
}

/* The same value, but what would steer a terminal escaped: of such characters
 * JSON has only blanks outside strings, and none below U+0020 within. */
static void put_json(const struct json_value *v)
{
    const uint8_t *p = (const uint8_t *)v->p;
    size_t n = v->n, plain = 0, length;

    for (size_t i = 0; i < n; i += length) {
        uint32_t c = decode(p + i, n - i, &length);

        if (c < 0x7F || !within(c, harmful, COUNT(harmful)))
            continue;
        fwrite(p + plain, 1, i - plain, stdout);
        printf("\\u%04x", (unsigned)c);
        plain = i + length;
    }
    fwrite(p + plain, 1, n - plain, stdout);
}

void print_json(const struct json_value *v)
{
    const char *quote = v->type == JSON_STRING ? "\"" : "";

    fputs(quote, stdout);
    put_json(v);
    printf("%s\n", quote);
}

void print_list_item(struct print_list *l, const struct json_value *v)
{
    fputs(l->open ? ",\n" : "[", stdout);
    l->open = true;
    put_json(v);
}

void print_list_end(struct print_list *l)
{
    puts(l->open ? "]" : "[]");
}

bool print_failed(void)
{
    return ferror(stdout) != 0;
}

static int lost; /* errno of the flush that failed first */

/* glibc drops what it could not write: a second flush says nothing. */
void print_flush(void)
{
    if (fflush(stdout) != 0 && lost == 0)
        lost = errno;
}

/* The write that failed may be long past, and its errno with it. */
static bool reader_gone(void)
{
    struct pollfd p = {.fd = STDOUT_FILENO, .events = POLLOUT};

    return lost == EPIPE || (poll(&p, 1, 0) > 0 &&
                              (p.revents & (POLLERR | POLLHUP)) != 0);
}

enum err print_finish(enum err e, struct err_text *why)
{
    print_flush();
    if (!print_failed() || (e != ERR_OK && e != ERR_CLOSED))
        return e;
    if (reader_gone())
        return ERR_OK;
    return err_set(why, ERR_IO, "standard output: %s",
                   lost != 0 ? strerror(lost) : "a write failed");
}
