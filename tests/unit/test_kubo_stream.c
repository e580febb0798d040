/* Long answers, uploads, and ends in the middle. */
#include "kubo_world.h"

enum { ROWS = 10000, UPLOAD = 20 << 20, FRAME = 64 << 10 };

#define ROW                                                                    \
    "{\"Cid\":\"" RAW "\",\"Name\":\"pinfold:0a1b2c3d:77\","                   \
    "\"Type\":\"recursive\"}\n"

#define GONE "{\"Key\":{\"/\":\"" RAW "\"}}\n"

static const char *row_chunk(void)
{
    static char text[256];

    snprintf(text, sizeof(text), "%zx\r\n%s\r\n", strlen(ROW), ROW);
    return text;
}

static char *many_rows(void)
{
    struct buf b = BUF_INIT;

    buf_text(&b, CHUNKED);
    for (int i = 0; i < ROWS; i++)
        buf_text(&b, row_chunk());
    buf_text(&b, END "\r\n");
    buf_byte(&b, 0);
    return (char *)b.p;
}

static void rows(void **state)
{
    (void)state;
    struct world *w = world_new(NULL);
    char *text = many_rows();

    reply(w, (struct script_reply){.bytes = text});
    DO(w, kubo_list(w->kubo, KUBO_RECURSIVE, on_row, on_done, w));
    IS(w, ERR_OK, "");
    assert_int_equal(w->rows, ROWS);
    assert_int_equal(w->r->list.rows, ROWS);
    assert_string_equal(w->name, "pinfold:0a1b2c3d:77");
    assert_non_null(strstr(w->server.heads[0], "/pin/ls?type=recursive"
                                               "&names=true&stream=true "));
    free(text);
    answer(w, 200, "{\"Cid\":\"of the future\",\"Type\":\"direct\"}\n\r\n"
                   "{\"Cid\":\"" V0 "\",\"Type\":\"direct\"}\n", NULL);
    DO(w, kubo_list(w->kubo, KUBO_DIRECT, on_row, on_done, w));
    IS(w, ERR_OK, "");
    assert_int_equal(w->r->list.rows, 1);
    assert_string_equal(w->name, "");
    static const struct {
        const char *body, *trailer;
        enum err error;
    } BAD[] = {
        {"", NULL, ERR_OK}, /* no pins */
        {"", "datastore closed", ERR_INTERNAL},
        {ROW, "datastore closed", ERR_INTERNAL},
        {"{\"Cid\":\"" V0 "\",\"Type\":\"direct\"}\n", NULL, ERR_PROTOCOL},
        {"{\"Type\":\"recursive\"}\n", NULL, ERR_PROTOCOL},
        {ROW "{\"Keys\":{}}\n", NULL, ERR_PROTOCOL},
        {"7\n", NULL, ERR_PROTOCOL},
    };
    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
        answer(w, 200, BAD[i].body, BAD[i].trailer);
        DO(w, kubo_list(w->kubo, KUBO_RECURSIVE, on_row, on_done, w));
        IS(w, BAD[i].error, "");
    }
    forget(w); /* as after a bad timeout= */
    reply(w, (struct script_reply){
                 .bytes = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"});
    DO(w, kubo_list(w->kubo, KUBO_RECURSIVE, on_row, on_done, w));
    IS(w, ERR_PROTOCOL, "empty");
    world_free(w);
}

static void garbage(void **state)
{
    (void)state;
    static const struct {
        const char *body, *trailer;
        unsigned rows;
        uint64_t total;
        enum err error;
    } CASES[] = {
        {"", NULL, 0, 0, ERR_OK}, /* nothing to remove */
        {GONE GONE, NULL, 2, 2, ERR_OK},
        {"{\"Key\":{\"/\":\"of the future\"}}\n" GONE, NULL, 1, 2, ERR_OK},
        {GONE, "could not retrieve links", 1, 1, ERR_INTERNAL},
        {GONE "{\"Error\":\"x\"}\n", NULL, 1, 1, ERR_PROTOCOL},
    };
    struct world *w = world_new(NULL);

    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        w->rows = 0;
        answer(w, 200, CASES[i].body, CASES[i].trailer);
        DO(w, kubo_gc(w->kubo, on_row, on_done, w));
        IS(w, CASES[i].error, "");
        assert_int_equal(w->rows, CASES[i].rows);
        if (w->r->error == ERR_OK)
            assert_int_equal(w->r->list.rows, CASES[i].total);
    }
    assert_non_null(strstr(w->server.heads[0], "/api/v0/repo/gc HTTP"));
    answer(w, 500, "{\"Message\":\"datastore closed\"}", NULL);
    DO(w, kubo_gc(w->kubo, on_row, on_done, w));
    IS(w, ERR_INTERNAL, "datastore closed");
    world_free(w);
}

