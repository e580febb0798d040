/* Links between coordinators on one loop: forming, lists that differ, ids
 * and keys that are wrong, connections that talk garbage, forwarding and the
 * move of leadership.
 */
#include "coordinator_world.h"

#include <fcntl.h>

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

static void make(struct coord **c, unsigned n)
{
    char members[256] = "";

    coord_log_quiet();
    for (unsigned i = 0; i < n; i++) {
        size_t used = strlen(members);

        c[i] = mem_alloc(sizeof *c[i]);
        c[i]->loop = &loop;
        coord_folder(c[i]->dir, sizeof c[i]->dir);
        snprintf(c[i]->address, sizeof c[i]->address, "127.0.0.1:%u",
                 coord_port());
        snprintf(members + used, sizeof members - used, "%s%s",
                 i > 0 ? "," : "", c[i]->address);
    }
    for (unsigned i = 0; i < n; i++)
        memcpy(c[i]->members, members, sizeof members);
}

static void end(struct coord **c, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        coord_end(c[i]);
}

static bool all_ready(struct coord **c, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (c[i]->replica == NULL || replica_unready(c[i]->replica) != NULL)
            return false;
    return true;
}

static struct coord *leader(struct coord **c, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (c[i]->replica != NULL && replica_leading(c[i]->replica))
            return c[i];
    return NULL;
}

/* Those that are ready may have lost theirs since: they are so for 10 s. */
static struct coord *next_leader(struct coord **c, unsigned n)
{
    COORD_WAIT(&loop, leader(c, n) != NULL);
    return leader(c, n);
}

static void spin(unsigned ms)
{
    uint64_t until = uv_hrtime() / 1000000 + ms;

    while (uv_hrtime() / 1000000 < until)
        uv_run(&loop, UV_RUN_ONCE);
}

static void three_form(void **state)
{
    struct coord *c[3];
    struct coord_answer a = {0};
    struct command *k;
    struct coord *follower;
    uint8_t tries = 0;

    (void)state;
    make(c, 3);
    coord_open(c[0]);
    coord_open(c[1]);
    COORD_WAIT(&loop, strstr(peers_forming_text(c[0]->peers),
                             "is not reachable") != NULL);
    assert_int_equal(c[0]->agreed, 0); /* a lone one never forms */
    coord_open(c[2]);
    COORD_WAIT(&loop, all_ready(c, 3));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(c[i]->agreed, 1);
        assert_memory_equal(c[i]->member.cluster, c[0]->member.cluster,
                            TYPES_CLUSTER);
        assert_true(c[i]->member.formed);
    }
    /* A follower forwards, and answers from its own apply; who came to lead
     * meanwhile does not. */
    do {
        follower = next_leader(c, 3) == c[0] ? c[1] : c[0];
        a = (struct coord_answer){.c = follower};
        k = coord_node_put(++tries);
        assert_int_equal(replica_propose(follower->replica, k,
                                         coord_answered, &a), ERR_OK);
        free(k);
        COORD_WAIT(&loop, a.calls == 1);
        assert_int_equal(a.r.verdict, VERDICT_ACCEPTED);
    } while (follower->replica->stats.forwarded == 0 && tries < 20);
    assert_true(follower->replica->stats.forwarded > 0);
    assert_int_equal(store_applied(follower->store) >= a.r.index, 1);
    end(c, 3);
}

static void leader_moves(void **state)
{
    struct coord *c[3], *old, *now, *third;
    struct coord_answer a = {0};
    struct command *k;

    (void)state;
    make(c, 3);
    for (int i = 0; i < 3; i++)
        coord_open(c[i]);
    COORD_WAIT(&loop, all_ready(c, 3));
    old = next_leader(c, 3);
    third = old == c[0] ? c[1] : c[0];
    /* Asked for while the leader goes: kept, sent again, answered once. */
    a.c = third;
    for (uint8_t i = 0; i < 50; i++) {
        k = coord_node_put((uint8_t)(i + 1));
        assert_int_equal(replica_propose(third->replica, k, coord_answered,
                                         &a), ERR_OK);
        free(k);
    }
    coord_close(old);
    old->replica = NULL;
    COORD_WAIT(&loop, a.calls == 50);
    assert_int_equal(a.r.error, ERR_OK);
    now = next_leader(c, 3);
    assert_ptr_not_equal(now, old);
    {
        uint32_t n;

        (void)store_nodes(third->store, &n);
        assert_int_equal(n, 50);
    }
    coord_open(old); /* it comes back and catches up */
    COORD_WAIT(&loop, old->replica != NULL &&
                          replica_unready(old->replica) == NULL &&
                          store_applied(old->store) ==
                              store_applied(third->store));
    end(c, 3);
}

