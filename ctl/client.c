/* libcurl's multi interface, turned by hand so that signals and deadlines
 * are seen within a fifth of a second. Which host comes next is failover.c's.
 */
#include "ctl/client.h"

#include "ctl/failover.h"
#include "ctl/interrupt.h"
#include "ctl/refusal.h"
#include "proto/limits.h"

#include <assert.h>
#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { TURN_MS = 200, STREAM_ERROR_MAX = 8192 };

struct transfer {
    struct client_call *call;
    struct items items;
    struct buf stream_error; /* texts of X-Stream-Error */
    uint64_t moved_ms;       /* when bytes moved last */
    uint64_t uploaded;
    enum err error;          /* of a callback */
    struct err_text why;
};

/* --- callbacks ---------------------------------------------------------- */

static bool is_stream(const struct transfer *t)
{
    return t->call->on_item != NULL && t->call->status < 300;
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    struct client_call *q = t->call;

    n *= size;
    t->moved_ms = interrupt_now_ms();
    if (is_stream(t)) {
        t->error = items_feed(&t->items, p, n, q->on_item, q->item_arg,
                              &t->why);
    } else if (n > CLIENT_BODY_MAX - q->body.n) {
        t->error = err_set(&t->why, ERR_PROTOCOL,
                           "the answer is longer than %d bytes",
                           (int)CLIENT_BODY_MAX);
    } else {
        buf_add(&q->body, p, n);
    }
    return t->error == ERR_OK ? n : 0;
}

/* Heads of all answers (100, then the real one) and trailers. */
static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
    static const char name[] = "X-Stream-Error:";
    struct transfer *t = arg;
    size_t length = size * n, from = sizeof name - 1, end = length;
    long status;

    t->moved_ms = interrupt_now_ms();
    if (length > 12 && strncasecmp(p, "HTTP/", 5) == 0) {
        const char *blank = memchr(p, ' ', length);

        status = 0;
        for (const char *d = blank == NULL ? p : blank + 1;
             d < p + length && status < 1000 && *d >= '0' && *d <= '9'; d++)
            status = status * 10 + (*d - '0');
        t->call->status = status >= 200 ? status : 0; /* 100: go on */
    }
    if (length < sizeof name || strncasecmp(p, name, from) != 0)
        return length;
    while (from < end && strchr(" \t\r\n", p[from]) != NULL)
        from++;
    while (end > from && strchr(" \t\r\n", p[end - 1]) != NULL)
        end--;
    if (end > from && end - from < STREAM_ERROR_MAX - t->stream_error.n) {
        if (t->stream_error.n > 0)
            buf_text(&t->stream_error, "; ");
        buf_add(&t->stream_error, p + from, end - from);
    }
    return length;
}

static size_t on_read(char *p, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    const struct client_upload *u = t->call->upload;
    long got = u->read(u->arg, p, size * n, &t->why);

    t->moved_ms = interrupt_now_ms();
    if (got < 0) {
        t->error = ERR_IO;
        return CURL_READFUNC_ABORT;
    }
    t->uploaded += (uint64_t)got;
    return (size_t)got;
}

/* --- one transfer ------------------------------------------------------- */

#define SET(option, value) curl_easy_setopt(easy, (option), (value))

static void set_address(CURL *easy, const struct host *h, const char *target)
{
    struct buf url = BUF_INIT;

    buf_printf(&url, "http%s://%s%s", h->tls ? "s" : "",
               h->addr.is_unix ? "localhost" : h->text, target);
    SET(CURLOPT_URL, buf_cstr(&url)); /* copied */
    SET(CURLOPT_UNIX_SOCKET_PATH, h->addr.is_unix ? h->addr.host : NULL);
    buf_free(&url);
}

static struct curl_slist *set_upload(CURL *easy, struct transfer *t,
                                     struct curl_slist *lines)
{
    char type[256];

    snprintf(type, sizeof type, "Content-Type: %s",
             t->call->upload->content_type);
    lines = curl_slist_append(lines, type);
    lines = curl_slist_append(lines, "Transfer-Encoding: chunked");
    /* A refusal then comes before the first byte was sent. */
    lines = curl_slist_append(lines, "Expect: 100-continue");
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_READFUNCTION, on_read);
    SET(CURLOPT_READDATA, t);
    SET(CURLOPT_UPLOAD_BUFFERSIZE, 256L << 10);
    SET(CURLOPT_EXPECT_100_TIMEOUT_MS, 5000L);
    return lines;
}

