/* Filters of GET /pins: all of them at once. */
#include "coordinator/api_psa.h"

#include "coordinator/api_options.h"
#include "proto/json.h"

#include <string.h>

/* The next part of a list with commas, not empty; false: none is left, or it
 * does not fit (*bad). */
static bool next_part(const char **at, char *out, size_t size, bool *bad)
{
    size_t n;

    if (*at == NULL)
        return false;
    n = strcspn(*at, ",");
    *bad = n == 0 || n >= size;
    if (*bad)
        return false;
    memcpy(out, *at, n);
    out[n] = '\0';
    *at = (*at)[n] == ',' ? *at + n + 1 : NULL;
    return true;
}

static enum err cids(const struct api_call *c, struct psa_query *q,
                     struct err_text *why)
{
    const char *at = api_param(c, "cid");
    char part[LIMIT_CID_TEXT];
    enum cid_form form;
    bool bad = false;

    while (next_part(&at, part, sizeof part, &bad)) {
        if (q->n_cids == PSA_CIDS)
            return err_set(why, ERR_INVALID, "cid: more than %d", PSA_CIDS);
        if (cid_parse(part, strlen(part), &q->cids[q->n_cids], &form, why) !=
            ERR_OK) {
            err_prefix(why, "cid");
            return ERR_INVALID;
        }
        q->n_cids++;
    }
    return bad ? err_set(why, ERR_INVALID, "cid: empty or too long") : ERR_OK;
}

static enum err statuses(const struct api_call *c, struct psa_query *q,
                         struct err_text *why)
{
    const char *at = api_param(c, "status");
    char part[16];
    bool bad = false;

    if (at == NULL) {
        q->statuses = 1U << REQUEST_PINNED;
        return ERR_OK;
    }
    while (next_part(&at, part, sizeof part, &bad)) {
        unsigned k = 0;

        while (k < REQUEST_STATES &&
               strcmp(part, request_status_text((enum request_status)k)) != 0)
            k++;
        if (k == REQUEST_STATES)
            bad = true;
        else
            q->statuses |= 1U << k;
        if (bad)
            break;
    }
    return bad ? err_set(why, ERR_INVALID, "status: some of queued, pinning, "
                         "pinned, failed, with commas")
               : ERR_OK;
}

static enum err match(const struct api_call *c, struct psa_query *q,
                      struct err_text *why)
{
    static const char *const words[] = {"exact", "iexact", "partial",
                                        "ipartial"};
    const char *text = api_param(c, "match");

    q->name = api_param(c, "name");
    if (q->name != NULL && psa_characters(q->name) > PSA_NAME)
        return err_set(why, ERR_INVALID, "name: more than %d characters",
                       PSA_NAME);
    for (unsigned k = 0; text != NULL && k < 4; k++) {
        if (strcmp(text, words[k]) != 0)
            continue;
        q->match = (enum psa_match)k;
        text = NULL;
    }
    return text == NULL ? ERR_OK
                        : err_set(why, ERR_INVALID, "match: exact, iexact, "
                                  "partial or ipartial");
}

/* Below a millisecond, which no time of ours has? */
static bool is_finer(const char *text)
{
    const char *dot = strchr(text, '.');

    for (size_t k = 1; dot != NULL && dot[k] >= '0' && dot[k] <= '9'; k++)
        if (k > 3 && dot[k] != '0')
            return true;
    return false;
}

static enum err time_of(const struct api_call *c, const char *name,
                        uint64_t *ms, bool *finer, struct err_text *why)
{
    const char *param = api_param(c, name);
    char text[64], *blank;

    if (param == NULL)
        return ERR_OK;
    if (strlen(param) >= sizeof text)
        return err_set(why, ERR_INVALID, "%s: not a time (RFC 3339)", name);
    memcpy(text, param, strlen(param) + 1);
    blank = strchr(text, ' '); /* the + of an offset, not escaped */
    if (blank != NULL)
        *blank = '+';
    if (!api_time_parse(text, ms))
        return err_set(why, ERR_INVALID, "%s: not a time (RFC 3339)", name);
    *finer = is_finer(text);
    return ERR_OK;
}

static enum err times(const struct api_call *c, struct psa_query *q,
                      struct err_text *why)
{
    bool finer = false, ignored;
    enum err e = time_of(c, "after", &q->after_ms, &ignored, why);

    q->before_ms = UINT64_MAX;
    if (e == ERR_OK)
        e = time_of(c, "before", &q->before_ms, &finer, why);
    q->before_ms += finer;
    return e;
}

