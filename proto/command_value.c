/* The operations of the value engine: encoder and decoder side by side.
 */
#include "proto/command_wire.h"
#include "proto/mem.h"

#include <assert.h>
#include <string.h>

enum { SCORE_FIELDS = 12 };

static void put_score(struct buf *b, const struct command_score *c)
{
    assert(c->n <= LIMIT_SCORES);
    encode_array(b, 3 * c->n);
    for (uint32_t i = 0; i < c->n; i++) {
        encode_u64(b, c->items[i].pin);
        encode_u64(b, c->items[i].org);
        encode_u64(b, c->items[i].reads);
    }
}

static void get_score(struct decode *d, struct command_score *c)
{
    uint32_t n = decode_array(d, "values", 0, 3 * LIMIT_SCORES);

    if (n % 3 != 0)
        decode_fail(d, "values", "not pin, organisation and reads of each");
    c->n = decode_ok(d) ? n / 3 : 0;
    for (uint32_t i = 0; i < c->n && decode_ok(d); i++) {
        c->items[i].pin = decode_u64(d, "pin", UINT64_MAX);
        c->items[i].org = field_decode_u32(d, "organisation");
        c->items[i].reads = decode_u64(d, "reads", UINT64_MAX);
    }
}

static_assert(LIMIT_READS * (3 + LIMIT_CID + 9) < LIMIT_OPERATION * 3 / 4,
              "those that one operation counts fit");

void command_encode_reads(struct buf *b, const struct reads_delta *items,
                          uint32_t n)
{
    assert(n <= LIMIT_READS);
    encode_array(b, 2 * n);
    for (uint32_t i = 0; i < n; i++) {
        assert(items[i].cid.n > 0 && items[i].reads_q16 > 0);
        assert(items[i].reads_q16 <= COMMAND_READS_MAX);
        field_encode_cid(b, &items[i].cid);
        encode_u64(b, items[i].reads_q16);
    }
}

uint32_t command_decode_reads(struct decode *d, struct command_scratch *s)
{
    uint32_t n = decode_array(d, "reads", 0, 2 * LIMIT_READS);

    if (n % 2 != 0)
        decode_fail(d, "reads", "not content and count of each");
    if (!s->reads)
        s->reads = mem_array(LIMIT_READS, sizeof *s->reads);
    n /= 2;
    for (uint32_t i = 0; i < n && decode_ok(d); i++) {
        field_decode_cid(d, "read cid", false, &s->reads[i].cid);
        s->reads[i].reads_q16 = field_decode_range(d, "read count", 1,
                                                   COMMAND_READS_MAX);
    }
    return decode_ok(d) ? n : 0;
}

void field_encode_score(struct buf *b, const struct score_config *s)
{
    encode_array(b, SCORE_FIELDS);
    encode_u64(b, s->w_usage_q16);
    encode_u64(b, s->w_quality_q16);
    encode_u64(b, s->w_recency_q16);
    encode_u64(b, s->w_size_q16);
    encode_u64(b, s->half_usage_ms);
    encode_u64(b, s->half_recency_ms);
    encode_u64(b, s->saturation);
    encode_u64(b, s->size_base_bytes);
    encode_u64(b, s->in_q16 | (uint64_t)s->out_q16 << 32);
    encode_u64(b, s->residency_ms);
    encode_u64(b, s->hysteresis_q16);
    encode_u64(b, s->node_rate);
}

