/* Requests of the Pinning Service API: none is lost, made twice or touched by
 * another principal; their times are unique and grow; one takes the place of
 * another in a single step; counters follow them; and nodes that have the
 * older content learn where the newer comes from before they let it go.
 */
#include "tests/sim/agent.h"
#include "tests/sim/check_impl.h"
#include "tests/sim/daemon.h"
#include "tests/sim/psa.h"

#include "proto/claims.h"
#include "proto/meta.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    AHEAD_MS = 10000, FAILURES_FOR_FAILED = 5,
    SAME_FLAGS = 0xffff & ~(int)CLAIM_DERIVED & ~CLAIM_REFUSED
};

uint32_t check_asked_on(const struct check *k, uint32_t cid)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < k->n_asked; i++)
        n += k->asked[i].there && k->asked[i].cid == cid;
    return n;
}

static struct asked *find(struct check *k, uint64_t salt)
{
    for (uint32_t i = 0; i < k->n_asked; i++)
        if (k->asked[i].there && k->asked[i].salt == salt)
            return &k->asked[i];
    return NULL;
}

uint64_t check_request(struct check *k, uint64_t salt)
{
    const struct asked *a = find(k, salt);

    return a == NULL ? 0 : a->id;
}

/* --- rows ---------------------------------------------------------------- */

/* What the claim shall keep: what was asked for, and where it came from. */
static bool same_meta(const struct claim *c, const struct asked *a,
                      struct span put)
{
    struct meta *m = mem_alloc(sizeof *m);
    struct buf b = BUF_INIT;
    enum err e = ERR_OK;
    bool same;

    if (put.n > 0)
        e = meta_decode(put, m, NULL);
    assert(e == ERR_OK);
    if (a->from != SIM_CIDS)
        m->update_from = sim_cid(a->from);
    e = meta_encode(m, &b, NULL);
    assert(e == ERR_OK);
    same = span_equal(span_buf(&b), span_buf(&c->meta));
    buf_free(&b);
    free(m);
    return same;
}

void check_asked(struct check *k, const struct claim *c, uint32_t cid)
{
    const struct asked *a = find(k, c->salt);
    const struct command_claim_put *put;

    if (a == NULL || a->cid != cid || a->org != c->org)
        sim_wrong(k->sim, "requests", 0, k->row.id,
                  "cid %u has a claim of %u and no request", cid, c->org);
    put = &psa_command(k->sim, c->salt)->claim_put;
    if (c->id != a->id || c->who != a->who ||
        c->created_ms != a->created_ms || c->expires_ms != 0 ||
        c->rmin != put->rmin || c->rmax != put->rmax ||
        ((c->flags ^ put->flags) & SAME_FLAGS) != 0 ||
        !span_equal(span_buf(&c->name), put->name) ||
        !same_meta(c, a, put->meta))
        sim_wrong(k->sim, "requests", 0, k->row.id,
                  "request %llu is not what %llu asked for",
                  (unsigned long long)c->id, (unsigned long long)a->who);
}

/* What has come of it, by the copies; where no policy says which count. */
static enum request_status status_by_copies(struct check *k,
                                            struct store *store,
                                            const struct claim *c,
                                            uint32_t cid)
{
    uint32_t wanted = 0, pinned = 0, failing = 0;

    for (uint32_t i = 0; i < k->row.n_copies; i++) {
        const struct copy *copy = &k->row.copies[i];

        if (copy->want == COPY_RELEASED)
            continue;
        wanted++;
        pinned += copy->state == COPY_PINNED;
        failing += copy->failures >= FAILURES_FOR_FAILED;
    }
    if ((c->flags & CLAIM_REFUSED) != 0)
        return REQUEST_FAILED;
    if (pinned >= check_least(store, &k->claims[c->org - 1][cid],
                              c->org))
        return REQUEST_PINNED;
    if (wanted == 0)
        return REQUEST_QUEUED;
    return failing == wanted ? REQUEST_FAILED : REQUEST_PINNING;
}

