/* Whose turn it is at the daemon: ranks, organisations, priorities. */
#include "work_world.h"

#include "agent/core/work_impl.h"

static void order_of(struct world *w, uint32_t org, uint64_t pin,
                     uint8_t priority)
{
    struct order_item i = world_item(w, pin, (unsigned)pin, COPY_RECURSIVE);

    i.org = org;
    i.priority = priority;
    world_send(w, &i, 1, false);
}

/* Until the next call begins, one call at a time. */
static uint64_t next_begun(struct world *w)
{
    unsigned looks = w->looks;

    while (w->looks == looks)
        assert_true(world_answer(w));
    return w->wishes[w->n_wishes - 1].item.pin;
}

static void expect_begun(struct world *w, const uint64_t *pins, unsigned n)
{
    for (unsigned k = 0; k < n; k++) {
        uint64_t pin = next_begun(w);

        if (pin != pins[k])
            fail_msg("call %u: pin %llu", k, (unsigned long long)pin);
    }
}

static struct world *world_of_calls(unsigned n)
{
    struct world *w = world_new();

    w->limits.concurrent_pins = n;
    work_free(w->work);
    world_open(w);
    work_daemon(w->work, true, w->now);
    return w;
}

/* Who orders many pins does not hold up who orders few. */
static void test_organisations_take_turns(void **state)
{
    static const uint64_t alone[] = {2}, two[] = {3, 201},
                          three[] = {4, 202, 301, 5, 203, 302, 6, 204, 7, 8},
                          high[] = {400}, four[] = {9, 401, 10, 11};
    struct world *w = world_of_calls(1);

    (void)state;
    for (uint64_t pin = 1; pin <= 20; pin++)
        order_of(w, 1, pin, 0);
    expect_begun(w, alone, 1);
    for (uint64_t pin = 201; pin <= 204; pin++)
        order_of(w, 2, pin, 0);
    expect_begun(w, two, 2);
    order_of(w, 3, 301, 0);
    order_of(w, 3, 302, 0);
    expect_begun(w, three, 10);
    order_of(w, 1, 400, 1); /* first, and it costs no turn of the others */
    expect_begun(w, high, 1);
    order_of(w, 4, 401, 0);
    expect_begun(w, four, 4);
    world_free(w);
}

static void urgent(struct world *w, uint32_t org, uint64_t pin,
                   enum order_urgency urgency)
{
    struct order_item i = world_item(w, pin, (unsigned)pin, COPY_RECURSIVE);

    i.org = org;
    i.urgency = urgency;
    world_send(w, &i, 1, false);
}

/* What is nearly lost comes before whoever's bulk, the nearest first. */
static void test_repairs_come_first(void **state)
{
    static const uint64_t pins[] = {33, 43, 34, 32, 42, 31, 2, 3};
    struct world *w = world_of_calls(1);

    (void)state;
    for (uint64_t pin = 1; pin <= 20; pin++)
        order_of(w, 1, pin, 1);
    urgent(w, 1, 31, URGENCY_FEW);
    urgent(w, 1, 32, URGENCY_TWO);
    urgent(w, 1, 33, URGENCY_LAST);
    urgent(w, 1, 34, URGENCY_LAST);
    urgent(w, 2, 42, URGENCY_TWO);
    urgent(w, 2, 43, URGENCY_LAST);
    expect_begun(w, pins, sizeof pins / sizeof pins[0]);
    world_free(w);
}

/* An order that is said again may be more urgent than it was. */
static void test_an_order_becomes_urgent(void **state)
{
    static const uint64_t pins[] = {15, 2, 3};
    struct world *w = world_of_calls(1);

    (void)state;
    for (uint64_t pin = 1; pin <= 20; pin++)
        order_of(w, 1, pin, 0);
    urgent(w, 1, 15, URGENCY_LAST);
    expect_begun(w, pins, 3);
    world_free(w);
}

/* … and nothing waits for ever: after eight of them one of the rest, of each
 * rank in turn. */
