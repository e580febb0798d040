/* Organisations, what they use and what they may: GET /api/v1/orgs and
 * /api/v1/orgs/{org}; POST /api/v1/orgs/{org}/quota?KIND=N&KIND-soft=N&
 * grace=MS[&dry-run=true&limit=N]. KIND is logical, physical or pins; N a whole
 * number or "none"; what is not named stays; guarantee=N likewise. The
 * organisation is a name or a number. POST /api/v1/orgs?name=N makes one, POST
 * /api/v1/orgs/{org}?name=N gives it another name, DELETE removes one that
 * claims nothing. Only the default one sees and changes others. Formulas:
 * api_formula.c.
 */
#include "coordinator/api.h"

#include "coordinator/api_options.h"
#include "coordinator/api_would.h"
#include "coordinator/core/fsm.h"
#include "proto/json.h"
#include "proto/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct org *api_org_find(const struct view *v, const char *text)
{
    struct json_value number = {JSON_NUMBER, text, strlen(text)};
    uint64_t id;

    for (uint32_t i = 0; i < v->n_orgs; i++)
        if (strcmp(v->orgs[i].name, text) == 0)
            return &v->orgs[i];
    if (!json_as_u64(&number, &id))
        return NULL;
    for (uint32_t i = 0; i < v->n_orgs; i++)
        if (v->orgs[i].id == id)
            return &v->orgs[i];
    return NULL;
}

const struct org *api_org_arg(struct api_call *c)
{
    const struct org *o = api_org_find(c->view, c->args[0]);

    if (o == NULL || (c->org != ORG_DEFAULT && o->id != c->org)) {
        api_error(c, 404, "no organisation has this name or number");
        return NULL;
    }
    return o;
}

void api_kv_limit(struct json_writer *w, const char *key, uint64_t v)
{
    json_key(w, key);
    if (v == ORG_NO_LIMIT)
        json_null(w);
    else
        json_u64(w, v);
}

uint64_t api_pool(const struct view *v)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < v->n_nodes; i++)
        sum = fsm_pool_add(sum, &v->nodes[i].row);
    return sum;
}

/* nodes_short: by how much all guarantees exceed what nodes may fill. */
static void put_guarantee(struct json_writer *w, const struct view *v,
                          const struct org *o)
{
    uint64_t all = fsm_guaranteed(v->orgs, v->n_orgs, 0), nodes = api_pool(v);

    api_kv_limit(w, "guarantee", o->guarantee);
    json_kv_u64(w, "elastic", o->elastic);
    json_kv_u64(w, "borrowed", fsm_borrowed(o));
    json_kv_u64(w, "nodes_short", all > nodes ? all - nodes : 0);
}

void api_quota(struct json_writer *w, uint64_t used,
               const struct org_limit *l, uint64_t over_ms, uint64_t grace_ms)
{
    bool ends = over_ms != 0 && grace_ms <= ORG_NO_LIMIT - 1 - over_ms;

    json_object(w);
    json_kv_u64(w, "used", used);
    api_kv_limit(w, "soft", l->soft);
    api_kv_limit(w, "hard", l->hard);
    json_kv_u64(w, "over", used > l->hard ? used - l->hard : 0);
    api_kv_limit(w, "soft_until_ms", ends ? over_ms + grace_ms
                                          : ORG_NO_LIMIT);
    json_object_end(w);
}

static void put_org(struct json_writer *w, const struct view *v,
                    const struct org *o)
{
    json_kv_u64(w, "id", o->id);
    json_kv_text(w, "name", o->name);
    json_kv_u64(w, "grace_ms", o->grace_ms);
    json_key(w, "quota");
    json_object(w);
    for (int k = 0; k < ORG_KINDS; k++) {
        json_key(w, org_kind_text((enum org_kind)k));
        api_quota(w, o->used[k], &o->limits[k], o->over_ms[k], o->grace_ms);
    }
    json_object_end(w);
    json_kv_u64(w, "tag_quotas", o->tag_quotas);
    put_guarantee(w, v, o);
    json_key(w, "formula");
    api_formula(w, org_score(o));
    json_kv_bool(w, "own_formula", o->scored);
    api_formula_outside(w, &v->bounds, o);
}

void api_orgs(struct api_call *c, const struct http_head *h)
{
    struct buf out = BUF_INIT;
    struct json_writer w;

    (void)h;
    json_init(&w, &out);
    json_array(&w);
    for (uint32_t i = 0; i < c->view->n_orgs; i++) {
        if (c->org != ORG_DEFAULT && c->view->orgs[i].id != c->org)
            continue;
        json_object(&w);
        put_org(&w, c->view, &c->view->orgs[i]);
        json_object_end(&w);
    }
    json_array_end(&w);
    buf_byte(&out, '\n');
    api_json(c, 200, &out);
    buf_free(&out);
}

