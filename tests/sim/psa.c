#include "tests/sim/psa.h"

#include "proto/meta.h"
#include "tests/sim/check.h"
#include "tests/sim/client.h"
#include "tests/sim/coord.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FEW_CIDS = 40, RETRY_MS = 700, LIVE = 64, GONE = 8, SHARE = 13,
    NOBODY = SIM_PRINCIPALS
};

struct ask {
    struct command command;
    char name[24];
    struct buf meta;
    uint32_t principal;
    bool open, again; /* again: its outcome was unknown once */
    bool mine;        /* about one that nobody else asks about */
};

/* A request that was acknowledged. */
struct live {
    uint64_t id, salt;
    uint32_t principal, cid;
    bool busy; /* something is asked about it */
};

struct psa {
    struct prng random;
    struct ask **asks; /* by number - 1 */
    uint64_t n, size;
    uint32_t left, last; /* principal that asked last */
    struct live live[LIVE], gone[GONE];
    uint32_t n_live, n_gone;
};

static void next(struct sim *s, struct task *t);
static void submit(struct sim *s, struct task *t);

static uint64_t below(struct psa *p, uint64_t n)
{
    return prng_below(&p->random, n);
}

static uint64_t pause(struct sim *s)
{
    struct psa *p = s->psa;
    uint64_t mean = s->options.ms * SHARE / (s->options.ops + 1);

    /* bursts and calm */
    return below(p, 3) == 0 ? below(p, mean * 6) : below(p, 12);
}

struct psa *psa_new(struct sim *s)
{
    struct psa *p = mem_alloc(sizeof *p);

    prng_seed(&p->random, s->options.seed ^ 0x707361);
    p->left = s->options.ops / SHARE;
    (void)sim_task(s, 70000, next, 0, 0);
    return p;
}

void psa_free(struct psa *p)
{
    for (uint64_t k = 0; k < p->n; k++) {
        buf_free(&p->asks[k]->meta);
        free(p->asks[k]);
    }
    free(p->asks);
    free(p);
}

bool psa_find(const struct store *s, uint32_t principal, uint64_t *who,
              uint64_t *token)
{
    uint32_t n, n_tokens;
    const struct principal *all = store_principals(s, &n);
    const struct token *tokens = store_tokens(s, &n_tokens);

    *who = *token = 0;
    for (uint32_t k = 0; k < n; k++)
        if (all[k].org == psa_org(principal) &&
            strcmp(all[k].name, psa_name(principal)) == 0)
            *who = all[k].id;
    for (uint32_t k = 0; k < n_tokens; k++)
        if (tokens[k].principal == *who)
            *token = tokens[k].id;
    return *token != 0;
}

/* --- what is asked for --------------------------------------------------- */

static uint32_t any_cid(struct sim *s)
{
    struct psa *p = s->psa;
    uint32_t cid;

    do
        cid = below(p, 2) == 0 ? client_recent(s, (uint32_t)below(p, 8))
                               : (uint32_t)below(p, FEW_CIDS);
    while (sim_is_elastic(cid));
    return cid;
}

static void add_meta(struct psa *p, struct buf *out)
{
    struct meta *m = mem_alloc(sizeof *m);
    char origins[20][32];
    enum err e;

    if (below(p, 2) == 0)
        m->n_origins = below(p, 12) == 0 ? 20 : (uint32_t)below(p, 4);
    for (uint32_t k = 0; k < m->n_origins; k++) {
        snprintf(origins[k], sizeof origins[k], "/ip4/10.0.%u.%u/tcp/4001",
                 (unsigned)below(p, 250), k);
        m->origins[k] = span_text(origins[k]);
    }
    if (below(p, 3) == 0)
        m->pairs[m->n_pairs++] = (struct meta_pair){span_text("app"),
                                                    span_text("sim")};
    e = meta_encode(m, out, NULL);
    assert(e == ERR_OK);
    free(m);
}

