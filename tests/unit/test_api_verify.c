/* POST …/verify over real sockets: what is said of copies in each state, of
 * nodes without a session, and what is refused.
 */
#include "api_world.h"

static struct api_world *w;

static int three_nodes(void **state)
{
    (void)state;
    w = api_start(3);
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

static void propose(struct api_world *x, void *arg)
{
    static struct coord_answer a;

    a.c = x->c;
    assert_int_equal(replica_propose(x->c->replica, arg, coord_answered, &a),
                     ERR_OK);
    free(arg);
}

static void report(uint32_t node, uint64_t pin, enum report_state state)
{
    static uint64_t seq;
    struct command *k = coord_command(COMMAND_REPORT);
    struct report_item item = {
        .pin = pin, .idx = (uint64_t)1 << 40, .state = state, .attempts = 1,
        .size = 12345, .code = FAIL_OTHER, .text = span_text("no")};

    k->report.node = node;
    k->report.boot = 1;
    k->report.seq = ++seq;
    k->report.n = 1;
    k->report.items = &item;
    api_on_core(w, propose, k);
}

/* Asks until all of these are in the answer; lines: how many it has. */
static void until(const char *target, unsigned lines, const char *const *text)
{
    char where[512];
    struct reply r = {0};
    uint64_t end = uv_hrtime() + UINT64_C(20000000000);
    bool all = false;

    snprintf(where, sizeof where, "%s", target);
    while (!all && uv_hrtime() < end) {
        api_reply_free(&r);
        api_get(w, "POST", where, &r);
        assert_int_equal(r.status, 200);
        assert_int_equal(api_count(&r, "\"result\""), lines);
        all = true;
        for (const char *const *t = text; *t != NULL; t++)
            all = all && strstr(r.body, *t) != NULL;
    }
    if (!all)
        fail_msg("%s …: %.2000s", *text, r.body);
    api_has(&r, "Trailer: X-Stream-Error");
    api_reply_free(&r);
}

static void holds(const char *what)
{
    snprintf(w->agent.resolved, sizeof w->agent.resolved, "%s", what);
}

static void copies_of_a_pin(void **state)
{
    (void)state;
    api_expect(w, "POST", path("/pins/", 1, "?replication=3"), 200, "");
    holds("yes");
    until(path("/api/v1/pins/", 1, "/verify"), 3, (const char *const[]){
        "\"node\":\"node1\",\"id\":1,\"result\":\"pending\","
        "\"text\":\"not pinned yet\"",
        "\"node\":\"node2\",\"id\":2,\"result\":\"pending\"",
        "\"node\":\"node3\",\"id\":3,\"result\":\"pending\"", NULL});
    report(1, 1, REPORT_PINNED);
    report(2, 1, REPORT_PINNED);
    report(3, 1, REPORT_FAILED);
    until(path("/api/v1/pins/", 1, "/verify"), 3, (const char *const[]){
        "\"node\":\"node1\",\"id\":1,\"result\":\"held\",\"text\":\"\"",
        "\"node\":\"node2\",\"id\":2,\"result\":\"unreachable\","
        "\"text\":\"the node is not connected to this coordinator\"",
        "\"node\":\"node3\",\"id\":3,\"result\":\"pending\","
        "\"text\":\"could not be pinned yet\"", NULL});
    holds("");
    until(path("/api/v1/pins/", 1, "/verify"), 3, (const char *const[]){
        "\"node\":\"node1\",\"id\":1,\"result\":\"missing\","
        "\"text\":\"its daemon does not hold it; it is pinned again\"",
        NULL});
    report(1, 1, REPORT_LOST);
    holds("yes");
    until(path("/api/v1/pins/", 1, "/verify"), 3, (const char *const[]){
        "\"node\":\"node1\",\"id\":1,\"result\":\"missing\","
        "\"text\":\"was reported lost; it is pinned again\"", NULL});
    api_expect(w, "GET", "/metrics", 200,
               "pinfold_verify_asked_total{result=\"missing\"} ");
    api_expect(w, "DELETE", path("/pins/", 1, ""), 200, "");
    api_expect(w, "POST", path("/api/v1/pins/", 1, "/verify"), 404,
               "pin is not part of the pinset");
}

static void copies_of_a_node(void **state)
{
    (void)state;
    for (uint32_t i = 1; i <= 50; i++) {
        api_expect(w, "POST", path("/pins/", i, "?replication=3"), 200, "");
        report(1, i, REPORT_PINNED);
    }
    holds("yes");
    until("/api/v1/nodes/node1/verify", 50, (const char *const[]){
        "\"pin\":1,", "\"pin\":50,\"node\":\"node1\",\"id\":1,"
        "\"result\":\"held\"", NULL});
    until("/api/v1/nodes/1/verify?sample=7", 7, (const char *const[]){
        "\"result\":\"held\"", NULL});
    until("/api/v1/nodes/1/verify?sample=49", 49, (const char *const[]){
        "\"result\":\"held\"", NULL});
    until("/api/v1/nodes/1/verify?sample=1000", 50, (const char *const[]){
        "\"pin\":50,", NULL});
}

static void refused(void **state)
{
    (void)state;
    api_expect(w, "POST", "/api/v1/nodes/node2/verify", 502,
               "not connected to this coordinator");
    api_expect(w, "POST", "/api/v1/nodes/node9/verify", 404, "no node has");
    api_expect(w, "POST", "/api/v1/pins/xx/verify", 400, "invalid cid");
    api_expect(w, "POST", path("/api/v1/pins/", 1, "/verify"), 404,
               "not part of the pinset");
    api_expect(w, "POST", "/api/v1/nodes/node1/verify?sample=0", 400,
               "sample: '0' is no number from 1 to 1000");
    api_expect(w, "POST", "/api/v1/nodes/node1/verify?sample=1001", 400,
               "sample:");
    api_expect(w, "POST", "/api/v1/nodes/node1/verify?sample=1e2", 400,
               "sample:");
    api_expect(w, "GET", "/api/v1/nodes/node1/verify", 405, "not allowed");
    until("/api/v1/nodes/node1/verify", 0, (const char *const[]){NULL});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(copies_of_a_pin, three_nodes, end),
        cmocka_unit_test_setup_teardown(copies_of_a_node, three_nodes, end),
        cmocka_unit_test_setup_teardown(refused, three_nodes, end),
    };

    return cmocka_run_group_tests_name("api_verify", tests, NULL, NULL);
}