/* A listing stalls meanwhile; a collection waits for its caller, who is the
 * one to end it, and it is sent once. */
static void garbage_has_no_limit(void **state)
{
    (void)state;
    struct world *w = world_hasty();
    struct kubo_call *gc;
    unsigned sent = 0;

    reply(w, (struct script_reply){.bytes = CHUNKED});
    gc = kubo_gc(w->kubo, on_row, on_done, w);
    DO(w, kubo_list(w->kubo, KUBO_DIRECT, on_row, on_done, w));
    IS(w, ERR_TIMEOUT, "");
    DO(w, kubo_list(w->kubo, KUBO_DIRECT, on_row, on_done, w));
    IS(w, ERR_TIMEOUT, "");
    DO(w, (kubo_cancel(w->kubo, gc), gc));
    IS(w, ERR_CLOSED, "");
    assert_true(w->server.requests <= 3); /* a late list may not have left */
    for (unsigned k = 0; k < (unsigned)w->server.requests; k++)
        sent += strstr(w->server.heads[k], "/api/v0/repo/gc ") != NULL;
    assert_int_equal(sent, 1);
    world_free(w);
}

/* Each is given out as it comes; nothing is kept for the end. */
static void rows_come_as_they_arrive(void **state)
{
    (void)state;
    struct world *w = world_new(NULL);

    reply(w, (struct script_reply){.bytes = CHUNKED, .repeat = ROWS,
                                   .again = row_chunk()});
    w->call = kubo_list(w->kubo, KUBO_RECURSIVE, on_row, on_done, w);
    WAIT(w, w->rows == ROWS);
    assert_int_equal(w->done, 0);
    world_free(w);
}

/* However fast they come: the loop has its turn in between. */
static void rows_in_turns(void **state)
{
    (void)state;
    struct world *w = world_new(NULL);
    unsigned most = 0;
    struct buf b = BUF_INIT;

    buf_text(&b, CHUNKED);
    for (int i = 0; i < 100000; i++)
        buf_text(&b, row_chunk());
    buf_text(&b, END "\r\n");
    reply(w, (struct script_reply){.bytes = buf_cstr(&b)});
    kubo_list(w->kubo, KUBO_RECURSIVE, on_row, on_done, w);
    while (w->done == 0) {
        unsigned before = w->rows;

        uv_run(&w->loop, UV_RUN_ONCE);
        most = w->rows - before > most ? w->rows - before : most;
    }
    IS(w, ERR_OK, "");
    assert_int_equal(w->rows, 100000);
    assert_in_range(most * strlen(ROW), 1, 256 << 10);
    buf_free(&b);
    world_free(w);
}

