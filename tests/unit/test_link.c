/* The link against two scripted coordinators on real streams: who is obeyed,
 * what asks for more, and reports until they are taken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/link.h"
#include "proto/log.h"
#include "proto/mem.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COORDINATORS = 2, WAIT_MS = 60000, SEEN = 64, BOOT = 4242 };

struct world;

struct coordinator {
    struct world *w;
    struct stream_listener *listener;
    struct stream *stream;
    struct message_welcome welcome;
    unsigned hellos, beats, results, goodbyes, closes, reads;
    struct message_hello hello;
    struct message_beat beat;
    struct message_result result;
    uint64_t seqs[SEEN];
    unsigned n_seqs;
};

struct world {
    uv_loop_t loop;
    uv_timer_t guard;
    struct stream_hub *hub;
    struct coordinator c[COORDINATORS];
    struct addr addrs[COORDINATORS];
    struct link_events events;
    struct link_settings settings;
    struct link *link;
    unsigned orders, tried, welcomes, calls, opens, directories,
        currents;
    uint64_t seq, old, to, session, taken[SEEN];
    unsigned n_taken;
    uint32_t n_items, pin_tag;
    bool store_fails, done;
    struct message_scratch scratch;
    struct message m;
};

static const uint8_t history_a[TYPES_HISTORY] = {1};
static const uint8_t history_b[TYPES_HISTORY] = {2};

#define WAIT(w, condition)                                                   \
    do {                                                                     \
        uint64_t until = uv_hrtime() / 1000000 + WAIT_MS;                    \
        while (!(condition)) {                                               \
            if (uv_hrtime() / 1000000 > until)                               \
                fail_msg("never: %s", #condition);                           \
            uv_run(&(w)->loop, UV_RUN_ONCE);                                 \
        }                                                                    \
    } while (0)

/* --- coordinators --- */

static void send_message(struct coordinator *c, const struct message *m)
{
    struct buf b = BUF_INIT;

    message_encode(m, &b);
    assert_true(stream_send(c->stream, b.p, b.n));
    buf_free(&b);
}

static void coordinator_frame(struct stream *s, void *user, struct span f)
{
    struct coordinator *c = user;
    struct message *m = &c->w->m;
    struct err_text why;

    (void)s;
    assert_int_equal(message_decode(f, m, &c->w->scratch, &why), ERR_OK);
    if (m->kind == MESSAGE_HELLO) {
        c->hellos++;
        c->hello = m->hello;
        m->kind = MESSAGE_WELCOME;
        m->welcome = c->welcome;
        send_message(c, m);
    } else if (m->kind == MESSAGE_BEAT) {
        c->beats++;
        c->beat = m->beat;
    } else if (m->kind == MESSAGE_REPORT) {
        assert_true(m->report.boot == BOOT && c->n_seqs < SEEN);
        c->seqs[c->n_seqs++] = m->report.seq;
    } else if (m->kind == MESSAGE_RESULT) {
        c->reads += span_is(m->result.body, MESSAGE_SECOND_VERSIONS
                            MESSAGE_URGENT_ORDERS);
        c->results += m->result.id != 0;
        c->result = m->result;
    } else if (m->kind == MESSAGE_GOODBYE) {
        c->goodbyes++;
    } else {
        fail_msg("kind %d", (int)m->kind);
    }
}

static void coordinator_close(struct stream *s, void *user, enum err e,
                              const char *text)
{
    struct coordinator *c = user;

    (void)e;
    (void)text;
    if (c->stream == s)
        c->stream = NULL;
    c->closes++;
}

static const struct stream_events coordinator_events = {
    coordinator_frame, NULL, coordinator_close};

static void accepted(struct stream *s, void *user, enum frame_role role)
{
    struct coordinator *c = user;
    struct stream_settings st = {&coordinator_events, c, 0, 1 << 20};

    assert_int_equal(role, FRAME_AGENT);
    c->stream = s;
    stream_configure(s, &st);
}

/* --- the agent --- */

static void on_hello(void *arg, struct message_hello *h)
{
    (void)arg;
    h->boot = BOOT;
    h->name = span_text("n");
    h->version = span_text("1");
}

static void on_beat(void *arg, struct message_beat *b)
{
    (void)arg;
    b->wanted = 3;
}

static void on_welcome(void *arg, const struct message_welcome *m)
{
    struct world *w = arg;

    (void)m;
    w->welcomes++;
}

