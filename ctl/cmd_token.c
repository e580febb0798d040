/* token create, ls, revoke and user add, passwd, rm, ls. */
#include "ctl/commands.h"

#include "ctl/answer.h"
#include "ctl/ask.h"
#include "ctl/interrupt.h"
#include "ctl/print.h"
#include "ctl/secret.h"
#include "ctl/table.h"
#include "proto/access.h"

#include <stdio.h>

static const struct table_column token_columns[] = {
    {"ID", true},        {"NAME", false},  {"VERBS", false},
    {"PREFIX", false},   {"MADE", false},  {"EXPIRES", false},
    {"KIND", false},     {NULL, false},
};

static const struct table_column user_columns[] = {
    {"NAME", false}, {"ID", true},    {"VERBS", false}, {"PREFIX", false},
    {"MADE", false}, {"PASSWORD", false}, {NULL, false},
};

struct row {
    uint64_t id, created_ms;
    char name[LIMIT_PRINCIPAL_NAME + 1], verbs[ACCESS_VERBS_TEXT];
    char prefix[LIMIT_PREFIX + 1];
};

static enum err read_row(const struct json_value *v, struct row *r,
                         struct err_text *why)
{
    if (v->type == JSON_OBJECT && json_get_u64(v, "id", &r->id) &&
        json_get_u64(v, "created_ms", &r->created_ms) &&
        json_get_string(v, "name", r->name, sizeof r->name) &&
        json_get_string(v, "verbs", r->verbs, sizeof r->verbs) &&
        json_get_string(v, "prefix", r->prefix, sizeof r->prefix))
        return ERR_OK;
    return err_set(why, ERR_PROTOCOL, "malformed answer: not a user or "
                   "token");
}

static void cell_time(struct table *t, uint64_t ms)
{
    uint64_t now = (uint64_t)print_now_ms();
    char text[PRINT_TIME];

    if (ms <= now)
        table_cellf(t, "%s ago", print_span(now - ms, text));
    else
        table_cellf(t, "in %s", print_span(ms - now, text));
}

static enum err put_token(struct table *t, const struct json_value *v,
                          struct err_text *why)
{
    uint64_t expires_ms;
    struct row r;
    enum err e = read_row(v, &r, why);

    if (e != ERR_OK)
        return e;
    table_cellf(t, "%llu", (unsigned long long)r.id);
    table_cell(t, r.name);
    table_cell(t, r.verbs);
    table_cell(t, r.prefix);
    cell_time(t, r.created_ms);
    if (json_get_u64(v, "expires_ms", &expires_ms))
        cell_time(t, expires_ms);
    else
        table_cell(t, "never");
    table_cell(t, answer_is(v, "session") ? "session" : "token");
    return ERR_OK;
}

static enum err put_user(struct table *t, const struct json_value *v,
                         struct err_text *why)
{
    struct row r;
    enum err e = read_row(v, &r, why);

    if (e != ERR_OK)
        return e;
    table_cell(t, r.name);
    table_cellf(t, "%llu", (unsigned long long)r.id);
    table_cell(t, r.verbs);
    table_cell(t, r.prefix);
    cell_time(t, r.created_ms);
    table_cell(t, answer_is(v, "password") ? "yes" : "no");
    return ERR_OK;
}

enum err cmd_token_ls(struct ctl *c, struct err_text *why)
{
    return ask_table(c, "/api/v1/tokens", token_columns, put_token, why);
}

enum err cmd_user_ls(struct ctl *c, struct err_text *why)
{
    return ask_table(c, "/api/v1/users", user_columns, put_user, why);
}

/* Name, verbs, prefix, expiry. */
static enum err put_scope(struct ctl *c, struct target *t, const char *name,
                          struct err_text *why)
{
    const char *verbs = cli_text(&c->cli, "verbs");
    const char *prefix = cli_text(&c->cli, "prefix");
    uint8_t parsed;

    if (name == NULL || !access_name_valid(name))
        return err_set(why, ERR_USAGE, "a name has 1 to %d letters, digits, "
                       "'-', '_', '.', '@', '+'", LIMIT_PRINCIPAL_NAME);
    if (verbs == NULL)
        verbs = "read,pin";
    if (!access_verbs_parse(verbs, &parsed))
        return err_set(why, ERR_USAGE, "--verbs: some of read, pin, "
                       "operator, admin, quality, curator, with commas");
    target_param(t, "name", name);
    target_param(t, "verbs", verbs);
    if (prefix != NULL)
        target_param(t, "prefix", prefix);
    return ERR_OK;
}

static enum err put_expiry(struct ctl *c, struct target *t,
                           struct err_text *why)
{
    int64_t ms = cli_number(&c->cli, "expires", 0);
    char text[32];

    if (!cli_is(&c->cli, "expires"))
        return ERR_OK;
    if (ms < 1000)
        return err_set(why, ERR_USAGE, "--expires: less than 1s");
    snprintf(text, sizeof text, "%lldms", (long long)ms);
    target_param(t, "expire-in", text);
    return ERR_OK;
}

static enum err print_token(struct ctl *c, const struct json_value *v,
                            struct err_text *why)
{
    struct buf clean = BUF_INIT;
    char token[SECRET_TOKEN_MAX];

