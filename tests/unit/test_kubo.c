#include "kubo_world.h"

static void version(void **state)
{
    (void)state;
    struct world *w = world_new(NULL);
    static const struct {
        const char *body;
        enum err error;
        unsigned minor;
    } ROWS[] = {
        {"{\"Version\":\"0.43.1\",\"Repo\":\"18\"}\n", ERR_OK, 43},
        {"{\"Version\":\"0.44.0-dev\"}", ERR_OK, 44},
        {"{\"Version\":\"0.42.0\"}\n", ERR_OK, 42},
        {"{\"Version\":\"1.0\"}\n", ERR_OK, 0},
        {"{\"Version\":\"0.41.9\"}\n", ERR_VERSION, 41},
        {"{\"Version\":\"0.\"}\n", ERR_PROTOCOL, 0},
        {"{\"Version\":\"\"}\n", ERR_PROTOCOL, 0},
        {"{\"Version\":43}\n", ERR_PROTOCOL, 0},
        {"{}\n", ERR_PROTOCOL, 0},
        {"[]\n", ERR_PROTOCOL, 0},
        {"\"0.43.0\"\n", ERR_PROTOCOL, 0},
        {"<html>\n", ERR_PROTOCOL, 0},
        {"{\"Version\":\"0.43.0\"", ERR_PROTOCOL, 0},
    };

    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        answer(w, 200, ROWS[i].body, NULL);
        DO(w, kubo_version(w->kubo, on_done, w));
        IS(w, ROWS[i].error, "");
        if (w->r->error == ERR_OK || w->r->error == ERR_VERSION)
            assert_int_equal(w->r->version.minor, ROWS[i].minor);
    }
    assert_non_null(strstr(w->server.heads[0],
                           "POST /api/v0/version HTTP/1.1\r\n"));
    assert_non_null(strstr(w->server.heads[0],
                           "User-Agent: pinfold-agent/" PINFOLD_VERSION));
    assert_non_null(strstr(w->server.heads[0], "Content-Length: 0\r\n"));
    assert_null(strstr(w->server.heads[0], "Expect"));
    assert_null(strstr(w->server.heads[0], "Content-Type"));
    assert_null(strstr(w->server.heads[0], "Authorization"));
    assert_null(strstr(w->server.heads[0], "Origin"));
    world_free(w);
}

static void statuses_and_texts(void **state)
{
    (void)state;
    struct world *w = world_new(NULL);
    static const struct {
        int status;
        const char *body;
        enum err error;
        enum fail_code code;
        const char *text;
    } ROWS[] = {
        {403, "Kubo RPC Access Denied: Please provide a valid token",
         ERR_DENIED, FAIL_DAEMON, "Kubo RPC Access Denied: Please"},
        {403, "403 - Forbidden", ERR_DENIED, FAIL_DAEMON, "403 - Forbidden"},
        {404, "404 page not found", ERR_PROTOCOL, FAIL_DAEMON, "404 page"},
        {405, "405 - Method Not Allowed", ERR_PROTOCOL, FAIL_DAEMON, "405"},
        {302, "", ERR_PROTOCOL, FAIL_DAEMON, "answered 302 without a text"},
        {502, "Bad Gateway", ERR_UNREACHABLE, FAIL_DAEMON, "Bad Gateway"},
        {500, "", ERR_INTERNAL, FAIL_OTHER, "answered 500"},
        {500, "{\"Message\":\"some day\\n \\u00e9\",\"Code\":0}",
         ERR_INTERNAL, FAIL_OTHER, "some day \u00e9"},
        {500, "{\"Message\":7}", ERR_INTERNAL, FAIL_OTHER, "Message"},
        {500, "\xff\x01plain\x80", ERR_INTERNAL, FAIL_OTHER, "? plain?"},
        {500, "{\"Message\":\"write x: no space left on device\"}",
         ERR_NO_SPACE, FAIL_NO_SPACE, "no space"},
        {500, "{\"Message\":\"pin: <c> already pinned recursively\"}",
         ERR_INVALID, FAIL_CONFLICT, "already pinned"},
        {500, "{\"Message\":\"pin name is 300 bytes (max 255 bytes)\"}",
         ERR_INVALID, FAIL_REFUSED, "pin name"},
        {500, "{\"Message\":\"pin: context deadline exceeded\"}",
         ERR_TIMEOUT, FAIL_STALLED, "deadline"},
        /* words of another call mean nothing here */
        {500, "{\"Message\":\"not pinned or pinned indirectly\"}",
         ERR_INTERNAL, FAIL_OTHER, "not pinned"},
        {400, "expected key arg to have only a single value", ERR_PROTOCOL,
         FAIL_DAEMON, "single value"},
    };
    struct cid c = cid_of(RAW);

    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        answer(w, ROWS[i].status, ROWS[i].body, NULL);
        DO(w, kubo_pin(w->kubo, &c, true, NULL, NULL, on_done, w));
        IS(w, ROWS[i].error, ROWS[i].text);
        assert_int_equal(w->r->code, ROWS[i].code);
    }
    world_free(w);
}

