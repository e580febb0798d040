/* POST /add through the whole process: a client's multipart body to the
 * agent's data stream and the daemon's lines back; each way an upload ends.
 */
#include "api_world.h"

static struct api_world *w;

static int one_node(void **state)
{
    (void)state;
    w = api_start(1);
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

#define BODY "--b\r\nContent-Disposition: form-data; name=\"file\"; "          \
             "filename=\"a\"\r\n\r\nhello\r\n--b--\r\n"

static int upload_begin(const char *query, const char *type, size_t length)
{
    struct buf b = BUF_INIT;
    int fd = api_dial(w);

    buf_printf(&b, "POST /add%s HTTP/1.1\r\nHost: x\r\n%s%s%s"
               "Connection: close\r\nContent-Length: %zu\r\n\r\n", query,
               type != NULL ? "Content-Type: " : "",
               type != NULL ? type : "", type != NULL ? "\r\n" : "", length);
    api_send(fd, (char *)b.p, b.n);
    buf_free(&b);
    return fd;
}

#define MULTIPART "multipart/form-data; boundary=b"

static void upload(const char *query, struct reply *r)
{
    int fd = upload_begin(query, MULTIPART, strlen(BODY));

    api_send(fd, BODY, strlen(BODY));
    api_receive(fd, r);
}

static void way(enum upload_way how)
{
    atomic_store(&w->agent.way, (int)how);
}

static void good(void **state)
{
    struct reply r;

    (void)state;
    upload("?name=n&replication-min=1&replication-max=1", &r);
    assert_int_equal(r.status, 200);
    api_has(&r, "X-Chunked-Output: 1\r\n");
    api_has(&r, "Trailer: X-Stream-Error\r\n");
    api_has(&r, "Connection: close\r\n");
    api_has(&r, "{\"name\":\"a\",\"cid\":\"QmPK1s3pNYLi9ERiq3BDxKa4XosgWwFRQUyd"
                "HUtz4YgpqB\",\"size\":9}\n");
    api_has(&r, "{\"name\":\"\",\"cid\":\"" API_ROOT "\",\"size\":60,"
                "\"allocations\":[\"12D3");
    assert_null(strstr(r.body, "X-Stream-Error"));
    api_reply_free(&r);
    assert_int_equal(atomic_load(&w->agent.uploaded), strlen(BODY));
    /* in the pin set before its line was sent */
    api_expect(w, "GET", "/allocations/" API_ROOT, 200, "\"name\":\"n\"");
    way(UPLOAD_NO_NEWLINE);
    upload("?stream-channels=false", &r);
    assert_int_equal(r.status, 200);
    assert_int_equal(r.body[0], '[');
    api_has(&r, "},{\"name\":\"\",\"cid\":\"" API_ROOT);
    assert_non_null(strstr(r.body, "}]\n"));
    api_reply_free(&r);
}

static void not_pinned_on_request(void **state)
{
    struct reply r;

    (void)state;
    upload("?no-pin=true", &r);
    assert_int_equal(r.status, 200);
    api_has(&r, API_ROOT);
    api_reply_free(&r);
    api_expect(w, "GET", "/allocations/" API_ROOT, 404, "");
}

/* A CAR goes to the daemon's import; its line counts the blocks' bytes. */
static void car(void **state)
{
    struct reply r;

    (void)state;
    way(UPLOAD_CAR);
    upload("?format=car&replication-max=1&chunker=size-1&progress=true", &r);
    assert_int_equal(r.status, 200);
    api_has(&r, "{\"name\":\"x.car\",\"cid\":\"" API_ROOT "\",\"bytes\":77,"
                "\"allocations\":[\"12D3");
    api_reply_free(&r);
    assert_int_equal(atomic_load(&w->agent.purpose), OPEN_IMPORT);
    api_expect(w, "GET", "/api/v1/pins/" API_ROOT "/explain", 200,
               "\"size\":77,");
    upload("?format=car&stream-channels=false&no-pin=1", &r);
    assert_non_null(strstr(r.body, "[{\"name\":\"x.car\""));
    api_reply_free(&r);
    way(UPLOAD_GOOD);
    upload("?format=unixfs", &r);
    assert_int_equal(atomic_load(&w->agent.purpose), OPEN_ADD);
    api_reply_free(&r);
    upload("?format=car&wrap-with-directory=true", &r);
    assert_int_equal(r.status, 400);
    api_has(&r, "cannot wrap a CAR file upload");
    api_reply_free(&r);
    upload("?format=car&layout=x", &r);
    assert_int_equal(r.status, 400);
    api_reply_free(&r);
}

static void refused(void **state)
{
    struct reply r;
    int fd = upload_begin("", NULL, 3);

    (void)state;
    api_send(fd, "abc", 3);
    api_receive(fd, &r);
    assert_int_equal(r.status, 400);
    api_has(&r, "request Content-Type isn't multipart/form-data");
    api_reply_free(&r);
    upload("?hidden=maybe", &r);
    assert_int_equal(r.status, 400);
    api_has(&r, "parameter hidden invalid");
    api_reply_free(&r);
    upload("?shard=true", &r);
    assert_int_equal(r.status, 400);
    api_reply_free(&r);
    upload("?replication-min=x", &r);
    assert_int_equal(r.status, 400);
    api_reply_free(&r);
    upload("?expire-at=2001-01-01T00:00:00Z", &r);
    assert_int_equal(r.status, 400);
    api_has(&r, "pin.ExpireAt set before current time");
    api_reply_free(&r);
    assert_int_equal(atomic_load(&w->agent.opened), 0);
}

static void failures(void **state)
{
    struct reply r;

    (void)state;
    way(UPLOAD_FAIL);
    upload("", &r);
    assert_int_equal(r.status, 400);
    api_has(&r, "unrecognized chunker option: x");
    api_reply_free(&r);
    way(UPLOAD_CUT);
    upload("", &r);
    assert_int_equal(r.status, 502);
    api_reply_free(&r);
    way(UPLOAD_EMPTY);
    upload("", &r);
    assert_int_equal(r.status, 502);
    api_has(&r, "no files were added");
    api_reply_free(&r);
    way(UPLOAD_GOOD); /* lines were sent before the claim is refused */
    upload("?replication-min=9&replication-max=9", &r);
    assert_int_equal(r.status, 200);
    api_has(&r, "X-Stream-Error: not enough peers to allocate CID. Needed at "
                "least: 9. Wanted at most: 9. Available candidates: 1.");
    api_reply_free(&r);
    upload("?replication-min=9&replication-max=9&stream-channels=false", &r);
    assert_int_equal(r.status, 500);
    api_has(&r, "not enough peers to allocate CID.");
    api_reply_free(&r);
    api_expect(w, "GET", "/allocations/" API_ROOT, 404, "");
}

static void nobody_to_take_it(void **state)
{
    struct reply r;

    (void)state;
    upload("", &r);
    assert_int_equal(r.status, 502);
    api_has(&r, "no connected node can take the upload");
    api_reply_free(&r);
}

/* Much more than all queues hold, in both directions of time. */
static void large(void **state)
{
    enum { SIZE = 24 << 20, PART = 1 << 16 };
    char *part = mem_alloc(PART);
    struct reply r;
    int fd = upload_begin("", MULTIPART, SIZE);

    (void)state;
    for (int i = 0; i < SIZE / PART; i++)
        api_send(fd, part, PART);
    api_receive(fd, &r);
    assert_int_equal(r.status, 200);
    api_has(&r, API_ROOT);
    api_reply_free(&r);
    free(part);
    assert_int_equal(atomic_load(&w->agent.uploaded), SIZE);
}

/* Arrays that wait for their end are bounded all together. */
static void long_arrays(void **state)
{
    enum { MOST = 5 }; /* four fit */
    struct pollfd fds[MOST];
    struct reply r;
    int first = 0;

    (void)state;
    way(UPLOAD_LONG_SILENT);
    for (int k = 0; k < MOST; k++) {
        int fd = upload_begin("?stream-channels=false", MULTIPART,
                              strlen(BODY));

        api_send(fd, BODY, strlen(BODY));
        fds[k] = (struct pollfd){fd, POLLIN, 0};
    }
    assert_true(poll(fds, MOST, API_PATIENCE_MS) > 0);
    while (fds[first].revents == 0)
        first++;
    api_receive(fds[first].fd, &r);
    assert_int_equal(r.status, 503);
    api_has(&r, "too many long arrays at once");
    api_reply_free(&r);
    for (int k = 0; k < MOST; k++)
        if (k != first)
            close(fds[k].fd);
    way(UPLOAD_LONG); /* there is room again when these are gone */
    for (int k = 0; k < 100 && r.status != 200; k++) {
        upload("?stream-channels=false", &r);
        assert_true(r.status == 200 || r.status == 503);
        api_reply_free(&r);
    }
    assert_int_equal(r.status, 200);
}

/* Clients that leave: before the stream is there, in the body, before the
 * answer. Nothing is left over. */
static void clients_that_leave(void **state)
{
    char part[4096] = {0};

    (void)state;
    for (int i = 0; i < 30; i++) {
        int fd = upload_begin("", MULTIPART, i % 3 == 2 ? strlen(BODY)
                                                        : 1 << 20);

        way(i % 3 == 2 && i % 2 == 0 ? UPLOAD_SILENT : UPLOAD_GOOD);
        if (i % 3 == 1)
            api_send(fd, part, sizeof part);
        if (i % 3 == 2)
            api_send(fd, BODY, strlen(BODY));
        close(fd);
    }
    way(UPLOAD_GOOD);
    api_expect(w, "GET", "/livez", 200, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(good, one_node, end),
        cmocka_unit_test_setup_teardown(not_pinned_on_request, one_node, end),
        cmocka_unit_test_setup_teardown(car, one_node, end),
        cmocka_unit_test_setup_teardown(refused, one_node, end),
        cmocka_unit_test_setup_teardown(failures, one_node, end),
        cmocka_unit_test_setup_teardown(nobody_to_take_it, no_node, end),
        cmocka_unit_test_setup_teardown(large, one_node, end),
        cmocka_unit_test_setup_teardown(long_arrays, one_node, end),
        cmocka_unit_test_setup_teardown(clients_that_leave, one_node, end),
    };

    return cmocka_run_group_tests_name("api_add", tests, NULL, NULL);
}