/* A line that never ends costs no more than its limit. */
static void endless_line(void **state)
{
    (void)state;
    struct world *w = world_new(NULL); /* it is no stall, however slow */
    char *k = mem_alloc(64 << 10);
    struct buf chunk = BUF_INIT;

    memset(k, ' ', (64 << 10) - 1);
    buf_printf(&chunk, "%x\r\n%s\r\n", (64 << 10) - 1, k);
    reply(w, (struct script_reply){.bytes = CHUNKED, .repeat = 64,
                                   .again = buf_cstr(&chunk)});
    DO(w, kubo_list(w->kubo, KUBO_RECURSIVE, on_row, on_done, w));
    IS(w, ERR_PROTOCOL, "too long");
    world_free(w);
    w = world_hasty(); /* the body of an error is no line, but is bounded */
    reply(w, (struct script_reply){
                 .bytes = "HTTP/1.1 500 X\r\nTransfer-Encoding: "
                          "chunked\r\n\r\n",
                 .repeat = 64, .again = buf_cstr(&chunk)});
    DO(w, kubo_list(w->kubo, KUBO_RECURSIVE, on_row, on_done, w));
    IS(w, ERR_TIMEOUT, "");
    buf_free(&chunk);
    free(k);
    world_free(w);
}

static void cancel_on_row(struct world *w)
{
    kubo_cancel(w->kubo, w->call);
    kubo_cancel(w->kubo, w->call);
}

static void close_on_row(struct world *w)
{
    if (w->rows == 1)
        kubo_close(w->kubo, on_closed, w);
}

static void cancel(void **state)
{
    (void)state;
    struct world *w = world_new(NULL);
    struct cid c = cid_of(V0);
    char *text = many_rows();
    unsigned seen;

    reply(w, (struct script_reply){.bytes = text});
    w->on_row = cancel_on_row;
    DO(w, kubo_list(w->kubo, KUBO_RECURSIVE, on_row, on_done, w));
    IS(w, ERR_CLOSED, "cancelled");
    assert_int_equal(w->rows, 1);
    w->on_row = NULL;

    /* before it was sent */
    seen = w->server.requests;
    w->call = kubo_look(w->kubo, &c, KUBO_DIRECT, on_done, w);
    w->done = 0;
    kubo_cancel(w->kubo, w->call);
    assert_int_equal(w->done, 0);
    WAIT(w, w->done == 1);
    IS(w, ERR_CLOSED, "cancelled");
    assert_int_equal(w->server.requests, seen);

    /* on its way: the connection closes, which ends the daemon's work */
    forget(w);
    reply(w, (struct script_reply){.bytes = CHUNKED});
    w->call = kubo_pin(w->kubo, &c, true, NULL, on_progress, on_done, w);
    WAIT(w, w->server.requests == 1);
    assert_int_equal(w->server.open, 1);
    kubo_cancel(w->kubo, w->call);
    WAIT(w, w->done == 2 && w->server.open == 0);
    IS(w, ERR_CLOSED, "cancelled");

    free(text);
    world_free(w);
}

/* Cancelled at each turn of the loop: also between its two spellings. */
static void cancel_anywhere(void **state)
{
    (void)state;
    struct world *w = world_new(NULL);
    struct cid c = cid_of(V0);

    answer(w, 500, "{\"Message\":\"path is not pinned\"}", NULL);
    for (int turns = 0; turns < 24; turns++) {
        unsigned before = w->done;

        w->call = kubo_look(w->kubo, &c, KUBO_DIRECT, on_done, w);
        for (int i = 0; i < turns && w->done == before; i++)
            uv_run(&w->loop, UV_RUN_ONCE);
        if (w->done == before) {
            kubo_cancel(w->kubo, w->call);
            WAIT(w, w->done == before + 1);
            IS(w, ERR_CLOSED, "cancelled");
        }
    }
    IS(w, ERR_OK, "");
    world_free(w);
}

