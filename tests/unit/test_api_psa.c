/* The Pinning Service API without sockets: bodies, filters, ids, objects. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "coordinator/api_psa.h"

#include <stdio.h>
#include <string.h>

#define CID "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
#define PEER "12D3KooWShd9FjdJgs6oRoqxJ5GmAVQdEJwekRrKLsgY1hrC2y3K"

static struct err_text why;

static enum err parse(const char *json, struct psa_pin *pin)
{
    memset(pin, 0, sizeof *pin);
    why.text[0] = '\0';
    return psa_pin_parse(span_text(json), pin, &why);
}

static void bodies(void **state)
{
    static struct psa_pin pin;
    static const struct {
        const char *json, *why;
    } bad[] = {
        {"", ""}, {"[]", "not a JSON object"}, {"{}", "cid: missing"},
        {"{\"cid\":1}", "cid: not a string"},
        {"{\"cid\":\"x\"}", "cid: "},
        {"{\"cid\":\"" CID "\",\"cid\":\"x\"}", "cid: given twice"},
        {"{\"cid\":\"" CID "\",\"\\u0063id\":1}", "cid: given twice"},
        {"{\"meta\":{},\"cid\":\"" CID "\",\"meta\":{}}",
         "meta: given twice"},
        {"{\"cid\":\"" CID "\",\"name\":1}", "name: not a string"},
        {"{\"cid\":\"" CID "\",\"meta\":{\"a\":1}}", "value of 'a'"},
        {"{\"cid\":\"" CID "\",\"meta\":1}", "meta: not an object"},
        {"{\"cid\":\"" CID "\",\"origins\":{}}", "origins: not an array"},
        {"{\"cid\":\"" CID "\",\"origins\":[\"x\"]}", "not a multiaddr"},
    };

    (void)state;
    for (size_t k = 0; k < sizeof bad / sizeof bad[0]; k++) {
        assert_int_equal(parse(bad[k].json, &pin), ERR_INVALID);
        assert_non_null(strstr(why.text, bad[k].why));
        assert_true(why.text[0] != '\0');
        psa_pin_free(&pin);
    }
    assert_int_equal(
        parse("{\"x\":[1],\"x\":{\"cid\":1},\"cid\":\"" CID "\","
              "\"name\":\"\\u00e9\","
              "\"meta\":{\"b\":\"2\",\"a\":\"\\n\"},\"origins\":["
              "\"/ip4/1.2.3.4/tcp/1/p2p/" PEER "\","
              "\"/ip4/1.2.3.4/tcp/1/p2p/" PEER "\",\"/nobody/knows\"]}",
              &pin), ERR_OK);
    assert_int_equal(pin.form, CID_FORM_B32);
    assert_true(span_is(span_buf(&pin.name), "é"));
    assert_int_equal(pin.doc.n_pairs, 2);
    assert_true(span_is(pin.doc.pairs[0].key, "a"));
    assert_true(span_is(pin.doc.pairs[0].value, "\n"));
    assert_int_equal(pin.doc.n_origins, 1);
    psa_pin_free(&pin);
}

static void priorities(void **state)
{
    static struct psa_pin pin, other;

    (void)state;
    assert_int_equal(parse("{\"cid\":\"" CID "\",\"meta\":{"
                           "\"pinfold-priority\":\"high\"}}", &pin), ERR_OK);
    assert_string_equal(claim_priority_text(pin.flags), "high");
    psa_pin_free(&pin);
    assert_int_equal(parse("{\"cid\":\"" CID "\",\"meta\":{"
                           "\"pinfold-priority\":\"x\"}}", &other),
                     ERR_INVALID);
    assert_non_null(strstr(why.text, "'x' is none of low, normal, high"));
    psa_pin_free(&other);
}

static enum err ask(const char *name, const char *value, struct psa_query *q)
{
    static char n[32], v[1024];
    static struct api_param param = {n, v};
    static struct api_call call = {.params = &param, .n_params = 1};

    snprintf(n, sizeof n, "%s", name);
    snprintf(v, sizeof v, "%s", value);
    psa_query_free(q);
    memset(q, 0, sizeof *q);
    why.text[0] = '\0';
    return psa_query_parse(&call, q, &why);
}

static void filters(void **state)
{
    static struct psa_query q;
    static const char *const bad[][2] = {
        {"limit", "0"}, {"limit", "1001"}, {"limit", "x"}, {"limit", "-1"},
        {"status", "pinned,"}, {"status", ","}, {"status", "lost"},
        {"match", "EXACT"}, {"meta", "map[k:v]"}, {"meta", "{\"a\":1}"},
        {"cid", "x"}, {"cid", CID ","}, {"before", "now"},
        {"after", "2020-02-30T00:00:00Z"},
    };

    (void)state;
    for (size_t k = 0; k < sizeof bad / sizeof bad[0]; k++) {
        assert_int_equal(ask(bad[k][0], bad[k][1], &q), ERR_INVALID);
        assert_non_null(strstr(why.text, bad[k][0]));
    }
    assert_int_equal(ask("none", "", &q), ERR_OK);
    assert_int_equal(q.limit, 10);
    assert_int_equal(q.statuses, 1U << REQUEST_PINNED);
    assert_true(q.after_ms == 0 && q.before_ms == UINT64_MAX);
    assert_int_equal(ask("status", "failed,pinned,pinning,queued", &q),
                     ERR_OK);
    assert_int_equal(q.statuses, 15);
    assert_int_equal(ask("limit", "1000", &q), ERR_OK);
    /* What is finer than our times is not lost. */
    assert_int_equal(ask("before", "1970-01-01T00:00:01.12Z", &q), ERR_OK);
    assert_int_equal(q.before_ms, 1120);
    assert_int_equal(ask("before", "1970-01-01T00:00:01.120000Z", &q),
                     ERR_OK);
    assert_int_equal(q.before_ms, 1120);
    assert_int_equal(ask("before", "1970-01-01T00:00:01.1201Z", &q), ERR_OK);
    assert_int_equal(q.before_ms, 1121);
    assert_int_equal(ask("after", "1970-01-01T00:00:01.1209Z", &q), ERR_OK);
    assert_int_equal(q.after_ms, 1120);
    assert_int_equal(ask("after", "1970-01-01T02:00:01 02:00", &q), ERR_OK);
    assert_int_equal(q.after_ms, 1000);
    assert_int_equal(ask("meta", "{\"a\":\"\\u00e9\"}", &q), ERR_OK);
    assert_true(span_is(q.pairs[0].value, "é"));
    psa_query_free(&q);
}

