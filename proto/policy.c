#include "proto/policy.h"
#include "proto/field.h"
#include "proto/json.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { FIELDS = 7, FIELDS_PLACE = 8, LIMIT_TAG = 2 * LIMIT_LABEL + 1 };

static const char *const spreads[] = {
    [SPREAD_NONE] = "", [SPREAD_NODE] = "node", [SPREAD_RACK] = "rack",
    [SPREAD_ZONE] = "zone", [SPREAD_REGION] = "region"};

static const char *const places[] = {
    [PLACE_ANY] = "any", [PLACE_SHARED] = "shared", [PLACE_OWN] = "own"};

const char *policy_place_text(enum policy_place p)
{
    return places[p];
}

bool policy_place_parse(const char *text, enum policy_place *out)
{
    for (int p = PLACE_ANY; p <= PLACE_OWN; p++) {
        *out = (enum policy_place)p;
        if (strcmp(text, places[p]) == 0)
            return true;
    }
    *out = PLACE_ANY;
    return false;
}

const char *policy_spread_text(enum policy_spread s)
{
    return spreads[s];
}

bool policy_spread_parse(const char *text, enum policy_spread *out)
{
    for (int s = SPREAD_NODE; s <= SPREAD_REGION; s++) {
        *out = (enum policy_spread)s;
        if (strcmp(text, spreads[s]) == 0)
            return true;
    }
    *out = SPREAD_NONE;
    return false;
}

#define TEXT(s) (int)(s).n, (const char *)(s).p

/* --- lists -------------------------------------------------------------- */

static int by_bytes(const void *a, const void *b)
{
    return span_compare(*(const struct span *)a, *(const struct span *)b);
}

static void sort(struct policy_list *l)
{
    uint32_t n = 0;

    assert(l->n <= LIMIT_POLICY);
    qsort(l->of, l->n, sizeof l->of[0], by_bytes);
    for (uint32_t i = 0; i < l->n; i++)
        if (n == 0 || !span_equal(l->of[n - 1], l->of[i]))
            l->of[n++] = l->of[i];
    l->n = n;
}

void policy_sort(struct policy *p)
{
    sort(&p->required);
    sort(&p->denied);
    sort(&p->must);
    sort(&p->must_not);
}

static bool has(const struct policy_list *l, struct span s)
{
    for (uint32_t i = 0; i < l->n; i++)
        if (span_equal(l->of[i], s))
            return true;
    return false;
}

/* The first of a that is in b too; NULL: none. */
static const struct span *common(const struct policy_list *a,
                                 const struct policy_list *b)
{
    for (uint32_t i = 0; i < a->n; i++)
        if (has(b, a->of[i]))
            return &a->of[i];
    return NULL;
}

static bool add_all(struct policy_list *to, const struct policy_list *from)
{
    for (uint32_t i = 0; i < from->n; i++) {
        if (has(to, from->of[i]))
            continue;
        if (to->n == LIMIT_POLICY)
            return false;
        to->of[to->n++] = from->of[i];
    }
    sort(to);
    return true;
}

/* --- one policy, two of them -------------------------------------------- */

bool policy_is_empty(const struct policy *p)
{
    return p->required.n == 0 && p->denied.n == 0 && p->must.n == 0 &&
           p->must_not.n == 0 && p->spread == SPREAD_NONE &&
           p->place == PLACE_ANY;
}

static struct span key_of(struct span tag)
{
    const uint8_t *sign = memchr(tag.p, '=', tag.n);

    return span_of(tag.p, sign ? (size_t)(sign - tag.p) : tag.n);
}

static struct span value_of(struct span tag)
{
    size_t key = key_of(tag).n;

    return key < tag.n ? span_of(tag.p + key + 1, tag.n - key - 1)
                       : span_of(tag.p + key, 0);
}

static bool is_tag(struct span s)
{
    size_t key = key_of(s).n;

    return key > 0 && key <= LIMIT_LABEL && key < s.n &&
           value_of(s).n <= LIMIT_LABEL;
}

static bool is_region(struct span s)
{
    return s.n > 0 && s.n <= LIMIT_LABEL;
}

static enum err check_list(const struct policy_list *l, bool tags,
                           struct err_text *why)
{
    for (uint32_t i = 0; i < l->n; i++) {
        struct span s = l->of[i];
        if (s.n == 0)
            return err_set(why, ERR_INVALID, "policy: a name is empty");
        if (memchr(s.p, 0, s.n) || !json_utf8_valid(s.p, s.n))
            return err_set(why, ERR_INVALID, "policy: not valid UTF-8");
        if (tags && !is_tag(s))
            return err_set(why, ERR_INVALID, "policy: tag '%.*s' is not "
                           "key=value of at most %d bytes each",
                           s.n > 140 ? 140 : (int)s.n, (const char *)s.p,
                           LIMIT_LABEL);
        if (!tags && !is_region(s))
            return err_set(why, ERR_INVALID, "policy: a region of %zu "
                           "bytes, at most %d", s.n, LIMIT_LABEL);
    }
    return ERR_OK;
}

enum err policy_check_names(const struct policy *p, struct err_text *why)
{
    enum err e = check_list(&p->required, false, why);

