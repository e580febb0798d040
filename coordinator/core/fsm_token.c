/* Principals and tokens: made, given passwords, removed, expired. Who may ask
 * for it is decided in fsm_access.c.
 */
#include "coordinator/core/fsm_private.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { EXPIRED_AT_ONCE = 64 }; /* of an entry */

const struct principal *fsm_principal_named(const struct store *s,
                                            uint32_t org, const char *name)
{
    uint32_t n;
    const struct principal *all = store_principals(s, &n);

    for (uint32_t k = 0; k < n; k++) {
        if (all[k].org == org && strcmp(all[k].name, name) == 0)
            return &all[k];
    }
    return NULL;
}

/* Behind the text zeros: rows are equal bytes on all replicas. */
static void set_text(char *out, size_t size, const char *text)
{
    memset(out, 0, size);
    snprintf(out, size, "%s", text);
}

struct tally {
    uint32_t org, principal, sessions; /* principal: without sessions */
    uint64_t oldest;                   /* session, 0 none */
};

static struct tally count(const struct store *s, const struct principal *of)
{
    struct tally t = {0, 0, 0, 0};
    uint32_t n;
    const struct token *all = store_tokens(s, &n);

    for (uint32_t k = 0; k < n; k++) {
        if (all[k].principal == of->id) {
            t.sessions += all[k].session;
            t.principal += !all[k].session;
            if (all[k].session && t.oldest == 0)
                t.oldest = all[k].id;
        }
        t.org += all[k].org == of->org;
    }
    return t;
}

static bool full(struct fsm_result *r, uint32_t n, uint32_t max,
                 const char *what)
{
    if (n < max)
        return false;
    fsm_refuse(r, VERDICT_INVALID, "there are %u %s: no more", n, what);
    return true;
}

static void end_sessions(struct fsm *f, uint64_t principal)
{
    uint32_t n;
    const struct token *all = store_tokens(f->store, &n);

    for (uint32_t k = n; k-- > 0;) {
        if (all[k].principal == principal && all[k].session)
            store_token_remove(f->store, all[k].id);
    }
}

/* A new principal, not written yet. */
static bool make(struct fsm *f, const struct command *c, struct principal *p,
                 struct fsm_result *r)
{
    uint32_t n, mine = 0;
    const struct principal *all = store_principals(f->store, &n);

    for (uint32_t k = 0; k < n; k++)
        mine += all[k].org == c->org;
    if (full(r, mine, LIMIT_PRINCIPALS_ORG,
             "principals in the organisation")
        || full(r, n, LIMIT_PRINCIPALS, "principals"))
        return false;
    memset(p, 0, sizeof(*p));
    p->id = store_next_actor(f->store);
    p->org = c->org;
    p->created_ms = f->now_ms;
    set_text(p->name, sizeof(p->name), c->token_put.name);
    return true;
}

static void add_token(struct fsm *f, const struct command_token_put *put,
                      uint64_t principal, uint64_t expires_ms,
                      struct fsm_result *r)
{
    struct token t;

    memset(&t, 0, sizeof(t));
    t.id = store_next_actor(f->store);
    t.principal = principal;
    t.verbs = put->verbs;
    t.session = put->form == TOKEN_SESSION;
    set_text(t.prefix, sizeof(t.prefix), put->prefix);
    t.created_ms = f->now_ms;
    t.expires_ms = expires_ms;
    memcpy(t.hash, put->hash, sizeof(t.hash));
    store_token_put(f->store, &t);
    r->actor = t.id;
}

static void put_token(struct fsm *f, const struct command *c,
                      struct fsm_result *r)
{
    const struct principal *p = fsm_principal_named(f->store, c->org,
                                                    c->token_put.name);
    struct principal fresh;
    struct tally t;
    uint32_t n;

    (void)store_tokens(f->store, &n);
    if (full(r, n, LIMIT_TOKENS, "tokens"))
        return;
    if (p == NULL) {
        struct principal none = {.org = c->org};

        t = count(f->store, &none);
    } else {
        t = count(f->store, p);
    }
    if (full(r, t.org, LIMIT_TOKENS_ORG, "tokens in the organisation")
        || full(r, t.principal, LIMIT_TOKENS_PRINCIPAL,
                "tokens of this name"))
        return;
    if (p == NULL) {
        if (!make(f, c, &fresh, r))
            return;
        store_principal_put(f->store, &fresh);
        p = &fresh;
    }
    add_token(f, &c->token_put, p->id, c->token_put.expires_ms, r);
}

/* fsm_access.c has seen to it that the actor is a principal. */
static void put_session(struct fsm *f, const struct command *c,
                        struct fsm_result *r)
{
    const struct principal *p = store_principal(f->store, c->actor);
    struct tally t;
    uint32_t n;

    if (p == NULL || c->token_put.expires_ms > FSM_SESSION_MS) {
        fsm_refuse(r, VERDICT_DENIED, "a session is a user's");
        return;
    }
    t = count(f->store, p);
    if (t.sessions == LIMIT_SESSIONS) {
        store_token_remove(f->store, t.oldest);
        t.org--;
    }
    (void)store_tokens(f->store, &n);
    if (full(r, n, LIMIT_TOKENS, "tokens")
        || full(r, t.org, LIMIT_TOKENS_ORG, "tokens in the organisation"))
        return;
    add_token(f, &c->token_put, p->id, f->now_ms + c->token_put.expires_ms,
              r);
}

