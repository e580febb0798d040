/* A cluster of one with the real libraft in a folder: verdicts come once and
 * after their flush, state survives, limits and deadlines hold, stale plans
 * are made anew, a half bootstrap is mended.
 */
#include "coordinator_world.h"

static uv_loop_t loop;

static int setup(void **state)
{
    (void)state;
    return uv_loop_init(&loop);
}

static int teardown(void **state)
{
    (void)state;
    coord_loop_end(&loop);
    return 0;
}

static void verdict_after_flush(void **state)
{
    struct coord *c = coord_single(&loop);
    struct replica_result r;

    (void)state;
    coord_ready(c);
    assert_true(store_cluster(c->store)->formed);
    r = coord_do(c, coord_claim(1, 1, 1));
    assert_int_equal(r.error, ERR_OK);
    assert_int_equal(r.verdict, VERDICT_NO_CANDIDATES);
    assert_int_equal(r.needed, 1);
    r = coord_do(c, coord_node_put(1));
    assert_int_equal(r.verdict, VERDICT_ACCEPTED);
    assert_int_equal(r.node, 1);
    r = coord_do(c, coord_claim(1, 1, 1));
    assert_int_equal(r.verdict, VERDICT_ACCEPTED);
    assert_int_equal(store_pin_count(c->store), 1);
    r = coord_do(c, coord_claim(1, 1, 1));
    assert_int_equal(r.verdict, VERDICT_ALREADY);
    coord_end(c);
}

static bool held(const struct coord *c)
{
    const struct replica *r = c->replica;

    return store_is_dirty(c->store) &&
           uv_is_active((const uv_handle_t *)&r->hold) &&
           !uv_is_active((const uv_handle_t *)&r->idle);
}

/* Nobody waits for a wish: its group stays open for what comes within 5 ms,
 * unless 5 ms have passed already (a slow machine: hence more than one). */
static void group_is_held(void **state)
{
    struct coord *c = coord_single(&loop);
    struct command k;
    unsigned committed;
    bool seen = false;

    (void)state;
    memset(&k, 0, sizeof k);
    k.kind = COMMAND_TICK;
    coord_ready(c);
    for (int i = 0; i < 1000 && !seen; i++) {
        uint64_t applied = store_applied(c->store);

        assert_true(replica_wish(c->replica, &k));
        COORD_WAIT(&loop, store_applied(c->store) > applied);
        seen = held(c);
    }
    committed = c->committed;
    COORD_WAIT(&loop, !store_is_dirty(c->store));
    committed = c->committed - committed;
    coord_end(c);
    assert_true(seen);
    assert_int_equal(committed, 1);
}

/* The state as it is while the leader does nothing of its own. */
static void still_hash(struct coord *c, uint32_t cid, uint8_t out[STORE_HASH])
{
    uv_timer_stop(&c->tick);
    (void)coord_do(c, coord_claim(cid, 1, 1)); /* behind what it did */
    store_hash(c->store, out);
}

static void open_still(struct coord *c)
{
    coord_open(c);
    uv_timer_stop(&c->tick);
}

static void survives_restart(void **state)
{
    struct coord *c = coord_single(&loop);
    uint8_t before[STORE_HASH], after[STORE_HASH];
    uint64_t id, boot;

    (void)state;
    coord_ready(c);
    (void)coord_do(c, coord_node_put(1));
    for (uint32_t i = 0; i < 19; i++)
        assert_int_equal(coord_do(c, coord_claim(i, 1, 1)).verdict,
                         VERDICT_ACCEPTED);
    still_hash(c, 19, before);
    id = c->member.raft_id;
    boot = c->member.boot;
    coord_close(c);
    open_still(c);
    assert_int_equal(c->member.raft_id, id);
    assert_int_equal(c->member.boot >> MEMBER_CHANCE,
                     (boot >> MEMBER_CHANCE) + 1);
    assert_string_equal(replica_unready(c->replica),
                        "catching up with the log");
    coord_ready(c);
    store_hash(c->store, after);
    assert_memory_equal(before, after, STORE_HASH);
    assert_int_equal(store_pin_count(c->store), 20);
    assert_int_equal(coord_do(c, coord_claim(5, 1, 1)).verdict,
                     VERDICT_ALREADY);
    coord_end(c);
}

