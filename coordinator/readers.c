/* The reader pool; see readers.h. */
#include "coordinator/readers.h"

#include "proto/limits.h"
#include "proto/mem.h"

#include <assert.h>
#include <stdlib.h>

enum { READERS = 2, READERS_BATCH = 32 };

struct readers {
    struct mailbox *back;
    struct store_reader *connections[READERS];
    uv_thread_t threads[READERS];
    uv_mutex_t lock;
    uv_cond_t cond;
    struct task *head, **tail; /* of jobs, by their first member */
    unsigned waiting;
    bool stop;
};

struct reader_thread {
    struct readers *pool;
    struct store_reader *connection;
};

static void on_done(struct task *t)
{
    struct reader_job *j = (struct reader_job *)t;

    j->done(j, j->error);
}

static struct reader_job *next_of(const struct reader_job *j)
{
    return (struct reader_job *)j->task.next;
}

/* Takes waiting jobs; NULL when the pool stops. */
static struct reader_job *take(struct readers *p)
{
    struct reader_job *first, *last;
    unsigned n = 1;

    uv_mutex_lock(&p->lock);
    while (p->head == NULL && !p->stop)
        uv_cond_wait(&p->cond, &p->lock);
    first = (struct reader_job *)p->head;
    if (first == NULL) {
        uv_mutex_unlock(&p->lock);
        return NULL;
    }
    /* A share of the queue, so that the other thread has work too. */
    for (last = first; n < READERS_BATCH && n * 2 < p->waiting &&
                       next_of(last) != NULL; n++)
        last = next_of(last);
    p->head = last->task.next;
    if (p->head == NULL)
        p->tail = &p->head;
    last->task.next = NULL;
    p->waiting -= n;
    uv_mutex_unlock(&p->lock);
    return first;
}

static void run(struct readers *p, struct store_reader *r,
                struct reader_job *first)
{
    enum err e = store_reader_begin(r);
    struct reader_job *j, *next;

    for (j = first; j != NULL; j = next_of(j)) {
        j->error = e;
        if (e == ERR_OK)
            j->read(j, r);
    }
    if (e == ERR_OK)
        store_reader_end(r);
    for (j = first; j != NULL; j = next) {
        next = next_of(j);
        j->task.run = on_done;
        mailbox_post(p->back, &j->task);
    }
}

static void reader(void *arg)
{
    struct reader_thread *t = arg;
    struct reader_job *j;

    while ((j = take(t->pool)) != NULL)
        run(t->pool, t->connection, j);
    free(t);
}

enum err readers_new(const char *path, struct mailbox *back,
                     struct readers **out, struct err_text *why)
{
    struct readers *p = mem_alloc(sizeof *p);
    int rv;

    for (int i = 0; i < READERS; i++) {
        enum err e = store_reader_open(path, &p->connections[i], why);

        if (e != ERR_OK) {
            while (i-- > 0)
                store_reader_close(p->connections[i]);
            free(p);
            return e;
        }
    }
    p->back = back;
    p->tail = &p->head;
    rv = uv_mutex_init(&p->lock);
    assert(rv == 0);
    rv = uv_cond_init(&p->cond);
    assert(rv == 0);
    for (int i = 0; i < READERS; i++) {
        struct reader_thread *t = mem_alloc(sizeof *t);

        t->pool = p;
        t->connection = p->connections[i];
        rv = uv_thread_create(&p->threads[i], reader, t);
        assert(rv == 0);
    }
    *out = p;
    return ERR_OK;
}

enum err readers_submit(struct readers *p, struct reader_job *j)
{
    assert(j->read != NULL && j->done != NULL);
    uv_mutex_lock(&p->lock);
    if (p->waiting == LIMIT_READS_WAITING || p->stop) {
        uv_mutex_unlock(&p->lock);
        return ERR_BUSY;
    }
    j->task.next = NULL;
    *p->tail = &j->task;
    p->tail = &j->task.next;
    p->waiting++;
    uv_cond_signal(&p->cond);
    uv_mutex_unlock(&p->lock);
    return ERR_OK;
}

unsigned readers_waiting(struct readers *p)
{
    unsigned n;

    uv_mutex_lock(&p->lock);
    n = p->waiting;
    uv_mutex_unlock(&p->lock);
    return n;
}

void readers_close(struct readers *p)
{
    uv_mutex_lock(&p->lock);
    p->stop = true;
    uv_cond_broadcast(&p->cond);
    uv_mutex_unlock(&p->lock);
    for (int i = 0; i < READERS; i++) {
        uv_thread_join(&p->threads[i]);
        store_reader_close(p->connections[i]);
    }
    uv_cond_destroy(&p->cond);
    uv_mutex_destroy(&p->lock);
    free(p);
}
