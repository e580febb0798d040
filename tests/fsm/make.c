/* Random operations: mostly such as leaders, agents and users make, some late,
 * repeated, or of things that are not there.
 */
#include "tests/fsm/check.h"

#include "proto/hash.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { /* where budgets are tight */
    TIGHT_REQUESTS = 100, /* more of them, of 1,000 operations */
    TIGHT_SHARED = 4      /* CIDs that most claims are on */
};

static uint64_t below(struct run *r, uint64_t n)
{
    return prng_below(&r->random, n);
}

static bool one_in(struct run *r, uint64_t n)
{
    return below(r, n) == 0;
}

void make_head(struct run *r, enum command_kind kind)
{
    struct command *c = r->c;

    /* Not the long lists behind it: those are counted. */
    memset(c, 0, offsetof(struct command, claim_put.places));
    c->kind = kind;
    c->origin = r->origin;
    c->boot = r->boot;
    c->seq = ++r->seq;
    c->org = ORG_DEFAULT;
    c->actor = PRINCIPAL_LOCAL;
}

void make_form(struct run *r)
{
    struct cluster *c = &r->c->config_put.cluster;

    memset(r->c, 0, sizeof(*r->c));
    make_head(r, COMMAND_CONFIG_PUT);
    c->formed = true;
    memset(c->id, 1, sizeof(c->id));
    memset(c->history, 2, sizeof(c->history));
    memset(c->sip_key, 3, sizeof(c->sip_key));
    c->pin_tag = 0xabcd;
}

/* A new one, or an old one that says something new. */
void make_node(struct run *r)
{
    struct command_node_put *p = &r->c->node_put;
    uint32_t n;
    uint32_t key = r->next_key;

    (void)store_nodes(r->a.store, &n);
    memset(r->c, 0, sizeof(*r->c));
    make_head(r, COMMAND_NODE_PUT);
    if (n < r->n_live && r->next_key < RUN_NODES)
        r->next_key++;
    else
        key = (uint32_t)below(r, r->next_key);
    hash_blake2b_256(&key, sizeof(key), p->key);
    snprintf(p->name, sizeof(p->name), "n%u", key / 2);
    p->boot = 900 + key + (one_in(r, 50) ? 1 : 0);
    p->capacity = r->elastic ? ((uint64_t)8 << 20) << below(r, 5)
                             : ((uint64_t)32 << 20) << below(r, 8);
    if (!one_in(r, 4)) {
        snprintf(p->labels[0].key, sizeof(p->labels[0].key), "disk");
        snprintf(p->labels[0].value, sizeof(p->labels[0].value), "%c",
                 'a' + (int)below(r, 2));
        p->n_labels = 1;
    }
    if (!one_in(r, 6)) {
        struct label *l = &p->labels[p->n_labels++];

        snprintf(l->key, sizeof(l->key), "region");
        snprintf(l->value, sizeof(l->value), "%u", (unsigned)below(r, 3));
    }
}

uint32_t make_pick_node(struct run *r)
{
    uint32_t n;
    const struct node *const *nodes = store_nodes(r->a.store, &n);

    if (n == 0 || one_in(r, 40)) /* removed, or unknown */
        return (uint32_t)below(r, RUN_NODES + 2) + 1;
    return nodes[below(r, n)]->id;
}

/* Mostly one that can take a copy of that pin. */
static uint32_t pick_target(struct run *r, struct pin *p)
{
    uint32_t n;
    const struct node *const *nodes = store_nodes(r->a.store, &n);

    for (unsigned k = 0; n > 0 && k < 8 && !one_in(r, 12); k++) {
        const struct node *node = nodes[below(r, n)];

        if (fsm_node_admissible(node, p->size)
            && pin_copy(p, node->id) == NULL)
            return node->id;
    }
    return make_pick_node(r);
}

/* Once each: a list that names a node twice is no operation. */
static void add_place(struct command_place *places, uint32_t *n,
                      uint32_t node, enum copy_reason reason)
{
    for (uint32_t k = 0; k < *n; k++)
        if (places[k].node == node)
            return;
    places[(*n)++] = (struct command_place){node, (uint16_t)reason};
}

struct shadow *make_pick_pin(struct run *r)
{
    struct shadow *s = &r->pins[below(r, r->n_cids)];

    for (unsigned k = 0; k < 16 && (!s->there || (s->pin.org == 0
                                                  && !one_in(r, 8))); k++)
        s = &r->pins[below(r, r->n_cids)];
    return s;
}