static void close_with_open_calls(void **state)
{
    (void)state;
    struct world *w = world_new(NULL);
    struct cid c = cid_of(V0);
    char *text = many_rows();

    reply(w, (struct script_reply){.bytes = CHUNKED});
    for (int i = 0; i < 5; i++)
        kubo_pin(w->kubo, &c, true, NULL, NULL, on_done, w);
    for (int i = 0; i < 20; i++)
        kubo_look(w->kubo, &c, KUBO_DIRECT, on_done, w);
    WAIT(w, w->server.requests >= 6);
    kubo_look(w->kubo, &c, KUBO_DIRECT, on_done, w);
    kubo_close(w->kubo, on_closed, w);
    assert_int_equal(w->done, 0);
    kubo_look(w->kubo, &c, KUBO_DIRECT, on_done, w);
    WAIT(w, w->closed);
    assert_int_equal(w->done, 27);
    IS(w, ERR_CLOSED, "closed");
    world_free(w);

    w = world_new(NULL); /* from inside a callback of libcurl's */
    reply(w, (struct script_reply){.bytes = text});
    w->on_row = close_on_row;
    kubo_list(w->kubo, KUBO_RECURSIVE, on_row, on_done, w);
    WAIT(w, w->closed);
    assert_int_equal(w->done, 1);
    assert_int_equal(w->rows, 1);
    IS(w, ERR_CLOSED, "closed");
    free(text);
    world_free(w);
}

/* More looks at a time than connections are kept. */
static void parallel(void **state)
{
    (void)state;
    struct world *w = world_new(NULL);
    struct cid c = cid_of(V0);

    answer(w, 500, "{\"Message\":\"path is not pinned\"}", NULL);
    for (int i = 0; i < 100; i++)
        kubo_look(w->kubo, &c, KUBO_DIRECT, on_done, w);
    WAIT(w, w->done == 100);
    IS(w, ERR_OK, "");
    assert_int_equal(w->server.requests, 200);
    world_free(w);
}

struct sender { /* an upload's other end */
    struct world *w;
    struct kubo_call *call;
    size_t fed, size;
    unsigned rooms, lines;
    bool stop_lines, endless, busy;
    char last[256];
};

static void feed(struct sender *s)
{
    static uint8_t frame[FRAME];

    while (s->fed < s->size) {
        size_t n = s->size - s->fed < FRAME ? s->size - s->fed : FRAME;

        for (size_t i = 0; i < n; i += 64)
            frame[i] = (uint8_t)((s->fed + i) >> 6);
        s->fed += n;
        s->busy = true;
        bool more = kubo_feed(s->call, span_of(frame, n));
        s->busy = false;
        if (!more)
            return;
    }
    if (!s->endless && s->size > 0) {
        s->size = 0;
        kubo_feed_end(s->call);
    }
}

static void on_room(void *arg)
{
    struct sender *s = arg;

    assert_false(s->busy);
    s->rooms++;
    feed(s);
}

static bool on_line(void *arg, struct span json)
{
    struct sender *s = arg;

    s->lines++;
    snprintf(s->last, sizeof(s->last), "%.*s", (int)json.n,
             (const char *)json.p);
    return !s->stop_lines;
}

static void on_sent(void *arg, const struct kubo_result *r)
{
    on_done(((struct sender *)arg)->w, r);
}

static void start(struct sender *s, struct world *w, size_t size)
{
    struct kubo_upload u = {"pin=false&cid-version=1",
                            "multipart/form-data; boundary=xx", on_room,
                            on_line, on_sent, s};

    s->w = w;
    s->size = s->fed = size;
    s->fed = 0;
    w->done = 0;
    s->call = kubo_add(w->kubo, &u);
    feed(s);
}

#define ADDED "{\"Name\":\"f\",\"Hash\":\"" RAW "\",\"Size\":\"9\"}\n"

static void upload_to_a_slow_reader(void **state)
{
    (void)state;
    struct world *w = world_new(NULL);
    struct sender s = {0};

    reply(w, (struct script_reply){.bytes = text_of(200, ADDED, NULL),
                                   .slow = true});
    start(&s, w, UPLOAD);
    assert_true(s.fed <= (256 << 10) + FRAME);
    WAIT(w, w->done == 1);
    IS(w, ERR_OK, "");
    assert_int_equal(s.lines, 1);
    assert_int_equal(w->server.body.n, UPLOAD);
    for (size_t i = 0; i < UPLOAD; i += 64)
        if (w->server.body.p[i] != (uint8_t)(i >> 6))
            fail_msg("byte %zu", i);
    assert_true(s.rooms > 40);
    const char *head = w->server.heads[0];
    assert_non_null(strstr(head, "/add?pin=false&cid-version=1 HTTP/1.1"));
    assert_non_null(strstr(head, "Content-Type: multipart/form-data; "
                                 "boundary=xx\r\n"));
    assert_null(strstr(head, "Content-Length"));
    assert_null(strstr(head, "Expect"));
    world_free(w);
}

