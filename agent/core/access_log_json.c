/* Lines that are JSON objects: the names that servers give to what they say.
 */
#include "agent/core/access_log_fields.h"

#include "proto/json.h"

#include <assert.h>
#include <string.h>

/* Of several that are there the first counts. A client that a proxy named is
 * better than the proxy; a header that a client could have sent is not read.
 */
enum { NAMES = 7 };
static const char *const client_names[NAMES] = {
    "client_ip", "remote_addr", "remote_ip", "ClientHost", "client",
    "clientip"};
static const char *const method_names[NAMES] = {
    "request_method", "method", "RequestMethod"};
static const char *const target_names[NAMES] = {
    "request_uri", "uri", "RequestPath", "path", "url"};
static const char *const host_names[NAMES] = {
    "host", "http_host", "RequestHost", "server_name", "vhost"};
static const char *const status_names[NAMES] = {
    "status", "DownstreamStatus", "status_code"};
static const char *const bytes_names[NAMES] = {
    "body_bytes_sent", "size", "DownstreamContentSize", "bytes_sent",
    "bytes"};
static const char *const time_names[NAMES] = {
    "time_iso8601", "ts", "msec", "time_local", "StartUTC", "time",
    "timestamp"};

/* A string, escapes resolved, or a number's digits. */
static bool text_of(struct access_fields *f, const struct json_value *v,
                    struct span *out)
{
    char *to = f->scratch + f->used;

    if (v->type == JSON_NUMBER) {
        *out = span_of(v->p, v->n);
        return true;
    }
    /* What is resolved is no longer than what stands in the line. */
    if (!json_string(v, to, sizeof f->scratch - f->used))
        return false;
    *out = span_text(to);
    f->used += out->n + 1;
    return true;
}

static bool find(struct access_fields *f, const struct json_value *object,
                 const char *const names[NAMES], struct span *out)
{
    struct json_value v;

    for (int i = 0; i < NAMES && names[i] != NULL; i++)
        if (json_get(object, names[i], &v) && text_of(f, &v, out))
            return true;
    return false;
}

static void find_request(struct access_fields *f,
                         const struct json_value *object)
{
    if (f->client.p == NULL)
        (void)find(f, object, client_names, &f->client);
    if (f->method.p == NULL)
        (void)find(f, object, method_names, &f->method);
    if (f->target.p == NULL)
        (void)find(f, object, target_names, &f->target);
    if (f->host.p == NULL)
        (void)find(f, object, host_names, &f->host);
}

bool access_log_json(struct span line, struct access_fields *f)
{
    struct json_value all, request;
    struct span text;

    if (json_parse(line.p, line.n, &all, NULL) != ERR_OK ||
        all.type != JSON_OBJECT)
        return false;
    if (json_get(&all, "request", &request)) {
        if (request.type == JSON_OBJECT) /* Caddy */
            find_request(f, &request);
        else if (text_of(f, &request, &text)) /* nginx: $request */
            (void)access_request(text, f);
    }
    find_request(f, &all);
    if (find(f, &all, time_names, &text))
        f->time = text;
    if (find(f, &all, bytes_names, &text))
        (void)access_number(text, &f->bytes);
    return f->client.p != NULL && f->method.p != NULL &&
           f->target.p != NULL && find(f, &all, status_names, &text) &&
           access_number(text, &f->status);
}
