/* Slot tables: shares, what changes with membership, and the logarithm that
 * they are made with.
 */
#include "coordinator/core/slots.h"
#include "proto/fixed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TIB ((uint64_t)1 << 40)

/* Bit for bit: other machines must agree. */
static void logarithms(void **state)
{
    static const struct {
        uint64_t x;
        uint32_t log2;
    } exact[] = {
        {1, 0}, {2, 65536}, {3, 103872}, {4, 131072}, {10, 217706},
        {1000, 653118}, {65535, 1048574}, {65536, 1048576},
        {1000003, 1306235}, {UINT64_C(1) << 63, 63 << 16},
        {UINT64_MAX, (64 << 16) - 1},
    };
    static const struct {
        uint64_t h;
        uint32_t neglog2;
    } hashes[] = {
        {0, 33 << 16}, {UINT64_MAX, 1}, {(uint64_t)1 << 63, 65536},
        {(uint64_t)1 << 62, 131072}, {UINT64_C(0x0123456789abcdef), 512085},
    };

    (void)state;
    for (size_t i = 0; i < sizeof exact / sizeof exact[0]; i++)
        if (fixed_log2(exact[i].x) != exact[i].log2)
            fail_msg("log2(%llu): %u", (unsigned long long)exact[i].x,
                     fixed_log2(exact[i].x));
    for (size_t i = 0; i < sizeof hashes / sizeof hashes[0]; i++)
        if (fixed_neglog2(hashes[i].h) != hashes[i].neglog2)
            fail_msg("neglog2(%llx): %u", (unsigned long long)hashes[i].h,
                     fixed_neglog2(hashes[i].h));
    for (uint64_t x = 2; x < 200000; x++)
        assert_true(fixed_log2(x) >= fixed_log2(x - 1));
}

static void owners(const struct slots *t, uint32_t *count, uint16_t *of)
{
    memset(count, 0, 65536 * sizeof *count);
    for (uint32_t h = 0; h < 200000; h++) {
        uint32_t node = slots_node(t, h, h % 7);
        count[node]++;
        if (of)
            of[h] = (uint16_t)node;
    }
}

/* Each node's share is that of its capacity, within what chance allows. */
static void shares(void **state)
{
    static const uint64_t sizes[] = {1, 1, 2, 2, 4};
    struct slots *t = slots_new();
    static uint32_t count[65536];

    (void)state;
    assert_int_equal(slots_node(t, 7, 0), SLOTS_NONE);
    for (uint32_t id = 1; id <= 50; id++)
        assert_true(slots_set(t, id, sizes[id % 5] * TIB));
    assert_int_equal(slots_nodes(t), 50);
    owners(t, count, NULL);
    for (uint32_t id = 1; id <= 50; id++) {
        uint32_t fair = (uint32_t)(200000 * sizes[id % 5] / 100);
        assert_true(count[id] > fair / 100 * 75);
        assert_true(count[id] < fair / 100 * 128);
    }
    slots_free(t);
}

/* Who comes takes only from others; who goes leaves only its own; and the
 * way does not matter. */
static void little_changes(void **state)
{
    struct slots *t = slots_new(), *other = slots_new();
    static uint32_t count[65536];
    static uint16_t before[200000], after[200000];

    (void)state;
    for (uint32_t id = 1; id <= 100; id++)
        (void)slots_set(t, id, TIB);
    owners(t, count, before);
    assert_true(slots_set(t, 40, 0));
    owners(t, count, after);
    for (uint32_t h = 0; h < 200000; h++)
        assert_true(after[h] == before[h] || before[h] == 40);
    assert_int_equal(count[40], 0);
    assert_true(slots_set(t, 40, TIB));
    owners(t, count, after);
    assert_memory_equal(after, before, sizeof after); /* as it was */
    assert_true(slots_set(t, 101, 4 * TIB));
    owners(t, count, after);
    for (uint32_t h = 0; h < 200000; h++)
        assert_true(after[h] == before[h] || after[h] == 101);
    for (uint32_t id = 101; id > 0; id--)
        (void)slots_set(other, id, id == 101 ? 4 * TIB : TIB);
    owners(other, count, before);
    assert_memory_equal(after, before, sizeof after);
    slots_free(t);
    slots_free(other);
}

static void capacities(void **state)
{
    struct slots *t = slots_new();
    static uint32_t count[65536];

    (void)state;
    assert_false(slots_set(t, 1, 0));
    assert_true(slots_set(t, 1, TIB));
    assert_false(slots_set(t, 1, TIB));
    assert_false(slots_differ(t, 1, TIB + TIB / 17)); /* too little */
    assert_false(slots_set(t, 1, TIB + TIB / 17));
    assert_true(slots_differ(t, 1, TIB + TIB / 15));
    assert_true(slots_differ(t, 1, 0));
    assert_true(slots_differ(t, 2, 1));
    assert_int_equal(slots_nodes(t), 1);
    assert_int_equal(slots_member(t, 0), 1);
    assert_true(slots_set(t, 1, TIB * 2));
    assert_true(slots_set(t, 2, UINT64_MAX));
    assert_true(slots_set(t, 3, 1));
    assert_true(slots_set(t, 65535, TIB));
    owners(t, count, NULL);
    assert_true(count[2] > 199000);
    for (uint32_t id = 4; slots_nodes(t) < LIMIT_NODES; id++)
        assert_true(slots_set(t, id, TIB));
    assert_false(slots_set(t, 60000, TIB)); /* full */
    assert_true(slots_set(t, 2, 0));
    assert_true(slots_set(t, 60000, TIB));
    slots_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logarithms),
        cmocka_unit_test(shares),
        cmocka_unit_test(little_changes),
        cmocka_unit_test(capacities),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
