/* The local IPFS daemon's RPC, by libcurl multi on the agent's loop. Knows
 * HTTP, texts and stall limits; decides nothing about what shall be pinned
 * (core/work.c). Rules: specs of kubo.md section 1, in docs/architecture.md.
 *
 * Loop thread only. Every call ends in exactly one callback, never inside
 * the call itself. Two multi handles: what may take long, and questions. None
 * waits for another's connection, since its limit runs meanwhile: how many
 * there are is the callers' to bound. A question has call_ms in all. A pin, an
 * unpin, an update, a listing and an upload have to go on within stall_ms
 * each time, a listing has to end within list_ms too; gc has its caller's
 * limit. The agent never sends `timeout=`.
 */
#ifndef PINFOLD_AGENT_KUBO_H
#define PINFOLD_AGENT_KUBO_H

#include "proto/addr.h"
#include "proto/buf.h"
#include "proto/cid.h"
#include "proto/err.h"
#include "proto/metrics.h"
#include "proto/peerid.h"
#include "proto/types.h"

#include <uv.h>

struct kubo;
struct kubo_call; /* valid until its callback; for kubo_cancel */

struct kubo_settings {
    uv_loop_t *loop;
    /* host:port, http://host:port, /ip4/…/tcp/N, /unix/path or unix:path */
    const char *address;
    const char *authorization; /* value of the header, NULL none */
    unsigned concurrent_pins;
    uint64_t connect_ms, call_ms, stall_ms, list_ms;
};

/* host, host:port, http://host:port, a multiaddr or unix:/path. */
enum err kubo_address(const char *text, struct addr *out,
                      struct err_text *why) ERR_CHECKED;

enum err kubo_new(const struct kubo_settings *st, struct kubo **out,
                  struct err_text *why) ERR_CHECKED;
/* Cancels what runs (callbacks come with ERR_CLOSED), then done. */
void kubo_close(struct kubo *k, void (*done)(void *arg), void *arg);
/* Ends the call soon: its callback comes with ERR_CLOSED, or with its result
 * if that was there already. Closing the connection cancels the command in
 * the daemon; after a cancelled pin the state must be looked at again. */
void kubo_cancel(struct kubo *k, struct kubo_call *c);

/* The oldest release that is worked with, and the oldest without a warning */
enum { KUBO_MINOR_MIN = 42, KUBO_MINOR_ADVISED = 43 };
/* Longest line of an answer, and answer that is no stream; lines of a pin in
 * a second (the daemon sends two), beyond which the call ends. No content is
 * larger than KUBO_SIZE_MAX bytes: a daemon that says so talks nonsense. */
enum { KUBO_LINE = 1 << 20, KUBO_LINES_SECOND = 10000, KUBO_FEED = 256 << 10,
       KUBO_FEED_MAX = 4 << 20 };

#define KUBO_SIZE_MAX (((uint64_t)1 << 48) - 1)

enum kubo_pin_type { KUBO_NOT_PINNED, KUBO_DIRECT, KUBO_RECURSIVE };

/* Spellings: to the daemon's pinner Qm… and its version 1 are two pins. A
 * CID that has a version 0 is pinned as that (what `ipfs add` makes), and is
 * looked for in both spellings, version 0 first. Unpinned and updated is only
 * the one that a look has found: the other may be the owner's. */

/* ERR_UNREACHABLE: no connection or cut off; ERR_DENIED: 403, a fault of
 * configuration, not of the pin; ERR_TIMEOUT: stalled or over the limit;
 * ERR_INVALID: refused for good; ERR_NO_SPACE; ERR_PROTOCOL: nonsense, or a
 * stream without its last object; ERR_INTERNAL: any other answer of 500;
 * ERR_VERSION: the daemon is older than 0.42 (kubo_version; its fields are
 * filled); ERR_CLOSED: cancelled.
 * An unknown text is never a success. */
