/* Ordered scans on the writer's connection, for the control loop and the
 * orders of agents. Each ends within the call.
 */
#include "coordinator/core/store_private.h"

#include <assert.h>

static uint32_t take_ids(struct store *s, enum store_statement k, bool more,
                         uint32_t max, uint64_t *ids)
{
    uint32_t n = 0;

    for (; more; more = store_db_step(&s->d, k)) {
        assert(n < max);
        ids[n++] = store_db_u64(&s->d, k, 0);
    }
    store_db_reset(&s->d, k);
    return n;
}

/* One range a class: with OR or a row value over both columns SQLite 3.40
 * reads more of the index than it must. */
uint32_t store_scan_todo(struct store *s, unsigned after_todo,
                         uint64_t after_id, uint32_t max, uint64_t *ids,
                         unsigned *todos)
{
    unsigned todo = after_todo == 0 ? TODO_RELEASING : after_todo;
    uint64_t after = after_todo == 0 ? 0 : after_id;
    uint32_t n = 0;

    for (; todo <= TODO_BELOW_MAX && n < max; todo++, after = 0) {
        bool more = store_db_run(&s->d, STORE_Q_SCAN_TODO, "uuu",
                                 (uint64_t)todo, after,
                                 (uint64_t)(max - n));
        uint32_t got = take_ids(s, STORE_Q_SCAN_TODO, more, max - n,
                                ids + n);

        for (uint32_t k = 0; k < got; k++)
            todos[n + k] = todo;
        n += got;
    }
    return n;
}

uint32_t store_scan_node(struct store *s, uint32_t node, uint64_t after_idx,
                         uint64_t after_pin, uint32_t max,
                         struct store_order_row *rows)
{
    uint32_t n = 0;

    for (bool more = store_db_run(&s->d, STORE_Q_SCAN_NODE, "uuuu",
                                  (uint64_t)node, after_idx, after_pin,
                                  (uint64_t)max);
         more; more = store_db_step(&s->d, STORE_Q_SCAN_NODE)) {
        assert(n < max);
        rows[n].idx = store_db_u64(&s->d, STORE_Q_SCAN_NODE, 0);
        rows[n++].pin = store_db_u64(&s->d, STORE_Q_SCAN_NODE, 1);
    }
    store_db_reset(&s->d, STORE_Q_SCAN_NODE);
    return n;
}

uint32_t store_scan_expired(struct store *s, uint64_t now_ms, uint32_t max,
                            uint64_t *ids)
{
    bool more = store_db_run(&s->d, STORE_Q_SCAN_EXPIRED, "uu", now_ms,
                             (uint64_t)max);

    return take_ids(s, STORE_Q_SCAN_EXPIRED, more, max, ids);
}

uint64_t store_next_expiry(struct store *s)
{
    uint64_t first = 0;

    if (store_db_run(&s->d, STORE_Q_NEXT_EXPIRY, ""))
        first = store_db_u64(&s->d, STORE_Q_NEXT_EXPIRY, 0);
    store_db_reset(&s->d, STORE_Q_NEXT_EXPIRY);
    return first;
}

uint32_t store_scan_everywhere(struct store *s, uint64_t after_id,
                               uint32_t max, uint64_t *ids)
{
    bool more = store_db_run(&s->d, STORE_Q_EVERYWHERE, "uu", after_id,
                             (uint64_t)max);

    return take_ids(s, STORE_Q_EVERYWHERE, more, max, ids);
}

uint32_t store_scan_bound(struct store *s, uint64_t after_id, uint32_t max,
                          uint64_t *ids)
{
    bool more = store_db_run(&s->d, STORE_Q_SCAN_BOUND, "uu", after_id,
                             (uint64_t)max);

    return take_ids(s, STORE_Q_SCAN_BOUND, more, max, ids);
}

uint32_t store_scan_pins(struct store *s, uint64_t after_id, uint32_t max,
                         uint64_t *ids)
{
    bool more = store_db_run(&s->d, STORE_Q_SCAN_PINS, "uu", after_id,
                             (uint64_t)max);

    return take_ids(s, STORE_Q_SCAN_PINS, more, max, ids);
}
