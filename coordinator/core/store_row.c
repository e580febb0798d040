/* Packed rows: the 24 bytes of a copy, and the documents of rows that live in
 * memory. What is read from our own file must be well formed; a row that is
 * not is damage, found by an assertion while running and refused at open.
 */
#include "coordinator/core/store_private.h"

#include "proto/codec.h"
#include "proto/field.h"

#include <assert.h>
#include <string.h>

enum {
    WANT_MASK = 3, WANT_SYSTEM = 4, STATE_MASK = 7, FAILURES_SHIFT = 3,
    ROW_VERSION = 1
};

static void put(uint8_t *p, uint64_t v, unsigned bytes)
{
    for (unsigned k = 0; k < bytes; k++)
        p[k] = (uint8_t)(v >> (8 * k));
    assert(bytes == 8 || v >> (8 * bytes) == 0);
}

static uint64_t get(const uint8_t *p, unsigned bytes)
{
    uint64_t v = 0;

    for (unsigned k = 0; k < bytes; k++)
        v |= (uint64_t)p[k] << (8 * k);
    return v;
}

void store_row_pack(const struct copy *c, uint8_t out[STORE_COPY_BYTES])
{
    assert(c->want <= COPY_DIRECT && c->state <= COPY_LOST);
    assert(c->failures <= 31);
    put(out, c->node, 4);
    put(out + 4, c->want | (c->system ? WANT_SYSTEM : 0U), 1);
    put(out + 5, c->state | (unsigned)c->failures << FAILURES_SHIFT, 1);
    put(out + 6, c->reason, 2);
    put(out + 8, c->size, 6);
    put(out + 14, c->idx, 6);
    put(out + 20, c->since, 4);
}

static void unpack(const uint8_t *p, struct copy *c)
{
    c->want = (enum copy_want)(p[4] & WANT_MASK);
    c->system = (p[4] & WANT_SYSTEM) != 0;
    c->state = (enum copy_state)(p[5] & STATE_MASK);
    c->failures = (uint8_t)(p[5] >> FAILURES_SHIFT);
    c->reason = (uint16_t)get(p + 6, 2);
    c->size = get(p + 8, 6);
    c->idx = get(p + 14, 6);
    c->since = (uint32_t)get(p + 20, 4);
    assert(c->want <= COPY_DIRECT && c->state <= COPY_LOST);
}

void store_row_copies(const struct pin *p, struct buf *out)
{
    uint8_t row[STORE_COPY_BYTES];

    buf_reset(out);
    for (uint32_t k = 0; k < p->n_copies; k++) {
        assert(k == 0 || p->copies[k - 1].node < p->copies[k].node);
        store_row_pack(&p->copies[k], row);
        buf_add(out, row, sizeof(row));
    }
}

static void read_buf(struct buf *out, struct span s)
{
    buf_reset(out);
    if (s.n > 0)
        buf_add(out, s.p, s.n);
}

static void read_claims(struct store_db *d, unsigned k, struct pin *out)
{
    for (bool more = store_db_run(d, k, "u", out->id); more;
         more = store_db_step(d, k)) {
        struct claim *c = pin_claim_add(out);

        c->id = store_db_u64(d, k, 0);
        c->org = (uint32_t)store_db_u64(d, k, 2);
        c->who = store_db_u64(d, k, 3);
        c->salt = store_db_u64(d, k, 4);
        c->flags = (uint32_t)store_db_u64(d, k, 5);
        c->rmin = (int32_t)store_db_u64(d, k, 6);
        c->rmax = (int32_t)store_db_u64(d, k, 7);
        c->created_ms = store_db_u64(d, k, 8);
        c->expires_ms = store_db_u64(d, k, 9);
        c->paid = (uint32_t)store_db_u64(d, k, 10);
        read_buf(&c->name, store_db_blob(d, k, 11));
        read_buf(&c->meta, store_db_blob(d, k, 12));
    }
    store_db_reset(d, k);
    assert(out->n_claims > 0);
}

void store_row_pin(struct store_db *d, unsigned k, unsigned claims,
                   struct pin *out)
{
    struct span cid = store_db_blob(d, k, 12);
    struct span name = store_db_blob(d, k, 13);
    struct span meta = store_db_blob(d, k, 14);
    struct span asg = store_db_blob(d, k, 15);

