#include "coordinator/asks.h"

#include "proto/json.h"
#include "proto/log.h"
#include "proto/mem.h"

#include <stdlib.h>
#include <string.h>

enum { CHECK_MS = 10000 };

struct ask {
    struct asks *of;
    uint32_t node;
    uint64_t pin; /* 0: none is meant */
};

static struct ask *ask_new(struct asks *of, uint32_t node, uint64_t pin)
{
    struct ask *k = mem_alloc(sizeof *k);

    *k = (struct ask){of, node, pin};
    return k;
}

bool asks_propose(void *arg, const struct command *command)
{
    struct asks *a = arg;

    return *a->replica != NULL && replica_wish(*a->replica, command);
}

static void on_checked(void *arg, enum err e, const char *text,
                       struct span body)
{
    struct ask *k = arg;
    struct step_clock clock;

    (void)text;
    (void)body;
    k->of->clock(k->of->arg, &clock);
    step_checked(*k->of->step, k->node, k->pin, e, &clock);
    free(k);
}

bool asks_check(void *arg, uint32_t node, uint64_t pin,
                const struct cid *cid)
{
    struct asks *a = arg;
    struct ask *k = ask_new(a, node, pin);
    struct agents_question q = {CALL_CHECK, span_of(cid->bytes, cid->n),
                                CHECK_MS, NULL};

    if (agents_call(*a->agents, node, &q, on_checked, k) == ERR_OK)
        return true;
    free(k);
    return false;
}

/* The first line of the answer. */
static uint64_t removed_of(struct span body)
{
    const uint8_t *end = body.n == 0 ? NULL : memchr(body.p, '\n', body.n);
    struct json_value v = {JSON_NUMBER, (const char *)body.p,
                           end == NULL ? 0 : (size_t)(end - body.p)};
    uint64_t n = 0;

    return end != NULL && json_as_u64(&v, &n) ? n : 0;
}

static void on_collected(void *arg, enum err e, const char *text,
                         struct span body)
{
    struct ask *k = arg;
    struct step_clock clock;

    if (e == ERR_UNREACHABLE && body.n == 0) /* no agent's answer */
        e = ERR_CLOSED;
    log_info("gc_ended", "node=%u reason=%s removed=%llu text=%s", k->node,
             err_name(e), (unsigned long long)removed_of(body),
             e == ERR_OK ? "" : text);
    k->of->clock(k->of->arg, &clock);
    step_collected(*k->of->step, k->node, e, removed_of(body), &clock);
    free(k);
}

bool asks_collect(void *arg, uint32_t node, uint64_t limit_ms)
{
    struct asks *a = arg;
    struct ask *k = ask_new(a, node, 0);
    struct agents_question q = {CALL_GC, span_of(NULL, 0), limit_ms, NULL};

    if (agents_call(*a->agents, node, &q, on_collected, k) == ERR_OK) {
        log_info("gc_ordered", "node=%u", node);
        return true;
    }
    free(k);
    return false;
}

bool asks_again(void *arg, uint32_t node, uint64_t pin)
{
    struct asks *a = arg;

    return agents_again(*a->agents, node, pin);
}
