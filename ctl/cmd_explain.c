/* explain: why the copies of a pin are where they are, what the cluster would
 * do next, and which nodes could take another copy. The words are the
 * coordinator's; this lays them out.
 */
#include "ctl/commands.h"

#include "ctl/answer.h"
#include "ctl/ask.h"
#include "ctl/decisions.h"
#include "ctl/print.h"
#include "ctl/table.h"

#include <stdio.h>
#include <string.h>

static const struct table_column copy_columns[] = {
    {"COPY ON", false}, {"STATE", false}, {"SINCE", false}, {"SIZE", true},
    {"NODE IS", false}, {"WHY", false},   {"ERROR", false}, {NULL, false},
};

static const struct table_column candidate_columns[] = {
    {"CANDIDATE", false}, {"TURN", true}, {"LOAD", true}, {"FREE", true},
    {"DISK FREE", true},  {"DOMAIN", false}, {"REMARK", false},
    {NULL, false},
};

static const struct table_column other_columns[] = {
    {"OTHER NODE", false}, {"LOAD", true},   {"FREE", true},
    {"DISK FREE", true},   {"DOMAIN", false}, {"WHY NOT", false},
    {NULL, false},
};

static const struct table_column scope_columns[] = {
    {"PAID BY", false}, {"SCOPE", false}, {"OF", false},   {"USED", true},
    {"LIMIT", true},    {"FREE", true},   {"REMARK", false}, {NULL, false},
};

struct parts {
    struct json_value coordinator, pin, next, copies, nodes;
    struct json_value quotas; /* none of an older coordinator */
};

/* --- pin ---------------------------------------------------------------- */

static struct json_value part_of(const struct json_value *v, const char *key)
{
    struct json_value part = {JSON_NULL, "null", 4};

    (void)json_get(v, key, &part);
    return part;
}

static void show_wanted(const struct json_value *pin)
{
    struct json_value r = part_of(pin, "replication");
    char text[ANSWER_TEXT];
    long long min = answer_signed(&r, "min"), max = answer_signed(&r, "max");
    long long least = answer_signed(&r, "binding_min");

    answer_text(&r, "text", text);
    if (min < 0)
        print_field("REPLICATION", "%s", text);
    else if (text[0] != 0)
        print_field("REPLICATION", "%lld to %lld, %lld binds: %s", min, max,
                    least, text);
    else
        print_field("REPLICATION", "%lld to %lld", min, max);
}

static void show_policies(const struct json_value *pin)
{
    struct json_value list = answer_list(pin, "policies"), v;
    struct span key;
    size_t it = 0;
    char text[ANSWER_TEXT], missing[ANSWER_TEXT];

    while (json_next(&list, &it, &key, &v)) {
        answer_text(&v, "missing", missing);
        print_field("POLICY", "%s%s%s%s", answer_text(&v, "text", text),
                    answer_is(&v, "degraded") ? " (there are not)" : "",
                    missing[0] != 0 ? "; missing: " : "", missing);
    }
}

static void show_pin(const struct json_value *pin)
{
    struct json_value count = part_of(pin, "count");
    char text[ANSWER_TEXT], size[PRINT_SIZE], age[PRINT_TIME];

    print_field("CID", "%s", answer_text(pin, "cid", text));
    if (answer_text(pin, "name", text)[0] != 0)
        print_field("NAME", "%s", text);
    print_time(answer_text(pin, "created", text), print_now_ms(), age);
    print_field("PIN",
                "%s, %llu of %llu wanted copies pinned (%llu on nodes that "
                "are up), made %s, %s a copy%s",
                answer_text(pin, "state", text),
                (unsigned long long)answer_number(&count, "pinned"),
                (unsigned long long)answer_number(&count, "wanted"),
                (unsigned long long)answer_number(&count, "healthy"), age,
                print_size(answer_number(pin, "size"), size),
                answer_is(pin, "size_known") ? "" : " reserved");
    show_wanted(pin);
    if (answer_text(pin, "priority", text)[0] != 0)
        print_field("PRIORITY", "%s", text);
    show_policies(pin);
}

static void show_next(const struct parts *p)
{
    char text[ANSWER_TEXT];

    print_field("NEXT", "%s", answer_text(&p->next, "text", text));
    if (answer_is(&p->next, "sampled"))
        print_field("TURNS", "best of 4 nodes that stand for this CID, not of "
                    "all: emptier ones may come later");
    print_field("ANSWERED BY", "%s, %s, index %llu",
                answer_text(&p->coordinator, "name", text),
                answer_is(&p->coordinator, "leader")
                    ? "which leads and decides"
                    : "by what it knows itself",
                (unsigned long long)answer_number(&p->coordinator, "applied"));
}

/* --- tables ------------------------------------------------------------- */

/* A removed node has no name any more. */
static void show_copy(struct table *t, const struct json_value *copy)
{
    char text[ANSWER_TEXT];

    if (answer_text(copy, "node", text)[0] != 0)
        table_cell(t, text);
    else
        table_cellf(t, "#%llu",
                    (unsigned long long)answer_number(copy, "id"));
    if (strcmp(answer_text(copy, "want", text), "released") == 0)
        table_cell(t, "letting go");
    else
        table_text(t, copy, "state");
    table_time(t, copy, "since", print_now_ms());
    table_bytes(t, copy, "size");
    table_text(t, copy, "node_state");
    table_text(t, copy, "text");
    table_text(t, copy, "last_error");
}

static void cell_load(struct table *t, const struct json_value *node)
{
    uint64_t permille;

    if (json_get_u64(node, "load_permille", &permille))
        table_cellf(t, "%llu.%llu%%", (unsigned long long)permille / 10,
                    (unsigned long long)permille % 10);
    else
        table_cell(t, "");
}