struct kubo_result {
    enum err error;
    enum fail_code code;
    char text[LIMIT_ERROR_TEXT + 1];
    union {
        struct {
            char version[64];
            unsigned major, minor;
        } version;
        struct {
            struct peerid id;
            char agent[128];
            uint32_t n_addrs;
            char addrs[LIMIT_NODE_ADDRS][LIMIT_MULTIADDR + 1];
        } id;
        struct {
            enum kubo_pin_type type;
            enum cid_form form; /* the spelling that is pinned */
            char name[256];
        } look;
        struct {
            uint64_t bytes, nodes;
        } pin; /* of the last progress object */
        struct {
            uint64_t repo_size, storage_max;
            char path[1024];
        } repo;
        struct {
            uint64_t in_total, out_total, in_rate, out_rate;
        } bandwidth;
        struct {
            uint32_t n;
            struct peerid peers[LIMIT_SWARM_PEERS];
        } peers;
        struct {
            char path[1024];
        } resolve;
        struct {
            uint64_t cumulative;
        } size;
        struct {
            uint64_t rows;
        } list;
    };
};
typedef void (*kubo_cb)(void *arg, const struct kubo_result *r);

struct kubo_call *kubo_version(struct kubo *k, kubo_cb cb, void *arg);
struct kubo_call *kubo_healthy(struct kubo *k, kubo_cb cb, void *arg);
struct kubo_call *kubo_id(struct kubo *k, kubo_cb cb, void *arg);
struct kubo_call *kubo_repo_stat(struct kubo *k, bool size_only, kubo_cb cb,
                                 void *arg);
struct kubo_call *kubo_bandwidth(struct kubo *k, kubo_cb cb, void *arg);
struct kubo_call *kubo_peers(struct kubo *k, kubo_cb cb, void *arg);
struct kubo_call *kubo_connect(struct kubo *k, const char *maddr, kubo_cb cb,
                               void *arg);
struct kubo_call *kubo_resolve(struct kubo *k, const char *path, kubo_cb cb,
                               void *arg);
/* Declared size, from the root block, no more than that is fetched
 * (files/stat); not every codec has one (ERR_INVALID). */
struct kubo_call *kubo_declared_size(struct kubo *k, const struct cid *c,
                                     kubo_cb cb, void *arg);
/* Measured, local blocks only (dag/stat offline). */
struct kubo_call *kubo_measured_size(struct kubo *k, const struct cid *c,
                                     kubo_cb cb, void *arg);

/* pin/ls arg, of that type. Not pinned is ERR_OK with KUBO_NOT_PINNED. */
struct kubo_call *kubo_look(struct kubo *k, const struct cid *c,
                            enum kubo_pin_type type, kubo_cb cb, void *arg);
/* Only after a look said it is not there. progress: each new value. */
struct kubo_call *kubo_pin(struct kubo *k, const struct cid *c,
                           bool recursive, const char *name,
                           void (*progress)(void *arg, uint64_t bytes,
                                            uint64_t nodes),
                           kubo_cb cb, void *arg);
/* form: of the look. No such pin (any more) is ERR_OK. */
struct kubo_call *kubo_unpin(struct kubo *k, const struct cid *c,
                             enum cid_form form, bool recursive, kubo_cb cb,
                             void *arg);
/* pin/update unpin=false, form: of the look at `from`; both ends are looked
 * at by the caller first. It shows no progress: all of it has to end within
 * the stall limit. The daemon gives the new pin the name of the old one. */
struct kubo_call *kubo_update(struct kubo *k, const struct cid *from,
                              enum cid_form form, const struct cid *to,
                              kubo_cb cb, void *arg);
/* block/put of the raw block without bytes, CIDv1 KUBO_EMPTY. No daemon sends
 * a block of no bytes to another one, so what contains an empty file can only
 * be pinned where it was put before. */
#define KUBO_EMPTY                                                           \
    "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
