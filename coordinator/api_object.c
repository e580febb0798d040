/* Rows and views to the wire's objects. Field order is the reference's;
 * arrays are never null, integers never floats, no field is ever "" where a
 * Go client would refuse it.
 */
#include "coordinator/api_object.h"

#include "coordinator/api_policy.h"
#include "coordinator/api_priority.h"

#include "proto/maddr.h"
#include "proto/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *const status_texts[STATUS_WORDS] = {
    "cluster_error", "pin_error", "unpin_error", "pinned", "pinning",
    "unpinning", "unpinned", "remote", "pin_queued", "unpin_queued",
    "sharded", "unexpectedly_unpinned"};

const char *api_status_text(enum api_status_word w)
{
    return status_texts[w];
}

#define BIT(w) (1u << (w))

enum { ERROR_MASK = BIT(STATUS_CLUSTER_ERROR) | BIT(STATUS_PIN_ERROR) |
                    BIT(STATUS_UNPIN_ERROR),
       QUEUED_MASK = BIT(STATUS_PIN_QUEUED) | BIT(STATUS_UNPIN_QUEUED) };

/* A composite counts only if none or all of its members are listed. */
static uint32_t composite(uint32_t mask, uint32_t members)
{
    uint32_t listed = mask & members;

    return listed == 0 || listed == members ? members : 0;
}

enum err api_filter_parse(const char *text, uint32_t *mask)
{
    bool error = false, queued = false, known = false;
    const char *end;

    *mask = 0;
    for (const char *at = text;; at = end + 1) {
        struct span word;

        end = strchrnul(at, ',');
        word = span_of(at, (size_t)(end - at));
        for (uint32_t w = 0; w < STATUS_WORDS; w++)
            if (span_is(word, status_texts[w]))
                *mask |= BIT(w);
        error = error || span_is(word, "error");
        queued = queued || span_is(word, "queued");
        if (*end == '\0')
            break;
    }
    known = *mask != 0 || error || queued;
    if (error)
        *mask |= composite(*mask, ERROR_MASK);
    if (queued)
        *mask |= composite(*mask, QUEUED_MASK);
    return known ? ERR_OK : ERR_INVALID;
}

/* --- time --------------------------------------------------------------- */

void api_time_text(uint64_t ms, char out[API_TIME_MAX])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm t;
    size_t n;

    if (ms == 0 || gmtime_r(&seconds, &t) == NULL || t.tm_year > 8099) {
        snprintf(out, API_TIME_MAX, "0001-01-01T00:00:00Z");
        return;
    }
    n = strftime(out, API_TIME_MAX, "%Y-%m-%dT%H:%M:%S", &t);
    if (ms % 1000 == 0)
        snprintf(out + n, API_TIME_MAX - n, "Z");
    else
        snprintf(out + n, API_TIME_MAX - n, ".%03uZ", (unsigned)(ms % 1000));
}

void api_kv_time(struct json_writer *w, const char *key, uint64_t ms)
{
    char text[API_TIME_MAX];

    api_time_text(ms, text);
    json_kv_text(w, key, text);
}

/* --- pieces ------------------------------------------------------------- */

void api_object_init(struct api_object *o, const struct view *v)
{
    o->view = v;
    pin_init(&o->pin);
}

void api_object_free(struct api_object *o)
{
    pin_free(&o->pin);
}

static void read_meta(struct api_object *o, const struct pin *p)
{
    static const struct span none = {NULL, 0};

    if (meta_decode(span_buf(&p->meta), &o->meta, NULL) != ERR_OK)
        (void)!meta_decode(none, &o->meta, NULL);
}

static void kv_metadata(struct json_writer *w, const struct meta *m)
{
    json_key(w, "metadata");
    json_object(w);
    for (uint32_t i = 0; i < m->n_pairs; i++) {
        json_keyn(w, m->pairs[i].key);
        json_textn(w, m->pairs[i].value);
    }
    json_object_end(w);
}

