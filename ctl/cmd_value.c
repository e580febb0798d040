/* scores, rate: what elastic pins are worth; one of them: cmd_score.c. */
#include "ctl/commands.h"

#include "ctl/ask.h"
#include "ctl/print.h"
#include "ctl/table.h"

#include <stdio.h>
#include <string.h>

/* --- lists ---------------------------------------------------------------- */

static const struct table_column columns[] = {
    {"CID", false},    {"CLASS", false}, {"SIZE", true},
    {"READS/DAY", true}, {"PRIORITY", true}, {"KEY", true},
    {"NAME", false},   {NULL, false},
};

static void row(struct table *t, const struct json_value *v)
{
    table_text(t, v, "cid");
    table_text(t, v, "class");
    table_bytes(t, v, "size");
    table_figure(t, v, "reads_per_day");
    table_figure(t, v, "priority");
    table_figure(t, v, "key");
    table_text(t, v, "name");
}

enum err cmd_score_list(struct ctl *c, const char *list, struct buf *body,
                        struct json_value *v, struct err_text *why)
{
    struct target t;
    enum err e;

    target_init(&t, "/api/v1/scores");
    target_param(&t, "list", list);
    target_number(&t, "limit", cli_number(&c->cli, "limit", 20));
    e = ask_value(c, "GET", target_text(&t), body, v, why);
    target_close(&t);
    if (e == ERR_OK && v->type != JSON_ARRAY)
        e = err_set(why, ERR_PROTOCOL, "malformed answer: no list");
    return e;
}

static enum err show_list(struct ctl *c, const char *name,
                          struct err_text *why)
{
    struct print_list json = {false};
    struct buf body = BUF_INIT;
    struct json_value v, item;
    struct span key;
    size_t at = 0;
    enum err e = cmd_score_list(c, name, &body, &v, why);

    if (e == ERR_OK && c->json) {
        while (json_next(&v, &at, &key, &item))
            print_list_item(&json, &item);
        print_list_end(&json);
    } else if (e == ERR_OK) {
        table_list(columns, &v, row);
    }
    buf_free(&body);
    return e;
}

enum err cmd_score_top(struct ctl *c, struct err_text *why)
{
    return show_list(c, "top", why);
}

enum err cmd_score_bottom(struct ctl *c, struct err_text *why)
{
    return show_list(c, "bottom", why);
}

enum err cmd_score_candidates(struct ctl *c, struct err_text *why)
{
    return show_list(c, "candidates", why);
}

void cmd_score_rows(const struct json_value *first,
                    const struct json_value *second)
{
    const struct json_value *lists[2] = {first, second};
    struct json_value item;
    struct table table;
    struct span key;

    table_init(&table, columns, stdout);
    for (int k = 0; k < 2; k++)
        for (size_t at = 0; json_next(lists[k], &at, &key, &item);)
            row(&table, &item);
    table_end(&table);
}

/* --- rate ----------------------------------------------------------------- */

enum err cmd_rate(struct ctl *c, struct err_text *why)
{
    const char *rater = cli_text(&c->cli, "rater");
    bool withdraw = strcmp(c->cli.args[1], "none") == 0;
    struct target t;
    enum err e = ask_cid(c, &t, "/api/v1/pins", "rating", why);

    if (!withdraw)
        target_param(&t, "quality", c->cli.args[1]);
    if (rater != NULL)
        target_param(&t, "rater", rater);
    if (e == ERR_OK)
        e = ask_done(c, withdraw ? "DELETE" : "POST", target_text(&t),
                     withdraw ? "withdrawn" : "rated", c->cli.args[0], why);
    target_close(&t);
    return e;
}
