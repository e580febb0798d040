/* What the files of the store share: connections and statements, packed rows,
 * the state hash, the part of the state that lives in memory. For store*.c
 * and their tests.
 */
#ifndef PINFOLD_STORE_PRIVATE_H
#define PINFOLD_STORE_PRIVATE_H

#include "coordinator/core/store.h"
#include "proto/tags.h"
#include "proto/hash.h"

struct sqlite3;
struct sqlite3_stmt;

#define STORE_PIN_COLUMNS                                                    \
    "id,size,flags,todo,rmin,rmax,rev,created,org,who,salt,expires,"         \
    "cid,name,meta,asg"

#define STORE_CLAIM_COLUMNS                                                  \
    "id,pin,org,who,salt,flags,rmin,rmax,created,expires,paid,name,meta"
#define STORE_VALUE_COLUMNS "pin,org,held,k,reads,at,doc"
#define STORE_VALUE                                                          \
    "SELECT " STORE_VALUE_COLUMNS " FROM value WHERE pin=?1 AND org=?2"
#define STORE_TAG_COLUMNS "name,logical,physical,pins,doc"
#define STORE_TAG_GET                                                        \
    "SELECT " STORE_TAG_COLUMNS " FROM tag WHERE org=?1 AND name=?2"
#define STORE_TAG_SCAN                                                       \
    "SELECT " STORE_TAG_COLUMNS " FROM tag "                                 \
    "WHERE doc IS NOT NULL AND org=?1 AND name>?2 ORDER BY name LIMIT ?3"
#define STORE_SKIP_RANGE(held)                                               \
    " FROM value WHERE held=" held " AND org=?1 AND (k,pin)>(?2,?3) "        \
    "AND (k,pin)<(?4,?5)"
#define STORE_SKIP(held)                                                     \
    "SELECT pin,k" STORE_SKIP_RANGE(held)                                    \
    " ORDER BY k,pin LIMIT 1 OFFSET ?6"
#define STORE_SKIP_COUNT(held) "SELECT count(*)" STORE_SKIP_RANGE(held)
#define STORE_SOURCE_COLUMNS "org,id,batch,part,at"
#define STORE_CLAIMS                                                         \
    "SELECT " STORE_CLAIM_COLUMNS " FROM claim WHERE pin=?1 ORDER BY id"

/* What has come of a request: an index is over it (REQUEST_STATES of them). */
#define STORE_REQUEST "flags>>9&11"
#define STORE_CLAIM_PIN "SELECT pin FROM claim WHERE id=?1"

/* Statements of the writer. A partial index is found only through its own
 * literal WHERE term (specs/storage.md 6.5); a column of an index stands in
 * SET only where it changes (6.4), hence the variants of the update. */
