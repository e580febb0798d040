/* The reader pool: jobs in shared transactions, busy when full, nothing lost
 * at its close, and what a finished job says is what is committed.
 */
#include "coordinator_world.h"

#include "coordinator/readers.h"

#include <stdatomic.h>

static uv_loop_t loop;
static struct mailbox back;
static struct store *store;
static struct readers *pool;
static char dir[256], path[300];

struct job {
    struct reader_job job;
    uint64_t applied;
    bool ran, done;
    enum err error;
};

static uv_mutex_t gate; /* held: readers wait inside a job */
static atomic_int inside;
static unsigned finished;

static int setup(void **state)
{
    struct err_text why;

    (void)state;
    coord_log_quiet();
    memset(dir, 0, sizeof dir);
    coord_folder(dir, sizeof dir);
    snprintf(path, sizeof path, "%s/state.db", dir);
    uv_loop_init(&loop);
    uv_mutex_init(&gate);
    mailbox_init(&back, &loop);
    finished = 0;
    atomic_store(&inside, 0);
    if (store_open(path, &store, &why) != ERR_OK ||
        readers_new(path, &back, &pool, &why) != ERR_OK)
        fail_msg("%s", why.text);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    store_close(store);
    mailbox_close(&back, NULL);
    coord_loop_end(&loop);
    uv_mutex_destroy(&gate);
    coord_folder_remove(dir);
    return 0;
}

static void read_applied(struct reader_job *j, struct store_reader *r)
{
    struct job *x = (struct job *)j;

    atomic_fetch_add(&inside, 1);
    uv_mutex_lock(&gate);
    uv_mutex_unlock(&gate);
    x->applied = store_reader_applied(r);
    x->ran = true;
}

static void on_done(struct reader_job *j, enum err e)
{
    struct job *x = (struct job *)j;

    assert_false(x->done);
    x->done = true;
    x->error = e;
    finished++;
}

static struct job *make(unsigned n)
{
    struct job *jobs = mem_array(n, sizeof *jobs);

    for (unsigned i = 0; i < n; i++) {
        jobs[i].job.read = read_applied;
        jobs[i].job.done = on_done;
    }
    return jobs;
}

static void sees_what_is_committed(void **state)
{
    struct job *jobs = make(100);

    (void)state;
    for (uint64_t index = 1; index <= 100; index++) {
        struct job *j = &jobs[index - 1];

        store_set_applied(store, index, 1, 1);
        store_flush(store);
        assert_int_equal(readers_submit(pool, &j->job), ERR_OK);
        COORD_WAIT(&loop, j->done);
        assert_int_equal(j->error, ERR_OK);
        assert_int_equal(j->applied, index);
    }
    readers_close(pool);
    free(jobs);
}

static void open_transaction_is_not_seen(void **state)
{
    struct job *jobs = make(2);

    (void)state;
    store_set_applied(store, 5, 1, 1);
    store_flush(store);
    store_set_applied(store, 6, 1, 1);
    assert_int_equal(readers_submit(pool, &jobs[0].job), ERR_OK);
    COORD_WAIT(&loop, jobs[0].done);
    assert_int_equal(jobs[0].applied, 5);
    store_flush(store);
    assert_int_equal(readers_submit(pool, &jobs[1].job), ERR_OK);
    COORD_WAIT(&loop, jobs[1].done);
    assert_int_equal(jobs[1].applied, 6);
    readers_close(pool);
    free(jobs);
}

static void busy_when_full(void **state)
{
    enum { N = LIMIT_READS_WAITING + 100 };
    struct job *jobs = make(N);
    unsigned taken = 0;
    bool busy = false;

    (void)state;
    uv_mutex_lock(&gate);
    assert_int_equal(readers_submit(pool, &jobs[taken++].job), ERR_OK);
    assert_int_equal(readers_submit(pool, &jobs[taken++].job), ERR_OK);
    while (atomic_load(&inside) < 2) /* both threads are inside a job */
        uv_run(&loop, UV_RUN_NOWAIT);
    while (taken < N && !busy) {
        busy = readers_submit(pool, &jobs[taken].job) == ERR_BUSY;
        taken += !busy;
    }
    assert_true(busy);
    assert_int_equal(taken, LIMIT_READS_WAITING + 2);
    assert_int_equal(finished, 0);
    uv_mutex_unlock(&gate);
    COORD_WAIT(&loop, finished == taken);
    for (unsigned i = 0; i < taken; i++)
        assert_true(jobs[i].ran);
    assert_false(jobs[taken].ran);
    assert_int_equal(readers_submit(pool, &jobs[taken].job), ERR_OK);
    COORD_WAIT(&loop, finished == taken + 1);
    readers_close(pool);
    free(jobs);
}

static void close_finishes_what_waits(void **state)
{
    struct job *jobs = make(200);
    struct job *late = make(1);

    (void)state;
    for (unsigned i = 0; i < 200; i++)
        assert_int_equal(readers_submit(pool, &jobs[i].job), ERR_OK);
    readers_close(pool);
    for (unsigned i = 0; i < 200; i++)
        assert_true(jobs[i].ran);
    COORD_WAIT(&loop, finished == 200);
    free(jobs);
    free(late);
}

static void no_file(void **state)
{
    struct err_text why;
    struct readers *none;

    (void)state;
    assert_int_not_equal(readers_new("/nonexistent/x.db", &back, &none,
                                     &why), ERR_OK);
    readers_close(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sees_what_is_committed, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(open_transaction_is_not_seen, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(busy_when_full, setup, teardown),
        cmocka_unit_test_setup_teardown(close_finishes_what_waits, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(no_file, setup, teardown),
    };

    return cmocka_run_group_tests_name("readers", tests, NULL, NULL);
}
