/* GET /api/v1/pins/{cid}/explain over real sockets: its parts, a pin's life,
 * what is refused, many at once.
 */
#include "api_world.h"

static struct api_world *w;

static int three_nodes(void **state)
{
    (void)state;
    w = api_start(3);
    return 0;
}

static int many_nodes(void **state)
{
    (void)state;
    w = api_start(200);
    return 0;
}

static int end(void **state)
{
    (void)state;
    api_end(w);
    return 0;
}

static const char *path(const char *before, uint32_t number,
                        const char *behind)
{
    static char text[512];
    char cid[LIMIT_CID_TEXT];
    struct cid c = coord_cid(number);

    cid_print(&c, CID_FORM_B32, cid);
    snprintf(text, sizeof text, "%s%s%s", before, cid, behind);
    return text;
}

#define WHERE "/api/v1/pins/"

static struct reply reply;
static struct json_value all;

static void ask(uint32_t number)
{
    struct err_text why;

    api_reply_free(&reply);
    api_get(w, "GET", path(WHERE, number, "/explain"), &reply);
    if (reply.status != 200)
        fail_msg("%d: %.500s", reply.status, reply.body);
    if (json_parse(reply.body, strlen(reply.body), &all, &why) != ERR_OK)
        fail_msg("%s: %s", why.text, reply.body);
}

static struct json_value part(const struct json_value *v, const char *key)
{
    struct json_value out;

    if (!json_get(v, key, &out))
        fail_msg("no %s in %.*s", key, (int)v->n, v->p);
    return out;
}

/* A member as text, whatever it is. */
static void is(const struct json_value *v, const char *key, const char *text)
{
    struct json_value x = part(v, key);

    if (x.n != strlen(text) || memcmp(x.p, text, x.n) != 0)
        fail_msg("%s is %.*s, not %s, in: %.2000s", key, (int)x.n, x.p, text,
                 reply.body);
}

static bool find(const char *list, const char *key, const char *name,
                 struct json_value *out)
{
    struct json_value items = part(&all, list), text;
    struct span none;
    size_t it = 0;

    while (json_next(&items, &it, &none, out)) {
        text = part(out, key);
        if (text.n == strlen(name) && memcmp(text.p, name, text.n) == 0)
            return true;
    }
    return false;
}

static void node_is(const char *name, const char *verdict)
{
    struct json_value n;

    assert_true(find("nodes", "name", name, &n));
    is(&n, "verdict", verdict);
}

/* Of a node that holds so much. */
static void room_is(const char *name, const char *used)
{
    struct json_value n;
    uint64_t capacity, left;

    assert_true(find("nodes", "name", name, &n));
    is(&n, "used_bytes", used);
    is(&n, "planned_bytes", "0");
    assert_true(json_get_u64(&n, "capacity", &capacity));
    assert_true(json_get_u64(&n, "free_bytes", &left));
    assert_int_equal(left, capacity - strtoull(used, NULL, 10));
    (void)part(&n, "disk_free_bytes"); /* null before its first BEAT */
}

/* One of the scopes of the organisation that claims it first. */
static void scope_is(const char *scope, const char *kind, const char *used,
                     const char *limit, const char *left, const char *binds)
{
    struct json_value quotas = part(&all, "quotas"), demand, scopes, x;
    struct span none;
    size_t it = 0;

    assert_true(json_next(&quotas, &it, &none, &demand));
    is(&demand, "org", "1");
    is(&demand, "name", "default");
    is(&demand, "class", "required");
    is(&demand, "refused", "false");
    scopes = part(&demand, "scopes");
    it = 0;
    while (json_next(&scopes, &it, &none, &x)) {
        struct json_value a = part(&x, "scope"), b = part(&x, "kind");

        if (a.n != strlen(scope) || memcmp(a.p, scope, a.n) != 0 ||
            b.n != strlen(kind) || memcmp(b.p, kind, b.n) != 0)
            continue;
        is(&x, "used", used);
        is(&x, "limit", limit);
        is(&x, "free", left);
        is(&x, "needs", "0");
        is(&x, "binds", binds);
        return;
    }
    fail_msg("no %s, %s in %.2000s", scope, kind, reply.body);
}

