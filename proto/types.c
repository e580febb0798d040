/* Texts of the stored enums, and the memory of a pin: its copies stay sorted
 * by node, so that equal states are equal bytes. What the states mean is
 * decided in coordinator/core.
 */
#include "proto/types.h"
#include "proto/mem.h"

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
    pin_init(p);
}

void pin_reset(struct pin *p)
{
    struct buf name = p->name, meta = p->meta;
    struct copy *copies = p->copies;
    uint32_t size_copies = p->size_copies;

    pin_init(p);
    p->name = name;
    p->meta = meta;
    buf_reset(&p->name);
    buf_reset(&p->meta);
    p->copies = copies;
    p->size_copies = size_copies;
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

void pin_assign(struct pin *to, const struct pin *from)
{
    struct buf name = to->name, meta = to->meta;
    struct copy *copies;
    uint32_t size_copies;

    assert(to != from);
    reserve_copies(to, from->n_copies);
    copies = to->copies;
    size_copies = to->size_copies;
    *to = *from;
    to->name = name;
    to->meta = meta;
    buf_reset(&to->name);
    buf_reset(&to->meta);
    buf_add(&to->name, from->name.p, from->name.n);
    buf_add(&to->meta, from->meta.p, from->meta.n);
    to->copies = copies;
    to->size_copies = size_copies;
    if (from->n_copies > 0)
        memcpy(copies, from->copies, from->n_copies * sizeof *copies);
}

/* Place of the first copy whose node is not below that one. */
static uint32_t place_of(const struct pin *p, uint32_t node)
{
    uint32_t low = 0, high = p->n_copies;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (p->copies[middle].node < node)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
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

void pin_charge(const struct pin *p, uint64_t out[ORG_KINDS])
{
    uint64_t copies = p->rmax > 0 ? (uint64_t)p->rmax : 0;

    memset(out, 0, ORG_KINDS * sizeof *out);
    if (p->org == 0)
        return;
    out[ORG_PINS] = 1;
    if ((p->flags & PIN_OVER_QUOTA) != 0)
        return;
    for (uint32_t i = 0; pin_everywhere(p) && i < p->n_copies; i++) {
        const struct copy *c = &p->copies[i];
        copies += c->want != COPY_RELEASED && c->reason != REASON_REPAIR &&
                  c->reason != REASON_DRAINED;
    }
    out[ORG_LOGICAL] = p->size;
    out[ORG_PHYSICAL] = p->size * copies; /* below 2^48 * 2^10 */
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

const char *node_label(const struct node *n, const char *key)
{
    assert(n->n_labels <= LIMIT_LABELS);
    for (uint32_t i = 0; i < n->n_labels; i++)
        if (strcmp(n->labels[i].key, key) == 0)
            return n->labels[i].value;
    return NULL;
}
