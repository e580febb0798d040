/* status: of the cluster, of single pins; and node ls. */
#include "ctl/commands.h"

#include "ctl/answer.h"
#include "ctl/ask.h"
#include "ctl/pinview.h"
#include "ctl/print.h"
#include "ctl/table.h"

#include <stdio.h>
#include <string.h>

static const struct table_column coordinator_columns[] = {
    {"COORDINATOR", false}, {"ROLE", false},    {"READY", false},
    {"LINK", false},        {"APPLIED", true},  {"LAG", true},
    {"PEER ADDRESS", false}, {"API ADDRESS", false}, {NULL, false},
};

static const struct table_column node_columns[] = {
    {"NODE", false},    {"STATE", false},    {"DAEMON", false},
    {"COPIES", true},   {"QUEUE", true},     {"USED", true},
    {"CAPACITY", true}, {"IN/s", true},      {"OUT/s", true},
    {"SEEN", true},     {"REMARK", false},   {NULL, false},
};

static const struct table_column node_long_columns[] = {
    {"NODE", false},  {"STATE", false},   {"PEER ID", false},
    {"LABELS", false}, {"COPIES", true},  {"USED", true},
    {"CAPACITY", true}, {"FREE", true},   {"VERIFIED", true},
    {"IPFS VERSION", false}, {"AGENT", false}, {NULL, false},
};

static const struct table_column copy_columns[] = {
    {"NODE", false},     {"STATE", false}, {"SINCE", false},
    {"ATTEMPTS", true},  {"BYTES", true},  {"ERROR", false},
    {NULL, false},
};

/* 0 stands for unknown. */
static void cell_size(struct table *t, const struct json_value *v,
                      const char *key)
{
    uint64_t n = answer_number(v, key);

    if (n == 0)
        table_cell(t, "");
    else
        table_size(t, n);
}

static void cell_labels(struct table *t, const struct json_value *node)
{
    struct json_value labels, value;
    struct buf text = BUF_INIT;
    struct span key;
    size_t it = 0;

    if (json_get(node, "labels", &labels) && labels.type == JSON_OBJECT)
        while (json_next(&labels, &it, &key, &value))
            buf_printf(&text, "%s%.*s=%.*s", text.n > 0 ? "," : "",
                       (int)key.n, (const char *)key.p, (int)value.n,
                       value.p);
    table_cell(t, buf_cstr(&text));
    buf_free(&text);
}

static void cell_seen(struct table *t, const struct json_value *node)
{
    char span[PRINT_TIME];
    uint64_t ms;

    if (json_get_u64(node, "last_beat_ms_ago", &ms))
        table_cell(t, print_span(ms, span));
    else
        table_cell(t, "never");
}

/* --- the cluster -------------------------------------------------------- */

static void row_coordinator(struct table *t, const struct json_value *v)
{
    table_text(t, v, "name");
    table_text(t, v, "role");
    table_cell(t, answer_is(v, "ready") ? "yes" : "no");
    table_cell(t, answer_number(v, "differs_at") > 0 ? "state differs"
                  : answer_is(v, "connected")        ? "up"
                                                     : "down");
    table_number(t, v, "applied");
    table_number(t, v, "lag");
    table_text(t, v, "peer_address");
    table_text(t, v, "http_address");
}

/* Not of one that is the default organisation's, and for all. */
static void remark_owner(struct buf *remark, const struct json_value *v)
{
    uint64_t leaving = answer_number(v, "moving") +
                       answer_number(v, "stuck");
    bool shared = true;
    char name[ANSWER_TEXT];

    (void)json_get_bool(v, "shared", &shared);
    (void)answer_text(v, "owner", name);
    if (shared && answer_number(v, "org") <= 1)
        return;
    buf_printf(remark, "%s%s%s%s", remark->n > 0 ? "; " : "",
               shared ? "of " : "only for ",
               name[0] == '\0' ? "another organisation" : name,
               shared ? ", shared" : "");
    if (!shared && leaving > 0)
        buf_printf(remark, ", %llu %s to move off",
                   (unsigned long long)leaving,
                   leaving == 1 ? "copy" : "copies");
}

static void cell_remark(struct table *t, const struct json_value *v)
{
    uint64_t orphans = answer_number(v, "orphans");
    uint64_t quarantined = answer_number(v, "quarantined_ms");
    uint64_t maintained = answer_number(v, "maintenance_ms");
    struct buf remark = BUF_INIT;
    char text[ANSWER_TEXT], span[PRINT_TIME];

    buf_text(&remark, answer_text(v, "daemon_text", text));
    if (quarantined > 0)
        buf_printf(&remark, "%squarantined for %s", remark.n > 0 ? "; " : "",
                   print_span(quarantined, span));
    if (maintained > 0)
        buf_printf(&remark, "%sin maintenance for %s",
                   remark.n > 0 ? "; " : "", print_span(maintained, span));
    remark_owner(&remark, v);
    if (orphans > 0 && text[0] == 0)
        buf_printf(&remark, "%s%llu orphans", remark.n > 0 ? "; " : "",
                   (unsigned long long)orphans);
    table_cell(t, buf_cstr(&remark));
    buf_free(&remark);
}

