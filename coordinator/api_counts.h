/* What the http loop counts for /metrics: how long requests take, by route;
 * what came of operations; why requests were refused. http loop only.
 */
#ifndef PINFOLD_API_COUNTS_H
#define PINFOLD_API_COUNTS_H

#include "coordinator/replica.h"
#include "proto/metrics.h"

enum {
    API_COUNTS_DOORS = 4,   /* API_DOORS is no more */
    API_COUNTS_ROUTES = 96, /* of a door, at most */
    API_COUNTS_VERDICTS = VERDICT_REPEATED + 1
};

/* Of answers of 400 and above, by their status. */
enum api_refusal {
    API_REFUSED_INVALID, API_REFUSED_UNAUTHORIZED, API_REFUSED_DENIED,
    API_REFUSED_NOT_FOUND, API_REFUSED_METHOD, API_REFUSED_CONFLICT,
    API_REFUSED_TOO_LARGE, API_REFUSED_RATE, API_REFUSED_OTHER,
    API_REFUSED_UNAVAILABLE, API_REFUSED_INTERNAL, API_REFUSED_NO_SPACE,
    API_REFUSALS
};

struct api_counts { /* zeros: nothing yet */
    /* The one behind a door's routes: requests that match none. Bounds:
     * metrics_requests. */
    struct metrics_histogram took[API_COUNTS_DOORS][API_COUNTS_ROUTES + 1];
    uint64_t verdicts[API_COUNTS_VERDICTS];
    uint64_t failures[ERR_COUNT]; /* operations without a verdict */
    uint64_t refused[API_REFUSALS];
};

enum api_refusal api_refusal_of(int status);
const char *api_refusal_word(enum api_refusal r); /* "denied" */
void api_counts_answer(struct api_counts *n, int status);
void api_counts_result(struct api_counts *n, const struct replica_result *r);

struct api;
/* Appends the families. */
void api_counts_print(const struct api *api, struct buf *b);

#endif