static void a_wiped_follower_stays_out(void **state)
{
    struct coord *c[3], *one;

    (void)state;
    make(c, 3);
    for (int i = 0; i < 3; i++)
        coord_open(c[i]);
    COORD_WAIT(&loop, all_ready(c, 3));
    one = next_leader(c, 3) == c[0] ? c[1] : c[0];
    coord_close(one);
    coord_folder_remove(one->dir);
    assert_int_equal(mkdir(one->dir, 0700), 0);
    one->agreed = 0;
    coord_open(one);
    assert_null(one->replica);
    spin(800);
    assert_int_equal(one->agreed, 0); /* its new raft id is nobody's */
    assert_null(one->replica);
    end(c, 3);
}

/* --- raw connections ----------------------------------------------------- */

static int dial_raw(const struct coord *c)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    struct addr at;
    struct err_text why;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(addr_parse(c->address, 0, &at, &why), ERR_OK);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    a.sin_port = htons(at.port);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

/* Turns the loop until the other side has closed. */
static void wait_closed(int fd)
{
    char bytes[4096];
    ssize_t n = 1;

    COORD_WAIT(&loop, (n = recv(fd, bytes, sizeof bytes, 0)) == 0 ||
                          (n < 0 && errno != EAGAIN));
    close(fd);
}

static void put_started(const struct coord *to, struct buf *b,
                        enum frame_role role, uint64_t raft_id,
                        const uint8_t key[TYPES_KEY], const uint8_t *cluster,
                        uint64_t boot, uint64_t earlier)
{
    struct peer_message m = {.kind = PEER_HELLO};
    uint8_t preface[FRAME_PREFACE];

    frame_preface(role, preface);
    buf_add(b, preface, sizeof preface);
    m.hello.self = to->self;
    m.hello.self.raft_id = raft_id;
    memcpy(m.hello.self.key, key, TYPES_KEY);
    m.hello.boot = boot;
    m.hello.n_earlier = earlier != 0;
    m.hello.earlier[0] = earlier;
    m.hello.formed = true;
    memcpy(m.hello.cluster, cluster, TYPES_CLUSTER);
    m.hello.n_members = to->member.n_members;
    memcpy(m.hello.members, to->member.members,
           m.hello.n_members * sizeof m.hello.members[0]);
    m.hello.version = span_text("0");
    peer_message_encode(&m, b);
}

static void put_hello(const struct coord *to, struct buf *b,
                      enum frame_role role, uint64_t raft_id,
                      const uint8_t key[TYPES_KEY], const uint8_t *cluster,
                      uint64_t boot)
{
    put_started(to, b, role, raft_id, key, cluster, boot, 0);
}

