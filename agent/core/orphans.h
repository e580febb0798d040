/* One page of pins that bear the name of a cluster, ours or another one, and
 * that no order names: which rows of a listing belong to it. In the order of
 * CIDs, so that the last of a page is the cursor of the next. Memory: one
 * page, however many pins the daemon has. Pure.
 */
#ifndef PINFOLD_AGENT_ORPHANS_H
#define PINFOLD_AGENT_ORPHANS_H

#include "agent/core/work.h"
#include "proto/buf.h"

enum { ORPHANS_PAGE = 800 };

struct orphan {
    struct cid cid;
    uint32_t tag;   /* of the cluster in its name */
    uint64_t pin;   /* 0: the name has no number */
    bool recursive;
};

struct orphans {
    struct cid after; /* n = 0: from the first one */
    uint32_t n;
    bool more;        /* rows beyond this page */
    struct orphan rows[ORPHANS_PAGE];
};

/* Is it "pinfold:<tag>:…"? */
bool orphans_name(const char *name, uint32_t *tag, uint64_t *pin);

/* After NULL: from the first one. */
void orphans_begin(struct orphans *o, const struct cid *after);
/* Each row of the listings, in any order. ours: the tag of our cluster. */
void orphans_row(struct orphans *o, const struct work *w, uint32_t ours,
                 const struct cid *c, const char *name, bool recursive);
/* Rows sorted, each CID once. */
void orphans_end(struct orphans *o);
/* "more" or "end", then "<tag> <pin> <r|d> <cid>" a row. */
void orphans_print(const struct orphans *o, struct buf *out);

#endif
