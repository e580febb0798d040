/* Letting go, full orders, listings, restarts. */
#include "tests/unit/work_world.h"

static void test_releases_only_what_is_ours(void **state)
{
    struct world *w = world_new();

    (void)state;
    world_order(w, 5, 1, COPY_RECURSIVE); /* pinned by us */
    w->held[2].type = WORK_FOUND_RECURSIVE;
    world_order(w, 6, 2, COPY_RECURSIVE); /* adopted */
    world_settle(w);
    world_reports(w);
    world_order(w, 5, 1, COPY_RELEASED);
    world_settle(w);
    world_expect(w, 5, REPORT_GONE);
    assert_int_equal(w->unpins, 1);
    world_order(w, 6, 2, COPY_RELEASED);
    world_settle(w);
    world_expect(w, 6, REPORT_GONE);
    assert_int_equal(w->unpins, 1);
    assert_int_equal(w->held[2].type, WORK_FOUND_RECURSIVE);
    assert_int_equal(world_stats(w).held_bytes, 0);
    world_free(w);
}

/* Found by tests/sim (seed 51): the journal said "pinned" of the order before
 * the release, so a restart took the new order for settled. */
static void test_a_new_order_has_no_outcome_yet(void **state)
{
    struct world *w = world_new();

    (void)state;
    world_order(w, 5, 1, COPY_RECURSIVE);
    world_settle(w);
    world_expect(w, 5, REPORT_PINNED);
    assert_int_equal(w->kept.seen, REPORT_PINNED);
    world_order(w, 5, 1, COPY_RELEASED);
    world_order(w, 5, 1, COPY_RECURSIVE);
    assert_int_equal(w->kept.seen, 0);
    world_free(w);
}

/* With a lost journal only the name tells whose pin it is. */
static void test_release_of_the_unknown_goes_by_the_name(void **state)
{
    struct world *w = world_new();

    (void)state;
    w->held[1].type = w->held[2].type = WORK_FOUND_RECURSIVE;
    w->held[2].ours = true;
    world_order(w, 5, 1, COPY_RELEASED);
    world_order(w, 6, 2, COPY_RELEASED);
    world_order(w, 7, 3, COPY_RELEASED);
    world_settle(w);
    assert_int_equal(w->unpins, 1);
    assert_int_equal(w->held[1].type, WORK_FOUND_RECURSIVE);
    world_reports(w);
    assert_int_equal(w->n, 3);
    world_free(w);
}

static void test_another_order_keeps_the_cid(void **state)
{
    struct world *w = world_new();

    (void)state;
    world_order(w, 5, 1, COPY_RECURSIVE);
    world_settle(w);
    world_order(w, 9, 1, COPY_RECURSIVE); /* the same content, new pin */
    world_settle(w);
    world_reports(w);
    w->looks = 0;
    world_order(w, 5, 1, COPY_RELEASED);
    world_settle(w);
    world_expect(w, 5, REPORT_GONE);
    assert_int_equal(w->unpins + w->looks, 0);
    world_order(w, 9, 1, COPY_RELEASED);
    world_settle(w);
    assert_int_equal(w->unpins, 1);
    world_free(w);
}

static void test_another_order_comes_during_the_look(void **state)
{
    struct world *w = world_new();

    (void)state;
    world_order(w, 5, 1, COPY_RECURSIVE);
    world_settle(w);
    world_order(w, 5, 1, COPY_RELEASED);
    world_order(w, 9, 1, COPY_RECURSIVE);
    world_settle(w);
    assert_int_equal(w->unpins, 0);
    assert_int_equal(w->pins, 1);
    world_free(w);
}

static void test_one_call_a_cid(void **state)
{
    struct world *w = world_new();

    (void)state;
    world_order(w, 5, 1, COPY_RECURSIVE);
    world_order(w, 6, 1, COPY_RECURSIVE);
    world_order(w, 7, 1, COPY_DIRECT);
    assert_int_equal(w->n_wishes, 1);
    assert_int_equal(world_stats(w).queue, 2);
    world_settle(w);
    assert_int_equal(w->pins, 1);
    world_reports(w);
    assert_int_equal(w->n, 3);
    assert_int_equal(world_stats(w).queue, 0);
    world_free(w);
}