static void look(void **state)
{
    (void)state;
    struct world *w = world_new(NULL);
    struct cid raw = cid_of(RAW), pb = cid_of(V1);

    answer(w, 200,
           "{\"Keys\":{\"" RAW "\":{\"Type\":\"recursive\",\"Name\":\"x\"}}}\n",
           NULL);
    DO(w, kubo_look(w->kubo, &raw, KUBO_RECURSIVE, on_done, w));
    IS(w, ERR_OK, "");
    assert_int_equal(w->r->look.type, KUBO_RECURSIVE);
    assert_string_equal(w->r->look.name, "x");
    assert_non_null(strstr(w->server.heads[0], "/pin/ls?arg=" RAW
                                               "&type=recursive&names=true "));
    DO(w, kubo_look(w->kubo, &raw, KUBO_DIRECT, on_done, w));
    IS(w, ERR_PROTOCOL, "another type");
    DO(w, kubo_look(w->kubo, &pb, KUBO_RECURSIVE, on_done, w));
    IS(w, ERR_PROTOCOL, "another CID");
    answer(w, 500, "{\"Message\":\"path '" RAW "' is not pinned\"}", NULL);
    DO(w, kubo_look(w->kubo, &raw, KUBO_DIRECT, on_done, w));
    IS(w, ERR_OK, "");
    assert_int_equal(w->r->look.type, KUBO_NOT_PINNED);
    assert_int_equal(w->server.requests, 1); /* one spelling, one request */
    answer(w, 500, "{\"Message\":\"something is pinned oddly\"}", NULL);
    DO(w, kubo_look(w->kubo, &raw, KUBO_DIRECT, on_done, w));
    IS(w, ERR_INTERNAL, "oddly");
    answer(w, 403, "path is not pinned", NULL);
    DO(w, kubo_look(w->kubo, &raw, KUBO_DIRECT, on_done, w));
    IS(w, ERR_DENIED, "");
    /* what was broken off took its connection with it */
    assert_int_equal(w->server.connections, 3);
    world_free(w);
}

#define ABSENT "{\"Message\":\"path 'c' is not pinned\"}"
#define UNPINNED "{\"Message\":\"not pinned or pinned indirectly\"}"

