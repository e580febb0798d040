/* The whole cluster's budget, and over-commit: GET /api/v1/quota; POST
 * /api/v1/quota?logical=N&physical=N&pins=N&overcommit=X[&dry-run=true&
 * limit=N]. N is a whole number or "none", X from 0.01 to 4 or "none"; what is
 * not named stays. For the default organisation's operators.
 */
#include "coordinator/api.h"

#include "coordinator/api_would.h"
#include "coordinator/core/fsm.h"
#include "proto/json.h"
#include "proto/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put_kinds(struct json_writer *w, const struct view *v,
                      const struct budget *b)
{
    json_key(w, "quota");
    json_object(w);
    for (int k = 0; k < ORG_KINDS; k++) {
        uint64_t used = fsm_cluster_used(v->orgs, v->n_orgs,
                                         (enum org_kind)k);

        json_key(w, org_kind_text((enum org_kind)k));
        json_object(w);
        json_kv_u64(w, "used", used);
        api_kv_limit(w, "hard", b->limits[k]);
        json_kv_u64(w, "over",
                    used > b->limits[k] ? used - b->limits[k] : 0);
        json_object_end(w);
    }
    json_object_end(w);
}

/* "1.50" */
static void put_factor(struct json_writer *w, uint32_t overcommit)
{
    char text[16];

    snprintf(text, sizeof text, "%u.%02u", overcommit / OVERCOMMIT_ONE,
             overcommit % OVERCOMMIT_ONE);
    json_key(w, "overcommit");
    if (overcommit == 0)
        json_null(w);
    else
        json_raw(w, span_text(text));
}

static void put_limits(struct json_writer *w, const struct view *v,
                       const struct budget *b)
{
    uint64_t limits = fsm_limits(v->orgs, v->n_orgs, 0);
    uint64_t pool = api_pool(v), most = ORG_NO_LIMIT;
    uint32_t unlimited = 0;

    if (b->overcommit != 0)
        most = fsm_overcommit(b->overcommit, pool);
    for (uint32_t i = 0; i < v->n_orgs; i++)
        unlimited += v->orgs[i].limits[ORG_PHYSICAL].hard == ORG_NO_LIMIT;
    json_kv_u64(w, "nodes", pool);
    json_kv_u64(w, "limits", limits);
    api_kv_limit(w, "limits_most", most);
    json_kv_u64(w, "limits_over", limits > most ? limits - most : 0);
    json_kv_u64(w, "unlimited", unlimited);
}

/* first NULL: nothing is tried. */
static void answer(struct api_call *c, const struct budget *b,
                   const char *flag, bool value,
                   const struct api_first *first)
{
    struct buf out = BUF_INIT;
    struct json_writer w;

    json_init(&w, &out);
    json_object(&w);
    put_kinds(&w, c->view, b);
    put_factor(&w, b->overcommit);
    put_limits(&w, c->view, b);
    if (flag != NULL)
        json_kv_bool(&w, flag, value);
    if (first != NULL)
        api_first_write(first, c->view, &w);
    json_object_end(&w);
    buf_byte(&out, '\n');
    api_json(c, 200, &out);
    buf_free(&out);
}

void api_budget(struct api_call *c, const struct http_head *h)
{
    (void)h;
    answer(c, &c->view->budget, NULL, false, NULL);
}

/* "1", "1.5", "0.25": hundredths; more digits are refused, not rounded. */
static bool factor(const char *text, uint32_t *out)
{
    size_t whole = strspn(text, "0123456789"), part = 0;
    uint32_t n = 0;

    if (whole != 1)
        return false;
    if (text[1] == '.')
        part = strspn(text + 2, "0123456789");
    if (text[1] == '.' ? part == 0 || part > 2 || text[2 + part] != '\0'
                       : text[1] != '\0')
        return false;
    n = (uint32_t)(text[0] - '0') * OVERCOMMIT_ONE;
    if (part > 0)
        n += (uint32_t)(text[2] - '0') * 10;
    if (part > 1)
        n += (uint32_t)(text[3] - '0');
    *out = n;
    return n > 0 && n <= OVERCOMMIT_MAX;
}

