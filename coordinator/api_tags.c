/* Quotas of an organisation's tags: GET /api/v1/orgs/{org}/tags; POST
 * /api/v1/orgs/{org}/tags?tag=NAME&KIND=N&KIND-soft=N[&dry-run=true]. KIND is
 * logical, physical or pins; N a whole number or "none"; what is not named
 * stays, and without any limit the tag has no quota any more. An
 * organisation's administrators set its own, the default one's operators those
 * of all.
 */
#include "coordinator/api.h"

#include "coordinator/api_auth.h"
#include "coordinator/api_would.h"

#include "proto/json.h"
#include "proto/mem.h"
#include "proto/tags.h"

#include <stdlib.h>
#include <string.h>

struct tag_list {
    uint32_t org, n;
    uint64_t grace_ms;
    struct tag tags[LIMIT_TAG_QUOTAS];
    char name[LIMIT_TAG_NAME + 1]; /* "": all */
    bool set, changed;
};

static void put_tag(struct json_writer *w, const struct tag *t,
                    uint64_t grace_ms)
{
    json_kv_text(w, "tag", t->name);
    json_key(w, "quota");
    json_object(w);
    for (int k = 0; k < ORG_KINDS; k++) {
        json_key(w, org_kind_text((enum org_kind)k));
        api_quota(w, t->used[k], &t->limits[k], t->over_ms[k], grace_ms);
    }
    json_object_end(w);
}

/* Reader thread. */
static void read_tags(struct api_call *c, struct store_reader *r)
{
    struct tag_list *l = c->state;

    l->n = store_reader_tags(r, l->org, span_of(NULL, 0), LIMIT_TAG_QUOTAS,
                             l->tags);
}

/* Without a quota, as it is then. */
static void put_none(struct json_writer *w, const char *name)
{
    json_kv_text(w, "tag", name);
    json_key(w, "quota");
    json_null(w);
}

static void put_one(struct json_writer *w, const struct tag_list *l)
{
    uint32_t i = 0;

    while (i < l->n && strcmp(l->tags[i].name, l->name) != 0)
        i++;
    json_object(w);
    if (i < l->n)
        put_tag(w, &l->tags[i], l->grace_ms);
    else
        put_none(w, l->name);
    json_kv_bool(w, "changed", l->changed);
    json_object_end(w);
}

static void answer(struct api_call *c, enum err e)
{
    const struct tag_list *l = c->state;
    struct buf out = BUF_INIT;
    struct json_writer w;

    if (e != ERR_OK) {
        api_fail(c, e, NULL);
        return;
    }
    json_init(&w, &out);
    if (l->set) {
        put_one(&w, l);
    } else {
        json_array(&w);
        for (uint32_t i = 0; i < l->n; i++) {
            json_object(&w);
            put_tag(&w, &l->tags[i], l->grace_ms);
            json_object_end(&w);
        }
        json_array_end(&w);
    }
    buf_byte(&out, '\n');
    api_json(c, 200, &out);
    buf_free(&out);
}

static struct tag_list *list_of(struct api_call *c, const struct org *o)
{
    struct tag_list *l = mem_alloc(sizeof *l);

    l->org = o->id;
    l->grace_ms = o->grace_ms;
    c->state = l;
    c->state_free = free;
    return l;
}

void api_org_tags(struct api_call *c, const struct http_head *h)
{
    const struct org *o = api_org_arg(c);

    (void)h;
    if (o == NULL)
        return;
    (void)list_of(c, o);
    api_read(c, read_tags, answer);
}

static bool known_param(const char *name)
{
    size_t n = strcspn(name, "-");

    if (strcmp(name, "tag") == 0 || strcmp(name, "dry-run") == 0)
        return true;
    for (int k = 0; k < ORG_KINDS; k++) {
        const char *kind = org_kind_text((enum org_kind)k);

        if (strlen(kind) == n && strncmp(name, kind, n) == 0)
            return name[n] == '\0' || strcmp(name + n, "-soft") == 0;
    }
    return false;
}

/* false: answered. */
static bool read_limits(struct api_call *c, struct command_tag_quota *k)
{
    for (uint32_t i = 0; i < c->n_params; i++)
        if (!known_param(c->params[i].name)) {
            api_error(c, 400, "unknown parameter '%.64s'",
                      c->params[i].name);
            return false;
        }
    if (!api_limits_args(c, k->limits, &k->set))
        return false;
    if (k->set == 0)
        api_error(c, 400, "no limit is named: logical, logical-soft, "
                          "physical, physical-soft, pins, pins-soft");
    return k->set != 0;
}