static void two_spellings(void **state)
{
    (void)state;
    struct world *w = world_new(NULL);
    struct cid c = cid_of(V1);

    forget(w);
    reply(w, (struct script_reply){.bytes = text_of(500, ABSENT, NULL)});
    reply(w, (struct script_reply){
                 .bytes = text_of(200, "{\"Keys\":{\"" V1 "\":{\"Type\":"
                                       "\"recursive\"}}}\n", NULL)});
    DO(w, kubo_look(w->kubo, &c, KUBO_RECURSIVE, on_done, w));
    IS(w, ERR_OK, "");
    assert_int_equal(w->r->look.type, KUBO_RECURSIVE);
    assert_int_equal(w->r->look.form, CID_FORM_B32);
    assert_non_null(strstr(w->server.heads[0], "arg=" V0 "&"));
    assert_non_null(strstr(w->server.heads[1], "arg=" V1 "&"));
    assert_int_equal(w->server.requests, 2);
    answer(w, 200, "{\"Keys\":{\"" V0 "\":{\"Type\":\"recursive\"}}}\n",
           NULL);
    DO(w, kubo_look(w->kubo, &c, KUBO_RECURSIVE, on_done, w));
    IS(w, ERR_OK, "");
    assert_int_equal(w->r->look.form, CID_FORM_V0);

    answer(w, 500, ABSENT, NULL);
    DO(w, kubo_look(w->kubo, &c, KUBO_RECURSIVE, on_done, w));
    IS(w, ERR_OK, "");
    assert_int_equal(w->r->look.type, KUBO_NOT_PINNED);
    assert_int_equal(w->server.requests, 2);

    /* Only the one that was found: the other may be the owner's. */
    answer(w, 200, "{\"Pins\":[\"" V0 "\"]}\n", NULL);
    DO(w, kubo_unpin(w->kubo, &c, CID_FORM_V0, true, on_done, w));
    IS(w, ERR_OK, "");
    assert_int_equal(w->server.requests, 1);
    assert_non_null(strstr(w->server.heads[0], "pin/rm?arg=" V0 "&"));
    answer(w, 200, "{\"Pins\":[\"" V1 "\"]}\n", NULL);
    DO(w, kubo_unpin(w->kubo, &c, CID_FORM_B32, true, on_done, w));
    IS(w, ERR_OK, "");
    assert_non_null(strstr(w->server.heads[0], "pin/rm?arg=" V1 "&"));
    answer(w, 500, UNPINNED, NULL);
    DO(w, kubo_unpin(w->kubo, &c, CID_FORM_V0, true, on_done, w));
    IS(w, ERR_OK, "");
    assert_int_equal(w->server.requests, 1);

    struct cid to = cid_of(RAW);
    answer(w, 200, "{\"Pins\":[\"" V1 "\",\"" RAW "\"]}\n", NULL);
    DO(w, kubo_update(w->kubo, &c, CID_FORM_B32, &to, on_done, w));
    IS(w, ERR_OK, "");
    assert_non_null(strstr(w->server.heads[0], "pin/update?arg=" V1
                                               "&arg=" RAW "&unpin=false "));
    answer(w, 500, "{\"Message\":\"'from' cid was not recursively pinned "
                   "already\"}", NULL);
    DO(w, kubo_update(w->kubo, &c, CID_FORM_V0, &to, on_done, w));
    IS(w, ERR_INVALID, "");
    assert_int_equal(w->server.requests, 1);
    world_free(w);
}

static void pin(void **state)
{
    (void)state;
    struct world *w = world_new(NULL);
    struct cid c = cid_of(V1);

    answer(w, 200, "{}\n{\"Progress\":1}\n{\"Progress\":1}\n"
                   "{\"Progress\":3,\"Bytes\":281474976710655}\n{}\n"
                   "{\"Pins\":[\"" V0 "\"]}\n", NULL);
    DO(w, kubo_pin(w->kubo, &c, true, "pinfold:0a1b2c3d:7 \u00e9", on_progress,
                   on_done, w));
    IS(w, ERR_OK, "");
    assert_int_equal(w->progressed, 2);
    assert_true(w->r->pin.bytes == KUBO_SIZE_MAX);
    assert_true(w->bytes == KUBO_SIZE_MAX);
    assert_int_equal(w->r->pin.nodes, 3);
    assert_non_null(strstr(w->server.heads[0],
                           "/pin/add?arg=" V0 "&recursive=true&progress=true"
                           "&name=pinfold:0a1b2c3d:7%20%C3%A9 "));

    static const struct {
        const char *body, *trailer;
        enum err error;
        const char *text;
    } ROWS[] = {
        {"{\"Progress\":1}\n", "context deadline exceeded", ERR_TIMEOUT,
         "deadline"},
        {"{\"Pins\":[\"" V0 "\"]}\n", "something new", ERR_INTERNAL,
         "something new"},
        {"{\"Pins\":[\"" V0 "\"]}\n", "", ERR_OK, ""},
        {"{\"Pins\":[\"" V0 "\"]}", NULL, ERR_OK, ""},
        {"{\"Progress\":1}\n", NULL, ERR_PROTOCOL, "last object"},
        {"{\"Pins\":[\"" V0 "\"]}\n{\"Progress\":9}\n", NULL, ERR_PROTOCOL,
         "last object"},
        {"{\"Pins\":[\"" RAW "\"]}\n", NULL, ERR_PROTOCOL, "another CID"},
        {"{\"Pins\":[]}\n", NULL, ERR_PROTOCOL, "another CID"},
        {"{\"Pins\":[\"" V0, NULL, ERR_PROTOCOL, "no JSON"},
        {"", NULL, ERR_PROTOCOL, "empty"},
        {"", "context deadline exceeded", ERR_TIMEOUT, "deadline"},
    };
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        answer(w, 200, ROWS[i].body, ROWS[i].trailer);
        DO(w, kubo_pin(w->kubo, &c, false, NULL, NULL, on_done, w));
        IS(w, ROWS[i].error, ROWS[i].text);
    }
    world_free(w);
}