static void test_a_release_cancels_the_pin(void **state)
{
    struct world *w = world_new();

    (void)state;
    world_order(w, 5, 1, COPY_RECURSIVE);
    (void)world_answer(w);
    assert_int_equal(w->pins, 1);
    world_order(w, 5, 1, COPY_RELEASED);
    assert_int_equal(w->cancels, 1);
    world_settle(w); /* looked at again after the cancelled pin */
    assert_int_equal(w->looks, 2);
    world_expect(w, 5, REPORT_GONE);
    world_free(w);
}

static void test_wanted_again_while_being_unpinned(void **state)
{
    struct world *w = world_new();

    (void)state;
    world_order(w, 5, 1, COPY_RECURSIVE);
    world_settle(w);
    world_reports(w);
    world_order(w, 5, 1, COPY_RELEASED);
    (void)world_answer(w);
    assert_int_equal(w->unpins, 1);
    world_order(w, 5, 1, COPY_RECURSIVE);
    world_settle(w);
    world_expect(w, 5, REPORT_PINNED);
    assert_int_equal(w->pins, 2);
    world_free(w);
}

static void test_forgotten_only_when_gone_was_taken(void **state)
{
    struct world *w = world_new();

    (void)state;
    world_order(w, 5, 1, COPY_RELEASED);
    world_settle(w);
    world_expect(w, 5, REPORT_GONE);
    assert_int_equal(w->forgets, 0);
    assert_int_equal(world_stats(w).items, 1);
    work_taken(w->work, w->items, 1);
    assert_int_equal(w->forgotten, 5);
    assert_int_equal(world_stats(w).items, 0);
    world_order(w, 6, 2, COPY_RELEASED);
    world_settle(w);
    world_expect(w, 6, REPORT_GONE);
    world_order(w, 6, 2, COPY_RECURSIVE); /* before the TAKEN arrives */
    work_taken(w->work, w->items, 1);
    assert_int_equal(world_stats(w).items, 1);
    world_settle(w);
    work_taken(w->work, (struct report_item[]){{.pin = 6, .idx = w->idx,
               .state = REPORT_GONE}}, 1);
    assert_int_equal(world_stats(w).items, 1);
    world_expect(w, 6, REPORT_PINNED);
    work_taken(w->work, (struct report_item[]){{.pin = 6, .idx = w->idx,
               .state = REPORT_GONE}}, 1);
    assert_int_equal(world_stats(w).items, 1);
    world_free(w);
}

static void test_gone_is_said_again_when_ordered_again(void **state)
{
    struct world *w = world_new();
    struct order_item i;

    (void)state;
    world_order(w, 5, 1, COPY_RELEASED);
    world_settle(w);
    world_expect(w, 5, REPORT_GONE);
    i = world_item(w, 5, 1, COPY_RELEASED);
    world_send(w, &i, 1, false);
    i = world_item(w, 5, 1, COPY_RELEASED);
    world_send(w, &i, 1, false);
    work_taken(w->work, w->items, 1); /* of an older order */
    assert_int_equal(world_stats(w).items, 1);
    world_expect(w, 5, REPORT_GONE);
    assert_int_equal(w->items[0].idx, i.idx);
    world_free(w);
}

static void test_absence_from_full_orders_releases_nothing(void **state)
{
    struct world *w = world_new();
    struct order_item i[3];

    (void)state;
    for (unsigned k = 0; k < 3; k++)
        i[k] = world_item(w, k + 1, k, COPY_RECURSIVE);
    world_send(w, i, 3, false);
    world_settle(w);
    world_reports(w);
    world_send(w, i, 1, true);
    world_settle(w);
    assert_int_equal(w->unpins, 0);
    assert_int_equal(w->held[1].type, WORK_FOUND_RECURSIVE);
    assert_int_equal(world_stats(w).orphans, 2);
    assert_int_equal(world_stats(w).wanted, 1);
    assert_int_equal(world_stats(w).wanted_xor,
                     order_mix(1, COPY_RECURSIVE));
    assert_int_equal(w->forgets, 2);
    world_free(w);
}

