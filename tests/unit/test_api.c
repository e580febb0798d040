/* The REST API over real sockets: routes, readiness, one pin, lists, paths,
 * recover; wire forms of docs/api.md.
 */
#include "api_world.h"

#include <netinet/tcp.h>

static struct api_world *w;

static int two_nodes(void **state)
{
    (void)state;
    w = api_start(2);
    return 0;
}

static int no_node(void **state)
{
    (void)state;
    w = api_start(0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    api_end(w);
    return 0;
}

static const char *cid_of(uint32_t number)
{
    static char text[LIMIT_CID_TEXT];
    struct cid cid = coord_cid(number);

    cid_print(&cid, CID_FORM_B32, text);
    return text;
}

/* before + cid + between + cid, in memory of its own */
static const char *two(const char *before, uint32_t a, const char *between,
                       uint32_t b)
{
    static struct buf text;

    buf_reset(&text);
    buf_text(&text, before);
    buf_text(&text, cid_of(a));
    buf_text(&text, between);
    buf_text(&text, cid_of(b));
    return buf_cstr(&text);
}

static const char *path(const char *before, uint32_t number,
                        const char *behind)
{
    static char text[512];

    snprintf(text, sizeof text, "%s%s%s", before, cid_of(number), behind);
    return text;
}

#define NOT_FOUND "{\"code\":404,\"message\":\"not found\"}\n"

static void routes(void **state)
{
    struct reply r;

    (void)state;
    api_expect(w, "GET", "/nothing", 404, NOT_FOUND);
    api_expect(w, "GET", "/", 404, NOT_FOUND);
    api_expect(w, "GET", "/pins/a/b/c", 405, "Allow: POST, DELETE\r\n");
    api_expect(w, "DELETE", "/pins", 405, "Allow: GET\r\n");
    api_expect(w, "PATCH", "/id", 405,
               "{\"code\":405,\"message\":\"method not allowed\"}\n");
    api_expect(w, "OPTIONS", "/id", 405, "Allow: GET\r\n");
    api_expect(w, "GET", "/api/v1/repair/resume", 405, "Allow: POST\r\n");
    api_expect(w, "POST", "/api/v1/repair/resume", 409,
               "\"message\":\"repair is not paused\"}");
    api_expect(w, "GET", "/api/v1/status", 200,
               "\"repair\":{\"paused\":false,");
    api_expect(w, "GET", "/metrics", 200, "\npinfold_repair_paused 0\n"
               "# HELP pinfold_nodes_quarantined");
    api_expect(w, "GET", "/metrics", 200,
               "\npinfold_http_refusals_total{reason=\"not_found\"} 2\n");
    api_expect(w, "GET", "/metrics", 200,
               "{door=\"cluster\",method=\"any\",route=\"none\",le=\"60\"} 7"
               "\n");
    api_expect(w, "GET", "/metrics", 200,
               "_count{door=\"cluster\",method=\"GET\",route=\"/metrics\"} 3"
               "\n");
    api_expect(w, "GET", "/%zz", 400, "\"code\":400");
    api_expect(w, "GET", "/pins/%00", 400, "\"code\":400");
    api_expect(w, "GET", "/id?a=%ff", 400, "bad UTF-8");
    api_expect(w, "GET", "/id?a=%zz", 400, "broken escape");
    api_expect(w, "GET", "/pins/?cids=a&b", 307,
               "Location: /pins?cids=a&b\r\n");
    api_expect(w, "GET", "//evil.example/", 307, "Location: /\r\n");
    api_expect(w, "GET", "/\\evil.example/", 307, "Location: /\r\n");
    api_expect(w, "GET", "/id", 200, "Content-Type: application/json\r\n");
    api_expect(w, "GET", "/version", 200, "{\"version\":\"");
    api_expect(w, "GET", "/health", 204, "Content-Type: application/json");
    api_expect(w, "GET", "/health/bandwidth", 200, "{}\n");
    api_expect(w, "GET", "/health/alerts", 200, "[]\n");
    api_expect(w, "GET", "/health/graph", 200, "\"cluster_id\":\"12D3");
    api_expect(w, "GET", "/monitor/metrics", 200,
               "[\"freespace\",\"numpin\",\"ping\",");
    api_expect(w, "GET", "/monitor/metrics/none", 200, "[]\n");
    api_expect(w, "GET", "/monitor/metrics/freespace", 200,
               "\"value\":\"1099511627776\"");
    api_expect(w, "GET", "/livez", 200, "");
    api_expect(w, "GET", "/readyz", 200, "\"ready\":true");
    api_expect(w, "GET", "/metrics", 200, "pinfold_ready 1\n");
    api_expect(w, "GET", "/api/v1/status", 200, "\"role\":\"leader\"");
    api_get(w, "GET", "/peers", &r);
    assert_int_equal(r.status, 200);
    api_has(&r, "Trailer: X-Stream-Error");
    assert_int_equal(api_count(&r, "\"peername\":"), 2);
    api_reply_free(&r);
    api_get(w, "HEAD", "/id", &r);
    assert_int_equal(r.status, 200);
    assert_int_equal(strlen(r.body), 0);
    api_reply_free(&r);
    api_get(w, "HEAD", "/pins", &r);
    assert_int_equal(r.status, 200);
    api_reply_free(&r);
}

static void many_parameters(void **state)
{
    struct buf b = BUF_INIT;

    (void)state;
    buf_text(&b, "/id?");
    for (int i = 0; i <= API_PARAMS; i++)
        buf_printf(&b, "a%d&", i);
    api_expect(w, "GET", buf_cstr(&b), 400, "too many parameters");
    buf_free(&b);
}

static void unready(struct api_world *x, void *arg)
{
    x->c->replica->stats.lagging = arg != NULL;
}

static void not_ready(void **state)
{
    static const char *const closed[][2] = {
        {"GET", "/pins"}, {"GET", "/allocations"}, {"GET", "/peers"},
        {"POST", "/pins/recover"}, {"GET", "/health/graph"},
        {"GET", "/monitor/metrics"}};

    (void)state;
    api_on_core(w, unready, w);
    for (size_t i = 0; i < sizeof closed / sizeof closed[0]; i++)
        api_expect(w, closed[i][0], closed[i][1], 503, "Retry-After: 1\r\n");
    api_expect(w, "POST", path("/pins/", 1, ""), 503, "not ready: this");
    api_expect(w, "GET", path("/pins/", 1, ""), 503, "not ready: this");
    api_expect(w, "GET", "/readyz", 503, "\"ready\":false");
    api_expect(w, "GET", "/livez", 200, "");
    api_expect(w, "GET", "/health", 204, "");
    api_expect(w, "GET", "/id", 200, "");
    api_expect(w, "GET", "/nothing", 404, NOT_FOUND);
    api_on_core(w, unready, NULL);
    api_expect(w, "GET", "/pins", 200, "X-Stream-Error: \r\n");
}

static void one_pin(void **state)
{
    char first[LIMIT_CID_TEXT + 16];

    (void)state;
    snprintf(first, sizeof first, "\"cid\":\"%s\"", cid_of(1));
    api_expect(w, "GET", path("/pins/", 1, ""), 200,
               "\"status\":\"unpinned\"");
    api_expect(w, "GET", path("/allocations/", 1, ""), 404,
               "\"message\":\"pin is not part of the pinset\"}");
    api_expect(w, "DELETE", path("/pins/", 1, ""), 404,
               "\"message\":\"pin is not part of the pinset\"}");
    api_expect(w, "POST", path("/pins/", 1, "?name=x&replication-min=1&"
                                            "replication-max=1"),
               200, first);
    api_expect(w, "POST", path("/pins/", 1, "?name=y&replication-min=2&"
                                            "replication-max=2&meta-k=v"),
               200, "\"metadata\":{\"k\":\"v\"}");
    api_expect(w, "GET", path("/allocations/", 1, ""), 200,
               "\"name\":\"y\"");
    api_expect(w, "GET", path("/pins/", 1, ""), 200,
               "\"status\":\"pin_queued\"");
    api_expect(w, "GET", path("/pins/", 1, "?local=true"), 200,
               "\"peername\":\"node1\"");
    api_expect(w, "POST", path("/pins/", 1, "?mode=direct"), 409,
               "cannot repin a CID which is already pinned in recursive");
    api_expect(w, "POST", path("/pins/", 2, "?replication-min=3&"
                                            "replication-max=3"), 500,
               "not enough peers to allocate CID. Needed at least: 3. "
               "Wanted at most: 3. Available candidates: 2.");
    api_expect(w, "POST", path("/pins/", 2, "?expire-at=1990-01-01T00:00:00Z"),
               400, "pin.ExpireAt set before current time");
    api_expect(w, "POST", path("/pins/", 2, "?replication-min=x"), 400,
               "parameter replication-min invalid");
    api_expect(w, "GET", path("/allocations/", 2, ""), 404, ""); /* quirk 11 */
    api_expect(w, "POST", "/pins/xx", 400, "error decoding Cid: invalid cid");
    api_expect(w, "GET", "/pins/xx", 400, "error decoding Cid: invalid cid");
    api_expect(w, "POST", two("/pins/", 3, "?pin-update=", 9), 404,
               "pin is not part of the pinset");
    api_expect(w, "POST", two("/pins/", 3, "?pin-update=", 1), 200,
               "\"name\":\"y\"");
    api_expect(w, "DELETE", path("/pins/", 1, ""), 200, "\"name\":\"y\"");
    api_expect(w, "GET", path("/pins/", 1, ""), 200,
               "\"status\":\"unpin_queued\"");
    api_expect(w, "GET", path("/allocations/", 1, ""), 404, "");
}

static void no_node_at_all(void **state)
{
    (void)state;
    api_expect(w, "POST", path("/pins/", 1, ""), 500,
               "not enough peers to allocate CID. Needed at least: 1.");
    api_expect(w, "GET", path("/pins/", 1, "?local=true"), 503, "no node");
    api_expect(w, "GET", "/pins?local=true", 200, "\r\n0\r\n");
    api_expect(w, "GET", "/peers", 200, "\r\n0\r\n");
    api_expect(w, "GET", "/health/graph", 200, "\"cluster_links\":{}");
    api_expect(w, "GET", "/monitor/metrics", 200, "[]\n");
    api_expect(w, "POST", "/pins/ipns/example.org", 503, "resolve?arg=/ipns/"
               "example.org). Code: 500. Message: no node is connected");
}

static void fill(struct api_world *x, void *arg)
{
    static struct coord_answer a;
    struct command *k;

    (void)arg;
    a.c = x->c;
    for (uint32_t i = 0; i < 1300; i++) {
        enum err e;

        k = coord_claim(1000 + i, 1, 2);
        e = replica_propose(x->c->replica, k, coord_answered, &a);
        assert_int_equal(e, ERR_OK);
        free(k);
    }
}

static void lists(void **state)
{
    struct reply r;

    (void)state;
    api_expect(w, "GET", "/pins", 200, "\r\n\r\n0\r\nX-Stream-Error: \r\n");
    api_expect(w, "GET", "/allocations", 200, "\r\n\r\n0\r\n");
    api_on_core(w, fill, NULL);
    do { /* the last of them is seen by a reader */
        api_get(w, "GET", path("/allocations/", 2299, ""), &r);
        api_reply_free(&r);
    } while (r.status != 200);
    api_get(w, "GET", "/pins", &r);
    assert_int_equal(r.status, 200);
    assert_int_equal(api_count(&r, "{\"cid\":\""), 1300);
    api_has(&r, "Trailer: X-Stream-Error, X-Pinfold-Index");
    api_has(&r, "0\r\nX-Stream-Error: \r\nX-Pinfold-Index: ");
    api_reply_free(&r);
    {
        static const char text[] = "GET /pins HTTP/1.1\r\nHost: x\r\n"
                                   "Connection: close\r\n\r\n";
        int fd = api_dial_slow(w, 4096);

        api_send(fd, text, sizeof text - 1);
        api_receive(fd, &r);
        assert_int_equal(api_count(&r, "{\"cid\":\""), 1300);
        api_has(&r, "0\r\nX-Stream-Error: \r\n");
        api_reply_free(&r);
    }
    api_get(w, "GET", "/allocations?filter=all", &r);
    assert_int_equal(api_count(&r, "\"type\":\"pin\""), 1300);
    api_reply_free(&r);
    api_get(w, "GET", "/pins?filter=pin_queued", &r);
    assert_int_equal(api_count(&r, "\"status\":\"pin_queued\""), 2600);
    api_reply_free(&r);
    api_expect(w, "GET", "/pins?filter=pinned", 200, "\r\n\r\n0\r\n");
    api_expect(w, "GET", "/pins?filter=foo", 400,
               "\"message\":\"invalid filter value\"}");
    api_expect(w, "GET", "/pins?filter=undefined", 400, "");
    api_expect(w, "GET", "/allocations?filter=foo", 400,
               "\"message\":\"invalid filter value\"}");
    api_expect(w, "GET", "/allocations?filter=foo%2Cpin", 200, "\"cid\"");
    api_expect(w, "GET", "/allocations?filter=meta-pin", 200,
               "\r\n\r\n0\r\n");
    api_get(w, "GET", "/pins?local=true&filter=", &r);
    assert_int_equal(api_count(&r, "\"peername\":\"node1\""), 1300);
    assert_int_equal(api_count(&r, "\"peername\":\"node2\""), 0);
    api_reply_free(&r);
    api_get(w, "GET", two("/pins?filter=foo&local=false&cids=", 1001, ",", 7),
            &r);
    assert_int_equal(api_count(&r, "{\"cid\":\""), 2);
    assert_int_equal(api_count(&r, "\"status\":\"unpinned\""), 2);
    api_reply_free(&r);
    api_expect(w, "GET", "/pins?cids=xx", 400, "error decoding Cid: ");
    /* nothing to recover: an empty stream */
    api_expect(w, "POST", "/pins/recover", 200, "\r\n\r\n0\r\n");
    api_expect(w, "POST", path("/pins/", 1001, "/recover"), 200,
               "\"peer_map\"");
    api_expect(w, "POST", path("/pins/", 7, "/recover"), 200,
               "\"status\":\"unpinned\"");
    api_expect(w, "POST", path("/pins/", 7, "/recover?local=true"), 404,
               "pin is not part of the pinset");
}

/* Clients that read nothing, or leave in the middle of a list. */
static void clients_that_leave(void **state)
{
    struct reply r;

    (void)state;
    api_on_core(w, fill, NULL);
    do {
        api_get(w, "GET", path("/allocations/", 2299, ""), &r);
        api_reply_free(&r);
    } while (r.status != 200);
    for (int i = 0; i < 40; i++) {
        int fd = api_dial(w);
        char part[512];
        char text[600];
        int n = snprintf(text, sizeof text,
                         "%s HTTP/1.1\r\nHost: x\r\n\r\n",
                         i % 4 == 0   ? "GET /pins"
                         : i % 4 == 1 ? "GET /allocations"
                         : i % 4 == 2 ? path("POST /pins/", 50, "")
                                      : "POST /pins/ipns/a");

        api_send(fd, text, (size_t)n);
        if (i % 8 < 4)
            (void)recv(fd, part, sizeof part, 0);
        close(fd);
    }
    api_expect(w, "GET", "/livez", 200, "");
}

static int many_nodes(void **state)
{
    (void)state;
    w = api_start(200);
    return 0;
}

/* Small segments, or the kernel would take megabytes for one that reads
 * nothing. */
static int ask_and_wait(const char *target)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons(w->port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), bytes = 4096, segment = 536;
    char text[200];
    int n = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: x\r\n"
                     "Connection: close\r\n\r\n", target);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes,
                                sizeof bytes), 0);
    assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment,
                                sizeof segment), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    api_send(fd, text, (size_t)n);
    return fd;
}

