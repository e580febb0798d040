/* GET /api/v1/plan: what the control loop is about to do and what waits for
 * what (core/step_plan.c), the first pins by name and all that were looked at
 * in groups. The core loop looks for SLICE_NS at a time, and this loop collects
 * in between, so that neither is held up. A request ends after PIECES_MAX
 * pieces; another one goes on at its cursor, or behind what was listed. What
 * was decided last is told beside it.
 *
 * Any coordinator answers from its own facts, as with explain; the leader
 * alone acts, and alone knows pauses, moves and what is under way.
 */
#include "coordinator/api.h"

#include "coordinator/api_explain.h"
#include "coordinator/core/step_plan.h"
#include "proto/mem.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PLANS_MAX = 2,        /* under way */
    SLICE_NS = 2000000, SLICE_PIECES = 4,
    PIECES_MAX = 2500,    /* 40,000 pins */
    LIST_DEFAULT = 100, LIST_MAX = 1000,
    DECIDED_DEFAULT = 20, /* copies */
    CURSOR = 96
};

/* What is shown as an action: step's word, or why a wait lasts. */
enum { PAUSED = STEP_NEXTS, QUARANTINED, ACTIONS };
enum { REASONS = REASON_LAST + 1 };

struct group {
    uint64_t pins, copies, bytes, under_way;
};

struct plan {
    struct task task;
    struct api_call *call;
    struct api *api;
    struct step_plan_at at, behind_list;
    uint32_t limit, listed, pieces;
    uint64_t looked;
    bool end, list_full, paused;
    uint32_t n;
    struct step_plan_piece slice[SLICE_PIECES];
    struct group groups[ACTIONS][REASONS];
    uint32_t decided, n_decided; /* asked for, and found */
    struct store_decision *decisions;
    struct buf pins, out;
    struct json_writer w; /* of pins */
};

static void plan_free(void *state)
{
    struct plan *p = state;

    p->api->plans--;
    free(p->decisions);
    buf_free(&p->pins);
    buf_free(&p->out);
    free(p);
}

/* --- words --------------------------------------------------------------- */

static const char *const texts[ACTIONS] = {
    [STEP_NEXT_PLACE] = "get copies",
    [STEP_NEXT_NO_NODE] = "want copies, and no node can take one",
    [STEP_NEXT_UNPAID] = "want copies that their organisation may not store",
    [STEP_NEXT_AGENTS] = "copies are ordered, and the agents are at it",
    [STEP_NEXT_RETRY] = "copies keep failing, and no other node takes one",
    [STEP_NEXT_RETURN] = "copies are on nodes that may come back",
    [STEP_NEXT_LET_GO] = "lose copies that hold nothing",
    [STEP_NEXT_RELEASE] = "lose a copy once the others are confirmed",
    [STEP_NEXT_OTHERS] = "lose copies once enough others are pinned",
    [STEP_NEXT_TOO_FEW] = "should lose copies, and have too few others",
    [STEP_NEXT_UNHEARD] = "should lose copies on nodes that are not heard",
    [PAUSED] = "copies are on lost nodes, and repair is paused",
    [QUARANTINED] = "want copies that only nodes in quarantine could take",
};

static int action_of(const struct step_intent *i)
{
    switch (i->cause) {
    case STEP_CAUSE_PAUSE:
        return PAUSED;
    case STEP_CAUSE_QUARANTINE:
        return QUARANTINED;
    case STEP_CAUSE_NONE:
        break;
    }
    return (int)i->next;
}

static const char *word_of(int action)
{
    return action == PAUSED        ? "wait_pause"
           : action == QUARANTINED ? "wait_quarantine"
                                   : step_next_word((enum step_next)action);
}

/* --- the cursor ---------------------------------------------------------- */

static void print_cursor(const struct step_plan_at *at, char out[CURSOR])
{
    snprintf(out, CURSOR, "%" PRIu32 ".%" PRIu32 ".%" PRIu64 ".%" PRIu64,
             at->source, at->node, at->idx, at->pin);
}

