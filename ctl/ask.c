/* Requests as commands make them. */
#include "ctl/ask.h"

#include "ctl/answer.h"
#include "ctl/print.h"
#include "proto/cid.h"
#include "proto/limits.h"
#include "proto/peerid.h"

#include <stdio.h>
#include <string.h>

enum err ask_value(struct ctl *c, const char *method, const char *target,
                   struct buf *body, struct json_value *v,
                   struct err_text *why)
{
    struct client_call q = {.method = method, .target = target};
    enum err e = client_call(&c->client, &q, why);

    *body = q.body;
    if (e != ERR_OK)
        return e;
    if (json_parse(body->p, body->n, v, why) != ERR_OK) {
        err_prefix(why, "malformed answer");
        return ERR_PROTOCOL;
    }
    return ERR_OK;
}

enum err ask_stream(struct ctl *c, const char *method, const char *target,
                    items_cb *on, void *arg, struct err_text *why)
{
    struct client_call q = {.method = method,
                            .target = target,
                            .on_item = on,
                            .item_arg = arg};
    enum err e = client_call(&c->client, &q, why);

    buf_free(&q.body);
    return e;
}

enum err ask_check(const char *text, bool path, struct err_text *why)
{
    enum cid_form form;
    struct cid cid;

    if (path && text[0] == '/') {
        if (strncmp(text, "/ipfs/", 6) == 0 ||
            strncmp(text, "/ipns/", 6) == 0 ||
            strncmp(text, "/ipld/", 6) == 0)
            if (text[6] != 0 && text[6] != '/' &&
                json_utf8_valid(text, strlen(text)))
                return ERR_OK;
        return err_set(why, ERR_INVALID,
                       "'%.200s' is no path such as /ipfs/CID/file", text);
    }
    if (cid_parse(text, strlen(text), &cid, &form, why) == ERR_OK)
        return ERR_OK;
    err_prefix(why, "'%.80s'", text);
    return ERR_INVALID;
}

enum err ask_cid(struct ctl *c, struct target *t, const char *base,
                 const char *verb, struct err_text *why)
{
    target_init(t, base);
    target_path(t, c->cli.args[0]);
    if (verb != NULL)
        target_path(t, verb);
    return ask_check(c->cli.args[0], false, why);
}

/* --- and the answer printed ----------------------------------------------- */

enum err ask_show(struct ctl *c, const char *method, const char *target,
                  const char *about,
                  void (*show)(const struct json_value *v),
                  struct err_text *why)
{
    struct buf body = BUF_INIT;
    struct json_value v;
    enum err e = ask_value(c, method, target, &body, &v, why);

    if (e == ERR_OK)
        e = answer_needs(&v, about, why);
    if (e == ERR_OK && c->json)
        print_json(&v);
    else if (e == ERR_OK)
        show(&v);
    buf_free(&body);
    return e;
}

enum err ask_done(struct ctl *c, const char *method, const char *target,
                  const char *done, const char *name, struct err_text *why)
{
    struct buf body = BUF_INIT;
    struct json_value v;
    enum err e = ask_value(c, method, target, &body, &v, why);

    if (e == ERR_OK && c->json)
        print_json(&v);
    else if (e == ERR_OK)
        printf("%s %s\n", done, name);
    buf_free(&body);
    return e;
}

enum err ask_table(struct ctl *c, const char *target,
                   const struct table_column *columns,
                   enum err (*row)(struct table *t,
                                   const struct json_value *item,
                                   struct err_text *why),
                   struct err_text *why)
{
    struct buf body = BUF_INIT;
    struct json_value v, item;
    struct table table;
    struct span key;
    size_t at = 0;
    enum err e = ask_value(c, "GET", target, &body, &v, why);

    if (e == ERR_OK && v.type != JSON_ARRAY)
        e = err_set(why, ERR_PROTOCOL, "malformed answer: no list");
    if (e == ERR_OK && c->json) {
        print_json(&v);
    } else if (e == ERR_OK) {
        table_init(&table, columns, stdout);
        while (e == ERR_OK && json_next(&v, &at, &key, &item))
            e = row(&table, &item, why);
        if (e == ERR_OK)
            table_end(&table);
        else
            table_drop(&table);
    }
    buf_free(&body);
    return e;
}

/* --- options -------------------------------------------------------------- */

static enum err check_peers(const char *list, struct err_text *why)
{
    struct peerid id;

    for (const char *p = list;; p++) {
        size_t n = strcspn(p, ",");

        if (peerid_parse(p, n, &id, why) != ERR_OK) {
            err_prefix(why, "--allocate '%.*s'", n > 80 ? 80 : (int)n, p);
            return ERR_USAGE;
        }
        p += n;
        if (*p == 0)
            return ERR_OK;
    }
}