static void test_full_orders_in_chunks(void **state)
{
    struct world *w = world_new();
    struct order_item i[4];
    struct message_orders o = {.leading = true, .full = true, .more = true,
                               .n = 2, .items = i};

    (void)state;
    for (unsigned k = 0; k < 4; k++)
        i[k] = world_item(w, k + 1, k, COPY_RECURSIVE);
    world_send(w, i, 3, false);
    world_settle(w);
    work_orders(w->work, &o, w->now); /* 1 and 2, not the end */
    assert_int_equal(world_stats(w).wanted, 3);
    o = (struct message_orders){.leading = true, .n = 1, .items = &i[3]};
    work_orders(w->work, &o, w->now);
    work_orders_end(w->work, w->now);
    assert_int_equal(world_stats(w).wanted, 3); /* 1, 2 and 4; not 3 */
    assert_int_equal(w->forgotten, 3);
    world_free(w);
}

/* While full orders come in, those that are to come may want it again. */
static void test_full_orders_hold_releases_back(void **state)
{
    struct world *w = world_new();
    struct message_orders o = {.leading = true, .full = true, .more = true};
    struct order_item i;

    (void)state;
    world_order(w, 1, 0, COPY_RECURSIVE);
    world_settle(w);
    world_reports(w);
    world_order(w, 1, 0, COPY_RELEASED);
    assert_int_equal(w->n_wishes, 1);
    work_orders(w->work, &o, w->now);
    world_settle(w);
    assert_int_equal(w->unpins, 0);
    assert_int_equal(work_next_ms(w->work), UINT64_MAX);
    i = world_item(w, 1, 0, COPY_RECURSIVE);
    world_send(w, &i, 1, false); /* and they do */
    world_settle(w);
    assert_int_equal(w->unpins, 0);
    assert_int_equal(w->held[0].type, WORK_FOUND_RECURSIVE);
    world_free(w);
}

static void test_a_pin_that_is_dropped_while_it_runs(void **state)
{
    struct world *w = world_new();

    (void)state;
    world_order(w, 5, 1, COPY_RECURSIVE);
    (void)world_answer(w);
    world_send(w, NULL, 0, true);
    assert_int_equal(w->cancels, 1);
    assert_int_equal(world_stats(w).wanted, 0);
    world_settle(w);
    assert_int_equal(world_stats(w).items, 0);
    world_reports(w);
    assert_int_equal(w->n, 0);
    world_free(w);
}

/* Numbers of pins mean nothing beyond their history. */
static void test_another_history_reuses_numbers(void **state)
{
    struct world *w = world_new();
    struct order_item i;

    (void)state;
    w->idx = 100;
    world_order(w, 5, 1, COPY_RECURSIVE);
    world_settle(w);
    world_reports(w);
    w->idx = 3;
    i = world_item(w, 5, 2, COPY_RECURSIVE);
    world_send(w, &i, 1, true);
    world_settle(w);
    world_expect(w, 5, REPORT_PINNED);
    assert_int_equal(w->items[0].idx, 4);
    assert_int_equal(w->held[1].type, WORK_FOUND_RECURSIVE);
    assert_int_equal(w->held[2].type, WORK_FOUND_RECURSIVE);
    w->idx = 1;
    i = world_item(w, 5, 2, COPY_RECURSIVE);
    world_send(w, &i, 1, true);
    assert_int_equal(w->kept.idx, 2); /* a lower index counts there */
    world_free(w);
}

static void test_an_older_order_changes_nothing(void **state)
{
    struct world *w = world_new();
    struct order_item old = world_item(w, 5, 1, COPY_RELEASED);

    (void)state;
    world_order(w, 5, 1, COPY_RECURSIVE);
    world_settle(w);
    world_send(w, &old, 1, false);
    world_settle(w);
    assert_int_equal(w->unpins, 0);
    world_free(w);
}

static void list(struct world *w, bool complete, unsigned without)
{
    work_list_begin(w->work);
    for (unsigned k = 0; k < 100; k++) {
        struct cid c = world_cid(k);

        if (k != without && w->held[k].type != WORK_FOUND_NOTHING)
            work_list_row(w->work, &c,
                          w->held[k].type == WORK_FOUND_RECURSIVE,
                          w->held[k].ours);
    }
    work_list_end(w->work, complete, w->now);
    work_tick(w->work, w->now);
}

