/* Streamed lists: GET /pins, GET /allocations, POST /pins/recover. In the
 * order of pin ids; LIMIT_LIST_ROWS rows a read transaction, which ends
 * before they are sent, so that a slow client holds no snapshot. The first
 * batch decides the status; index of first and last in header and trailer.
 */
#include "coordinator/api.h"

#include "coordinator/api_auth.h"
#include "coordinator/api_object.h"
#include "proto/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum list_kind { LIST_PINS, LIST_ALLOCATIONS, LIST_RECOVER };

enum { LIST_CIDS_MAX = 1024, LIST_BATCH_BYTES = 1 << 20 };

struct list {
    enum list_kind kind;
    struct api_object object;
    struct buf out;
    uint64_t after;       /* pin id */
    uint64_t index;       /* of the last batch */
    uint32_t mask, only;
    bool only_todo, end, started;
    /* cids= */
    struct cid *cids;
    enum cid_form *forms;
    uint32_t n_cids, next_cid;
    /* recover */
    struct command *command;
    uint64_t recovered[LIMIT_LIST_ROWS];
    uint32_t n_recovered, next_recovered; /* shown next */
    bool scanned;
};

static void list_free(void *state)
{
    struct list *l = state;

    api_object_free(&l->object);
    buf_free(&l->out);
    free(l->cids);
    free(l->forms);
    free(l->command);
    free(l);
}

static struct list *list_new(struct api_call *c, enum list_kind kind)
{
    struct list *l = mem_alloc(sizeof *l);

    l->kind = kind;
    api_object_init(&l->object, c->view);
    c->state = l;
    c->state_free = list_free;
    return l;
}

/* --- reading: on a reader thread ---------------------------------------- */

static bool look_up_fail(void *arg, uint64_t pin, uint32_t node,
                         struct fail *out)
{
    return store_reader_fail(arg, pin, node, out);
}

static void add_info(struct list *l, struct store_reader *r,
                     const struct pin *p, enum cid_form form)
{
    struct api_info info = {.pin = p, .form = form, .only = l->only,
                            .mask = l->mask, .fail = look_up_fail, .arg = r};

    if (api_object_info(&l->object, &info, &l->out))
        buf_byte(&l->out, '\n');
}

static void add_row(struct api_call *c, struct store_reader *r,
                    struct pin *p)
{
    struct list *l = c->state;

    if (!api_own(c, p) && p->n_copies == 0)
        return;
    if (l->kind != LIST_ALLOCATIONS) {
        add_info(l, r, p, pin_form(p));
    } else if (p->org != 0) {
        api_object_pin(&l->object, p, pin_form(p), &l->out);
        buf_byte(&l->out, '\n');
    }
}

static void read_rows(struct api_call *c, struct store_reader *r)
{
    struct list *l = c->state;
    struct pin *p = &l->object.pin;
    uint32_t n = 0;

    store_reader_scan(r, l->after, l->only_todo ? STORE_PINS_TODO
                                               : STORE_PINS_ORG, c->org);
    while (n < LIMIT_LIST_ROWS && l->out.n < LIST_BATCH_BYTES) {
        if (!store_reader_next(r, p)) {
            l->end = true;
            break;
        }
        n++;
        l->after = p->id;
        add_row(c, r, p);
    }
    store_reader_scan_end(r);
}

static void read_cids(struct api_call *c, struct store_reader *r)
{
    struct list *l = c->state;
    struct pin *p = &l->object.pin;

    for (uint32_t n = 0; n < LIMIT_LIST_ROWS && l->out.n < LIST_BATCH_BYTES &&
                         l->next_cid < l->n_cids; n++, l->next_cid++) {
        const struct cid *cid = &l->cids[l->next_cid];

        if (!store_reader_find(r, cid, p) ||
            (!api_own(c, p) && p->n_copies == 0)) {
            pin_reset(p);
            p->cid = *cid;
        }
        add_info(l, r, p, l->forms[l->next_cid]);
    }
    l->end = l->next_cid == l->n_cids;
}

static void read_batch(struct api_call *c, struct store_reader *r)
{
    struct list *l = c->state;

    buf_reset(&l->out);
    l->index = store_reader_applied(r);
    if (l->n_cids > 0)
        read_cids(c, r);
    else
        read_rows(c, r);
}

