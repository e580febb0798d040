/* Multiaddrs: what passes, texts of what does not, what is taken out. */
#include "proto/maddr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define A "12D3KooWEH1gC1KPDasScs1vRKGyya2BbovvUtPbqXMLE57SCw1b"
#define B "QmRQ353oFNqt8zfZ9X1HgRUszwv9RkEEwmMZZkbkYEsybn"
#define B_CID "bafzbeibnoelefnzgwbcacyt4vh52ymxvzbjq7mmqhtcnwarfq4lzegsiqe"

static const struct {
    const char *text;
    const char *peer; /* base58, or NULL */
    bool loopback;
} good[] = {
    {"/ip4/127.0.0.1/tcp/4001", NULL, true},
    {"/ip4/127.255.0.1", NULL, true},
    {"/ip4/128.0.0.1/tcp/4001/", NULL, false},
    {"/ip6/::1/tcp/4001", NULL, true},
    {"/ip6/0:0:0:0:0:0:0:1", NULL, true},
    {"/ip6/::ffff:127.0.0.1/tcp/1", NULL, false},
    {"/ip6/fe80::1/udp/4001/quic-v1", NULL, false},
    {"/ip4/10.0.0.1/tcp/4001/p2p/" A, A, false},
    {"/ip4/10.0.0.1/tcp/4001/p2p/" A "/p2p-circuit/p2p/" B, B, false},
    {"/ip4/10.0.0.1/tcp/4001/p2p/" A "/p2p-circuit", A, false},
    {"/p2p/" B_CID, B, false},
    {"/dns/a.example/tcp/443/wss", NULL, false},
    {"/dns4/a_b.example/tcp/80/ws/p2p/" A, A, false},
    {"/dns6/localhost/tcp/65535", NULL, true},
    {"/dns/localhost.example/tcp/0", NULL, false},
    {"/unix/run/kubo.sock", NULL, true},
    {"/unix/a b/p2p/" A, NULL, true},
    {"/tcp/80", NULL, false},
};

static void accepted(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct err_text why = {""};
        struct peerid id;
        char text[LIMIT_PEER_ID_TEXT];

        if (maddr_check(good[i].text, &why) != ERR_OK)
            fail_msg("%s: %s", good[i].text, why.text);
        if (maddr_is_loopback(good[i].text) != good[i].loopback)
            fail_msg("%s: loopback", good[i].text);
        assert_int_equal(maddr_peer(good[i].text, &id), good[i].peer != NULL);
        if (good[i].peer) {
            peerid_print(&id, text);
            assert_string_equal(text, good[i].peer);
        }
    }
}

#define NO "failed to parse multiaddr "

static const struct {
    const char *text, *why;
} bad[] = {
    {"", NO "\"\": empty multiaddr"},
    {"//", NO "\"\": empty multiaddr"},
    {"xx", NO "\"xx\": must begin with /"},
    {"ip4/1.2.3.4/tcp/1", NO "\"ip4/1.2.3.4/tcp/1\": must begin with /"},
    {"/ip4", NO "\"/ip4\": unexpected end of multiaddr"},
    {"/ip4/", NO "\"/ip4\": unexpected end of multiaddr"},
    {"/ip4//tcp/1", NO "\"/ip4//tcp/1\": invalid value \"\" for protocol "
                       "ip4"},
    {"//ip4/1.2.3.4", NO "\"//ip4/1.2.3.4\": unknown protocol "},
    {"/ip4/1.2.3.4//tcp/1", NO "\"/ip4/1.2.3.4//tcp/1\": unknown protocol "},
    {"/ip4/1.2.3.256/tcp/1", NO "\"/ip4/1.2.3.256/tcp/1\": invalid value "
                                "\"1.2.3.256\" for protocol ip4"},
    {"/ip4/1.2.3/tcp/1", NO "\"/ip4/1.2.3/tcp/1\": invalid value \"1.2.3\" "
                            "for protocol ip4"},
    {"/ip6/127.0.0.1", NO "\"/ip6/127.0.0.1\": invalid value \"127.0.0.1\" "
                          "for protocol ip6"},
    {"/ip6/0000:0000:0000:0000:0000:ffff:255.255.255.2551",
     NO "\"/ip6/0000:0000:0000:0000:0000:ffff:255.255.255.2551\": invalid "
        "value \"0000:0000:0000:0000:0000:ffff:255.255.255.2551\" for "
        "protocol ip6"},
    {"/tcp/65536", NO "\"/tcp/65536\": invalid value \"65536\" for protocol "
                      "tcp"},
    {"/tcp/-1", NO "\"/tcp/-1\": invalid value \"-1\" for protocol tcp"},
    {"/udp/4001x", NO "\"/udp/4001x\": invalid value \"4001x\" for protocol "
                      "udp"},
    {"/tcp/000080", NO "\"/tcp/000080\": invalid value \"000080\" for "
                       "protocol tcp"},
    {"/dns/a b", NO "\"/dns/a b\": invalid value \"a b\" for protocol dns"},
    {"/dns4/a\n\"", NO "\"/dns4/a\\x0a\\\"\": invalid value \"a\\x0a\\\"\" "
                       "for protocol dns4"},
    {"/onion/x:1", NO "\"/onion/x:1\": unknown protocol onion"},
    {"/IP4/1.2.3.4", NO "\"/IP4/1.2.3.4\": unknown protocol IP4"},
    {"/quic-v1/1", NO "\"/quic-v1/1\": unknown protocol 1"},
    {"/unix", NO "\"/unix\": unexpected end of multiaddr"},
    {"/p2p/xx", NO "\"/p2p/xx\": invalid value \"xx\" for protocol p2p"},
    {"/unix/a\x01", NO "\"/unix/a\\x01\": invalid value \"/a\\x01\" for "
                       "protocol unix"},
};