    if (e == ERR_OK)
        e = check_list(&p->denied, false, why);
    if (e == ERR_OK)
        e = check_list(&p->must, true, why);
    return e == ERR_OK ? check_list(&p->must_not, true, why) : e;
}

static bool is_spread(const struct policy *p)
{
    return p->spread == SPREAD_NONE ? p->min_domains == 0 && !p->soft
                                    : p->min_domains > 0;
}

/* A node has one value of a label. */
static enum err check_keys(const struct policy *p, struct err_text *why)
{
    for (uint32_t i = 0; i < p->must.n; i++)
        for (uint32_t j = 0; j < i; j++)
            if (span_equal(key_of(p->must.of[i]), key_of(p->must.of[j])))
                return err_set(why, ERR_INVALID,
                               "policy: no node has both tags %.*s and %.*s",
                               TEXT(p->must.of[j]), TEXT(p->must.of[i]));
    return ERR_OK;
}

static enum err check_regions(const struct policy *p, struct err_text *why)
{
    const struct span *both = common(&p->required, &p->denied);

    if (both)
        return err_set(why, ERR_INVALID, "policy: region %.*s is required, "
                       "and denied", TEXT(*both));
    for (uint32_t i = 0; i < p->must.n; i++) {
        struct span value = value_of(p->must.of[i]);
        if (!span_equal(key_of(p->must.of[i]), span_text("region")))
            continue;
        for (uint32_t k = 0; k < p->required.n; k++)
            if (!span_equal(p->required.of[k], value))
                return err_set(why, ERR_INVALID, "policy: region %.*s is "
                               "required, and tag %.*s", TEXT(
                               p->required.of[k]), TEXT(p->must.of[i]));
        if (has(&p->denied, value))
            return err_set(why, ERR_INVALID, "policy: region %.*s is denied, "
                           "and tag %.*s required", TEXT(value),
                           TEXT(p->must.of[i]));
    }
    return ERR_OK;
}

/* Names the tag that the policy wants and denies for a required region. */
static enum err check_denied_tags(const struct policy *p,
                                  struct err_text *why)
{
    for (uint32_t i = 0; i < p->must_not.n; i++)
        if (span_equal(key_of(p->must_not.of[i]), span_text("region")) &&
            has(&p->required, value_of(p->must_not.of[i])))
            return err_set(why, ERR_INVALID, "policy: region %.*s is "
                           "required, and tag %.*s denied",
                           TEXT(value_of(p->must_not.of[i])),
                           TEXT(p->must_not.of[i]));
    return ERR_OK;
}

enum err policy_check(const struct policy *p, int32_t most,
                      struct err_text *why)
{
    const struct span *both = common(&p->must, &p->must_not);
    enum err e = check_regions(p, why);

    if (e == ERR_OK)
        e = check_denied_tags(p, why);
    if (e != ERR_OK)
        return e;
    if (both)
        return err_set(why, ERR_INVALID, "policy: tag %.*s is required, and "
                       "denied", TEXT(*both));
    if ((e = check_keys(p, why)) != ERR_OK)
        return e;
    if (!is_spread(p))
        return err_set(why, ERR_INVALID, "policy: a number of domains goes "
                       "with a spread");
    if (most != -1 && (int64_t)p->required.n > most)
        return err_set(why, ERR_INVALID, "policy: %u regions are required, "
                       "with %d copies at most", p->required.n, most);
    if (most != -1 && (int64_t)p->min_domains > most)
        return err_set(why, ERR_INVALID, "policy: at least %u %ss, with %d "
                       "copies at most", p->min_domains, spreads[p->spread],
                       most);
    return ERR_OK;
}

enum err policy_merge(struct policy *to, const struct policy *from,
                      struct err_text *why)
{
    if (!add_all(&to->required, &from->required) ||
        !add_all(&to->denied, &from->denied) ||
        !add_all(&to->must, &from->must) ||
        !add_all(&to->must_not, &from->must_not))
        return err_set(why, ERR_INVALID, "policy: more than %d regions or "
                       "tags of a kind", LIMIT_POLICY);
    if (from->place > to->place)
        to->place = from->place;
    if (from->spread == SPREAD_NONE)
        return ERR_OK;
    to->soft = from->soft && (to->spread == SPREAD_NONE || to->soft);
    if (from->spread > to->spread)
        to->spread = from->spread;
    if (from->min_domains > to->min_domains)
        to->min_domains = from->min_domains;
    return ERR_OK;
}

/* --- nodes -------------------------------------------------------------- */

bool policy_in_region(const struct node *n, struct span region)
{
    const char *label = node_label(n, "region");

    return label && span_is(region, label);
}

static bool has_tag(const struct node *n, struct span tag)
{
    struct span key = key_of(tag);

    for (uint32_t i = 0; i < n->n_labels; i++)
        if (span_is(key, n->labels[i].key))
            return span_is(value_of(tag), n->labels[i].value);
    return false;
}

