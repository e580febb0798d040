/* Nodes that are gone for good, or leave in order: each of their copies is
 * planned elsewhere once, from the pins' rows as step_repair.c has them: with
 * the lost or leaving copies still in them.
 */
#include "tests/bench/engine.h"

#include "proto/mem.h"

#include <stdlib.h>

static bool goes(const struct engine *e, uint32_t at)
{
    return !engine_is_up(e, at) || e->rows[at].admin == ADMIN_DRAINING;
}

static uint32_t count_lost(const struct engine *e, const struct engine_pin *p)
{
    uint32_t n = 0;

    for (uint32_t k = 0; k < ENGINE_COPIES; k++)
        n += goes(e, p->nodes[k]);
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

/* The same for the copy on one node. */
static void replace(struct engine *e, uint64_t pin, uint32_t at)
{
    struct engine_pin *p = &e->pins[pin];

    pin_reset(&e->pin);
    for (uint32_t k = 0; k < ENGINE_COPIES; k++)
        pin_copy_add(&e->pin, p->nodes[k] + 1U)->want = COPY_RECURSIVE;
    engine_place(e, pin, 1, REASON_DRAINED);
    for (uint32_t k = 0; k < ENGINE_COPIES && e->choice.n == 1; k++)
        if (p->nodes[k] == at)
            p->nodes[k] = (uint16_t)(e->choice.places[0].node - 1);
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

/* Of those pins, such as have a copy there; then it is gone. */
static double leave(struct engine *e, uint32_t at, const uint64_t *pins,
                    uint64_t n, uint64_t *its)
{
    uint64_t n_its = 0;
    double from;

    for (uint64_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < ENGINE_COPIES; k++)
            if (e->pins[pins[i]].nodes[k] == at)
                its[n_its++] = pins[i];
    from = engine_cpu_s();
    for (uint64_t i = 0; i < n_its; i++)
        replace(e, its[i], at);
    from = engine_cpu_s() - from;
    engine_settle(e);
    e->rows[at].health = HEALTH_OUT;
    e->rows[at].bytes = e->rows[at].copies = 0;
    return from;
}

void engine_shrink(struct engine *e, const uint32_t *leaving, uint32_t n,
                   struct engine_loss *out)
{
    uint64_t *before = mem_array(e->n_nodes, sizeof *before), *pins, *its;
    uint64_t copies = 0;

    *out = (struct engine_loss){.nodes = n};
    for (uint32_t i = 0; i < n; i++)
        e->rows[leaving[i]].admin = ADMIN_DRAINING;
    for (uint32_t i = 0; i < e->n_nodes; i++) {
        before[i] = e->rows[i].bytes;
        copies += goes(e, i) ? 0 : e->rows[i].copies;
    }
    pins = find_pins(e, out);
    its = mem_array(out->pins + 1, sizeof *its);
    out->plan_s = out->table_s = engine_follow(e);
    for (uint32_t i = 0; i < n; i++)
        out->plan_s += leave(e, leaving[i], pins, out->pins, its);
    for (uint32_t i = 0; i < e->n_nodes; i++)
        out->moved_copies += e->rows[i].copies;
    out->moved_copies -= copies;
    compare(e, before, out);
    free(before);
    free(pins);
    free(its);
}
