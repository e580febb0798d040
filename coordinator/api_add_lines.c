/* Parameters and lines of POST /add; see api_add.h. */
#include "coordinator/api_add.h"

#include "coordinator/api_options.h"
#include "coordinator/view.h"

#include <stdlib.h>
#include <string.h>

enum { ADD_WORD_MAX = 128 }; /* chunker and hash */

/* --- parameters --------------------------------------------------------- */

static void argument(struct buf *query, const char *name, const char *value)
{
    static const char hex[] = "0123456789ABCDEF";

    buf_text(query, query->n == 0 ? "" : "&");
    buf_text(query, name);
    buf_byte(query, '=');
    for (; *value != '\0'; value++) {
        uint8_t b = (uint8_t)*value;

        if ((b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') ||
            (b >= '0' && b <= '9') || b == '-' || b == '.' || b == '_') {
            buf_byte(query, b);
        } else {
            buf_byte(query, '%');
            buf_byte(query, (uint8_t)hex[b >> 4]);
            buf_byte(query, (uint8_t)hex[b & 15]);
        }
    }
}

static enum err flag(const struct api_call *c, const char *name,
                     bool fallback, bool *out, struct err_text *why)
{
    if (api_bool_parse(api_param(c, name), fallback, out))
        return ERR_OK;
    return err_set(why, ERR_INVALID, "parameter %s invalid", name);
}

/* Switches that the daemon knows under the same name. */
static enum err switches(const struct api_call *c, struct buf *query,
                         struct err_text *why)
{
    static const char *const names[] = {"wrap-with-directory", "hidden"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        bool value;
        enum err e = flag(c, names[i], false, &value, why);

        if (e != ERR_OK)
            return e;
        argument(query, names[i], value ? "true" : "false");
    }
    return ERR_OK;
}

static enum err cid_version(const struct api_call *c, bool *one,
                            struct err_text *why)
{
    const char *text = api_param(c, "cid-version");
    char *end;
    long v;

    if (text == NULL)
        return ERR_OK;
    v = strtol(text, &end, 10);
    if (*end != '\0' || text[0] == ' ')
        return err_set(why, ERR_INVALID, "parameter cid-version invalid");
    if (v < 0 || v > 1)
        return err_set(why, ERR_INVALID, "bad CID Version: unknown CID "
                       "version: %ld", v);
    *one = v == 1;
    return ERR_OK;
}

static enum err encoding(const struct api_call *c, struct buf *query,
                         struct err_text *why)
{
    const char *layout = api_param(c, "layout");
    const char *chunker = api_param(c, "chunker"), *hash = api_param(c,
                                                                    "hash");
    bool one = false, raw;
    enum err e = cid_version(c, &one, why);

    if (e != ERR_OK)
        return e;

    if (layout != NULL && strcmp(layout, "balanced") != 0 &&
        strcmp(layout, "trickle") != 0)
        return err_set(why, ERR_INVALID, "layout parameter is invalid");
    if ((chunker != NULL && strlen(chunker) > ADD_WORD_MAX) ||
        (hash != NULL && strlen(hash) > ADD_WORD_MAX))
        return err_set(why, ERR_INVALID, "parameter %s invalid",
                       chunker != NULL && strlen(chunker) > ADD_WORD_MAX
                           ? "chunker" : "hash");
    e = flag(c, "raw-leaves", one, &raw, why);
    if (e != ERR_OK)
        return e;
    argument(query, "chunker", chunker == NULL ? "size-262144" : chunker);
    argument(query, "hash", hash == NULL ? "sha2-256" : hash);
    argument(query, "cid-version", one ? "1" : "0");
    argument(query, "raw-leaves", raw ? "true" : "false");
    argument(query, "trickle",
             layout != NULL && strcmp(layout, "trickle") == 0 ? "true"
                                                              : "false");
    return ERR_OK;
}

static enum err refused(const struct api_call *c, struct err_text *why)
{
    const char *format = api_param(c, "format");
    bool value;
    enum err e = flag(c, "shard", false, &value, why);

    if (e == ERR_OK && value)
        return err_set(why, ERR_INVALID, "sharding is not supported");
    if (e == ERR_OK)
        e = flag(c, "nocopy", false, &value, why);
    if (e == ERR_OK && value)
        return err_set(why, ERR_INVALID, "nocopy is not supported");
    if (e == ERR_OK && format != NULL && strcmp(format, "car") != 0 &&
        strcmp(format, "unixfs") != 0)
        return err_set(why, ERR_INVALID, "format parameter is invalid");
    return e;
}

/* What shapes a file's graph means nothing to a CAR; it is checked all the
 * same. */
static enum err car(const struct api_call *c, struct add_parameters *p,
                    struct err_text *why)
{
    const char *format = api_param(c, "format");
    bool wrap = false;
    enum err e = flag(c, "wrap-with-directory", false, &wrap, why);

    p->car = format != NULL && strcmp(format, "car") == 0;
    if (e == ERR_OK && p->car && wrap)
        return err_set(why, ERR_INVALID, "cannot wrap a CAR file upload");
    return e;
}

enum err add_parameters_parse(const struct api_call *c,
                              struct add_parameters *p, struct buf *query,
                              struct err_text *why)
{
    bool recursive;
    enum err e = refused(c, why);

    if (e == ERR_OK)
        e = encoding(c, query, why);
    if (e == ERR_OK)
        e = switches(c, query, why);
    if (e == ERR_OK)
        e = flag(c, "recursive", false, &recursive, why);
    if (e == ERR_OK)
        e = flag(c, "stream-channels", true, &p->stream, why);
    if (e == ERR_OK)
        e = flag(c, "progress", false, &p->progress, why);
    if (e == ERR_OK)
        e = flag(c, "local", false, &p->local, why);
    if (e == ERR_OK)
        e = flag(c, "no-pin", false, &p->no_pin, why);
    if (e == ERR_OK)
        e = car(c, p, why);
    if (p->car) {
        buf_reset(query);
        return e;
    }
    argument(query, "progress", p->progress ? "true" : "false");
    argument(query, "pin", "false");
    return e;
}

/* --- parameters of the daemon's ------------------------------------------ */

static enum err daemon_refused(const struct api_call *c, struct err_text *why)
{
    static const char *const names[] = {"nocopy", "fscache", "inline"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        bool value;
        enum err e = flag(c, names[i], false, &value, why);

        if (e == ERR_OK && value)
            e = err_set(why, ERR_INVALID, "%s is not supported when adding "
                        "to the cluster", names[i]);
        if (e != ERR_OK)
            return e;
    }
    if (api_param(c, "to-files") != NULL)
        return err_set(why, ERR_INVALID, "to-files is not supported when "
                       "adding to the cluster");
    return ERR_OK;
}

enum err add_daemon_parse(const struct api_call *c, struct add_parameters *p,
                          struct buf *query, struct err_text *why)
{
    static const char *const names[] = {
        "chunker", "hash", "cid-version", "raw-leaves", "trickle",
        "wrap-with-directory", "hidden", "empty-dirs", "max-file-links",
        "max-directory-links", "max-hamt-fanout", "preserve-mode",
        "preserve-mtime", "mode", "mtime", "mtime-nsecs"};
    enum err e = daemon_refused(c, why);
    bool pin = true;

    if (e == ERR_OK)
        e = flag(c, "progress", false, &p->progress, why);
    if (e == ERR_OK)
        e = flag(c, "silent", false, &p->silent, why);
    if (e == ERR_OK)
        e = flag(c, "pin", true, &pin, why);
    if (e == ERR_OK && !pin && api_param(c, "pin-name") != NULL)
        e = err_set(why, ERR_INVALID, "pin-name option requires pin to be "
                    "set");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = api_param(c, names[i]);

        if (value == NULL)
            continue;
        if (strlen(value) > ADD_WORD_MAX && e == ERR_OK)
            e = err_set(why, ERR_INVALID, "parameter %s invalid", names[i]);
        argument(query, names[i], value);
    }
    p->no_pin = !pin;
    p->stream = true;
    p->form = ADD_DAEMON;
    argument(query, "progress", p->progress ? "true" : "false");
    argument(query, "pin", "false");
    return e;
}