/* All nodes beside each node: it is made as the client takes it. */
static void peers_of_many(void **state)
{
    static const char answers[] = "pinfold_http_answers_total{code=\"2xx\"} ";
    struct reply r;
    unsigned begun, asked = 0;
    const char *at;
    int fd;

    (void)state;
    api_get(w, "GET", "/health/graph", &r);
    assert_int_equal(r.status, 200);
    assert_int_equal(api_count(&r, "\":\"node"), 200);
    assert_int_equal(api_count(&r, "\":true"), 200);
    api_has(&r, "}}\n\r\n0\r\n");
    api_reply_free(&r);
    fd = ask_and_wait("/peers");
    do { /* until it has begun, and longer */
        api_get(w, "GET", "/metrics", &r);
        at = strstr(r.body, answers);
        assert_non_null(at);
        begun = (unsigned)strtoul(at + sizeof answers - 1, NULL, 10);
        api_has(&r, "_count{door=\"cluster\",method=\"GET\",route=\"/peers\""
                    "} 0\n");
        api_reply_free(&r);
    } while (begun != 2 + asked++ || asked < 50);
    api_receive(fd, &r);
    assert_int_equal(api_count(&r, "\"peername\":"), 200);
    api_has(&r, "\r\n0\r\nX-Stream-Error: \r\n");
    api_reply_free(&r);
}