/* --- organisations -------------------------------------------------------- */
static uint32_t any_org(struct run *r)
{
    uint32_t n;
    const struct org *all = store_orgs(r->a.store, &n);

    if (one_in(r, 100)) /* removed, or unknown */
        return (uint32_t)below(r, RUN_ORGS + 2);
    if (one_in(r, 40)) /* few, or it never goes */
        return all[n - 1].id;
    return all[below(r, RUN_LASTING)].id;
}

/* Who claims that CID: a third of them is for all, the rest mostly for one,
 * so that there are pins of every kind. */
static uint32_t pick_org(struct run *r, uint32_t number)
{
    if (number % 3 == 0 || one_in(r, 30))
        return any_org(r);
    return ORG_DEFAULT + number / 3 % 3;
}

void make_org(struct run *r, const char *name)
{
    struct command_org_put *p = &r->c->org_put;

    memset(r->c, 0, offsetof(struct command, org_put) + sizeof(*p));
    make_head(r, COMMAND_ORG_PUT);
    for (int k = 0; k < ORG_KINDS; k++)
        p->limits[k] = (struct org_limit){ORG_NO_LIMIT, ORG_NO_LIMIT};
    snprintf(p->name, sizeof(p->name), "%s", name);
}

/* Where budgets are tight most are of a few that all organisations claim. */
static uint32_t pick_number(struct run *r)
{
    if (r->tight && !one_in(r, 3))
        return 3 * (uint32_t)below(r, TIGHT_SHARED);
    return (uint32_t)below(r, r->n_cids);
}

bool make_everywhere(struct run *r)
{
    return one_in(r, r->tight ? 3 : 12);
}

static uint64_t a_size(struct run *r)
{
    uint64_t n = below(r, 400);

    if (n < 40)
        return 0; /* unknown */
    return n == 40 ? below(r, (uint64_t)1 << 49) : below(r, 3000000);
}

static void add_places(struct run *r, struct command_claim_put *p)
{
    uint32_t first = (uint32_t)below(r, 64);
    uint64_t n = below(r, 6);

    for (uint64_t k = 0; k < n; k++) {
        uint32_t live;
        const struct node *const *nodes = store_nodes(r->a.store, &live);
        uint32_t node = live == 0 || one_in(r, 40)
                            ? make_pick_node(r)
                            : nodes[(first + k) % live]->id;

        add_place(p->places, &p->n_places, node,
                  one_in(r, 6) ? REASON_UPLOADED : REASON_PLACED);
    }
}

static void claim_put(struct run *r)
{
    struct command_claim_put *p = &r->c->claim_put;
    uint32_t number = pick_number(r);

    make_head(r, COMMAND_CLAIM_PUT);
    p->cid = run_cid(number);
    r->c->org = pick_org(r, number);
    p->salt = p->who = 0;
    p->rmin = (int32_t)below(r, 3) + 1;
    p->rmax = p->rmin + (int32_t)below(r, 3);
    if (make_everywhere(r))
        p->rmin = p->rmax = -1;
    if (one_in(r, 200))
        p->rmax = 0;
    p->size = below(r, 2) == 0 ? a_size(r) : 0;
    if (one_in(r, 4))
        p->expires_ms = r->time_ms + below(r, 3000);
    if (one_in(r, 4))
        p->name = span_of("abcdef", below(r, 7));
    if (one_in(r, 3))
        p->flags = CLAIM_DEFAULT;
    if (one_in(r, 6))
        p->flags |= CLAIM_DIRECT;
    if (one_in(r, 8))
        p->flags |= (uint16_t)(below(r, 3) << CLAIM_PRIORITY_SHIFT);
    p->who = below(r, 3);
    if (number % 4 == 1) /* others stay without */
        p->meta = bound_meta((uint32_t)below(r, RUN_POLICIES));
    if (number % 8 == 6) /* … and those without tags */
        p->meta = tag_meta((uint32_t)below(r, 1 << RUN_TAGS));
    if (one_in(r, 12)) {
        p->from = run_cid((uint32_t)below(r, r->n_cids));
        p->set_name = one_in(r, 2);
        p->set_expires = one_in(r, 2);
    }
    if (one_in(r, 12)) { /* ends by its time: CLAIM_REMOVE names none */
        p->salt = 1 + below(r, RUN_SALTS - 1);
        p->expires_ms = r->time_ms + below(r, 3000) + 1;
    }
    add_places(r, p);
}