#define STORE_STATEMENTS(X)                                                  \
    X(BEGIN, "BEGIN IMMEDIATE")                                              \
    X(READ, "BEGIN")                                                         \
    X(COMMIT, "COMMIT")                                                      \
    X(PAGES, "PRAGMA page_count")                                            \
    X(HEAD_PUT, "INSERT INTO fsm(k,v) VALUES(?1,?2) "                        \
                "ON CONFLICT(k) DO UPDATE SET v=excluded.v")                 \
    X(NODE_PUT, "INSERT INTO node(id,boot,seq,copies,bytes,wanted,"          \
                "wanted_xor,last_index,doc) "                                \
                "VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9) "                        \
                "ON CONFLICT(id) DO UPDATE SET boot=excluded.boot,"          \
                "seq=excluded.seq,copies=excluded.copies,"                   \
                "bytes=excluded.bytes,wanted=excluded.wanted,"               \
                "wanted_xor=excluded.wanted_xor,"                            \
                "last_index=excluded.last_index,doc=excluded.doc")           \
    X(COORDINATOR_PUT, "INSERT INTO coordinator(id,doc) VALUES(?1,?2) "      \
                       "ON CONFLICT(id) DO UPDATE SET doc=excluded.doc")     \
    X(ORG_PUT, "INSERT INTO org(id,logical,physical,pins,doc,elastic) "      \
               "VALUES(?1,?2,?3,?4,?5,?6) ON CONFLICT(id) DO UPDATE SET "    \
               "logical=excluded.logical,physical=excluded.physical,"        \
               "pins=excluded.pins,doc=excluded.doc,"                        \
               "elastic=excluded.elastic")                                   \
    X(ORIGIN_PUT, "INSERT INTO origin(id,boot,highest,seen) "                \
                  "VALUES(?1,?2,?3,?4) ON CONFLICT(id) DO UPDATE "           \
                  "SET boot=excluded.boot,highest=excluded.highest,"         \
                  "seen=excluded.seen")                                      \
    X(FIND, "SELECT pin FROM cid WHERE h=?1 ORDER BY pin")                   \
    X(PIN_GET, "SELECT " STORE_PIN_COLUMNS " FROM pin WHERE id=?1")          \
    X(PIN_INSERT, "INSERT INTO pin(" STORE_PIN_COLUMNS ") "                  \
                  "VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,"   \
                  "?15,?16)")                                                \
    X(PIN_COPIES, "UPDATE pin SET size=?2,flags=?3,asg=?4 WHERE id=?1")      \
    X(PIN_TODO, "UPDATE pin SET size=?2,flags=?3,asg=?4,todo=?5 "            \
                "WHERE id=?1")                                               \
    X(PIN_REV, "UPDATE pin SET size=?2,flags=?3,asg=?4,rev=?5 WHERE id=?1")  \
    X(PIN_REV_TODO, "UPDATE pin SET size=?2,flags=?3,asg=?4,rev=?5,"         \
                    "todo=?6 WHERE id=?1")                                   \
    X(PIN_CLAIM, "UPDATE pin SET size=?2,flags=?3,todo=?4,rmin=?5,rmax=?6,"  \
                 "rev=?7,created=?8,org=?9,who=?10,salt=?11,expires=?12,"    \
                 "name=?13,meta=?14,asg=?15 WHERE id=?1")                    \
    X(PIN_DELETE, "DELETE FROM pin WHERE id=?1")                             \
    X(CID_INSERT, "INSERT INTO cid(h,pin) VALUES(?1,?2)")                    \
    X(CID_DELETE, "DELETE FROM cid WHERE h=?1 AND pin=?2")                   \
    X(LOG_INSERT, "INSERT INTO node_log(node,idx,pin) VALUES(?1,?2,?3)")     \
    X(LOG_DELETE, "DELETE FROM node_log "                                    \
                  "WHERE node=?1 AND idx=?2 AND pin=?3")                     \
    X(FAIL_GET, "SELECT attempts,at,code,text FROM fail "                    \
                "WHERE pin=?1 AND node=?2")                                  \
    X(FAIL_PUT, "INSERT INTO fail(pin,node,attempts,at,code,text) "          \
                "VALUES(?1,?2,?3,?4,?5,?6) ON CONFLICT(pin,node) DO UPDATE " \
                "SET attempts=excluded.attempts,at=excluded.at,"             \
                "code=excluded.code,text=excluded.text")                     \
    X(FAIL_DELETE, "DELETE FROM fail WHERE pin=?1 AND node=?2")              \
    X(CLAIMS, STORE_CLAIMS)                                                  \
    X(CLAIM_PUT, "INSERT INTO claim(" STORE_CLAIM_COLUMNS ") "               \
                 "VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13) "       \
                 "ON CONFLICT(id) DO UPDATE SET flags=excluded.flags,"       \
                 "rmin=excluded.rmin,rmax=excluded.rmax,"                    \
                 "created=excluded.created,expires=excluded.expires,"        \
                 "paid=excluded.paid,name=excluded.name,meta=excluded.meta," \
                 "who=excluded.who")                                         \
    X(CLAIM_PIN, STORE_CLAIM_PIN)                                            \
    X(CLAIM_NEXT, "SELECT id FROM claim WHERE id>?1 ORDER BY id LIMIT 1")    \
    X(CLAIM_DELETE, "DELETE FROM claim WHERE id=?1")                         \
    X(ORG_DELETE, "DELETE FROM org WHERE id=?1")                             \
    X(PRINCIPAL_PUT, "INSERT INTO principal(id,org,doc) VALUES(?1,?2,?3) "   \
                     "ON CONFLICT(id) DO UPDATE SET doc=excluded.doc")       \
    X(PRINCIPAL_REQUESTS, "UPDATE principal SET last=?2,pinning=?3,"         \
                          "pinned=?4,failed=?5,queued=?6 WHERE id=?1")       \
    X(PRINCIPAL_DELETE, "DELETE FROM principal WHERE id=?1")                 \
    X(TOKEN_PUT, "INSERT INTO token(id,principal,expires,doc) "              \
                 "VALUES(?1,?2,?3,?4)")                                      \
    X(TOKEN_DELETE, "DELETE FROM token WHERE id=?1")                         \
    X(SCAN_TODO, "SELECT id FROM pin WHERE todo<>0 AND todo=?1 AND id>?2 "   \
                 "ORDER BY id LIMIT ?3")                                     \
    X(SCAN_PINS, "SELECT id FROM pin WHERE id>?1 ORDER BY id LIMIT ?2")      \
    X(SCAN_NODE, "SELECT idx,pin FROM node_log "                             \
                 "WHERE node=?1 AND (idx,pin)>(?2,?3) "                      \
                 "ORDER BY idx,pin LIMIT ?4")                                \
    X(SCAN_EXPIRED, "SELECT id FROM pin WHERE expires>0 AND expires<=?1 "    \
                    "ORDER BY expires,id LIMIT ?2")                          \
    X(NEXT_EXPIRY, "SELECT expires FROM pin WHERE expires>0 "                \
                   "ORDER BY expires LIMIT 1")                               \
    X(EVERYWHERE, "SELECT id FROM pin WHERE rmax=-1 AND id>?1 "              \
                  "ORDER BY id LIMIT ?2")                                   \
    X(SCAN_BOUND, "SELECT id FROM pin WHERE flags&2097152 AND id>?1 "        \
                  "ORDER BY id LIMIT ?2")                                    \
    X(VALUE_GET, STORE_VALUE)                                                \
    X(VALUE_PUT, "INSERT INTO value(" STORE_VALUE_COLUMNS ") "               \
                 "VALUES(?1,?2,?3,?4,?5,?6,?7) ON CONFLICT(pin,org) "        \
                 "DO UPDATE SET held=excluded.held,k=excluded.k,"            \
                 "reads=excluded.reads,at=excluded.at,doc=excluded.doc")     \
    X(VALUE_DELETE, "DELETE FROM value WHERE pin=?1 AND org=?2")             \
    X(SOURCE_GET, "SELECT " STORE_SOURCE_COLUMNS " FROM source "             \
                  "WHERE org=?1 AND id=?2")                                  \
    X(SOURCE_PUT, "INSERT INTO source(" STORE_SOURCE_COLUMNS ") "            \
                  "VALUES(?1,?2,?3,?4,?5) ON CONFLICT(org,id) DO UPDATE "    \
                  "SET batch=excluded.batch,part=excluded.part,"             \
                  "at=excluded.at")                                          \
    X(SOURCE_DELETE, "DELETE FROM source WHERE org=?1 AND id=?2")            \
    X(SOURCE_SCAN, "SELECT " STORE_SOURCE_COLUMNS " FROM source "            \
                   "WHERE org=?1 ORDER BY id")                               \
    X(BOUND_CLEAR, "DELETE FROM formula_bound")                              \
    X(BOUND_PUT, "INSERT INTO formula_bound(term,low,high) "                 \
                 "VALUES(?1,?2,?3)")                                         \
    X(TAG_GET, STORE_TAG_GET)                                                \
    X(TAG_PUT, "INSERT INTO tag(org,name,logical,physical,pins,doc) "        \
               "VALUES(?1,?2,?3,?4,?5,?6) ON CONFLICT(org,name) DO UPDATE "  \
               "SET logical=excluded.logical,physical=excluded.physical,"    \
               "pins=excluded.pins,doc=excluded.doc")                        \
    X(TAG_DELETE, "DELETE FROM tag WHERE org=?1 AND name=?2")                \
    X(TAG_SCAN, STORE_TAG_SCAN)                                              \
    X(AGE_ADD, "INSERT INTO request_age(who,status,level,bucket,n) "         \
               "VALUES(?1,?2,?3,?4,?5) "                                     \
               "ON CONFLICT(who,status,level,bucket) "                       \
               "DO UPDATE SET n=n+excluded.n")                               \
    X(AGE_DROP, "DELETE FROM request_age WHERE who=?1 AND status=?2 "        \
                "AND level=?3 AND bucket=?4 AND n=0")                        \
    X(AGE_FORGET, "DELETE FROM request_age WHERE who=?1")                    \
    X(LETTING_PUT, "INSERT INTO letting(pin) VALUES(?1)")                    \
    X(LETTING_DELETE, "DELETE FROM letting WHERE pin=?1")                    \
    X(DERIVED_GET, "SELECT v FROM derived WHERE k=?1")                       \
    X(DERIVED_PUT, "INSERT INTO derived(k,v) VALUES(?1,?2) "                 \
                   "ON CONFLICT(k) DO UPDATE SET v=excluded.v")              \
    X(SCAN_VALUES, "SELECT " STORE_VALUE_COLUMNS " FROM value "              \
                   "WHERE (pin,org)>(?1,?2) ORDER BY pin,org LIMIT ?3")      \
    X(SCAN_CHEAPEST, "SELECT pin,k FROM value "                              \
                     "WHERE held=1 AND org=?1 AND (k,pin)>(?2,?3) "          \
                     "ORDER BY k,pin LIMIT ?4")                              \
    X(SCAN_CANDIDATES, "SELECT pin,k FROM value "                            \
                       "WHERE held=0 AND org=?1 AND (k,pin)<(?2,?3) "        \
                       "ORDER BY k DESC,pin DESC LIMIT ?4")

