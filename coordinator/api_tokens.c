/* Users and tokens. GET /api/v1/tokens and /api/v1/users list those of the
 * request's organisation. POST /api/v1/tokens?name=N&verbs=V[&prefix=P]
 * [&expire-in=D] makes a token and shows it, this once; DELETE
 * /api/v1/tokens/{id} ends it. POST /api/v1/users?name=N&verbs=V[&prefix=P]
 * and POST /api/v1/users/{name}/password have the password as their body;
 * DELETE /api/v1/users/{name} takes the tokens with it. POST /token gives who
 * came with a password a token for 24 h. Who may do what is the state
 * machine's to say.
 */
#include "coordinator/api_auth.h"

#include "coordinator/access.h"
#include "coordinator/api_options.h"
#include "coordinator/auth.h"
#include "coordinator/core/fsm.h"
#include "coordinator/verifier.h"
#include "proto/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool accepted(struct api_call *c, const struct replica_result *r)
{
    if (r->error == ERR_OK && (r->verdict == VERDICT_ACCEPTED ||
                               r->verdict == VERDICT_ALREADY)) {
        c->index = r->index;
        return true;
    }
    api_refuse(c, r);
    return false;
}

/* --- lists ---------------------------------------------------------------- */
static void put_scope(struct json_writer *w, unsigned verbs,
                      const char *prefix, uint64_t created_ms)
{
    char text[ACCESS_VERBS_TEXT];

    access_verbs_print(verbs, text);
    json_kv_text(w, "verbs", text);
    json_kv_text(w, "prefix", prefix);
    json_kv_u64(w, "created_ms", created_ms);
}

static void answer_list(struct api_call *c,
                        void (*fill)(const struct api_call *c,
                                     const struct access *a,
                                     struct json_writer *w))
{
    const struct access *a = access_get();
    struct buf out = BUF_INIT;
    struct json_writer w;

    json_init(&w, &out);
    json_array(&w);
    fill(c, a, &w);
    json_array_end(&w);
    access_put(a);
    buf_byte(&out, '\n');
    api_json(c, 200, &out);
    buf_free(&out);
}

static void fill_tokens(const struct api_call *c, const struct access *a,
                        struct json_writer *w)
{
    for (uint32_t i = 0; i < a->n_tokens; i++) {
        const struct token *t = &a->tokens[i];
        const struct principal *p = access_principal(a, t->principal);

        if (p->org != c->org)
            continue;
        json_object(w);
        json_kv_u64(w, "id", t->id);
        json_kv_text(w, "name", p->name);
        put_scope(w, t->verbs, t->prefix, t->created_ms);
        json_key(w, "expires_ms");
        if (t->expires_ms == 0)
            json_null(w);
        else
            json_u64(w, t->expires_ms);
        json_kv_bool(w, "session", t->session);
        json_object_end(w);
    }
}

static void fill_users(const struct api_call *c, const struct access *a,
                       struct json_writer *w)
{
    for (uint32_t i = 0; i < a->n_principals; i++) {
        const struct principal *p = &a->principals[i];

        if (p->org != c->org)
            continue;
        json_object(w);
        json_kv_u64(w, "id", p->id);
        json_kv_text(w, "name", p->name);
        put_scope(w, p->verbs, p->prefix, p->created_ms);
        json_kv_bool(w, "password", p->password[0] != '\0');
        json_object_end(w);
    }
}

void api_tokens(struct api_call *c, const struct http_head *h)
{
    (void)h;
    answer_list(c, fill_tokens);
}

void api_users(struct api_call *c, const struct http_head *h)
{
    (void)h;
    answer_list(c, fill_users);
}

/* --- tokens --------------------------------------------------------------- */
struct making {
    uint8_t secret[AUTH_SECRET];
    bool session;
};

static void making_free(void *arg)
{
    auth_wipe(arg, sizeof(struct making));
    free(arg);
}

static void token_made(struct api_call *c, struct replica_result *r)
{
    struct making *m = c->state;
    char text[AUTH_TOKEN_TEXT];
    struct buf out = BUF_INIT;
    struct json_writer w;

    if (!accepted(c, r))
        return;
    auth_token_print(r->actor, m->secret, text);
    json_init(&w, &out);
    json_object(&w);
    if (!m->session)
        json_kv_u64(&w, "id", r->actor);
    json_kv_text(&w, "token", text);
    json_object_end(&w);
    buf_byte(&out, '\n');
    api_json(c, 200, &out);
    auth_wipe(text, sizeof text);
    auth_wipe(out.p, out.n);
    buf_free(&out);
}