/* --- requests ------------------------------------------------------------- */
void make_principal(struct run *r, uint32_t number)
{
    struct command_token_put *p = &r->c->token_put;

    memset(r->c, 0, offsetof(struct command, token_put) + sizeof(*p));
    make_head(r, COMMAND_TOKEN_PUT);
    r->c->org = ORG_DEFAULT + number / 2;
    p->form = TOKEN_FOR;
    p->verbs = VERB_PIN;
    p->hash[0] = (uint8_t)(number + 1);
    snprintf(p->name, sizeof(p->name), "p%u", number);
}

/* One that is there; false: none was found. */
static bool pick_request(struct run *r, struct claim *out, struct cid *cid)
{
    for (unsigned k = 0; k < 24; k++) {
        const struct shadow *s = make_pick_pin(r);
        const struct claim *claims[RUN_CLAIMS];
        struct claim alone;
        uint32_t n = s->there ? want_claims(r, &s->pin, &alone, claims) : 0;
        uint32_t at = n > 0 ? (uint32_t)below(r, n) : 0;

        if (n == 0 || claims[at]->salt < RUN_FIRST_SALT)
            continue;
        *out = *claims[at];
        *cid = s->pin.cid;
        return true;
    }
    return false;
}

static const struct requester *pick_requester(struct run *r, uint32_t org)
{
    if (org < ORG_DEFAULT || org >= ORG_DEFAULT + RUN_LASTING)
        return &r->requesters[below(r, RUN_PRINCIPALS)];
    return &r->requesters[2 * (org - ORG_DEFAULT) + below(r, 2)];
}

/* Mostly one's own. */
static void replace_one(struct run *r, struct command_claim_put *p)
{
    struct claim old;
    struct cid cid;

    if (!pick_request(r, &old, &cid))
        return;
    p->old_id = old.id;
    p->old_salt = old.salt + (one_in(r, 20) ? 1 : 0);
    if (!one_in(r, 12)) {
        r->c->org = old.org;
        p->who = old.who;
    }
    if (one_in(r, 3))
        p->cid = cid;
}

static void request_put(struct run *r)
{
    struct command_claim_put *p = &r->c->claim_put;
    uint32_t number = pick_number(r);

    make_head(r, COMMAND_REQUEST_PUT);
    p->cid = run_cid(number);
    r->c->org = pick_org(r, number);
    p->who = one_in(r, 80) ? 1 + below(r, 40)
                           : pick_requester(r, r->c->org)->id;
    p->rmin = (int32_t)below(r, 3) + 1;
    p->rmax = p->rmin + (int32_t)below(r, 3);
    if (make_everywhere(r))
        p->rmin = p->rmax = -1;
    if (one_in(r, 200))
        p->rmax = 0;
    p->flags = one_in(r, 3) ? 0 : CLAIM_DEFAULT;
    p->salt = RUN_FIRST_SALT + below(r, RUN_REQUEST_SALTS);
    p->name = span_of("abcdef", below(r, 7));
    if (number % 4 == 1)
        p->meta = bound_meta((uint32_t)below(r, RUN_POLICIES));
    if (number % 8 == 6) /* … and those without tags */
        p->meta = tag_meta((uint32_t)below(r, 1 << RUN_TAGS));
    if (r->tight || one_in(r, 2))
        replace_one(r, p);
    add_places(r, p);
}

static void request_remove(struct run *r)
{
    struct command_request_remove *p = &r->c->request_remove;
    struct claim c = {.id = 1 + below(r, 500), .salt = RUN_FIRST_SALT};
    struct cid cid;

    make_head(r, COMMAND_REQUEST_REMOVE);
    r->c->org = any_org(r);
    p->who = pick_requester(r, r->c->org)->id;
    if (pick_request(r, &c, &cid) && !one_in(r, 12)) {
        r->c->org = c.org;
        p->who = c.who;
    }
    p->id = c.id;
    p->salt = c.salt + (one_in(r, 20) ? 1 : 0);
}

static void claim_remove(struct run *r)
{
    const struct shadow *s = make_pick_pin(r);

    make_head(r, COMMAND_CLAIM_REMOVE);
    r->c->claim_remove.cid =
        s->there ? s->pin.cid : run_cid((uint32_t)below(r, r->n_cids));
    r->c->org = pick_org(r, run_number(&r->c->claim_remove.cid));
    if (s->wants.n > 0 && !one_in(r, 12))
        r->c->org = s->wants.of[below(r, s->wants.n)].org;
}