enum store_statement {
#define X(name, sql) STORE_Q_##name,
    STORE_STATEMENTS(X)
#undef X
        STORE_Q_COUNT
};

/* Statements of a reader. */
#define STORE_READER_TODO                                                    \
    "SELECT id FROM pin WHERE todo<>0 AND todo=?1 AND id>?2 ORDER BY id"
#define STORE_READER_PINS                                                    \
    "SELECT created,id,id FROM pin WHERE salt<>0 AND who=?1 "                \
    "AND " STORE_REQUEST "=?2 AND created<?3 ORDER BY created DESC"
#define STORE_READER_CLAIMS                                                  \
    "SELECT created,id,pin FROM claim WHERE salt<>0 AND who=?1 "             \
    "AND " STORE_REQUEST "=?2 AND created<?3 ORDER BY created DESC"
#define STORE_READER_STATEMENTS(X)                                           \
    X(BEGIN, "BEGIN")                                                        \
    X(END, "COMMIT")                                                         \
    X(HEAD, "SELECT v FROM fsm WHERE k=?1")                                  \
    X(FIND, "SELECT pin FROM cid WHERE h=?1 ORDER BY pin")                   \
    X(PIN_GET, "SELECT " STORE_PIN_COLUMNS " FROM pin WHERE id=?1")          \
    X(FAIL_GET, "SELECT attempts,at,code,text FROM fail "                    \
                "WHERE pin=?1 AND node=?2")                                  \
    X(CLAIMS, STORE_CLAIMS)                                                  \
    X(CLAIM_PIN, STORE_CLAIM_PIN)                                            \
    X(REQUESTS, "SELECT pinning,pinned,failed,queued FROM principal "        \
                "WHERE id=?1")                                               \
    X(COUNT_PINS, "SELECT count(*) FROM pin WHERE salt<>0 AND who=?1 "       \
                  "AND " STORE_REQUEST "=?2 AND created>=?3 "                \
                  "AND created<?4")                                          \
    X(COUNT_CLAIMS, "SELECT count(*) FROM claim WHERE salt<>0 AND who=?1 "   \
                    "AND " STORE_REQUEST "=?2 AND created>=?3 "              \
                    "AND created<?4")                                        \
    X(PINS_0, STORE_READER_PINS)                                             \
    X(PINS_1, STORE_READER_PINS)                                             \
    X(PINS_2, STORE_READER_PINS)                                             \
    X(PINS_3, STORE_READER_PINS)                                             \
    X(CLAIMS_0, STORE_READER_CLAIMS)                                         \
    X(CLAIMS_1, STORE_READER_CLAIMS)                                         \
    X(CLAIMS_2, STORE_READER_CLAIMS)                                         \
    X(CLAIMS_3, STORE_READER_CLAIMS)                                         \
    X(VALUE_GET, STORE_VALUE)                                                \
    X(VALUES, "SELECT " STORE_VALUE_COLUMNS " FROM value "                   \
              "WHERE (pin,org)>(?1,?2) ORDER BY pin,org LIMIT ?3")           \
    X(CHEAPEST, "SELECT pin,k FROM value WHERE held=1 AND org=?1 "           \
                "AND (k,pin)>(?2,?3) ORDER BY k,pin LIMIT ?4")               \
    X(SKIP_HELD, STORE_SKIP("1"))                                            \
    X(COUNT_HELD, STORE_SKIP_COUNT("1"))                                     \
    X(SKIP_IDLE, STORE_SKIP("0"))                                            \
    X(COUNT_IDLE, STORE_SKIP_COUNT("0"))                                     \
    X(DEAREST, "SELECT pin,k FROM value WHERE held=1 AND org=?1 "            \
               "ORDER BY k DESC,pin DESC LIMIT ?2")                          \
    X(CANDIDATES, "SELECT pin,k FROM value WHERE held=0 AND org=?1 "         \
                  "ORDER BY k DESC,pin DESC LIMIT ?2")                       \
    X(TAGS, STORE_TAG_SCAN)                                                  \
    X(AGE_SUM, "SELECT sum(n) FROM request_age WHERE who=?1 AND status=?2 "  \
               "AND level=?3 AND bucket>=?4 AND bucket<?5")                  \
    X(TAG_GET, STORE_TAG_GET)                                                \
    X(LIST, "SELECT " STORE_PIN_COLUMNS " FROM pin WHERE id>?1 ORDER BY id") \
    X(TODO_1, STORE_READER_TODO)                                             \
    X(TODO_2, STORE_READER_TODO)                                             \
    X(TODO_3, STORE_READER_TODO)                                             \
    X(TODO_4, STORE_READER_TODO)                                             \
    X(FAIL_PINS, "SELECT pin FROM fail WHERE pin>?2 ORDER BY pin")           \
    X(LETTING, "SELECT pin FROM letting WHERE pin>?2 ORDER BY pin")          \
    X(ORG_PINS, "SELECT id FROM pin WHERE org>1 AND org=?1 AND id>?2 "       \
                "ORDER BY id")                                               \
    X(ORG_CLAIMS, "SELECT pin FROM claim WHERE org>1 AND org=?1 "            \
                  "AND pin>?2 ORDER BY pin")

