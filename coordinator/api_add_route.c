/* The routes of uploads: POST /add, and the daemon's add and dag/import at the
 * proxy. What is asked for is checked here, before a byte of the body is
 * taken; api_add.c carries it.
 */
#include "coordinator/api_add_impl.h"

#include "coordinator/api_auth.h"
#include "coordinator/api_policy.h"
#include "coordinator/api_proxy.h"
#include "proto/mem.h"

#include <stdlib.h>
#include <string.h>

/* --- the route ---------------------------------------------------------- */

/* A boundary of 1 to 70 bytes (RFC 2046), in quotes or not; the daemon would
 * refuse anything else too late. */
static bool multipart(const struct http_str *type)
{
    char text[512];
    const char *at;
    size_t n;

    if (type == NULL || type->n >= sizeof text ||
        strncasecmp(type->p, "multipart/form-data;", 20) != 0)
        return false;
    memcpy(text, type->p, type->n);
    text[type->n] = '\0';
    at = strcasestr(text, "boundary=");
    if (at == NULL)
        return false;
    at += strlen("boundary=");
    if (*at == '"') {
        n = strcspn(++at, "\"");
        return at[n] == '"' && n > 0 && n <= 70;
    }
    n = strcspn(at, "; \t\"");
    return at[n] != '"' && n > 0 && n <= 70;
}

static bool allows(const struct api_call *c, const struct upload *u,
                   const struct view_node *n)
{
    return n->row.admin == ADMIN_ACTIVE &&
           policy_judge(&u->options.doc.policy, c->org, &n->row) ==
               POLICY_ALLOWS;
}

/* The first connected node that the user named, else the home agent for
 * local=true, else the core loop chooses, or where not every node will do
 * (bound) this one does; of those that take copies and that the policy, and
 * their owners, allow: what was uploaded to another one would stay there for
 * a while. */
static uint32_t choose(const struct api_call *c, const struct upload *u)
{
    const struct view_node *home;

    for (uint32_t i = 0; i < u->options.doc.n_allocations; i++) {
        const struct view_node *n =
            view_node_by_peer(c->view, &u->options.doc.allocations[i]);

        if (n != NULL && n->connected && n->daemon == DAEMON_UP &&
            allows(c, u, n))
            return n->row.id;
    }
    home = u->parameters.local ? view_node(c->view, c->view->home) : NULL;
    if (home != NULL && allows(c, u, home))
        return home->row.id;
    return u->bound
               ? api_policy_upload(c->view, &u->options.doc.policy, c->org)
               : (u->parameters.local ? c->view->home : 0);
}

static bool prepare(struct api_call *c, struct upload *u)
{
    struct err_text why;
    enum err e = add_parameters_parse(c, &u->parameters, &u->arguments,
                                      &why);

    if (e == ERR_OK)
        e = api_options_parse(c, &u->options, &u->command->claim_put, &why);
    if (e == ERR_OK)
        e = api_options_upload(c, &u->command->claim_put, &why);
    if (e == ERR_OK && !access_prefix_covers(c->prefix,
                                             span_buf(&u->options.name))) {
        api_error(c, 403, "the name of the pin does not begin with '%s'",
                  c->prefix);
        return false; /* before anything is uploaded */
    }
    if (e == ERR_OK) {
        /* IPFS Cluster's /add ignores pin-update and mode. */
        u->command->claim_put.from.n = 0;
        u->command->claim_put.flags &= (uint16_t)~CLAIM_DIRECT;
        return true;
    }
    api_error(c, 400, "%s", why.text);
    return false;
}

static void upload_discard(struct upload *u)
{
    api_options_free(&u->options);
    buf_free(&u->arguments);
    free(u->command);
    free(u);
}

static struct upload *upload_new(struct api_call *c)
{
    struct upload *u = mem_alloc(sizeof *u);

    u->command = api_command(c, COMMAND_CLAIM_PUT);
    return u;
}

/* u is as its client wants it: off it goes, or it is refused. */
static void go(struct api_call *c, struct upload *u,
               const struct http_str *type)
{
    u->bound = api_policy_restricts(c->view, &u->options.doc.policy, c->org);
    u->node = choose(c, u);
    if (u->node == 0 && u->bound) {
        const struct policy *p = &u->options.doc.policy;
        const char *which = p->place == PLACE_OWN
                                ? "of the organisation's own"
                            : policy_is_empty(p)
                                ? "that the organisation may use"
                                : "that the policy allows";

        upload_discard(u);
        api_error(c, 500, "not enough peers: no node %s takes uploads",
                  which);
        return;
    }
    buf_add(&u->content_type, type->p, type->n);
    api_upload_begin(c, u);
}

