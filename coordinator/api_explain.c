/* GET /api/v1/pins/{cid}/explain: why the copies of a pin are where they are,
 * what would be done next, and what each node is to the planner. The core
 * loop decides and copies its facts (core/step_explain.c); a thread of the
 * readers judges the nodes and writes the answer, since that may take long
 * with many nodes, and no loop waits for it.
 *
 * Any coordinator answers from its own state and what it heard itself. The
 * row may be of an entry that is committed in Raft and not in the database
 * yet; nothing of it can be lost.
 */
#include "coordinator/api.h"

#include "coordinator/api_explain.h"
#include "coordinator/api_object.h"
#include "coordinator/api_policy.h"
#include "coordinator/core/rules.h"
#include "proto/claims.h"
#include "proto/mem.h"
#include "proto/sorted.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of one coordinator at one time: each holds copies of all node rows. */
enum { EXPLAINS_MAX = 16, NAMES_SHOWN = 8 };

struct explain {
    struct api *api;
    const struct view *view;
    struct cid cid;
    enum cid_form form;
    bool found;
    struct step_explanation x;
    struct buf out, text;
    struct json_writer w;
};

static void explain_free(void *state)
{
    struct explain *e = state;

    e->api->explains--;
    step_explanation_free(&e->x);
    buf_free(&e->out);
    buf_free(&e->text);
    free(e);
}

/* x.rows' index of a node; n_nodes: it was removed. */
static uint32_t find(const struct step_explanation *x, uint32_t node)
{
    uint32_t at = sorted_at(x->rows, x->n_nodes, sizeof x->rows[0],
                            offsetof(struct node, id), node);

    return at < x->n_nodes && x->rows[at].id == node ? at : x->n_nodes;
}

static const char *name_of(const struct step_explanation *x, uint32_t node)
{
    uint32_t at = find(x, node);

    return at < x->n_nodes ? x->rows[at].name : "";
}

/* --- pin ---------------------------------------------------------------- */

static const char *pin_state(const struct pin *p)
{
    if (p->org == 0)
        return "releasing";
    switch (pin_state_of(p)) {
    case PIN_PENDING:
        return "pending";
    case PIN_PINNED:
        return "pinned";
    case PIN_FAILED:
        return "failed";
    }
    return "?";
}

static void count(const struct pin *p, uint32_t *wanted, uint32_t *pinned)
{
    *wanted = *pinned = 0;
    for (uint32_t i = 0; i < p->n_copies; i++) {
        if (p->copies[i].want == COPY_RELEASED)
            continue;
        ++*wanted;
        *pinned += p->copies[i].state == COPY_PINNED;
    }
}

static const char *pin_todo(const struct pin *p, uint32_t wanted)
{
    switch (p->todo) {
    case TODO_SETTLED:
        return "settled";
    case TODO_RELEASING:
        return "releasing";
    case TODO_NO_COPY:
        return "no_copy";
    case TODO_BELOW_MIN:
        return "below_minimum";
    case TODO_BELOW_MAX:
        break;
    }
    return p->rmax > 0 && wanted > (uint32_t)p->rmax ? "surplus"
                                                     : "below_maximum";
}

static bool any_closed(const struct step_explanation *x)
{
    for (uint32_t i = 0; i < x->n_nodes; i++)
        if (x->rows[i].closed)
            return true;
    return false;
}

static void write_replication(struct explain *e)
{
    const struct pin *p = &e->x.pin;
    struct json_writer *w = &e->w;

    json_key(w, "replication");
    json_object(w);
    json_kv_i64(w, "min", p->rmin);
    json_kv_i64(w, "max", p->rmax);
    json_kv_i64(w, "binding_min", e->x.minimum);
    json_kv_u64(w, "joined_nodes", e->x.joined);
    buf_reset(&e->text);
    if (p->org == 0)
        buf_text(&e->text, "no claim is left");
    else if (pin_everywhere(p))
        buf_text(&e->text, "on every node that can take it; at least one");
    else if (e->x.minimum < p->rmin)
        buf_printf(&e->text, "the default minimum, while only %u nodes%s "
                   "have joined", e->x.joined,
                   any_closed(&e->x) ? " that its organisation may use" : "");
    json_kv_text(w, "text", buf_cstr(&e->text));
    json_object_end(w);
}