enum store_reader_statement {
#define X(name, sql) STORE_R_##name,
    STORE_READER_STATEMENTS(X)
#undef X
        STORE_R_COUNT
};

/* Rows of table fsm. Numbers are stored. */
enum store_head {
    STORE_HEAD_APPLIED = 1, STORE_HEAD_TERM = 2, STORE_HEAD_TIME = 3,
    STORE_HEAD_NEXT_PIN = 4, STORE_HEAD_NEXT_NODE = 5, STORE_HEAD_PINS = 6,
    STORE_HEAD_SUM = 7, STORE_HEAD_SCHEMA = 8, STORE_HEAD_CLUSTER = 9,
    STORE_HEAD_SYNCS = 10, /* counts store_sync: a commit must have a page */
    STORE_HEAD_NEXT_ORG = 11,
    STORE_HEAD_NEXT_ACTOR = 12, /* of principals and tokens */
    STORE_HEAD_BUDGET = 13, /* none: as it is before anybody sets it */
    STORE_HEAD_TAGS = 14, /* 1: the ledger of tags is complete */
    STORE_HEAD_COUNT = 15
};

enum { STORE_PAGE = 4096, STORE_COPY_BYTES = 24 };

/* --- store_sql.c: a connection and its statements ------------------------ */
struct store_db {
    struct sqlite3 *db;
    struct sqlite3_stmt **q;
    unsigned n;
};
enum err store_db_open(struct store_db *d, const char *path, int flags,
                       struct err_text *why) ERR_CHECKED;
