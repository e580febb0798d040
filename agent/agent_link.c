/* What coordinators ask for and are told. Orders, reports and their effects
 * on the work list go into the journal in one transaction each; a journal
 * that cannot be written ends the process: what it remembers would no longer
 * be what coordinators were told.
 */
#include "agent/agent_impl.h"

#include "proto/log.h"
#include "proto/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

bool agent_commit(struct agent *a)
{
    struct err_text why;
    enum err e = journal_commit(a->journal, &why);

    if (e == ERR_OK)
        return true;
    log_error("journal_failed", "reason=%s text=%s", err_name(e), why.text);
    agent_stop(a, err_exit_status(e));
    return false;
}

static const uint8_t no_history[TYPES_HISTORY];

/* --- HELLO, BEAT --- */

static void on_hello(void *arg, struct message_hello *h)
{
    struct agent *a = arg;
    const struct agent_config *c = a->config;
    struct message_beat *b = &a->message.beat;
    struct work_stats s;

    memcpy(h->key, a->identity.key, TYPES_KEY);
    h->boot = journal_head(a->journal)->boot;
    h->version = span_text(PINFOLD_VERSION);
    h->name = span_text(c->name);
    h->n_labels = c->n_labels;
    memcpy(h->labels, c->label, sizeof c->label);
    work_stats(a->work, &s);
    memset(b, 0, sizeof *b);
    daemon_beat(a->daemon, c->max_bytes, s.held_bytes, b);
    h->capacity = b->capacity; /* 0 until the daemon is up */
}

static void on_beat(void *arg, struct message_beat *b)
{
    struct agent *a = arg;
    struct work_stats s;

    agent_look_at_disk(a);
    work_stats(a->work, &s);
    b->wanted = s.wanted;
    b->wanted_xor = s.wanted_xor;
    b->queue = s.queue;
    b->orphans = s.orphans;
    b->n_work = work_busy(a->work, b->work, LIMIT_BEAT_WORK);
    daemon_beat(a->daemon, a->config->max_bytes, s.held_bytes, b);
}

/* Until the full ORDERS of another history have come nothing is done: what
 * is held are the other cluster's orders, and the names are not theirs. */
static void on_welcome(void *arg, const struct message_welcome *w)
{
    struct agent *a = arg;
    const struct journal_head *head = journal_head(a->journal);

    a->node = w->node;
    a->moved = head->has_tag && memcmp(head->history, no_history,
                                       TYPES_HISTORY) != 0 &&
               memcmp(head->history, w->history, TYPES_HISTORY) != 0;
    if (a->moved)
        log_warn("other_cluster", "tag=%08x held=%08x text=%s",
                 (unsigned)w->pin_tag, (unsigned)head->tag,
                 "the pins of the cluster that this node comes from stay");
    if (!a->moved && (!head->has_tag || head->tag != w->pin_tag)) {
        journal_begin(a->journal);
        journal_tag(a->journal, w->pin_tag);
        if (agent_commit(a))
            agent_tag_known(a, w->pin_tag);
    }
    agent_tell_work(a);
}

/* --- ORDERS --- */

/* Reads are of CIDs, so they stay true unless the state has taken them. Under
 * the number that they have: they may be under way, and would count twice. */
static void keep_reads(struct agent *a, uint64_t seq, struct span frame)
{
    struct agent_unsaid *u;

    if (seq <= a->void_to)
        return;
    a->unsaid = mem_grow(a->unsaid, a->n_unsaid + 1, sizeof *a->unsaid);
    u = &a->unsaid[a->n_unsaid++];
    u->seq = seq;
    u->frame = (struct buf)BUF_INIT;
    buf_add(&u->frame, frame.p, frame.n);
}

static void on_void_report(void *arg, uint64_t seq, struct span frame)
{
    struct agent *a = arg;
    struct message *m = &a->message;

    if (message_decode(span_of(frame.p + FRAME_HEAD, frame.n - FRAME_HEAD),
                       m, &a->scratch, NULL) != ERR_OK)
        return;
    if (m->kind == MESSAGE_REPORT)
        work_report_again(a->work, m->report.items, m->report.n);
    else if (m->kind == MESSAGE_READS)
        keep_reads(a, seq, frame);
}

/* Full ORDERS may be those of a state that was restored from a copy, in which
 * a number means another pin: what was to be reported about the old orders is
 * said again about the new ones, if they are about the same. taken: the
 * highest number that the state took. */
static enum err void_reports(struct agent *a, uint64_t taken,
                             struct err_text *why)
{
    enum err e;

