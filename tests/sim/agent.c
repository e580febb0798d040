/* One agent's life: journal, work list, daemon, timers. */
#include "proto/frame.h"
#include "tests/sim/agent_impl.h"
#include "tests/sim/check.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- work ---------------------------------------------------------------- */

static void tell_work(struct agent *a)
{
    bool up = a->daemon_known && a->journal->has_tag;

    if (up == a->working)
        return;
    a->working = up;
    if (!up)
        agent_ops_drop(a, false);
    work_daemon(a->work, up, a->sim->now);
    if (up)
        agent_list_soon(a, 0);
    agent_pump(a);
}

uint64_t agent_next_seq(const struct agent *a)
{
    uint64_t clock = SIM_WALL_MS + a->sim->now + a->at * 700;

    return clock > a->journal->seq ? clock : a->journal->seq + 1;
}

bool agent_report_room(const struct agent *a)
{
    return !a->full_orders && a->fence.checked && a->journal->n_reports == 0;
}

void agent_report_spool(struct agent *a, uint64_t seq)
{
    buf_reset(&a->frame);
    message_encode(&a->message, &a->frame);
    journal_report(a->journal, seq, span_buf(&a->frame));
    a->fence.seq = seq;
    agent_report_send(a);
    agent_link_arm(a);
}

static void on_report_timer(struct sim *s, struct task *t)
{
    struct agent *a = s->agents[t->who];
    struct message *m = &a->message;
    uint64_t seq;

    if (!a->up || a->epoch != t->epoch)
        return;
    a->report_ms = 0;
    if (!agent_report_room(a))
        return;
    seq = agent_next_seq(a);
    m->kind = MESSAGE_REPORT;
    m->report.boot = a->journal->boot;
    m->report.seq = seq;
    m->report.items = a->items;
    m->report.n = work_reports(a->work, a->items, AGENT_REPORT_ITEMS);
    if (m->report.n == 0)
        return;
    check_report(s->check, a->at, &m->report);
    s->counts[COUNT_REPORTS]++;
    agent_report_spool(a, seq);
}

static void on_work_timer(struct sim *s, struct task *t)
{
    struct agent *a = s->agents[t->who];

    if (!a->up || a->epoch != t->epoch || a->pump_ms != s->now)
        return;
    a->pump_ms = 0;
    agent_pump(a);
}

static void report_soon(struct agent *a, uint64_t ms)
{
    if (a->report_ms != 0)
        return;
    a->report_ms = a->sim->now + ms;
    (void)sim_task(a->sim, ms, on_report_timer, a->at, a->epoch);
}

void agent_pump(struct agent *a)
{
    uint64_t now = a->sim->now, next;
    struct work_stats k;

    work_tick(a->work, now);
    next = work_next_ms(a->work);
    if (next < now)
        next = now;
    if (next != UINT64_MAX && (a->pump_ms == 0 || a->pump_ms > next)) {
        a->pump_ms = next;
        (void)sim_task(a->sim, next - now, on_work_timer, a->at, a->epoch);
    }
    work_stats(a->work, &k);
    if (k.reports_waiting > 0 && agent_report_room(a))
        report_soon(a, AGENT_GATHER_MS);
}

/* --- listing ------------------------------------------------------------- */

static void on_list_timer(struct sim *s, struct task *t)
{
    struct agent *a = s->agents[t->who];

    if (!a->up || a->epoch != t->epoch || a->list_ms != s->now)
        return;
    a->list_ms = 0;
    if (a->working && !agent_list(a))
        agent_list_soon(a, AGENT_LIST_RETRY_MS);
}

void agent_list_soon(struct agent *a, uint64_t ms)
{
    a->list_ms = a->sim->now + ms;
    (void)sim_task(a->sim, ms, on_list_timer, a->at, a->epoch);
}

/* --- daemon -------------------------------------------------------------- */

static void on_daemon_look(struct sim *s, struct task *t)
{
    struct agent *a = s->agents[t->who];

    if (!a->up || a->epoch != t->epoch)
        return;
    if (t->a != 0)
        agent_daemon_look(a, AGENT_DAEMON_MS);
    if (a->daemon_known == a->daemon->up)
        return;
    a->daemon_known = a->daemon->up;
    tell_work(a);
    agent_beat_soon(a);
}

