/* Dry runs: see would.h. */
#include "ctl/would.h"

#include "ctl/answer.h"
#include "ctl/print.h"
#include "ctl/table.h"

#include <stdio.h>

static const struct table_column group_columns[] = {
    {"FATE", false}, {"PINS", true},   {"COPIES", true},
    {"BYTES", true}, {"THESE", false}, {NULL, false},
};

static const struct table_column pin_columns[] = {
    {"CID", false},  {"FATE", false}, {"COPIES", true},       {"BYTES", true},
    {"NODES", false}, {"ORGANISATION", false}, {NULL, false},
};

static void row_group(struct table *t, const struct json_value *v)
{
    table_text(t, v, "fate");
    table_number(t, v, "pins");
    table_number(t, v, "copies");
    table_bytes(t, v, "bytes");
    table_text(t, v, "text");
}

static void row_pin(struct table *t, const struct json_value *v)
{
    table_text(t, v, "cid");
    table_text(t, v, "fate");
    table_number(t, v, "copies");
    table_bytes(t, v, "bytes");
    table_nodes(t, v, "", "");
    table_text(t, v, "org");
}

/* What elastic pins do not make room for, or not those that are named. */
static void show_left(const struct json_value *would)
{
    struct json_value left;
    uint64_t logical, physical;
    char a[PRINT_SIZE], b[PRINT_SIZE];

    if (!json_get(would, "left", &left))
        return;
    logical = answer_number(&left, "logical");
    physical = answer_number(&left, "physical");
    if (logical > 0 || physical > 0)
        printf("\nstill above the limits%s: %s of content, %s with all "
               "copies\n", answer_is(would, "complete")
                               ? " with all that may go gone"
                               : " with these gone",
               print_size(logical, a), print_size(physical, b));
}

enum err would_show(const struct json_value *answer, bool limits,
                    const char *more, struct err_text *why)
{
    struct json_value would, groups, pins;
    char next[ANSWER_TEXT];

    if (limits && !json_get(answer, "would", &would))
        return ERR_OK; /* of an older coordinator */
    if (!json_get(answer, "would", &would) ||
        !json_get(&would, "groups", &groups) || groups.type != JSON_ARRAY ||
        !json_get(&would, "pins", &pins) || pins.type != JSON_ARRAY)
        return err_set(why, ERR_PROTOCOL,
                       "malformed answer: not a dry run");
    if (!table_list_some(group_columns, &groups, row_group) && !limits)
        puts("no pin is on it");
    (void)table_list_some(pin_columns, &pins, row_pin);
    if (limits)
        show_left(&would);
    if (more != NULL && json_get_string(&would, "next", next, sizeof next)) {
        putchar('\n');
        print_text("more: %s --cursor %s", more, next);
        putchar('\n');
    }
    return ERR_OK;
}