/* The database lost, the log whole: everything is replayed. */
static void replays_the_log(void **state)
{
    struct coord *c = coord_single(&loop);
    uint8_t before[STORE_HASH], after[STORE_HASH];

    (void)state;
    coord_ready(c);
    (void)coord_do(c, coord_node_put(1));
    for (uint32_t i = 0; i < 300; i++)
        (void)coord_do(c, coord_claim(i, 1, 1));
    still_hash(c, 300, before);
    coord_close(c);
    assert_int_equal(unlink(c->state), 0);
    open_still(c);
    coord_ready(c);
    store_hash(c->store, after);
    assert_memory_equal(before, after, STORE_HASH);
    coord_end(c);
}

static void full_is_busy(void **state)
{
    struct coord *c = coord_single(&loop);
    struct coord_answer a = {.c = c};
    struct command *k;
    enum err e;

    (void)state;
    coord_ready(c);
    (void)coord_do(c, coord_node_put(1));
    for (uint32_t i = 0; i < LIMIT_OPERATIONS_WAITING; i++) {
        k = coord_claim(i, 1, 1);
        e = replica_propose(c->replica, k, coord_answered, &a);
        assert_int_equal(e, ERR_OK);
        free(k);
    }
    k = coord_claim(99999, 1, 1);
    e = replica_propose(c->replica, k, coord_answered, &a);
    assert_int_equal(e, ERR_BUSY);
    free(k);
    assert_int_equal(a.calls, 0);
    COORD_WAIT(&loop, a.calls == LIMIT_OPERATIONS_WAITING);
    assert_int_equal(store_pin_count(c->store), LIMIT_OPERATIONS_WAITING);
    assert_int_equal(c->replica->n_pending, 0);
    assert_int_equal(c->replica->outstanding, 0);
    coord_end(c);
}

static void too_large_leaves_nothing(void **state)
{
    struct coord *c = coord_single(&loop);
    struct coord_answer a = {.c = c};
    struct command *k = coord_command(COMMAND_REPORT);
    static struct report_item items[LIMIT_REPORT_ITEMS];
    static char text[LIMIT_ERROR_TEXT];

    (void)state;
    coord_ready(c);
    memset(text, 'x', sizeof text);
    for (uint32_t i = 0; i < LIMIT_REPORT_ITEMS; i++) {
        items[i].pin = items[i].idx = i + 1;
        items[i].state = REPORT_FAILED;
        items[i].code = FAIL_OTHER;
        items[i].text = span_of(text, sizeof text);
    }
    k->report.node = 1;
    k->report.n = LIMIT_REPORT_ITEMS;
    k->report.items = items;
    assert_int_equal(replica_propose(c->replica, k, coord_answered, &a),
                     ERR_TOO_LARGE);
    free(k);
    assert_int_equal(c->replica->n_pending, 0);
    assert_int_equal(coord_do(c, coord_node_put(1)).verdict,
                     VERDICT_ACCEPTED);
    assert_int_equal(a.calls, 0);
    coord_end(c);
}

/* Two members are configured, the other one never comes. */
static void no_leader_in_time(void **state)
{
    struct coord *c = mem_alloc(sizeof *c);
    struct coord_answer a = {.c = c};
    struct peer_member two[2];
    struct command *k;

    (void)state;
    coord_log_quiet();
    c->loop = &loop;
    coord_folder(c->dir, sizeof c->dir);
    snprintf(c->address, sizeof c->address, "127.0.0.1:%u", coord_port());
    snprintf(c->members, sizeof c->members, "%s,127.0.0.1:%u", c->address,
             coord_port());
    coord_open(c);
    memset(two, 0, sizeof two);
    two[0].raft_id = c->member.raft_id;
    memcpy(two[0].key, c->self.key, TYPES_KEY);
    snprintf(two[0].address, sizeof two[0].address, "%s", c->address);
    two[1].raft_id = c->member.raft_id + 1;
    snprintf(two[1].address, sizeof two[1].address, "%s",
             c->members + strlen(c->address) + 1);
    coord_agreed(c, two, 2);
    assert_int_equal(c->start_error, ERR_OK);
    k = coord_node_put(1);
    assert_int_equal(replica_propose(c->replica, k, coord_answered, &a),
                     ERR_OK);
    free(k);
    assert_non_null(replica_unready(c->replica));
    COORD_WAIT(&loop, c->replica->next_seq == 2);
    /* Its time is over: no need to wait for it. */
    c->replica->window[1]->deadline_ms = uv_now(&loop);
    COORD_WAIT(&loop, a.calls == 1);
    assert_int_equal(a.r.error, ERR_NO_LEADER);
    assert_int_equal(c->replica->n_pending, 0);
    /* Had it been handed to somebody, nobody would know. */
    k = coord_node_put(2);
    assert_int_equal(replica_propose(c->replica, k, coord_answered, &a),
                     ERR_OK);
    free(k);
    c->replica->window[2]->ever_sent = true;
    c->replica->window[2]->deadline_ms = uv_now(&loop);
    /* nothing leaves while a transaction is open */
    store_set_applied(c->store, store_applied(c->store) + 1, 1, 1);
    COORD_WAIT(&loop, c->replica->results != NULL);
    for (int i = 0; i < 20; i++)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(a.calls, 1);
    store_flush(c->store);
    COORD_WAIT(&loop, a.calls == 2);
    assert_int_equal(a.r.error, ERR_UNKNOWN_OUTCOME);
    coord_end(c);
}