    pin_reset(out);
    out->id = store_db_u64(d, k, 0);
    out->size = store_db_u64(d, k, 1);
    out->flags = (uint32_t)store_db_u64(d, k, 2);
    out->todo = (enum pin_todo)store_db_u64(d, k, 3);
    out->rmin = (int32_t)store_db_u64(d, k, 4);
    out->rmax = (int32_t)store_db_u64(d, k, 5);
    out->rev = store_db_u64(d, k, 6);
    out->created_ms = store_db_u64(d, k, 7);
    out->org = (uint32_t)store_db_u64(d, k, 8);
    out->who = store_db_u64(d, k, 9);
    out->salt = store_db_u64(d, k, 10);
    out->expires_ms = store_db_u64(d, k, 11);
    assert(cid.n > 0 && cid.n <= LIMIT_CID);
    out->cid.n = (uint8_t)cid.n;
    memcpy(out->cid.bytes, cid.p, cid.n);
    read_buf(&out->name, name);
    read_buf(&out->meta, meta);
    assert(asg.n % STORE_COPY_BYTES == 0);
    for (size_t at = 0; at < asg.n; at += STORE_COPY_BYTES)
        unpack(asg.p + at,
               pin_copy_add(out, (uint32_t)get(asg.p + at, 4)));
    if ((out->flags & PIN_SHARED) != 0)
        read_claims(d, claims, out);
}

void store_row_fail(struct store_db *d, unsigned k, uint64_t pin,
                    uint32_t node, struct fail *out)
{
    struct span text = store_db_blob(d, k, 3);

    memset(out, 0, sizeof(*out));
    out->pin = pin;
    out->node = node;
    out->attempts = (uint32_t)store_db_u64(d, k, 0);
    out->at_ms = store_db_u64(d, k, 1);
    out->code = (enum fail_code)store_db_u64(d, k, 2);
    assert(text.n <= LIMIT_ERROR_TEXT);
    if (text.n > 0)
        memcpy(out->text, text.p, text.n);
}

static void read_text(struct decode *d, const char *what, char *out,
                      size_t max)
{
    struct span s = decode_str(d, what, max);

    if (s.n > 0)
        memcpy(out, s.p, s.n);
    out[s.n] = '\0';
}

static void read_bytes(struct decode *d, const char *what, uint8_t *out,
                       size_t n)
{
    struct span s = decode_bin(d, what, n, n);

    if (s.n == n)
        memcpy(out, s.p, n);
}

static enum err open_rows(struct decode *d, struct span doc, uint32_t fields,
                          uint32_t at_most, uint32_t *n,
                          struct err_text *why)
{
    size_t used;
    enum err e = codec_scan(doc.p, doc.n, &used, why);

    if (e != ERR_OK)
        return e;
    decode_init(d, doc.p, doc.n);
    *n = decode_array(d, "row", fields, at_most);
    if (decode_u64(d, "version", UINT64_MAX) != ROW_VERSION)
        decode_fail(d, "version", "unknown");
    return ERR_OK;
}

static enum err open_row(struct decode *d, struct span doc, uint32_t fields,
                         struct err_text *why)
{
    uint32_t n;

    return open_rows(d, doc, fields, fields, &n, why);
}

void store_row_node(const struct node *n, struct buf *out)
{
    buf_reset(out);
    encode_array(out, n->closed ? 13 : n->maintained_ms != 0 ? 12 : 11);
    encode_u64(out, ROW_VERSION);
    encode_bin(out, n->key, sizeof(n->key));
    encode_u64(out, n->org);
    encode_text(out, n->name);
    encode_array(out, n->n_labels * 2);
    for (uint32_t k = 0; k < n->n_labels; k++) {
        encode_text(out, n->labels[k].key);
        encode_text(out, n->labels[k].value);
    }
    encode_u64(out, n->capacity);
    encode_u64(out, n->admin);
    encode_u64(out, n->health);
    encode_bool(out, n->full);
    encode_u64(out, n->joined_ms);
    encode_u64(out, n->changed_ms);
    if (n->maintained_ms != 0 || n->closed)
        encode_u64(out, n->maintained_ms);
    if (n->closed) /* others are rows as they were before */
        encode_bool(out, true);
}

enum err store_row_node_read(struct span doc, struct node *out,
                             struct err_text *why)
{
    struct decode d;
    uint32_t n;
    enum err e = open_rows(&d, doc, 11, 13, &n, why);

