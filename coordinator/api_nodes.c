/* What an operator does to a node: POST /api/v1/nodes/{node}/cordon, uncordon,
 * drain, maintenance?for=MS and owner?[org=ORG][&shared=true|false], DELETE
 * …/maintenance, and of the node itself [?force=true]. The node is a name, a
 * peer ID or a number. Each answers once the state has it; what follows from it
 * (copies that move) is the control loop's, and /api/v1/status shows it.
 */
#include "coordinator/api.h"

#include "coordinator/api_options.h"

#include "proto/json.h"
#include "proto/mem.h"

#include <stdlib.h>
#include <string.h>

static const struct view_node *node_of(const struct view *v, const char *text)
{
    struct json_value number = {JSON_NUMBER, text, strlen(text)};
    uint64_t id;

    for (uint32_t i = 0; i < v->n_nodes; i++)
        if (strcmp(v->nodes[i].row.name, text) == 0 ||
            strcmp(v->nodes[i].peer_text, text) == 0)
            return &v->nodes[i];
    if (!json_as_u64(&number, &id) || id > UINT32_MAX)
        return NULL;
    return view_node(v, (uint32_t)id);
}

const struct view_node *api_node_arg(struct api_call *c)
{
    const struct view_node *n = node_of(c->view, c->args[0]);

    if (n == NULL)
        api_error(c, 404, "no node has this name, peer ID or number");
    return n;
}

struct act {
    uint32_t node;
    enum node_admin admin; /* what it is now */
    bool maintains, owns;
    uint64_t for_ms;       /* its maintenance, from now on */
    uint32_t owner;        /* as are these */
    bool shared;
};

static const char *name_of(const struct view *v, uint32_t org)
{
    const struct org *o = view_org(v, org);

    return o != NULL ? o->name : "";
}

static void answer(struct api_call *c, struct replica_result *r)
{
    const struct act *a = c->state;
    const struct view_node *n = view_node(c->view, a->node);
    struct buf out = BUF_INIT;
    struct json_writer w;

    if (r->error != ERR_OK || (r->verdict != VERDICT_ACCEPTED &&
                               r->verdict != VERDICT_ALREADY)) {
        api_refuse(c, r);
        return;
    }
    c->index = r->index;
    json_init(&w, &out);
    json_object(&w);
    json_kv_u64(&w, "id", a->node);
    json_kv_text(&w, "name", n->row.name);
    json_kv_text(&w, "peer", n->peer_text);
    json_kv_text(&w, "admin", node_admin_text(a->admin));
    json_kv_bool(&w, "changed", r->verdict == VERDICT_ACCEPTED);
    json_kv_u64(&w, "copies", n->row.copies);
    if (a->maintains)
        json_kv_u64(&w, "maintenance_ms", a->for_ms);
    if (a->owns) {
        json_kv_text(&w, "owner", name_of(c->view, a->owner));
        json_kv_bool(&w, "shared", a->shared);
    }
    json_object_end(&w);
    buf_byte(&out, '\n');
    api_json(c, 200, &out);
    buf_free(&out);
}

static void act(struct api_call *c, struct command *k, uint32_t node,
                enum node_admin admin)
{
    struct act *a = mem_alloc(sizeof *a);

    a->node = node;
    a->admin = admin;
    c->state = a;
    c->state_free = free;
    api_propose(c, k, answer);
}

static void set_admin(struct api_call *c, enum node_admin admin)
{
    const struct view_node *n = api_node_arg(c);
    struct command *k;

    if (n == NULL)
        return;
    k = api_command(c, COMMAND_NODE_STATE);
    k->node_state = (struct command_node_state){
        n->row.id, (uint8_t)admin, NODE_STATE_KEEP, NODE_STATE_KEEP};
    act(c, k, n->row.id, admin);
}

void api_node_cordon(struct api_call *c, const struct http_head *h)
{
    (void)h;
    set_admin(c, ADMIN_CORDONED);
}