/* It has forgotten what it promised in the starts since. */
static void an_older_copy_stays_out(void **state)
{
    struct coord *c[3], *one, *lead;
    struct buf b = BUF_INIT;
    int fd;

    (void)state;
    make(c, 3);
    for (int i = 0; i < 3; i++)
        coord_open(c[i]);
    COORD_WAIT(&loop, all_ready(c, 3));
    lead = next_leader(c, 3);
    one = lead == c[0] ? c[1] : c[0];
    for (int k = 0; k < 2; k++) { /* the count of before, the same again */
        fd = dial_raw(lead);
        put_hello(lead, &b, k == 0 ? FRAME_RAFT : FRAME_PEER,
                  one->member.raft_id, one->self.key, one->member.cluster,
                  one->member.boot -
                      (k == 0 ? (uint64_t)1 << MEMBER_CHANCE : 1));
        (void)!write(fd, b.p, b.n);
        wait_closed(fd);
        buf_reset(&b);
    }
    /* A copy that was started often enough for a higher count. */
    fd = dial_raw(lead);
    put_started(lead, &b, FRAME_PEER, one->member.raft_id,
                one->self.key, one->member.cluster,
                one->member.boot + ((uint64_t)1 << MEMBER_CHANCE),
                one->member.boot - 1);
    (void)!write(fd, b.p, b.n);
    wait_closed(fd);
    buf_reset(&b);
    /* Itself, started anew: heard, but believed only at its own port, where
     * the old one still answers. Else anybody could lock it out. */
    for (int k = 1; k >= 0; k--) {
        fd = dial_raw(lead);
        put_started(lead, &b, FRAME_PEER, one->member.raft_id,
                    one->self.key, one->member.cluster,
                    one->member.boot + ((uint64_t)k << MEMBER_CHANCE),
                    k == 0 ? 0 : one->member.boot);
        (void)!write(fd, b.p, b.n);
        COORD_WAIT(&loop, recv(fd, &(char){0}, 1, MSG_PEEK) == 1);
        close(fd);
        buf_reset(&b);
    }
    buf_free(&b);
    end(c, 3);
}

static void lists_differ(void **state)
{
    struct coord *c[2];

    (void)state;
    make(c, 2);
    snprintf(c[1]->members + strlen(c[1]->members), 64, ",127.0.0.1:%u",
             coord_port());
    coord_open(c[0]);
    coord_open(c[1]);
    COORD_WAIT(&loop, strstr(peers_forming_text(c[0]->peers),
                             "another list of members") != NULL);
    assert_int_equal(c[0]->agreed + c[1]->agreed, 0);
    end(c, 2);
}

static void list_without_self(void **state)
{
    struct peers *p;
    struct member m = {0};
    struct coordinator_row row = {0};
    struct peers_events events = {0};
    struct err_text why;
    static const char *const bad[] = {
        "127.0.0.1:1", "10.0.0.1:7000,127.0.0.1:7001",
        "127.0.0.1:7001,127.0.0.1:7001", "127.0.0.1:7001,unix:/tmp/x",
        "nonsense"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct peers_settings st = {
            .loop = &loop, .members = bad[i], .self = &row, .member = &m,
            .events = &events};

        assert_int_equal(addr_parse("127.0.0.1:7001", 0, &st.listen, &why),
                         ERR_OK);
        assert_int_not_equal(peers_new(&st, &p, &why), ERR_OK);
        assert_non_null(strstr(why.text, "members"));
    }
}

static void garbage_is_closed(void **state)
{
    struct coord *c = coord_single(&loop);
    static const uint8_t cases[][24] = {
        "GET / HTTP/1.1\r\n\r\n", "PINFOLD\x09",  "PINFOLD\x01",
        "PINFOLD\x04\xff\xff\xff\xff", "PINFOLD\x03\x00\x00\x00\x00",
        "PINFOLD\x04\x00\x00\x00\x03\xc1\xc1\xc1",
        "PINFOLD\x04\x00\x00\x00\x02\x92\x7f",
    };
    static const size_t sizes[] = {18, 8, 8, 12, 12, 15, 14};

    (void)state;
    coord_ready(c);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        int fd = dial_raw(c);

        assert_int_equal(send(fd, cases[i], sizes[i], MSG_NOSIGNAL),
                         (ssize_t)sizes[i]);
        wait_closed(fd);
    }
    COORD_WAIT(&loop, c->peers->n_conns == 0);
    assert_null(replica_unready(c->replica));
    coord_end(c);
}

static void strangers_are_closed(void **state)
{
    struct coord *c = coord_single(&loop);
    uint8_t key[TYPES_KEY] = {1}, cluster[TYPES_CLUSTER] = {2};
    const enum frame_role roles[] = {FRAME_PEER, FRAME_RAFT};

    (void)state;
    coord_ready(c);
    for (int i = 0; i < 2; i++) {
        struct buf b = BUF_INIT;
        int fd = dial_raw(c);

        /* its own id; then one that is no member */
        put_hello(c, &b, roles[i], c->member.raft_id, c->self.key,
                  c->member.cluster, c->member.boot);
        (void)!write(fd, b.p, b.n);
        wait_closed(fd);
        buf_reset(&b);
        fd = dial_raw(c);
        put_hello(c, &b, roles[i], 4711, key, cluster, 1);
        (void)!write(fd, b.p, b.n);
        wait_closed(fd);
        buf_free(&b);
    }
    coord_end(c);
}

