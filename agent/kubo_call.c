/* One request: from a spare easy handle to its callback. Collects status,
 * lines and trailer, keeps the time limits, and says whether it went well:
 * only with the object that must come last, no error in the trailer, and an
 * end that can be told from a cut. What lines mean: kubo_pins.c,
 * kubo_info.c, kubo_repo.c, kubo_add.c; what texts mean: kubo_text.c.
 */
#include "agent/kubo_call.h"

#include "proto/mem.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    ERROR_BODY = 64 << 10, /* kept of the body of an error */
    TURN = 64 << 10,       /* read of one answer in one turn of the loop */
    KEEP_LINE = 64 << 10   /* memory that a spare call keeps */
};

void kubo_call_end(struct kubo_call *c, enum err e, enum fail_code code,
                   const char *fmt, ...)
{
    char text[LIMIT_ERROR_TEXT * 2];
    va_list args;

    if (c->ended)
        return;
    c->ended = true;
    c->result.error = e;
    c->result.code = code;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    kubo_text_clean(span_text(text), c->result.text, sizeof(c->result.text));
    kubo_list_remove(c);
    kubo_list_add(&c->kubo->ending, c);
    kubo_settle_soon(c->kubo);
}

static void nonsense(struct kubo_call *c, const char *what)
{
    kubo_call_end(c, ERR_PROTOCOL, FAIL_DAEMON, "%s: %s", c->verb->path,
                  what);
}

static uint64_t limit_of(const struct kubo *k, const struct kubo_verb *v)
{
    if (v->quick && k->call_ms > KUBO_QUICK_MS)
        return KUBO_QUICK_MS;
    return v->waits ? k->stall_ms : k->call_ms;
}

static void on_limit(uv_timer_t *t)
{
    struct kubo_call *c = t->data;
    struct kubo *k = c->kubo;
    uint64_t quiet_ms;

    assert(c->magic == KUBO_CALL_MAGIC);
    if (!c->waits) {
        kubo_call_end(c, ERR_TIMEOUT, FAIL_DAEMON,
                      "%s: no answer within %" PRIu64 " ms", c->verb->path,
                      c->limit_ms);
        return;
    }
    quiet_ms = uv_now(k->loop) - c->moved_ms;
    if (c->ask.kind == KIND_LIST &&
        uv_now(k->loop) - c->begun_ms >= k->list_ms)
        kubo_call_end(c, ERR_TIMEOUT, FAIL_DAEMON,
                      "%s: no end within %" PRIu64 " ms", c->verb->path,
                      k->list_ms);
    else if (quiet_ms < k->stall_ms)
        uv_timer_start(t, on_limit, k->stall_ms - quiet_ms, 0);
    else
        kubo_call_end(c, ERR_TIMEOUT, FAIL_STALLED,
                      "%s: no progress for %" PRIu64 " ms", c->verb->path,
                      k->stall_ms);
}

static void moved(struct kubo_call *c)
{
    c->moved_ms = uv_now(c->kubo->loop);
}

/* What is read for ever must not keep the loop from all the rest. */
static bool floods(struct kubo_call *c)
{
    uint64_t now_ms = uv_now(c->kubo->loop);

    if (!c->verb->slow)
        return false;
    if (now_ms - c->second_ms >= 1000) {
        c->second_ms = now_ms;
        c->lines = 0;
    }
    return ++c->lines > KUBO_LINES_SECOND;
}