void agent_daemon_look(struct agent *a, uint64_t ms)
{
    sim_task(a->sim, ms, on_daemon_look, a->at, a->epoch)->a =
        ms == AGENT_DAEMON_MS;
}

static void daemon_rises(struct sim *s, struct task *t)
{
    struct agent *a = s->agents[t->who];

    if (t->b != a->daemon->epoch)
        return;
    a->daemon->up = true;
    sim_trace(s, EVENT_DAEMON_STARTS, 0, a->at + 1, 0, 0, 0);
}

void agent_daemon_fall(struct agent *a, uint64_t down_ms)
{
    struct task *t;

    if (!a->daemon->up)
        return;
    a->daemon->up = false;
    a->daemon->epoch++;
    a->sim->counts[COUNT_DAEMON_FALLS]++;
    sim_trace(a->sim, EVENT_DAEMON_FALLS, 0, a->at + 1, 0, down_ms, 0);
    t = sim_task(a->sim, down_ms, daemon_rises, a->at, 0);
    t->b = a->daemon->epoch;
}

/* --- what coordinators say ----------------------------------------------- */

void agent_welcomed(struct agent *a, const struct message_welcome *w)
{
    a->node = w->node;
    if (a->journal->has_tag && a->journal->tag == w->pin_tag)
        return;
    a->journal->has_tag = true;
    a->journal->tag = w->pin_tag;
    tell_work(a);
}

/* Under the number that they have: they may be under way. */
static void keep_reads(struct agent *a, const struct spooled *r)
{
    journal_report_again(a->journal, r->seq, span_buf(&r->frame));
    if (r->seq > a->fence.seq)
        a->fence.seq = r->seq;
    a->sim->counts[COUNT_READS_AGAIN]++;
}

/* As agent_link.c: what waits is said again about the new orders, if they
 * are about the same; of another history nothing is kept. taken: the highest
 * number that the state took. */
static void void_reports(struct agent *a, bool again, uint64_t taken)
{
    struct spooled *old;
    uint32_t n = journal_reports_take(a->journal, &old);
    struct message *m = mem_alloc(sizeof *m);

    a->sent_number = 0;
    for (uint32_t k = 0; k < n; k++) {
        struct span f = span_buf(&old[k].frame);
        enum err e = message_decode(span_of(f.p + FRAME_HEAD,
                                            f.n - FRAME_HEAD),
                                    m, &a->void_scratch, NULL);

        assert(e == ERR_OK);
        if (again && m->kind == MESSAGE_REPORT)
            work_report_again(a->work, m->report.items, m->report.n);
        else if (again && m->kind == MESSAGE_READS &&
                 old[k].seq > taken)
            keep_reads(a, &old[k]);
        buf_free(&old[k].frame);
    }
    free(m);
    free(old);
    agent_report_send(a);
}

static void begin_full(struct agent *a, const struct message_orders *o)
{
    bool same = memcmp(a->journal->history, o->history, TYPES_HISTORY) == 0;

    a->full_orders = true;
    void_reports(a, same, o->seq);
    if (!same)
        work_forget_all(a->work);
}

static void full_orders_end(struct agent *a)
{
    a->full_orders = false;
    agent_list_soon(a, 0);
}

/* Copies are made at any time; one that comes back is worst with releases. */
void agent_backup(struct agent *a)
{
    journal_free(a->old);
    a->old = journal_copy(a->journal);
}

bool agent_orders(struct agent *a, const struct message_orders *o)
{
    uint64_t now = a->sim->now;

    if (o->seq > a->journal->seq)
        a->journal->seq = o->seq;
    if (o->full)
        begin_full(a, o);
    check_orders(a->sim->check, a->at, o);
    work_orders(a->work, o, now);
    if (!o->more)
        work_orders_end(a->work, now);
    memcpy(a->journal->history, o->history, TYPES_HISTORY);
    a->journal->index = o->to;
    if (!o->more && a->full_orders)
        full_orders_end(a);
    if (o->n > 0 && o->items[0].want == COPY_RELEASED &&
        prng_below(&a->random, 5) == 0)
        agent_backup(a);
    agent_pump(a);
    return true;
}

