/* Pin options of the query: what each text becomes, and the texts of errors
 * (docs/api.md). The parameters come in decoded, as the query parser leaves
 * them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "coordinator/api_add.h"
#include "coordinator/api_options.h"
#include "proto/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WALL = 1700000000 };

static struct api api = {.default_min = 2, .default_max = 3};
static struct view view = {.wall_ms = (uint64_t)WALL * 1000};
static struct view_node nodes[3];
static struct api_call call = {.api = &api, .view = &view,
                               .who = PRINCIPAL_LOCAL};
static struct api_param params[API_PARAMS];
static struct api_options options;
static struct command *command;
static struct err_text why;

static void clear(void)
{
    api_options_free(&options);
    memset(&options, 0, sizeof options);
    free(command);
    command = mem_alloc(sizeof *command);
    for (uint32_t i = 0; i < call.n_params; i++) {
        free(params[i].name);
        free(params[i].value);
    }
    call.n_params = 0;
    call.params = params;
    why.text[0] = '\0';
}

static void with(const char *name, const char *value)
{
    params[call.n_params].name = mem_text(name);
    params[call.n_params++].value = mem_text(value);
}

static enum err parse(void)
{
    return api_options_parse(&call, &options, &command->claim_put, &why);
}

static void one(const char *name, const char *value)
{
    clear();
    with(name, value);
    if (parse() != ERR_OK)
        fail_msg("%s=%s: %s", name, value, why.text);
}

static void bad(const char *name, const char *value, const char *text)
{
    clear();
    with(name, value);
    assert_int_equal(parse(), ERR_INVALID);
    if (strncmp(why.text, text, strlen(text)) != 0)
        fail_msg("%s=%s: \"%s\" does not begin with \"%s\"", name, value,
                 why.text, text);
}

static int setup(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 3; i++) {
        nodes[i].row.id = i + 1;
        memset(nodes[i].row.key, (int)i + 1, TYPES_KEY);
        peerid_from_key(nodes[i].row.key, &nodes[i].peer);
        (void)peerid_print(&nodes[i].peer, nodes[i].peer_text);
    }
    view.nodes = nodes;
    view.n_nodes = 3;
    view.home = 2;
    snprintf(view.self_peer, sizeof view.self_peer,
             "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    clear();
    free(command);
    command = NULL;
    return 0;
}

static void nothing_given(void **state)
{
    const struct command_claim_put *k;

    (void)state;
    clear();
    with("name", "");
    with("replication-min", "");
    with("expire-at", "");
    with("mode", "");
    with("pin-update", "");
    with("unknown", "x");
    assert_int_equal(parse(), ERR_OK);
    k = &command->claim_put;
    assert_int_equal(k->flags, CLAIM_DEFAULT);
    assert_int_equal(k->rmin, 2);
    assert_int_equal(k->rmax, 3);
    assert_int_equal(k->expires_ms, 0);
    assert_false(k->set_name || k->set_expires);
    assert_int_equal(k->name.n + k->meta.n + k->from.n, 0);
    assert_int_equal(k->who, PRINCIPAL_LOCAL);
}

static void factors(const char *min, const char *max, const char *both,
                    int32_t rmin, int32_t rmax)
{
    clear();
    if (min != NULL)
        with("replication-min", min);
    if (max != NULL)
        with("replication-max", max);
    if (both != NULL)
        with("replication", both);
    if (parse() != ERR_OK)
        fail_msg("%s", why.text);
    assert_int_equal(command->claim_put.rmin, rmin);
    assert_int_equal(command->claim_put.rmax, rmax);
}

static void replication(void **state)
{
    (void)state;
    factors("1", "2", NULL, 1, 2);
    assert_int_equal(command->claim_put.flags, 0);
    factors("0", "0", NULL, 2, 3);
    assert_int_equal(command->claim_put.flags, CLAIM_DEFAULT);
    factors(NULL, NULL, "4", 4, 4);
    factors("-1", "-1", NULL, -1, -1);
    factors(NULL, NULL, "-1", -1, -1);
    factors("-1", NULL, NULL, -1, -1);
    factors("1", NULL, NULL, 1, 3);
    factors("1", "2", "4", 4, 4);
    bad("replication-min", "x", "parameter replication-min invalid");
    bad("replication-min", " 1", "parameter replication-min invalid");
    bad("replication-min", "1.5", "parameter replication-min invalid");
    bad("replication-min", "99999999999999999999",
        "parameter replication-min invalid");
    bad("replication-max", "-2", "parameter replication-max invalid");
    bad("replication-max", "17", "parameter replication-max invalid");
    bad("replication", "y", "parameter replication-min invalid");
    bad("replication-min", "5",
        "cluster.replication_factor_min is larger than max");
    clear();
    with("replication-min", "-1");
    with("replication-max", "2");
    assert_int_equal(parse(), ERR_INVALID);
    assert_string_equal(why.text, "cluster.replication_factor_min and max "
                                  "must be -1 when one of them is");
}

static void mode_and_name(void **state)
{
    char name[LIMIT_NAME + 2];

    (void)state;
    one("mode", "direct");
    assert_true((command->claim_put.flags & CLAIM_DIRECT) != 0);
    one("mode", "recursive");
    assert_true((command->claim_put.flags & CLAIM_DIRECT) == 0);
    bad("mode", "deep", "parameter mode invalid");
    one("shard-size", "104857600");
    bad("shard-size", "x", "parameter shard_size is invalid");
    bad("shard-size", "+1", "parameter shard_size is invalid");
    bad("shard-size", " 1", "parameter shard_size is invalid");
    bad("shard-size", "18446744073709551616",
        "parameter shard_size is invalid");
    one("shard-size", "18446744073709551615");
    bad("shard-size", "-1", "parameter shard_size is invalid");
    one("name", "näme");
    assert_true(span_is(command->claim_put.name, "näme"));
    assert_true(command->claim_put.set_name);
    memset(name, 'n', sizeof name);
    name[LIMIT_NAME] = '\0';
    one("name", name);
    name[LIMIT_NAME] = 'n';
    name[LIMIT_NAME + 1] = '\0';
    bad("name", name, "parameter name invalid");
}

static void expiry(void **state)
{
    static const struct {
        const char *text;
        uint64_t ms;
    } at[] = {
        {"1970-01-01T00:00:00Z", 1}, /* 0 would be never */
        {"1970-01-01T00:00:01Z", 1000},
        {"2030-01-02T03:04:05Z", 1893553445000},
        {"2030-01-02T03:04:05.678Z", 1893553445678},
        {"2030-01-02T03:04:05.6789999Z", 1893553445678},
        {"2030-01-02T05:04:05+02:00", 1893553445000},
        {"2030-01-01T22:34:05-04:30", 1893553445000},
        {"2032-02-29T00:00:00Z", 1961625600000},
        {"9999-12-31T23:59:59Z", 253402300799000},
    };
    static const char *const bad_at[] = {
        "tomorrow", "2030-01-02", "2030-01-02T03:04:05", "2030-13-02T00:00:00Z",
        "2030-02-29T00:00:00Z", "2030-01-02 03:04:05Z", "2030-01-02T24:00:00Z",
        "2030-01-02T03:04:05.Z", "2030-01-02T03:04:05+2:00",
        "2030-01-02T03:04:05Zx", "1960-01-01T00:00:00Z", "1893553445"};

    (void)state;
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
        one("expire-at", at[i].text);
        assert_int_equal(command->claim_put.expires_ms, at[i].ms);
        assert_true(command->claim_put.set_expires);
    }
    for (size_t i = 0; i < sizeof bad_at / sizeof bad_at[0]; i++)
        bad("expire-at", bad_at[i],
            "expire-at cannot be parsed: parsing time \"");
    one("expire-at", "0001-01-01T00:00:00Z");
    assert_int_equal(command->claim_put.expires_ms, 0);
    assert_false(command->claim_put.set_expires);
    clear();
    with("expire-in", "72h");
    with("expire-at", "1970-01-01T00:00:01Z"); /* wins */
    assert_int_equal(parse(), ERR_OK);
    assert_int_equal(command->claim_put.expires_ms, 1000);
}

