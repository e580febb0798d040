/* One request: POST /pins, and GET, POST and DELETE of /pins/{requestid}. */
#include "coordinator/api_psa.h"

#include "coordinator/auth.h"
#include "proto/claims.h"
#include "proto/mem.h"

#include <stdlib.h>
#include <string.h>

/* An id that is so much beyond what this coordinator has applied is nobody's:
 * one that lags farther serves nothing. */
enum {
    AHEAD = 1 << 24,
    BODY_MAX = 256 << 10 /* of a pin; each byte of its texts may be escaped */
};

struct one {
    uint64_t id, salt; /* of the path */
    struct buf body, out;
    struct psa_pin pin;
    struct psa_object object;
    struct pin row;
    bool there, own;   /* such a request; the asker's */
    bool shows, ahead, waited;
    void (*found)(struct api_call *c, struct one *o);
};

static void one_free(void *state)
{
    struct one *o = state;

    buf_free(&o->body);
    buf_free(&o->out);
    psa_pin_free(&o->pin);
    pin_free(&o->row);
    free(o);
}

static struct one *one_new(struct api_call *c)
{
    struct one *o = mem_alloc(sizeof *o);

    pin_init(&o->row);
    o->object.view = c->view;
    c->state = o;
    c->state_free = one_free;
    return o;
}

static void not_found(struct api_call *c)
{
    psa_error(c, 404, "NOT_FOUND", "there is no such pin request");
}

/* false: answered. */
static bool may(struct api_call *c)
{
    if (c->org == c->own_org)
        return true;
    psa_error(c, 403, "FORBIDDEN", "pin requests are made in the name of the "
              "token's own organisation");
    return false;
}

static bool take_id(struct api_call *c, struct one *o)
{
    if (!may(c))
        return false;
    if (psa_id_parse(&c->view->cluster, c->args[0], &o->id, &o->salt))
        return true;
    not_found(c);
    return false;
}

static void refuse(struct api_call *c, const struct replica_result *r)
{
    static const struct {
        enum verdict verdict;
        int status;
        const char *reason;
    } table[] = {
        {VERDICT_INVALID, 400, "BAD_REQUEST"},
        {VERDICT_DENIED, 403, "FORBIDDEN"},
        {VERDICT_NOT_FOUND, 404, "NOT_FOUND"},
        {VERDICT_CONFLICT, 409, "CONFLICT"},
        {VERDICT_OVER_QUOTA, 409, "INSUFFICIENT_FUNDS"},
        {VERDICT_NO_CANDIDATES, 409, "NOT_ENOUGH_NODES"},
    };

    if (r->error == ERR_OK && r->verdict == VERDICT_RATE_LIMIT) {
        api_error(c, 429, "%s", r->text); /* with Retry-After */
        return;
    }
    for (size_t k = 0; r->error == ERR_OK && k < sizeof table / sizeof *table;
         k++)
        if (table[k].verdict == r->verdict) {
            psa_error(c, table[k].status, table[k].reason,
                      r->text[0] != '\0' ? r->text
                                         : verdict_text(r->verdict));
            return;
        }
    if (r->error != ERR_OK)
        api_fail(c, r->error, NULL);
    else
        api_error(c, 503, "%s", verdict_text(r->verdict));
}

static void write_one(struct one *o, const struct pin *p, uint64_t id)
{
    struct json_writer w;

    json_init(&w, &o->out);
    psa_object(&o->object, p, id, &w);
    buf_byte(&o->out, '\n');
}

/* --- whether there is such a request ------------------------------------- */
static bool look_up_fail(void *arg, uint64_t pin, uint32_t node,
                         struct fail *out)
{
    return store_reader_fail(arg, pin, node, out);
}

static void read_one(struct api_call *c, struct store_reader *r)
{
    struct one *o = c->state;
    uint64_t next = store_reader_next_claim(r);

    c->index = store_reader_applied(r);
    o->ahead = o->id >= next && o->id - next < AHEAD;
    o->there = store_reader_request(r, o->id, o->salt, &o->row);
    if (o->there) {
        api_hide(c, &o->row);
        o->there = claims_request(&o->row, o->id);
    }
    o->own = o->there && o->row.who == c->who && o->row.org == c->org &&
             access_prefix_covers(c->prefix, span_buf(&o->row.name));
    if (!o->own || !o->shows)
        return;
    o->object.fail = look_up_fail;
    o->object.arg = r;
    write_one(o, &o->row, o->id);
}

static void decide(struct api_call *c, enum err e);

static void on_waited(struct api_call *c, enum err e)
{
    if (e != ERR_OK)
        api_fail(c, e, NULL);
    else
        api_read(c, read_one, decide);
}

