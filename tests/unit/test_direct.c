/* Is it pinned directly? One listing for all who asked before it. */
#include "kubo_world.h"

#include "agent/direct.h"

#include <stddef.h>

enum { ASKED = 6 };

#define ROW_OF(cid) "{\"Cid\":\"" cid "\",\"Type\":\"direct\"}\n"

struct asked {
    struct direct_question q; /* first */
    unsigned answers;
    bool pinned;
    struct direct *again; /* ask once more when answered */
};

static void on_answer(struct direct_question *q, bool pinned)
{
    struct asked *a = (struct asked *)q;

    a->answers++;
    a->pinned = pinned;
    if (a->again != NULL) {
        struct direct *d = a->again;

        a->again = NULL;
        if (!direct_ask(d, q))
            a->answers = 100;
    }
}

static void ask(struct direct *d, struct asked *a, const char *cid)
{
    bool takes;

    memset(a, 0, sizeof *a);
    a->q.cid = cid_of(cid);
    a->q.done = on_answer;
    takes = direct_ask(d, &a->q);
    assert_true(takes);
    assert_int_equal(a->answers, 0);
}

static void over(struct world *w, struct direct *d)
{
    kubo_close(w->kubo, on_closed, w);
    WAIT(w, w->closed);
    direct_free(d);
    world_free(w);
}

static void one_listing_for_all(void **state)
{
    (void)state;
    struct world *w = world_new(NULL);
    struct direct *d = direct_new(&w->loop, w->kubo);
    struct asked a[ASKED];

    /* The first listing is that of the first question alone. */
    answer(w, 200, ROW_OF(RAW) ROW_OF(V1), NULL);
    for (int k = 0; k < ASKED; k++)
        ask(d, &a[k], k == 3 ? RAW : k == 4 ? V0 : k == 5 ? RAW :
            "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku");
    WAIT(w, a[1].answers == 1 && a[5].answers == 1);
    assert_int_equal(w->server.requests, 2);
    assert_non_null(strstr(w->server.heads[1], "/pin/ls?type=direct"
                                               "&names=true&stream=true "));
    for (int k = 0; k < ASKED; k++) {
        assert_int_equal(a[k].answers, 1);
        assert_int_equal(a[k].pinned, k >= 3); /* V0 is V1, decoded */
    }
    over(w, d);
}

/* Who asks when answered gets the next listing, not this one. */
static void asked_again(void **state)
{
    (void)state;
    struct world *w = world_new(NULL);
    struct direct *d = direct_new(&w->loop, w->kubo);
    struct asked a, b;

    reply(w, (struct script_reply){.bytes = text_of(200, "", NULL)});
    reply(w, (struct script_reply){.bytes = text_of(200, ROW_OF(RAW), NULL)});
    ask(d, &a, RAW);
    a.again = d;
    WAIT(w, a.answers == 1);
    assert_false(a.pinned);
    ask(d, &b, V0);
    WAIT(w, a.answers == 2 && b.answers == 1);
    assert_true(a.pinned);
    assert_false(b.pinned);
    over(w, d);
}

/* Then everybody looks alone, those who waited for the next one, too. */
static void failed(struct world *w, const char *what)
{
    struct direct *d = direct_new(&w->loop, w->kubo);
    struct asked a[3];
    unsigned before = w->server.requests;

    for (int k = 0; k < 3; k++)
        ask(d, &a[k], RAW);
    WAIT(w, a[0].answers + a[1].answers + a[2].answers == 3);
    for (int k = 0; k < 3; k++)
        if (a[k].answers != 1 || !a[k].pinned)
            fail_msg("%s", what);
    assert_int_equal(w->server.requests, before + 1);
    if (direct_ask(d, &a[0].q))
        fail_msg("%s: asked at once", what);
    direct_free(d);
}

/* Its rows; without its end the text goes on for ever. */
static void rows_of(struct buf *b, int n)
{
    buf_text(b, CHUNKED);
    for (int k = 0; k < n; k++)
        buf_text(b, DIRECT_ROW);
}

