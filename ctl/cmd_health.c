/* health, its graph, metrics and alerts; and version. */
#include "ctl/commands.h"

#include "ctl/answer.h"
#include "ctl/ask.h"
#include "ctl/interrupt.h"
#include "ctl/print.h"
#include "ctl/table.h"

#include <stdio.h>
#include <string.h>

enum { TEXT = 512 };

static const struct table_column host_columns[] = {
    {"HOST", false}, {"READY", false}, {"REASON", false}, {NULL, false}};
static const struct table_column version_columns[] = {
    {"HOST", false}, {"VERSION", false}, {"ERROR", false}, {NULL, false}};
static const struct table_column metric_columns[] = {
    {"PEER", false},  {"METRIC", false}, {"VALUE", false},
    {"EXPIRES", false}, {NULL, false}};
static const struct table_column alert_columns[] = {
    {"WHEN", false}, {"PEER", false}, {"METRIC", false}, {"VALUE", false},
    {NULL, false}};
static const struct table_column graph_columns[] = {
    {"NODE", false}, {"PEER ID", false}, {"SEES NODES", true},
    {"IPFS ID", false}, {"IPFS PEERS", true}, {NULL, false}};

/* --- each host ---------------------------------------------------------- */

struct each {
    const char *target, *key; /* key: of the answer's text */
    const char *json_key;     /* of our output */
    bool ready;               /* show whether it answered well */
    unsigned good;
    enum err error;           /* of the first that failed */
};

static void put_json(struct json_writer *w, const struct each *x,
                     const char *host, bool good, const char *text)
{
    json_object(w);
    json_kv_text(w, "host", host);
    if (x->ready)
        json_kv_bool(w, "ready", good);
    json_kv_text(w, good ? x->json_key : "error", text);
    json_object_end(w);
}

static void put_row(struct table *t, const struct each *x, const char *host,
                    bool good, const char *text)
{
    table_cell(t, host);
    if (x->ready) {
        table_cell(t, good ? "yes" : "no");
        table_cell(t, good ? "" : text);
    } else {
        table_cell(t, good ? text : "");
        table_cell(t, good ? "" : text);
    }
}

/* Asks every host, into rows and JSON. */
static enum err ask_each(struct ctl *c, struct each *x, struct table *t,
                         struct json_writer *w)
{
    for (unsigned i = 0; i < c->hosts.n; i++) {
        struct client_call q = {.method = "GET",
                                .target = x->target,
                                .only = true,
                                .host = i};
        struct err_text why = {""};
        char text[TEXT] = "";
        enum err e = client_call(&c->client, &q, &why);
        struct json_value v;

        if (interrupt_seen() != 0) {
            buf_free(&q.body);
            return ERR_CLOSED;
        }
        /* Something else may answer at that port, and anything with 200. */
        if (e == ERR_OK &&
            (json_parse(q.body.p, q.body.n, &v, NULL) != ERR_OK ||
             v.type != JSON_OBJECT))
            e = err_set(&why, ERR_PROTOCOL,
                        "malformed answer: not of a coordinator");
        if (e == ERR_OK)
            (void)json_get_string(&v, x->key, text, sizeof text);
        x->good += e == ERR_OK;
        if (e != ERR_OK && x->error == ERR_OK)
            x->error = e;
        put_json(w, x, c->hosts.list[i].text, e == ERR_OK,
                 e == ERR_OK ? text : why.text);
        put_row(t, x, c->hosts.list[i].text, e == ERR_OK,
                e == ERR_OK ? text : why.text);
        buf_free(&q.body);
    }
    return ERR_OK;
}

static void print_made(const struct buf *json)
{
    struct json_value v = {JSON_OBJECT, (const char *)json->p, json->n};

    print_json(&v);
}

enum err cmd_health(struct ctl *c, struct err_text *why)
{
    struct each x = {.target = "/readyz", .key = "reason",
                     .json_key = "reason", .ready = true};
    struct buf json = BUF_INIT;
    struct json_writer w;
    struct table t;
    enum err e;

    json_init(&w, &json);
    json_array(&w);
    table_init(&t, host_columns, stdout);
    e = ask_each(c, &x, &t, &w);
    if (e == ERR_OK && c->json) {
        json_array_end(&w);
        print_made(&json);
    } else if (e == ERR_OK) {
        table_end(&t);
    }
    table_drop(&t);
    buf_free(&json);
    if (e != ERR_OK || x.good > 0)
        return e;
    return err_set(why, ERR_NOT_READY, "no coordinator is ready");
}

enum err cmd_version(struct ctl *c, struct err_text *why)
{
    struct each x = {.target = "/version", .key = "version",
                     .json_key = "version"};
    struct buf json = BUF_INIT;
    struct json_writer w;
    struct table t;
    enum err e;

