/* What a pin's budgets leave, its nodes, and older decisions: see
 * api_explain.h. */
#include "coordinator/api_explain.h"

#include "coordinator/api.h"
#include "coordinator/api_object.h"
#include "proto/mem.h"

#include <stdlib.h>

/* --- budgets -------------------------------------------------------------- */

static void write_scope(struct json_writer *w, const struct slack *x)
{
    json_object(w);
    json_kv_text(w, "scope", slack_scope_word(x->scope));
    if (x->scope == SLACK_TAG)
        json_kv_text(w, "tag", x->tag);
    json_kv_text(w, "kind", org_kind_text(x->kind));
    json_kv_u64(w, "used", x->used);
    api_kv_limit(w, "limit", x->limit);
    api_kv_limit(w, "free", x->free);
    json_kv_u64(w, "needs", x->needs);
    json_kv_bool(w, "binds", x->binds);
    json_object_end(w);
}

static void write_demand(struct json_writer *w, const struct view *v,
                         const struct slack_demand *d)
{
    const struct org *o = view_org(v, d->org);

    json_object(w);
    json_kv_u64(w, "org", d->org);
    json_kv_text(w, "name", o != NULL ? o->name : "");
    json_kv_text(w, "class", d->elastic ? "elastic" : "required");
    json_kv_bool(w, "refused", d->refused);
    json_key(w, "charged");
    json_object(w);
    for (int k = 0; k < ORG_KINDS; k++)
        json_kv_u64(w, org_kind_text((enum org_kind)k), d->charge[k]);
    json_object_end(w);
    json_key(w, "scopes");
    json_array(w);
    for (uint32_t i = 0; i < d->n; i++)
        write_scope(w, &d->scopes[i]);
    json_array_end(w);
    json_object_end(w);
}

void api_explain_quotas(struct json_writer *w, const struct view *v,
                        const struct slack_all *a)
{
    json_key(w, "quotas");
    json_array(w);
    for (uint32_t i = 0; i < a->n; i++)
        write_demand(w, v, &a->demands[i]);
    json_array_end(w);
    json_kv_u64(w, "tags_left", a->tags_left);
}

/* --- nodes ---------------------------------------------------------------- */

/* What Pinfold may still fill, and what the disk has, by its last BEAT. */
static void write_room(struct json_writer *w, const struct plan_node *n)
{
    const struct node *row = n->node;
    uint64_t taken = row->bytes;

    taken += n->placed_bytes < UINT64_MAX - taken ? n->placed_bytes : 0;
    json_kv_u64(w, "capacity", row->capacity);
    json_kv_u64(w, "used_bytes", row->bytes);
    json_kv_u64(w, "planned_bytes", n->placed_bytes);
    json_kv_u64(w, "free_bytes",
                row->capacity > taken ? row->capacity - taken : 0);
    api_kv_limit(w, "disk_free_bytes", n->free_bytes);
}

static void write_domain(struct json_writer *w,
                         const struct plan_judgement *j)
{
    json_key(w, "domain");
    if (j->domain == NULL) {
        json_null(w);
        return;
    }
    json_object(w);
    json_kv_text(w, "level", j->level);
    json_kv_text(w, "name", j->domain);
    json_object_end(w);
}

static void write_node(struct json_writer *w, const struct view *v,
                       const struct step_explanation *x, uint32_t i,
                       const struct plan_judgement *j)
{
    const struct org *o = view_org(v, x->rows[i].org);

    json_object(w);
    json_kv_u64(w, "id", x->rows[i].id);
    json_kv_text(w, "name", x->rows[i].name);
    json_kv_text(w, "state", node_word_text(x->words[i]));
    json_kv_text(w, "owner", o != NULL ? o->name : "");
    json_kv_text(w, "verdict", plan_verdict_word(j->verdict));
    json_kv_text(w, "text", plan_verdict_text(j->verdict));
    if (j->rank > 0) {
        json_kv_u64(w, "rank", j->rank);
        json_kv_bool(w, "shares_domain", j->shared);
    }
    if (j->load_permille != PLAN_LOAD_UNKNOWN)
        json_kv_u64(w, "load_permille", j->load_permille);
    write_room(w, &x->nodes[i]);
    write_domain(w, j);
    json_object_end(w);
}

void api_explain_nodes(struct json_writer *w, const struct view *v,
                       const struct step_explanation *x)
{
    size_t n = (size_t)x->n_nodes + 1;
    struct plan_judgement *all = mem_array(n, sizeof *all);
    uint32_t *order = mem_array(n, sizeof *order);
    uint32_t ranked = 0;

    step_explain_nodes(x, all);
    for (uint32_t i = 0; i < x->n_nodes; i++)
        if (all[i].rank > 0) {
            order[all[i].rank - 1] = i;
            ranked++;
        }
    json_key(w, "nodes");
    json_array(w);
    for (uint32_t k = 0; k < ranked; k++)
        write_node(w, v, x, order[k], &all[order[k]]);
    for (uint32_t i = 0; i < x->n_nodes; i++)
        if (all[i].rank == 0)
            write_node(w, v, x, i, &all[i]);
    json_array_end(w);
    free(order);
    free(all);
}

/* --- decisions ------------------------------------------------------------ */

/* Of one entry about one pin. */
static bool belong(const struct store_decision *a,
                   const struct store_decision *b)
{
    return a->index == b->index && a->pin == b->pin &&
           a->reason == b->reason && a->released == b->released;
}

static void write_decision(struct json_writer *w,
                           const struct store_decision *d)
{
    char cid[LIMIT_CID_TEXT];

    cid_print(&d->cid, d->form, cid);
    api_kv_time(w, "at", (uint64_t)d->at_s * 1000);
    json_kv_u64(w, "index", d->index);
    json_kv_text(w, "action", d->released ? "release" : "order");
    json_kv_text(w, "reason", copy_reason_word(d->reason));
    json_kv_text(w, "text", copy_reason_text(d->reason));
    json_kv_text(w, "cid", cid);
    json_kv_u64(w, "id", d->pin);
    json_kv_u64(w, "size", d->size);
}

void api_explain_decisions(struct json_writer *w, const struct view *v,
                           const struct store_decision *rows, uint32_t n)
{
    json_key(w, "decisions");
    json_array(w);
    for (uint32_t i = 0; i < n;) {
        const struct store_decision *first = &rows[i];

        json_object(w);
        write_decision(w, first);
        json_key(w, "nodes");
        json_array(w);
        for (; i < n && belong(first, &rows[i]); i++) {
            const struct view_node *x = view_node(v, rows[i].node);

            json_text(w, x != NULL ? x->row.name : "");
        }
        json_array_end(w);
        json_object_end(w);
    }
    json_array_end(w);
}
