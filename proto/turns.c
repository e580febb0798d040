/* How long the turns of a libuv loop take; see turns.h. */
#include "proto/turns.h"

#include <assert.h>

/* Runs before each poll. Callbacks of sockets run inside the poll, so its
 * length says nothing; libuv counts how much of it was a wait. */
static void on_prepare(uv_prepare_t *p)
{
    struct turns *t = p->data;
    uint64_t now = uv_hrtime(), idle = uv_metrics_idle_time(p->loop);
    uint64_t all = now - t->at_ns, waited = idle - t->idle_ns;

    if (t->at_ns != 0)
        metrics_observe(&t->histogram, &metrics_turns,
                        all > waited ? all - waited : 0);
    t->at_ns = now;
    t->idle_ns = idle;
}

void turns_start(struct turns *t, uv_loop_t *loop)
{
    int rv = uv_loop_configure(loop, UV_METRICS_IDLE_TIME);

    assert(rv == 0);
    rv = uv_prepare_init(loop, &t->prepare);
    assert(rv == 0);
    t->prepare.data = t;
    t->at_ns = t->idle_ns = 0;
    rv = uv_prepare_start(&t->prepare, on_prepare);
    assert(rv == 0);
    uv_unref((uv_handle_t *)&t->prepare);
}

void turns_close(struct turns *t)
{
    uv_close((uv_handle_t *)&t->prepare, NULL);
}
