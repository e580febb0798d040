/* Older decisions: see decisions.h. */
#include "ctl/decisions.h"

#include "ctl/print.h"
#include "ctl/table.h"
#include "proto/limits.h"

#include <stdio.h>
#include <string.h>

enum { TEXT = 600 };

static const struct table_column columns[] = {
    {"DECIDED", false}, {"WHAT", false}, {"WHY", false}, {"SIZE", true},
    {"NODES", false},   {NULL, false},
};

static const struct table_column columns_cid[] = {
    {"DECIDED", false}, {"WHAT", false},  {"WHY", false}, {"SIZE", true},
    {"NODES", false},   {"CID", false},   {NULL, false},
};

static const char *text_of(const struct json_value *v, const char *key,
                           char out[TEXT])
{
    if (!json_get_string(v, key, out, TEXT))
        out[0] = 0;
    return out;
}

/* A node that was removed has no name any more. */
static void cell_nodes(struct table *t, const struct json_value *decision)
{
    struct json_value nodes, v;
    struct buf text = BUF_INIT;
    struct span key;
    size_t it = 0;

    if (json_get(decision, "nodes", &nodes) && nodes.type == JSON_ARRAY)
        while (json_next(&nodes, &it, &key, &v)) {
            char name[LIMIT_NODE_NAME + 1] = "";

            (void)json_string(&v, name, sizeof name);
            buf_printf(&text, "%s%s", text.n > 0 ? "," : "",
                       name[0] != 0 ? name : "(removed)");
        }
    table_cell(t, buf_cstr(&text));
    buf_free(&text);
}

static void row(struct table *t, const struct json_value *d, bool cid)
{
    char text[TEXT], age[PRINT_TIME];
    uint64_t size = 0;

    text_of(d, "at", text);
    table_cell(t, print_time(text, print_now_ms(), age));
    if (strcmp(text_of(d, "action", text), "release") == 0)
        table_cell(t, "let go");
    else
        table_cell(t, text);
    table_cell(t, text_of(d, "text", text));
    (void)json_get_u64(d, "size", &size);
    table_size(t, size);
    cell_nodes(t, d);
    if (cid)
        table_cell(t, text_of(d, "cid", text));
}

void decisions_show(const struct json_value *answer, bool cid)
{
    struct json_value list, d;
    struct span key;
    struct table t;
    size_t it = 0;
    bool any = false;

    if (!json_get(answer, "decisions", &list) || list.type != JSON_ARRAY)
        return;
    table_init(&t, cid ? columns_cid : columns, stdout);
    while (json_next(&list, &it, &key, &d)) {
        if (!any)
            putchar('\n');
        any = true;
        row(&t, &d, cid);
    }
    if (any)
        table_end(&t);
    table_drop(&t);
}
