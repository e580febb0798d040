/* Texts of tokens and of Basic credentials, passwords and what is remembered
 * of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "coordinator/auth.h"

#include <stdio.h>
#include <string.h>

static bool parse(const char *text, uint64_t *id, uint8_t *secret)
{
    return auth_token_parse(span_of((const uint8_t *)text, strlen(text)), id,
                            secret);
}

static void tokens(void **state)
{
    uint8_t secret[AUTH_SECRET], got[AUTH_SECRET], hash[ACCESS_HASH];
    uint8_t other[ACCESS_HASH];
    char text[AUTH_TOKEN_TEXT], wrong[AUTH_TOKEN_TEXT + 2];
    uint64_t id;

    (void)state;
    for (int k = 0; k < 200; k++) {
        auth_secret(secret);
        auth_token_print(k == 0 ? UINT64_MAX - 9 : (uint64_t)k, secret, text);
        assert_true(parse(text, &id, got));
        assert_int_equal(id, k == 0 ? UINT64_MAX - 9 : (uint64_t)k);
        assert_memory_equal(secret, got, sizeof secret);
    }
    memset(secret, 0, sizeof secret);
    auth_token_print(7, secret, text);
    assert_string_equal(text, "pft_7_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                              "aaaaaaaaaaaaa");
    memset(secret, 0xff, sizeof secret);
    auth_token_print(7, secret, text);
    assert_string_equal(text, "pft_7_7777777777777777777777777777777777777777"
                              "77777777777q");
    /* One spelling each: no other last digit, length, sign or blank. */
    for (size_t at = 0; text[at] != '\0'; at++)
        for (int c = 1; c < 256; c++) {
            memcpy(wrong, text, sizeof text);
            wrong[at] = (char)c;
            if (c != text[at] && parse(wrong, &id, got)) {
                assert_true(id != 7 ||
                            memcmp(got, secret, sizeof secret) != 0);
                auth_token_print(id, got, text);
                assert_string_equal(text, wrong);
                memset(secret, 0xff, sizeof secret);
                auth_token_print(7, secret, text);
            }
        }
    snprintf(wrong, sizeof wrong, "%sa", text);
    assert_false(parse(wrong, &id, got));
    wrong[strlen(text) - 1] = '\0';
    assert_false(parse(wrong, &id, got));
    assert_false(parse("pft_", &id, got));
    assert_false(parse("", &id, got));
    snprintf(wrong, sizeof wrong, "pft_99999999999999999999%.53s", text + 5);
    assert_false(parse(wrong, &id, got));
    auth_token_hash(secret, hash);
    secret[31] ^= 1;
    auth_token_hash(secret, other);
    assert_memory_not_equal(hash, other, sizeof hash);
}

/* As written down in docs/protocol.md; made with Python's hashlib. */
static void hash_of_a_token(void **state)
{
    static const uint8_t wanted[4] = {0x75, 0x31, 0x1b, 0x4b};
    uint8_t secret[AUTH_SECRET], hash[ACCESS_HASH];

    (void)state;
    for (int k = 0; k < AUTH_SECRET; k++)
        secret[k] = (uint8_t)k;
    auth_token_hash(secret, hash);
    assert_memory_equal(hash, wanted, sizeof wanted);
}

static bool basic(const char *text, struct auth_basic *b)
{
    return auth_basic_parse(span_of((const uint8_t *)text, strlen(text)), b);
}

static void credentials(void **state)
{
    static const char *const bad[] = {
        "", "YQ==", "YTo=", "OmI=", "Og==", "YTpi ", " YTpi", "YTpi=",
        "YTp", "Y!pi", "YSBiOmM=" /* "a b:c" */, "L2E6Yg==" /* "/a:b" */,
        "YS86Yg==" /* "a/:b" */, "YS9iL2M6ZA==" /* "a/b/c:d" */,
        "YTpiAGM=" /* a zero byte */,
    };
    struct auth_basic b;
    char long_one[AUTH_BASIC_MAX + 8];

    (void)state;
    assert_true(basic("YTpi", &b)); /* a:b */
    assert_string_equal(b.org, "");
    assert_string_equal(b.name, "a");
    assert_string_equal(b.password, "b");
    assert_true(basic("bGFiL2FubjpjOmQ=", &b)); /* lab/ann:c:d */
    assert_string_equal(b.org, "lab");
    assert_string_equal(b.name, "ann");
    assert_string_equal(b.password, "c:d");
    assert_true(basic("YTpiL2M=", &b)); /* a:b/c */
    assert_string_equal(b.password, "b/c");
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
        assert_false(basic(bad[k], &b));
    memset(long_one, 'A', sizeof long_one);
    assert_false(auth_basic_parse(
        span_of((const uint8_t *)long_one, sizeof long_one), &b));
    assert_false(auth_basic_parse(
        span_of((const uint8_t *)long_one, AUTH_BASIC_MAX), &b));
}

static void passwords(void **state)
{
    struct principal p = {.id = 4, .name = "ann"}, q = {.id = 5};
    struct auth_cache *c = auth_cache_new();

    (void)state;
    assert_false(auth_password_valid(span_text("seven77")));
    assert_true(auth_password_valid(span_text("eight888")));
    assert_false(auth_password_valid(span_text("with\ta tab")));
    assert_false(auth_password_valid(span_text("bad utf \xff\xfe")));
    assert_true(auth_password_hash("correct horse", p.password));
    assert_true(access_password_valid(p.password));
    assert_true(auth_password_check(p.password, "correct horse"));
    assert_false(auth_password_check(p.password, "correct horses"));
    /* Remembered for a minute, for this user with this password alone. */
    assert_false(auth_cache_has(c, &p, "correct horse", 1000));
    auth_cache_add(c, &p, "correct horse", 1000);
    assert_true(auth_cache_has(c, &p, "correct horse", 60999));
    assert_false(auth_cache_has(c, &p, "correct horse", 61000));
    assert_false(auth_cache_has(c, &p, "correct horsE", 1000));
    memcpy(q.password, p.password, sizeof q.password);
    assert_false(auth_cache_has(c, &q, "correct horse", 1000));
    p.password[40] ^= 1; /* another one was set */
    assert_false(auth_cache_has(c, &p, "correct horse", 1000));
    p.password[40] ^= 1;
    for (int k = 0; k < 256; k++)
        auth_cache_add(c, &q, "other", 1000);
    assert_false(auth_cache_has(c, &p, "correct horse", 1000));
    auth_cache_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens),      cmocka_unit_test(hash_of_a_token),
        cmocka_unit_test(credentials), cmocka_unit_test(passwords),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