/* What a leader wishes: one more copy, one or more fewer; also both, of what
 * it should not, and of an older revision. */
void make_assign(struct run *r)
{
    static const enum copy_reason reasons[] = {
        REASON_REPAIR, REASON_TOP_UP, REASON_DRAINED, REASON_EVERYWHERE,
        REASON_REBALANCED};
    struct command_assign *a = &r->c->assign;
    struct shadow *s = make_pick_pin(r);
    uint64_t way = below(r, 4);

    make_head(r, COMMAND_ASSIGN);
    a->n_add = a->n_release = 0;
    a->pin = s->there ? s->pin.id : below(r, 100);
    a->rev = s->pin.rev - (one_in(r, 12) ? 1 : 0);
    for (uint64_t k = 0; way != 0 && k < 1 + below(r, 2); k++)
        add_place(a->add, &a->n_add, pick_target(r, &s->pin),
                  reasons[below(r, 5)]);
    for (uint64_t k = 0; way < 2 && k < 1 + below(r, 3); k++) {
        uint32_t node = make_pick_node(r);

        if (s->there && s->pin.n_copies > 0 && !one_in(r, 8))
            node = s->pin.copies[below(r, s->pin.n_copies)].node;
        add_place(a->release, &a->n_release, node, REASON_SURPLUS);
    }
}

static void item(struct run *r, struct report_item *i, const struct copy *c)
{
    static const enum report_state states[] = {
        REPORT_PINNED, REPORT_PINNED, REPORT_PINNED, REPORT_PINNED,
        REPORT_PINNED, REPORT_FAILED, REPORT_FAILED, REPORT_LOST, REPORT_ASK,
        REPORT_GONE};

    i->state = states[below(r, 10)];
    if (c->want == COPY_RELEASED && !one_in(r, 4))
        i->state = REPORT_GONE;
    i->idx = c->idx - (one_in(r, 10) ? 1 : 0);
    i->size = i->state == REPORT_ASK ? c->size + below(r, 2000000)
                                     : a_size(r);
    i->attempts = (uint32_t)below(r, 9);
    i->code = FAIL_OTHER;
    i->text = span_text("why");
}

void make_report(struct run *r)
{
    struct command_report *p = &r->c->report;
    uint32_t node = make_pick_node(r);
    const struct node *n = store_node(r->a.store, node);

    make_head(r, COMMAND_REPORT);
    p->node = node;
    p->boot = n == NULL ? 0 : n->boot;
    p->seq = n == NULL ? 1 : n->seq + 1;
    if (node < RUN_NODES) {
        if (r->report_seq[node] < p->seq)
            r->report_seq[node] = p->seq;
        p->seq = r->report_seq[node]++;
        p->seq -= one_in(r, 40) && p->seq > 1 ? 1 : 0;
    }
    p->boot += one_in(r, 100);
    p->items = r->items;
    for (unsigned k = 0; k < 24 && p->n < RUN_ITEMS; k++) {
        struct shadow *s = &r->pins[below(r, r->n_cids)];
        const struct copy *c = s->there ? pin_copy(&s->pin, node) : NULL;

        if (c == NULL)
            continue;
        memset(&r->items[p->n], 0, sizeof(*r->items));
        r->items[p->n].pin = s->pin.id;
        item(r, &r->items[p->n++], c);
        if (one_in(r, 3))
            break;
    }
}

static void expire(struct run *r)
{
    struct command_expire *e = &r->c->expire;

    make_head(r, COMMAND_EXPIRE);
    for (unsigned k = 0; k < 12 && e->n < 6; k++) {
        const struct shadow *s = make_pick_pin(r);

        if (s->there && (s->pin.expires_ms != 0 || one_in(r, 12)))
            e->pins[e->n++] = s->pin.id;
    }
}

static void recover(struct run *r)
{
    struct command_recover *e = &r->c->recover;

    make_head(r, COMMAND_RECOVER);
    for (unsigned k = 0; k < 1 + below(r, 8); k++)
        e->pins[e->n++] = make_pick_pin(r)->pin.id;
}

/* Most of the time most nodes are up. */
void make_node_state(struct run *r)
{
    struct command_node_state *p = &r->c->node_state;
    uint64_t way = below(r, 8);

    make_head(r, COMMAND_NODE_STATE);
    p->node = make_pick_node(r);
    p->admin = p->health = p->full = NODE_STATE_KEEP;
    if (way < 4)
        p->health = one_in(r, 5) ? HEALTH_DOWN + (uint8_t)below(r, 2)
                                     : HEALTH_UP;
    else if (way < 7)
        p->admin = one_in(r, 4) ? (uint8_t)below(r, 5) : ADMIN_ACTIVE;
    else
        p->full = one_in(r, 6);
}