static struct requester *requester(struct check *k, uint64_t who)
{
    for (uint32_t i = 0; i < k->n_requesters; i++)
        if (k->requesters[i].who == who)
            return &k->requesters[i];
    if (k->n_requesters == SIM_PRINCIPALS)
        sim_wrong(k->sim, "requests", 0, 0, "of %llu, who is nobody",
                  (unsigned long long)who);
    k->requesters[k->n_requesters].who = who;
    return &k->requesters[k->n_requesters++];
}

void check_statuses(struct check *k, struct store *store, uint32_t cid,
                    bool changed)
{
    const struct claim *all[CHECK_CLAIMS];
    struct claim alone;
    uint32_t n = check_claims_of(&k->row, &alone, all);

    for (uint32_t i = 0; i < n; i++) {
        struct asked *a = all[i]->salt == 0 ? NULL : find(k, all[i]->salt);
        enum request_status s = request_status_of(all[i]->flags);

        if (all[i]->salt == 0 && (all[i]->flags & CLAIM_WAITING) != 0)
            sim_wrong(k->sim, "requests", 0, k->row.id,
                      "a claim waits as if it were a request");
        if (a == NULL)
            continue;
        if (changed && !check_is_bound(k, store, cid) &&
            s != status_by_copies(k, store, all[i], cid))
            sim_wrong(k->sim, "requests", 0, k->row.id,
                      "request %llu is %s", (unsigned long long)a->id,
                      request_status_text(s));
        requester(k, a->who)->n[a->status]--;
        requester(k, a->who)->n[s]++;
        a->status = s;
    }
}

/* After each operation: what is counted, and the newest time. */
void check_requesters(struct check *k, struct store *store)
{
    for (uint32_t i = 0; i < k->n_requesters; i++) {
        const struct requester *x = &k->requesters[i];
        struct store_requests now = store_requests_of(store, x->who);
        const struct principal *p = store_principal(store, x->who);

        if (p == NULL || p->last_ms != x->last_ms)
            sim_wrong(k->sim, "created", 0, 0,
                      "the last time of %llu is forgotten",
                      (unsigned long long)x->who);
        for (int s = 0; s < REQUEST_STATES; s++)
            if (now.n[s] != x->n[s])
                sim_wrong(k->sim, "counted", 0, 0,
                          "%llu requests of %llu are %s, %llu are counted",
                          (unsigned long long)x->n[s],
                          (unsigned long long)x->who,
                          request_status_text((enum request_status)s),
                          (unsigned long long)now.n[s]);
    }
}

/* --- operations ---------------------------------------------------------- */

/* What is committed is what was asked for. Applying it adds where the content
 * of one that replaces comes from: see the row. */
static void check_unchanged(struct check *k, const struct command *c)
{
    const struct command *q = psa_command(k->sim, c->claim_put.salt);
    const struct command_claim_put *a = &c->claim_put, *b = &q->claim_put;

    if (c->org != q->org || c->actor != q->actor || a->who != b->who ||
        a->salt != b->salt || a->old_id != b->old_id ||
        a->old_salt != b->old_salt || !cid_equal(&a->cid, &b->cid) ||
        a->flags != b->flags || a->rmin != b->rmin || a->rmax != b->rmax ||
        !span_equal(a->name, b->name) ||
        (a->old_id == 0 && !span_equal(a->meta, b->meta)))
        sim_wrong(k->sim, "requests", 0, 0, "request %llx was changed",
                  (unsigned long long)a->salt);
}

static bool is_whose(const struct asked *a, uint64_t id, uint32_t org,
                     uint64_t who)
{
    return a != NULL && a->id == id && a->org == org && a->who == who;
}

static void not_said(struct check *k, const struct command *c,
                     enum verdict v)
{
    sim_wrong(k->sim, "requests", 0, 0, "%s of %u is %s",
              command_kind_text(c->kind), c->org, verdict_text(v));
}

/* old NULL: it names none that is its own. */
static void check_verdict(struct check *k, const struct store *store,
                          const struct command *c, enum verdict v,
                          const struct asked *old)
{
    const struct command_claim_put *p = &c->claim_put;
    const struct asked *same = find(k, p->salt);
    bool found = p->old_id == 0 || old != NULL;
    bool may = store_token(store, c->actor) != NULL;

    if ((v == VERDICT_DENIED) != !may)
        not_said(k, c, v);
    if (v == VERDICT_DENIED || v == VERDICT_STALE)
        return;
    if (v == VERDICT_NOT_FOUND ? found : !found)
        not_said(k, c, v);
    if (v != VERDICT_NOT_FOUND &&
        (v == VERDICT_CONFLICT) != (same != NULL))
        not_said(k, c, v);
    if (v != VERDICT_ACCEPTED && v != VERDICT_NOT_FOUND &&
        v != VERDICT_CONFLICT && v != VERDICT_OVER_QUOTA &&
        v != VERDICT_NO_CANDIDATES)
        not_said(k, c, v);
}

