/* CIDs: texts of every base made by go-cid, and what is refused. */
#include "proto/cid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { FORMS = CID_FORM_B36 + 1 };

static struct cid parse(const char *text, enum cid_form *form)
{
    struct cid c;
    struct err_text why;
    enum cid_form unused;

    if (cid_parse(text, strlen(text), &c, form ? form : &unused, &why) !=
        ERR_OK)
        fail_msg("%s: %s", text, why.text);
    return c;
}

/* One value in each form, in the order of enum cid_form. */
static const char *const vectors[][FORMS] = {
    {"QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n",
     "bafybeihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",
     "zdj7Wkkhxcu2rsiN6GUyHCLsSLL47kdUNfjbFqBUUhMFTZKBi",
     "f01701220e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b"
     "855",
     "uAXASIOOwxEKY_BwUmvv0yJlvuSQnrkHkZJuTTKSVmRt4UrhV",
     "k2jmtxx1epa2wl096hsbpuhrz9xhppklonehzwkmskc9rmeb51kwn4ut"},
    {NULL, "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi",
     "zdj7Wic6KcJAfWz1c9o4M6kq9Lwd5BfbxkVafnrojaaGiSFxM",
     "f01701220c3c4733ec8affd06cf9e9ff50ffc6bcd2ec85a6170004bb709669c31de943"
     "91a",
     "uAXASIMPEcz7Ir_0Gz56f9Q_8a80uyFphcABLtwlmnDHelDka",
     "k2jmtxw8rjh1z69c6not3wtdxb0u3urbzhyll1t9jg6ox26dhi5sfi1m"},
    {"QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn", /* empty folder */
     "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354",
     "zdj7WbTaiJT1fgatdet9Ei9iDB5hdCxkbVyhyh8YTUnXMiwYi",
     "f0170122059948439065f29619ef41280cbb932be52c56d99c5966b65e0111239f098b"
     "bef",
     "uAXASIFmUhDkGXylhnvQSgMu5Mr5SxW2ZxZZrZeAREjnwmLvv",
     "k2jmtxtlhjl3fhmgndf92e48by79ryjuvqp3y2qgehpao6v3lurvnmcv"},
    {NULL, "bafkqablimvwgy3y", "zz38RSTEEJSA", "f0155000568656c6c6f",
     "uAVUABWhlbGxv", "k56om9dv6jyc1b"}, /* identity: hello */
    {NULL, "bafkqaaa", "z2yYDV", "f01550000", "uAVUAAA", "kdaznk"},
    {NULL, /* dag-cbor, 64 bytes */
     "bafyrgqh77777777777777777777777777777777777777777777777777777777777777"
     "7777777777777777777777777777777777777776",
     "zBwW8ZuFqhudz39EKejtfP7MnB9ywAAUFxwPpGxeG6hM49HDd1PfNSDV3Me9WWDbU6Y9Uh"
     "mTATko8YSDM26yLxfU9dzXp",
     "f01711340fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
     "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
     "uAXETQP_______________________________________________________________"
     "_____________________8",
     "kga9pmutr95eckx1zhjfy6do0hwwtj97muoouyybbwao6oulxl62xidbv48y196awn8n18"
     "cbc3i1tj0rulaa8iatrvkhuel0j5zjo7fun"},
    {NULL, /* git-raw, sha1 */
     "baf4bcfaha4dqobyha4dqobyha4dqobyha4dqoby",
     "z8mWaFKKvJ4cnDx8q68rZt9TJ1wXjYzFY",
     "f017811140707070707070707070707070707070707070707",
     "uAXgRFAcHBwcHBwcHBwcHBwcHBwcHBwcH", "kc6siyj5sk68rb6ll1ov8uow2a9ghejn"
     "vo16v"},
    {NULL, /* dag-json, blake2b-256 */
     "baguqfiheaiqascijbeeqscijbeeqscijbeeqscijbeeqscijbeeqscijbeeqsci",
     "z25sX6LgHoXuPAYKSmb5Ke9QzHefxGmWrYdwaFgBnHopSU1DT88Jg8",
     "f01a902a0e402200909090909090909090909090909090909090909090909090909090"
     "909090909",
     "uAakCoOQCIAkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJ",
     "ktcwjr2drpfh3v2d8iiv1tnv1zou5r3ozw1qiv886bzvdaqvz7vxahaqyps9"},
};