static void test_a_listing_finds_what_is_lost(void **state)
{
    struct world *w = world_new();

    (void)state;
    for (unsigned k = 0; k < 5; k++)
        world_order(w, k + 1, k, COPY_RECURSIVE);
    world_settle(w);
    world_reports(w);
    w->held[2].type = WORK_FOUND_NOTHING;
    list(w, false, 100); /* cut off: proves nothing */
    assert_int_equal(w->n_wishes, 0);
    list(w, true, 100);
    world_reports(w);
    assert_int_equal(w->n, 0); /* a look will say */
    assert_int_equal(w->n_wishes, 1);
    world_answer(w);
    world_expect(w, 3, REPORT_LOST);
    world_settle(w);
    world_expect(w, 3, REPORT_PINNED);
    assert_int_equal(w->held[2].type, WORK_FOUND_RECURSIVE);
    world_free(w);
}

/* Two of five rows, and then what looks like the end. */
static void test_a_short_listing_loses_nothing(void **state)
{
    struct world *w = world_new();
    struct cid c = world_cid(0);

    (void)state;
    for (unsigned k = 0; k < 5; k++)
        world_order(w, k + 1, k, COPY_RECURSIVE);
    world_settle(w);
    world_reports(w);
    work_list_begin(w->work);
    work_list_row(w->work, &c, true, true);
    work_list_end(w->work, true, w->now);
    world_settle(w);
    world_reports(w);
    for (uint32_t k = 0; k < w->n; k++)
        assert_int_equal(w->items[k].state, REPORT_PINNED);
    assert_int_equal(w->pins, 5);
    world_free(w);
}

static void test_a_look_finds_what_is_lost(void **state)
{
    struct world *w = world_new();
    struct cid c = world_cid(2);

    (void)state;
    world_order(w, 3, 2, COPY_RECURSIVE);
    work_missed(w->work, &c, w->now); /* not pinned yet: nothing is lost */
    world_settle(w);
    world_expect(w, 3, REPORT_PINNED);
    w->held[2].type = WORK_FOUND_NOTHING;
    work_missed(w->work, &c, w->now);
    work_tick(w->work, w->now);
    world_expect(w, 3, REPORT_LOST);
    world_settle(w);
    world_expect(w, 3, REPORT_PINNED);
    assert_int_equal(w->held[2].type, WORK_FOUND_RECURSIVE);
    world_free(w);
}

static void test_pinned_during_a_listing_is_not_lost(void **state)
{
    struct world *w = world_new();

    (void)state;
    work_list_begin(w->work);
    world_order(w, 5, 1, COPY_RECURSIVE);
    world_settle(w);
    work_list_end(w->work, true, w->now);
    world_expect(w, 5, REPORT_PINNED);
    assert_int_equal(world_stats(w).queue, 0);
    world_free(w);
}

static void test_a_direct_row_does_not_prove_a_recursive_pin(void **state)
{
    struct world *w = world_new();

    (void)state;
    world_order(w, 5, 1, COPY_RECURSIVE);
    world_order(w, 6, 2, COPY_DIRECT);
    world_settle(w);
    world_reports(w);
    w->held[1].type = WORK_FOUND_DIRECT;
    list(w, true, 100);
    world_answer(w);
    world_expect(w, 5, REPORT_LOST);
    world_free(w);
}

static void test_orphans_are_counted(void **state)
{
    struct world *w = world_new();

    (void)state;
    w->held[50].type = w->held[51].type = WORK_FOUND_RECURSIVE;
    w->held[50].ours = true;
    list(w, true, 100);
    assert_int_equal(world_stats(w).orphans, 1);
    world_free(w);
}

