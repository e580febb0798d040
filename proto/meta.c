/* The document of a claim's variable parts. The whole of it is held to
 * LIMIT_METADATA, so that a CLAIM_PUT with the longest name and a place on
 * every node is still one operation.
 */
#include "proto/meta.h"
#include "proto/codec.h"
#include "proto/field.h"
#include "proto/json.h"

#include <assert.h>
#include <string.h>

enum { VERSION = 1, FIELDS = 5, VERSION_POLICY = 2, FIELDS_POLICY = 6,
       VERSION_PLACE = 3 };

/* Insertion: stable, so that of equal keys the last one given stays last. */
static void sort_pairs(struct meta *m)
{
    uint32_t n = 0;

    for (uint32_t i = 1; i < m->n_pairs; i++) {
        struct meta_pair pair = m->pairs[i];
        uint32_t j = i;
        while (j > 0 && span_compare(m->pairs[j - 1].key, pair.key) > 0) {
            m->pairs[j] = m->pairs[j - 1];
            j--;
        }
        m->pairs[j] = pair;
    }
    for (uint32_t i = 0; i < m->n_pairs; i++) {
        if (n > 0 && span_equal(m->pairs[n - 1].key, m->pairs[i].key))
            n--;
        m->pairs[n++] = m->pairs[i];
    }
    m->n_pairs = n;
}

static enum err check_text(struct span s, const char *what,
                           struct err_text *why)
{
    if (s.n > LIMIT_METADATA)
        return err_set(why, ERR_TOO_LARGE, "%s: %zu bytes, at most %d", what,
                       s.n, (int)LIMIT_METADATA);
    if (s.n > 0 && memchr(s.p, 0, s.n))
        return err_set(why, ERR_INVALID, "%s: has a zero byte", what);
    if (!json_utf8_valid(s.p, s.n))
        return err_set(why, ERR_INVALID, "%s: not valid UTF-8", what);
    return ERR_OK;
}

static enum err check(const struct meta *m, struct err_text *why)
{
    enum err e = ERR_OK;

    assert(m->n_pairs <= LIMIT_METADATA_PAIRS);
    assert(m->n_origins <= LIMIT_ORIGINS);
    assert(m->n_allocations <= LIMIT_USER_ALLOCATIONS);
    for (uint32_t i = 0; i < m->n_pairs && e == ERR_OK; i++) {
        e = check_text(m->pairs[i].key, "metadata key", why);
        if (e == ERR_OK)
            e = check_text(m->pairs[i].value, "metadata value", why);
    }
    for (uint32_t i = 0; i < m->n_origins && e == ERR_OK; i++) {
        e = check_text(m->origins[i], "origin", why);
        if (e == ERR_OK && m->origins[i].n > LIMIT_MULTIADDR)
            e = err_set(why, ERR_TOO_LARGE, "origin: %zu bytes, at most %d",
                        m->origins[i].n, (int)LIMIT_MULTIADDR);
    }
    return e == ERR_OK ? policy_check_names(&m->policy, why) : e;
}

static bool is_empty(const struct meta *m)
{
    return m->n_pairs == 0 && m->n_origins == 0 && m->n_allocations == 0 &&
           m->update_from.n == 0 && policy_is_empty(&m->policy);
}

static unsigned version_of(const struct meta *m)
{
    if (m->policy.place != PLACE_ANY)
        return VERSION_PLACE;
    return policy_is_empty(&m->policy) ? VERSION : VERSION_POLICY;
}

static void write_all(const struct meta *m, struct buf *out)
{
    bool plain = policy_is_empty(&m->policy);

    encode_array(out, plain ? FIELDS : FIELDS_POLICY);
    encode_u64(out, version_of(m));
    if (!plain)
        policy_encode(&m->policy, out);
    encode_array(out, m->n_pairs);
    for (uint32_t i = 0; i < m->n_pairs; i++) {
        encode_array(out, 2);
        field_encode_str(out, m->pairs[i].key, LIMIT_METADATA);
        field_encode_str(out, m->pairs[i].value, LIMIT_METADATA);
    }
    encode_array(out, m->n_origins);
    for (uint32_t i = 0; i < m->n_origins; i++)
        field_encode_str(out, m->origins[i], LIMIT_MULTIADDR);
    encode_array(out, m->n_allocations);
    for (uint32_t i = 0; i < m->n_allocations; i++) {
        assert(m->allocations[i].n > 0);
        field_encode_peerid(out, &m->allocations[i]);
    }
    field_encode_cid(out, &m->update_from);
}

enum err meta_encode(struct meta *m, struct buf *out, struct err_text *why)
{
    size_t before = out->n;
    enum err e = check(m, why);

    if (e != ERR_OK)
        return e;
    sort_pairs(m);
    policy_sort(&m->policy);
    if (is_empty(m))
        return ERR_OK;
    write_all(m, out);
    if (out->n - before <= LIMIT_METADATA)
        return ERR_OK;
    e = err_set(why, ERR_TOO_LARGE,
                "metadata: %zu bytes encoded, at most %d", out->n - before,
                (int)LIMIT_METADATA);
    out->n = before;
    return e;
}

