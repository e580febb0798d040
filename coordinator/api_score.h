/* What a pin is worth, for people: shared by the files of the value engine's
 * part of the API (api_value.c, api_score.c, api_score_needs.c, api_scopes.c).
 */
#ifndef PINFOLD_API_SCORE_H
#define PINFOLD_API_SCORE_H

#include "coordinator/api.h"
#include "coordinator/api_scopes.h"
#include "coordinator/core/fsm.h"

/* One that walks over many rows may begin; it has a place among
 * c->api->valuations until the end, which is when the caller's state is freed.
 * false: 503 was answered, there is nothing to end. */
bool api_valuation_begin(struct api_call *c);
void api_valuation_end(const struct api_call *c);

/* As of the call. */
void api_score_input(const struct api_call *c, const struct pin *p,
                     const struct value *v, struct score_input *out);
void api_score_of(const struct api_call *c, const struct pin *p,
                  const struct value *v, struct score *out);
/* Members of an object: the terms. */
void api_score_members(const struct api_call *c, struct json_writer *w,
                       const struct pin *p, enum cid_form form,
                       const struct value *v);

/* Its place among what the organisation holds, or among its candidates. */
struct score_rank {
    bool whole;          /* all were counted */
    uint64_t place, of;  /* 1: the most valuable */
};

/* What would have to change, and until when it stays (api_score_needs.c). */
struct score_facts {
    const struct pin *pin;
    const struct value *value;
    const struct fsm_worth *worth; /* of a candidate, else NULL */
    const struct frontier *own;
    const struct score_rank *rank;
};
/* A member `needs`, of numbers, and one `changes`, of sentences. */
void api_score_needs(const struct api_call *c, struct json_writer *w,
               const struct score_facts *f);

#endif