/* --- sending: on the http loop ------------------------------------------ */

static void next_batch(struct api_call *c);

static bool start(struct api_call *c, struct http_request *r)
{
    struct list *l = c->state;
    char index[24];
    struct http_line lines[] = {
        {"Trailer", "X-Stream-Error, X-Pinfold-Index"},
        {"X-Pinfold-Index", index}, {NULL, NULL}};
    struct http_answer a = {.status = 200, .lines = lines};

    if (l->started)
        return true;
    l->started = true;
    snprintf(index, sizeof index, "%llu", (unsigned long long)l->index);
    c->api->answers[2]++;
    http_start(r, &a);
    return api_request(c) != NULL;
}

static void finish(struct api_call *c, const char *error)
{
    struct list *l = c->state;
    struct http_request *r = api_request(c);
    char index[24];
    struct http_line lines[] = {{"X-Stream-Error", error},
                                {"X-Pinfold-Index", index}, {NULL, NULL}};

    snprintf(index, sizeof index, "%llu", (unsigned long long)l->index);
    if (r != NULL)
        http_end(r, lines);
}

static void on_batch(struct api_call *c, enum err e)
{
    struct list *l = c->state;
    struct http_request *r = api_request(c);
    bool room = true;

    if (r == NULL)
        return;
    if (e != ERR_OK) {
        if (l->started)
            finish(c, err_text(e));
        else
            api_fail(c, e, NULL);
        return;
    }
    if (!start(c, r))
        return;
    if (l->out.n > 0)
        room = http_write(r, l->out.p, l->out.n);
    if (l->end)
        finish(c, "");
    else if (room)
        next_batch(c);
    /* else the drain goes on */
}

static void on_drain(struct api_call *c)
{
    struct list *l = c->state;

    if (!l->end)
        next_batch(c);
}

/* --- recover ------------------------------------------------------------ */

static bool needs_recovery(const struct list *l, const struct pin *p)
{
    for (uint32_t i = 0; i < p->n_copies; i++)
        if ((l->only == 0 || p->copies[i].node == l->only) &&
            p->copies[i].want != COPY_RELEASED &&
            (p->copies[i].state == COPY_FAILED ||
             p->copies[i].state == COPY_LOST))
            return true;
    return false;
}

static void read_failed(struct api_call *c, struct store_reader *r)
{
    struct list *l = c->state;
    struct pin *p = &l->object.pin;

    l->n_recovered = l->next_recovered = 0;
    l->index = store_reader_applied(r);
    store_reader_scan(r, l->after, STORE_PINS_TODO, 0);
    for (uint32_t n = 0; n < LIMIT_LIST_ROWS; n++) {
        if (!store_reader_next(r, p)) {
            l->scanned = true;
            break;
        }
        l->after = p->id;
        if (api_own(c, p) && needs_recovery(l, p))
            l->recovered[l->n_recovered++] = p->id;
    }
    store_reader_scan_end(r);
}

static void read_recovered(struct api_call *c, struct store_reader *r)
{
    struct list *l = c->state;

    buf_reset(&l->out);
    l->index = store_reader_applied(r);
    while (l->next_recovered < l->n_recovered &&
           l->out.n < LIST_BATCH_BYTES)
        if (store_reader_get(r, l->recovered[l->next_recovered++],
                             &l->object.pin))
            add_row(c, r, &l->object.pin);
    l->end = l->scanned && l->next_recovered == l->n_recovered;
}

static void on_recovered(struct api_call *c, struct replica_result *r)
{
    if (r->error != ERR_OK)
        on_batch(c, r->error);
    else if (r->verdict == VERDICT_DENIED)
        on_batch(c, ERR_DENIED);
    else
        api_read(c, read_recovered, on_batch);
}

static void on_failed(struct api_call *c, enum err e)
{
    struct list *l = c->state;
    struct command *k;

    if (e != ERR_OK || l->n_recovered == 0) {
        buf_reset(&l->out);
        l->end = l->scanned;
        on_batch(c, e);
        return;
    }
    k = api_command(c, COMMAND_RECOVER);
    k->recover.n = l->n_recovered;
    memcpy(k->recover.pins, l->recovered,
           l->n_recovered * sizeof *l->recovered);
    api_propose(c, k, on_recovered);
}

