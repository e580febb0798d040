#include "tests/sim/client.h"

#include "proto/meta.h"
#include "tests/sim/check.h"
#include "tests/sim/coord.h"
#include "tests/sim/policies.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { USED_CIDS = SIM_CIDS - 40, RETRY_MS = 700, RECENT = 8 };

struct request {
    struct command command;
    char name[24];
    struct buf meta;
    uint32_t cid;
    uint64_t sent_ms;
    bool open;
};

struct client {
    struct prng random, policies;
    struct request **requests; /* by number - 1 */
    uint64_t n, size;
    uint32_t left;
    bool back;           /* the next one puts back what was removed */
    bool used[SIM_CIDS]; /* put once, as far as is known */
    uint32_t recent[RECENT], n_recent; /* put or removed last */
};

static void next(struct sim *s, struct task *t);
static void submit(struct sim *s, struct task *t);

static uint64_t pause(struct sim *s)
{
    struct client *c = s->client;
    uint64_t mean = s->options.ms / (s->options.ops + 1);

    /* bursts and calm */
    return prng_below(&c->random, 4) == 0 ? prng_below(&c->random, mean * 7)
                                          : prng_below(&c->random, 20);
}

struct client *client_new(struct sim *s)
{
    struct client *c = mem_alloc(sizeof *c);

    prng_seed(&c->random, s->options.seed ^ 0x75736572);
    prng_seed(&c->policies, s->options.seed ^ 0x706c6163);
    c->left = s->options.ops;
    (void)sim_task(s, 12000, next, 0, 0);
    return c;
}

void client_free(struct client *c)
{
    for (uint64_t k = 0; k < c->n; k++) {
        buf_free(&c->requests[k]->meta);
        free(c->requests[k]);
    }
    free(c->requests);
    free(c);
}

/* --- operations ---------------------------------------------------------- */

static uint32_t any_cid(struct client *c, bool used)
{
    uint32_t n = 0;

    /* Some are put and removed again and again, before agents are done. */
    if (c->n_recent >= RECENT && prng_below(&c->random, 5) == 0)
        return c->recent[prng_below(&c->random, RECENT)];
    for (unsigned k = 0; k < 30; k++) {
        n = (uint32_t)prng_below(&c->random, USED_CIDS);
        if (c->used[n] == used)
            break;
    }
    return n;
}

static void replication(struct client *c, struct command_claim_put *p)
{
    uint64_t how = prng_below(&c->random, 10);

    p->rmin = (int32_t)sim_pick(&c->random, 1, 2);
    p->rmax = (int32_t)sim_pick(&c->random, (uint64_t)p->rmin, 3);
    if (how == 0) {
        p->rmin = p->rmax = -1;
    } else if (how < 4) {
        p->flags |= CLAIM_DEFAULT;
        p->rmin = 2;
        p->rmax = 3;
    }
}

/* Always by one organisation: what others want would keep it. */
static void make_elastic(struct request *r)
{
    struct command_claim_put *p = &r->command.claim_put;

    r->command.org = sim_elastic_org(r->cid);
    p->flags &= (uint16_t)~CLAIM_DIRECT;
    p->flags |= CLAIM_ELASTIC;
    p->from.n = 0;
    p->set_expires = false;
    p->meta = span_of(NULL, 0);
    if (p->rmin == -1) {
        p->rmin = 1;
        p->rmax = 2;
    }
}

static void rate(struct client *c, struct request *r)
{
    struct command_rate *x = &r->command.rate;
    uint32_t cid = 0;

    for (unsigned k = 0; k < 8 && (k == 0 || !c->used[cid]); k++)
        cid = (uint32_t)prng_below(&c->policies, USED_CIDS / 8) * 8 + 5;
    r->command.kind = COMMAND_RATE;
    r->command.org = sim_elastic_org(cid);
    x->cid = sim_cid(cid);
    x->rater = sim_pick(&c->policies, 1, 3);
    x->remove = prng_below(&c->policies, 6) == 0;
    x->quality = x->remove ? 0 : (uint32_t)prng_below(&c->policies,
                                                      FIXED_ONE + 1);
}