/* The same handle serves ordinary calls afterwards. */
static void upload_small_and_then_a_look(void **state)
{
    (void)state;
    struct world *w = world_new(NULL);
    struct sender s = {0};
    struct cid c = cid_of(RAW);

    answer(w, 200, ADDED, NULL);
    start(&s, w, 5);
    WAIT(w, w->done == 1);
    IS(w, ERR_OK, "");
    assert_string_equal(s.last, "{\"Name\":\"f\",\"Hash\":\"" RAW
                                "\",\"Size\":\"9\"}");
    answer(w, 500, "{\"Message\":\"path is not pinned\"}", NULL);
    DO(w, kubo_look(w->kubo, &c, KUBO_DIRECT, on_done, w));
    IS(w, ERR_OK, "");
    assert_non_null(strstr(w->server.heads[0], "Content-Length: 0\r\n"));
    assert_null(strstr(w->server.heads[0], "Transfer-Encoding"));
    world_free(w);
}

static void upload_refused(void **state)
{
    (void)state;
    struct world *w = world_new(NULL);
    struct sender s = {0};

    /* while bytes flow */
    forget(w);
    reply(w, (struct script_reply){
                 .bytes = text_of(500, "{\"Message\":\"expected a file "
                                       "argument\"}", NULL),
                 .early = true, .slow = true});
    start(&s, w, UPLOAD);
    WAIT(w, w->done == 1);
    IS(w, ERR_INVALID, "expected a file");
    assert_true(w->server.body.n < UPLOAD / 2);

    /* while the client has nothing to send */
    memset(&s, 0, sizeof(s));
    s.endless = true;
    answer(w, 403, "Kubo RPC Access Denied: x", NULL);
    w->server.replies[0].early = true;
    start(&s, w, 100);
    WAIT(w, w->done == 1);
    IS(w, ERR_DENIED, "Access Denied");

    /* by a trailer */
    memset(&s, 0, sizeof(s));
    s.endless = true;
    answer(w, 200, ADDED, "no space left on device");
    w->server.replies[0].early = true;
    start(&s, w, 100);
    WAIT(w, w->done == 1);
    IS(w, ERR_NO_SPACE, "no space");

    /* the daemon goes away */
    memset(&s, 0, sizeof(s));
    forget(w);
    reply(w, (struct script_reply){.early = true, .close = true});
    start(&s, w, UPLOAD);
    WAIT(w, w->done == 1);
    IS(w, ERR_UNREACHABLE, "");
    /* no line at all */
    memset(&s, 0, sizeof(s));
    answer(w, 200, "", NULL);
    start(&s, w, 100);
    WAIT(w, w->done == 1);
    IS(w, ERR_PROTOCOL, "empty");
    world_free(w);
}

static void upload_stalls(void **state)
{
    (void)state;
    struct world *w = world_hasty();
    struct sender s = {.endless = true};

    reply(w, (struct script_reply){0}); /* it does not answer */
    start(&s, w, 100);
    WAIT(w, w->done == 1);
    IS(w, ERR_TIMEOUT, "no progress");
    world_free(w);
}

/* Whoever does not wait for room is cut off; no byte before that is lost. */
static void upload_in_haste(void **state)
{
    (void)state;
    struct world *w = world_new(NULL);
    struct sender s = {.endless = true};
    static uint8_t frame[FRAME];
    unsigned taken = 0;

    reply(w, (struct script_reply){0});
    start(&s, w, 0);
    while (kubo_feed(s.call, span_of(frame, FRAME)))
        taken++;
    assert_int_equal(taken, KUBO_FEED / FRAME - 1);
    assert_false(kubo_feed(s.call, span_of(frame, FRAME)));
    WAIT(w, w->server.body.n == KUBO_FEED + FRAME);
    assert_int_equal(w->done, 0);
    for (int i = 0; i < 80; i++)
        kubo_feed(s.call, span_of(frame, FRAME));
    WAIT(w, w->done == 1);
    IS(w, ERR_TOO_LARGE, "more of the upload");
    world_free(w);
}