static void next_batch(struct api_call *c)
{
    struct list *l = c->state;

    if (!api_renew(c)) {
        on_batch(c, ERR_DENIED);
        return;
    }
    l->object.view = c->view;
    if (l->next_recovered < l->n_recovered)
        api_read(c, read_recovered, on_batch);
    else if (l->kind == LIST_RECOVER)
        api_read(c, read_failed, on_failed);
    else
        api_read(c, read_batch, on_batch);
}

static void begin(struct api_call *c)
{
    c->drain = on_drain;
    next_batch(c);
}

/* --- the routes --------------------------------------------------------- */

/* local=true: the home agent's part; no home agent, an empty list. */
static bool local(struct api_call *c, struct list *l)
{
    const char *text = api_param(c, "local");

    if (text == NULL || strcmp(text, "true") != 0)
        return true;
    l->only = c->view->home;
    if (l->only != 0)
        return true;
    l->end = true;
    on_batch(c, ERR_OK);
    return false;
}

static bool parse_cids(struct api_call *c, struct list *l, const char *list)
{
    struct err_text why;
    const char *end;

    l->cids = mem_array(LIST_CIDS_MAX, sizeof *l->cids);
    l->forms = mem_array(LIST_CIDS_MAX, sizeof *l->forms);
    for (const char *at = list;; at = end + 1) {
        end = strchrnul(at, ',');
        if (l->n_cids == LIST_CIDS_MAX) {
            api_error(c, 400, "cids: more than %d", LIST_CIDS_MAX);
            return false;
        }
        if (cid_parse(at, (size_t)(end - at), &l->cids[l->n_cids],
                      &l->forms[l->n_cids], &why) != ERR_OK) {
            api_error(c, 400, "error decoding Cid: %s", why.text);
            return false;
        }
        l->n_cids++;
        if (*end == '\0')
            return true;
    }
}

static bool all_reachable(const struct view *v)
{
    for (uint32_t k = 0; k < v->n_nodes; k++) {
        const struct view_node *n = &v->nodes[k];

        if (n->row.copies > 0 && api_unreachable(n))
            return false;
    }
    return true;
}

/* Statuses that only pins with stored work, a failure, or copies to let go
 * have. A settled one may be unreachable on a node: all of a node's pins are
 * that. */
static bool work_only(uint32_t mask, const struct view *v)
{
    uint32_t settled = 1u << STATUS_PINNED | 1u << STATUS_REMOTE |
                       1u << STATUS_UNPINNED;

    if (mask == 0 || (mask & settled) != 0)
        return false;
    return (mask & 1u << STATUS_CLUSTER_ERROR) == 0 || all_reachable(v);
}

void api_pins_list(struct api_call *c, const struct http_head *h)
{
    struct list *l = list_new(c, LIST_PINS);
    const char *cids = api_param(c, "cids"), *filter = api_param(c, "filter");

    (void)h;
    if (cids != NULL) {
        if (parse_cids(c, l, cids) && local(c, l))
            begin(c);
        return;
    }
    if (filter != NULL && api_filter_parse(filter, &l->mask) != ERR_OK) {
        api_error(c, 400, "invalid filter value");
        return;
    }
    l->only_todo = work_only(l->mask, c->view);
    if (local(c, l))
        begin(c);
}

static bool has_word(const char *list, const char *word)
{
    const char *end;

    for (const char *at = list;; at = end + 1) {
        end = strchrnul(at, ',');
        if (span_is(span_of(at, (size_t)(end - at)), word))
            return true;
        if (*end == '\0')
            return false;
    }
}

void api_allocations_list(struct api_call *c, const struct http_head *h)
{
    struct list *l = list_new(c, LIST_ALLOCATIONS);
    const char *filter = api_param(c, "filter");

    (void)h;
    if (filter == NULL || has_word(filter, "pin") || has_word(filter, "all"))
        begin(c);
    else if (has_word(filter, "meta-pin") ||
             has_word(filter, "clusterdag-pin") ||
             has_word(filter, "shard-pin")) {
        l->end = true; /* there are none of these types */
        on_batch(c, ERR_OK);
    } else {
        api_error(c, 400, "invalid filter value");
    }
}

void api_recover_all(struct api_call *c, const struct http_head *h)
{
    struct list *l = list_new(c, LIST_RECOVER);

    (void)h;
    if (local(c, l))
        begin(c);
}
