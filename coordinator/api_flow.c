/* Where a request leaves the http loop and comes back: commands, looks and
 * calls go to the core loop, reads to the pool. Each holds its call until it
 * is back.
 */
#include "coordinator/api.h"

#include "coordinator/api_auth.h"
#include "coordinator/api_log.h"

#include "proto/claims.h"
#include "proto/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* --- commands ----------------------------------------------------------- */

struct proposal {
    struct task task;
    struct api_call *call;
    struct command *command;
    struct replica_result result;
    void (*done)(struct api_call *c, struct replica_result *r);
    void (*item_done)(struct api_call *c, uint32_t item,
                      struct replica_result *r);
    uint32_t item;
};

struct command *api_command(const struct api_call *c, enum command_kind kind)
{
    struct command *k = mem_alloc(sizeof *k);

    k->kind = kind;
    k->actor = c->actor;
    k->org = c->org;
    return k;
}

bool api_operator(struct api_call *c)
{
    if (c->org == ORG_DEFAULT)
        return api_needs(c, VERB_OPERATOR);
    api_error(c, 403, "only organisation 'default' may ask for this");
    return false;
}

static const struct node *row_of(const void *arg, uint32_t node)
{
    const struct view_node *n = view_node(arg, node);

    return n != NULL ? &n->row : NULL;
}

void api_hide(const struct api_call *c, struct pin *p)
{
    claims_hide(p, c->org, row_of, c->view);
}

bool api_own(const struct api_call *c, struct pin *p)
{
    bool own;

    api_hide(c, p);
    claims_prefer_named(p, c->org, c->prefix);
    own = claims_view(p, c->org);
    if (own && access_prefix_covers(c->prefix, span_buf(&p->name)))
        return true;
    /* What is let go was somebody else's, or called nobody knows how. */
    if (own || c->org != ORG_DEFAULT || c->prefix[0] != '\0')
        p->n_copies = 0;
    return false;
}

static void proposal_back(struct task *t)
{
    struct proposal *p = (struct proposal *)t;

    p->call->api->under_way--;
    api_counts_result(&p->call->api->counts, &p->result);
    api_log_operation(p->call, p->command->kind, &p->result);
    if (p->done != NULL)
        p->done(p->call, &p->result);
    else
        p->item_done(p->call, p->item, &p->result);
    if (p->result.pin != NULL) {
        pin_free(p->result.pin);
        free(p->result.pin);
    }
    api_drop(p->call);
    free(p->command);
    free(p);
}

static void proposal_return(struct proposal *p)
{
    p->task.run = proposal_back;
    mailbox_post(p->call->api->back, &p->task);
}

/* Core loop. */
static void on_result(void *arg, struct replica_result *r)
{
    struct proposal *p = arg;

    p->result = *r;
    r->pin = NULL; /* taken */
    proposal_return(p);
}

/* Core loop. */
static void proposal_run(struct task *t)
{
    struct proposal *p = (struct proposal *)t;
    struct replica *replica = *p->call->api->replica;
    enum err e = ERR_NOT_READY;

    if (replica != NULL)
        e = replica_propose(replica, p->command, on_result, p);
    if (e != ERR_OK) {
        p->result.error = e;
        proposal_return(p);
    }
}

static struct proposal *propose(struct api_call *c, struct command *k)
{
    struct proposal *p = mem_alloc(sizeof *p);

    p->call = c;
    p->command = k;
    p->task.run = proposal_run;
    c->api->under_way++;
    api_hold(c);
    return p;
}

void api_propose(struct api_call *c, struct command *k,
                 void (*done)(struct api_call *c, struct replica_result *r))
{
    struct proposal *p = propose(c, k);

    p->done = done;
    mailbox_post(c->api->core, &p->task);
}

void api_propose_item(struct api_call *c, struct command *k, uint32_t item,
                      void (*done)(struct api_call *c, uint32_t item,
                                   struct replica_result *r))
{
    struct proposal *p = propose(c, k);

    p->item = item;
    p->item_done = done;
    mailbox_post(c->api->core, &p->task);
}

/* --- barriers ------------------------------------------------------------ */

static void begin_barrier(struct api *api);

static void on_barrier(struct api_call *c, struct replica_result *r)
{
    struct api *api = c->api;
    struct api_call *at = api->passing, *next;

    api->passing = NULL;
    begin_barrier(api);
    for (; at != NULL; at = next) {
        next = at->next_waiting;
        at->waited(at, r->error);
        api_drop(at);
    }
}

static void begin_barrier(struct api *api)
{
    struct api_call *c = api->waiting;
    struct command *k;

    if (c == NULL)
        return;
    api->waiting = NULL;
    api->passing = c;
    k = api_command(c, COMMAND_TICK);
    k->actor = 0;
    k->org = ORG_DEFAULT;
    api_propose(c, k, on_barrier);
}

void api_barrier(struct api_call *c,
                 void (*done)(struct api_call *c, enum err e))
{
    api_hold(c);
    c->waited = done;
    c->next_waiting = c->api->waiting;
    c->api->waiting = c;
    if (c->api->passing == NULL)
        begin_barrier(c->api);
}

/* --- looks -------------------------------------------------------------- */

struct look {
    struct task task;
    struct api_call *call;
    void (*look)(struct api_call *c);
    void (*done)(struct api_call *c);
};

