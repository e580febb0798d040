/* Parts of an explanation (api_explain.c) and of a plan (api_plan.c): what
 * budgets leave for the pin, what each node is to the planner, what was decided
 * before. Reader threads or the http loop, of the facts that the core
 * loop has copied.
 */
#ifndef PINFOLD_API_EXPLAIN_H
#define PINFOLD_API_EXPLAIN_H

#include "coordinator/core/step.h"
#include "coordinator/view.h"
#include "proto/json.h"

/* Members "quotas" and "tags_left". Figures of organisations and of the whole
 * cluster: for who may ask for those (API_OPERATOR). */
void api_explain_quotas(struct json_writer *w, const struct view *v,
                        const struct slack_all *a);
/* Member "nodes": candidates in their turn, then the others by id. */
void api_explain_nodes(struct json_writer *w, const struct view *v,
                       const struct step_explanation *x);

/* Member "decisions": such as belong together as one. */
void api_explain_decisions(struct json_writer *w, const struct view *v,
                           const struct store_decision *rows, uint32_t n);

#endif
