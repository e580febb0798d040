/* Passwords are looked at two at a time, and not without end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "coordinator/verifier.h"

#include <stdlib.h>
#include <string.h>

struct counts {
    unsigned done, good, order[128];
};

static void on_done(struct verifier_job *j)
{
    struct counts *k = j->arg;

    k->order[k->done++] = (unsigned)j->peer;
    k->good += j->good;
    free(j);
}

static struct verifier_job *job(struct counts *k, uint64_t peer)
{
    struct verifier_job *j = calloc(1, sizeof *j);

    j->peer = peer;
    j->done = on_done;
    j->arg = k;
    /* No hash at all: the check fails at once, so that this test is about
     * the queue. */
    memcpy(j->hash, "x", 2);
    memcpy(j->password, "password", 9);
    return j;
}

/* They begin in their turn, two at a time: when one is done, all before it are
 * but one, however long that takes. */
static void in_order(const struct counts *k, unsigned n)
{
    bool done[256] = {false};
    unsigned last = VERIFIER_OF_PEER;

    for (unsigned i = 0; i < n; i++) {
        unsigned open = 0;

        if (k->order[i] <= VERIFIER_OF_PEER)
            continue; /* several of one peer */
        assert_true(k->order[i] < 256);
        done[k->order[i]] = true;
        if (k->order[i] > last)
            last = k->order[i];
        for (unsigned j = VERIFIER_OF_PEER + 1; j < last; j++)
            open += !done[j];
        assert_true(open < VERIFIER_AT_ONCE);
    }
}

static void bounded(void **state)
{
    struct counts k = {0};
    struct verifier *v;
    struct verifier_job *j;
    unsigned taken = 0;
    uv_loop_t loop;

    (void)state;
    uv_loop_init(&loop);
    v = verifier_new(&loop);
    for (int i = 0; i < VERIFIER_OF_PEER; i++)
        assert_int_equal(verifier_submit(v, job(&k, 1)), ERR_OK);
    j = job(&k, 1);
    assert_int_equal(verifier_submit(v, j), ERR_BUSY);
    j->peer = 2; /* others are still taken, until all is full */
    assert_int_equal(verifier_submit(v, j), ERR_OK);
    for (taken = VERIFIER_OF_PEER + 1;; taken++) {
        j = job(&k, taken);
        if (verifier_submit(v, j) != ERR_OK)
            break;
        assert_true(taken < 128);
    }
    free(j);
    assert_int_equal(taken, VERIFIER_WAITING + VERIFIER_AT_ONCE);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(k.done, taken);
    assert_int_equal(k.good, 0);
    in_order(&k, taken);
    assert_int_equal(verifier_submit(v, job(&k, 1)), ERR_OK);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(k.done, taken + 1);
    verifier_free(v);
    uv_loop_close(&loop);
}

static void on_made(struct verifier_job *j)
{
    assert_true(j->good);
    assert_true(access_password_valid(j->hash));
    memcpy(j->arg, j->hash, sizeof j->hash);
    free(j);
}

static void made_and_compared(void **state)
{
    char hash[LIMIT_PASSWORD_HASH + 1];
    struct counts k = {0};
    struct verifier_job *j = job(&k, 1);
    struct verifier *v;
    uv_loop_t loop;

    (void)state;
    uv_loop_init(&loop);
    v = verifier_new(&loop);
    j->make = true;
    j->done = on_made;
    j->arg = hash;
    assert_int_equal(verifier_submit(v, j), ERR_OK);
    uv_run(&loop, UV_RUN_DEFAULT);
    for (int i = 0; i < 2; i++) {
        j = job(&k, 1);
        memcpy(j->hash, hash, sizeof hash);
        j->password[0] = i == 0 ? 'p' : 'q';
        assert_int_equal(verifier_submit(v, j), ERR_OK);
        uv_run(&loop, UV_RUN_DEFAULT);
        assert_int_equal(k.good, 1);
    }
    verifier_free(v);
    uv_loop_close(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounded), cmocka_unit_test(made_and_compared),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
