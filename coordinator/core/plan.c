/* Decides which nodes take the copies of a pin, and says of each node what it
 * makes of it.
 * One comparison orders the candidates: nodes that do not hold an old copy,
 * then unused domains of the spread, then the smallest use of capacity.
 * Integers only: two fractions are compared by 128-bit products.
 *
 * Equal nodes are ordered by a mix of CID and node id, else every empty
 * cluster would fill its first node first. When to place is step*.c, whether
 * the state accepts it is fsm*.c.
 */
#include "coordinator/core/plan_private.h"

#include "coordinator/core/fsm.h"

#include <assert.h>
#include <string.h>

enum {
    QUEUE_MAX = 4096, /* orders waiting that count as a full queue … */
    QUEUE_SHARE = 20, /* … which makes a node look 1/20 fuller */
    RESERVE_SHARE = 20 /* of the capacity stays free on the disk */
};

struct slot {
    enum plan_verdict verdict;
    uint64_t load;  /* bytes when the copy is there, queue counted in */
    const char *domain; /* of those that can; NULL: by itself */
    unsigned level;
    bool can, at_need, shared; /* at_need: it is quarantined */
};

struct wide {
    uint64_t hi, lo;
};

static struct wide multiply(uint64_t a, uint64_t b)
{
    const uint64_t low = UINT32_MAX;
    uint64_t ll = (a & low) * (b & low), lh = (a & low) * (b >> 32);
    uint64_t hl = (a >> 32) * (b & low), hh = (a >> 32) * (b >> 32);
    uint64_t middle = (ll >> 32) + (lh & low) + (hl & low);
    struct wide w = {hh + (lh >> 32) + (hl >> 32) + (middle >> 32),
                     (middle << 32) | (ll & low)};

    assert(w.lo == a * b);
    return w;
}