/* Two members: the id of the other one with a wrong key or cluster. */
static void wrong_key_and_cluster(void **state)
{
    struct coord *c[2];
    uint8_t bad[TYPES_KEY] = {7};
    struct buf b = BUF_INIT;
    int fd;

    (void)state;
    make(c, 2);
    coord_open(c[0]);
    coord_open(c[1]);
    COORD_WAIT(&loop, all_ready(c, 2));
    fd = dial_raw(c[0]);
    put_hello(c[0], &b, FRAME_PEER, c[1]->member.raft_id, bad,
              c[0]->member.cluster, c[1]->member.boot);
    (void)!write(fd, b.p, b.n);
    wait_closed(fd);
    buf_reset(&b);
    fd = dial_raw(c[0]);
    put_hello(c[0], &b, FRAME_PEER, c[1]->member.raft_id, c[1]->self.key,
              bad, c[1]->member.boot);
    (void)!write(fd, b.p, b.n);
    wait_closed(fd);
    buf_free(&b);
    assert_true(all_ready(c, 2));
    end(c, 2);
}

/* Let in before there was a cluster, and no member of the one that came. */
static void early_stranger_is_closed(void **state)
{
    struct coord *c[2];
    uint8_t key[TYPES_KEY] = {1}, cluster[TYPES_CLUSTER] = {0};
    struct buf b = BUF_INIT;
    char bytes[1024];
    int fd;

    (void)state;
    make(c, 2);
    coord_open(c[0]);
    fd = dial_raw(c[0]);
    put_hello(c[0], &b, FRAME_PEER, 4711, key, cluster, 1);
    (void)!write(fd, b.p, b.n);
    buf_free(&b);
    COORD_WAIT(&loop, recv(fd, bytes, sizeof bytes, MSG_PEEK) > 0);
    for (struct peers_conn *x = c[0]->peers->conns; x != NULL; x = x->next)
        if (x->raft_id == 4711)
            x->deadline_ms = UINT64_MAX; /* not closed for its silence */
    coord_open(c[1]);
    wait_closed(fd);
    COORD_WAIT(&loop, all_ready(c, 2));
    end(c, 2);
}

static unsigned conns_accepted(const struct coord *c)
{
    unsigned n = 0;

    for (struct peers_conn *x = c->peers->conns; x != NULL; x = x->next)
        n += !x->dialled && x->state != CONN_CLOSING;
    return n;
}

/* As many silent connections as there may be: a coordinator gets in. */
static void the_silent_make_room(void **state)
{
    struct coord *c[2];
    int fd[PEERS_CONNS_MAX + 8];
    enum { N = sizeof fd / sizeof fd[0] };

    (void)state;
    make(c, 2);
    coord_open(c[0]);
    for (unsigned i = 0; i < N; i++) {
        fd[i] = dial_raw(c[0]);
        if (i % 2 == 0)
            (void)!write(fd[i], "PINFOLD\x04", 8);
        uv_run(&loop, UV_RUN_NOWAIT); /* else the backlog is full */
    }
    COORD_WAIT(&loop, conns_accepted(c[0]) == PEERS_CONNS_MAX);
    coord_open(c[1]);
    COORD_WAIT(&loop, all_ready(c, 2));
    assert_true(conns_accepted(c[0]) <= PEERS_CONNS_MAX);
    wait_closed(fd[0]);
    for (unsigned i = 1; i < N; i++)
        close(fd[i]);
    end(c, 2);
}