static bool on_orders(void *arg, const struct message_orders *o,
                      uint32_t pin_tag)
{
    struct world *w = arg;

    w->tried++;
    w->pin_tag = pin_tag;
    if (w->store_fails)
        return false;
    w->orders++;
    w->to = o->to;
    w->n_items += o->n;
    return true;
}

static bool on_old(void *arg, uint64_t seq)
{
    struct world *w = arg;

    w->old = seq;
    return !w->store_fails;
}

static void on_directory(void *arg, const struct directory_node *nodes,
                         uint32_t n)
{
    struct world *w = arg;

    (void)nodes;
    (void)n;
    w->directories++;
}

static void on_taken(void *arg, uint64_t seq, struct span frame)
{
    struct world *w = arg;

    assert_true(frame.n > 0);
    w->taken[w->n_taken++] = seq;
}

static void on_call(void *arg, uint64_t session,
                    const struct message_call *c)
{
    struct world *w = arg;

    assert_true(span_is(c->request, "of-c1"));
    w->session = session;
    w->calls++;
}

static void on_open(void *arg, const struct addr *to,
                    const struct message_open *o)
{
    struct world *w = arg;

    (void)o;
    assert_true(addr_equal(to, &w->addrs[0]));
    w->opens++;
}

static void on_current(void *arg)
{
    struct world *w = arg;

    w->currents++;
}

/* --- world --- */

static void on_guard(uv_timer_t *t)
{
    (void)t; /* wakes uv_run, so that the deadline is looked at */
}

static void listen_as(struct world *w, unsigned k)
{
    struct coordinator *c = &w->c[k];
    struct err_text why;

    c->w = w;
    snprintf(w->addrs[k].host, sizeof w->addrs[k].host, "127.0.0.1");
    assert_int_equal(stream_listen(w->hub, &w->addrs[k], 8, accepted, c,
                                   &c->listener, &why), ERR_OK);
    w->addrs[k].port = stream_listener_port(c->listener);
    c->welcome.raft_id = k + 1;
    c->welcome.node = 9;
    c->welcome.term = 3;
    memcpy(c->welcome.history, history_a, TYPES_HISTORY);
}

static int set_up(void **state)
{
    struct world *w = mem_alloc(sizeof *w);

    signal(SIGPIPE, SIG_IGN);
    log_setup(LOG_ERROR, false);
    uv_loop_init(&w->loop);
    uv_timer_init(&w->loop, &w->guard);
    uv_timer_start(&w->guard, on_guard, 20, 20);
    w->hub = stream_hub_new(&w->loop);
    for (unsigned k = 0; k < COORDINATORS; k++)
        listen_as(w, k);
    w->events = (struct link_events){w, on_hello, on_beat, on_welcome,
                                     on_orders, on_old, on_directory,
                                     on_taken, on_call, on_open, on_current};
    w->settings = (struct link_settings){
        .loop = &w->loop, .hub = w->hub, .coordinators = w->addrs,
        .n = COORDINATORS, .beat_ms = 60000, .resend_ms = 60000,
        .older_term_ms = 60000, .seed = 1,
        .boot = BOOT, .index = 10, .events = &w->events};
    memcpy(w->settings.history, history_a, TYPES_HISTORY);
    *state = w;
    return 0;
}

static void hub_closed(void *arg)
{
    struct world *w = arg;

    w->done = true;
}

static int tear_down(void **state)
{
    struct world *w = *state;

    link_close(w->link, "end of the test");
    stream_hub_close(w->hub, hub_closed, w);
    WAIT(w, w->done);
    assert_true(link_closed(w->link));
    link_free(w->link);
    uv_close((uv_handle_t *)&w->guard, NULL);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    message_scratch_free(&w->scratch);
    free(w);
    return 0;
}

static void start(struct world *w)
{
    w->link = link_new(&w->settings);
    WAIT(w, w->welcomes == 2 && w->c[0].beats == 1 && w->c[1].beats == 1);
}

static void orders(struct world *w, unsigned k, uint64_t term, uint64_t from,
                   uint64_t to, uint32_t n)
{
    struct order_item items[8];
    struct message m = {.kind = MESSAGE_ORDERS};

    memset(items, 0, sizeof items);
    for (uint32_t i = 0; i < n; i++) {
        items[i].pin = items[i].idx = from + i + 1;
        items[i].want = COPY_RECURSIVE;
        items[i].cid.n = 36;
        memcpy(items[i].cid.bytes, (uint8_t[]){1, 0x55, 0x12, 32}, 4);
    }
    m.orders = (struct message_orders){
        .term = term, .leading = true, .leader = k + 1, .from = from,
        .to = to, .seq = w->seq, .n = n, .items = items};
    memcpy(m.orders.history, history_a, TYPES_HISTORY);
    send_message(&w->c[k], &m);
}

