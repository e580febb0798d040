/* formula, formula bounds: by what elastic pins are valued, and within what
 * organisations may say so themselves. */
#include "ctl/commands.h"

#include "ctl/ask.h"
#include "ctl/table.h"
#include "ctl/value.h"
#include "proto/limits.h"
#include "proto/score_bounds.h"

#include <stdio.h>
#include <string.h>

enum { VALUE_TEXT = SCORE_TERM_TEXT, RANGE_TEXT = 2 * VALUE_TEXT + 4 };

static const char *option_of(struct ctl *c, int t)
{
    return cli_text(&c->cli, score_term_name((enum score_term)t));
}

static bool any_option(struct ctl *c)
{
    for (int t = 0; t < SCORE_TERMS; t++)
        if (option_of(c, t) != NULL)
            return true;
    return cli_is(&c->cli, "reset");
}

/* The coordinator takes Go's durations, which know no days. */
static enum err value_param(enum score_term t, const char *text,
                            char out[VALUE_TEXT], struct err_text *why)
{
    uint64_t ms;

    if (score_term_kind(t) == SCORE_TIME) {
        if (value_duration(text, &ms, why) != ERR_OK) {
            err_prefix(why, "--%s", score_term_name(t));
            return ERR_USAGE;
        }
        snprintf(out, VALUE_TEXT, "%llums", (unsigned long long)ms);
        return ERR_OK;
    }
    if (strlen(text) >= VALUE_TEXT)
        return err_set(why, ERR_USAGE, "--%s: '%.64s' is too long",
                       score_term_name(t), text);
    memcpy(out, text, strlen(text) + 1);
    return ERR_OK;
}

enum err cmd_formula_options(struct ctl *c, struct target *t,
                             struct err_text *why)
{
    for (int k = 0; k < SCORE_TERMS; k++) {
        const char *text = option_of(c, k);
        char value[VALUE_TEXT];

        if (text == NULL)
            continue;
        if (value_param((enum score_term)k, text, value, why) != ERR_OK)
            return ERR_USAGE;
        target_param(t, score_term_name((enum score_term)k), value);
    }
    return ERR_OK;
}

/* As the coordinator wrote it; times in the largest unit that divides them. */
static const char *show_value(const struct json_value *v, const char *key,
                              enum score_term t, char out[VALUE_TEXT])
{
    struct json_value x;
    uint64_t ms;

    if (!json_get(v, key, &x) || x.type != JSON_NUMBER || x.n >= VALUE_TEXT)
        return "-";
    if (score_term_kind(t) == SCORE_TIME && json_as_u64(&x, &ms))
        return score_term_print(t, ms, out);
    memcpy(out, x.p, x.n);
    out[x.n] = '\0';
    return out;
}

/* --- formula -------------------------------------------------------------- */

static const struct table_column columns[] = {
    {"TERM", false}, {"VALUE", true}, {"LOWEST", true}, {"HIGHEST", true},
    {"REMARK", false}, {NULL, false},
};

static void cell_bounds(struct table *t, const struct json_value *bounds,
                        enum score_term term)
{
    char low[VALUE_TEXT], high[VALUE_TEXT];
    struct json_value range;

    if (!json_get(bounds, score_term_key(term), &range)) {
        table_cell(t, "");
        table_cell(t, "");
        return;
    }
    table_cell(t, show_value(&range, "low", term, low));
    table_cell(t, show_value(&range, "high", term, high));
}

static bool is_outside(const struct json_value *org, enum score_term t)
{
    struct json_value all, item;
    char key[VALUE_TEXT];
    struct span ignored;
    size_t at = 0;

    if (!json_get(org, "formula_outside", &all))
        return false;
    while (json_next(&all, &at, &ignored, &item))
        if (json_string(&item, key, sizeof key) &&
            strcmp(key, score_term_key(t)) == 0)
            return true;
    return false;
}

static void show_formula(const struct json_value *org)
{
    struct json_value bounds = {JSON_OBJECT, "{}", 2}, f;
    char value[VALUE_TEXT];
    struct table t;

    if (!json_get(org, "formula", &f))
        return;
    (void)json_get(org, "formula_bounds", &bounds);
    table_init(&t, columns, stdout);
    for (int k = 0; k < SCORE_TERMS; k++) {
        enum score_term term = (enum score_term)k;

        table_cell(&t, score_term_name(term));
        table_cell(&t, show_value(&f, score_term_key(term), term, value));
        cell_bounds(&t, &bounds, term);
        table_cell(&t, is_outside(org, term) ? "outside" : "");
    }
    table_end(&t);
}

