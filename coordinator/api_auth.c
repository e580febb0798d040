/* Who asks; see api_auth.h. Where authentication is off, and on a unix socket,
 * whose file only the coordinator's user can open, it is the principal
 * `local`, who may everything. Otherwise a bearer token, or a user's name and
 * password, whose hash is looked at off the loop: the request waits, paused,
 * with a copy of its head.
 */
#include "coordinator/api_auth.h"

#include "coordinator/access.h"
#include "coordinator/auth.h"
#include "coordinator/verifier.h"
#include "proto/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define REALM "realm=\"Restricted IPFS Cluster API\""

enum scheme { SCHEME_NONE, SCHEME_BEARER, SCHEME_BASIC };

/* --- refusals ------------------------------------------------------------ */
static void refuse(struct api_call *c, const char *text, const char *first,
                   const char *second)
{
    struct http_line lines[3] = {{"WWW-Authenticate", first},
                                 {"WWW-Authenticate", second},
                                 {NULL, NULL}};
    struct http_answer a = {.status = 401, .lines = lines};
    struct buf b = BUF_INIT;

    if (second == NULL)
        lines[1].name = NULL;
    if (first == NULL)
        lines[0].name = NULL;
    c->api->auth_failures++;
    c->door->error(&b, 401, text);
    api_answer(c, &a, b.p, b.n);
    buf_free(&b);
}

void api_unauthorized(struct api_call *c, const char *text)
{
    refuse(c, text, NULL, NULL);
}

static enum api_admit wrong(struct api_call *c, enum scheme s)
{
    if (s == SCHEME_BEARER)
        refuse(c, "unauthorized: invalid token",
               "Bearer " REALM ", error=\"invalid_token\"", NULL);
    else if (c->door->bearer)
        refuse(c, "unauthorized: an access token is missing",
               "Bearer " REALM, NULL);
    else if (s == SCHEME_BASIC)
        refuse(c, "unauthorized: access denied", "Basic " REALM, NULL);
    else
        refuse(c, "unauthorized: no auth provided", "Bearer " REALM,
               "Basic " REALM);
    return API_REFUSED;
}

/* --- who it is ------------------------------------------------------------ */
static void become(struct api_call *c, uint64_t actor,
                   const struct principal *p, unsigned verbs,
                   const char *prefix)
{
    c->actor = actor;
    c->who = p->id;
    c->own_org = p->org;
    c->verbs = (uint8_t)verbs;
    memcpy(c->prefix, prefix, strlen(prefix) + 1);
}

static void become_local(struct api_call *c)
{
    c->actor = c->who = PRINCIPAL_LOCAL;
    c->own_org = ORG_DEFAULT;
    c->verbs = VERB_ALL;
    c->prefix[0] = '\0';
}

/* The scheme, in any case, and exactly one blank. */
static enum scheme scheme_of(const struct http_head *h, struct span *rest)
{
    static const struct {
        const char *word;
        enum scheme scheme;
    } schemes[] = {{"Bearer ", SCHEME_BEARER}, {"Basic ", SCHEME_BASIC}};
    const struct http_str *v = http_header(h, "authorization");

    for (size_t k = 0; v != NULL && k < 2; k++) {
        size_t n = strlen(schemes[k].word);

        if (v->n > n && strncasecmp(v->p, schemes[k].word, n) == 0 &&
            v->p[n] != ' ') {
            *rest = span_of((const uint8_t *)v->p + n, v->n - n);
            return schemes[k].scheme;
        }
    }
    return SCHEME_NONE;
}

/* By log time, as in the state machine: a coordinator's own clock may be
 * wrong. */
static bool bearer(struct api_call *c, const struct access *a,
                   struct span text)
{
    uint8_t secret[AUTH_SECRET], hash[ACCESS_HASH];
    const struct token *t = NULL;
    bool good = false;
    uint64_t id;

    if (auth_token_parse(text, &id, secret)) {
        auth_token_hash(secret, hash);
        t = access_token(a, id);
        good = t != NULL && auth_equal(hash, t->hash, sizeof hash) &&
               (t->expires_ms == 0 || t->expires_ms > c->view->log_ms);
    }
    auth_wipe(secret, sizeof secret);
    if (good)
        become(c, t->id, access_principal(a, t->principal), t->verbs,
               t->prefix);
    return good;
}

/* --- passwords ------------------------------------------------------------ */
/* A request that waits. */
struct check {
    struct verifier_job job;
    struct api_call *call;
    uint64_t principal; /* 0: nobody has this name */
    struct http_head head;
    char *bytes;        /* that head points into */
};

static struct http_str keep(char **to, struct http_str s)
{
    struct http_str kept = {*to, s.n};

    if (s.n > 0)
        memcpy(*to, s.p, s.n);
    *to += s.n;
    return kept;
}

