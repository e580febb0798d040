/* Elastic pins: what is admitted, what makes room for it and what never does,
 * and that a refusal changes nothing. */
#include "tests/lib/value_world.h"

static void a_candidate_costs_its_count(void **state)
{
    struct world *w = world_with(3);
    uint64_t a = offer(w, 1, 10);

    (void)state;
    assert_int_equal(held(w, a), VALUE_IDLE);
    assert_int_equal(wanted(w, a), 0);
    assert_int_equal(world_pin(w, a)->todo, TODO_SETTLED);
    assert_int_equal(pin_state_of(&w->got), PIN_PENDING);
    assert_int_equal(used(w, ORG_PHYSICAL), 0);
    assert_int_equal(used(w, ORG_PINS), 1);
    put(w, 1, 1, 1)->flags = CLAIM_ELASTIC;
    assert_int_equal(go(w), VERDICT_ALREADY);
    assert_int_equal(admit(w, a), VERDICT_ACCEPTED);
    assert_int_equal(held(w, a), VALUE_HELD);
    assert_int_equal(wanted(w, a), 1);
    assert_int_equal(used(w, ORG_PHYSICAL), 10 * MIB);
    assert_int_equal(admit(w, a), VERDICT_STALE); /* is held already */
    assert_int_equal(remove_claim(w, 1), VERDICT_ACCEPTED);
    assert_int_equal(used(w, ORG_PINS), 0);
    world_check(w);
    assert_int_equal(reported(w, 1, a, REPORT_GONE), VERDICT_ACCEPTED);
    assert_null(world_pin(w, a));
    world_check(w);
    world_close(w);
}

static void bad_claims(void **state)
{
    struct world *w = world_with(3);

    (void)state;
    put(w, 1, -1, -1)->flags = CLAIM_ELASTIC;
    assert_int_equal(go(w), VERDICT_INVALID);
    put(w, 1, 1, 1)->flags = CLAIM_ELASTIC | CLAIM_DIRECT;
    assert_int_equal(go(w), VERDICT_INVALID);
    assert_non_null(strstr(w->last.text, "elastic"));
    world_close(w);
}

static void the_cheapest_makes_room(void **state)
{
    struct world *w = world_with(1);
    uint64_t a = offer(w, 1, 4), b = offer(w, 2, 4), c = offer(w, 3, 4);
    struct store_sum before;

    (void)state;
    limit(w, ORG_PHYSICAL, ORG_NO_LIMIT, 10 * MIB);
    reads(w, a, 100);
    assert_int_equal(admit(w, a), VERDICT_ACCEPTED);
    assert_int_equal(admit(w, b), VERDICT_ACCEPTED);
    before = w->store->sum;
    /* As valuable as b: not enough. */
    assert_refused(w, admit(w, c), VERDICT_OVER_QUOTA, "physical", &before);
    reads(w, c, 10);
    assert_int_equal(admit(w, c), VERDICT_ACCEPTED);
    assert_int_equal(held(w, a), VALUE_HELD);
    assert_int_equal(held(w, b), VALUE_IDLE);
    assert_int_equal(held(w, c), VALUE_HELD);
    assert_int_equal(wanted(w, b), 0);
    assert_int_equal(copy_of(w, b, 1)->reason, REASON_EVICTED);
    assert_int_equal(used(w, ORG_PHYSICAL), 8 * MIB);
    assert_int_equal(used(w, ORG_PINS), 3);
    world_close(w);
}

