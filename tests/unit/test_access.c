/* Words of verbs, names, prefixes, forms of password hashes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/access.h"
#include "proto/types.h"

#include <string.h>

static void verbs(void **state)
{
    static const char *const bad[] = {"", ",", "read,", ",read", "read,read",
                                      "Read", "reads", "all", "read pin"};
    char text[ACCESS_VERBS_TEXT];
    uint8_t got;

    (void)state;
    for (unsigned v = 1; v <= VERB_ALL; v++) {
        access_verbs_print(v, text);
        assert_true(access_verbs_parse(text, &got));
        assert_int_equal(got, v);
    }
    assert_string_equal(text, "read,pin,operator,admin,quality,curator");
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
        assert_false(access_verbs_parse(bad[k], &got));
}

static void names(void **state)
{
    char text[LIMIT_PRINCIPAL_NAME + 2];

    (void)state;
    assert_true(access_name_valid("Ann.B-c_d@lab+1"));
    assert_false(access_name_valid(""));
    assert_false(access_name_valid("a:b"));
    assert_false(access_name_valid("a/b"));
    assert_false(access_name_valid("a b"));
    assert_false(access_name_valid("ä"));
    memset(text, 'a', sizeof text);
    text[LIMIT_PRINCIPAL_NAME + 1] = '\0';
    assert_false(access_name_valid(text));
    text[LIMIT_PRINCIPAL_NAME] = '\0';
    assert_true(access_name_valid(text));
}

static void prefixes(void **state)
{
    (void)state;
    assert_true(access_prefix_covers("", span_text("")));
    assert_true(access_prefix_covers("ab", span_text("ab")));
    assert_true(access_prefix_covers("ab", span_text("abc")));
    assert_false(access_prefix_covers("ab", span_text("a")));
    assert_false(access_prefix_covers("ab", span_text("xab")));
}

static void organisations(void **state)
{
    (void)state;
    assert_true(access_org(2, VERB_READ, 2));
    assert_false(access_org(2, VERB_ALL, 3));
    assert_false(access_org(ORG_DEFAULT, VERB_ADMIN, 3));
    assert_true(access_org(ORG_DEFAULT, VERB_OPERATOR, 3));
}

static void passwords(void **state)
{
    (void)state;
    assert_true(access_password_valid(ACCESS_PASSWORD_FORM "c2FsdA$aGFzaA"));
    assert_false(access_password_valid(""));
    assert_false(access_password_valid(ACCESS_PASSWORD_FORM));
    assert_false(access_password_valid(ACCESS_PASSWORD_FORM "a b"));
    assert_false(access_password_valid("$argon2id$v=19$m=65537,t=2,p=1$a$b"));
    assert_false(access_password_valid("$argon2i$v=19$m=65536,t=2,p=1$a$b"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verbs), cmocka_unit_test(names),
        cmocka_unit_test(prefixes), cmocka_unit_test(organisations),
        cmocka_unit_test(passwords),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
