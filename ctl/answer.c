/* Members of answers; what is not there reads as nothing. */
#include "ctl/answer.h"

#include <string.h>

const char *answer_text(const struct json_value *v, const char *key,
                        char out[ANSWER_TEXT])
{
    if (!json_get_string(v, key, out, ANSWER_TEXT))
        out[0] = '\0';
    return out;
}

uint64_t answer_number(const struct json_value *v, const char *key)
{
    uint64_t n = 0;

    (void)json_get_u64(v, key, &n);
    return n;
}

int64_t answer_signed(const struct json_value *v, const char *key)
{
    struct json_value x;
    int64_t n = 0;

    if (json_get(v, key, &x))
        (void)json_as_i64(&x, &n);
    return n;
}

bool answer_is(const struct json_value *v, const char *key)
{
    bool is = false;

    (void)json_get_bool(v, key, &is);
    return is;
}

struct json_value answer_list(const struct json_value *v, const char *key)
{
    static const struct json_value none = {JSON_ARRAY, "[]", 2};
    struct json_value list;

    return json_get(v, key, &list) && list.type == JSON_ARRAY ? list : none;
}

unsigned answer_count(const struct json_value *v, const char *key)
{
    struct json_value list, item;
    struct span name;
    size_t it = 0;
    unsigned n = 0;

    if (json_get(v, key, &list))
        while (json_next(&list, &it, &name, &item))
            n++;
    return n;
}

enum err answer_needs(const struct json_value *v, const char *key,
                      struct err_text *why)
{
    struct json_value x;

    if (json_get(v, key, &x))
        return ERR_OK;
    return err_set(why, ERR_PROTOCOL, "malformed answer: no %s", key);
}

struct answer_figure answer_figure(const struct json_value *v,
                                   const char *key)
{
    struct answer_figure f = {"-"};
    struct json_value x;

    if (json_get(v, key, &x) && x.type == JSON_NUMBER &&
        x.n < sizeof f.text) {
        memcpy(f.text, x.p, x.n);
        f.text[x.n] = '\0';
    }
    return f;
}
