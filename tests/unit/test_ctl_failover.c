/* Which host the CLI asks next, and when it gives up. */
#include "ctl/failover.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct answer {
    enum err error;
    long status;
    bool sent;
    uint64_t uploaded, items;
};

struct script {
    const struct answer *answers;
    unsigned n, at;
    char asked[32]; /* ports, in order */
};

static enum err attempt(void *arg, struct client_call *q,
                        const struct host *h,
                        const struct failover_limits *l,
                        struct failover_trace *trace, struct err_text *why)
{
    struct script *s = arg;
    const struct answer *a = &s->answers[s->at];
    size_t used = strlen(s->asked);

    assert_true(s->at < s->n);
    assert_true(l->connect_ms > 0 && l->connect_ms <= l->answer_ms);
    s->at++;
    snprintf(s->asked + used, sizeof s->asked - used, "%u", h->addr.port);
    q->status = a->status;
    *trace = (struct failover_trace){a->sent, a->uploaded, a->items};
    return a->error == ERR_OK ? ERR_OK
                              : err_set(why, a->error, "%s",
                                        err_text(a->error));
}

static struct hosts hosts;
static struct err_text why;

static enum err run(const struct answer *answers, unsigned n, unsigned first,
                    struct client_call *q, const char *asked)
{
    struct script s = {.answers = answers, .n = n};
    unsigned at = first;
    struct failover f = {.hosts = &hosts, .at = &at, .attempt = attempt,
                         .arg = &s};
    enum err e = failover_run(&f, q, &why);

    assert_string_equal(s.asked, asked);
    if (e == ERR_OK)
        assert_int_equal(at, q->host);
    return e;
}

static int set_up(void **state)
{
    (void)state;
    return hosts_parse("a:1,b:2,c:3", &hosts, NULL) != ERR_OK;
}

static void test_next(void **state)
{
    static const struct answer a[] = {{.error = ERR_UNREACHABLE},
                                      {.error = ERR_NOT_READY, .status = 503},
                                      {.error = ERR_OK, .status = 200}};
    struct client_call q = {.method = "GET"};

    (void)state;
    assert_int_equal(run(a, 3, 1, &q, "231"), ERR_OK);
    assert_false(q.doubtful);
}

static enum err record(void *arg, struct client_call *q,
                       const struct host *h, const struct failover_limits *l,
                       struct failover_trace *trace, struct err_text *text)
{
    (void)h;
    *(uint64_t *)arg = l->answer_ms;
    q->status = 404;
    *trace = (struct failover_trace){0};
    return err_set(text, ERR_NOT_FOUND, "not found");
}

/* A coordinator takes up to 10 s to say that nobody leads: none is cut off
 * before, unless the user is in a hurry. */
static void test_time_of_an_attempt(void **state)
{
    static const struct {
        uint64_t timeout, least, most;
    } rows[] = {{0, 11000, 13000}, {6000, 1500, 2000}, {60000, 19000, 20000}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct client_call q = {.method = "POST"};
        uint64_t given = 0;
        unsigned at = 0;
        struct failover f = {.hosts = &hosts, .at = &at, .attempt = record,
                             .arg = &given, .timeout_ms = rows[i].timeout};

        assert_int_equal(failover_run(&f, &q, &why), ERR_NOT_FOUND);
        assert_in_range(given, rows[i].least, rows[i].most);
    }
}

/* Refused everywhere: one round, all named. */
static void test_all_refused(void **state)
{
    static const struct answer a[] = {{.error = ERR_UNREACHABLE},
                                      {.error = ERR_UNREACHABLE},
                                      {.error = ERR_UNREACHABLE}};
    struct client_call q = {.method = "GET"};

    (void)state;
    assert_int_equal(run(a, 3, 0, &q, "123"), ERR_UNREACHABLE);
    assert_string_equal(why.text, "a:1: unreachable; b:2: unreachable; "
                                  "c:3: unreachable");
}

/* A refusal is an answer. */
static void test_refusal(void **state)
{
    static const struct answer a[] = {{.error = ERR_NOT_FOUND,
                                       .status = 404}};
    struct client_call q = {.method = "GET"};

    (void)state;
    assert_int_equal(run(a, 1, 0, &q, "1"), ERR_NOT_FOUND);
    assert_string_equal(why.text, "not found");
}

/* An election: rounds go on. */
static void test_election(void **state)
{
    static const struct answer a[] = {{.error = ERR_NO_LEADER, .status = 503},
                                      {.error = ERR_UNREACHABLE},
                                      {.error = ERR_NO_LEADER, .status = 503},
                                      {.error = ERR_OK, .status = 200}};
    struct client_call q = {.method = "POST"};

    (void)state;
    assert_int_equal(run(a, 4, 0, &q, "1231"), ERR_OK);
}

/* The answer was lost: asked again, and remembered. */
static void test_lost(void **state)
{
    static const struct answer a[] = {
        {.error = ERR_UNREACHABLE, .sent = true},
        {.error = ERR_NOT_FOUND, .status = 404}};
    struct client_call q = {.method = "DELETE"};

    (void)state;
    assert_int_equal(run(a, 2, 0, &q, "12"), ERR_NOT_FOUND);
    assert_true(q.doubtful);
}

static void test_upload(void **state)
{
    static const struct client_upload upload;
    static const struct answer early[] = {
        {.error = ERR_NOT_READY, .status = 503},
        {.error = ERR_OK, .status = 200}};
    static const struct answer late[] = {
        {.error = ERR_UNREACHABLE, .sent = true, .uploaded = 2048}};
    struct client_call q = {.method = "POST", .upload = &upload};

    (void)state;
    assert_int_equal(run(early, 2, 0, &q, "12"), ERR_OK);
    assert_int_equal(run(late, 1, 0, &q, "1"), ERR_UNREACHABLE);
    assert_non_null(strstr(why.text, "broke off after 2.0 KiB; it was not "
                                     "repeated"));
}

/* Nothing is handed over twice; a cut answer is final. */
static void test_stream(void **state)
{
    static const struct answer a[] = {
        {.error = ERR_UNREACHABLE, .sent = true, .items = 3}};
    static const struct answer b[] = {
        {.error = ERR_PROTOCOL, .status = 200, .sent = true}};
    struct client_call q = {.method = "GET"};

    (void)state;
    assert_int_equal(run(a, 1, 0, &q, "1"), ERR_UNREACHABLE);
    assert_int_equal(run(b, 1, 0, &q, "1"), ERR_PROTOCOL);
}

static void test_only(void **state)
{
    static const struct answer a[] = {{.error = ERR_NOT_READY,
                                       .status = 503}};
    struct client_call q = {.method = "GET", .only = true, .host = 2};

    (void)state;
    assert_int_equal(run(a, 1, 0, &q, "3"), ERR_NOT_READY);
    assert_string_equal(why.text, "not ready");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_time_of_an_attempt),
        cmocka_unit_test(test_next),     cmocka_unit_test(test_all_refused),
        cmocka_unit_test(test_refusal),  cmocka_unit_test(test_election),
        cmocka_unit_test(test_lost),     cmocka_unit_test(test_upload),
        cmocka_unit_test(test_stream),   cmocka_unit_test(test_only),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
