/* What a change would do to pins, as dry runs tell it: one form for limits and
 * for nodes (docs/api.md, "Dry runs"). http loop.
 */
#ifndef PINFOLD_API_WOULD_H
#define PINFOLD_API_WOULD_H

#include "coordinator/api.h"
#include "coordinator/core/fsm.h"
#include "coordinator/core/step_without.h"

/* Pins that are met: counted by their fate, the first of them named. */
struct api_would {
    const struct view *view;
    uint32_t limit, listed;
    struct {
        uint64_t pins, copies, bytes;
    } groups[STEP_FATES];
    struct buf pins; /* members of an array */
    struct json_writer w;
};
void api_would_init(struct api_would *o, const struct view *v,
                    uint32_t limit);
void api_would_free(struct api_would *o);
/* false: it is counted, and not named. */
bool api_would_add(struct api_would *o, const struct step_loss *x);
/* Begins the object "would" with "groups" and "pins"; once. */
void api_would_begin(struct api_would *o, struct json_writer *out);

/* Elastic pins that would have to go for a limit to be kept. Of an
 * organisation; 0: of all, those with the most elastic bytes first. */
struct api_first {
    uint32_t org;
    uint64_t lack[ORG_KINDS]; /* by how much; then what is left of it */
    uint32_t limit, n;
    struct step_loss losses[FSM_FIRST_MAX];
};
/* How far what is used exceeds the hard limits, those with bytes. */
void api_first_lack(struct api_first *f, const uint64_t used[ORG_KINDS],
                    const uint64_t hard[ORG_KINDS]);
/* "limit" of the query, 1 to FSM_FIRST_MAX; false: 400 was answered. */
bool api_first_arg(struct api_call *c, struct api_first *f);
/* Core loop. */
void api_first_look(const struct api_call *c, struct api_first *f);
/* The member "would". */
void api_first_write(const struct api_first *f, const struct view *v,
                     struct json_writer *w);

/* GET /api/v1/nodes/{node}/drain and …/remove?limit=N&cursor=… */
void api_would_drain(struct api_call *c, const struct http_head *h);
void api_would_remove(struct api_call *c, const struct http_head *h);

#endif