/* Empty: unknown. */
static void cell_bytes(struct table *t, const struct json_value *v,
                       const char *key)
{
    uint64_t bytes;

    if (json_get_u64(v, key, &bytes))
        table_size(t, bytes);
    else
        table_cell(t, "");
}

static void cell_domain(struct table *t, const struct json_value *node)
{
    struct json_value domain = part_of(node, "domain");
    char level[ANSWER_TEXT], name[ANSWER_TEXT];

    if (answer_text(&domain, "level", level)[0] != 0)
        table_cellf(t, "%.64s %.256s", level,
                    answer_text(&domain, "name", name));
    else
        table_cell(t, "");
}

static void show_candidate(struct table *t, const struct json_value *node)
{
    char text[ANSWER_TEXT];

    table_text(t, node, "name");
    table_number(t, node, "rank");
    cell_load(t, node);
    cell_bytes(t, node, "free_bytes");
    cell_bytes(t, node, "disk_free_bytes");
    cell_domain(t, node);
    if (strcmp(answer_text(node, "verdict", text), "candidate") != 0)
        table_text(t, node, "text");
    else
        table_cell(t, answer_is(node, "shares_domain")
                          ? "a copy is in its domain already" : "");
}

static void show_other(struct table *t, const struct json_value *node)
{
    table_text(t, node, "name");
    cell_load(t, node);
    cell_bytes(t, node, "free_bytes");
    cell_bytes(t, node, "disk_free_bytes");
    cell_domain(t, node);
    table_text(t, node, "text");
}

/* Those with a rank, or the others. */
static void show_nodes(const struct json_value *nodes, bool ranked)
{
    struct json_value node;
    struct table t;
    struct span key;
    size_t it = 0;

    table_init_some(&t, ranked ? candidate_columns : other_columns, stdout);
    while (json_next(nodes, &it, &key, &node)) {
        if ((answer_number(&node, "rank") > 0) != ranked)
            continue;
        if (ranked)
            show_candidate(&t, &node);
        else
            show_other(&t, &node);
    }
    table_end(&t);
}

/* --- budgets ------------------------------------------------------------ */

/* Bytes, or a number of pins; null: no limit. */
static void cell_amount(struct table *t, const struct json_value *scope,
                        const char *key)
{
    char kind[ANSWER_TEXT];
    uint64_t n;

    if (!json_get_u64(scope, key, &n))
        table_cell(t, "none");
    else if (strcmp(answer_text(scope, "kind", kind), "pins") == 0)
        table_cellf(t, "%llu", (unsigned long long)n);
    else
        table_size(t, n);
}

static void show_scope(struct table *t, const char *org,
                       const struct json_value *scope)
{
    uint64_t needs = answer_number(scope, "needs"), left;
    bool lacks = json_get_u64(scope, "free", &left) && left < needs;
    char text[ANSWER_TEXT], size[PRINT_SIZE];

    table_cell(t, org);
    if (answer_text(scope, "tag", text)[0] != 0)
        table_cellf(t, "tag:%s", text);
    else
        table_text(t, scope, "scope");
    table_text(t, scope, "kind");
    cell_amount(t, scope, "used");
    cell_amount(t, scope, "limit");
    cell_amount(t, scope, "free");
    if (lacks)
        table_cellf(t, "needs %s%s", print_size(needs, size),
                    answer_is(scope, "binds") ? ": this binds" : "");
    else
        table_cell(t, answer_is(scope, "binds") ? "binds first" : "");
}

static void show_quotas(const struct json_value *quotas)
{
    struct json_value quota, scope, scopes;
    struct span key, none;
    size_t it = 0, at;
    struct table t;
    char name[ANSWER_TEXT];

    table_init_some(&t, scope_columns, stdout);
    while (json_next(quotas, &it, &key, &quota)) {
        scopes = answer_list(&quota, "scopes");
        answer_text(&quota, "name", name);
        at = 0;
        while (json_next(&scopes, &at, &none, &scope))
            show_scope(&t, name, &scope);
    }
    table_end(&t);
}

static enum err read_parts(const struct json_value *v, struct parts *p,
                           struct err_text *why)
{
    p->quotas = answer_list(v, "quotas");
    if (json_get(v, "coordinator", &p->coordinator) &&
        json_get(v, "pin", &p->pin) && p->pin.type == JSON_OBJECT &&
        json_get(v, "next", &p->next) && p->next.type == JSON_OBJECT &&
        json_get(v, "copies", &p->copies) && p->copies.type == JSON_ARRAY &&
        json_get(v, "nodes", &p->nodes) && p->nodes.type == JSON_ARRAY)
        return ERR_OK;
    return err_set(why, ERR_PROTOCOL,
                   "malformed answer: not the explanation of a pin");
}

enum err cmd_explain(struct ctl *c, struct err_text *why)
{
    struct buf body = BUF_INIT;
    struct json_value v;
    struct parts p;
    struct target t;
    enum err e = ask_cid(c, &t, "/api/v1/pins", "explain", why);

    if (e == ERR_OK)
        e = ask_value(c, "GET", target_text(&t), &body, &v, why);
    target_close(&t);
    if (e == ERR_OK)
        e = read_parts(&v, &p, why);
    if (e == ERR_OK && c->json) {
        print_json(&v);
    } else if (e == ERR_OK) {
        show_pin(&p.pin);
        show_next(&p);
        putchar('\n');
        table_list(copy_columns, &p.copies, show_copy);
        decisions_show(&v, false);
        show_quotas(&p.quotas);
        show_nodes(&p.nodes, true);
        show_nodes(&p.nodes, false);
    }
    buf_free(&body);
    return e;
}
