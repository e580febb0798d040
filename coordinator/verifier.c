/* Work with passwords; see verifier.h. */
#include "coordinator/verifier.h"

#include "proto/mem.h"

#include <assert.h>
#include <stdlib.h>

struct verifier {
    uv_loop_t *loop;
    struct verifier_job *first, **last; /* waiting */
    struct verifier_job *at_work[VERIFIER_AT_ONCE];
    unsigned n_waiting;
};

struct verifier *verifier_new(uv_loop_t *loop)
{
    struct verifier *v = mem_alloc(sizeof *v);

    v->loop = loop;
    v->last = &v->first;
    return v;
}

void verifier_free(struct verifier *v)
{
    if (v == NULL)
        return;
    assert(v->first == NULL);
    for (int k = 0; k < VERIFIER_AT_ONCE; k++)
        assert(v->at_work[k] == NULL);
    free(v);
}

/* A thread of libuv's pool. */
static void on_work(uv_work_t *w)
{
    struct verifier_job *j = w->data;

    j->good = j->make ? auth_password_hash(j->password, j->hash)
                      : auth_password_check(j->hash, j->password);
}

static void begin(struct verifier *v);

static void on_done(uv_work_t *w, int status)
{
    struct verifier_job *j = w->data;
    struct verifier *v = j->verifier;

    assert(status == 0);
    for (int k = 0; k < VERIFIER_AT_ONCE; k++)
        if (v->at_work[k] == j)
            v->at_work[k] = NULL;
    begin(v);
    j->done(j);
}

static void begin(struct verifier *v)
{
    for (int k = 0; k < VERIFIER_AT_ONCE && v->first != NULL; k++) {
        struct verifier_job *j = v->first;
        int rv;

        if (v->at_work[k] != NULL)
            continue;
        v->first = j->next;
        if (v->first == NULL)
            v->last = &v->first;
        v->n_waiting--;
        v->at_work[k] = j;
        j->work.data = j;
        rv = uv_queue_work(v->loop, &j->work, on_work, on_done);
        assert(rv == 0);
    }
}

static unsigned of_peer(const struct verifier *v, uint64_t peer)
{
    unsigned n = 0;

    for (int k = 0; k < VERIFIER_AT_ONCE; k++)
        n += v->at_work[k] != NULL && v->at_work[k]->peer == peer;
    for (const struct verifier_job *j = v->first; j != NULL; j = j->next)
        n += j->peer == peer;
    return n;
}

enum err verifier_submit(struct verifier *v, struct verifier_job *j)
{
    if (v->n_waiting == VERIFIER_WAITING ||
        of_peer(v, j->peer) >= VERIFIER_OF_PEER)
        return ERR_BUSY;
    j->verifier = v;
    j->next = NULL;
    *v->last = j;
    v->last = &j->next;
    v->n_waiting++;
    begin(v);
    return ERR_OK;
}

unsigned verifier_waiting(const struct verifier *v)
{
    return v->n_waiting;
}