static void names(void **state)
{
    static const struct {
        enum psa_match match;
        const char *asked, *name;
        bool found;
    } cases[] = {
        {PSA_EXACT, "a", "a", true},      {PSA_EXACT, "a", "A", false},
        {PSA_EXACT, "a", "ab", false},    {PSA_IEXACT, "aZ", "Az", true},
        {PSA_IEXACT, "a", "aa", false},   {PSA_PARTIAL, "b", "abc", true},
        {PSA_PARTIAL, "B", "abc", false}, {PSA_PARTIAL, "abcd", "abc", false},
        {PSA_PARTIAL, "bc", "abc", true}, {PSA_IPARTIAL, "BC", "abc", true},
        {PSA_IEXACT, "[", "{", false},    {PSA_EXACT, "a", "", false},
    };
    static struct psa_query q;
    static struct meta scratch;
    struct pin p;

    (void)state;
    pin_init(&p);
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        q.name = cases[k].asked;
        q.match = cases[k].match;
        buf_reset(&p.name);
        buf_text(&p.name, cases[k].name);
        assert_int_equal(psa_query_matches(&q, &p, &scratch),
                         cases[k].found);
    }
    pin_free(&p);
}

static void ids(void **state)
{
    static const struct cluster ours = {.sip_key = {1}};
    static const struct cluster other = {.sip_key = {2}};
    char text[PSA_ID_TEXT], more[PSA_ID_TEXT + 1];
    uint64_t id, salt;

    (void)state;
    psa_id_print(&ours, 5, 0xfedcba9876543210, text);
    assert_int_equal(strlen(text), 36);
    assert_string_equal(text + 19, "fedc-ba9876543210");
    assert_true(psa_id_parse(&ours, text, &id, &salt));
    assert_true(id == 5 && salt == 0xfedcba9876543210);
    assert_true(psa_id_parse(&other, text, &id, &salt));
    assert_true(id != 5); /* masked by the cluster's key */
    snprintf(more, sizeof more, "%sa", text);
    assert_false(psa_id_parse(&ours, more, &id, &salt));
    text[35] = '\0';
    assert_false(psa_id_parse(&ours, text, &id, &salt));
    assert_false(psa_id_parse(
        &ours, "00000000-0000-0000-0000-000000000000", &id, &salt));
    assert_false(psa_id_parse(&ours, "", &id, &salt));
}

