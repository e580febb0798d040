/* One pin: POST, DELETE, GET of /pins/{cid} and of paths, /allocations/{cid},
 * and recover of one CID.
 */
#include "coordinator/api.h"

#include "coordinator/api_object.h"
#include "coordinator/api_options.h"
#include "proto/mem.h"

#include <stdlib.h>
#include <string.h>

struct one {
    struct cid cid;
    enum cid_form form;
    struct command *command;
    struct api_options options;
    struct api_object object;
    bool found, local;
    bool dated;       /* and then it is said when the content was made */
    uint64_t made_ms;
    struct buf out;
};

static void one_free(void *state)
{
    struct one *o = state;

    api_options_free(&o->options);
    api_object_free(&o->object);
    buf_free(&o->out);
    free(o->command);
    free(o);
}

static struct one *one_new(struct api_call *c)
{
    struct one *o = mem_alloc(sizeof *o);
    const char *local = api_param(c, "local");

    api_object_init(&o->object, c->view);
    o->local = local != NULL && strcmp(local, "true") == 0;
    c->state = o;
    c->state_free = one_free;
    return o;
}

bool api_cid_arg(struct api_call *c, struct cid *cid, enum cid_form *form)
{
    const char *text = c->args[0];
    struct err_text why;

    if (cid_parse(text, strlen(text), cid, form, &why) == ERR_OK)
        return true;
    api_error(c, 400, "error decoding Cid: %s", why.text);
    return false;
}

static bool parse_cid(struct api_call *c, struct one *o)
{
    return api_cid_arg(c, &o->cid, &o->form);
}

/* --- POST and DELETE ---------------------------------------------------- */

static void write_pin(struct api_call *c, const struct pin *p, uint64_t index)
{
    struct one *o = c->state;
    const struct view *now = view_get();

    c->index = index;
    o->object.view = now; /* nodes that joined meanwhile */
    api_object_pin(&o->object, p, o->form, &o->out);
    buf_byte(&o->out, '\n');
    o->object.view = c->view;
    view_put(now);
}

static void send_pin(struct api_call *c, const struct pin *p, uint64_t index)
{
    struct one *o = c->state;

    write_pin(c, p, index);
    api_json(c, 200, &o->out);
}

static void on_dated(struct api_call *c, struct replica_result *r)
{
    struct one *o = c->state;

    if (r->error != ERR_OK || (r->verdict != VERDICT_ACCEPTED &&
                               r->verdict != VERDICT_ALREADY)) {
        api_refuse(c, r);
        return;
    }
    c->index = r->index;
    api_json(c, 200, &o->out);
}

static void date(struct api_call *c, const struct replica_result *r)
{
    struct one *o = c->state;
    struct command *k = api_command(c, COMMAND_MADE);

    write_pin(c, r->pin, r->index);
    k->made = (struct command_made){o->cid, o->made_ms};
    api_propose(c, k, on_dated);
}

static void on_put(struct api_call *c, struct replica_result *r)
{
    char text[API_NO_CANDIDATES_MAX];

    if (r->error == ERR_OK && r->pin != NULL &&
        (r->verdict == VERDICT_ACCEPTED || r->verdict == VERDICT_ALREADY)) {
        if (((struct one *)c->state)->dated)
            date(c, r);
        else
            send_pin(c, r->pin, r->index);
        return;
    }
    if (r->error == ERR_OK && r->verdict == VERDICT_NO_CANDIDATES)
        api_error(c, 500, "%s", api_no_candidates(r, c->wanted_max, text));
    else
        api_refuse(c, r);
}

static void put(struct api_call *c)
{
    struct one *o = c->state;
    struct command *k = o->command;

    o->command = NULL;
    k->claim_put.cid = o->cid;
    k->claim_put.flags |= (uint16_t)((unsigned)o->form << CLAIM_FORM_SHIFT);
    c->wanted_max = k->claim_put.rmax;
    api_propose(c, k, on_put);
}

static void on_removed(struct api_call *c, struct replica_result *r)
{
    if (r->error == ERR_OK && r->verdict == VERDICT_ACCEPTED &&
        r->pin != NULL)
        send_pin(c, r->pin, r->index);
    else if (r->error == ERR_OK && r->verdict == VERDICT_NOT_FOUND)
        api_error(c, 404, API_NOT_PINNED);
    else
        api_refuse(c, r);
}

static void remove_claim(struct api_call *c)
{
    struct one *o = c->state;
    struct command *k = api_command(c, COMMAND_CLAIM_REMOVE);

    k->claim_remove.cid = o->cid;
    api_propose(c, k, on_removed);
}

static bool parse_options(struct api_call *c, struct one *o)
{
    struct err_text why;

    o->command = api_command(c, COMMAND_CLAIM_PUT);
    if (api_options_parse(c, &o->options, &o->command->claim_put, &why) ==
        ERR_OK)
        return api_made_arg(c, "created-at", &o->dated, &o->made_ms);
    api_error(c, 400, "%s", why.text);
    return false;
}

void api_pins_post(struct api_call *c, const struct http_head *h)
{
    struct one *o = one_new(c);

    (void)h;
    if (parse_cid(c, o) && parse_options(c, o))
        put(c);
}

void api_pins_delete(struct api_call *c, const struct http_head *h)
{
    struct one *o = one_new(c);

    (void)h;
    if (parse_cid(c, o))
        remove_claim(c);
}

/* --- paths -------------------------------------------------------------- */

static void carry_on(struct api_call *c)
{
    if (strcmp(c->route->method, "POST") == 0)
        put(c);
    else
        remove_claim(c);
}

static void on_resolved(struct api_call *c, enum err e, const char *text,
                        struct span body)
{
    struct one *o = c->state;
    struct err_text why;
    const char *path = (const char *)body.p;
    size_t skip = 6; /* "/ipfs/" */

