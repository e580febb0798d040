/* POST /peers and DELETE /peers/{peer} of IPFS Cluster. Nodes join by
 * themselves, so the first only says whether one has. The second ends with
 * the node removed, or refuses: copies leave a node that is up before it goes
 * (the request waits meanwhile; whoever leaves it leaves the drain under
 * way), and one that is not is given up only if nothing is on it alone.
 */
#include "coordinator/api.h"

#include "coordinator/api_object.h"
#include "proto/mem.h"

#include <stdlib.h>
#include <string.h>

enum {
    PEERS_BODY = 4096,
    PEERS_TICK_MS = 100,
    PEERS_STUCK_TICKS = 50,      /* the leader says that it cannot go on */
    PEERS_STILL_MS = 600000,     /* no copy left it */
    PEERS_WAITING = 64           /* requests */
};

/* --- POST --------------------------------------------------------------- */

struct asked {
    struct buf body;
};

static void asked_free(void *state)
{
    struct asked *a = state;

    buf_free(&a->body);
    free(a);
}

static void on_body(struct api_call *c, const char *p, size_t n)
{
    struct asked *a = c->state;

    if (a->body.n + n <= PEERS_BODY)
        buf_add(&a->body, p, n);
    else
        api_error(c, 400, "error decoding request body");
}

static void send_node(struct api_call *c, const struct view_node *n)
{
    struct buf out = BUF_INIT;

    api_object_node_id(c->view, n, &out);
    buf_byte(&out, '\n');
    api_json(c, 200, &out);
    buf_free(&out);
}

static void on_body_end(struct api_call *c)
{
    const struct asked *a = c->state;
    char text[LIMIT_PEER_ID_TEXT] = "";
    const struct view_node *n;
    struct json_value v, id;
    struct peerid peer;

    if (json_parse(a->body.p, a->body.n, &v, NULL) != ERR_OK ||
        v.type != JSON_OBJECT ||
        (json_get(&v, "peer_id", &id) && id.type != JSON_STRING)) {
        api_error(c, 400, "error decoding request body");
        return;
    }
    (void)json_get_string(&v, "peer_id", text, sizeof text);
    if (peerid_parse(text, strlen(text), &peer, NULL) != ERR_OK) {
        api_error(c, 400, "error decoding peer_id");
        return;
    }
    n = view_node_by_peer(c->view, &peer);
    if (n != NULL)
        send_node(c, n);
    else
        api_error(c, 404, "no node has this peer ID: a node joins by itself "
                  "when its agent is started, with a join token where one is "
                  "asked for");
}

void api_peers_add(struct api_call *c, const struct http_head *h)
{
    (void)h;
    c->state = mem_alloc(sizeof(struct asked));
    c->state_free = asked_free;
    c->body = on_body;
    c->body_end = on_body_end;
}

/* --- DELETE ------------------------------------------------------------- */

struct removal {
    struct api_call *call;
    uint32_t node;
    char name[LIMIT_NODE_NAME + 1];
    uv_timer_t timer;
    uint64_t index;            /* of what the view has to show first */
    uint64_t copies, moved_ms; /* moved_ms: when fewer were seen last */
    unsigned stuck;            /* looks in a row */
    bool busy;                 /* something of it is elsewhere */
    bool forced, gone;         /* gone: removed; the view will show it */
    /* one that is not up */
    uint64_t after, alone;     /* pin id; pins that are on it alone */
    bool end;
};

static void on_timer_closed(uv_handle_t *h)
{
    struct removal *r = h->data;
    struct api_call *c = r->call;

    c->api->removals--;
    c->api->under_way--;
    c->state = NULL;
    free(r);
    api_drop(c);
}

static void on_gone(struct api_call *c)
{
    struct removal *r = c->state;

    if (!r->busy && !uv_is_closing((uv_handle_t *)&r->timer))
        uv_close((uv_handle_t *)&r->timer, on_timer_closed);
}

/* It came back; false: nobody waits for the answer any more. */
static bool back(struct removal *r)
{
    r->busy = false;
    if (api_request(r->call) != NULL)
        return true;
    on_gone(r->call);
    return false;
}

static void on_tick(uv_timer_t *t);

static void wait_for(struct removal *r, uint64_t index)
{
    r->index = index;
    r->moved_ms = uv_now(r->timer.loop);
    uv_timer_start(&r->timer, on_tick, PEERS_TICK_MS, PEERS_TICK_MS);
}

static void drain(struct removal *r);

static void on_removed(struct api_call *c, struct replica_result *result)
{
    struct removal *r = c->state;

    if (!back(r))
        return;
    if (result->error == ERR_OK && (result->verdict == VERDICT_ACCEPTED ||
                                    result->verdict == VERDICT_ALREADY)) {
        r->gone = true;
        wait_for(r, result->index);
    } else if (result->error == ERR_OK && !r->forced &&
               result->verdict == VERDICT_CONFLICT) {
        drain(r); /* it got copies that the view did not show yet */
    } else {
        api_refuse(c, result);
    }
}

static void take_away(struct removal *r, bool force)
{
    struct command *k = api_command(r->call, COMMAND_NODE_REMOVE);

    k->node_remove.node = r->node;
    k->node_remove.force = force;
    r->busy = true;
    r->forced = force;
    api_propose(r->call, k, on_removed);
}

/* --- one that is not up: is anything on it alone? ----------------------- */

static bool up(const struct view *v, uint32_t node)
{
    const struct view_node *n = view_node(v, node);

    return n != NULL && n->word > NODE_SUSPECT;
}