static void make_token(struct api_call *c, struct command *k)
{
    struct making *m = mem_alloc(sizeof *m);

    m->session = k->token_put.form == TOKEN_SESSION;
    auth_secret(m->secret);
    auth_token_hash(m->secret, k->token_put.hash);
    c->state = m;
    c->state_free = making_free;
    api_propose(c, k, token_made);
}

/* false: answered. */
static bool known_params(struct api_call *c, const char *const *names)
{
    for (uint32_t i = 0; i < c->n_params; i++) {
        size_t k = 0;

        while (names[k] != NULL && strcmp(names[k], c->params[i].name) != 0)
            k++;
        if (names[k] != NULL)
            continue;
        api_error(c, 400, "unknown parameter '%.64s'", c->params[i].name);
        return false;
    }
    return true;
}

static bool set_name(struct api_call *c, const char *name,
                     struct command_token_put *p)
{
    if (name != NULL && access_name_valid(name)) {
        memcpy(p->name, name, strlen(name) + 1);
        return true;
    }
    api_error(c, 400, "name: 1 to %d letters, digits, '-', '_', '.', '@', "
              "'+'", LIMIT_PRINCIPAL_NAME);
    return false;
}

static bool set_scope(struct api_call *c, struct command_token_put *p)
{
    const char *verbs = api_param(c, "verbs");
    const char *prefix = api_param(c, "prefix");

    if (verbs == NULL || !access_verbs_parse(verbs, &p->verbs)) {
        api_error(c, 400, "verbs: some of read, pin, operator, admin, "
                  "quality, curator, with commas");
        return false;
    }
    if (prefix != NULL && strlen(prefix) > LIMIT_PREFIX) {
        api_error(c, 400, "prefix: %d bytes at most", LIMIT_PREFIX);
        return false;
    }
    if (prefix != NULL)
        memcpy(p->prefix, prefix, strlen(prefix) + 1);
    return set_name(c, api_param(c, "name"), p);
}

static bool set_expiry(struct api_call *c, struct command_token_put *p)
{
    const char *in = api_param(c, "expire-in");
    uint64_t ms;

    if (in == NULL)
        return true;
    if (!api_duration_parse(in, &ms) || ms < 1000) {
        api_error(c, 400, "expire-in: a duration of 1s at least, as 720h");
        return false;
    }
    /* Log time: an idle log's may lag a minute behind. */
    p->expires_ms = c->view->log_ms > c->view->wall_ms
                        ? c->view->log_ms + ms : c->view->wall_ms + ms;
    return true;
}

void api_token_make(struct api_call *c, const struct http_head *h)
{
    static const char *const names[] = {"name", "verbs", "prefix",
                                        "expire-in", NULL};
    struct command *k = api_command(c, COMMAND_TOKEN_PUT);

    (void)h;
    k->token_put.form = TOKEN_FOR;
    if (known_params(c, names) && set_scope(c, &k->token_put) &&
        set_expiry(c, &k->token_put))
        make_token(c, k);
    else
        free(k);
}

void api_session(struct api_call *c, const struct http_head *h)
{
    struct command *k;

    (void)h;
    if (c->actor == PRINCIPAL_LOCAL) {
        api_unauthorized(c, "unauthorized");
        return;
    }
    if (c->actor != c->who) {
        api_error(c, 403, "POST /token is for who comes with a password");
        return;
    }
    k = api_command(c, COMMAND_TOKEN_PUT);
    k->org = c->own_org;
    k->token_put.form = TOKEN_SESSION;
    k->token_put.verbs = c->verbs;
    memcpy(k->token_put.prefix, c->prefix, sizeof c->prefix);
    k->token_put.expires_ms = FSM_SESSION_MS;
    make_token(c, k);
}

/* --- removal -------------------------------------------------------------- */
static void answer_done(struct api_call *c, struct replica_result *r)
{
    struct buf out = BUF_INIT;

    if (!accepted(c, r))
        return;
    buf_text(&out, "{}\n");
    api_json(c, 200, &out);
    buf_free(&out);
}