    if (e != ERR_OK) {
        api_error(c, e == ERR_UNREACHABLE || e == ERR_BUSY ? 503 : 500,
                  "IPFS error (resolve?arg=/%s/%.512s). Code: 500. Message: "
                  "%s", c->args[0], c->args[1], text);
        return;
    }
    if (body.n <= skip || memcmp(path, "/ip", 3) != 0 ||
        cid_parse(path + skip, body.n - skip, &o->cid, &o->form, &why) !=
            ERR_OK) {
        api_error(c, 500, "IPFS error: the daemon resolved the path to "
                  "\"%.*s\"", (int)(body.n < 128 ? body.n : 128), path);
        return;
    }
    carry_on(c);
}

/* A bare CID needs no daemon; anything else is resolved by an agent's. */
static void with_path(struct api_call *c)
{
    struct one *o = c->state;
    const char *kind = c->args[0], *rest = c->args[1];
    size_t n = strcspn(rest, "/");
    struct err_text why;
    struct buf path = BUF_INIT;

    if (strcmp(kind, "ipfs") != 0 && strcmp(kind, "ipns") != 0 &&
        strcmp(kind, "ipld") != 0) {
        api_error(c, 404, "not found");
        return;
    }
    if (strcmp(kind, "ipns") != 0 &&
        cid_parse(rest, n, &o->cid, &o->form, &why) != ERR_OK) {
        api_error(c, 400, "error parsing path: invalid path \"/%s/%.256s\": "
                  "%s", kind, rest, why.text);
        return;
    }
    if (strcmp(kind, "ipns") != 0 && rest[n] == '\0') {
        carry_on(c);
        return;
    }
    buf_printf(&path, "/%s/%s", kind, rest);
    api_ask_path(c, span_buf(&path), 60000, on_resolved);
    buf_free(&path);
}

void api_pins_post_path(struct api_call *c, const struct http_head *h)
{
    struct one *o = one_new(c);

    (void)h;
    if (parse_options(c, o))
        with_path(c);
}

void api_pins_delete_path(struct api_call *c, const struct http_head *h)
{
    (void)h;
    one_new(c);
    with_path(c);
}

/* --- GET ---------------------------------------------------------------- */

static bool look_up_fail(void *arg, uint64_t pin, uint32_t node,
                         struct fail *out)
{
    return store_reader_fail(arg, pin, node, out);
}

static void read_info(struct api_call *c, struct store_reader *r)
{
    struct one *o = c->state;
    struct api_info info = {.pin = &o->object.pin, .form = o->form,
                            .only = o->local ? c->view->home : 0,
                            .fail = look_up_fail, .arg = r};

    o->found = store_reader_find(r, &o->cid, &o->object.pin) &&
               (api_own(c, &o->object.pin) || o->object.pin.n_copies > 0);
    if (!o->found) {
        pin_reset(&o->object.pin);
        o->object.pin.cid = o->cid;
    }
    buf_reset(&o->out);
    c->index = store_reader_applied(r);
    (void)api_object_info(&o->object, &info, &o->out);
    buf_byte(&o->out, '\n');
}

static void send_info(struct api_call *c, enum err e)
{
    struct one *o = c->state;

    if (e != ERR_OK)
        api_fail(c, e, NULL);
    else
        api_json(c, 200, &o->out);
}

static bool has_home(struct api_call *c, const struct one *o)
{
    if (!o->local || c->view->home != 0)
        return true;
    api_error(c, 503, "no node is connected to this coordinator");
    return false;
}

void api_pins_get(struct api_call *c, const struct http_head *h)
{
    struct one *o = one_new(c);

    (void)h;
    if (parse_cid(c, o) && has_home(c, o))
        api_read(c, read_info, send_info);
}

static void read_allocation(struct api_call *c, struct store_reader *r)
{
    struct one *o = c->state;

    o->found = store_reader_find(r, &o->cid, &o->object.pin) &&
               api_own(c, &o->object.pin);
    c->index = store_reader_applied(r);
    if (!o->found)
        return;
    api_object_pin(&o->object, &o->object.pin, o->form, &o->out);
    buf_byte(&o->out, '\n');
}

static void send_allocation(struct api_call *c, enum err e)
{
    struct one *o = c->state;

    if (e != ERR_OK)
        api_fail(c, e, NULL);
    else if (!o->found)
        api_error(c, 404, API_NOT_PINNED);
    else
        api_json(c, 200, &o->out);
}

void api_allocations_get(struct api_call *c, const struct http_head *h)
{
    struct one *o = one_new(c);

    (void)h;
    if (parse_cid(c, o))
        api_read(c, read_allocation, send_allocation);
}

/* --- recover ------------------------------------------------------------ */

static void on_recovered(struct api_call *c, struct replica_result *r)
{
    if (r->error != ERR_OK || r->verdict == VERDICT_DENIED)
        api_refuse(c, r);
    else
        api_read(c, read_info, send_info);
}

static void on_recover_found(struct api_call *c, enum err e)
{
    struct one *o = c->state;
    struct command *k;

    if (e != ERR_OK) {
        api_fail(c, e, NULL);
        return;
    }
    if (!o->found) {
        if (o->local)
            api_error(c, 404, API_NOT_PINNED);
        else
            api_json(c, 200, &o->out);
        return;
    }
    k = api_command(c, COMMAND_RECOVER);
    k->recover.n = 1;
    k->recover.pins[0] = o->object.pin.id;
    api_propose(c, k, on_recovered);
}

void api_recover(struct api_call *c, const struct http_head *h)
{
    struct one *o = one_new(c);

    (void)h;
    if (parse_cid(c, o) && has_home(c, o))
        api_read(c, read_info, on_recover_found);
}
