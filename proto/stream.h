/* Framed nng streams on a libuv loop: dial, listen, send, receive, close.
 * The only module that knows nng.
 *
 * nng's threads do nothing but queue and wake (uv_async_send). All functions
 * and callbacks here run on the loop thread of the hub that the stream is
 * attached to. One receive is outstanding at most: after on_frame returns
 * the next one is started unless the stream is paused, so a paused stream
 * pushes back on its sender through TCP.
 *
 * A stream ends by exactly one on_close, after which its memory is gone:
 * stream_close only asks for it. Errors of the peer (bad preface, length
 * over LIMIT_FRAME, silence, a frame that takes over 60 s) close it with the
 * reason. Connections refused before they were accepted are logged, one line
 * each ten seconds.
 */
#ifndef PINFOLD_STREAM_H
#define PINFOLD_STREAM_H

#include "proto/addr.h"
#include "proto/buf.h"
#include "proto/err.h"
#include "proto/frame.h"

#include <uv.h>

struct stream_hub; /* one a loop */
struct stream;
struct stream_listener;

struct stream_hub *stream_hub_new(uv_loop_t *loop);
/* Closes every stream and listener on it, then calls done and is gone. Waits
 * for streams that are being moved to it, so their loops must still run. */
void stream_hub_close(struct stream_hub *hub, void (*done)(void *arg),
                      void *arg);

struct stream_events {
    /* One message, valid during the call. Sending, pausing and closing are
     * allowed inside. */
    void (*on_frame)(struct stream *s, void *user, struct span message);
    /* What was queued is below half of the limit again (only after
     * stream_send gave false). May be NULL. */
    void (*on_drain)(struct stream *s, void *user);
    /* Last call for this stream. reason: ERR_OK if it was closed here. The
     * end of a connection is seen after its last frame; of a paused one not
     * before it is resumed. */
    void (*on_close)(struct stream *s, void *user, enum err reason,
                     const char *text);
};

/* silence_ms: the stream closes when nothing arrives for so long (not while
 * paused; 0: never). send_limit: queued bytes beyond which stream_send gives
 * false; at twice the limit the stream closes (ERR_BUSY). */
struct stream_settings {
    const struct stream_events *events;
    void *user;
    uint64_t silence_ms;
    size_t send_limit;
};

/* Asynchronous: connected gets the stream, or NULL with the reason. The
 * preface is sent first. timeout_ms bounds connecting. */
void stream_dial(struct stream_hub *hub, const struct addr *to,
                 enum frame_role role, uint64_t timeout_ms,
                 const struct stream_settings *settings,
                 void (*connected)(struct stream *s, void *user,
                                   enum err reason, const char *text));

/* accepted: a connection with a good preface of an allowed role. It shall
 * call stream_configure before it returns, or stream_close. At most
 * max_pending connections may be without a preface, each for 10 s; one more
 * closes the oldest of them. ERR_IN_USE, ERR_DENIED, ERR_INVALID name the
 * address. "localhost" is 127.0.0.1 here and in stream_dial. */
enum err stream_listen(struct stream_hub *hub, const struct addr *at,
                       unsigned max_pending,
                       void (*accepted)(struct stream *s, void *user,
                                        enum frame_role role),
                       void *user, struct stream_listener **out,
                       struct err_text *why) ERR_CHECKED;
uint16_t stream_listener_port(const struct stream_listener *l);
void stream_listener_close(struct stream_listener *l);

void stream_configure(struct stream *s, const struct stream_settings *st);
/* Takes whole frames (message_encode), copies them. false: the queue is over
 * the limit; wait for on_drain. Also false, and nothing taken, when the
 * stream is ending: on_close follows. */
bool stream_send(struct stream *s, const void *p, size_t n);
/* Whether no more is queued than the limit; false, too, when the stream is
 * ending. For what can as well be said later. */
bool stream_has_room(const struct stream *s);
void stream_pause(struct stream *s);
void stream_resume(struct stream *s);
/* Closes after what is queued was sent and the peer has hung up or been quiet
 * for 200 ms (at most 5 s; frames that come meanwhile are dropped), or at once.
 * on_close follows later, never inside the call. */
void stream_finish(struct stream *s);
void stream_close(struct stream *s);
/* Moves a paused stream to another loop. Called on the old hub's thread, which
 * does not touch the stream again; the settings are replaced; moved runs on
 * the new hub's thread, where the stream is still paused. on_close comes on
 * the new one from then on. A hub that closes in between ends the stream:
 * on_close without moved, of the settings before (old hub) or the new ones.
 * The new hub's close must not have been called before this is. */
void stream_move(struct stream *s, struct stream_hub *to,
                 const struct stream_settings *settings,
                 void (*moved)(struct stream *s, void *user));
void stream_peer_text(const struct stream *s, char out[ADDR_TEXT_MAX]);

#endif
