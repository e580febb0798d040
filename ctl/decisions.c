/* Older decisions: see decisions.h. */
#include "ctl/decisions.h"

#include "ctl/answer.h"
#include "ctl/print.h"
#include "ctl/table.h"

#include <string.h>

static const struct table_column columns[] = {
    {"DECIDED", false}, {"WHAT", false}, {"WHY", false}, {"SIZE", true},
    {"NODES", false},   {NULL, false},
};

static const struct table_column columns_cid[] = {
    {"DECIDED", false}, {"WHAT", false},  {"WHY", false}, {"SIZE", true},
    {"NODES", false},   {"CID", false},   {NULL, false},
};

/* A node that was removed has no name any more. */
static void row(struct table *t, const struct json_value *d)
{
    char text[ANSWER_TEXT];

    table_time(t, d, "at", print_now_ms());
    if (strcmp(answer_text(d, "action", text), "release") == 0)
        table_cell(t, "let go");
    else
        table_cell(t, text);
    table_text(t, d, "text");
    table_bytes(t, d, "size");
    table_nodes(t, d, "(removed)", "");
}

static void row_cid(struct table *t, const struct json_value *d)
{
    row(t, d);
    table_text(t, d, "cid");
}

void decisions_show(const struct json_value *answer, bool cid)
{
    struct json_value list = answer_list(answer, "decisions");

    (void)table_list_some(cid ? columns_cid : columns, &list,
                          cid ? row_cid : row);
}
