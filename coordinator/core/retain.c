#include "coordinator/core/retain.h"

#include "proto/mem.h"

#include <assert.h>
#include <stdlib.h>

/* Buckets of keys, 1/8192 wide; what is below the lowest is in it. */
enum {
    STEP = FIXED_ONE / 8192,
    LOWEST = -8 * FIXED_ONE,
    BUCKETS = (3 * FIXED_ONE - LOWEST) / STEP
};

struct retain {
    struct score_config formula;
    bool settled;
    uint64_t bytes[BUCKETS];
    uint32_t frontier;  /* what is in higher ones has room; BUCKETS: none */
    bool bounded;
    uint64_t left;      /* for those in that one */
};

static const char *const texts[RETAIN_FATES] = {
#define X(name, text) text,
    RETAIN_TABLE(X)
#undef X
};

const char *retain_text(enum retain_fate f)
{
    assert(f < RETAIN_FATES);
    return texts[f];
}

struct retain *retain_new(const struct score_config *formula)
{
    struct retain *r = mem_alloc(sizeof *r);

    r->formula = *formula;
    return r;
}

void retain_free(struct retain *r)
{
    free(r);
}

static uint64_t plus(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t cost(const struct retain *r, const struct retain_item *i)
{
    uint64_t rate = score_usage_rate(&i->input.usage, i->input.now_ms,
                                     &r->formula);
    uint64_t n = score_copies(&r->formula, rate, i->least, i->most);

    return i->input.size_bytes > UINT64_MAX / n ? UINT64_MAX
                                                : n * i->input.size_bytes;
}

/* Whether it would be held if there were room. */
static bool is_above(const struct retain *r, const struct retain_item *i,
                     const struct score *s)
{
    return i->held ? s->priority_q16 >= (int32_t)r->formula.out_q16
                   : s->priority_q16 > (int32_t)r->formula.in_q16;
}

/* What is held keeps its place unless a newcomer exceeds it by so much. */
static uint32_t bucket(const struct retain *r, const struct retain_item *i,
                       const struct score *s)
{
    int64_t key = s->key_q16;

    key += i->held ? score_delta(&r->formula) : 0;
    if (key < LOWEST)
        return 0;
    key = (key - LOWEST) / STEP;
    return key < BUCKETS ? (uint32_t)key : (uint32_t)BUCKETS - 1;
}

void retain_add(struct retain *r, const struct retain_item *i)
{
    struct score s;
    uint32_t at;

    assert(!r->settled && i->least > 0 && i->most >= i->least);
    score_compute(&r->formula, &i->input, &s);
    if (!is_above(r, i, &s))
        return;
    at = bucket(r, i, &s);
    r->bytes[at] = plus(r->bytes[at], cost(r, i));
}

void retain_settle(struct retain *r, uint64_t budget)
{
    assert(!r->settled);
    r->settled = true;
    r->left = budget;
    for (r->frontier = BUCKETS - 1;
         r->frontier > 0 && r->bytes[r->frontier] <= r->left; r->frontier--)
        r->left -= r->bytes[r->frontier];
    r->bounded = r->bytes[r->frontier] > r->left;
}

enum retain_fate retain_judge(struct retain *r, const struct retain_item *i,
                              struct score *score, uint64_t *bytes)
{
    uint32_t at;

    assert(r->settled);
    score_compute(&r->formula, &i->input, score);
    *bytes = cost(r, i);
    if (!is_above(r, i, score))
        return i->held ? RETAIN_FADES : RETAIN_BELOW;
    at = bucket(r, i, score);
    if (r->bounded && at == r->frontier) {
        if (*bytes > r->left)
            return i->held ? RETAIN_DISPLACED : RETAIN_NO_ROOM;
        r->left -= *bytes;
    } else if (r->bounded && at < r->frontier) {
        return i->held ? RETAIN_DISPLACED : RETAIN_NO_ROOM;
    }
    return i->held ? RETAIN_STAYS : RETAIN_COMES;
}

bool retain_frontier(const struct retain *r, int32_t *key)
{
    *key = (int32_t)(LOWEST + (int64_t)r->frontier * STEP);
    return r->bounded;
}
