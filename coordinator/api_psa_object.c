/* PinStatus objects, and the addresses that clients send content to. */
#include "coordinator/api_psa.h"

#include "coordinator/api_object.h"
#include "proto/hash.h"
#include "proto/maddr.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- errors -------------------------------------------------------------- */
static void write_error(struct buf *out, const char *reason,
                        const char *details)
{
    struct json_writer w;

    json_init(&w, out);
    json_object(&w);
    json_key(&w, "error");
    json_object(&w);
    json_kv_text(&w, "reason", reason);
    json_kv_text(&w, "details", details);
    json_object_end(&w);
    json_object_end(&w);
    buf_byte(out, '\n');
}

static const char *reason_of(int status)
{
    switch (status) {
    case 401:
        return "UNAUTHORIZED";
    case 403:
        return "FORBIDDEN";
    case 404:
        return "NOT_FOUND";
    case 405:
        return "METHOD_NOT_ALLOWED";
    case 409:
        return "CONFLICT";
    case 413:
        return "BODY_TOO_LARGE";
    case 429:
        return "TOO_MANY_REQUESTS";
    default:
        return status < 500 ? "BAD_REQUEST" : "INTERNAL_SERVER_ERROR";
    }
}

void psa_error_json(struct buf *out, int status, const char *text)
{
    write_error(out, reason_of(status), text);
}

void psa_error(struct api_call *c, int status, const char *reason,
               const char *details)
{
    struct http_answer a = {.status = status};
    struct buf b = BUF_INIT;

    write_error(&b, reason, details);
    api_answer(c, &a, b.p, b.n);
    buf_free(&b);
}

/* --- ids ----------------------------------------------------------------- */
static uint64_t mask(const struct cluster *cluster, uint64_t salt)
{
    uint8_t bytes[8];

    for (unsigned k = 0; k < 8; k++)
        bytes[k] = (uint8_t)(salt >> (8 * k));
    return hash_sip(cluster->sip_key, bytes, sizeof bytes);
}

void psa_id_print(const struct cluster *cluster, uint64_t id, uint64_t salt,
                  char out[PSA_ID_TEXT])
{
    uint64_t a = id ^ mask(cluster, salt);

    snprintf(out, PSA_ID_TEXT, "%08x-%04x-%04x-%04x-%012llx",
             (unsigned)(a >> 32), (unsigned)(a >> 16 & 0xffff),
             (unsigned)(a & 0xffff), (unsigned)(salt >> 48),
             (unsigned long long)(salt & 0xffffffffffff));
}

