/* What is read much among what is read once: found once it was read enough,
 * however much else goes by.
 */
#include "coordinator/core/popular.h"
#include "proto/fixed.h"
#include "proto/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t key[HASH_SIP_KEY] = {3, 1, 4};

static struct cid cid_of(uint64_t number)
{
    struct cid c = {.n = 36, .bytes = {1, 0x55, 0x12, 0x20}};

    memcpy(c.bytes + 4, &number, sizeof number);
    return c;
}

static bool add(struct popular *p, uint64_t number, uint64_t reads,
                uint64_t now_ms)
{
    struct cid c = cid_of(number);

    return popular_add(p, &c, reads * FIXED_ONE, 10 * FIXED_ONE, now_ms);
}

static void enough(void **state)
{
    struct popular *p = popular_new(key);

    (void)state;
    for (int i = 0; i < 9; i++)
        assert_false(add(p, 1, 1, 5));
    assert_false(add(p, 2, 9, 5));
    assert_true(add(p, 1, 1, 5));
    assert_false(add(p, 1, 9, 5)); /* from 0 again */
    assert_true(add(p, 2, 1, 5));
    assert_true(add(p, 3, 1000, 5));
    popular_free(p);
}

static void fading(void **state)
{
    struct popular *p = popular_new(key);

    (void)state;
    assert_false(add(p, 1, 9, 1));
    assert_false(add(p, 1, 0, POPULAR_HALF_MS)); /* not yet */
    assert_false(add(p, 1, 5, POPULAR_HALF_MS + 1)); /* 4.5 and 5 */
    assert_true(add(p, 1, 1, POPULAR_HALF_MS + 2));
    assert_false(add(p, 2, 9, POPULAR_HALF_MS + 3));
    assert_false(add(p, 2, 9, (uint64_t)POPULAR_HALF_MS * 100));
    assert_true(add(p, 2, 1, (uint64_t)POPULAR_HALF_MS * 100));
    popular_free(p);
}

/* One in ten reads is of 200 contents, the others of ever new ones. */
static void among_many(void **state)
{
    struct popular *p = popular_new(key);
    uint64_t next = 1000;
    unsigned found = 0;
    struct prng r;

    (void)state;
    prng_seed(&r, 9);
    for (int i = 0; i < 100000; i++)
        if (i % 10 == 0)
            found += add(p, prng_below(&r, 200), 1, 5);
        else
            assert_false(add(p, next++, 1, 5));
    assert_true(found >= 800); /* of 1,000 */
    popular_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(enough), cmocka_unit_test(fading),
        cmocka_unit_test(among_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