static struct curl_slist *add_line(struct curl_slist *lines,
                                   const char *name, const char *value)
{
    struct buf line = BUF_INIT;

    if (value == NULL)
        return lines;
    buf_printf(&line, "%s%s", name, value);
    lines = curl_slist_append(lines, buf_cstr(&line)); /* copied */
    explicit_bzero(line.p, line.n);
    buf_free(&line);
    return lines;
}

/* The token is in one of them. */
static void free_lines(struct curl_slist *lines)
{
    for (struct curl_slist *l = lines; l != NULL; l = l->next)
        explicit_bzero(l->data, strlen(l->data));
    curl_slist_free_all(lines);
}

static struct curl_slist *set_all(CURL *easy, struct transfer *t,
                                  const struct host *h, uint64_t limit_ms,
                                  const struct client *c)
{
    struct client_call *q = t->call;
    struct curl_slist *lines = add_line(NULL, "X-Pinfold-Org: ", c->org);

    lines = add_line(lines, "Authorization: Bearer ", c->token);

    curl_easy_reset(easy);
    set_address(easy, h, q->target);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (c->cacert != NULL) {
        SET(CURLOPT_CAINFO, c->cacert);
        SET(CURLOPT_CAPATH, NULL); /* nor whom the system trusts */
    }
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L); /* not held up by a name server */
    SET(CURLOPT_PATH_AS_IS, 1L);
    SET(CURLOPT_USERAGENT, "pinfold/" PINFOLD_VERSION);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)limit_ms);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, t);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, t);
    if (q->upload != NULL)
        lines = set_upload(easy, t, lines);
    else if (strcmp(q->method, "GET") != 0)
        SET(CURLOPT_POSTFIELDS, q->text != NULL ? q->text : "");
    SET(CURLOPT_HTTPHEADER, lines);
    if (strcmp(q->method, "DELETE") == 0)
        SET(CURLOPT_CUSTOMREQUEST, "DELETE");
    return lines;
}

/* Turns until the transfer ended (ERR_OK) or must be given up. */
static enum err turn(struct client *c, struct transfer *t,
                     const struct failover_limits *l, CURLcode *code,
                     struct err_text *why)
{
    uint64_t begun = interrupt_now_ms(), now = begun;
    bool plain = t->call->on_item == NULL && t->call->upload == NULL;
    int running = 1, left;

    t->moved_ms = begun;
    while (curl_multi_perform(c->multi, &running) == CURLM_OK &&
           running > 0) {
        bool begins = t->call->status == 0 && t->uploaded == 0;

        now = interrupt_now_ms();
        if (interrupt_seen() != 0)
            return err_set(why, ERR_CLOSED, "interrupted");
        if ((plain || begins) && now - begun >= l->answer_ms)
            return err_set(why, ERR_UNREACHABLE, "no answer within %llu ms",
                           (unsigned long long)l->answer_ms);
        if (!plain && now - t->moved_ms >= l->idle_ms)
            return err_set(why, ERR_UNREACHABLE,
                           "nothing moved for %llu ms",
                           (unsigned long long)l->idle_ms);
        if (t->call->on_turn != NULL)
            t->call->on_turn(t->call->turn_arg);
        curl_multi_poll(c->multi, NULL, 0, TURN_MS, NULL);
    }
    if (running > 0)
        return err_set(why, ERR_INTERNAL, "libcurl's loop failed");
    *code = CURLE_FAILED_INIT;
    for (CURLMsg *m; (m = curl_multi_info_read(c->multi, &left)) != NULL;)
        if (m->msg == CURLMSG_DONE)
            *code = m->data.result;
    return ERR_OK;
}

/* libcurl's end of the transfer to ours. */
static enum err conclude(struct transfer *t, CURLcode code,
                         const char *detail, struct err_text *why)
{
    struct client_call *q = t->call;

    if (t->error != ERR_OK)
        return err_set(why, t->error, "%s", t->why.text);
    /* A server may refuse an upload and close before it was sent. */
    if (q->status >= 300 && (code == CURLE_OK || q->body.n > 0))
        return refusal_read(q->status, span_buf(&q->body), why);
    if (code != CURLE_OK && q->status >= 200)
        return err_set(why, ERR_PROTOCOL, "the answer was cut off: %s",
                       detail);
    if (code != CURLE_OK)
        return err_set(why, ERR_UNREACHABLE, "%s", detail);
    if (is_stream(t)) {
        enum err e = items_end(&t->items, q->on_item, q->item_arg, why);

        if (e != ERR_OK)
            return e;
    }
    if (t->stream_error.n > 0)
        return err_set(why, refusal_error(500, buf_cstr(&t->stream_error)),
                       "%s", buf_cstr(&t->stream_error));
    return ERR_OK;
}