static void kv_origins(struct json_writer *w, const struct meta *m)
{
    json_key(w, "origins");
    json_array(w);
    for (uint32_t i = 0; i < m->n_origins; i++)
        json_textn(w, m->origins[i]);
    json_array_end(w);
}

static void kv_user_allocations(struct json_writer *w, const struct meta *m)
{
    char text[LIMIT_PEER_ID_TEXT];

    json_key(w, "user_allocations");
    json_array(w);
    for (uint32_t i = 0; i < m->n_allocations; i++) {
        (void)peerid_print(&m->allocations[i], text);
        json_text(w, text);
    }
    json_array_end(w);
}

static void kv_allocations(struct json_writer *w, const struct view *v,
                           const struct pin *p)
{
    json_key(w, "allocations");
    json_array(w);
    for (uint32_t i = 0; i < p->n_copies && !pin_everywhere(p); i++) {
        const struct view_node *n = view_node(v, p->copies[i].node);

        if (p->copies[i].want != COPY_RELEASED && n != NULL)
            json_text(w, n->peer_text);
    }
    json_array_end(w);
}

static void kv_addrs(struct json_writer *w, const char *key,
                     const struct view_node *n)
{
    json_key(w, key);
    json_array(w);
    for (uint32_t i = 0; i < n->n_addrs; i++)
        if (maddr_check(n->addrs[i], NULL) == ERR_OK)
            json_text(w, n->addrs[i]);
    json_array_end(w);
}

/* --- Pin ---------------------------------------------------------------- */

void api_object_pin(struct api_object *o, const struct pin *p,
                    enum cid_form form, struct buf *out)
{
    bool direct = (p->flags & CLAIM_DIRECT) != 0;
    struct json_writer w;

    read_meta(o, p);
    json_init(&w, out);
    json_object(&w);
    json_kv_i64(&w, "replication_factor_min", p->rmin);
    json_kv_i64(&w, "replication_factor_max", p->rmax);
    json_key(&w, "name");
    json_textn(&w, span_buf(&p->name));
    json_kv_text(&w, "mode", direct ? "direct" : "recursive");
    json_kv_u64(&w, "shard_size", 0);
    kv_user_allocations(&w, &o->meta);
    api_kv_time(&w, "expire_at", p->expires_ms);
    kv_metadata(&w, &o->meta);
    json_key(&w, "pin_update");
    if (o->meta.update_from.n != 0) {
        cid_print(&o->meta.update_from, form, o->cid);
        json_text(&w, o->cid);
    } else {
        json_null(&w);
    }
    kv_origins(&w, &o->meta);
    cid_print(&p->cid, form, o->cid);
    json_kv_text(&w, "cid", o->cid);
    json_kv_text(&w, "type", "pin");
    kv_allocations(&w, o->view, p);
    json_kv_i64(&w, "max_depth", direct ? 0 : -1);
    json_key(&w, "reference");
    json_null(&w);
    api_kv_time(&w, "timestamp", p->created_ms);
    api_kv_policy(&w, &o->meta.policy);
    api_kv_priority(&w, p->flags);
    json_object_end(&w);
}

/* --- GlobalPinInfo ------------------------------------------------------ */

static const struct beat_work *work_on(const struct view_node *n,
                                       uint64_t pin)
{
    uint32_t low = 0, high = n->n_work;

    while (low < high) {
        uint32_t mid = (low + high) / 2;

        if (n->work[mid].pin < pin)
            low = mid + 1;
        else
            high = mid;
    }
    return low < n->n_work && n->work[low].pin == pin ? &n->work[low] : NULL;
}

bool api_unreachable(const struct view_node *n)
{
    return n->word <= NODE_SUSPECT ||
           (n->beat_wall_ms != 0 && n->daemon != DAEMON_UP);
}