static void take_line(struct kubo_call *c, struct span line)
{
    struct err_text why = {""};
    enum err e;

    if (c->ended)
        return;
    if (floods(c)) {
        nonsense(c, "the answer is a flood of lines");
        return;
    }
    while (line.n > 0 && strchr(" \t\r", line.p[line.n - 1]))
        line.n--;
    if (line.n == 0)
        return;
    e = kubo_read(&c->ask, line, &c->seen, &c->result, &why);
    if (e != ERR_OK) {
        kubo_call_end(c, e, e == ERR_INTERNAL ? FAIL_OTHER : FAIL_DAEMON,
                      "%s: %s", c->verb->path, why.text);
        return;
    }
    if (c->seen.moved)
        moved(c);
    if (c->seen.moved && c->progress)
        c->progress(c->arg, c->result.pin.bytes, c->result.pin.nodes);
    if (c->seen.row)
        c->row(c->arg, &c->seen.row_cid, c->seen.row_name);
    if (c->feed && !c->feed->ask.line(c->feed->ask.arg, line))
        c->feed->held = true;
}

bool kubo_call_take(struct kubo_call *c, const char *p, size_t n)
{
    while (n > 0 && !c->ended) {
        const char *end = memchr(p, '\n', n);
        size_t k = end ? (size_t)(end - p) : n;

        if (c->feed && c->feed->held) {
            buf_add(&c->feed->rest, p, n);
            break;
        }
        if (c->line.n + k > KUBO_LINE) {
            nonsense(c, "a line of the answer is too long");
            break;
        }
        if (end && c->line.n == 0) {
            take_line(c, span_of(p, k));
        } else {
            buf_add(&c->line, p, k);
            if (end) {
                take_line(c, span_buf(&c->line));
                buf_reset(&c->line);
            }
        }
        p += k + (end != NULL);
        n -= k + (end != NULL);
    }
    return !c->ended;
}

/* libcurl reads a connection for as long as there is anything to read: a
 * large listing, or an answer without end, would keep the loop from all else.
 * True: it has had its share of this turn. */
static bool share_is_used(struct kubo_call *c, size_t n)
{
    if (c->turn_bytes < TURN) {
        c->turn_bytes += n;
        return false;
    }
    c->turn_bytes = 0;
    if (c->feed)
        kubo_add_yield(c);
    else
        c->yielded = true;
    kubo_settle_soon(c->kubo);
    return true;
}

void kubo_call_read_on(struct kubo_call *c)
{
    c->yielded = false;
    (void)curl_easy_pause(c->easy, CURLPAUSE_CONT);
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
    struct kubo_call *c = arg;

    n *= size;
    assert(c->magic == KUBO_CALL_MAGIC);
    if (c->ended)
        return n + 1; /* anything but n stops the transfer */
    if (c->feed && c->feed->held) {
        c->feed->read_paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    if (share_is_used(c, n))
        return CURL_WRITEFUNC_PAUSE;
    c->body_bytes += n;
    if (c->status == 200 && !c->verb->rows && !c->verb->slow && !c->feed &&
        c->body_bytes > KUBO_LINE) {
        nonsense(c, "the answer is too long");
        return n + 1;
    }
    if (c->status == 200)
        return kubo_call_take(c, p, n) ? n : n + 1;
    if (c->line.n < ERROR_BODY)
        buf_add(&c->line, p,
                n < ERROR_BODY - c->line.n ? n : ERROR_BODY - c->line.n);
    return n;
}

static bool is_header(struct span *line, const char *name)
{
    size_t n = strlen(name);

    if (line->n <= n || line->p[n] != ':' ||
        strncasecmp((const char *)line->p, name, n) != 0)
        return false;
    line->p += n + 1;
    line->n -= n + 1;
    while (line->n > 0 && (*line->p == ' ' || *line->p == '\t')) {
        line->p++;
        line->n--;
    }
    while (line->n > 0 && strchr(" \t\r\n", line->p[line->n - 1]))
        line->n--;
    return true;
}

static void take_size(struct kubo_call *c, struct span text)
{
    struct json_value v = {JSON_NUMBER, (const char *)text.p, text.n};

    c->sized = json_as_u64(&v, &c->size);
    if (!c->sized)
        nonsense(c, "X-Content-Length is no number");
}

/* Status line, headers, and behind the body the trailer. */
static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
    struct kubo_call *c = arg;
    struct span line;

    n *= size;
    line = span_of(p, n);
    assert(c->magic == KUBO_CALL_MAGIC);
    if (c->ended)
        return n + 1;
    if (n > 5 && memcmp(p, "HTTP/", 5) == 0 && c->body_bytes == 0) {
        c->status = 0;
        curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &c->status);
        c->framed = c->streamed = c->sized = false;
        buf_reset(&c->trailer);
        if (c->feed && c->status >= 400)
            kubo_add_refused(c);
    } else if (is_header(&line, "X-Stream-Error")) {
        kubo_text_trailer(&c->trailer, line);
        /* The rest of an upload would be for nothing. */
        if (c->feed && line.n > 0 && c->status == 200)
            kubo_call_done(c, CURLE_OK);
    } else if (is_header(&line, "X-Content-Length")) {
        take_size(c, line);
    } else if (is_header(&line, "X-Chunked-Output")) {
        c->streamed = true;
    } else if (is_header(&line, "Content-Length") ||
               is_header(&line, "Transfer-Encoding")) {
        c->framed = true;
    }
    return n;
}

