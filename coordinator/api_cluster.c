/* Nodes and health in IPFS Cluster's forms: /id, /version, /health/…,
 * /monitor/metrics. All from the view, none waits. /peers and /health/graph
 * are in api_graph.c.
 */
#include "coordinator/api.h"

#include "coordinator/api_object.h"
#include "proto/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { METRIC_TTL_MS = 30000 };

void api_id(struct api_call *c, const struct http_head *h)
{
    struct buf b = BUF_INIT;

    (void)h;
    api_object_self_id(c->view, &b);
    buf_byte(&b, '\n');
    api_json(c, 200, &b);
    buf_free(&b);
}

void api_version(struct api_call *c, const struct http_head *h)
{
    struct buf b = BUF_INIT;

    (void)h;
    buf_text(&b, "{\"version\":\"" PINFOLD_VERSION "\"}\n");
    api_json(c, 200, &b);
    buf_free(&b);
}

void api_health(struct api_call *c, const struct http_head *h)
{
    (void)h;
    api_json(c, 204, NULL);
}

void api_health_bandwidth(struct api_call *c, const struct http_head *h)
{
    struct buf b = BUF_INIT;

    (void)h;
    buf_text(&b, "{}\n");
    api_json(c, 200, &b);
    buf_free(&b);
}

/* --- metrics and alerts ------------------------------------------------- */

static void ping_value(const struct view_node *n, struct buf *out)
{
    struct json_writer w;

    json_init(&w, out);
    json_object(&w);
    json_kv_text(&w, "peer_name", n->row.name);
    if (n->ipfs.n != 0)
        json_kv_text(&w, "ipfs_id", n->ipfs_text);
    json_key(&w, "ipfs_addresses");
    json_array(&w);
    for (uint32_t i = 0; i < n->n_addrs; i++)
        json_text(&w, n->addrs[i]);
    json_array_end(&w);
    json_object_end(&w);
}

/* The value of a metric of a node; false if it has none. */
static bool metric_value(const struct view_node *n, const char *name,
                         struct buf *out, uint64_t *weight)
{
    const char *label;

    *weight = 0;
    if (strcmp(name, "ping") == 0) {
        ping_value(n, out);
        return true;
    }
    if (strncmp(name, "tag:", 4) == 0) {
        label = node_label(&n->row, name + 4);
        if (label != NULL)
            buf_text(out, label);
        return label != NULL;
    }
    if (strcmp(name, "freespace") == 0)
        *weight = n->free_bytes;
    else if (strcmp(name, "reposize") == 0)
        *weight = n->repo_size;
    else if (strcmp(name, "pinqueue") == 0)
        *weight = n->queue;
    else if (strcmp(name, "numpin") == 0)
        *weight = n->row.copies;
    else
        return false;
    if (*weight > INT64_MAX)
        *weight = INT64_MAX;
    buf_printf(out, "%llu", (unsigned long long)*weight);
    return true;
}

/* Fields of a Metric, into an object that the caller closes. */
static void metric_fields(struct json_writer *w, const struct view_node *n,
                          uint64_t beat_wall_ms, const char *name,
                          const struct buf *value, uint64_t weight,
                          bool valid)
{
    uint64_t ns = beat_wall_ms * 1000000;

    json_object(w);
    json_kv_text(w, "name", name);
    json_kv_text(w, "peer", n->peer_text);
    json_key(w, "value");
    json_textn(w, span_buf(value));
    json_kv_u64(w, "expire", ns + (uint64_t)METRIC_TTL_MS * 1000000);
    json_kv_bool(w, "valid", valid);
    json_kv_u64(w, "weight", weight);
    json_kv_bool(w, "partitionable", strncmp(name, "tag:", 4) == 0);
    json_kv_u64(w, "received_at", ns);
}

void api_metric(struct api_call *c, const struct http_head *h)
{
    struct buf b = BUF_INIT, value = BUF_INIT;
    struct json_writer w;

    (void)h;
    json_init(&w, &b);
    json_array(&w);
    for (uint32_t i = 0; i < c->view->n_nodes; i++) {
        const struct view_node *n = &c->view->nodes[i];
        uint64_t weight;

        buf_reset(&value);
        if (n->beat_wall_ms + METRIC_TTL_MS <= c->view->wall_ms ||
            !metric_value(n, c->args[0], &value, &weight))
            continue;
        metric_fields(&w, n, n->beat_wall_ms, c->args[0], &value, weight,
                      true);
        json_object_end(&w);
    }
    json_array_end(&w);
    buf_byte(&b, '\n');
    api_json(c, 200, &b);
    buf_free(&b);
    buf_free(&value);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void api_metric_names(struct api_call *c, const struct http_head *h)
{
    static const char *const fixed[] = {"freespace", "numpin", "ping",
                                        "pinqueue", "reposize"};
    char **names = mem_array(5 + (size_t)c->view->n_nodes * LIMIT_LABELS,
                             sizeof *names);
    size_t n = 0;
    struct buf b = BUF_INIT;
    struct json_writer w;

    (void)h;
    for (size_t i = 0; i < 5 && c->view->n_nodes > 0; i++)
        names[n++] = mem_text(fixed[i]);
    for (uint32_t i = 0; i < c->view->n_nodes; i++)
        for (uint32_t k = 0; k < c->view->nodes[i].row.n_labels; k++) {
            char text[LIMIT_LABEL + 8];

            snprintf(text, sizeof text, "tag:%s",
                     c->view->nodes[i].row.labels[k].key);
            names[n++] = mem_text(text);
        }
    qsort(names, n, sizeof *names, by_text);
    json_init(&w, &b);
    json_array(&w);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || strcmp(names[i], names[i - 1]) != 0)
            json_text(&w, names[i]);
    json_array_end(&w);
    buf_byte(&b, '\n');
    api_json(c, 200, &b);
    for (size_t i = 0; i < n; i++)
        free(names[i]);
    free(names);
    buf_free(&b);
}

/* Nodes that fell since this coordinator was started; the newest first. Who
 * was removed since is no longer shown. */
void api_health_alerts(struct api_call *c, const struct http_head *h)
{
    const struct view *v = c->view;
    struct buf b = BUF_INIT, value = BUF_INIT;
    struct json_writer w;

    (void)h;
    json_init(&w, &b);
    json_array(&w);
    for (uint32_t i = v->n_alerts; i-- > 0;) {
        const struct view_alert *a = &v->alerts[i];
        const struct view_node *n = view_node(v, a->node);

        if (n == NULL)
            continue;
        buf_reset(&value);
        ping_value(n, &value);
        metric_fields(&w, n, a->beat_wall_ms, "ping", &value, 0, false);
        api_kv_time(&w, "triggered_at", a->at_ms);
        json_object_end(&w);
    }
    json_array_end(&w);
    buf_byte(&b, '\n');
    api_json(c, 200, &b);
    buf_free(&b);
    buf_free(&value);
}
