/* The picture of principals and tokens; see access.h. */
#include "coordinator/access.h"

#include "proto/mem.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct access *newest; /* holds one reference */

static void let_go(struct access *a)
{
    pthread_mutex_lock(&lock);
    if (a != NULL && --a->refs > 0)
        a = NULL;
    pthread_mutex_unlock(&lock);
    if (a == NULL)
        return;
    free(a->principals);
    free(a->tokens);
    free(a);
}

void access_put(const struct access *borrowed)
{
    struct access *a;

    /* The count is the only part that changes, under the lock. */
    memcpy(&a, &borrowed, sizeof a);
    let_go(a);
}

const struct access *access_get(void)
{
    struct access *a;

    pthread_mutex_lock(&lock);
    a = newest;
    assert(a != NULL);
    a->refs++;
    pthread_mutex_unlock(&lock);
    return a;
}

static void replace(struct access *a)
{
    struct access *old;

    pthread_mutex_lock(&lock);
    old = newest;
    newest = a;
    pthread_mutex_unlock(&lock);
    let_go(old);
}

void access_publish(const struct store *s)
{
    const struct principal *principals;
    const struct token *tokens;
    struct access *a;

    /* Only this thread replaces it. */
    if (newest != NULL && newest->version == store_access_version(s))
        return;
    a = mem_alloc(sizeof *a);
    a->refs = 1;
    a->version = store_access_version(s);
    principals = store_principals(s, &a->n_principals);
    tokens = store_tokens(s, &a->n_tokens);
    a->principals = mem_copy(principals,
                             a->n_principals * sizeof *principals);
    a->tokens = mem_copy(tokens, a->n_tokens * sizeof *tokens);
    replace(a);
}

void access_drop(void)
{
    replace(NULL);
}

const struct principal *access_principal(const struct access *a, uint64_t id)
{
    uint32_t at = access_principal_at(a->principals, a->n_principals, id);

    return at < a->n_principals && a->principals[at].id == id
               ? &a->principals[at] : NULL;
}

const struct token *access_token(const struct access *a, uint64_t id)
{
    uint32_t at = access_token_at(a->tokens, a->n_tokens, id);

    return at < a->n_tokens && a->tokens[at].id == id ? &a->tokens[at] : NULL;
}

const struct principal *access_named(const struct access *a, uint32_t org,
                                     const char *name)
{
    for (uint32_t i = 0; i < a->n_principals; i++)
        if (a->principals[i].org == org &&
            strcmp(a->principals[i].name, name) == 0)
            return &a->principals[i];
    return NULL;
}