void api_node_uncordon(struct api_call *c, const struct http_head *h)
{
    (void)h;
    set_admin(c, ADMIN_ACTIVE);
}

void api_node_drain(struct api_call *c, const struct http_head *h)
{
    (void)h;
    set_admin(c, ADMIN_DRAINING);
}

void api_node_remove(struct api_call *c, const struct http_head *h)
{
    const struct view_node *n = api_node_arg(c);
    const char *force = api_param(c, "force");
    struct command *k;

    (void)h;
    if (n == NULL)
        return;
    if (force != NULL && strcmp(force, "true") != 0 &&
        strcmp(force, "false") != 0) {
        api_error(c, 400, "force: '%.64s' is neither true nor false", force);
        return;
    }
    k = api_command(c, COMMAND_NODE_REMOVE);
    k->node_remove.node = n->row.id;
    k->node_remove.force = force != NULL && strcmp(force, "true") == 0;
    act(c, k, n->row.id, ADMIN_REMOVED);
}

static void maintain(struct api_call *c, const struct view_node *n,
                     uint64_t for_ms)
{
    struct command *k = api_command(c, COMMAND_MAINTAIN);
    struct act *a;

    k->maintain = (struct command_maintain){n->row.id, for_ms};
    act(c, k, n->row.id, n->row.admin);
    a = c->state;
    a->maintains = true;
    a->for_ms = for_ms;
}

void api_node_maintain(struct api_call *c, const struct http_head *h)
{
    const struct view_node *n = api_node_arg(c);
    const char *text = api_param(c, "for");
    struct json_value v = {JSON_NUMBER, text, text == NULL ? 0 : strlen(text)};
    uint64_t for_ms = 0;

    (void)h;
    if (n == NULL)
        return;
    if (text == NULL || !json_as_u64(&v, &for_ms) || for_ms == 0 ||
        for_ms > NODE_MAINTENANCE_MS) {
        api_error(c, 400, "for: a number of milliseconds from 1 to %llu",
                  (unsigned long long)NODE_MAINTENANCE_MS);
        return;
    }
    maintain(c, n, for_ms);
}

void api_node_maintained(struct api_call *c, const struct http_head *h)
{
    const struct view_node *n = api_node_arg(c);

    (void)h;
    if (n != NULL)
        maintain(c, n, 0);
}

/* What is named, into k; false: answered. */
static bool read_owner(struct api_call *c, struct command_node_owner *k)
{
    const char *org = api_param(c, "org"), *shared = api_param(c, "shared");
    const struct org *o = org != NULL ? api_org_find(c->view, org) : NULL;
    bool share;

    if (org == NULL && shared == NULL)
        api_error(c, 400, "say org, or shared, or both");
    else if (org != NULL && o == NULL)
        api_error(c, 404, "no organisation has this name or number");
    else if (!api_bool_parse(shared, false, &share))
        api_error(c, 400, "shared: '%.64s' is neither true nor false",
                  shared);
    else {
        k->owner = o != NULL ? o->id : NODE_OWNER_KEEP;
        k->closed = shared != NULL ? !share : NODE_STATE_KEEP;
        return true;
    }
    return false;
}

void api_node_owner(struct api_call *c, const struct http_head *h)
{
    const struct view_node *n = api_node_arg(c);
    struct command_node_owner put;
    struct command *k;
    struct act *a;

    (void)h;
    if (n == NULL || !read_owner(c, &put))
        return;
    put.node = n->row.id;
    k = api_command(c, COMMAND_NODE_OWNER);
    k->node_owner = put;
    act(c, k, n->row.id, n->row.admin);
    a = c->state;
    a->owns = true;
    a->owner = put.owner != NODE_OWNER_KEEP ? put.owner : n->row.org;
    a->shared = put.closed != NODE_STATE_KEEP ? put.closed == 0
                                              : !n->row.closed;
}