static void resolves(struct api_world *x, void *arg)
{
    snprintf(x->agent.resolved, sizeof x->agent.resolved, "%s",
             (const char *)arg);
}

static void paths(void **state)
{
    static char bad[] = "/ipfs/nonsense";
    char good[LIMIT_CID_TEXT + 8];

    (void)state;
    api_expect(w, "POST", path("/pins/ipfs/", 1, "?mode=direct"), 200,
               "\"mode\":\"direct\"");
    api_expect(w, "POST", path("/pins/ipld/", 1, ""), 200,
               "\"mode\":\"recursive\"");
    api_expect(w, "DELETE", path("/pins/ipfs/", 1, ""), 200, "\"cid\"");
    api_expect(w, "DELETE", path("/pins/ipfs/", 1, ""), 404,
               "pin is not part of the pinset");
    api_expect(w, "POST", "/pins/ipfs/xx", 400,
               "error parsing path: invalid path \\\"/ipfs/xx\\\": invalid "
               "cid");
    api_expect(w, "POST", path("/pins/none/", 1, ""), 404, NOT_FOUND);
    api_expect(w, "POST", path("/pins/ipfs/", 1, "/a/b"), 500,
               "Code: 500. Message: no link named");
    snprintf(good, sizeof good, "/ipfs/%s", cid_of(77));
    api_on_core(w, resolves, good);
    api_expect(w, "POST", path("/pins/ipfs/", 1, "/a/b?name=p"), 200,
               good + 6);
    api_expect(w, "POST", "/pins/ipns/example.org", 200, good + 6);
    api_on_core(w, resolves, bad);
    api_expect(w, "POST", "/pins/ipns/example.org", 500,
               "resolved the path to");
}