/* Its time follows from the state alone, and is later than all before. */
static uint64_t time_of(struct check *k, struct requester *x)
{
    uint64_t at = k->time_ms;

    if (at <= x->last_ms) {
        at = x->last_ms + 1;
        k->sim->counts[COUNT_PSA_RAISED]++;
    }
    if (at > k->time_ms + AHEAD_MS)
        sim_wrong(k->sim, "created", 0, 0, "far ahead of log time");
    x->last_ms = at;
    return at;
}

static void make(struct check *k, const struct command *c,
                 const struct fsm_result *r, struct asked *old)
{
    const struct command_claim_put *p = &c->claim_put;
    uint32_t cid = sim_cid_number(&p->cid);
    uint32_t from = old != NULL && old->cid != cid ? old->cid : SIM_CIDS;
    struct requester *x = requester(k, p->who);

    if (old != NULL) {
        old->there = false;
        requester(k, old->who)->n[old->status]--;
        check_demand(k, old->org, old->cid);
        check_sources_end(k, k->pin_of[old->cid]);
        k->sim->counts[COUNT_PSA_REPLACED]++;
    }
    if (k->n_asked == k->size_asked) {
        k->size_asked = k->size_asked * 2 + 128;
        k->asked = mem_grow(k->asked, k->size_asked, sizeof *k->asked);
    }
    k->asked[k->n_asked++] = (struct asked){
        .id = r->claim, .salt = p->salt, .who = p->who,
        .created_ms = time_of(k, x), .org = c->org, .cid = cid,
        .from = from, .rmin = p->rmin, .rmax = p->rmax, .flags = p->flags,
        .there = true, .status = REQUEST_PINNING};
    x->n[REQUEST_PINNING]++;
    check_demand(k, c->org, cid);
    check_sources_end(k, k->pin_of[cid]);
    check_note(k, c, r->index, cid, p->salt);
    k->sim->counts[COUNT_PSA_MADE]++;
    k->sim->counts[COUNT_PSA_BESIDE] += check_asked_on(k, cid) > 1;
}

/* Copies of the newer content where the older one goes by the same
 * operation: k->row is the newer's. */
static void note_sources(struct check *k, struct store *store,
                         const struct asked *a, uint64_t index)
{
    uint64_t old = k->pin_of[a->from];

    if (old == 0 || !store_pin_get(store, old, &k->view))
        return;
    for (uint32_t i = 0; i < k->row.n_copies; i++) {
        const struct copy *to = &k->row.copies[i];
        const struct copy *gone = pin_copy(&k->view, to->node);

        if (to->want != COPY_RECURSIVE || to->idx != index ||
            gone == NULL || gone->want != COPY_RELEASED ||
            gone->idx != index)
            continue;
        k->sources[to->node][k->row.id] = (struct source){index, a->from};
        k->sim->counts[COUNT_SOURCES]++;
    }
}

void check_sources_end(struct check *k, uint64_t pin)
{
    for (uint32_t node = 0; node <= SIM_NODES; node++)
        k->sources[node][pin].index = 0;
}

/* The older one is gone exactly when the newer one is there. */
static void check_both(struct check *k, struct store *store,
                       const struct command_claim_put *p, uint64_t claim,
                       bool done)
{
    bool new = done && store_request_find(store, claim, p->salt, &k->view);
    bool old = p->old_id != 0 && store_request_find(store, p->old_id,
                                                    p->old_salt, &k->view);

    if (done && (!new || old))
        sim_wrong(k->sim, "requests", 0, 0, "request %llu is %s",
                  (unsigned long long)(new ? p->old_id : claim),
                  new ? "replaced, and there" : "accepted, and not there");
}