/* false: answered. */
static bool factor_arg(struct api_call *c, struct command_budget *k)
{
    const char *text = api_param(c, "overcommit");

    if (text == NULL)
        return true;
    k->set |= BUDGET_SET_OVERCOMMIT;
    if (strcmp(text, "none") == 0)
        k->budget.overcommit = 0;
    else if (!factor(text, &k->budget.overcommit)) {
        api_error(c, 400, "overcommit: '%.64s' is neither 'none' nor a "
                  "number from 0.01 to %d with two decimals", text,
                  OVERCOMMIT_MAX / OVERCOMMIT_ONE);
        return false;
    }
    return true;
}

static bool known_param(const char *name)
{
    for (int k = 0; k < ORG_KINDS; k++)
        if (strcmp(name, org_kind_text((enum org_kind)k)) == 0)
            return true;
    return strcmp(name, "overcommit") == 0 ||
           strcmp(name, "dry-run") == 0 || strcmp(name, "limit") == 0;
}

/* What is named, beside what is. */
static bool read_budget(struct api_call *c, struct command_budget *k)
{
    bool set;

    for (uint32_t i = 0; i < c->n_params; i++)
        if (!known_param(c->params[i].name)) {
            api_error(c, 400, "unknown parameter '%.64s'",
                      c->params[i].name);
            return false;
        }
    k->budget = c->view->budget;
    for (int i = 0; i < ORG_KINDS; i++) {
        if (!api_limit_arg(c, org_kind_text((enum org_kind)i), true,
                           &k->budget.limits[i], &set))
            return false;
        k->set |= (uint16_t)(set ? 1U << i : 0);
    }
    if (!factor_arg(c, k))
        return false;
    if (k->set == 0)
        api_error(c, 400, "nothing is named: logical, physical, pins, "
                          "overcommit");
    return k->set != 0;
}

static void budget_set(struct api_call *c, struct replica_result *r)
{
    if (r->error != ERR_OK || (r->verdict != VERDICT_ACCEPTED &&
                               r->verdict != VERDICT_ALREADY)) {
        api_refuse(c, r);
        return;
    }
    c->index = r->index;
    answer(c, c->state, "changed", r->verdict == VERDICT_ACCEPTED, NULL);
}

struct try {
    struct budget now;
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

    answer(c, &t->now, "dry_run", true, &t->first);
}

static void look_first(struct api_call *c, const struct budget *now)
{
    struct try *t = mem_alloc(sizeof *t);
    uint64_t used[ORG_KINDS];

    c->state = t;
    c->state_free = free;
    t->now = *now;
    for (int k = 0; k < ORG_KINDS; k++)
        used[k] = fsm_cluster_used(c->view->orgs, c->view->n_orgs,
                                   (enum org_kind)k);
    if (!api_first_arg(c, &t->first))
        return;
    api_first_lack(&t->first, used, now->limits);
    api_look(c, try_look, tried);
}

/* What the state would say. */
static void try_budget(struct api_call *c, const struct budget *now)
{
    const struct view *v = c->view;
    struct err_text why;
    enum err e = fsm_budget_check(&v->budget, now,
                                  fsm_limits(v->orgs, v->n_orgs, 0),
                                  api_pool(v), &why);

    if (e != ERR_OK)
        api_error(c, e == ERR_INVALID ? 400 : 403, "%s", why.text);
    else
        look_first(c, now);
}

void api_budget_set(struct api_call *c, const struct http_head *h)
{
    struct command *k;
    bool dry;

    (void)h;
    if (!api_dry_run(c, &dry))
        return;
    k = api_command(c, COMMAND_BUDGET);
    if (!read_budget(c, &k->budget)) {
        free(k);
    } else if (dry) {
        try_budget(c, &k->budget.budget);
        free(k);
    } else {
        c->state = mem_copy(&k->budget.budget, sizeof k->budget.budget);
        c->state_free = free;
        api_propose(c, k, budget_set);
    }
}