/* Every link of one member but the newest is closed, Raft's too. */
static void the_newest_link_counts(void **state)
{
    struct coord *c[2];
    struct buf b = BUF_INIT;
    char bytes[1024];

    (void)state;
    make(c, 2);
    coord_open(c[0]);
    coord_open(c[1]);
    COORD_WAIT(&loop, all_ready(c, 2));
    for (enum frame_role role = FRAME_RAFT; role <= FRAME_PEER; role++) {
        int old = dial_raw(c[0]), now;

        buf_reset(&b);
        put_hello(c[0], &b, role, c[1]->member.raft_id, c[1]->self.key,
                  c[0]->member.cluster, c[1]->member.boot);
        (void)!write(old, b.p, b.n);
        COORD_WAIT(&loop, recv(old, bytes, sizeof bytes, 0) > 0);
        now = dial_raw(c[0]);
        (void)!write(now, b.p, b.n);
        wait_closed(old);
        close(now);
    }
    buf_free(&b);
    COORD_WAIT(&loop, all_ready(c, 2));
    end(c, 2);
}

/* Its links accept bytes and send none: a host that is gone, a stopped
 * process. */
static void a_deaf_link_is_dialled_again(void **state)
{
    struct coord *c[2];
    struct peers_target *t;
    const struct peers_conn *old;

    (void)state;
    make(c, 2);
    coord_open(c[0]);
    coord_open(c[1]);
    COORD_WAIT(&loop, all_ready(c, 2));
    t = &c[0]->peers->targets[1];
    COORD_WAIT(&loop, t->out != NULL && t->out->state == CONN_OPEN);
    old = t->out;
    spin(300);
    assert_ptr_equal(t->out, old); /* not while it speaks */
    assert_true(uv_now(&loop) - t->spoke_ms < PEERS_DEAF_MS);
    t->out->deadline_ms = uv_now(&loop);
    peers_conn_expire(c[0]->peers);
    assert_ptr_equal(t->out, old);
    t->spoke_ms = uv_now(&loop) - PEERS_DEAF_MS;
    peers_conn_expire(c[0]->peers);
    assert_null(t->out);
    COORD_WAIT(&loop, t->out != NULL && t->out->state == CONN_OPEN);
    COORD_WAIT(&loop, all_ready(c, 2));
    end(c, 2);
}

/* --- messages of Raft ----------------------------------------------------- */

static void put_word(struct buf *b, uint64_t v)
{
    for (unsigned k = 0; k < 8; k++)
        buf_byte(b, (uint8_t)(v >> (8 * k)));
}

/* A message of words; the first is the type, the second the head's length. */
static void put_words(struct buf *b, const uint64_t *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        put_word(b, words[i]);
}

/* Each was believed by libraft: memory of any size, reads beyond what came,
 * a pointer that is NULL. Terms are 0, so that a good one changes nothing. */
static void hostile_raft_messages(void **state)
{
    static const struct {
        size_t n;
        uint64_t words[12];
    } bad[] = {
        {2, {0, 40}},                    /* unknown types */
        {2, {7, 40}},
        {2, {1, 0}},                     /* no head, a huge one, a short one */
        {2, {1, 1ULL << 40}},
        {2, {1, UINT64_MAX}},
        {5, {3, 24, 0, 0, 0}},
        {7, {2, 40, 0, 0, 0, 0, 0}},
        {8, {1, 48, 0, 0, 0, 0, 1, 0}},  /* entries that are not there */
        {8, {1, 48, 0, 0, 0, 0, 1ULL << 60, 0}},
        {8, {1, 48, 0, 0, 0, 0, 0xffffffff, 0}},
        {10, {1, 64, 0, 0, 0, 0, 1, 0, 9, 0}}, /* type of an entry */
        {10, {1, 64, 0, 0, 0, 0, 1, 0, 1ULL | 7ULL << 32, 0}}, /* odd */
        {10, {1, 64, 0, 0, 0, 0, 1, 0, 1ULL | 0xfffffff8ULL << 32, 0}},
        {11, {1, 64, 0, 0, 0, 0, 1, 0, 3ULL | 8ULL << 32, 0, 0}}, /* conf. */
        {10, {1, 64, 0, 0, 0, 0, 1, 0, 3, 0}}, /* an empty one */
        {9, {5, 56, 0, 0, 0, 0, 1ULL << 50, 0, 0}},
        {11, {5, 72, 0, 0, 0, 0, 16, 1ULL | 0xffULL << 8, 0, 8, 0}},
        {11, {5, 72, 0, 0, 0, 0, 16, 1, 0, 1ULL << 40, 0}},
    };
    struct coord *c[2];
    struct buf b = BUF_INIT;
    char bytes[1024];

    (void)state;
    make(c, 2);
    coord_open(c[0]);
    coord_open(c[1]);
    COORD_WAIT(&loop, all_ready(c, 2));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int fd = dial_raw(c[0]);

        buf_reset(&b);
        put_hello(c[0], &b, FRAME_RAFT, c[1]->member.raft_id,
                  c[1]->self.key, c[0]->member.cluster,
                  c[1]->member.boot);
        put_words(&b, (const uint64_t[]){4, 24, 0, 0, 0}, 5); /* good */
        put_words(&b, bad[i].words, bad[i].n);
        (void)!write(fd, b.p, b.n);
        COORD_WAIT(&loop, recv(fd, bytes, sizeof bytes, MSG_PEEK) != -1);
        wait_closed(fd);
    }
    buf_free(&b);
    COORD_WAIT(&loop, all_ready(c, 2));
    (void)coord_do(next_leader(c, 2), coord_node_put(1));
    end(c, 2);
}