/* What its daemon finds is another size. */
static void declare(struct client *c, struct request *r)
{
    struct command_claim_put *p = &r->command.claim_put;
    uint64_t size = sim_cid_size(r->cid);

    switch (prng_below(&c->policies, 8)) {
    case 0:
        p->size = size;
        break;
    case 1:
        p->size = size / sim_pick(&c->policies, 2, 50) + 1;
        break;
    case 2:
        p->size = size * sim_pick(&c->policies, 2, 5);
        break;
    default:
        break;
    }
}

static void read_some(struct client *c, struct request *r)
{
    struct command_score *x = &r->command.score;

    r->command.kind = COMMAND_SCORE;
    x->n = 8;
    for (uint32_t k = 0; k < x->n; k++)
        x->items[k] = (struct score_item){
            sim_pick(&c->policies, 1, 300), 0,
            prng_below(&c->policies, 3) == 0
                ? 0 : prng_below(&c->policies, 1U << 26)};
}

/* Two zones are no matter of one copy. */
static void bind(struct client *c, struct request *r)
{
    struct command_claim_put *p = &r->command.claim_put;
    uint32_t policy = (uint32_t)sim_pick(&c->policies, 1, SIM_POLICIES - 1);

    if (sim_policies[policy].apart && p->rmax == 1)
        p->rmax = 2;
    sim_policy_meta(policy, &r->meta);
}

static void put(struct sim *s, struct request *r, uint64_t number)
{
    struct client *c = s->client;
    struct command_claim_put *p = &r->command.claim_put;
    uint64_t how = prng_below(&c->random, 100);

    r->command.kind = COMMAND_CLAIM_PUT;
    r->cid = c->back ? c->recent[(c->n_recent - 1) % RECENT]
                     : any_cid(c, how < 30);
    c->back = false;
    p->cid = sim_cid(r->cid);
    p->who = number;
    p->flags = CID_FORM_B32 << CLAIM_FORM_SHIFT;
    snprintf(r->name, sizeof r->name, "pin %u",
             (unsigned)prng_below(&c->random, 50));
    p->name = span_text(r->name);
    replication(c, p);
    if (prng_below(&c->policies, 3) == 0)
        bind(c, r);
    p->meta = span_buf(&r->meta);
    declare(c, r);
    if (prng_below(&c->random, 12) == 0)
        p->flags |= CLAIM_DIRECT;
    if (prng_below(&c->random, 6) == 0)
        p->flags |= (uint16_t)(sim_pick(&c->random, 1, 2)
                               << CLAIM_PRIORITY_SHIFT);
    if (prng_below(&c->random, 8) == 0)
        p->expires_ms = SIM_WALL_MS + s->now +
                        sim_pick(&c->random, 1000, s->options.ms / 3);
    if (how >= 85) {
        p->from = sim_cid(any_cid(c, true));
        p->set_name = prng_below(&c->random, 2) == 0;
        p->set_expires = p->expires_ms != 0;
    }
    if (p->from.n > 0 && (cid_equal(&p->from, &p->cid) ||
                          sim_is_elastic(sim_cid_number(&p->from))))
        p->from.n = 0;
    if (sim_is_elastic(r->cid))
        make_elastic(r);
    c->used[r->cid] = true;
}

static void remove_or_recover(struct sim *s, struct request *r)
{
    struct client *c = s->client;

    r->cid = any_cid(c, true);
    if (prng_below(&c->random, 6) == 0) {
        r->command.kind = COMMAND_RECOVER;
        r->command.recover.n = 3;
        for (uint32_t k = 0; k < 3; k++)
            r->command.recover.pins[k] = sim_pick(&c->random, 1, 300);
        return;
    }
    r->command.kind = COMMAND_CLAIM_REMOVE;
    if (sim_is_elastic(r->cid))
        r->command.org = sim_elastic_org(r->cid);
    r->command.claim_remove.cid = sim_cid(r->cid);
    c->used[r->cid] = false;
    c->back = prng_below(&c->random, 4) == 0;
}

