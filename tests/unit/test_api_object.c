/* Rows to the wire's JSON, byte for byte; the words of a pin on a node; and
 * the filter of statuses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "coordinator/api_add.h"
#include "coordinator/api_object.h"
#include "proto/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CID_TEXT "QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n"
#define ADDRESS "/ip4/127.0.0.1/tcp/4001"

static struct view view;
static struct view_node nodes[3];
static struct api_object object;
static struct buf out;
static enum cid_form form;

static void expect(const char *text)
{
    assert_string_equal(buf_cstr(&out), text);
    buf_reset(&out);
}

static int setup(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 3; i++) {
        struct view_node *n = &nodes[i];

        n->row.id = i + 1;
        snprintf(n->row.name, sizeof n->row.name, "n%u", i + 1);
        n->word = NODE_READY;
        n->connected = true;
        n->beat_wall_ms = 1;
        n->daemon = DAEMON_UP;
        snprintf(n->agent_version, sizeof n->agent_version, "0.1");
        snprintf(n->peer_text, sizeof n->peer_text, "P%u", i + 1);
    }
    nodes[0].ipfs.n = 1;
    snprintf(nodes[0].ipfs_text, sizeof nodes[0].ipfs_text, "I1");
    nodes[0].n_addrs = 2;
    snprintf(nodes[0].addrs[0], sizeof nodes[0].addrs[0], ADDRESS);
    snprintf(nodes[0].addrs[1], sizeof nodes[0].addrs[1], "/onion/x");
    view.nodes = nodes;
    view.n_nodes = 3;
    snprintf(view.self_peer, sizeof view.self_peer, "S");
    snprintf(view.self.name, sizeof view.self.name, "self");
    api_object_init(&object, &view);
    assert_int_equal(cid_parse(CID_TEXT, strlen(CID_TEXT), &object.pin.cid,
                               &form, NULL), ERR_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    api_object_free(&object);
    buf_free(&out);
    return 0;
}

static struct copy *copy(uint32_t node, enum copy_want want,
                         enum copy_state state)
{
    struct copy *c = pin_copy_add(&object.pin, node);

    c->want = want;
    c->state = state;
    c->since = 1700000001;
    return c;
}

static void reset(void)
{
    struct cid cid = object.pin.cid;

    pin_reset(&object.pin);
    object.pin.cid = cid;
    object.pin.id = 9;
    object.pin.org = 1;
    object.pin.rmin = 1;
    object.pin.rmax = 2;
    object.pin.created_ms = 1700000000000;
    buf_reset(&out);
    for (int i = 0; i < 3; i++) {
        nodes[i].word = NODE_READY;
        nodes[i].daemon = DAEMON_UP;
        nodes[i].n_work = 0;
    }
}

static void a_pin(void **state)
{
    struct meta m;

    (void)state;
    reset();
    (void)copy(1, COPY_RECURSIVE, COPY_PINNED);
    (void)copy(2, COPY_RELEASED, COPY_PINNED);
    (void)copy(3, COPY_RECURSIVE, COPY_QUEUED);
    api_object_pin(&object, &object.pin, form, &out);
    expect("{\"replication_factor_min\":1,\"replication_factor_max\":2,"
           "\"name\":\"\",\"mode\":\"recursive\",\"shard_size\":0,"
           "\"user_allocations\":[],\"expire_at\":\"0001-01-01T00:00:00Z\","
           "\"metadata\":{},\"pin_update\":null,\"origins\":[],\"cid\":\""
           CID_TEXT "\",\"type\":\"pin\",\"allocations\":[\"P1\",\"P3\"],"
           "\"max_depth\":-1,\"reference\":null,"
           "\"timestamp\":\"2023-11-14T22:13:20Z\"}");
    memset(&m, 0, sizeof m);
    m.n_pairs = 1;
    m.pairs[0].key = span_text("k\"");
    m.pairs[0].value = span_text("v");
    m.n_origins = 1;
    m.origins[0] = span_text(ADDRESS);
    m.update_from = object.pin.cid;
    assert_int_equal(meta_encode(&m, &object.pin.meta, NULL), ERR_OK);
    buf_text(&object.pin.name, "x");
    object.pin.flags = CLAIM_DIRECT;
    object.pin.rmin = object.pin.rmax = -1;
    object.pin.expires_ms = 1700000000123;
    api_object_pin(&object, &object.pin, form, &out);
    expect("{\"replication_factor_min\":-1,\"replication_factor_max\":-1,"
           "\"name\":\"x\",\"mode\":\"direct\",\"shard_size\":0,"
           "\"user_allocations\":[],"
           "\"expire_at\":\"2023-11-14T22:13:20.123Z\","
           "\"metadata\":{\"k\\\"\":\"v\"},\"pin_update\":\"" CID_TEXT
           "\",\"origins\":[\"" ADDRESS "\"],\"cid\":\"" CID_TEXT
           "\",\"type\":\"pin\",\"allocations\":[],\"max_depth\":0,"
           "\"reference\":null,\"timestamp\":\"2023-11-14T22:13:20Z\"}");
}

static bool failed(void *arg, uint64_t pin, uint32_t node, struct fail *f)
{
    (void)arg;
    memset(f, 0, sizeof *f);
    f->pin = pin;
    f->node = node;
    f->attempts = 4;
    snprintf(f->text, sizeof f->text, "no \"space\"");
    return true;
}

static void a_status(void **state)
{
    struct api_info i = {.pin = &object.pin, .form = form, .fail = failed};

    (void)state;
    reset();
    (void)copy(1, COPY_RECURSIVE, COPY_PINNED);
    (void)copy(2, COPY_RECURSIVE, COPY_FAILED);
    object.pin.flags = 1 << CLAIM_PRIORITY_SHIFT;
    assert_true(api_object_info(&object, &i, &out));
    expect("{\"cid\":\"" CID_TEXT "\",\"name\":\"\",\"allocations\":[\"P1\","
           "\"P2\"],\"origins\":[],\"created\":\"2023-11-14T22:13:20Z\","
           "\"metadata\":{},\"pinfold_priority\":\"high\",\"peer_map\":{"
           "\"P1\":{\"peername\":\"n1\",\"ipfs_peer_id\":\"I1\","
           "\"ipfs_peer_addresses\":[\"" ADDRESS "\"],"
           "\"status\":\"pinned\",\"timestamp\":\"2023-11-14T22:13:21Z\","
           "\"error\":\"\",\"attempt_count\":0,\"priority_pin\":true},"
           "\"P2\":{\"peername\":\"n2\",\"status\":\"pin_error\","
           "\"timestamp\":\"2023-11-14T22:13:21Z\","
           "\"error\":\"no \\\"space\\\"\",\"attempt_count\":4,"
           "\"priority_pin\":true},"
           "\"P3\":{\"peername\":\"n3\",\"status\":\"remote\","
           "\"timestamp\":\"2023-11-14T22:13:20Z\",\"error\":\"\","
           "\"attempt_count\":0,\"priority_pin\":true}}}");
    i.only = 3;
    i.mask = 1u << STATUS_PINNED;
    assert_false(api_object_info(&object, &i, &out));
    assert_int_equal(out.n, 0);
    i.only = 0;
    assert_true(api_object_info(&object, &i, &out));
    assert_non_null(strstr(buf_cstr(&out), "\"P1\":{"));
    assert_null(strstr(buf_cstr(&out), "\"P2\":{"));
}

static void an_unknown_cid(void **state)
{
    struct api_info i = {.pin = &object.pin, .form = form, .only = 2};

    (void)state;
    reset();
    object.pin.id = 0;
    object.pin.org = 0;
    object.pin.created_ms = 0;
    nodes[1].word = NODE_DOWN;
    assert_true(api_object_info(&object, &i, &out));
    expect("{\"cid\":\"" CID_TEXT "\",\"name\":\"\",\"allocations\":[],"
           "\"origins\":[],\"created\":\"0001-01-01T00:00:00Z\","
           "\"metadata\":{},\"peer_map\":{\"P2\":{\"peername\":\"n2\","
           "\"status\":\"unpinned\",\"timestamp\":"
           "\"0001-01-01T00:00:00Z\",\"error\":\"\",\"attempt_count\":0,"
           "\"priority_pin\":false}}}");
}

/* One node: what is stored, what it does, how it is. */
static void words(void **state)
{
    enum { NONE = 9 };
    static const struct {
        unsigned want, state;
        bool work, claimed;
        enum node_word word;
        enum daemon_state daemon;
        enum api_status_word status;
    } t[] = {
        {NONE, 0, false, true, NODE_READY, DAEMON_UP, STATUS_REMOTE},
        {NONE, 0, false, true, NODE_DOWN, DAEMON_UP, STATUS_REMOTE},
        {NONE, 0, false, true, NODE_OUT, DAEMON_DOWN, STATUS_REMOTE},
        {NONE, 0, false, false, NODE_DOWN, DAEMON_UP, STATUS_UNPINNED},
        {1, COPY_PINNED, false, true, NODE_READY, 0, STATUS_PINNED},
        {2, COPY_PINNED, false, true, NODE_FULL, 0, STATUS_PINNED},
        {1, COPY_PINNED, false, true, NODE_DRAINING, 0, STATUS_PINNED},
        {1, COPY_PINNED, false, true, NODE_SUSPECT, 0, STATUS_CLUSTER_ERROR},
        {1, COPY_PINNED, false, true, NODE_DOWN, 0, STATUS_CLUSTER_ERROR},
        {1, COPY_PINNED, false, true, NODE_OUT, 0, STATUS_CLUSTER_ERROR},
        {1, COPY_PINNED, false, true, NODE_READY, DAEMON_DOWN,
         STATUS_CLUSTER_ERROR},
        {1, COPY_QUEUED, false, true, NODE_READY, 0, STATUS_PIN_QUEUED},
        {1, COPY_QUEUED, true, true, NODE_READY, 0, STATUS_PINNING},
        {1, COPY_FAILED, false, true, NODE_READY, 0, STATUS_PIN_ERROR},
        {1, COPY_FAILED, true, true, NODE_READY, 0, STATUS_PINNING},
        {1, COPY_LOST, false, true, NODE_READY, 0,
         STATUS_UNEXPECTEDLY_UNPINNED},
        {0, COPY_PINNED, false, false, NODE_READY, 0, STATUS_UNPIN_QUEUED},
        {0, COPY_PINNED, true, false, NODE_READY, 0, STATUS_UNPINNING},
        {0, COPY_FAILED, false, false, NODE_READY, 0, STATUS_UNPIN_ERROR},
        {0, COPY_PINNED, false, false, NODE_DOWN, 0, STATUS_CLUSTER_ERROR},
    };

    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        const struct copy *c = NULL;

        reset();
        nodes[0].word = t[i].word;
        nodes[0].daemon = t[i].daemon;
        nodes[0].n_work = t[i].work ? 1 : 0;
        nodes[0].work[0].pin = 9;
        if (!t[i].claimed) {
            object.pin.org = 0;
            object.pin.flags = PIN_RELEASING;
        }
        if (t[i].want != NONE) {
            struct copy *x = copy(1, (enum copy_want)t[i].want,
                                  (enum copy_state)t[i].state);

            x->failures = t[i].state == COPY_FAILED;
            c = x;
        }
        if (api_status_of(&nodes[0], &object.pin, c) != t[i].status)
            fail_msg("case %zu: %s", i, api_status_text(api_status_of(
                         &nodes[0], &object.pin, c)));
    }
}