void field_decode_score(struct decode *d, struct score_config *s)
{
    struct err_text why;
    uint64_t bounds;

    decode_array(d, "formula", SCORE_FIELDS, SCORE_FIELDS);
    s->w_usage_q16 = field_decode_u32(d, "weight of usage");
    s->w_quality_q16 = field_decode_u32(d, "weight of quality");
    s->w_recency_q16 = field_decode_u32(d, "weight of recency");
    s->w_size_q16 = field_decode_u32(d, "weight of size");
    s->half_usage_ms = decode_u64(d, "half-life of usage", UINT64_MAX);
    s->half_recency_ms = decode_u64(d, "half-life of recency", UINT64_MAX);
    s->saturation = field_decode_u32(d, "saturation");
    s->size_base_bytes = decode_u64(d, "size base", UINT64_MAX);
    bounds = decode_u64(d, "thresholds", UINT64_MAX);
    s->in_q16 = (uint32_t)bounds;
    s->out_q16 = (uint32_t)(bounds >> 32);
    s->residency_ms = decode_u64(d, "residency", UINT64_MAX);
    s->hysteresis_q16 = field_decode_u32(d, "hysteresis");
    s->node_rate = field_decode_u32(d, "reads of a copy");
    if (decode_ok(d) && score_config_check(s, &why) != ERR_OK)
        decode_fail(d, "formula", "out of bounds");
}

static void put_reclaim(struct buf *b, const struct command_reclaim *c)
{
    assert(c->n <= LIMIT_VICTIMS);
    encode_u64(b, c->pin);
    encode_u64(b, c->rev);
    encode_array(b, 2 * c->n);
    for (uint32_t i = 0; i < c->n; i++) {
        encode_u64(b, c->victims[i].pin);
        encode_u64(b, c->victims[i].org);
    }
}

static void get_reclaim(struct decode *d, struct command_reclaim *c)
{
    uint32_t n;

    c->pin = decode_u64(d, "pin", UINT64_MAX);
    c->rev = decode_u64(d, "rev", UINT64_MAX);
    n = decode_array(d, "victims", 0, 2 * LIMIT_VICTIMS);
    if (n % 2 != 0)
        decode_fail(d, "victims", "not pin and organisation of each");
    c->n = decode_ok(d) ? n / 2 : 0;
    for (uint32_t i = 0; i < c->n && decode_ok(d); i++) {
        c->victims[i].pin = decode_u64(d, "pin", UINT64_MAX);
        c->victims[i].org = field_decode_u32(d, "organisation");
    }
}

/* [low, high, ...] of those that are open */
static void put_bounds(struct buf *b, const struct command_formula_bounds *c)
{
    const struct score_bounds *x = &c->bounds;

    assert(c->set <= SCORE_TERMS_ALL && (x->open & ~c->set) == 0);
    encode_u64(b, c->set);
    encode_u64(b, x->open);
    encode_array(b, 2 * (uint32_t)__builtin_popcount(x->open));
    for (int t = 0; t < SCORE_TERMS; t++) {
        if ((x->open >> t & 1) == 0)
            continue;
        assert(score_range_valid((enum score_term)t, x->of[t].low,
                                 x->of[t].high));
        encode_u64(b, x->of[t].low);
        encode_u64(b, x->of[t].high);
    }
}

static void get_bounds(struct decode *d, struct command_formula_bounds *c)
{
    struct score_bounds *x = &c->bounds;
    uint32_t open, n;

    memset(x, 0, sizeof *x);
    c->set = (uint32_t)field_decode_range(d, "terms", 1, SCORE_TERMS_ALL);
    open = (uint32_t)decode_u64(d, "open terms", SCORE_TERMS_ALL);
    if ((open & ~c->set) != 0)
        decode_fail(d, "open terms", "not among those that are set");
    n = 2 * (uint32_t)__builtin_popcount(open);
    decode_array(d, "bounds", n, n);
    for (int t = 0; t < SCORE_TERMS && decode_ok(d); t++) {
        uint64_t low, high;

        if ((open >> t & 1) == 0)
            continue;
        low = decode_u64(d, "bound", UINT64_MAX);
        high = decode_u64(d, "bound", UINT64_MAX);
        if (!score_range_valid((enum score_term)t, low, high))
            decode_fail(d, "bounds", "not a range of the term");
        else
            score_bounds_open(x, (enum score_term)t, low, high);
    }
}