/* --- lines -------------------------------------------------------------- */

void add_lines_free(struct add_lines *l)
{
    buf_free(&l->partial);
    buf_free(&l->held_name);
    buf_free(&l->held_line);
}

static void open_object(struct add_lines *l, struct json_writer *w,
                        struct buf *out)
{
    if (l->array && l->comma)
        buf_byte(out, ',');
    l->comma = true;
    json_init(w, out);
    json_object(w);
}

static void close_object(struct add_lines *l, struct json_writer *w,
                         struct buf *out)
{
    json_object_end(w);
    if (!l->array)
        buf_byte(out, '\n');
}

static void held_fields(struct add_lines *l, struct json_writer *w)
{
    json_key(w, "name");
    json_textn(w, span_buf(&l->held_name));
    json_kv_text(w, "cid", l->held_cid);
    if (l->root_bytes != 0)
        json_kv_u64(w, "bytes", l->root_bytes);
    if (l->root_size != 0)
        json_kv_u64(w, "size", l->root_size);
}

static void raw_line(struct span line, struct buf *out)
{
    buf_add(out, line.p, line.n);
    buf_byte(out, '\n');
}

static void release(struct add_lines *l, struct buf *out)
{
    struct json_writer w;

    if (!l->held)
        return;
    l->held = false;
    if (l->form == ADD_DAEMON)
        raw_line(span_buf(&l->held_line), out);
    if (l->form != ADD_CLUSTER)
        return;
    open_object(l, &w, out);
    held_fields(l, &w);
    close_object(l, &w, out);
}