void check_request_put(struct check *k, struct store *store,
                       const struct command *c, const struct fsm_result *r)
{
    const struct command_claim_put *p = &c->claim_put;
    uint32_t cid = sim_cid_number(&p->cid), old_cid = SIM_CIDS;
    struct asked *old = p->old_id != 0 ? find(k, p->old_salt) : NULL;
    bool done = r->verdict == VERDICT_ACCEPTED;

    check_unchanged(k, c);
    if (old != NULL)
        old_cid = old->cid;
    if (!is_whose(old, p->old_id, c->org, p->who))
        old = NULL;
    check_verdict(k, store, c, r->verdict, old);
    if (done)
        make(k, c, r, old);
    check_both(k, store, p, r->claim, done);
    if (done)
        check_look_elastic(k, store, c);
    if (check_claim(k, store, cid)) {
        uint64_t id = k->row.id;

        check_look(k, store, id, c);
        if (done && k->asked[k->n_asked - 1].from != SIM_CIDS)
            note_sources(k, store, &k->asked[k->n_asked - 1], r->index);
    }
    if (old_cid == SIM_CIDS || old_cid == cid)
        return;
    (void)check_claim(k, store, old_cid);
    check_look(k, store, k->pin_of[old_cid], c);
}

void check_request_remove(struct check *k, struct store *store,
                          const struct command *c,
                          const struct fsm_result *r)
{
    const struct command_request_remove *p = &c->request_remove;
    struct asked *a = find(k, p->salt);
    bool mine = is_whose(a, p->id, c->org, p->who);
    bool may = store_token(store, c->actor) != NULL;

    if (r->verdict != (!may   ? VERDICT_DENIED
                       : mine ? VERDICT_ACCEPTED
                              : VERDICT_NOT_FOUND))
        not_said(k, c, r->verdict);
    if (r->verdict == VERDICT_ACCEPTED) {
        a->there = false;
        requester(k, a->who)->n[a->status]--;
        check_demand(k, a->org, a->cid);
        check_sources_end(k, k->pin_of[a->cid]);
        check_note(k, c, r->index, a->cid, p->salt);
        k->sim->counts[COUNT_PSA_REMOVED]++;
    }
    if (a == NULL)
        return;
    (void)check_claim(k, store, a->cid);
    check_look(k, store, k->pin_of[a->cid], c);
}

/* --- agents -------------------------------------------------------------- */

void check_source_told(struct check *k, uint32_t agent,
                       const struct order_item *item)
{
    uint32_t node = agent_node(k->sim->agents[agent]);
    const struct source *s = &k->sources[node][item->pin];
    struct known *w = &k->known[agent][item->pin];
    bool from = item->from.n > 0 && item->want == COPY_RECURSIVE;

    w->from = from ? sim_cid_number(&item->from) : SIM_CIDS;
    w->untried = from;
    if (s->index == 0 || item->idx != s->index || w->from == s->cid)
        return;
    sim_wrong(k->sim, "source", agent + 1, item->pin,
              "it is not told that it comes of cid %u", s->cid);
}

void check_tried(struct check *k, uint32_t agent, uint64_t pin)
{
    k->known[agent][pin].untried = false;
}

/* What comes of it is not tried yet, as far as the agent was told. */
void check_source_kept(struct check *k, uint32_t agent, uint32_t cid)
{
    const struct daemon *d = agent_daemon(k->sim->agents[agent]);

    for (uint64_t pin = 1; pin <= k->last_pin; pin++) {
        const struct known *w = &k->known[agent][pin];

        if (w->untried && w->from == cid && w->want == COPY_RECURSIVE &&
            d->pins[k->pins[pin]->cid].type != WORK_FOUND_RECURSIVE)
            sim_wrong(k->sim, "source", agent + 1, pin,
                      "cid %u is let go before what comes of it is tried",
                      cid);
    }
}

/* --- at rest ------------------------------------------------------------- */

const char *check_requests_stand(struct check *k, uint32_t cid)
{
    for (uint32_t i = 0; i < k->n_asked; i++)
        if (k->asked[i].there && k->asked[i].cid == cid &&
            k->asked[i].status != REQUEST_PINNED)
            return request_status_text(k->asked[i].status);
    return NULL;
}