static void answer_org(struct api_call *c, const struct org *o,
                       const char *flag, bool value)
{
    struct buf out = BUF_INIT;
    struct json_writer w;

    json_init(&w, &out);
    json_object(&w);
    put_org(&w, c->view, o);
    json_key(&w, "formula_bounds");
    api_bounds(&w, &c->view->bounds);
    if (flag != NULL)
        json_kv_bool(&w, flag, value);
    json_object_end(&w);
    buf_byte(&out, '\n');
    api_json(c, 200, &out);
    buf_free(&out);
}

void api_org(struct api_call *c, const struct http_head *h)
{
    const struct org *o = api_org_arg(c);

    (void)h;
    if (o != NULL)
        answer_org(c, o, NULL, false);
}

/* --- limits --------------------------------------------------------------- */

bool api_limit_arg(struct api_call *c, const char *name, bool may_none,
                   uint64_t *out, bool *set)
{
    const char *text = api_param(c, name);
    struct json_value v;

    *set = text != NULL;
    if (text == NULL)
        return true;
    if (may_none && strcmp(text, "none") == 0) {
        *out = ORG_NO_LIMIT;
        return true;
    }
    v = (struct json_value){JSON_NUMBER, text, strlen(text)};
    if (strspn(text, "0123456789") == v.n && json_as_u64(&v, out) &&
        *out <= ORG_LIMIT_MAX)
        return true;
    api_error(c, 400, "%s: '%.64s' is no whole number up to %llu%s", name,
              text, (unsigned long long)ORG_LIMIT_MAX,
              may_none ? ", nor 'none'" : "");
    return false;
}