struct kubo_call *kubo_put_empty(struct kubo *k, kubo_cb cb, void *arg);
/* repo/gc; row for each removed block, name "". It waits for every pin under
 * way and every new pin waits for it, so the caller sees to it that there are
 * none. No limit at all: the caller's deadline, and kubo_cancel. Not to be
 * called again after a cancel: the daemon may still stand in that queue. */
struct kubo_call *kubo_gc(struct kubo *k,
                          void (*row)(void *arg, const struct cid *c,
                                      const char *name),
                          kubo_cb cb, void *arg);
/* pin/ls stream of one type with names; row as it arrives. A CID that is
 * pinned under both spellings comes twice. */
struct kubo_call *kubo_list(struct kubo *k, enum kubo_pin_type type,
                            void (*row)(void *arg, const struct cid *c,
                                        const char *name),
                            kubo_cb cb, void *arg);
/* The same, but all of it within 2 s, or the limit of a look if less. */
struct kubo_call *kubo_list_brief(struct kubo *k, enum kubo_pin_type type,
                                  void (*row)(void *arg, const struct cid *c,
                                              const char *name),
                                  kubo_cb cb, void *arg);

/* add: the client's multipart body goes through unchanged. The caller feeds
 * with kubo_feed, which always takes (copies) all bytes; once it gives false,
 * no more until `room` (not called inside kubo_feed). What was under way may
 * still come, but beyond KUBO_FEED_MAX the call ends with ERR_TOO_LARGE.
 * kubo_feed_end ends the body. After `done` none of these may be called; an
 * answer that ends early, with an error, ends the call. The daemon's lines
 * come to `line` (one JSON object each). */
struct kubo_upload {
    const char *query;        /* arguments of add, encoded; pin=false in it */
    const char *content_type; /* with its boundary */
    void (*room)(void *arg);
    /* false: stop reading from the daemon until kubo_read_on. */
    bool (*line)(void *arg, struct span json);
    kubo_cb done;
    void *arg;
};
struct kubo_call *kubo_add(struct kubo *k, const struct kubo_upload *u);
/* The same for dag/import, which pins nothing and says only at its end how
 * many blocks there were (Stats); query is not looked at. */
struct kubo_call *kubo_import(struct kubo *k, const struct kubo_upload *u);
/* Any command, as a client of the daemon would ask it: what it answers goes to
 * the callbacks as it comes. A body is fed as an upload's; kubo_read_on reads
 * on after `data` gave false. ERR_OK: head, body and trailer came to their
 * end. Whether the client may ask it is the caller's to know. */
struct kubo_line {
    const char *name, *value;
};
struct kubo_proxy {
    struct span command, query; /* query without the '?', encoded */
    const char *content_type;   /* of the body; NULL: there is none */
    /* Content-Type, Content-Disposition and the lines that begin with X-. */
    void (*head)(void *arg, unsigned status, const struct kubo_line *lines,
                 uint32_t n);
    bool (*data)(void *arg, struct span bytes); /* at most 16 KiB */
    void (*trailer)(void *arg, struct span text); /* X-Stream-Error */
    void (*room)(void *arg);
    kubo_cb done;
    void *arg;
};
struct kubo_call *kubo_proxy(struct kubo *k, const struct kubo_proxy *p);
bool kubo_feed(struct kubo_call *c, struct span bytes);
void kubo_feed_end(struct kubo_call *c);
void kubo_read_on(struct kubo_call *c);

/* Calls that ended since the start, but for cancelled ones. */
enum { KUBO_KINDS = 20, KUBO_REASONS = FAIL_CONFLICT + 1 };
struct kubo_stats {
    unsigned n;
    struct kubo_stat {
        const char *name;   /* "pin/add" */
        uint64_t failed;
        struct metrics_histogram took; /* bounds: metrics_requests */
    } calls[KUBO_KINDS];
    uint64_t pin_failures[KUBO_REASONS]; /* by enum fail_code */
};
const struct kubo_stats *kubo_stats(const struct kubo *k);

#endif
