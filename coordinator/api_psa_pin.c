/* Pin objects: JSON of a client to what a claim keeps. Fields that the
 * contract does not know are ignored, as newer clients may send some.
 */
#include "coordinator/api_psa.h"

#include "coordinator/api_priority.h"
#include "proto/maddr.h"
#include "proto/tags.h"

#include <string.h>

size_t psa_characters(const char *text)
{
    size_t n = 0;

    for (; *text != '\0'; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

/* Decoded into `text`, which has room for all of the body. */
static bool take_string(struct buf *text, const struct json_value *v,
                        size_t max, struct span *out)
{
    size_t at = text->n, size = v->n + 1;

    if (size > max + 1)
        size = max + 1;
    if (!json_string(v, (char *)text->p + at, size))
        return false;
    *out = span_text((const char *)text->p + at);
    text->n += out->n + 1;
    return true;
}

static enum err take_cid(const struct json_value *pin, struct psa_pin *out,
                         struct err_text *why)
{
    char text[LIMIT_CID_TEXT];
    struct json_value v;
    enum err e;

    if (!json_get(pin, "cid", &v))
        return err_set(why, ERR_INVALID, "cid: missing");
    if (v.type != JSON_STRING)
        return err_set(why, ERR_INVALID, "cid: not a string");
    if (!json_string(&v, text, sizeof text))
        return err_set(why, ERR_INVALID, "cid: too long");
    e = cid_parse(text, strlen(text), &out->cid, &out->form, why);
    if (e != ERR_OK)
        err_prefix(why, "cid");
    return e == ERR_OK ? ERR_OK : ERR_INVALID;
}

static enum err take_name(const struct json_value *pin, struct psa_pin *out,
                          struct err_text *why)
{
    char text[4 * PSA_NAME + 1]; /* a character has 4 bytes at most */
    struct json_value v;

    if (!json_get(pin, "name", &v))
        return ERR_OK;
    if (v.type != JSON_STRING)
        return err_set(why, ERR_INVALID, "name: not a string");
    if (!json_string(&v, text, sizeof text) ||
        psa_characters(text) > PSA_NAME)
        return err_set(why, ERR_INVALID, "name: more than %d characters",
                       PSA_NAME);
    buf_text(&out->name, text);
    return ERR_OK;
}

static bool has_origin(const struct meta *m, struct span origin)
{
    for (uint32_t i = 0; i < m->n_origins; i++)
        if (span_equal(m->origins[i], origin))
            return true;
    return false;
}

/* They are hints: what no node of ours can dial, or is beyond what the answer
 * may name again, is left out. */
static enum err take_origin(struct psa_pin *out, const struct json_value *v,
                            struct err_text *why)
{
    struct span origin;
    struct peerid peer;

    if (v->type != JSON_STRING)
        return err_set(why, ERR_INVALID, "origins: not a string");
    if (!take_string(&out->text, v, 4 * LIMIT_MULTIADDR, &origin) ||
        origin.n == 0 || origin.p[0] != '/')
        return err_set(why, ERR_INVALID, "origins: not a multiaddr");
    if (origin.n <= LIMIT_MULTIADDR &&
        maddr_check((const char *)origin.p, NULL) == ERR_OK &&
        maddr_peer((const char *)origin.p, &peer) &&
        out->doc.n_origins < PSA_ORIGINS && !has_origin(&out->doc, origin))
        out->doc.origins[out->doc.n_origins++] = origin;
    return ERR_OK;
}

static enum err take_origins(const struct json_value *pin,
                             struct psa_pin *out, struct err_text *why)
{
    struct json_value list, v;
    enum err e = ERR_OK;
    struct span key;
    size_t it = 0;

    if (!json_get(pin, "origins", &list))
        return ERR_OK;
    if (list.type != JSON_ARRAY)
        return err_set(why, ERR_INVALID, "origins: not an array");
    while (e == ERR_OK && json_next(&list, &it, &key, &v))
        e = take_origin(out, &v, why);
    return e;
}

static enum err take_meta(const struct json_value *pin, struct psa_pin *out,
                          struct err_text *why)
{
    struct json_value object, v;
    struct span key;
    size_t it = 0;

    if (!json_get(pin, "meta", &object))
        return ERR_OK;
    if (object.type != JSON_OBJECT)
        return err_set(why, ERR_INVALID, "meta: not an object");
    while (json_next(&object, &it, &key, &v)) {
        struct json_value name = {JSON_STRING, (const char *)key.p, key.n};
        struct meta_pair *p = &out->doc.pairs[out->doc.n_pairs];

        if (v.type != JSON_STRING)
            return err_set(why, ERR_INVALID, "meta: value of '%.*s' is not a "
                           "string", key.n < 64 ? (int)key.n : 64,
                           (const char *)key.p);
        if (out->doc.n_pairs == LIMIT_METADATA_PAIRS)
            return err_set(why, ERR_INVALID, "meta: more than %d keys",
                           LIMIT_METADATA_PAIRS);
        if (!take_string(&out->text, &name, LIMIT_METADATA, &p->key) ||
            !take_string(&out->text, &v, LIMIT_METADATA, &p->value))
            return err_set(why, ERR_INVALID, "meta: more than %d bytes",
                           LIMIT_METADATA);
        out->doc.n_pairs++;
    }
    return ERR_OK;
}

/* Of two values some reader would take the other one. */
static enum err given_once(const struct json_value *pin, struct err_text *why)
{
    static const char *const fields[] = {"cid", "name", "origins", "meta"};
    unsigned seen = 0;
    struct json_value v;
    struct span key;
    size_t it = 0;

    while (json_next(pin, &it, &key, &v)) {
        struct json_value name = {JSON_STRING, (const char *)key.p, key.n};
        char text[16]; /* any of them fits, unescaped */

        if (!json_string(&name, text, sizeof text))
            continue;
        for (unsigned i = 0; i < sizeof fields / sizeof fields[0]; i++) {
            if (strcmp(text, fields[i]) != 0)
                continue;
            if ((seen & 1u << i) != 0)
                return err_set(why, ERR_INVALID, "%s: given twice", text);
            seen |= 1u << i;
        }
    }
    return ERR_OK;
}

enum err psa_pin_parse(struct span json, struct psa_pin *out,
                       struct err_text *why)
{
    struct json_value pin;
    enum err e = json_parse(json.p, json.n, &pin, why);

    if (e != ERR_OK)
        return ERR_INVALID;
    if (pin.type != JSON_OBJECT)
        return err_set(why, ERR_INVALID, "the body is not a JSON object");
    buf_reserve(&out->text, 2 * json.n + 2);
    e = given_once(&pin, why);
    if (e == ERR_OK)
        e = take_cid(&pin, out, why);
    if (e == ERR_OK)
        e = take_name(&pin, out, why);
    if (e == ERR_OK)
        e = take_origins(&pin, out, why);
    if (e == ERR_OK)
        e = take_meta(&pin, out, why);
    if (e == ERR_OK)
        e = tags_check(&out->doc, why);
    if (e == ERR_OK)
        e = api_priority_parse(NULL, &out->doc, &out->flags, why);
    if (e == ERR_OK && meta_encode(&out->doc, &out->meta, why) != ERR_OK) {
        err_prefix(why, "meta");
        e = ERR_INVALID;
    }
    return e;
}

void psa_pin_free(struct psa_pin *p)
{
    buf_free(&p->name);
    buf_free(&p->meta);
    buf_free(&p->text);
}