static bool is_alone(const struct view *v, const struct pin *p, uint32_t node)
{
    bool here = false, elsewhere = false;

    for (uint32_t i = 0; i < p->n_copies; i++) {
        const struct copy *copy = &p->copies[i];

        if (copy->want == COPY_RELEASED || copy->state != COPY_PINNED)
            continue;
        here = here || copy->node == node;
        elsewhere = elsewhere || (copy->node != node && up(v, copy->node));
    }
    return here && !elsewhere;
}

/* Reader thread. */
static void read_pins(struct api_call *c, struct store_reader *reader)
{
    struct removal *r = c->state;
    const struct view *now = view_get();
    struct pin p;

    pin_init(&p);
    store_reader_scan(reader, r->after, STORE_PINS_ALL, 0);
    for (uint32_t n = 0; n < LIMIT_LIST_ROWS && !r->end; n++) {
        r->end = !store_reader_next(reader, &p);
        if (r->end)
            break;
        r->after = p.id;
        r->alone += is_alone(now, &p, r->node);
    }
    store_reader_scan_end(reader);
    pin_free(&p);
    view_put(now);
}

static void on_read(struct api_call *c, enum err e);

static void look_on(struct removal *r)
{
    r->busy = true;
    api_read(r->call, read_pins, on_read);
}

static void on_read(struct api_call *c, enum err e)
{
    struct removal *r = c->state;

    if (!back(r))
        return;
    if (e != ERR_OK)
        api_fail(c, e, NULL);
    else if (!r->end)
        look_on(r);
    else if (r->alone > 0)
        api_error(c, 409, "node '%s' is not up, and of %llu pins nobody else "
                  "holds a copy: bring it back, or give them up with "
                  "pinfold node remove --force", r->name,
                  (unsigned long long)r->alone);
    else
        take_away(r, true);
}

/* --- one that is up: its copies leave first ----------------------------- */

static void give_up(struct removal *r, const struct view_node *n)
{
    api_error(r->call, 409, "node '%s' is being drained, but %llu copies "
              "cannot leave it: add nodes or lower the replication of these "
              "pins, then remove it again; POST /api/v1/nodes/%s/uncordon "
              "keeps it", r->name, (unsigned long long)n->row.copies, r->name);
}

static void look(struct removal *r, const struct view_node *n, uint64_t now)
{
    if (n == NULL || r->gone) {
        api_json(r->call, 204, NULL);
        return;
    }
    if (n->row.copies < r->copies) {
        r->copies = n->row.copies;
        r->moved_ms = now;
    }
    r->stuck = n->stuck > 0 && n->moving == 0 ? r->stuck + 1 : 0;
    if (n->row.admin != ADMIN_DRAINING)
        api_error(r->call, 409, "node '%s' is not drained any more",
                  r->name);
    else if (n->row.copies == 0)
        take_away(r, false);
    else if (n->word <= NODE_SUSPECT)
        look_on(r);
    else if (r->stuck >= PEERS_STUCK_TICKS ||
             now - r->moved_ms > PEERS_STILL_MS)
        give_up(r, n);
}

static void on_tick(uv_timer_t *t)
{
    struct removal *r = t->data;
    const struct view *now;

    if (r->busy)
        return;
    now = view_get();
    if (now->applied >= r->index)
        look(r, view_node(now, r->node), uv_now(t->loop));
    view_put(now);
}

static void on_drained(struct api_call *c, struct replica_result *result)
{
    struct removal *r = c->state;

    if (!back(r))
        return;
    if (result->error != ERR_OK || (result->verdict != VERDICT_ACCEPTED &&
                                    result->verdict != VERDICT_ALREADY)) {
        api_refuse(c, result);
        return;
    }
    wait_for(r, result->index);
}

static void drain(struct removal *r)
{
    struct command *k = api_command(r->call, COMMAND_NODE_STATE);

    k->node_state = (struct command_node_state){
        r->node, ADMIN_DRAINING, NODE_STATE_KEEP, NODE_STATE_KEEP};
    r->busy = true;
    api_propose(r->call, k, on_drained);
}

static struct removal *begin(struct api_call *c, const struct view_node *n)
{
    struct removal *r = mem_alloc(sizeof *r);

    r->call = c;
    r->node = n->row.id;
    r->copies = n->row.copies;
    memcpy(r->name, n->row.name, sizeof r->name);
    uv_timer_init(c->api->hub_loop, &r->timer);
    r->timer.data = r;
    c->state = r;
    c->gone = on_gone;
    c->api->removals++;
    c->api->under_way++;
    api_hold(c);
    http_no_timeout(api_request(c));
    return r;
}

void api_peers_remove(struct api_call *c, const struct http_head *h)
{
    const char *text = c->args[0];
    const struct view_node *n;
    struct err_text why;
    struct peerid peer;

    (void)h;
    if (peerid_parse(text, strlen(text), &peer, &why) != ERR_OK) {
        api_error(c, 400, "error decoding Peer ID: %s", why.text);
        return;
    }
    n = view_node_by_peer(c->view, &peer);
    if (n == NULL)
        api_error(c, 404, "no node has this peer ID");
    else if (c->api->removals >= PEERS_WAITING)
        api_fail(c, ERR_BUSY, "too many removals of peers are under way");
    else if (n->row.copies == 0)
        take_away(begin(c, n), false);
    else if (n->word <= NODE_SUSPECT)
        look_on(begin(c, n));
    else
        drain(begin(c, n));
}
