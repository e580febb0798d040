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

static uint64_t unit_ms(const char *p, size_t n)
{
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (strlen(units[i].name) == n && memcmp(units[i].name, p, n) == 0)
            return units[i].ms;
    return 0;
}

/* One "1.5h" at *p. */
static bool take_part(const char **p, uint64_t *ms)
{
    const char *s = *p;
    uint64_t whole = 0, part = 0, scale = 1, unit;
    size_t digits = strspn(s, "0123456789"), n;

    if (digits == 0 || digits > 15)
        return false;
    for (size_t i = 0; i < digits; i++)
        whole = whole * 10 + (uint64_t)(s[i] - '0');
    s += digits;
    if (*s == '.') {
        n = strspn(++s, "0123456789");
        if (n == 0)
            return false;
        for (size_t i = 0; i < n && i < 9; i++) {
            part = part * 10 + (uint64_t)(s[i] - '0');
            scale *= 10;
        }
        s += n;
    }
    n = strcspn(s, "0123456789.");
    unit = unit_ms(s, n);
    if (unit == 0 || whole > YEARS_100_MS / unit)
        return false;
    *ms += whole * unit + part * unit / scale;
    *p = s + n;
    return *ms <= YEARS_100_MS;
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