void agent_old(struct agent *a, uint64_t seq)
{
    a->journal->index = 0;
    if (seq > a->journal->seq)
        a->journal->seq = seq;
    work_old(a->work);
    void_reports(a, true, seq);
}

void agent_current(struct agent *a)
{
    if (a->full_orders) { /* what was still to come has gone meanwhile */
        work_orders_end(a->work, a->sim->now);
        full_orders_end(a);
    }
    work_current(a->work);
    agent_pump(a);
}

static void falls_back(struct sim *s, struct task *t)
{
    struct agent *a = s->agents[t->who];

    if (!s->quiet && a->up && a->epoch == t->epoch && a->old != NULL)
        agent_kill(a, JOURNAL_OLD, sim_pick(&a->random, 100, 20000));
}

void agent_fall_back(struct agent *a, uint64_t ms)
{
    if (sim_has(a->sim, FAULT_OLDJOURNAL))
        (void)sim_task(a->sim, ms, falls_back, a->at, a->epoch);
}

/* The state knows that something was lost, and a copy of the journal does
 * not: that is when it comes back. */
static void may_fall_back(struct agent *a, const struct message_report *r)
{
    for (uint32_t k = 0; k < r->n; k++) {
        if (r->items[k].state != REPORT_LOST)
            continue;
        if (prng_below(&a->random, 2) == 0)
            agent_fall_back(a, sim_pick(&a->random, 0, 800));
        return;
    }
}

void agent_taken(struct agent *a, struct span frame, uint64_t seq)
{
    struct message *m = &a->message;
    enum err e = message_decode(frame, m, &a->scratch, NULL);

    assert(e == ERR_OK);
    journal_taken(a->journal, seq);
    if (m->kind == MESSAGE_REPORT) {
        work_taken(a->work, m->report.items, m->report.n);
        may_fall_back(a, &m->report);
    }
    report_soon(a, 0);
}

/* --- CALL ---------------------------------------------------------------- */

static void on_checked(struct sim *s, struct task *t)
{
    struct agent *a = s->agents[t->who];
    struct message_result r = {.id = t->a};
    uint32_t n = (uint32_t)t->c;
    struct cid cid = sim_cid(n);
    const struct held *h = &a->daemon->pins[n];
    bool direct_too, held;

    if (!a->up || a->epoch != t->epoch)
        return;
    direct_too = work_wants_direct(a->work, &cid);
    held = h->type == WORK_FOUND_RECURSIVE ||
           (h->type == WORK_FOUND_DIRECT && direct_too);
    r.error = !a->daemon->up ? ERR_UNREACHABLE
              : held         ? ERR_OK
                             : ERR_NOT_FOUND;
    sim_trace(s, EVENT_HELD, (uint32_t)t->b + 1, a->at + 1, 0, n,
              (uint64_t)r.error);
    agent_link_result(a, (uint32_t)t->b, a->sessions[t->b].number, &r);
    if (r.error != ERR_NOT_FOUND)
        return;
    work_missed(a->work, &cid, s->now);
    agent_pump(a);
}

void agent_call(struct agent *a, uint32_t coord, uint64_t number,
                const struct message_call *c)
{
    struct message_result r = {.id = c->id, .error = ERR_UNREACHABLE};
    struct cid cid;
    struct task *t;
    enum err e = cid_from_bytes(c->argument.p, c->argument.n, &cid, NULL);

    assert(e == ERR_OK && c->kind == CALL_CHECK);
    if (!a->daemon_known) {
        agent_link_result(a, coord, number, &r);
        return;
    }
    t = sim_task(a->sim, sim_pick(&a->random, 1, 30), on_checked, a->at,
                 a->epoch);
    t->a = c->id;
    t->b = coord;
    t->c = sim_cid_number(&cid);
}

/* --- life ---------------------------------------------------------------- */