static int compare(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

int plan_compare_fractions(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    if (b == 0 || d == 0)
        return (b == 0) - (d == 0);
    struct wide left = multiply(a, d), right = multiply(c, b);
    return left.hi != right.hi ? compare(left.hi, right.hi)
                               : compare(left.lo, right.lo);
}

static uint64_t add(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* A queue weighs as a share of what the node holds, not of its capacity:
 * otherwise one waiting order on a large empty disk would outweigh
 * thousands of pins. */
uint64_t plan_load(const struct plan_node *n, uint64_t size)
{
    uint64_t used = add(add(n->node->bytes, n->placed_bytes), size);
    uint64_t queue = n->queue < QUEUE_MAX ? n->queue : QUEUE_MAX;

    return add(used, used / (QUEUE_SHARE * QUEUE_MAX) * queue);
}

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
    return x ^ (x >> 31);
}

static uint64_t tie_key(const struct cid *cid)
{
    uint64_t h = 0xcbf29ce484222325U; /* FNV-1a */

    for (unsigned i = 0; i < cid->n; i++)
        h = (h ^ cid->bytes[i]) * 0x100000001b3U;
    return h;
}

static uint64_t tie_of(uint64_t key, uint32_t node)
{
    return mix(key + 0x9e3779b97f4a7c15U * ((uint64_t)node + 1));
}

/* --- spread ------------------------------------------------------------- */

static const char *const levels[PLAN_LEVELS] = {"zone", "rack", "region"};

const char *plan_domain_of(const struct node *n, unsigned *level)
{
    for (*level = 0; *level < PLAN_LEVELS; (*level)++) {
        const char *value = node_label(n, levels[*level]);
        if (value)
            return value;
    }
    return NULL; /* a domain of its own */
}

static void mark_domain(const struct plan_input *in, struct slot *slots,
                        const struct node *n)
{
    unsigned level;
    const char *domain = plan_domain_of(n, &level);

    for (uint32_t i = 0; domain && i < in->n_nodes; i++) {
        struct slot *s = &slots[i];
        if ((s->can || s->at_need) && !s->shared && s->domain &&
            s->level == level)
            s->shared = strcmp(s->domain, domain) == 0;
    }
}

static bool is_alone(const struct node *const *others, uint32_t n,
                     const struct node *node, const char *key)
{
    const char *value = node_label(node, key);

    for (uint32_t i = 0; i < n && value; i++) {
        const char *other = node_label(others[i], key);
        if (other && strcmp(other, value) == 0)
            return false;
    }
    return true;
}

bool plan_as_wide(const struct node *const *others, uint32_t n,
                  const struct node *from, const struct node *to)
{
    for (unsigned k = 0; k < PLAN_LEVELS; k++)
        if (is_alone(others, n, from, levels[k]) &&
            !is_alone(others, n, to, levels[k]))
            return false;
    return true;
}

/* --- candidates --------------------------------------------------------- */

uint32_t plan_find(const struct plan_node *nodes, uint32_t n, uint32_t id)
{
    uint32_t low = 0, high = n;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (nodes[middle].node->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n && nodes[low].node->id == id ? low : PLAN_NONE;
}

enum plan_verdict plan_standing(const struct plan_node *n)
{
    if (n->node->health != HEALTH_UP)
        return n->node->health == HEALTH_OUT ? PLAN_OUT : PLAN_DOWN;
    if (!n->daemon_up)
        return PLAN_DAEMON_DOWN;
    if (n->suspect)
        return PLAN_SUSPECT;
    switch (n->node->admin) {
    case ADMIN_ACTIVE:
        return PLAN_CANDIDATE;
    case ADMIN_JOINING:
        return PLAN_JOINING;
    case ADMIN_CORDONED:
        return PLAN_CORDONED;
    case ADMIN_DRAINING:
    case ADMIN_REMOVED: /* the state lists none that is */
        break;
    }
    return PLAN_DRAINING;
}

static enum plan_verdict judge_room(const struct plan_node *n, uint64_t size)
{
    uint64_t need = add(size, n->placed_bytes);

    switch (fsm_node_room(n->node, need)) {
    case FSM_ROOM_FULL:
        return PLAN_FULL;
    case FSM_ROOM_UNKNOWN:
        return PLAN_CAPACITY_UNKNOWN;
    case FSM_ROOM_SHORT:
        return PLAN_NO_ROOM;
    case FSM_ROOM:
        break;
    }
    return n->free_bytes == UINT64_MAX ||
           n->free_bytes >= add(need, n->node->capacity / RESERVE_SHARE)
               ? PLAN_CANDIDATE
               : PLAN_NO_DISK;
}

static const struct copy *copy_on(const struct pin *p, uint32_t node)
{
    for (uint32_t i = 0; i < p->n_copies && p->copies[i].node <= node; i++)
        if (p->copies[i].node == node)
            return &p->copies[i];
    return NULL;
}

enum plan_verdict plan_verdict_by(enum policy_rule r)
{
    switch (r) {
    case POLICY_CLOSED:
        return PLAN_CLOSED;
    case POLICY_NOT_OWN:
        return PLAN_NOT_OWN;
    case POLICY_DENIES_REGION:
        return PLAN_DENIED_REGION;
    case POLICY_REGION_UNKNOWN:
        return PLAN_REGION_UNKNOWN;
    case POLICY_DENIES_TAG:
        return PLAN_DENIED_TAG;
    case POLICY_LACKS_TAG:
        return PLAN_LACKS_TAG;
    case POLICY_ALLOWS:
        break;
    }
    return PLAN_CANDIDATE;
}

static enum plan_verdict judge_rules(const struct plan_input *in,
                                     const struct node *n)
{
    enum policy_rule rule = POLICY_ALLOWS;

    for (uint32_t i = 0; i < in->n_demands && rule == POLICY_ALLOWS; i++)
        rule = policy_judge(in->demands[i].policy, in->demands[i].org, n);
    return plan_verdict_by(rule);
}

static bool is_there(const struct plan_input *in, const struct node *n)
{
    if (in->region && !policy_in_region(n, *in->region))
        return false;
    if (in->spread == SPREAD_NONE)
        return true;
    for (uint32_t i = 0; i < in->n_apart; i++)
        if (policy_same_domain(in->spread, in->apart[i], n))
            return false;
    return policy_has_domain(in->spread, n);
}

/* The bytes of an old copy are still counted there: it needs no room. */
enum plan_verdict plan_verdict_of(const struct plan_input *in,
                                  const struct plan_node *n)
{
    const struct copy *copy = copy_on(in->pin, n->node->id);
    enum plan_verdict v = judge_rules(in, n->node);

    if (copy && copy->want != COPY_RELEASED)
        return n->node->admin == ADMIN_DRAINING ? PLAN_LEAVING
               : v == PLAN_CANDIDATE            ? PLAN_HOLDS
                                                : PLAN_MISPLACED;
    if (v != PLAN_CANDIDATE)
        return v;
    v = is_there(in, n->node) ? plan_standing(n) : PLAN_ELSEWHERE;
    if (v != PLAN_CANDIDATE)
        return v;
    v = copy ? PLAN_RELEASED : judge_room(n, in->size);
    if (n->quarantined && (v == PLAN_RELEASED || v == PLAN_CANDIDATE))
        return PLAN_QUARANTINED;
    return v;
}

static uint32_t find_candidates(const struct plan_input *in,
                                struct slot *slots)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < in->n_nodes; i++) {
        const struct plan_node *node = &in->nodes[i];

        assert(i == 0 || node->node->id > in->nodes[i - 1].node->id);
        slots[i] = (struct slot){.verdict = plan_verdict_of(in, node),
                                 .load = plan_load(node, in->size)};
        slots[i].can = slots[i].verdict == PLAN_CANDIDATE ||
                       slots[i].verdict == PLAN_RELEASED;
        slots[i].at_need = slots[i].verdict == PLAN_QUARANTINED;
        if (slots[i].can || slots[i].at_need)
            slots[i].domain = plan_domain_of(node->node, &slots[i].level);
        n += slots[i].can || slots[i].at_need;
    }
    return n;
}

