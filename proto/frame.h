/* Connections begin with 8 bytes in clear, "PINFOLD" and a role; then frames:
 * u32 big-endian length (1 to LIMIT_FRAME), msgpack [kind, version, …]
 * (DESIGN 12.1). A Noise session will cut the same frames into records.
 */
#ifndef PINFOLD_FRAME_H
#define PINFOLD_FRAME_H

#include "proto/buf.h"
#include "proto/err.h"

#include <stdbool.h>
#include <stdint.h>

enum frame_role {
    FRAME_AGENT = 1, FRAME_DATA = 2, FRAME_RAFT = 3, FRAME_PEER = 4
};
enum { FRAME_PREFACE = 8, FRAME_HEAD = 4 };

void frame_preface(enum frame_role role, uint8_t out[FRAME_PREFACE]);
enum err frame_preface_check(const uint8_t in[FRAME_PREFACE],
                             enum frame_role *role, struct err_text *why)
    ERR_CHECKED;

/* Reserves the head in b; the message is appended behind it; frame_end fills
 * in the length. Returns the position for frame_end. */
size_t frame_begin(struct buf *b);
void frame_end(struct buf *b, size_t at); /* asserts the limit */
/* Length in a head; ERR_TOO_LARGE (0 is ERR_PROTOCOL). */
enum err frame_length(const uint8_t head[FRAME_HEAD], uint32_t *length,
                      struct err_text *why) ERR_CHECKED;

/* Splits a byte stream into frames, for the peer link. Memory: one frame. */
struct frame_reader {
    struct buf in;
    size_t taken;
};
void frame_reader_free(struct frame_reader *r);
void frame_reader_add(struct frame_reader *r, const void *p, size_t n);
/* The next whole frame's message, valid until the next add; *have false if
 * there is none yet. */
enum err frame_reader_next(struct frame_reader *r, struct span *message,
                           bool *have, struct err_text *why) ERR_CHECKED;

#endif
