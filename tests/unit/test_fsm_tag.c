/* Quotas of tags, beside those of their organisation. */
#include "tests/lib/value_world.h"

#include "coordinator/core/fsm_private.h"

enum { THREE = 3 };
#define NONE ORG_NO_LIMIT

static struct command_tag_quota *quota(struct world *w, uint32_t org,
                                       const char *name)
{
    struct command_tag_quota *q = &op(w, COMMAND_TAG_QUOTA)->tag_quota;

    q->org = org;
    snprintf(q->name, sizeof(q->name), "%s", name);
    for (int k = 0; k < ORG_KINDS; k++)
        q->limits[k] = (struct org_limit){NONE, NONE};
    return q;
}

static enum verdict limit_tag(struct world *w, uint32_t org, const char *name,
                              enum org_kind k, uint64_t hard)
{
    struct command_tag_quota *q = quota(w, org, name);

    q->set = (uint16_t)(2U << 2 * k);
    q->limits[k].hard = hard;
    return go(w);
}

static struct span meta_of(const char *tags)
{
    static struct buf made[8];
    static unsigned next;
    static struct meta m;
    struct buf *b = &made[next++ % 8];

    memset(&m, 0, sizeof(m));
    m.pairs[m.n_pairs++] =
        (struct meta_pair){span_text("tag"), span_text(tags)};
    buf_reset(b);
    assert_int_equal(meta_encode(&m, b, NULL), ERR_OK);
    return span_buf(b);
}

static struct command_claim_put *tagged(struct world *w, uint64_t cid,
                                        const char *tags, uint64_t mib,
                                        int32_t max)
{
    struct command_claim_put *p = put(w, cid, 1, max);

    p->size = mib * MIB;
    if (tags != NULL)
        p->meta = meta_of(tags);
    on(w, 1);
    return p;
}

static enum verdict claim(struct world *w, uint64_t cid, const char *tags,
                          uint64_t mib, int32_t max)
{
    (void)tagged(w, cid, tags, mib, max);
    return go(w);
}

static void uses(struct world *w, uint32_t org, const char *name,
                 uint64_t pins, uint64_t logical, uint64_t physical)
{
    struct tag t;

    memset(&t, 0, sizeof(t));
    (void)store_tag_get(w->store, org, span_text(name), &t);
    assert_int_equal(t.used[ORG_PINS], pins);
    assert_int_equal(t.used[ORG_LOGICAL], logical * MIB);
    assert_int_equal(t.used[ORG_PHYSICAL], physical * MIB);
}

static void what_is_there_counts(void **state)
{
    struct world *w = world_with(3);
    struct tag t;

    (void)state;
    assert_int_equal(claim(w, 1, "a,b", 10, 2), VERDICT_ACCEPTED);
    uses(w, 1, "a", 1, 10, 20);
    uses(w, 1, "b", 1, 10, 20);
    assert_int_equal(claim(w, 2, "a", 5, 1), VERDICT_ACCEPTED);
    /* A quota that comes later knows it. */
    assert_int_equal(limit_tag(w, 1, "a", ORG_PHYSICAL, 30 * (uint64_t)MIB),
                     VERDICT_ACCEPTED);
    assert_int_equal(limit_tag(w, 1, "a", ORG_PHYSICAL, 30 * (uint64_t)MIB),
                     VERDICT_ALREADY);
    assert_int_equal(store_org(w->store, 1)->tag_quotas, 1);
    assert_int_equal(claim(w, 3, "c, a", 6, 1), VERDICT_OVER_QUOTA);
    assert_string_equal(w->last.text, "over quota: tag:a, physical bytes: "
                        "used 26214400, requested 6291456, limit 31457280");
    assert_false(store_tag_get(w->store, 1, span_text("c"), &t));
    assert_int_equal(claim(w, 3, "c,b", 6, 1), VERDICT_ACCEPTED);
    assert_int_equal(claim(w, 4, NULL, 60, 1), VERDICT_ACCEPTED);
    /* A claim that gets the tag; one that gets more copies; one that goes. */
    assert_int_equal(claim(w, 3, "a", 6, 1), VERDICT_OVER_QUOTA);
    assert_int_equal(claim(w, 2, "a", 5, 2), VERDICT_ACCEPTED);
    uses(w, 1, "a", 2, 15, 30);
    assert_int_equal(claim(w, 2, "a", 5, 3), VERDICT_OVER_QUOTA);
    assert_int_equal(claim(w, 1, "b", 10, 2), VERDICT_ACCEPTED);
    uses(w, 1, "a", 1, 5, 10);
    assert_int_equal(remove_claim(w, 2), VERDICT_ACCEPTED);
    uses(w, 1, "a", 0, 0, 0);
    assert_true(store_tag_get(w->store, 1, span_text("a"), &t));
    /* Lowered, it takes nothing away; lifted, its row goes with it. */
    assert_int_equal(limit_tag(w, 1, "b", ORG_PINS, 1), VERDICT_ACCEPTED);
    assert_int_equal(claim(w, 5, "b", 1, 1), VERDICT_OVER_QUOTA);
    uses(w, 1, "b", 2, 16, 26);
    assert_int_equal(limit_tag(w, 1, "a", ORG_PHYSICAL, NONE),
                     VERDICT_ACCEPTED);
    assert_false(store_tag_get(w->store, 1, span_text("a"), &t));
    assert_int_equal(store_org(w->store, 1)->tag_quotas, 1);
    world_check(w);
    world_close(w);
}

