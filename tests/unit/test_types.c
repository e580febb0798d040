/* The memory of a pin, and the texts and numbers of types.h. */
#include "proto/types.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void test_copies_sorted(void **state)
{
    static const uint32_t order[] = {50, 10, 90, 30, 70, 20, 80, 40, 60};
    struct pin p;

    (void)state;
    pin_init(&p);
    assert_null(pin_copy(&p, 50));
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        struct copy *c = pin_copy_add(&p, order[i]);
        assert_int_equal(c->node, order[i]);
        assert_int_equal(c->idx, 0);
        c->idx = order[i] + 1;
    }
    assert_int_equal(p.n_copies, 9);
    for (uint32_t i = 0; i < p.n_copies; i++) {
        assert_int_equal(p.copies[i].node, 10 * (i + 1));
        assert_int_equal(p.copies[i].idx, 10 * (i + 1) + 1);
        assert_ptr_equal(pin_copy(&p, 10 * (i + 1)), &p.copies[i]);
        assert_null(pin_copy(&p, 10 * i + 5));
    }
    assert_null(pin_copy(&p, 95));
    pin_copy_remove(&p, 10);
    pin_copy_remove(&p, 90);
    pin_copy_remove(&p, 50);
    assert_int_equal(p.n_copies, 6);
    assert_null(pin_copy(&p, 50));
    assert_int_equal(pin_copy(&p, 60)->idx, 61);
    assert_int_equal(p.copies[0].node, 20);
    assert_int_equal(p.copies[5].node, 80);
    pin_free(&p);
    assert_null(p.copies);
}

static void test_copies_to_the_limit(void **state)
{
    struct pin p;

    (void)state;
    pin_init(&p);
    for (uint32_t i = LIMIT_COPIES; i > 0; i--)
        pin_copy_add(&p, i);
    assert_int_equal(p.n_copies, LIMIT_COPIES);
    for (uint32_t i = 1; i <= LIMIT_COPIES; i++)
        assert_int_equal(p.copies[i - 1].node, i);
    while (p.n_copies > 0)
        pin_copy_remove(&p, p.copies[p.n_copies / 2].node);
    pin_free(&p);
}

static void test_reasons(void **state)
{
    (void)state;
    for (unsigned i = REASON_NONE; i <= REASON_LAST; i++) {
        assert_true(strlen(copy_reason_word(i)) > 1);
        assert_true(strlen(copy_reason_text(i)) > 1);
    }
    assert_string_equal(copy_reason_word(REASON_TOP_UP), "top_up");
    assert_string_equal(copy_reason_word(REASON_LAST + 1), "?");
    assert_string_equal(copy_reason_text(UINT16_MAX), "?");
}

static void test_assign_is_deep(void **state)
{
    struct pin a, b;

    (void)state;
    pin_init(&a);
    pin_init(&b);
    a.id = 5;
    a.rev = 6;
    buf_text(&a.name, "name");
    buf_text(&a.meta, "meta");
    pin_copy_add(&a, 3)->idx = 1;
    pin_copy_add(&a, 2)->idx = 2;
    buf_text(&b.name, "longer than that");
    for (uint32_t i = 1; i < 10; i++)
        pin_copy_add(&b, i);
    pin_assign(&b, &a);
    assert_int_equal(b.id, 5);
    assert_int_equal(b.rev, 6);
    assert_int_equal(b.n_copies, 2);
    assert_true(span_is(span_buf(&b.name), "name"));
    assert_true(span_is(span_buf(&b.meta), "meta"));
    pin_copy(&a, 3)->idx = 100;
    a.name.p[0] = 'X';
    assert_int_equal(pin_copy(&b, 3)->idx, 1);
    assert_true(span_is(span_buf(&b.name), "name"));
    pin_free(&a);
    pin_assign(&b, &a); /* an empty one */
    assert_int_equal(b.n_copies, 0);
    assert_int_equal(b.name.n, 0);
    pin_free(&b);
}

static void test_reset_keeps_memory(void **state)
{
    struct pin p;
    struct copy *copies;
    uint8_t *name;

    (void)state;
    pin_init(&p);
    p.id = 7;
    p.cid.n = 36;
    buf_text(&p.name, "name");
    pin_copy_add(&p, 3);
    copies = p.copies;
    name = p.name.p;
    pin_reset(&p);
    assert_int_equal(p.id, 0);
    assert_int_equal(p.cid.n, 0);
    assert_int_equal(p.n_copies, 0);
    assert_int_equal(p.name.n, 0);
    buf_text(&p.name, "eman");
    assert_ptr_equal(pin_copy_add(&p, 4), copies);
    assert_ptr_equal(p.name.p, name);
    pin_free(&p);
}

