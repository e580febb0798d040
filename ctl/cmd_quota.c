/* quota show, quota set, quota cluster: what organisations use and what they
 * may, each and all together.
 */
#include "ctl/commands.h"

#include "ctl/answer.h"
#include "ctl/ask.h"
#include "ctl/print.h"
#include "ctl/table.h"
#include "ctl/value.h"
#include "ctl/would.h"
#include "proto/types.h"

#include <stdio.h>
#include <string.h>

static const struct table_column columns[] = {
    {"ORGANISATION", false}, {"OF", false},   {"USED", true},
    {"SOFT", true},          {"LIMIT", true}, {"GUARANTEE", true},
    {"USE", true},
    {"REMARK", false},       {NULL, false},
};

struct quota {
    uint64_t used, soft, hard, over, until_ms; /* ORG_NO_LIMIT: none */
    uint64_t guarantee, borrowed, nodes_short; /* of physical bytes */
};

static bool limit_of(const struct json_value *v, const char *key,
                     uint64_t *out)
{
    struct json_value x;

    if (!json_get(v, key, &x))
        return false;
    if (x.type != JSON_NULL)
        return json_as_u64(&x, out);
    *out = ORG_NO_LIMIT;
    return true;
}

static bool read_kind(const struct json_value *of, enum org_kind k,
                      struct quota *q)
{
    struct json_value all, v;

    *q = (struct quota){.guarantee = ORG_NO_LIMIT};
    return json_get(of, "quota", &all) &&
           json_get(&all, org_kind_text(k), &v) &&
           json_get_u64(&v, "used", &q->used) &&
           json_get_u64(&v, "over", &q->over) &&
           limit_of(&v, "soft", &q->soft) && limit_of(&v, "hard", &q->hard) &&
           limit_of(&v, "soft_until_ms", &q->until_ms);
}

static bool read_quota(const struct json_value *org, enum org_kind k,
                       struct quota *q)
{
    return read_kind(org, k, q) &&
           limit_of(org, "guarantee", &q->guarantee) &&
           json_get_u64(org, "borrowed", &q->borrowed) &&
           json_get_u64(org, "nodes_short", &q->nodes_short);
}

static void cell(struct table *t, enum org_kind k, uint64_t v)
{
    if (v == ORG_NO_LIMIT)
        table_cell(t, "none");
    else if (k == ORG_PINS)
        table_cellf(t, "%llu", (unsigned long long)v);
    else
        table_size(t, v);
}

static void share(struct table *t, const struct quota *q)
{
    uint64_t limit = q->hard < q->soft ? q->hard : q->soft;

    if (limit == ORG_NO_LIMIT)
        table_cell(t, "");
    else
        table_cellf(t, "%u%%", org_percent(q->used, limit));
}

/* Of what has a guarantee, what is beyond it. */
static void promise(struct table *t, enum org_kind k, const struct quota *q)
{
    char size[PRINT_SIZE];

    if (k != ORG_PHYSICAL || q->guarantee == ORG_NO_LIMIT)
        table_cell(t, "");
    else if (q->nodes_short > 0)
        table_cellf(t, "nodes lack %s of all guarantees",
                    print_size(q->nodes_short, size));
    else if (q->borrowed > 0)
        table_cellf(t, "borrows %s", print_size(q->borrowed, size));
    else
        table_cell(t, "");
}

static void remark(struct table *t, enum org_kind k, const struct quota *q)
{
    uint64_t now_ms = (uint64_t)print_now_ms();
    char text[PRINT_TIME], size[PRINT_SIZE];

    if (q->over > 0 && k == ORG_PINS)
        table_cellf(t, "over by %llu", (unsigned long long)q->over);
    else if (q->over > 0)
        table_cellf(t, "over by %s", print_size(q->over, size));
    else if (q->used <= q->soft)
        promise(t, k, q);
    else if (q->until_ms == ORG_NO_LIMIT)
        table_cell(t, "above the soft limit");
    else if (q->until_ms <= now_ms)
        table_cell(t, "above the soft limit, its grace is over");
    else
        table_cellf(t, "above the soft limit, for %s more",
                    print_span(q->until_ms - now_ms, text));
}