/* Before each sending. libcurl repeats by itself a request that met a dying
 * connection; a pin wants a look in between. */
static int on_send(void *arg, char *ip, char *own_ip, int port, int own_port)
{
    struct kubo_call *c = arg;

    (void)ip;
    (void)own_ip;
    (void)port;
    (void)own_port;
    if (c->sent++ == 0 || !c->verb->once)
        return CURL_PREREQFUNC_OK;
    kubo_call_end(c, ERR_UNREACHABLE, FAIL_DAEMON,
                  "%s: the connection ended without an answer",
                  c->verb->path);
    return CURL_PREREQFUNC_ABORT;
}

/* An answer that is no success. */
static void end_refused(struct kubo_call *c, struct span text)
{
    struct kubo_fault f;

    kubo_text_judge(c->ask.kind, c->status, text, &f);
    if (f.absent && c->other_form) {
        c->again = true;
        kubo_call_end(c, ERR_OK, FAIL_NONE, "%s", "");
        return;
    }
    if (f.absent && c->ask.kind == KIND_LOOK) {
        c->result.look.type = KUBO_NOT_PINNED;
        c->result.look.name[0] = 0;
    }
    kubo_call_end(c, f.error, f.code, "%s",
                  f.error == ERR_OK ? "" : f.text);
}

static void end_broken(struct kubo_call *c, CURLcode code)
{
    const char *text =
        c->curl_text[0] ? c->curl_text : curl_easy_strerror(code);
    bool garbage = code == CURLE_WEIRD_SERVER_REPLY ||
                   code == CURLE_UNSUPPORTED_PROTOCOL ||
                   code == CURLE_BAD_CONTENT_ENCODING ||
                   code == CURLE_URL_MALFORMAT;

    kubo_call_end(c, garbage ? ERR_PROTOCOL : ERR_UNREACHABLE, FAIL_DAEMON,
                  "%s at %s: %s", c->verb->path, c->kubo->shown, text);
}

static void end_whole(struct kubo_call *c)
{
    bool list = c->verb->rows;

    if (c->line.n > 0)
        take_line(c, span_buf(&c->line));
    if (c->ended)
        return;
    if (!c->framed)
        nonsense(c, "the answer has no length");
    else if (c->sized && c->size != c->body_bytes)
        nonsense(c, "the answer is shorter or longer than it says");
    else if (c->body_bytes == 0 && !(list && c->streamed))
        nonsense(c, "an empty answer");
    else if (!list && !c->seen.last)
        nonsense(c, "the answer ends without its last object");
    else
        kubo_call_end(c, ERR_OK, FAIL_NONE, "%s", "");
}

