/* How long the turns of a libuv loop take: what an event may have to wait,
 * since everything that one turn does comes before the next event. A turn is
 * the time between two polls without the wait in the poll itself. Thread: the
 * loop's.
 */
#ifndef PINFOLD_TURNS_H
#define PINFOLD_TURNS_H

#include "proto/metrics.h"

#include <uv.h>

struct turns {
    uv_prepare_t prepare;
    uint64_t at_ns, idle_ns;
    struct metrics_histogram histogram; /* bounds: metrics_turns */
};

/* Before the loop runs. The handle does not keep the loop alive. */
void turns_start(struct turns *t, uv_loop_t *loop);
/* Before the loop is closed; t must live until it has turned once more. */
void turns_close(struct turns *t);

#endif