    a->void_to = taken;
    e = journal_reports(a->journal, on_void_report, a, why);
    journal_reports_drop(a->journal);
    for (uint32_t i = 0; i < a->n_unsaid; i++)
        journal_report_again(a->journal, a->unsaid[i].seq,
                             span_buf(&a->unsaid[i].frame));
    return e;
}

/* The transaction that kept them is over. */
static void say_unsaid(struct agent *a, bool stored)
{
    for (uint32_t i = 0; i < a->n_unsaid; i++) {
        if (stored)
            link_report(a->link, a->unsaid[i].seq,
                        span_buf(&a->unsaid[i].frame));
        buf_free(&a->unsaid[i].frame);
    }
    a->n_unsaid = 0;
}

/* What is held is of another history: its numbers mean nothing any more. */
static void begin_history(struct agent *a, uint32_t pin_tag)
{
    work_forget_all(a->work);
    journal_reports_drop(a->journal);
    journal_tag(a->journal, pin_tag);
    pins_set_tag(a->pins, pin_tag);
    a->moved = false;
}

static enum err begin_full(struct agent *a, const struct message_orders *o,
                           uint32_t pin_tag, struct err_text *why)
{
    a->full_orders = true;
    if (memcmp(journal_head(a->journal)->history, o->history,
               TYPES_HISTORY) == 0)
        return void_reports(a, o->seq, why);
    begin_history(a, pin_tag);
    return ERR_OK;
}

static bool failed(struct agent *a, const struct err_text *why)
{
    log_error("journal_failed", "text=%s", why->text);
    say_unsaid(a, false);
    agent_stop(a, err_exit_status(ERR_IO));
    return false;
}

static void full_orders_end(struct agent *a)
{
    a->full_orders = false;
    log_info("full_orders", "to=%llu",
             (unsigned long long)journal_head(a->journal)->index);
    agent_list_soon(a, 0); /* what has no order now is an orphan */
}

static bool on_orders(void *arg, const struct message_orders *o,
                      uint32_t pin_tag)
{
    struct agent *a = arg;
    uint64_t now = agent_now_ms(a);
    struct err_text why;
    bool stored;

    journal_begin(a->journal);
    if (o->seq > journal_head(a->journal)->seq)
        journal_seq(a->journal, o->seq);
    if (o->full && begin_full(a, o, pin_tag, &why) != ERR_OK)
        return failed(a, &why);
    work_orders(a->work, o, now);
    for (uint32_t i = 0; i < o->n; i++)
        journal_origins(a->journal, o->items[i].pin, o->items[i].origins);
    if (!o->more)
        work_orders_end(a->work, now);
    journal_held(a->journal, o->history, o->to);
    stored = agent_commit(a);
    say_unsaid(a, stored);
    if (!stored)
        return false;
    agent_tell_work(a);
    if (!o->more && a->full_orders)
        full_orders_end(a);
    agent_pump(a);
    return true;
}

/* An old copy of the journal, or a power cut took its end: the orders held
 * may be older too, and what came of them was said otherwise since: what
 * waits to be said is looked at again. */
static bool on_old(void *arg, uint64_t seq)
{
    struct agent *a = arg;
    const struct journal_head *head = journal_head(a->journal);
    uint8_t history[TYPES_HISTORY];
    struct err_text why;
    bool stored;

    memcpy(history, head->history, TYPES_HISTORY);
    log_warn("journal_old", "index=%llu report=%llu taken=%llu text=%s",
             (unsigned long long)head->index, (unsigned long long)head->seq,
             (unsigned long long)seq,
             "an older copy: all orders are asked for again");
    journal_begin(a->journal);
    journal_held(a->journal, history, 0);
    if (seq > head->seq)
        journal_seq(a->journal, seq);
    work_old(a->work);
    if (void_reports(a, seq, &why) != ERR_OK)
        return failed(a, &why);
    stored = agent_commit(a);
    say_unsaid(a, stored);
    return stored;
}

static void on_current(void *arg)
{
    struct agent *a = arg;

    if (a->full_orders) { /* what was still to come has gone meanwhile */
        journal_begin(a->journal);
        work_orders_end(a->work, agent_now_ms(a));
        if (!agent_commit(a))
            return;
        full_orders_end(a);
    }
    work_current(a->work);
    agent_pump(a);
}

static void on_directory(void *arg, const struct directory_node *nodes,
                         uint32_t n)
{
    struct agent *a = arg;

    holders_directory(a->holders, nodes, n);
}