void kubo_call_done(struct kubo_call *c, CURLcode code)
{
    if (c->ended)
        return;
    if (c->feed && c->feed->held && c->status == 200) {
        c->arrived = true; /* lines are still to be given out */
        c->arrived_code = code;
        return;
    }
    /* An upload that was refused may fail to send its rest. */
    if (code != CURLE_OK &&
        !(code == CURLE_SEND_ERROR && c->feed && c->status >= 400))
        end_broken(c, code);
    else if (c->status != 200)
        end_refused(c, span_buf(&c->line));
    else if (c->trailer.n > 0)
        end_refused(c, span_buf(&c->trailer));
    else
        end_whole(c);
}

/* Only an answer about the daemon itself is large: zeroing room for one costs
 * a look more than reading its own answer. */
static size_t result_bytes(enum kubo_kind kind)
{
    return kind == KIND_ID || kind == KIND_PEERS
               ? sizeof(struct kubo_result)
               : offsetof(struct kubo_result, repo) +
                     sizeof(((struct kubo_result *)NULL)->repo);
}

static void reset(struct kubo_call *c)
{
    buf_reset(&c->target);
    buf_reset(&c->line);
    buf_reset(&c->trailer);
    c->status = 0;
    c->framed = c->streamed = c->sized = false;
    c->body_bytes = 0;
    c->sent = 0;
    c->turn_bytes = 0;
    c->yielded = false;
    c->ended = c->again = c->arrived = false;
    c->curl_text[0] = 0;
    memset(&c->seen, 0, sizeof(c->seen));
    memset(&c->result, 0, result_bytes(c->ask.kind));
    buf_text(&c->target, "/api/v0/");
    buf_text(&c->target, c->verb->path);
}

/* Options that every request of this handle shares. libcurl takes a URL apart
 * and prints it again for each request, byte by byte: it gets one that is
 * taken apart already, and the target beside it. */
static void set_up(struct kubo_call *c)
{
    struct kubo *k = c->kubo;
    CURL *e = c->easy;

    curl_easy_setopt(e, CURLOPT_PRIVATE, c);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(e, CURLOPT_URL, k->url);
    curl_easy_setopt(e, CURLOPT_CURLU, k->parts);
    curl_easy_setopt(e, CURLOPT_PROXY, "");
    curl_easy_setopt(e, CURLOPT_NOPROXY, "*"); /* nor asks the environment */
    curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(e, CURLOPT_USERAGENT,
                     "pinfold-agent/" PINFOLD_VERSION);
    curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)k->connect_ms);
    if (k->unix_path)
        curl_easy_setopt(e, CURLOPT_UNIX_SOCKET_PATH, k->unix_path);
    curl_easy_setopt(e, CURLOPT_POST, 1L);
    curl_easy_setopt(e, CURLOPT_POSTFIELDS, "");
    curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE, 0L);
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, k->headers);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, c->curl_text);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, c);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, c);
    curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_send);
    curl_easy_setopt(e, CURLOPT_PREREQDATA, c);
}

static struct kubo_call *make(struct kubo *k)
{
    struct kubo_call *c = mem_alloc(sizeof(*c));

    c->magic = KUBO_CALL_MAGIC;
    c->kubo = k;
    c->easy = curl_easy_init();
    assert(c->easy);
    uv_timer_init(k->loop, &c->timer);
    c->timer.data = c;
    k->handles++;
    set_up(c);
    return c;
}

struct kubo_call *kubo_call_new(struct kubo *k, enum kubo_kind kind,
                                kubo_cb cb, void *arg)
{
    struct kubo_call *c = k->spare.last;

    assert(k->magic == KUBO_MAGIC && !k->torn_down && cb);
    if (c) {
        kubo_list_remove(c);
        k->spares--;
    } else {
        c = make(k);
    }
    c->verb = &kubo_verbs[kind];
    c->begun_ms = uv_now(k->loop);
    memset(&c->ask, 0, sizeof(c->ask));
    c->ask.kind = kind;
    c->form = CID_FORM_B32;
    c->other_form = false;
    c->waits = c->verb->waits;
    c->limit_ms = limit_of(k, c->verb);
    c->cb = cb;
    c->arg = arg;
    c->progress = NULL;
    c->row = NULL;
    reset(c);
    return c;
}

