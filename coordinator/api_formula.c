/* By what pins are valued: POST /api/v1/orgs/{org}/formula?usage=W&… sets it
 * for an organisation, or with reset=true as the program has it; an
 * organisation itself within bounds. GET /api/v1/formula/bounds shows them,
 * POST …?usage=LOW..HIGH&…, TERM=none, or reset=true sets them.
 */
#include "coordinator/api.h"

#include "coordinator/api_auth.h"
#include "coordinator/api_options.h"
#include "proto/json.h"
#include "proto/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put_term(struct json_writer *w, const char *key,
                     enum score_term t, uint64_t v)
{
    if (score_term_kind(t) == SCORE_FRACTION)
        api_kv_q16(w, key, (int64_t)v);
    else
        json_kv_u64(w, key, v);
}

void api_formula(struct json_writer *w, const struct score_config *f)
{
    json_object(w);
    for (int k = 0; k < SCORE_TERMS; k++) {
        enum score_term t = (enum score_term)k;

        put_term(w, score_term_key(t), t, score_term_get(f, t));
    }
    json_object_end(w);
}

const struct score_config *api_formula_of(const struct api_call *c)
{
    const struct org *o = view_org(c->view, c->org);

    return o != NULL ? org_score(o) : &score_defaults;
}

void api_bounds(struct json_writer *w, const struct score_bounds *b)
{
    json_object(w);
    for (int k = 0; k < SCORE_TERMS; k++) {
        enum score_term t = (enum score_term)k;

        if ((b->open >> k & 1) == 0)
            continue;
        json_key(w, score_term_key(t));
        json_object(w);
        put_term(w, "low", t, b->of[k].low);
        put_term(w, "high", t, b->of[k].high);
        json_object_end(w);
    }
    json_object_end(w);
}

void api_formula_outside(struct json_writer *w, const struct score_bounds *b,
                         const struct org *o)
{
    const struct score_config *f = org_score(o);

    json_key(w, "formula_outside");
    json_array(w);
    for (int k = 0; k < SCORE_TERMS && o->id != ORG_DEFAULT; k++) {
        enum score_term t = (enum score_term)k;

        if (score_bounds_outside(b, t, score_term_get(f, t)))
            json_text(w, score_term_key(t));
    }
    json_array_end(w);
}

/* --- a formula ------------------------------------------------------------ */

/* false: not what the term takes. */
static bool term_value(enum score_term t, const char *text, uint64_t *out)
{
    struct json_value v = {JSON_NUMBER, text, strlen(text)};

    switch (score_term_kind(t)) {
    case SCORE_FRACTION:
        return api_decimal(text, score_term_high(t) / FIXED_ONE, out);
    case SCORE_TIME:
        return api_duration_parse(text, out);
    case SCORE_COUNT:
        break;
    }
    return strspn(text, "0123456789") == v.n && json_as_u64(&v, out) &&
           *out <= score_term_high(t);
}

static bool is_one_of(const char *name, const char *const *names)
{
    while (*names != NULL && strcmp(name, *names) != 0)
        names++;
    return *names != NULL;
}

bool api_formula_args(struct api_call *c, const char *const *others,
                      struct score_config *out)
{
    struct err_text why;

    for (uint32_t i = 0; i < c->n_params; i++) {
        const struct api_param *p = &c->params[i];
        enum score_term t;
        uint64_t v;

        if (is_one_of(p->name, others))
            continue;
        if (!score_term_find(p->name, &t)) {
            api_error(c, 400, "unknown parameter '%.64s'", p->name);
            return false;
        }
        if (!term_value(t, p->value, &v)) {
            api_error(c, 400, "%.64s: '%.64s' is not a value of it", p->name,
                      p->value);
            return false;
        }
        score_term_set(out, t, v);
    }
    if (score_config_check(out, &why) == ERR_OK)
        return true;
    api_error(c, 400, "%s", why.text);
    return false;
}

static bool is_reset(const struct api_call *c)
{
    const char *reset = api_param(c, "reset");

    return c->n_params == 1 && reset != NULL && strcmp(reset, "true") == 0;
}

