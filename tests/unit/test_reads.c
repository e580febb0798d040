/* Reads as they may count: the rules of proto/reads.h, and what happens
 * when its tables are full.
 */
#include "proto/reads.h"
#include "proto/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ONE = READS_ONE_Q16, MINUTE = 60000, MANY = 4096 };
#define BEGIN UINT64_C(1790000000000)

static const uint8_t key[HASH_SIP_KEY] = {7, 1, 2};
static struct reads_delta drained[MANY];

static struct cid cid_of(uint32_t number)
{
    struct cid c = {.n = 36, .bytes = {1, 0x55, 0x12, 0x20}};

    memcpy(c.bytes + 4, &number, sizeof number);
    return c;
}

static struct reads *open_reads(uint32_t contents, uint32_t pairs,
                                uint32_t users, uint32_t user_max)
{
    return reads_new(&(struct reads_config){contents, pairs, users, user_max},
                     key);
}

static uint32_t part(struct reads *r, uint64_t minute, uint32_t content,
                     uint64_t user, uint64_t bytes, uint64_t size)
{
    struct cid c = cid_of(content);

    return reads_count(r, &(struct reads_event){
        BEGIN + minute * MINUTE, &c, user, bytes, size});
}

static uint32_t whole(struct reads *r, uint64_t minute, uint32_t content,
                      uint64_t user)
{
    return part(r, minute, content, user, 5000, 5000);
}

/* The sum of all that is drained, after checking that a content comes once. */
static uint64_t drain_all(struct reads *r, uint32_t at_once, uint32_t *n_out)
{
    uint64_t sum = 0;
    uint32_t n = 0, got;

    while ((got = reads_drain(r, drained + n, at_once)) > 0) {
        assert_true(got <= at_once);
        n += got;
    }
    for (uint32_t i = 0; i < n; i++) {
        assert_true(drained[i].reads_q16 > 0);
        sum += drained[i].reads_q16;
        for (uint32_t k = 0; k < i; k++)
            assert_false(cid_equal(&drained[i].cid, &drained[k].cid));
    }
    assert_int_equal(reads_waiting(r), 0);
    *n_out = n;
    return sum;
}

static void once_in_ten_minutes(void **state)
{
    struct reads *r = open_reads(10, 1000, 1000, 100);
    uint32_t n;

    (void)state;
    assert_int_equal(whole(r, 0, 1, 1), ONE);
    assert_int_equal(whole(r, 0, 1, 1), 0);
    assert_int_equal(whole(r, 9, 1, 1), 0);
    assert_int_equal(whole(r, 9, 1, 2), ONE); /* somebody else */
    assert_int_equal(whole(r, 9, 2, 1), ONE); /* something else */
    assert_int_equal(whole(r, 10, 1, 1), ONE);
    assert_int_equal(whole(r, 18, 1, 1), 0);
    assert_int_equal(whole(r, 19, 1, 2), ONE); /* each by its own clock */
    assert_int_equal(reads_waiting(r), 2);
    assert_true(drain_all(r, 10, &n) == 5 * ONE);
    assert_int_equal(n, 2);
    assert_int_equal(whole(r, 19, 1, 2), 0); /* draining forgets no window */
    assert_true(reads_stats(r)->events == 9);
    assert_true(reads_stats(r)->repeated == 4);
    assert_true(reads_stats(r)->reads_q16 == 5 * ONE);
    reads_free(r);
}

/* One user who reads all day long, as often as can be. */
static void a_day(void **state)
{
    struct reads *r = open_reads(10, 1000, 1000, 1000);
    uint64_t sum = 0;

    (void)state;
    for (uint64_t minute = 0; minute < 24 * 60; minute++)
        for (uint32_t k = 0; k < 20; k++)
            sum += whole(r, minute, 1, 1);
    assert_true(sum == 144 * (uint64_t)ONE);
    reads_free(r);
}

