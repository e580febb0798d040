/* Tables that lists use: they say what the rows say, after whatever was done
 * to them, by this program or by one that does not know the tables.
 */
#include "tests/lib/token_world.h"

#include "proto/claims.h"
#include "proto/prng.h"

#include <sqlite3.h>

enum { PINS = 300, STEPS = 3000, CLAIMS_MAX = 4, WHO = 7 /* and 8 */ };

struct rig {
    struct store *store;
    struct store_reader *reader;
    struct prng random;
    uint64_t index, clock_ms;
    struct pin pins[PINS]; /* id 0: none */
    char path[128];
};

static uint64_t below(struct rig *r, uint64_t n)
{
    return prng_below(&r->random, n);
}

static void open_rig(struct rig *r)
{
    struct err_text why = {""};

    if (store_open(r->path, &r->store, &why) != ERR_OK ||
        store_reader_open(r->path, &r->reader, &why) != ERR_OK)
        fail_msg("%s", why.text);
}

static void close_rig(struct rig *r)
{
    store_reader_close(r->reader);
    store_close(r->store);
}

/* Times of requests grow by a little, by more than a bucket of each level. */
static uint64_t next_ms(struct rig *r)
{
    static const uint64_t jumps[] = {1, 1, 2, 50, 1000, 20000, 17000000,
                                     1ULL << 34};

    return r->clock_ms += jumps[below(r, 8 - (below(r, 20) != 0))];
}

static uint32_t some_flags(struct rig *r)
{
    static const uint32_t states[] = {
        PIN_PENDING, PIN_PINNED << CLAIM_STATE_SHIFT,
        PIN_FAILED << CLAIM_STATE_SHIFT, CLAIM_WAITING};

    return states[below(r, 4)];
}

static uint64_t someone(struct rig *r)
{
    return WHO + below(r, 2);
}

/* A request alone, or several on one pin. */
static void fill(struct rig *r, struct pin *p, uint32_t number)
{
    p->cid = cid_of(number);
    p->size = 1;
    p->rmin = p->rmax = 1;
    p->todo = TODO_NO_COPY;
    p->org = ORG_DEFAULT;
    p->created_ms = next_ms(r);
    p->id = store_next_pin(r->store);
    if (below(r, 3) != 0) {
        p->who = someone(r);
        p->salt = p->id;
        p->flags = some_flags(r);
        return;
    }
    p->flags = PIN_SHARED;
    for (uint64_t k = 1 + below(r, CLAIMS_MAX); k > 0; k--) {
        struct claim *c = pin_claim_add(p);

        c->id = store_next_pin(r->store);
        c->org = ORG_DEFAULT;
        c->who = someone(r);
        c->salt = below(r, 4) == 0 ? 0 : c->id; /* not each is a request */
        c->rmin = c->rmax = 1;
        c->created_ms = next_ms(r);
        c->flags = some_flags(r);
    }
}

static void change(struct rig *r, uint32_t number)
{
    struct pin *p = &r->pins[number], was;

    pin_init(&was);
    pin_assign(&was, p);
    if (p->id == 0) {
        fill(r, p, number);
        store_pin_put(r->store, NULL, p);
    } else if (below(r, 3) == 0) {
        store_pin_delete(r->store, &was);
        pin_reset(p);
        p->id = 0;
    } else if (p->n_claims == 0) {
        p->flags = some_flags(r);
        store_pin_put(r->store, &was, p);
    } else {
        struct claim *c = &p->claims[below(r, p->n_claims)];

        if (p->n_claims > 1 && below(r, 2) == 0)
            claims_drop(p, c);
        else
            c->flags = some_flags(r);
        store_pin_put(r->store, &was, p);
    }
    pin_free(&was);
}

/* What COUNT(*) says, both bounds exclusive. */
static uint64_t counted(struct rig *r, uint64_t who, enum request_status s,
                        uint64_t after, uint64_t before)
{
    static const unsigned statements[] = {STORE_R_COUNT_PINS,
                                          STORE_R_COUNT_CLAIMS};
    uint64_t n = 0;

    for (int k = 0; k < 2; k++) {
        assert_true(store_db_run(&r->reader->d, statements[k], "uuuu", who,
                                 (uint64_t)store_request_key(s), after + 1,
                                 before < INT64_MAX ? before
                                                    : (uint64_t)INT64_MAX));
        n += store_db_u64(&r->reader->d, statements[k], 0);
        store_db_reset(&r->reader->d, statements[k]);
    }
    return n;
}