static enum err put_peers(struct ctl *c, struct target *t,
                          struct err_text *why)
{
    struct buf all = BUF_INIT;
    unsigned at = 0;
    const char *list;
    enum err e = ERR_OK;

    while (e == ERR_OK &&
           (list = cli_next(&c->cli, "allocate", &at)) != NULL) {
        e = check_peers(list, why);
        buf_text(&all, all.n > 0 ? "," : "");
        buf_text(&all, list);
    }
    if (e == ERR_OK && all.n > 0)
        target_param(t, "user-allocations", buf_cstr(&all));
    buf_free(&all);
    return e;
}

static void put_meta(struct ctl *c, struct target *t)
{
    unsigned at = 0;
    const char *pair;

    while ((pair = cli_next(&c->cli, "meta", &at)) != NULL) {
        size_t n = strcspn(pair, "=");
        struct buf name = BUF_INIT;

        buf_printf(&name, "meta-%.*s", (int)n, pair);
        target_param(t, buf_cstr(&name), pair + n + 1);
        buf_free(&name);
    }
}

/* Coordinators take 0 for what was not said. */
static enum err check_factors(const struct cli *k, struct err_text *why)
{
    static const char *const names[] = {"replication", "min", "max"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (cli_is(k, names[i]) && cli_number(k, names[i], 0) == 0)
            return err_set(why, ERR_USAGE, "--%s: -1 (every node) or 1 to %d",
                           names[i], LIMIT_REPLICAS);
    return ERR_OK;
}

static enum err put_factors(struct ctl *c, struct target *t,
                            struct err_text *why)
{
    const struct cli *k = &c->cli;
    int64_t min = cli_number(k, "min", 0), max = cli_number(k, "max", 0);

    if (check_factors(k, why) != ERR_OK)
        return ERR_USAGE;
    if (cli_is(k, "replication")) {
        if (cli_is(k, "min") || cli_is(k, "max"))
            return err_set(why, ERR_USAGE,
                           "--replication sets --min and --max");
        target_number(t, "replication",
                      cli_number(k, "replication", 0));
        return ERR_OK;
    }
    if (min != 0 && max != 0 && ((min < 0) != (max < 0) || min > max))
        return err_set(why, ERR_USAGE,
                       "--min may not exceed --max, and -1 goes only with "
                       "-1");
    if (min != 0)
        target_number(t, "replication-min", min);
    if (max != 0)
        target_number(t, "replication-max", max);
    return ERR_OK;
}

static void put_list(struct ctl *c, struct target *t, const char *option,
                     const char *param)
{
    unsigned at = 0;
    const char *value;

    while ((value = cli_next(&c->cli, option, &at)) != NULL)
        target_param(t, param, value);
}

static enum err put_policy(struct ctl *c, struct target *t,
                           struct err_text *why)
{
    const struct cli *k = &c->cli;
    const char *spread = cli_text(k, "spread");

    if (spread == NULL && (cli_is(k, "min-domains") ||
                           cli_is(k, "soft-spread")))
        return err_set(why, ERR_USAGE,
                       "--min-domains and --soft-spread go with --spread");
    put_list(c, t, "region", "pinfold-region");
    put_list(c, t, "not-region", "pinfold-region-denied");
    put_list(c, t, "tag", "pinfold-tag");
    put_list(c, t, "not-tag", "pinfold-tag-denied");
    if (cli_text(k, "place-on") != NULL)
        target_param(t, "pinfold-place-on", cli_text(k, "place-on"));
    if (spread != NULL)
        target_param(t, "pinfold-spread", spread);
    if (cli_is(k, "min-domains"))
        target_number(t, "pinfold-min-domains",
                      cli_number(k, "min-domains", 0));
    if (cli_is(k, "soft-spread"))
        target_param(t, "pinfold-soft-spread", "true");
    return ERR_OK;
}

enum err ask_options(struct ctl *c, struct target *t, struct err_text *why)
{
    const struct cli *k = &c->cli;
    const char *name = cli_text(k, "name"), *mode = cli_text(k, "mode");
    enum err e = put_factors(c, t, why);

    if (e != ERR_OK)
        return e;
    if (name != NULL)
        target_param(t, "name", name);
    if (mode != NULL)
        target_param(t, "mode", mode);
    if (cli_text(k, "priority") != NULL)
        target_param(t, "pinfold-priority", cli_text(k, "priority"));
    if (cli_is(k, "expire-in")) {
        int64_t ms = cli_number(k, "expire-in", 0);
        char text[32];

        if (ms < 1000)
            return err_set(why, ERR_USAGE, "--expire-in: less than 1s");
        snprintf(text, sizeof text, "%lldms", (long long)ms);
        target_param(t, "expire-in", text);
    }
    put_meta(c, t);
    e = put_policy(c, t, why);
    return e == ERR_OK ? put_peers(c, t, why) : e;
}
