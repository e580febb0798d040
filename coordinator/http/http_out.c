/* What goes to the client: heads, bodies, trailers, and the buffers on their
 * way. The application's texts meet the wire in put_line() only, which is
 * where a header could be smuggled in.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include "coordinator/http/http_tls.h"

static const struct {
    int status;
    const char *text;
} reasons[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
};

static const char *reason(int status)
{
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].status == status)
            return reasons[i].text;
    return "Status";
}

/* ---- buffers ---- */

size_t http_out_pending(const struct http_conn *c)
{
    return c->out.n - http_tls_sealed(c) + http_tls_pending(c) + c->flight.n;
}

/* The peer gets our FIN; what it still sends is discarded for a while, since
 * closing at once would send RST and could destroy the answer on its way. */
static void on_shutdown(uv_shutdown_t *request, int status)
{
    struct http_conn *c = request->data;
    if (c->closed)
        return;
    c->shut_done = true;
    if (status < 0 || c->eof)
        http_conn_close(c);
    else
        c->deadline_ms = uv_now(c->server->loop) + c->server->limits.linger_ms;
}

static void on_written(uv_write_t *request, int status)
{
    struct http_conn *c = request->data;
    c->writing = false;
    http_buf_free(&c->flight);
    c->out_deadline_ms = 0;
    if (c->closed)
        return;
    if (status < 0) {
        http_conn_close(c);
        return;
    }
    http_out_flush(c);
    size_t low = c->server->limits.out_high_bytes / 4;
    if (c->closed || http_out_pending(c) >= low)
        return;
    if (c->blocked) {
        c->blocked = false;
        if (c->live && c->out_state == HTTP_OUT_STREAM)
            c->server->ops.on_drain(&c->request);
    }
    if (!c->closed && c->held)
        http_conn_kick(c);
}

static void write_rest(struct http_conn *c, struct http_buf *rest, size_t done)
{
    c->flight = *rest;
    *rest = (struct http_buf){NULL, 0, 0};
    c->flight_left = SIZE_MAX; /* the loop's time may be old: the next tick's */
    c->writing = true;
    c->write.data = c;
    c->out_deadline_ms = uv_now(c->server->loop) + c->server->limits.stall_ms;
    uv_buf_t b =
        uv_buf_init(c->flight.p + done, (unsigned)(c->flight.n - done));
    if (uv_write(&c->write, &c->u.stream, &b, 1, on_written) < 0) {
        c->writing = false;
        http_conn_close(c);
    }
}

void http_out_flush(struct http_conn *c)
{
    if (c->closed || c->writing)
        return;
    for (;;) {
        struct http_buf *next = c->session ? http_tls_seal(c) : &c->out;
        if (c->closed)
            return;
        if (next->n == 0)
            break;
        uv_buf_t b = uv_buf_init(next->p, (unsigned)next->n);
        int k = uv_try_write(&c->u.stream, &b, 1);
        if (k < 0 && k != UV_EAGAIN) {
            http_conn_close(c);
            return;
        }
        if (k < 0 || (size_t)k < next->n) {
            write_rest(c, next, k > 0 ? (size_t)k : 0);
            return;
        }
        http_buf_free(next);
    }
    if (c->closing && !c->shut) {
        c->shut = true;
        c->shutdown.data = c;
        if (uv_shutdown(&c->shutdown, &c->u.stream, on_shutdown) < 0)
            http_conn_close(c);
    }
}

/* What the client's kernel has not acknowledged. The socket takes more only
 * when a third of its buffer, some megabytes, is free again: its queue alone
 * stands still for long under a reader that is slow. */
static size_t unsent(const struct http_conn *c)
{
    size_t n = uv_stream_get_write_queue_size(&c->u.stream);
    uv_os_fd_t fd;
    int queued = 0;
    if (uv_fileno(&c->u.handle, &fd) == 0 && ioctl(fd, SIOCOUTQ, &queued) == 0)
        n += (size_t)queued;
    return n;
}

/* A slow reader is no stalled one: whatever it took is progress. */
void http_out_look(struct http_conn *c, uint64_t now_ms)
{
    if (!c->writing)
        return;
    size_t left = unsent(c);
    if (left >= c->flight_left)
        return;
    c->flight_left = left;
    c->out_deadline_ms = now_ms + c->server->limits.stall_ms;
}

static void put(struct http_conn *c, const void *p, size_t n)
{
    http_buf_add(&c->out, p, n);
}

static void put_text(struct http_conn *c, const char *text)
{
    put(c, text, strlen(text));
}

/* Header injection ends here: control bytes of the value become blanks, a
 * name that is no token is a bug of the caller. */
static void put_line(struct http_buf *to, const char *name, const char *value)
{
    assert(name[0] && !strpbrk(name, " \t\r\n:"));
    http_buf_add(to, name, strlen(name));
    http_buf_add(to, ": ", 2);
    for (const char *p = value; *p;) {
        size_t n = 0;
        while ((unsigned char)p[n] >= 0x20 && p[n] != 0x7f)
            n++;
        http_buf_add(to, p, n);
        p += n;
        if (*p) {
            http_buf_add(to, *p == '\t' ? "\t" : " ", 1);
            p++;
        }
    }
    http_buf_add(to, "\r\n", 2);
}

void http_answer_line(struct http_request *request, const char *name,
                      const char *value)
{
    if (request->conn->out_state == HTTP_OUT_NONE)
        put_line(&request->conn->lines, name, value);
}

static void put_lines(struct http_conn *c, const struct http_line *lines)
{
    for (; lines && lines->name; lines++)
        put_line(&c->out, lines->name, lines->value);
}

