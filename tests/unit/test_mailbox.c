/* The queue between two loops: nothing lost, nothing re-ordered per poster,
 * and after the close nothing runs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "coordinator/mailbox.h"
#include "proto/mem.h"

#include <stdlib.h>

enum { POSTERS = 4, EACH = 20000 };

struct item {
    struct task task;
    unsigned poster, number;
};

static struct mailbox box;
static unsigned next_number[POSTERS], total, wrong, closed;

static void take(struct task *t)
{
    struct item *i = (struct item *)t;

    wrong += i->number != next_number[i->poster]++;
    total++;
    free(i);
}

static void poster(void *arg)
{
    unsigned me = *(unsigned *)arg;

    for (unsigned n = 0; n < EACH; n++) {
        struct item *i = mem_alloc(sizeof *i);

        i->task.run = take;
        i->poster = me;
        i->number = n;
        mailbox_post(&box, &i->task);
    }
}

static void on_closed(struct mailbox *m)
{
    closed += m == &box;
}

static void many_posters(void **state)
{
    uv_loop_t loop;
    uv_thread_t threads[POSTERS];
    unsigned ids[POSTERS];

    (void)state;
    uv_loop_init(&loop);
    mailbox_init(&box, &loop);
    for (unsigned i = 0; i < POSTERS; i++) {
        ids[i] = i;
        assert_int_equal(uv_thread_create(&threads[i], poster, &ids[i]), 0);
    }
    while (total < POSTERS * EACH)
        uv_run(&loop, UV_RUN_ONCE);
    for (unsigned i = 0; i < POSTERS; i++)
        uv_thread_join(&threads[i]);
    assert_int_equal(wrong, 0);
    mailbox_close(&box, on_closed);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(closed, 1);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static unsigned runs;

static void again(struct task *t)
{
    if (++runs < 3)
        mailbox_post(&box, t); /* for the next turn, not this one */
}

static void post_inside_a_task(void **state)
{
    uv_loop_t loop;
    struct task t = {again, NULL};

    (void)state;
    uv_loop_init(&loop);
    mailbox_init(&box, &loop);
    mailbox_post(&box, &t);
    uv_run(&loop, UV_RUN_ONCE);
    assert_in_range(runs, 1, 2);
    while (runs < 3)
        uv_run(&loop, UV_RUN_ONCE);
    mailbox_close(&box, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void never(struct task *t)
{
    (void)t;
    fail_msg("%s", "it ran after the close");
}

static void close_drops_what_waits(void **state)
{
    uv_loop_t loop;
    struct task t = {never, NULL};

    (void)state;
    uv_loop_init(&loop);
    mailbox_init(&box, &loop);
    mailbox_close(&box, NULL);
    mailbox_post(&box, &t);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_posters),
        cmocka_unit_test(post_inside_a_task),
        cmocka_unit_test(close_drops_what_waits),
    };

    return cmocka_run_group_tests_name("mailbox", tests, NULL, NULL);
}
