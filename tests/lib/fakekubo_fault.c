/* Which requests are answered badly, and how: see fakekubo_fault.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/mem.h"
#include "tests/lib/fakekubo_fault.h"

static const char *const kinds[FAULT_KINDS_N] = {
#define X(name) [FAULT_##name] = #name,
    FAULT_KINDS(X)
#undef X
};

bool fault_is_raw(const struct fault *f)
{
    return f->kind != FAULT_delay && f->kind != FAULT_vanish;
}

uint64_t fault_delay_ms(const struct fault *f)
{
    return f->kind == FAULT_delay ? f->ms : 0;
}

void fault_drop(struct fault *f)
{
    if (!f || --f->refs > 0)
        return;
    buf_free(&f->body);
    free(f);
}

void faults_clear(struct fake *fake)
{
    while (fake->faults->first) {
        struct fault *f = fake->faults->first;
        fake->faults->first = f->next;
        fault_drop(f);
    }
    raw_cut_all(fake);
}

/* Any of the arguments, in either spelling. */
static bool names_cid(const struct call *c, const char *wanted)
{
    struct err_text why;
    enum cid_form form;
    struct cid want, got;
    const char *arg;
    if (strcmp(wanted, "-") == 0)
        return call_arg(c, 0) == NULL;
    if (cid_parse(wanted, strlen(wanted), &want, &form, &why) != ERR_OK)
        return false;
    for (unsigned i = 0; (arg = call_arg(c, i)); i++)
        if (cid_parse(arg, strlen(arg), &got, &form, &why) == ERR_OK &&
            cid_equal(&want, &got))
            return true;
    return false;
}

static bool matches(const struct fault *f, const struct call *c)
{
    return f->count > 0 &&
           (strcmp(f->endpoint, "*") == 0 ||
            strcmp(f->endpoint, c->endpoint->name) == 0) &&
           (!f->cid[0] || names_cid(c, f->cid));
}

struct fault *fault_find(struct call *c)
{
    for (struct fault *f = c->fake->faults->first; f; f = f->next) {
        if (!matches(f, c))
            continue;
        if (f->skip > 0) {
            f->skip--;
            return NULL;
        }
        f->count--;
        f->hits++;
        f->refs++;
        return f;
    }
    return NULL;
}

static bool first_cid(struct call *c, struct cid *cid, enum cid_form *form)
{
    const char *arg = call_arg(c, 0);
    struct err_text why;
    return arg && cid_parse(arg, strlen(arg), cid, form, &why) == ERR_OK;
}

void fault_apply(struct call *c)
{
    const char *name = call_param(c, "name");
    enum cid_form form;
    struct cid cid;
    if (!c->fault->apply || !first_cid(c, &cid, &form))
        return;
    struct pin *pin = pins_find(&c->fake->pins, &cid);
    if (c->endpoint->run == rpc_pin_rm && pin)
        pins_remove(&c->fake->pins, pin);
    else if (c->endpoint->run == rpc_pin_add)
        pins_add(&c->fake->pins, &cid, form, call_flag(c, "recursive", true),
                 span_text(name ? name : ""), 0);
}

void fault_after(struct call *c)
{
    enum cid_form form;
    struct cid cid;
    if (c->fault->kind != FAULT_vanish || !first_cid(c, &cid, &form))
        return;
    struct pin *pin = pins_find(&c->fake->pins, &cid);
    if (pin)
        pins_remove(&c->fake->pins, pin);
}

/* ---- controls ---- */

static bool word(const struct call *c, const char *name, char *out,
                 size_t size)
{
    const char *text = call_param(c, name);
    return !text || (size_t)snprintf(out, size, "%s", text) < size;
}

static bool number(const struct call *c, const char *name, uint64_t *out)
{
    const char *text = call_param(c, name);
    char *end;
    if (!text)
        return true;
    *out = strtoull(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && !*end;
}

static bool read_kind(const struct call *c, struct fault *f)
{
    const char *text = call_param(c, "kind");
    for (int k = 0; text && k < FAULT_KINDS_N; k++)
        if (strcmp(text, kinds[k]) == 0) {
            f->kind = (enum fault_kind)k;
            return true;
        }
    return false;
}

static bool read_fault(struct call *c, struct fault *f)
{
    static const char known[] =
        " endpoint cid kind count skip after every ms status type trailer "
        "early noread reset apply ";
    uint64_t status = 200;
    for (unsigned i = 0; i < c->params_n; i++) {
        char name[CALL_NAME + 2];
        snprintf(name, sizeof name, " %.60s ", c->params[i].name);
        if (!strstr(known, name))
            return false;
    }
    f->count = UINT64_MAX;
    snprintf(f->endpoint, sizeof f->endpoint, "*");
    snprintf(f->type, sizeof f->type, "application/json");
    f->early = call_flag(c, "early", false);
    f->noread = call_flag(c, "noread", false);
    f->reset = call_flag(c, "reset", false);
    f->apply = call_flag(c, "apply", false);
    if (!read_kind(c, f) || !word(c, "cid", f->cid, sizeof f->cid) ||
        !word(c, "endpoint", f->endpoint, sizeof f->endpoint) ||
        !word(c, "type", f->type, sizeof f->type) ||
        !word(c, "trailer", f->trailer, sizeof f->trailer) ||
        !number(c, "count", &f->count) || !number(c, "skip", &f->skip) ||
        !number(c, "after", &f->after) || !number(c, "every", &f->every_ms) ||
        !number(c, "ms", &f->ms) || !number(c, "status", &status))
        return false;
    f->status = (int)status;
    return status >= 100 && status <= 999;
}

void ctl_fault_add(struct call *c, struct http_request *r)
{
    struct fault *f = mem_alloc(sizeof *f), **at = &c->fake->faults->first;
    static const struct http_answer good = {.status = 200};
    f->refs = 1;
    if (!read_fault(c, f)) {
        fault_drop(f);
        call_plain(r, 400, "no such fault\n");
        return;
    }
    f->body = c->body_args;
    memset(&c->body_args, 0, sizeof c->body_args);
    while (*at)
        at = &(*at)->next;
    *at = f;
    http_respond(r, &good, "{}\n", 3);
}

void ctl_fault_list(struct call *c, struct http_request *r)
{
    static const struct http_answer answer = {.status = 200,
                                              .type = "application/x-ndjson"};
    struct buf out = BUF_INIT;
    for (const struct fault *f = c->fake->faults->first; f; f = f->next) {
        struct json_writer w;
        json_init(&w, &out);
        json_object(&w);
        json_kv_text(&w, "endpoint", f->endpoint);
        json_kv_text(&w, "kind", kinds[f->kind]);
        json_kv_text(&w, "cid", f->cid);
        json_kv_u64(&w, "hits", f->hits);
        json_object_end(&w);
        buf_byte(&out, '\n');
    }
    http_respond(r, &answer, out.p, out.n);
    buf_free(&out);
}