void command_encode_value(struct buf *b, const struct command *c)
{
    if (c->kind == COMMAND_ADMIT) {
        encode_u64(b, c->admit.pin);
        encode_u64(b, c->admit.rev);
        command_encode_places(b, c->admit.places, c->admit.n_places,
                              LIMIT_REPLICAS);
    } else if (c->kind == COMMAND_EVICT) {
        encode_u64(b, c->evict.pin);
        encode_u64(b, c->evict.rev);
        encode_u64(b, c->evict.node);
        command_encode_pins(b, c->evict.victims, c->evict.n, LIMIT_VICTIMS);
    } else if (c->kind == COMMAND_RECLAIM) {
        put_reclaim(b, &c->reclaim);
    } else if (c->kind == COMMAND_SCORE) {
        put_score(b, &c->score);
    } else if (c->kind == COMMAND_RATE) {
        assert(c->rate.cid.n > 0 && c->rate.quality <= FIXED_ONE);
        field_encode_cid(b, &c->rate.cid);
        encode_u64(b, c->rate.rater);
        encode_bool(b, c->rate.remove);
        encode_u64(b, c->rate.quality);
    } else if (c->kind == COMMAND_MADE) {
        assert(c->made.cid.n > 0);
        field_encode_cid(b, &c->made.cid);
        encode_u64(b, c->made.made_ms);
    } else if (c->kind == COMMAND_READS_PUT) {
        assert(c->reads_put.part > 0);
        encode_u64(b, c->reads_put.source);
        encode_u64(b, c->reads_put.batch);
        encode_u64(b, c->reads_put.part);
        put_score(b, &c->reads_put.score);
    } else if (c->kind == COMMAND_FORMULA_BOUNDS) {
        put_bounds(b, &c->formula_bounds);
    } else {
        assert(c->kind == COMMAND_FORMULA);
        encode_u64(b, c->formula.org);
        encode_bool(b, c->formula.reset);
        field_encode_score(b, &c->formula.score);
    }
}

void command_decode_value(struct decode *d, struct command *c)
{
    if (c->kind == COMMAND_ADMIT) {
        c->admit.pin = decode_u64(d, "pin", UINT64_MAX);
        c->admit.rev = decode_u64(d, "rev", UINT64_MAX);
        c->admit.n_places = command_decode_places(
            d, "places", c->admit.places, LIMIT_REPLICAS);
    } else if (c->kind == COMMAND_EVICT) {
        c->evict.pin = decode_u64(d, "pin", UINT64_MAX);
        c->evict.rev = decode_u64(d, "rev", UINT64_MAX);
        c->evict.node = field_decode_u32(d, "node");
        c->evict.n = command_decode_pins(d, c->evict.victims, LIMIT_VICTIMS);
    } else if (c->kind == COMMAND_RECLAIM) {
        get_reclaim(d, &c->reclaim);
    } else if (c->kind == COMMAND_SCORE) {
        get_score(d, &c->score);
    } else if (c->kind == COMMAND_RATE) {
        field_decode_cid(d, "cid", false, &c->rate.cid);
        c->rate.rater = decode_u64(d, "rater", UINT64_MAX);
        c->rate.remove = decode_bool(d, "remove");
        c->rate.quality = (uint32_t)decode_u64(d, "quality", FIXED_ONE);
    } else if (c->kind == COMMAND_MADE) {
        field_decode_cid(d, "cid", false, &c->made.cid);
        c->made.made_ms = decode_u64(d, "made", INT64_MAX);
    } else if (c->kind == COMMAND_READS_PUT) {
        c->reads_put.source = decode_u64(d, "source", UINT64_MAX);
        c->reads_put.batch = decode_u64(d, "batch", UINT64_MAX);
        c->reads_put.part =
            (uint32_t)field_decode_range(d, "part", 1, UINT32_MAX);
        get_score(d, &c->reads_put.score);
    } else if (c->kind == COMMAND_FORMULA_BOUNDS) {
        get_bounds(d, &c->formula_bounds);
    } else {
        assert(c->kind == COMMAND_FORMULA);
        c->formula.org = field_decode_u32(d, "organisation");
        c->formula.reset = decode_bool(d, "reset");
        field_decode_score(d, &c->formula.score);
    }
}