static void budgets(void **state)
{
    (void)state;
    api_expect(w, "POST", "/api/v1/orgs/default/quota?physical=5000000", 200,
               "");
    api_expect(w, "POST", "/api/v1/orgs/default/tags?tag=web&physical="
                          "3000000&pins=1", 200, "");
    api_expect(w, "POST", "/api/v1/quota?pins=10", 200, "");
    api_expect(w, "POST", path("/pins/", 1, "?replication=2&meta-tag=web"),
               200, "");
    ask(1);
    scope_is("organisation", "logical", "1048576", "null", "null", "false");
    scope_is("organisation", "physical", "2097152", "5000000", "2902848",
             "false");
    scope_is("tag", "physical", "2097152", "3000000", "902848", "true");
    scope_is("tag", "pins", "1", "1", "0", "true");
    scope_is("cluster", "pins", "1", "10", "9", "false");
    is(&all, "tags_left", "0");
    api_reply_free(&reply);
}

static void propose(struct api_world *x, void *arg)
{
    static struct coord_answer a;

    a.c = x->c;
    assert_int_equal(replica_propose(x->c->replica, arg, coord_answered, &a),
                     ERR_OK);
    free(arg);
}

static void report(enum report_state state, uint32_t attempts)
{
    static uint64_t seq;
    struct command *k = coord_command(COMMAND_REPORT);
    struct report_item item = {
        .pin = 1, .idx = (uint64_t)1 << 40, .state = state,
        .attempts = attempts, .size = 12345, .code = FAIL_OTHER,
        .text = span_text("no \"way\"\n")};

    k->report.node = 1;
    k->report.boot = 1;
    k->report.seq = ++seq;
    k->report.n = 1;
    k->report.items = &item;
    api_on_core(w, propose, k);
}

/* The answer follows what was proposed after a moment. */
static void until(const char *list, const char *key, const char *word)
{
    struct json_value v;

    do
        ask(1);
    while (!find(list, key, word, &v));
}

static void two_of_three(void **state)
{
    struct json_value v, copy;

    (void)state;
    api_expect(w, "POST", "/api/v1/nodes/node3/cordon", 200, "cordoned");
    api_expect(w, "POST", path("/pins/", 1, "?name=a%22b&replication-min=1&"
                                            "replication-max=3"),
               200, "");
    ask(1);
    v = part(&all, "coordinator");
    is(&v, "leader", "true");
    v = part(&all, "pin");
    is(&v, "id", "1");
    is(&v, "name", "a\\\"b");
    is(&v, "mode", "recursive");
    is(&v, "size", "1048576");
    is(&v, "size_known", "false");
    is(&v, "state", "pending");
    is(&v, "todo", "no_copy");
    v = part(&v, "replication");
    is(&v, "min", "1");
    is(&v, "max", "3");
    is(&v, "binding_min", "1");
    is(&v, "joined_nodes", "3");
    is(&v, "text", "");
    v = part(&all, "next");
    is(&v, "action", "wait_node");
    is(&v, "sampled", "false");
    is(&v, "text", "wait: 1 more copy is wanted, and no node can take one");
    is(&v, "nodes", "[]");
    assert_true(find("copies", "node", "node1", &copy));
    is(&copy, "want", "recursive");
    is(&copy, "state", "queued");
    is(&copy, "reason", "placed");
    is(&copy, "text", "best of the candidates");
    is(&copy, "node_state", "ready");
    assert_true(find("copies", "node", "node2", &copy));
    assert_false(find("copies", "node", "node3", &copy));
    node_is("node1", "holds");
    node_is("node2", "holds");
    node_is("node3", "cordoned");
    room_is("node1", "1048576");
    room_is("node3", "0");
    api_expect(w, "POST", "/api/v1/nodes/node3/uncordon", 200, "active");
    until("copies", "node", "node3"); /* the loop did what it would do */
    assert_true(find("copies", "node", "node3", &copy));
    is(&copy, "reason", "top_up");
    v = part(&all, "next");
    is(&v, "action", "wait_agents");
    is(&v, "text", "wait: 3 copies are ordered and not pinned yet");
    api_reply_free(&reply);
}

