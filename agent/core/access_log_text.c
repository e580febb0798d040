/* Times, addresses and numbers as logs write them. */
#include "agent/core/access_log_fields.h"

#include <arpa/inet.h>
#include <string.h>

bool access_number(struct span text, uint64_t *out)
{
    uint64_t v = 0;

    if (text.n == 0 || text.n > 19)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
        v = 10 * v + (uint64_t)(text.p[i] - '0');
    }
    *out = v;
    return true;
}

/* --- time ----------------------------------------------------------------- */

struct moment {
    uint64_t year, month, day, hour, minute, second, ms;
    int64_t east_s; /* of UTC */
};

static bool part(struct span text, size_t at, size_t n, uint64_t *out)
{
    return at + n <= text.n && access_number(span_of(text.p + at, n), out);
}

/* Days since the epoch of a Gregorian date (H. Hinnant, "chrono-compatible
 * low-level date algorithms"); years from 1970 on. */
static uint64_t days_of(const struct moment *m)
{
    uint64_t year = m->month <= 2 ? m->year - 1 : m->year;
    uint64_t era = year / 400, of_era = year % 400;
    uint64_t of_year = (153 * ((m->month + 9) % 12) + 2) / 5 + m->day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year
           - 719468;
}

static uint64_t moment_ms(const struct moment *m)
{
    int64_t s;

    if (m->year < 1970 || m->year > 9999 || m->month < 1 || m->month > 12 ||
        m->day < 1 || m->day > 31 || m->hour > 24 || m->minute > 59 ||
        m->second > 60)
        return 0;
    s = (int64_t)(days_of(m) * 86400 + m->hour * 3600 + m->minute * 60 +
                  m->second) - m->east_s;
    return s > 0 ? (uint64_t)s * 1000 + m->ms : 0;
}

/* "+0200", "+02:00"; anything else is UTC. */
static int64_t zone_s(struct span text, size_t at)
{
    uint64_t hours, minutes;
    size_t colon = at + 3 < text.n && text.p[at + 3] == ':';
    int64_t s;

    if (at >= text.n || (text.p[at] != '+' && text.p[at] != '-') ||
        !part(text, at + 1, 2, &hours) ||
        !part(text, at + 3 + colon, 2, &minutes) || hours > 23)
        return 0;
    s = (int64_t)(hours * 3600 + minutes * 60);
    return text.p[at] == '-' ? -s : s;
}

static uint64_t month_of(struct span name)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

    for (uint64_t i = 0; i < 12; i++)
        if (memcmp(names + 3 * i, name.p, 3) == 0)
            return i + 1;
    return 0;
}

/* 10/Oct/2000:13:55:36 -0700 */
static uint64_t common_ms(struct span t)
{
    struct moment m = {.month = month_of(span_of(t.p + 3, 3))};

    if (!part(t, 0, 2, &m.day) || !part(t, 7, 4, &m.year) ||
        !part(t, 12, 2, &m.hour) || !part(t, 15, 2, &m.minute) ||
        !part(t, 18, 2, &m.second))
        return 0;
    m.east_s = zone_s(t, 21);
    return moment_ms(&m);
}

/* Digits from there on as thousandths; *at: behind them. */
static uint64_t fraction_ms(struct span t, size_t *at)
{
    uint64_t ms = 0;
    unsigned n = 0;

    for (; *at < t.n && t.p[*at] >= '0' && t.p[*at] <= '9'; (*at)++)
        if (n < 3) {
            ms = 10 * ms + (uint64_t)(t.p[*at] - '0');
            n++;
        }
    for (; n > 0 && n < 3; n++)
        ms *= 10;
    return ms;
}

/* 2000-10-10T13:55:36.5-07:00 */
static uint64_t iso_ms(struct span t)
{
    struct moment m = {0};
    size_t at = 19;

    if (!part(t, 0, 4, &m.year) || !part(t, 5, 2, &m.month) ||
        !part(t, 8, 2, &m.day) || !part(t, 11, 2, &m.hour) ||
        !part(t, 14, 2, &m.minute) || !part(t, 17, 2, &m.second))
        return 0;
    if (at < t.n && t.p[at] == '.') {
        at++;
        m.ms = fraction_ms(t, &at);
    }
    m.east_s = zone_s(t, at);
    return moment_ms(&m);
}

uint64_t access_time_ms(struct span t)
{
    uint64_t v, ms = 0;
    size_t n = 0;

    if (t.n >= 20 && t.p[2] == '/')
        return common_ms(t);
    if (t.n >= 19 && t.p[4] == '-')
        return iso_ms(t);
    while (n < t.n && t.p[n] >= '0' && t.p[n] <= '9')
        n++;
    if (!access_number(span_of(t.p, n), &v))
        return 0;
    if (n < t.n && t.p[n] == '.') {
        n++;
        ms = fraction_ms(t, &n);
    }
    if (n != t.n)
        return 0;
    if (v >= UINT64_C(100000000000000000))
        return v / 1000000;
    if (v >= UINT64_C(100000000000000))
        return v / 1000;
    return v >= UINT64_C(100000000000) ? v : v * 1000 + ms;
}

/* --- clients -------------------------------------------------------------- */

/* A household or a server has a whole /64: within it addresses are free. */
bool access_client(struct span text, struct access *out)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    char name[INET6_ADDRSTRLEN] = "";
    uint8_t v6[16];

    if (text.n < sizeof name && text.n > 0)
        memcpy(name, text.p, text.n);
    out->n_client = 4;
    if (inet_pton(AF_INET, name, out->client) == 1)
        return true;
    if (inet_pton(AF_INET6, name, v6) == 1) {
        if (memcmp(v6, mapped, sizeof mapped) == 0) {
            memcpy(out->client, v6 + 12, 4);
            return true;
        }
        out->n_client = 8;
        memcpy(out->client, v6, 8);
        return true;
    }
    out->n_client = text.n < ACCESS_CLIENT_MAX ? text.n : ACCESS_CLIENT_MAX;
    if (out->n_client > 0)
        memcpy(out->client, text.p, out->n_client);
    return false;
}

/* --- requests ------------------------------------------------------------- */

bool access_request(struct span text, struct access_fields *f)
{
    const uint8_t *p = text.p, *end = text.p + text.n, *q;

    for (q = p; q < end && *q >= 'A' && *q <= 'Z'; q++)
        ;
    if (q == p || q == end || *q != ' ')
        return false;
    f->method = span_of(p, (size_t)(q - p));
    p = ++q;
    while (q < end && *q != ' ')
        q++;
    f->target = span_of(p, (size_t)(q - p));
    return f->target.n > 0;
}