#define B(w) (1u << STATUS_##w)

static void filters(void **state)
{
    static const struct {
        const char *text;
        uint32_t mask; /* 0: refused */
    } t[] = {
        {"error", B(CLUSTER_ERROR) | B(PIN_ERROR) | B(UNPIN_ERROR)},
        {"pinned,error",
         B(PINNED) | B(CLUSTER_ERROR) | B(PIN_ERROR) | B(UNPIN_ERROR)},
        {"pinned,pin_error,error", B(PINNED) | B(PIN_ERROR)},
        {"error,pinned,pin_error", B(PINNED) | B(PIN_ERROR)},
        {"cluster_error,pin_error,unpin_error,error",
         B(CLUSTER_ERROR) | B(PIN_ERROR) | B(UNPIN_ERROR)},
        {"pin_queued,queued", B(PIN_QUEUED)},
        {"queued", B(PIN_QUEUED) | B(UNPIN_QUEUED)},
        {"foo,pinned", B(PINNED)},
        {"remote,,pinning", B(REMOTE) | B(PINNING)},
        {"unexpectedly_unpinned", B(UNEXPECTEDLY_UNPINNED)},
        {"foo", 0}, {"undefined", 0}, {",", 0}, {"Pinned", 0}, {"pinned ", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        uint32_t mask = 0;
        enum err e = api_filter_parse(t[i].text, &mask);

        assert_int_equal(e, t[i].mask == 0 ? ERR_INVALID : ERR_OK);
        if (e == ERR_OK)
            assert_int_equal(mask, t[i].mask);
    }
}

static void ids(void **state)
{
    (void)state;
    reset();
    api_object_node_id(&view, &nodes[0], &out);
    expect("{\"id\":\"P1\",\"addresses\":[],\"cluster_peers\":[\"P1\","
           "\"P2\",\"P3\"],\"cluster_peers_addresses\":[],"
           "\"version\":\"0.1\",\"commit\":\"\","
           "\"rpc_protocol_version\":\"/ipfscluster/1.0/rpc\","
           "\"error\":\"\",\"ipfs\":{\"id\":\"I1\",\"addresses\":[\""
           ADDRESS "\"],\"error\":\"\"},\"peername\":\"n1\"}");
    view.home = 0;
    snprintf(view.self_addr, sizeof view.self_addr, ADDRESS);
    api_object_self_id(&view, &out);
    expect("{\"id\":\"S\",\"addresses\":[\"" ADDRESS "\"],"
           "\"cluster_peers\":[\"S\","
           "\"P1\",\"P2\",\"P3\"],\"cluster_peers_addresses\":[],"
           "\"version\":\"" PINFOLD_VERSION "\",\"commit\":\"\","
           "\"rpc_protocol_version\":\"/ipfscluster/1.0/rpc\","
           "\"error\":\"\",\"ipfs\":{\"addresses\":[],\"error\":\"\"},"
           "\"peername\":\"self\"}");
    nodes[1].word = NODE_DOWN;
    api_object_node_id(&view, &nodes[1], &out);
    assert_non_null(strstr(buf_cstr(&out),
                           "\"error\":\"the node's agent is silent\""));
}

static void times(void **state)
{
    char t[API_TIME_MAX];

    (void)state;
    api_time_text(0, t);
    assert_string_equal(t, "0001-01-01T00:00:00Z");
    api_time_text(1, t);
    assert_string_equal(t, "1970-01-01T00:00:00.001Z");
    api_time_text(UINT64_MAX, t);
    assert_string_equal(t, "0001-01-01T00:00:00Z");
    api_time_text(253402300799000, t);
    assert_string_equal(t, "9999-12-31T23:59:59Z");
    api_time_text(253402300800000, t);
    assert_string_equal(t, "0001-01-01T00:00:00Z");
}

/* --- lines of add -------------------------------------------------------- */

#define KUBO                                                                  \
    "{\"Name\":\"d/a\",\"Bytes\":10}\n"                                       \
    "{\"Name\":\"d/a\",\"Hash\":\"QmA\",\"Size\":\"18\"}\n"                   \
    "{\"Name\":\"d\",\"Hash\":\"" CID_TEXT "\",\"Size\":\"72\"}\n"

static void take_all(struct add_lines *l, size_t step, bool progress)
{
    const char *text = KUBO;
    struct err_text why;

    for (size_t at = 0; at < strlen(text); at += step) {
        size_t n = strlen(text) - at < step ? strlen(text) - at : step;

        assert_int_equal(add_lines_take(l, span_of(text + at, n), progress,
                                        &out, &why), ERR_OK);
    }
}

static void add_lines_stream(void **state)
{
    (void)state;
    for (size_t step = 1; step < 200; step += 7) {
        struct add_lines l = {.array = false};
        struct cid cid;
        struct err_text why;
        enum cid_form f;

        buf_reset(&out);
        reset();
        (void)copy(1, COPY_RECURSIVE, COPY_PINNED);
        take_all(&l, step, false);
        expect("{\"name\":\"d/a\",\"cid\":\"QmA\",\"size\":18}\n");
        assert_true(add_lines_root_cid(&l, &cid, &f, &why));
        assert_int_equal(l.root_size, 72);
        add_lines_root(&l, &view, &object.pin, &out);
        expect("{\"name\":\"d\",\"cid\":\"" CID_TEXT "\",\"size\":72,"
               "\"allocations\":[\"P1\"]}\n");
        add_lines_free(&l);
    }
}

static void add_lines_array(void **state)
{
    struct add_lines l = {.array = true};

    (void)state;
    buf_reset(&out);
    take_all(&l, 64, true);
    add_lines_root(&l, &view, NULL, &out);
    expect("{\"name\":\"\",\"cid\":null,\"bytes\":10},"
           "{\"name\":\"d/a\",\"cid\":\"QmA\",\"size\":18},"
           "{\"name\":\"d\",\"cid\":\"" CID_TEXT "\",\"size\":72}");
    add_lines_free(&l);
}

static void add_lines_bad(void **state)
{
    static const char *const bad[] = {"x\n", "[]\n", "{}\n", "\"a\"\n",
                                      "{\"Name\":\"a\"}\n", "{\"Hash\":1}\n",
                                      "{\"Hash\":\"a\"} {}\n"};
    struct err_text why;
    struct cid cid;
    enum cid_form f;
    char *big = mem_alloc(ADD_LINE_MAX + 2);

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct add_lines l = {.array = false};

        assert_int_equal(add_lines_take(&l, span_text(bad[i]), true, &out,
                                        &why), ERR_PROTOCOL);
        add_lines_free(&l);
    }
    memset(big, ' ', ADD_LINE_MAX + 1);
    {
        struct add_lines l = {.array = false};

        assert_int_equal(add_lines_take(&l, span_text(big), true, &out,
                                        &why), ERR_PROTOCOL);
        add_lines_free(&l);
    }
    free(big);
    {
        struct add_lines l = {.array = false};

        assert_false(add_lines_root_cid(&l, &cid, &f, &why));
        assert_string_equal(why.text, "no files were added");
        assert_int_equal(add_lines_take(&l,
                             span_text("{\"Hash\":\"nonsense\"}\n\n"), true,
                             &out, &why), ERR_OK);
        assert_false(add_lines_root_cid(&l, &cid, &f, &why));
        add_lines_free(&l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pin),
        cmocka_unit_test(a_status),
        cmocka_unit_test(an_unknown_cid),
        cmocka_unit_test(words),
        cmocka_unit_test(filters),
        cmocka_unit_test(ids),
        cmocka_unit_test(times),
        cmocka_unit_test(add_lines_stream),
        cmocka_unit_test(add_lines_array),
        cmocka_unit_test(add_lines_bad),
    };

    return cmocka_run_group_tests_name("api_object", tests, setup, teardown);
}
