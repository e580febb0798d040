/* One line of a gateway's access log: was it a read of content, of which, by
 * whom, how much? Forms (docs/value-reference.md):
 *
 * - combined, as nginx and Apache write it, with or without the virtual host
 *   in front;
 * - a JSON object, with the names that nginx's log_format, Caddy and Traefik
 *   give the fields.
 *
 * A read is a GET that was answered with 200, 206 or 304, of
 * /ipfs/<cid>[/…] or of a host <cid>.ipfs.…. Lines come from outside and may
 * be anything. Pure; no allocation.
 */
#ifndef PINFOLD_AGENT_ACCESS_LOG_H
#define PINFOLD_AGENT_ACCESS_LOG_H

#include "proto/buf.h"
#include "proto/cid.h"

enum {
    ACCESS_LINE_MIN = 24, /* bytes that a read's has at least, newline too */
    ACCESS_LINE_MAX = 16384, /* bytes; a longer line is malformed */
    ACCESS_CLIENT_MAX = 64
};

enum access_kind {
    ACCESS_READ,
    ACCESS_OTHER,    /* no read of content by its CID, or not answered */
    ACCESS_MALFORMED /* no line of a log that is known here */
};

struct access {
    struct cid cid;
    uint64_t time_ms; /* of the Unix epoch; 0: the line does not say */
    uint64_t bytes;   /* that were sent */
    bool whole;       /* the client has it all: it asked whether it changed */
    /* An address (of IPv6 the network of 64 bits), or a text. */
    uint8_t client[ACCESS_CLIENT_MAX];
    size_t n_client;
};

/* The line without its newline. out is set for ACCESS_READ. */
enum access_kind access_log_parse(struct span line, struct access *out);

#endif
