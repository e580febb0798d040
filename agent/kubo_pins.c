/* Looking at, making and removing pins: what is sent and what each line of
 * the answer says. CIDs are compared decoded. Decides nothing about what
 * shall be pinned.
 *
 * The daemon's pinner knows a pin by its whole CID, version included, its
 * block store by the multihash alone. So a CID that has a version 0 may be
 * pinned under either spelling; a look that meets no pin under the first one
 * is sent again with the other.
 */
#include "agent/kubo_call.h"

#include "proto/mem.h"

#include <assert.h>
#include <string.h>

static enum err nonsense(struct err_text *why, const char *what)
{
    return err_set(why, ERR_PROTOCOL, "the answer %s", what);
}

static bool has_v0(const struct cid *c)
{
    struct span hash = cid_multihash(c);

    return cid_codec(c) == CID_CODEC_DAG_PB && hash.n == 34 &&
           hash.p[0] == CID_HASH_SHA2_256 && hash.p[1] == 32;
}

static const char *type_text(enum kubo_pin_type type)
{
    assert(type != KUBO_NOT_PINNED);
    return type == KUBO_DIRECT ? "direct" : "recursive";
}

static bool is_cid(struct span text, const struct cid *c,
                   enum cid_form *form)
{
    struct cid got;

    return cid_parse((const char *)text.p, text.n, &got, form, NULL) ==
               ERR_OK &&
           cid_equal(&got, c);
}

/* "Pins" names the CID; false too if there is no such member. */
static bool names_pin(const struct json_value *v, const struct cid *c)
{
    struct json_value list, x;
    struct span key;
    enum cid_form form;
    size_t it = 0;

    if (!json_get(v, "Pins", &list) || list.type != JSON_ARRAY)
        return false;
    while (json_next(&list, &it, &key, &x)) {
        if (x.type == JSON_STRING && is_cid(span_of(x.p, x.n), c, &form))
            return true;
    }
    return false;
}

static bool has_pins(const struct json_value *v)
{
    struct json_value list;

    return json_get(v, "Pins", &list);
}

enum err kubo_read_look(const struct kubo_ask *ask,
                        const struct json_value *v, struct kubo_seen *seen,
                        struct kubo_result *r, struct err_text *why)
{
    struct json_value keys, pin;
    enum cid_form form;
    struct span key;
    size_t it = 0;
    char type[64];

    if (!json_get(v, "Keys", &keys) || keys.type != JSON_OBJECT)
        return nonsense(why, "has no Keys");
    while (json_next(&keys, &it, &key, &pin)) {
        if (!is_cid(key, &ask->cid, &form))
            continue;
        if (!json_get_string(&pin, "Type", type, sizeof(type)) ||
            strcmp(type, type_text(ask->type)) != 0)
            return nonsense(why, "is about another type of pin");
        r->look.type = ask->type;
        r->look.form = form == CID_FORM_V0 ? form : CID_FORM_B32;
        r->look.name[0] = 0;
        (void)json_get_string(&pin, "Name", r->look.name,
                              sizeof(r->look.name));
        seen->last = true;
        return ERR_OK;
    }
    return nonsense(why, "is about another CID");
}

enum err kubo_read_pin(const struct kubo_ask *ask,
                       const struct json_value *v, struct kubo_seen *seen,
                       struct kubo_result *r, struct err_text *why)
{
    uint64_t nodes = r->pin.nodes, bytes = r->pin.bytes;

    seen->last = false;
    if (has_pins(v)) {
        if (!names_pin(v, &ask->cid))
            return nonsense(why, "is about another CID");
        seen->last = true;
        return ERR_OK;
    }
    /* Both are left out while they are zero: {} is a sign of life only. What
     * falls, or goes to and fro, is no progress either. */
    (void)json_get_u64(v, "Progress", &nodes);
    (void)json_get_u64(v, "Bytes", &bytes);
    if (bytes > KUBO_SIZE_MAX)
        return nonsense(why, "has an impossible number of bytes");
    seen->moved = nodes > r->pin.nodes || bytes > r->pin.bytes;
    if (nodes > r->pin.nodes)
        r->pin.nodes = nodes;
    if (bytes > r->pin.bytes)
        r->pin.bytes = bytes;
    return ERR_OK;
}

enum err kubo_read_unpin(const struct kubo_ask *ask,
                         const struct json_value *v, struct kubo_seen *seen,
                         struct kubo_result *r, struct err_text *why)
{
    const struct cid *c = ask->kind == KIND_UPDATE ? &ask->to : &ask->cid;

    (void)r;
    if (!names_pin(v, c))
        return nonsense(why, "does not name the pin");
    seen->last = true;
    return ERR_OK;
}

/* A pin whose CID cannot be read is none of ours: no wanted CID is like that.
 * It is passed over. */
enum err kubo_read_list(const struct kubo_ask *ask,
                        const struct json_value *v, struct kubo_seen *seen,
                        struct kubo_result *r, struct err_text *why)
{
    struct json_value cid;
    enum cid_form form;
    char type[64];

