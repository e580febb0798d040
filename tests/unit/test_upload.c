/* The arguments of an upload: what a coordinator may have the daemon do. And
 * a coordinator that says nothing any more. */
#include "agent/upload.h"
#include "kubo_world.h"

static void passes(const char *query, const char *expected)
{
    struct buf b = BUF_INIT;
    struct err_text why;

    assert_int_equal(upload_arguments(span_text(query), &b, &why), ERR_OK);
    assert_string_equal(buf_cstr(&b), expected);
    buf_free(&b);
}

static void refused(const char *query, const char *word)
{
    struct buf b = BUF_INIT;
    struct err_text why;

    assert_int_equal(upload_arguments(span_text(query), &b, &why),
                     ERR_INVALID);
    assert_non_null(strstr(why.text, word));
    buf_free(&b);
}

static void test_pins_nothing(void **state)
{
    (void)state;
    passes("", "pin=false");
    passes("pin=false", "pin=false");
    passes("cid-version=1&raw-leaves=true&chunker=size-1048576&pin=false",
           "cid-version=1&raw-leaves=true&chunker=size-1048576&pin=false");
    passes("progress&&hidden=", "progress=&hidden=&pin=false");
    refused("pin=true", "pin");
    refused("pin", "pin");
    refused("chunker=a&pin=false&pin=true", "twice");
}

static void test_refuses_what_is_not_on_the_list(void **state)
{
    (void)state;
    refused("nocopy=true", "nocopy");
    refused("inline=true", "inline");
    refused("to-files=/x", "to-files");
    refused("%70in=true", "%70in");
    refused("arg=x", "arg");
    refused("=x", "\"\"");
    refused("pin-name=x", "pin-name");
    refused("chunker=a&chunker=b", "twice");
}

static void test_values_stay_encoded(void **state)
{
    (void)state;
    refused("chunker=a b", "chunker");
    refused("chunker=a\r\nHost:x", "chunker");
    refused("chunker=a#b", "chunker");
    passes("chunker=a%20b", "chunker=a%20b&pin=false");
}

/* --- a coordinator that vanishes --- */

enum { END_MS = 300 };

#define EARLY "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"        \
              "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
#define BODY "--xx\r\nContent-Disposition: form-data; name=\"f\"; "            \
             "filename=\"f\"\r\n\r\nhello\r\n--xx--\r\n"
#define ADDED "{\"Name\":\"f\",\"Hash\":\"" RAW "\",\"Size\":\"5\"}\n"

struct far { /* its end of the stream */
    struct stream *s;
    unsigned frames, closes, stored;
    bool hub_closed;
};

static void send_to(struct stream *s, const struct message *m)
{
    struct buf b = BUF_INIT;

    message_encode(m, &b);
    assert_true(stream_send(s, b.p, b.n));
    buf_free(&b);
}

/* The ticket is answered by the whole form, without END. */
static void on_far_frame(struct stream *s, void *user, struct span frame)
{
    struct far *f = user;
    struct message m = {.kind = MESSAGE_DATA, .data = {span_text(BODY)}};

    (void)frame;
    if (f->frames++ == 0)
        send_to(s, &m);
}

static void on_far_close(struct stream *s, void *user, enum err e,
                         const char *text)
{
    struct far *f = user;

    (void)s;
    (void)e;
    (void)text;
    f->s = NULL;
    f->closes++;
}

static const struct stream_events far_events = {on_far_frame, NULL,
                                                on_far_close};

static void on_far(struct stream *s, void *user, enum frame_role role)
{
    struct stream_settings st = {&far_events, user, 0, UPLOAD_QUEUE};

    assert_int_equal(role, FRAME_DATA);
    ((struct far *)user)->s = s;
    stream_configure(s, &st);
}

static void on_stored(void *arg, const struct cid *root)
{
    assert_non_null(root);
    ((struct far *)arg)->stored++;
}

static void on_hub_closed(void *arg)
{
    ((struct far *)arg)->hub_closed = true;
}

static bool daemon_is_left(struct world *w, struct far *f)
{
    struct message m = {.kind = MESSAGE_DATA, .data = {span_text("more")}};

    send_to(f->s, &m); /* behind the form; what is paused looks up */
    return w->server.open == 0;
}

/* The daemon ends as soon as it has the form's last delimiter. */
static void daemon_answers(struct world *w, struct far *f)
{
    char rest[256];

    WAIT(w, w->server.body.n == strlen(BODY));
    snprintf(rest, sizeof rest, "%zx\r\n%s\r\n" END, strlen(ADDED),
             ADDED);
    script_send(w->server.peers, rest);
    WAIT(w, f->frames == 2);
    WAIT(w, daemon_is_left(w, f));
}

static void test_an_end_that_does_not_come(void **state)
{
    (void)state;
    for (int ends = 0; ends < 2; ends++) {
        struct world *w = world_new(NULL);
        struct stream_hub *hub = stream_hub_new(&w->loop);
        struct addr at = {.host = "127.0.0.1"};
        struct message_open o = {.purpose = OPEN_ADD};
        struct message end = {.kind = MESSAGE_END};
        struct far f = {0};
        struct stream_listener *listener;
        struct uploads *all = uploads_new(hub, w->kubo,
                                          ends ? PATIENT_MS : END_MS);
        struct err_text why;

        assert_int_equal(stream_listen(hub, &at, 4, on_far, &f, &listener,
                                       &why), ERR_OK);
        at.port = stream_listener_port(listener);
        uploads_watch(all, on_stored, &f);
        o.content_type = span_text("multipart/form-data; boundary=xx");
        reply(w, (struct script_reply){.bytes = EARLY, .early = true});
        uploads_open(all, &at, &o);
        daemon_answers(w, &f);
        assert_int_equal(uploads_running(all), 1);
        if (ends)
            send_to(f.s, &end);
        WAIT(w, uploads_running(all) == 0);
        assert_int_equal(f.stored, ends);
        stream_hub_close(hub, on_hub_closed, &f);
        WAIT(w, f.hub_closed);
        assert_int_equal(f.closes, 1);
        uploads_free(all);
        world_free(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pins_nothing),
        cmocka_unit_test(test_refuses_what_is_not_on_the_list),
        cmocka_unit_test(test_values_stay_encoded),
        cmocka_unit_test(test_an_end_that_does_not_come),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