/* A form that the daemon cannot read it answers with 500, as its own faults;
 * only its text tells them apart. */
static void upload_of_a_bad_form(void **state)
{
    (void)state;
    struct world *w = world_new(NULL);
    struct sender s = {0};
    struct cid c = cid_of(RAW);
    static const char *const TEXTS[] = {
        "malformed MIME header: missing colon: x", "mime: no media type",
        "multipart: NextPart: EOF", "unexpected EOF"};

    for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++) {
        char body[128];

        forget(w);
        snprintf(body, sizeof body, "{\"Message\":\"%s\",\"Code\":0}",
                 TEXTS[i]);
        answer(w, 500, body, NULL);
        start(&s, w, 100);
        WAIT(w, w->done == 1);
        IS(w, ERR_INVALID, TEXTS[i]);
        assert_int_equal(w->r->code, FAIL_REFUSED);
        DO(w, kubo_pin(w->kubo, &c, true, NULL, NULL, on_done, w));
        IS(w, ERR_INTERNAL, TEXTS[i]); /* of another call: its own */
    }
    forget(w);
    answer(w, 500, "{\"Message\":\"leveldb: closed\"}", NULL);
    start(&s, w, 100);
    WAIT(w, w->done == 1);
    IS(w, ERR_INTERNAL, "leveldb: closed");
    world_free(w);
}

static void upload_with_bad_arguments(void **state)
{
    (void)state;
    struct world *w = world_new(NULL);
    struct sender s = {.w = w};
    struct kubo_upload u = {"pin=false", "x\r\nX-Evil: 1", on_room, on_line,
                            on_sent, &s};

    answer(w, 200, ADDED, NULL);
    w->inside = true;
    kubo_add(w->kubo, &u);
    w->inside = false;
    WAIT(w, w->done == 1);
    IS(w, ERR_INVALID, "cannot be sent");
    u.content_type = "x";
    u.query = "a=1 HTTP/1.1\r\nX: y";
    kubo_add(w->kubo, &u);
    WAIT(w, w->done == 2);
    IS(w, ERR_INVALID, "cannot be sent");
    assert_int_equal(w->server.requests, 0);
    world_free(w);
}

static void lines_are_held(void **state)
{
    (void)state;
    struct world *w = world_new(NULL);
    struct sender s = {.stop_lines = true};

    answer(w, 200, ADDED ADDED ADDED, NULL);
    start(&s, w, 100);
    for (unsigned i = 1; i <= 3; i++) {
        WAIT(w, s.lines == i);
        for (int turn = 0; turn < 5; turn++)
            uv_run(&w->loop, UV_RUN_NOWAIT);
        assert_int_equal(s.lines, i);
        assert_int_equal(w->done, 0);
        kubo_read_on(s.call);
        assert_int_equal(s.lines, i);
    }
    WAIT(w, w->done == 1);
    IS(w, ERR_OK, "");
    /* many lines: libcurl is paused too; then let go */
    struct buf b = BUF_INIT;
    buf_text(&b, CHUNKED);
    for (int i = 0; i < ROWS; i++)
        buf_printf(&b, "%zx\r\n%s\r\n", strlen(ADDED), ADDED);
    buf_text(&b, END "\r\n");
    forget(w);
    memset(&s, 0, sizeof(s));
    s.stop_lines = true;
    reply(w, (struct script_reply){.bytes = buf_cstr(&b)});
    start(&s, w, 100);
    for (unsigned i = 1; i <= ROWS / 2; i++) {
        WAIT(w, s.lines == i);
        kubo_read_on(s.call);
    }
    s.stop_lines = false;
    WAIT(w, w->done == 1);
    IS(w, ERR_OK, "");
    assert_int_equal(s.lines, ROWS);
    buf_free(&b);
    world_free(w);
}