/* What one organisation asks for, and what of it is there or planned. */
static void write_policy(struct explain *e, uint32_t org,
                         const struct node *const *all,
                         const struct node *const *copies, uint32_t n)
{
    struct json_writer *w = &e->w;
    struct rules_demand d = {.org = org, .bound = true};
    const struct org *o = view_org(e->view, org);
    struct rules_cover c;
    char missing[192];

    if (!claims_policy(&e->x.pin, org, &d.policy))
        return;
    rules_cover(&d, copies, n, &c);
    rules_missing(&d, &c, o != NULL ? o->name : "", all, e->x.n_nodes,
                  missing, sizeof missing);
    json_object(w);
    json_kv_u64(w, "org", org);
    api_policy_members(w, &d.policy);
    json_kv_u64(w, "copies", c.copies);
    json_kv_bool(w, "degraded", d.policy.soft &&
                                    c.domains < d.policy.min_domains);
    json_kv_text(w, "missing", missing);
    json_object_end(w);
}

/* By organisations; without a policy there is no list. */
static void write_policies(struct explain *e)
{
    const struct step_explanation *x = &e->x;
    uint32_t orgs[LIMIT_ORGS], n_orgs = claims_orgs(&x->pin, orgs), n = 0;
    const struct node **all = mem_array((size_t)x->n_nodes + 1, sizeof *all);
    const struct node **copies = mem_array((size_t)x->n_nodes + 1,
                                           sizeof *copies);

    for (uint32_t i = 0; i < x->n_nodes; i++)
        all[i] = &x->rows[i];
    for (uint32_t i = 0; i < x->pin.n_copies; i++) {
        uint32_t at = find(x, x->pin.copies[i].node);

        if (at < x->n_nodes && x->pin.copies[i].want != COPY_RELEASED)
            copies[n++] = all[at];
    }
    json_key(&e->w, "policies");
    json_array(&e->w);
    for (uint32_t k = 0; k < n_orgs; k++)
        write_policy(e, orgs[k], all, copies, n);
    json_array_end(&e->w);
    free(all);
    free(copies);
}

static void write_counts(struct explain *e, uint32_t wanted, uint32_t pinned)
{
    const struct step_tally *t = &e->x.count;
    struct json_writer *w = &e->w;

    json_key(w, "count");
    json_object(w);
    json_kv_u64(w, "wanted", wanted);
    json_kv_u64(w, "pinned", pinned);
    json_kv_u64(w, "healthy", t->healthy);
    json_kv_u64(w, "pending", t->pending);
    json_kv_u64(w, "failing", t->failing);
    json_kv_u64(w, "leaving", t->leaving);
    json_kv_u64(w, "down", t->down);
    json_kv_u64(w, "out", t->out);
    json_object_end(w);
}

static void write_pin(struct explain *e)
{
    const struct pin *p = &e->x.pin;
    struct json_writer *w = &e->w;
    char cid[LIMIT_CID_TEXT];
    uint32_t wanted, pinned;

    count(p, &wanted, &pinned);
    cid_print(&e->cid, e->form, cid);
    json_key(w, "pin");
    json_object(w);
    json_kv_text(w, "cid", cid);
    json_kv_u64(w, "id", p->id);
    json_key(w, "name");
    json_textn(w, span_buf(&p->name));
    json_kv_text(w, "mode",
                 (p->flags & CLAIM_DIRECT) != 0 ? "direct" : "recursive");
    json_kv_u64(w, "size", e->x.size);
    json_kv_bool(w, "size_known", (p->flags & PIN_MEASURED) != 0);
    api_kv_time(w, "created", p->created_ms);
    if (p->expires_ms != 0)
        api_kv_time(w, "expires", p->expires_ms);
    json_kv_text(w, "state", pin_state(p));
    json_kv_text(w, "todo", pin_todo(p, wanted));
    json_kv_text(w, "priority", claim_priority_text(p->flags));
    write_replication(e);
    if (claims_bound(p))
        write_policies(e);
    write_counts(e, wanted, pinned);
    json_object_end(w);
}

/* --- copies ------------------------------------------------------------- */

static const char *want_word(enum copy_want want)
{
    switch (want) {
    case COPY_RELEASED:
        return "released";
    case COPY_RECURSIVE:
        return "recursive";
    case COPY_DIRECT:
        return "direct";
    }
    return "?";
}

static const char *state_word(enum copy_state state)
{
    switch (state) {
    case COPY_QUEUED:
        return "queued";
    case COPY_PINNED:
        return "pinned";
    case COPY_FAILED:
        return "failed";
    case COPY_LOST:
        return "lost";
    }
    return "?";
}