static void silent_handshake_ends(void **state)
{
    struct coord *c = coord_single(&loop);
    int fd;

    (void)state;
    coord_ready(c);
    fd = dial_raw(c);
    COORD_WAIT(&loop, c->peers->conns != NULL);
    c->peers->conns->deadline_ms = uv_now(&loop);
    wait_closed(fd);
    coord_end(c);
}

/* More operations than a forwarded frame or the leader's entry may hold. */
static void many_are_forwarded(void **state)
{
    struct coord *c[2], *follower;
    struct coord_answer a = {0};
    struct command *k;
    uint64_t before, resent;

    (void)state;
    make(c, 2);
    coord_open(c[0]);
    coord_open(c[1]);
    COORD_WAIT(&loop, all_ready(c, 2));
    follower = next_leader(c, 2) == c[0] ? c[1] : c[0];
    a.c = follower;
    (void)coord_do(next_leader(c, 2), coord_node_put(1));
    before = store_pin_count(follower->store);
    for (uint32_t i = 0; i < 4000; i++) {
        k = coord_claim(i, 1, 1);
        assert_int_equal(replica_propose(follower->replica, k,
                                         coord_answered, &a), ERR_OK);
        free(k);
    }
    COORD_WAIT(&loop, a.calls == 4000);
    assert_int_equal(store_pin_count(follower->store) - before, 4000);
    resent = follower->replica->stats.resent;
    assert_true(resent < 40000);
    end(c, 2);
}

static void deposed_leader_refuses(void **state)
{
    struct coord *c[2], *lead, *follower;
    struct coord_answer a = {0};
    struct command *k;

    (void)state;
    make(c, 2);
    coord_open(c[0]);
    coord_open(c[1]);
    COORD_WAIT(&loop, all_ready(c, 2));
    lead = next_leader(c, 2);
    follower = lead == c[0] ? c[1] : c[0];
    a.c = follower;
    /* The follower takes itself for the other's follower, which does not
     * lead: what is forwarded comes back and goes again. */
    lead->replica->leading = false;
    {
        struct peer_forward f = {.n = 1};
        struct buf bytes = BUF_INIT;
        struct span op;

        k = coord_node_put(3);
        assert_int_equal(replica_propose(follower->replica, k,
                                         coord_answered, &a), ERR_OK);
        assert_int_equal(command_encode(k, &bytes), ERR_OK);
        free(k);
        op = span_buf(&bytes);
        f.operations = &op;
        replica_forwarded(lead->replica, follower->member.raft_id,
                          follower->member.boot, &f);
        assert_int_equal(lead->replica->n_queue, 0);
        /* Nobody may speak for another origin. */
        lead->replica->leading = true;
        replica_forwarded(lead->replica, 4711, follower->member.boot, &f);
        assert_int_equal(lead->replica->n_queue, 0);
        /* Nor name a boot that its port does not show. */
        replica_forwarded(lead->replica, follower->member.raft_id,
                          follower->member.boot + 1, &f);
        assert_int_equal(lead->replica->n_queue, 0);
        replica_forwarded(lead->replica, follower->member.raft_id, 0, &f);
        assert_int_equal(lead->replica->n_queue, 0);
        buf_free(&bytes);
    }
    COORD_WAIT(&loop, a.calls == 1);
    assert_int_equal(a.r.verdict, VERDICT_ACCEPTED);
    end(c, 2);
}

