/* Every maximum that stored or sent bytes must keep, with its reason. HTTP
 * limits are in coordinator/http/http_limits.h.
 */
#ifndef PINFOLD_LIMITS_H
#define PINFOLD_LIMITS_H

#include <assert.h>

enum {
    /* Frames and entries (DESIGN 12.1) */
    LIMIT_FRAME = 1 << 20,        /* u32 length of a frame may not exceed */
    LIMIT_MSGPACK_DEPTH = 16,
    LIMIT_MSGPACK_OBJECTS = 65536,
    LIMIT_ENTRY = 64 << 10,       /* one Raft entry */
    LIMIT_OPERATION = 32 << 10,   /* one operation in it */
    LIMIT_ENTRY_OPERATIONS = 512, /* bulk; 64 for single requests */
    LIMIT_ENTRY_OPERATIONS_SINGLE = 64,
    LIMIT_ENTRIES_OUTSTANDING = 64,
    LIMIT_OPERATIONS_WAITING = 4096, /* of one origin, unanswered */
    LIMIT_ORIGIN_WINDOW = 8192,   /* bits of de-duplication per origin */
    LIMIT_RAFT_MESSAGE = 64 << 20,
    LIMIT_RAFT_INFLIGHT = 512,    /* entries: 512 x 64 KiB = 32 MiB < cap */

    /* Users' text (DESIGN 12.7) */
    LIMIT_NAME = 1024,            /* name of a pin, bytes */
    LIMIT_METADATA = 16 << 10,    /* all metadata of a claim, encoded */
    LIMIT_METADATA_PAIRS = 256,
    LIMIT_TAGS = 4,               /* of a claim, in its metadata */
    LIMIT_TAG_NAME = 64,
    LIMIT_TAG_QUOTAS = 256,       /* of an organisation */
    LIMIT_ORIGINS = 32,
    LIMIT_USER_ALLOCATIONS = 64,
    LIMIT_POLICY = 8,             /* regions, tags, of a kind, of a policy */
    LIMIT_CLAIMS_PER_PIN = 1024,  /* and organisation */

    /* CIDs: version, codec, multihash; digest of 20 to 64 bytes, identity up
     * to 128: 1 + 9 + 9 + 9 + 128 */
    LIMIT_CID = 160,
    LIMIT_CID_TEXT = 352,         /* base16 of LIMIT_CID and its prefix */
    LIMIT_DIGEST_MIN = 20,
    LIMIT_DIGEST_MAX = 64,
    LIMIT_IDENTITY = 128,
    LIMIT_PEER_ID_TEXT = 72,      /* base58 of 42 bytes is at most 58 */
    LIMIT_MULTIADDR = 512,        /* text */

    /* Organisations */
    LIMIT_ORGS = 256,
    LIMIT_ORG_NAME = 64,
    LIMIT_CLAIMS = 1024,          /* of a pin; the last LIMIT_ORGS are for
                                     organisations without one */
    LIMIT_CLAIMS_TEXT = 256 << 10, /* names and metadata of one organisation's
                                     claims on a pin: a change writes all */
    LIMIT_RATINGS = 31,           /* of a pin, by different raters */
    LIMIT_VICTIMS = 64,           /* elastic pins that make room for one */
    LIMIT_SCORES = 256,           /* values that one operation computes */
    LIMIT_SOURCES = 64,           /* gateways that push reads, of one org */
    LIMIT_READS = 128,            /* CIDs whose reads one operation counts */

    /* Principals and tokens, kept in memory: some 25 MB at most. Those of a
     * principal go in one operation. */
    LIMIT_PRINCIPALS = 65536,
    LIMIT_PRINCIPALS_ORG = 1024,
    LIMIT_TOKENS = 65536,
    LIMIT_TOKENS_ORG = 4096,
    LIMIT_TOKENS_PRINCIPAL = 256, /* sessions apart */
    LIMIT_SESSIONS = 64,          /* of a principal; the oldest goes */
    LIMIT_PRINCIPAL_NAME = 64,
    LIMIT_PREFIX = 64,            /* of the names of pins */
    LIMIT_PASSWORD_HASH = 127,    /* crypto_pwhash_STRBYTES with its zero */