static const struct fail *fail_of(const struct step_explanation *x,
                                  uint32_t node)
{
    for (uint32_t i = 0; i < x->n_fails; i++)
        if (x->fails[i].node == node)
            return &x->fails[i];
    return NULL;
}

static void write_copy(struct explain *e, const struct copy *c)
{
    const struct step_explanation *x = &e->x;
    struct json_writer *w = &e->w;
    uint32_t at = find(x, c->node);
    enum node_word word = at < x->n_nodes ? x->words[at] : NODE_REMOVED;
    const struct fail *f = fail_of(x, c->node);

    json_object(w);
    json_kv_text(w, "node", name_of(x, c->node));
    json_kv_u64(w, "id", c->node);
    json_kv_text(w, "want", want_word(c->want));
    json_kv_text(w, "state", state_word(c->state));
    json_kv_text(w, "reason", copy_reason_word(c->reason));
    json_kv_text(w, "text", copy_reason_text(c->reason));
    api_kv_time(w, "since", (uint64_t)c->since * 1000);
    json_kv_u64(w, "size", c->size);
    json_kv_u64(w, "failures", c->failures);
    if (f != NULL) {
        json_kv_text(w, "last_error", f->text);
        api_kv_time(w, "last_error_at", f->at_ms);
        json_kv_u64(w, "attempts", f->attempts);
    }
    json_kv_text(w, "node_state", node_word_text(word));
    json_object_end(w);
}

static void write_copies(struct explain *e)
{
    json_key(&e->w, "copies");
    json_array(&e->w);
    for (uint32_t i = 0; i < e->x.pin.n_copies; i++)
        write_copy(e, &e->x.pin.copies[i]);
    json_array_end(&e->w);
}

/* --- next --------------------------------------------------------------- */

static const char *plural(uint32_t n, const char *many, const char *one)
{
    return n == 1 ? one : many;
}

#define COPIES(n) n, plural(n, "copies", "copy")

static void add_chosen(struct explain *e, const char *between)
{
    const struct step_explanation *x = &e->x;

    buf_printf(&e->text, " (%s) %s ", copy_reason_text(x->reason), between);
    for (uint32_t i = 0; i < x->n_chosen && i < NAMES_SHOWN; i++)
        buf_printf(&e->text, "%s%s", i > 0 ? ", " : "",
                   name_of(x, x->chosen[i].node));
    if (x->n_chosen > NAMES_SHOWN)
        buf_printf(&e->text, " and %u more", x->n_chosen - NAMES_SHOWN);
}

static void text_of_action(struct explain *e)
{
    const struct step_explanation *x = &e->x;
    struct buf *b = &e->text;

    if (x->next == STEP_NEXT_PLACE) {
        buf_printf(b, "place %u %s", COPIES(x->n_chosen));
        add_chosen(e, "on");
    } else if (x->next == STEP_NEXT_LET_GO) {
        buf_printf(b, "release %u %s%s", COPIES(x->n_chosen),
                   x->reason == REASON_OVER_QUOTA ? "" : " that hold nothing");
        add_chosen(e, "on");
    } else {
        buf_text(b, "release 1 copy");
        add_chosen(e, "on");
        buf_text(b, " after asking the other holders");
    }
}

static void next_text(struct explain *e)
{
    const struct step_explanation *x = &e->x;
    const struct step_tally *t = &x->count;
    struct buf *b = &e->text;

    switch (x->next) {
    case STEP_NEXT_PLACE:
    case STEP_NEXT_LET_GO:
    case STEP_NEXT_RELEASE:
        text_of_action(e);
        break;
    case STEP_NEXT_GONE:
        buf_printf(b, "no claim is left: %u %s to be unpinned",
                   COPIES(x->pin.n_copies));
        break;
    case STEP_NEXT_NO_NODE:
        buf_printf(b, "wait: %u more %s wanted, and no node can take one",
                   x->want, plural(x->want, "copies are", "copy is"));
        break;
    case STEP_NEXT_UNPAID:
        buf_text(b, "wait: more copies are wanted, and its organisation may "
                    "not store them (see its quota)");
        break;
    case STEP_NEXT_AGENTS:
        buf_printf(b, "wait: %u %s ordered and not pinned yet", t->pending,
                   plural(t->pending, "copies are", "copy is"));
        break;
    case STEP_NEXT_RETRY:
        buf_printf(b, "wait: %u %s failing and no other node takes one; "
                   "their agents go on trying", t->failing,
                   plural(t->failing, "copies keep", "copy keeps"));
        break;
    case STEP_NEXT_RETURN:
        buf_printf(b, "wait: %u %s on nodes that are down; made elsewhere %s",
                   t->down + t->away,
                   plural(t->down + t->away, "copies are", "copy is"),
                   t->away > 0 ? "when the pause of repair is over"
                               : "when these are out");
        break;
    case STEP_NEXT_OTHERS:
        buf_text(b, "wait: copies that are too many or leave a drained node "
                 "go when enough others are pinned on nodes that are heard");
        break;
    case STEP_NEXT_TOO_FEW:
        buf_text(b, "wait: a copy should go, but too few others are pinned "
                 "on nodes that are heard");
        break;
    case STEP_NEXT_UNHEARD:
        buf_text(b, "wait: copies should leave nodes that were not heard "
                 "lately");
        break;
    case STEP_NEXT_CANDIDATE:
        buf_text(b, "wait: an elastic pin that is not worth its bytes now "
                    "(see its score)");
        break;
    case STEP_NEXT_NOTHING:
    case STEP_NEXTS:
        buf_text(b, "nothing: it is as it should be");
        break;
    }
    if (x->under_way)
        buf_text(b, " (under way)");
}