static void durations(void **state)
{
    static const struct {
        const char *text;
        uint64_t ms;
    } good[] = {
        {"1s", 1000}, {"72h", 259200000}, {"1h30m", 5400000},
        {"90m30s", 5430000}, {"1.5s", 1500}, {"1h0.5s", 3600500},
        {"1000ms", 1000}, {"1000000us", 1000}, {"1000000µs", 1000},
        {"1000000000ns", 1000}, {"+2s", 2000}, {".5h", 1800000},
        {"2562047h", 9223369200000},
    };
    static const char *const wrong[] = {"x", "1", "1x", "s", "1s1",
                                        "1 s", "9999999999h", "1..5s", ".", "-",
                                        "-x", "--1s"};

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        one("expire-in", good[i].text);
        assert_int_equal(command->claim_put.expires_ms,
                         view.wall_ms + good[i].ms);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        bad("expire-in", wrong[i],
            "expire-in cannot be parsed: time: invalid duration \"");
    bad("expire-in", "-1h", "expire-in duration too short");
    bad("expire-in", "0", "expire-in duration too short");
    bad("expire-in", "999ms", "expire-in duration too short");
}

static void metadata(void **state)
{
    struct meta m;
    char key[64];

    (void)state;
    clear();
    with("meta-b", "2");
    with("meta-a", "");
    with("meta-", "no key");
    with("meta-b", "3");
    assert_int_equal(parse(), ERR_OK);
    assert_int_equal(meta_decode(command->claim_put.meta, &m, &why), ERR_OK);
    assert_int_equal(m.n_pairs, 2);
    assert_true(span_is(m.pairs[0].key, "a"));
    assert_int_equal(m.pairs[0].value.n, 0);
    assert_true(span_is(m.pairs[1].value, "2"));
    clear();
    for (int i = 0; i <= LIMIT_METADATA_PAIRS; i++) {
        snprintf(key, sizeof key, "meta-%d", i);
        with(key, "v");
    }
    assert_int_equal(parse(), ERR_INVALID);
}