/* Could the coordinator have got the request? */
static bool may_be_sent(CURL *easy, CURLcode code, bool tls)
{
    CURLINFO when = tls ? CURLINFO_APPCONNECT_TIME_T : CURLINFO_CONNECT_TIME_T;
    curl_off_t connected = 0;

    if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST)
        return false;
    curl_easy_getinfo(easy, when, &connected);
    return code == CURLE_OK || connected > 0;
}

/* The system's reason is shorter than libcurl's. */
static const char *describe(CURL *easy, CURLcode code, const char *detail)
{
    long number = 0;

    curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &number);
    if (code == CURLE_COULDNT_CONNECT && number != 0)
        return strerror((int)number);
    return detail[0] != 0 ? detail : curl_easy_strerror(code);
}

static enum err client_try(void *arg, struct client_call *q,
                           const struct host *h,
                           const struct failover_limits *l,
                           struct failover_trace *trace,
                           struct err_text *why)
{
    struct client *c = arg;
    struct transfer t = {.call = q, .stream_error = BUF_INIT};
    struct curl_slist *lines;
    char detail[CURL_ERROR_SIZE] = "";
    CURLcode code = CURLE_OPERATION_TIMEDOUT;
    enum err e;

    items_init(&t.items);
    buf_reset(&q->body);
    q->status = 0;
    lines = set_all(c->easy, &t, h, l->connect_ms, c);
    curl_easy_setopt(c->easy, CURLOPT_ERRORBUFFER, detail);
    curl_multi_add_handle(c->multi, c->easy);
    e = turn(c, &t, l, &code, why);
    if (e == ERR_OK)
        e = conclude(&t, code, describe(c->easy, code, detail), why);
    trace->sent = may_be_sent(c->easy, code, h->tls);
    trace->uploaded = t.uploaded;
    trace->items = t.items.seen;
    curl_multi_remove_handle(c->multi, c->easy);
    curl_easy_setopt(c->easy, CURLOPT_ERRORBUFFER, NULL);
    free_lines(lines);
    items_close(&t.items);
    buf_free(&t.stream_error);
    return e;
}

/* --- the client --------------------------------------------------------- */

enum err client_init(struct client *c, const struct hosts *hosts,
                     uint64_t timeout_ms, struct err_text *why)
{
    assert(hosts->n > 0);
    memset(c, 0, sizeof *c);
    c->hosts = hosts;
    c->timeout_ms = timeout_ms;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return err_set(why, ERR_INTERNAL, "libcurl cannot start");
    c->multi = curl_multi_init();
    c->easy = curl_easy_init();
    assert(c->multi != NULL && c->easy != NULL);
    return ERR_OK;
}

void client_close(struct client *c)
{
    if (c->easy == NULL)
        return;
    curl_easy_cleanup(c->easy);
    curl_multi_cleanup(c->multi);
    curl_global_cleanup();
    c->easy = NULL;
}

/* What was made is there already, what was removed or renamed is gone. */
static enum err doubt(const struct client_call *q, enum err e,
                      struct err_text *why)
{
    bool made = e == ERR_CONFLICT && strcmp(q->method, "POST") == 0;
    bool gone = e == ERR_NOT_FOUND && strcmp(q->method, "GET") != 0;
    struct err_text text = *why;

    if (!q->doubtful || !(made || gone))
        return e;
    return err_set(why, e, "%s (an attempt before this one was sent and its "
                   "answer lost: it may have done it)", text.text);
}

enum err client_call(struct client *c, struct client_call *q,
                     struct err_text *why)
{
    struct failover f = {.hosts = c->hosts,
                         .at = &c->at,
                         .timeout_ms = c->timeout_ms,
                         .attempt = client_try,
                         .arg = c};

    enum err e = failover_run(&f, q, why);

    c->doubtful = q->doubtful;
    return doubt(q, e, why);
}
