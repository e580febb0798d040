/* Prometheus text, histograms, and the turns of a loop. */
#include "proto/metrics.h"
#include "proto/turns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MS UINT64_C(1000000)

static struct buf out;

static void expect(const char *text)
{
    assert_string_equal(buf_cstr(&out), text);
    buf_reset(&out);
}

static void test_families(void **state)
{
    (void)state;
    metrics_counter(&out, "a_total", "how \"much\"\nand \\ more", 7);
    expect("# HELP a_total how \"much\"\\nand \\\\ more\n"
           "# TYPE a_total counter\na_total 7\n");
    metrics_gauge(&out, "a_bytes", "b", UINT64_MAX);
    expect("# HELP a_bytes b\n# TYPE a_bytes gauge\n"
           "a_bytes 18446744073709551615\n");
    metrics_family(&out, "x", METRICS_HISTOGRAM, "");
    expect("# HELP x \n# TYPE x histogram\n");
}

static void test_labels_are_escaped(void **state)
{
    const struct metrics_label labels[] = {{"org", "a\"b\\c\nd"},
                                           {"kind", ""}};

    (void)state;
    metrics_sample(&out, "a", labels, 1, 0);
    expect("a{org=\"a\\\"b\\\\c\\nd\"} 0\n");
    metrics_sample(&out, "a", labels, 2, 1);
    expect("a{org=\"a\\\"b\\\\c\\nd\",kind=\"\"} 1\n");
    metrics_sample(&out, "a", NULL, 0, 2);
    expect("a 2\n");
}

static void test_numbers(void **state)
{
    (void)state;
    metrics_sample_ns(&out, "a", NULL, 0, 1000000001);
    metrics_sample_ns(&out, "a", NULL, 0, 999999999);
    metrics_sample_ms(&out, "a", NULL, 0, 12345);
    metrics_sample_ms(&out, "a", NULL, 0, 7);
    expect("a 1.000000001\na 0.999999999\na 12.345\na 0.007\n");
    metrics_sample_q16(&out, "a", NULL, 0, 65536);
    metrics_sample_q16(&out, "a", NULL, 0, -98304);
    metrics_sample_q16(&out, "a", NULL, 0, -1);
    metrics_sample_q16(&out, "a", NULL, 0, INT64_MIN);
    metrics_sample_q16(&out, "a", NULL, 0, 65535);
    expect("a 1.000000\na -1.500000\na -0.000015\n"
           "a -140737488355328.000000\na 0.999984\n");
}

static void test_bounds_rise(void **state)
{
    const struct metrics_bounds *all[] = {&metrics_turns, &metrics_requests};

    (void)state;
    for (int k = 0; k < 2; k++) {
        assert_in_range(all[k]->n, 1, METRICS_BOUNDS_MAX);
        for (unsigned i = 1; i < all[k]->n; i++)
            assert_true(all[k]->ns[i - 1] < all[k]->ns[i]);
    }
}

static void test_histogram(void **state)
{
    static const struct metrics_bounds bounds = {3, {MS / 10, MS, 1000 * MS}};
    const struct metrics_label label = {"loop", "core"};
    struct metrics_histogram h;

    (void)state;
    memset(&h, 0, sizeof h);
    metrics_histogram(&out, "t", NULL, 0, &bounds, &h);
    expect("t_bucket{le=\"0.0001\"} 0\nt_bucket{le=\"0.001\"} 0\n"
           "t_bucket{le=\"1\"} 0\nt_bucket{le=\"+Inf\"} 0\n"
           "t_sum 0.000000000\nt_count 0\n");
    metrics_observe(&h, &bounds, 0);
    metrics_observe(&h, &bounds, MS / 10);     /* an upper bound is inside */
    metrics_observe(&h, &bounds, MS / 10 + 1);
    metrics_observe(&h, &bounds, 1000 * MS);
    metrics_observe(&h, &bounds, 1000 * MS + 1);
    metrics_observe(&h, &bounds, 5000 * MS);
    assert_int_equal(metrics_count(&h), 6);
    metrics_histogram(&out, "t", &label, 1, &bounds, &h);
    expect("t_bucket{loop=\"core\",le=\"0.0001\"} 2\n"
           "t_bucket{loop=\"core\",le=\"0.001\"} 3\n"
           "t_bucket{loop=\"core\",le=\"1\"} 4\n"
           "t_bucket{loop=\"core\",le=\"+Inf\"} 6\n"
           "t_sum{loop=\"core\"} 7.000200002\nt_count{loop=\"core\"} 6\n");
}

