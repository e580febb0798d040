/* Messages between an agent and a coordinator (DESIGN 12.4), and on a data
 * stream. One struct a kind; message_encode appends a whole frame;
 * message_decode takes a frame's bytes. Decoded spans and arrays point into
 * the frame and into the scratch. Texts for people (reasons, errors, the
 * daemon's version) are cut and made UTF-8 by the encoder; other spans shall
 * keep their limits (docs/protocol.md).
 *
 * The recipe for a change stands in command.h.
 */
#ifndef PINFOLD_MESSAGE_H
#define PINFOLD_MESSAGE_H

#include "proto/buf.h"
#include "proto/command.h"
#include "proto/err.h"
#include "proto/types.h"

enum message_kind {
    MESSAGE_HELLO = 1, MESSAGE_WELCOME = 2, MESSAGE_BEAT = 3,
    MESSAGE_ORDERS = 4, MESSAGE_REPORT = 5, MESSAGE_TAKEN = 6,
    MESSAGE_OPEN = 7, MESSAGE_CALL = 8, MESSAGE_RESULT = 9,
    MESSAGE_GOODBYE = 11,
    MESSAGE_READS = 40,
    /* role 2 only */
    MESSAGE_TICKET = 32, MESSAGE_DATA = 33, MESSAGE_END = 34,
    MESSAGE_FAIL = 35, MESSAGE_HEAD = 36, MESSAGE_TRAILER = 37
};
const char *message_kind_text(unsigned kind);

enum { MESSAGE_TICKET_BYTES = 32, MESSAGE_DATA_MAX = 64 << 10 };

/* An IPFS daemon as its agent sees it. */
struct daemon_id {
    struct peerid id;   /* n = 0: not known yet */
    uint32_t n_addrs;
    struct span addrs[LIMIT_NODE_ADDRS]; /* multiaddr texts, /p2p/ included */
};

struct message_hello { /* agent → */
    uint8_t key[TYPES_KEY];
    uint64_t boot;
    uint8_t history[TYPES_HISTORY]; /* zeros: none */
    uint64_t index;
    struct span version, name;
    uint32_t n_labels;
    struct label labels[LIMIT_LABELS];
    uint64_t capacity;
};

enum welcome_code {
    WELCOME_OK = 0, WELCOME_NOT_READY = 1, WELCOME_DUPLICATE = 2,
    WELCOME_REFUSED = 3, WELCOME_FULL = 4
};

struct message_welcome { /* → agent */
    enum welcome_code code;
    struct span text;    /* reason of a refusal */
    uint64_t raft_id;    /* of the coordinator that answers */
    struct span name;    /* its name */
    uint32_t node;       /* the agent's node id */
    uint8_t history[TYPES_HISTORY];
    uint32_t pin_tag;
    uint64_t leader;     /* raft id, 0 unknown */
    uint64_t term;
};

enum daemon_state {
    DAEMON_UP = 0, DAEMON_DOWN = 1, DAEMON_REFUSED = 2 /* version, access */
};

enum work_phase { WORK_PINNING = 1, WORK_UNPINNING = 2 };

struct beat_work {
    uint64_t pin, bytes, nodes; /* progress so far */
    enum work_phase phase;
};

struct message_beat { /* agent → every coordinator */
    uint8_t history[TYPES_HISTORY];
    uint64_t index;           /* orders are held up to here */
    uint64_t wanted, wanted_xor; /* order_mix over what is held wanted */
    enum daemon_state daemon;
    struct span daemon_text;  /* why it is not up */
    struct span daemon_version;
    struct daemon_id id;
    uint64_t free_bytes;      /* Pinfold may still fill */
    uint64_t capacity;        /* DESIGN 12.3 */
    uint64_t repo_size, storage_max;
    uint64_t queue;           /* orders waiting */
    uint64_t orphans;         /* our name, no order */
    uint64_t in_total, out_total, in_rate, out_rate; /* bytes, bytes/s */
    uint32_t n_work;
    struct beat_work work[LIMIT_BEAT_WORK];
    uint32_t n_peers;
    struct peerid peers[LIMIT_SWARM_PEERS]; /* of the daemon's swarm */
};

/* Of a pin that has lost copies, and has fewer than it must: how few healthy
 * ones are left. An agent begins with the most urgent orders. */
enum order_urgency {
    URGENCY_NONE = 0,
    URGENCY_FEW = 1,  /* three or more are left */
    URGENCY_TWO = 2,
    URGENCY_LAST = 3  /* one is left */
};

struct order_item {
    uint64_t pin, idx;
    enum copy_want want;
    struct cid cid;
    uint64_t reserved;        /* bytes: upper limit */
    uint8_t priority;         /* 0 normal, 1 high, 2 low */
    enum order_urgency urgency;
    uint32_t n_holders;
    uint32_t holders[LIMIT_HOLDERS]; /* node ids that have it pinned */
    struct span origins;      /* msgpack array of texts as in meta, or empty */
    struct cid from;          /* pin/update from this one; n = 0: none */
    bool queued;              /* state is not pinned: report even if
                                 unchanged */
    uint32_t org;             /* whose first claim it is, 0 nobody's: the
                                 agent's pins take turns by it */
};