bool psa_id_parse(const struct cluster *cluster, const char *text,
                  uint64_t *id, uint64_t *salt)
{
    uint64_t half[2] = {0, 0};
    unsigned digits = 0;

    for (size_t k = 0; k < PSA_ID_TEXT - 1; k++) {
        char c = text[k];

        if (k == 8 || k == 13 || k == 18 || k == 23) {
            if (c != '-')
                return false;
            continue;
        }
        if ((c < '0' || c > '9') && (c < 'a' || c > 'f'))
            return false;
        half[digits / 16] = half[digits / 16] << 4 |
                            (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
        digits++;
    }
    if (text[PSA_ID_TEXT - 1] != '\0' || half[1] == 0)
        return false;
    *salt = half[1];
    *id = half[0] ^ mask(cluster, half[1]);
    return *id != 0;
}

/* --- delegates ----------------------------------------------------------- */
/* How far an address can be reached from; the farther the better. */
enum reach { REACH_NONE, REACH_LOOPBACK, REACH_PRIVATE, REACH_PUBLIC };

static enum reach reach_of_ip4(const char *text)
{
    unsigned a, b;

    if (sscanf(text, "%u.%u.", &a, &b) != 2 || a == 0 || a >= 224)
        return REACH_NONE;
    if (a == 127)
        return REACH_LOOPBACK;
    if (a == 10 || (a == 172 && b >= 16 && b < 32) ||
        (a == 192 && b == 168) || (a == 169 && b == 254) ||
        (a == 100 && b >= 64 && b < 128))
        return REACH_PRIVATE;
    return REACH_PUBLIC;
}

static enum reach reach_of(const char *text)
{
    struct peerid peer;

    if (maddr_check(text, NULL) != ERR_OK || !maddr_peer(text, &peer) ||
        strstr(text, "/p2p-circuit") != NULL)
        return REACH_NONE;
    if (strncmp(text, "/ip4/", 5) == 0)
        return reach_of_ip4(text + 5);
    if (strncmp(text, "/ip6/::1/", 9) == 0)
        return REACH_LOOPBACK;
    if (strncmp(text, "/ip6/::/", 8) == 0)
        return REACH_NONE;
    if (strncmp(text, "/ip6/fc", 7) == 0 ||
        strncmp(text, "/ip6/fd", 7) == 0 || strncmp(text, "/ip6/fe8", 8) == 0)
        return REACH_PRIVATE;
    return strncmp(text, "/ip6/", 5) == 0 || strncmp(text, "/dns", 4) == 0
               ? REACH_PUBLIC : REACH_NONE;
}

/* A node's first address that reaches so far; NULL: none. */
static const char *address_of(const struct view_node *n, enum reach reach)
{
    for (uint32_t i = 0; i < n->n_addrs; i++)
        if (reach_of(n->addrs[i]) == reach)
            return n->addrs[i];
    return NULL;
}

static bool is_holder(const struct pin *p, uint32_t node)
{
    for (uint32_t i = 0; p != NULL && i < p->n_copies; i++)
        if (p->copies[i].node == node &&
            p->copies[i].want != COPY_RELEASED)
            return true;
    return false;
}

/* p NULL: of any node. Returns how many. */
static unsigned delegates_of(const struct view *v, const struct pin *p,
                             enum reach reach,
                             const char *out[PSA_DELEGATES])
{
    unsigned n = 0;

    for (uint32_t i = 0; i < v->n_nodes && n < PSA_DELEGATES; i++) {
        const struct view_node *node = &v->nodes[i];
        const char *text = address_of(node, reach);

        if (text == NULL || (p != NULL && !is_holder(p, node->row.id)))
            continue;
        for (unsigned k = 0; k < n && text != NULL; k++)
            if (strcmp(out[k], text) == 0)
                text = NULL;
        if (text != NULL)
            out[n++] = text;
    }
    return n;
}

static unsigned find_delegates(const struct view *v, const struct pin *p,
                               const char *out[PSA_DELEGATES])
{
    for (int reach = REACH_PUBLIC; reach > REACH_NONE; reach--) {
        unsigned n = p == NULL ? 0
                               : delegates_of(v, p, (enum reach)reach, out);

        if (n == 0)
            n = delegates_of(v, NULL, (enum reach)reach, out);
        if (n > 0)
            return n;
    }
    return 0;
}

bool psa_has_delegates(struct api_call *c)
{
    const char *out[PSA_DELEGATES];

    if (find_delegates(c->view, NULL, out) > 0)
        return true;
    api_error(c, 503, "no node has told this coordinator an address yet");
    return false;
}

/* --- the object ---------------------------------------------------------- */
static void put_pin(struct psa_object *o, const struct pin *p,
                    struct json_writer *w)
{
    char text[LIMIT_CID_TEXT];

    memset(&o->meta, 0, sizeof o->meta);
    if (p->meta.n > 0 &&
        meta_decode(span_buf(&p->meta), &o->meta, NULL) != ERR_OK)
        memset(&o->meta, 0, sizeof o->meta);
    json_key(w, "pin");
    json_object(w);
    (void)cid_print(&p->cid, pin_form(p), text);
    json_kv_text(w, "cid", text);
    if (p->name.n > 0) {
        json_key(w, "name");
        json_textn(w, span_buf(&p->name));
    }
    json_key(w, "origins");
    json_array(w);
    for (uint32_t i = 0; i < o->meta.n_origins; i++)
        json_textn(w, o->meta.origins[i]);
    json_array_end(w);
    json_key(w, "meta");
    json_object(w);
    for (uint32_t i = 0; i < o->meta.n_pairs; i++) {
        json_keyn(w, o->meta.pairs[i].key);
        json_textn(w, o->meta.pairs[i].value);
    }
    json_object_end(w);
    json_object_end(w);
}

/* The newest failure of a copy; false: there is none. */
static bool last_failure(struct psa_object *o, const struct pin *p,
                         struct fail *out)
{
    struct fail f;
    bool found = false;

    for (uint32_t i = 0; o->fail != NULL && i < p->n_copies; i++) {
        const struct copy *c = &p->copies[i];

        if (c->want == COPY_RELEASED || c->failures == 0 ||
            !o->fail(o->arg, p->id, c->node, &f) ||
            (found && f.at_ms <= out->at_ms))
            continue;
        *out = f;
        found = true;
    }
    return found;
}

static void put_details(struct psa_object *o, const struct pin *p,
                        enum request_status s, struct json_writer *w)
{
    unsigned wanted = 0, pinned = 0;
    struct buf text = BUF_INIT;
    struct fail f;

    for (uint32_t i = 0; i < p->n_copies; i++) {
        wanted += p->copies[i].want != COPY_RELEASED;
        pinned += p->copies[i].want != COPY_RELEASED &&
                  p->copies[i].state == COPY_PINNED;
    }
    if ((p->flags & PIN_OVER_QUOTA) != 0)
        buf_text(&text, "larger than the organisation may store");
    else if (s == REQUEST_QUEUED)
        buf_text(&text, "no node is chosen yet");
    else
        buf_printf(&text, "pinned by %u of %u nodes", pinned, wanted);
    if (s != REQUEST_PINNED && last_failure(o, p, &f))
        buf_printf(&text, "; attempt %u of a node failed: %s", f.attempts,
                   f.text);
    json_key(w, "status_details");
    json_textn(w, span_buf(&text));
    buf_free(&text);
}

static void put_info(struct psa_object *o, const struct pin *p,
                     enum request_status s, struct json_writer *w)
{
    char size[24];

    json_key(w, "info");
    json_object(w);
    put_details(o, p, s, w);
    if ((p->flags & PIN_MEASURED) != 0) {
        snprintf(size, sizeof size, "%llu", (unsigned long long)p->size);
        json_kv_text(w, "dag_size", size);
    }
    json_object_end(w);
}

/* Milliseconds always: clients take it for the place in a list. */
static void put_created(struct json_writer *w, uint64_t ms)
{
    char text[API_TIME_MAX], whole[API_TIME_MAX];

    api_time_text(ms - ms % 1000, whole);
    whole[strlen(whole) - 1] = '\0'; /* Z */
    snprintf(text, sizeof text, "%.30s.%03uZ", whole, (unsigned)(ms % 1000));
    json_kv_text(w, "created", text);
}

void psa_object(struct psa_object *o, const struct pin *p, uint64_t id,
                struct json_writer *w)
{
    enum request_status s = request_status_of(p->flags);
    const char *delegates[PSA_DELEGATES];
    unsigned n = find_delegates(o->view, p, delegates);
    char text[PSA_ID_TEXT];

    json_object(w);
    psa_id_print(&o->view->cluster, id, p->salt, text);
    json_kv_text(w, "requestid", text);
    json_kv_text(w, "status", request_status_text(s));
    put_created(w, p->created_ms);
    put_pin(o, p, w);
    json_key(w, "delegates");
    json_array(w);
    for (unsigned i = 0; i < n; i++)
        json_text(w, delegates[i]);
    json_array_end(w);
    put_info(o, p, s, w);
    json_object_end(w);
}