/* Of a leader, without items. */
static void of_history(struct world *w, unsigned k,
                       const uint8_t history[TYPES_HISTORY],
                       struct message_orders o)
{
    struct message m = {.kind = MESSAGE_ORDERS, .orders = o};

    memcpy(m.orders.history, history, TYPES_HISTORY);
    m.orders.leading = true;
    send_message(&w->c[k], &m);
}

static struct link_stats stats(struct world *w)
{
    struct link_stats s;

    link_stats(w->link, &s);
    return s;
}

static void refused(struct world *w, uint64_t n)
{
    WAIT(w, stats(w).refused_orders == n);
}

static void report(struct world *w, uint64_t seq)
{
    struct report_item i = {.pin = seq, .idx = 1, .state = REPORT_PINNED};
    struct message m = {.kind = MESSAGE_REPORT};
    struct buf b = BUF_INIT;

    m.report = (struct message_report){BOOT, seq, 1, &i};
    message_encode(&m, &b);
    link_report(w->link, seq, span_buf(&b));
    buf_free(&b);
}

static void taken(struct world *w, unsigned k, uint64_t seq)
{
    struct message m = {.kind = MESSAGE_TAKEN,
                        .taken = {.boot = BOOT, .seq = seq}};

    send_message(&w->c[k], &m);
}

/* --- tests --- */

static void test_greets_every_coordinator(void **state)
{
    struct world *w = *state;

    start(w);
    for (unsigned k = 0; k < COORDINATORS; k++) {
        assert_int_equal(w->c[k].hello.boot, BOOT);
        assert_int_equal(w->c[k].hello.index, 10);
        assert_memory_equal(w->c[k].hello.history, history_a,
                            TYPES_HISTORY);
        assert_int_equal(w->c[k].beat.wanted, 3);
    }
    assert_int_equal(stats(w).open, 2);
}

static void test_stored_orders_are_confirmed_at_once(void **state)
{
    struct world *w = *state;

    start(w);
    orders(w, 0, 3, 10, 12, 2);
    WAIT(w, w->c[0].beats == 2);
    assert_int_equal(w->c[0].beat.index, 12);
    assert_int_equal(w->n_items, 2);
    assert_int_equal(w->c[1].beats, 1); /* the others hear it in time */
    w->store_fails = true;
    orders(w, 0, 3, 12, 14, 2);
    WAIT(w, w->tried == 2);
    w->store_fails = false;
    orders(w, 0, 3, 14, 16, 2); /* what was not stored is not held */
    refused(w, 1);
    orders(w, 0, 3, 12, 14, 2);
    WAIT(w, w->c[0].beats == 3);
    assert_int_equal(w->c[0].beat.index, 14);
}

static void test_fences(void **state)
{
    struct world *w = *state;

    start(w);
    orders(w, 0, 3, 11, 12, 1); /* a gap */
    refused(w, 1);
    orders(w, 0, 3, 0, 9, 2); /* older than what is held */
    refused(w, 2);
    orders(w, 1, 4, 10, 11, 1); /* a new leader */
    WAIT(w, w->orders == 1);
    orders(w, 0, 3, 11, 13, 1); /* the old one goes on */
    refused(w, 3);
    of_history(w, 1, history_b,
               (struct message_orders){.term = 9, .from = 11, .to = 20});
    refused(w, 4);
    assert_int_equal(w->orders, 1);
    orders(w, 1, 4, 11, 14, 1);
    WAIT(w, w->orders == 2);
    assert_int_equal(w->to, 14);
}

/* Reports were taken that this journal knows nothing of. */
static void test_an_old_copy_asks_for_everything(void **state)
{
    struct world *w = *state;

    w->seq = 6;
    start(w);
    report(w, 5);
    orders(w, 0, 3, 10, 10, 0);
    WAIT(w, w->c[0].beats == 2 && w->c[0].beat.index == 0);
    assert_int_equal(w->old, 6);
    assert_int_equal(w->currents, 0); /* nothing may be released yet */
    w->old = 0;
    orders(w, 0, 3, 0, 10, 0);
    WAIT(w, w->orders == 1 && w->currents == 1);
    assert_int_equal(w->old, 0);
    assert_int_equal(stats(w).reports, 0); /* it is not said again */
}