enum err store_db_exec(struct store_db *d, const char *sql,
                       struct err_text *why) ERR_CHECKED;
enum err store_db_prepare(struct store_db *d, const char *const *sql,
                          unsigned n, struct err_text *why) ERR_CHECKED;
void store_db_close(struct store_db *d);
/* Binds by a small format (i int64_t, u uint64_t, b bytes, t text; B and T:
 * NULL when empty; the last four take pointer and size_t) and steps once.
 * True: there is a row. Errors abort. The caller resets. */
bool store_db_run(struct store_db *d, unsigned k, const char *fmt, ...);
bool store_db_step(struct store_db *d, unsigned k);
void store_db_reset(struct store_db *d, unsigned k);
/* Run, and reset: for statements without rows. */
#define STORE_DO(d, k, ...)                                                  \
    do {                                                                     \
        (void)store_db_run((d), (k), __VA_ARGS__);                           \
        store_db_reset((d), (k));                                            \
    } while (0)
/* Columns of the row that the statement stands on. */
uint64_t store_db_u64(struct store_db *d, unsigned k, int column);
struct span store_db_blob(struct store_db *d, unsigned k, int column);
void store_db_die(struct store_db *d, const char *what)
    __attribute__((noreturn));

/* --- store_row.c: packed rows ------------------------------------------- */
void store_row_pack(const struct copy *c, uint8_t out[STORE_COPY_BYTES]);
void store_row_copies(const struct pin *p, struct buf *out);
/* From a row with STORE_PIN_COLUMNS; of a shared pin the claims by the
 * statement `claims`. */
