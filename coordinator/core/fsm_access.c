/* Whether an operation's actor may ask for it (specs/security.md 8): checked
 * on every replica, before the operation is looked at, by the rows as they
 * are then. So a removed token is good for nothing at once, whatever other
 * coordinators still have under way.
 *
 * Actors 0 and PRINCIPAL_LOCAL may everything: the coordinators' own work,
 * agents' reports, and whoever asks where authentication is off.
 */
#include "coordinator/core/fsm_private.h"

#include "proto/claims.h"

#include <assert.h>
#include <string.h>

/* The verbs of which an operation needs one; 0: its own rule, below. */
enum { NOBODY = VERB_ALL + 1 }; /* no user has it */

/* flat table */
static unsigned verb_of(enum command_kind kind)
{
    switch (kind) {
    case COMMAND_TICK:
    case COMMAND_ASSIGN:
    case COMMAND_REPORT:
    case COMMAND_READS:
    case COMMAND_EXPIRE:
    case COMMAND_NODE_PUT:
    case COMMAND_CONFIG_PUT:
    case COMMAND_COORDINATOR_PUT:
    case COMMAND_ADMIT:
    case COMMAND_EVICT:
    case COMMAND_RECLAIM:
        return NOBODY;
    case COMMAND_CLAIM_PUT:
    case COMMAND_CLAIM_REMOVE:
    case COMMAND_RECOVER:
    case COMMAND_SCORE:
    case COMMAND_READS_PUT:
    case COMMAND_REQUEST_PUT:
    case COMMAND_REQUEST_REMOVE:
        return VERB_PIN;
    case COMMAND_RATE:
        return VERB_QUALITY;
    case COMMAND_MADE:
        return VERB_PIN | VERB_CURATOR;
    case COMMAND_NODE_STATE:
    case COMMAND_NODE_REMOVE:
    case COMMAND_MAINTAIN:
    case COMMAND_NODE_OWNER:
    case COMMAND_ORG_PUT:
    case COMMAND_QUOTA_PUT:
    case COMMAND_FORMULA_BOUNDS:
    case COMMAND_BUDGET:
        return VERB_OPERATOR;
    case COMMAND_FORMULA:
    case COMMAND_TOKEN_PUT:
    case COMMAND_TOKEN_REMOVE:
    case COMMAND_TAG_QUOTA:
        return 0;
    }
    return NOBODY;
}

static bool deny(struct fsm_result *r, const char *text)
{
    fsm_refuse(r, VERDICT_DENIED, "%s", text);
    return false;
}

/* false: nobody is, or not any more. */
static bool find(const struct fsm *f, uint64_t id, struct fsm_actor *a,
                 struct fsm_result *r)
{
    const struct token *t = store_token(f->store, id);
    const struct principal *p =
        store_principal(f->store, t != NULL ? t->principal : id);

    if (p == NULL || (t == NULL && p->password[0] == '\0'))
        return deny(r, "the user or token is not known, or not any more");
    if (t != NULL && t->expires_ms != 0 && t->expires_ms <= f->now_ms)
        return deny(r, "the token has expired");
    *a = (struct fsm_actor){.id = id, .principal = p->id, .org = p->org,
                            .verbs = t != NULL ? t->verbs : p->verbs};
    memcpy(a->prefix, t != NULL ? t->prefix : p->prefix, sizeof(a->prefix));
    return true;
}

/* Nobody gives what he has not. */
static bool gives(const struct fsm_actor *a, unsigned verbs,
                  const char *prefix)
{
    return (verbs & ~access_verbs_implied(a->verbs)) == 0
           && access_prefix_covers(a->prefix, span_text(prefix));
}

static bool may_put_session(const struct fsm_actor *a,
                            const struct command *c, struct fsm_result *r)
{
    const struct command_token_put *put = &c->token_put;

    if (a->id != a->principal || c->org != a->org)
        return deny(r, "a session is for who comes with a password");
    if (put->expires_ms == 0 || put->expires_ms > FSM_SESSION_MS)
        return deny(r, "a session lasts 24 h at most");
    return gives(a, put->verbs, put->prefix)
           || deny(r, "a session may not do more than its user");
}

static bool may_put_token(const struct fsm *f, const struct fsm_actor *a,
                          const struct command *c, struct fsm_result *r)
{
    const struct command_token_put *put = &c->token_put;
    const struct principal *p;

    if (put->form == TOKEN_SESSION)
        return may_put_session(a, c, r);
    p = fsm_principal_named(f->store, c->org, put->name);
    if (put->form == TOKEN_PASSWORD && p != NULL && p->id == a->id)
        return true; /* the own one */
    if ((a->verbs & VERB_ADMIN) == 0)
        return deny(r, "this needs the verb admin");
    if (put->form == TOKEN_PASSWORD)
        return p == NULL || gives(a, p->verbs, p->prefix)
               || deny(r, "the user may do more than you");
    return gives(a, put->verbs, put->prefix)
           || deny(r, "nobody gives what he may not do himself");
}