static bool read_cursor(const char *text, struct step_plan_at *at)
{
    char again[CURSOR];

    if (sscanf(text, "%" SCNu32 ".%" SCNu32 ".%" SCNu64 ".%" SCNu64,
               &at->source, &at->node, &at->idx, &at->pin) != 4)
        return false;
    print_cursor(at, again);
    /* SQLite's integers are signed. */
    return strcmp(again, text) == 0 && at->source < STEP_PLAN_END &&
           at->idx <= INT64_MAX && at->pin <= INT64_MAX;
}

/* --- core loop ----------------------------------------------------------- */

static void slice_back(struct task *t);

static void slice_run(struct task *t)
{
    struct plan *p = (struct plan *)t;
    struct step *s = p->api->step;
    uint64_t begin = uv_hrtime();
    struct step_clock clock;

    p->api->fill_clock(p->api->clock_arg, &clock);
    p->n = 0;
    do {
        p->end = !step_plan_next(s, &clock, &p->at, &p->slice[p->n++]);
        p->pieces++;
    } while (!p->end && p->pieces < PIECES_MAX && p->n < SLICE_PIECES &&
             uv_hrtime() - begin < SLICE_NS);
    if (p->end || p->pieces >= PIECES_MAX)
        p->n_decided = step_plan_decided(s, p->decided, p->decisions);
    p->paused = step_pause(s)->paused;
    p->task.run = slice_back;
    mailbox_post(p->api->back, &p->task);
}

/* --- http loop ----------------------------------------------------------- */

static void next_slice(struct plan *p)
{
    p->task.run = slice_run;
    p->api->under_way++;
    api_hold(p->call);
    mailbox_post(p->api->core, &p->task);
}

static void count(struct plan *p, const struct step_intent *i)
{
    int reason = (int)i->reason < REASONS ? (int)i->reason : REASON_NONE;
    struct group *g = &p->groups[action_of(i)][reason];

    g->pins++;
    g->copies += i->copies;
    g->bytes += i->copies * i->size;
    g->under_way += i->under_way;
}

static void list(struct plan *p, const struct step_intent *i)
{
    char cid[LIMIT_CID_TEXT];
    struct json_writer *w = &p->w;

    cid_print(&i->cid, i->form, cid);
    json_object(w);
    json_kv_text(w, "cid", cid);
    json_kv_u64(w, "id", i->pin);
    json_kv_text(w, "action", word_of(action_of(i)));
    json_kv_text(w, "reason", copy_reason_word(i->reason));
    json_kv_u64(w, "copies", i->copies);
    json_kv_u64(w, "size", i->size);
    json_kv_bool(w, "under_way", i->under_way);
    json_key(w, "nodes");
    json_array(w);
    for (uint32_t k = 0; k < i->n_nodes; k++) {
        const struct view_node *n = view_node(p->call->view, i->nodes[k]);

        json_text(w, n == NULL ? "" : n->row.name);
    }
    json_array_end(w);
    json_object_end(w);
}

static void collect_one(struct plan *p, const struct step_intent *i)
{
    count(p, i);
    if (p->listed == p->limit) {
        p->list_full = p->limit > 0;
        return;
    }
    p->behind_list = i->behind;
    p->listed++;
    list(p, i);
}

static void collect(struct plan *p)
{
    for (uint32_t k = 0; k < p->n; k++) {
        p->looked += p->slice[k].looked;
        for (uint32_t i = 0; i < p->slice[k].n; i++)
            collect_one(p, &p->slice[k].intents[i]);
    }
}

static void write_groups(struct plan *p, struct json_writer *w)
{
    json_key(w, "groups");
    json_array(w);
    for (int a = 0; a < ACTIONS; a++)
        for (int r = 0; r < REASONS; r++) {
            const struct group *g = &p->groups[a][r];

            if (g->pins == 0)
                continue;
            json_object(w);
            json_kv_text(w, "action", word_of(a));
            json_kv_text(w, "reason", copy_reason_word((unsigned)r));
            json_kv_text(w, "text", texts[a] == NULL ? "" : texts[a]);
            json_kv_u64(w, "pins", g->pins);
            json_kv_u64(w, "copies", g->copies);
            json_kv_u64(w, "bytes", g->bytes);
            json_kv_u64(w, "under_way", g->under_way);
            json_object_end(w);
        }
    json_array_end(w);
}

