#include "ctl/number.h"

#include <stdio.h>
#include <string.h>

struct number number_of(const struct json_value *v, const char *key)
{
    struct number n = {"-"};
    struct json_value x;

    if (json_get(v, key, &x) && x.type == JSON_NUMBER &&
        x.n < sizeof n.text) {
        memcpy(n.text, x.p, x.n);
        n.text[x.n] = '\0';
    }
    return n;
}

void number_text(const struct json_value *v, const char *key, char *out,
                 size_t size)
{
    if (!json_get_string(v, key, out, size))
        snprintf(out, size, "-");
}
