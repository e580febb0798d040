/* node orphans: pins under a cluster's name that no order names, of one node
 * or of all. A node that cannot be asked does not keep the others.
 */
#include "ctl/commands.h"

#include "ctl/ask.h"
#include "ctl/print.h"
#include "ctl/table.h"
#include "proto/limits.h"

#include <stdio.h>

static const struct table_column columns[] = {
    {"NODE", false}, {"CLUSTER", false}, {"CID", false},
    {"MODE", false}, {"NAME", false},    {NULL, false},
};

struct orphans {
    struct ctl *ctl;
    struct table table;
    struct print_list list;
    enum err first; /* failure of a node */
    struct err_text why;
};

static enum err on_orphan(void *arg, const struct json_value *v,
                          struct err_text *why)
{
    struct orphans *o = arg;
    char tag[16] = "";
    uint64_t pin;

    if (!json_get_string(v, "tag", tag, sizeof tag) ||
        !json_get_u64(v, "pin", &pin))
        return err_set(why, ERR_PROTOCOL, "malformed answer: not an orphan");
    if (o->ctl->json) {
        print_list_item(&o->list, v);
    } else {
        table_text(&o->table, v, "node");
        table_text(&o->table, v, "cluster");
        table_text(&o->table, v, "cid");
        table_text(&o->table, v, "mode");
        table_cellf(&o->table, "pinfold:%s:%llu", tag,
                    (unsigned long long)pin);
    }
    return print_failed() ? ERR_CLOSED : ERR_OK;
}

static enum err ask_node(struct orphans *o, const char *node,
                         struct err_text *why)
{
    struct target t;
    enum err e;

    target_init(&t, "/api/v1/nodes");
    target_name(&t, node);
    target_path(&t, "orphans");
    e = ask_stream(o->ctl, "GET", target_text(&t), on_orphan, o, why);
    target_close(&t);
    return e;
}

static enum err ask_all(struct orphans *o, struct err_text *why)
{
    struct buf body = BUF_INIT;
    struct json_value v, list, node;
    struct span key;
    size_t it = 0;
    enum err e = ask_value(o->ctl, "GET", "/api/v1/status", &body, &v, why);

    if (e == ERR_OK &&
        (!json_get(&v, "nodes", &list) || list.type != JSON_ARRAY))
        e = err_set(why, ERR_PROTOCOL, "malformed answer: no nodes");
    while (e == ERR_OK && json_next(&list, &it, &key, &node)) {
        char name[LIMIT_NAME + 1] = "", peer[LIMIT_PEER_ID_TEXT] = "";
        struct err_text text = {""};

        (void)json_get_string(&node, "name", name, sizeof name);
        (void)json_get_string(&node, "peer", peer, sizeof peer);
        e = ask_node(o, peer, &text);
        if (e == ERR_CLOSED || (e != ERR_OK && print_failed())) {
            *why = text;
            break;
        }
        if (e != ERR_OK && o->first == ERR_OK) {
            o->first = e;
            err_set(&o->why, e, "%s: %s", name, text.text);
        } else if (e != ERR_OK) {
            print_failure(text.text);
        }
        e = ERR_OK;
    }
    buf_free(&body);
    return e;
}

enum err cmd_node_orphans(struct ctl *c, struct err_text *why)
{
    struct orphans o = {.ctl = c};
    enum err e;

    table_init(&o.table, columns, stdout);
    e = c->cli.n_args > 0 ? ask_node(&o, c->cli.args[0], why)
                          : ask_all(&o, why);
    if (c->json && e == ERR_OK && o.first == ERR_OK)
        print_list_end(&o.list);
    else if (c->json && o.list.open)
        fputc('\n', stdout);
    else if (!c->json && (e == ERR_OK || o.table.begun || o.table.rows > 0))
        table_end(&o.table);
    table_drop(&o.table);
    if (e == ERR_OK && o.first != ERR_OK) {
        *why = o.why;
        e = o.first;
    }
    return e;
}
