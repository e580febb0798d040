/* Peer IDs: texts made by go-libp2p's libraries, and what is refused. */
#include "proto/peerid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define ED25519 "12D3KooWEH1gC1KPDasScs1vRKGyya2BbovvUtPbqXMLE57SCw1b"
#define SHA256 "QmRQ353oFNqt8zfZ9X1HgRUszwv9RkEEwmMZZkbkYEsybn"

static const struct {
    const char *text, *base58;
} good[] = {
    {ED25519, ED25519},
    {"k51qzi5uqu5dhu1gwasj5o0yr4rrbkwl8p4q11kstt837i9uwccbwfw1fqpm4i",
     ED25519},
    {"bafzaajaiaejcaqscijbeeqscijbeeqscijbeeqscijbeeqscijbeeqscijbeeqsc",
     ED25519},
    {"z5AanNVJCxnKJ2m4jo6GbZqcPwFSzj8LskNziWTdP4zC7AQTtgHbdDB", ED25519},
    {SHA256, SHA256},
    {"bafzbeibnoelefnzgwbcacyt4vh52ymxvzbjq7mmqhtcnwarfq4lzegsiqe", SHA256},
    {"k2k4r8kjsd17kc2wvlcqrqzt5ts0e9p248cvmc8ahqe1odad0e9qy4ch", SHA256},
};

static void forms(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct peerid id, again;
        struct err_text why = {""};
        char text[LIMIT_PEER_ID_TEXT];
        size_t n;

        if (peerid_parse(good[i].text, strlen(good[i].text), &id, &why) !=
            ERR_OK)
            fail_msg("%s: %s", good[i].text, why.text);
        n = peerid_print(&id, text);
        assert_int_equal(n, strlen(text));
        assert_string_equal(text, good[i].base58);
        assert_int_equal(peerid_from_bytes(id.bytes, id.n, &again, &why),
                         ERR_OK);
        assert_true(peerid_equal(&id, &again));
    }
}

static void from_key(void **state)
{
    uint8_t key[PEERID_KEY];
    struct peerid id, none = {.n = 0};
    char text[LIMIT_PEER_ID_TEXT] = "x";

    (void)state;
    memset(key, 0x42, sizeof(key));
    peerid_from_key(key, &id);
    peerid_print(&id, text);
    assert_string_equal(text, ED25519);
    assert_false(peerid_equal(&id, &none));
    assert_int_equal(peerid_print(&none, text), 0);
    assert_string_equal(text, "");
}

#define NOT_HASH "failed to parse peer ID: input isn't valid multihash"
#define NOT_KEY \
    "failed to parse peer ID: neither a sha2-256 nor an identity multihash " \
    "of a key"

static const struct {
    const char *text, *why;
} bad[] = {
    {"", "failed to parse peer ID: invalid cid: cid too short"},
    {"node-1", "failed to parse peer ID: invalid cid: selected encoding not "
               "supported"},
    {"1", NOT_HASH},
    {"Qm", NOT_HASH},
    {"12D3KooWEH1gC1KPDasScs1vRKGyya2BbovvUtPbqXMLE57SCw1", NOT_HASH},
    {"12D3KooWEH1gC1KPDasScs1vRKGyya2BbovvUtPbqXMLE57SCw1bb", NOT_HASH},
    {"12D3KooWEH1gC1KPDasScs1vRKGyya2BbovvUtPbqXMLE57SCw1O", NOT_HASH},
    {"QmRQ353oFNqt8zfZ9X1HgRUszwv9RkEEwmMZZkbkYEsyb", NOT_HASH},
    {"1111111111111111111111111111111111111111111111111111111111111111111"
     "1111111111111111111111", NOT_HASH},
    {"11", NOT_KEY}, /* 00 00: shorter than any key */
    {"QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n ", NOT_HASH},
    {"bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi",
     "failed to parse peer ID: can't convert CID of codec 0x70 to a peer ID"},
    /* libp2p-key with sha1, and with a key that is too long */
    {"f017211140707070707070707070707070707070707070707", NOT_KEY},
    {"f0172002b0801122000000000000000000000000000000000000000000000000000000"
     "0000000000000000000000000", NOT_KEY},
};

static void refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct err_text why = {""};
        struct peerid id;
        enum err e = peerid_parse(bad[i].text, strlen(bad[i].text), &id,
                                  &why);
        if (e != ERR_INVALID || strcmp(why.text, bad[i].why) != 0)
            fail_msg("%s: %d, %s", bad[i].text, e, why.text);
        assert_int_equal(id.n, 0);
        assert_int_equal(peerid_parse(bad[i].text, strlen(bad[i].text), &id,
                                      NULL), ERR_INVALID);
    }
}

/* Every length of a key that libp2p writes inline prints within the limit. */
static void inline_keys(void **state)
{
    uint8_t bytes[PEERID_MAX + 2];

    (void)state;
    memset(bytes, 0xff, sizeof(bytes));
    bytes[0] = 0;
    for (uint8_t n = 0; n <= PEERID_MAX; n++) {
        struct peerid id, again;
        char text[LIMIT_PEER_ID_TEXT];
        enum err e;

        bytes[1] = n;
        e = peerid_from_bytes(bytes, n + 2u, &id, NULL);
        assert_int_equal(e, n >= 4 && n <= 42 ? ERR_OK : ERR_INVALID);
        assert_int_equal(peerid_from_bytes(bytes, n + 1u, &again, NULL),
                         ERR_INVALID);
        if (e != ERR_OK)
            continue;
        peerid_print(&id, text);
        assert_in_range(strlen(text), 6, LIMIT_PEER_ID_TEXT - 1);
        assert_int_equal(peerid_parse(text, strlen(text), &again, NULL),
                         ERR_OK);
        assert_true(peerid_equal(&id, &again));
    }
}

static void sha256_is_whole(void **state)
{
    uint8_t bytes[2 + 33] = {0x12};
    struct peerid id;

    (void)state;
    for (uint8_t n = 0; n <= 33; n++) {
        bytes[1] = n;
        assert_int_equal(peerid_from_bytes(bytes, n + 2u, &id, NULL),
                         n == 32 ? ERR_OK : ERR_INVALID);
    }
    assert_int_equal(peerid_from_bytes(NULL, 0, &id, NULL), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms),
        cmocka_unit_test(from_key),
        cmocka_unit_test(refused),
        cmocka_unit_test(inline_keys),
        cmocka_unit_test(sha256_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