/* Ids below those that were given out are looked up here alone: what this
 * coordinator does not have it will not have again. Ids that others may have
 * given out meanwhile wait for what they know; all others are nobody's. */
static void decide(struct api_call *c, enum err e)
{
    struct one *o = c->state;

    if (e != ERR_OK) {
        api_fail(c, e, NULL);
    } else if (o->there) {
        o->found(c, o);
    } else if (o->ahead && !o->waited) {
        o->waited = true;
        api_barrier(c, on_waited);
    } else {
        not_found(c);
    }
}

static void look_up(struct api_call *c, struct one *o,
                    void (*found)(struct api_call *c, struct one *o))
{
    o->found = found;
    api_read(c, read_one, decide);
}

/* --- POST ---------------------------------------------------------------- */
static void on_put(struct api_call *c, struct replica_result *r)
{
    struct one *o = c->state;
    const struct view *now;

    if (r->error != ERR_OK || r->verdict != VERDICT_ACCEPTED ||
        r->pin == NULL) {
        refuse(c, r);
        return;
    }
    c->index = r->index;
    now = view_get(); /* nodes that joined meanwhile */
    o->object.view = now;
    write_one(o, r->pin, r->claim);
    o->object.view = c->view;
    view_put(now);
    api_json(c, 202, &o->out);
}

static uint64_t new_salt(void)
{
    uint8_t bytes[AUTH_SECRET];
    uint64_t salt = 0;

    while (salt == 0) {
        auth_secret(bytes);
        memcpy(&salt, bytes, sizeof salt);
    }
    auth_wipe(bytes, sizeof bytes);
    return salt;
}

static void propose(struct api_call *c, struct one *o)
{
    struct command *k = api_command(c, COMMAND_REQUEST_PUT);
    struct command_claim_put *x = &k->claim_put;

    x->cid = o->pin.cid;
    x->flags = (uint16_t)(CLAIM_DEFAULT | o->pin.flags |
                          (unsigned)o->pin.form << CLAIM_FORM_SHIFT);
    x->rmin = c->api->default_min;
    x->rmax = c->api->default_max;
    x->salt = new_salt();
    x->who = c->who;
    x->old_id = o->id;
    x->old_salt = o->salt;
    x->name = span_buf(&o->pin.name);
    x->meta = span_buf(&o->pin.meta);
    api_propose(c, k, on_put);
}

static void on_body(struct api_call *c, const char *p, size_t n)
{
    struct one *o = c->state;

    buf_add(&o->body, p, n);
}

static void on_body_end(struct api_call *c)
{
    struct one *o = c->state;
    struct err_text why = {""};

    if (psa_pin_parse(span_buf(&o->body), &o->pin, &why) != ERR_OK)
        psa_error(c, 400, "BAD_REQUEST", why.text);
    else if (!psa_has_delegates(c))
        return;
    else if (c->n_args == 0)
        propose(c, o);
    else
        look_up(c, o, propose);
}

void api_psa_put(struct api_call *c, const struct http_head *h)
{
    struct one *o = one_new(c);

    (void)h;
    if (c->n_args == 0 ? !may(c) : !take_id(c, o))
        return;
    http_body_max(api_request(c), BODY_MAX);
    c->body = on_body;
    c->body_end = on_body_end;
}

/* --- DELETE -------------------------------------------------------------- */
static void on_removed(struct api_call *c, struct replica_result *r)
{
    struct http_answer a = {.status = 202, .type = ""};

    if (r->error == ERR_OK && r->verdict == VERDICT_ACCEPTED)
        api_answer(c, &a, NULL, 0);
    else
        refuse(c, r);
}

static void remove_it(struct api_call *c, struct one *o)
{
    struct command *k = api_command(c, COMMAND_REQUEST_REMOVE);

    k->request_remove = (struct command_request_remove){o->id, o->salt,
                                                        c->who};
    api_propose(c, k, on_removed);
}

void api_psa_delete(struct api_call *c, const struct http_head *h)
{
    struct one *o = one_new(c);

    (void)h;
    if (take_id(c, o))
        look_up(c, o, remove_it);
}

/* --- GET ----------------------------------------------------------------- */
static void send_one(struct api_call *c, struct one *o)
{
    if (o->own)
        api_json(c, 200, &o->out);
    else
        not_found(c);
}

void api_psa_get(struct api_call *c, const struct http_head *h)
{
    struct one *o = one_new(c);

    (void)h;
    o->shows = true;
    if (take_id(c, o) && psa_has_delegates(c))
        look_up(c, o, send_one);
}
