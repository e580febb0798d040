/* Requests of a principal (the Pinning Service API): times, several on a CID,
 * replacing, quotas, what has come of them and how many, the lists of readers,
 * and databases that knew none. */
#include "tests/lib/token_world.h"

static struct command_claim_put *request(struct world *w, uint64_t who,
                                         uint64_t salt, uint64_t cid,
                                         int32_t rmax)
{
    struct command_claim_put *p = put(w, cid, 1, rmax);

    w->c->kind = COMMAND_REQUEST_PUT;
    w->c->org = store_principal(w->store, who)->org;
    p->who = who;
    p->salt = salt;
    p->name = span_text("name");
    for (int32_t k = 1; k <= rmax; k++)
        p->places[p->n_places++] =
            (struct command_place){(uint32_t)k, REASON_PLACED};
    return p;
}

/* The id of a new one. */
static uint64_t make(struct world *w, uint64_t who, uint64_t salt,
                     uint64_t cid)
{
    request(w, who, salt, cid, 2);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    return w->last.claim;
}

static enum verdict drop_request(struct world *w, uint64_t who, uint64_t id,
                                 uint64_t salt)
{
    op(w, COMMAND_REQUEST_REMOVE)->request_remove =
        (struct command_request_remove){id, salt, who};
    w->c->org = store_principal(w->store, who)->org;
    return go(w);
}

static uint64_t count(struct world *w, uint64_t who, enum request_status s)
{
    return store_requests_of(w->store, who).n[s];
}

static uint64_t person(struct world *w, uint32_t org, const char *name)
{
    return store_token(w->store, token(w, org, name, VERB_PIN, ""))
        ->principal;
}

static uint64_t created(struct world *w, uint64_t id, uint64_t salt)
{
    struct pin p;
    uint64_t at;

    pin_init(&p);
    assert_true(store_request_find(w->store, id, salt, &p));
    assert_true(claims_request(&p, id));
    at = p.created_ms;
    pin_free(&p);
    return at;
}

static void several_of_one(void **state)
{
    struct world *w = world_with(3);
    uint64_t ann = person(w, ORG_DEFAULT, "ann");
    uint64_t bob = person(w, ORG_DEFAULT, "bob");
    uint64_t a, b, c, pin;
    struct pin p;

    (void)state;
    pin_init(&p);
    a = make(w, ann, 11, 1);
    pin = world_find(w, 1)->id;
    assert_int_equal(a, pin); /* the pin's own */
    b = make(w, ann, 12, 1);
    c = make(w, bob, 13, 1);
    assert_true(b > a && c > b);
    assert_int_equal(count(w, ann, REQUEST_PINNING), 2);
    assert_int_equal(count(w, bob, REQUEST_PINNING), 1);
    assert_false(store_request_find(w->store, a, 12, &p));
    assert_false(store_request_find(w->store, a, 0, &p));
    assert_false(store_request_find(w->store, 999, 11, &p));
    world_check(w);
    reported(w, 1, pin, REPORT_PINNED);
    assert_int_equal(count(w, ann, REQUEST_PINNED), 2);
    assert_int_equal(count(w, bob, REQUEST_PINNED), 1);
    /* Whose it is not, it is not there for. */
    assert_int_equal(drop_request(w, bob, a, 11), VERDICT_NOT_FOUND);
    assert_int_equal(drop_request(w, ann, a, 12), VERDICT_NOT_FOUND);
    assert_int_equal(drop_request(w, ann, a, 11), VERDICT_ACCEPTED);
    assert_int_equal(drop_request(w, ann, a, 11), VERDICT_NOT_FOUND);
    assert_int_equal(remove_claim(w, 1), VERDICT_NOT_FOUND);
    world_check(w);
    assert_int_equal(drop_request(w, ann, b, 12), VERDICT_ACCEPTED);
    assert_int_equal(count(w, ann, REQUEST_PINNED), 0);
    assert_int_equal(copy_of(w, pin, 1)->want, COPY_RECURSIVE);
    assert_int_equal(drop_request(w, bob, c, 13), VERDICT_ACCEPTED);
    assert_int_equal(copy_of(w, pin, 1)->want, COPY_RELEASED);
    assert_int_equal(count(w, bob, REQUEST_PINNED), 0);
    world_check(w);
    /* Revived, it has the pin's id again, and another salt. */
    assert_int_equal(make(w, ann, 14, 1), pin);
    assert_false(store_request_find(w->store, pin, 11, &p));
    request(w, ann, 14, 1, 2);
    assert_int_equal(go(w), VERDICT_CONFLICT);
    world_check(w);
    pin_free(&p);
    world_close(w);
}

