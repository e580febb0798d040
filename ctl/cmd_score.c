/* score CID, score frontier: what a pin is worth, why it is kept or not, and
 * what room costs. */
#include "ctl/commands.h"

#include "ctl/answer.h"
#include "ctl/ask.h"
#include "ctl/print.h"
#include "ctl/table.h"

#include <stdio.h>

/* --- prices --------------------------------------------------------------- */

static const struct table_column scope_columns[] = {
    {"SCOPE", false}, {"NAME", false}, {"KEY", true}, {"ROOM", true},
    {"OF", false},    {"CID", false},  {NULL, false},
};

static void row_scope(struct table *t, const struct json_value *v)
{
    uint64_t room;

    table_text(t, v, "scope");
    table_text(t, v, "name");
    table_figure(t, v, "key");
    if (json_get_u64(v, "room", &room))
        table_size(t, room);
    else
        table_cell(t, "no limit");
    table_text(t, v, "org");
    table_text(t, v, "cid");
}

static void show_scopes(const struct json_value *answer)
{
    struct json_value scopes;

    if (json_get(answer, "scopes", &scopes))
        table_list(scope_columns, &scopes, row_scope);
}

/* --- one ------------------------------------------------------------------ */

static const struct {
    const char *label, *key;
} terms[] = {
    {"READS A DAY", "reads_per_day"}, {"USAGE", "usage"},
    {"QUALITY", "quality"},           {"RECENCY", "recency"},
    {"SIZE TERM", "size_term"},       {"PRIORITY", "priority"},
    {"KEY", "key"},
};

static void show_rank(const struct json_value *v)
{
    struct json_value rank;

    if (json_get(v, "rank", &rank) && rank.type == JSON_OBJECT)
        print_field("RANK", "%s of %s", answer_figure(&rank, "place").text,
                    answer_figure(&rank, "of").text);
}

static void show_changes(const struct json_value *v)
{
    struct json_value changes, text;
    const char *label = "CHANGES";
    struct span key;
    char line[512];
    size_t at = 0;

    if (!json_get(v, "changes", &changes))
        return;
    while (json_next(&changes, &at, &key, &text)) {
        if (!json_string(&text, line, sizeof line))
            continue;
        print_field(label, "%s", line);
        label = "";
    }
}

static void show_score(const struct json_value *v)
{
    char text[ANSWER_TEXT], size[PRINT_SIZE];
    struct json_value frontier, formula;

    print_field("CID", "%s", answer_text(v, "cid", text));
    if (answer_text(v, "name", text)[0] != '\0')
        print_field("NAME", "%s", text);
    print_field("CLASS", "%s", answer_text(v, "class", text));
    print_field("SIZE", "%s", print_size(answer_number(v, "size"), size));
    for (size_t i = 0; i < sizeof terms / sizeof terms[0]; i++)
        print_field(terms[i].label, "%s",
                    answer_figure(v, terms[i].key).text);
    if (json_get(v, "frontier", &frontier) && frontier.type == JSON_OBJECT)
        print_field("FRONTIER", "%s, to be exceeded by %s",
                    answer_figure(&frontier, "key").text,
                    answer_figure(&frontier, "delta").text);
    if (json_get(v, "formula", &formula))
        print_field("THRESHOLDS", "in above %s, out below %s",
                    answer_figure(&formula, "in").text,
                    answer_figure(&formula, "out").text);
    show_rank(v);
    print_field("VERDICT", "%s", answer_text(v, "verdict", text));
    show_changes(v);
    printf("\n");
    show_scopes(v);
}

enum err cmd_score(struct ctl *c, struct err_text *why)
{
    struct target t;
    enum err e = ask_cid(c, &t, "/api/v1/pins", "score", why);

    if (e == ERR_OK)
        e = ask_show(c, "GET", target_text(&t), "verdict", show_score, why);
    target_close(&t);
    return e;
}

/* --- all scopes ----------------------------------------------------------- */

enum { ANSWERS = 3 };
static const char *const names[ANSWERS] = {"frontier", "bottom",
                                           "candidates"};

/* One object, of the three answers. */
static enum err print_all(const struct json_value all[ANSWERS],
                          struct err_text *why)
{
    struct buf text = BUF_INIT;
    struct json_writer w;
    struct json_value v;
    enum err e;

    json_init(&w, &text);
    json_object(&w);
    for (int k = 0; k < ANSWERS; k++) {
        json_key(&w, names[k]);
        json_raw(&w, span_of(all[k].p, all[k].n));
    }
    json_object_end(&w);
    e = json_parse(text.p, text.n, &v, why);
    if (e == ERR_OK)
        print_json(&v);
    buf_free(&text);
    return e;
}

enum err cmd_score_frontier(struct ctl *c, struct err_text *why)
{
    struct buf bodies[ANSWERS] = {BUF_INIT, BUF_INIT, BUF_INIT};
    struct json_value all[ANSWERS];
    enum err e = ask_value(c, "GET", "/api/v1/scores/frontier", &bodies[0],
                           &all[0], why);

    if (e == ERR_OK)
        e = answer_needs(&all[0], "scopes", why);
    for (int k = 1; k < ANSWERS && e == ERR_OK; k++)
        e = cmd_score_list(c, names[k], &bodies[k], &all[k], why);
    if (e == ERR_OK && c->json) {
        e = print_all(all, why);
    } else if (e == ERR_OK) {
        show_scopes(&all[0]);
        printf("\n");
        cmd_score_rows(&all[1], &all[2]);
    }
    for (int k = 0; k < ANSWERS; k++)
        buf_free(&bodies[k]);
    return e;
}