static void put(struct sim *s, struct ask *a, const struct live *old)
{
    struct psa *p = s->psa;
    struct command_claim_put *put = &a->command.claim_put;
    uint64_t how = below(p, 10);

    a->command.kind = COMMAND_REQUEST_PUT;
    put->cid = sim_cid(old != NULL && below(p, 5) == 0 ? old->cid
                                                       : any_cid(s));
    put->flags = CLAIM_DEFAULT | CID_FORM_B32 << CLAIM_FORM_SHIFT;
    put->rmin = how < 7 ? 2 : how < 9 ? 1 : -1;
    put->rmax = how < 7 ? 3 : how < 9 ? (int32_t)sim_pick(&p->random, 1, 3)
                                      : -1;
    put->salt = below(p, 1U << 31) << 32 | p->n;
    if (old != NULL) {
        put->old_id = old->id;
        put->old_salt = old->salt;
    }
    snprintf(a->name, sizeof a->name, "request %u", (unsigned)below(p, 50));
    put->name = span_text(a->name);
    add_meta(p, &a->meta);
    put->meta = span_buf(&a->meta);
}

static void drop(struct ask *a, const struct live *old)
{
    a->command.kind = COMMAND_REQUEST_REMOVE;
    a->command.request_remove.id = old->id;
    a->command.request_remove.salt = old->salt;
}

static struct live *any_live(struct psa *p, uint32_t principal)
{
    struct live *found = NULL;
    uint32_t n = 0;

    for (uint32_t k = 0; k < p->n_live; k++)
        if (!p->live[k].busy &&
            (principal == NOBODY || p->live[k].principal == principal) &&
            below(p, ++n) == 0)
            found = &p->live[k];
    return found;
}

/* What is not there for whoever asks. */
static bool ask_wrongly(struct sim *s, struct ask *a)
{
    struct psa *p = s->psa;
    const struct live *l = any_live(p, NOBODY);
    bool gone = below(p, 2) == 0;

    if (gone)
        l = &p->gone[below(p, GONE)];
    if (l == NULL || l->id == 0 || gone != (l->principal == a->principal))
        return false;
    if (below(p, 2) == 0)
        drop(a, l);
    else
        put(s, a, l);
    return true;
}

static void choose(struct sim *s, struct ask *a)
{
    struct psa *p = s->psa;
    struct live *l = any_live(p, a->principal);
    uint64_t how = below(p, 100);

    if (how < 12 && ask_wrongly(s, a))
        return;
    if (l != NULL && how < 60)
        l->busy = a->mine = true;
    if (l == NULL || how >= 60)
        put(s, a, NULL);
    else if (how < 40)
        put(s, a, l);
    else
        drop(a, l);
}

static struct ask *ask_new(struct psa *p)
{
    struct ask *a = mem_alloc(sizeof *a);

    if (p->n == p->size) {
        p->size = p->size * 2 + 64;
        p->asks = mem_grow(p->asks, p->size, sizeof(struct ask *));
    }
    p->asks[p->n++] = a;
    a->open = true;
    return a;
}

static void next(struct sim *s, struct task *t)
{
    struct psa *p = s->psa;
    const struct store *front = check_front(s->check);
    uint32_t principal = (uint32_t)below(p, SIM_PRINCIPALS);
    uint64_t who, token;
    struct ask *a;

    (void)t;
    if (p->left == 0 || s->quiet)
        return;
    if (below(p, 3) != 0)
        principal = p->last;
    (void)sim_task(s, pause(s), next, 0, 0);
    if (front == NULL || !psa_find(front, principal, &who, &token))
        return;
    p->left--;
    p->last = principal;
    a = ask_new(p);
    a->principal = principal;
    a->command.org = psa_org(principal);
    a->command.actor = token;
    choose(s, a);
    if (a->command.kind == COMMAND_REQUEST_PUT)
        a->command.claim_put.who = who;
    else
        a->command.request_remove.who = who;
    sim_task(s, 0, submit, principal, 0)->a = p->n;
}