/* Reads of what others claim are theirs to count. */
static bool counts_own(const struct command *c)
{
    const struct command_score *s = c->kind == COMMAND_SCORE
                                        ? &c->score : &c->reads_put.score;

    for (uint32_t k = 0; k < s->n; k++) {
        if (s->items[k].org != c->org)
            return false;
    }
    return true;
}

static const char *needs(unsigned verb)
{
    if (verb == VERB_QUALITY)
        return "this needs the verb pin or quality";
    if (verb == (VERB_PIN | VERB_CURATOR))
        return "this needs the verb pin or curator";
    return verb == VERB_PIN ? "this needs the verb pin"
                            : "this needs the verb operator";
}

static bool may(const struct fsm *f, const struct command *c,
                struct fsm_result *r)
{
    const struct fsm_actor *a = &f->actor;
    unsigned verb = verb_of(c->kind);

    if (verb == NOBODY)
        return deny(r, "no user may ask for this");
    if (!access_org(a->org, a->verbs, c->org))
        return deny(r, "another organisation's");
    if (c->kind == COMMAND_RATE && c->rate.rater != a->principal)
        return deny(r, "another principal's rating");
    if ((c->kind == COMMAND_SCORE || c->kind == COMMAND_READS_PUT)
        && !counts_own(c))
        return deny(r, "another organisation's");
    if (verb == VERB_OPERATOR && c->org != ORG_DEFAULT)
        return deny(r, "only organisation 'default' may ask for this");
    if (verb != 0)
        return (access_verbs_implied(a->verbs) & verb) != 0
               || deny(r, needs(verb));
    if (c->kind == COMMAND_TOKEN_PUT)
        return may_put_token(f, a, c, r);
    /* Whose it is, who carries it out looks at: any one's for this one. */
    if ((c->kind == COMMAND_FORMULA || c->kind == COMMAND_TAG_QUOTA)
        && c->org == ORG_DEFAULT)
        return (a->verbs & VERB_OPERATOR) != 0
               || deny(r, "this needs the verb operator");
    return (a->verbs & VERB_ADMIN) != 0
           || deny(r, "this needs the verb admin");
}

bool fsm_may(struct fsm *f, const struct command *c, struct fsm_result *r)
{
    f->actor = (struct fsm_actor){.id = c->actor};
    if (c->actor <= PRINCIPAL_LOCAL)
        return true;
    if (!find(f, c->actor, &f->actor, r))
        return false;
    if ((command_is_claim(c->kind)
         && c->claim_put.who != f->actor.principal)
        || (c->kind == COMMAND_REQUEST_REMOVE
            && c->request_remove.who != f->actor.principal))
        return deny(r, "another principal's claim");
    return may(f, c, r);
}

bool fsm_is_curator(const struct fsm *f)
{
    return f->actor.id <= PRINCIPAL_LOCAL
           || (access_verbs_implied(f->actor.verbs) & VERB_CURATOR) != 0;
}

bool fsm_may_see(const struct fsm *f, struct span name)
{
    return access_prefix_covers(f->actor.prefix, name);
}

bool fsm_may_name(const struct fsm *f, struct span name,
                  struct fsm_result *r)
{
    if (access_prefix_covers(f->actor.prefix, name))
        return true;
    fsm_refuse(r, VERDICT_DENIED, "the name of the pin does not begin with "
               "'%s'", f->actor.prefix);
    return false;
}

bool fsm_may_change(const struct fsm *f, const struct pin *p, uint32_t org,
                    uint64_t salt, struct fsm_result *r)
{
    for (uint32_t k = 0; k < p->n_claims; k++) {
        const struct claim *own = &p->claims[k];

        if (own->org == org && own->salt == salt)
            return fsm_may_name(f, span_buf(&own->name), r);
    }
    if (p->n_claims > 0 || p->org != org || p->salt != salt)
        return true;
    return fsm_may_name(f, span_buf(&p->name), r);
}

/* One of them is enough: what is recovered serves all. */
bool fsm_may_recover(const struct fsm *f, const struct pin *p, uint32_t org)
{
    if (f->actor.id <= PRINCIPAL_LOCAL)
        return true;
    for (uint32_t k = 0; k < p->n_claims; k++) {
        if (p->claims[k].org == org
            && access_prefix_covers(f->actor.prefix,
                                    span_buf(&p->claims[k].name)))
            return true;
    }
    return p->n_claims == 0 && p->org == org
           && access_prefix_covers(f->actor.prefix, span_buf(&p->name));
}