struct directory_node { /* where other nodes' daemons are */
    uint32_t node;
    struct daemon_id id;
};

struct message_orders { /* → agent */
    uint8_t history[TYPES_HISTORY];
    uint64_t term;
    bool leading;             /* false: a follower's view, no items */
    uint64_t leader;          /* raft id, 0 unknown */
    uint64_t from, to;        /* to: for a follower its applied index */
    bool full;                /* begins at index 0 */
    bool more;                /* another chunk follows the next BEAT */
    bool orgs;                /* items name organisations: version 3, which
                                 goes to agents that said so … */
    bool urgencies;           /* … and how urgent they are: version 4 */
    uint64_t seq;             /* of the last report of the agent's journal
                                 that the state took; a follower: 0 */
    uint32_t n;
    const struct order_item *items;
    bool has_directory;
    uint32_t n_directory;
    const struct directory_node *directory;
};

struct message_report { /* agent → leader */
    uint64_t boot, seq;
    uint32_t n;
    const struct report_item *items;
};

/* What an agent found in the logs of its gateways since it started. */
struct reads_totals {
    uint64_t lines;
    uint64_t malformed; /* … that it could not read */
    uint64_t other;     /* … that are no reads of content */
    uint64_t repeated;  /* reads that a client had made just before */
    uint64_t capped;    /* … that were too many of one client */
};

/* Numbered with the reports, and taken as they are. */
struct message_reads { /* agent → leader */
    uint64_t boot, seq;
    uint32_t n;
    const struct reads_delta *items;
    struct reads_totals totals;
};

struct message_taken { /* leader → agent */
    uint64_t boot, seq;
};

enum open_purpose {
    OPEN_ADD = 1, OPEN_IMPORT = 2, OPEN_PROXY = 3,
    OPEN_PUT = 4 /* as proxy, of what will be claimed */
};

struct message_open { /* coordinator → agent: open a data stream */
    uint8_t ticket[MESSAGE_TICKET_BYTES];
    enum open_purpose purpose;
    struct span arguments;    /* add: query string for the daemon's add;
                                 import: nothing; proxy, put: command, or
                                 command?query */
    struct span content_type; /* of the body, with its boundary; proxy:
                                 nothing where there is no body */
    struct span request;      /* its id, for the log; with one it is version
                                 2, which goes to agents that said so */
};

enum call_kind {
    CALL_CHECK = 1, CALL_RESOLVE = 2, CALL_GC = 3, CALL_ORPHANS = 4
};

struct message_call { /* coordinator → agent */
    uint64_t id;
    enum call_kind kind;
    struct span argument;     /* check: canonical CID; resolve: a path; gc:
                                 nothing; orphans: canonical CID behind which
                                 the page begins, or nothing */
    uint64_t timeout_ms;
    struct span request;      /* as in message_open */
};

/* In the body of a RESULT that answers no call (id 0), as lines: this agent
 * reads the second of the versions of OPEN, CALL and ORDERS; and the third of
 * ORDERS. It is the first thing that an agent says to a coordinator that
 * welcomed it; older ones pass over it. */
#define MESSAGE_SECOND_VERSIONS "second-versions\n"
#define MESSAGE_URGENT_ORDERS "urgent-orders\n"

struct message_result { /* agent → coordinator */
    uint64_t id;              /* of the call, from 1 */
    enum err error;           /* ERR_OK; check: ERR_NOT_FOUND = not held */
    struct span text;         /* of the error */
    struct span body;         /* resolve: the path; gc: lines, how many keys
                                 went, then the first of them; orphans: lines,
                                 "more" or "end", then the page */
};

struct message_goodbye {
    struct span reason;
    uint64_t grace_ms;
};

struct message_ticket { uint8_t ticket[MESSAGE_TICKET_BYTES]; };
struct message_data { struct span bytes; };
struct message_fail { enum err error; struct span text; };

/* Of the daemon's answer to a proxied request; lines by their names, as far
 * as a client of the daemon looks at them. */
struct message_head {
    unsigned status;          /* 200–599 */
    uint32_t n;
    struct message_line { struct span name, value; } lines[LIMIT_HEAD_LINES];
};
struct message_trailer { struct span text; }; /* X-Stream-Error, as sent */

struct message {
    enum message_kind kind;
    union {
        struct message_hello hello;
        struct message_welcome welcome;
        struct message_beat beat;
        struct message_orders orders;
        struct message_report report;
        struct message_taken taken;
        struct message_open open;
        struct message_call call;
        struct message_result result;
        struct message_goodbye goodbye;
        struct message_ticket ticket;
        struct message_data data;
        struct message_fail fail;
        struct message_reads reads;
        struct message_head head;
        struct message_trailer trailer;
    };
};

struct message_scratch {
    struct command_scratch report;
    struct order_item *items;
    struct directory_node *directory;
    uint32_t size_items, size_directory;
};
void message_scratch_free(struct message_scratch *s);

/* Appends one frame. Limits are the caller's duty (asserted). */
void message_encode(const struct message *m, struct buf *out);
/* One frame's message. ERR_VERSION: unknown kind or version, named in why. */
enum err message_decode(struct span frame, struct message *out,
                        struct message_scratch *s, struct err_text *why)
    ERR_CHECKED;

#endif