static void test_a_follower_orders_nothing(void **state)
{
    struct world *w = *state;
    struct message m = {.kind = MESSAGE_ORDERS,
                        .orders = {.term = 3, .to = 500}};

    start(w);
    memcpy(m.orders.history, history_a, TYPES_HISTORY);
    send_message(&w->c[1], &m);
    orders(w, 0, 3, 10, 11, 1);
    WAIT(w, w->orders == 1);
    assert_int_equal(w->to, 11);
    assert_int_equal(stats(w).refused_orders, 0);
}

static void full(struct world *w, uint64_t term, uint64_t to, bool more)
{
    of_history(w, 0, history_b,
               (struct message_orders){.term = term, .full = true,
                                       .more = more, .to = to});
}

/* After a restore: another history, lower terms and indexes. */
static void test_full_orders_of_a_new_history_in_chunks(void **state)
{
    struct world *w = *state;

    start(w);
    full(w, 1, 4, true);
    WAIT(w, w->c[0].beats == 2);
    assert_memory_equal(w->c[0].beat.history, history_b, TYPES_HISTORY);
    assert_int_equal(w->c[0].beat.index, 4);
    assert_int_equal(w->currents, 0);
    of_history(w, 0, history_b, /* the rest, no items */
               (struct message_orders){.term = 1, .from = 4, .to = 8});
    WAIT(w, w->orders == 2);
    assert_int_equal(w->currents, 1);
    of_history(w, 0, history_b, /* only an answer */
               (struct message_orders){.term = 1, .from = 8, .to = 8});
    WAIT(w, w->currents == 2);
    assert_int_equal(w->orders, 2);
    WAIT(w, stats(w).open == 1); /* who is of the old history is let go */
    WAIT(w, w->c[1].hellos >= 3); /* and refused when it comes again */
    assert_int_equal(stats(w).open, 1);
    assert_int_equal(w->orders, 2);
}

/* Numbers of pins mean something within one history only. */
static void test_reports_are_for_the_history_that_is_held(void **state)
{
    struct world *w = *state;

    memcpy(w->c[0].welcome.history, history_b, TYPES_HISTORY);
    w->c[0].welcome.pin_tag = 77;
    w->settings.n = 1;
    w->link = link_new(&w->settings);
    WAIT(w, w->c[0].beats == 1);
    report(w, 1);
    w->store_fails = true; /* the switch to it is put off */
    full(w, 1, 4, false);
    WAIT(w, w->tried == 1);
    assert_int_equal(w->pin_tag, 77);
    w->store_fails = false;
    full(w, 1, 4, false);
    WAIT(w, w->orders == 1 && w->c[0].beats == 2);
    assert_int_equal(w->c[0].n_seqs, 0); /* of the other history */
    assert_true(link_report_room(w->link));
    report(w, 2);
    WAIT(w, w->c[0].n_seqs == 1);
    assert_int_equal(w->c[0].seqs[0], 2);
}

/* A state that was restored from a copy numbers pins anew: full orders make
 * an end of what was reported about the old ones. */
static void test_full_orders_void_reports(void **state)
{
    struct world *w = *state;

    start(w);
    report(w, 1);
    of_history(w, 0, history_a,
               (struct message_orders){.term = 3, .full = true, .to = 4});
    WAIT(w, w->orders == 1 && w->c[0].beats == 2);
    assert_int_equal(w->c[0].n_seqs, 0);
    assert_true(link_report_room(w->link));
}

/* Restored coordinators lead in terms that were before; a leader that was
 * replaced does not do so for long. */
static void test_an_older_term_that_stays(void **state)
{
    struct world *w = *state;
    uint64_t began;

    w->settings.older_term_ms = 200;
    start(w);
    orders(w, 1, 4, 10, 11, 1);
    WAIT(w, w->orders == 1);
    began = uv_now(&w->loop);
    orders(w, 0, 3, 11, 12, 1); /* while another leads */
    refused(w, 1);
    stream_close(w->c[1].stream);
    WAIT(w, !stats(w).leader_known);
    while (w->orders == 1) {
        uint64_t tried = stats(w).refused_orders;

        orders(w, 0, 3, 11, 12, 1);
        WAIT(w, w->orders == 2 || stats(w).refused_orders > tried);
    }
    assert_true(uv_now(&w->loop) - began >= 200);
    report(w, 1);
    WAIT(w, w->c[0].n_seqs == 1); /* it is the leader */
}

