/* POST /api/v1/pins/{cid}/verify and /api/v1/nodes/{node}/verify[?sample=N]:
 * asks daemons at once whether they hold the copies of a pin, all those of a
 * node, or N of a node taken by chance. A stream with one line a copy. In
 * rounds: the core loop picks up to ROUND copies and asks their agents, and
 * the next round begins when these have answered and the client takes more.
 * Any coordinator does it, of the nodes that are connected to it.
 */
#include "coordinator/api.h"
#include "coordinator/api_auth.h"

#include "coordinator/guards.h"
#include "proto/hash.h"
#include "proto/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROUND = 16,            /* copies asked for at one time */
    LIMIT_MS = 10000,      /* for an answer */
    SAMPLE_MAX = 1000,
    TRIES = 16,            /* of picks by chance, for each copy wanted */
    VERIFIES_MAX = 8       /* requests under way */
};

enum source { OF_PIN, OF_NODE, BY_CHANCE };

struct item {
    struct verify *verify;
    struct step_check check;
    enum api_verified result;
    char text[LIMIT_ERROR_TEXT + 1];
};

struct verify {
    struct task task;
    struct api_call *call;
    struct api *api;
    enum source source;
    struct cid cid;
    uint32_t node;             /* the last one, of a pin; the one */
    struct store_order_row at; /* of a node */
    uint32_t wanted, tries;    /* by chance: left */
    uint64_t *seen;            /* pins that were picked */
    uint32_t n_seen;
    bool absent, last;         /* no such pin; no more rounds */
    bool lost;                 /* the node itself cannot be asked */
    bool unknown;              /* who asks, by now */
    bool started;
    uint32_t n, waiting;
    struct item items[ROUND];
    struct buf out;
};

static const char *const words[API_VERIFIED] = {
    [API_HELD] = "held", [API_MISSING] = "missing",
    [API_PENDING] = "pending", [API_UNASKED] = "unreachable",
    [API_ORDERED] = "released",
};

const char *api_verified_word(enum api_verified v)
{
    return words[v];
}

static void verify_free(void *state)
{
    struct verify *v = state;

    v->api->verifies--;
    free(v->seen);
    buf_free(&v->out);
    free(v);
}

/* --- core loop: which copies --------------------------------------------- */

static bool is_new(struct verify *v, uint64_t pin)
{
    for (uint32_t i = 0; i < v->n_seen; i++)
        if (v->seen[i] == pin)
            return false;
    v->seen[v->n_seen++] = pin;
    return true;
}

static void pick_by_chance(struct verify *v, struct step_check *out)
{
    /* Each try may read a few hundred rows. */
    for (unsigned i = 0; i < ROUND && v->n < v->wanted && v->n < ROUND; i++) {
        uint64_t chance[2];

        if (v->tries == 0)
            break;
        v->tries--;
        hash_random(chance, sizeof chance);
        if (step_check_by_chance(v->api->step, v->node, chance[0], chance[1],
                                 &out[v->n]) &&
            is_new(v, out[v->n].pin))
            v->n++;
    }
    v->wanted -= v->n;
    v->last = v->wanted == 0 || v->tries == 0;
}

static void pick(struct verify *v)
{
    struct step_check found[ROUND];
    struct step *s = v->api->step;

    v->n = 0;
    if (v->source == OF_PIN) {
        v->absent = !step_checks_of_pin(s, &v->cid, v->node, ROUND, found,
                                        &v->n);
        v->last = v->n < ROUND;
        if (v->n > 0)
            v->node = found[v->n - 1].node;
    } else if (v->source == OF_NODE) {
        v->last = !step_checks_of_node(s, v->node, &v->at, ROUND, found,
                                       &v->n);
    } else {
        pick_by_chance(v, found);
    }
    for (uint32_t i = 0; i < v->n; i++)
        v->items[i] = (struct item){.verify = v, .check = found[i]};
}

/* --- core loop: ask ------------------------------------------------------ */

static void round_back(struct task *t);