static bool plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || strchr("-._~/:", c);
}

void kubo_call_arg(struct kubo_call *c, const char *key, const char *text)
{
    bool first = !memchr(c->target.p, '?', c->target.n);

    buf_printf(&c->target, "%c%s=", first ? '?' : '&', key);
    for (; *text; text++) {
        if (plain(*text))
            buf_byte(&c->target, (uint8_t)*text);
        else
            buf_printf(&c->target, "%%%02X", (unsigned)(uint8_t)*text);
    }
}

static void launch(struct kubo_call *c)
{
    struct kubo *k = c->kubo;
    int lane = c->waits ? KUBO_LANE_PINS : KUBO_LANE_CONTROL;
    CURLMcode rc;

    curl_easy_setopt(c->easy, CURLOPT_REQUEST_TARGET, buf_cstr(&c->target));
    rc = curl_multi_add_handle(k->lanes[lane].multi, c->easy);
    assert(rc == CURLM_OK);
    c->added = true;
    kubo_list_add(&k->running, c);
}

void kubo_call_start(struct kubo_call *c)
{
    struct kubo *k = c->kubo;

    uv_update_time(k->loop); /* limits count from now */
    moved(c);
    c->begun_ms = c->second_ms = c->moved_ms;
    c->lines = 0;
    if (!c->verb->patient)
        uv_timer_start(&c->timer, on_limit, c->limit_ms, 0);
    if (k->closing)
        kubo_call_refuse(c, ERR_CLOSED, "closed");
    else
        launch(c);
}

void kubo_call_refuse(struct kubo_call *c, enum err e, const char *text)
{
    kubo_list_add(&c->kubo->running, c);
    kubo_call_end(c, e, FAIL_OTHER, "%s", text);
}

void kubo_call_cancel(struct kubo_call *c, const char *text)
{
    if (c->again) { /* it has ended, but would go on */
        c->again = false;
        c->ended = false;
    }
    kubo_call_end(c, ERR_CLOSED, FAIL_OTHER, "%s", text);
}

void kubo_call_free(struct kubo_call *c)
{
    assert(!c->list && !c->added && !c->easy);
    buf_free(&c->target);
    buf_free(&c->line);
    buf_free(&c->trailer);
    c->magic = 0;
    free(c);
}

/* The other spelling; the limit runs on. */
static void start_again(struct kubo_call *c)
{
    c->form = CID_FORM_B32;
    c->other_form = false;
    reset(c);
    kubo_pins_url(c);
    launch(c);
}

static void make_spare(struct kubo_call *c)
{
    struct kubo *k = c->kubo;

    if (c->line.size > KEEP_LINE)
        buf_free(&c->line);
    if (c->target.size > KEEP_LINE)
        buf_free(&c->target);
    free(c->name);
    c->name = NULL;
    if (c->feed || c->post_headers) {
        if (c->feed)
            kubo_add_free(c);
        curl_easy_reset(c->easy);
        curl_slist_free_all(c->post_headers);
        c->post_headers = NULL;
        set_up(c);
    }
    kubo_list_add(&k->spare, c);
    k->spares++;
}

void kubo_call_settle(struct kubo_call *c)
{
    int lane = c->waits ? KUBO_LANE_PINS : KUBO_LANE_CONTROL;

    assert(c->ended && !c->list);
    if (c->added)
        curl_multi_remove_handle(c->kubo->lanes[lane].multi, c->easy);
    c->added = false;
    if (c->again) {
        start_again(c);
        return;
    }
    uv_timer_stop(&c->timer);
    kubo_count(c);
    c->cb(c->arg, &c->result);
    make_spare(c);
}