static void submit(struct sim *s, struct task *t)
{
    struct psa *p = s->psa;
    struct ask *a = p->asks[t->a - 1];
    struct coord *c = s->coords[below(p, SIM_COORDS)];
    struct command copy = a->command;

    if (coord_ready(c) &&
        coord_propose(c, &copy, PSA_FIRST + t->a) == ERR_OK) {
        s->counts[COUNT_PSA]++;
        sim_trace(s, EVENT_REQUEST, 0, 0, 0, PSA_FIRST + t->a,
                  (uint64_t)a->command.kind << 32);
        return;
    }
    if (!s->quiet)
        sim_task(s, RETRY_MS, submit, 0, 0)->a = t->a;
}

const struct command *psa_command(const struct sim *s, uint64_t salt)
{
    uint64_t number = salt & UINT32_MAX;

    assert(number >= 1 && number <= s->psa->n);
    return &s->psa->asks[number - 1]->command;
}

/* --- answers ------------------------------------------------------------- */

static struct live *live_of(struct psa *p, uint64_t salt)
{
    for (uint32_t k = 0; k < p->n_live; k++)
        if (p->live[k].salt == salt)
            return &p->live[k];
    return NULL;
}

/* The request that it was about: what is known of it now. */
static void settle(struct psa *p, const struct ask *a, bool gone)
{
    const struct command *c = &a->command;
    struct live *l = live_of(p, c->kind == COMMAND_REQUEST_PUT
                                    ? c->claim_put.old_salt
                                    : c->request_remove.salt);

    if (!a->mine)
        return;
    assert(l != NULL && l->busy);
    l->busy = false;
    if (!gone)
        return;
    p->gone[p->n_gone++ % GONE] = *l;
    *l = p->live[--p->n_live];
}

static void made(struct psa *p, const struct ask *a, uint64_t id)
{
    const struct command_claim_put *put = &a->command.claim_put;

    if (p->n_live < LIVE)
        p->live[p->n_live++] =
            (struct live){id, put->salt, a->principal,
                          sim_cid_number(&put->cid), false};
}

static void refused(struct sim *s, const struct ask *a, enum verdict v)
{
    bool is_put = a->command.kind == COMMAND_REQUEST_PUT;
    uint64_t id = is_put && a->again
                      ? check_request(s->check, a->command.claim_put.salt)
                      : 0;

    s->counts[COUNT_PSA_REFUSED]++;
    settle(s->psa, a, id != 0 || (v == VERDICT_NOT_FOUND && a->again));
    if (id == 0)
        return;
    s->counts[COUNT_PSA_AGAIN]++; /* its own doing, of which it never heard */
    made(s->psa, a, id);
}

void psa_answered(struct sim *s, uint64_t request, enum err e,
                  enum verdict v, uint64_t index, uint64_t claim)
{
    struct psa *p = s->psa;
    struct ask *a = p->asks[request - PSA_FIRST - 1];
    bool lost = sim_fault(s, FAULT_ANSWER, 60);

    sim_trace(s, EVENT_ANSWERED, 0, 0, 0, request,
              (uint64_t)e << 32 | (uint64_t)v);
    if (!a->open)
        return;
    if (lost || e != ERR_OK) {
        s->counts[lost ? COUNT_LOST_ANSWERS : COUNT_UNKNOWN]++;
        a->again = true;
        if (below(p, 4) != 0 && !s->quiet)
            sim_task(s, RETRY_MS, submit, 0, 0)->a =
                request - PSA_FIRST;
        return;
    }
    a->open = false;
    if (v != VERDICT_ACCEPTED) {
        refused(s, a, v);
        return;
    }
    s->counts[COUNT_ACKED]++;
    check_acked(s->check, &a->command, index);
    settle(p, a, true);
    if (a->command.kind == COMMAND_REQUEST_PUT)
        made(p, a, claim);
}
