/* Status and text of an error answer to enum err, whose row has the exit
 * status.
 */
#include "ctl/refusal.h"

#include "proto/json.h"

#include <string.h>

static const struct {
    long status;
    const char *part; /* of the message; NULL: any */
    enum err error;
} rules[] = {
    {400, NULL, ERR_INVALID},
    {401, NULL, ERR_DENIED},
    {403, "quota", ERR_OVER_QUOTA},
    {403, NULL, ERR_DENIED},
    {404, NULL, ERR_NOT_FOUND},
    {408, NULL, ERR_TIMEOUT},
    {409, NULL, ERR_CONFLICT},
    {412, NULL, ERR_CONFLICT},
    {413, NULL, ERR_TOO_LARGE},
    {414, NULL, ERR_TOO_LARGE},
    {422, NULL, ERR_CONFLICT},
    {429, NULL, ERR_RATE_LIMIT},
    {431, NULL, ERR_TOO_LARGE},
    {500, "not enough peers", ERR_NO_CANDIDATES},
    {500, "no_candidates", ERR_NO_CANDIDATES},
    {500, NULL, ERR_INTERNAL},
    {501, NULL, ERR_VERSION},
    {502, NULL, ERR_UNREACHABLE},
    {503, "no leader", ERR_NO_LEADER},
    {503, "not ready", ERR_NOT_READY},
    {503, "outcome unknown", ERR_UNKNOWN_OUTCOME},
    {503, NULL, ERR_BUSY},
    {504, NULL, ERR_TIMEOUT},
    {507, NULL, ERR_NO_SPACE},
};

enum err refusal_error(long status, const char *message)
{
    /* The coordinator's own text for a failure says which one it was. */
    for (unsigned e = ERR_OK + 1; e < ERR_COUNT; e++)
        if (err_http_status((enum err)e) == status &&
            strcmp(err_text((enum err)e), message) == 0)
            return (enum err)e;
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (rules[i].status == status &&
            (rules[i].part == NULL ||
             strstr(message, rules[i].part) != NULL))
            return rules[i].error;
    return status >= 400 && status < 500 ? ERR_INVALID : ERR_INTERNAL;
}

enum err refusal_read(long status, struct span body, struct err_text *why)
{
    struct err_text text = {""};
    struct json_value v;

    if (json_parse(body.p, body.n, &v, NULL) != ERR_OK ||
        (!json_get_string(&v, "message", text.text, sizeof text.text) &&
         !json_get_string(&v, "reason", text.text, sizeof text.text)) ||
        text.text[0] == 0) {
        size_t n = body.n;

        while (n > 0 && (body.p[n - 1] == '\n' || body.p[n - 1] == '\r'))
            n--;
        if (n > 200)
            n = 200;
        /* Not an answer of a coordinator: a proxy, another program. */
        if (n > 0 && json_utf8_valid(body.p, n) &&
            memchr(body.p, 0, n) == NULL)
            err_set(&text, ERR_OK, "HTTP status %ld: %.*s", status, (int)n,
                    (const char *)body.p);
        else
            err_set(&text, ERR_OK, "HTTP status %ld", status);
    }
    return err_set(why, refusal_error(status, text.text), "%s", text.text);
}
