/* See api_log.h. A query may hold anything and is not logged. What clients
 * wrote is quoted by the log, and cut here.
 */
#include "coordinator/api_log.h"

#include "proto/log.h"
#include "proto/mem.h"

#include <stdio.h>
#include <string.h>
#include <uv.h>

enum { PATH_MAX_BYTES = 512, LOGGED_MAX = PATH_MAX_BYTES + 40 };

/* As request ids look everywhere; nothing that a log or a header could take
 * for something else. */
static bool is_id(const struct http_str *s)
{
    if (s == NULL || s->n == 0 || s->n > LIMIT_REQUEST_ID)
        return false;
    for (size_t i = 0; i < s->n; i++) {
        char b = s->p[i];

        if (!((b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') ||
              (b >= '0' && b <= '9') || b == '-' || b == '_' || b == '.'))
            return false;
    }
    return true;
}

void api_log_begin(struct api_call *c, const struct http_head *h)
{
    const struct http_str *given = http_header(h, "X-Request-Id");

    if (is_id(given))
        memcpy(c->request_id, given->p, given->n); /* zeroed before */
    else
        snprintf(c->request_id, sizeof c->request_id, "%016llx%016llx",
                 (unsigned long long)c->api->id_base,
                 (unsigned long long)c->api->requests);
    http_answer_line(api_request(c), "X-Request-Id", c->request_id);
    if (!c->api->access_log)
        return;
    c->logged = mem_alloc(LOGGED_MAX);
    snprintf(c->logged, LOGGED_MAX, "%.*s %.*s",
             (int)h->method.n, h->method.p,
             h->path.n < PATH_MAX_BYTES ? (int)h->path.n : PATH_MAX_BYTES,
             h->path.p);
}

void api_log_operation(const struct api_call *c, enum command_kind kind,
                       const struct replica_result *r)
{
    char cid[LIMIT_CID_TEXT];

    if (!c->api->access_log || r->error != ERR_OK || r->pin == NULL)
        return;
    cid_print(&r->pin->cid, CID_FORM_B32, cid);
    log_info("operation", "id=%s kind=%s verdict=%s pin=%llu index=%llu "
             "cid=%s", c->request_id, command_kind_text(kind),
             verdict_text(r->verdict), (unsigned long long)r->pin->id,
             (unsigned long long)r->index, cid);
}

static const char *door_name(const struct api_doorway *d)
{
    return d->name == NULL ? "other" : d->name;
}

void api_log_refused(void *app, const struct http_refused *r)
{
    (void)app;
    log_warn("http_refused", "door=%s client=%s reason=%s status=%d "
             "count=%llu", door_name(api_doorway(r->door)), r->client,
             http_refusal_word(r->why), r->status,
             (unsigned long long)r->count);
}

void api_log_end(struct api_call *c, const struct http_request *r,
                 bool complete)
{
    char client[HTTP_CLIENT_MAX];

    if (c->logged == NULL)
        return;
    http_client(r, client);
    log_info("request", "id=%s client=%s door=%s request=%s status=%d "
             "bytes=%llu ms=%llu complete=%s principal=%llu actor=%llu "
             "org=%u", c->request_id, client, door_name(c->door), c->logged,
             http_status(r), (unsigned long long)http_body_sent(r),
             (unsigned long long)((uv_hrtime() - c->begun_ns) / 1000000),
             complete ? "yes" : "no", (unsigned long long)c->who,
             (unsigned long long)c->actor, c->org);
}