    if (e != ERR_OK)
        return e;
    read_bytes(&d, "key", out->key, sizeof(out->key));
    out->org = (uint32_t)decode_u64(&d, "org", UINT32_MAX);
    read_text(&d, "name", out->name, LIMIT_NODE_NAME);
    out->n_labels = decode_array(&d, "labels", 0, LIMIT_LABELS * 2) / 2;
    for (uint32_t k = 0; k < out->n_labels; k++) {
        read_text(&d, "label", out->labels[k].key, LIMIT_LABEL);
        read_text(&d, "label", out->labels[k].value, LIMIT_LABEL);
    }
    out->capacity = decode_u64(&d, "capacity", UINT64_MAX);
    out->admin = (enum node_admin)decode_u64(&d, "admin", ADMIN_REMOVED);
    out->health = (enum node_health)decode_u64(&d, "health", HEALTH_OUT);
    out->full = decode_bool(&d, "full");
    out->joined_ms = decode_u64(&d, "joined", UINT64_MAX);
    out->changed_ms = decode_u64(&d, "changed", UINT64_MAX);
    if (n >= 12)
        out->maintained_ms = decode_u64(&d, "maintained", UINT64_MAX);
    if (n == 13)
        out->closed = decode_bool(&d, "closed");
    return decode_end(&d, why);
}

/* At the end: what most have not. So their rows are as they were before: 0
 * more, the formula (1), the guarantee and whether there is a formula (2), all
 * of that (3). */
void store_row_org(const struct org *o, struct buf *out)
{
    bool guaranteed = o->guarantee != ORG_NO_LIMIT;

    buf_reset(out);
    encode_array(out, 3 + 3 * ORG_KINDS + o->scored
                          + (guaranteed ? 2U : 0U));
    encode_u64(out, ROW_VERSION);
    encode_text(out, o->name);
    encode_u64(out, o->grace_ms);
    for (int k = 0; k < ORG_KINDS; k++) {
        encode_u64(out, o->limits[k].soft);
        encode_u64(out, o->limits[k].hard);
        encode_u64(out, o->over_ms[k]);
    }
    if (guaranteed) {
        encode_u64(out, o->guarantee);
        encode_bool(out, o->scored);
    }
    if (o->scored)
        field_encode_score(out, &o->score);
}

enum err store_row_org_read(struct span doc, struct org *out,
                            struct err_text *why)
{
    const uint32_t fields = 3 + 3 * ORG_KINDS;
    struct decode d;
    uint32_t n;
    enum err e = open_rows(&d, doc, fields, fields + 3, &n, why);

    if (e != ERR_OK)
        return e;
    read_text(&d, "name", out->name, LIMIT_ORG_NAME);
    out->grace_ms = decode_u64(&d, "grace", UINT64_MAX);
    for (int k = 0; k < ORG_KINDS; k++) {
        out->limits[k].soft = decode_u64(&d, "soft limit", UINT64_MAX);
        out->limits[k].hard = decode_u64(&d, "hard limit", UINT64_MAX);
        out->over_ms[k] = decode_u64(&d, "over since", UINT64_MAX);
    }
    out->guarantee = ORG_NO_LIMIT;
    out->scored = n == fields + 1;
    if (n > fields + 1) {
        out->guarantee = decode_u64(&d, "guarantee", ORG_LIMIT_MAX);
        out->scored = decode_bool(&d, "scored");
    }
    if (decode_ok(&d) && out->scored != (n - fields) % 2)
        decode_fail(&d, "organisation", "fields are missing");
    if (out->scored)
        field_decode_score(&d, &out->score);
    return decode_end(&d, why);
}

void store_row_budget(const struct budget *b, struct buf *out)
{
    buf_reset(out);
    encode_array(out, 2 + ORG_KINDS);
    encode_u64(out, ROW_VERSION);
    for (int k = 0; k < ORG_KINDS; k++)
        encode_u64(out, b->limits[k]);
    encode_u64(out, b->overcommit);
}

enum err store_row_budget_read(struct span doc, struct budget *out,
                               struct err_text *why)
{
    struct decode d;
    enum err e = open_row(&d, doc, 2 + ORG_KINDS, why);

