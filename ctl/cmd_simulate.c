/* score simulate: what another formula or budget would keep. */
#include "ctl/commands.h"

#include "ctl/ask.h"
#include "ctl/print.h"
#include "ctl/table.h"
#include "ctl/value.h"
#include "proto/limits.h"

#include <stdio.h>
#include <string.h>

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

static void cell_raw(struct table *t, const struct json_value *v,
                     const char *key)
{
    struct json_value x;

    if (json_get(v, key, &x) && x.type == JSON_NUMBER)
        table_cellf(t, "%.*s", (int)x.n, x.p);
    else
        table_cell(t, "-");
}

static void cell_text(struct table *t, const struct json_value *v,
                      const char *key)
{
    char text[LIMIT_NAME + 1] = "";

    (void)json_get_string(v, key, text, sizeof text);
    table_cell(t, text);
}

static void show_sums(const struct json_value *all)
{
    struct json_value sums, v;
    struct table t;

    table_init(&t, sum_columns, stdout);
    for (size_t i = 0; i < sizeof fates / sizeof fates[0]; i++) {
        uint64_t pins = 0, bytes = 0;

        if (!json_get(all, "fates", &sums) ||
            !json_get(&sums, fates[i].key, &v))
            continue;
        (void)json_get_u64(&v, "pins", &pins);
        (void)json_get_u64(&v, "bytes", &bytes);
        table_cell(&t, fates[i].key);
        table_cellf(&t, "%llu", (unsigned long long)pins);
        table_size(&t, bytes);
        table_cell(&t, fates[i].means);
    }
    table_end(&t);
}

static void show_pins(const struct json_value *all, const char *key)
{
    struct json_value list, v;
    struct span member;
    struct table t;
    uint64_t bytes;
    size_t it = 0;

    if (!json_get(all, key, &list) || !json_next(&list, &it, &member, &v))
        return;
    printf("\n");
    table_init(&t, pin_columns, stdout);
    do {
        bytes = 0;
        (void)json_get_u64(&v, "bytes", &bytes);
        cell_text(&t, &v, "cid");
        cell_text(&t, &v, "fate");
        table_size(&t, bytes);
        cell_raw(&t, &v, "priority");
        cell_raw(&t, &v, "key");
        cell_text(&t, &v, "name");
    } while (json_next(&list, &it, &member, &v));
    table_end(&t);
}

static void show(const struct json_value *v)
{
    struct json_value frontier, key;
    char size[PRINT_SIZE];
    uint64_t room = 0;
    bool complete = true;

    (void)json_get_u64(v, "room", &room);
    (void)json_get_bool(v, "complete", &complete);
    show_sums(v);
    printf("\n");
    print_field("ROOM", "%s for elastic pins", print_size(room, size));
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
        e = ask_show(c, "GET", target_text(&t), show, why);
    target_close(&t);
    return e;
}
