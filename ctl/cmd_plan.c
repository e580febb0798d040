/* plan: what the cluster is about to do with its copies, what waits for what,
 * and the first pins of it. The words are the coordinator's.
 */
#include "ctl/commands.h"

#include "ctl/answer.h"
#include "ctl/ask.h"
#include "ctl/decisions.h"
#include "ctl/print.h"
#include "ctl/table.h"
#include "proto/limits.h"

#include <stdio.h>

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

static void row_group(struct table *t, const struct json_value *v)
{
    table_text(t, v, "action");
    table_text(t, v, "reason");
    table_number(t, v, "pins");
    table_number(t, v, "copies");
    table_bytes(t, v, "bytes");
    table_number(t, v, "under_way");
    table_text(t, v, "text");
}

static void row_pin(struct table *t, const struct json_value *v)
{
    table_text(t, v, "cid");
    table_text(t, v, "action");
    table_text(t, v, "reason");
    table_number(t, v, "copies");
    table_bytes(t, v, "size");
    table_nodes(t, v, "", answer_is(v, "under_way") ? "(under way)" : "");
}

static void show_collect(const struct json_value *v)
{
    struct json_value gc;
    char node[LIMIT_NODE_NAME + 1] = "";
    uint64_t due, busy;

    if (!json_get(v, "gc", &gc))
        return;
    due = answer_number(&gc, "due");
    busy = answer_number(&gc, "busy");
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
    uint64_t moving = answer_number(v, "rebalance_left_bytes");
    char name[ANSWER_TEXT] = "", left[PRINT_SIZE];
    bool leads = false;

    if (json_get(v, "coordinator", &from)) {
        answer_text(&from, "name", name);
        leads = answer_is(&from, "leader");
    }
    print_field("ANSWERED BY", "%s%s", name,
                leads ? ", the leader"
                      : "; the leader acts, and knows what is under way");
    print_field("LOOKED AT", "%llu pins%s",
                (unsigned long long)answer_number(v, "looked_at"),
                answer_is(v, "complete") ? "" : ", and there are more");
    if (answer_is(v, "repair_paused"))
        print_field("REPAIR", "paused (pinfold status)");
    if (moving > 0)
        print_field("REBALANCE", "%s are still to move",
                    print_size(moving, left));
    show_collect(v);
}

static enum err show(const struct json_value *v, struct err_text *why)
{
    struct json_value groups, pins;
    char next[ANSWER_TEXT];

    if (!json_get(v, "groups", &groups) || groups.type != JSON_ARRAY ||
        !json_get(v, "pins", &pins) || pins.type != JSON_ARRAY)
        return err_set(why, ERR_PROTOCOL, "malformed answer: not a plan");
    show_head(v);
    if (!table_list_some(group_columns, &groups, row_group))
        puts("\nnothing is to be done");
    (void)table_list_some(pin_columns, &pins, row_pin);
    decisions_show(v, true);
    if (json_get_string(v, "next", next, sizeof next)) {
        putchar('\n');
        print_text("more: pinfold plan --cursor %s", next);
        putchar('\n');
    }
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