static bool known_param(const char *name)
{
    static const char *const names[] = {
        "logical", "logical-soft", "physical", "physical-soft", "pins",
        "pins-soft", "grace", "guarantee", "dry-run", "limit"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

bool api_limits_args(struct api_call *c, struct org_limit limits[ORG_KINDS],
                     uint16_t *set)
{
    for (int i = 0; i < ORG_KINDS; i++) {
        const char *kind = org_kind_text((enum org_kind)i);
        bool is_soft, is_hard;
        char soft[32];

        snprintf(soft, sizeof soft, "%s-soft", kind);
        if (!api_limit_arg(c, soft, true, &limits[i].soft, &is_soft) ||
            !api_limit_arg(c, kind, true, &limits[i].hard, &is_hard))
            return false;
        *set |= (uint16_t)((is_soft ? 1U : 0) << 2 * i |
                           (is_hard ? 2U : 0) << 2 * i);
    }
    return true;
}

/* What is named, into k and into the picture of the organisation. */
static bool read_quota(struct api_call *c, struct command_org_put *k,
                       struct org *now)
{
    bool set;

    for (uint32_t i = 0; i < c->n_params; i++)
        if (!known_param(c->params[i].name)) {
            api_error(c, 400, "unknown parameter '%.64s'",
                      c->params[i].name);
            return false;
        }
    if (!api_limits_args(c, now->limits, &k->set))
        return false;
    if (!api_limit_arg(c, "grace", false, &now->grace_ms, &set))
        return false;
    k->set |= (uint16_t)(set ? ORG_SET_GRACE : 0);
    if (!api_limit_arg(c, "guarantee", true, &now->guarantee, &set))
        return false;
    k->set |= (uint16_t)(set ? ORG_SET_GUARANTEE : 0);
    if (k->set == 0) {
        api_error(c, 400, "no limit is named: logical, logical-soft, "
                          "physical, physical-soft, pins, pins-soft, grace, "
                          "guarantee");
        return false;
    }
    memcpy(k->limits, now->limits, sizeof k->limits);
    k->grace_ms = now->grace_ms;
    k->guarantee = now->guarantee;
    return true;
}

void api_org_changed(struct api_call *c, struct replica_result *r)
{
    if (r->error != ERR_OK || (r->verdict != VERDICT_ACCEPTED &&
                               r->verdict != VERDICT_ALREADY)) {
        api_refuse(c, r);
        return;
    }
    c->index = r->index;
    answer_org(c, c->state, "changed", r->verdict == VERDICT_ACCEPTED);
}

/* A dry run: the limits as they would be, and what is above them. */
struct try {
    struct org now; /* first: api_org_changed's state */
    struct api_first first;
};

static void try_look(struct api_call *c)
{
    struct try *t = c->state;

    api_first_look(c, &t->first);
}

static void tried(struct api_call *c)
{
    const struct try *t = c->state;
    struct buf out = BUF_INIT;
    struct json_writer w;

    json_init(&w, &out);
    json_object(&w);
    put_org(&w, c->view, &t->now);
    json_key(&w, "formula_bounds");
    api_bounds(&w, &c->view->bounds);
    json_kv_bool(&w, "dry_run", true);
    api_first_write(&t->first, c->view, &w);
    json_object_end(&w);
    buf_byte(&out, '\n');
    api_json(c, 200, &out);
    buf_free(&out);
}

static void look_first(struct api_call *c)
{
    struct try *t = c->state;
    uint64_t hard[ORG_KINDS];

    for (int k = 0; k < ORG_KINDS; k++)
        hard[k] = t->now.limits[k].hard;
    t->first.org = t->now.id;
    api_first_lack(&t->first, t->now.used, hard);
    api_look(c, try_look, tried);
}

/* What the state would say. */
static void try_quota(struct api_call *c, const struct org *old,
                      const struct org *now)
{
    const struct view *v = c->view;
    struct err_text why;

    if (fsm_org_check(now, &why) != ERR_OK)
        api_error(c, 400, "%s", why.text);
    else if (fsm_guarantee_raised(old, now) &&
             fsm_guarantee_check(now,
                                 fsm_guaranteed(v->orgs, v->n_orgs, now->id),
                                 api_pool(v), &why) != ERR_OK)
        api_error(c, 403, "%s", why.text);
    else if (fsm_limit_check(old, now,
                             fsm_limits(v->orgs, v->n_orgs, now->id),
                             &v->budget, api_pool(v), &why) != ERR_OK)
        api_error(c, 403, "%s", why.text);
    else
        look_first(c);
}

bool api_dry_run(struct api_call *c, bool *out)
{
    const char *text = api_param(c, "dry-run");

    *out = text != NULL && strcmp(text, "true") == 0;
    if (!*out && api_param(c, "limit") != NULL) {
        api_error(c, 400, "limit: only with dry-run=true");
        return false;
    }
    if (text == NULL || *out || strcmp(text, "false") == 0)
        return true;
    api_error(c, 400, "dry-run: '%.64s' is neither true nor false", text);
    return false;
}

void api_org_quota(struct api_call *c, const struct http_head *h)
{
    const struct org *o = api_org_arg(c);
    struct org *now;
    struct try *t;
    struct command *k;
    bool dry;

    (void)h;
    if (o == NULL || !api_operator(c) || !api_dry_run(c, &dry))
        return;
    c->state = t = mem_alloc(sizeof *t);
    c->state_free = free;
    t->now = *o;
    now = &t->now;
    if (!api_first_arg(c, &t->first))
        return;
    k = api_command(c, COMMAND_ORG_PUT);
    k->org_put.org = o->id;
    if (!read_quota(c, &k->org_put, now)) {
        free(k);
    } else if (dry) {
        free(k);
        try_quota(c, o, now);
    } else {
        if ((k->org_put.set & ORG_SET_GUARANTEE) != 0)
            k->kind = COMMAND_QUOTA_PUT;
        api_propose(c, k, api_org_changed);
    }
}

/* --- made, named, removed ------------------------------------------------ */

/* false: answered. */
static bool name_arg(struct api_call *c, char out[LIMIT_ORG_NAME + 1])
{
    const char *name = api_param(c, "name");

    for (uint32_t i = 0; i < c->n_params; i++)
        if (strcmp(c->params[i].name, "name") != 0) {
            api_error(c, 400, "unknown parameter '%.64s'",
                      c->params[i].name);
            return false;
        }
    if (name == NULL || !org_name_valid(name)) {
        api_error(c, 400, "name: 1 to %d of a-z, 0-9, '-', '_', '.'",
                  LIMIT_ORG_NAME);
        return false;
    }
    memcpy(out, name, strlen(name) + 1);
    return true;
}

static void answer_name(struct api_call *c, struct replica_result *r)
{
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
    json_kv_text(&w, "name", c->state);
    json_kv_bool(&w, "changed", r->verdict == VERDICT_ACCEPTED);
    json_object_end(&w);
    buf_byte(&out, '\n');
    api_json(c, 200, &out);
    buf_free(&out);
}

static void propose(struct api_call *c, struct command *k, const char *name)
{
    c->state = mem_text(name);
    c->state_free = free;
    api_propose(c, k, answer_name);
}

void api_org_make(struct api_call *c, const struct http_head *h)
{
    char name[LIMIT_ORG_NAME + 1];
    struct command *k;

    (void)h;
    if (!api_operator(c) || !name_arg(c, name))
        return;
    k = api_command(c, COMMAND_ORG_PUT);
    memcpy(k->org_put.name, name, sizeof name);
    propose(c, k, name);
}

void api_org_rename(struct api_call *c, const struct http_head *h)
{
    const struct org *o = api_org_arg(c);
    char name[LIMIT_ORG_NAME + 1];
    struct command *k;

    (void)h;
    if (o == NULL || !api_operator(c) || !name_arg(c, name))
        return;
    k = api_command(c, COMMAND_ORG_PUT);
    k->org_put.org = o->id;
    k->org_put.set = ORG_SET_NAME;
    memcpy(k->org_put.name, name, sizeof name);
    propose(c, k, name);
}

void api_org_remove(struct api_call *c, const struct http_head *h)
{
    const struct org *o = api_org_arg(c);
    struct command *k;

    (void)h;
    if (o == NULL || !api_operator(c))
        return;
    k = api_command(c, COMMAND_ORG_PUT);
    k->org_put.org = o->id;
    k->org_put.set = ORG_REMOVE;
    propose(c, k, o->name);
}
