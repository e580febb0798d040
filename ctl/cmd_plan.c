/* plan: what the cluster is about to do with its copies, what waits for what,
 * and the first pins of it. The words are the coordinator's.
 */
#include "ctl/commands.h"

#include "ctl/ask.h"
#include "ctl/decisions.h"
#include "ctl/print.h"
#include "ctl/table.h"
#include "proto/limits.h"

#include <stdio.h>

enum { TEXT = 600 };

static const struct table_column group_columns[] = {
    {"ACTION", false}, {"REASON", false}, {"PINS", true},
    {"COPIES", true},  {"BYTES", true},   {"UNDER WAY", true},
    {"MEANS", false},  {NULL, false},
};

static const struct table_column pin_columns[] = {
    {"CID", false},   {"ACTION", false}, {"REASON", false},
    {"COPIES", true}, {"SIZE", true},    {"NODES", false},
    {NULL, false},
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

static bool flag_of(const struct json_value *v, const char *key)
{
    bool is = false;

    (void)json_get_bool(v, key, &is);
    return is;
}

static bool is_empty(const struct json_value *list)
{
    struct json_value v;
    struct span key;
    size_t it = 0;

    return !json_next(list, &it, &key, &v);
}

static void show_groups(const struct json_value *groups)
{
    struct json_value v;
    struct span key;
    struct table t;
    size_t it = 0;

    table_init(&t, group_columns, stdout);
    while (json_next(groups, &it, &key, &v)) {
        cell(&t, &v, "action");
        cell(&t, &v, "reason");
        cell_number(&t, &v, "pins");
        cell_number(&t, &v, "copies");
        table_size(&t, number_of(&v, "bytes"));
        cell_number(&t, &v, "under_way");
        cell(&t, &v, "text");
    }
    table_end(&t);
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
    if (flag_of(pin, "under_way"))
        buf_text(&text, text.n > 0 ? " (under way)" : "(under way)");
    table_cell(t, buf_cstr(&text));
    buf_free(&text);
}

static void show_pins(const struct json_value *pins)
{
    struct json_value v;
    struct span key;
    struct table t;
    size_t it = 0;

    table_init(&t, pin_columns, stdout);
    while (json_next(pins, &it, &key, &v)) {
        cell(&t, &v, "cid");
        cell(&t, &v, "action");
        cell(&t, &v, "reason");
        cell_number(&t, &v, "copies");
        table_size(&t, number_of(&v, "size"));
        cell_nodes(&t, &v);
    }
    table_end(&t);
}

static void show_collect(const struct json_value *v)
{
    struct json_value gc;
    char node[LIMIT_NODE_NAME + 1] = "";
    uint64_t due, busy;

    if (!json_get(v, "gc", &gc))
        return;
    due = number_of(&gc, "due");
    busy = number_of(&gc, "busy");
    if (json_get_string(&gc, "node", node, sizeof node))
        print_field("GARBAGE", "%s collects, %llu more nodes wait", node,
                    (unsigned long long)due);
    else if (due > 0)
        print_field("GARBAGE", "%llu nodes wait for a collection%s",
                    (unsigned long long)due,
                    busy == due ? ", for pins on them to end" : "");
}

static void show_head(const struct json_value *v)
{
    struct json_value from;
    char name[TEXT] = "";
    char left[PRINT_SIZE];
    bool leads = false;

    if (json_get(v, "coordinator", &from)) {
        (void)json_get_string(&from, "name", name, sizeof name);
        leads = flag_of(&from, "leader");
    }
    print_field("ANSWERED BY", "%s%s", name,
                leads ? ", the leader"
                      : "; the leader acts, and knows what is under way");
    print_field("LOOKED AT", "%llu pins%s",
                (unsigned long long)number_of(v, "looked_at"),
                flag_of(v, "complete") ? "" : ", and there are more");
    if (flag_of(v, "repair_paused"))
        print_field("REPAIR", "paused (pinfold status)");
    if (number_of(v, "rebalance_left_bytes") > 0)
        print_field("REBALANCE", "%s are still to move",
                    print_size(number_of(v, "rebalance_left_bytes"), left));
    show_collect(v);
}

static enum err show(const struct json_value *v, struct err_text *why)
{
    struct json_value groups, pins;
    char next[TEXT] = "";

    if (!json_get(v, "groups", &groups) || groups.type != JSON_ARRAY ||
        !json_get(v, "pins", &pins) || pins.type != JSON_ARRAY)
        return err_set(why, ERR_PROTOCOL, "malformed answer: not a plan");
    show_head(v);
    if (is_empty(&groups)) {
        puts("\nnothing is to be done");
    } else {
        putchar('\n');
        show_groups(&groups);
    }
    if (!is_empty(&pins)) {
        putchar('\n');
        show_pins(&pins);
    }
    decisions_show(v, true);
    if (json_get_string(v, "next", next, sizeof next))
        printf("\nmore: pinfold plan --cursor %s\n", next);
    return ERR_OK;
}

enum err cmd_plan(struct ctl *c, struct err_text *why)
{
    const char *cursor = cli_text(&c->cli, "cursor");
    struct buf body = BUF_INIT;
    struct json_value v;
    struct target t;
    enum err e;

    target_init(&t, "/api/v1/plan");
    target_number(&t, "limit", cli_number(&c->cli, "limit", 20));
    target_number(&t, "decided", cli_number(&c->cli, "decided", 20));
    if (cursor != NULL)
        target_param(&t, "cursor", cursor);
    e = ask_value(c, "GET", target_text(&t), &body, &v, why);
    target_close(&t);
    if (e == ERR_OK && c->json)
        print_json(&v);
    else if (e == ERR_OK)
        e = show(&v, why);
    buf_free(&body);
    return e;
}
