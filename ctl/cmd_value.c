/* scores, rate: what elastic pins are worth; one of them: cmd_score.c. */
#include "ctl/commands.h"

#include "ctl/ask.h"
#include "ctl/number.h"
#include "ctl/print.h"
#include "ctl/table.h"
#include "proto/limits.h"

#include <stdio.h>
#include <string.h>

/* --- lists ---------------------------------------------------------------- */

static const struct table_column columns[] = {
    {"CID", false},    {"CLASS", false}, {"SIZE", true},
    {"READS/DAY", true}, {"PRIORITY", true}, {"KEY", true},
    {"NAME", false},   {NULL, false},
};

static void put_row(struct table *t, const struct json_value *v)
{
    char cid[LIMIT_CID_TEXT], class[16], name[LIMIT_NAME + 1];
    uint64_t bytes = 0;

    number_text(v, "cid", cid, sizeof cid);
    number_text(v, "class", class, sizeof class);
    number_text(v, "name", name, sizeof name);
    (void)json_get_u64(v, "size", &bytes);
    table_cell(t, cid);
    table_cell(t, class);
    table_size(t, bytes);
    table_cell(t, number_of(v, "reads_per_day").text);
    table_cell(t, number_of(v, "priority").text);
    table_cell(t, number_of(v, "key").text);
    table_cell(t, name);
}

/* One list of the coordinator, into the table or the JSON array. */
static enum err add_list(struct ctl *c, const char *name,
                         struct table *table, struct print_list *json,
                         struct err_text *why)
{
    struct buf body = BUF_INIT;
    struct json_value v, item;
    struct span key;
    struct target t;
    char limit[24];
    size_t at = 0;
    enum err e;

    target_init(&t, "/api/v1/scores");
    target_param(&t, "list", name);
    snprintf(limit, sizeof limit, "%lld",
             (long long)cli_number(&c->cli, "limit", 20));
    target_param(&t, "limit", limit);
    e = ask_value(c, "GET", target_text(&t), &body, &v, why);
    target_close(&t);
    while (e == ERR_OK && json_next(&v, &at, &key, &item)) {
        if (c->json)
            print_list_item(json, &item);
        else
            put_row(table, &item);
    }
    buf_free(&body);
    return e;
}

static enum err show_list(struct ctl *c, const char *name,
                          struct err_text *why)
{
    struct print_list json = {false};
    struct table table;
    enum err e;

    table_init(&table, columns, stdout);
    e = add_list(c, name, &table, &json, why);
    if (e != ERR_OK || c->json)
        table_drop(&table);
    else
        table_end(&table);
    if (e == ERR_OK && c->json)
        print_list_end(&json);
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
            put_row(&table, &item);
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
