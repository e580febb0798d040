/* What a change of limits would do to pins: see api_would.h. */
#include "coordinator/api_would.h"

#include <string.h>

void api_would_init(struct api_would *o, const struct view *v, uint32_t limit)
{
    *o = (struct api_would){.view = v, .limit = limit, .pins = BUF_INIT};
    json_init(&o->w, &o->pins);
    json_array(&o->w);
}

void api_would_free(struct api_would *o)
{
    buf_free(&o->pins);
}

static void name_pin(struct api_would *o, const struct step_loss *x)
{
    const struct org *org = view_org(o->view, x->org);
    struct json_writer *w = &o->w;
    char cid[LIMIT_CID_TEXT];

    cid_print(&x->cid, x->form, cid);
    json_object(w);
    json_kv_text(w, "cid", cid);
    json_kv_u64(w, "id", x->pin);
    if (org != NULL)
        json_kv_text(w, "org", org->name);
    json_kv_text(w, "fate", step_fate_word(x->fate));
    json_kv_u64(w, "copies", x->copies);
    json_kv_u64(w, "bytes", x->bytes);
    json_key(w, "nodes");
    json_array(w);
    for (uint32_t i = 0; i < x->n_nodes; i++) {
        const struct view_node *n = view_node(o->view, x->nodes[i]);

        json_text(w, n != NULL ? n->row.name : "");
    }
    json_array_end(w);
    json_object_end(w);
}

bool api_would_add(struct api_would *o, const struct step_loss *x)
{
    o->groups[x->fate].pins++;
    o->groups[x->fate].copies += x->copies;
    o->groups[x->fate].bytes += x->bytes;
    if (o->listed == o->limit)
        return false;
    o->listed++;
    name_pin(o, x);
    return true;
}

void api_would_begin(struct api_would *o, struct json_writer *out)
{
    json_key(out, "would");
    json_object(out);
    json_key(out, "groups");
    json_array(out);
    for (int f = 0; f < STEP_FATES; f++) {
        if (o->groups[f].pins == 0)
            continue;
        json_object(out);
        json_kv_text(out, "fate", step_fate_word((enum step_fate)f));
        json_kv_text(out, "text", step_fate_text((enum step_fate)f));
        json_kv_u64(out, "pins", o->groups[f].pins);
        json_kv_u64(out, "copies", o->groups[f].copies);
        json_kv_u64(out, "bytes", o->groups[f].bytes);
        json_object_end(out);
    }
    json_array_end(out);
    json_array_end(&o->w);
    json_key(out, "pins");
    json_raw(out, span_buf(&o->pins));
}

/* --- limits --------------------------------------------------------------- */

void api_first_lack(struct api_first *f, const uint64_t used[ORG_KINDS],
                    const uint64_t hard[ORG_KINDS])
{
    for (int k = 0; k < ORG_KINDS; k++)
        f->lack[k] = used[k] > hard[k] ? used[k] - hard[k] : 0;
    f->lack[ORG_PINS] = 0; /* what is let go stays a claim */
}

bool api_first_arg(struct api_call *c, struct api_first *f)
{
    uint64_t n;

    if (!api_count_arg(c, "limit", 20, FSM_FIRST_MAX, &n))
        return false;
    f->limit = (uint32_t)n;
    return true;
}

static bool is_lacking(const struct api_first *f)
{
    return f->lack[ORG_LOGICAL] > 0 || f->lack[ORG_PHYSICAL] > 0;
}

static void look_at(const struct api_call *c, struct api_first *f,
                    uint32_t org)
{
    if (is_lacking(f) && f->n < f->limit)
        f->n += step_without_first(c->api->step, org, f->lack,
                                   f->limit - f->n, f->losses + f->n);
}

/* The next one in turn; NULL: that was the last. */
static const struct org *next_of(const struct view *v, const struct org *last)
{
    const struct org *best = NULL;

    for (uint32_t i = 0; i < v->n_orgs; i++) {
        const struct org *o = &v->orgs[i];

        if (last != NULL && (o->elastic > last->elastic ||
                             (o->elastic == last->elastic &&
                              o->id <= last->id)))
            continue;
        if (best == NULL || o->elastic > best->elastic)
            best = o;
    }
    return best;
}

void api_first_look(const struct api_call *c, struct api_first *f)
{
    const struct org *o = NULL;

    if (f->org != 0) {
        look_at(c, f, f->org);
        return;
    }
    while ((o = next_of(c->view, o)) != NULL && o->elastic > 0)
        look_at(c, f, o->id);
}

void api_first_write(const struct api_first *f, const struct view *v,
                     struct json_writer *w)
{
    struct api_would o;

    api_would_init(&o, v, f->limit);
    for (uint32_t i = 0; i < f->n; i++)
        (void)api_would_add(&o, &f->losses[i]);
    api_would_begin(&o, w);
    json_kv_bool(w, "complete", !is_lacking(f) || f->n < f->limit);
    json_key(w, "left");
    json_object(w);
    json_kv_u64(w, org_kind_text(ORG_LOGICAL), f->lack[ORG_LOGICAL]);
    json_kv_u64(w, org_kind_text(ORG_PHYSICAL), f->lack[ORG_PHYSICAL]);
    json_object_end(w);
    json_object_end(w);
    api_would_free(&o);
}