/* What is fed meanwhile does not open the other direction. */
static void feeding_gives_out_no_lines(void **state)
{
    (void)state;
    struct world *w = world_new(NULL);
    struct sender s = {.stop_lines = true, .endless = true};

    answer(w, 200, ADDED ADDED, NULL);
    w->server.replies[0].early = true;
    start(&s, w, 100);
    WAIT(w, s.lines == 1);
    for (int i = 0; i < 3; i++) {
        assert_true(kubo_feed(s.call, span_text("more")));
        WAIT(w, w->server.body.n == 104 + 4 * (size_t)i);
    }
    assert_int_equal(s.lines, 1);
    s.stop_lines = false;
    kubo_read_on(s.call);
    WAIT(w, s.lines == 2);
    assert_int_equal(w->done, 0);
    kubo_feed_end(s.call);
    WAIT(w, w->done == 1);
    IS(w, ERR_OK, "");
    world_free(w);
}

/* An import is fed like an add; its answer ends with Stats. */
static void import(void **state)
{
    static const struct {
        int status;
        const char *body, *trailer;
        enum err error;
        const char *text;
    } CASES[] = {
        {200, "{\"Stats\":{\"BlockCount\":2,\"BlockBytesCount\":9}}\n", NULL,
         ERR_OK, ""},
        {200, "{\"Stats\":7}\n", NULL, ERR_PROTOCOL, "last object"},
        {200, "[]\n", NULL, ERR_PROTOCOL, "no object"},
        {200, "{\"Stats\":{}}\n{}\n", NULL, ERR_PROTOCOL, "behind its end"},
        {200, "{}\n{\"Stats\":{}}\n", NULL, ERR_OK, ""},
        {200, "", NULL, ERR_PROTOCOL, "empty answer"},
        {200, "{\"Stats\":{}}\n", "disk I/O", ERR_INTERNAL, "disk I/O"},
        {500, "{\"Message\":\"import failed after block x: mismatch in "
              "content integrity, name: y\"}", NULL, ERR_INVALID, "x"},
        {500, "{\"Message\":\"import failed at block x: no space left on "
              "device\"}", NULL, ERR_NO_SPACE, "no space"},
        {400, "file argument 'path' is required\n", NULL, ERR_INVALID,
         "required"},
    };
    struct world *w = world_new(NULL);

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct sender s = {.w = w, .size = 100};
        struct kubo_upload u = {NULL, "multipart/form-data; boundary=xx",
                                on_room, on_line, on_sent, &s};

        w->done = 0;
        answer(w, CASES[i].status, CASES[i].body, CASES[i].trailer);
        s.call = kubo_import(w->kubo, &u);
        feed(&s);
        WAIT(w, w->done == 1);
        IS(w, CASES[i].error, CASES[i].text);
        assert_non_null(strstr(w->server.heads[0], "/api/v0/dag/import?"
                               "pin-roots=false&stats=true HTTP"));
    }
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_in_turns),
        cmocka_unit_test(rows),
        cmocka_unit_test(garbage),
        cmocka_unit_test(garbage_has_no_limit),
        cmocka_unit_test(rows_come_as_they_arrive),
        cmocka_unit_test(endless_line),
        cmocka_unit_test(cancel),
        cmocka_unit_test(cancel_anywhere),
        cmocka_unit_test(close_with_open_calls),
        cmocka_unit_test(parallel),
        cmocka_unit_test(upload_to_a_slow_reader),
        cmocka_unit_test(upload_small_and_then_a_look),
        cmocka_unit_test(upload_refused),
        cmocka_unit_test(upload_stalls),
        cmocka_unit_test(upload_in_haste),
        cmocka_unit_test(upload_of_a_bad_form),
        cmocka_unit_test(upload_with_bad_arguments),
        cmocka_unit_test(import),
        cmocka_unit_test(lines_are_held),
        cmocka_unit_test(feeding_gives_out_no_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