static void ends_that_are_none(void **state)
{
    (void)state;
    struct world *w = world_new(NULL);
    static const struct {
        const char *bytes;
        enum err error;
        const char *text;
    } ROWS[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ERR_PROTOCOL,
         "empty"},
        {HEAD "Content-Length: 50\r\n\r\n{\"Version\":\"0.43.0\"}\n",
         ERR_UNREACHABLE, ""},
        {CHUNKED "15\r\n{\"Version\":\"0.43.0\"}\n\r\n", ERR_UNREACHABLE,
         ""},
        {HEAD "\r\n{\"Version\":\"0.43.0\"}\n", ERR_PROTOCOL, "no length"},
        {HEAD "X-Content-Length: 5\r\nContent-Length: 21\r\n\r\n"
              "{\"Version\":\"0.43.0\"}\n", ERR_PROTOCOL, "shorter"},
        {HEAD "X-Content-Length: 1e3\r\nContent-Length: 21\r\n\r\n"
              "{\"Version\":\"0.43.0\"}\n", ERR_PROTOCOL, "no number"},
        {HEAD "X-Content-Length: 21\r\nContent-Length: 21\r\n\r\n"
              "{\"Version\":\"0.43.0\"}\n", ERR_OK, ""},
        {HEAD, ERR_PROTOCOL, "no length"},
        {"HTTP/1.1 100 Continue\r\n\r\n" CHUNKED
         "15\r\n{\"Version\":\"0.43.0\"}\n\r\n" END, ERR_OK, ""},
        {"SSH-2.0-OpenSSH_9.2\r\n", ERR_PROTOCOL, ""},
        {"HTTP/9.9 200 OK\r\n\r\n", ERR_PROTOCOL, ""},
        {CHUNKED "zz\r\n", ERR_UNREACHABLE, ""},
        {"", ERR_UNREACHABLE, ""},
    };

    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        forget(w);
        reply(w, (struct script_reply){.bytes = ROWS[i].bytes,
                                       .close = true});
        DO(w, kubo_version(w->kubo, on_done, w));
        IS(w, ROWS[i].error, ROWS[i].text);
    }
    world_free(w);
}

/* A kept connection dies under the next request: a look may be sent again by
 * itself, a pin may not. */
static void kept_connection_dies(void **state)
{
    (void)state;
    struct world *w = world_new(NULL);
    struct cid c = cid_of(RAW);
    const char *pinned = text_of(200, "{\"Pins\":[\"" RAW "\"]}\n", NULL);

    reply(w, (struct script_reply){.bytes = pinned});
    reply(w, (struct script_reply){.close = true});
    reply(w, (struct script_reply){.bytes = pinned});
    DO(w, kubo_pin(w->kubo, &c, true, NULL, NULL, on_done, w));
    IS(w, ERR_OK, "");
    DO(w, kubo_pin(w->kubo, &c, true, NULL, NULL, on_done, w));
    IS(w, ERR_UNREACHABLE, "without an answer");
    assert_int_equal(w->server.requests, 2);
    world_free(w);
}

static void stalls(void **state)
{
    (void)state;
    struct world *w = world_hasty();
    struct cid c = cid_of(RAW);

    forget(w);
    reply(w, (struct script_reply){.bytes = CHUNKED, .repeat = 1 << 20,
                                   .again = "3\r\n{}\n\r\n",
                                   .every_ms = 10});
    DO(w, kubo_pin(w->kubo, &c, true, NULL, NULL, on_done, w));
    IS(w, ERR_TIMEOUT, "no progress");
    assert_int_equal(w->r->code, FAIL_STALLED);
    forget(w); /* the same value again is no progress either */
    reply(w, (struct script_reply){.bytes = CHUNKED, .repeat = 1 << 20,
                                   .again = "f\r\n{\"Progress\":1}\n\r\n",
                                   .every_ms = 10});
    DO(w, kubo_pin(w->kubo, &c, true, NULL, NULL, on_done, w));
    IS(w, ERR_TIMEOUT, "no progress");
    forget(w); /* nor is to and fro */
    reply(w, (struct script_reply){.bytes = CHUNKED, .repeat = 1 << 20,
                                   .again = "1e\r\n{\"Progress\":1}\n"
                                            "{\"Progress\":2}\n\r\n",
                                   .every_ms = 10});
    DO(w, kubo_pin(w->kubo, &c, true, NULL, NULL, on_done, w));
    IS(w, ERR_TIMEOUT, "no progress");
    forget(w);
    reply(w, (struct script_reply){0}); /* no answer at all */
    DO(w, kubo_pin(w->kubo, &c, true, NULL, NULL, on_done, w));
    IS(w, ERR_TIMEOUT, "no progress");
    DO(w, kubo_unpin(w->kubo, &c, CID_FORM_V0, true, on_done, w));
    IS(w, ERR_TIMEOUT, "no progress");
    DO(w, kubo_list(w->kubo, KUBO_DIRECT, on_row, on_done, w));
    IS(w, ERR_TIMEOUT, "no progress");
    uint64_t from = uv_now(&w->loop);
    DO(w, kubo_look(w->kubo, &c, KUBO_DIRECT, on_done, w));
    IS(w, ERR_TIMEOUT, "no answer within");
    assert_true(uv_now(&w->loop) - from >= CALL_MS);
    assert_int_equal(w->r->code, FAIL_DAEMON);
    forget(w); /* bytes that arrive do not stretch a total limit */
    reply(w, (struct script_reply){.bytes = CHUNKED, .repeat = 1 << 20,
                                   .again = "1\r\n \r\n", .every_ms = 10});
    DO(w, kubo_look(w->kubo, &c, KUBO_DIRECT, on_done, w));
    IS(w, ERR_TIMEOUT, "no answer within");
    world_free(w);
}

