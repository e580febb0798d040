/* Dry runs: see would.h. */
#include "ctl/would.h"

#include "ctl/print.h"
#include "ctl/table.h"
#include "proto/limits.h"

#include <stdio.h>

enum { TEXT = 600 };

static const struct table_column group_columns[] = {
    {"FATE", false}, {"PINS", true},   {"COPIES", true},
    {"BYTES", true}, {"THESE", false}, {NULL, false},
};

static const struct table_column pin_columns[] = {
    {"CID", false},  {"FATE", false}, {"COPIES", true},       {"BYTES", true},
    {"NODES", false}, {"ORGANISATION", false}, {NULL, false},
};

static void cell(struct table *t, const struct json_value *v, const char *key)
{
    char text[TEXT] = "";

    (void)json_get_string(v, key, text, sizeof text);
    table_cell(t, text);
}

static uint64_t number_of(const struct json_value *v, const char *key)
{
    uint64_t n = 0;

    (void)json_get_u64(v, key, &n);
    return n;
}

static void cell_number(struct table *t, const struct json_value *v,
                        const char *key)
{
    table_cellf(t, "%llu", (unsigned long long)number_of(v, key));
}

static void cell_nodes(struct table *t, const struct json_value *pin)
{
    struct json_value nodes, v;
    struct buf text = BUF_INIT;
    struct span key;
    size_t it = 0;

    if (json_get(pin, "nodes", &nodes) && nodes.type == JSON_ARRAY)
        while (json_next(&nodes, &it, &key, &v)) {
            char name[LIMIT_NODE_NAME + 1] = "";

            (void)json_string(&v, name, sizeof name);
            buf_printf(&text, "%s%s", text.n > 0 ? "," : "", name);
        }
    table_cell(t, buf_cstr(&text));
    buf_free(&text);
}

static bool show_list(const struct json_value *list,
                      const struct table_column *columns, bool pins)
{
    struct json_value v;
    struct span key;
    struct table t;
    size_t it = 0;
    bool any = false;

    table_init(&t, columns, stdout);
    while (json_next(list, &it, &key, &v)) {
        if (!any)
            putchar('\n');
        any = true;
        cell(&t, &v, pins ? "cid" : "fate");
        if (pins)
            cell(&t, &v, "fate");
        else
            cell_number(&t, &v, "pins");
        cell_number(&t, &v, "copies");
        table_size(&t, number_of(&v, "bytes"));
        if (pins) {
            cell_nodes(&t, &v);
            cell(&t, &v, "org");
        } else {
            cell(&t, &v, "text");
        }
    }
    if (any)
        table_end(&t);
    table_drop(&t);
    return any;
}

/* What elastic pins do not make room for, or not those that are named. */
static void show_left(const struct json_value *would)
{
    struct json_value left;
    uint64_t logical, physical;
    char a[PRINT_SIZE], b[PRINT_SIZE];
    bool complete = false;

    if (!json_get(would, "left", &left))
        return;
    (void)json_get_bool(would, "complete", &complete);
    logical = number_of(&left, "logical");
    physical = number_of(&left, "physical");
    if (logical > 0 || physical > 0)
        printf("\nstill above the limits%s: %s of content, %s with all "
               "copies\n", complete ? " with all that may go gone"
                                    : " with these gone",
               print_size(logical, a), print_size(physical, b));
}

enum err would_show(const struct json_value *answer, bool limits,
                    const char *more, struct err_text *why)
{
    struct json_value would, groups, pins;
    char next[TEXT] = "";

    if (limits && !json_get(answer, "would", &would))
        return ERR_OK; /* of an older coordinator */
    if (!json_get(answer, "would", &would) ||
        !json_get(&would, "groups", &groups) || groups.type != JSON_ARRAY ||
        !json_get(&would, "pins", &pins) || pins.type != JSON_ARRAY)
        return err_set(why, ERR_PROTOCOL,
                       "malformed answer: not a dry run");
    if (!show_list(&groups, group_columns, false) && !limits)
        puts("no pin is on it");
    (void)show_list(&pins, pin_columns, true);
    if (limits)
        show_left(&would);
    if (more != NULL && json_get_string(&would, "next", next, sizeof next))
        printf("\nmore: %s --cursor %s\n", more, next);
    return ERR_OK;
}