static void listings_that_fail(void **state)
{
    (void)state;
    struct world *w = world_hasty();
    struct buf many = BUF_INIT;

    answer(w, 500, "{\"Message\":\"datastore closed\"}", NULL);
    failed(w, "refused");
    answer(w, 200, ROW_OF(V0), "datastore closed");
    failed(w, "an error behind the rows");
    answer(w, 200, "{\"Cid\":\"" RAW "\",\"Type\":\"recursive\"}\n", NULL);
    failed(w, "rows of another type");
    forget(w); /* a row now and then, for ever */
    reply(w, (struct script_reply){.bytes = CHUNKED, .repeat = 100,
                                   .again = DIRECT_ROW,
                                   .every_ms = STALL_MS / 2});
    failed(w, "no end");
    forget(w);
    rows_of(&many, DIRECT_FEW + 1);
    reply(w, (struct script_reply){.bytes = buf_cstr(&many)});
    failed(w, "too many");
    buf_free(&many);
    world_free(w);
}

static void as_many_as_may_be(void **state)
{
    (void)state;
    struct world *w = world_new(NULL);
    struct direct *d = direct_new(&w->loop, w->kubo);
    struct asked a, b;
    struct buf many = BUF_INIT;

    rows_of(&many, DIRECT_FEW);
    buf_text(&many, END "\r\n");
    reply(w, (struct script_reply){.bytes = buf_cstr(&many)});
    ask(d, &a, V0);
    ask(d, &b, RAW);
    WAIT(w, a.answers + b.answers == 2);
    assert_false(a.pinned);
    assert_true(b.pinned);
    over(w, d);
    buf_free(&many);
}

/* A listing that is cut is no failure; the next one answers. */
static void dropped(void **state)
{
    (void)state;
    struct world *w = world_new(NULL);
    struct direct *d = direct_new(&w->loop, w->kubo);
    struct asked a, b;

    reply(w, (struct script_reply){.bytes = CHUNKED DIRECT_ROW});
    reply(w, (struct script_reply){.bytes = text_of(200, "", NULL)});
    direct_drop(d); /* nothing runs */
    ask(d, &a, RAW);
    WAIT(w, w->server.requests == 1);
    direct_take_back(d, &a.q);
    direct_drop(d);
    direct_drop(d);
    ask(d, &b, RAW);
    WAIT(w, b.answers == 1);
    assert_false(b.pinned);
    assert_int_equal(a.answers, 0);
    assert_int_equal(w->server.requests, 2);
    over(w, d);
}

static void taken_back(void **state)
{
    (void)state;
    struct world *w = world_new(NULL);
    struct direct *d = direct_new(&w->loop, w->kubo);
    struct asked a[4];

    forget(w); /* one row, the end after it, both late */
    reply(w, (struct script_reply){.bytes = CHUNKED DIRECT_ROW, .repeat = 1,
                                   .again = END "\r\n", .every_ms = 100});
    ask(d, &a[0], RAW);
    ask(d, &a[1], RAW);
    ask(d, &a[2], RAW);
    direct_take_back(d, &a[1].q); /* waits */
    WAIT(w, w->server.requests == 1 && w->server.open == 1);
    direct_take_back(d, &a[0].q); /* is being answered, or met already */
    WAIT(w, a[2].answers == 1);
    assert_true(a[2].pinned);
    assert_int_equal(a[0].answers + a[1].answers, 0);
    ask(d, &a[3], RAW);
    direct_take_back(d, &a[3].q);
    over(w, d); /* cuts the listing that nobody waits for */
    assert_int_equal(a[3].answers, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_listing_for_all),
        cmocka_unit_test(asked_again),
        cmocka_unit_test(listings_that_fail),
        cmocka_unit_test(as_many_as_may_be),
        cmocka_unit_test(dropped),
        cmocka_unit_test(taken_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