/* One row a kind that has a limit. */
static enum err put_tag(struct table *t, const struct json_value *tag,
                        struct err_text *why)
{
    char name[LIMIT_TAG_NAME + 1];
    struct quota q;

    if (!json_get_string(tag, "tag", name, sizeof name))
        return err_set(why, ERR_PROTOCOL, "malformed answer: not a tag");
    for (int k = 0; k < ORG_KINDS; k++) {
        if (!read_kind(tag, (enum org_kind)k, &q))
            return err_set(why, ERR_PROTOCOL,
                           "malformed answer: quota of tag '%.64s'", name);
        if (q.soft == ORG_NO_LIMIT && q.hard == ORG_NO_LIMIT)
            continue;
        table_cellf(t, "  tag:%s", name);
        table_cell(t, org_kind_text((enum org_kind)k));
        cell(t, (enum org_kind)k, q.used);
        cell(t, (enum org_kind)k, q.soft);
        cell(t, (enum org_kind)k, q.hard);
        table_cell(t, "");
        share(t, &q);
        remark(t, (enum org_kind)k, &q);
    }
    return ERR_OK;
}

static enum err put_tags(struct table *t, const struct json_value *tags,
                         struct err_text *why)
{
    struct json_value item;
    struct span key;
    size_t at = 0;
    enum err e = ERR_OK;

    while (tags->type == JSON_ARRAY && e == ERR_OK &&
           json_next(tags, &at, &key, &item))
        e = put_tag(t, &item, why);
    return e;
}

/* Of an organisation that has some. */
static enum err ask_tags(struct ctl *c, struct table *t,
                         const struct json_value *org, struct err_text *why)
{
    struct buf body = BUF_INIT;
    char name[LIMIT_ORG_NAME + 1];
    struct json_value tags;
    struct target target;
    uint64_t n;
    enum err e;

    if (!json_get_u64(org, "tag_quotas", &n) || n == 0 ||
        !json_get_string(org, "name", name, sizeof name))
        return ERR_OK;
    target_init(&target, "/api/v1/orgs");
    target_name(&target, name);
    target_path(&target, "tags");
    e = ask_value(c, "GET", target_text(&target), &body, &tags, why);
    if (e == ERR_OK)
        e = put_tags(t, &tags, why);
    target_close(&target);
    buf_free(&body);
    return e;
}

static enum err put_rows(struct table *t, const struct json_value *org,
                         struct err_text *why)
{
    char name[LIMIT_ORG_NAME + 1];
    struct quota q;

    if (org->type != JSON_OBJECT ||
        !json_get_string(org, "name", name, sizeof name))
        return err_set(why, ERR_PROTOCOL,
                       "malformed answer: not an organisation");
    for (int k = 0; k < ORG_KINDS; k++) {
        if (!read_quota(org, (enum org_kind)k, &q))
            return err_set(why, ERR_PROTOCOL,
                           "malformed answer: quota of '%.64s'", name);
        table_cell(t, k == 0 ? name : " ");
        table_cell(t, org_kind_text((enum org_kind)k));
        cell(t, (enum org_kind)k, q.used);
        cell(t, (enum org_kind)k, q.soft);
        cell(t, (enum org_kind)k, q.hard);
        if (k == ORG_PHYSICAL && q.guarantee != ORG_NO_LIMIT)
            table_size(t, q.guarantee);
        else
            table_cell(t, "");
        share(t, &q);
        remark(t, (enum org_kind)k, &q);
    }
    return ERR_OK;
}

/* --- the whole cluster ---------------------------------------------------- */
static enum err put_all(struct table *t, const struct json_value *v,
                        struct err_text *why)
{
    struct json_value all, one;
    struct quota q = {.soft = ORG_NO_LIMIT, .until_ms = ORG_NO_LIMIT,
                      .guarantee = ORG_NO_LIMIT};

