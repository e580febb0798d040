/* Every maximum of the HTTP server and every default that a configuration
 * may change. What is fixed by the wire stands in the first enum; what
 * struct http_limits may override stands in the second.
 */
#ifndef PINFOLD_HTTP_LIMITS_H
#define PINFOLD_HTTP_LIMITS_H

enum {
    /* Request line and headers together; nginx and Go stop at 32 KiB and
     * 1 MiB. A head is held until it is complete, so this is memory. */
    HTTP_HEAD_BYTES = 32 * 1024,
    /* Metadata and origins may come in the query of a pin request. */
    HTTP_TARGET_BYTES = 16 * 1024,
    HTTP_HEADERS = 100,
    HTTP_METHOD_BYTES = 32,
    /* 18 digits stay below 2^63, 15 hex digits below 2^60. */
    HTTP_LENGTH_DIGITS = 18,
    HTTP_CHUNK_DIGITS = 15,
    HTTP_CHUNK_EXTENSION_BYTES = 256,
    HTTP_TRAILER_BYTES = 4 * 1024,
    /* One read; on_body gets at most this much at a time. */
    HTTP_READ_BYTES = 64 * 1024,
    /* One TLS record's; and what is sealed before it is written. */
    HTTP_RECORD_BYTES = 16 * 1024,
    HTTP_SEAL_BYTES = 8 * HTTP_RECORD_BYTES,
    /* Handshake message of a client: a hello with room for the key shares of
     * algorithms to come. */
    HTTP_HELLO_BYTES = 16 * 1024,
    /* Bytes kept of what a client sends behind an unanswered request. */
    HTTP_PIPELINE_BYTES = 64 * 1024,
    /* Body of an answer that the server makes itself. */
    HTTP_ERROR_BODY_BYTES = 512,
    /* A client that vanished without a word (a cable, a battery) is noticed
     * also while it is owed nothing: TCP asks after so many seconds of
     * silence, then each so many, and gives up after so many questions. */
    HTTP_KEEPALIVE_S = 60,
    HTTP_KEEPALIVE_NEXT_S = 15,
    HTTP_KEEPALIVE_TIMES = 4,
    HTTP_BACKLOG = 1024,
    /* Numbers of doors that an application may give its listeners. */
    HTTP_DOORS = 8,
    /* Refusals of a door that are told one by one in a while: 2 a second, so
     * that outsiders cannot fill a disk with lines. */
    HTTP_REFUSED_LINES = 20,
    HTTP_REFUSED_MS = 10 * 1000,
    /* Connections accepted in one turn of the loop. */
    HTTP_ACCEPT_BATCH = 64
};

enum {
    HTTP_CONNS = 4000,
    HTTP_DESCRIPTORS = 1 << 20,
    HTTP_CONNS_PER_IP = 0, /* no limit */
    HTTP_HEAD_MS = 10 * 1000,
    HTTP_IDLE_MS = 60 * 1000,
    HTTP_STALL_MS = 30 * 1000,
    HTTP_LINGER_MS = 2 * 1000,
    HTTP_RATE_BYTES = 1024, /* a second */
    HTTP_RATE_WINDOW_MS = 60 * 1000,
    HTTP_BODY_BYTES = 1024 * 1024,
    HTTP_OUT_HIGH_BYTES = 256 * 1024,
    HTTP_ACCEPT_PAUSE_MS = 100,
    HTTP_TICK_MS = 250
};
#endif
