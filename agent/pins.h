/* Carries out what the work list (core/work.h) wishes: looks, pins, unpins
 * and listings by the daemon's RPC, and gives the results back. Knows the
 * names of our pins. Loop thread.
 *
 * A look that meets no recursive pin asks for a direct one too: a recursive
 * pin would replace one of the owner's.
 */
#ifndef PINFOLD_AGENT_PINS_H
#define PINFOLD_AGENT_PINS_H

#include "agent/core/work.h"
#include "agent/holders.h"
#include "agent/journal.h"
#include "agent/kubo.h"

struct pins;

struct pins_settings {
    uv_loop_t *loop;
    struct kubo *kubo;
    struct holders *holders;
    struct journal *journal; /* origins; orders, by the wishes */
    /* Results went into the work list. cut: the daemon cut a call off. */
    void (*changed)(void *arg, bool cut);
    void (*listed)(void *arg, bool complete);
    void *arg;
};

struct pins *pins_new(const struct pins_settings *st);
void pins_wishes(struct pins *p, struct work_wishes *out);
void pins_set_work(struct pins *p, struct work *w); /* before any wish */
void pins_set_tag(struct pins *p, uint32_t tag);
/* Cancels all calls; their results will not reach the work list. */
void pins_drop_calls(struct pins *p);
/* The full comparison; pins_settings.listed follows. false: one runs. */
bool pins_list(struct pins *p);
void pins_free(struct pins *p); /* after kubo_close has ended */

#endif
