/* Nodes that are gone for good: each of their copies is planned elsewhere
 * once, from the pins' rows as step_repair.c has them: with the lost copies
 * still in them.
 */
#include "tests/bench/engine.h"

#include "proto/mem.h"

#include <stdlib.h>

static uint32_t count_lost(const struct engine *e, const struct engine_pin *p)
{
    uint32_t n = 0;

    for (uint32_t k = 0; k < ENGINE_COPIES; k++)
        n += !engine_is_up(e, p->nodes[k]);
    return n;
}

/* What repair walks over, as the log of the nodes' orders gives it. */
static uint64_t *find_pins(const struct engine *e, struct engine_loss *out)
{
    uint64_t *pins, n = 0;

    for (uint64_t i = 0; i < e->n_pins; i++) {
        uint32_t lost = count_lost(e, &e->pins[i]);
        out->pins += lost > 0;
        out->copies += lost;
        out->bytes += lost * e->pins[i].size;
    }
    pins = mem_array(out->pins + 1, sizeof *pins);
    for (uint64_t i = 0; i < e->n_pins; i++)
        if (count_lost(e, &e->pins[i]) > 0)
            pins[n++] = i;
    return pins;
}

static void plan(struct engine *e, uint64_t pin)
{
    struct engine_pin *p = &e->pins[pin];
    uint32_t n = 0;

    pin_reset(&e->pin);
    for (uint32_t k = 0; k < ENGINE_COPIES; k++)
        pin_copy_add(&e->pin, p->nodes[k] + 1U)->want = COPY_RECURSIVE;
    engine_place(e, pin, count_lost(e, p), REASON_REPAIR);
    for (uint32_t k = 0; k < ENGINE_COPIES && n < e->choice.n; k++)
        if (!engine_is_up(e, p->nodes[k]))
            p->nodes[k] = (uint16_t)(e->choice.places[n++].node - 1);
}

static void compare(const struct engine *e, const uint64_t *before,
                    struct engine_loss *out)
{
    double capacity = 0;

    for (uint32_t i = 0; i < e->n_nodes; i++) {
        if (!engine_is_up(e, i))
            continue;
        capacity += (double)e->rows[i].capacity;
        out->moved_bytes += e->rows[i].bytes - before[i];
    }
    out->received = mem_array(e->n_nodes, sizeof *out->received);
    for (uint32_t i = 0; i < e->n_nodes; i++) {
        double got, fair;
        if (!engine_is_up(e, i))
            continue;
        got = (double)(e->rows[i].bytes - before[i]);
        fair = (double)out->moved_bytes * (double)e->rows[i].capacity /
               capacity;
        out->receivers += got > 0;
        out->received[out->n_received++] = got / fair;
        out->busiest = got / fair > out->busiest ? got / fair : out->busiest;
    }
}

void engine_lose(struct engine *e, const uint32_t *lost, uint32_t n,
                 struct engine_loss *out)
{
    uint64_t *before = mem_array(e->n_nodes, sizeof *before), *pins;
    uint64_t copies = 0;
    double from;

    *out = (struct engine_loss){.nodes = n};
    for (uint32_t i = 0; i < e->n_nodes; i++) {
        before[i] = e->rows[i].bytes;
        copies += engine_is_up(e, i) ? e->rows[i].copies : 0;
    }
    for (uint32_t i = 0; i < n; i++)
        e->rows[lost[i]].health = HEALTH_OUT;
    pins = find_pins(e, out);
    out->table_s = engine_follow(e);
    from = engine_cpu_s();
    for (uint64_t i = 0; i < out->pins; i++)
        plan(e, pins[i]);
    out->plan_s = engine_cpu_s() - from + out->table_s;
    engine_settle(e);
    for (uint32_t i = 0; i < n; i++)
        e->rows[lost[i]].bytes = e->rows[lost[i]].copies = 0;
    for (uint32_t i = 0; i < e->n_nodes; i++)
        out->moved_copies += e->rows[i].copies;
    out->moved_copies -= copies - out->copies;
    compare(e, before, out);
    free(before);
    free(pins);
}