    if (c->json) {
        print_json(v);
        return ERR_OK;
    }
    if (!json_get_string(v, "token", token, sizeof token))
        return err_set(why, ERR_PROTOCOL, "malformed answer: no token");
    buf_reserve(&clean, sizeof token); /* one copy, which is wiped */
    print_clean(&clean, token);
    puts(buf_cstr(&clean));
    secret_wipe(token, sizeof token);
    secret_wipe(clean.p, clean.n);
    buf_free(&clean);
    return ERR_OK;
}

enum err cmd_token_create(struct ctl *c, struct err_text *why)
{
    struct buf body = BUF_INIT;
    struct json_value v;
    struct target t;
    enum err e;

    target_init(&t, "/api/v1/tokens");
    e = put_scope(c, &t, cli_text(&c->cli, "name"), why);
    if (e == ERR_OK)
        e = put_expiry(c, &t, why);
    if (e == ERR_OK)
        e = ask_value(c, "POST", target_text(&t), &body, &v, why);
    if (e == ERR_OK)
        e = print_token(c, &v, why);
    if (e == ERR_OK && c->client.doubtful)
        print_failure("an attempt before this one was sent and its answer "
                      "lost: there may be a second token of that name, see "
                      "'pinfold token ls'");
    if (body.n > 0)
        secret_wipe(body.p, body.n);
    buf_free(&body);
    target_close(&t);
    return e;
}

/* Asks for a change and says what was done; list NULL: of one alone. */
static enum err change(struct ctl *c, const char *method, struct target *t,
                       const char *password, struct print_list *list,
                       const char *done, const char *name,
                       struct err_text *why)
{
    struct client_call q = {.method = method, .target = target_text(t),
                            .text = password};
    enum err e = client_call(&c->client, &q, why);
    struct json_value v;

    if (e == ERR_OK && (json_parse(q.body.p, q.body.n, &v, NULL) != ERR_OK ||
                        v.type != JSON_OBJECT))
        e = err_set(why, ERR_PROTOCOL, "malformed answer: no object");
    if (e == ERR_OK && c->json && list != NULL)
        print_list_item(list, &v);
    else if (e == ERR_OK && c->json)
        printf("{}\n");
    else if (e == ERR_OK)
        printf("%s %s\n", done, name);
    buf_free(&q.body);
    return e;
}

static enum err revoke_one(struct ctl *c, const char *id,
                           struct print_list *list, struct err_text *why)
{
    struct target t;
    enum err e;

    target_init(&t, "/api/v1/tokens");
    target_name(&t, id);
    e = change(c, "DELETE", &t, NULL, list, "revoked", id, why);
    target_close(&t);
    return e;
}

enum err cmd_token_revoke(struct ctl *c, struct err_text *why)
{
    struct print_list list = {false};
    enum err first = ERR_OK;

    /* One that fails does not keep the others. */
    for (unsigned i = 0; i < c->cli.n_args && interrupt_seen() == 0; i++) {
        const char *id = c->cli.args[i];
        struct err_text text = {""};
        enum err e = revoke_one(c, id, &list, &text);

        print_flush();
        if (e == ERR_OK)
            continue;
        err_prefix(&text, "%.200s", id);
        if (first != ERR_OK)
            print_failure(why->text);
        first = first == ERR_OK ? e : first;
        *why = text;
    }
    if (c->json)
        print_list_end(&list);
    return first;
}

enum err cmd_user_rm(struct ctl *c, struct err_text *why)
{
    struct target t;
    enum err e;

    target_init(&t, "/api/v1/users");
    target_name(&t, c->cli.args[0]);
    e = change(c, "DELETE", &t, NULL, NULL, "removed", c->cli.args[0], why);
    target_close(&t);
    return e;
}

static enum err password_of(struct ctl *c, char *out, size_t size,
                            struct err_text *why)
{
    const char *path = cli_text(&c->cli, "password-file");

    return path != NULL ? secret_read(path, out, size, why)
                        : secret_ask("password", out, size, why);
}

static enum err with_password(struct ctl *c, struct target *t,
                              const char *done, struct err_text *why)
{
    char password[SECRET_PASSWORD_MAX + 1];
    enum err e = password_of(c, password, sizeof password, why);

    if (e == ERR_OK)
        e = change(c, "POST", t, password, NULL, done, c->cli.args[0], why);
    secret_wipe(password, sizeof password);
    return e;
}

enum err cmd_user_add(struct ctl *c, struct err_text *why)
{
    struct target t;
    enum err e;

    target_init(&t, "/api/v1/users");
    e = put_scope(c, &t, c->cli.args[0], why);
    if (e == ERR_OK)
        e = with_password(c, &t, "added", why);
    target_close(&t);
    return e;
}

enum err cmd_user_passwd(struct ctl *c, struct err_text *why)
{
    struct target t;
    enum err e;

    target_init(&t, "/api/v1/users");
    target_name(&t, c->cli.args[0]);
    target_path(&t, "password");
    e = with_password(c, &t, "changed the password of", why);
    target_close(&t);
    return e;
}