static void refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct err_text why = {""};
        struct peerid id;
        enum err e = maddr_check(bad[i].text, &why);

        if (e != ERR_INVALID || strcmp(why.text, bad[i].why) != 0)
            fail_msg("%s: %d, %s", bad[i].text, e, why.text);
        assert_int_equal(maddr_check(bad[i].text, NULL), ERR_INVALID);
        assert_false(maddr_is_loopback(bad[i].text));
        assert_false(maddr_peer(bad[i].text, &id));
    }
}

static void bad_tail_is_bad_whole(void **state)
{
    struct peerid id;

    (void)state;
    assert_false(maddr_peer("/p2p/" A "/tcp/x", &id));
    assert_false(maddr_is_loopback("/ip4/127.0.0.1/tcp/x"));
}

static void lengths(void **state)
{
    char text[LIMIT_MULTIADDR + 3];
    struct err_text why = {""};

    (void)state;
    text[0] = 0;
    while (strlen(text) < LIMIT_MULTIADDR)
        memcpy(text + strlen(text), "/tcp/123", 9);
    assert_int_equal(strlen(text), LIMIT_MULTIADDR);
    assert_int_equal(maddr_check(text, &why), ERR_OK);
    memcpy(text + LIMIT_MULTIADDR - 1, "45", 3);
    assert_int_equal(maddr_check(text, &why), ERR_INVALID);
    assert_non_null(strstr(why.text, "...\": too long"));
}

static const struct {
    const char *text, *host; /* NULL: refused */
    uint16_t port;
    bool is_unix;
    const char *why;
} addrs[] = {
    {"/ip4/127.0.0.1/tcp/5001", "127.0.0.1", 5001, false, NULL},
    {"/ip6/::1/tcp/0", "::1", 0, false, NULL},
    {"/ip6/0::0:DB8/tcp/1", "::db8", 1, false, NULL},
    {"/dns4/kubo/tcp/5001", "kubo", 5001, false, NULL},
    {"/unix/run/kubo.sock", "/run/kubo.sock", 0, true, NULL},
    {"/ip4/127.0.0.1", NULL, 0, false, "has no /tcp/ port"},
    {"/ip4/127.0.0.1/udp/1", NULL, 0, false, "has no /tcp/ port"},
    {"/ip4/127.0.0.1/tcp/x", NULL, 0, false, "invalid value"},
    {"/tcp/80", NULL, 0, false, "must begin with ip4, ip6, dns or unix"},
    {"/p2p/" A, NULL, 0, false, "must begin with ip4, ip6, dns or unix"},
    {"/ip4/127.0.0.1/tcp/1/p2p/" A, NULL, 0, false, "nothing may follow"},
    {"127.0.0.1:80", NULL, 0, false, "must begin with /"},
};

static void to_addr(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(addrs) / sizeof(addrs[0]); i++) {
        struct err_text why = {""};
        struct addr a;
        enum err e = maddr_to_addr(addrs[i].text, &a, &why);

        if ((e == ERR_OK) != (addrs[i].host != NULL))
            fail_msg("%s: %s", addrs[i].text, why.text);
        if (e != ERR_OK) {
            if (!strstr(why.text, addrs[i].why))
                fail_msg("%s: %s", addrs[i].text, why.text);
            continue;
        }
        assert_string_equal(a.host, addrs[i].host);
        assert_int_equal(a.port, addrs[i].port);
        assert_int_equal(a.is_unix, addrs[i].is_unix);
    }
}

static void long_path(void **state)
{
    char text[LIMIT_MULTIADDR];
    struct addr a;

    (void)state;
    memset(text, 'a', sizeof(text));
    memcpy(text, "/unix/", 6);
    text[5 + ADDR_HOST_MAX] = 0;
    assert_int_equal(maddr_to_addr(text, &a, NULL), ERR_OK);
    assert_int_equal(strlen(a.host), ADDR_HOST_MAX);
    text[5 + ADDR_HOST_MAX] = 'a';
    text[6 + ADDR_HOST_MAX] = 0;
    assert_int_equal(maddr_to_addr(text, &a, NULL), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepted),
        cmocka_unit_test(refused),
        cmocka_unit_test(bad_tail_is_bad_whole),
        cmocka_unit_test(lengths),
        cmocka_unit_test(to_addr),
        cmocka_unit_test(long_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
