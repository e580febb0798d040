/* Whatever the reader accepts can be walked, written and read again. */
#include "proto/json.h"

#include <assert.h>
#include <stdlib.h>

static void write_again(struct json_writer *w, const struct json_value *v);

static void write_members(struct json_writer *w, const struct json_value *v)
{
    struct json_value x, first;
    struct span key;
    size_t it = 0;

    while (json_next(v, &it, &key, &x)) {
        if (v->type == JSON_OBJECT) {
            char name[64];
            struct json_value as_text = {JSON_STRING, (const char *)key.p,
                                         key.n};

            if (!json_string(&as_text, name, sizeof(name)))
                name[0] = 0;
            json_key(w, name);
            (void)json_get(v, name, &first);
        }
        write_again(w, &x);
    }
}

static void write_number(struct json_writer *w, const struct json_value *v)
{
    uint64_t u;
    int64_t i;

    if (json_as_u64(v, &u))
        json_u64(w, u);
    else if (json_as_i64(v, &i))
        json_i64(w, i);
    else
        json_raw(w, span_of(v->p, v->n));
}

static void write_string(struct json_writer *w, const struct json_value *v)
{
    char *text = malloc(v->n + 1);
    bool ok = json_string(v, text, v->n + 1);

    assert(ok); /* resolving never makes it longer */
    json_text(w, text);
    free(text);
}

static void write_again(struct json_writer *w, const struct json_value *v)
{
    switch (v->type) {
    case JSON_OBJECT:
        json_object(w);
        write_members(w, v);
        json_object_end(w);
        break;
    case JSON_ARRAY:
        json_array(w);
        write_members(w, v);
        json_array_end(w);
        break;
    case JSON_STRING:
        write_string(w, v);
        break;
    case JSON_NUMBER:
        write_number(w, v);
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        json_bool(w, v->type == JSON_TRUE);
        break;
    case JSON_NULL:
        json_null(w);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf once = BUF_INIT, twice = BUF_INIT;
    struct json_writer w;
    struct json_value v;
    struct err_text why;
    enum err e;

    if (json_parse(data, size, &v, &why) == ERR_OK) {
        json_init(&w, &once);
        write_again(&w, &v);
        e = json_parse(once.p, once.n, &v, &why);
        assert(e == ERR_OK);
        json_init(&w, &twice);
        write_again(&w, &v);
        assert(span_equal(span_buf(&once), span_buf(&twice)));
    }
    /* any bytes can be written as a text */
    buf_reset(&once);
    json_init(&w, &once);
    json_textn(&w, span_of(data, size));
    e = json_parse(once.p, once.n, &v, &why);
    assert(e == ERR_OK && v.type == JSON_STRING);
    buf_free(&once);
    buf_free(&twice);
    return 0;
}
