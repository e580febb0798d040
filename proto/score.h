/* What content is worth: usage, quality, recency, size (docs/value.md). One
 * function for who decides and who explains. Pure; integers only, so that
 * x86-64 and arm64 agree in every bit.
 *
 * A name that ends in _q16 is in units of 1/65536 (FIXED_ONE is 1), and so
 * are all weights, thresholds and parts of a score. Rates are per day.
 */
#ifndef PINFOLD_SCORE_H
#define PINFOLD_SCORE_H

#include "proto/err.h"
#include "proto/fixed.h"

#include <stdint.h>

/* What score_config_check allows. */
enum {
    SCORE_WEIGHT_MAX = 1000 * FIXED_ONE,
    SCORE_HYSTERESIS_MAX = 16 * FIXED_ONE
};
#define SCORE_DAY_MS UINT64_C(86400000)
#define SCORE_HALF_MIN_MS UINT64_C(60000)
#define SCORE_TIME_MAX_MS (3650 * SCORE_DAY_MS)
#define SCORE_SIZE_MAX ((uint64_t)INT64_MAX)

struct score_config {
    uint32_t w_usage_q16, w_quality_q16, w_recency_q16; /* one above 0 */
    uint32_t w_size_q16;       /* of the rank only; 0: size plays no part */
    uint64_t half_usage_ms;    /* reads count half after it */
    uint64_t half_recency_ms;  /* … and being new */
    uint32_t saturation;       /* reads a day that make usage 1 */
    uint64_t size_base_bytes;  /* up to here size costs nothing */
    uint32_t in_q16, out_q16;  /* taken above, released below; out < in */
    uint64_t residency_ms;     /* not released before */
    uint32_t hysteresis_q16;   /* so much more often read than a victim */
    uint32_t node_rate;        /* reads a day that one copy should serve */
};
extern const struct score_config score_defaults;

/* ERR_INVALID, naming the value that is out of bounds. The other functions
 * take only what passed it. */
enum err score_config_check(const struct score_config *cfg,
                            struct err_text *why) ERR_CHECKED;

/* Reads, each worth half as much after every half-life (Cormode et al., ICDE
 * 2009). All zeros: never read. */
struct score_usage {
    uint64_t count_q16; /* at most INT64_MAX */
    uint64_t at_ms;     /* of the last reads */
};
/* Reads at a time; an earlier one than the last counts as the last. */
void score_usage_add(struct score_usage *u, uint64_t reads_q16, uint64_t t_ms,
                     const struct score_config *cfg);
/* Reads a day as of a time, in units of 1/65536, at most INT64_MAX. A steady
 * r reads a day become r. */
uint64_t score_usage_rate(const struct score_usage *u, uint64_t now_ms,
                          const struct score_config *cfg);

struct score_input {
    struct score_usage usage;
    uint32_t quality_q16;  /* above 1 counts as 1 */
    uint64_t created_ms;   /* in the future: of age 0 */
    uint64_t size_bytes;
    uint64_t now_ms;
};

struct score {
    int32_t usage_q16, quality_q16, recency_q16; /* 0 to 1 */
    int32_t priority_q16; /* P, 0 to 1: what the thresholds look at */
    int32_t size_q16;     /* S, from 0; 1 is 2^20 times size_base */
    int32_t key_q16;      /* K = P - w_size * S: who comes first */
};
void score_compute(const struct score_config *cfg,
                   const struct score_input *in, struct score *out);

/* By how much a newcomer's key must exceed a victim's. */
int32_t score_delta(const struct score_config *cfg);
/* Copies of content that is read so often: rmin and one more whenever
 * 1 + rate / node_rate doubles, at most rmax. */
uint32_t score_copies(const struct score_config *cfg, uint64_t rate_q16,
                      uint32_t rmin, uint32_t rmax);

#endif