/* All but the credentials, since the parsed one is gone on return. */
static void keep_head(struct check *k, const struct http_head *h)
{
    size_t n = h->method.n + h->target.n + h->path.n + h->query.n;
    char *to;

    for (unsigned i = 0; i < h->n; i++)
        n += h->headers[i].name.n + h->headers[i].value.n;
    to = k->bytes = mem_alloc(n + 1);
    k->head = *h;
    k->head.n = 0;
    k->head.method = keep(&to, h->method);
    k->head.target = keep(&to, h->target);
    k->head.path = keep(&to, h->path);
    k->head.query = keep(&to, h->query);
    for (unsigned i = 0; i < h->n; i++) {
        static const char skipped[] = "authorization";
        struct http_str name = h->headers[i].name;
        struct http_header *kept = &k->head.headers[k->head.n];

        if (name.n == sizeof skipped - 1 &&
            strncasecmp(name.p, skipped, name.n) == 0)
            continue;
        kept->name = keep(&to, name);
        kept->value = keep(&to, h->headers[i].value);
        k->head.n++;
    }
}

/* The principal is as it was, and its password was right. */
static bool admitted(struct check *k)
{
    struct api_call *c = k->call;
    const struct access *a = access_get();
    const struct principal *p = access_principal(a, k->principal);
    bool good = k->job.good && p != NULL &&
                auth_equal(p->password, k->job.hash, sizeof p->password);

    if (good) {
        become(c, p->id, p, p->verbs, p->prefix);
        auth_cache_add(c->api->cache, p, k->job.password,
                       uv_now(c->api->hub_loop));
    }
    access_put(a);
    return good;
}

static void go_on(struct check *k)
{
    struct api_call *c = k->call;
    struct http_request *r;

    if (!admitted(k)) {
        (void)wrong(c, SCHEME_BASIC);
        return;
    }
    view_put(c->view);
    c->view = view_get(); /* it has waited */
    http_body_max(api_request(c), HTTP_BODY_BYTES);
    api_route(c, &k->head);
    r = api_request(c);
    /* An upload's handler goes on by itself. */
    if (r == NULL || (c->route->flags & API_UPLOAD) != 0)
        return;
    if (k->head.length > HTTP_BODY_BYTES) /* as if it had not waited */
        api_error(c, 413, "body too large");
    else
        http_resume(r);
}

static void on_checked(struct verifier_job *j)
{
    struct check *k = j->arg;
    struct api_call *c = k->call;

    c->api->under_way--;
    if (api_request(c) != NULL)
        go_on(k);
    free(k->bytes);
    auth_wipe(k, sizeof *k);
    free(k);
    api_drop(c);
}

/* Nobody's: takes as long as anybody's. */
#define NOBODYS                                                              \
    ACCESS_PASSWORD_FORM                                                     \
    "AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static enum api_admit wait_for(struct api_call *c, const struct http_head *h,
                               const struct principal *p,
                               const struct auth_basic *b)
{
    struct check *k = mem_alloc(sizeof *k);
    struct http_request *r = api_request(c);

    k->call = c;
    k->principal = p == NULL ? 0 : p->id;
    k->job.peer = http_peer_key(r);
    k->job.done = on_checked;
    k->job.arg = k;
    memcpy(k->job.hash, p == NULL ? NOBODYS : p->password,
           p == NULL ? sizeof NOBODYS : sizeof p->password);
    memcpy(k->job.password, b->password, sizeof b->password);
    if (verifier_submit(c->api->verifier, &k->job) != ERR_OK) {
        auth_wipe(k, sizeof *k);
        free(k);
        api_error(c, 429, "too many passwords to look at");
        return API_REFUSED;
    }
    keep_head(k, h);
    c->api->under_way++;
    api_hold(c);
    http_body_max(r, UINT64_MAX); /* the route says what it may be */
    http_pause(r);
    return API_WAITS;
}

static const struct principal *user_of(const struct api_call *c,
                                       const struct access *a,
                                       const struct auth_basic *b)
{
    const struct principal *p = NULL;

    if (b->org[0] == '\0')
        p = access_named(a, ORG_DEFAULT, b->name);
    for (uint32_t i = 0; b->org[0] != '\0' && i < c->view->n_orgs; i++)
        if (strcmp(c->view->orgs[i].name, b->org) == 0)
            p = access_named(a, c->view->orgs[i].id, b->name);
    return p != NULL && p->password[0] != '\0' ? p : NULL;
}