    for (int k = 0; k < ORG_KINDS; k++) {
        if (!json_get(v, "quota", &all) ||
            !json_get(&all, org_kind_text((enum org_kind)k), &one) ||
            !json_get_u64(&one, "used", &q.used) ||
            !json_get_u64(&one, "over", &q.over) ||
            !limit_of(&one, "hard", &q.hard))
            return err_set(why, ERR_PROTOCOL,
                           "malformed answer: quota of the cluster");
        table_cell(t, k == 0 ? "(cluster)" : " ");
        table_cell(t, org_kind_text((enum org_kind)k));
        cell(t, (enum org_kind)k, q.used);
        table_cell(t, "");
        cell(t, (enum org_kind)k, q.hard);
        table_cell(t, "");
        share(t, &q);
        remark(t, (enum org_kind)k, &q);
    }
    return ERR_OK;
}

/* Of over-commit, who is not in the sum, and by how much it is too large. */
static void limits_remark(struct table *t, const char *factor, uint64_t nodes,
                          uint64_t over, uint64_t unlimited)
{
    char text[160], size[PRINT_SIZE], beyond[PRINT_SIZE];
    int n = snprintf(text, sizeof text, "over-commit %.8s of %s", factor,
                     print_size(nodes, size));

    if (over > 0)
        n += snprintf(text + n, sizeof text - (size_t)n, ", over by %s",
                      print_size(over, beyond));
    if (unlimited > 0)
        snprintf(text + n, sizeof text - (size_t)n, ", %llu without a limit",
                 (unsigned long long)unlimited);
    table_cell(t, text);
}

static enum err put_limits(struct table *t, const struct json_value *v,
                           struct err_text *why)
{
    struct json_value factor;
    struct quota q = {.soft = ORG_NO_LIMIT};
    uint64_t nodes, unlimited;
    char text[16] = "none";

    if (!json_get_u64(v, "limits", &q.used) ||
        !json_get_u64(v, "limits_over", &q.over) ||
        !json_get_u64(v, "nodes", &nodes) ||
        !json_get_u64(v, "unlimited", &unlimited) ||
        !limit_of(v, "limits_most", &q.hard) ||
        !json_get(v, "overcommit", &factor))
        return err_set(why, ERR_PROTOCOL,
                       "malformed answer: limits of the cluster");
    if (factor.type == JSON_NUMBER)
        snprintf(text, sizeof text, "%.*s", (int)factor.n, factor.p);
    table_cell(t, " ");
    table_cell(t, "limits");
    table_size(t, q.used);
    table_cell(t, "");
    cell(t, ORG_PHYSICAL, q.hard);
    table_cell(t, "");
    share(t, &q);
    limits_remark(t, text, nodes, q.over, unlimited);
    return ERR_OK;
}

static bool is_bounded(const struct json_value *v)
{
    struct json_value all, one, x;
    bool bounded = json_get(v, "overcommit", &x) && x.type == JSON_NUMBER;

    for (int k = 0; k < ORG_KINDS; k++)
        bounded = bounded ||
                  (json_get(v, "quota", &all) &&
                   json_get(&all, org_kind_text((enum org_kind)k), &one) &&
                   json_get(&one, "hard", &x) && x.type == JSON_NUMBER);
    return bounded;
}

/* Beside the organisations: who asks may not be told of the cluster, or there
 * is nothing to tell. */
static enum err put_bounds(struct ctl *c, struct table *table,
                           struct err_text *why)
{
    struct buf body = BUF_INIT;
    struct json_value v;
    struct err_text none;
    enum err e = ERR_OK;

    if (ask_value(c, "GET", "/api/v1/quota", &body, &v, &none) == ERR_OK &&
        is_bounded(&v)) {
        e = put_all(table, &v, why);
        if (e == ERR_OK)
            e = put_limits(table, &v, why);
    }
    buf_free(&body);
    return e;
}

/* --- dry runs ------------------------------------------------------------- */
static enum err add_dry(struct ctl *c, struct target *t, struct err_text *why)
{
    int64_t limit = cli_number(&c->cli, "limit", 0);

    if (!cli_is(&c->cli, "dry-run"))
        return limit == 0 ? ERR_OK
                          : err_set(why, ERR_USAGE,
                                    "--limit is for --dry-run");
    target_param(t, "dry-run", "true");
    if (limit > 0)
        target_number(t, "limit", limit);
    return ERR_OK;
}

static enum err show_dry(const struct ctl *c, const struct json_value *v,
                         struct err_text *why)
{
    return cli_is(&c->cli, "dry-run") ? would_show(v, true, NULL, why)
                                      : ERR_OK;
}

