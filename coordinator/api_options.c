/* Pin options; see api_options.h. */
#include "coordinator/api_options.h"

#include "coordinator/api_policy.h"
#include "coordinator/api_priority.h"
#include "proto/maddr.h"
#include "proto/mem.h"
#include "proto/tags.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* --- scalars ------------------------------------------------------------ */

static bool digits(const char **at, unsigned n, unsigned *out)
{
    *out = 0;
    for (unsigned i = 0; i < n; i++, ++*at) {
        if (**at < '0' || **at > '9')
            return false;
        *out = *out * 10 + (unsigned)(**at - '0');
    }
    return true;
}

static bool literal(const char **at, char c)
{
    if (**at != c)
        return false;
    ++*at;
    return true;
}

static bool fraction(const char **at, unsigned *ms)
{
    unsigned scale = 100;

    *ms = 0;
    if (**at != '.')
        return true;
    ++*at;
    if (**at < '0' || **at > '9')
        return false;
    for (; **at >= '0' && **at <= '9'; ++*at, scale /= 10)
        *ms += (unsigned)(**at - '0') * scale;
    return true;
}

static bool offset(const char **at, int64_t *seconds)
{
    unsigned h, m;
    int64_t sign = **at == '-' ? -1 : 1;

    *seconds = 0;
    if (**at == 'Z' || **at == 'z') {
        ++*at;
        return true;
    }
    if (**at != '+' && **at != '-')
        return false;
    ++*at;
    if (!digits(at, 2, &h) || !literal(at, ':') || !digits(at, 2, &m) ||
        h > 23 || m > 59)
        return false;
    *seconds = sign * (int64_t)(h * 3600 + m * 60);
    return true;
}

bool api_instant_parse(const char *text, int64_t *ms)
{
    const char *at = text;
    unsigned year, month, day, hour, minute, second, part;
    int64_t zone;
    struct tm tm = {0}, back;
    time_t seconds;

    if (!digits(&at, 4, &year) || !literal(&at, '-') ||
        !digits(&at, 2, &month) || !literal(&at, '-') ||
        !digits(&at, 2, &day) || (*at != 'T' && *at != 't'))
        return false;
    at++;
    if (!digits(&at, 2, &hour) || !literal(&at, ':') ||
        !digits(&at, 2, &minute) || !literal(&at, ':') ||
        !digits(&at, 2, &second) || !fraction(&at, &part) ||
        !offset(&at, &zone) || *at != '\0')
        return false;
    tm.tm_year = (int)year - 1900;
    tm.tm_mon = (int)month - 1;
    tm.tm_mday = (int)day;
    tm.tm_hour = (int)hour;
    tm.tm_min = (int)minute;
    tm.tm_sec = (int)second;
    seconds = timegm(&tm);
    if (hour > 23 || minute > 59 || second > 59 ||
        gmtime_r(&seconds, &back) == NULL || back.tm_mday != (int)day ||
        back.tm_mon != (int)month - 1)
        return false; /* no such day */
    *ms = ((int64_t)seconds - zone) * 1000 + part;
    return true;
}

bool api_time_parse(const char *text, uint64_t *ms)
{
    int64_t t;

    if (!api_instant_parse(text, &t) || t < 0)
        return false;
    *ms = (uint64_t)t;
    return true;
}

static const struct {
    const char *unit;
    uint64_t ns;
} units[] = {{"ns", 1},          {"us", 1000},        {"µs", 1000},
             {"μs", 1000},       {"ms", 1000000},     {"s", 1000000000},
             {"m", 60000000000}, {"h", 3600000000000}};

/* One number and unit; whole and fraction apart, so that no float enters. */
static bool duration_part(const char **at, uint64_t *ns)
{
    uint64_t whole = 0, frac = 0, scale = 1, value;
    bool any = false;

    for (; **at >= '0' && **at <= '9'; ++*at, any = true)
        if (__builtin_mul_overflow(whole, 10, &whole) ||
            __builtin_add_overflow(whole, (uint64_t)(**at - '0'), &whole))
            return false;
    if (**at == '.')
        for (++*at; **at >= '0' && **at <= '9'; ++*at, any = true)
            if (scale < 1000000) {
                frac = frac * 10 + (uint64_t)(**at - '0');
                scale *= 10;
            }
    if (!any)
        return false;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        size_t n = strlen(units[i].unit);
        char next;

        if (strncmp(*at, units[i].unit, n) != 0)
            continue;
        next = (*at)[n];
        if (next != '\0' && next != '.' && (next < '0' || next > '9'))
            continue;
        *at += n;
        if (__builtin_mul_overflow(whole, units[i].ns, &value) ||
            __builtin_add_overflow(*ns, value, ns) ||
            __builtin_add_overflow(*ns, frac * units[i].ns / scale, ns))
            return false;
        return *ns <= INT64_MAX;
    }
    return false;
}