static void test_repairs_do_not_starve_the_rest(void **state)
{
    unsigned of[4] = {0}, run = 0, longest = 0;
    struct world *w = world_of_calls(1);

    (void)state;
    order_of(w, 9, 250, 0);
    for (uint64_t pin = 1; pin <= 40; pin++)
        order_of(w, 1, pin, 0);
    for (uint64_t pin = 41; pin <= 80; pin++)
        urgent(w, 1, pin, URGENCY_TWO);
    for (uint64_t pin = 81; pin <= 200; pin++)
        urgent(w, 2, pin, URGENCY_LAST);
    for (unsigned k = 0; k < 110; k++) {
        uint64_t pin = next_begun(w);

        of[pin > 80 ? 2 : pin > 40 ? 1 : 0]++;
        run = pin > 40 ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    assert_int_equal(longest, 9);
    assert_in_range(of[0], 10, 12);
    assert_in_range(of[1], 10, 12);
    world_free(w);
}

/* Priorities order an organisation's own pins: they take nothing from others,
 * and low ones come, too. */
static void test_priorities_are_of_an_organisation(void **state)
{
    unsigned low = 0, others = 0;
    struct world *w = world_of_calls(1);

    (void)state;
    order_of(w, 9, 250, 0);
    for (uint64_t pin = 1; pin <= 100; pin++)
        order_of(w, 1, pin, 1);
    for (uint64_t pin = 101; pin <= 110; pin++)
        order_of(w, 1, pin, 2);
    for (uint64_t pin = 111; pin <= 200; pin++)
        order_of(w, 2, pin, 0);
    for (unsigned k = 0; k < 100; k++) {
        uint64_t pin = next_begun(w);

        low += pin > 100 && pin <= 110;
        others += pin > 110;
    }
    assert_int_equal(others, 50);
    assert_int_equal(low, 5);
    world_free(w);
}

/* What was called off before its call has cost no turn. */
static void test_what_is_called_off_costs_no_turn(void **state)
{
    static const uint64_t pins[] = {2, 100, 200, 3, 150};
    struct world *w = world_of_calls(1);

    (void)state;
    for (uint64_t pin = 1; pin <= 20; pin++)
        order_of(w, 1, pin, 0);
    for (uint64_t pin = 100; pin <= 150; pin++)
        order_of(w, 2, pin, 0);
    for (uint64_t pin = 101; pin < 150; pin++)
        world_order(w, pin, (unsigned)pin, COPY_RELEASED);
    for (uint64_t pin = 200; pin <= 210; pin++)
        order_of(w, 3, pin, 0);
    for (uint64_t pin = 200; pin <= 210; pin++) /* later, and one not */
        order_of(w, 3, pin, 2);
    order_of(w, 3, 200, 0);
    for (unsigned k = 0; k < sizeof pins / sizeof pins[0];) {
        uint64_t pin = next_begun(w);

        if (w->wishes[w->n_wishes - 1].item.want != COPY_RELEASED)
            assert_int_equal(pin, pins[k++]);
    }
    world_free(w);
}

/* Nor does it lose its place to what its organisation ordered later. */
static void test_what_the_daemon_cut_is_its_first_again(void **state)
{
    static const uint64_t pins[] = {1, 101, 2, 3};
    struct world *w = world_of_calls(1);

    (void)state;
    for (uint64_t pin = 1; pin <= 20; pin++)
        order_of(w, 1, pin, 0);
    order_of(w, 2, 101, 0);
    assert_true(world_answer(w)); /* 1 pins now */
    work_daemon(w->work, false, w->now);
    w->n_wishes = 0;
    w->held[1].calling = false;
    work_daemon(w->work, true, w->now);
    w->looks = 0;
    work_tick(w->work, w->now);
    assert_int_equal(w->wishes[0].item.pin, pins[0]);
    expect_begun(w, pins + 1, 3);
    world_free(w);
}

static void test_retries_take_turns(void **state)
{
    struct world *w = world_of_calls(2);
    uint64_t first, second;

    (void)state;
    for (uint64_t pin = 1; pin <= 21; pin++) {
        w->held[pin].pin_error = ERR_TIMEOUT;
        order_of(w, pin == 21 ? 2 : 1, pin, 0);
    }
    world_settle(w);
    w->now += 60000;
    work_tick(w->work, w->now);
    assert_int_equal(w->n_wishes, 1);
    first = w->wishes[0].item.pin;
    second = next_begun(w);
    assert_true(first == 21 || second == 21);
    world_free(w);
}
/* What waits for its back-off, and who waits for a turn and had some. */
static void test_shares_are_told(void **state)
{
    struct world *w = world_new();
    static struct work_share all[WORK_SHARES];
    uint64_t pin = 10;

    (void)state;
    assert_int_equal(work_shares(w->work, all), 1); /* the default one */
    assert_int_equal(all[0].begun + all[0].waiting, 0);
    assert_int_equal(world_stats(w).backoff, 0);
    for (uint32_t org = 1; org <= 2; org++)
        for (unsigned k = 0; k < 10; k++) {
            struct order_item o = world_item(w, pin, (unsigned)pin,
                                             COPY_RECURSIVE);

            o.org = org == 2 ? 2 + WORK_SHARES : 1;
            world_send(w, &o, 1, false);
            pin++;
        }
    assert_int_equal(work_shares(w->work, all), 2);
    assert_int_equal(all[0].org, 1);
    assert_int_equal(all[1].org, 2);
    assert_true(all[0].begun > 0);
    assert_int_equal(all[0].begun + all[0].waiting, 10);
    assert_int_equal(all[1].begun + all[1].waiting, 10);
    assert_true(all[1].waiting > 0);
    world_settle(w);
    assert_int_equal(work_shares(w->work, all), 2);
    assert_int_equal(all[1].waiting, 0);
    assert_int_equal(all[1].begun, 10);
    world_reports(w);
    w->held[1].pin_error = ERR_TIMEOUT;
    world_order(w, 5, 1, COPY_RECURSIVE);
    world_settle(w);
    world_expect(w, 5, REPORT_FAILED);
    assert_int_equal(world_stats(w).backoff, 1);
    assert_int_equal(world_stats(w).next_ms, work_next_ms(w->work));
    world_free(w);
}

/* What fails again and again does not keep the rest from coming again. */
static void test_each_is_tried_again(void **state)
{
    struct world *w = world_of_calls(2);
    bool tried[4] = {false};

    (void)state;
    for (uint64_t pin = 1; pin <= 3; pin++) {
        w->held[pin].pin_error = ERR_TIMEOUT;
        order_of(w, 1, pin, 0);
    }
    world_settle(w);
    for (unsigned k = 0; k < 3; k++) {
        w->now += 3600000; /* all are due */
        work_tick(w->work, w->now);
        assert_int_equal(w->n_wishes, 1);
        assert_false(tried[w->wishes[0].item.pin]);
        tried[w->wishes[0].item.pin] = true;
        assert_true(world_answer(w)); /* it pins, and the others wait */
        work_pause(w->work, true, w->now);
        world_settle(w);
        work_pause(w->work, false, w->now);
    }
    world_free(w);
}

/* Pins that its heaps have memory for. */
static uint64_t heap_room(const struct work *work)
{
    uint64_t n = 0;

    for (unsigned k = 0; k < HEAP_SINGLE; k++)
        n += work->heaps[k].size;
    for (unsigned k = 0; k < 2 * WORK_RANKS; k++)
        for (unsigned l = 0; l < WORK_LANES * WORK_PRIORITIES; l++)
            n += work->queues[k / WORK_RANKS][k % WORK_RANKS]
                     .lanes[l / WORK_PRIORITIES]
                     .heaps[l % WORK_PRIORITIES].size;
    return n;
}

static void test_heaps_shrink(void **state)
{
    enum { MANY = WORLD_CIDS - 1, FEW = 512 };
    struct world *w = world_of_calls(4);

    (void)state;
    for (uint64_t pin = 1; pin <= MANY; pin++)
        order_of(w, 1, pin, 0);
    assert_true(heap_room(w->work) >= MANY - 4);
    world_settle(w);
    assert_int_equal(w->pins, MANY);
    assert_true(heap_room(w->work) <= FEW);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_organisations_take_turns),
        cmocka_unit_test(test_repairs_come_first),
        cmocka_unit_test(test_an_order_becomes_urgent),
        cmocka_unit_test(test_repairs_do_not_starve_the_rest),
        cmocka_unit_test(test_priorities_are_of_an_organisation),
        cmocka_unit_test(test_what_is_called_off_costs_no_turn),
        cmocka_unit_test(test_what_the_daemon_cut_is_its_first_again),
        cmocka_unit_test(test_retries_take_turns),
        cmocka_unit_test(test_shares_are_told),
        cmocka_unit_test(test_heaps_shrink),
        cmocka_unit_test(test_each_is_tried_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