static void start(struct agent *a)
{
    struct work_limits limits = {4, UINT64_MAX, 5000, 120000,
                                 prng_next(&a->random)};
    struct work_wishes wishes;

    a->epoch++;
    a->up = true;
    a->working = a->daemon_known = a->full_orders = a->listing = false;
    a->pump_ms = a->report_ms = a->list_ms = 0;
    agent_wishes(a, &wishes);
    a->work = work_new(&limits, &wishes);
    for (uint32_t k = 0; k < SIM_PINS; k++)
        if (a->journal->items[k] != NULL)
            work_load(a->work, a->journal->items[k]);
    agent_link_start(a);
    agent_reads_start(a);
    agent_daemon_look(a, AGENT_DAEMON_MS);
    agent_daemon_look(a, sim_pick(&a->random, 1, 12));
    sim_trace(a->sim, EVENT_AGENT_STARTS, 0, a->at + 1, 0, a->journal->boot,
              a->journal->index);
}

static void start_task(struct sim *s, struct task *t)
{
    struct agent *a = s->agents[t->who];

    if (!a->up && a->epoch == t->epoch)
        start(a);
}

static void take_journal(struct agent *a, enum agent_journal j)
{
    struct journal *now = a->journal;

    if (j == JOURNAL_OLD && a->old != NULL) {
        check_reads_back(a->sim->check, a->at, a->old->boot != now->boot);
        a->sim->counts[COUNT_OLD_JOURNALS]++;
        a->journal = a->old;
        a->was_old = true;
        a->old = NULL;
    } else if (j == JOURNAL_LOST) {
        check_reads_back(a->sim->check, a->at, false);
        a->sim->counts[COUNT_LOST_JOURNALS]++;
        a->journal = journal_new(prng_next(&a->random));
    } else {
        return;
    }
    journal_free(now);
}

void agent_kill(struct agent *a, enum agent_journal j, uint64_t down_ms)
{
    if (!a->up)
        return;
    a->sim->counts[COUNT_AGENT_FALLS]++;
    sim_trace(a->sim, EVENT_AGENT_FALLS, 0, a->at + 1, 0, j, down_ms);
    agent_link_stop(a);
    agent_ops_drop(a, true);
    work_free(a->work);
    a->work = NULL;
    a->up = false;
    take_journal(a, j);
    if (a->old == NULL || prng_below(&a->random, 8) == 0)
        agent_backup(a);
    (void)sim_task(a->sim, down_ms, start_task, a->at, a->epoch);
}

void agent_break(struct agent *a, uint32_t coord)
{
    if (!a->up || a->sessions[coord].state == ASESSION_IDLE)
        return;
    a->sim->counts[COUNT_BREAKS]++;
    agent_session_end(a, coord, prng_below(&a->random, 2) == 0);
}

void agent_recover(struct agent *a)
{
    a->daemon->epoch++;
    a->daemon->up = true;
    if (!a->up)
        start(a);
}

void agent_key(uint32_t at, uint8_t key[TYPES_KEY])
{
    memset(key, 0x40 + (int)at, TYPES_KEY);
}

struct agent *agent_new(struct sim *s, uint32_t at)
{
    struct agent *a = mem_alloc(sizeof *a);

    a->sim = s;
    a->at = at;
    s->agents[at] = a;
    agent_key(at, a->key);
    snprintf(a->name, sizeof a->name, "n%u", at + 1);
    prng_seed(&a->random, s->options.seed * 37 + at);
    prng_seed(&a->readers, s->options.seed * 41 + at);
    a->daemon = daemon_new(s, at + 1);
    a->journal = journal_new(prng_next(&a->random));
    start(a);
    return a;
}

void agent_free(struct agent *a)
{
    if (a == NULL)
        return;
    if (a->up) {
        agent_ops_drop(a, false);
        work_free(a->work);
    }
    journal_free(a->journal);
    journal_free(a->old);
    daemon_free(a->daemon);
    message_scratch_free(&a->scratch);
    message_scratch_free(&a->void_scratch);
    buf_free(&a->frame);
    free(a);
}

bool agent_up(const struct agent *a)
{
    return a->up;
}

uint32_t agent_node(const struct agent *a)
{
    return a->node;
}

struct daemon *agent_daemon(const struct agent *a)
{
    return a->daemon;
}

bool agent_was_old(const struct agent *a)
{
    return a->was_old;
}

struct work *agent_work(const struct agent *a)
{
    return a->work;
}
