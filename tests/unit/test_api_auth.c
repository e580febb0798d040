/* The door, over real sockets: who is let in, who waits for a password, and
 * that what was revoked is nothing once its revocation was answered. */
#include "api_world.h"

#include <sys/un.h>

static struct api_world *w;

static int closed_door(void **state)
{
    (void)state;
    api_closed = true;
    w = api_start(1);
    return 0;
}

static int end(void **state)
{
    (void)state;
    api_end(w);
    return 0;
}

static int dial_socket(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    api_socket(w, a.sun_path, sizeof a.sun_path);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

/* lines: further header lines, each with its end. */
static void ask_fd(int fd, const char *method, const char *target,
                   const char *lines, const char *body, struct reply *r)
{
    struct buf b = BUF_INIT;

    buf_printf(&b, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
               "Content-Length: %zu\r\n%s\r\n%s", method, target,
               strlen(body), lines, body);
    api_send(fd, (char *)b.p, b.n);
    api_receive(fd, r);
    buf_free(&b);
}

static int ask(const char *method, const char *target, const char *lines)
{
    struct reply r;
    int status;

    ask_fd(api_dial(w), method, target, lines, "", &r);
    status = r.status;
    api_reply_free(&r);
    return status;
}

static void expect(const char *target, const char *lines, int status,
                   const char *text)
{
    struct reply r;

    ask_fd(api_dial(w), "GET", target, lines, "", &r);
    assert_int_equal(r.status, status);
    api_has(&r, text);
    api_reply_free(&r);
}

/* As whoever may open the socket. */
static void local(const char *method, const char *target, const char *body,
                  struct reply *r)
{
    ask_fd(dial_socket(), method, target, "", body, r);
    assert_int_equal(r->status, 200);
}

/* "Authorization: Bearer …\r\n" */
static const char *token(const char *query, uint64_t *id)
{
    static char line[4][160];
    static unsigned at;
    char target[256], text[128];
    unsigned long long number;
    struct reply r;

    snprintf(target, sizeof target, "/api/v1/tokens?%s", query);
    local("POST", target, "", &r);
    assert_int_equal(sscanf(r.body, "{\"id\":%llu,\"token\":\"%100[^\"]",
                            &number, text), 2);
    api_reply_free(&r);
    if (id != NULL)
        *id = number;
    at = (at + 1) % 4;
    snprintf(line[at], sizeof line[at], "Authorization: Bearer %s\r\n", text);
    return line[at];
}

static void challenges(void **state)
{
    (void)state;
    expect("/id", "", 401, "unauthorized: no auth provided");
    expect("/id", "", 401, "WWW-Authenticate: Bearer realm=\"Restricted "
           "IPFS Cluster API\"\r\n");
    expect("/id", "", 401, "WWW-Authenticate: Basic realm=\"Restricted IPFS "
           "Cluster API\"\r\n");
    expect("/id", "Authorization: Bearer x\r\n", 401,
           "unauthorized: invalid token");
    expect("/id", "Authorization: Bearer x\r\n", 401,
           "error=\"invalid_token\"");
    expect("/id", "Authorization: Basic x\r\n", 401,
           "unauthorized: access denied");
    expect("/nowhere", "", 401, "unauthorized");
    expect("/id/", "", 401, "unauthorized");
    expect("/livez", "", 200, "");
    assert_int_equal(ask("GET", "/health", ""), 204);
    assert_int_equal(ask("POST", "/health", ""), 401);
    assert_int_equal(ask("POST", "/token", ""), 401);
    assert_int_equal(ask("OPTIONS", "/pins", ""), 405);
}

/* Who does not say who he is learns no names of organisations. */
static void names_are_not_told(void **state)
{
    static const char *const lines[] = {"X-Pinfold-Org: default\r\n",
                                        "X-Pinfold-Org: nobody\r\n", ""};
    static const int minded[] = {200, 403, 200};

    (void)state;
    for (size_t k = 0; k < 3; k++) {
        struct reply r;

        ask_fd(dial_socket(), "GET", "/pins", lines[k], "", &r);
        assert_int_equal(r.status, minded[k]);
        api_reply_free(&r);
        assert_int_equal(ask("GET", "/health", lines[k]), 204);
        assert_int_equal(ask("GET", "/livez", lines[k]), 200);
        assert_int_equal(ask("GET", "/readyz", lines[k]), 200);
        assert_int_equal(ask("GET", "/pins", lines[k]), 401);
    }
}

/* Once it was answered, nothing is left to wait for. */
static void revoked_at_once(void **state)
{
    struct reply r;

    (void)state;
    for (int k = 0; k < 20; k++) {
        char target[64];
        uint64_t id;
        const char *line = token("name=ci&verbs=read", &id);

        assert_int_equal(ask("GET", "/pins", line), 200);
        snprintf(target, sizeof target, "/api/v1/tokens/%llu",
                 (unsigned long long)id);
        local("DELETE", target, "", &r);
        api_reply_free(&r);
        assert_int_equal(ask("GET", "/pins", line), 401);
    }
}

static void verbs(void **state)
{
    const char *reader = token("name=r&verbs=read", NULL);
    const char *admin = token("name=a&verbs=admin", NULL);

    char wrong[160];

    (void)state;
    assert_int_equal(ask("GET", "/pins", reader), 200);
    snprintf(wrong, sizeof wrong, "%s", reader);
    wrong[40] = wrong[40] == 'a' ? 'b' : 'a'; /* in its secret */
    assert_int_equal(ask("GET", "/pins", wrong), 401);
    assert_int_equal(ask("POST", "/pins/recover", reader), 403);
    assert_int_equal(ask("GET", "/api/v1/tokens", reader), 403);
    assert_int_equal(ask("GET", "/api/v1/plan", reader), 403);
    assert_int_equal(ask("GET", "/metrics", reader), 200);
    assert_int_equal(ask("GET", "/metrics", admin), 403);
    assert_int_equal(ask("GET", "/api/v1/tokens", admin), 200);
    assert_int_equal(ask("POST", "/api/v1/orgs?name=x", admin), 403);
    assert_int_equal(ask("POST", "/token", admin), 403);
    assert_int_equal(ask("POST", "/api/v1/tokens?name=x&verbs=read", admin),
                     403);
    assert_int_equal(ask("POST", "/api/v1/tokens?name=x&verbs=admin",
                         admin), 200);
    assert_int_equal(ask("POST", "/api/v1/tokens?name=x&verbs=all", admin),
                     400);
    assert_int_equal(ask("POST", "/api/v1/tokens?name=x:&verbs=admin",
                         admin), 400);
    assert_int_equal(ask("POST", "/api/v1/tokens?name=x&verbs=admin&y=1",
                         admin), 400);
    assert_int_equal(ask("DELETE", "/api/v1/tokens/x", admin), 400);
    assert_int_equal(ask("DELETE", "/api/v1/tokens/9999", admin), 404);
    assert_int_equal(ask("DELETE", "/api/v1/tokens/2", admin), 404);
    assert_int_equal(ask("DELETE", "/api/v1/users/nobody", admin), 404);
}

/* ann and bob with "correct horse", and ann with "another one" */
#define ANN "Authorization: Basic YW5uOmNvcnJlY3QgaG9yc2U=\r\n"
#define BOB "Authorization: Basic Ym9iOmNvcnJlY3QgaG9yc2U=\r\n"
#define ANN_2 "Authorization: Basic YW5uOmFub3RoZXIgb25l\r\n"

static void passwords(void **state)
{
    char session[160], text[128];
    struct reply r;
    char *body;

    (void)state;
    expect("/pins", ANN, 401, "unauthorized: access denied");
    local("POST", "/api/v1/users?name=ann&verbs=read,pin", "correct horse",
          &r);
    api_reply_free(&r);
    /* While it is looked at the request waits, whatever comes with it; then
     * it is remembered. */
    body = mem_alloc(2000001);
    memset(body, 'x', 2000000);
    ask_fd(api_dial(w), "POST", "/pins/recover", ANN, body, &r);
    assert_int_equal(r.status, 413); /* its limit holds behind the wait */
    api_reply_free(&r);
    local("POST", "/api/v1/users?name=bob&verbs=read,pin", "correct horse",
          &r);
    api_reply_free(&r);
    body[1000000] = '\0';
    ask_fd(api_dial(w), "POST", "/pins/recover", BOB, body, &r);
    assert_int_equal(r.status, 200);
    api_reply_free(&r);
    free(body);
    for (int k = 0; k < 5; k++)
        assert_int_equal(ask("GET", "/pins", ANN), 200);
    assert_int_equal(ask("GET", "/api/v1/tokens", ANN), 403);
    ask_fd(api_dial(w), "POST", "/token", ANN, "", &r);
    assert_int_equal(r.status, 200);
    assert_int_equal(sscanf(r.body, "{\"token\":\"%100[^\"]", text), 1);
    api_reply_free(&r);
    snprintf(session, sizeof session, "Authorization: Bearer %s\r\n", text);
    assert_int_equal(ask("GET", "/pins", session), 200);
    assert_int_equal(ask("POST", "/token", session), 403);
    /* What was remembered is forgotten, and the session ends. */
    ask_fd(api_dial(w), "POST", "/api/v1/users/ann/password", ANN,
           "another one", &r);
    assert_int_equal(r.status, 200);
    api_reply_free(&r);
    assert_int_equal(ask("GET", "/pins", ANN), 401);
    assert_int_equal(ask("GET", "/pins", session), 401);
    assert_int_equal(ask("GET", "/pins", ANN_2), 200);
    for (int k = 0; k < 2; k++) {
        static char long_one[300];

        memset(long_one, 'x', k == 0 ? 257 : 7);
        long_one[k == 0 ? 257 : 7] = '\0';
        ask_fd(api_dial(w), "POST", "/api/v1/users/ann/password", ANN_2,
               long_one, &r);
        assert_int_equal(r.status, 400);
        api_reply_free(&r);
    }
    local("DELETE", "/api/v1/users/ann", "", &r);
    api_reply_free(&r);
    assert_int_equal(ask("GET", "/pins", ANN_2), 401);
}

/* A connection goes on behind a request that waited: the next ones are there
 * already. */
static void one_connection(void **state)
{
    static const char text[] =
        "GET /pins HTTP/1.1\r\nHost: x\r\n" ANN "\r\n"
        "GET /nowhere HTTP/1.1\r\nHost: x\r\n" ANN_2 "\r\n"
        "POST /pins/recover HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
        BOB "\r\nabc"
        "GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" ANN
        "\r\n";
    unsigned good = 0;
    struct reply r;

    (void)state;
    local("POST", "/api/v1/users?name=ann&verbs=read", "correct horse", &r);
    api_reply_free(&r);
    local("POST", "/api/v1/users?name=bob&verbs=pin", "correct horse", &r);
    api_reply_free(&r);
    api_ask_raw(w, text, &r);
    for (const char *at = (char *)r.bytes.p;
         (at = strstr(at, "HTTP/1.1 200")) != NULL; at++)
        good++;
    assert_int_equal(good, 3);
    api_has(&r, "HTTP/1.1 401");
    api_reply_free(&r);
}

/* Many at once, of whom some leave: all others are answered. */
static void crowd(void **state)
{
    unsigned answered = 0, turned_away = 0;
    int fds[30];

    (void)state;
    for (int k = 0; k < 30; k++) {
        static const char text[] = "GET /pins HTTP/1.1\r\nHost: x\r\n"
                                   "Connection: close\r\n" ANN "\r\n";

        fds[k] = api_dial(w);
        api_send(fds[k], text, sizeof text - 1);
    }
    for (int k = 0; k < 30; k++) {
        struct reply r;

        if (k % 7 == 3) {
            close(fds[k]);
            continue;
        }
        api_receive(fds[k], &r);
        answered += r.status == 401;
        turned_away += r.status == 429;
        api_reply_free(&r);
    }
    assert_int_equal(answered + turned_away, 26);
    assert_true(answered >= 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(challenges, closed_door, end),
        cmocka_unit_test_setup_teardown(names_are_not_told, closed_door, end),
        cmocka_unit_test_setup_teardown(revoked_at_once, closed_door, end),
        cmocka_unit_test_setup_teardown(verbs, closed_door, end),
        cmocka_unit_test_setup_teardown(passwords, closed_door, end),
        cmocka_unit_test_setup_teardown(one_connection, closed_door, end),
        cmocka_unit_test_setup_teardown(crowd, closed_door, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