/* Two clusters in one list: those of the orders that are held stay. */
static void test_one_cluster(void **state)
{
    struct world *w = *state;

    memcpy(w->c[0].welcome.history, history_b, TYPES_HISTORY);
    w->link = link_new(&w->settings);
    WAIT(w, w->c[0].hellos >= 2 && w->c[1].beats == 1);
    assert_int_equal(stats(w).open, 1);
    orders(w, 1, 3, 10, 11, 1);
    WAIT(w, w->orders == 1);
    assert_int_equal(w->to, 11);
}

/* Who answers first does not decide. */
static void test_one_cluster_in_any_order(void **state)
{
    struct world *w = *state;

    w->settings.move_ms = 60000;
    memcpy(w->c[0].welcome.history, history_b, TYPES_HISTORY);
    memcpy(w->c[1].welcome.history, history_b, TYPES_HISTORY);
    w->link = link_new(&w->settings);
    WAIT(w, w->c[0].hellos >= 2 && w->c[1].hellos >= 2);
    assert_int_equal(stats(w).open, 0);
    memcpy(w->c[1].welcome.history, history_a, TYPES_HISTORY);
    WAIT(w, w->c[1].beats == 1); /* it has those that are held */
    WAIT(w, stats(w).open == 1);
    orders(w, 1, 3, 10, 11, 1);
    WAIT(w, w->orders == 1);
    assert_int_equal(w->to, 11);
}

/* A cluster that took the place of the other is gone over to after a time. */
static void test_all_of_another_cluster(void **state)
{
    struct world *w = *state;
    uint64_t began = uv_now(&w->loop);

    w->settings.move_ms = 700;
    memcpy(w->c[0].welcome.history, history_b, TYPES_HISTORY);
    memcpy(w->c[1].welcome.history, history_b, TYPES_HISTORY);
    w->link = link_new(&w->settings);
    WAIT(w, stats(w).open == 2);
    assert_true(uv_now(&w->loop) - began >= 700);
}

/* With an agent that holds none yet: the first full ones decide. */
static void test_one_cluster_for_a_fresh_agent(void **state)
{
    struct world *w = *state;

    memset(w->settings.history, 0, TYPES_HISTORY);
    w->settings.index = 0;
    memcpy(w->c[0].welcome.history, history_b, TYPES_HISTORY);
    w->link = link_new(&w->settings);
    WAIT(w, w->c[0].beats == 1 && w->c[1].beats == 1);
    assert_int_equal(stats(w).open, 2);
    full(w, 1, 4, false);
    WAIT(w, w->orders == 1);
    WAIT(w, w->c[1].hellos >= 3);
    assert_int_equal(stats(w).open, 1);
    assert_int_equal(w->orders, 1);
}

static void test_reports_one_after_the_other(void **state)
{
    struct world *w = *state;

    w->settings.resend_ms = 30;
    start(w);
    w->seq = 1;
    report(w, 1);
    report(w, 2);
    assert_false(link_report_room(w->link));
    assert_int_equal(stats(w).reports, 0); /* nobody leads */
    orders(w, 0, 3, 10, 10, 0);
    WAIT(w, w->c[0].n_seqs >= 3); /* again and again, the same one */
    assert_int_equal(w->c[0].seqs[2], 1);
    taken(w, 0, 1);
    WAIT(w, w->n_taken == 1);
    WAIT(w, w->c[0].seqs[w->c[0].n_seqs - 1] == 2);
    taken(w, 0, 1); /* late, of the first */
    orders(w, 0, 3, 10, 11, 0);
    WAIT(w, w->orders == 1);
    assert_int_equal(w->n_taken, 1);
    taken(w, 0, 2);
    WAIT(w, w->n_taken == 2);
    assert_int_equal(w->taken[1], 2);
    assert_true(link_report_room(w->link));
    assert_int_equal(w->c[1].n_seqs, 0);
}

static void test_a_new_leader_gets_the_oldest_first(void **state)
{
    struct world *w = *state;

    start(w);
    w->seq = 1;
    orders(w, 0, 3, 10, 10, 0);
    report(w, 1);
    report(w, 2);
    WAIT(w, w->c[0].n_seqs == 1);
    orders(w, 1, 4, 10, 10, 0);
    WAIT(w, w->c[1].n_seqs == 1);
    assert_int_equal(w->c[1].seqs[0], 1);
    taken(w, 1, 1);
    WAIT(w, w->c[1].n_seqs == 2);
    assert_int_equal(w->c[1].seqs[1], 2);
    assert_int_equal(w->c[0].n_seqs, 1);
}