/* Slower in all than the stall limit, but moving. */
static void slow_is_no_stall(void **state)
{
    (void)state;
    struct world *w = world_hasty();

    forget(w);
    reply(w, (struct script_reply){
                 .bytes = CHUNKED, .repeat = 40, .every_ms = 20,
                 .again = DIRECT_ROW});
    uint64_t start = uv_now(&w->loop);
    DO(w, kubo_list(w->kubo, KUBO_DIRECT, on_row, on_done, w));
    IS(w, ERR_TIMEOUT, "no "); /* progress; no end on a slow machine */
    assert_true(uv_now(&w->loop) - start >= 40 * 20 + STALL_MS / 2);
    world_free(w);
}

/* A listing that goes on ends all the same; one of which only blank lines
 * come, does not go on. */
static void a_listing_without_end(void **state)
{
    (void)state;
    struct world *w = world_hasty();
    struct cid c = cid_of(RAW);

    /* A machine that stands still is a stall: once more. */
    for (int tries = 5; tries > 0; tries--) {
        forget(w);
        w->rows = 0;
        reply(w, (struct script_reply){.bytes = CHUNKED, .repeat = 1 << 20,
                                       .again = DIRECT_ROW, .every_ms = 5});
        DO(w, kubo_list(w->kubo, KUBO_DIRECT, on_row, on_done, w));
        if (w->r->code != FAIL_STALLED)
            break;
    }
    IS(w, ERR_TIMEOUT, "no end within");
    assert_true(w->rows > 0);
    forget(w);
    reply(w, (struct script_reply){.bytes = CHUNKED, .repeat = 1 << 20,
                                   .again = "1\r\n\n\r\n", .every_ms = 5});
    DO(w, kubo_list(w->kubo, KUBO_DIRECT, on_row, on_done, w));
    IS(w, ERR_TIMEOUT, "no progress");
    DO(w, kubo_unpin(w->kubo, &c, CID_FORM_V0, true, on_done, w));
    IS(w, ERR_TIMEOUT, "no progress");
    world_free(w);
}

/* What is sent faster than anyone can want it does not keep the loop busy
 * until the stall limit. */
static void floods(void **state)
{
    (void)state;
    struct world *w = world_new(NULL);
    struct cid c = cid_of(RAW);
    struct buf b = BUF_INIT;

    for (int i = 0; i < KUBO_LINES_SECOND * 2; i++)
        buf_text(&b, "3\r\n{}\n\r\n");
    forget(w);
    reply(w, (struct script_reply){.bytes = CHUNKED, .repeat = 1,
                                   .again = buf_cstr(&b)});
    DO(w, kubo_pin(w->kubo, &c, true, NULL, NULL, on_done, w));
    IS(w, ERR_PROTOCOL, "flood");
    buf_reset(&b); /* {} is fine, so much is not */
    for (int i = 0; i < 65; i++)
        buf_printf(&b, "4000\r\n{}%*s\r\n", 0x4000 - 2, "\n");
    forget(w);
    reply(w, (struct script_reply){.bytes = CHUNKED, .repeat = 1,
                                   .again = buf_cstr(&b)});
    DO(w, kubo_healthy(w->kubo, on_done, w));
    IS(w, ERR_PROTOCOL, "too long");
    buf_free(&b);
    world_free(w);
}