enum { VECTORS = sizeof(vectors) / sizeof(vectors[0]) };

static void every_base_is_one_pin(void **state)
{
    (void)state;
    for (int i = 0; i < VECTORS; i++) {
        struct cid first = parse(vectors[i][CID_FORM_B32], NULL);
        for (int k = 0; k < FORMS; k++) {
            char text[LIMIT_CID_TEXT];
            enum cid_form form;
            struct cid c;
            size_t n;

            if (vectors[i][k] == NULL)
                continue;
            c = parse(vectors[i][k], &form);
            assert_int_equal(form, k);
            assert_true(cid_equal(&c, &first));
            n = cid_print(&c, form, text);
            assert_int_equal(n, strlen(text));
            assert_string_equal(text, vectors[i][k]);
        }
        for (int k = 0; i > 0 && k < FORMS; k++) {
            struct cid other = parse(vectors[i - 1][CID_FORM_B32], NULL);
            assert_false(cid_equal(&first, &other));
        }
    }
}

static void v0_only_where_it_exists(void **state)
{
    char text[LIMIT_CID_TEXT];
    struct cid c = parse(vectors[1][CID_FORM_B32], NULL);

    (void)state;
    cid_print(&c, CID_FORM_V0, text);
    assert_string_equal(text,
                        "QmbWqxBEKC3P8tqsKc98xmWNzrzDtRLMiMPL8wBuTGsMnR");
    c = parse("bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy",
              NULL);
    cid_print(&c, CID_FORM_V0, text);
    assert_string_equal(text, "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiyms"
                              "ck7e7aqa4s52zy");
    c = parse("bafkqablimvwgy3y", NULL);
    cid_print(&c, CID_FORM_V0, text);
    assert_string_equal(text, "bafkqablimvwgy3y");
}

static void parts(void **state)
{
    struct cid c = parse(vectors[0][CID_FORM_V0], NULL);
    struct span s = cid_multihash(&c);

    (void)state;
    assert_int_equal(c.n, 36);
    assert_memory_equal(c.bytes, "\x01\x70\x12\x20\xe3\xb0\xc4", 7);
    assert_int_equal(cid_codec(&c), CID_CODEC_DAG_PB);
    assert_int_equal(s.n, 34);
    assert_ptr_equal(s.p, c.bytes + 2);
    c = parse(vectors[7][CID_FORM_B32], NULL); /* two-byte codec */
    s = cid_multihash(&c);
    assert_int_equal(cid_codec(&c), 0x129);
    assert_memory_equal(s.p, "\xa0\xe4\x02\x20\x09", 5);
    assert_int_equal(s.n, 36);
}