static void row_node(struct table *t, const struct json_value *v)
{
    table_text(t, v, "name");
    table_text(t, v, "state");
    table_text(t, v, "daemon");
    table_number(t, v, "copies");
    table_number(t, v, "queue");
    table_bytes(t, v, "used");
    cell_size(t, v, "capacity");
    cell_size(t, v, "rate_in");
    cell_size(t, v, "rate_out");
    cell_seen(t, v);
    cell_remark(t, v);
}

static bool nodes_of(const struct json_value *all, struct json_value *list)
{
    return json_get(all, "nodes", list) && list->type == JSON_ARRAY;
}

/* The name that belongs to the leader's number. */
static const char *leader_of(const struct json_value *all,
                             char out[ANSWER_TEXT])
{
    struct json_value list, v;
    struct span key;
    size_t it = 0;
    uint64_t id = answer_number(all, "leader");

    if (id != 0 && json_get(all, "coordinators", &list))
        while (json_next(&list, &it, &key, &v))
            if (answer_number(&v, "raft_id") == id)
                return answer_text(&v, "name", out);
    return NULL;
}

static bool is_down(const struct json_value *all)
{
    struct json_value list, v;
    struct span key;
    size_t it = 0;
    char text[ANSWER_TEXT];

    if (nodes_of(all, &list))
        while (json_next(&list, &it, &key, &v)) {
            answer_text(&v, "state", text);
            if (strcmp(text, "down") == 0 || strcmp(text, "out") == 0)
                return true;
        }
    return false;
}

/* Only the leader knows whether repair is paused. */
static void show_repair(const struct json_value *all)
{
    struct json_value v;
    char region[ANSWER_TEXT], paused[PRINT_TIME], left[PRINT_TIME];

    if (!json_get(all, "repair", &v) || v.type != JSON_OBJECT) {
        if (is_down(all))
            print_field("REPAIR", "the leader knows");
        return;
    }
    if (!answer_is(&v, "paused"))
        return;
    answer_text(&v, "region", region);
    print_field("REPAIR", "paused for %s, %s more at most: %llu of %llu nodes "
                "fell%s%s",
                print_span(answer_number(&v, "paused_ms"), paused),
                print_span(answer_number(&v, "left_ms"), left),
                (unsigned long long)answer_number(&v, "nodes_down"),
                (unsigned long long)answer_number(&v, "nodes"),
                region[0] != 0 ? ", all of region " : "", region);
}

/* Only the leader knows; without a word nothing moves as far as it does. */
static void show_balance(const struct json_value *all)
{
    struct json_value v;
    char left[PRINT_SIZE], moved[PRINT_SIZE];

    if (!json_get(all, "rebalance", &v) || v.type != JSON_OBJECT)
        return;
    if (answer_is(&v, "active"))
        print_field("REBALANCING", "%s left, %llu under way, %s moved",
                    print_size(answer_number(&v, "left_bytes"), left),
                    (unsigned long long)answer_number(&v, "moves_under_way"),
                    print_size(answer_number(&v, "moved_bytes"), moved));
}

static void show_summary(struct ctl *c, const struct json_value *all)
{
    char text[ANSWER_TEXT], leader[ANSWER_TEXT];
    struct json_value self;
    const char *name = leader_of(all, leader);

    print_field("PINS", "%llu",
                (unsigned long long)answer_number(all, "pins"));
    if (name != NULL)
        print_field("LEADER", "%s (term %llu, index %llu)", name,
                    (unsigned long long)answer_number(all, "term"),
                    (unsigned long long)answer_number(all, "commit"));
    else
        print_field("LEADER", "none");
    show_repair(all);
    show_balance(all);
    if (!json_get(all, "coordinator", &self))
        return;
    print_field("ANSWERED BY", "%s at %s, version %s",
                answer_text(&self, "name", text),
                c->hosts.list[c->client.at].text,
                answer_text(all, "version", leader));
    if (!answer_is(&self, "ready"))
        print_field("NOT READY", "%s", answer_text(&self, "reason", text));
}

static enum err ask_cluster(struct ctl *c, struct buf *body,
                            struct json_value *v, struct err_text *why)
{
    enum err e = ask_value(c, "GET", "/api/v1/status", body, v, why);

    if (e == ERR_OK && v->type != JSON_OBJECT)
        e = err_set(why, ERR_PROTOCOL,
                    "malformed answer: not the status of a cluster");
    return e;
}

static enum err cluster(struct ctl *c, struct err_text *why)
{
    struct buf body = BUF_INIT;
    struct json_value v, list;
    enum err e = ask_cluster(c, &body, &v, why);

    if (e == ERR_OK && c->json) {
        print_json(&v);
    } else if (e == ERR_OK) {
        show_summary(c, &v);
        putchar('\n');
        list = answer_list(&v, "coordinators");
        table_list(coordinator_columns, &list, row_coordinator);
        putchar('\n');
        list = answer_list(&v, "nodes");
        table_list(node_columns, &list, row_node);
    }
    buf_free(&body);
    return e;
}

