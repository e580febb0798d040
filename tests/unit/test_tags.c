/* Tags in the metadata of claims, and what claims with one cost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/tags.h"

#include <string.h>

#define NAME_64                                                              \
    "0123456789012345678901234567890123456789012345678901234567890123"

static void encode(struct buf *out, const char *value, bool policy)
{
    static struct meta m;

    memset(&m, 0, sizeof m);
    if (policy)
        m.policy.denied.of[m.policy.denied.n++] = span_text("eu");
    m.pairs[m.n_pairs++] = (struct meta_pair){span_text("a"), span_text("x")};
    if (value)
        m.pairs[m.n_pairs++] =
            (struct meta_pair){span_text("tag"), span_text(value)};
    m.pairs[m.n_pairs++] = (struct meta_pair){span_text("z"), span_text("y")};
    buf_reset(out);
    assert_int_equal(meta_encode(&m, out, NULL), ERR_OK);
}

static void names(void **state)
{
    static const struct {
        const char *value;
        uint32_t n;
        const char *names[LIMIT_TAGS];
        const char *why; /* of the door; NULL: it takes it */
    } rows[] = {
        {NULL, 0, {NULL}, NULL},
        {"", 0, {NULL}, NULL},
        {" , ,", 0, {NULL}, NULL},
        {"a", 1, {"a"}, NULL},
        {" b c ,a,\tb c", 2, {"b c", "a"}, NULL},
        {"a,b,c,d", 4, {"a", "b", "c", "d"}, NULL},
        {"a,b,c,d,e", 4, {"a", "b", "c", "d"}, "more than 4"},
        {"a,a,b,b,c,d", 4, {"a", "b", "c", "d"}, NULL},
        {NAME_64, 1, {NAME_64}, NULL},
        {NAME_64 "x,b", 1, {"b"}, "is no name"},
        {"a\nb,c", 1, {"c"}, "is no name"},
        {"caf\xc3\xa9", 1, {"caf\xc3\xa9"}, NULL},
    };
    struct buf b = BUF_INIT;
    struct err_text why;
    struct meta m;
    struct tags t;

    (void)state;
    for (size_t i = 0; i < 2 * sizeof rows / sizeof *rows; i++) {
        size_t at = i / 2;

        encode(&b, rows[at].value, i % 2 == 1);
        tags_read(span_buf(&b), &t);
        assert_int_equal(t.n, rows[at].n);
        for (uint32_t k = 0; k < t.n; k++)
            assert_true(span_is(t.names[k], rows[at].names[k]));
        assert_int_equal(meta_decode(span_buf(&b), &m, &why), ERR_OK);
        if (rows[at].why == NULL) {
            assert_int_equal(tags_check(&m, &why), ERR_OK);
            continue;
        }
        assert_int_equal(tags_check(&m, &why), ERR_INVALID);
        assert_non_null(strstr(why.text, rows[at].why));
    }
    buf_free(&b);
    tags_read(span_of(NULL, 0), &t);
    assert_int_equal(t.n, 0);
    assert_false(tag_valid(span_text(" a")));
    assert_false(tag_valid(span_text("a,b")));
    assert_false(tag_valid(span_text("")));
}

static void claim(struct pin *p, uint32_t org, const char *value,
                  int32_t rmax, uint32_t paid, bool refused)
{
    struct claim *c = pin_claim_add(p);

    c->id = p->n_claims;
    c->org = org;
    c->rmax = rmax;
    c->paid = paid;
    c->flags = refused ? CLAIM_REFUSED : 0;
    encode(&c->meta, value, false);
}

static void charges(const struct tag_uses *u, uint32_t org, const char *name,
                    uint64_t pins, uint64_t logical, uint64_t physical)
{
    uint64_t c[ORG_KINDS];

    tag_use_charge(tag_uses_find(u, org, span_text(name)), 10, c);
    assert_int_equal(c[ORG_PINS], pins);
    assert_int_equal(c[ORG_LOGICAL], logical);
    assert_int_equal(c[ORG_PHYSICAL], physical);
}

static void costs(void **state)
{
    struct tag_uses u = {NULL, 0, 0};
    struct pin p;

    (void)state;
    pin_init(&p);
    p.size = 10;
    tag_uses_read(&p, &u);
    assert_int_equal(u.n, 0);
    p.org = 1;
    p.rmax = 3;
    encode(&p.meta, "b,a", false);
    tag_uses_read(&p, &u);
    assert_int_equal(u.n, 2);
    assert_true(span_is(u.p[0].name, "a"));
    charges(&u, 1, "a", 1, 10, 30);
    charges(&u, 1, "c", 0, 0, 0);
    charges(&u, 2, "a", 0, 0, 0);
    p.flags = PIN_OVER_QUOTA;
    tag_uses_read(&p, &u);
    charges(&u, 1, "b", 1, 0, 0);
    /* Of several claims those with the tag, of one organisation. */
    p.flags = PIN_SHARED;
    claim(&p, 1, "a", 2, 0, false);
    claim(&p, 1, "a,b", 3, 0, false);
    claim(&p, 1, NULL, 9, 0, false);
    claim(&p, 1, "e", -1, 4, false);
    claim(&p, 1, "e", 5, 0, false);
    claim(&p, 2, "a", 6, 0, true);
    tag_uses_read(&p, &u);
    assert_int_equal(u.n, 4);
    charges(&u, 1, "a", 1, 10, 30);
    charges(&u, 1, "b", 1, 10, 30);
    charges(&u, 1, "e", 1, 10, 50);
    charges(&u, 2, "a", 1, 0, 0);
    assert_true(tag_uses_find(&u, 1, span_text("e"))->everywhere);
    assert_int_equal(tag_uses_find(&u, 1, span_text("e"))->number, 5);
    tag_uses_free(&u);
    pin_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(costs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
