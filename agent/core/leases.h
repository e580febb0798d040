/* What uploads have stored and nobody has pinned yet: until then a garbage
 * collection would take it. Each counts for LEASE_MS at most. Pure; time is
 * the caller's monotonic milliseconds. Bounded: beyond LEASES the longest
 * time that is left counts for all.
 */
#ifndef PINFOLD_AGENT_LEASES_H
#define PINFOLD_AGENT_LEASES_H

#include "agent/core/work.h"

enum { LEASES = 64, LEASE_MS = 600000 };

struct lease {
    struct cid root;
    uint64_t until_ms;
};

struct leases { /* zeros: none */
    struct lease of[LEASES];
    uint32_t n;
    uint64_t unknown_until_ms; /* of roots that are not known */
};

/* root NULL: not known. */
void leases_add(struct leases *l, const struct cid *root,
                const struct work *w, uint64_t now_ms);
/* Is there one that is neither over nor pinned whole, and to stay? */
bool leases_open(struct leases *l, const struct work *w, uint64_t now_ms);

#endif