    if (!json_get(v, "Cid", &cid) || cid.type != JSON_STRING)
        return nonsense(why, "has a row without a Cid");
    if (!json_get_string(v, "Type", type, sizeof(type)) ||
        strcmp(type, type_text(ask->type)) != 0)
        return nonsense(why, "has a row of another type of pin");
    seen->moved = true;
    if (cid_parse(cid.p, cid.n, &seen->row_cid, &form, NULL) != ERR_OK)
        return ERR_OK;
    seen->row_name[0] = 0;
    (void)json_get_string(v, "Name", seen->row_name, sizeof(seen->row_name));
    seen->row = true;
    r->list.rows++;
    return ERR_OK;
}

/* Sent again with the other spelling this runs again. */
void kubo_pins_url(struct kubo_call *c)
{
    bool recursive = c->ask.type == KUBO_RECURSIVE;
    char text[LIMIT_CID_TEXT];

    cid_print(&c->ask.cid, c->form, text);
    kubo_call_arg(c, "arg", text);
    if (c->ask.kind == KIND_LOOK) {
        kubo_call_arg(c, "type", type_text(c->ask.type));
        kubo_call_arg(c, "names", "true");
    } else if (c->ask.kind == KIND_PIN) {
        kubo_call_arg(c, "recursive", recursive ? "true" : "false");
        kubo_call_arg(c, "progress", "true");
        if (c->name)
            kubo_call_arg(c, "name", c->name);
    } else if (c->ask.kind == KIND_UNPIN) {
        kubo_call_arg(c, "recursive", recursive ? "true" : "false");
    } else {
        assert(c->ask.kind == KIND_UPDATE);
        cid_print(&c->ask.to, CID_FORM_V0, text);
        kubo_call_arg(c, "arg", text);
        kubo_call_arg(c, "unpin", "false");
    }
}

static struct kubo_call *pins_call(struct kubo *k, enum kubo_kind kind,
                                   const struct cid *cid,
                                   enum kubo_pin_type type, kubo_cb cb,
                                   void *arg)
{
    struct kubo_call *c = kubo_call_new(k, kind, cb, arg);

    c->ask.cid = *cid;
    c->ask.type = type;
    c->form = has_v0(cid) ? CID_FORM_V0 : CID_FORM_B32;
    c->other_form = kind == KIND_LOOK && has_v0(cid);
    return c;
}

static struct kubo_call *go(struct kubo_call *c)
{
    kubo_pins_url(c);
    kubo_call_start(c);
    return c;
}

struct kubo_call *kubo_look(struct kubo *k, const struct cid *c,
                            enum kubo_pin_type type, kubo_cb cb, void *arg)
{
    assert(type != KUBO_NOT_PINNED);
    return go(pins_call(k, KIND_LOOK, c, type, cb, arg));
}

struct kubo_call *kubo_pin(struct kubo *k, const struct cid *cid,
                           bool recursive, const char *name,
                           void (*progress)(void *arg, uint64_t bytes,
                                            uint64_t nodes),
                           kubo_cb cb, void *arg)
{
    struct kubo_call *c =
        pins_call(k, KIND_PIN, cid, recursive ? KUBO_RECURSIVE : KUBO_DIRECT,
                  cb, arg);

    c->progress = progress;
    c->name = name ? mem_text(name) : NULL;
    return go(c);
}

struct kubo_call *kubo_unpin(struct kubo *k, const struct cid *cid,
                             enum cid_form form, bool recursive, kubo_cb cb,
                             void *arg)
{
    struct kubo_call *c =
        pins_call(k, KIND_UNPIN, cid,
                  recursive ? KUBO_RECURSIVE : KUBO_DIRECT, cb, arg);

    c->form = form;
    return go(c);
}

struct kubo_call *kubo_update(struct kubo *k, const struct cid *from,
                              enum cid_form form, const struct cid *to,
                              kubo_cb cb, void *arg)
{
    struct kubo_call *c =
        pins_call(k, KIND_UPDATE, from, KUBO_RECURSIVE, cb, arg);

    c->form = form;
    c->ask.to = *to;
    return go(c);
}

static struct kubo_call *list_call(struct kubo *k, enum kubo_pin_type type,
                                   void (*row)(void *arg,
                                               const struct cid *c,
                                               const char *name),
                                   kubo_cb cb, void *arg)
{
    struct kubo_call *c = kubo_call_new(k, KIND_LIST, cb, arg);

    assert(row);
    c->ask.type = type;
    c->row = row;
    kubo_call_arg(c, "type", type_text(type));
    kubo_call_arg(c, "names", "true");
    kubo_call_arg(c, "stream", "true");
    return c;
}

struct kubo_call *kubo_list(struct kubo *k, enum kubo_pin_type type,
                            void (*row)(void *arg, const struct cid *c,
                                        const char *name),
                            kubo_cb cb, void *arg)
{
    struct kubo_call *c = list_call(k, type, row, cb, arg);

    kubo_call_start(c);
    return c;
}

struct kubo_call *kubo_list_brief(struct kubo *k, enum kubo_pin_type type,
                                  void (*row)(void *arg, const struct cid *c,
                                              const char *name),
                                  kubo_cb cb, void *arg)
{
    struct kubo_call *c = list_call(k, type, row, cb, arg);

    c->waits = false;
    c->limit_ms = k->call_ms < KUBO_BRIEF_MS ? k->call_ms : KUBO_BRIEF_MS;
    kubo_call_start(c);
    return c;
}
