/* What happened: a ring of records and a hash over all. */
#include "tests/sim/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { RING = 1 << 16, SHOWN = 60 };

struct record {
    uint64_t at, pin, a, b;
    uint16_t event, coord, node;
};

struct trace {
    bool print;
    uint64_t n, hash;
    struct record ring[RING];
};

static const char *const event_text[EVENT_COUNT] = {
#define X(name, text) text,
    SIM_EVENTS(X)
#undef X
};

struct trace *trace_new(bool print)
{
    struct trace *t = mem_alloc(sizeof *t);

    t->print = print;
    t->hash = 0xcbf29ce484222325u;
    return t;
}

void trace_free(struct trace *t)
{
    free(t);
}

uint64_t trace_hash(const struct trace *t)
{
    return t->hash;
}

static void print(const struct record *r)
{
    printf("%9llu.%03llu %-13s", (unsigned long long)r->at / 1000,
           (unsigned long long)r->at % 1000, event_text[r->event]);
    if (r->coord != 0)
        printf(" coord=%u", r->coord);
    if (r->node != 0)
        printf(" node=%u", r->node);
    if (r->pin != 0)
        printf(" pin=%llu", (unsigned long long)r->pin);
    printf(" %llu %llu\n", (unsigned long long)r->a,
           (unsigned long long)r->b);
}

static void mix(struct trace *t, uint64_t v)
{
    t->hash = (t->hash ^ v) * 0x100000001b3u;
    t->hash ^= t->hash >> 29;
}

void sim_trace(struct sim *s, enum sim_event e, uint32_t coord,
               uint32_t node, uint64_t pin, uint64_t a, uint64_t b)
{
    struct trace *t = s->trace;
    struct record *r = &t->ring[t->n++ % RING];

    *r = (struct record){s->now, pin, a, b, (uint16_t)e, (uint16_t)coord,
                         (uint16_t)node};
    mix(t, s->now);
    mix(t, (uint64_t)e << 32 | coord << 16 | node);
    mix(t, pin);
    mix(t, a);
    mix(t, b);
    if (t->print)
        print(r);
}

static bool concerns(const struct record *r, uint32_t node, uint64_t pin)
{
    bool global = r->node == 0 && r->pin == 0;

    if (global)
        return r->event == EVENT_LEADER || r->event == EVENT_COORD_STARTS ||
               r->event == EVENT_COORD_FALLS || r->event == EVENT_JUMP ||
               r->event == EVENT_QUIET || r->event == EVENT_STEPS_DOWN;
    if (pin != 0 && r->pin != 0 && r->pin != pin)
        return false;
    return node == 0 || r->node == 0 || r->node == node;
}

static void print_last(const struct trace *t, uint32_t node, uint64_t pin)
{
    uint64_t first = t->n > RING ? t->n - RING : 0, k = t->n;
    unsigned shown = 0;

    while (k > first && shown < SHOWN)
        shown += concerns(&t->ring[--k % RING], node, pin);
    for (; k < t->n; k++)
        if (concerns(&t->ring[k % RING], node, pin))
            print(&t->ring[k % RING]);
}

void sim_wrong(struct sim *s, const char *checker, uint32_t node,
               uint64_t pin, const char *fmt, ...)
{
    va_list ap;

    printf("FAILED seed=%llu checker=%s at=%llu.%03llu node=%u pin=%llu: ",
           (unsigned long long)s->options.seed, checker,
           (unsigned long long)s->now / 1000,
           (unsigned long long)s->now % 1000, node,
           (unsigned long long)pin);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\n");
    if (!s->trace->print)
        print_last(s->trace, node, pin);
    printf("again: sim --seed %llu\n",
           (unsigned long long)s->options.seed);
    fflush(stdout);
    _Exit(1);
}