static bool has_room(struct api_call *c)
{
    if (!api_places_free(c, &c->api->uploads, LIMIT_DATA_STREAMS,
                         LIMIT_ORG_UPLOADS, "uploads"))
        return false;
    if (c->view->refuses_claims)
        api_error(c, err_http_status(ERR_NO_SPACE), "%s",
                  err_text(ERR_NO_SPACE));
    else
        return true;
    return false;
}

void api_add(struct api_call *c, const struct http_head *h)
{
    const struct http_str *type = http_header(h, "content-type");
    struct upload *u;

    if (!multipart(type)) {
        api_error(c, 400, "request Content-Type isn't multipart/form-data");
        return;
    }
    if (!has_room(c))
        return;
    u = upload_new(c);
    if (prepare(c, u))
        go(c, u, type);
    else
        upload_discard(u);
}

/* --- the daemon's add and dag/import, at the proxy ------------------------ */

/* Into the home agent's daemon, where the client will look for it, as long as
 * that takes copies. */
static bool prefers_home(const struct api_call *c)
{
    const struct view_node *n = view_node(c->view, c->view->home);

    return n != NULL && n->row.admin == ADMIN_ACTIVE && !n->row.full &&
           node_takes(&n->row, c->org);
}

/* A parameter that means something else to options of pins. */
static void hide(struct api_call *c, const char *name)
{
    const struct proxy_name hidden = {name, ""};

    proxy_names(c, &hidden, 1);
}

static bool prepare_daemon(struct api_call *c, struct upload *u)
{
    static const struct proxy_name names[] = {{"pin-name", "name"}};
    struct err_text why;
    enum err e = ERR_OK;

    u->parameters.local = prefers_home(c);
    hide(c, "mode");
    proxy_names(c, names, 1);
    e = api_options_parse(c, &u->options, &u->command->claim_put, &why);
    if (e == ERR_OK)
        e = api_options_upload(c, &u->command->claim_put, &why);
    if (e != ERR_OK) {
        proxy_bad(c, "%s", why.text);
        return false;
    }
    u->command->claim_put.from.n = 0;
    return u->parameters.no_pin ||
           proxy_may_claim(c, span_buf(&u->options.name));
}

static void go_daemon(struct api_call *c, struct upload *u,
                      const struct http_str *type)
{
    if (!multipart(type))
        proxy_bad(c, "file argument 'path' is required");
    else if (has_room(c) && prepare_daemon(c, u)) {
        go(c, u, type);
        return;
    }
    upload_discard(u);
}

void api_proxy_add(struct api_call *c, const struct http_head *h)
{
    static const struct proxy_name names[] = {
        {"p", "progress"}, {"n", "only-hash"}, {"w", "wrap-with-directory"},
        {"s", "chunker"}, {"t", "trickle"}, {"H", "hidden"},
        {"E", "empty-dirs"}};
    static const char *const flags[] = {
        "nocopy", "fscache", "inline", "progress", "silent", "pin",
        "raw-leaves", "trickle", "wrap-with-directory", "hidden",
        "empty-dirs", "preserve-mode", "preserve-mtime"};
    struct err_text why;
    struct upload *u;
    bool only_hash;

    proxy_names(c, names, sizeof names / sizeof names[0]);
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        proxy_true(c, flags[i]);
    if (!proxy_single(c, "only-hash") ||
        !proxy_flag(c, "only-hash", false, &only_hash))
        return;
    if (only_hash) { /* nothing is stored */
        api_proxy_pass(c, h);
        return;
    }
    if (!api_needs(c, VERB_PIN))
        return;
    u = upload_new(c);
    if (add_daemon_parse(c, &u->parameters, &u->arguments, &why) == ERR_OK) {
        go_daemon(c, u, http_header(h, "content-type"));
        return;
    }
    upload_discard(u);
    proxy_bad(c, "%s", why.text);
}

/* Roots that are not to be pinned are the daemon's business alone; a part of
 * a graph cannot be pinned. */
void api_proxy_import(struct api_call *c, const struct http_head *h)
{
    bool pin, local, silent;
    struct upload *u;

    if (!proxy_single(c, "pin-roots") ||
        !proxy_flag(c, "pin-roots", true, &pin) ||
        !proxy_flag(c, "local-only", false, &local) ||
        !proxy_flag(c, "silent", false, &silent))
        return;
    if (local && pin && api_param(c, "pin-roots") != NULL) {
        proxy_bad(c, "pin-roots and local-only exclude each other");
        return;
    }
    if (!pin || local) {
        proxied_pass(c, h, "pin-roots", "pin-roots=false");
        return;
    }
    if (!api_needs(c, VERB_PIN))
        return;
    u = upload_new(c);
    u->parameters.form = ADD_ROOTS;
    u->parameters.car = u->parameters.stream = true;
    u->parameters.silent = silent;
    go_daemon(c, u, http_header(h, "content-type"));
}