static void write_next(struct explain *e)
{
    const struct step_explanation *x = &e->x;
    struct json_writer *w = &e->w;

    buf_reset(&e->text);
    next_text(e);
    json_key(w, "next");
    json_object(w);
    json_kv_text(w, "action", step_next_word(x->next));
    json_kv_text(w, "text", buf_cstr(&e->text));
    json_kv_bool(w, "under_way", x->under_way);
    json_kv_bool(w, "sampled", step_explain_samples(x));
    if (x->n_chosen > 0)
        json_kv_text(w, "reason", copy_reason_word(x->reason));
    json_key(w, "nodes");
    json_array(w);
    for (uint32_t i = 0; i < x->n_chosen; i++)
        json_text(w, name_of(x, x->chosen[i].node));
    json_array_end(w);
    json_object_end(w);
}

/* --- the call ----------------------------------------------------------- */

static void write_coordinator(struct explain *e, const struct view *v)
{
    struct json_writer *w = &e->w;

    json_key(w, "coordinator");
    json_object(w);
    json_kv_text(w, "name", v->self.name);
    json_kv_u64(w, "raft_id", v->raft_id);
    json_kv_bool(w, "leader", e->x.leading);
    json_kv_u64(w, "applied", e->x.applied);
    json_object_end(w);
}

/* Reader thread. */
static void write_answer(struct api_call *c, struct store_reader *r)
{
    struct explain *e = c->state;

    (void)r;
    e->view = c->view;
    json_init(&e->w, &e->out);
    json_object(&e->w);
    write_coordinator(e, c->view);
    write_pin(e);
    write_next(e);
    write_copies(e);
    api_explain_decisions(&e->w, c->view, e->x.decisions,
                          e->x.n_decisions);
    api_explain_quotas(&e->w, c->view, &e->x.slack);
    api_explain_nodes(&e->w, c->view, &e->x);
    json_object_end(&e->w);
    buf_byte(&e->out, '\n');
}

static void send_answer(struct api_call *c, enum err error)
{
    struct explain *e = c->state;

    c->index = e->x.applied;
    if (error != ERR_OK)
        api_fail(c, error, NULL);
    else
        api_json(c, 200, &e->out);
}

static void on_looked(struct api_call *c)
{
    const struct explain *e = c->state;

    if (!e->found)
        api_error(c, 404, API_NOT_PINNED);
    else
        api_read(c, write_answer, send_answer);
}

/* Core loop. */
static void look(struct api_call *c)
{
    struct explain *e = c->state;
    struct step_clock clock;

    c->api->fill_clock(c->api->clock_arg, &clock);
    e->found = step_explain(c->api->step, &e->cid, &clock, &e->x);
}

void api_explain(struct api_call *c, const struct http_head *h)
{
    struct explain *e;
    enum cid_form form;
    struct cid cid;

    (void)h;
    if (!api_cid_arg(c, &cid, &form))
        return;
    if (c->api->explains == EXPLAINS_MAX) {
        api_fail(c, ERR_BUSY, "too many pins are being explained");
        return;
    }
    e = mem_alloc(sizeof *e);
    c->api->explains++;
    e->api = c->api;
    e->cid = cid;
    e->form = form;
    step_explanation_init(&e->x);
    c->state = e;
    c->state_free = explain_free;
    api_look(c, look, on_looked);
}