/* Sizes that lie. */
static void impossible_sizes(void **state)
{
    (void)state;
    struct world *w = world_new(NULL);
    struct cid c = cid_of(RAW);

    answer(w, 200, "{\"Progress\":1,\"Bytes\":281474976710656}\n"
                   "{\"Pins\":[\"" RAW "\"]}\n", NULL);
    DO(w, kubo_pin(w->kubo, &c, true, NULL, NULL, on_done, w));
    IS(w, ERR_PROTOCOL, "impossible");
    answer(w, 200, "{\"DagStats\":[{\"Size\":18446744073709551615}]}\n",
           NULL);
    DO(w, kubo_measured_size(w->kubo, &c, on_done, w));
    IS(w, ERR_PROTOCOL, "Size");
    answer(w, 200, "{\"DagStats\":[{\"Size\":-1}]}\n", NULL);
    DO(w, kubo_measured_size(w->kubo, &c, on_done, w));
    IS(w, ERR_PROTOCOL, "Size");
    answer(w, 200, "{\"CumulativeSize\":18446744073709551615}\n", NULL);
    DO(w, kubo_declared_size(w->kubo, &c, on_done, w));
    IS(w, ERR_PROTOCOL, "Size");
    world_free(w);
}

/* Six questions that nobody answers do not hold up the seventh. */
static void questions_do_not_wait(void **state)
{
    (void)state;
    struct world *w = world_new(NULL);
    struct cid c = cid_of(RAW);

    forget(w);
    for (int i = 0; i < 6; i++) {
        reply(w, (struct script_reply){0});
        kubo_look(w->kubo, &c, KUBO_DIRECT, on_done, w);
    }
    reply(w, (struct script_reply){
                 .bytes = text_of(200, "{\"Version\":\"0.43.0\"}\n", NULL)});
    WAIT(w, w->server.requests == 6);
    DO(w, kubo_version(w->kubo, on_done, w));
    IS(w, ERR_OK, "");
    world_free(w);
}

static void not_there(void **state)
{
    (void)state;
    struct world *w = world_new(NULL);
    char path[64];
    snprintf(path, sizeof(path), "/tmp/kubo-test-%d.sock", getpid());
    struct world *v = world_new(path);
    struct cid c = cid_of(RAW);

    answer(v, 200, "{\"Version\":\"0.43.1\"}\n", NULL);
    DO(v, kubo_version(v->kubo, on_done, v));
    IS(v, ERR_OK, "");
    assert_non_null(strstr(v->server.heads[0], "Host: localhost"));
    world_free(v);

    struct world *dead = world_new(NULL);
    char address[300];
    snprintf(address, sizeof(address), "http://%s/", dead->server.address);
    world_free(dead);
    kubo_close(w->kubo, on_closed, w);
    WAIT(w, w->closed);
    w->closed = false;
    world_open(w, address, NULL);
    DO(w, kubo_pin(w->kubo, &c, true, NULL, NULL, on_done, w));
    IS(w, ERR_UNREACHABLE, "onnect");
    assert_int_equal(w->r->code, FAIL_DAEMON);
    kubo_close(w->kubo, on_closed, w);
    WAIT(w, w->closed);
    w->closed = false;
    world_open(w, "unix:/nowhere/api.sock", NULL);
    DO(w, kubo_look(w->kubo, &c, KUBO_DIRECT, on_done, w));
    IS(w, ERR_UNREACHABLE, "/nowhere/api.sock");
    world_free(w);
}

static void authorization(void **state)
{
    (void)state;
    struct world *w = world_new(NULL);

    kubo_close(w->kubo, on_closed, w);
    WAIT(w, w->closed);
    w->closed = false;
    world_open(w, w->server.address, "Bearer tok");
    answer(w, 200, "{\"Version\":\"0.43.1\"}\n", NULL);
    DO(w, kubo_version(w->kubo, on_done, w));
    IS(w, ERR_OK, "");
    assert_non_null(strstr(w->server.heads[0],
                           "\r\nAuthorization: Bearer tok\r\n"));
    world_free(w);
}

