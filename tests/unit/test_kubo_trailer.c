/* Trailers without measure: of what is passed on, and of what is read. */
#include "agent/kubo_call.h"
#include "kubo_world.h"

struct proxied {
    struct world *w;
    size_t trailer;
};

static void on_head(void *arg, unsigned status, const struct kubo_line *lines,
                    uint32_t n)
{
    (void)arg;
    (void)lines;
    (void)n;
    assert_int_equal(status, 200);
}

static bool on_data(void *arg, struct span bytes)
{
    (void)arg;
    (void)bytes;
    return true;
}

static void on_trailer(void *arg, struct span text)
{
    ((struct proxied *)arg)->trailer = text.n;
}

static void on_no_room(void *arg)
{
    (void)arg;
}

static void on_proxied(void *arg, const struct kubo_result *r)
{
    on_done(((struct proxied *)arg)->w, r);
}

static struct kubo_call *proxy(struct world *w, struct proxied *p)
{
    struct kubo_proxy ask = {
        .command = span_text("pin/ls"), .head = on_head, .data = on_data,
        .trailer = on_trailer, .room = on_no_room, .done = on_proxied,
        .arg = p};

    p->w = w;
    return kubo_proxy(w->kubo, &ask);
}

/* Of many lines no more is kept than of a long one. */
static void trailer_of_many_lines(void **state)
{
    (void)state;
    struct world *w = world_new(NULL);
    struct proxied p = {0};
    struct buf b = BUF_INIT;

    buf_text(&b, CHUNKED "0\r\n");
    for (int i = 0; i < 100; i++)
        buf_printf(&b, "X-Stream-Error: %01000d\r\n", i);
    buf_text(&b, "\r\n");
    reply(w, (struct script_reply){.bytes = buf_cstr(&b)});
    DO(w, proxy(w, &p));
    IS(w, ERR_OK, "");
    assert_int_equal(p.trailer, LIMIT_TRAILER);
    DO(w, kubo_list(w->kubo, KUBO_DIRECT, on_row, on_done, w));
    IS(w, ERR_INTERNAL, "000");
    assert_int_equal(w->call->trailer.n, LIMIT_TRAILER);
    buf_free(&b);
    world_free(w);
}

/* Nor is it progress, for whoever asked. */
static void trailer_without_end(void **state)
{
    (void)state;
    struct world *w = world_hasty();
    struct proxied p = {0};

    reply(w, (struct script_reply){
                 .bytes = CHUNKED "0\r\n", .repeat = 1000000,
                 .again = "X-Stream-Error: x\r\n", .every_ms = 20});
    DO(w, proxy(w, &p));
    IS(w, ERR_TIMEOUT, "no progress");
    DO(w, kubo_list(w->kubo, KUBO_DIRECT, on_row, on_done, w));
    IS(w, ERR_TIMEOUT, "no progress");
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trailer_of_many_lines),
        cmocka_unit_test(trailer_without_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
