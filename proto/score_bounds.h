/* The terms of a formula of values, one by one, and between what bounds an
 * organisation may set its own (docs/value.md). Pure.
 */
#ifndef PINFOLD_SCORE_BOUNDS_H
#define PINFOLD_SCORE_BOUNDS_H

#include "proto/score.h"

#include <stdbool.h>

/* Stored and sent: never reused. */
enum score_term {
    SCORE_USAGE = 0, SCORE_QUALITY = 1, SCORE_RECENCY = 2, SCORE_SIZE = 3,
    SCORE_HALF_USAGE = 4, SCORE_HALF_RECENCY = 5, SCORE_SATURATION = 6,
    SCORE_IN = 7, SCORE_OUT = 8, SCORE_RESIDENCY = 9, SCORE_HYSTERESIS = 10,
    SCORE_COPY_READS = 11, SCORE_TERMS = 12
};
/* A fraction in units of 1/65536, ms, a whole number. */
enum score_kind { SCORE_FRACTION, SCORE_TIME, SCORE_COUNT };

const char *score_term_name(enum score_term t); /* "half-usage" */
const char *score_term_key(enum score_term t);  /* of JSON: "half_usage_ms" */
enum score_kind score_term_kind(enum score_term t);
/* false: no term has that name. */
bool score_term_find(const char *name, enum score_term *out);
/* What score_config_check allows of it alone. */
uint64_t score_term_low(enum score_term t);
uint64_t score_term_high(enum score_term t);
uint64_t score_term_get(const struct score_config *c, enum score_term t);
void score_term_set(struct score_config *c, enum score_term t, uint64_t v);
/* "0.125", "36h", "5000" */
enum { SCORE_TERM_TEXT = 32 };
const char *score_term_print(enum score_term t, uint64_t v,
                             char out[SCORE_TERM_TEXT]);

enum { SCORE_TERMS_ALL = (1 << SCORE_TERMS) - 1 };

/* What organisations may set by themselves. Zeros: nothing. */
struct score_bounds {
    uint32_t open; /* bit a term; of the others both numbers are 0 */
    struct score_range {
        uint64_t low, high;
    } of[SCORE_TERMS];
};

bool score_range_valid(enum score_term t, uint64_t low, uint64_t high);
void score_bounds_open(struct score_bounds *b, enum score_term t,
                       uint64_t low, uint64_t high); /* a valid range */
void score_bounds_close(struct score_bounds *b, enum score_term t);
/* Of the terms in `set` those that are open in `to` are so, the others not. */
void score_bounds_change(struct score_bounds *b, uint32_t set,
                         const struct score_bounds *to);
bool score_bounds_equal(const struct score_bounds *a,
                        const struct score_bounds *b);
/* ERR_INVALID: no formula is within them. */
enum err score_bounds_check(const struct score_bounds *b,
                            struct err_text *why) ERR_CHECKED;
/* Whether a term is open and its value outside. */
bool score_bounds_outside(const struct score_bounds *b, enum score_term t,
                          uint64_t v);
/* Whether an organisation that is valued by `old` may change to `now`: terms
 * that are open lie within their bounds, changed or not, and the others stay
 * as they are. ERR_DENIED, naming the term, its value and what binds it. */
enum err score_bounds_admit(const struct score_bounds *b,
                            const struct score_config *old,
                            const struct score_config *now,
                            struct err_text *why) ERR_CHECKED;

#endif
