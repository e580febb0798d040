/* Texts of the stored enums, and the memory of a pin: its copies stay sorted
 * by node, so that equal states are equal bytes. What the states mean is
 * decided in coordinator/core.
 */
#include "proto/types.h"
#include "proto/mem.h"
#include "proto/sorted.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

const char *verdict_text(enum verdict v)
{
    switch (v) {
#define X(number, name, text)                                                \
    case VERDICT_##name:                                                     \
        return text;
        VERDICT_TABLE(X)
#undef X
    }
    return "?";
}

const char *copy_reason_word(unsigned reason)
{
    switch (reason) {
#define X(number, name, word, text)                                          \
    case REASON_##name:                                                      \
        return word;
        REASON_TABLE(X)
#undef X
    default:
        return "?";
    }
}

const char *copy_reason_text(unsigned reason)
{
    switch (reason) {
#define X(number, name, word, text)                                          \
    case REASON_##name:                                                      \
        return text;
        REASON_TABLE(X)
#undef X
    default:
        return "?";
    }
}

const char *node_admin_text(enum node_admin a)
{
    switch (a) {
    case ADMIN_JOINING:
        return "joining";
    case ADMIN_ACTIVE:
        return "active";
    case ADMIN_CORDONED:
        return "cordoned";
    case ADMIN_DRAINING:
        return "draining";
    case ADMIN_REMOVED:
        return "removed";
    }
    return "?";
}

const char *org_kind_text(enum org_kind k)
{
    switch (k) {
    case ORG_LOGICAL:
        return "logical";
    case ORG_PHYSICAL:
        return "physical";
    case ORG_PINS:
        return "pins";
    case ORG_KINDS:
        break;
    }
    return "?";
}

static const char *const priorities[] = {"normal", "high", "low"};

const char *claim_priority_text(uint32_t flags)
{
    unsigned priority = flags >> CLAIM_PRIORITY_SHIFT & 3;

    assert(priority < sizeof priorities / sizeof priorities[0]);
    return priorities[priority];
}

bool claim_priority_parse(struct span text, uint32_t *flags)
{
    for (uint32_t k = 0; k < sizeof priorities / sizeof priorities[0]; k++)
        if (span_is(text, priorities[k])) {
            *flags = (*flags & ~(3U << CLAIM_PRIORITY_SHIFT)) |
                     k << CLAIM_PRIORITY_SHIFT;
            return true;
        }
    return false;
}

const char *value_held_text(enum value_held h)
{
    switch (h) {
    case VALUE_IDLE:
        return "candidate";
    case VALUE_HELD:
        return "held";
    case VALUE_REQUIRED:
        return "required";
    }
    return "?";
}