/* What is negative is as short as nothing. */
bool api_duration_parse(const char *text, uint64_t *ms)
{
    const char *at = text;
    bool negative = *at == '-';
    uint64_t ns = 0;

    *ms = 0;
    if (*at == '+' || negative)
        at++;
    if (strcmp(at, "0") == 0)
        return true;
    do {
        if (!duration_part(&at, &ns))
            return false;
    } while (*at != '\0');
    *ms = negative ? 0 : ns / 1000000;
    return true;
}

bool api_bool_parse(const char *text, bool fallback, bool *out)
{
    static const char *const words[2][6] = {
        {"0", "f", "F", "false", "FALSE", "False"},
        {"1", "t", "T", "true", "TRUE", "True"}};

    *out = fallback;
    if (text == NULL || text[0] == '\0')
        return true;
    for (int v = 0; v < 2; v++)
        for (int i = 0; i < 6; i++)
            if (strcmp(text, words[v][i]) == 0) {
                *out = v == 1;
                return true;
            }
    return false;
}

static bool integer(const char *text, int32_t *out)
{
    char *end;
    long v;

    errno = 0;
    v = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || v < -1 ||
        v > INT32_MAX || text[0] == ' ')
        return false;
    *out = (int32_t)v;
    return true;
}

static bool unsigned_integer(const char *text)
{
    errno = 0;
    (void)strtoull(text, NULL, 10);
    return errno == 0 && text[strspn(text, "0123456789")] == '\0';
}

/* --- replication -------------------------------------------------------- */

/* `replication` sets both, whatever else is said. */
static enum err factor(const struct api_call *c, const char *name,
                       int32_t *out, struct err_text *why)
{
    const char *text = api_param(c, "replication");

    if (text == NULL)
        text = api_param(c, name);
    *out = 0;
    if (text == NULL || integer(text, out))
        return ERR_OK;
    return err_set(why, ERR_INVALID, "parameter %s invalid", name);
}

static enum err replication(const struct api_call *c,
                            struct command_claim_put *k,
                            struct err_text *why)
{
    enum err e = factor(c, "replication-min", &k->rmin, why);

    if (e == ERR_OK)
        e = factor(c, "replication-max", &k->rmax, why);
    if (e != ERR_OK)
        return e;
    if (k->rmin == 0 && k->rmax == 0)
        k->flags |= CLAIM_DEFAULT;
    if (k->rmin == 0)
        k->rmin = k->rmax == -1 ? -1 : c->api->default_min;
    if (k->rmax == 0)
        k->rmax = k->rmin == -1 ? -1 : c->api->default_max;
    if ((k->rmin == -1) != (k->rmax == -1))
        return err_set(why, ERR_INVALID,
                       "cluster.replication_factor_min and max must be -1 "
                       "when one of them is");
    if (k->rmin > k->rmax)
        return err_set(why, ERR_INVALID,
                       "cluster.replication_factor_min is larger than max");
    if (k->rmax > LIMIT_REPLICAS)
        return err_set(why, ERR_INVALID,
                       "parameter replication-max invalid: more than %d",
                       LIMIT_REPLICAS);
    return ERR_OK;
}

bool api_decimal(const char *text, uint64_t most, uint64_t *q16)
{
    uint64_t whole = 0, part = 0, scale = 1;
    const char *at = text;

    if (*at < '0' || *at > '9')
        return false;
    for (; *at >= '0' && *at <= '9'; at++) {
        whole = whole * 10 + (uint64_t)(*at - '0');
        if (whole > most)
            return false;
    }
    if (*at == '.' && at[1] == '\0')
        return false;
    if (*at == '.')
        for (at++; *at >= '0' && *at <= '9'; at++)
            if (scale < 1000000000) {
                part = part * 10 + (uint64_t)(*at - '0');
                scale *= 10;
            }
    *q16 = whole * FIXED_ONE + (part * FIXED_ONE + scale / 2) / scale;
    return *at == '\0' && *q16 <= most * FIXED_ONE;
}

/* elastic=true: kept while it is worth its bytes; size: what it is known to
 * have. */
static enum err elastic(const struct api_call *c, struct command_claim_put *k,
                        struct err_text *why)
{
    const char *text = api_param(c, "size");
    struct json_value v = {JSON_NUMBER, text, text ? strlen(text) : 0};
    bool is;

    if (!api_bool_parse(api_param(c, "elastic"), false, &is))
        return err_set(why, ERR_INVALID, "parameter elastic invalid");
    if (is)
        k->flags |= CLAIM_ELASTIC;
    if (text == NULL || !is)
        return ERR_OK;
    if (strspn(text, "0123456789") != v.n || !json_as_u64(&v, &k->size) ||
        k->size == 0)
        return err_set(why, ERR_INVALID, "parameter size invalid: '%.64s' is "
                       "no number of bytes", text);
    return ERR_OK;
}