static void answered(struct verify *v)
{
    assert(v->waiting > 0);
    if (--v->waiting > 0)
        return;
    v->task.run = round_back;
    mailbox_post(v->api->back, &v->task);
}

/* Any thread: a view does not change. */
static const char *name_of(const struct verify *v, uint32_t node)
{
    const struct view_node *n = view_node(v->call->view, node);

    return n == NULL ? "" : n->row.name;
}

static void judge(struct item *k, enum err e, const char *text)
{
    struct verify *v = k->verify;
    const struct step_check *c = &k->check;

    snprintf(k->text, sizeof k->text, "%s", e == ERR_OK ? "" : text);
    if (e == ERR_OK) {
        k->result = API_HELD;
    } else if (e != ERR_NOT_FOUND) {
        k->result = API_UNASKED;
    } else if (!step_check_stands(v->api->step, c)) {
        k->result = API_ORDERED;
        snprintf(k->text, sizeof k->text, "let go meanwhile");
    } else {
        k->result = API_MISSING;
        snprintf(k->text, sizeof k->text,
                 "its daemon does not hold it; it is pinned again");
        guards_say_missing(c->node, name_of(v, c->node), c->pin, &c->cid);
    }
}

static void on_checked(void *arg, enum err e, const char *text,
                       struct span body)
{
    struct item *k = arg;

    (void)body;
    judge(k, e, text[0] != '\0' ? text : err_text(e));
    answered(k->verify);
}

/* What is not said to be pinned needs no question. */
static const char *told(enum copy_state state, enum api_verified *result)
{
    *result = state == COPY_LOST ? API_MISSING : API_PENDING;
    switch (state) {
    case COPY_QUEUED:
        return "not pinned yet";
    case COPY_FAILED:
        return "could not be pinned yet";
    case COPY_LOST:
        return "was reported lost; it is pinned again";
    case COPY_PINNED:
        break;
    }
    return NULL;
}

static void ask(struct item *k)
{
    struct verify *v = k->verify;
    const struct step_check *c = &k->check;
    const char *text = told(c->state, &k->result);
    struct agents_question q = {CALL_CHECK, span_of(c->cid.bytes, c->cid.n),
                                LIMIT_MS, v->call->request_id};
    enum err e;

    if (text != NULL) {
        snprintf(k->text, sizeof k->text, "%s", text);
        return;
    }
    e = agents_call(*v->api->agents, c->node, &q, on_checked, k);
    if (e == ERR_OK) {
        v->waiting++;
        return;
    }
    v->lost |= e == ERR_UNREACHABLE && v->source != OF_PIN;
    judge(k, e, e == ERR_UNREACHABLE
                    ? "the node is not connected to this coordinator"
                    : err_text(e));
}

static void round_run(struct task *t)
{
    struct verify *v = (struct verify *)t;

    pick(v);
    v->waiting = 1; /* this one */
    for (uint32_t i = 0; i < v->n; i++)
        ask(&v->items[i]);
    answered(v);
}

/* --- http loop: the stream ----------------------------------------------- */

static void finish(struct api_call *c);

static void next_round(struct api_call *c)
{
    struct verify *v = c->state;

    if (v->started && !api_known(c)) {
        v->unknown = v->last = true;
        finish(c);
        return;
    }
    v->task.run = round_run;
    c->api->under_way++;
    api_hold(c);
    mailbox_post(c->api->core, &v->task);
}

static void write_item(struct verify *v, const struct item *k)
{
    char text[LIMIT_CID_TEXT];
    struct json_writer w;

    v->api->verified[k->result]++;
    cid_print(&k->check.cid, CID_FORM_B32, text);
    json_init(&w, &v->out);
    json_object(&w);
    json_kv_text(&w, "cid", text);
    json_kv_u64(&w, "pin", k->check.pin);
    json_kv_text(&w, "node", name_of(v, k->check.node));
    json_kv_u64(&w, "id", k->check.node);
    json_kv_text(&w, "result", words[k->result]);
    json_kv_text(&w, "text", k->text);
    json_object_end(&w);
    buf_byte(&v->out, '\n');
}