    json_init(&w, &json);
    json_object(&w);
    json_kv_text(&w, "client", PINFOLD_VERSION);
    json_key(&w, "servers");
    json_array(&w);
    table_init(&t, version_columns, stdout);
    e = ask_each(c, &x, &t, &w);
    if (e == ERR_OK && c->json) {
        json_array_end(&w);
        json_object_end(&w);
        print_made(&json);
    } else if (e == ERR_OK) {
        printf("pinfold %s\n", PINFOLD_VERSION);
        table_end(&t);
    }
    table_drop(&t);
    buf_free(&json);
    if (e != ERR_OK || x.good > 0)
        return e;
    return err_set(why, x.error, "no coordinator answered");
}

/* --- metrics and alerts ------------------------------------------------- */

static void cell_value(struct table *t, const struct json_value *v)
{
    char name[TEXT] = "", text[TEXT] = "";
    int64_t weight = answer_signed(v, "weight");

    (void)json_get_string(v, "name", name, sizeof name);
    (void)json_get_string(v, "value", text, sizeof text);
    if (weight > 0 && (strcmp(name, "freespace") == 0 ||
                       strcmp(name, "reposize") == 0))
        table_size(t, (uint64_t)weight);
    else
        table_cell(t, text);
}

static void row_metric(struct table *t, const struct json_value *v)
{
    int64_t left = answer_signed(v, "expire") / 1000000 - print_now_ms();
    char span[PRINT_TIME];

    table_text(t, v, "peer");
    table_text(t, v, "name");
    cell_value(t, v);
    if (left > 0)
        table_cellf(t, "in %s", print_span((uint64_t)left, span));
    else
        table_cell(t, "expired");
}

static void row_alert(struct table *t, const struct json_value *v)
{
    table_time(t, v, "triggered_at", print_now_ms());
    table_text(t, v, "peer");
    table_text(t, v, "name");
    cell_value(t, v);
}

static enum err show_array(struct ctl *c, const char *target,
                           const struct table_column *columns,
                           table_row_cb *row, struct err_text *why)
{
    struct buf body = BUF_INIT;
    struct json_value all;
    enum err e = ask_value(c, "GET", target, &body, &all, why);

    if (e == ERR_OK && all.type != JSON_ARRAY)
        e = err_set(why, ERR_PROTOCOL, "malformed answer: no list");
    if (e == ERR_OK && c->json)
        print_json(&all);
    else if (e == ERR_OK)
        table_list(columns, &all, row);
    buf_free(&body);
    return e;
}

static void row_name(struct table *t, const struct json_value *v)
{
    char text[TEXT] = "";

    (void)json_string(v, text, sizeof text);
    table_cell(t, text);
}

enum err cmd_health_metrics(struct ctl *c, struct err_text *why)
{
    static const struct table_column names[] = {{"METRIC", false},
                                                {NULL, false}};
    struct target t;
    enum err e;

    if (c->cli.n_args == 0)
        return show_array(c, "/monitor/metrics", names, row_name, why);
    if (c->cli.args[0][0] == 0 || strchr(c->cli.args[0], '/') != NULL)
        return err_set(why, ERR_USAGE, "'%.60s' is no name of a metric",
                       c->cli.args[0]);
    target_init(&t, "/monitor/metrics");
    target_path(&t, c->cli.args[0]);
    e = show_array(c, target_text(&t), metric_columns, row_metric, why);
    target_close(&t);
    return e;
}

enum err cmd_health_alerts(struct ctl *c, struct err_text *why)
{
    return show_array(c, "/health/alerts", alert_columns, row_alert, why);
}

/* --- graph -------------------------------------------------------------- */

static void show_graph(const struct json_value *all)
{
    static const struct json_value none = {JSON_OBJECT, "{}", 2};
    struct json_value links = none, names = none, ids = none, ipfs = none, v;
    struct span key;
    struct table t;
    size_t it = 0;

    table_init(&t, graph_columns, stdout);
    (void)json_get(all, "id_to_peername", &names);
    (void)json_get(all, "cluster_to_ipfs", &ids);
    (void)json_get(all, "ipfs_links", &ipfs);
    if (json_get(all, "cluster_links", &links))
        while (json_next(&links, &it, &key, &v)) {
            char peer[TEXT], id[TEXT] = "";

            snprintf(peer, sizeof peer, "%.*s",
                     key.n < TEXT ? (int)key.n : 0, (const char *)key.p);
            table_text(&t, &names, peer);
            table_cell(&t, peer);
            table_cellf(&t, "%u", answer_count(&links, peer));
            (void)json_get_string(&ids, peer, id, sizeof id);
            table_cell(&t, id);
            table_cellf(&t, "%u", answer_count(&ipfs, id));
        }
    table_end(&t);
}

enum err cmd_health_graph(struct ctl *c, struct err_text *why)
{
    return ask_show(c, "GET", "/health/graph", "cluster_links", show_graph,
                    why);
}