static void read_pairs(struct decode *d, struct meta *out)
{
    uint32_t n = decode_array(d, "metadata", 0, LIMIT_METADATA_PAIRS);

    for (uint32_t i = 0; i < n && decode_ok(d); i++) {
        struct meta_pair *pair = &out->pairs[i];
        decode_array(d, "metadata pair", 2, 2);
        pair->key = decode_str(d, "metadata key", LIMIT_METADATA);
        pair->value = decode_str(d, "metadata value", LIMIT_METADATA);
        if (decode_ok(d) && i > 0 && span_compare(pair[-1].key, pair->key) >= 0)
            decode_fail(d, "metadata", "not sorted by key, or a key twice");
    }
    out->n_pairs = n;
}

static void read_rest(struct decode *d, struct meta *out)
{
    out->n_origins = decode_array(d, "origins", 0, LIMIT_ORIGINS);
    for (uint32_t i = 0; i < out->n_origins && decode_ok(d); i++)
        out->origins[i] = decode_str(d, "origin", LIMIT_MULTIADDR);
    out->n_allocations =
        decode_array(d, "allocations", 0, LIMIT_USER_ALLOCATIONS);
    for (uint32_t i = 0; i < out->n_allocations && decode_ok(d); i++)
        field_decode_peerid(d, "allocation", false, &out->allocations[i]);
    field_decode_cid(d, "update from", true, &out->update_from);
}

enum err meta_decode(struct span bytes, struct meta *out,
                     struct err_text *why)
{
    struct decode d;
    uint32_t version;
    size_t used;
    enum err e;

    out->n_pairs = out->n_origins = out->n_allocations = 0;
    out->update_from.n = 0;
    out->policy = (struct policy){.spread = SPREAD_NONE};
    if (bytes.n == 0)
        return ERR_OK;
    if (bytes.n > LIMIT_METADATA)
        return err_set(why, ERR_TOO_LARGE, "metadata: %zu bytes, at most %d",
                       bytes.n, (int)LIMIT_METADATA);
    if ((e = codec_scan(bytes.p, bytes.n, &used, why)) != ERR_OK) {
        err_prefix(why, "metadata");
        return e;
    }
    decode_init(&d, bytes.p, bytes.n);
    decode_array(&d, "array", 1, UINT32_MAX);
    version = field_decode_u32(&d, "version");
    if (decode_ok(&d) && (version < VERSION || version > VERSION_PLACE))
        return err_set(why, ERR_VERSION,
                       "metadata: version %u is unknown here", version);
    decode_init(&d, bytes.p, bytes.n);
    if (version < VERSION_POLICY) {
        decode_array(&d, "array", FIELDS, FIELDS);
        (void)field_decode_u32(&d, "version");
    } else {
        decode_array(&d, "array", FIELDS_POLICY, FIELDS_POLICY);
        (void)field_decode_u32(&d, "version");
        policy_decode(&d, &out->policy);
    }
    read_pairs(&d, out);
    read_rest(&d, out);
    if (decode_ok(&d) && version != version_of(out))
        decode_fail(&d, "version", "is of another policy");
    if (decode_ok(&d) && is_empty(out))
        decode_fail(&d, "array", "empty, which is no bytes at all");
    return field_decode_end(&d, "metadata", why);
}

bool meta_has_policy(struct span bytes)
{
    return bytes.n > 0 && bytes.p[0] == (0x90 | FIELDS_POLICY);
}

void meta_policy(struct span bytes, struct policy *out)
{
    struct decode d;

    *out = (struct policy){.spread = SPREAD_NONE};
    if (!meta_has_policy(bytes))
        return;
    decode_init(&d, bytes.p, bytes.n);
    decode_array(&d, "array", FIELDS_POLICY, FIELDS_POLICY);
    (void)field_decode_u32(&d, "version");
    policy_decode(&d, out);
    assert(decode_ok(&d));
}

bool meta_value(struct span bytes, const char *key, struct span *out)
{
    struct policy policy;
    struct decode d;
    uint32_t n;

    *out = (struct span){0};
    if (bytes.n == 0)
        return false;
    decode_init(&d, bytes.p, bytes.n);
    decode_array(&d, "array", FIELDS, FIELDS_POLICY);
    (void)field_decode_u32(&d, "version");
    if (meta_has_policy(bytes))
        policy_decode(&d, &policy);
    n = decode_array(&d, "metadata", 0, LIMIT_METADATA_PAIRS);
    for (uint32_t i = 0; i < n; i++) {
        struct span own, value;
        int order;

        decode_array(&d, "metadata pair", 2, 2);
        own = decode_str(&d, "metadata key", LIMIT_METADATA);
        value = decode_str(&d, "metadata value", LIMIT_METADATA);
        order = span_compare(own, span_text(key));
        if (order == 0)
            *out = value;
        if (order >= 0) /* they are sorted */
            return order == 0;
    }
    assert(decode_ok(&d));
    return false;
}