static enum err limit(const struct api_call *c, struct psa_query *q,
                      struct err_text *why)
{
    const char *text = api_param(c, "limit");
    struct json_value v = {JSON_NUMBER, text, text == NULL ? 0 : strlen(text)};
    uint64_t n = PSA_LIMIT_DEFAULT;

    if (text != NULL && (!json_as_u64(&v, &n) || n < 1 || n > PSA_LIMIT))
        return err_set(why, ERR_INVALID, "limit: 1 to %d", PSA_LIMIT);
    q->limit = (uint32_t)n;
    return ERR_OK;
}

static bool keep(struct buf *text, const struct json_value *v,
                 struct span *out)
{
    if (!json_string(v, (char *)text->p + text->n, v->n + 1))
        return false;
    *out = span_text((const char *)text->p + text->n);
    text->n += out->n + 1;
    return true;
}

/* Kubo sends map[k:v]: no JSON, and no reason to fall. */
static enum err meta(const struct api_call *c, struct psa_query *q,
                     struct err_text *why)
{
    const char *text = api_param(c, "meta");
    struct json_value object, v;
    struct span key;
    size_t it = 0;

    if (text == NULL)
        return ERR_OK;
    if (json_parse(text, strlen(text), &object, why) != ERR_OK ||
        object.type != JSON_OBJECT)
        return err_set(why, ERR_INVALID, "meta: not a JSON object");
    buf_reserve(&q->text, 2 * strlen(text) + 2);
    while (json_next(&object, &it, &key, &v)) {
        struct json_value name = {JSON_STRING, (const char *)key.p, key.n};
        struct meta_pair *p = &q->pairs[q->n_pairs];

        if (q->n_pairs == LIMIT_METADATA_PAIRS)
            return err_set(why, ERR_INVALID, "meta: more than %d keys",
                           LIMIT_METADATA_PAIRS);
        if (v.type != JSON_STRING || !keep(&q->text, &name, &p->key) ||
            !keep(&q->text, &v, &p->value))
            return err_set(why, ERR_INVALID, "meta: a value is not a string");
        q->n_pairs++;
    }
    return ERR_OK;
}

enum err psa_query_parse(const struct api_call *c, struct psa_query *out,
                         struct err_text *why)
{
    enum err (*const parts[])(const struct api_call *, struct psa_query *,
                              struct err_text *) = {cids, statuses, match,
                                                    times, limit, meta};
    enum err e = ERR_OK;

    for (size_t k = 0; k < sizeof parts / sizeof *parts && e == ERR_OK; k++)
        e = parts[k](c, out, why);
    return e;
}

void psa_query_free(struct psa_query *q)
{
    buf_free(&q->text);
}

/* --- matching ------------------------------------------------------------ */
static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 'a' - 'A') : c;
}

static bool same(const uint8_t *a, const char *b, size_t n, bool fold)
{
    for (size_t k = 0; k < n; k++) {
        uint8_t x = a[k], y = (uint8_t)b[k];

        if (fold ? lower(x) != lower(y) : x != y)
            return false;
    }
    return true;
}

static bool name_matches(const struct psa_query *q, struct span name)
{
    bool fold = q->match == PSA_IEXACT || q->match == PSA_IPARTIAL;
    size_t n;

    if (q->name == NULL)
        return true;
    n = strlen(q->name);
    if (name.n < n)
        return false;
    if (q->match == PSA_EXACT || q->match == PSA_IEXACT)
        return name.n == n && same(name.p, q->name, n, fold);
    for (size_t at = 0; at + n <= name.n; at++)
        if (same(name.p + at, q->name, n, fold))
            return true;
    return false;
}

static bool has_pair(const struct meta *m, const struct meta_pair *p)
{
    for (uint32_t k = 0; k < m->n_pairs; k++)
        if (span_equal(m->pairs[k].key, p->key))
            return span_equal(m->pairs[k].value, p->value);
    return false;
}

bool psa_query_matches(const struct psa_query *q, const struct pin *p,
                       struct meta *scratch)
{
    if (!name_matches(q, span_buf(&p->name)))
        return false;
    if (q->n_pairs == 0)
        return true;
    if (p->meta.n == 0 ||
        meta_decode(span_buf(&p->meta), scratch, NULL) != ERR_OK)
        return false;
    for (uint32_t k = 0; k < q->n_pairs; k++)
        if (!has_pair(scratch, &q->pairs[k]))
            return false;
    return true;
}
