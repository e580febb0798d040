/* If a node went, or elastic pins had to: see step_without.h. */
#include "coordinator/core/step_without.h"

#include "coordinator/core/step_state.h"
#include "proto/claims.h"

#include <assert.h>
#include <string.h>

const char *step_fate_word(enum step_fate f)
{
    static const char *const words[STEP_FATES] = {
#define X(name, word, text) word,
        STEP_FATE_TABLE(X)
#undef X
    };

    assert(f < STEP_FATES);
    return words[f];
}

const char *step_fate_text(enum step_fate f)
{
    static const char *const texts[STEP_FATES] = {
#define X(name, word, text) text,
        STEP_FATE_TABLE(X)
#undef X
    };

    assert(f < STEP_FATES);
    return texts[f];
}

/* --- a node --------------------------------------------------------------- */

/* Copies of s->pin on other nodes, as they are; all: on such as are not up,
 * too. */
static uint32_t elsewhere(const struct step *s, uint32_t node, bool pinned,
                          bool all)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < s->pin.n_copies; i++) {
        const struct copy *c = &s->pin.copies[i];
        const struct node *row = step_node_row(s, c->node);

        n += c->node != node && c->want != COPY_RELEASED && row != NULL &&
             (all || (row->health == HEALTH_UP &&
                      row->admin != ADMIN_DRAINING)) &&
             (!pinned || c->state == COPY_PINNED);
    }
    return n;
}

static enum step_fate fate_of(const struct step *s, enum step_next next,
                              uint32_t node, bool removed, bool pinned)
{
    uint32_t minimum = (uint32_t)fsm_minimum(s->store, &s->pin);

    if (removed && pinned && elsewhere(s, node, true, true) == 0)
        return STEP_FATE_LOST;
    if (next == STEP_NEXT_PLACE)
        return STEP_FATE_MOVES;
    if (!removed && next == STEP_NEXT_TOO_FEW)
        return STEP_FATE_STAYS;
    if (elsewhere(s, node, false, false) >= minimum)
        return STEP_FATE_GOES;
    return removed ? STEP_FATE_SHORT : STEP_FATE_STAYS;
}

/* The node's row says already what it would. */
static void judge(struct step *s, const struct step_clock *c,
                  const struct copy *here, bool removed,
                  struct step_loss *out)
{
    const struct command_assign *x = &s->command.assign;
    struct step_decision d;

    step_decide(s, c, &d);
    *out = (struct step_loss){
        .pin = s->pin.id, .cid = s->pin.cid, .form = pin_form(&s->pin),
        .fate = fate_of(s, d.next, here->node, removed,
                        here->state == COPY_PINNED),
        .copies = 1, .bytes = here->size,
    };
    if (d.next != STEP_NEXT_PLACE)
        return;
    for (uint32_t i = 0; i < x->n_add && i < STEP_WITHOUT_NODES; i++)
        out->nodes[out->n_nodes++] = x->add[i].node;
}

bool step_without_next(struct step *s, const struct step_clock *c,
                       uint32_t node, enum node_admin admin,
                       struct step_without_at *at,
                       struct step_without_piece *out)
{
    struct store_order_row rows[STEP_WITHOUT_PIECE];
    uint32_t n;

    assert(admin == ADMIN_DRAINING || admin == ADMIN_REMOVED);
    out->n = 0;
    out->applied = store_applied(s->store);
    if (!step_node_row(s, node))
        return false;
    n = store_scan_node(s->store, node, at->idx, at->pin, STEP_WITHOUT_PIECE,
                        rows);
    (void)step_node_plan(s, c->now_ms); /* by the row as it is */
    for (uint32_t i = 0; i < n; i++) {
        const struct copy *here;

        *at = (struct step_without_at){rows[i].idx, rows[i].pin};
        if (!store_pin_get(s->store, rows[i].pin, &s->pin) ||
            (here = pin_copy(&s->pin, node)) == NULL ||
            here->want == COPY_RELEASED || s->pin.org == 0)
            continue;
        store_node_suppose(s->store, node, admin);
        judge(s, c, here, admin == ADMIN_REMOVED, &out->losses[out->n]);
        store_node_recall(s->store);
        out->behind[out->n++] = *at;
    }
    return n == STEP_WITHOUT_PIECE;
}

/* --- elastic pins --------------------------------------------------------- */

static bool describe(struct step *s, const struct fsm_first *v, uint32_t org,
                     struct step_loss *out)
{
    const struct pin *p = &s->pin;
    struct demand d;

    if (!store_pin_get(s->store, v->pin, &s->pin))
        return false;
    claims_demand(p, org, &d);
    *out = (struct step_loss){
        .pin = p->id, .cid = p->cid, .form = pin_form(p), .org = org,
        .fate = v->all ? STEP_FATE_EVICTED : STEP_FATE_REDUCED,
        .copies = d.paid,
    };
    if (!v->all)
        out->copies -= d.rmin > 0 && (uint32_t)d.rmin < d.paid
                           ? (uint32_t)d.rmin : d.paid;
    out->bytes = p->size * out->copies;
    return out->copies > 0;
}

uint32_t step_without_first(struct step *s, uint32_t org,
                            uint64_t lack[ORG_KINDS], uint32_t max,
                            struct step_loss *out)
{
    struct fsm_first first[FSM_FIRST_MAX];
    uint32_t found, n = 0;

    assert(max <= FSM_FIRST_MAX);
    found = fsm_first_to_go(s->store, org, lack, &s->pin, max, first);
    for (uint32_t i = 0; i < found; i++)
        n += describe(s, &first[i], org, &out[n]);
    return n;
}

void step_without_tag(const struct step *s, uint32_t org, const char *name,
                      struct tag *out)
{
    if (store_tag_get(s->store, org, span_text(name), out))
        return;
    *out = (struct tag){.org = org};
    for (int k = 0; k < ORG_KINDS; k++)
        out->limits[k] = (struct org_limit){ORG_NO_LIMIT, ORG_NO_LIMIT};
}