/* Sends a pin with that body, and says what its answer was. */
static int with_body(uint32_t number, const char *lines, const char *body,
                     size_t n)
{
    struct buf b = BUF_INIT;
    struct reply r;
    int fd = api_dial(w), status;

    buf_printf(&b, "POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
               "%s\r\n", path("/pins/", number, ""), lines);
    buf_add(&b, body, n);
    api_send(fd, (char *)b.p, b.n);
    api_receive(fd, &r);
    status = r.status;
    api_reply_free(&r);
    buf_free(&b);
    return status;
}

/* Who is told that it failed has done nothing. */
static void bodies_that_nobody_takes(void **state)
{
    static const char chunked[] = "Transfer-Encoding: chunked\r\n";
    static char large[HTTP_BODY_BYTES + 200000];

    (void)state;
    memset(large, 'x', sizeof large);
    memcpy(large, "110000\r\n", 8); /* 1 MiB and 64 KiB */
    assert_int_equal(with_body(1, "Content-Length: 2000000\r\n", "", 0),
                     413);
    assert_int_equal(with_body(2, chunked, large, sizeof large), 413);
    assert_int_equal(with_body(3, chunked, "zz\r\n", 4), 400);
    assert_int_equal(with_body(4, chunked, "2\r\nab\r\n0\r\n\r\n", 12), 200);
    assert_int_equal(with_body(5, "Content-Length: 2\r\n", "ab", 2), 200);
    for (uint32_t number = 1; number <= 5; number++)
        api_expect(w, "GET", path("/allocations/", number, ""),
                   number < 4 ? 404 : 200, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(routes, two_nodes, end),
        cmocka_unit_test_setup_teardown(many_parameters, two_nodes, end),
        cmocka_unit_test_setup_teardown(not_ready, two_nodes, end),
        cmocka_unit_test_setup_teardown(one_pin, two_nodes, end),
        cmocka_unit_test_setup_teardown(no_node_at_all, no_node, end),
        cmocka_unit_test_setup_teardown(lists, two_nodes, end),
        cmocka_unit_test_setup_teardown(clients_that_leave, two_nodes, end),
        cmocka_unit_test_setup_teardown(peers_of_many, many_nodes, end),
        cmocka_unit_test_setup_teardown(paths, two_nodes, end),
        cmocka_unit_test_setup_teardown(bodies_that_nobody_takes, two_nodes,
                                        end),
    };

    return cmocka_run_group_tests_name("api", tests, NULL, NULL);
}