static void (*real_plan)(void *arg, struct command *k);
static unsigned bad_plans, plans;

/* Names a node that does not exist, bad_plans times. */
static void plan_badly(void *arg, struct command *k)
{
    plans++;
    if (bad_plans == 0) {
        real_plan(arg, k);
        return;
    }
    bad_plans--;
    k->claim_put.n_places = 1;
    k->claim_put.places[0].node = 77;
    k->claim_put.places[0].reason = REASON_PLACED;
}

static void stale_is_planned_anew(void **state)
{
    struct coord *c = coord_single(&loop);
    struct replica_result r;

    (void)state;
    coord_ready(c);
    (void)coord_do(c, coord_node_put(1));
    real_plan = c->replica->events.plan;
    c->replica->events.plan = plan_badly;
    plans = 0;
    bad_plans = 2;
    r = coord_do(c, coord_claim(1, 1, 1));
    assert_int_equal(r.error, ERR_OK);
    assert_int_equal(r.verdict, VERDICT_ACCEPTED);
    assert_int_equal(plans, 3);
    plans = 0;
    bad_plans = 100; /* for ever: given up after three more tries */
    r = coord_do(c, coord_claim(2, 1, 1));
    assert_int_equal(r.error, ERR_BUSY);
    assert_int_equal(plans, 1 + REPLICA_STALE_TRIES);
    assert_int_equal(store_pin_count(c->store), 1);
    assert_int_equal(c->replica->n_pending, 0);
    coord_end(c);
}

/* As of a pin for everywhere in a large cluster, of which only the first node
 * is here. */
static void plan_widely(void *arg, struct command *k)
{
    (void)arg;
    k->claim_put.n_places = LIMIT_ASSIGN_ROWS;
    for (uint32_t i = 0; i < LIMIT_ASSIGN_ROWS; i++)
        k->claim_put.places[i] = (struct command_place){
            .node = i == 0 ? 1 : UINT32_C(1000000) + i,
            .reason = REASON_EVERYWHERE};
}

/* What a claim gets in places counts in the length of its entry: too long a
 * one would be committed, and end every coordinator that applies it. */
static void many_places(void **state)
{
    enum { MANY = 600 };
    static struct coord_answer a[MANY];
    struct coord *c = coord_single(&loop);
    uint32_t answered = 0;

    (void)state;
    coord_ready(c);
    (void)coord_do(c, coord_node_put(1));
    c->replica->events.plan = plan_widely;
    for (uint32_t i = 0; i < MANY; i++) {
        struct command *k = coord_claim(i, -1, -1);

        a[i].c = c;
        assert_int_equal(replica_propose(c->replica, k, coord_answered,
                                         &a[i]), ERR_OK);
        free(k);
    }
    while (answered < MANY) {
        COORD_WAIT(&loop, a[answered].calls == 1);
        assert_int_equal(a[answered].r.error, ERR_OK);
        assert_int_equal(a[answered].r.verdict, VERDICT_ACCEPTED);
        answered++;
    }
    assert_int_equal(store_pin_count(c->store), MANY);
    coord_end(c);
}

