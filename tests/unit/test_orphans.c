/* One page of pins under a cluster's name without an order. */
#include "agent/core/orphans.h"

#include "work_world.h"

#include <stdio.h>

enum { OURS = 0xdeadbeef, OTHER = 0x0badcafe };

static void test_names(void **state)
{
    static const struct {
        const char *name;
        bool good;
        uint32_t tag;
        uint64_t pin;
    } cases[] = {
        {"pinfold:deadbeef:17", true, OURS, 17},
        {"pinfold:0badcafe:18446744073709551609", true, OTHER,
         18446744073709551609u},
        {"pinfold:0badcafe:18446744073709551619", true, OTHER, 0},
        {"pinfold:deadbeef:", true, OURS, 0},
        {"pinfold:deadbeef:x", true, OURS, 0},
        {"pinfold:deadbeef", false, 0, 0},
        {"pinfold:DEADBEEF:1", false, 0, 0},
        {"pinfold:deadbee:1", false, 0, 0},
        {"pinfold:", false, 0, 0},
        {"Pinfold:deadbeef:1", false, 0, 0},
        {"", false, 0, 0},
    };

    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        uint32_t tag = 0;
        uint64_t pin = 0;

        assert_int_equal(orphans_name(cases[k].name, &tag, &pin),
                         cases[k].good);
        if (!cases[k].good)
            continue;
        assert_int_equal(tag, cases[k].tag);
        assert_true(pin == cases[k].pin);
    }
}

static void row(struct orphans *o, struct world *w, unsigned cid,
                uint32_t tag, bool recursive)
{
    struct cid c = world_cid(cid);
    char name[64];

    snprintf(name, sizeof name, "pinfold:%08x:%u", (unsigned)tag, cid);
    orphans_row(o, w->work, OURS, &c, name, recursive);
}

/* What an order names is none, whatever it says; but another cluster's pin
 * is shown, also where we have an order about its CID. */
static void test_what_is_one(void **state)
{
    struct world *w = world_new();
    struct orphans *o = mem_alloc(sizeof *o);
    struct buf out = BUF_INIT;
    struct cid c = world_cid(9);

    (void)state;
    world_order(w, 1, 1, COPY_RECURSIVE);
    world_order(w, 2, 2, COPY_RELEASED);
    orphans_begin(o, NULL);
    row(o, w, 3, OURS, true);
    row(o, w, 1, OURS, true);
    row(o, w, 2, OURS, true);
    row(o, w, 1, OTHER, true);
    row(o, w, 4, OTHER, false);
    orphans_row(o, w->work, OURS, &c, "mine", true);
    orphans_row(o, w->work, OURS, &c, "", true);
    orphans_end(o);
    assert_int_equal(o->n, 3);
    assert_false(o->more);
    assert_int_equal(o->rows[0].tag, OTHER);
    assert_int_equal(o->rows[0].pin, 1);
    assert_int_equal(o->rows[1].tag, OURS);
    assert_int_equal(o->rows[1].pin, 3);
    assert_int_equal(o->rows[2].pin, 4);
    assert_false(o->rows[2].recursive);
    orphans_print(o, &out);
    assert_memory_equal(buf_cstr(&out), "end\n0badcafe 1 r b", 18);
    assert_non_null(strstr(buf_cstr(&out), "\ndeadbeef 3 r b"));
    assert_non_null(strstr(buf_cstr(&out), "\n0badcafe 4 d b"));
    buf_free(&out);
    free(o);
    world_free(w);
}

/* Each row once, whatever the order in which the daemon lists them; a CID
 * under both spellings comes twice. */
static void test_pages(void **state)
{
    enum { ROWS = 2 * ORPHANS_PAGE + 5 };
    struct world *w = world_new();
    struct orphans *o = mem_alloc(sizeof *o);
    struct cid after = {.n = 0};
    unsigned seen = 0, pages = 0;

    (void)state;
    do {
        orphans_begin(o, after.n > 0 ? &after : NULL);
        for (unsigned k = 0; k < ROWS; k++)
            row(o, w, pages % 2 ? ROWS - 1 - k : k * 7 % ROWS, OURS, true);
        row(o, w, 3, OURS, true);
        orphans_end(o);
        for (unsigned k = 0; k < o->n; k++)
            assert_int_equal(o->rows[k].pin, seen++);
        after = o->rows[o->n - 1].cid;
        pages++;
    } while (o->more);
    assert_int_equal(seen, ROWS);
    assert_int_equal(pages, 3);
    free(o);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_what_is_one),
        cmocka_unit_test(test_pages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