static void times(void **state)
{
    struct world *w = world_with(2);
    uint64_t ann = person(w, ORG_DEFAULT, "ann");
    uint64_t bob = person(w, ORG_DEFAULT, "bob");
    uint64_t first = 0, at, n;

    (void)state;
    for (n = 0; n < 20000; n++) {
        w->time_ms -= w->time_ms > 5 ? 5 : 0; /* a clock that was set back */
        request(w, ann, n + 1, n + 1, 1);
        if (go(w) != VERDICT_ACCEPTED)
            break;
        at = created(w, w->last.claim, n + 1);
        if (n == 0)
            first = at;
        assert_int_equal(at, first + n);
    }
    assert_int_equal(w->last.verdict, VERDICT_RATE_LIMIT);
    assert_int_equal(n, 10001);
    make(w, bob, 70001, 1); /* others go on */
    assert_int_equal(created(w, w->last.claim, 70001),
                     store_time_ms(w->store));
    w->time_ms = store_time_ms(w->store) + 1000;
    make(w, ann, 50000, 50000);
    assert_int_equal(created(w, w->last.claim, 50000), first + n);
    /* Not those of a removed one are taken for new ones. */
    assert_int_equal(drop_request(w, ann, w->last.claim, 50000),
                     VERDICT_ACCEPTED);
    make(w, ann, 50001, 50001);
    assert_int_equal(created(w, w->last.claim, 50001), first + n + 1);
    world_close(w);
}