static void look_back(struct task *t)
{
    struct look *l = (struct look *)t;

    l->call->api->under_way--;
    l->done(l->call);
    api_drop(l->call);
    free(l);
}

/* Core loop. */
static void look_run(struct task *t)
{
    struct look *l = (struct look *)t;

    l->look(l->call);
    l->task.run = look_back;
    mailbox_post(l->call->api->back, &l->task);
}

void api_look(struct api_call *c, void (*look)(struct api_call *c),
              void (*done)(struct api_call *c))
{
    struct look *l = mem_alloc(sizeof *l);

    l->call = c;
    l->look = look;
    l->done = done;
    l->task.run = look_run;
    c->api->under_way++;
    api_hold(c);
    mailbox_post(c->api->core, &l->task);
}

/* --- reads -------------------------------------------------------------- */

struct reading {
    struct reader_job job;
    struct api_call *call;
    void (*read)(struct api_call *c, struct store_reader *r);
    void (*done)(struct api_call *c, enum err e);
};

static void reading_run(struct reader_job *j, struct store_reader *r)
{
    struct reading *x = (struct reading *)j;

    x->read(x->call, r);
}

static void reading_done(struct reader_job *j, enum err e)
{
    struct reading *x = (struct reading *)j;

    x->call->api->under_way--;
    x->done(x->call, e);
    api_drop(x->call);
    free(x);
}

void api_read(struct api_call *c,
              void (*read)(struct api_call *c, struct store_reader *r),
              void (*done)(struct api_call *c, enum err e))
{
    struct reading *x = mem_alloc(sizeof *x);

    x->job.read = reading_run;
    x->job.done = reading_done;
    x->call = c;
    x->read = read;
    x->done = done;
    api_hold(c);
    c->api->under_way++;
    if (readers_submit(c->api->readers, &x->job) == ERR_OK)
        return;
    c->api->under_way--;
    done(c, ERR_BUSY);
    api_drop(c);
    free(x);
}

/* --- questions to agents ------------------------------------------------ */

struct question {
    struct task task;
    struct api_call *call;
    uint32_t node;
    enum call_kind kind;
    uint64_t timeout_ms;
    struct buf argument, body;
    char text[LIMIT_ERROR_TEXT + 1];
    enum err error;
    bool placed; /* among those that ask about paths */
    void (*done)(struct api_call *c, enum err e, const char *text,
                 struct span body);
};

static void question_back(struct task *t)
{
    struct question *q = (struct question *)t;

    q->call->api->under_way--;
    if (q->placed)
        api_places_give(q->call, &q->call->api->resolves);
    q->done(q->call, q->error, q->text, span_buf(&q->body));
    api_drop(q->call);
    buf_free(&q->argument);
    buf_free(&q->body);
    free(q);
}

/* Core loop. */
static void on_answer(void *arg, enum err e, const char *text,
                      struct span body)
{
    struct question *q = arg;
    size_t n = strlen(text);

    q->error = e;
    if (n >= sizeof q->text)
        n = sizeof q->text - 1;
    memcpy(q->text, text, n);
    q->text[n] = '\0';
    buf_add(&q->body, body.p, body.n);
    q->task.run = question_back;
    mailbox_post(q->call->api->back, &q->task);
}

/* Core loop. */
static void question_run(struct task *t)
{
    struct question *q = (struct question *)t;
    struct agents_question ask = {q->kind, span_buf(&q->argument),
                                  q->timeout_ms, q->call->request_id};
    enum err e = agents_call(*q->call->api->agents, q->node, &ask, on_answer,
                             q);

    if (e != ERR_OK)
        on_answer(q, e, e == ERR_UNREACHABLE ? "no node is connected"
                                             : err_text(e),
                  span_of(NULL, 0));
}

static struct question *question_new(struct span argument)
{
    struct question *q = mem_alloc(sizeof *q);

    q->task.run = question_run;
    buf_add(&q->argument, argument.p, argument.n);
    return q;
}

static void question_send(struct api_call *c, struct question *q)
{
    q->call = c;
    c->api->under_way++;
    api_hold(c);
    mailbox_post(c->api->core, &q->task);
}

void api_ask(struct api_call *c, uint32_t node, enum call_kind kind,
             struct span argument, uint64_t timeout_ms,
             void (*done)(struct api_call *c, enum err e, const char *text,
                          struct span body))
{
    struct question *q = question_new(argument);

    q->node = node != 0 ? node : c->view->home;
    q->kind = kind;
    q->timeout_ms = timeout_ms;
    q->done = done;
    question_send(c, q);
}

/* A daemon may look for the content of a path until its time is over, and who
 * asked may have left long before. */
void api_ask_path(struct api_call *c, struct span path, uint64_t timeout_ms,
                  void (*done)(struct api_call *c, enum err e,
                               const char *text, struct span body))
{
    struct api_places *p = &c->api->resolves;
    struct question *q;

    if (!api_places_left(c, p, LIMIT_RESOLVES, LIMIT_ORG_RESOLVES)) {
        done(c, ERR_BUSY, "too many paths are looked up", span_of(NULL, 0));
        return;
    }
    q = question_new(path);
    q->node = c->view->home;
    q->kind = CALL_RESOLVE;
    q->timeout_ms = timeout_ms;
    q->placed = true;
    q->done = done;
    api_places_take(c, p);
    question_send(c, q);
}
