/* A queue between two loops; see mailbox.h. */
#include "coordinator/mailbox.h"

#include <assert.h>
#include <stddef.h>

static void drain(struct mailbox *m)
{
    struct task *t, *next;

    uv_mutex_lock(&m->lock);
    t = m->head;
    m->head = NULL;
    m->tail = &m->head;
    uv_mutex_unlock(&m->lock);
    for (; t != NULL; t = next) {
        next = t->next;
        t->run(t);
    }
}

static void on_wake(uv_async_t *a)
{
    drain(a->data);
}

void mailbox_init(struct mailbox *m, uv_loop_t *loop)
{
    int rv = uv_mutex_init(&m->lock);

    assert(rv == 0);
    rv = uv_async_init(loop, &m->wake, on_wake);
    assert(rv == 0);
    m->wake.data = m;
    m->head = NULL;
    m->tail = &m->head;
    m->closed = NULL;
}

void mailbox_post(struct mailbox *m, struct task *t)
{
    int was_empty;

    assert(t->run != NULL);
    t->next = NULL;
    uv_mutex_lock(&m->lock);
    was_empty = m->head == NULL;
    *m->tail = t;
    m->tail = &t->next;
    uv_mutex_unlock(&m->lock);
    if (was_empty)
        (void)uv_async_send(&m->wake); /* fails only on a closed loop */
}

static void on_closed(uv_handle_t *h)
{
    struct mailbox *m = h->data;

    uv_mutex_destroy(&m->lock);
    if (m->closed != NULL)
        m->closed(m);
}

void mailbox_close(struct mailbox *m, void (*closed)(struct mailbox *m))
{
    m->closed = closed;
    uv_close((uv_handle_t *)&m->wake, on_closed);
}