static void test_a_session_that_ends_is_dialled_again(void **state)
{
    struct world *w = *state;

    start(w);
    w->seq = 1;
    orders(w, 0, 3, 10, 10, 0);
    report(w, 1);
    WAIT(w, w->c[0].n_seqs == 1);
    stream_close(w->c[0].stream);
    WAIT(w, w->c[0].hellos == 2 && w->c[0].beats == 2);
    link_beat_soon(w->link);
    WAIT(w, w->c[0].beats == 3);
    assert_int_equal(w->c[0].n_seqs, 1); /* who leads is not known */
    orders(w, 0, 3, 10, 10, 0);
    WAIT(w, w->c[0].n_seqs == 2);
    assert_int_equal(w->c[0].seqs[1], 1);
}

static void test_a_refusal_is_tried_again(void **state)
{
    struct world *w = *state;

    w->c[0].welcome.code = WELCOME_NOT_READY;
    w->c[0].welcome.text = span_text("not ready");
    w->link = link_new(&w->settings);
    WAIT(w, w->c[0].hellos == 1 && w->c[0].closes == 1);
    w->c[0].welcome.code = WELCOME_OK;
    WAIT(w, w->welcomes == 2);
    assert_int_equal(w->c[0].hellos, 2);
}

static void test_nonsense_ends_the_session(void **state)
{
    struct world *w = *state;
    uint8_t junk[] = {0, 0, 0, 2, 0xc1, 0xc1};
    struct message m = {.kind = MESSAGE_END};

    start(w);
    assert_true(stream_send(w->c[0].stream, junk, sizeof junk));
    WAIT(w, w->c[0].closes == 1);
    send_message(&w->c[1], &m); /* not here */
    WAIT(w, w->c[1].closes == 1);
    WAIT(w, w->welcomes == 4);
}

static void test_calls_and_tickets(void **state)
{
    struct world *w = *state;
    struct message m = {.kind = MESSAGE_CALL};
    struct message_result r = {77, ERR_NOT_FOUND, span_text("no"),
                               {NULL, 0}};

    start(w);
    m.call = (struct message_call){77, CALL_CHECK, {NULL, 0}, 1000,
                                   span_text("of-c1")};
    send_message(&w->c[1], &m);
    WAIT(w, w->calls == 1);
    assert_int_equal(w->c[1].reads, 1); /* it was asked for that */
    link_result(w->link, w->session + 100, &r); /* a session that is over */
    link_result(w->link, w->session, &r);
    WAIT(w, w->c[1].results == 1);
    assert_int_equal(w->c[1].result.error, ERR_NOT_FOUND);
    m.kind = MESSAGE_OPEN;
    m.open = (struct message_open){.purpose = OPEN_ADD};
    send_message(&w->c[0], &m);
    WAIT(w, w->opens == 1);
}

static void test_news_go_to_all_at_once(void **state)
{
    struct world *w = *state;

    start(w);
    link_beat_soon(w->link);
    WAIT(w, w->c[0].beats == 2 && w->c[1].beats == 2);
}

static void test_says_goodbye(void **state)
{
    struct world *w = *state;

    w->settings.n = 1;
    w->link = link_new(&w->settings);
    WAIT(w, w->c[0].beats == 1);
    link_close(w->link, "stopping");
    WAIT(w, w->c[0].goodbyes == 1);
    WAIT(w, link_closed(w->link));
    link_free(w->link);
    w->link = link_new(&w->settings);
    WAIT(w, w->c[0].beats == 2);
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_greets_every_coordinator),
        TEST(test_stored_orders_are_confirmed_at_once),
        TEST(test_fences),
        TEST(test_an_old_copy_asks_for_everything),
        TEST(test_a_follower_orders_nothing),
        TEST(test_full_orders_of_a_new_history_in_chunks),
        TEST(test_reports_are_for_the_history_that_is_held),
        TEST(test_full_orders_void_reports),
        TEST(test_an_older_term_that_stays),
        TEST(test_one_cluster),
        TEST(test_one_cluster_for_a_fresh_agent),
        TEST(test_one_cluster_in_any_order),
        TEST(test_all_of_another_cluster),
        TEST(test_reports_one_after_the_other),
        TEST(test_a_new_leader_gets_the_oldest_first),
        TEST(test_a_session_that_ends_is_dialled_again),
        TEST(test_a_refusal_is_tried_again),
        TEST(test_nonsense_ends_the_session),
        TEST(test_calls_and_tickets),
        TEST(test_news_go_to_all_at_once),
        TEST(test_says_goodbye),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