static void test_a_restart_goes_on(void **state)
{
    struct world *w = world_new();
    struct work_item pinned, failed, gone;

    (void)state;
    world_order(w, 5, 1, COPY_RECURSIVE);
    world_settle(w);
    world_reports(w);
    pinned = w->kept;
    w->held[2].pin_error = ERR_TIMEOUT;
    world_order(w, 6, 2, COPY_RECURSIVE);
    world_settle(w);
    world_reports(w);
    failed = w->kept;
    world_order(w, 7, 3, COPY_RELEASED);
    world_settle(w);
    world_reports(w);
    gone = w->kept;
    work_free(w->work);
    world_open(w);
    w->looks = 0;
    w->held[2].pin_error = ERR_OK;
    work_load(w->work, &pinned);
    work_load(w->work, &failed);
    work_load(w->work, &gone);
    assert_int_equal(world_stats(w).wanted, 2);
    assert_int_equal(world_stats(w).held_bytes, 1001);
    work_daemon(w->work, true, w->now);
    work_tick(w->work, w->now);
    world_settle(w);
    assert_int_equal(w->looks, 1);
    world_expect(w, 6, REPORT_PINNED);
    work_taken(w->work, (struct report_item[]){{.pin = 7, .idx = gone.idx,
               .state = REPORT_GONE}}, 1);
    assert_int_equal(world_stats(w).items, 2);
    world_free(w);
}

/* The journal may be an old copy: what it says was released may have been
 * ordered again since. */
static void test_a_release_of_the_journal_waits_for_the_leader(void **state)
{
    struct world *w = world_new();
    struct work_item released, again;

    (void)state;
    world_order(w, 5, 1, COPY_RECURSIVE);
    world_order(w, 6, 2, COPY_RECURSIVE);
    world_settle(w);
    work_daemon(w->work, false, w->now);
    world_order(w, 5, 1, COPY_RELEASED);
    released = w->kept;
    world_order(w, 6, 2, COPY_RELEASED);
    again = w->kept;
    work_free(w->work);
    world_open(w);
    work_load(w->work, &released);
    work_load(w->work, &again);
    work_daemon(w->work, true, w->now);
    world_settle(w);
    assert_true(work_next_ms(w->work) > w->now);
    assert_int_equal(w->unpins, 0);
    world_order(w, 6, 2, COPY_RECURSIVE);
    work_current(w->work);
    world_settle(w);
    assert_int_equal(w->unpins, 1);
    assert_int_equal(w->held[1].type, WORK_FOUND_NOTHING);
    assert_int_equal(w->held[2].type, WORK_FOUND_RECURSIVE);
    world_free(w);
}

/* The state does not know of it: said again, after a look. */
static void test_queued_in_the_state_is_reported_again(void **state)
{
    struct world *w = world_new();
    struct order_item i;

    (void)state;
    world_order(w, 5, 1, COPY_RECURSIVE);
    world_settle(w);
    world_reports(w);
    i = world_item(w, 5, 1, COPY_RECURSIVE);
    i.queued = true;
    world_send(w, &i, 1, false);
    world_settle(w);
    world_expect(w, 5, REPORT_PINNED);
    assert_int_equal(w->pins, 1);
    world_free(w);
}

static void restart(struct world *w, const struct work_item *i)
{
    struct work_item kept = *i;

    work_free(w->work);
    world_open(w);
    work_load(w->work, &kept);
    work_daemon(w->work, true, w->now);
    work_current(w->work);
    work_tick(w->work, w->now);
}

/* Found by tests/sim (seed 2685): the process ended before it was said. */
static void test_what_is_to_be_said_again_survives_a_restart(void **state)
{
    struct world *w = world_new();
    struct order_item i;

    (void)state;
    world_order(w, 5, 1, COPY_RECURSIVE);
    world_settle(w);
    world_reports(w);
    i = world_item(w, 5, 1, COPY_RECURSIVE);
    i.idx--; /* the order that it answered */
    i.queued = true;
    work_daemon(w->work, false, w->now);
    world_send(w, &i, 1, false);
    restart(w, &w->kept);
    world_settle(w);
    world_expect(w, 5, REPORT_PINNED);
    world_order(w, 5, 1, COPY_RELEASED);
    world_settle(w);
    world_reports(w);
    i = world_item(w, 5, 1, COPY_RELEASED);
    i.idx--;
    work_daemon(w->work, false, w->now);
    world_send(w, &i, 1, false); /* the state did not hear that it is gone */
    restart(w, &w->kept);
    world_settle(w);
    world_expect(w, 5, REPORT_GONE);
    world_free(w);
}

/* Found by tests/sim (seed 4368): what a copy of the journal had still to say
 * was said, and the pin was lost after that. */
