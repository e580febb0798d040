/* Private to api_metrics*.c: the parts of /metrics. Each appends whole
 * families. */
#ifndef PINFOLD_API_METRICS_H
#define PINFOLD_API_METRICS_H

#include "coordinator/api.h"

/* All of it. http loop. */
void api_metrics_print(const struct api_call *c, struct buf *b);

/* api_metrics_pins.c: pins, copies, and the control loop */
void api_metrics_pins(struct buf *b, const struct view *v);
/* api_metrics_nodes.c: nodes, organisations */
void api_metrics_nodes(struct buf *b, const struct view *v);
void api_metrics_orgs(struct buf *b, const struct view *v);

#endif