static void write_next(const struct plan *p, struct json_writer *w)
{
    char cursor[CURSOR];

    json_key(w, "next");
    if (p->end && !p->list_full) {
        json_null(w);
        return;
    }
    print_cursor(p->list_full ? &p->behind_list : &p->at, cursor);
    json_text(w, cursor);
}

static void write_collect(const struct view *v, struct json_writer *w)
{
    const struct view_node *n =
        v->collect.node != 0 ? view_node(v, v->collect.node) : NULL;

    json_key(w, "gc");
    json_object(w);
    json_key(w, "node");
    if (n != NULL)
        json_text(w, n->row.name);
    else
        json_null(w);
    json_kv_u64(w, "due", v->collect.due);
    json_kv_u64(w, "busy", v->collect.busy);
    json_object_end(w);
}

static void send_answer(struct plan *p)
{
    const struct step_plan_piece *last = &p->slice[p->n - 1];
    const struct view *v = p->call->view;
    struct json_writer w;

    json_array_end(&p->w);
    json_init(&w, &p->out);
    json_object(&w);
    json_key(&w, "coordinator");
    json_object(&w);
    json_kv_text(&w, "name", v->self.name);
    json_kv_u64(&w, "raft_id", v->raft_id);
    json_kv_bool(&w, "leader", last->leading);
    json_kv_u64(&w, "applied", last->applied);
    json_object_end(&w);
    json_kv_bool(&w, "repair_paused", p->paused);
    json_kv_u64(&w, "rebalance_left_bytes", v->balance.left_bytes);
    write_collect(v, &w);
    json_kv_u64(&w, "looked_at", p->looked);
    json_kv_bool(&w, "complete", p->end);
    write_groups(p, &w);
    json_key(&w, "pins");
    json_raw(&w, span_buf(&p->pins));
    write_next(p, &w);
    api_explain_decisions(&w, v, p->decisions, p->n_decided);
    json_object_end(&w);
    buf_byte(&p->out, '\n');
    p->call->index = last->applied;
    api_json(p->call, 200, &p->out);
}

static void slice_back(struct task *t)
{
    struct plan *p = (struct plan *)t;
    struct api_call *c = p->call;

    c->api->under_way--;
    collect(p);
    if (api_request(c) == NULL) {
        /* nobody listens */
    } else if (p->end || p->pieces >= PIECES_MAX) {
        send_answer(p);
    } else {
        next_slice(p);
    }
    api_drop(c);
}

static bool limit_of(struct api_call *c, const char *name, uint32_t fallback,
                     uint32_t *limit)
{
    const char *text = api_param(c, name);
    struct json_value v = {JSON_NUMBER, text, text == NULL ? 0 : strlen(text)};
    uint64_t n = fallback;

    if (text != NULL && (!json_as_u64(&v, &n) || n > LIST_MAX)) {
        api_error(c, 400, "%s: '%.64s' is no number from 0 to %d", name,
                  text, (int)LIST_MAX);
        return false;
    }
    *limit = (uint32_t)n;
    return true;
}

void api_plan(struct api_call *c, const struct http_head *h)
{
    const char *cursor = api_param(c, "cursor");
    struct step_plan_at at = {0, 0, 0, 0};
    struct plan *p;
    uint32_t limit, decided;

    (void)h;
    if (!limit_of(c, "limit", LIST_DEFAULT, &limit) ||
        !limit_of(c, "decided", DECIDED_DEFAULT, &decided))
        return;
    if (cursor != NULL && !read_cursor(cursor, &at)) {
        api_error(c, 400, "cursor: '%.96s' is none", cursor);
        return;
    }
    if (c->api->plans == PLANS_MAX) {
        api_fail(c, ERR_BUSY, "too many plans are being made");
        return;
    }
    c->api->plans++;
    p = mem_alloc(sizeof *p);
    p->call = c;
    p->api = c->api;
    p->at = at;
    p->limit = limit;
    p->decided = decided;
    p->decisions = mem_array((size_t)decided + 1, sizeof *p->decisions);
    c->state = p;
    c->state_free = plan_free;
    json_init(&p->w, &p->pins);
    json_array(&p->w);
    http_no_timeout(api_request(c));
    next_slice(p);
}