static void addresses(void **state)
{
    (void)state;
    uv_loop_t loop;
    static const struct {
        const char *text;
        bool good;
    } ROWS[] = {
        {"127.0.0.1:5001", true}, {"http://127.0.0.1:5001", true},
        {"http://[::1]:5001/", true}, {"/ip4/127.0.0.1/tcp/5001", true},
        {"/ip6/::1/tcp/5001", true}, {"/dns4/node/tcp/5001", true},
        {"/unix/run/api.sock", true}, {"unix:/run/api.sock", true},
        {"localhost:5001", true}, {"https://127.0.0.1:5001", false},
        {"127.0.0.1", false}, {"127.0.0.1:0", false}, {"", false},
        {"/ip4/127.0.0.1", false}, {"/ip4/127.0.0.1/udp/5001", false},
        {"http://a b:5001", false}, {"http://u@h:5001", false},
        {"http://127.0.0.1:5001/api/v0", false},
    };

    uv_loop_init(&loop);
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        struct kubo_settings st = {&loop, ROWS[i].text, NULL, 1, 1, 1, 1, 1};
        struct err_text why = {""};
        struct kubo *k;
        enum err e = kubo_new(&st, &k, &why);

        if ((e == ERR_OK) != ROWS[i].good)
            fail_msg("%s: %s", ROWS[i].text, why.text);
        if (e == ERR_OK)
            kubo_close(k, NULL, NULL);
        else
            assert_true(why.text[0] != 0);
        uv_run(&loop, UV_RUN_DEFAULT);
    }
    struct kubo_settings st = {&loop, "h:1", "Bearer a\r\nX: y", 1, 1, 1, 1,
                               1};
    struct kubo *k;
    assert_int_equal(kubo_new(&st, &k, NULL), ERR_INVALID);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void information(void **state)
{
    (void)state;
    struct world *w = world_new(NULL);

    answer(w, 200, "{\"RepoSize\":3046294,\"StorageMax\":18446744073709551615,"
                   "\"NumObjects\":0,\"RepoPath\":\"/r\"}\n", NULL);
    DO(w, kubo_repo_stat(w->kubo, true, on_done, w));
    IS(w, ERR_OK, "");
    assert_true(w->r->repo.storage_max == UINT64_MAX);
    assert_int_equal(w->r->repo.repo_size, 3046294);
    assert_string_equal(w->r->repo.path, "/r");
    answer(w, 200, "{\"RepoSize\":1.5,\"StorageMax\":1}\n", NULL);
    DO(w, kubo_repo_stat(w->kubo, true, on_done, w));
    IS(w, ERR_PROTOCOL, "RepoSize");
    answer(w, 200, "{\"ID\":\"12D3KooWAQR6prXgqNr8awiZQbbRC9XEjbLPHfjkFpEN26"
                   "xPhwLH\",\"Addresses\":[\"/ip4/127.0.0.1/tcp/1\",7,"
                   "\"/nonsense\",\"/ip4/127.0.0.1/tcp/2\"],"
                   "\"AgentVersion\":\"kubo/0.43.0\"}\n", NULL);
    DO(w, kubo_id(w->kubo, on_done, w));
    IS(w, ERR_OK, "");
    assert_int_equal(w->r->id.n_addrs, 2);
    assert_string_equal(w->r->id.addrs[1], "/ip4/127.0.0.1/tcp/2");
    assert_string_equal(w->r->id.agent, "kubo/0.43.0");
    world_free(w);
}

static void network(void **state)
{
    (void)state;
    struct world *w = world_new(NULL);

    answer(w, 200, "{\"TotalIn\":5,\"TotalOut\":6,\"RateIn\":12.75,"
                   "\"RateOut\":1e-7}\n", NULL);
    DO(w, kubo_bandwidth(w->kubo, on_done, w));
    IS(w, ERR_OK, "");
    assert_int_equal(w->r->bandwidth.in_rate, 12);
    assert_int_equal(w->r->bandwidth.out_rate, 0);
    answer(w, 200, "{\"Peers\":null}\n", NULL);
    DO(w, kubo_peers(w->kubo, on_done, w));
    IS(w, ERR_OK, "");
    assert_int_equal(w->r->peers.n, 0);
    answer(w, 200, "{\"Peers\":[{\"Peer\":\"12D3KooWAQR6prXgqNr8awiZQbbRC9XEjbL"
                   "PHfjkFpEN26xPhwLH\"},{\"Peer\":\"?\"}]}\n", NULL);
    DO(w, kubo_peers(w->kubo, on_done, w));
    assert_int_equal(w->r->peers.n, 1);
    answer(w, 200, "\"ok\"\n", NULL);
    DO(w, kubo_healthy(w->kubo, on_done, w));
    IS(w, ERR_OK, "");
    answer(w, 503, "shutting down", NULL);
    DO(w, kubo_healthy(w->kubo, on_done, w));
    IS(w, ERR_UNREACHABLE, "");
    answer(w, 200, "{\"Strings\":[\"connect x success\"]}\n", NULL);
    DO(w, kubo_connect(w->kubo, "/ip4/127.0.0.1/tcp/1/p2p/x&y=z", on_done,
                       w));
    IS(w, ERR_OK, "");
    assert_non_null(strstr(w->server.heads[0], "x%26y%3Dz HTTP"));
    answer(w, 200, "{\"Path\":\"/ipfs/" V1 "\"}\n", NULL);
    DO(w, kubo_resolve(w->kubo, "/ipns/x.y", on_done, w));
    assert_string_equal(w->r->resolve.path, "/ipfs/" V1);
    world_free(w);
}