static enum err show(struct ctl *c, const char *method, struct target *t,
                     struct err_text *why)
{
    struct buf body = BUF_INIT;
    struct json_value v, item;
    struct span key;
    struct table table;
    size_t at = 0;
    enum err e = ask_value(c, method, target_text(t), &body, &v, why);

    if (e == ERR_OK && c->json) {
        print_json(&v);
    } else if (e == ERR_OK) {
        table_init(&table, columns, stdout);
        if (v.type != JSON_ARRAY) {
            e = put_rows(&table, &v, why);
            if (e == ERR_OK)
                e = ask_tags(c, &table, &v, why);
        }
        while (v.type == JSON_ARRAY && e == ERR_OK &&
               json_next(&v, &at, &key, &item)) {
            e = put_rows(&table, &item, why);
            if (e == ERR_OK)
                e = ask_tags(c, &table, &item, why);
        }
        if (v.type == JSON_ARRAY && e == ERR_OK)
            e = put_bounds(c, &table, why);
        if (e == ERR_OK)
            table_end(&table);
        else
            table_drop(&table);
        if (e == ERR_OK && v.type != JSON_ARRAY)
            e = show_dry(c, &v, why);
    }
    buf_free(&body);
    target_close(t);
    return e;
}

enum err cmd_quota_show(struct ctl *c, struct err_text *why)
{
    struct target t;

    target_init(&t, "/api/v1/orgs");
    if (c->cli.n_args > 0)
        target_name(&t, c->cli.args[0]);
    return show(c, "GET", &t, why);
}

static const struct limit_option {
    const char *name;
    bool size;
} limits[] = {{"logical", true},  {"logical-soft", true},
              {"physical", true}, {"physical-soft", true},
              {"pins", false},    {"pins-soft", false}};
enum { LIMITS = sizeof limits / sizeof limits[0] };

static enum err add_limit(struct ctl *c, struct target *t, const char *name,
                          bool size, struct err_text *why)
{
    const char *text = cli_text(&c->cli, name);
    uint64_t bytes;
    int64_t n;
    enum err e;

    if (text == NULL)
        return ERR_OK;
    if (strcmp(text, "none") == 0) {
        target_param(t, name, text);
        return ERR_OK;
    }
    if (size) {
        e = value_size(text, &bytes, why);
        n = e == ERR_OK ? (int64_t)bytes : 0;
    } else {
        e = value_number(text, 0, INT64_MAX, &n, why);
    }
    if (e == ERR_OK)
        target_number(t, name, n);
    else
        err_prefix(why, "--%s", name);
    return e;
}

enum err cmd_quota_cluster(struct ctl *c, struct err_text *why)
{
    static const char *const kinds[] = {"logical", "physical", "pins"};
    const char *factor = cli_text(&c->cli, "overcommit"), *method = "GET";
    struct buf body = BUF_INIT;
    struct json_value v;
    struct table table;
    struct target t;
    enum err e = ERR_OK;

    target_init(&t, "/api/v1/quota");
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (e == ERR_OK)
            e = add_limit(c, &t, kinds[i], strcmp(kinds[i], "pins") != 0,
                          why);
        if (cli_text(&c->cli, kinds[i]) != NULL)
            method = "POST";
    }
    if (factor != NULL) {
        target_param(&t, "overcommit", factor);
        method = "POST";
    }
    if (cli_is(&c->cli, "dry-run"))
        method = "POST";
    if (e == ERR_OK)
        e = add_dry(c, &t, why);
    if (e == ERR_OK)
        e = ask_value(c, method, target_text(&t), &body, &v, why);
    if (e == ERR_OK && c->json) {
        print_json(&v);
    } else if (e == ERR_OK) {
        table_init(&table, columns, stdout);
        e = put_all(&table, &v, why);
        if (e == ERR_OK)
            e = put_limits(&table, &v, why);
        if (e == ERR_OK)
            table_end(&table);
        else
            table_drop(&table);
        if (e == ERR_OK)
            e = show_dry(c, &v, why);
    }
    buf_free(&body);
    target_close(&t);
    return e;
}