static void see(struct view_node *n, const char *addr)
{
    n->n_addrs = 1;
    snprintf(n->addrs[0], sizeof n->addrs[0], "%s/p2p/%s", addr, PEER);
}

static struct json_value object_of(const struct view *v, const struct pin *p,
                                   struct buf *b)
{
    static struct psa_object o;
    struct json_value out;
    struct json_writer w;

    memset(&o, 0, sizeof o);
    o.view = v;
    buf_reset(b);
    json_init(&w, b);
    psa_object(&o, p, p->id, &w);
    assert_int_equal(json_parse(buf_cstr(b), b->n, &out, &why), ERR_OK);
    return out;
}

/* The farthest that can be reached, of those that have the content first. */
static void objects(void **state)
{
    static struct view_node nodes[3];
    static struct view v = {.nodes = nodes, .n_nodes = 3};
    static const char *const addrs[3] = {"/ip4/127.0.0.1/tcp/1",
                                         "/ip4/10.0.0.1/tcp/1",
                                         "/ip4/8.8.8.8/tcp/1"};
    struct buf b = BUF_INIT;
    struct json_value o, list;
    enum cid_form form;
    struct pin p;
    char text[64];

    (void)state;
    pin_init(&p);
    assert_int_equal(cid_parse(CID, strlen(CID), &p.cid, &form, &why),
                     ERR_OK);
    p.id = p.salt = 9;
    p.org = ORG_DEFAULT;
    p.created_ms = 1700000000000;
    pin_copy_add(&p, 1)->want = COPY_RECURSIVE;
    for (uint32_t k = 0; k < 3; k++) {
        nodes[k].row.id = k + 1;
        nodes[k].n_addrs = 0;
        see(&nodes[k], addrs[k]);
        o = object_of(&v, &p, &b); /* ever farther ones are known */
        assert_true(json_get(&o, "delegates", &list));
        snprintf(text, sizeof text, "[\"%s/", addrs[k]);
        assert_memory_equal(list.p, text, strlen(text));
    }
    assert_true(json_get_string(&o, "created", text, sizeof text));
    assert_string_equal(text, "2023-11-14T22:13:20.000Z");
    assert_true(json_get_string(&o, "status", text, sizeof text));
    assert_string_equal(text, "pinning");
    see(&nodes[0], "/ip4/8.8.4.4/tcp/1");
    o = object_of(&v, &p, &b);
    assert_true(json_get(&o, "delegates", &list));
    assert_non_null(strstr(list.p, "8.8.4.4")); /* it has the copy */
    assert_null(strstr(list.p, "8.8.8.8"));
    p.flags = CLAIM_WAITING;
    o = object_of(&v, &p, &b);
    assert_true(json_get_string(&o, "status", text, sizeof text));
    assert_string_equal(text, "queued");
    buf_free(&b);
    pin_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies), cmocka_unit_test(priorities),
        cmocka_unit_test(filters),
        cmocka_unit_test(names),  cmocka_unit_test(ids),
        cmocka_unit_test(objects),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