/* Of a pin, and of all in a plan: what was ordered at once is one. */
static void decisions(void **state)
{
    struct json_value list, d;
    struct span none;
    size_t it = 0;

    (void)state;
    api_expect(w, "POST", path("/pins/", 1, "?replication=2"), 200, "");
    api_expect(w, "POST", path("/pins/", 2, "?replication=1"), 200, "");
    ask(1);
    list = part(&all, "decisions");
    assert_true(json_next(&list, &it, &none, &d));
    is(&d, "action", "order");
    is(&d, "reason", "placed");
    is(&d, "text", "best of the candidates");
    is(&d, "id", "1");
    is(&d, "size", "1048576");
    is(&d, "nodes", "[\"node2\",\"node1\"]");
    assert_false(json_next(&list, &it, &none, &d));
    api_reply_free(&reply);
    api_expect(w, "DELETE", path("/pins/", 2, ""), 200, "");
    api_expect(w, "GET", "/api/v1/plan?decided=1", 200,
               "\"decisions\":[{\"at\":");
    api_expect(w, "GET", "/api/v1/plan?decided=1", 200,
               "\"action\":\"release\",\"reason\":\"unclaimed\"");
    api_expect(w, "GET", "/api/v1/plan?decided=0", 200,
               "\"decisions\":[]");
    api_expect(w, "GET", "/api/v1/plan?decided=1001", 400,
               "decided: '1001' is no number from 0 to 1000");
}

static void failure_and_end(void **state)
{
    struct json_value v, copy;

    (void)state;
    api_expect(w, "POST", "/api/v1/nodes/node2/drain", 200, "draining");
    api_expect(w, "POST", "/api/v1/nodes/node3/cordon", 200, "cordoned");
    api_expect(w, "POST", path("/pins/", 1, "?replication-min=1&"
                                            "replication-max=1"), 200, "");
    report(REPORT_FAILED, 3);
    until("copies", "state", "failed");
    assert_true(find("copies", "state", "failed", &copy));
    is(&copy, "failures", "1");
    is(&copy, "attempts", "3");
    is(&copy, "last_error", "no \\\"way\\\"\\n");
    node_is("node2", "draining");
    report(REPORT_PINNED, 0);
    until("copies", "state", "pinned");
    assert_true(find("copies", "state", "pinned", &copy));
    is(&copy, "size", "12345");
    assert_false(json_get(&copy, "last_error", &v));
    v = part(&all, "pin");
    is(&v, "size", "12345");
    is(&v, "size_known", "true");
    is(&v, "state", "pinned");
    is(&v, "todo", "settled");
    v = part(&all, "next");
    is(&v, "action", "nothing");
    api_expect(w, "POST", "/api/v1/nodes/node3/uncordon", 200, "active");
    do
        ask(1);
    while (!find("nodes", "verdict", "candidate", &v));
    is(&v, "name", "node3");
    is(&v, "rank", "1");
    is(&v, "shares_domain", "false");
    is(&v, "load_permille", "0");
    is(&v, "domain", "null");
    assert_true(reply.body != NULL &&
                strstr((char *)reply.bytes.p, "X-Pinfold-Index: ") != NULL);
    /* unpinned: explained while a node holds it, then unknown */
    api_expect(w, "DELETE", path("/pins/", 1, ""), 200, "");
    ask(1);
    v = part(&all, "pin");
    is(&v, "state", "releasing");
    v = part(&all, "next");
    is(&v, "action", "unpin");
    is(&v, "text", "no claim is left: 1 copy to be unpinned");
    assert_true(find("copies", "want", "released", &copy));
    is(&copy, "reason", "unclaimed");
    report(REPORT_GONE, 0);
    do {
        api_reply_free(&reply);
        api_get(w, "GET", path(WHERE, 1, "/explain"), &reply);
    } while (reply.status == 200);
    assert_int_equal(reply.status, 404);
    api_has(&reply, "pin is not part of the pinset");
    api_reply_free(&reply);
}