static void start(struct api_call *c, struct http_request *r)
{
    static const struct http_line lines[] = {{"Trailer", "X-Stream-Error"},
                                             {NULL, NULL}};
    struct http_answer a = {.status = 200, .lines = lines};
    struct verify *v = c->state;

    if (v->started)
        return;
    v->started = true;
    c->api->answers[2]++;
    http_start(r, &a);
}

static void finish(struct api_call *c)
{
    struct verify *v = c->state;
    struct http_request *r = api_request(c);
    struct http_line lines[] = {
        {"X-Stream-Error", v->unknown ? API_NOT_ANY_MORE
                           : v->lost  ? "the node is not connected to this "
                                        "coordinator" : ""},
        {NULL, NULL}};

    if (r != NULL)
        http_end(r, lines);
}

static void send_round(struct api_call *c)
{
    struct verify *v = c->state;
    struct http_request *r = api_request(c);
    bool room = true;

    if (r == NULL)
        return; /* nobody listens: no further round */
    if (v->absent && !v->started) {
        api_error(c, 404, API_NOT_PINNED);
        return;
    }
    start(c, r);
    if ((r = api_request(c)) == NULL)
        return;
    buf_reset(&v->out);
    for (uint32_t i = 0; i < v->n; i++)
        write_item(v, &v->items[i]);
    if (v->out.n > 0)
        room = http_write(r, v->out.p, v->out.n);
    v->last |= v->absent || v->lost;
    if (v->last)
        finish(c);
    else if (room)
        next_round(c);
    /* else the drain goes on */
}

static void round_back(struct task *t)
{
    struct verify *v = (struct verify *)t;
    struct api_call *c = v->call;

    c->api->under_way--;
    send_round(c);
    api_drop(c);
}

static void on_drain(struct api_call *c)
{
    const struct verify *v = c->state;

    if (!v->last)
        next_round(c);
}

static struct verify *begin(struct api_call *c, enum source source)
{
    struct verify *v;

    if (c->api->verifies == VERIFIES_MAX) {
        api_fail(c, ERR_BUSY, "too many verifications are under way");
        return NULL;
    }
    c->api->verifies++;
    v = mem_alloc(sizeof *v);
    v->call = c;
    v->api = c->api;
    v->source = source;
    c->state = v;
    c->state_free = verify_free;
    c->drain = on_drain;
    http_no_timeout(api_request(c));
    return v;
}

void api_verify_pin(struct api_call *c, const struct http_head *h)
{
    struct verify *v;
    enum cid_form form;
    struct cid cid;

    (void)h;
    if (!api_cid_arg(c, &cid, &form) || (v = begin(c, OF_PIN)) == NULL)
        return;
    v->cid = cid;
    next_round(c);
}

/* 0: all of them. false: 400 was answered. */
static bool sample_of(struct api_call *c, uint64_t *n)
{
    const char *text = api_param(c, "sample");
    struct json_value v = {JSON_NUMBER, text, text == NULL ? 0 : strlen(text)};

    *n = 0;
    if (text == NULL)
        return true;
    if (json_as_u64(&v, n) && *n >= 1 && *n <= SAMPLE_MAX)
        return true;
    api_error(c, 400, "sample: '%.64s' is no number from 1 to %d", text,
              (int)SAMPLE_MAX);
    return false;
}

void api_verify_node(struct api_call *c, const struct http_head *h)
{
    const struct view_node *n = api_node_arg(c);
    struct verify *v;
    uint64_t sample;

    (void)h;
    if (n == NULL || !sample_of(c, &sample))
        return;
    if (!n->connected) {
        api_fail(c, ERR_UNREACHABLE,
                 "the node is not connected to this coordinator");
        return;
    }
    v = begin(c, sample == 0 || sample >= n->row.copies ? OF_NODE
                                                        : BY_CHANCE);
    if (v == NULL)
        return;
    v->node = n->row.id;
    if (v->source == BY_CHANCE) {
        v->wanted = (uint32_t)sample;
        v->tries = v->wanted * TRIES;
        v->seen = mem_array(v->wanted, sizeof *v->seen);
    }
    next_round(c);
}