void store_row_pin(struct store_db *d, unsigned k, unsigned claims,
                   struct pin *out);
void store_row_fail(struct store_db *d, unsigned k, uint64_t pin,
                    uint32_t node, struct fail *out);
void store_row_node(const struct node *n, struct buf *out);
enum err store_row_node_read(struct span doc, struct node *out,
                             struct err_text *why) ERR_CHECKED;
void store_row_org(const struct org *o, struct buf *out);
enum err store_row_org_read(struct span doc, struct org *out,
                            struct err_text *why) ERR_CHECKED;
void store_row_budget(const struct budget *b, struct buf *out);
enum err store_row_budget_read(struct span doc, struct budget *out,
                               struct err_text *why) ERR_CHECKED;
void store_row_principal(const struct principal *p, struct buf *out);
enum err store_row_principal_read(struct span doc, struct principal *out,
                                  struct err_text *why) ERR_CHECKED;
void store_row_token(const struct token *t, struct buf *out);
enum err store_row_token_read(struct span doc, struct token *out,
                              struct err_text *why) ERR_CHECKED;
void store_row_value(const struct value *v, struct buf *out); /* store_value.c:
                                                     but for k and usage */
void store_row_cluster(const struct cluster *c, struct buf *out);
enum err store_row_cluster_read(struct span doc, struct cluster *out,
                                struct err_text *why) ERR_CHECKED;
void store_row_coordinator(const struct coordinator_row *c, struct buf *out);
enum err store_row_coordinator_read(struct span doc,
                                    struct coordinator_row *out,
                                    struct err_text *why) ERR_CHECKED;

/* --- store_sum.c: the state hash ---------------------------------------- */
struct store_sum { /* modulo 2^128 */
    uint64_t low, high;
};
/* Rows of before go, rows of after come; NULL: none. Copies are apart. */
void store_sum_pin(struct store_sum *s, struct buf *scratch,
                   const struct pin *before, const struct pin *after);
void store_sum_copy(struct store_sum *s, uint64_t pin,
                    const struct copy *before, const struct copy *after);
void store_sum_fail(struct store_sum *s, struct buf *scratch,
                    const struct fail *before, const struct fail *after);
void store_sum_principal(struct store_sum *s, struct buf *scratch,
                         const struct principal *before,
                         const struct principal *after);
void store_sum_token(struct store_sum *s, struct buf *scratch,
                     const struct token *before, const struct token *after);
