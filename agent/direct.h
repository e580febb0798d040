/* Is a CID pinned directly? Asked before each new recursive pin, which would
 * replace a direct pin of the owner's. Owners have few of those as a rule: one
 * listing of them answers all who asked before it began, and costs as much as
 * one look. What is learned is no older than the question. Loop thread.
 */
#ifndef PINFOLD_AGENT_DIRECT_H
#define PINFOLD_AGENT_DIRECT_H

#include "agent/kubo.h"

struct direct;

/* Of the caller, its own until `done` is called or it is taken back. */
struct direct_question {
    struct direct_question *next;
    struct cid cid;
    /* pinned: perhaps, or the listing failed: look at this one alone. */
    void (*done)(struct direct_question *q, bool pinned);
};

enum { DIRECT_FEW = 64, DIRECT_AGAIN_MS = 60000 };

struct direct *direct_new(uv_loop_t *loop, struct kubo *k);
/* done follows, never from within. false: the last listing had more than
 * DIRECT_FEW rows or failed, less than DIRECT_AGAIN_MS ago; look alone. */
bool direct_ask(struct direct *d, struct direct_question *q);
void direct_take_back(struct direct *d, struct direct_question *q);
/* Ends a listing that runs; no questions wait. */
void direct_drop(struct direct *d);
void direct_free(struct direct *d); /* no questions; after kubo_close ended */

#endif
