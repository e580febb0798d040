/* What tests steer and look at behind the agent's back, under /ctl/. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/lib/fakekubo_fault.h"

enum { LISTING_PIECE = 32 * 1024 };

static void send_buf(struct http_request *r, int status, struct buf *out)
{
    struct http_answer answer = {.status = status};
    http_respond(r, &answer, out->p, out->n);
    buf_free(out);
}

static void send_stats(struct call *c, struct http_request *r)
{
    struct fake *fake = c->fake;
    struct buf out = BUF_INIT;
    struct json_writer w;
    json_init(&w, &out);
    json_object(&w);
    json_kv_u64(&w, "pins", fake->pins.n);
    json_kv_u64(&w, "size_bytes", fake->pins.size_bytes);
    json_kv_bool(&w, "down", fake->down);
    json_key(&w, "calls");
    json_object(&w);
    for (size_t i = 0; i < FAKE_ENDPOINTS_N; i++)
        json_kv_u64(&w, fake_endpoints[i].name, fake->calls[i]);
    json_object_end(&w);
    json_object_end(&w);
    buf_byte(&out, '\n');
    send_buf(r, 200, &out);
}

void ctl_listing(struct call *c, struct http_request *r)
{
    struct http_ticket ticket = c->ticket;
    struct fake *fake = c->fake;
    struct pin *pin = NULL;
    do {
        struct buf out = BUF_INIT;
        while (out.n < LISTING_PIECE && (pin = pins_walk_next(&c->walk))) {
            char text[LIMIT_CID_TEXT];
            struct json_writer w;
            struct cid cid;
            pins_cid(pin, &cid);
            cid_print(&cid, (enum cid_form)pin->form, text);
            json_init(&w, &out);
            json_object(&w);
            json_kv_text(&w, "cid", text);
            json_key(&w, "name");
            json_textn(&w, pins_name(pin));
            json_object_end(&w);
            buf_byte(&out, '\n');
        }
        bool more = http_write(r, out.p, out.n);
        buf_free(&out);
        if (!http_find(fake->server, ticket) || !more)
            return;
    } while (pin);
    http_end(r, NULL);
}

static void list_pins(struct call *c, struct http_request *r)
{
    struct http_answer answer = {.status = 200, .type = "application/x-ndjson"};
    pins_walk_begin(&c->fake->pins, &c->walk);
    c->walking = true;
    http_start(r, &answer);
    ctl_listing(c, r);
}

/* Forgets a pin, or makes one, without the agent. */
static void change_pin(struct call *c, struct http_request *r, bool lose)
{
    const char *text = call_param(c, "cid"), *name = call_param(c, "name");
    struct pins *pins = &c->fake->pins;
    struct buf out = BUF_INIT;
    struct err_text why;
    struct cid cid;
    enum cid_form form;
    if (!text || cid_parse(text, strlen(text), &cid, &form, &why) != ERR_OK ||
        (name && strlen(name) > PIN_NAME_MAX)) {
        call_plain(r, 400, "cid or name is missing or bad\n");
        return;
    }
    struct pin *pin = pins_find(pins, &cid);
    buf_printf(&out, "{\"found\":%s}\n", pin ? "true" : "false");
    if (lose && pin)
        pins_remove(pins, pin);
    else if (!lose)
        pins_add(pins, &cid, form, true, span_text(name ? name : ""), 0);
    send_buf(r, 200, &out);
}

/* As after a crash without a backup. */
static void lose_all(struct call *c, struct http_request *r)
{
    struct pins *pins = &c->fake->pins;
    struct buf out = BUF_INIT;
    buf_printf(&out, "{\"lost\":%zu}\n", pins->n);
    while (pins->first)
        pins_remove(pins, pins->first);
    send_buf(r, 200, &out);
}

/* bytes: what fits, 0 everything; max: StorageMax. */
static void set_disk(struct call *c, struct http_request *r)
{
    const char *bytes = call_param(c, "bytes"), *max = call_param(c, "max");
    struct buf out = BUF_INIT;
    if (bytes)
        c->fake->disk = strtoull(bytes, NULL, 10);
    if (max)
        c->fake->storage_max = strtoull(max, NULL, 10);
    buf_text(&out, "{}\n");
    send_buf(r, 200, &out);
}

static void clear_faults(struct call *c, struct http_request *r)
{
    struct buf out = BUF_INIT;
    faults_clear(c->fake);
    buf_text(&out, "{}\n");
    send_buf(r, 200, &out);
}

static void set_down(struct call *c, struct http_request *r)
{
    struct buf out = BUF_INIT;
    c->fake->down = call_flag(c, "on", true);
    buf_printf(&out, "{\"down\":%s}\n", c->fake->down ? "true" : "false");
    send_buf(r, 200, &out);
}

static void expect_fault(struct call *c, struct http_request *r)
{
    c->steers = true;
    http_body_max(r, FAULT_BODY);
}

void ctl_run(struct call *c, struct http_request *r, const char *path,
             bool post)
{
    if (strcmp(path, "stats") == 0 && !post)
        send_stats(c, r);
    else if (strcmp(path, "pins") == 0 && !post)
        list_pins(c, r);
    else if (strcmp(path, "lose") == 0 && post && call_flag(c, "all", false))
        lose_all(c, r);
    else if (strcmp(path, "lose") == 0 && post)
        change_pin(c, r, true);
    else if (strcmp(path, "foreign") == 0 && post)
        change_pin(c, r, false);
    else if (strcmp(path, "down") == 0 && post)
        set_down(c, r);
    else if (strcmp(path, "disk") == 0 && post)
        set_disk(c, r);
    else if (strcmp(path, "fault/clear") == 0 && post)
        clear_faults(c, r);
    else if (strcmp(path, "fault") == 0 && post)
        expect_fault(c, r);
    else if (strcmp(path, "fault") == 0)
        ctl_fault_list(c, r);
    else
        call_plain(r, 404, "no such control, or another method\n");
}