/* What no replica could apply is not proposed, whoever sends it. */
static void unreadable_is_not_proposed(void **state)
{
    struct coord *c = coord_single(&loop);
    struct command *k = coord_node_put(3);
    struct buf bytes = BUF_INIT;
    struct peer_forward f = {.n = 1};
    struct span op;

    (void)state;
    coord_ready(c);
    k->origin = c->member.raft_id;
    k->boot = c->member.boot;
    k->seq = LIMIT_ORIGIN_WINDOW - 1;
    assert_int_equal(command_encode(k, &bytes), ERR_OK);
    f.operations = &op;
    op = span_of(bytes.p, bytes.n - 1);
    replica_forwarded(c->replica, c->member.raft_id, c->member.boot, &f);
    assert_int_equal(c->replica->n_queue, 0);
    op = span_buf(&bytes);
    replica_forwarded(c->replica, c->member.raft_id, c->member.boot, &f);
    assert_int_equal(c->replica->n_queue, 1);
    COORD_WAIT(&loop, store_node(c->store, 1) != NULL);
    buf_free(&bytes);
    free(k);
    coord_end(c);
}

/* The same bytes proposed twice apply once, and answer once. */
static void twice_is_once(void **state)
{
    struct coord *c = coord_single(&loop);
    struct coord_answer a = {.c = c};
    struct command *k;
    struct pending *p;

    (void)state;
    coord_ready(c);
    k = coord_node_put(3);
    assert_int_equal(replica_propose(c->replica, k, coord_answered, &a),
                     ERR_OK);
    p = c->replica->window[k->seq % LIMIT_ORIGIN_WINDOW];
    assert_true(replica_lead_add(c->replica, c->member.raft_id, p->bytes.p,
                                 p->bytes.n));
    assert_true(replica_lead_add(c->replica, c->member.raft_id, p->bytes.p,
                                 p->bytes.n));
    free(k);
    COORD_WAIT(&loop, a.calls == 1);
    assert_int_equal(coord_do(c, coord_node_put(3)).verdict,
                     VERDICT_ALREADY);
    assert_int_equal(a.calls, 1);
    coord_end(c);
}

/* An entry that got lost: its operations go again, once for each loss. */
static void lost_entry_goes_again(void **state)
{
    struct coord *c = coord_single(&loop);
    struct coord_answer a = {.c = c};
    struct replica *r;
    struct command *k;

    (void)state;
    coord_ready(c);
    r = c->replica;
    k = coord_node_put(4);
    assert_int_equal(replica_propose(r, k, coord_answered, &a), ERR_OK);
    free(k);
    /* As if it had been in the queue when an entry failed. */
    r->window[(r->next_seq - 1) % LIMIT_ORIGIN_WINDOW]->sent_to = r->leader;
    r->window[(r->next_seq - 1) % LIMIT_ORIGIN_WINDOW]->sent_term = r->term;
    r->unsent_seq = r->next_seq;
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(a.calls, 0);
    r->epoch++;
    r->rescan = r->dirty = true;
    COORD_WAIT(&loop, a.calls == 1);
    assert_int_equal(a.r.error, ERR_OK);
    assert_int_equal(a.r.verdict, VERDICT_ACCEPTED);
    coord_end(c);
}

static void not_proposed_is_due(void **state)
{
    struct coord *c = coord_single(&loop);
    struct coord_answer a = {.c = c};
    struct replica *r;
    struct command *k;
    struct buf entry = BUF_INIT;
    struct pending *p;

    (void)state;
    coord_ready(c);
    r = c->replica;
    k = coord_node_put(4);
    assert_int_equal(replica_propose(r, k, coord_answered, &a), ERR_OK);
    p = r->window[k->seq % LIMIT_ORIGIN_WINDOW];
    p->sent_to = r->leader;
    p->sent_term = r->term;
    entry_begin(&entry, 1, 1);
    entry_add(&entry, span_buf(&p->bytes));
    entry_end(&entry);
    replica_not_proposed(r, span_buf(&entry), ERR_NO_SPACE);
    assert_int_equal(p->sent_to, 0);
    buf_free(&entry);
    free(k);
    COORD_WAIT(&loop, a.calls == 1);
    assert_int_equal(a.r.error, ERR_OK);
    coord_end(c);
}

