/* Principals and tokens as the http loop may look at them: an immutable
 * picture, made on the core loop when a group of operations that changed any
 * was committed, before a verdict of it leaves. So whoever was told that a
 * token is gone finds it gone at that coordinator. Borrowed by reference
 * count.
 */
#ifndef PINFOLD_COORDINATOR_ACCESS_H
#define PINFOLD_COORDINATOR_ACCESS_H

#include "coordinator/core/store.h"

struct access {
    uint64_t version;
    uint32_t n_principals, n_tokens;
    struct principal *principals; /* by id */
    struct token *tokens;         /* by id */
    unsigned refs;                /* guarded by access.c */
};

/* Core loop; cheap when nothing changed. */
void access_publish(const struct store *s);
void access_drop(void); /* at exit */
/* Any thread. Never NULL after the first publish. */
const struct access *access_get(void);
void access_put(const struct access *a);

const struct principal *access_principal(const struct access *a,
                                         uint64_t id);
const struct token *access_token(const struct access *a, uint64_t id);
const struct principal *access_named(const struct access *a, uint32_t org,
                                     const char *name);

#endif