/* --- expiry ------------------------------------------------------------- */

static enum err expiry(const struct api_call *c, struct command_claim_put *k,
                       struct err_text *why)
{
    const char *at = api_param(c, "expire-at");
    const char *in = api_param(c, "expire-in");
    uint64_t ms;

    if (at != NULL) {
        if (strcmp(at, "0001-01-01T00:00:00Z") == 0)
            return ERR_OK; /* Go's zero time: not given */
        if (!api_time_parse(at, &k->expires_ms))
            return err_set(why, ERR_INVALID,
                           "expire-at cannot be parsed: parsing time "
                           "\"%.64s\" as \"2006-01-02T15:04:05Z07:00\"", at);
        if (k->expires_ms == 0)
            k->expires_ms = 1; /* 0 is never: the epoch is past, not that */
    } else if (in != NULL) {
        if (!api_duration_parse(in, &ms))
            return err_set(why, ERR_INVALID,
                           "expire-in cannot be parsed: time: invalid "
                           "duration \"%.64s\"", in);
        if (ms < 1000)
            return err_set(why, ERR_INVALID,
                           "expire-in duration too short");
        k->expires_ms = c->view->wall_ms + ms;
    }
    k->set_expires = k->expires_ms != 0;
    return ERR_OK;
}

/* --- the document ------------------------------------------------------- */

static bool has_pair(const struct meta *m, const char *key)
{
    for (uint32_t i = 0; i < m->n_pairs; i++)
        if (span_is(m->pairs[i].key, key))
            return true;
    return false;
}

/* Of a key that is given twice the first value counts, as of all options. */
static enum err metadata(const struct api_call *c, struct meta *m,
                         struct err_text *why)
{
    for (uint32_t i = 0; i < c->n_params; i++) {
        const struct api_param *p = &c->params[i];

        if (strncmp(p->name, "meta-", 5) != 0 || p->name[5] == '\0' ||
            has_pair(m, p->name + 5))
            continue;
        if (m->n_pairs == LIMIT_METADATA_PAIRS)
            return err_set(why, ERR_INVALID,
                           "metadata: more than %d entries",
                           LIMIT_METADATA_PAIRS);
        m->pairs[m->n_pairs].key = span_text(p->name + 5);
        m->pairs[m->n_pairs++].value = span_text(p->value);
    }
    return ERR_OK;
}

/* Calls take for each part of a comma list; a part is at most size - 1. */
static bool each(const char *list, char *part, size_t size,
                 enum err (*take)(void *arg, const char *part,
                                  struct err_text *why),
                 void *arg, struct err_text *why, enum err *e)
{
    const char *end;

    for (const char *at = list;; at = end + 1) {
        size_t n;

        end = strchrnul(at, ',');
        n = (size_t)(end - at);
        if (n >= size)
            return false;
        memcpy(part, at, n);
        part[n] = '\0';
        *e = take(arg, part, why);
        if (*e != ERR_OK || *end == '\0')
            return true;
    }
}

struct origins {
    struct meta *meta;
    struct buf *text; /* reserved beforehand: spans into it stay */
};

static enum err take_origin(void *arg, const char *part,
                            struct err_text *why)
{
    struct origins *o = arg;
    struct peerid peer;
    enum err e = maddr_check(part, why);

    if (e != ERR_OK) {
        err_prefix(why, "error decoding multiaddress");
        return ERR_INVALID;
    }
    if (!maddr_peer(part, &peer))
        return err_set(why, ERR_INVALID,
                       "multiaddress does not contain peer ID: protocol not "
                       "found in multiaddr");
    if (o->meta->n_origins == LIMIT_ORIGINS)
        return err_set(why, ERR_INVALID, "origins: more than %d",
                       LIMIT_ORIGINS);
    o->meta->origins[o->meta->n_origins++] =
        span_of(o->text->p + o->text->n, strlen(part));
    buf_text(o->text, part);
    return ERR_OK;
}

static enum err origins(const struct api_call *c, struct meta *m,
                        struct buf *text, struct err_text *why)
{
    const char *list = api_param(c, "origins");
    char part[LIMIT_MULTIADDR + 1];
    struct origins o = {m, text};
    enum err e = ERR_OK;

    if (list == NULL)
        return ERR_OK;
    buf_reserve(text, strlen(list) + 1);
    if (!each(list, part, sizeof part, take_origin, &o, why, &e))
        return err_set(why, ERR_INVALID, "error decoding multiaddress: too "
                       "long");
    return e;
}

struct allocations {
    struct meta *meta;
    const struct view *view;
};

/* Bad and unknown IDs are ignored, as the reference does; the coordinator's
 * own means its home agent. */
