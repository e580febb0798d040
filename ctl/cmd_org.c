/* org ls, create, rename, rm: organisations. */
#include "ctl/commands.h"

#include "ctl/ask.h"
#include "ctl/table.h"
#include "proto/types.h"

static const struct table_column columns[] = {
    {"NAME", false},   {"ID", true},           {"PINS", true},
    {"CONTENT", true}, {"WITH COPIES", true}, {NULL, false},
};

static bool used_of(const struct json_value *org, enum org_kind k,
                    uint64_t *out)
{
    struct json_value all, v;

    return json_get(org, "quota", &all) &&
           json_get(&all, org_kind_text(k), &v) &&
           json_get_u64(&v, "used", out);
}

static enum err put_row(struct table *t, const struct json_value *org,
                        struct err_text *why)
{
    uint64_t id, pins, logical, physical;
    char name[LIMIT_ORG_NAME + 1];

    if (org->type != JSON_OBJECT ||
        !json_get_string(org, "name", name, sizeof name) ||
        !json_get_u64(org, "id", &id) || !used_of(org, ORG_PINS, &pins) ||
        !used_of(org, ORG_LOGICAL, &logical) ||
        !used_of(org, ORG_PHYSICAL, &physical))
        return err_set(why, ERR_PROTOCOL,
                       "malformed answer: not an organisation");
    table_cell(t, name);
    table_cellf(t, "%llu", (unsigned long long)id);
    table_cellf(t, "%llu", (unsigned long long)pins);
    table_size(t, logical);
    table_size(t, physical);
    return ERR_OK;
}

enum err cmd_org_ls(struct ctl *c, struct err_text *why)
{
    return ask_table(c, "/api/v1/orgs", columns, put_row, why);
}

/* Closes t. */
static enum err change(struct ctl *c, const char *method, struct target *t,
                       const char *done, const char *name,
                       struct err_text *why)
{
    enum err e = ask_done(c, method, target_text(t), done, name, why);

    target_close(t);
    return e;
}

enum err cmd_org_create(struct ctl *c, struct err_text *why)
{
    struct target t;

    target_init(&t, "/api/v1/orgs");
    target_param(&t, "name", c->cli.args[0]);
    return change(c, "POST", &t, "created", c->cli.args[0], why);
}

enum err cmd_org_rename(struct ctl *c, struct err_text *why)
{
    struct target t;

    target_init(&t, "/api/v1/orgs");
    target_name(&t, c->cli.args[0]);
    target_param(&t, "name", c->cli.args[1]);
    return change(c, "POST", &t, "renamed to", c->cli.args[1], why);
}

enum err cmd_org_rm(struct ctl *c, struct err_text *why)
{
    struct target t;

    target_init(&t, "/api/v1/orgs");
    target_name(&t, c->cli.args[0]);
    return change(c, "DELETE", &t, "removed", c->cli.args[0], why);
}