int plan_compare_use(const struct plan_node *x, uint64_t load_x,
                     const struct plan_node *y, uint64_t load_y,
                     uint64_t key)
{
    const struct node *a = x->node, *b = y->node;
    int order =
        plan_compare_fractions(load_x, a->capacity, load_y, b->capacity);

    if (order == 0)
        order = compare(a->copies, b->copies);
    if (order == 0)
        order = compare(tie_of(key, a->id), tie_of(key, b->id));
    if (order == 0)
        order = compare(a->id, b->id);
    assert(order != 0);
    return order;
}

static bool is_better(const struct plan_input *in, const struct slot *slots,
                      uint64_t key, uint32_t a, uint32_t b)
{
    int order = compare(slots[a].verdict == PLAN_RELEASED,
                        slots[b].verdict == PLAN_RELEASED);

    if (order == 0)
        order = compare(slots[a].shared, slots[b].shared);
    if (order == 0)
        order = plan_compare_use(&in->nodes[a], slots[a].load, &in->nodes[b],
                                 slots[b].load, key);
    return order < 0;
}

static uint32_t pick(const struct plan_input *in, const struct slot *slots,
                     uint64_t key)
{
    uint32_t best = PLAN_NONE;

    for (uint32_t i = 0; i < in->n_nodes; i++)
        if (slots[i].can && (best == PLAN_NONE ||
                             is_better(in, slots, key, i, best)))
            best = i;
    return best;
}

/* Domains of the copies that will stay. */
static void mark_held(const struct plan_input *in, struct slot *slots)
{
    for (uint32_t i = 0; i < in->pin->n_copies; i++) {
        uint32_t at = plan_find(in->nodes, in->n_nodes,
                                in->pin->copies[i].node);
        if (at != PLAN_NONE && slots[at].verdict == PLAN_HOLDS)
            mark_domain(in, slots, in->nodes[at].node);
    }
}

/* --- one decision ------------------------------------------------------- */

/* All nodes are looked at when it is the first time that some must be. */
struct decision {
    const struct plan_input *in;
    struct plan_choice *out;
    bool samples, scanned;
    uint64_t key;
    struct plan_sample sample;
    struct slot slots[LIMIT_NODES];
};

static void mark_taken(struct decision *d, uint32_t at)
{
    d->slots[at].can = d->slots[at].at_need = false;
    if (d->in->want != UINT32_MAX)
        mark_domain(d->in, d->slots, d->in->nodes[at].node);
}

static void scan(struct decision *d)
{
    const struct plan_input *in = d->in;

    if (d->scanned)
        return;
    d->scanned = true;
    d->key = tie_key(&in->pin->cid);
    (void)find_candidates(in, d->slots);
    if (in->want != UINT32_MAX)
        mark_held(in, d->slots);
    for (uint32_t i = 0; i < d->out->n; i++)
        mark_taken(d, plan_find(in->nodes, in->n_nodes,
                                d->out->places[i].node));
}

static void take(struct decision *d, uint32_t at, enum copy_reason reason)
{
    struct plan_choice *out = d->out;

    assert(out->n < LIMIT_COPIES);
    out->places[out->n++] = (struct command_place){
        d->in->nodes[at].node->id, (uint16_t)reason};
    if (d->samples)
        plan_sample_take(&d->sample, at);
    if (d->scanned)
        mark_taken(d, at);
}