enum api_status_word api_status_of(const struct view_node *n,
                                   const struct pin *p, const struct copy *c)
{
    const struct beat_work *work;

    if (p->id == 0)
        return STATUS_UNPINNED;
    if ((p->flags & PIN_OVER_QUOTA) != 0 &&
        (p->flags & CLAIM_ELASTIC) != 0 && c == NULL)
        return STATUS_REMOTE; /* a candidate */
    if ((p->flags & PIN_OVER_QUOTA) != 0 &&
        (c == NULL || c->want != COPY_RELEASED))
        return STATUS_PIN_ERROR; /* no node may keep it */
    if (c == NULL)
        return (p->flags & PIN_RELEASING) != 0 ? STATUS_UNPINNED
                                               : STATUS_REMOTE;
    if (api_unreachable(n))
        return STATUS_CLUSTER_ERROR;
    work = work_on(n, p->id);
    if (c->want == COPY_RELEASED)
        return work != NULL ? STATUS_UNPINNING
               : c->state == COPY_FAILED && c->failures > 0
                   ? STATUS_UNPIN_ERROR
                   : STATUS_UNPIN_QUEUED;
    if (c->state == COPY_PINNED)
        return STATUS_PINNED;
    if (work != NULL)
        return STATUS_PINNING;
    if (c->state == COPY_FAILED)
        return STATUS_PIN_ERROR;
    return c->state == COPY_LOST ? STATUS_UNEXPECTEDLY_UNPINNED
                                 : STATUS_PIN_QUEUED;
}

static const char *unreachable_text(const struct view_node *n)
{
    if (n->beat_wall_ms != 0 && n->daemon != DAEMON_UP)
        return n->daemon_text[0] != '\0' ? n->daemon_text
                                         : "the IPFS daemon is down";
    return "the node's agent is silent";
}

static void info_error(struct json_writer *w, const struct api_info *i,
                       const struct view_node *n,
                       enum api_status_word status)
{
    struct fail f;
    const char *text = "";
    char over[96];
    uint64_t attempts = 0;

    if (status == STATUS_CLUSTER_ERROR)
        text = unreachable_text(n);
    else if (status == STATUS_UNEXPECTEDLY_UNPINNED)
        text = "the daemon no longer holds it";
    if (status == STATUS_PIN_ERROR &&
        (i->pin->flags & PIN_OVER_QUOTA) != 0) {
        snprintf(over, sizeof over, "over quota: its organisation may not "
                 "store its %llu bytes", (unsigned long long)i->pin->size);
        text = over;
    } else if ((status == STATUS_PIN_ERROR ||
                status == STATUS_UNPIN_ERROR || status == STATUS_PINNING) &&
               i->fail != NULL &&
               i->fail(i->arg, i->pin->id, n->row.id, &f)) {
        attempts = f.attempts;
        if (status != STATUS_PINNING)
            text = f.text;
    }
    json_kv_text(w, "error", text);
    json_kv_u64(w, "attempt_count", attempts);
}

static void info_node(struct json_writer *w, const struct api_info *i,
                      const struct view_node *n, const struct copy *c,
                      enum api_status_word status)
{
    uint32_t priority = i->pin->flags >> CLAIM_PRIORITY_SHIFT & 3;

    json_key(w, n->peer_text);
    json_object(w);
    json_kv_text(w, "peername", n->row.name);
    if (n->ipfs.n != 0) {
        json_kv_text(w, "ipfs_peer_id", n->ipfs_text);
        kv_addrs(w, "ipfs_peer_addresses", n);
    }
    json_kv_text(w, "status", status_texts[status]);
    api_kv_time(w, "timestamp", c != NULL ? (uint64_t)c->since * 1000
                                      : i->pin->created_ms);
    info_error(w, i, n, status);
    if (status == STATUS_PINNING && work_on(n, i->pin->id) != NULL)
        json_kv_u64(w, "bytes", work_on(n, i->pin->id)->bytes);
    json_kv_bool(w, "priority_pin", priority == 1);
    json_object_end(w);
}

static const struct copy *copy_of(const struct pin *p, uint32_t node)
{
    for (uint32_t i = 0; i < p->n_copies; i++)
        if (p->copies[i].node == node)
            return &p->copies[i];
    return NULL;
}

bool api_object_info(struct api_object *o, const struct api_info *i,
                     struct buf *out)
{
    size_t start = out->n;
    struct json_writer w;
    uint32_t shown = 0;