enum policy_rule policy_judge(const struct policy *p, uint32_t org,
                              const struct node *n)
{
    if (!node_takes(n, org))
        return POLICY_CLOSED;
    if (p->place == PLACE_OWN && n->org != org)
        return POLICY_NOT_OWN;
    for (uint32_t i = 0; i < p->denied.n; i++)
        if (policy_in_region(n, p->denied.of[i]))
            return POLICY_DENIES_REGION;
    if (p->denied.n > 0 && !node_label(n, "region"))
        return POLICY_REGION_UNKNOWN;
    for (uint32_t i = 0; i < p->must_not.n; i++)
        if (has_tag(n, p->must_not.of[i]))
            return POLICY_DENIES_TAG;
    for (uint32_t i = 0; i < p->must.n; i++)
        if (!has_tag(n, p->must.of[i]))
            return POLICY_LACKS_TAG;
    return POLICY_ALLOWS;
}

bool policy_has_domain(enum policy_spread s, const struct node *n)
{
    return s == SPREAD_NODE || node_label(n, spreads[s]) != NULL;
}

bool policy_same_domain(enum policy_spread s, const struct node *a,
                        const struct node *b)
{
    const char *x, *y;

    if (s == SPREAD_NODE || a->id == b->id)
        return a->id == b->id;
    x = node_label(a, spreads[s]);
    y = node_label(b, spreads[s]);
    return x && y && strcmp(x, y) == 0;
}

/* --- bytes -------------------------------------------------------------- */

static void encode_list(const struct policy_list *l, struct buf *out)
{
    encode_array(out, l->n);
    for (uint32_t i = 0; i < l->n; i++)
        field_encode_str(out, l->of[i], LIMIT_TAG);
}

void policy_encode(const struct policy *p, struct buf *out)
{
    encode_array(out, p->place != PLACE_ANY ? FIELDS_PLACE : FIELDS);
    encode_list(&p->required, out);
    encode_list(&p->denied, out);
    encode_list(&p->must, out);
    encode_list(&p->must_not, out);
    encode_u64(out, (uint64_t)p->spread);
    encode_u64(out, p->min_domains);
    encode_bool(out, p->soft);
    if (p->place != PLACE_ANY)
        encode_u64(out, (uint64_t)p->place);
}

static void decode_list(struct decode *d, const char *what, bool tags,
                        struct policy_list *out)
{
    out->n = decode_array(d, what, 0, LIMIT_POLICY);
    for (uint32_t i = 0; i < out->n && decode_ok(d); i++) {
        struct span s = decode_str(d, what, tags ? LIMIT_TAG : LIMIT_LABEL);
        out->of[i] = s;
        if (!decode_ok(d))
            break;
        if (tags ? !is_tag(s) : !is_region(s))
            decode_fail(d, what, "not such a label");
        else if (i > 0 && span_compare(s, out->of[i - 1]) <= 0)
            decode_fail(d, what, "not sorted, or one twice");
    }
    if (!decode_ok(d))
        out->n = 0;
}

void policy_decode(struct decode *d, struct policy *out)
{
    uint32_t n;

    *out = (struct policy){.spread = SPREAD_NONE};
    n = decode_array(d, "policy", FIELDS, FIELDS_PLACE);
    decode_list(d, "required regions", false, &out->required);
    decode_list(d, "denied regions", false, &out->denied);
    decode_list(d, "required tags", true, &out->must);
    decode_list(d, "denied tags", true, &out->must_not);
    out->spread = (enum policy_spread)decode_u64(d, "spread", SPREAD_REGION);
    out->min_domains = (uint32_t)decode_u64(d, "domains", LIMIT_REPLICAS);
    out->soft = decode_bool(d, "soft spread");
    if (n == FIELDS_PLACE)
        out->place = (enum policy_place)field_decode_range(
            d, "place", PLACE_SHARED, PLACE_OWN);
    if (!decode_ok(d)) {
        *out = (struct policy){.spread = SPREAD_NONE};
        return;
    }
    if (policy_is_empty(out))
        decode_fail(d, "policy", "empty");
    else if (!is_spread(out))
        decode_fail(d, "domains", "and spread do not go together");
}

/* --- people ------------------------------------------------------------- */

static void list_text(const char *what, const struct policy_list *l,
                      struct buf *out)
{
    for (uint32_t i = 0; i < l->n; i++)
        buf_printf(out, "%s%.*s", i == 0 ? what : ", ", TEXT(l->of[i]));
    if (l->n > 0)
        buf_text(out, "; ");
}

void policy_text(const struct policy *p, struct buf *out)
{
    size_t before = out->n;

    if (p->place != PLACE_ANY)
        buf_printf(out, "only own nodes%s; ",
                   p->place == PLACE_SHARED ? ", and such as others share"
                                            : "");
    list_text("a copy in each region of ", &p->required, out);
    list_text("none in region ", &p->denied, out);
    list_text("only nodes with ", &p->must, out);
    list_text("no node with ", &p->must_not, out);
    if (p->spread != SPREAD_NONE)
        buf_printf(out, "at least %u %s%s%s; ", p->min_domains,
                   spreads[p->spread], p->min_domains == 1 ? "" : "s",
                   p->soft ? " if there are" : "");
    if (out->n > before)
        out->n -= 2;
}