void store_sum_value(struct store_sum *s, struct buf *scratch,
                     struct buf *doc, const struct value *before,
                     const struct value *after);
/* Of a tag without a quota nothing is hashed. */
void store_sum_tag(struct store_sum *s, struct buf *scratch, struct buf *doc,
                   const struct tag *before, const struct tag *after);
void store_sum_source(struct store_sum *s, struct buf *scratch,
                      const struct reads_source *before,
                      const struct reads_source *after);
void store_sum_bytes(const struct store_sum *s, uint8_t out[STORE_HASH]);
void store_sum_read(struct store_sum *s, const uint8_t in[STORE_HASH]);

/* --- the writer --------------------------------------------------------- */
struct store_node {
    struct node node;
    bool dirty;
};

enum { STORE_WINDOW_BYTES = LIMIT_ORIGIN_WINDOW / 8 };

struct store_origin {
    uint64_t raft_id, boot, highest;
    uint8_t seen[STORE_WINDOW_BYTES]; /* bit: seq modulo the window */
    bool dirty;
};

struct store_access;

/* Requests that are more, or fewer, in one bucket (store_derived.c). */
struct store_age {
    uint64_t who, bucket;
    enum request_status status;
    int64_t more;
};

struct store {
    struct store_db d;
    bool open; /* a transaction is */
    bool reading; /* one that only reads */
    uint64_t head[STORE_HEAD_COUNT];    /* the integers of table fsm */
    uint64_t written[STORE_HEAD_COUNT]; /* … as they are in the table */
    struct store_sum sum; /* pins, claims, copies, fails, access */
    uint64_t hash_mask;   /* of the CID hash; tests make collisions */
    struct cluster cluster;
    bool cluster_dirty;
    struct store_node **nodes; /* all, by id */
    uint32_t n_nodes, size_nodes;
    const struct node **live;  /* those not removed */
    uint32_t n_live;
    bool any_closed;           /* of those */
    uint64_t nodes_version;
    struct budget budget;
    bool budget_dirty;
    struct tag_uses uses[2]; /* of a pin, before and after */
    struct store_touched {   /* tags that the operation changed */
        uint32_t org;
        char name[LIMIT_TAG_NAME + 1];
    } *touched;
    uint32_t n_touched, size_touched;
    struct org *orgs; /* by id */
    uint32_t n_orgs;
    bool orgs_dirty, org_dirty[LIMIT_ORGS]; /* any; each */
    bool orgs_uncounted; /* a row does not say what of it is elastic */
    struct score_bounds bounds; /* of formulas */
    bool bounds_dirty;
    struct store_access *access; /* principals and tokens */
    struct coordinator_row *coordinators; /* by raft id */
    uint32_t n_coordinators, size_coordinators;
    bool coordinators_dirty;
    struct store_origin **origins; /* by raft id */
    uint32_t n_origins, size_origins;
    bool nodes_dirty;
    uint64_t wal_pages;
    struct buf scratch, other, asg;
    struct store_changes changes;
    struct store_counts counts;
    struct store_decisions *decisions; /* NULL: none yet */
    struct store_node *supposed;  /* store_node_suppose; NULL: none … */
    enum node_admin supposed_was; /* … and what its row says */
    struct store_age *ages; /* since the last flush */
    uint32_t n_ages, size_ages;
    uint64_t derived_at;    /* stamp of the derived tables */
    bool derived_complete;  /* false while opening: not written, no stamp */
};

enum { STORE_CLASSES = 4 }; /* of pins with work: enum pin_todo but 0 */
enum { STORE_MERGED = STORE_CLASSES + 2 }; /* those that failed, and settled
                                              ones that let copies go */

struct store_reader {
    struct store_db d;
    uint64_t applied;
    uint64_t hash_mask;
    struct cluster cluster; /* for the hash of CIDs */
    bool begun, listing;
    unsigned merged, n_merged;     /* statements of the list's ranges */
    bool stepped; /* the list stands on a row */
    uint64_t heads[STORE_MERGED]; /* next id of each range, 0: none */
    bool requesting;
    /* Next of each status, of pins and then of claims; created 0: none. */
    struct store_request requests[2 * REQUEST_STATES];
};