enum err cmd_quota_set(struct ctl *c, struct err_text *why)
{
    struct target t;
    int64_t grace_ms = cli_number(&c->cli, "grace", -1);
    enum err e = ERR_OK;

    target_init(&t, "/api/v1/orgs");
    target_name(&t, c->cli.n_args > 0 ? c->cli.args[0] : "default");
    target_path(&t, "quota");
    for (size_t i = 0; i < LIMITS && e == ERR_OK; i++)
        e = add_limit(c, &t, limits[i].name, limits[i].size, why);
    if (e == ERR_OK)
        e = add_limit(c, &t, "guarantee", true, why);
    if (grace_ms >= 0)
        target_number(&t, "grace", grace_ms);
    if (e == ERR_OK)
        e = add_dry(c, &t, why);
    if (e != ERR_OK) {
        target_close(&t);
        return e;
    }
    return show(c, "POST", &t, why);
}

/* --- tags ----------------------------------------------------------------- */
static const struct table_column tag_columns[] = {
    {"TAG", false},  {"OF", false},   {"USED", true}, {"SOFT", true},
    {"LIMIT", true}, {"GUARANTEE", true}, {"USE", true}, {"REMARK", false},
    {NULL, false},
};

static enum err show_tags(struct ctl *c, const char *method,
                          struct target *t, struct err_text *why)
{
    struct buf body = BUF_INIT;
    struct json_value v, quota;
    struct table table;
    enum err e = ask_value(c, method, target_text(t), &body, &v, why);

    if (e == ERR_OK && v.type != JSON_ARRAY)
        e = answer_needs(&v, "quota", why);
    if (e == ERR_OK && c->json) {
        print_json(&v);
    } else if (e == ERR_OK) {
        table_init(&table, tag_columns, stdout);
        if (v.type == JSON_ARRAY)
            e = put_tags(&table, &v, why);
        else if (json_get(&v, "quota", &quota) && quota.type != JSON_NULL)
            e = put_tag(&table, &v, why);
        if (e == ERR_OK)
            table_end(&table);
        else
            table_drop(&table);
        if (e == ERR_OK && v.type != JSON_ARRAY)
            e = show_dry(c, &v, why);
    }
    buf_free(&body);
    target_close(t);
    return e;
}

/* Options without a tag would be for nothing, and a tag without options. */
static enum err check_tag_words(struct ctl *c, struct err_text *why)
{
    bool remove = cli_is(&c->cli, "remove"), limited = false;

    for (size_t i = 0; i < LIMITS; i++)
        limited = limited || cli_text(&c->cli, limits[i].name) != NULL;
    if (remove && limited)
        return err_set(why, ERR_USAGE, "--remove and limits at once");
    if (c->cli.n_args == 1 && (remove || limited))
        return err_set(why, ERR_USAGE, "of which tag? 'quota tag ORG TAG'");
    if (c->cli.n_args == 1 && cli_is(&c->cli, "dry-run"))
        return err_set(why, ERR_USAGE, "--dry-run is for a change of a tag");
    if (c->cli.n_args == 2 && !remove && !limited)
        return err_set(why, ERR_USAGE, "no limit is named; 'quota tag ORG' "
                       "shows all tags");
    return ERR_OK;
}

enum err cmd_quota_tag(struct ctl *c, struct err_text *why)
{
    bool remove = cli_is(&c->cli, "remove");
    struct target t;
    enum err e = check_tag_words(c, why);

    if (e != ERR_OK)
        return e;
    target_init(&t, "/api/v1/orgs");
    target_name(&t, c->cli.args[0]);
    target_path(&t, "tags");
    if (c->cli.n_args == 1)
        return show_tags(c, "GET", &t, why);
    target_param(&t, "tag", c->cli.args[1]);
    for (size_t i = 0; i < LIMITS && e == ERR_OK; i++)
        if (remove)
            target_param(&t, limits[i].name, "none");
        else
            e = add_limit(c, &t, limits[i].name, limits[i].size, why);
    if (e == ERR_OK)
        e = add_dry(c, &t, why);
    if (e != ERR_OK) {
        target_close(&t);
        return e;
    }
    return show_tags(c, "POST", &t, why);
}
