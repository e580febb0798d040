/* score simulate: what another formula or budget would keep. */
#include "ctl/commands.h"

#include "ctl/answer.h"
#include "ctl/ask.h"
#include "ctl/print.h"
#include "ctl/table.h"
#include "ctl/value.h"

#include <stdio.h>

static const struct {
    const char *key, *means;
} fates[] = {
    {"stays", "are held, and would be"},
    {"comes", "would be taken in"},
    {"fades", "would go: below the lower threshold"},
    {"displaced", "would go: no room for them"},
    {"below", "would stay out: below the upper threshold"},
    {"no_room", "would stay out: no room for them"},
};

static const struct table_column sum_columns[] = {
    {"FATE", false}, {"PINS", true}, {"BYTES", true}, {"MEANS", false},
    {NULL, false},
};

static const struct table_column pin_columns[] = {
    {"CID", false},  {"FATE", false}, {"BYTES", true}, {"PRIORITY", true},
    {"KEY", true},   {"NAME", false}, {NULL, false},
};

static void show_sums(const struct json_value *all)
{
    struct json_value sums, v;
    struct table t;

    table_init(&t, sum_columns, stdout);
    for (size_t i = 0; i < sizeof fates / sizeof fates[0]; i++) {
        if (!json_get(all, "fates", &sums) ||
            !json_get(&sums, fates[i].key, &v))
            continue;
        table_cell(&t, fates[i].key);
        table_number(&t, &v, "pins");
        table_bytes(&t, &v, "bytes");
        table_cell(&t, fates[i].means);
    }
    table_end(&t);
}

static void row_pin(struct table *t, const struct json_value *v)
{
    table_text(t, v, "cid");
    table_text(t, v, "fate");
    table_bytes(t, v, "bytes");
    table_figure(t, v, "priority");
    table_figure(t, v, "key");
    table_text(t, v, "name");
}

static void show_pins(const struct json_value *all, const char *key)
{
    struct json_value list = answer_list(all, key);

    (void)table_list_some(pin_columns, &list, row_pin);
}

static void show(const struct json_value *v)
{
    struct json_value frontier, key;
    char size[PRINT_SIZE];
    bool complete = true;

    (void)json_get_bool(v, "complete", &complete);
    show_sums(v);
    printf("\n");
    print_field("ROOM", "%s for elastic pins",
                print_size(answer_number(v, "room"), size));
    if (json_get(v, "frontier", &frontier) && json_get(&frontier, "key", &key))
        print_field("FRONTIER", "%.*s", (int)key.n, key.p);
    if (!complete)
        print_field("NOTE", "%s", "there are more pins than were looked at");
    show_pins(v, "goes");
    show_pins(v, "comes");
}

static enum err put_budget(struct ctl *c, struct target *t,
                           struct err_text *why)
{
    const char *text = cli_text(&c->cli, "budget");
    uint64_t bytes;
    enum err e;

    if (text == NULL)
        return ERR_OK;
    e = value_size(text, &bytes, why);
    if (e == ERR_OK)
        target_number(t, "budget", (int64_t)bytes);
    return e;
}

enum err cmd_score_simulate(struct ctl *c, struct err_text *why)
{
    struct target t;
    enum err e;

    target_init(&t, "/api/v1/scores/simulate");
    target_number(&t, "limit", cli_number(&c->cli, "limit", 20));
    e = put_budget(c, &t, why);
    if (e == ERR_OK)
        e = cmd_formula_options(c, &t, why);
    if (e == ERR_OK)
        e = ask_show(c, "GET", target_text(&t), "fates", show, why);
    target_close(&t);
    return e;
}