static bool is_taken(const struct plan_choice *out, uint32_t node)
{
    for (uint32_t i = 0; i < out->n; i++)
        if (out->places[i].node == node)
            return true;
    return false;
}

static void take_preferred(struct decision *d)
{
    const struct plan_input *in = d->in;

    for (uint32_t i = 0; i < in->n_preferred && d->out->n < in->want; i++) {
        uint32_t at = plan_find(in->nodes, in->n_nodes, in->preferred[i]);
        enum plan_verdict v;
        if (at == PLAN_NONE || is_taken(d->out, in->preferred[i]))
            continue;
        v = plan_verdict_of(in, &in->nodes[at]);
        if (v == PLAN_CANDIDATE || v == PLAN_RELEASED ||
            (v == PLAN_QUARANTINED && i < in->n_there))
            take(d, at, in->preferred_reason);
    }
}

static void take_all(struct decision *d)
{
    scan(d);
    for (uint32_t i = 0; i < d->in->n_nodes; i++)
        if (d->slots[i].can)
            take(d, i, d->in->reason);
}

static void take_best(struct decision *d, uint32_t want)
{
    while (d->out->n < want) {
        uint32_t at = d->samples ? plan_sample_pick(&d->sample) : PLAN_NONE;
        if (at == PLAN_NONE) {
            scan(d);
            at = pick(d->in, d->slots, d->key);
        }
        if (at == PLAN_NONE)
            return;
        take(d, at, d->in->reason);
    }
}

/* Everyone else was taken, and it is not enough. */
static void take_at_need(struct decision *d)
{
    const struct plan_input *in = d->in;

    scan(d);
    for (uint32_t i = 0; i < in->n_nodes; i++)
        d->slots[i].can |= d->slots[i].at_need;
    take_best(d, in->least < in->want ? in->least : in->want);
}

void plan_place(const struct plan_input *in, struct plan_choice *out)
{
    struct decision d;

    assert(in->n_nodes <= LIMIT_NODES);
    d.in = in;
    d.out = out;
    d.samples = plan_samples(in);
    d.scanned = false;
    out->n = 0;
    if (d.samples)
        plan_sample_begin(&d.sample, in);
    take_preferred(&d);
    if (in->want == UINT32_MAX)
        take_all(&d);
    else
        take_best(&d, in->want);
    if (out->n < in->least)
        take_at_need(&d);
    assert(out->n <= in->want);
}

/* --- explaining --------------------------------------------------------- */

static const struct {
    const char *word, *text;
} verdicts[PLAN_VERDICTS] = {
#define X(name, word, text) {word, text},
    PLAN_VERDICT_TABLE(X)
#undef X
};

const char *plan_verdict_word(enum plan_verdict v)
{
    return verdicts[v].word;
}

const char *plan_verdict_text(enum plan_verdict v)
{
    return verdicts[v].text;
}

static uint32_t permille(uint64_t load, uint64_t capacity)
{
    uint64_t x;

    if (capacity == 0)
        return PLAN_LOAD_UNKNOWN;
    if (load <= UINT64_MAX / 1000)
        x = load * 1000 / capacity;
    else
        x = capacity < 1000 ? UINT64_MAX : load / (capacity / 1000);
    return x < PLAN_LOAD_UNKNOWN ? (uint32_t)x : PLAN_LOAD_UNKNOWN - 1;
}

void plan_judge(const struct plan_input *in, struct plan_judgement *out)
{
    struct slot slots[LIMIT_NODES];
    struct plan_input all = *in;
    struct plan_choice order;

    assert(in->n_nodes <= LIMIT_NODES);
    all.want = all.least = find_candidates(in, slots);
    mark_held(in, slots);
    for (uint32_t i = 0; i < in->n_nodes; i++) {
        const struct plan_node *n = &in->nodes[i];
        unsigned level;

        out[i] = (struct plan_judgement){
            .verdict = slots[i].verdict, .shared = slots[i].shared,
            .domain = plan_domain_of(n->node, &level),
            .load_permille = permille(
                plan_load(n, copy_on(in->pin, n->node->id) ? 0 : in->size),
                n->node->capacity),
        };
        out[i].level = level < PLAN_LEVELS ? levels[level] : NULL;
    }
    if (in->want == UINT32_MAX)
        all.want = UINT32_MAX;
    plan_place(&all, &order);
    for (uint32_t i = 0; i < order.n; i++) {
        uint32_t at = plan_find(in->nodes, in->n_nodes,
                                order.places[i].node);
        out[at].rank = i + 1;
    }
}