/* It fell between the two files of its first log. */
static void half_bootstrap_is_mended(void **state)
{
    struct coord *c = coord_single(&loop);
    char path[400];
    struct err_text why;

    (void)state;
    coord_ready(c);
    coord_close(c);
    /* Agreed, not formed, and only the metadata of the log. */
    assert_int_equal(unlink(c->state), 0);
    coord_folder_remove(c->raft_dir);
    assert_int_equal(mkdir(c->raft_dir, 0700), 0);
    c->member.formed = false;
    assert_int_equal(member_agree(&c->member, c->member.members, 1, &why),
                     ERR_OK);
    {
        static const uint8_t metadata[32] = {1, [8] = 1, [16] = 1};
        FILE *f;

        snprintf(path, sizeof path, "%s/metadata1", c->raft_dir);
        f = fopen(path, "w");
        assert_non_null(f);
        assert_int_equal(fwrite(metadata, 1, sizeof metadata, f), 32);
        fclose(f);
    }
    coord_open(c);
    assert_int_equal(c->start_error, ERR_OK);
    assert_true(c->member.formed);
    coord_ready(c);
    assert_int_equal(coord_do(c, coord_node_put(1)).verdict,
                     VERDICT_ACCEPTED);
    coord_end(c);
}

/* A snapshot, then a database behind it: it must not start. */
static void refuses_state_behind_snapshot(void **state)
{
    struct coord *c = mem_alloc(sizeof *c);
    char path[400];

    (void)state;
    coord_log_quiet();
    c->loop = &loop;
    c->log_budget = 4096; /* a snapshot at each SNAPSHOT_MIN entries */
    coord_folder(c->dir, sizeof c->dir);
    snprintf(c->address, sizeof c->address, "127.0.0.1:%u", coord_port());
    snprintf(c->members, sizeof c->members, "%s", c->address);
    coord_open(c);
    coord_ready(c);
    (void)coord_do(c, coord_node_put(1));
    for (uint32_t i = 0; i < 1200; i++)
        (void)coord_do(c, coord_claim(i, 1, 1));
    COORD_WAIT(&loop, c->replica->stats.snapshots > 0 &&
                          !c->replica->raft.legacy.snapshot_taking);
    coord_close(c);
    coord_open(c); /* with its database it starts */
    assert_int_equal(c->start_error, ERR_OK);
    coord_ready(c);
    assert_int_equal(store_pin_count(c->store), 1200);
    coord_close(c);
    assert_int_equal(unlink(c->state), 0);
    snprintf(path, sizeof path, "%s-wal", c->state);
    (void)unlink(path);
    {
        pid_t pid = fork();
        int status = 1;

        if (pid == 0) { /* a failed start leaves handles: a new process */
            execl("/proc/self/exe", "test_replica", c->dir, c->address,
                  (char *)NULL);
            _exit(9);
        }
        assert_true(waitpid(pid, &status, 0) == pid);
        assert_int_equal(status, 0);
    }
    coord_end(c);
}

static void wishes_are_not_kept(void **state)
{
    struct coord *c = coord_single(&loop);
    struct command *k = coord_node_put(9);
    uint32_t n = 0;

    (void)state;
    coord_ready(c);
    assert_true(replica_wish(c->replica, k));
    assert_int_equal(c->replica->n_pending, 0);
    COORD_WAIT(&loop, (store_nodes(c->store, &n), n == 1));
    free(k);
    coord_end(c);
}

/* Starts on a folder that must be refused. */
static int start_refused(const char *dir, const char *address)
{
    static struct coord c;

    coord_log_quiet();
    uv_loop_init(&loop);
    c.loop = &loop;
    snprintf(c.dir, sizeof c.dir, "%s", dir);
    snprintf(c.address, sizeof c.address, "%s", address);
    snprintf(c.members, sizeof c.members, "%s", address);
    coord_open(&c);
    _exit(c.start_error == ERR_CORRUPT &&
                  strstr(c.why.text, "stands at index 0") != NULL ? 0 : 1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdict_after_flush),
        cmocka_unit_test(group_is_held),
        cmocka_unit_test(survives_restart),
        cmocka_unit_test(replays_the_log),
        cmocka_unit_test(full_is_busy),
        cmocka_unit_test(too_large_leaves_nothing),
        cmocka_unit_test(no_leader_in_time),
        cmocka_unit_test(stale_is_planned_anew),
        cmocka_unit_test(many_places),
        cmocka_unit_test(unreadable_is_not_proposed),
        cmocka_unit_test(twice_is_once),
        cmocka_unit_test(lost_entry_goes_again),
        cmocka_unit_test(not_proposed_is_due),
        cmocka_unit_test(half_bootstrap_is_mended),
        cmocka_unit_test(refuses_state_behind_snapshot),
        cmocka_unit_test(wishes_are_not_kept),
    };

    if (argc == 3)
        return start_refused(argv[1], argv[2]);
    return cmocka_run_group_tests_name("replica", tests, setup, teardown);
}