static void test_flags(void **state)
{
    struct pin p;

    (void)state;
    pin_init(&p);
    assert_int_equal(pin_state_of(&p), PIN_PENDING);
    assert_int_equal(pin_form(&p), CID_FORM_V0);
    p.flags = PIN_FAILED << CLAIM_STATE_SHIFT |
              CID_FORM_B36 << CLAIM_FORM_SHIFT | CLAIM_DIRECT |
              CLAIM_ELASTIC | 2 << CLAIM_PRIORITY_SHIFT | PIN_MEASURED |
              PIN_RELEASING;
    assert_int_equal(pin_state_of(&p), PIN_FAILED);
    assert_int_equal(pin_form(&p), CID_FORM_B36);
    assert_string_equal(claim_priority_text(p.flags), "low");
    assert_true(claim_priority_parse(span_text("high"), &p.flags));
    assert_string_equal(claim_priority_text(p.flags), "high");
    assert_false(claim_priority_parse(span_text("highest"), &p.flags));
    assert_int_equal(pin_form(&p), CID_FORM_B36);
    p.rmin = p.rmax = 2;
    assert_false(pin_everywhere(&p));
    p.rmin = p.rmax = -1;
    assert_true(pin_everywhere(&p));
}

/* Both ends of the link compute it, in any two versions: fixed numbers. The
 * first is splitmix64's first output from seed 0 (Vigna's reference). */
static void test_order_mix(void **state)
{
    (void)state;
    assert_int_equal(order_mix(0, COPY_RELEASED), 0xe220a8397b1dcdaf);
    assert_int_equal(order_mix(1, COPY_RECURSIVE), 0x63033b0ca389c35a);
    assert_int_equal(order_mix(1000000, COPY_DIRECT), 0x135af4607c2d2332);
    assert_int_not_equal(order_mix(1, COPY_RECURSIVE),
                         order_mix(1, COPY_DIRECT));
    assert_int_not_equal(order_mix(1, COPY_RECURSIVE),
                         order_mix(2, COPY_RECURSIVE));
}

static void test_label(void **state)
{
    struct node n;

    (void)state;
    memset(&n, 0, sizeof n);
    assert_null(node_label(&n, "zone"));
    n.n_labels = 2;
    memcpy(n.labels[0].key, "region", 6);
    memcpy(n.labels[0].value, "eu", 2);
    memcpy(n.labels[1].key, "zone", 4);
    assert_string_equal(node_label(&n, "region"), "eu");
    assert_string_equal(node_label(&n, "zone"), "");
    assert_null(node_label(&n, "rack"));
}

static void test_texts(void **state)
{
    static const char *words[] = {"removed",  "out",      "down",
                                  "suspect",  "draining", "cordoned",
                                  "full",     "joining",  "ready"};

    (void)state;
    for (unsigned i = 0; i < sizeof words / sizeof *words; i++)
        assert_string_equal(node_word_text((enum node_word)i), words[i]);
    assert_string_equal(verdict_text(VERDICT_ACCEPTED), "accepted");
    assert_string_equal(verdict_text(VERDICT_NO_CANDIDATES),
                        "no_candidates");
    assert_string_equal(verdict_text(VERDICT_REPEATED), "repeated");
}

static void percents(void **state)
{
    (void)state;
    assert_int_equal(org_percent(0, 0), 0);
    assert_int_equal(org_percent(1, 0), 999);
    assert_int_equal(org_percent(5, ORG_NO_LIMIT), 0);
    assert_int_equal(org_percent(799, 1000), 79);
    assert_int_equal(org_percent(800, 1000), 80);
    assert_int_equal(org_percent(ORG_LIMIT_MAX, ORG_LIMIT_MAX), 100);
    assert_int_equal(org_percent(ORG_LIMIT_MAX / 10 * 8, ORG_LIMIT_MAX), 80);
    assert_int_equal(org_percent(UINT64_MAX - 1, 7), 999);
    assert_int_equal(org_percent(9999, 1000), 999);
    assert_int_equal(org_percent(1, ORG_LIMIT_MAX), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percents),
        cmocka_unit_test(test_copies_sorted),
        cmocka_unit_test(test_copies_to_the_limit),
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_assign_is_deep),
        cmocka_unit_test(test_reset_keeps_memory),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_order_mix),
        cmocka_unit_test(test_label),
        cmocka_unit_test(test_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