static void sizes(void **state)
{
    (void)state;
    struct world *w = world_new(NULL);
    struct cid c = cid_of(V0);

    answer(w, 200, "{\"CumulativeSize\":3000195}\n", NULL);
    DO(w, kubo_declared_size(w->kubo, &c, on_done, w));
    assert_int_equal(w->r->size.cumulative, 3000195);
    assert_non_null(strstr(w->server.heads[0], "arg=/ipfs/" V1 " "));
    answer(w, 200, "{\"DagStats\":[{\"Cid\":\"" V1 "\",\"Size\":7}]}\n",
           NULL);
    DO(w, kubo_measured_size(w->kubo, &c, on_done, w));
    assert_int_equal(w->r->size.cumulative, 7);
    assert_non_null(strstr(w->server.heads[0],
                           "&progress=false&offline=true "));
    world_free(w);
}

/* The body's one part has no bytes. */
static void block_without_bytes(void **state)
{
    (void)state;
    struct world *w = world_new(NULL);
    struct cid c = cid_of(RAW);

    answer(w, 200, "{\"Key\":\"" KUBO_EMPTY "\",\"Size\":0}\n", NULL);
    DO(w, kubo_put_empty(w->kubo, on_done, w));
    IS(w, ERR_OK, "");
    assert_non_null(strstr(w->server.heads[0],
                           "POST /api/v0/block/put?cid-codec=raw"
                           "&mhtype=sha2-256 HTTP/1.1\r\n"));
    assert_non_null(strstr(w->server.heads[0],
                           "Content-Type: multipart/form-data; boundary="));
    assert_null(strstr(w->server.heads[0], "Expect"));
    assert_non_null(memmem(w->server.body.p, w->server.body.n,
                           "octet-stream\r\n\r\n\r\n--", 20));
    /* its handle serves another call: nothing of it is left */
    answer(w, 500, "{\"Message\":\"path is not pinned\"}", NULL);
    DO(w, kubo_look(w->kubo, &c, KUBO_DIRECT, on_done, w));
    IS(w, ERR_OK, "");
    assert_null(strstr(w->server.heads[0], "Content-Type"));
    assert_non_null(strstr(w->server.heads[0], "Content-Length: 0\r\n"));
    answer(w, 200, "{\"Key\":\"" RAW "\",\"Size\":0}\n", NULL);
    DO(w, kubo_put_empty(w->kubo, on_done, w));
    IS(w, ERR_PROTOCOL, "another block");
    answer(w, 404, "404 page not found", NULL);
    DO(w, kubo_put_empty(w->kubo, on_done, w));
    IS(w, ERR_PROTOCOL, "404");
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version),
        cmocka_unit_test(statuses_and_texts),
        cmocka_unit_test(look),
        cmocka_unit_test(two_spellings),
        cmocka_unit_test(pin),
        cmocka_unit_test(ends_that_are_none),
        cmocka_unit_test(kept_connection_dies),
        cmocka_unit_test(stalls),
        cmocka_unit_test(slow_is_no_stall),
        cmocka_unit_test(a_listing_without_end),
        cmocka_unit_test(floods),
        cmocka_unit_test(impossible_sizes),
        cmocka_unit_test(questions_do_not_wait),
        cmocka_unit_test(not_there),
        cmocka_unit_test(authorization),
        cmocka_unit_test(addresses),
        cmocka_unit_test(information),
        cmocka_unit_test(network),
        cmocka_unit_test(sizes),
        cmocka_unit_test(block_without_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