/* One cannot fill a CID that others claim. */
static void as_many_as_fit(void **state)
{
    enum { MOST = LIMIT_CLAIMS - LIMIT_ORGS };
    struct world *w = world_with(1);
    uint64_t ann = person(w, ORG_DEFAULT, "ann"), two, last = 0;

    (void)state;
    make_org(w, "two");
    two = person(w, TWO, "ann");
    for (uint64_t k = 1; k <= MOST; k++) {
        request(w, ann, k, 1, 1);
        assert_int_equal(go(w), VERDICT_ACCEPTED);
        last = w->last.claim;
    }
    request(w, ann, MOST + 1, 1, 1);
    assert_int_equal(go(w), VERDICT_INVALID);
    request(w, two, 1, 1, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    request(w, two, 2, 1, 1);
    assert_int_equal(go(w), VERDICT_INVALID);
    /* Two go, one comes. */
    assert_int_equal(drop_request(w, ann, last, MOST), VERDICT_ACCEPTED);
    request(w, ann, MOST + 2, 1, 1);
    assert_int_equal(go(w), VERDICT_INVALID);
    assert_int_equal(drop_request(w, ann, last - 1, MOST - 1),
                     VERDICT_ACCEPTED);
    request(w, ann, MOST + 2, 1, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    world_check(w);
    world_close(w);
}

/* … nor with few of them that are long: each change writes all. */
static void as_much_text_as_fits(void **state)
{
    struct world *w = world_with(1);
    uint64_t ann = person(w, ORG_DEFAULT, "ann"), two, n, last = 0;
    struct buf text = BUF_INIT, meta = BUF_INIT;
    struct meta m = {.n_pairs = 1};

    (void)state;
    make_org(w, "two");
    two = person(w, TWO, "ann");
    buf_printf(&text, "%016000d", 0);
    m.pairs[0] = (struct meta_pair){span_text("k"), span_buf(&text)};
    assert_int_equal(meta_encode(&m, &meta, NULL), ERR_OK);
    for (n = 1; n <= LIMIT_CLAIMS; n++) {
        request(w, ann, n, 1, 1)->meta = span_buf(&meta);
        if (go(w) != VERDICT_ACCEPTED)
            break;
        last = w->last.claim;
    }
    assert_int_equal(w->last.verdict, VERDICT_INVALID);
    assert_int_equal(n, LIMIT_CLAIMS_TEXT / (meta.n + strlen("name")) + 1);
    assert_non_null(strstr(w->last.text, "at most 262144"));
    /* One of them may take the place of another. */
    request(w, ann, n, 1, 1)->meta = span_buf(&meta);
    w->c->claim_put.old_id = last;
    w->c->claim_put.old_salt = n - 1;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    last = w->last.claim;
    request(w, ann, n + 1, 1, 1)->meta = span_buf(&meta);
    assert_int_equal(go(w), VERDICT_INVALID);
    request(w, two, 1, 1, 1)->meta = span_buf(&meta); /* its own */
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(drop_request(w, ann, last, n), VERDICT_ACCEPTED);
    request(w, ann, n + 1, 1, 1)->meta = span_buf(&meta);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    world_check(w);
    buf_free(&text);
    buf_free(&meta);
    world_close(w);
}

static void whose(void **state)
{
    struct world *w = world_with(2);
    uint64_t ann = person(w, ORG_DEFAULT, "ann"), two, prefixed, a;

    (void)state;
    make_org(w, "two");
    two = person(w, TWO, "ann");
    a = make(w, ann, 1, 1);
    /* No row, another organisation's, no principal at all. */
    request(w, ann, 2, 1, 1)->who = 999;
    assert_int_equal(go(w), VERDICT_DENIED);
    request(w, ann, 2, 1, 1)->who = two;
    assert_int_equal(go(w), VERDICT_DENIED);
    request(w, ann, 2, 1, 1)->who = PRINCIPAL_LOCAL;
    assert_int_equal(go(w), VERDICT_DENIED);
    assert_int_equal(drop_request(w, two, a, 1), VERDICT_NOT_FOUND);
    request(w, two, 3, 2, 1)->old_id = a;
    w->c->claim_put.old_salt = 1;
    assert_int_equal(go(w), VERDICT_NOT_FOUND);
    assert_null(world_find(w, 2));
    /* A token's prefix binds names, old and new. */
    prefixed = token(w, ORG_DEFAULT, "ann", VERB_PIN, "x-");
    request(w, ann, 4, 3, 1);
    w->c->actor = prefixed;
    assert_int_equal(go(w), VERDICT_DENIED);
    op(w, COMMAND_REQUEST_REMOVE)->request_remove =
        (struct command_request_remove){a, 1, ann};
    w->c->actor = prefixed;
    assert_int_equal(go(w), VERDICT_DENIED);
    request(w, ann, 4, 3, 1)->name = span_text("x-1");
    w->c->actor = prefixed;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    op(w, COMMAND_REQUEST_REMOVE)->request_remove =
        (struct command_request_remove){a, 1, two};
    w->c->actor = prefixed;
    assert_int_equal(go(w), VERDICT_DENIED);
    world_check(w);
    world_close(w);
}

static uint64_t replace(struct world *w, uint64_t who, uint64_t old,
                        uint64_t old_salt, uint64_t salt, uint64_t cid,
                        enum verdict verdict)
{
    struct command_claim_put *p = request(w, who, salt, cid, 2);

    p->old_id = old;
    p->old_salt = old_salt;
    assert_int_equal(go(w), verdict);
    return verdict == VERDICT_ACCEPTED ? w->last.claim : 0;
}

static void replaced(void **state)
{
    struct world *w = world_with(3);
    uint64_t ann = person(w, ORG_DEFAULT, "ann"), a, b, c;
    struct meta m;
    struct pin p;
    struct cid from = cid_of(1);

    (void)state;
    pin_init(&p);
    a = make(w, ann, 1, 1);
    reported(w, 1, a, REPORT_PINNED);
    b = replace(w, ann, a, 1, 2, 2, VERDICT_ACCEPTED);
    assert_false(store_request_find(w->store, a, 1, &p));
    assert_true(store_request_find(w->store, b, 2, &p));
    assert_int_equal(meta_decode(span_buf(&p.meta), &m, NULL), ERR_OK);
    assert_true(cid_equal(&m.update_from, &from));
    assert_int_equal(copy_of(w, a, 1)->want, COPY_RELEASED);
    assert_int_equal(copy_of(w, b, 1)->want, COPY_RECURSIVE);
    assert_int_equal(copy_of(w, a, 1)->idx, copy_of(w, b, 1)->idx);
    assert_int_equal(count(w, ann, REQUEST_PINNING), 1);
    assert_int_equal(count(w, ann, REQUEST_PINNED), 0);
    world_check(w);
    /* Twice, and with what is not there: nothing changes. */
    replace(w, ann, a, 1, 3, 3, VERDICT_NOT_FOUND);
    assert_null(world_find(w, 3));
    /* With its own CID: another name, no order. */
    reported(w, 1, b, REPORT_PINNED);
    c = replace(w, ann, b, 2, 4, 2, VERDICT_ACCEPTED);
    assert_false(store_request_find(w->store, b, 2, &p));
    assert_true(store_request_find(w->store, c, 4, &p));
    assert_int_equal(copy_of(w, b, 1)->want, COPY_RECURSIVE);
    assert_int_equal(copy_of(w, b, 1)->state, COPY_PINNED);
    assert_int_equal(count(w, ann, REQUEST_PINNED), 1);
    world_check(w);
    /* Refused: the old one stays. */
    request(w, ann, 5, 5, 16)->old_id = c;
    w->c->claim_put.old_salt = 4;
    w->c->claim_put.rmin = 16;
    w->c->claim_put.n_places = 2;
    assert_int_equal(go(w), VERDICT_NO_CANDIDATES);
    assert_true(store_request_find(w->store, c, 4, &p));
    world_check(w);
    pin_free(&p);
    world_close(w);
}

/* What is given up pays for what comes, but never twice. */
static void within_quota(void **state)
{
    struct world *w = world_with(3);
    uint64_t ann = person(w, ORG_DEFAULT, "ann"), a, b;
    struct command_org_put *q;

    (void)state;
    a = make(w, ann, 1, 1);
    q = &op(w, COMMAND_ORG_PUT)->org_put;
    q->org = ORG_DEFAULT;
    q->set = 2U << (2 * ORG_PHYSICAL);
    q->limits[ORG_PHYSICAL].hard = 2 * FSM_DEFAULT_SIZE;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    request(w, ann, 2, 2, 2);
    assert_int_equal(go(w), VERDICT_OVER_QUOTA);
    b = replace(w, ann, a, 1, 2, 2, VERDICT_ACCEPTED);
    world_check(w);
    assert_int_equal(store_org(w->store, ORG_DEFAULT)->used[ORG_PHYSICAL],
                     2 * FSM_DEFAULT_SIZE);
    /* More copies of the same. */
    request(w, ann, 3, 2, 3)->old_id = b;
    w->c->claim_put.old_salt = 2;
    assert_int_equal(go(w), VERDICT_OVER_QUOTA);
    request(w, ann, 3, 3, 3)->old_id = b;
    w->c->claim_put.old_salt = 2;
    assert_int_equal(go(w), VERDICT_OVER_QUOTA);
    world_check(w);
    world_close(w);
}

/* The last of several, too: the pin's own fields are no claim. */
static void within_quota_the_last_of_several(void **state)
{
    struct world *w = world_with(3);
    uint64_t ann = person(w, ORG_DEFAULT, "ann"), a, b;
    struct command_org_put *q;

    (void)state;
    a = make(w, ann, 1, 1);
    b = make(w, ann, 2, 1);
    assert_int_equal(drop_request(w, ann, a, 1), VERDICT_ACCEPTED);
    q = &op(w, COMMAND_ORG_PUT)->org_put;
    q->org = ORG_DEFAULT;
    q->set = 2U << (2 * ORG_PHYSICAL);
    q->limits[ORG_PHYSICAL].hard = 2 * FSM_DEFAULT_SIZE;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    replace(w, ann, b, 2, 3, 2, VERDICT_ACCEPTED);
    assert_int_equal(store_org(w->store, ORG_DEFAULT)->used[ORG_PHYSICAL],
                     2 * FSM_DEFAULT_SIZE);
    world_check(w);
    world_close(w);
}

static void guarantee(struct world *w, uint64_t bytes)
{
    struct command_org_put *p = &op(w, COMMAND_QUOTA_PUT)->org_put;

    p->org = ORG_DEFAULT;
    p->set = ORG_SET_GUARANTEE;
    p->guarantee = bytes;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
}

/* As within a limit: what it gives back counts from what it has, also while
 * that is above what is guaranteed. */
static void within_a_guarantee(void **state)
{
    struct world *w = world_with(3);
    uint64_t ann = person(w, ORG_DEFAULT, "ann"), a;

    (void)state;
    a = make(w, ann, 1, 1);
    (void)make(w, ann, 2, 2);
    guarantee(w, 3 * FSM_DEFAULT_SIZE);
    (void)replace(w, ann, a, 1, 3, 3, VERDICT_OVER_QUOTA);
    guarantee(w, 4 * FSM_DEFAULT_SIZE);
    (void)replace(w, ann, a, 1, 3, 3, VERDICT_ACCEPTED);
    assert_int_equal(store_org(w->store, ORG_DEFAULT)->used[ORG_PHYSICAL],
                     4 * FSM_DEFAULT_SIZE);
    world_check(w);
    world_close(w);
}

/* What is elastic and replaced gives its bytes back once: it does not make
 * room besides. */
static void within_quota_instead_of_an_elastic_one(void **state)
{
    struct world *w = world_with(4);
    uint64_t ann = person(w, ORG_DEFAULT, "ann"), old;

    (void)state;
    for (uint64_t k = 1; k <= 2; k++) {
        struct command_admit *a;
        uint64_t rev;

        request(w, ann, 10 + k, k, 1)->flags = CLAIM_ELASTIC;
        assert_int_equal(go(w), VERDICT_ACCEPTED);
        old = w->last.claim;
        assert_non_null(world_pin(w, old));
        rev = w->got.rev;
        a = &op(w, COMMAND_ADMIT)->admit;
        a->pin = old;
        a->rev = rev;
        a->places[a->n_places++] = (struct command_place){1, REASON_PLACED};
        assert_int_equal(go(w), VERDICT_ACCEPTED);
    }
    assert_int_equal(used(w, ORG_PHYSICAL), 2 * FSM_DEFAULT_SIZE);
    assert_int_equal(limit(w, ORG_PHYSICAL, ORG_NO_LIMIT,
                           3 * FSM_DEFAULT_SIZE), VERDICT_ACCEPTED);
    request(w, ann, 13, 3, 4)->old_id = old;
    w->c->claim_put.old_salt = 12;
    assert_int_equal(go(w), VERDICT_OVER_QUOTA);
    assert_int_equal(used(w, ORG_PHYSICAL), 2 * FSM_DEFAULT_SIZE);
    world_check(w);
    request(w, ann, 14, 3, 3)->old_id = old;
    w->c->claim_put.old_salt = 12;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(used(w, ORG_PHYSICAL), 3 * FSM_DEFAULT_SIZE);
    world_check(w);
    world_close(w);
}

static void statuses(void **state)
{
    struct world *w = world_with(2);
    uint64_t ann = person(w, ORG_DEFAULT, "ann"), a;

    (void)state;
    a = make(w, ann, 1, 1);
    for (int k = 0; k < 5; k++) {
        reported(w, 1, a, REPORT_FAILED);
        reported(w, 2, a, REPORT_FAILED);
        world_check(w);
    }
    assert_int_equal(count(w, ann, REQUEST_FAILED), 1);
    op(w, COMMAND_RECOVER)->recover.n = 1;
    w->c->recover.pins[0] = a;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(count(w, ann, REQUEST_PINNING), 1);
    for (uint32_t k = 1; k <= 2; k++) { /* no node is left */
        op(w, COMMAND_NODE_REMOVE)->node_remove.node = k;
        w->c->node_remove.force = true;
        assert_int_equal(go(w), VERDICT_ACCEPTED);
    }
    assert_int_equal(count(w, ann, REQUEST_QUEUED), 1);
    assert_int_equal(count(w, ann, REQUEST_PINNING), 0);
    world_close(w);
}

/* --- readers ------------------------------------------------------------- */
enum { N = 60 };

/* Every third on a CID of both. Returns the time of one in the middle. */
static uint64_t fill(struct world *w, uint64_t ann, uint64_t bob,
                     uint64_t ids[N])
{
    uint64_t middle = 0;

    for (uint64_t k = 0; k < N; k++) {
        ids[k] = make(w, ann, k + 1, k % 3 == 0 ? 1 : 100 + k);
        make(w, bob, 1000 + k, k % 3 == 0 ? 1 : 100 + k);
        if (k == N / 2)
            middle = created(w, ids[k], k + 1);
    }
    for (uint64_t k = 0; k < N; k += 2) {
        uint64_t cid = k % 3 == 0 ? 1 : 100 + k;

        reported(w, 1, world_find(w, cid)->id, REPORT_PINNED);
    }
    store_flush(w->store);
    return middle;
}

static void newest_first(struct world *w, struct store_reader *r,
                         uint64_t who, const uint64_t ids[N])
{
    uint64_t last = UINT64_MAX;
    struct store_request q;

    store_reader_requests_scan(r, who, 15, UINT64_MAX);
    for (uint64_t k = N; k-- > 0;) {
        assert_true(store_reader_requests_next(r, &q));
        assert_int_equal(q.id, ids[k]);
        assert_true(q.created_ms < last);
        last = q.created_ms;
        assert_true(store_reader_request(r, q.id, k + 1, &w->got));
        assert_int_equal(w->got.id, q.pin);
        assert_true(claims_request(&w->got, q.id));
        assert_int_equal(w->got.created_ms, q.created_ms);
    }
    assert_false(store_reader_requests_next(r, &q));
    store_reader_requests_end(r);
}

static void listed(void **state)
{
    uint64_t ann, last, ids[N], seen = 0, middle;
    struct store_requests n;
    struct store_request q;
    struct store_reader *r;
    char path[128];
    struct world *w;

    (void)state;
    world_path(path);
    w = world_open(path);
    assert_int_equal(form(w), VERDICT_ACCEPTED);
    join(w, 2);
    ann = person(w, ORG_DEFAULT, "ann");
    middle = fill(w, ann, person(w, ORG_DEFAULT, "bob"), ids);
    assert_int_equal(store_reader_open(path, &r, NULL), ERR_OK);
    assert_int_equal(store_reader_begin(r), ERR_OK);
    assert_int_equal(store_reader_next_claim(r),
                     w->store->head[STORE_HEAD_NEXT_PIN]);
    assert_true(store_reader_requests(r, ann, &n));
    assert_int_equal(n.n[REQUEST_PINNED] + n.n[REQUEST_PINNING], N);
    assert_int_equal(n.n[REQUEST_PINNED], 40);
    for (int k = 0; k < REQUEST_STATES; k++) {
        enum request_status s = (enum request_status)k;

        assert_int_equal(n.n[k], count(w, ann, s));
        assert_int_equal(store_reader_requests_count(r, ann, s, 0,
                                                     UINT64_MAX), n.n[k]);
        seen += store_reader_requests_count(r, ann, s, 0, middle);
        seen += store_reader_requests_count(r, ann, s, middle, UINT64_MAX);
    }
    assert_int_equal(seen, N - 1); /* both bounds are exclusive */
    newest_first(w, r, ann, ids);
    store_reader_requests_scan(r, ann, 1U << REQUEST_PINNED, middle);
    for (seen = 0; store_reader_requests_next(r, &q); seen++)
        assert_true(q.created_ms < middle);
    assert_int_equal(seen, store_reader_requests_count(r, ann, REQUEST_PINNED,
                                                       0, middle));
    store_reader_end(r); /* ends the scan, too */
    store_reader_close(r);
    world_check(w);
    world_detach(w); /* numbers and times are kept */
    world_attach(w, path);
    world_check(w);
    last = store_principal(w->store, ann)->last_ms;
    make(w, ann, 5000, 5000);
    assert_true(created(w, w->last.claim, 5000) > last);
    world_close(w);
    world_unlink(path);
}

/* Whoever is removed leaves requests behind: nobody comes in by the row, and
 * it goes when they have gone. */
static void removed_with_requests(void **state)
{
    struct world *w = world_with(2);
    uint64_t ann = user(w, ORG_DEFAULT, "ann", VERB_PIN), a;

    (void)state;
    token(w, ORG_DEFAULT, "ann", VERB_PIN, "");
    a = make(w, ann, 1, 1);
    assert_int_equal(drop(w, ORG_DEFAULT, ann), VERDICT_ACCEPTED);
    assert_int_equal(n_tokens(w), 0);
    assert_string_equal(store_principal(w->store, ann)->password, "");
    assert_int_equal(count(w, ann, REQUEST_PINNING), 1);
    op(w, COMMAND_REQUEST_REMOVE)->request_remove =
        (struct command_request_remove){a, 1, ann};
    w->c->actor = ann;
    assert_int_equal(go(w), VERDICT_DENIED);
    /* An administrator lets somebody in again, who ends it. */
    token(w, ORG_DEFAULT, "ann", VERB_PIN, "");
    assert_int_equal(drop_request(w, ann, a, 1), VERDICT_ACCEPTED);
    assert_int_equal(drop(w, ORG_DEFAULT, ann), VERDICT_ACCEPTED);
    assert_null(store_principal(w->store, ann));
    world_check(w);
    world_close(w);
}

/* The fourth and the fifth schema knew no requests. */
static void from_schema(const char *to)
{
    static const char undo[] =
        "DROP INDEX pin_request;DROP INDEX claim_request;"
        "ALTER TABLE principal DROP COLUMN last;"
        "ALTER TABLE principal DROP COLUMN pinning;"
        "ALTER TABLE principal DROP COLUMN pinned;"
        "ALTER TABLE principal DROP COLUMN failed;"
        "ALTER TABLE principal DROP COLUMN queued;"
        "ALTER TABLE org DROP COLUMN elastic;"
        "DROP TABLE tag;DELETE FROM fsm WHERE k=14";
    uint8_t before[STORE_HASH], after[STORE_HASH];
    char path[128];
    struct world *w;
    uint64_t ann;

    world_path(path);
    w = world_open(path);
    assert_int_equal(form(w), VERDICT_ACCEPTED);
    join(w, 2);
    ann = person(w, ORG_DEFAULT, "ann");
    put(w, 1, 1, 1);
    on(w, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    store_flush(w->store);
    store_hash(w->store, before);
    assert_int_equal(store_db_exec(&w->store->d, undo, NULL), ERR_OK);
    assert_int_equal(store_db_exec(&w->store->d, to, NULL), ERR_OK);
    world_detach(w);
    world_attach(w, path);
    store_hash(w->store, after);
    assert_memory_equal(before, after, STORE_HASH);
    make(w, ann, 1, 1);
    make(w, ann, 2, 2);
    world_check(w);
    world_detach(w);
    world_attach(w, path);
    world_check(w);
    assert_int_equal(count(w, ann, REQUEST_PINNING), 2);
    world_close(w);
    world_unlink(path);
}

static void from_the_fourth_schema(void **state)
{
    (void)state;
    from_schema("DROP TABLE source;UPDATE fsm SET v=4 WHERE k=8");
}

static void from_the_fifth_schema(void **state)
{
    (void)state;
    from_schema("UPDATE fsm SET v=5 WHERE k=8");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(several_of_one),
        cmocka_unit_test(times),
        cmocka_unit_test(as_many_as_fit),
        cmocka_unit_test(as_much_text_as_fits),
        cmocka_unit_test(whose),
        cmocka_unit_test(replaced),
        cmocka_unit_test(within_quota),
        cmocka_unit_test(within_quota_the_last_of_several),
        cmocka_unit_test(within_quota_instead_of_an_elastic_one),
        cmocka_unit_test(within_a_guarantee),
        cmocka_unit_test(statuses),
        cmocka_unit_test(listed),
        cmocka_unit_test(removed_with_requests),
        cmocka_unit_test(from_the_fourth_schema),
        cmocka_unit_test(from_the_fifth_schema),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