static const struct {
    const char *text, *why;
} bad[] = {
    {"", "invalid cid: cid too short"},
    {"b", "invalid cid: cid too short"},
    {"xx", "invalid cid: selected encoding not supported"},
    {"Qmxx", "invalid cid: selected encoding not supported"},
    {"QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1",
     "invalid cid: selected encoding not supported"},
    {"QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1nn",
     "invalid cid: selected encoding not supported"},
    {"QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR10",
     "invalid cid: input isn't valid multihash"},
    /* 46 characters that are another value than 12 20 … */
    {"Qmzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
     "invalid cid: invalid hash for cidv0 18-34"},
    {"BAFYBEIGDYRZT5SFP7UDM7HU76UH7Y26NF3EFUYLQABF3OCLGTQY55FBZDI",
     "invalid cid: selected encoding not supported"},
    {"mAXASIA", "invalid cid: selected encoding not supported"},
    {"bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzd1",
     "invalid cid: illegal base32 data at input byte 57"},
    {"b1fybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi",
     "invalid cid: illegal base32 data at input byte 0"},
    {"bafyBeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi",
     "invalid cid: illegal base32 data at input byte 3"},
    /* Padding bits that are not zero; a character that adds no byte. */
    {"bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdj",
     "invalid cid: illegal base32 data: the last characters do not end a "
     "byte"},
    {"bafkqablimvwgy3yaa",
     "invalid cid: illegal base32 data: the last characters do not end a "
     "byte"},
    {"uAVUA", "invalid cid: multihash too short. must be >= 2 bytes"},
    {"uAVUAAAB", "invalid cid: illegal base64 data: the last characters do "
                 "not end a byte"},
    {"f0155000568656c6c6", "invalid cid: illegal base16 data: the last "
                           "characters do not end a byte"},
    {"f0155000568656C6C6F", "invalid cid: illegal base16 data at input "
                            "byte 13"},
    {"zz38RSTEEJSl", "invalid cid: illegal base58 data at input byte 10"},
    {"k56om9dv6jyc1B", "invalid cid: illegal base36 data at input byte 12"},
    {"uAVUABWhlbGx+", "invalid cid: illegal base64 data at input byte 11"},
    /* Bytes that are no CID. */
    {"zz", "invalid cid: expected 1 as the cid version number, got: 57"},
    {"f0255122020",
     "invalid cid: expected 1 as the cid version number, got: 2"},
    {"zQmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n",
     "invalid cid: expected 1 as the cid version number, got: 18"},
    {"f01", "invalid cid: varints malformed, could not reach the end"},
    {"f01ff", "invalid cid: varints malformed, could not reach the end"},
    {"f8100550000", "invalid cid: varint not minimally encoded"},
    {"f01d5000000", "invalid cid: varint not minimally encoded"},
    {"f01559200140000", "invalid cid: varint not minimally encoded"},
    {"f0155008500", "invalid cid: varint not minimally encoded"},
    {"f01ffffffffffffffffff010000",
     "invalid cid: varints larger than uint63 not supported"},
    {"f0155", "invalid cid: multihash too short. must be >= 2 bytes"},
    {"f015512", "invalid cid: multihash too short. must be >= 2 bytes"},
    {"f01551220", "invalid cid: length greater than remaining number of "
                  "bytes in buffer"},
    {"f0155000568656c6c", "invalid cid: length greater than remaining number "
                          "of bytes in buffer"},
    {"f0155000568656c6c6f00", "invalid cid: trailing bytes"},
    /* Digests. */
    {"f01551214070707070707070707070707070707070707070707",
     "invalid cid: sha2-256 digest of 20 bytes, not 32"},
    {"f0155111307070707070707070707070707070707070707",
     "invalid cid: digest of 19 bytes, not 20 to 64"},
    {"f0155134107", "invalid cid: digest of 65 bytes, not 20 to 64"},
    {"f015500810100", "invalid cid: identity digest of 129 bytes, at most "
                      "128"},
    {"f015500ffffffffffffffff7f",
     "invalid cid: identity digest of 9223372036854775807 bytes, at most "
     "128"},
};

static void refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct err_text why = {""};
        struct cid c;
        enum cid_form form;
        enum err e = cid_parse(bad[i].text, strlen(bad[i].text), &c, &form,
                               &why);

        if (e != ERR_INVALID || strcmp(why.text, bad[i].why) != 0)
            fail_msg("%s: %d, %s", bad[i].text, e, why.text);
        assert_int_equal(c.n, 0);
        assert_int_equal(cid_parse(bad[i].text, strlen(bad[i].text), &c,
                                   &form, NULL),
                         ERR_INVALID);
    }
}

static void long_texts(void **state)
{
    static const char prefixes[] = "bzfuk";
    char text[4096];
    struct err_text why;
    struct cid c;
    enum cid_form form;

    (void)state;
    for (const char *p = prefixes; *p; p++) {
        for (size_t n = 2; n < sizeof(text); n += n / 400 + 1) {
            memset(text, '2', n);
            text[0] = *p;
            assert_int_equal(cid_parse(text, n, &c, &form, &why),
                             ERR_INVALID);
            memset(text + 1, '1', n - 1);
            assert_int_equal(cid_parse(text, n, &c, &form, &why),
                             ERR_INVALID);
            assert_memory_equal(why.text, "invalid cid: ", 13);
        }
    }
}

