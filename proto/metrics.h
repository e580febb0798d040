/* What a process tells Prometheus: its text format (0.0.4), and histograms.
 *
 * Nothing here is shared between threads: a counter or a histogram belongs to
 * one thread, others see a copy. Names are of the caller's choice and must be
 * valid (promtool check metrics); the values of labels may be any text.
 */
#ifndef PINFOLD_METRICS_H
#define PINFOLD_METRICS_H

#include "proto/buf.h"

#include <stddef.h>
#include <stdint.h>

enum metrics_type { METRICS_COUNTER, METRICS_GAUGE, METRICS_HISTOGRAM };

struct metrics_label {
    const char *name, *value;
};

/* Before the samples of one name, which follow each other. help ends without
 * a full stop. */
void metrics_family(struct buf *b, const char *name, enum metrics_type type,
                    const char *help);
/* One sample; labels may be NULL if n is 0. */
void metrics_sample(struct buf *b, const char *name,
                    const struct metrics_label *labels, size_t n,
                    uint64_t value);
/* The same in seconds, from ns or ms. */
void metrics_sample_ns(struct buf *b, const char *name,
                       const struct metrics_label *labels, size_t n,
                       uint64_t ns);
void metrics_sample_ms(struct buf *b, const char *name,
                       const struct metrics_label *labels, size_t n,
                       uint64_t ms);
/* A signed number of 1/65536. */
void metrics_sample_q16(struct buf *b, const char *name,
                        const struct metrics_label *labels, size_t n,
                        int64_t q16);
/* A family of one sample without labels. */
void metrics_counter(struct buf *b, const char *name, const char *help,
                     uint64_t value);
void metrics_gauge(struct buf *b, const char *name, const char *help,
                   uint64_t value);

/* --- histograms --------------------------------------------------------- */
enum { METRICS_BOUNDS_MAX = 12 };

struct metrics_bounds {
    unsigned n;
    uint64_t ns[METRICS_BOUNDS_MAX]; /* rising; an upper bound belongs to its
                                        bucket */
};
extern const struct metrics_bounds metrics_turns;    /* 0.1 ms to 1 s */
extern const struct metrics_bounds metrics_requests; /* 1 ms to 60 s */

struct metrics_histogram { /* zeros: empty */
    uint64_t counts[METRICS_BOUNDS_MAX + 1]; /* the last one: beyond all */
    uint64_t sum_ns;
};

void metrics_observe(struct metrics_histogram *h,
                     const struct metrics_bounds *bounds, uint64_t ns);
uint64_t metrics_count(const struct metrics_histogram *h);
/* Buckets, sum and count of one set of labels. */
void metrics_histogram(struct buf *b, const char *name,
                       const struct metrics_label *labels, size_t n,
                       const struct metrics_bounds *bounds,
                       const struct metrics_histogram *h);

/* This process, as client libraries name it: CPU time, memory, start. One
 * thread at a time. */
void metrics_process(struct buf *b);

#endif