/* When a copy was checked last; only the leader says. */
static void cell_verified(struct table *t, const struct json_value *node)
{
    struct json_value verify;
    char span[PRINT_TIME];
    uint64_t ms;

    if (json_get(node, "verify", &verify) && verify.type == JSON_OBJECT &&
        json_get_u64(&verify, "last_ms_ago", &ms))
        table_cellf(t, "%s ago", print_span(ms, span));
    else
        table_cell(t, "");
}

static void row_node_long(struct table *t, const struct json_value *v)
{
    char state[ANSWER_TEXT];

    table_text(t, v, "name");
    table_cellf(t, "%s%s%s", answer_text(v, "state", state),
                answer_number(v, "quarantined_ms") > 0 ? ", quarantined" : "",
                answer_number(v, "maintenance_ms") > 0 ? ", maintenance" : "");
    table_text(t, v, "peer");
    cell_labels(t, v);
    table_number(t, v, "copies");
    table_bytes(t, v, "used");
    cell_size(t, v, "capacity");
    cell_size(t, v, "free");
    cell_verified(t, v);
    table_text(t, v, "ipfs_version");
    table_text(t, v, "agent_version");
}

enum err cmd_node_ls(struct ctl *c, struct err_text *why)
{
    struct buf body = BUF_INIT;
    struct json_value v, list;
    enum err e = ask_cluster(c, &body, &v, why);

    if (e == ERR_OK && !nodes_of(&v, &list))
        e = err_set(why, ERR_PROTOCOL, "malformed answer: no nodes");
    if (e == ERR_OK && c->json)
        print_json(&list);
    else if (e == ERR_OK)
        table_list(node_long_columns, &list, row_node_long);
    buf_free(&body);
    return e;
}

/* --- single pins -------------------------------------------------------- */

static void show_copies(const struct json_value *v, const struct pinview *p)
{
    struct json_value policy;
    struct pinview_node n;
    char text[PRINT_TIME], words[1024];
    struct table t;
    size_t it = 0;
    int64_t now = print_now_ms();

    print_field("CID", "%s", p->cid);
    if (p->name[0] != 0)
        print_field("NAME", "%s", p->name);
    print_field("STATE", "%s, %u copies pinned", pinview_word(p),
                p->count[PINVIEW_PINNED]);
    if (json_get(v, "pinfold_policy", &policy) &&
        json_get_string(&policy, "text", words, sizeof words))
        print_field("POLICY", "%s", words);
    if (json_get_string(v, "pinfold_priority", words, sizeof words))
        print_field("PRIORITY", "%s", words);
    table_init(&t, copy_columns, stdout);
    while (pinview_next(p, &it, &n)) {
        if (n.state == PINVIEW_REMOTE) /* not meant to hold it */
            continue;
        table_cell(&t, n.name);
        table_cell(&t, pinview_text(n.state));
        table_cell(&t, print_time(n.since, now, text));
        table_cellf(&t, "%llu", (unsigned long long)n.attempts);
        if (n.bytes > 0)
            table_size(&t, n.bytes);
        else
            table_cell(&t, "");
        table_cell(&t, n.error);
    }
    table_end(&t);
}

static enum err show_pin(struct ctl *c, const char *cid,
                         struct print_list *list, struct err_text *why)
{
    struct buf body = BUF_INIT;
    struct json_value v;
    struct pinview p;
    struct target t;
    int64_t created;
    enum err e;

    target_init(&t, "/pins");
    target_path(&t, cid);
    e = ask_value(c, "GET", target_text(&t), &body, &v, why);
    target_close(&t);
    if (e == ERR_OK)
        e = pinview_read(&v, &p, why);
    if (e == ERR_OK) {
        if (c->json)
            print_list_item(list, &v);
        else
            show_copies(&v, &p);
        /* The server answers for a CID that it does not know, too. */
        if (pinview_gone(&p) && !print_time_read(p.created, &created))
            e = err_set(why, ERR_NOT_FOUND, "%s: not in the pinset", p.cid);
    }
    buf_free(&body);
    return e;
}

enum err cmd_status(struct ctl *c, struct err_text *why)
{
    struct print_list list = {false};
    enum err first = ERR_OK;

    if (c->cli.n_args == 0)
        return cluster(c, why);
    for (unsigned i = 0; i < c->cli.n_args; i++) {
        enum err e = ask_check(c->cli.args[i], false, why);

        if (e != ERR_OK)
            return e;
    }
    for (unsigned i = 0; i < c->cli.n_args; i++) {
        struct err_text text = {""};
        enum err e;

        if (i > 0 && !c->json)
            putchar('\n');
        e = show_pin(c, c->cli.args[i], &list, &text);
        if (e == ERR_OK)
            continue;
        if (first != ERR_OK)
            print_failure(why->text);
        first = first == ERR_OK ? e : first;
        *why = text;
        if (e != ERR_NOT_FOUND)
            return first;
    }
    if (c->json)
        print_list_end(&list);
    return first;
}