static enum api_admit basic(struct api_call *c, const struct http_head *h,
                            const struct access *a, struct span text)
{
    uint64_t now_ms = uv_now(c->api->hub_loop);
    const struct principal *p;
    enum api_admit admit;
    struct auth_basic b;

    if (!auth_basic_parse(text, &b))
        return wrong(c, SCHEME_BASIC);
    p = user_of(c, a, &b);
    if (p != NULL && auth_cache_has(c->api->cache, p, b.password, now_ms)) {
        become(c, p->id, p, p->verbs, p->prefix);
        admit = API_ADMITTED;
    } else {
        admit = wait_for(c, h, p, &b);
    }
    auth_wipe(&b, sizeof b);
    return admit;
}

/* --- the door ------------------------------------------------------------- */
/* Probes, and what browsers ask before they ask. */
static bool is_public(const struct http_head *h)
{
    static const char *const paths[] = {"/health", "/livez", "/readyz"};

    if (http_equal(h->method, "OPTIONS"))
        return true;
    for (size_t k = 0; k < sizeof paths / sizeof paths[0]; k++)
        if (http_equal(h->method, "GET") && http_equal(h->path, paths[k]))
            return true;
    return false;
}

/* Whoever it is, it is all the same. */
static bool asks_nobody(const struct api_call *c, const struct http_head *h)
{
    return c->door->bearer ? http_equal(h->method, "OPTIONS")
                           : c->door->open || is_public(h);
}

enum api_admit api_auth(struct api_call *c, const struct http_head *h)
{
    struct span text = {NULL, 0};
    const struct access *a;
    enum scheme s;
    enum api_admit admit;

    if (asks_nobody(c, h) ||
        (!c->door->bearer &&
         (!c->api->auth || http_from_unix(api_request(c))))) {
        become_local(c);
        return API_ADMITTED;
    }
    s = scheme_of(h, &text);
    a = access_get();
    if (s == SCHEME_BASIC && !c->door->bearer)
        admit = basic(c, h, a, text);
    else if (s == SCHEME_BEARER && bearer(c, a, text))
        admit = API_ADMITTED;
    else
        admit = wrong(c, s);
    access_put(a);
    return admit;
}

/* Names of organisations are not told to who does not say who he is. */
bool api_auth_org(struct api_call *c, const struct http_head *h)
{
    const struct http_str *name = http_header(h, "X-Pinfold-Org");

    c->org = c->own_org;
    if (name == NULL || asks_nobody(c, h))
        return true;
    for (uint32_t i = 0; i < c->view->n_orgs; i++) {
        const struct org *o = &c->view->orgs[i];

        if (strlen(o->name) != name->n ||
            memcmp(o->name, name->p, name->n) != 0 ||
            !access_org(c->own_org, c->verbs, o->id))
            continue;
        c->org = o->id;
        return true;
    }
    api_error(c, 403, "unknown organisation '%.*s'",
              name->n < 64 ? (int)name->n : 64, name->p);
    return false;
}

/* As the state machine looks an actor up: the row of a user who was removed
 * stays while there are requests of his, without a password. Others without
 * one come with tokens alone. */
static bool is_known(uint64_t actor, uint64_t log_ms)
{
    const struct principal *p;
    const struct access *a;
    const struct token *t;
    bool known;

    if (actor == PRINCIPAL_LOCAL)
        return true;
    a = access_get();
    t = access_token(a, actor);
    p = t == NULL ? access_principal(a, actor) : NULL;
    known = t != NULL ? t->expires_ms == 0 || t->expires_ms > log_ms
                      : p != NULL && p->password[0] != '\0';
    access_put(a);
    return known;
}

bool api_renew(struct api_call *c)
{
    view_put(c->view);
    c->view = view_get();
    return is_known(c->actor, c->view->log_ms);
}

bool api_known(const struct api_call *c)
{
    const struct view *v = view_get();
    bool known = is_known(c->actor, v->log_ms);

    view_put(v);
    return known;
}

bool api_needs(struct api_call *c, unsigned verb)
{
    char word[ACCESS_VERBS_TEXT];

    if ((access_verbs_implied(c->verbs) & verb) != 0)
        return true;
    access_verbs_print(verb, word);
    for (char *comma = word; (comma = strchr(comma, ',')) != NULL;)
        *comma = '|';
    api_error(c, 403, "this needs the verb %s", word);
    return false;
}

bool api_auth_verb(struct api_call *c)
{
    unsigned flags = c->route->flags;

    if ((flags & (API_OPERATOR | API_DEFAULT)) != 0 &&
        c->org != ORG_DEFAULT) {
        api_error(c, 403, "only organisation 'default' may ask for this");
        return false;
    }
    if ((flags & API_ANY) != 0)
        return true;
    return api_needs(c, (flags & API_OPERATOR) != 0     ? VERB_OPERATOR
                        : (flags & API_ADMIN) != 0      ? VERB_ADMIN
                        : strcmp(c->route->method, "GET") == 0 ? VERB_READ
                                                        : VERB_PIN);
}
