#include "coordinator/api_policy.h"

#include "coordinator/api_options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- the query ---------------------------------------------------------- */

/* A comma list, which may be given several times. */
static enum err list(const struct api_call *c, const char *name,
                     struct policy_list *out, struct err_text *why)
{
    for (uint32_t i = 0; i < c->n_params; i++) {
        const char *at = c->params[i].value, *end;
        if (strcmp(c->params[i].name, name) != 0 || *at == '\0')
            continue;
        for (;; at = end + 1) {
            end = strchrnul(at, ',');
            if (out->n == LIMIT_POLICY)
                return err_set(why, ERR_INVALID, "parameter %s invalid: more "
                               "than %d", name, LIMIT_POLICY);
            out->of[out->n++] = span_of(at, (size_t)(end - at));
            if (*end == '\0')
                break;
        }
    }
    return ERR_OK;
}

static enum err spread(const struct api_call *c, int32_t rmin,
                       struct policy *out, struct err_text *why)
{
    const char *level = api_param(c, "pinfold-spread");
    const char *number = api_param(c, "pinfold-min-domains");
    bool soft_ok = api_bool_parse(api_param(c, "pinfold-soft-spread"), false,
                                  &out->soft);
    char *end = NULL;
    long n = 0;

    if (!soft_ok)
        return err_set(why, ERR_INVALID,
                       "parameter pinfold-soft-spread invalid");
    if (level != NULL && !policy_spread_parse(level, &out->spread))
        return err_set(why, ERR_INVALID, "parameter pinfold-spread invalid: "
                       "\"%.32s\" is none of node, rack, zone, region",
                       level);
    if (level == NULL && (number != NULL || out->soft))
        return err_set(why, ERR_INVALID, "pinfold-min-domains and "
                       "pinfold-soft-spread go with pinfold-spread");
    if (level == NULL)
        return ERR_OK;
    if (number != NULL)
        n = strtol(number, &end, 10);
    if (number != NULL && (*end != '\0' || n < 1 || n > LIMIT_REPLICAS))
        return err_set(why, ERR_INVALID, "parameter pinfold-min-domains "
                       "invalid: 1 to %d", LIMIT_REPLICAS);
    out->min_domains = n > 0 ? (uint32_t)n : rmin > 0 ? (uint32_t)rmin : 1;
    return ERR_OK;
}

static enum err place_on(const struct api_call *c, struct policy *out,
                         struct err_text *why)
{
    const char *text = api_param(c, "pinfold-place-on");

    if (text == NULL || policy_place_parse(text, &out->place))
        return ERR_OK;
    return err_set(why, ERR_INVALID, "parameter pinfold-place-on invalid: "
                   "\"%.32s\" is none of own, shared, any", text);
}

enum err api_policy_parse(const struct api_call *c, int32_t rmin,
                          int32_t rmax, struct policy *out,
                          struct err_text *why)
{
    enum err e;

    *out = (struct policy){.spread = SPREAD_NONE};
    e = list(c, "pinfold-region", &out->required, why);
    if (e == ERR_OK)
        e = list(c, "pinfold-region-denied", &out->denied, why);
    if (e == ERR_OK)
        e = list(c, "pinfold-tag", &out->must, why);
    if (e == ERR_OK)
        e = list(c, "pinfold-tag-denied", &out->must_not, why);
    if (e == ERR_OK)
        e = spread(c, rmin, out, why);
    if (e == ERR_OK)
        e = place_on(c, out, why);
    if (e == ERR_OK)
        e = policy_check_names(out, why);
    if (e != ERR_OK)
        return e;
    policy_sort(out);
    if (!policy_is_empty(out) && api_param(c, "pin-update") != NULL)
        return err_set(why, ERR_INVALID, "policy: a pin update takes that of "
                       "the old pin");
    return policy_check(out, rmax, why);
}

/* --- answers ------------------------------------------------------------ */

static void kv_list(struct json_writer *w, const char *key,
                    const struct policy_list *l)
{
    json_key(w, key);
    json_array(w);
    for (uint32_t i = 0; i < l->n; i++)
        json_textn(w, l->of[i]);
    json_array_end(w);
}

void api_policy_members(struct json_writer *w, const struct policy *p)
{
    struct buf text = BUF_INIT;

    kv_list(w, "regions_required", &p->required);
    kv_list(w, "regions_denied", &p->denied);
    kv_list(w, "tags_required", &p->must);
    kv_list(w, "tags_denied", &p->must_not);
    json_kv_text(w, "spread", policy_spread_text(p->spread));
    json_kv_u64(w, "min_domains", p->min_domains);
    json_kv_bool(w, "soft_spread", p->soft);
    json_kv_text(w, "place_on", policy_place_text(p->place));
    policy_text(p, &text);
    json_kv_text(w, "text", buf_cstr(&text));
    buf_free(&text);
}

void api_kv_policy(struct json_writer *w, const struct policy *p)
{
    if (policy_is_empty(p))
        return;
    json_key(w, "pinfold_policy");
    json_object(w);
    api_policy_members(w, p);
    json_object_end(w);
}

/* --- uploads ------------------------------------------------------------ */

bool api_policy_restricts(const struct view *v, const struct policy *p,
                          uint32_t org)
{
    for (uint32_t i = 0; i < v->n_nodes; i++)
        if (!node_takes(&v->nodes[i].row, org))
            return true;
    return !policy_is_empty(p);
}

uint32_t api_policy_upload(const struct view *v, const struct policy *p,
                           uint32_t org)
{
    const struct view_node *best = NULL;

    for (uint32_t i = 0; i < v->n_nodes; i++) {
        const struct view_node *n = &v->nodes[i];
        if (n->word == NODE_READY && n->connected &&
            n->daemon == DAEMON_UP &&
            policy_judge(p, org, &n->row) == POLICY_ALLOWS &&
            (best == NULL || n->free_bytes > best->free_bytes))
            best = n;
    }
    return best != NULL ? best->row.id : 0;
}