static void policy(void **state)
{
    struct policy p;

    (void)state;
    clear();
    with("replication-min", "2");
    with("replication-max", "3");
    assert_int_equal(parse(), ERR_OK);
    assert_int_equal(command->claim_put.meta.n, 0);
    clear();
    with("replication-min", "2");
    with("replication-max", "3");
    with("pinfold-region", "us,eu");
    with("pinfold-region", "eu");
    with("pinfold-region-denied", "mars");
    with("pinfold-tag", "disk=ssd,a=");
    with("pinfold-tag-denied", "owner=x=y");
    with("pinfold-spread", "zone");
    assert_int_equal(parse(), ERR_OK);
    meta_policy(command->claim_put.meta, &p);
    assert_int_equal(p.required.n, 2);
    assert_true(span_is(p.required.of[0], "eu"));
    assert_int_equal(p.denied.n, 1);
    assert_int_equal(p.must.n, 2);
    assert_int_equal(p.must_not.n, 1);
    assert_int_equal(p.spread, SPREAD_ZONE);
    assert_int_equal(p.min_domains, 2); /* as many as the fewest copies */
    assert_false(p.soft);
    clear();
    with("replication", "3");
    with("pinfold-spread", "zone");
    with("pinfold-min-domains", "3");
    with("pinfold-soft-spread", "true");
    assert_int_equal(parse(), ERR_OK);
    meta_policy(command->claim_put.meta, &p);
    assert_int_equal(p.min_domains, 3);
    assert_true(p.soft);
    assert_int_equal(p.place, PLACE_ANY);
    with("pin-update", "QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n");
    assert_int_equal(parse(), ERR_INVALID);
    assert_non_null(strstr(why.text, "old pin"));
    clear();
    with("pinfold-place-on", "own");
    assert_int_equal(parse(), ERR_OK);
    meta_policy(command->claim_put.meta, &p);
    assert_int_equal(p.place, PLACE_OWN);
    clear();
    with("pinfold-place-on", "any"); /* no rule */
    assert_int_equal(parse(), ERR_OK);
    assert_false(meta_has_policy(command->claim_put.meta));
    bad("pinfold-place-on", "mine", "parameter pinfold-place-on invalid: "
        "\"mine\" is none of own, shared, any");
    bad("pinfold-spread", "planet", "parameter pinfold-spread invalid");
    bad("pinfold-min-domains", "2", "pinfold-min-domains and");
    bad("pinfold-soft-spread", "maybe", "parameter pinfold-soft-spread");
    bad("pinfold-tag", "disk", "policy: tag 'disk' is not key=value");
    bad("pinfold-region", "eu,", "policy: a name is empty");
    bad("pinfold-region", "1,2,3,4,5,6,7,8,9", "parameter pinfold-region "
        "invalid: more than 8");
}