static enum err take_allocation(void *arg, const char *part,
                                struct err_text *why)
{
    struct allocations *a = arg;
    struct peerid id;
    const struct view_node *n;

    (void)why;
    if (peerid_parse(part, strlen(part), &id, NULL) != ERR_OK)
        return ERR_OK;
    n = view_node_by_peer(a->view, &id);
    if (n == NULL && strcmp(part, a->view->self_peer) == 0 &&
        a->view->home != 0)
        n = view_node(a->view, a->view->home);
    if (n == NULL || a->meta->n_allocations == LIMIT_USER_ALLOCATIONS)
        return ERR_OK;
    for (uint32_t i = 0; i < a->meta->n_allocations; i++)
        if (peerid_equal(&a->meta->allocations[i], &n->peer))
            return ERR_OK;
    a->meta->allocations[a->meta->n_allocations++] = n->peer;
    return ERR_OK;
}

static void allocations(const struct api_call *c, struct meta *m)
{
    const char *list = api_param(c, "user-allocations");
    char part[LIMIT_MULTIADDR + 1];
    struct allocations a = {m, c->view};
    enum err e;

    if (list != NULL)
        (void)each(list, part, sizeof part, take_allocation, &a, NULL, &e);
}

/* --- all together ------------------------------------------------------- */

static enum err mode(const struct api_call *c, struct command_claim_put *k,
                     struct err_text *why)
{
    const char *text = api_param(c, "mode");
    const char *shard = api_param(c, "shard-size");

    if (text != NULL && strcmp(text, "direct") == 0)
        k->flags |= CLAIM_DIRECT;
    else if (text != NULL && strcmp(text, "recursive") != 0)
        return err_set(why, ERR_INVALID, "parameter mode invalid: "
                       "\"%.32s\" is neither recursive nor direct", text);
    if (shard != NULL && !unsigned_integer(shard))
        return err_set(why, ERR_INVALID, "parameter shard_size is invalid");
    return ERR_OK;
}

static enum err name(const struct api_call *c, struct api_options *o,
                     struct command_claim_put *k, struct err_text *why)
{
    const char *text = api_param(c, "name");

    if (text == NULL)
        return ERR_OK;
    if (strlen(text) > LIMIT_NAME)
        return err_set(why, ERR_INVALID,
                       "parameter name invalid: longer than %d bytes",
                       LIMIT_NAME);
    buf_text(&o->name, text);
    k->set_name = true;
    return ERR_OK;
}

static enum err update(const struct api_call *c, struct command_claim_put *k,
                       struct err_text *why)
{
    const char *text = api_param(c, "pin-update");
    enum cid_form form;

    if (text == NULL)
        return ERR_OK;
    if (cid_parse(text, strlen(text), &k->from, &form, why) != ERR_OK) {
        err_prefix(why, "error decoding update option parameter");
        return ERR_INVALID;
    }
    return ERR_OK;
}

enum err api_options_parse(const struct api_call *c, struct api_options *o,
                           struct command_claim_put *k, struct err_text *why)
{
    struct buf texts = BUF_INIT;
    enum err e = replication(c, k, why);

    memset(&o->doc, 0, sizeof o->doc);
    if (e == ERR_OK)
        e = mode(c, k, why);
    if (e == ERR_OK)
        e = elastic(c, k, why);
    if (e == ERR_OK)
        e = name(c, o, k, why);
    if (e == ERR_OK)
        e = expiry(c, k, why);
    if (e == ERR_OK)
        e = update(c, k, why);
    if (e == ERR_OK)
        e = api_policy_parse(c, k->rmin, k->rmax, &o->doc.policy, why);
    if (e == ERR_OK)
        e = metadata(c, &o->doc, why);
    if (e == ERR_OK)
        e = tags_check(&o->doc, why);
    if (e == ERR_OK)
        e = api_priority_parse(c, &o->doc, &k->flags, why);
    if (e == ERR_OK)
        e = origins(c, &o->doc, &texts, why);
    if (e == ERR_OK) {
        allocations(c, &o->doc);
        e = meta_encode(&o->doc, &o->meta, why);
    }
    buf_free(&texts);
    k->who = c->who;
    k->name = span_buf(&o->name);
    k->meta = span_buf(&o->meta);
    return e;
}

enum err api_options_upload(const struct api_call *c,
                            const struct command_claim_put *k,
                            struct err_text *why)
{
    if (k->expires_ms != 0 && k->expires_ms <= c->view->wall_ms)
        return err_set(why, ERR_INVALID, "pin.ExpireAt set before current "
                       "time");
    if ((k->flags & CLAIM_ELASTIC) != 0)
        return err_set(why, ERR_INVALID, "parameter elastic invalid: what is "
                       "uploaded is kept");
    return ERR_OK;
}

void api_options_free(struct api_options *o)
{
    buf_free(&o->name);
    buf_free(&o->meta);
}