static void identity_limits(void **state)
{
    uint8_t bytes[5 + LIMIT_IDENTITY + 1] = {1, CID_CODEC_RAW, 0, 0x80, 1};
    struct cid c, again;
    struct err_text why;

    (void)state;
    assert_int_equal(cid_from_bytes(bytes, 5 + LIMIT_IDENTITY, &c, &why),
                     ERR_OK);
    for (int k = CID_FORM_B32; k < FORMS; k++) {
        char text[LIMIT_CID_TEXT];
        cid_print(&c, (enum cid_form)k, text);
        again = parse(text, NULL);
        assert_true(cid_equal(&c, &again));
    }
    bytes[3] = 0x81;
    assert_int_equal(cid_from_bytes(bytes, sizeof(bytes), &c, &why),
                     ERR_INVALID);
    assert_int_equal(c.n, 0);
}

static void canonical_bytes(void **state)
{
    struct cid c = parse(vectors[0][CID_FORM_V0], NULL), d;
    struct err_text why;
    uint8_t bytes[LIMIT_CID + 1] = {1};

    (void)state;
    assert_int_equal(cid_from_bytes(c.bytes, c.n, &d, &why), ERR_OK);
    assert_true(cid_equal(&c, &d));
    for (size_t n = 0; n < c.n; n++)
        assert_int_equal(cid_from_bytes(c.bytes, n, &d, &why), ERR_INVALID);
    /* The multihash alone is a v0 CID, not a canonical one. */
    assert_int_equal(cid_from_bytes(c.bytes + 2, c.n - 2u, &d, &why),
                     ERR_INVALID);
    assert_int_equal(cid_from_bytes(bytes, sizeof(bytes), &d, &why),
                     ERR_INVALID);
}

/* Any length, any number of leading zeros, against each other. */
static void base58_round_trips(void **state)
{
    uint8_t bytes[LIMIT_CID] = {0}, again[LIMIT_CID];
    char text[LIMIT_CID_TEXT];
    uint32_t seed = 1;

    (void)state;
    for (size_t n = 0; n <= sizeof(bytes); n++) {
        for (size_t zeros = 0; zeros <= n; zeros += 1 + zeros / 2) {
            for (size_t i = 0; i < n; i++) {
                seed = seed * 1664525 + 1013904223;
                bytes[i] = i < zeros ? 0 : (uint8_t)(seed >> 24);
            }
            size_t length = cid_base58_encode(bytes, n, text, sizeof(text));
            assert_int_equal(length, strlen(text));
            assert_int_equal(
                cid_base58_decode(text, length, again, sizeof(again)), n);
            assert_memory_equal(bytes, again, n);
            if (n > 0)
                assert_int_equal(
                    cid_base58_decode(text, length, again, n - 1), -1);
        }
    }
}

static void uvarints(void **state)
{
    uint64_t v = 7;

    (void)state;
    assert_int_equal(cid_uvarint((const uint8_t *)"", 0, &v), 0);
    assert_int_equal(cid_uvarint((const uint8_t *)"\0", 1, &v), 1);
    assert_int_equal(v, 0);
    assert_int_equal(cid_uvarint((const uint8_t *)"\x80\x00", 2, &v), 0);
    assert_int_equal(cid_uvarint((const uint8_t *)"\xac\x02\x01", 3, &v), 2);
    assert_int_equal(v, 300);
    assert_int_equal(cid_uvarint((const uint8_t *)"\xac\x02", 1, &v), 0);
    assert_int_equal(cid_uvarint((const uint8_t *)"\xff\xff\xff\xff\xff\xff"
                                                  "\xff\xff\x7f", 9, &v), 9);
    assert_true(v == INT64_MAX);
    assert_int_equal(cid_uvarint((const uint8_t *)"\xff\xff\xff\xff\xff\xff"
                                                  "\xff\xff\xff\x01", 10,
                                 &v), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_base_is_one_pin),
        cmocka_unit_test(v0_only_where_it_exists),
        cmocka_unit_test(parts),
        cmocka_unit_test(refused),
        cmocka_unit_test(long_texts),
        cmocka_unit_test(identity_limits),
        cmocka_unit_test(canonical_bytes),
        cmocka_unit_test(base58_round_trips),
        cmocka_unit_test(uvarints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