static void node_remove(struct run *r)
{
    make_head(r, COMMAND_NODE_REMOVE);
    r->c->node_remove.node = make_pick_node(r);
    r->c->node_remove.force = one_in(r, 2);
}

/* One more comes, is renamed, and goes when it has no claims. */
static void org_life(struct run *r)
{
    struct command_org_put *p = &r->c->org_put;
    uint32_t n;
    const struct org *all = store_orgs(r->a.store, &n);
    const struct org *last = &all[n - 1];
    char name[24];

    snprintf(name, sizeof(name), "t%u", (unsigned)below(r, 3));
    make_org(r, one_in(r, 20) ? "Not Good" : name);
    /* Ids are not used again; an entry may make several. */
    if (n <= RUN_LASTING
        && r->progress->events[RUN_ORG_MADE] + 12 < RUN_ORGS)
        return;
    p->org = last->id;
    p->set = ORG_REMOVE;
    if (one_in(r, 4) && n > RUN_LASTING)
        p->set = ORG_SET_NAME;
    else if (n <= RUN_LASTING || one_in(r, 8))
        p->org = ORG_DEFAULT;
}

/* Around what is used, or all that there is, or none. */
static void guarantee(struct run *r, struct command_org_put *p)
{
    uint64_t used = p->org < RUN_ORGS ? r->orgs[p->org].used[ORG_PHYSICAL]
                                      : 0;

    r->c->kind = COMMAND_QUOTA_PUT;
    p->set |= ORG_SET_GUARANTEE;
    p->guarantee = one_in(r, 3)   ? ORG_NO_LIMIT
                   : one_in(r, 8) ? below(r, ORG_LIMIT_MAX)
                                  : (used / 100 + 1) * (80 + below(r, 300));
}

/* Some percent of what is used, from there over as many. Where budgets are
 * tight, bytes that one pin may give back make the difference. */
static uint64_t around(struct run *r, int kind, uint64_t used,
                       uint64_t percent, uint64_t span)
{
    if (!r->tight || kind == ORG_PINS)
        return (used / 100 + 1) * (percent + below(r, span));
    used += below(r, 2 * RUN_TIGHT_BYTES);
    return used > RUN_TIGHT_BYTES ? used - RUN_TIGHT_BYTES : 0;
}

/* Around what all use; limits that hardly fit the nodes, and some that never
 * do. */
static void budget(struct run *r)
{
    struct command_budget *b = &r->c->budget;

    make_head(r, COMMAND_BUDGET);
    b->set = (uint16_t)below(r, 2 * BUDGET_SET_OVERCOMMIT);
    b->budget.overcommit = one_in(r, 2)   ? 0
                           : one_in(r, 2) ? (uint32_t)below(r, 8)
                                          : (uint32_t)below(r, 401);
    for (int k = 0; k < ORG_KINDS; k++) {
        uint64_t used = 0;

        for (uint32_t org = 0; org < RUN_ORGS; org++)
            used += r->orgs[org].there ? r->orgs[org].was.used[k] : 0;
        b->budget.limits[k] = one_in(r, 2)    ? ORG_NO_LIMIT
                              : one_in(r, 50) ? ORG_LIMIT_MAX + 1
                              : around(r, k, used, 80, 100);
    }
}

static void tag_quota(struct run *r)
{
    struct command_tag_quota *q = &r->c->tag_quota;
    uint32_t org = any_org(r), tag = (uint32_t)below(r, RUN_TAGS);

    make_head(r, COMMAND_TAG_QUOTA);
    q->org = org != 0 ? org : RUN_ORGS;
    snprintf(q->name, sizeof(q->name), "%s",
             one_in(r, 30) ? "a,b" : tag_name(tag));
    q->set = (uint16_t)below(r, ORG_SET_GRACE);
    for (int k = 0; k < ORG_KINDS; k++) {
        uint64_t used = org <= RUN_LASTING ? r->tags[org][tag].used[k] : 0;

        q->limits[k].hard = one_in(r, 2) ? ORG_NO_LIMIT
                                         : around(r, k, used, 80, 200);
        q->limits[k].soft = one_in(r, 2) ? ORG_NO_LIMIT
                                         : around(r, k, used, 70, 150);
    }
}