    /* Nodes */
    LIMIT_NODES = 1024,           /* live, in the first versions */
    LIMIT_NODE_NAME = 64,
    LIMIT_LABELS = 16,
    LIMIT_LABEL = 64,             /* key or value */
    LIMIT_NODE_ADDRS = 16,        /* multiaddrs of its IPFS daemon */
    LIMIT_COORDINATORS = 7,
    LIMIT_BOOTS = 64,             /* earlier starts that a HELLO names */
    LIMIT_ADDRESS = 272,          /* host:port text */

    /* Copies of a pin. Everywhere-pins have one per node. */
    LIMIT_REPLICAS = 16,          /* rf_max */
    LIMIT_COPIES = LIMIT_NODES,
    LIMIT_ASSIGN_ROWS = 512,      /* changed by one operation */
    LIMIT_NODE_ROWS = 1000,       /* of one node, changed by one entry */

    /* Agent link (DESIGN 12.4) */
    LIMIT_ORDER_ITEMS = 1000,
    LIMIT_REPORT_ITEMS = 1000,
    LIMIT_REPORTS_UNANSWERED = 4,
    LIMIT_BEAT_WORK = 64,         /* pins in work named by one BEAT */
    LIMIT_ERROR_TEXT = 256,       /* of a failed copy */
    LIMIT_CALL = 256 << 10,
    LIMIT_HOLDERS = 16,
    LIMIT_SWARM_PEERS = 256,      /* named by one BEAT */
    LIMIT_VERSION_TEXT = 63,      /* of a program; char[64] keeps it */
    LIMIT_REMARK = 511,           /* text for people: all of an err_text */
    LIMIT_OPEN = 32 << 10,        /* query or content type of an upload: no
                                     more than HTTP_HEAD_BYTES */
    LIMIT_HEAD_LINES = 8,         /* of a proxied answer's head */
    LIMIT_HEAD_NAME = 32,
    LIMIT_TRAILER = 4 << 10,      /* text of X-Stream-Error */
    LIMIT_COMMAND = 64,           /* of the daemon's RPC, "dag/put" */
    LIMIT_REQUEST_ID = 64,        /* of the HTTP API, X-Request-Id */

    /* Queues */
    LIMIT_AGENT_SEND_QUEUE = 4 << 20, /* bytes; beyond: the session closes */
    LIMIT_PEER_SEND_QUEUE = 64 << 20, /* bytes; beyond: the link closes */
    LIMIT_READS_WAITING = 4096,
    LIMIT_LIST_ROWS = 512,        /* rows of one read transaction */
    LIMIT_DATA_STREAMS = 256,     /* uploads open on one coordinator, and as
                                     many requests to daemons */
    LIMIT_NODE_UPLOADS = 64,      /* that one node takes */
    LIMIT_NODE_PROXIED = 128,
    /* One organisation of several leaves others room at a coordinator. */
    LIMIT_ORG_UPLOADS = LIMIT_NODE_UPLOADS / 2,
    LIMIT_ORG_PROXIED = LIMIT_NODE_PROXIED / 2,
    LIMIT_AWAITS = 1024,          /* requests at the proxy that wait for pins */
    LIMIT_ORG_AWAITS = LIMIT_AWAITS / 4,
    LIMIT_RESOLVES = 32,          /* paths that one coordinator asks about */
    LIMIT_ORG_RESOLVES = LIMIT_RESOLVES / 4,
    LIMIT_VALUATIONS = 16,        /* pins that one coordinator values */
    LIMIT_ORG_VALUATIONS = 4,
    LIMIT_OFFERS = 16,            /* lists that one coordinator takes */
    LIMIT_ORG_OFFERS = 4
};

static_assert(LIMIT_OPERATION * 2 <= LIMIT_ENTRY, "two fit");
static_assert(LIMIT_OPERATIONS_WAITING < LIMIT_ORIGIN_WINDOW, "window");
static_assert((long)LIMIT_RAFT_INFLIGHT * LIMIT_ENTRY < LIMIT_RAFT_MESSAGE,
              "a lagging follower can be fed");

#endif
