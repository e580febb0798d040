#include "proto/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void to_hex(const uint8_t *p, size_t n, char *out)
{
    for (size_t i = 0; i < n; i++)
        snprintf(out + 2 * i, 3, "%02x", p[i]);
}

/* key 00..0f, input 00, 01, …: table of the SipHash paper's program */
static void test_sip(void **state)
{
    uint8_t key[HASH_SIP_KEY], input[15];

    (void)state;
    for (uint8_t i = 0; i < 16; i++)
        key[i] = i;
    for (uint8_t i = 0; i < 15; i++)
        input[i] = i;
    assert_true(hash_sip(key, NULL, 0) == 0x726FDB47DD0E0E31);
    assert_true(hash_sip(key, input, 1) == 0x74F839C593DC67FD);
    assert_true(hash_sip(key, input, 15) == 0xA129CA6149BE45E5);
}

static void test_blake2b(void **state)
{
    uint8_t out[HASH_B2_256];
    char hex[2 * HASH_B2_256 + 1];

    (void)state;
    hash_blake2b_128("", 0, out);
    to_hex(out, HASH_B2_128, hex);
    assert_string_equal(hex, "cae66941d9efbd404e4d88758ea67670");
    hash_blake2b_128("abc", 3, out);
    to_hex(out, HASH_B2_128, hex);
    assert_string_equal(hex, "cf4ab791c62b8d2b2109c90275287816");
    hash_blake2b_256(NULL, 0, out);
    to_hex(out, HASH_B2_256, hex);
    assert_string_equal(hex, "0e5751c026e543b2e8ab2eb06099daa1"
                             "d1e5df47778f7787faab45cdf12fe3a8");
    hash_blake2b_256("abc", 3, out);
    to_hex(out, HASH_B2_256, hex);
    assert_string_equal(hex, "bddd813c634239723171ef3fee98579b"
                             "94964e3bb1cb3e427262c8c068d52319");
}

static void test_random(void **state)
{
    uint8_t a[32] = {0}, b[32] = {0};

    (void)state;
    hash_random(a, sizeof(a));
    hash_random(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    assert_true(hash_random_u64() != hash_random_u64());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sip),
        cmocka_unit_test(test_blake2b),
        cmocka_unit_test(test_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