/* Who is of another organisation than the default one sees only that. */
static enum err own_org(struct ctl *c, char out[LIMIT_ORG_NAME + 1],
                        struct err_text *why)
{
    struct buf body = BUF_INIT;
    struct json_value v, item;
    struct span key;
    size_t at = 0;
    enum err e = ask_value(c, "GET", "/api/v1/orgs", &body, &v, why);

    if (e == ERR_OK &&
        (!json_next(&v, &at, &key, &item) ||
         !json_get_string(&item, "name", out, LIMIT_ORG_NAME + 1)))
        e = err_set(why, ERR_PROTOCOL, "malformed answer: no organisation");
    buf_free(&body);
    return e;
}

static enum err ask_formula(struct ctl *c, const char *org,
                            struct err_text *why)
{
    bool set = any_option(c);
    struct target t;
    enum err e;

    target_init(&t, "/api/v1/orgs");
    target_name(&t, org);
    if (set)
        target_path(&t, "formula");
    if (cli_is(&c->cli, "reset"))
        target_param(&t, "reset", "true");
    e = cmd_formula_options(c, &t, why);
    if (e == ERR_OK)
        e = ask_show(c, set ? "POST" : "GET", target_text(&t), "formula",
                     show_formula, why);
    target_close(&t);
    return e;
}

enum err cmd_formula(struct ctl *c, struct err_text *why)
{
    char own[LIMIT_ORG_NAME + 1];
    enum err e;

    if (c->cli.n_args > 0)
        return ask_formula(c, c->cli.args[0], why);
    if (c->client.org != NULL)
        return ask_formula(c, c->client.org, why);
    e = ask_formula(c, "default", why);
    if (e != ERR_NOT_FOUND)
        return e;
    e = own_org(c, own, why);
    return e == ERR_OK ? ask_formula(c, own, why) : e;
}

/* --- bounds --------------------------------------------------------------- */

static const struct table_column bounds_columns[] = {
    {"TERM", false}, {"LOWEST", true}, {"HIGHEST", true}, {NULL, false},
};

/* "1d..14d" as the coordinator takes it. */
static enum err range_param(enum score_term t, const char *text,
                            char out[RANGE_TEXT], struct err_text *why)
{
    const char *middle = strstr(text, "..");
    char first[VALUE_TEXT], low[VALUE_TEXT], high[VALUE_TEXT];
    size_t n = middle == NULL ? 0 : (size_t)(middle - text);

    if (strcmp(text, "none") == 0) {
        memcpy(out, "none", sizeof "none");
        return ERR_OK;
    }
    if (n == 0 || n >= sizeof first || middle[2] == '\0')
        return err_set(why, ERR_USAGE,
                       "--%s: '%.64s' is neither LOW..HIGH nor none",
                       score_term_name(t), text);
    memcpy(first, text, n);
    first[n] = '\0';
    if (value_param(t, first, low, why) != ERR_OK ||
        value_param(t, middle + 2, high, why) != ERR_OK)
        return ERR_USAGE;
    snprintf(out, RANGE_TEXT, "%s..%s", low, high);
    return ERR_OK;
}

static void show_bounds(const struct json_value *answer)
{
    struct json_value bounds;
    struct table t;

    if (!json_get(answer, "bounds", &bounds))
        return;
    table_init(&t, bounds_columns, stdout);
    for (int k = 0; k < SCORE_TERMS; k++) {
        table_cell(&t, score_term_name((enum score_term)k));
        cell_bounds(&t, &bounds, (enum score_term)k);
    }
    table_end(&t);
}

static enum err bounds_options(struct ctl *c, struct target *t,
                               struct err_text *why)
{
    if (cli_is(&c->cli, "reset"))
        target_param(t, "reset", "true");
    for (int k = 0; k < SCORE_TERMS; k++) {
        const char *text = option_of(c, k);
        char range[RANGE_TEXT];

        if (text == NULL)
            continue;
        if (range_param((enum score_term)k, text, range, why) != ERR_OK)
            return ERR_USAGE;
        target_param(t, score_term_name((enum score_term)k), range);
    }
    return ERR_OK;
}

enum err cmd_formula_bounds(struct ctl *c, struct err_text *why)
{
    bool set = any_option(c);
    struct target t;
    enum err e;

    target_init(&t, "/api/v1/formula/bounds");
    e = bounds_options(c, &t, why);
    if (e == ERR_OK)
        e = ask_show(c, set ? "POST" : "GET", target_text(&t), "bounds",
                     show_bounds, why);
    target_close(&t);
    return e;
}