static void expect_priority(const char *word)
{
    assert_int_equal(parse(), ERR_OK);
    assert_string_equal(claim_priority_text(command->claim_put.flags), word);
}

/* By the query, or by metadata, which is all that some clients can set. */
static void priority(void **state)
{
    (void)state;
    clear();
    expect_priority("normal");
    with("pinfold-priority", "low");
    expect_priority("low");
    with("meta-pinfold-priority", "low");
    expect_priority("low");
    clear();
    with("meta-pinfold-priority", "high");
    expect_priority("high");
    assert_int_not_equal(command->claim_put.meta.n, 0); /* it stays */
    with("pinfold-priority", "normal");
    assert_int_equal(parse(), ERR_INVALID);
    assert_non_null(strstr(why.text, "the metadata says otherwise"));
    clear();
    with("pinfold-priority", "high");
    with("pin-update", "QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n");
    assert_int_equal(parse(), ERR_INVALID);
    assert_non_null(strstr(why.text, "takes that of the old pin"));
    bad("pinfold-priority", "urgent", "parameter pinfold-priority invalid: "
        "'urgent' is none of low, normal, high");
    bad("meta-pinfold-priority", "", "parameter pinfold-priority invalid");
}

#define ORIGIN "/ip4/10.0.0.1/tcp/4001/p2p/"                                  \
               "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"

static void origins(void **state)
{
    struct meta m;
    char list[4096] = "";

    (void)state;
    one("origins", ORIGIN "," ORIGIN);
    assert_int_equal(meta_decode(command->claim_put.meta, &m, &why), ERR_OK);
    assert_int_equal(m.n_origins, 2);
    assert_true(span_is(m.origins[1], ORIGIN));
    bad("origins", "xx", "error decoding multiaddress: failed to parse "
                         "multiaddr \"xx\": must begin with /");
    bad("origins", "/ip4/10.0.0.1/tcp/4001",
        "multiaddress does not contain peer ID: protocol not found in "
        "multiaddr");
    for (int i = 0; i <= LIMIT_ORIGINS; i++)
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s",
                 i > 0 ? "," : "", ORIGIN);
    bad("origins", list, "origins: more than");
    memset(list, '/', 1000);
    list[1000] = '\0';
    bad("origins", list, "error decoding multiaddress");
}

static void allocations(void **state)
{
    struct meta m;
    char list[512];

    (void)state;
    /* a bad one, an unknown one, a good one twice, the coordinator itself */
    snprintf(list, sizeof list, "nonsense,12D3KooWEyoppNCUx8Yx66oV9fJnriXwCc"
             "XwDDUA2kj6vnc6iDEp,%s,%s,%s", nodes[2].peer_text,
             nodes[2].peer_text, view.self_peer);
    one("user-allocations", list);
    assert_int_equal(meta_decode(command->claim_put.meta, &m, &why), ERR_OK);
    assert_int_equal(m.n_allocations, 2);
    assert_true(peerid_equal(&m.allocations[0], &nodes[2].peer));
    assert_true(peerid_equal(&m.allocations[1], &nodes[1].peer));
    one("user-allocations", "nonsense");
    assert_int_equal(command->claim_put.meta.n, 0);
}