static void parts(void **state)
{
    struct reads *r = open_reads(100, 1000, 1000, 100);
    uint64_t sum = 0;

    (void)state;
    assert_int_equal(part(r, 0, 1, 1, 1000, 4000), ONE / 4);
    assert_int_equal(part(r, 1, 1, 1, 1000, 4000), ONE / 4);
    assert_int_equal(part(r, 2, 1, 1, 9000, 4000), ONE / 2);
    assert_int_equal(part(r, 3, 1, 1, 9000, 4000), 0);
    assert_int_equal(part(r, 0, 2, 1, 0, 4000), 0); /* only its head */
    assert_int_equal(part(r, 0, 3, 1, 0, 0), 0);
    assert_int_equal(part(r, 0, 3, 1, 1, 0), ONE); /* size not known */
    for (uint32_t k = 0; k < 100000; k++) /* each rounds to nothing */
        sum += part(r, 4, 4, 1, 1, 100000);
    assert_true(sum == ONE);
    /* A size that shrinks and grows takes nothing back. */
    assert_int_equal(part(r, 5, 5, 1, 1000, 2000), ONE / 2);
    assert_int_equal(part(r, 5, 5, 1, 1000, 1000000), 0);
    assert_int_equal(part(r, 5, 5, 1, 1000, 3000), ONE / 2);
    /* Beyond 2^48 */
    assert_int_equal(part(r, 6, 6, 1, UINT64_MAX / 2, UINT64_MAX), ONE / 2);
    assert_int_equal(part(r, 6, 6, 1, UINT64_MAX / 2, UINT64_MAX),
                     ONE / 2);
    assert_int_equal(part(r, 6, 6, 1, UINT64_MAX, UINT64_MAX), 0);
    assert_int_equal(part(r, 6, 7, 1, UINT64_MAX / 4, UINT64_MAX), ONE / 4);
    assert_int_equal(part(r, 6, 7, 1, UINT64_MAX - 10, UINT64_MAX),
                     ONE / 4 * 3);
    assert_int_equal(part(r, 6, 8, 1, (UINT64_C(1) << 48) + 9,
                          (UINT64_C(1) << 48) + 10), ONE);
    reads_free(r);
}

static void of_one_user(void **state)
{
    struct reads *r = open_reads(100, 1000, 1000, 3);

    (void)state;
    assert_int_equal(whole(r, 0, 1, 1), ONE);
    assert_int_equal(part(r, 0, 2, 1, 1, 2), ONE / 2);
    assert_int_equal(whole(r, 0, 3, 1), ONE);
    assert_int_equal(whole(r, 0, 4, 1), ONE / 2); /* cut */
    assert_int_equal(whole(r, 0, 5, 1), 0);
    assert_int_equal(reads_waiting(r), 4);
    assert_true(reads_stats(r)->capped == 2);
    assert_int_equal(whole(r, 0, 5, 2), ONE);
    assert_int_equal(whole(r, 10, 5, 1), ONE); /* after 10 minutes anew */
    reads_free(r);
}

static void clocks(void **state)
{
    struct reads *r = open_reads(100, 1000, 1000, 100);

    (void)state;
    assert_int_equal(whole(r, 100, 1, 1), ONE);
    assert_int_equal(whole(r, 0, 1, 1), 0); /* earlier counts as now */
    assert_int_equal(whole(r, 0, 2, 1), ONE);
    assert_int_equal(whole(r, 109, 2, 1), 0);
    assert_int_equal(whole(r, 110, 2, 1), ONE);
    reads_free(r);
}

/* It was ahead by days, and is set right: time goes on from there. */
static void set_back(void **state)
{
    enum { AHEAD = 5000 };
    struct reads *r = open_reads(100, 1000, 1000, 3);

    (void)state;
    assert_int_equal(whole(r, 1, 1, 1), ONE);
    assert_int_equal(whole(r, AHEAD, 2, 1), ONE);
    assert_int_equal(whole(r, AHEAD, 2, 2), ONE);
    reads_clock(r, BEGIN + (AHEAD - 9) * MINUTE); /* by less than a window */
    assert_int_equal(whole(r, AHEAD - 9, 2, 1), 0);
    reads_clock(r, BEGIN + 5 * MINUTE);
    assert_int_equal(whole(r, 5, 2, 1), ONE);
    assert_int_equal(whole(r, 5, 2, 2), ONE);
    assert_int_equal(whole(r, 5, 3, 1), ONE);
    assert_int_equal(whole(r, 5, 4, 1), 0);   /* too many of that user */
    reads_clock(r, BEGIN + 14 * MINUTE);
    assert_int_equal(whole(r, 14, 2, 1), 0);
    assert_int_equal(whole(r, 15, 2, 1), ONE); /* after 10 minutes anew */
    reads_free(r);
}

static void full_contents(void **state)
{
    struct reads *r = open_reads(3, 1000, 1000, 100);
    uint32_t n;

    (void)state;
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(whole(r, 0, i, 1), i < 3 ? ONE : 0);
    assert_int_equal(whole(r, 0, 1, 2), ONE); /* those that are in, go on */
    assert_true(reads_stats(r)->lost == 2);
    assert_int_equal(reads_drain(r, drained, 1), 1);
    assert_int_equal(whole(r, 1, 4, 1), ONE); /* was not counted before */
    assert_int_equal(whole(r, 1, 3, 1), 0);
    assert_int_equal(reads_waiting(r), 3);
    (void)drain_all(r, 2, &n);
    assert_int_equal(n, 3);
    reads_free(r);
}

