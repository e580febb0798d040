/* Operations on principals and tokens, for the tests of the state machine. */
#ifndef PINFOLD_TOKEN_WORLD_H
#define PINFOLD_TOKEN_WORLD_H

#include "tests/lib/core_world.h"

enum { TWO = 2, THREE = 3 };

WORLD_UNUSED static struct command_token_put *
token_op(struct world *w, enum token_form form, const char *name,
         unsigned verbs)
{
    struct command_token_put *p = &op(w, COMMAND_TOKEN_PUT)->token_put;

    p->form = form;
    snprintf(p->name, sizeof p->name, "%s", name);
    p->verbs = (uint8_t)verbs;
    if (form == TOKEN_USER || form == TOKEN_PASSWORD)
        snprintf(p->password, sizeof p->password, "%s%s",
                 ACCESS_PASSWORD_FORM, "c2FsdA$aGFzaA");
    else
        hash_blake2b_256(&w->seq, sizeof w->seq, p->hash);
    return p;
}

/* A token of that organisation; its id. */
WORLD_UNUSED static uint64_t token(struct world *w, uint32_t org,
                                   const char *name, unsigned verbs,
                                   const char *prefix)
{
    struct command_token_put *p = token_op(w, TOKEN_FOR, name, verbs);

    w->c->org = org;
    snprintf(p->prefix, sizeof p->prefix, "%s", prefix);
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    return w->last.actor;
}

WORLD_UNUSED static uint64_t user(struct world *w, uint32_t org,
                                  const char *name, unsigned verbs)
{
    token_op(w, TOKEN_USER, name, verbs);
    w->c->org = org;
    assert_int_equal(go(w), VERDICT_ACCEPTED);
    return w->last.actor;
}

WORLD_UNUSED static enum verdict session(struct world *w, uint64_t actor,
                                         unsigned verbs)
{
    token_op(w, TOKEN_SESSION, "", verbs)->expires_ms = FSM_SESSION_MS;
    w->c->actor = actor;
    w->c->org = store_principal(w->store, actor)->org;
    return go(w);
}

WORLD_UNUSED static enum verdict drop(struct world *w, uint32_t org,
                                      uint64_t id)
{
    op(w, COMMAND_TOKEN_REMOVE)->token_remove.id = id;
    w->c->org = org;
    return go(w);
}

WORLD_UNUSED static uint32_t n_tokens(struct world *w)
{
    uint32_t n;

    (void)store_tokens(w->store, &n);
    return n;
}

WORLD_UNUSED static uint32_t n_principals(struct world *w)
{
    uint32_t n;

    (void)store_principals(w->store, &n);
    return n;
}

#endif