/* Around what is used; or none. */
void make_limits(struct run *r, uint32_t org)
{
    struct command_org_put *p = &r->c->org_put;

    make_head(r, COMMAND_ORG_PUT);
    p->org = org != 0 ? org : RUN_ORGS;
    p->set = (uint16_t)below(r, 2 * ORG_SET_GRACE);
    p->grace_ms = below(r, 4000);
    for (int k = 0; k < ORG_KINDS; k++) {
        uint64_t used = org < RUN_ORGS ? r->orgs[org].used[k] : 0;

        p->limits[k].hard = one_in(r, 2) ? ORG_NO_LIMIT
                                         : around(r, k, used, 80, 200);
        p->limits[k].soft = one_in(r, 2) ? ORG_NO_LIMIT
                                         : around(r, k, used, 70, 150);
    }
    if (one_in(r, 3))
        guarantee(r, p);
}

static void org_put(struct run *r)
{
    uint32_t org = any_org(r);

    if (one_in(r, 12))
        org_life(r);
    else if (one_in(r, r->tight ? 3 : 8))
        budget(r);
    else if (one_in(r, 5))
        tag_quota(r);
    else
        make_limits(r, org);
}

static void coordinator_put(struct run *r)
{
    struct coordinator_row *row = &r->c->coordinator_put.row;

    memset(r->c, 0, sizeof(*r->c));
    make_head(r, COMMAND_COORDINATOR_PUT);
    row->raft_id = below(r, 70) + 1;
    memset(row->key, (int)below(r, 3), sizeof(row->key));
    snprintf(row->name, sizeof(row->name), "c%u", (unsigned)row->raft_id);
}

static void maintain(struct run *r)
{
    make_head(r, COMMAND_MAINTAIN);
    r->c->maintain.node = make_pick_node(r);
    r->c->maintain.for_ms = one_in(r, 3) ? 0 : below(r, 30000);
}

/* Most of the time most are shared. */
static void node_owner(struct run *r)
{
    struct command_node_owner *p = &r->c->node_owner;
    uint32_t org = any_org(r);

    make_head(r, COMMAND_NODE_OWNER);
    p->node = make_pick_node(r);
    p->owner = one_in(r, 3) ? NODE_OWNER_KEEP : org != 0 ? org : RUN_ORGS;
    p->closed = one_in(r, 4) ? NODE_STATE_KEEP : one_in(r, 3);
    if (!r->owners && p->node > 0) { /* known, and nothing new */
        p->owner = NODE_OWNER_KEEP;
        p->closed = NODE_STATE_KEEP;
    }
}

static void rare(struct run *r)
{
    switch (below(r, 8)) {
    case 6:
    case 7:
        node_owner(r);
        break;
    case 0:
        make_head(r, COMMAND_TICK);
        break;
    case 1:
        make_form(r);
        break;
    case 2:
        coordinator_put(r);
        break;
    case 3:
    case 4:
        maintain(r);
        break;
    default:
        make_node(r);
    }
}

/* Another number than the next: seen before, or far ahead. */
static void renumber(struct run *r)
{
    if (one_in(r, 30))
        r->c->seq = r->seq -= below(r, 3);
    else if (one_in(r, 500))
        r->c->origin = RUN_ORIGIN + 1 + below(r, RUN_ORIGINS - 1);
    else if (one_in(r, 20000))
        r->c->seq = r->seq += below(r, 20000);
    else if (one_in(r, 20000))
        r->c->boot = ++r->boot;
}

void make_operation(struct run *r)
{
    static const struct {
        unsigned weight;
        void (*make)(struct run *r);
    } table[] = {{190, claim_put}, {400, make_report},      {55, claim_remove},
                 {37, request_put}, {18, request_remove},
                 {210, make_assign},    {20, expire},       {15, recover},
                 {24, make_node_state}, {6, make_node},     {1, node_remove},
                 {20, org_put},    {4, rare}};
    uint64_t at;
    unsigned k = 0;

    if (r->elastic) {
        elastic_make(r);
        renumber(r);
        return;
    }
    at = below(r, 1000); /* the weights make 1,000 */
    if (r->tight && at < TIGHT_REQUESTS) {
        request_put(r);
        renumber(r);
        return;
    }
    while (at >= table[k].weight) {
        at -= table[k++].weight;
        assert(k < sizeof(table) / sizeof(*table));
    }
    table[k].make(r);
    renumber(r);
}
