/* GET /api/v1/nodes/{node}/drain and /api/v1/nodes/{node}/remove: what that
 * would do to the pins of a node, without doing it; the first by name, and all
 * that were looked at in groups. As with a plan the core loop looks for
 * SLICE_NS at a time. Other methods than those of the changes themselves: a
 * coordinator that does not know them refuses, and changes nothing.
 *
 * Any coordinator answers, by its own facts.
 */
#include "coordinator/api_would.h"

#include "proto/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    WALKS_MAX = 2,        /* under way */
    SLICE_NS = 2000000, SLICE_PIECES = 4,
    PIECES_MAX = 2500,    /* 40,000 pins */
    LIST_DEFAULT = 100, LIST_MAX = 1000,
    CURSOR = 48
};

struct walk {
    struct task task;
    struct api_call *call;
    struct api *api;
    uint32_t node;
    enum node_admin admin;
    struct step_without_at at, behind_list;
    uint64_t looked;
    uint32_t pieces, n;
    bool end, list_full;
    struct step_without_piece slice[SLICE_PIECES];
    struct api_would would;
};

static void walk_free(void *state)
{
    struct walk *k = state;

    k->api->walks--;
    api_would_free(&k->would);
    free(k);
}

/* --- the cursor ----------------------------------------------------------- */

static void print_cursor(const struct step_without_at *at, char out[CURSOR])
{
    snprintf(out, CURSOR, "%" PRIu64 ".%" PRIu64, at->idx, at->pin);
}

static bool read_cursor(const char *text, struct step_without_at *at)
{
    char again[CURSOR];

    if (sscanf(text, "%" SCNu64 ".%" SCNu64, &at->idx, &at->pin) != 2)
        return false;
    print_cursor(at, again);
    /* SQLite's integers are signed. */
    return strcmp(again, text) == 0 && at->idx <= INT64_MAX &&
           at->pin <= INT64_MAX;
}

/* --- core loop ------------------------------------------------------------ */

static void slice_back(struct task *t);

static void slice_run(struct task *t)
{
    struct walk *k = (struct walk *)t;
    uint64_t begin = uv_hrtime();
    struct step_clock clock;

    k->api->fill_clock(k->api->clock_arg, &clock);
    k->n = 0;
    do {
        k->end = !step_without_next(k->api->step, &clock, k->node, k->admin,
                                    &k->at, &k->slice[k->n++]);
        k->pieces++;
    } while (!k->end && k->pieces < PIECES_MAX && k->n < SLICE_PIECES &&
             uv_hrtime() - begin < SLICE_NS);
    k->task.run = slice_back;
    mailbox_post(k->api->back, &k->task);
}

/* --- http loop ------------------------------------------------------------ */

static void next_slice(struct walk *k)
{
    k->task.run = slice_run;
    k->api->under_way++;
    api_hold(k->call);
    mailbox_post(k->api->core, &k->task);
}

static void collect(struct walk *k)
{
    for (uint32_t i = 0; i < k->n; i++) {
        const struct step_without_piece *p = &k->slice[i];

        k->looked += p->n;
        for (uint32_t m = 0; m < p->n; m++)
            if (api_would_add(&k->would, &p->losses[m]))
                k->behind_list = p->behind[m];
            else
                k->list_full = k->would.limit > 0;
    }
}

/* What the other nodes that take copies may still be given. */
static uint64_t free_bytes(const struct walk *k)
{
    const struct view *v = k->call->view;
    uint64_t sum = 0;

    for (uint32_t i = 0; i < v->n_nodes; i++) {
        const struct node *n = &v->nodes[i].row;

        if (n->id != k->node && n->bytes < n->capacity &&
            fsm_node_admissible(n, 0) &&
            n->capacity - n->bytes <= UINT64_MAX - sum)
            sum += n->capacity - n->bytes;
    }
    return sum;
}

static void write_next(const struct walk *k, struct json_writer *w)
{
    char cursor[CURSOR];

    json_key(w, "next");
    if (k->end && !k->list_full) {
        json_null(w);
        return;
    }
    print_cursor(k->list_full ? &k->behind_list : &k->at, cursor);
    json_text(w, cursor);
}

static void send_answer(struct walk *k)
{
    const struct view_node *n = view_node(k->call->view, k->node);
    struct buf out = BUF_INIT;
    struct json_writer w;

    json_init(&w, &out);
    json_object(&w);
    json_kv_u64(&w, "id", k->node);
    json_kv_text(&w, "name", n->row.name);
    json_kv_text(&w, "peer", n->peer_text);
    json_kv_bool(&w, "dry_run", true);
    json_kv_u64(&w, "copies", n->row.copies);
    json_kv_u64(&w, "free_bytes_elsewhere", free_bytes(k));
    api_would_begin(&k->would, &w);
    json_kv_u64(&w, "looked_at", k->looked);
    json_kv_bool(&w, "complete", k->end);
    write_next(k, &w);
    json_object_end(&w);
    json_object_end(&w);
    buf_byte(&out, '\n');
    k->call->index = k->slice[k->n - 1].applied;
    api_json(k->call, 200, &out);
    buf_free(&out);
}

static void slice_back(struct task *t)
{
    struct walk *k = (struct walk *)t;
    struct api_call *c = k->call;

    c->api->under_way--;
    collect(k);
    if (api_request(c) == NULL) {
        /* nobody listens */
    } else if (k->end || k->pieces >= PIECES_MAX) {
        send_answer(k);
    } else {
        next_slice(k);
    }
    api_drop(c);
}

static bool limit_of(struct api_call *c, uint32_t *limit)
{
    const char *text = api_param(c, "limit");
    struct json_value v = {JSON_NUMBER, text, text == NULL ? 0 : strlen(text)};
    uint64_t n = LIST_DEFAULT;

    if (text != NULL && (!json_as_u64(&v, &n) || n > LIST_MAX)) {
        api_error(c, 400, "limit: '%.64s' is no number from 0 to %d", text,
                  (int)LIST_MAX);
        return false;
    }
    *limit = (uint32_t)n;
    return true;
}

static void begin(struct api_call *c, enum node_admin admin)
{
    const struct view_node *n = api_node_arg(c);
    const char *cursor = api_param(c, "cursor");
    struct step_without_at at = {0, 0};
    uint32_t limit;
    struct walk *k;

    if (n == NULL || !limit_of(c, &limit))
        return;
    if (cursor != NULL && !read_cursor(cursor, &at)) {
        api_error(c, 400, "cursor: '%.48s' is none", cursor);
        return;
    }
    if (c->api->walks == WALKS_MAX) {
        api_fail(c, ERR_BUSY, "too many nodes are being looked at");
        return;
    }
    c->api->walks++;
    k = mem_alloc(sizeof *k);
    k->call = c;
    k->api = c->api;
    k->node = n->row.id;
    k->admin = admin;
    k->at = at;
    api_would_init(&k->would, c->view, limit);
    c->state = k;
    c->state_free = walk_free;
    http_no_timeout(api_request(c));
    next_slice(k);
}

void api_would_drain(struct api_call *c, const struct http_head *h)
{
    (void)h;
    begin(c, ADMIN_DRAINING);
}

void api_would_remove(struct api_call *c, const struct http_head *h)
{
    (void)h;
    begin(c, ADMIN_REMOVED);
}