    if (e != ERR_OK)
        return e;
    for (int k = 0; k < ORG_KINDS; k++)
        out->limits[k] = decode_u64(&d, "limit", UINT64_MAX);
    out->overcommit = (uint32_t)decode_u64(&d, "over-commit",
                                           OVERCOMMIT_MAX);
    return decode_end(&d, why);
}

void store_row_principal(const struct principal *p, struct buf *out)
{
    buf_reset(out);
    encode_array(out, 6);
    encode_u64(out, ROW_VERSION);
    encode_text(out, p->name);
    encode_u64(out, p->created_ms);
    encode_u64(out, p->verbs);
    encode_text(out, p->prefix);
    encode_text(out, p->password);
}

enum err store_row_principal_read(struct span doc, struct principal *out,
                                  struct err_text *why)
{
    struct decode d;
    enum err e = open_row(&d, doc, 6, why);

    if (e != ERR_OK)
        return e;
    read_text(&d, "name", out->name, LIMIT_PRINCIPAL_NAME);
    out->created_ms = decode_u64(&d, "created", UINT64_MAX);
    out->verbs = (uint8_t)decode_u64(&d, "verbs", VERB_ALL);
    read_text(&d, "prefix", out->prefix, LIMIT_PREFIX);
    read_text(&d, "password", out->password, LIMIT_PASSWORD_HASH);
    return decode_end(&d, why);
}

void store_row_token(const struct token *t, struct buf *out)
{
    buf_reset(out);
    encode_array(out, 6);
    encode_u64(out, ROW_VERSION);
    encode_u64(out, t->verbs);
    encode_bool(out, t->session);
    encode_text(out, t->prefix);
    encode_u64(out, t->created_ms);
    encode_bin(out, t->hash, sizeof(t->hash));
}

enum err store_row_token_read(struct span doc, struct token *out,
                              struct err_text *why)
{
    struct decode d;
    enum err e = open_row(&d, doc, 6, why);

    if (e != ERR_OK)
        return e;
    out->verbs = (uint8_t)decode_u64(&d, "verbs", VERB_ALL);
    out->session = decode_bool(&d, "session");
    read_text(&d, "prefix", out->prefix, LIMIT_PREFIX);
    out->created_ms = decode_u64(&d, "created", UINT64_MAX);
    read_bytes(&d, "hash", out->hash, sizeof(out->hash));
    return decode_end(&d, why);
}

void store_row_cluster(const struct cluster *c, struct buf *out)
{
    buf_reset(out);
    encode_array(out, 5);
    encode_u64(out, ROW_VERSION);
    encode_bin(out, c->id, sizeof(c->id));
    encode_bin(out, c->history, sizeof(c->history));
    encode_bin(out, c->sip_key, sizeof(c->sip_key));
    encode_u64(out, c->pin_tag);
}

enum err store_row_cluster_read(struct span doc, struct cluster *out,
                                struct err_text *why)
{
    struct decode d;
    enum err e = open_row(&d, doc, 5, why);

    if (e != ERR_OK)
        return e;
    read_bytes(&d, "id", out->id, sizeof(out->id));
    read_bytes(&d, "history", out->history, sizeof(out->history));
    read_bytes(&d, "key", out->sip_key, sizeof(out->sip_key));
    out->pin_tag = (uint32_t)decode_u64(&d, "pin tag", UINT32_MAX);
    out->formed = true;
    return decode_end(&d, why);
}

void store_row_coordinator(const struct coordinator_row *c, struct buf *out)
{
    buf_reset(out);
    encode_array(out, 5);
    encode_u64(out, ROW_VERSION);
    encode_bin(out, c->key, sizeof(c->key));
    encode_text(out, c->name);
    encode_text(out, c->peer_address);
    encode_text(out, c->http_address);
}

enum err store_row_coordinator_read(struct span doc,
                                    struct coordinator_row *out,
                                    struct err_text *why)
{
    struct decode d;
    enum err e = open_row(&d, doc, 5, why);

    if (e != ERR_OK)
        return e;
    read_bytes(&d, "key", out->key, sizeof(out->key));
    read_text(&d, "name", out->name, LIMIT_NODE_NAME);
    read_text(&d, "peer address", out->peer_address, LIMIT_ADDRESS);
    read_text(&d, "HTTP address", out->http_address, LIMIT_ADDRESS);
    return decode_end(&d, why);
}