static enum err bad_line(struct err_text *why)
{
    return err_set(why, ERR_PROTOCOL, "the daemon's answer to add makes no "
                   "sense");
}

static void write_progress(struct add_lines *l, uint64_t bytes,
                           struct buf *out)
{
    struct json_writer w;

    open_object(l, &w, out);
    json_kv_text(&w, "name", "");
    json_key(&w, "cid");
    json_null(&w);
    json_kv_u64(&w, "bytes", bytes);
    close_object(l, &w, out);
}

static enum err hold(struct add_lines *l, const struct json_value *v,
                     struct err_text *why)
{
    char name[4096] = "", size[24];

    if (!json_get_string(v, "Hash", l->held_cid, sizeof l->held_cid))
        return bad_line(why);
    (void)json_get_string(v, "Name", name, sizeof name);
    buf_reset(&l->held_name);
    buf_text(&l->held_name, name);
    l->root_size = l->root_bytes = 0;
    if (json_get_string(v, "Size", size, sizeof size))
        l->root_size = strtoull(size, NULL, 10);
    (void)json_get_u64(v, "Bytes", &l->root_bytes);
    l->held = true;
    return ERR_OK;
}

static enum err take_line(struct add_lines *l, struct span line,
                          bool progress, struct buf *out,
                          struct err_text *why)
{
    struct json_value v, hash;
    uint64_t bytes;

    if (line.n == 0)
        return ERR_OK;
    if (json_parse(line.p, line.n, &v, why) != ERR_OK ||
        v.type != JSON_OBJECT)
        return bad_line(why);
    if (json_get_u64(&v, "Bytes", &bytes) && !json_get(&v, "Hash", &hash)) {
        if (progress && l->form == ADD_DAEMON)
            raw_line(line, out);
        else if (progress && l->form == ADD_CLUSTER)
            write_progress(l, bytes, out);
        return ERR_OK;
    }
    release(l, out);
    buf_reset(&l->held_line);
    if (l->form == ADD_DAEMON)
        buf_add(&l->held_line, line.p, line.n);
    return hold(l, &v, why);
}

enum err add_lines_take(struct add_lines *l, struct span bytes,
                        bool progress, struct buf *out, struct err_text *why)
{
    const uint8_t *at = bytes.p, *end = bytes.p + bytes.n;

    while (at < end) {
        const uint8_t *nl = memchr(at, '\n', (size_t)(end - at));
        size_t n = (size_t)((nl == NULL ? end : nl) - at);
        enum err e;

        if (l->partial.n + n > ADD_LINE_MAX)
            return bad_line(why);
        buf_add(&l->partial, at, n);
        if (nl == NULL)
            return ERR_OK;
        e = take_line(l, span_buf(&l->partial), progress, out, why);
        buf_reset(&l->partial);
        if (e != ERR_OK)
            return e;
        at = nl + 1;
    }
    return ERR_OK;
}

bool add_lines_root_cid(struct add_lines *l, struct cid *cid,
                        enum cid_form *form, struct err_text *why)
{
    if (!l->held) {
        (void)err_set(why, ERR_PROTOCOL, "no files were added");
        return false;
    }
    return cid_parse(l->held_cid, strlen(l->held_cid), cid, form, why) ==
           ERR_OK;
}

/* {"Root":{"Cid":{"/":"…"},"PinErrorMsg":""}} */
static void import_root(const struct add_lines *l, struct buf *out)
{
    struct json_writer w;

    json_init(&w, out);
    json_object(&w);
    json_key(&w, "Root");
    json_object(&w);
    json_key(&w, "Cid");
    json_object(&w);
    json_kv_text(&w, "/", l->held_cid);
    json_object_end(&w);
    json_kv_text(&w, "PinErrorMsg", "");
    json_object_end(&w);
    json_object_end(&w);
    buf_byte(out, '\n');
}

void add_lines_root(struct add_lines *l, const struct view *v,
                    const struct pin *pin, struct buf *out)
{
    struct json_writer w;

    if (l->form == ADD_ROOTS)
        import_root(l, out);
    if (l->form != ADD_CLUSTER) {
        release(l, out);
        return;
    }
    l->held = false;
    open_object(l, &w, out);
    held_fields(l, &w);
    if (pin != NULL && pin->n_copies > 0) {
        json_key(&w, "allocations");
        json_array(&w);
        for (uint32_t i = 0; i < pin->n_copies; i++) {
            const struct view_node *n = view_node(v, pin->copies[i].node);

            if (pin->copies[i].want != COPY_RELEASED && n != NULL)
                json_text(&w, n->peer_text);
        }
        json_array_end(&w);
    }
    close_object(l, &w, out);
}