static void pin_update(void **state)
{
    (void)state;
    one("pin-update", "QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n");
    assert_true(command->claim_put.from.n > 0);
    bad("pin-update", "xx",
        "error decoding update option parameter: invalid cid");
}

static enum err add_parse(struct add_parameters *p, struct buf *query)
{
    buf_reset(query);
    memset(p, 0, sizeof *p);
    return add_parameters_parse(&call, p, query, &why);
}

static void add_parameters(void **state)
{
    struct add_parameters p;
    struct buf q = BUF_INIT;
    char big[400];

    (void)state;
    clear();
    assert_int_equal(add_parse(&p, &q), ERR_OK);
    assert_true(p.stream && !p.progress && !p.local && !p.no_pin);
    assert_string_equal(buf_cstr(&q),
        "chunker=size-262144&hash=sha2-256&cid-version=0&raw-leaves=false&"
        "trickle=false&wrap-with-directory=false&hidden=false&"
        "progress=false&pin=false");
    with("cid-version", "1");
    with("chunker", "a b&c=d/%");
    with("layout", "trickle");
    with("stream-channels", "F");
    with("progress", "1");
    with("shard-size", "104857600");
    with("format", "unixfs");
    assert_int_equal(add_parse(&p, &q), ERR_OK);
    assert_false(p.stream);
    assert_non_null(strstr(buf_cstr(&q), "chunker=a%20b%26c%3Dd%2F%25&"));
    assert_non_null(strstr(buf_cstr(&q), "raw-leaves=true&trickle=true&"));
    assert_non_null(strstr(buf_cstr(&q), "progress=true&pin=false"));
    clear();
    with("cid-version", "1");
    with("raw-leaves", "false");
    assert_int_equal(add_parse(&p, &q), ERR_OK);
    assert_non_null(strstr(buf_cstr(&q), "raw-leaves=false"));
    with("format", "car");
    assert_int_equal(add_parse(&p, &q), ERR_OK);
    assert_true(p.car);
    assert_int_equal(q.n, 0);
    with("wrap-with-directory", "t");
    assert_int_equal(add_parse(&p, &q), ERR_INVALID);
    assert_string_equal(why.text, "cannot wrap a CAR file upload");
    memset(big, '/', sizeof big); /* three times as long when escaped */
    big[sizeof big - 1] = '\0';
    {
        const char *cases[][3] = {
            {"cid-version", "x", "parameter cid-version invalid"},
            {"cid-version", " 1", "parameter cid-version invalid"},
            {"cid-version", "7",
             "bad CID Version: unknown CID version: 7"},
            {"cid-version", "-1",
             "bad CID Version: unknown CID version: -1"},
            {"layout", "x", "layout parameter is invalid"},
            {"format", "x", "format parameter is invalid"},
            {"hidden", "maybe", "parameter hidden invalid"},
            {"recursive", "2", "parameter recursive invalid"},
            {"shard", "true", "sharding is not supported"},
            {"nocopy", "true", "nocopy is not supported"},
            {"stream-channels", "x", "parameter stream-channels invalid"},
            {"chunker", big, "parameter chunker invalid"},
            {"hash", big, "parameter hash invalid"},
        };

        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            clear();
            with(cases[i][0], cases[i][1]);
            assert_int_equal(add_parse(&p, &q), ERR_INVALID);
            assert_string_equal(why.text, cases[i][2]);
        }
    }
    buf_free(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_given),
        cmocka_unit_test(replication),
        cmocka_unit_test(mode_and_name),
        cmocka_unit_test(expiry),
        cmocka_unit_test(durations),
        cmocka_unit_test(metadata),
        cmocka_unit_test(policy),
        cmocka_unit_test(priority),
        cmocka_unit_test(origins),
        cmocka_unit_test(allocations),
        cmocka_unit_test(pin_update),
        cmocka_unit_test(add_parameters),
    };

    return cmocka_run_group_tests_name("api_options", tests, setup,
                                       teardown);
}