static void unready(struct api_world *x, void *arg)
{
    x->c->replica->stats.lagging = arg != NULL;
}

static void refused(void **state)
{
    static const char *const bad[] = {
        "xx", "%20", "bafk", "%2e%2e", "%2F%2Fetc", "Qm", "%ff%fe", "b%0a",
        "12D3KooW", "bafkreih%00",
    };
    char target[128];
    struct buf b = BUF_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(target, sizeof target, WHERE "%s/explain", bad[i]);
        api_expect(w, "GET", target, 400, "\"code\":400");
    }
    api_expect(w, "GET", WHERE "xx/explain", 400,
               "error decoding Cid: invalid cid");
    buf_text(&b, WHERE);
    for (int i = 0; i < 4000; i++)
        buf_byte(&b, 'b');
    buf_text(&b, "/explain");
    api_expect(w, "GET", buf_cstr(&b), 400, "error decoding Cid");
    buf_free(&b);
    api_expect(w, "GET", path(WHERE, 1, "/explain"), 404,
               "{\"code\":404,\"message\":\"pin is not part of the pinset\"}");
    api_expect(w, "GET", WHERE "/explain", 404, "not found");
    api_expect(w, "GET", path(WHERE, 1, ""), 404, "not found");
    api_expect(w, "GET", path(WHERE, 1, "/explain/more"), 404, "not found");
    api_expect(w, "POST", path(WHERE, 1, "/explain"), 405, "Allow: GET");
    api_on_core(w, unready, w);
    api_expect(w, "GET", path(WHERE, 1, "/explain"), 503, "not ready: this");
    api_expect(w, "GET", WHERE "xx/explain", 503, "Retry-After: 1\r\n");
    api_on_core(w, unready, NULL);
}

/* Ranked ones first, each node once; many requests at one time are answered
 * or told to come again, also when their clients leave. */
static void many(void **state)
{
    enum { CLIENTS = 64 };
    struct json_value items, v;
    int fds[CLIENTS], good = 0;
    struct span none;
    size_t it = 0;
    uint64_t rank, id, before = 0, n = 0;
    char text[600];

    (void)state;
    api_expect(w, "POST", "/api/v1/nodes/node7/cordon", 200, "cordoned");
    api_expect(w, "POST", path("/pins/", 1, "?replication=2"), 200, "");
    ask(1);
    items = part(&all, "nodes");
    while (json_next(&items, &it, &none, &v)) {
        n++;
        if (n <= 197) {
            assert_true(json_get_u64(&v, "rank", &rank));
            assert_int_equal(rank, n);
            continue;
        }
        assert_false(json_get_u64(&v, "rank", &rank));
        assert_true(json_get_u64(&v, "id", &id));
        assert_true(id > before);
        before = id;
    }
    assert_int_equal(n, 200);
    api_reply_free(&reply);
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: x\r\n"
             "Connection: close\r\n\r\n", path(WHERE, 1, "/explain"));
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = api_dial(w);
        api_send(fds[i], text, strlen(text));
    }
    for (int i = 0; i < CLIENTS; i++) {
        if (i % 4 == 0) {
            close(fds[i]);
            continue;
        }
        api_receive(fds[i], &reply);
        assert_true(reply.status == 200 || reply.status == 503);
        good += reply.status == 200;
        api_reply_free(&reply);
    }
    assert_true(good > 0);
    for (int i = 0; i < 20; i++) { /* none of them is still counted */
        ask(1);
        api_reply_free(&reply);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(two_of_three, three_nodes, end),
        cmocka_unit_test_setup_teardown(failure_and_end, three_nodes, end),
        cmocka_unit_test_setup_teardown(decisions, three_nodes, end),
        cmocka_unit_test_setup_teardown(budgets, three_nodes, end),
        cmocka_unit_test_setup_teardown(refused, three_nodes, end),
        cmocka_unit_test_setup_teardown(many, many_nodes, end),
    };

    return cmocka_run_group_tests_name("api_explain", tests, NULL, NULL);
}