/* One set of 8: the 9th pair takes the place of the oldest. */
static void full_windows(void **state)
{
    struct reads *r = open_reads(100, 8, 1000, 100);

    (void)state;
    for (uint32_t i = 0; i < 8; i++)
        assert_int_equal(whole(r, i, i, 1), ONE);
    assert_int_equal(whole(r, 8, 0, 1), 0);
    assert_true(reads_stats(r)->early == 0);
    assert_int_equal(whole(r, 8, 8, 1), ONE);
    assert_true(reads_stats(r)->early == 1);
    assert_int_equal(whole(r, 8, 1, 1), 0); /* still there */
    assert_int_equal(whole(r, 8, 0, 1), ONE); /* gone; replaces 1 */
    assert_int_equal(whole(r, 8, 1, 1), ONE);
    /* What is over makes room first. */
    assert_int_equal(whole(r, 30, 50, 1), ONE);
    assert_true(reads_stats(r)->early == 3);
    reads_free(r);
}

static void full_users(void **state)
{
    struct reads *r = open_reads(100, 1000, 8, 1);

    (void)state;
    for (uint64_t u = 0; u < 9; u++)
        assert_int_equal(whole(r, u, 1, u), ONE);
    assert_true(reads_stats(r)->early == 1);
    assert_int_equal(whole(r, 9, 2, 8), 0);   /* has had its own */
    assert_int_equal(whole(r, 9, 2, 0), ONE); /* was forgotten */
    reads_free(r);
}

/* Against rules applied to everything that was ever read. */
static void random_reads(void **state)
{
    enum { USERS = 6, CONTENTS = 40, STEPS = 20000 };
    static uint64_t since[USERS][CONTENTS], want[CONTENTS];
    struct reads *r = open_reads(CONTENTS, 4096, 64, 100000);
    uint64_t t = 0, sum = 0;
    struct prng random;
    uint32_t n;

    (void)state;
    prng_seed(&random, 3);
    for (uint32_t i = 0; i < STEPS; i++) {
        uint32_t u = (uint32_t)prng_below(&random, USERS);
        uint32_t c = (uint32_t)prng_below(&random, CONTENTS);
        bool fresh = since[u][c] == 0 || t + 1 - since[u][c] >= 10;

        assert_int_equal(whole(r, t, c, u), fresh ? ONE : 0);
        if (fresh) {
            since[u][c] = t + 1;
            want[c] += ONE;
            sum += ONE;
        }
        t += prng_below(&random, 8) == 0;
    }
    assert_true(reads_stats(r)->early == 0);
    assert_true(drain_all(r, 7, &n) == sum);
    assert_int_equal(n, CONTENTS);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t c;

        memcpy(&c, drained[i].cid.bytes + 4, sizeof c);
        assert_true(drained[i].reads_q16 == want[c]);
    }
    reads_free(r);
}

static void defaults(void **state)
{
    struct reads *r = reads_new(&reads_defaults, key);

    (void)state;
    for (uint32_t i = 0; i < MANY; i++)
        assert_int_equal(whole(r, 0, i, i), ONE);
    assert_int_equal(reads_drain(r, drained, MANY), MANY);
    assert_int_equal(reads_drain(r, drained, MANY), 0);
    reads_free(r);
}

/* What was counted for nothing counts again, once, also towards the most that
 * a user may have; of what is not there nothing is taken. */
static void undone(void **state)
{
    struct reads *r = open_reads(64, 64, 64, 2);
    struct cid one = cid_of(1), two = cid_of(2);

    (void)state;
    assert_int_equal(whole(r, 0, 1, 7), ONE);
    assert_int_equal(whole(r, 0, 2, 7), ONE);
    assert_int_equal(whole(r, 0, 3, 7), 0); /* too many of one user */
    assert_int_equal(whole(r, 1, 1, 7), 0);
    reads_undo(r, &one, 7, ONE);
    assert_int_equal(whole(r, 2, 1, 7), ONE);
    assert_int_equal(whole(r, 2, 1, 7), 0);
    assert_int_equal(part(r, 2, 4, 8, 1, 4), ONE / 4);
    reads_undo(r, &one, 8, ONE); /* never read by them */
    reads_undo(r, &two, 7, ONE);
    assert_int_equal(part(r, 3, 4, 8, 1, 4), ONE / 4);
    assert_int_equal(whole(r, 3, 2, 7), ONE);
    assert_int_equal(whole(r, 3, 3, 7), 0);
    reads_undo(r, &two, 7, ONE);
    assert_int_equal(whole(r, 20, 2, 7), ONE); /* another window */
    reads_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(once_in_ten_minutes), cmocka_unit_test(a_day),
        cmocka_unit_test(parts), cmocka_unit_test(of_one_user),
        cmocka_unit_test(clocks), cmocka_unit_test(set_back),
        cmocka_unit_test(full_contents),
        cmocka_unit_test(full_windows), cmocka_unit_test(full_users),
        cmocka_unit_test(random_reads), cmocka_unit_test(defaults),
        cmocka_unit_test(undone)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