uint32_t value_quality(const struct value *v)
{
    uint32_t sorted[LIMIT_RATINGS], n = 0, at, middle;

    for (uint32_t i = 0; i < v->n_ratings; i++) {
        for (at = n++; at > 0 && sorted[at - 1] > v->ratings[i].quality; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = v->ratings[i].quality;
    }
    middle = n / 2;
    if (n == 0)
        return FIXED_ONE / 2;
    return n % 2 == 1 ? sorted[middle]
                      : (sorted[middle - 1] + sorted[middle]) / 2;
}

const struct score_config *org_score(const struct org *o)
{
    return o->scored ? &o->score : &score_defaults;
}

/* Padding may differ. */
static bool same_score(const struct score_config *a,
                       const struct score_config *b)
{
    return a->w_usage_q16 == b->w_usage_q16 &&
           a->w_quality_q16 == b->w_quality_q16 &&
           a->w_recency_q16 == b->w_recency_q16 &&
           a->w_size_q16 == b->w_size_q16 &&
           a->half_usage_ms == b->half_usage_ms &&
           a->half_recency_ms == b->half_recency_ms &&
           a->saturation == b->saturation &&
           a->size_base_bytes == b->size_base_bytes &&
           a->in_q16 == b->in_q16 && a->out_q16 == b->out_q16 &&
           a->residency_ms == b->residency_ms &&
           a->hysteresis_q16 == b->hysteresis_q16 &&
           a->node_rate == b->node_rate;
}

bool org_same_score(const struct org *a, const struct org *b)
{
    return a->scored == b->scored &&
           (!a->scored || same_score(&a->score, &b->score));
}

bool org_name_valid(const char *name)
{
    size_t n = strlen(name);

    return n > 0 && n <= LIMIT_ORG_NAME &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == n;
}

void budget_init(struct budget *b)
{
    *b = (struct budget){.overcommit = 0};
    for (int k = 0; k < ORG_KINDS; k++)
        b->limits[k] = ORG_NO_LIMIT;
}

bool budget_same(const struct budget *a, const struct budget *b)
{
    return memcmp(a->limits, b->limits, sizeof a->limits) == 0 &&
           a->overcommit == b->overcommit;
}

void org_init(struct org *o)
{
    memset(o, 0, sizeof *o);
    o->grace_ms = ORG_GRACE_MS;
    o->guarantee = ORG_NO_LIMIT;
    for (int k = 0; k < ORG_KINDS; k++)
        o->limits[k] = (struct org_limit){ORG_NO_LIMIT, ORG_NO_LIMIT};
}

unsigned org_percent(uint64_t used, uint64_t limit)
{
    uint64_t percent;

    if (limit == ORG_NO_LIMIT || used == 0)
        return 0;
    if (used < UINT64_MAX / 100)
        percent = limit == 0 ? 999 : used * 100 / limit;
    else
        percent = limit < 100 ? 999 : used / (limit / 100);
    return percent < 999 ? (unsigned)percent : 999;
}

const char *node_word_text(enum node_word w)
{
    switch (w) {
    case NODE_REMOVED:
        return "removed";
    case NODE_OUT:
        return "out";
    case NODE_DOWN:
        return "down";
    case NODE_SUSPECT:
        return "suspect";
    case NODE_DRAINING:
        return "draining";
    case NODE_CORDONED:
        return "cordoned";
    case NODE_FULL:
        return "full";
    case NODE_JOINING:
        return "joining";
    case NODE_READY:
        return "ready";
    }
    return "?";
}

void pin_init(struct pin *p)
{
    memset(p, 0, sizeof *p);
}

void pin_free(struct pin *p)
{
    buf_free(&p->name);
    buf_free(&p->meta);
    free(p->copies);
    for (uint32_t i = 0; i < p->size_claims; i++) {
        buf_free(&p->claims[i].name);
        buf_free(&p->claims[i].meta);
    }
    free(p->claims);
    pin_init(p);
}

void pin_reset(struct pin *p)
{
    struct pin old = *p;

    pin_init(p);
    p->name = old.name;
    p->meta = old.meta;
    buf_reset(&p->name);
    buf_reset(&p->meta);
    p->copies = old.copies;
    p->size_copies = old.size_copies;
    p->claims = old.claims;
    p->size_claims = old.size_claims;
}

static void reserve_copies(struct pin *p, uint32_t n)
{
    uint32_t size = p->size_copies;

    assert(n <= LIMIT_COPIES);
    if (n <= size)
        return;
    while (size < n)
        size = size == 0 ? 4 : size * 2;
    p->copies = mem_grow(p->copies, size, sizeof *p->copies);
    p->size_copies = size;
}

static void assign_bytes(struct buf *to, const struct buf *from)
{
    buf_reset(to);
    buf_add(to, from->p, from->n);
}

void pin_claim_assign(struct claim *to, const struct claim *from)
{
    struct buf name = to->name, meta = to->meta;

    *to = *from;
    to->name = name;
    to->meta = meta;
    assign_bytes(&to->name, &from->name);
    assign_bytes(&to->meta, &from->meta);
}

void pin_assign_alone(struct pin *to, const struct pin *from)
{
    struct pin old;

    assert(to != from);
    reserve_copies(to, from->n_copies);
    old = *to;
    *to = *from;
    to->name = old.name;
    to->meta = old.meta;
    assign_bytes(&to->name, &from->name);
    assign_bytes(&to->meta, &from->meta);
    to->copies = old.copies;
    to->size_copies = old.size_copies;
    if (from->n_copies > 0)
        memcpy(to->copies, from->copies, from->n_copies * sizeof *to->copies);
    to->claims = old.claims;
    to->size_claims = old.size_claims;
    to->n_claims = 0;
}

void pin_assign(struct pin *to, const struct pin *from)
{
    pin_assign_alone(to, from);
    for (uint32_t i = 0; i < from->n_claims; i++)
        pin_claim_assign(pin_claim_add(to), &from->claims[i]);
}

struct claim *pin_claim_add(struct pin *p)
{
    uint32_t size = p->size_claims;
    struct claim *c;

    assert(p->n_claims < LIMIT_CLAIMS);
    if (p->n_claims == size) {
        p->size_claims = size == 0 ? 2 : size * 2;
        p->claims = mem_grow(p->claims, p->size_claims, sizeof *p->claims);
        memset(p->claims + size, 0,
               (p->size_claims - size) * sizeof *p->claims);
    }
    c = &p->claims[p->n_claims++];
    *c = (struct claim){.name = c->name, .meta = c->meta};
    buf_reset(&c->name);
    buf_reset(&c->meta);
    return c;
}

/* Place of the first copy whose node is not below that one. */
static uint32_t place_of(const struct pin *p, uint32_t node)
{
    return sorted_at(p->copies, p->n_copies, sizeof p->copies[0],
                     offsetof(struct copy, node), node);
}

struct copy *pin_copy(struct pin *p, uint32_t node)
{
    uint32_t at = place_of(p, node);

    if (at == p->n_copies || p->copies[at].node != node)
        return NULL;
    return &p->copies[at];
}

struct copy *pin_copy_add(struct pin *p, uint32_t node)
{
    uint32_t at = place_of(p, node);
    struct copy *c;

    assert(node != 0);
    assert(at == p->n_copies || p->copies[at].node != node);
    reserve_copies(p, p->n_copies + 1);
    c = &p->copies[at];
    memmove(c + 1, c, (p->n_copies - at) * sizeof *c);
    memset(c, 0, sizeof *c);
    c->node = node;
    p->n_copies++;
    return c;
}

void pin_copy_remove(struct pin *p, uint32_t node)
{
    struct copy *c = pin_copy(p, node);

    assert(c);
    p->n_copies--;
    memmove(c, c + 1,
            (size_t)(p->copies + p->n_copies - c) * sizeof *c);
}

enum pin_state pin_state_of(const struct pin *p)
{
    unsigned state = p->flags >> CLAIM_STATE_SHIFT & 3;

    assert(state <= PIN_FAILED);
    return (enum pin_state)state;
}

enum cid_form pin_form(const struct pin *p)
{
    unsigned form = p->flags >> CLAIM_FORM_SHIFT & 15;

    assert(form <= CID_FORM_B36);
    return (enum cid_form)form;
}

bool pin_everywhere(const struct pin *p)
{
    return p->rmax == -1;
}

uint32_t pin_paid_copies(const struct pin *p)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < p->n_copies; i++) {
        const struct copy *c = &p->copies[i];
        n += c->want != COPY_RELEASED && c->reason != REASON_REPAIR &&
             c->reason != REASON_DRAINED;
    }
    return n;
}