static void compare(struct rig *r, uint64_t who)
{
    assert_int_equal(store_reader_begin(r->reader), ERR_OK);
    for (unsigned s = 0; s < REQUEST_STATES; s++) {
        enum request_status status = (enum request_status)s;
        uint64_t a = below(r, r->clock_ms + 1000), b = r->clock_ms - 20000;

        b += below(r, 30000);
        assert_int_equal(store_reader_requests_count(r->reader, who, status,
                                                     0, UINT64_MAX),
                         store_requests_of(r->store, who).n[s]);
        assert_int_equal(
            store_reader_requests_count(r->reader, who, status, 0, b),
            counted(r, who, status, 0, b));
        assert_int_equal(
            store_reader_requests_count(r->reader, who, status, a, b),
            counted(r, who, status, a, b));
        assert_int_equal(
            store_reader_requests_count(r->reader, who, status, a, UINT64_MAX),
            counted(r, who, status, a, UINT64_MAX));
    }
    store_reader_end(r->reader);
}

static uint64_t rows(struct rig *r, const char *sql)
{
    sqlite3_stmt *q;
    uint64_t n;

    assert_int_equal(sqlite3_prepare_v2(r->store->d.db, sql, -1, &q, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(q), SQLITE_ROW);
    n = (uint64_t)sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    return n;
}

static void flush(struct rig *r)
{
    r->index++;
    store_set_applied(r->store, r->index, 1, r->index);
    store_flush(r->store);
}

static struct rig *new_rig(void)
{
    struct rig *r = calloc(1, sizeof *r);
    struct principal who = {.org = ORG_DEFAULT, .name = "a"};

    world_path(r->path);
    prng_seed(&r->random, 1);
    r->clock_ms = 1700000000000;
    for (uint32_t k = 0; k < PINS; k++)
        pin_init(&r->pins[k]);
    open_rig(r);
    for (who.id = WHO; who.id <= WHO + 1; who.id++)
        store_principal_put(r->store, &who);
    return r;
}

static void free_rig(struct rig *r)
{
    for (uint32_t k = 0; k < PINS; k++)
        pin_free(&r->pins[k]);
    close_rig(r);
    world_unlink(r->path);
    free(r);
}

static void ages_are_the_rows(void **state)
{
    struct rig *r = new_rig();

    (void)state;
    for (unsigned k = 1; k <= STEPS; k++) {
        change(r, (uint32_t)below(r, PINS));
        if (below(r, 10) != 0)
            continue;
        flush(r);
        compare(r, WHO);
        compare(r, WHO + 1);
        if (below(r, 20) != 0)
            continue;
        close_rig(r);
        open_rig(r);
        compare(r, WHO);
    }
    flush(r);
    assert_int_equal(rows(r, "SELECT count(*) FROM request_age WHERE n<=0"),
                     0);
    /* Another program wrote last. */
    assert_int_equal(store_db_exec(&r->store->d,
                                   "UPDATE fsm SET v=v+1 WHERE k=1;"
                                   "DELETE FROM request_age WHERE level<>1;"
                                   "UPDATE request_age SET n=7", NULL),
                     ERR_OK);
    r->index++;
    close_rig(r);
    open_rig(r);
    compare(r, WHO);
    compare(r, WHO + 1);
    change(r, 0); /* and who goes is forgotten with what was not written */
    store_principal_remove(r->store, WHO);
    flush(r);
    assert_int_equal(rows(r, "SELECT count(*) FROM request_age WHERE who=7"),
                     0);
    compare(r, WHO + 1);
    free_rig(r);
}

/* --- an older schema ----------------------------------------------------- */

static void put_settled(struct rig *r, struct pin *p)
{
    p->cid = cid_of(PINS);
    p->size = 1;
    p->rmin = p->rmax = 1;
    p->todo = TODO_SETTLED;
    p->org = ORG_DEFAULT;
    p->id = store_next_pin(r->store);
    pin_copy_add(p, 1)->want = COPY_RELEASED;
    store_pin_put(r->store, NULL, p);
}

static void change_some(struct rig *r)
{
    for (unsigned k = 0; k < STEPS / 10; k++)
        change(r, (uint32_t)below(r, PINS));
    flush(r);
    compare(r, WHO);
    compare(r, WHO + 1);
}

/* What is completed first, of organisations and of tags, is flushed on its
 * own: that must not make tables current that nothing was counted in yet. */
static void raised_from(const char *undo)
{
    static const char drop[] = "DROP TABLE request_age;DROP TABLE letting;"
                               "DROP TABLE derived;"
                               "DROP TABLE tag;DELETE FROM fsm WHERE k=14";
    static const char letting[] = "SELECT count(*) FROM letting";
    struct node node = {.id = 1};
    struct rig *r = new_rig();
    struct pin p;

    pin_init(&p);
    store_node_put(r->store, &node);
    put_settled(r, &p);
    change_some(r);
    assert_int_equal(rows(r, letting), 1);
    assert_int_equal(store_db_exec(&r->store->d, drop, NULL), ERR_OK);
    assert_int_equal(store_db_exec(&r->store->d, undo, NULL), ERR_OK);
    for (int k = 0; k < 2; k++) { /* the second time it is written down */
        close_rig(r);
        open_rig(r);
        compare(r, WHO);
        compare(r, WHO + 1);
        assert_int_equal(rows(r, letting), 1);
        assert_int_equal(rows(r, "SELECT v FROM derived"), r->index);
    }
    change_some(r);
    store_pin_delete(r->store, &p);
    change_some(r);
    assert_int_equal(rows(r, letting), 0);
    assert_int_equal(rows(r, "SELECT count(*) FROM request_age WHERE n<=0"),
                     0);
    pin_free(&p);
    free_rig(r);
}

static void from_the_seventh_schema(void **state)
{
    (void)state;
    raised_from("UPDATE fsm SET v=7 WHERE k=8");
}

/* Its organisations are completed too. */
static void from_the_sixth_schema(void **state)
{
    (void)state;
    raised_from("ALTER TABLE org DROP COLUMN elastic;"
                "UPDATE fsm SET v=6 WHERE k=8");
}

/* --- copies to let go ---------------------------------------------------- */

static unsigned listed(struct world *w, const char *path)
{
    struct store_reader *r;
    struct pin p;
    unsigned n = 0;

    store_flush(w->store);
    pin_init(&p);
    assert_int_equal(store_reader_open(path, &r, NULL), ERR_OK);
    assert_int_equal(store_reader_begin(r), ERR_OK);
    store_reader_scan(r, 0, STORE_PINS_TODO, 0);
    while (store_reader_next(r, &p))
        n++;
    store_reader_end(r);
    store_reader_close(r);
    pin_free(&p);
    return n;
}

/* A settled pin is in the list of work while a surplus copy is let go. */
static void what_is_let_go_is_listed(void **state)
{
    struct command_assign *a;
    struct world *w;
    char path[128];

    (void)state;
    world_path(path);
    w = world_open(path);
    assert_int_equal(form(w), VERDICT_ACCEPTED);
    join(w, 3);
    for (uint64_t k = 1; k <= 3; k++)
        settled(w, k, 1, 2);
    assert_int_equal(listed(w, path), 0);
    put(w, 2, 1, 1);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_non_null(world_pin(w, 2));
    a = assign(w, 2);
    a->rev = w->got.rev;
    a->n_release = 1;
    a->release[0] = (struct command_place){2, REASON_SURPLUS};
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    assert_int_equal(world_pin(w, 2)->todo, TODO_SETTLED);
    assert_int_equal(listed(w, path), 1);
    store_flush(w->store);
    assert_int_equal(store_db_exec(&w->store->d, "DELETE FROM letting;"
                                   "DROP TABLE derived", NULL), ERR_OK);
    world_detach(w);
    world_attach(w, path); /* found again */
    assert_int_equal(listed(w, path), 1);
    assert_int_equal(reported(w, 2, 2, REPORT_GONE), VERDICT_ACCEPTED);
    assert_int_equal(listed(w, path), 0);
    world_close(w);
    world_unlink(path);
}

/* It goes with the transaction; others that were made since do not matter. */
static void a_hash_is_kept(void **state)
{
    uint8_t then[STORE_HASH], now[STORE_HASH], got[STORE_HASH];
    struct rig *r = new_rig();
    uint64_t at;

    (void)state;
    assert_int_equal(store_marked(r->store, got), 0);
    change_some(r);
    at = store_applied(r->store);
    store_mark(r->store, then);
    change_some(r);
    store_hash(r->store, now);
    assert_memory_not_equal(now, then, STORE_HASH);
    for (int k = 0; k < 2; k++) {
        assert_int_equal(store_marked(r->store, got), at);
        assert_memory_equal(got, then, STORE_HASH);
        close_rig(r);
        open_rig(r);
    }
    at = store_applied(r->store);
    store_mark(r->store, then);
    assert_memory_equal(now, then, STORE_HASH);
    assert_int_equal(store_marked(r->store, got), at);
    assert_memory_equal(got, then, STORE_HASH);
    assert_int_equal(rows(r, "SELECT count(*) FROM derived"), 4);
    free_rig(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ages_are_the_rows),
        cmocka_unit_test(from_the_seventh_schema),
        cmocka_unit_test(from_the_sixth_schema),
        cmocka_unit_test(what_is_let_go_is_listed),
        cmocka_unit_test(a_hash_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