static void put_user(struct fsm *f, const struct command *c,
                     struct fsm_result *r)
{
    const struct command_token_put *put = &c->token_put;
    const struct principal *old = fsm_principal_named(f->store, c->org,
                                                      put->name);
    struct principal now;

    if (old != NULL && old->password[0] != '\0') {
        fsm_refuse(r, VERDICT_CONFLICT, "there is a user '%s'", put->name);
        return;
    }
    if (old != NULL)
        now = *old;
    else if (!make(f, c, &now, r))
        return;
    now.verbs = put->verbs;
    set_text(now.prefix, sizeof(now.prefix), put->prefix);
    set_text(now.password, sizeof(now.password), put->password);
    store_principal_put(f->store, &now);
    r->actor = now.id;
}

static void put_password(struct fsm *f, const struct command *c,
                         struct fsm_result *r)
{
    const struct command_token_put *put = &c->token_put;
    const struct principal *old = fsm_principal_named(f->store, c->org,
                                                      put->name);
    struct principal now;

    if (old == NULL || old->password[0] == '\0') {
        fsm_refuse(r, VERDICT_NOT_FOUND, "there is no user '%s'", put->name);
        return;
    }
    now = *old;
    set_text(now.password, sizeof(now.password), put->password);
    store_principal_put(f->store, &now);
    end_sessions(f, now.id);
    r->actor = now.id;
}

static bool valid(const struct fsm *f, const struct command *c,
                  struct fsm_result *r)
{
    const struct command_token_put *put = &c->token_put;
    bool token = put->form == TOKEN_FOR || put->form == TOKEN_SESSION;

    if (store_org(f->store, c->org) == NULL)
        fsm_refuse(r, VERDICT_DENIED, "unknown organisation");
    else if (put->form != TOKEN_SESSION && !access_name_valid(put->name))
        fsm_refuse(r, VERDICT_INVALID, "name: 1 to %d letters, digits, '-', "
                   "'_', '.', '@', '+'", LIMIT_PRINCIPAL_NAME);
    else if (put->form != TOKEN_PASSWORD && put->verbs == 0)
        fsm_refuse(r, VERDICT_INVALID, "verbs: at least one");
    else if (c->org != ORG_DEFAULT && (put->verbs & VERB_OPERATOR) != 0)
        fsm_refuse(r, VERDICT_INVALID, "operator is a verb of the default "
                   "organisation alone");
    else if (put->form == TOKEN_FOR && put->expires_ms != 0
             && put->expires_ms <= f->now_ms)
        fsm_refuse(r, VERDICT_INVALID, "the token would have expired");
    else if (token && put->expires_ms > INT64_MAX)
        fsm_refuse(r, VERDICT_INVALID, "expiry is out of range");
    else if (!token && !access_password_valid(put->password))
        fsm_refuse(r, VERDICT_INVALID, "password: not a hash of the form "
                   "that is stored");
    else
        return true;
    return false;
}

void fsm_token_put(struct fsm *f, const struct command *c,
                   struct fsm_result *r)
{
    if (!valid(f, c, r))
        return;
    switch (c->token_put.form) {
    case TOKEN_FOR:
        put_token(f, c, r);
        break;
    case TOKEN_SESSION:
        put_session(f, c, r);
        break;
    case TOKEN_USER:
        put_user(f, c, r);
        break;
    case TOKEN_PASSWORD:
        put_password(f, c, r);
        break;
    }
}

/* Its requests are nobody else's to remove: while there are any, the row
 * stays, without a way to come in by. */
static void remove_principal(struct fsm *f, const struct principal *p)
{
    struct store_requests has = store_requests_of(f->store, p->id);
    struct principal now = *p;
    uint64_t n_requests = 0;
    uint32_t n;
    const struct token *all = store_tokens(f->store, &n);

    for (int k = 0; k < REQUEST_STATES; k++)
        n_requests += has.n[k];
    if (n_requests == 0) {
        store_principal_remove(f->store, p->id);
        return;
    }
    for (uint32_t k = n; k-- > 0;) {
        if (all[k].principal == now.id)
            store_token_remove(f->store, all[k].id);
    }
    now.verbs = 0;
    set_text(now.prefix, sizeof(now.prefix), "");
    set_text(now.password, sizeof(now.password), "");
    store_principal_put(f->store, &now);
}

void fsm_token_remove(struct fsm *f, const struct command *c,
                      struct fsm_result *r)
{
    uint64_t id = c->token_remove.id;
    const struct token *t = store_token(f->store, id);
    const struct principal *p =
        store_principal(f->store, t != NULL ? t->principal : id);

    if (p == NULL || p->org != c->org)
        fsm_refuse(r, VERDICT_NOT_FOUND, "no user or token has the id %llu",
                   (unsigned long long)id);
    else if (t != NULL)
        store_token_remove(f->store, id);
    else
        remove_principal(f, p);
}

void fsm_token_expire(struct fsm *f)
{
    uint32_t n, gone = 0;
    const struct token *all;

    if (store_token_expiry(f->store) > f->now_ms)
        return;
    all = store_tokens(f->store, &n);
    for (uint32_t k = n; k-- > 0 && gone < EXPIRED_AT_ONCE;) {
        uint64_t at = all[k].expires_ms;

        if (at == 0 || at > f->now_ms)
            continue;
        store_token_remove(f->store, all[k].id);
        gone++;
    }
}