void api_org_formula(struct api_call *c, const struct http_head *h)
{
    const struct org *o = api_org_arg(c);
    static const char *const none[] = {NULL};
    struct command *k;
    struct org *now;

    (void)h;
    if (o == NULL ||
        !api_needs(c, c->org == ORG_DEFAULT ? VERB_OPERATOR : VERB_ADMIN))
        return;
    k = api_command(c, COMMAND_FORMULA);
    k->formula.org = o->id;
    k->formula.reset = is_reset(c);
    k->formula.score = *org_score(o);
    if (!k->formula.reset && !api_formula_args(c, none, &k->formula.score)) {
        free(k);
        return;
    }
    if (k->formula.reset)
        k->formula.score = score_defaults;
    c->state = now = mem_copy(o, sizeof *o);
    c->state_free = free;
    now->scored = !k->formula.reset;
    now->score = k->formula.score;
    api_propose(c, k, api_org_changed);
}

/* --- bounds --------------------------------------------------------------- */

/* "0.1..1" */
static bool range_value(enum score_term t, const char *text, uint64_t *low,
                        uint64_t *high)
{
    const char *middle = strstr(text, "..");
    char first[64];

    if (middle == NULL || (size_t)(middle - text) >= sizeof first)
        return false;
    memcpy(first, text, (size_t)(middle - text));
    first[middle - text] = '\0';
    return term_value(t, first, low) && term_value(t, middle + 2, high) &&
           score_range_valid(t, *low, *high);
}

static void refuse_range(struct api_call *c, enum score_term t,
                         const char *text)
{
    char low[SCORE_TERM_TEXT], high[SCORE_TERM_TEXT];

    api_error(c, 400, "%s: '%.64s' is neither LOW..HIGH, within %s..%s, nor "
              "'none'", score_term_name(t), text,
              score_term_print(t, score_term_low(t), low),
              score_term_print(t, score_term_high(t), high));
}

/* false: answered. */
static bool read_bounds(struct api_call *c, struct command_formula_bounds *k)
{
    for (uint32_t i = 0; i < c->n_params; i++) {
        const struct api_param *p = &c->params[i];
        uint64_t low, high;
        enum score_term t;

        if (!score_term_find(p->name, &t)) {
            api_error(c, 400, "unknown parameter '%.64s'", p->name);
            return false;
        }
        k->set |= 1U << t;
        if (strcmp(p->value, "none") == 0) {
            score_bounds_close(&k->bounds, t);
        } else if (range_value(t, p->value, &low, &high)) {
            score_bounds_open(&k->bounds, t, low, high);
        } else {
            refuse_range(c, t, p->value);
            return false;
        }
    }
    if (k->set != 0)
        return true;
    api_error(c, 400, "no term is named: usage, quality, recency, size, "
              "half-usage, half-recency, saturation, in, out, residency, "
              "hysteresis, copy-reads; nor is it reset");
    return false;
}

static void answer_bounds(struct api_call *c, const struct score_bounds *b,
                          const bool *changed)
{
    struct buf out = BUF_INIT;
    struct json_writer w;

    json_init(&w, &out);
    json_object(&w);
    json_key(&w, "bounds");
    api_bounds(&w, b);
    if (changed != NULL)
        json_kv_bool(&w, "changed", *changed);
    json_object_end(&w);
    buf_byte(&out, '\n');
    api_json(c, 200, &out);
    buf_free(&out);
}

void api_bounds_show(struct api_call *c, const struct http_head *h)
{
    (void)h;
    answer_bounds(c, &c->view->bounds, NULL);
}

static void bounds_set(struct api_call *c, struct replica_result *r)
{
    bool changed = r->verdict == VERDICT_ACCEPTED;

    if (r->error != ERR_OK || (!changed && r->verdict != VERDICT_ALREADY)) {
        api_refuse(c, r);
        return;
    }
    c->index = r->index;
    answer_bounds(c, c->state, &changed);
}

void api_bounds_set(struct api_call *c, const struct http_head *h)
{
    struct command *k = api_command(c, COMMAND_FORMULA_BOUNDS);
    struct score_bounds *now;

    (void)h;
    if (is_reset(c)) {
        k->formula_bounds.set = SCORE_TERMS_ALL;
    } else if (!read_bounds(c, &k->formula_bounds)) {
        free(k);
        return;
    }
    c->state = now = mem_copy(&c->view->bounds, sizeof *now);
    c->state_free = free;
    score_bounds_change(now, k->formula_bounds.set,
                        &k->formula_bounds.bounds);
    api_propose(c, k, bounds_set);
}