static struct request *request_new(struct client *c)
{
    struct request *r = mem_alloc(sizeof *r);

    if (c->n == c->size) {
        c->size = c->size * 2 + 256;
        c->requests = mem_grow(c->requests, c->size,
                               sizeof(struct request *));
    }
    c->requests[c->n++] = r;
    r->open = true;
    r->command.org = prng_below(&c->random, 3) == 0 ? ORG_DEFAULT + 1
                                                    : ORG_DEFAULT;
    r->command.actor = PRINCIPAL_LOCAL;
    return r;
}

static void next(struct sim *s, struct task *t)
{
    struct client *c = s->client;
    struct request *r;

    (void)t;
    if (c->left == 0 || s->quiet)
        return;
    c->left--;
    r = request_new(c);
    if (prng_below(&c->random, 100) < 58 || c->back)
        put(s, r, c->n);
    else
        remove_or_recover(s, r);
    if (r->command.kind == COMMAND_RECOVER &&
        prng_below(&c->policies, 2) == 0)
        read_some(c, r);
    else if (r->command.kind == COMMAND_RECOVER && sim_has(s, FAULT_VALUE))
        rate(c, r);
    if (r->command.kind != COMMAND_RECOVER &&
        r->command.kind != COMMAND_RATE &&
        r->command.kind != COMMAND_SCORE)
        c->recent[c->n_recent++ % RECENT] = r->cid;
    sim_task(s, 0, submit, 0, 0)->a = c->n;
    (void)sim_task(s, pause(s), next, 0, 0);
}

static void submit(struct sim *s, struct task *t)
{
    struct client *c = s->client;
    struct request *r = c->requests[t->a - 1];
    struct coord *k = s->coords[prng_below(&c->random, SIM_COORDS)];
    struct command copy = r->command;

    if (coord_ready(k) && coord_propose(k, &copy, t->a) == ERR_OK) {
        s->counts[COUNT_REQUESTS]++;
        r->sent_ms = s->now;
        sim_trace(s, EVENT_REQUEST, 0, 0, 0, t->a,
                  (uint64_t)r->command.kind << 32 | r->cid);
        return;
    }
    if (!s->quiet)
        sim_task(s, RETRY_MS, submit, 0, 0)->a = t->a;
}

const struct command *client_request(const struct sim *s, uint64_t number)
{
    assert(number >= 1 && number <= s->client->n);
    return &s->client->requests[number - 1]->command;
}

uint32_t client_recent(const struct sim *s, uint32_t k)
{
    return s->client->recent[k % RECENT];
}

void client_answered(struct sim *s, uint64_t request, enum err e,
                     enum verdict v, uint64_t index, uint32_t coord)
{
    struct client *c = s->client;
    struct request *r = c->requests[request - 1];
    bool lost = sim_fault(s, FAULT_ANSWER, 30);

    sim_trace(s, EVENT_ANSWERED, coord, 0, 0, request,
              (uint64_t)e << 32 | (uint64_t)v);
    if (!r->open)
        return;
    if (lost || e != ERR_OK) {
        s->counts[lost ? COUNT_LOST_ANSWERS : COUNT_UNKNOWN]++;
        if (prng_below(&c->random, 2) == 0 && !s->quiet)
            sim_task(s, RETRY_MS, submit, 0, 0)->a = request;
        return;
    }
    r->open = false;
    if (v == VERDICT_ACCEPTED || v == VERDICT_ALREADY) {
        s->counts[COUNT_ACKED]++;
        check_acked(s->check, &r->command, index);
    } else {
        s->counts[COUNT_REFUSED]++;
    }
}