static void others_have_their_own(void **state)
{
    struct world *w = world_with(3);

    (void)state;
    make_org(w, "two");
    assert_int_equal(limit_tag(w, 1, "a", ORG_PINS, 0), VERDICT_ACCEPTED);
    (void)tagged(w, 1, "a", 1, 1);
    w->c->org = TWO;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(claim(w, 1, "a", 1, 1), VERDICT_OVER_QUOTA);
    assert_int_equal(claim(w, 1, "b", 1, 1), VERDICT_ACCEPTED); /* the CID */
    uses(w, 1, "a", 0, 0, 0);
    uses(w, TWO, "a", 1, 1, 1);
    /* Whose they are not, he cannot set. */
    quota(w, 1, "x")->set = 1;
    w->c->org = TWO;
    assert_int_equal(go(w), VERDICT_NOT_FOUND);
    quota(w, TWO, "x")->limits[0].hard = 7;
    w->c->tag_quota.set = 2;
    w->c->org = TWO;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(limit_tag(w, 9, "x", ORG_PINS, 1), VERDICT_NOT_FOUND);
    /* They go with the organisation. */
    op(w, COMMAND_CLAIM_REMOVE)->claim_remove.cid = cid_of(1);
    w->c->org = TWO;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    op(w, COMMAND_ORG_PUT)->org_put.org = TWO;
    w->c->org_put.set = ORG_REMOVE;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(store_tags(w->store, TWO, span_of(NULL, 0), 1,
                                &(struct tag){0}), 0);
    world_check(w);
    world_close(w);
}

static void what_no_tag_can_have(void **state)
{
    struct world *w = world_with(1);
    struct command_tag_quota *q;
    char name[LIMIT_TAG_NAME + 1];

    (void)state;
    assert_int_equal(limit_tag(w, 1, "", ORG_PINS, 1), VERDICT_INVALID);
    assert_int_equal(limit_tag(w, 1, " a", ORG_PINS, 1), VERDICT_INVALID);
    assert_int_equal(limit_tag(w, 1, "a,b", ORG_PINS, 1), VERDICT_INVALID);
    assert_int_equal(limit_tag(w, 1, "a", ORG_PINS, ORG_LIMIT_MAX + 1),
                     VERDICT_INVALID);
    q = quota(w, 1, "a");
    q->set = 3;
    q->limits[0] = (struct org_limit){6, 5};
    assert_int_equal(go(w), VERDICT_INVALID);
    for (unsigned k = 0; k < LIMIT_TAG_QUOTAS; k++) {
        snprintf(name, sizeof(name), "t%u", k);
        assert_int_equal(limit_tag(w, 1, name, ORG_PINS, 1),
                         VERDICT_ACCEPTED);
    }
    assert_int_equal(limit_tag(w, 1, "more", ORG_PINS, 1), VERDICT_INVALID);
    assert_non_null(strstr(w->last.text, "256 tags"));
    assert_int_equal(limit_tag(w, 1, "t7", ORG_PINS, 2), VERDICT_ACCEPTED);
    assert_int_equal(limit_tag(w, 1, "t7", ORG_PINS, NONE),
                     VERDICT_ACCEPTED);
    assert_int_equal(limit_tag(w, 1, "more", ORG_PINS, 1), VERDICT_ACCEPTED);
    world_check(w);
    world_close(w);
}

