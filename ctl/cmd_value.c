/* score, scores, rate: what elastic pins are worth. */
#include "ctl/commands.h"

#include "ctl/ask.h"
#include "ctl/print.h"
#include "ctl/table.h"
#include "proto/limits.h"

#include <stdio.h>
#include <string.h>

/* A number as the coordinator wrote it; "-" if it did not. */
struct number {
    char text[24];
};

static struct number number_of(const struct json_value *v, const char *key)
{
    struct number n = {"-"};
    struct json_value x;

    if (json_get(v, key, &x) && x.type == JSON_NUMBER &&
        x.n < sizeof n.text) {
        memcpy(n.text, x.p, x.n);
        n.text[x.n] = '\0';
    }
    return n;
}

static void text_of(const struct json_value *v, const char *key, char *out,
                    size_t size)
{
    if (!json_get_string(v, key, out, size))
        snprintf(out, size, "-");
}

/* --- score ---------------------------------------------------------------- */

static const struct {
    const char *label, *key;
} terms[] = {
    {"READS A DAY", "reads_per_day"}, {"USAGE", "usage"},
    {"QUALITY", "quality"},           {"RECENCY", "recency"},
    {"SIZE TERM", "size_term"},       {"PRIORITY", "priority"},
    {"KEY", "key"},
};

static void show_score(const struct json_value *v)
{
    char name[LIMIT_NAME + 1], class[16], verdict[256];
    char cid[LIMIT_CID_TEXT], size[PRINT_SIZE];
    struct json_value frontier, formula;
    uint64_t bytes = 0;

    text_of(v, "cid", cid, sizeof cid);
    text_of(v, "name", name, sizeof name);
    text_of(v, "class", class, sizeof class);
    text_of(v, "verdict", verdict, sizeof verdict);
    (void)json_get_u64(v, "size", &bytes);
    print_field("CID", "%s", cid);
    if (name[0] != '\0')
        print_field("NAME", "%s", name);
    print_field("CLASS", "%s", class);
    print_field("SIZE", "%s", print_size(bytes, size));
    for (size_t i = 0; i < sizeof terms / sizeof terms[0]; i++)
        print_field(terms[i].label, "%s", number_of(v, terms[i].key).text);
    if (json_get(v, "frontier", &frontier) && frontier.type == JSON_OBJECT)
        print_field("FRONTIER", "%s, to be exceeded by %s",
                    number_of(&frontier, "key").text,
                    number_of(&frontier, "delta").text);
    if (json_get(v, "formula", &formula))
        print_field("THRESHOLDS", "in above %s, out below %s",
                    number_of(&formula, "in").text,
                    number_of(&formula, "out").text);
    print_field("VERDICT", "%s", verdict);
}

enum err cmd_score(struct ctl *c, struct err_text *why)
{
    struct buf body = BUF_INIT;
    struct json_value v;
    struct target t;
    enum err e = ask_check(c->cli.args[0], false, why);

    if (e != ERR_OK)
        return e;
    target_init(&t, "/api/v1/pins");
    target_path(&t, c->cli.args[0]);
    target_path(&t, "score");
    e = ask_value(c, "GET", target_text(&t), &body, &v, why);
    target_close(&t);
    if (e == ERR_OK && c->json)
        print_json(&v);
    else if (e == ERR_OK)
        show_score(&v);
    buf_free(&body);
    return e;
}

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

    text_of(v, "cid", cid, sizeof cid);
    text_of(v, "class", class, sizeof class);
    text_of(v, "name", name, sizeof name);
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

static enum err show_lists(struct ctl *c, const char *first,
                           const char *second, struct err_text *why)
{
    struct print_list json = {false};
    struct table table;
    enum err e;

    table_init(&table, columns, stdout);
    e = add_list(c, first, &table, &json, why);
    if (e == ERR_OK && second != NULL)
        e = add_list(c, second, &table, &json, why);
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
    return show_lists(c, "top", NULL, why);
}

enum err cmd_score_bottom(struct ctl *c, struct err_text *why)
{
    return show_lists(c, "bottom", NULL, why);
}

enum err cmd_score_candidates(struct ctl *c, struct err_text *why)
{
    return show_lists(c, "candidates", NULL, why);
}

enum err cmd_score_frontier(struct ctl *c, struct err_text *why)
{
    return show_lists(c, "bottom", "candidates", why);
}

/* --- rate ----------------------------------------------------------------- */

enum err cmd_rate(struct ctl *c, struct err_text *why)
{
    const char *rater = cli_text(&c->cli, "rater");
    bool withdraw = strcmp(c->cli.args[1], "none") == 0;
    struct buf body = BUF_INIT;
    struct json_value v;
    struct target t;
    enum err e = ask_check(c->cli.args[0], false, why);

    if (e != ERR_OK)
        return e;
    target_init(&t, "/api/v1/pins");
    target_path(&t, c->cli.args[0]);
    target_path(&t, "rating");
    if (!withdraw)
        target_param(&t, "quality", c->cli.args[1]);
    if (rater != NULL)
        target_param(&t, "rater", rater);
    e = ask_value(c, withdraw ? "DELETE" : "POST", target_text(&t), &body, &v,
                  why);
    target_close(&t);
    if (e == ERR_OK && c->json)
        print_json(&v);
    else if (e == ERR_OK)
        printf("%s %s\n", withdraw ? "withdrawn" : "rated", c->cli.args[0]);
    buf_free(&body);
    return e;
}
