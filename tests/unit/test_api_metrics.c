/* /metrics of as many nodes and organisations as there may be: each series
 * once, and of a size that a scrape may have.
 */
#include "coordinator/api_metrics.h"
#include "proto/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fill_nodes(struct view *v)
{
    v->n_nodes = LIMIT_NODES;
    v->nodes = mem_array(v->n_nodes, sizeof *v->nodes);
    for (uint32_t i = 0; i < v->n_nodes; i++) {
        struct view_node *n = &v->nodes[i];

        memset(n, 0, sizeof *n);
        n->row.id = i + 1;
        snprintf(n->row.name, sizeof n->row.name, "%060u", i);
        n->row.admin = ADMIN_DRAINING;
        n->row.bytes = n->row.capacity = n->free_bytes = UINT64_MAX / 3;
        n->beat_wall_ms = UINT64_C(1800000000000) + i;
    }
}

static void fill_orgs(struct view *v)
{
    v->n_orgs = v->n_elastic = LIMIT_ORGS;
    v->orgs = mem_array(v->n_orgs, sizeof *v->orgs);
    v->elastic = mem_array(v->n_orgs, sizeof *v->elastic);
    v->prices = mem_array(v->n_orgs, sizeof *v->prices);
    for (uint32_t i = 0; i < v->n_orgs; i++) {
        struct org *o = &v->orgs[i];

        org_init(o);
        o->id = i + 1;
        snprintf(o->name, sizeof o->name, "%060u", i);
        for (int k = 0; k < ORG_KINDS; k++)
            o->limits[k] = (struct org_limit){1, 2};
        v->elastic[i] = (struct step_elastic){i + 1, 1, 2, 3, 4};
        v->prices[i] = (struct numbers_price){i + 1, true, -98304};
    }
}

static void view_make(struct view *v)
{
    memset(v, 0, sizeof *v);
    fill_nodes(v);
    fill_orgs(v);
}

static void view_end(struct view *v)
{
    free(v->nodes);
    free(v->orgs);
    free(v->elastic);
    free(v->prices);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Cuts the text into lines, without their values. */
static size_t cut(char *text, char **lines, size_t max)
{
    size_t n = 0;

    for (char *at = strtok_r(text, "\n", &text); at != NULL;
         at = strtok_r(NULL, "\n", &text)) {
        assert_true(n < max);
        if (at[0] != '#')
            *strrchr(at, ' ') = '\0';
        lines[n++] = at;
    }
    return n;
}

static void test_the_largest(void **state)
{
    enum { LINES = 40000 };
    char **lines = mem_array(LINES, sizeof *lines), *text;
    struct buf b = BUF_INIT;
    struct view v;
    size_t n;

    (void)state;
    view_make(&v);
    api_metrics_pins(&b, &v);
    api_metrics_nodes(&b, &v);
    api_metrics_orgs(&b, &v);
    assert_in_range(b.n, 1 << 20, 4 << 20);
    text = mem_text(buf_cstr(&b));
    n = cut(text, lines, LINES);
    assert_in_range(n, 20000, LINES);
    qsort(lines, n, sizeof *lines, by_text);
    for (size_t i = 1; i < n; i++)
        if (strcmp(lines[i - 1], lines[i]) == 0)
            fail_msg("twice: %s", lines[i]);
    free(text);
    free(lines);
    buf_free(&b);
    view_end(&v);
}

static bool has(const struct view *v, const char *line)
{
    struct buf b = BUF_INIT;
    bool found;

    api_metrics_pins(&b, v);
    api_metrics_nodes(&b, v);
    api_metrics_orgs(&b, v);
    found = strstr(buf_cstr(&b), line) != NULL;
    buf_free(&b);
    return found;
}

static void test_values(void **state)
{
    struct view v;
    char line[160];

    (void)state;
    view_make(&v);
    v.pins = 100;
    v.counts.todo[TODO_NO_COPY] = 3;
    v.counts.todo[TODO_BELOW_MIN] = 4;
    v.counts.todo[TODO_RELEASING] = 5;
    v.lack.fallen = 6;
    v.wall_ms = 1000000;
    v.lack.below_min_ms = 400000;
    assert_true(has(&v, "\npinfold_pins{state=\"settled\"} 88\n"));
    assert_true(has(&v, "{cause=\"copies\"} 7\n"));
    assert_true(has(&v, "{cause=\"node_down\"} 6\n"));
    assert_true(has(&v, "_seconds{state=\"no_copy\"} 0.000\n"));
    assert_true(has(&v, "_seconds{state=\"below_min\"} 600.000\n"));
    v.lack.below_min_ms = 1000001; /* a clock that was set back */
    assert_true(has(&v, "_seconds{state=\"below_min\"} 0.000\n"));
    snprintf(line, sizeof line, "_frontier_price{org=\"%060u\"} -1.500000\n",
             7U);
    assert_true(has(&v, line));
    v.prices[7].org = 9999; /* of one that is gone, until the next look */
    assert_false(has(&v, line));
    v.prices[7] = (struct numbers_price){8, false, 0};
    assert_false(has(&v, line));
    snprintf(line, sizeof line,
             "pinfold_org_limit_pins{org=\"%060u\",level=\"hard\"} 2\n", 7U);
    assert_true(has(&v, line));
    v.orgs[7].limits[ORG_PINS].hard = ORG_NO_LIMIT;
    assert_false(has(&v, line));
    view_end(&v);
}

static void test_refusals(void **state)
{
    struct api_counts n;

    (void)state;
    memset(&n, 0, sizeof n);
    for (int status = 200; status < 600; status++)
        api_counts_answer(&n, status);
    for (int i = 0; i < API_REFUSALS; i++)
        if (i != API_REFUSED_OTHER)
            assert_int_equal(n.refused[i], 1);
    assert_int_equal(n.refused[API_REFUSED_OTHER], 200 - API_REFUSALS + 1);
    assert_string_equal(api_refusal_word(api_refusal_of(403)), "denied");
    api_counts_result(&n, &(struct replica_result){.error = ERR_BUSY});
    api_counts_result(&n, &(struct replica_result){
                              .verdict = VERDICT_OVER_QUOTA});
    assert_int_equal(n.failures[ERR_BUSY], 1);
    assert_int_equal(n.verdicts[VERDICT_OVER_QUOTA], 1);
    assert_int_equal(n.verdicts[VERDICT_ACCEPTED], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_largest),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