/* Unknown sizes: a reservation, a measure, and what is granted again. */
static void sizes_are_asked_for(void **state)
{
    struct world *w = world_with(2);
    uint64_t id;

    (void)state;
    assert_int_equal(limit_tag(w, 1, "a", ORG_LOGICAL, 8 * (uint64_t)MIB),
                     VERDICT_ACCEPTED);
    put(w, 1, 1, 1)->meta = meta_of("a");
    on(w, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    id = w->pin.id;
    uses(w, 1, "a", 1, 1, 1);
    report(w, 1, id, REPORT_ASK)->size = 9 * MIB;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    uses(w, 1, "a", 1, 1, 1);
    report(w, 1, id, REPORT_ASK)->size = 7 * MIB;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    uses(w, 1, "a", 1, 7, 7);
    report(w, 1, id, REPORT_PINNED)->size = 9 * MIB;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    uses(w, 1, "a", 1, 0, 0);
    assert_non_null(world_pin(w, id));
    assert_true((w->got.flags & PIN_OVER_QUOTA) != 0);
    {
        static const uint64_t promised[ORG_KINDS];

        assert_int_equal(fsm_affordable(w->store, &w->got, w->time_ms,
                                        promised), 0);
        assert_int_equal(limit_tag(w, 1, "a", ORG_LOGICAL,
                                   9 * (uint64_t)MIB), VERDICT_ACCEPTED);
        assert_non_null(world_pin(w, id));
        assert_true(fsm_affordable(w->store, &w->got, w->time_ms, promised)
                    > 0);
    }
    world_check(w);
    world_close(w);
}

/* A soft limit binds when its grace is over, and only while it is exceeded. */
static void soft_ones_have_a_grace(void **state)
{
    struct world *w = world_with(1);
    struct command_tag_quota *q;
    struct tag t;

    (void)state;
    q = quota(w, 1, "a");
    q->set = 1U << 2 * ORG_PINS;
    q->limits[ORG_PINS].soft = 1;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(claim(w, 1, "a", 1, 1), VERDICT_ACCEPTED);
    assert_true(store_tag_get(w->store, 1, span_text("a"), &t));
    assert_int_equal(t.over_ms[ORG_PINS], 0);
    assert_int_equal(claim(w, 2, "a", 1, 1), VERDICT_ACCEPTED);
    assert_true(store_tag_get(w->store, 1, span_text("a"), &t));
    assert_int_equal(t.over_ms[ORG_PINS], w->last.time_ms);
    w->time_ms += ORG_GRACE_MS;
    assert_int_equal(claim(w, 3, "a", 1, 1), VERDICT_OVER_QUOTA);
    assert_non_null(strstr(w->last.text, "grace is over"));
    assert_int_equal(remove_claim(w, 2), VERDICT_ACCEPTED);
    assert_true(store_tag_get(w->store, 1, span_text("a"), &t));
    assert_int_equal(t.over_ms[ORG_PINS], 0);
    assert_int_equal(claim(w, 3, "a", 1, 1), VERDICT_ACCEPTED);
    world_check(w);
    world_close(w);
}

/* Requests are a principal's. */
static uint64_t person(struct world *w)
{
    struct command_token_put *p = &op(w, COMMAND_TOKEN_PUT)->token_put;

    p->form = TOKEN_FOR;
    p->verbs = VERB_PIN;
    p->hash[0] = 1;
    snprintf(p->name, sizeof(p->name), "ann");
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    return store_token(w->store, w->last.actor)->principal;
}

static enum verdict request(struct world *w, uint64_t who, uint64_t cid,
                            uint64_t salt, uint64_t old, const char *tags)
{
    struct command_claim_put *p = tagged(w, cid, tags, 0, 1);

    w->c->kind = COMMAND_REQUEST_PUT;
    p->who = who;
    p->salt = salt;
    p->old_id = old;
    p->old_salt = old != 0 ? 7 : 0;
    return go(w);
}

static void what_is_replaced_counts(void **state)
{
    struct world *w = world_with(1);
    uint64_t who = person(w), id;

    (void)state;
    assert_int_equal(request(w, who, 1, 7, 0, "a,b"), VERDICT_ACCEPTED);
    id = w->last.claim;
    assert_int_equal(limit_tag(w, 1, "a", ORG_PINS, 1), VERDICT_ACCEPTED);
    assert_int_equal(limit_tag(w, 1, "c", ORG_PINS, 0), VERDICT_ACCEPTED);
    assert_int_equal(request(w, who, 2, 8, 0, "a"), VERDICT_OVER_QUOTA);
    /* Of another tag nothing is given back. */
    assert_int_equal(request(w, who, 2, 8, id, "c"), VERDICT_OVER_QUOTA);
    assert_int_equal(request(w, who, 2, 8, id, "a"), VERDICT_ACCEPTED);
    uses(w, 1, "a", 1, 1, 1);
    uses(w, 1, "b", 0, 0, 0);
    world_check(w);
    world_close(w);
}

/* Copies that another claim's number pays cost the organisation nothing more,
 * but the tag. */
static void everywhere_beside_a_number(void **state)
{
    struct world *w = world_with(3);
    struct command_claim_put *p;

    (void)state;
    (void)tagged(w, 1, NULL, 2, 3);
    on(w, 2);
    on(w, 3);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(limit_tag(w, 1, "a", ORG_PHYSICAL, 5 * (uint64_t)MIB),
                     VERDICT_ACCEPTED);
    p = tagged(w, 1, "a", 2, -1);
    p->rmin = -1;
    p->salt = 4;
    p->expires_ms = w->time_ms + 1000;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    uses(w, 1, "a", 1, 2, 4);
    assert_int_equal(used(w, ORG_PHYSICAL), 6 * MIB);
    world_check(w);
    world_close(w);
}

/* Nothing makes room for a tag; candidates wait. */
static void elastic_ones_are_bounded(void **state)
{
    static const uint64_t promised[ORG_KINDS];
    struct world *w = world_with(2);
    struct command_claim_put *p;
    uint64_t id;

    (void)state;
    p = tagged(w, 1, "a", 4, 1);
    p->flags = CLAIM_ELASTIC;
    p->n_places = 0;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    id = w->pin.id;
    uses(w, 1, "a", 1, 0, 0);
    assert_int_equal(limit_tag(w, 1, "a", ORG_PHYSICAL, 3 * (uint64_t)MIB),
                     VERDICT_ACCEPTED);
    reads(w, id, 100);
    assert_int_equal(admit(w, id), VERDICT_OVER_QUOTA);
    assert_non_null(world_pin(w, id));
    assert_false(fsm_admissible(w->store, &w->got, 1, 1, INT32_MAX,
                                w->time_ms, promised, &w->pin));
    assert_int_equal(limit_tag(w, 1, "a", ORG_PHYSICAL, 4 * (uint64_t)MIB),
                     VERDICT_ACCEPTED);
    assert_int_equal(admit(w, id), VERDICT_ACCEPTED);
    uses(w, 1, "a", 1, 4, 4);
    assert_int_equal(claim(w, 2, "a", 1, 1), VERDICT_OVER_QUOTA);
    world_check(w);
    world_close(w);
}

/* A database of the seventh schema knows none; claims may have tags in it. */
static void from_the_seventh_schema(void **state)
{
    uint8_t before[STORE_HASH], after[STORE_HASH];
    char path[128];
    struct world *w;

    (void)state;
    world_path(path);
    w = world_open(path);
    assert_int_equal(form(w), VERDICT_ACCEPTED);
    join(w, 3);
    make_org(w, "two");
    assert_int_equal(claim(w, 1, "a,b", 10, 2), VERDICT_ACCEPTED);
    (void)tagged(w, 1, "a", 10, 1);
    w->c->org = TWO;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    store_flush(w->store);
    store_hash(w->store, before);
    assert_int_equal(store_db_exec(&w->store->d,
                                   "DROP TABLE tag;"
                                   "DELETE FROM fsm WHERE k=14;"
                                   "UPDATE fsm SET v=7 WHERE k=8", NULL),
                     ERR_OK);
    for (int k = 0; k < 2; k++) { /* the second time it is written down */
        world_detach(w);
        world_attach(w, path);
        store_hash(w->store, after);
        assert_memory_equal(before, after, STORE_HASH);
        uses(w, 1, "a", 1, 10, 20);
        uses(w, 1, "b", 1, 10, 20);
        uses(w, TWO, "a", 1, 10, 10);
        assert_false(store_is_dirty(w->store));
    }
    assert_int_equal(limit_tag(w, 1, "b", ORG_PINS, 1), VERDICT_ACCEPTED);
    store_hash(w->store, before);
    assert_memory_not_equal(before, after, STORE_HASH);
    store_flush(w->store);
    world_detach(w);
    world_attach(w, path);
    store_hash(w->store, after);
    assert_memory_equal(before, after, STORE_HASH);
    assert_int_equal(store_org(w->store, 1)->tag_quotas, 1);
    assert_int_equal(claim(w, 2, "b", 1, 1), VERDICT_OVER_QUOTA);
    world_check(w);
    world_close(w);
    world_unlink(path);
}

/* Copies for everywhere that a tag held down are not paid from what a request
 * on the same pin gives back to another one. */
static void what_a_request_leaves_is_spent_once(void **state)
{
    struct world *w = world_with(3);
    uint64_t who = person(w), id = 0;
    struct command_claim_put *p;

    (void)state;
    for (uint64_t k = 0; k < 2; k++) {
        p = put(w, 1 + k, 1, 3);
        for (uint32_t node = 1; node <= 3; node++)
            on(w, node);
        w->c->kind = COMMAND_REQUEST_PUT;
        p->who = who;
        p->salt = 7 + k;
        p->old_id = id;
        p->old_salt = k == 0 ? 0 : 7;
        assert_int_equal(go(w), VERDICT_ACCEPTED);
        id = w->last.claim;
        if (k == 1)
            break;
        assert_int_equal(limit_tag(w, 1, "u", ORG_PHYSICAL, MIB),
                         VERDICT_ACCEPTED);
        put(w, 1, -1, -1)->meta = meta_of("u");
        assert_int_equal(go(w), VERDICT_ACCEPTED);
        uses(w, 1, "u", 1, 1, 1);
        assert_int_equal(limit_tag(w, 1, "u", ORG_PHYSICAL, NONE),
                         VERDICT_ACCEPTED);
        assert_int_equal(limit(w, ORG_PHYSICAL, NONE, 4 * (uint64_t)MIB),
                         VERDICT_ACCEPTED);
    }
    assert_int_equal(used(w, ORG_PHYSICAL), 4 * MIB);
    world_check(w);
    world_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_there_counts),
        cmocka_unit_test(others_have_their_own),
        cmocka_unit_test(what_no_tag_can_have),
        cmocka_unit_test(sizes_are_asked_for),
        cmocka_unit_test(soft_ones_have_a_grace),
        cmocka_unit_test(what_is_replaced_counts),
        cmocka_unit_test(everywhere_beside_a_number),
        cmocka_unit_test(elastic_ones_are_bounded),
        cmocka_unit_test(what_a_request_leaves_is_spent_once),
        cmocka_unit_test(from_the_seventh_schema),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