static bool read_name(struct api_call *c, char out[LIMIT_TAG_NAME + 1])
{
    const char *name = api_param(c, "tag");

    if (name == NULL || !tag_valid(span_text(name))) {
        api_error(c, 400, "tag: a name has 1 to %d bytes without commas, "
                          "control characters and blanks at its ends",
                  LIMIT_TAG_NAME);
        return false;
    }
    memcpy(out, name, strlen(name) + 1);
    return true;
}

static void tag_set(struct api_call *c, struct replica_result *r)
{
    struct tag_list *l = c->state;

    if (r->error != ERR_OK || (r->verdict != VERDICT_ACCEPTED &&
                               r->verdict != VERDICT_ALREADY)) {
        api_refuse(c, r);
        return;
    }
    c->index = r->index;
    l->changed = r->verdict == VERDICT_ACCEPTED;
    api_read(c, read_tags, answer);
}

/* --- a dry run ------------------------------------------------------------ */

struct try {
    struct command_tag_quota put;
    struct tag now;
    uint64_t grace_ms;
    bool full; /* there are as many quotas as there can be */
    struct api_first first;
};

static void set_limits(struct tag *t, const struct command_tag_quota *put)
{
    for (int k = 0; k < ORG_KINDS; k++) {
        if ((put->set & 1U << 2 * k) != 0)
            t->limits[k].soft = put->limits[k].soft;
        if ((put->set & 2U << 2 * k) != 0)
            t->limits[k].hard = put->limits[k].hard;
    }
    memcpy(t->name, put->name, sizeof t->name);
}

/* Core loop. */
static void try_look(struct api_call *c)
{
    struct try *t = c->state;

    step_without_tag(c->api->step, t->put.org, t->put.name, &t->now);
}

static bool is_possible(const struct try *t, bool had, struct err_text *why)
{
    if (!had && t->full) {
        (void)err_set(why, ERR_INVALID, "there are quotas of %d tags: no "
                      "more", LIMIT_TAG_QUOTAS);
        return false;
    }
    return fsm_tag_check(&t->now, why) == ERR_OK;
}

/* Elastic pins make no room for a tag, so none are named. */
static void tried(struct api_call *c)
{
    struct try *t = c->state;
    uint64_t hard[ORG_KINDS];
    struct buf out = BUF_INIT;
    struct json_writer w;
    struct err_text why;
    bool had = t->now.limited;

    set_limits(&t->now, &t->put);
    if (!is_possible(t, had, &why)) {
        api_error(c, 400, "%s", why.text);
        return;
    }
    for (int k = 0; k < ORG_KINDS; k++)
        hard[k] = t->now.limits[k].hard;
    api_first_lack(&t->first, t->now.used, hard);
    json_init(&w, &out);
    json_object(&w);
    put_tag(&w, &t->now, t->grace_ms);
    json_kv_bool(&w, "dry_run", true);
    api_first_write(&t->first, c->view, &w);
    json_object_end(&w);
    buf_byte(&out, '\n');
    api_json(c, 200, &out);
    buf_free(&out);
}

static void try_tag(struct api_call *c, const struct org *o,
                    const struct command_tag_quota *put)
{
    struct try *t = mem_alloc(sizeof *t);

    c->state = t;
    c->state_free = free;
    t->put = *put;
    t->grace_ms = o->grace_ms;
    t->full = o->tag_quotas == LIMIT_TAG_QUOTAS;
    api_look(c, try_look, tried);
}

/* -------------------------------------------------------------------------- */

void api_org_tag(struct api_call *c, const struct http_head *h)
{
    const struct org *o = api_org_arg(c);
    struct tag_list *l;
    struct command *k;
    bool dry;

    (void)h;
    if (o == NULL ||
        (c->org == ORG_DEFAULT ? !api_operator(c)
                               : !api_needs(c, VERB_ADMIN)) ||
        !api_dry_run(c, &dry))
        return;
    k = api_command(c, COMMAND_TAG_QUOTA);
    k->tag_quota.org = o->id;
    if (!read_name(c, k->tag_quota.name) ||
        !read_limits(c, &k->tag_quota)) {
        free(k);
        return;
    }
    if (dry) {
        try_tag(c, o, &k->tag_quota);
        free(k);
        return;
    }
    l = list_of(c, o);
    l->set = true;
    memcpy(l->name, k->tag_quota.name, sizeof l->name);
    api_propose(c, k, tag_set);
}