static void test_an_old_journal_says_nothing_again(void **state)
{
    struct world *w = world_new();
    struct work_item pinned;
    struct report_item said;
    struct order_item i;

    (void)state;
    world_order(w, 5, 1, COPY_RECURSIVE);
    world_settle(w);
    world_expect(w, 5, REPORT_PINNED);
    pinned = w->kept;
    said = w->items[0];
    w->held[1].type = WORK_FOUND_NOTHING;
    work_free(w->work);
    world_open(w);
    work_load(w->work, &pinned);
    work_report_again(w->work, &said, 1);
    assert_int_equal(w->kept.seen, 0);
    i = world_item(w, 5, 1, COPY_RECURSIVE);
    i.idx = pinned.idx;
    i.queued = true;
    world_send(w, &i, 1, true);
    work_current(w->work);
    world_reports(w);
    assert_int_equal(w->n, 0); /* the daemon was not asked yet */
    work_daemon(w->work, true, w->now);
    work_tick(w->work, w->now);
    world_settle(w);
    world_expect(w, 5, REPORT_PINNED);
    assert_int_equal(w->pins, 2);
    assert_int_equal(w->held[1].type, WORK_FOUND_RECURSIVE);
    world_free(w);
}

/* A new or old journal: the state says pinned, and the daemon has it not. */
static void test_what_the_state_calls_pinned_is_said_lost(void **state)
{
    struct world *w = world_new();
    struct order_item i = world_item(w, 5, 1, COPY_RECURSIVE);
    struct work_item kept;

    (void)state;
    work_daemon(w->work, false, w->now);
    i.queued = false; /* its state is pinned */
    world_send(w, &i, 1, false);
    kept = w->kept;
    work_free(w->work);
    world_open(w);
    work_load(w->work, &kept); /* a fall before it was looked at */
    work_current(w->work);
    work_daemon(w->work, true, w->now);
    work_tick(w->work, w->now);
    (void)world_answer(w); /* the look; the pin may take for ever */
    world_expect(w, 5, REPORT_LOST);
    world_settle(w);
    world_expect(w, 5, REPORT_PINNED);
    i = world_item(w, 6, 2, COPY_RECURSIVE);
    i.queued = false;
    w->held[2].type = WORK_FOUND_RECURSIVE;
    world_send(w, &i, 1, false);
    world_settle(w);
    world_expect(w, 6, REPORT_PINNED); /* as it says */
    world_free(w);
}

/* The state was restored from before this journal: all its orders count. */
static void test_orders_of_an_older_state(void **state)
{
    struct world *w = world_new();
    struct order_item i;
    struct work_item kept;

    (void)state;
    w->idx = 20;
    world_order(w, 5, 1, COPY_RECURSIVE);
    world_settle(w);
    world_reports(w);
    kept = w->kept;
    work_free(w->work);
    world_open(w);
    work_load(w->work, &kept);
    work_daemon(w->work, true, w->now);
    i = world_item(w, 5, 1, COPY_RECURSIVE);
    i.idx = 7;
    i.queued = true;
    world_send(w, &i, 1, false);
    world_settle(w);
    world_expect(w, 5, REPORT_PINNED);
    assert_int_equal(w->items[0].idx, 7);
    world_free(w);
}

/* Found by tests/sim (seed 2896): pinned, before it was said lost again, and
 * ordered anew. */
static void test_an_older_outcome_is_looked_at_again(void **state)
{
    struct world *w = world_new();
    struct order_item i;

    (void)state;
    world_order(w, 5, 1, COPY_RECURSIVE);
    world_settle(w);
    w->held[1].type = WORK_FOUND_NOTHING;
    i = world_item(w, 5, 1, COPY_RECURSIVE);
    i.idx = ++w->idx;
    i.queued = true;
    world_send(w, &i, 1, false);
    world_reports(w);
    assert_int_equal(w->n, 0);
    world_settle(w);
    assert_int_equal(w->pins, 2);
    world_free(w);
}

/* Another state has given the number of a pin to another CID while the call
 * for the old one runs: its result says nothing about the new one. */