/* --- REPORT, TAKEN --- */

static void encode_report(struct agent *a, uint64_t seq, uint32_t n)
{
    struct message *m = &a->message;

    m->kind = MESSAGE_REPORT;
    m->report.boot = journal_head(a->journal)->boot;
    m->report.seq = seq;
    m->report.n = n;
    m->report.items = a->items;
    buf_reset(&a->frame);
    message_encode(m, &a->frame);
    assert(a->frame.n <= AGENT_REPORT_BYTES);
}

/* The state takes only higher numbers. Those of the clock are higher than all
 * that were used since an old copy of the journal was made. */
uint64_t agent_next_seq(const struct agent *a)
{
    uint64_t last = journal_head(a->journal)->seq, now_ms;
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    now_ms = (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
    return now_ms > last ? now_ms : last + 1;
}

void agent_on_report_timer(uv_timer_t *t)
{
    struct agent *a = t->data;
    uint64_t seq = agent_next_seq(a);
    uint32_t n;

    /* Not about orders that the full ones have not come to yet. */
    if (a->stopping || a->full_orders || !link_report_room(a->link))
        return;
    journal_begin(a->journal);
    n = work_reports(a->work, a->items, AGENT_REPORT_ITEMS);
    if (n > 0) {
        encode_report(a, seq, n);
        journal_report(a->journal, seq, span_buf(&a->frame));
    }
    if (agent_commit(a) && n > 0)
        link_report(a->link, seq, span_buf(&a->frame));
}

/* Only these change what the journal keeps of a pin. */
static bool any_gone(const struct message_report *r)
{
    for (uint32_t i = 0; i < r->n; i++)
        if (r->items[i].state == REPORT_GONE)
            return true;
    return false;
}

static void on_taken(void *arg, uint64_t seq, struct span frame)
{
    struct agent *a = arg;
    struct message *m = &a->message;
    enum err e;

    /* Our own bytes, behind the frame's head. */
    e = message_decode(span_of(frame.p + FRAME_HEAD, frame.n - FRAME_HEAD),
                       m, &a->scratch, NULL);
    journal_taken(a->journal, seq);
    if (e == ERR_OK && m->kind == MESSAGE_REPORT && any_gone(&m->report)) {
        journal_begin(a->journal);
        work_taken(a->work, m->report.items, m->report.n);
        if (!agent_commit(a))
            return;
    }
    if (!uv_is_active((uv_handle_t *)&a->report_timer))
        uv_timer_start(&a->report_timer, agent_on_report_timer, 0, 0);
}

/* --- CALL --- */

struct question {
    struct agent *agent;
    uint64_t session, id, deadline_ms;
    struct kubo_call *call;
    uv_timer_t timer;
    struct cid cid;
    char request[LIMIT_REQUEST_ID + 1];
    bool check; /* else resolve */
    bool direct_too, again, late;
};

void agent_log_call(const char *call, const char *request, enum err e,
                    const char *text)
{
    if (e != ERR_OK && request[0] != '\0')
        log_info("call_failed", "request=%s call=%s reason=%s text=%s",
                 request, call, err_name(e), text);
    else
        log_debug("call_ended", "request=%s call=%s reason=%s text=%s",
                  request, call, err_name(e), text);
}

static void answer(struct question *q, enum err e, const char *text,
                   const char *body)
{
    struct message_result r = {q->id, e, span_text(text), span_text(body)};

    agent_log_call(q->check ? "check" : "resolve", q->request, e, text);
    if (!q->agent->stopping)
        link_result(q->agent->link, q->session, &r);
}

static void on_question_closed(uv_handle_t *h)
{
    struct question *q = h->data;

    q->agent->calls--;
    q->agent->resolves -= !q->check;
    free(q);
}

static void end_question(struct question *q)
{
    uv_close((uv_handle_t *)&q->timer, on_question_closed);
}

static void on_deadline(uv_timer_t *t)
{
    struct question *q = t->data;

    q->late = true;
    kubo_cancel(q->agent->kubo, q->call);
}

static void on_checked(void *arg, const struct kubo_result *r);

/* It was not there. What counts as held may have been pinned while the look
 * was under way, which says nothing then: a second one does. */
static bool look_on(struct question *q)
{
    struct agent *a = q->agent;
    enum kubo_pin_type type = KUBO_RECURSIVE;

    if (q->direct_too) {
        q->direct_too = false;
        type = KUBO_DIRECT;
    } else if (!q->again && work_holds(a->work, &q->cid)) {
        q->again = true;
        q->direct_too = work_wants_direct(a->work, &q->cid);
    } else {
        return false;
    }
    q->call = kubo_look(a->kubo, &q->cid, type, on_checked, q);
    return true;
}

static void on_checked(void *arg, const struct kubo_result *r)
{
    struct question *q = arg;
    bool held = r->error == ERR_OK && r->look.type != KUBO_NOT_PINNED;

    if (r->error == ERR_OK && !held && !q->late && look_on(q))
        return;
    if (q->late)
        answer(q, ERR_TIMEOUT, "the daemon did not answer in time", "");
    else if (r->error != ERR_OK)
        answer(q, r->error, r->text, "");
    else
        answer(q, held ? ERR_OK : ERR_NOT_FOUND, held ? "" : "not pinned",
               "");
    if (r->error == ERR_OK && !held && !q->late && !q->agent->stopping) {
        work_missed(q->agent->work, &q->cid, agent_now_ms(q->agent));
        agent_pump(q->agent);
    }
    end_question(q);
}

static void on_resolved(void *arg, const struct kubo_result *r)
{
    struct question *q = arg;

    if (q->late)
        answer(q, ERR_TIMEOUT, "the daemon did not answer in time", "");
    else
        answer(q, r->error, r->error == ERR_OK ? "" : r->text,
               r->error == ERR_OK ? r->resolve.path : "");
    end_question(q);
}

/* The argument is checked here; the daemon's client gets whole values. */
static enum err ask(struct question *q, const struct message_call *c,
                    struct err_text *why)
{
    struct agent *a = q->agent;
    enum err e;
    char *path;

    if (c->kind == CALL_CHECK) {
        e = cid_from_bytes(c->argument.p, c->argument.n, &q->cid, why);
        if (e != ERR_OK)
            return e;
        q->direct_too = work_wants_direct(a->work, &q->cid);
        q->call = kubo_look(a->kubo, &q->cid, KUBO_RECURSIVE, on_checked, q);
        return ERR_OK;
    }
    if (c->argument.n == 0 || c->argument.n > AGENT_PATH_SIZE ||
        memchr(c->argument.p, '\0', c->argument.n) != NULL)
        return err_set(why, ERR_INVALID, "a path has 1 to %d bytes",
                       (int)AGENT_PATH_SIZE);
    path = mem_textn((const char *)c->argument.p, c->argument.n);
    q->call = kubo_resolve(a->kubo, path, on_resolved, q);
    free(path);
    return ERR_OK;
}

static void on_call(void *arg, uint64_t session,
                    const struct message_call *c)
{
    struct agent *a = arg;
    struct question *q;
    struct err_text why;
    enum err e = ERR_OK;

    if (c->kind == CALL_GC || c->kind == CALL_ORPHANS) {
        (c->kind == CALL_GC ? agent_gc_call : agent_orphans_call)(a, session,
                                                                  c);
        return;
    }
    q = mem_alloc(sizeof *q);
    q->agent = a;
    q->session = session;
    q->id = c->id;
    q->check = c->kind == CALL_CHECK;
    span_print(c->request, q->request, sizeof q->request);
    if (a->calls >= AGENT_CALLS_MAX ||
        (!q->check && a->resolves >= AGENT_RESOLVES_MAX))
        e = err_set(&why, ERR_BUSY, "too many questions at one time");
    else if (daemon_now(a->daemon) != DAEMON_UP)
        e = err_set(&why, ERR_UNREACHABLE, "the IPFS daemon is not up");
    else
        e = ask(q, c, &why);
    if (e != ERR_OK) {
        answer(q, e, why.text, "");
        free(q);
        return;
    }
    a->calls++;
    a->resolves += !q->check;
    uv_timer_init(&a->loop, &q->timer);
    q->timer.data = q;
    uv_timer_start(&q->timer, on_deadline, c->timeout_ms, 0);
}

/* --- OPEN --- */

static void on_open(void *arg, const struct addr *coordinator,
                    const struct message_open *o)
{
    struct agent *a = arg;

    if (o->purpose == OPEN_PROXY || o->purpose == OPEN_PUT)
        proxies_open(a->proxies, coordinator, o);
    else
        uploads_open(a->uploads, coordinator, o);
}

void agent_link_events(struct agent *a, struct link_events *out)
{
    *out = (struct link_events){a, on_hello, on_beat, on_welcome, on_orders,
                                on_old, on_directory, on_taken, on_call,
                                on_open, on_current};
}
