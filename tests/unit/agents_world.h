/* A client on the agents' port of a coordinator, on the same loop: the other
 * end of agents*.c, message by message.
 */
#ifndef PINFOLD_AGENTS_WORLD_H
#define PINFOLD_AGENTS_WORLD_H

#include "coordinator_world.h"

static uv_loop_t loop;
static struct stream_hub *hub; /* of the agents, and where streams move to */

enum { KINDS = 40 };

struct client {
    struct stream *stream;
    unsigned opens, closes, got[KINDS];
    enum err reason;
    struct buf frame; /* of the last message */
    struct message m;
    struct message_scratch scratch;
    uint8_t history[TYPES_HISTORY];
    uint64_t index, wanted, wanted_xor;
    uint8_t daemon;   /* of the IPFS daemon that it names; 0: none */
};

static int setup(void **state)
{
    (void)state;
    uv_loop_init(&loop);
    hub = stream_hub_new(&loop);
    return 0;
}

static int teardown(void **state)
{
    unsigned done = 0;

    (void)state;
    stream_hub_close(hub, coord_count, &done);
    COORD_WAIT(&loop, done == 1);
    coord_loop_end(&loop);
    return 0;
}

/* --- a client ------------------------------------------------------------ */

static void on_frame(struct stream *s, void *user, struct span frame)
{
    struct client *k = user;
    struct err_text why;

    (void)s;
    buf_reset(&k->frame);
    buf_add(&k->frame, frame.p, frame.n);
    if (message_decode(span_buf(&k->frame), &k->m, &k->scratch, &why) !=
        ERR_OK)
        fail_msg("%s", why.text);
    k->got[k->m.kind]++;
}

static void on_close(struct stream *s, void *user, enum err reason,
                     const char *text)
{
    struct client *k = user;

    (void)s;
    (void)text;
    k->stream = NULL;
    k->closes++;
    k->reason = reason;
}

static const struct stream_events events = {on_frame, NULL, on_close};

static void on_connected(struct stream *s, void *user, enum err reason,
                         const char *text)
{
    struct client *k = user;

    (void)reason;
    (void)text;
    k->stream = s;
    k->opens++;
}

static void dial(struct client *k, const struct coord *c,
                 enum frame_role role)
{
    struct stream_settings st = {&events, k, 0, LIMIT_AGENT_SEND_QUEUE};

    memset(k, 0, sizeof *k);
    stream_dial(hub, &c->agents_at, role, 5000, &st, on_connected);
    COORD_WAIT(&loop, k->opens == 1);
    assert_non_null(k->stream);
}

static void say(struct client *k, const struct message *m)
{
    struct buf b = BUF_INIT;

    message_encode(m, &b);
    (void)stream_send(k->stream, b.p, b.n);
    buf_free(&b);
}

static void hello(struct client *k, uint8_t number, uint64_t boot)
{
    struct message m = {.kind = MESSAGE_HELLO};

    k->daemon = number;
    memset(m.hello.key, number, TYPES_KEY);
    m.hello.boot = boot;
    m.hello.version = span_text("0.1");
    m.hello.name = span_text("alpha");
    m.hello.capacity = (uint64_t)1 << 40;
    say(k, &m);
}

static void join(struct client *k, const struct coord *c, uint8_t number)
{
    dial(k, c, FRAME_AGENT);
    hello(k, number, 5);
    COORD_WAIT(&loop, k->got[MESSAGE_WELCOME] == 1);
    assert_int_equal(k->m.welcome.code, WELCOME_OK);
}

static struct peerid daemon_id(uint8_t number)
{
    struct peerid id = {.n = 0};

    if (number == 0)
        return id;
    id.n = 34;
    id.bytes[0] = 0x12;
    id.bytes[1] = 32;
    memset(id.bytes + 2, number, 32);
    return id;
}

static void beat(struct client *k)
{
    struct message m = {.kind = MESSAGE_BEAT};

    memcpy(m.beat.history, k->history, TYPES_HISTORY);
    m.beat.index = k->index;
    m.beat.wanted = k->wanted;
    m.beat.wanted_xor = k->wanted_xor;
    m.beat.daemon = DAEMON_UP;
    m.beat.daemon_version = span_text("0.44");
    m.beat.id.id = daemon_id(k->daemon);
    m.beat.capacity = m.beat.free_bytes = (uint64_t)1 << 40;
    say(k, &m);
}

static void leave(struct client *k)
{
    if (k->stream != NULL) {
        stream_close(k->stream);
        COORD_WAIT(&loop, k->closes == 1);
    }
    buf_free(&k->frame);
    message_scratch_free(&k->scratch);
}

static void wait_closed(struct client *k)
{
    COORD_WAIT(&loop, k->closes == 1);
    leave(k);
}

#endif