/* A table that is full: the last bucket stands behind it. */
static void test_most_bounds(void **state)
{
    struct metrics_bounds bounds = {METRICS_BOUNDS_MAX, {0}};
    struct metrics_histogram h;

    (void)state;
    memset(&h, 0, sizeof h);
    for (unsigned i = 0; i < METRICS_BOUNDS_MAX; i++)
        bounds.ns[i] = i + 1;
    metrics_observe(&h, &bounds, UINT64_C(1) << 40);
    assert_int_equal(h.counts[METRICS_BOUNDS_MAX], 1);
    metrics_histogram(&out, "t", NULL, 0, &bounds, &h);
    assert_non_null(strstr(buf_cstr(&out), "{le=\"+Inf\"} 1\n"));
    assert_non_null(strstr(buf_cstr(&out), "{le=\"0.000000012\"} 0\n"));
    buf_reset(&out);
}

static void test_process(void **state)
{
    unsigned long long began = 0, bytes = 0;
    char start[64];
    const char *text;

    (void)state;
    metrics_process(&out);
    text = buf_cstr(&out);
    assert_int_equal(sscanf(strstr(text, "\nprocess_start_time_seconds"),
                            "\nprocess_start_time_seconds %llu", &began), 1);
    assert_true(began > 1600000000); /* 2020 */
    assert_int_equal(sscanf(strstr(text, "\nprocess_resident_memory_bytes"),
                            "\nprocess_resident_memory_bytes %llu", &bytes),
                     1);
    assert_true(bytes > 100000);
    assert_non_null(strstr(text, "\nprocess_cpu_seconds_total "));
    snprintf(start, sizeof start, "%.42s",
             strstr(text, "\nprocess_start_time_seconds"));
    buf_reset(&out);
    usleep(5000);
    metrics_process(&out); /* it began when it began */
    assert_non_null(strstr(buf_cstr(&out), start));
    buf_reset(&out);
}

/* --- turns ---------------------------------------------------------------- */

static void on_slow(uv_timer_t *t)
{
    uint64_t until = uv_hrtime() + 30 * MS;

    while (uv_hrtime() < until)
        ;
    uv_close((uv_handle_t *)t, NULL);
}

static uint64_t beyond(const struct metrics_histogram *h, uint64_t ns)
{
    uint64_t n = 0;

    for (unsigned i = 0; i <= METRICS_BOUNDS_MAX; i++)
        if (i >= metrics_turns.n || metrics_turns.ns[i] > ns)
            n += h->counts[i];
    return n;
}

/* Returns how long the loop waited. A process that stands still when the wait
 * should begin waits less, or not at all. */
static uint64_t two_turns(void)
{
    uint64_t began = uv_hrtime(), waited;
    struct turns t;
    uv_loop_t loop;
    uv_timer_t timer;

    memset(&t, 0, sizeof t);
    uv_loop_init(&loop);
    turns_start(&t, &loop);
    uv_timer_init(&loop, &timer);
    uv_timer_start(&timer, on_slow, 100, 0);
    uv_run(&loop, UV_RUN_DEFAULT); /* ends: turns keep no loop alive */
    uv_timer_init(&loop, &timer); /* so that there is one more turn */
    uv_timer_start(&timer, on_slow, 0, 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    turns_close(&t);
    uv_run(&loop, UV_RUN_DEFAULT);
    waited = uv_metrics_idle_time(&loop);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_true(beyond(&t.histogram, 25 * MS) >= 1);
    assert_in_range(t.histogram.sum_ns, 30 * MS,
                    uv_hrtime() - began - waited);
    return waited;
}

/* A wait of 100 ms is no turn of 100 ms; work of 30 ms is one. */
static void test_turns(void **state)
{
    unsigned runs = 0;

    (void)state;
    while (two_turns() < 90 * MS)
        assert_true(++runs < 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_families),
        cmocka_unit_test(test_labels_are_escaped),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_bounds_rise),
        cmocka_unit_test(test_histogram),
        cmocka_unit_test(test_most_bounds),
        cmocka_unit_test(test_process),
        cmocka_unit_test(test_turns),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    buf_free(&out);
    return failed;
}