/* Not enough room whatever goes: nothing goes. */
static void all_or_nothing(void **state)
{
    struct world *w = world_with(1);
    uint64_t a = offer(w, 1, 4), b = offer(w, 2, 12);
    struct store_sum before;

    (void)state;
    limit(w, ORG_PHYSICAL, ORG_NO_LIMIT, 10 * MIB);
    assert_int_equal(admit(w, a), VERDICT_ACCEPTED);
    reads(w, b, 1000);
    before = w->store->sum;
    assert_refused(w, admit(w, b), VERDICT_OVER_QUOTA, "physical", &before);
    /* Paid for, but the node is full: what would have gone stays. */
    reads(w, a, 1);
    limit(w, ORG_PHYSICAL, ORG_NO_LIMIT, 12 * MIB);
    node_state(w, 1, -1, -1, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    before = w->store->sum;
    assert_refused(w, admit(w, b), VERDICT_STALE, "nodes", &before);
    assert_int_equal(held(w, a), VALUE_HELD);
    world_close(w);
}

static void copies_go_before_content(void **state)
{
    struct world *w = world_with(3);
    uint64_t a = offer_by(w, ORG_DEFAULT, 1, 4, 1, 3), b;

    (void)state;
    reads(w, a, 2000000); /* 198,042 a day: as many copies as may be */
    assert_int_equal(admit_by(w, ORG_DEFAULT, a, 3), VERDICT_ACCEPTED);
    assert_int_equal(wanted(w, a), 3);
    limit(w, ORG_PHYSICAL, ORG_NO_LIMIT, 12 * MIB);
    w->time_ms += 14 * DAY_MS;
    reads(w, a, 0);
    assert_int_equal(used(w, ORG_PHYSICAL), 12 * MIB);
    b = offer(w, 2, 4); /* newer */
    reads(w, b, 2000000);
    assert_int_equal(admit(w, b), VERDICT_ACCEPTED);
    assert_int_equal(held(w, a), VALUE_HELD);
    assert_int_equal(world_pin(w, a)->rmax, 1);
    assert_int_equal(wanted(w, a), 3); /* the leader lets two go */
    assert_int_equal(used(w, ORG_PHYSICAL), 8 * MIB);
    world_close(w);
}

static void required_pins_come_first(void **state)
{
    struct world *w = world_with(2);
    uint64_t a = offer(w, 1, 4), b = offer(w, 2, 4), c;

    (void)state;
    limit(w, ORG_PHYSICAL, ORG_NO_LIMIT, 10 * MIB);
    reads(w, a, 1000);
    assert_int_equal(admit(w, a), VERDICT_ACCEPTED);
    assert_int_equal(admit(w, b), VERDICT_ACCEPTED);
    put(w, 3, 1, 1)->size = 5 * MIB;
    on(w, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    c = w->pin.id;
    assert_int_equal(held(w, a), VALUE_HELD);
    assert_int_equal(held(w, b), VALUE_IDLE);
    /* What is required never makes room, however often the other is read. */
    reads(w, b, 1000000);
    assert_int_equal(admit(w, b), VERDICT_ACCEPTED); /* a goes */
    assert_int_equal(held(w, a), VALUE_IDLE);
    reads(w, a, 100000000);
    assert_int_equal(wanted(w, c), 1);
    /* An elastic pin that is wanted outright is required from then on. */
    put(w, 2, 1, 1)->size = 4 * MIB;
    on(w, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(held(w, b), VALUE_REQUIRED);
    assert_int_equal(admit(w, a), VERDICT_OVER_QUOTA);
    assert_int_equal(wanted(w, b), 1);
    world_close(w);
}

/* One for everywhere, too: for its first copy. */
static void required_everywhere(void **state)
{
    struct world *w = world_with(2);
    uint64_t a = offer(w, 1, 8);

    (void)state;
    limit(w, ORG_PHYSICAL, ORG_NO_LIMIT, 10 * MIB);
    assert_int_equal(admit(w, a), VERDICT_ACCEPTED);
    put(w, 2, -1, -1)->size = 5 * MIB;
    on(w, 1);
    on(w, 2);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(wanted(w, w->pin.id), 1);
    assert_int_equal(held(w, a), VALUE_IDLE);
    assert_int_equal(used(w, ORG_PHYSICAL), 5 * MIB);
    world_close(w);
}

/* What is offered beside a required claim asks for as many copies when that
 * is over. */
static void offered_beside_a_required_one(void **state)
{
    struct world *w = world_with(3);
    struct command_claim_put *p = put(w, 1, 1, 1);
    struct value v;
    uint64_t a;

    (void)state;
    p->salt = 7;
    p->expires_ms = w->time_ms + 1000;
    on(w, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    a = w->pin.id;
    assert_int_equal(offer_by(w, ORG_DEFAULT, 1, 1, 1, 3), a);
    assert_int_equal(held(w, a), VALUE_REQUIRED);
    w->time_ms += 2000;
    op(w, COMMAND_EXPIRE)->expire.n = 1;
    w->c->expire.pins[0] = a;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(held(w, a), VALUE_HELD);
    assert_true(store_value_get(w->store, a, ORG_DEFAULT, &v));
    assert_int_equal(v.most, 3);
    world_close(w);
}

static void what_nobody_reads_fades(void **state)
{
    struct world *w = world_with(1);
    uint64_t a = offer(w, 1, 4);

    (void)state;
    assert_int_equal(admit(w, a), VERDICT_ACCEPTED);
    assert_int_equal(reported(w, 1, a, REPORT_PINNED), VERDICT_ACCEPTED);
    w->time_ms += 59 * DAY_MS;
    reads(w, a, 0);
    assert_int_equal(held(w, a), VALUE_HELD);
    w->time_ms += 2 * DAY_MS;
    reads(w, a, 0);
    assert_int_equal(held(w, a), VALUE_IDLE);
    assert_int_equal(copy_of(w, a, 1)->reason, REASON_FADED);
    assert_int_equal(used(w, ORG_PHYSICAL), 0);
    assert_int_equal(admit(w, a), VERDICT_STALE);
    assert_non_null(strstr(w->last.text, "threshold"));
    /* Read again it is worth its bytes again, and stays for a day at least. */
    reads(w, a, 10);
    assert_int_equal(admit(w, a), VERDICT_ACCEPTED);
    assert_int_equal(held(w, a), VALUE_HELD);
    world_close(w);
}

/* What agents count: numbered with the node's reports, by content, for each
 * organisation that claims it. */
static enum verdict reads_at(struct world *w, uint32_t node, uint64_t seq,
                             const uint64_t *cids, uint32_t n)
{
    static struct reads_delta items[LIMIT_READS];
    struct command_reads *r = &op(w, COMMAND_READS)->reads;

    for (uint32_t i = 0; i < n; i++)
        items[i] = (struct reads_delta){cid_of(cids[i]), 3 * FIXED_ONE / 2};
    r->node = node;
    r->boot = store_node(w->store, node) == NULL
              ? 1 : store_node(w->store, node)->boot;
    r->seq = seq;
    r->n = n;
    r->items = items;
    return go(w);
}

static uint64_t count_of(struct world *w, uint64_t pin, uint32_t org)
{
    struct value v;

    return store_value_get(w->store, pin, org, &v) ? v.usage.count_q16 : 0;
}

static void agents_count_once(void **state)
{
    struct world *w = world_with(2);
    uint64_t a = offer(w, 1, 4), b = settled(w, 2, 1, 1);
    const uint64_t cids[] = {1, 2, 77};

    (void)state;
    assert_int_equal(reads_at(w, 1, 50, cids, 3), VERDICT_ACCEPTED);
    assert_int_equal(w->last.node, 1);
    assert_int_equal(count_of(w, a, ORG_DEFAULT), 3 * FIXED_ONE / 2);
    assert_int_equal(count_of(w, b, ORG_DEFAULT), 3 * FIXED_ONE / 2);
    assert_int_equal(held(w, b), VALUE_REQUIRED);
    /* Again, an older one, of another journal, of no node: not counted. */
    assert_int_equal(reads_at(w, 1, 50, cids, 3), VERDICT_ALREADY);
    assert_int_equal(reads_at(w, 1, 49, cids, 3), VERDICT_ALREADY);
    assert_int_equal(reads_at(w, 9, 51, cids, 3), VERDICT_NOT_FOUND);
    op(w, COMMAND_READS)->reads = (struct command_reads){
        .node = 1, .boot = store_node(w->store, 1)->boot + 1, .seq = 99};
    assert_int_equal(go(w), VERDICT_DENIED);
    assert_int_equal(count_of(w, a, ORG_DEFAULT), 3 * FIXED_ONE / 2);
    /* Each node has its numbers, one with its reports of copies. */
    assert_int_equal(reads_at(w, 2, 1, cids, 1), VERDICT_ACCEPTED);
    assert_int_equal(count_of(w, a, ORG_DEFAULT), 3 * FIXED_ONE);
    w->report_seq[1] = 49;
    assert_int_equal(reported(w, 1, b, REPORT_PINNED), VERDICT_ALREADY);
    assert_int_equal(reported(w, 1, b, REPORT_PINNED), VERDICT_ACCEPTED);
    /* What nobody claims any more is passed over. */
    assert_int_equal(remove_claim(w, 1), VERDICT_ACCEPTED);
    assert_int_equal(reads_at(w, 2, 2, cids, 3), VERDICT_ACCEPTED);
    assert_int_equal(count_of(w, a, ORG_DEFAULT), 0);
    assert_int_equal(count_of(w, b, ORG_DEFAULT), 3 * FIXED_ONE);
    world_check(w);
    world_close(w);
}

static struct command_reads_put *pushed(struct world *w, uint64_t source,
                                        uint64_t batch, uint32_t part,
                                        uint64_t pin)
{
    struct command_reads_put *r = &op(w, COMMAND_READS_PUT)->reads_put;

    r->source = source;
    r->batch = batch;
    r->part = part;
    r->score.n = 1;
    r->score.items[0] = (struct score_item){pin, ORG_DEFAULT, FIXED_ONE};
    return r;
}

static enum verdict push(struct world *w, uint64_t source, uint64_t batch,
                         uint32_t part, uint64_t pin)
{
    pushed(w, source, batch, part, pin);
    return go(w);
}

/* Gateways that push are heard in the order of their batches, once. */
static void batches_count_once(void **state)
{
    struct world *w = world_with(1);
    uint64_t a = offer(w, 1, 4);
    struct store_sum before;
    struct reads_source s;

    (void)state;
    w->time_ms = 1700000000000; /* reads do not fade between the batches */
    assert_int_equal(push(w, 7, 10, 1, a), VERDICT_ACCEPTED);
    assert_int_equal(push(w, 7, 10, 1, a), VERDICT_ALREADY);
    assert_int_equal(push(w, 7, 10, 2, a), VERDICT_ACCEPTED);
    assert_int_equal(push(w, 7, 10, 1, a), VERDICT_ALREADY);
    assert_int_equal(push(w, 7, 9, 3, a), VERDICT_ALREADY);
    assert_int_equal(count_of(w, a, ORG_DEFAULT), 2 * FIXED_ONE);
    assert_int_equal(push(w, 8, 9, 1, a), VERDICT_ACCEPTED);
    assert_int_equal(push(w, 7, 11, 1, 999), VERDICT_ACCEPTED); /* nobody's */
    assert_int_equal(count_of(w, a, ORG_DEFAULT), 3 * FIXED_ONE);
    before = w->store->sum;
    assert_int_equal(push(w, 7, 11, 2, 999), VERDICT_ACCEPTED);
    assert_memory_not_equal(&w->store->sum, &before, sizeof before);
    assert_true(store_source_get(w->store, ORG_DEFAULT, 7, &s));
    assert_true(s.batch == 11 && s.part == 2 && s.at_ms == w->time_ms);
    pushed(w, 7, 12, 1, a);
    w->c->org = 99;
    assert_int_equal(go(w), VERDICT_NOT_FOUND);
    world_check(w);
    world_close(w);
}

static void sources_are_bounded(void **state)
{
    struct world *w = world_with(1);
    uint64_t a = offer(w, 1, 4);
    struct reads_source s;

    (void)state;
    for (uint64_t k = 1; k <= LIMIT_SOURCES; k++) {
        assert_int_equal(push(w, k, 1, 1, a), VERDICT_ACCEPTED);
        w->time_ms += 1000;
    }
    assert_int_equal(push(w, 1, 2, 1, a), VERDICT_ACCEPTED);
    assert_int_equal(push(w, 100, 1, 1, a), VERDICT_CONFLICT);
    assert_non_null(strstr(w->last.text, "64 sources"));
    w->time_ms += 7 * DAY_MS - (LIMIT_SOURCES - 1) * 1000;
    assert_int_equal(push(w, 100, 1, 1, a), VERDICT_ACCEPTED);
    assert_false(store_source_get(w->store, ORG_DEFAULT, 2, &s));
    assert_true(store_source_get(w->store, ORG_DEFAULT, 1, &s));
    assert_int_equal(push(w, 2, 1, 1, a), VERDICT_CONFLICT);
    world_check(w);
    world_close(w);
}

static void residency(void **state)
{
    struct world *w = world_with(1);
    struct command_formula *f;
    uint64_t a = offer(w, 1, 4);

    (void)state;
    f = &op(w, COMMAND_FORMULA)->formula;
    f->org = ORG_DEFAULT;
    f->score = score_defaults;
    f->score.half_recency_ms = 3600000; /* fades in two hours */
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(admit(w, a), VERDICT_ACCEPTED);
    w->time_ms += DAY_MS - 1;
    reads(w, a, 0);
    assert_int_equal(held(w, a), VALUE_HELD);
    w->time_ms += 1;
    reads(w, a, 0);
    assert_int_equal(held(w, a), VALUE_IDLE);
    world_close(w);
}

/* Two organisations: what one lets go, the other keeps. */
static void others_are_not_touched(void **state)
{
    struct world *w = world_with(2);
    uint64_t a, b;

    (void)state;
    make_org(w, "two");
    a = offer_by(w, TWO, 1, 4, 1, 1);
    assert_int_equal(admit_by(w, TWO, a, 1), VERDICT_ACCEPTED);
    put(w, 1, 1, 1);
    on(w, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(w->pin.id, a);
    assert_int_equal(held_by(w, a, TWO), VALUE_HELD);
    b = offer_by(w, TWO, 2, 4, 1, 1);
    reads(w, b, 1000);
    {
        uint64_t rev = rev_of(w, b);
        struct command_evict *e = &op(w, COMMAND_EVICT)->evict;

        e->pin = b;
        e->rev = rev;
        e->n = 1;
        e->victims[0] = a;
        w->c->org = ORG_DEFAULT; /* not its candidate */
        assert_int_equal(go(w), VERDICT_STALE);
        e = &op(w, COMMAND_EVICT)->evict;
        e->pin = b;
        e->rev = rev;
        e->n = 1;
        e->victims[0] = a;
        w->c->org = TWO;
        assert_int_equal(go(w), VERDICT_ACCEPTED);
    }
    assert_int_equal(held_by(w, a, TWO), VALUE_IDLE);
    assert_int_equal(wanted(w, a), 1); /* the default one's */
    assert_int_equal(used_by(w, TWO, ORG_PHYSICAL), 0);
    assert_int_equal(used(w, ORG_PHYSICAL), 4 * MIB);
    assert_int_equal(remove_claim(w, 1), VERDICT_ACCEPTED);
    assert_int_equal(held_by(w, a, TWO), VALUE_IDLE);
    world_close(w);
}

/* What another organisation lacks, or wants everywhere, does not keep a
 * candidate out. */
static void others_do_not_hinder(void **state)
{
    struct world *w = world_with(3);
    uint64_t a, b;

    (void)state;
    make_org(w, "two");
    put(w, 1, 3, 3);
    for (uint32_t k = 1; k <= 3; k++)
        on(w, k);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    op(w, COMMAND_NODE_REMOVE)->node_remove =
        (struct command_node_remove){3, true};
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    a = offer_by(w, TWO, 1, 1, 1, 1);
    assert_int_equal(admit_by(w, TWO, a, 0), VERDICT_ACCEPTED);
    assert_int_equal(held_by(w, a, TWO), VALUE_HELD);
    limit(w, ORG_PHYSICAL, ORG_NO_LIMIT, used(w, ORG_PHYSICAL) + MIB);
    put(w, 2, -1, -1); /* can pay one copy */
    on(w, 1);
    on(w, 2);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    b = w->pin.id;
    assert_int_equal(wanted(w, b), 1);
    assert_int_equal(offer_by(w, TWO, 2, 1, 2, 2), b);
    assert_int_equal(admit_by(w, TWO, b, 2), VERDICT_ACCEPTED);
    assert_int_equal(wanted(w, b), 2);
    assert_int_equal(held_by(w, b, TWO), VALUE_HELD);
    world_close(w);
}

/* A candidate shows nothing of what others have of it. */
static void nothing_is_shown(void **state)
{
    struct world *w = world_with(2);
    uint64_t a;

    (void)state;
    make_org(w, "two");
    put(w, 1, 2, 2);
    on(w, 1);
    on(w, 2);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    a = offer_by(w, TWO, 1, 1, 1, 2);
    assert_non_null(world_pin(w, a));
    assert_true(claims_view(&w->got, TWO));
    assert_int_equal(w->got.n_copies, 0);
    op(w, COMMAND_RATE)->rate =
        (struct command_rate){cid_of(1), 5, false, 1};
    w->c->org = TWO;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    put(w, 2, 1, 1);
    on(w, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    for (uint64_t cid = 2; cid <= 3; cid++) { /* another's, nobody's */
        op(w, COMMAND_RATE)->rate =
            (struct command_rate){cid_of(cid), 5, false, 1};
        w->c->org = TWO;
        assert_int_equal(go(w), VERDICT_NOT_FOUND);
    }
    world_close(w);
}

static int32_t most_of(struct world *w, uint64_t pin)
{
    struct value v;

    assert_true(store_value_get(w->store, pin, ORG_DEFAULT, &v));
    return v.most;
}

/* The maximum that was asked for last counts, whatever it is worth now. */
static void another_maximum(void **state)
{
    struct world *w = world_with(3);
    uint64_t a = offer_by(w, ORG_DEFAULT, 1, 1, 1, 1), b;
    struct command_claim_put *p;

    (void)state;
    assert_int_equal(offer_by(w, ORG_DEFAULT, 1, 1, 1, 3), a);
    assert_int_equal(most_of(w, a), 3);
    reads(w, a, 2000000);
    assert_int_equal(admit_by(w, ORG_DEFAULT, a, 3), VERDICT_ACCEPTED);
    assert_int_equal(world_pin(w, a)->rmax, 3);
    p = put(w, 2, 1, 1);
    p->from = cid_of(1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    b = w->pin.id;
    assert_int_equal(most_of(w, b), 3);
    assert_int_equal(held(w, b), VALUE_IDLE);
    assert_int_equal(offer_by(w, ORG_DEFAULT, 1, 1, 1, 1), a);
    assert_int_equal(most_of(w, a), 1);
    assert_int_equal(world_pin(w, a)->rmax, 1);
    reads(w, a, 2000000);
    assert_int_equal(world_pin(w, a)->rmax, 1);
    world_check(w);
    world_close(w);
}

/* A node that is nearly full, and one that is not. */
static void nodes_keep_a_reserve(void **state)
{
    struct world *w = world_with(1);
    uint64_t a = offer(w, 1, 96 * 1024), b = offer(w, 2, 90 * 1024);
    struct command_evict *e;

    (void)state;
    assert_int_equal(admit(w, a), VERDICT_STALE); /* 96 of 100 GiB */
    assert_int_equal(admit(w, b), VERDICT_ACCEPTED);
    e = &op(w, COMMAND_EVICT)->evict;
    e->node = 1;
    e->n = 1;
    e->victims[0] = b;
    assert_int_equal(go(w), VERDICT_STALE);
    put(w, 3, 1, 1)->size = 6 * GIB;
    on(w, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    e = &op(w, COMMAND_EVICT)->evict;
    e->node = 1;
    e->n = 2;
    e->victims[0] = w->pin.id; /* required */
    e->victims[1] = b;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(held(w, b), VALUE_IDLE);
    assert_int_equal(used(w, ORG_PHYSICAL), 6 * GIB);
    world_close(w);
}

static enum verdict rate(struct world *w, uint64_t cid, uint64_t rater,
                         uint32_t quality)
{
    struct command_rate *r = &op(w, COMMAND_RATE)->rate;

    r->cid = cid_of(cid);
    r->rater = rater;
    r->quality = quality;
    return go(w);
}

static void ratings(void **state)
{
    struct world *w = world_with(1);
    uint64_t a = offer(w, 1, 4), b = settled(w, 2, 1, 1);
    struct value v;

    (void)state;
    assert_int_equal(rate(w, 1, 7, FIXED_ONE), VERDICT_ACCEPTED);
    assert_int_equal(rate(w, 1, 5, 0), VERDICT_ACCEPTED);
    assert_true(store_value_get(w->store, a, ORG_DEFAULT, &v));
    assert_int_equal(value_quality(&v), FIXED_ONE / 2);
    assert_int_equal(rate(w, 1, 9, FIXED_ONE), VERDICT_ACCEPTED);
    assert_int_equal(rate(w, 1, 5, 1), VERDICT_ACCEPTED); /* its latest */
    assert_true(store_value_get(w->store, a, ORG_DEFAULT, &v));
    assert_int_equal(v.n_ratings, 3);
    assert_int_equal(value_quality(&v), FIXED_ONE);
    for (uint64_t k = 3; k < LIMIT_RATINGS; k++)
        assert_int_equal(rate(w, 1, 100 - k, 1), VERDICT_ACCEPTED);
    assert_int_equal(rate(w, 1, 1000, 1), VERDICT_CONFLICT);
    op(w, COMMAND_RATE)->rate = (struct command_rate){cid_of(1), 7, true, 0};
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(rate(w, 1, 1000, 1), VERDICT_ACCEPTED);
    assert_int_equal(rate(w, 2, 7, 9), VERDICT_ACCEPTED);
    assert_int_equal(held(w, b), VALUE_REQUIRED);
    assert_int_equal(rate(w, 3, 7, 9), VERDICT_NOT_FOUND);
    world_close(w);
}

/* What several claims of one organisation make: elastic only if all are. */
static void one_of_them_is_required(void **state)
{
    struct world *w = world_with(2);
    uint64_t a = offer(w, 1, 4);

    (void)state;
    put(w, 1, 1, 2)->salt = 77;
    on(w, 1);
    on(w, 2);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(held(w, a), VALUE_REQUIRED);
    assert_int_equal(wanted(w, a), 2);
    assert_int_equal(remove_claim(w, 1), VERDICT_ACCEPTED);
    assert_int_equal(held(w, a), VALUE_REQUIRED);
    put(w, 1, 1, 1)->flags = CLAIM_ELASTIC;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(held(w, a), VALUE_REQUIRED);
    world_close(w);
}

/* Two replicas, one of them opened again in between, agree. */
static void replicas_agree(void **state)
{
    struct world *w = world_with(3), *to;
    char path[128];

    (void)state;
    limit(w, ORG_PHYSICAL, ORG_NO_LIMIT, 30 * MIB);
    for (uint64_t k = 1; k <= 20; k++) {
        uint64_t id = offer(w, k, k % 5 + 1);

        reads(w, id, k * 7 % 11);
        (void)admit(w, id);
        w->time_ms += DAY_MS / 2;
    }
    for (uint64_t k = 1; k <= 20; k++)
        reads(w, k, 0);
    world_check(w);
    world_path(path);
    to = world_open(path);
    replay(w, to, 3);
    world_detach(to);
    world_attach(to, path);
    same_hash(w, to);
    world_check(to);
    world_close(to);
    world_unlink(path);
    world_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_candidate_costs_its_count),
        cmocka_unit_test(bad_claims),
        cmocka_unit_test(the_cheapest_makes_room),
        cmocka_unit_test(all_or_nothing),
        cmocka_unit_test(copies_go_before_content),
        cmocka_unit_test(required_pins_come_first),
        cmocka_unit_test(required_everywhere),
        cmocka_unit_test(offered_beside_a_required_one),
        cmocka_unit_test(what_nobody_reads_fades),
        cmocka_unit_test(agents_count_once),
        cmocka_unit_test(batches_count_once),
        cmocka_unit_test(sources_are_bounded),
        cmocka_unit_test(residency),
        cmocka_unit_test(others_are_not_touched),
        cmocka_unit_test(others_do_not_hinder),
        cmocka_unit_test(nothing_is_shown),
        cmocka_unit_test(another_maximum),
        cmocka_unit_test(nodes_keep_a_reserve),
        cmocka_unit_test(ratings),
        cmocka_unit_test(one_of_them_is_required),
        cmocka_unit_test(replicas_agree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