    read_meta(o, i->pin);
    json_init(&w, out);
    json_object(&w);
    cid_print(&i->pin->cid, i->form, o->cid);
    json_kv_text(&w, "cid", o->cid);
    json_key(&w, "name");
    json_textn(&w, span_buf(&i->pin->name));
    kv_allocations(&w, o->view, i->pin);
    kv_origins(&w, &o->meta);
    api_kv_time(&w, "created", i->pin->created_ms);
    kv_metadata(&w, &o->meta);
    api_kv_policy(&w, &o->meta.policy);
    api_kv_priority(&w, i->pin->flags);
    json_key(&w, "peer_map");
    json_object(&w);
    for (uint32_t k = 0; k < o->view->n_nodes; k++) {
        const struct view_node *n = &o->view->nodes[k];
        const struct copy *c = copy_of(i->pin, n->row.id);
        enum api_status_word status = api_status_of(n, i->pin, c);

        if ((i->only != 0 && n->row.id != i->only) ||
            (i->mask != 0 && (i->mask & BIT(status)) == 0))
            continue;
        info_node(&w, i, n, c, status);
        shown++;
    }
    json_object_end(&w);
    json_object_end(&w);
    if (i->mask != 0 && shown == 0) {
        out->n = start;
        return false;
    }
    return true;
}

/* --- ID ----------------------------------------------------------------- */

static void kv_peers(struct json_writer *w, const struct view *v,
                     const char *first)
{
    json_key(w, "cluster_peers");
    json_array(w);
    if (first != NULL)
        json_text(w, first);
    for (uint32_t i = 0; i < v->n_nodes; i++)
        json_text(w, v->nodes[i].peer_text);
    json_array_end(w);
    json_key(w, "cluster_peers_addresses");
    json_array(w);
    json_array_end(w);
}

static void kv_ipfs(struct json_writer *w, const struct view_node *n,
                    const char *error)
{
    json_key(w, "ipfs");
    json_object(w);
    if (n != NULL && n->ipfs.n != 0)
        json_kv_text(w, "id", n->ipfs_text);
    if (n != NULL) {
        kv_addrs(w, "addresses", n);
    } else {
        json_key(w, "addresses");
        json_array(w);
        json_array_end(w);
    }
    json_kv_text(w, "error", error);
    json_object_end(w);
}

static void kv_versions(struct json_writer *w, const char *version,
                        const char *error)
{
    json_kv_text(w, "version", version);
    json_kv_text(w, "commit", "");
    json_kv_text(w, "rpc_protocol_version", "/ipfscluster/1.0/rpc");
    json_kv_text(w, "error", error);
}

void api_object_node_id(const struct view *v, const struct view_node *n,
                        struct buf *out)
{
    bool silent = n->word <= NODE_SUSPECT;
    bool down = n->beat_wall_ms != 0 && n->daemon != DAEMON_UP;
    struct json_writer w;

    json_init(&w, out);
    json_object(&w);
    json_kv_text(&w, "id", n->peer_text);
    json_key(&w, "addresses");
    json_array(&w);
    json_array_end(&w);
    kv_peers(&w, v, NULL);
    kv_versions(&w, n->agent_version[0] != '\0' ? n->agent_version
                                                : PINFOLD_VERSION,
                silent && !down ? unreachable_text(n) : "");
    kv_ipfs(&w, n, down ? unreachable_text(n) : "");
    json_kv_text(&w, "peername", n->row.name);
    json_object_end(&w);
}

void api_object_self_id(const struct view *v, struct buf *out)
{
    struct json_writer w;

    json_init(&w, out);
    json_object(&w);
    json_kv_text(&w, "id", v->self_peer);
    json_key(&w, "addresses");
    json_array(&w);
    json_text(&w, v->self_addr);
    json_array_end(&w);
    kv_peers(&w, v, v->self_peer);
    kv_versions(&w, PINFOLD_VERSION, "");
    kv_ipfs(&w, v->home != 0 ? view_node(v, v->home) : NULL, "");
    json_kv_text(&w, "peername", v->self.name);
    json_object_end(&w);
}