static const char *date(struct http_server *server)
{
    time_t now = time(NULL);
    if (now != server->date_at) {
        struct tm tm;
        gmtime_r(&now, &tm);
        strftime(server->date, sizeof server->date, "%a, %d %b %Y %H:%M:%S GMT",
                 &tm);
        server->date_at = now;
    }
    return server->date;
}

/* length < 0: not known yet. */
static void put_head(struct http_conn *c, const struct http_answer *answer,
                     int64_t length)
{
    char text[160];
    int status = answer->status;
    bool unread =
        c->in_state == HTTP_IN_LENGTH || c->in_state == HTTP_IN_CHUNKED;
    assert(status >= 200 && status <= 599);
    if (answer->close || c->server->draining || (unread && length >= 0))
        c->keep = false;
    int n = snprintf(text, sizeof text, "HTTP/1.1 %d %s\r\nDate: %s\r\n",
                     status, reason(status), date(c->server));
    assert(n > 0 && (size_t)n < sizeof text);
    put(c, text, (size_t)n);
    const char *type = answer->type ? answer->type : "application/json";
    if (*type && status != 304)
        put_line(&c->out, "Content-Type", type);
    if (length >= 0 && status != 204 && status != 304) {
        n = snprintf(text, sizeof text, "Content-Length: %lld\r\n",
                     (long long)length);
        put(c, text, (size_t)n);
    }
    if (length < 0 && c->chunk_out)
        put_text(c, "Transfer-Encoding: chunked\r\n");
    if (!c->keep)
        put_text(c, "Connection: close\r\n");
    else if (c->http10)
        put_text(c, "Connection: keep-alive\r\n");
    put_lines(c, answer->lines);
    put(c, c->lines.p, c->lines.n);
    http_buf_free(&c->lines);
    put_text(c, "\r\n");
    c->status = status;
}

/* ---- answers ---- */

void http_respond(struct http_request *request,
                  const struct http_answer *answer, const void *body, size_t n)
{
    struct http_conn *c = request->conn;
    if (!c->live || c->out_state != HTTP_OUT_NONE)
        return;
    put_head(c, answer, (int64_t)n);
    if (!c->head_only && answer->status != 204 && answer->status != 304) {
        put(c, body, n);
        c->body_sent += n;
    }
    c->out_state = HTTP_OUT_DONE;
    http_conn_answered(c);
    http_conn_kick(c);
}

void http_start(struct http_request *request, const struct http_answer *answer)
{
    struct http_conn *c = request->conn;
    if (!c->live || c->out_state != HTTP_OUT_NONE)
        return;
    assert(answer->status != 204 && answer->status != 304);
    c->chunk_out = !c->http10;
    if (c->http10)
        c->keep = false;
    put_head(c, answer, -1);
    c->out_state = HTTP_OUT_STREAM;
    if (c->eof) /* one that left tells so when it is written to */
        c->deadline_ms = 0;
    if (!c->busy)
        http_out_flush(c);
}

bool http_write(struct http_request *request, const void *p, size_t n)
{
    struct http_conn *c = request->conn;
    size_t high = c->server->limits.out_high_bytes;
    if (!c->live || c->out_state != HTTP_OUT_STREAM)
        return false;
    if (n && !c->head_only) {
        char size[24];
        int k = snprintf(size, sizeof size, "%zx\r\n", n);
        if (c->chunk_out)
            put(c, size, (size_t)k);
        put(c, p, n);
        c->body_sent += n;
        if (c->chunk_out)
            put(c, "\r\n", 2);
    }
    if (!c->busy || http_out_pending(c) >= high)
        http_out_flush(c);
    if (c->closed)
        return false;
    if (http_out_pending(c) >= high) {
        assert(c->writing); /* so that on_drain will come */
        c->blocked = true;
    }
    return !c->blocked;
}

static bool tells_error(const struct http_line *trailers)
{
    for (; trailers && trailers->name; trailers++)
        if (strcmp(trailers->name, "X-Stream-Error") == 0 &&
            trailers->value[0] != '\0')
            return true;
    return false;
}

void http_end(struct http_request *request, const struct http_line *trailers)
{
    struct http_conn *c = request->conn;
    if (!c->live || c->out_state != HTTP_OUT_STREAM)
        return;
    if (!c->chunk_out && !c->head_only && tells_error(trailers)) {
        http_abort(request);
        return;
    }
    if (c->chunk_out && !c->head_only) {
        put_text(c, "0\r\n");
        put_lines(c, trailers);
        put_text(c, "\r\n");
    }
    c->out_state = HTTP_OUT_DONE;
    http_conn_answered(c);
    http_conn_kick(c);
}

void http_out_continue(struct http_conn *c)
{
    if (c->expect && c->out_state == HTTP_OUT_NONE)
        put_text(c, "HTTP/1.1 100 Continue\r\n\r\n");
    c->expect = false;
}

void http_out_refuse(struct http_conn *c, int status)
{
    char body[HTTP_ERROR_BODY_BYTES];
    size_t n = c->server->ops.error_body(c->error_door, status, body,
                                             sizeof body);
    struct http_answer answer = {.status = status, .close = true};
    assert(!c->live && n <= sizeof body);
    put_head(c, &answer, (int64_t)n);
    if (!c->head_only)
        put(c, body, n);
    http_conn_finish(c);
}

void http_out_refuse_plain(struct http_conn *c)
{
    static const char body[] = "this port speaks TLS: use https://\n";
    struct http_answer answer = {
        .status = 400, .type = "text/plain", .close = true};
    assert(!c->live && !c->session);
    c->server->handshakes_failed++;
    http_refuse_conn(c, HTTP_REFUSED_PLAIN_ON_TLS, answer.status);
    put_head(c, &answer, sizeof body - 1);
    put_text(c, body);
    http_conn_finish(c);
}