/* Steele, Lea, Flood 2014: one step of splitmix64 from the state. Pin ids
 * are counters, far below 2^62. */
uint64_t order_mix(uint64_t pin, enum copy_want want)
{
    uint64_t z = (pin << 2 | (uint64_t)want) + 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

bool node_takes(const struct node *n, uint32_t org)
{
    return !n->closed || n->org == org;
}

bool node_maintained(const struct node *n, uint64_t now_ms)
{
    return n->maintained_ms > now_ms;
}

const char *node_label(const struct node *n, const char *key)
{
    assert(n->n_labels <= LIMIT_LABELS);
    for (uint32_t i = 0; i < n->n_labels; i++)
        if (strcmp(n->labels[i].key, key) == 0)
            return n->labels[i].value;
    return NULL;
}

enum request_status request_status_of(uint32_t flags)
{
    unsigned state = flags >> CLAIM_STATE_SHIFT & 3;

    assert(state <= PIN_FAILED);
    return (flags & CLAIM_WAITING) != 0 ? REQUEST_QUEUED
                                        : (enum request_status)state;
}

const char *request_status_text(enum request_status s)
{
    static const char *const words[REQUEST_STATES] = {
        [REQUEST_QUEUED] = "queued", [REQUEST_PINNING] = "pinning",
        [REQUEST_PINNED] = "pinned", [REQUEST_FAILED] = "failed"};

    assert(s < REQUEST_STATES);
    return words[s];
}
