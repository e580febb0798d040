/* Options' texts to values, without floats and without wrapping. */
#include "ctl/value.h"

#include "proto/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define YEARS_100_MS (100ull * 365 * 86400 * 1000)

static const struct unit {
    const char *name;
    uint64_t ms;
} units[] = {{"ms", 1},         {"s", 1000},       {"m", 60000},
             {"h", 3600 * 1000}, {"d", 86400 * 1000}};

static const struct scale {
    const char *name;
    uint64_t bytes;
} scales[] = {
    {"", 1}, {"B", 1},
    {"K", 1ull << 10}, {"KiB", 1ull << 10}, {"KB", 1000ull},
    {"M", 1ull << 20}, {"MiB", 1ull << 20}, {"MB", 1000000ull},
    {"G", 1ull << 30}, {"GiB", 1ull << 30}, {"GB", 1000000000ull},
    {"T", 1ull << 40}, {"TiB", 1ull << 40}, {"TB", 1000000000000ull},
    {"P", 1ull << 50}, {"PiB", 1ull << 50}, {"PB", 1000000000000000ull},
};

static uint64_t unit_ms(const char *p, size_t n)
{
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (strlen(units[i].name) == n && memcmp(units[i].name, p, n) == 0)
            return units[i].ms;
    return 0;
}

/* "1.5" at *p: whole, and part / scale. */
static bool take_decimal(const char **p, uint64_t *whole, uint64_t *part,
                         uint64_t *scale)
{
    const char *s = *p;
    size_t digits = strspn(s, "0123456789"), n;

    *whole = *part = 0;
    *scale = 1;
    if (digits == 0 || digits > 19)
        return false;
    for (size_t i = 0; i < digits; i++)
        *whole = *whole * 10 + (uint64_t)(s[i] - '0');
    s += digits;
    if (*s == '.') {
        n = strspn(++s, "0123456789");
        if (n == 0)
            return false;
        for (size_t i = 0; i < n && i < 9; i++) {
            *part = *part * 10 + (uint64_t)(s[i] - '0');
            *scale *= 10;
        }
        s += n;
    }
    *p = s;
    return true;
}

/* One "1.5h" at *p. */
static bool take_part(const char **p, uint64_t *ms)
{
    const char *s = *p;
    uint64_t whole, part, scale, unit;
    size_t n;

    if (!take_decimal(&s, &whole, &part, &scale))
        return false;
    n = strcspn(s, "0123456789.");
    unit = unit_ms(s, n);
    if (unit == 0 || whole > YEARS_100_MS / unit)
        return false;
    *ms += whole * unit + part * unit / scale;
    *p = s + n;
    return *ms <= YEARS_100_MS;
}

static const struct scale *scale_of(const char *name)
{
    for (size_t i = 0; i < sizeof scales / sizeof scales[0]; i++)
        if (strcmp(scales[i].name, name) == 0)
            return &scales[i];
    return NULL;
}

enum err value_size(const char *text, uint64_t *bytes, struct err_text *why)
{
    uint64_t whole, part, scale;
    const char *p = text;
    const struct scale *s;

    if (take_decimal(&p, &whole, &part, &scale) &&
        (s = scale_of(p)) != NULL && whole <= INT64_MAX / s->bytes) {
        /* part and scale are at most 10^9: nothing wraps */
        uint64_t more = s->bytes / scale * part +
                        s->bytes % scale * part / scale;
        if (more <= INT64_MAX - whole * s->bytes) {
            *bytes = whole * s->bytes + more;
            return ERR_OK;
        }
    }
    return err_set(why, ERR_USAGE,
                   "'%.50s' is no size such as 4096, 500MB or 1.5TiB",
                   text);
}

enum err value_duration(const char *text, uint64_t *ms, struct err_text *why)
{
    uint64_t sum = 0;
    const char *p = text;

    if (strcmp(text, "0") == 0) {
        *ms = 0;
        return ERR_OK;
    }
    do {
        if (!take_part(&p, &sum))
            return err_set(why, ERR_USAGE,
                           "'%.50s' is no duration such as 90s, 1h30m or "
                           "30d (at most 100 years)",
                           text);
    } while (*p != 0);
    *ms = sum;
    return ERR_OK;
}

enum err value_number(const char *text, int64_t low, int64_t high,
                      int64_t *out, struct err_text *why)
{
    const char *digits = text[0] == '-' ? text + 1 : text;
    size_t n = strlen(digits);
    long long v;

    errno = 0;
    v = strtoll(text, NULL, 10);
    if (n == 0 || strspn(digits, "0123456789") != n || errno != 0 ||
        v < low || v > high)
        return err_set(why, ERR_USAGE,
                       "'%.50s' is no whole number from %lld to %lld", text,
                       (long long)low, (long long)high);
    *out = v;
    return ERR_OK;
}

enum err value_pair(const char *text, struct err_text *why)
{
    const char *equals = strchr(text, '=');

    if (equals == NULL || equals == text)
        return err_set(why, ERR_USAGE, "'%.50s' is not KEY=VALUE", text);
    if (!json_utf8_valid(text, strlen(text)))
        return err_set(why, ERR_USAGE, "bad UTF-8");
    return ERR_OK;
}

bool value_choice(const char *text, const char *choices)
{
    size_t n = strlen(text);

    for (const char *p = choices;; p++) {
        size_t length = strcspn(p, "|");

        if (length == n && memcmp(p, text, n) == 0)
            return true;
        p += length;
        if (*p == 0)
            return false;
    }
}