static void remove_id(struct api_call *c, uint64_t id)
{
    struct command *k = api_command(c, COMMAND_TOKEN_REMOVE);

    k->token_remove.id = id;
    api_propose(c, k, answer_done);
}

/* A user's id is not taken for a token's. */
void api_token_remove(struct api_call *c, const struct http_head *h)
{
    struct json_value number = {JSON_NUMBER, c->args[0], strlen(c->args[0])};
    const struct access *a = access_get();
    uint64_t id;

    (void)h;
    if (!json_as_u64(&number, &id) || id == 0)
        api_error(c, 400, "a token's id is a number");
    else if (access_principal(a, id) != NULL)
        api_error(c, 404, "no token has the id %llu",
                  (unsigned long long)id);
    else
        remove_id(c, id);
    access_put(a);
}

void api_user_remove(struct api_call *c, const struct http_head *h)
{
    const struct access *a = access_get();
    const struct principal *p = access_named(a, c->org, c->args[0]);

    (void)h;
    if (p == NULL)
        api_error(c, 404, "there is no user '%.64s'", c->args[0]);
    else
        remove_id(c, p->id);
    access_put(a);
}

/* --- passwords ------------------------------------------------------------ */
/* A request whose body is a password. */
struct entering {
    struct command *command; /* until it is proposed */
    char text[AUTH_PASSWORD_MAX + 1];
    size_t n; /* all of it: too long */
};

static void entering_free(void *arg)
{
    struct entering *e = arg;

    free(e->command);
    auth_wipe(e, sizeof *e);
    free(e);
}

static void on_body(struct api_call *c, const char *p, size_t n)
{
    struct entering *e = c->state;

    if (n > sizeof e->text - e->n) /* one byte too many is enough */
        n = sizeof e->text - e->n;
    memcpy(e->text + e->n, p, n);
    e->n += n;
}

static void on_hashed(struct verifier_job *j)
{
    struct api_call *c = j->arg;
    struct entering *e = c->state;

    c->api->under_way--;
    if (!j->good) {
        api_fail(c, ERR_BUSY, "no memory for the password");
    } else {
        memcpy(e->command->token_put.password, j->hash, sizeof j->hash);
        api_propose(c, e->command, answer_done);
        e->command = NULL;
    }
    auth_wipe(j, sizeof *j);
    free(j);
    api_drop(c);
}

static void on_body_end(struct api_call *c)
{
    struct entering *e = c->state;
    struct verifier_job *j;

    if (!auth_password_valid(span_of((const uint8_t *)e->text, e->n))) {
        api_error(c, 400, "password: %d to %d bytes, without control bytes",
                  AUTH_PASSWORD_MIN, AUTH_PASSWORD_MAX);
        return;
    }
    j = mem_alloc(sizeof *j);
    j->make = true;
    j->peer = http_peer_key(api_request(c));
    memcpy(j->password, e->text, e->n);
    j->done = on_hashed;
    j->arg = c;
    if (verifier_submit(c->api->verifier, j) != ERR_OK) {
        auth_wipe(j, sizeof *j);
        free(j);
        api_error(c, 429, "too many passwords to look at");
        return;
    }
    c->api->under_way++;
    api_hold(c);
}

static void enter(struct api_call *c, struct command *k)
{
    struct entering *e = mem_alloc(sizeof *e);

    e->command = k;
    c->state = e;
    c->state_free = entering_free;
    c->body = on_body;
    c->body_end = on_body_end;
}

void api_user_make(struct api_call *c, const struct http_head *h)
{
    static const char *const names[] = {"name", "verbs", "prefix", NULL};
    struct command *k = api_command(c, COMMAND_TOKEN_PUT);

    (void)h;
    k->token_put.form = TOKEN_USER;
    if (known_params(c, names) && set_scope(c, &k->token_put))
        enter(c, k);
    else
        free(k);
}

/* The own one, or with the verb admin. */
void api_user_password(struct api_call *c, const struct http_head *h)
{
    static const char *const names[] = {NULL};
    struct command *k = api_command(c, COMMAND_TOKEN_PUT);

    (void)h;
    k->token_put.form = TOKEN_PASSWORD;
    if (known_params(c, names) && set_name(c, c->args[0], &k->token_put))
        enter(c, k);
    else
        free(k);
}