/* Members that start anew are no full disks, and who cannot lead at once is
 * not handed over to. */
static void room_of_the_others(void **state)
{
    struct coord *c[3], *lead;
    struct peers_view v[2];

    (void)state;
    make(c, 3);
    for (int i = 0; i < 3; i++)
        coord_open(c[i]);
    COORD_WAIT(&loop, all_ready(c, 3));
    lead = next_leader(c, 3);
    memset(v, 0, sizeof v);
    for (int i = 0; i < 2; i++) {
        v[i].raft_id = (lead == c[i] ? c[2] : c[i])->member.raft_id;
        v[i].heard_ms = uv_now(&loop);
        v[i].status.applied = raft_last_applied(&lead->replica->raft);
    }
    replica_room(lead->replica, false, v, 2); /* both links have broken */
    assert_false(replica_refuses_claims(lead->replica));
    v[0].status.disk = v[1].status.disk = PEER_DISK_LOW;
    replica_room(lead->replica, false, v, 2);
    assert_true(replica_refuses_claims(lead->replica));
    v[0].status.disk = PEER_DISK_OK;
    v[0].connected = true;
    lead->replica->settled = true;
    replica_room(lead->replica, true, v, 2); /* not ready */
    assert_int_equal(lead->replica->handed_over_ms, 0);
    v[0].status.ready = true;
    v[0].connected = false;
    replica_room(lead->replica, true, v, 2);
    assert_int_equal(lead->replica->handed_over_ms, 0);
    v[0].connected = true;
    replica_room(lead->replica, true, v, 2);
    assert_int_not_equal(lead->replica->handed_over_ms, 0);
    COORD_WAIT(&loop, !lead->replica->handing_over);
    end(c, 3);
}

/* A new leader that has not settled names no index to catch up to. */
static void unsettled_leader_names_no_index(void **state)
{
    struct coord *c = coord_single(&loop);
    struct peer_status s;
    bool caught_up;

    (void)state;
    coord_ready(c);
    replica_status(c->replica, &s);
    assert_true(s.commit > 0);
    c->replica->settled = false;
    replica_status(c->replica, &s);
    assert_int_equal(s.commit, 0);
    /* It leads since a moment ago, and nobody has looked yet: what stands in
     * `settled` is of a term that it led before. */
    c->replica->settled = true;
    c->replica->leading = false;
    replica_status(c->replica, &s);
    assert_int_equal(s.commit, 0);
    c->replica->leading = true;
    c->replica->term--;
    replica_status(c->replica, &s);
    assert_int_equal(s.commit, 0);
    c->replica->term++;
    replica_status(c->replica, &s);
    assert_true(s.commit > 0);
    c->replica->settled = false;
    caught_up = c->replica->caught_up;
    assert_true(caught_up);
    COORD_WAIT(&loop, c->replica->settled); /* asks again by itself */
    coord_end(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_form),
        cmocka_unit_test(leader_moves),
        cmocka_unit_test(an_older_copy_stays_out),
        cmocka_unit_test(a_wiped_follower_stays_out),
        cmocka_unit_test(lists_differ),
        cmocka_unit_test(list_without_self),
        cmocka_unit_test(garbage_is_closed),
        cmocka_unit_test(strangers_are_closed),
        cmocka_unit_test(wrong_key_and_cluster),
        cmocka_unit_test(early_stranger_is_closed),
        cmocka_unit_test(silent_handshake_ends),
        cmocka_unit_test(the_silent_make_room),
        cmocka_unit_test(the_newest_link_counts),
        cmocka_unit_test(a_deaf_link_is_dialled_again),
        cmocka_unit_test(hostile_raft_messages),
        cmocka_unit_test(many_are_forwarded),
        cmocka_unit_test(deposed_leader_refuses),
        cmocka_unit_test(room_of_the_others),
        cmocka_unit_test(unsettled_leader_names_no_index),
    };

    return cmocka_run_group_tests_name("peers", tests, setup, teardown);
}