static void test_a_number_that_means_another_cid(void **state)
{
    struct world *w = world_new();
    struct order_item i;

    (void)state;
    world_held(w, &(struct cid){.bytes = {[35] = 1}})->type =
        WORK_FOUND_RECURSIVE;
    world_order(w, 1, 1, COPY_RECURSIVE);
    assert_int_equal(w->n_wishes, 1); /* a look that would find it */
    i = world_item(w, 1, 2, COPY_RECURSIVE);
    world_send(w, &i, 1, true);
    assert_int_equal(w->abandons, 1);
    assert_int_equal(w->n_wishes, 1);
    assert_int_equal(w->wishes[0].item.cid.bytes[35], 2);
    world_settle(w);
    assert_int_equal(w->pins, 1);
    world_expect(w, 1, REPORT_PINNED);
    world_free(w);
}

/* The orders of another cluster: what was known of a number is forgotten,
 * also who had pinned it; a release of the old cluster is not carried out. */
static void test_forget_all(void **state)
{
    struct world *w = world_new();
    struct held *first = world_held(w, &(struct cid){.bytes = {[35] = 1}});

    (void)state;
    first->type = WORK_FOUND_RECURSIVE; /* someone else's: adopted */
    world_order(w, 1, 1, COPY_RECURSIVE);
    world_order(w, 2, 2, COPY_RECURSIVE);
    world_settle(w);
    world_order(w, 3, 3, COPY_RECURSIVE); /* under way */
    world_order(w, 2, 2, COPY_RELEASED);  /* under way */
    work_forget_all(w->work);
    assert_int_equal(w->abandons, 2);
    assert_int_equal(w->n_wishes, 0);
    assert_int_equal(world_stats(w).items, 0);
    assert_int_equal(world_stats(w).wanted_xor, 0);
    assert_int_equal(world_stats(w).reports_waiting, 0);
    assert_int_equal(w->forgets, 3);
    work_tick(w->work, w->now);
    assert_int_equal(w->n_wishes + w->unpins, 0);
    first->ours = true; /* it bears the name of the cluster of now */
    world_order(w, 1, 1, COPY_RECURSIVE);
    world_settle(w);
    world_expect(w, 1, REPORT_PINNED);
    world_order(w, 1, 1, COPY_RELEASED);
    world_settle(w);
    assert_int_equal(w->unpins, 1);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_number_that_means_another_cid),
        cmocka_unit_test(test_forget_all),
        cmocka_unit_test(test_releases_only_what_is_ours),
        cmocka_unit_test(test_a_new_order_has_no_outcome_yet),
        cmocka_unit_test(test_release_of_the_unknown_goes_by_the_name),
        cmocka_unit_test(test_another_order_keeps_the_cid),
        cmocka_unit_test(test_another_order_comes_during_the_look),
        cmocka_unit_test(test_one_call_a_cid),
        cmocka_unit_test(test_a_release_cancels_the_pin),
        cmocka_unit_test(test_wanted_again_while_being_unpinned),
        cmocka_unit_test(test_forgotten_only_when_gone_was_taken),
        cmocka_unit_test(test_gone_is_said_again_when_ordered_again),
        cmocka_unit_test(test_absence_from_full_orders_releases_nothing),
        cmocka_unit_test(test_full_orders_in_chunks),
        cmocka_unit_test(test_full_orders_hold_releases_back),
        cmocka_unit_test(test_a_pin_that_is_dropped_while_it_runs),
        cmocka_unit_test(test_another_history_reuses_numbers),
        cmocka_unit_test(test_an_older_order_changes_nothing),
        cmocka_unit_test(test_a_listing_finds_what_is_lost),
        cmocka_unit_test(test_a_short_listing_loses_nothing),
        cmocka_unit_test(test_a_look_finds_what_is_lost),
        cmocka_unit_test(test_pinned_during_a_listing_is_not_lost),
        cmocka_unit_test(test_a_direct_row_does_not_prove_a_recursive_pin),
        cmocka_unit_test(test_orphans_are_counted),
        cmocka_unit_test(test_a_release_of_the_journal_waits_for_the_leader),
        cmocka_unit_test(test_a_restart_goes_on),
        cmocka_unit_test(test_queued_in_the_state_is_reported_again),
        cmocka_unit_test(test_what_is_to_be_said_again_survives_a_restart),
        cmocka_unit_test(test_an_old_journal_says_nothing_again),
        cmocka_unit_test(test_what_the_state_calls_pinned_is_said_lost),
        cmocka_unit_test(test_orders_of_an_older_state),
        cmocka_unit_test(test_an_older_outcome_is_looked_at_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