/* store_counts.c */
enum err store_counts_load(struct store *s, struct err_text *why) ERR_CHECKED;
void store_counts_pin(struct store *s, const struct pin *before,
                      const struct pin *after);
void store_counts_copy(struct store *s, const struct copy *old,
                       const struct copy *now);
void store_counts_value(struct store *s, const struct value *old,
                        const struct value *now);

/* store_decisions.c */
void store_decisions_copy(struct store *s, const struct pin *p,
                          const struct copy *old, const struct copy *now);
void store_decisions_free(struct store *s);

void store_begin(struct store *s);
uint64_t store_cid_hash(const struct cluster *c, uint64_t mask,
                        const struct cid *cid);
/* Of the rows in memory. */
void store_memory_free(struct store *s);
enum err store_memory_load(struct store *s, struct err_text *why) ERR_CHECKED;
void store_memory_write(struct store *s);
void store_memory_sum(struct store *s, struct store_sum *sum);
/* --- store_token.c ------------------------------------------------------- */
enum err store_access_load(struct store *s, struct err_text *why) ERR_CHECKED;
void store_access_free(struct store *s);
void store_access_write(struct store *s);
/* store_request.c: the requests of `before` go, those of `after` come. */
void store_request_change(struct store *s, const struct pin *before,
                          const struct pin *after);
/* One more or less of a principal; false: it is gone. */
bool store_requests_add(struct store *s, uint64_t who,
                        enum request_status status, bool more);
/* The number of a status in STORE_REQUEST. */
unsigned store_request_key(enum request_status s);
/* --- store_derived.c: tables for lists ----------------------------------- */
enum err store_derived_open(struct store *s, struct err_text *why)
    ERR_CHECKED; /* makes them; before statements are prepared */
void store_derived_complete(struct store *s); /* when the store is open */
void store_derived_free(struct store *s);
void store_derived_write(struct store *s); /* within the transaction */
void store_derived_pin(struct store *s, const struct pin *before,
                       const struct pin *after);
/* One request more, or less. */
void store_derived_age(struct store *s, uint64_t who,
                       enum request_status status, uint64_t created_ms,
                       bool more);
void store_derived_forget(struct store *s, uint64_t who); /* it is removed */
uint64_t store_reader_requests_older(struct store_reader *r, uint64_t who,
                                     enum request_status status,
                                     uint64_t before_ms);
/* --- store_tag.c: what claims with tags use ------------------------------- */
enum err store_tag_load(struct store *s, struct err_text *why) ERR_CHECKED;
void store_tag_free(struct store *s);
void store_tag_complete(struct store *s); /* when the store is open */
void store_tag_charge(struct store *s, const struct pin *before,
                      const struct pin *after);
/* From a row with STORE_TAG_COLUMNS. */
void store_tag_read(struct store_db *d, unsigned k, uint32_t org,
                    struct tag *out);
/* Its quota; empty: it has none. */
void store_tag_doc(const struct tag *t, struct buf *out);
/* --- store_org.c: organisations and what they use ------------------------- */
enum err store_org_load(struct store *s, struct err_text *why) ERR_CHECKED;
void store_org_write(struct store *s);
/* What rows of an older schema do not say; when the store is open. */
void store_org_complete(struct store *s);
/* The claim of `before` goes, that of `after` comes; NULL: none. */
void store_org_charge(struct store *s, const struct pin *before,
                      const struct pin *after);
/* One more or less of its tags has a quota. */
void store_org_tags(struct store *s, uint32_t org, bool more);
/* What they use, made anew from the rows of pins. */
void store_org_count(struct store *s);
/* The default organisation as it is before anybody sets a limit. */
void store_org_initial(struct org *o);
/* --- store_bounds.c ------------------------------------------------------ */
enum err store_bounds_load(struct store *s, struct err_text *why) ERR_CHECKED;
void store_bounds_write(struct store *s);
struct store_node *store_node_slot(const struct store *s, uint32_t id);
void store_cache_fit(struct store *s);
/* Of pins with several claims; for tests. */
uint64_t store_claim_rows(struct store *s);

#endif
