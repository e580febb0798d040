/* The replicated state in SQLite (specs of the schema: docs/architecture.md).
 *
 * struct store is the writer: core loop only; opened once. Readers (struct
 * store_reader) are read-only connections, one a thread. The state is durable
 * and never removed at start; the applied index changes in the transaction
 * that changes the rows. An SQLite error of the writer aborts the process
 * with a message on standard error: memory and file must not part.
 *
 * Writing functions belong to fsm*.c. They open a transaction when none is
 * open; store_flush commits it with applied index, term and log time. Rows
 * are hashed on the way (state hash, DESIGN 12.2).
 */
#ifndef PINFOLD_STORE_H
#define PINFOLD_STORE_H

#include "proto/access.h"
#include "proto/err.h"
#include "proto/score_bounds.h"
#include "proto/types.h"

#include <stdbool.h>

struct store;
struct store_reader;

enum { STORE_HASH = 16, STORE_SCHEMA = 8 };

/* path ":memory:" for tests (no readers then). Makes the schema on a new
 * file. ERR_VERSION: schema of a newer program; ERR_CORRUPT, ERR_IO. */
enum err store_open(const char *path, struct store **out,
                    struct err_text *why) ERR_CHECKED;
void store_close(struct store *s); /* flushes */

/* --- transaction ------------------------------------------------------- */
bool store_is_dirty(const struct store *s);  /* a transaction is open */
void store_flush(struct store *s);           /* commits; no-op if clean */
/* Reads in between share one transaction, which spares SQLite's locks around
 * each. No writes in between; nothing happens while one is open anyway. */
void store_read_begin(struct store *s);
void store_read_end(struct store *s);
/* Durable at or above index when it returns (synchronous=FULL commit); for
 * fsm.snapshot. */
void store_sync(struct store *s, uint64_t index, uint64_t term);
/* Indexes in memory, the open transaction included. */
uint64_t store_applied(const struct store *s);
uint64_t store_term(const struct store *s);
uint64_t store_time_ms(const struct store *s); /* log time */
void store_set_applied(struct store *s, uint64_t index, uint64_t term,
                       uint64_t time_ms);
void store_hash(struct store *s, uint8_t out[STORE_HASH]);
/* The state hash of now is kept, with what is written in this transaction … */
void store_mark(struct store *s, uint8_t out[STORE_HASH]);
/* … until the next one: of which index, 0: none was. */
uint64_t store_marked(struct store *s, uint8_t out[STORE_HASH]);
uint64_t store_pin_count(const struct store *s); /* rows, releasing too */
uint64_t store_bytes(const struct store *s);     /* size of the file */

/* --- counts, for people ------------------------------------------------- */
/* Exact: what is there. The totals are of this process: they begin at 0, and
 * what is applied again after a start counts again. No part of the state. */
enum { STORE_TODOS = TODO_BELOW_MAX + 1, STORE_STATES = COPY_LOST + 1 };
struct store_counts {
    uint64_t todo[STORE_TODOS];  /* pins, by enum pin_todo; not of SETTLED */
    uint64_t held, candidates;   /* elastic demands */
    uint64_t ordered[REASON_LAST + 1];  /* total: copies, by the reason … */
    uint64_t released[REASON_LAST + 1]; /* … also of letting them go */
    uint64_t became[STORE_STATES]; /* total: copies reported so, newly */
    uint64_t gone;     /* total: copies reported gone, or given up */
    uint64_t admitted; /* total: elastic demands that came to be held */
    uint64_t let_go[REASON_LAST + 1]; /* total: such as no longer are */
    uint64_t expired;  /* total: pins of which a claim expired */
};
const struct store_counts *store_counts(const struct store *s);
/* For fsm*.c: let_go and expired. */
struct store_counts *store_counts_change(struct store *s);

/* --- what was decided lately, for people --------------------------------- */
/* Copies that were ordered or let go since this process started, whoever led:
 * the last STORE_DECISIONS of those that follow from requests at once (placed,
 * preferred, everywhere, uploaded, unclaimed, expired), and as many of all
 * others; none older than seven days of log time. */
enum { STORE_DECISIONS = 2048, STORE_DECISIONS_S = 7 * 24 * 3600 };
struct store_decision {
    uint64_t seq;    /* in the order in which they were made */
    uint64_t index;  /* of the entry */
    uint64_t pin, size; /* of the copy */
    struct cid cid;
    enum cid_form form;
    uint32_t at_s;   /* log time */
    uint32_t node;
    uint16_t reason; /* enum copy_reason */
    bool released;   /* or ordered */
};
/* The newest first, at most max; pin 0: of all. */
uint32_t store_decisions(const struct store *s, uint64_t pin, uint32_t max,
                         struct store_decision *out);

/* --- what changed since the last store_changes_clear ------------------- */
enum { STORE_CHANGES_MAX = 8192 };
struct store_changes {
    bool nodes;              /* some node row changed (state, name, …) */
    bool orgs;               /* limits of an organisation, the budget, or
                                bounds of formulas changed */
    bool values;             /* some value did */
    uint8_t orders[(65536 + 7) / 8]; /* bit a node: it has new orders */
    bool any_orders;
    uint32_t n_pins;
    bool overflow;           /* more pins than fit: look at all */
    uint64_t pins[STORE_CHANGES_MAX];
};
const struct store_changes *store_changes(const struct store *s);
void store_changes_clear(struct store *s);

/* --- cluster, nodes, coordinators, origins (in memory) ------------------ */
const struct cluster *store_cluster(const struct store *s);
void store_cluster_put(struct store *s, const struct cluster *c);

/* All nodes that are not removed, by id. Pointers hold until the next node
 * is written. */
const struct node *const *store_nodes(const struct store *s, uint32_t *n);
const struct node *store_node(const struct store *s, uint32_t id);
/* For what would be if that node were draining or removed: its row says so
 * until store_node_recall, which comes before anything else is done with the
 * store; nothing may be written in between. */
void store_node_suppose(struct store *s, uint32_t id, enum node_admin admin);
void store_node_recall(struct store *s);
/* Whether any of those takes only what its owner claims. */
bool store_any_closed(const struct store *s);
/* A removed node whose copies are not all given up yet, or NULL. */
const struct node *store_node_to_purge(const struct store *s);
const struct node *store_node_by_key(const struct store *s,
                                     const uint8_t key[TYPES_KEY]);
bool store_has_node_ids(const struct store *s); /* 65,535 ever */
uint32_t store_next_node(struct store *s); /* takes an id */
/* Grows, from 1, when a node row comes, goes or changes, but for what pins and
 * reports change in it (copies, bytes, seq). */
uint64_t store_nodes_version(const struct store *s);
void store_node_put(struct store *s, const struct node *n);

/* All organisations, by id; the default one is always there. */
const struct org *store_orgs(const struct store *s, uint32_t *n);
const struct org *store_org(const struct store *s, uint32_t id); /* or NULL */
uint32_t store_next_org(struct store *s); /* takes an id; never used again */
/* Name, limits and times of one that is there, or a new one of the newest id;
 * what it uses is the store's own. */
void store_org_put(struct store *s, const struct org *o);
/* One that claims nothing; not the default one. */
void store_org_remove(struct store *s, uint32_t id);

/* Within what organisations may set their formulas. */
const struct score_bounds *store_bounds(const struct store *s);
void store_bounds_put(struct store *s, const struct score_bounds *b);

/* Bounds of the whole cluster. */
const struct budget *store_budget(const struct store *s);
void store_budget_put(struct store *s, const struct budget *b);

/* Tags of an organisation's claims (store_tag.c). false: none of its claims has
 * it, and it has no quota. */
bool store_tag_get(struct store *s, uint32_t org, struct span name,
                   struct tag *out);
/* Its quota; what is used is the store's own. */
void store_tag_put(struct store *s, const struct tag *t);
/* Those with a quota behind that name, in order, at most max. */
uint32_t store_tags(struct store *s, uint32_t org, struct span after,
                    uint32_t max, struct tag *out);
/* An organisation that claims nothing goes: so do its quotas. */
void store_tag_forget(struct store *s, uint32_t org);
/* After each operation: since when soft limits are exceeded. */
void store_tag_settle(struct store *s, uint64_t now_ms);

/* Principals and tokens, by id (store_token.c). Pointers hold until the next
 * one is written. A token's principal is always there. */
const struct principal *store_principals(const struct store *s, uint32_t *n);
const struct principal *store_principal(const struct store *s, uint64_t id);
const struct token *store_tokens(const struct store *s, uint32_t *n);
const struct token *store_token(const struct store *s, uint64_t id);
uint64_t store_access_version(const struct store *s); /* grows with changes */
uint64_t store_next_actor(struct store *s); /* takes an id */
/* When the first token expires, UINT64_MAX: none does. */
uint64_t store_token_expiry(struct store *s);
void store_principal_put(struct store *s, const struct principal *p);
void store_principal_remove(struct store *s, uint64_t id); /* tokens too */
void store_token_put(struct store *s, const struct token *t); /* a new one */
void store_token_remove(struct store *s, uint64_t id);
/* Time of its newest request. */
void store_principal_stamp(struct store *s, uint64_t id, uint64_t last_ms);
/* How many requests a principal has, by what has come of them: derived, kept
 * up to date by the store. Zeros for one without a row. */
struct store_requests {
    uint64_t n[REQUEST_STATES];
};
struct store_requests store_requests_of(const struct store *s, uint64_t id);

const struct coordinator_row *store_coordinators(const struct store *s,
                                                 uint32_t *n);
void store_coordinator_put(struct store *s, const struct coordinator_row *c);

/* De-duplication of operations. true: not seen before, and now marked. */
bool store_origin_mark(struct store *s, uint64_t raft_id, uint64_t boot,
                       uint64_t seq);
/* Boot of the newest operation of that origin; 0: there is none. */
uint64_t store_origin_boot(struct store *s, uint64_t raft_id);
/* Whether it is marked; for an origin that looks for its own outcome. */
bool store_origin_seen(struct store *s, uint64_t raft_id, uint64_t boot,
                       uint64_t seq);

/* --- pins --------------------------------------------------------------- */
/* The reading three work on the writer's connection and see what is not
 * committed yet. false: there is none. */
bool store_pin_get(struct store *s, uint64_t id, struct pin *out);
bool store_pin_find(struct store *s, const struct cid *cid, struct pin *out);
bool store_fail_get(struct store *s, uint64_t pin, uint32_t node,
                    struct fail *out);
uint64_t store_next_pin(struct store *s); /* takes an id */
/* The pin on which a claim with that id and salt, not 0, is. */
bool store_request_find(struct store *s, uint64_t id, uint64_t salt,
                        struct pin *out);
/* Insert, or update of the row as a whole; todo is computed by the caller.
 * `before` is the row as it was read (NULL: insert): copies are compared
 * with it, so that the log of orders (node_log), the counters of nodes and
 * the set of changes follow by themselves, and the failure of a copy whose
 * `failures` went back to 0, or that is gone, is deleted. A copy's idx must be
 * the current index where what is wanted changed. */
void store_pin_put(struct store *s, const struct pin *before,
                   const struct pin *pin);
void store_pin_delete(struct store *s, const struct pin *before);
void store_fail_put(struct store *s, const struct fail *f);
void store_fail_delete(struct store *s, uint64_t pin, uint32_t node);

/* --- values -------------------------------------------------------------- */
/* Of one organisation's demand for a pin (struct value). A pin that has any
 * carries PIN_VALUED: whoever writes the first one, or deletes the last, sets
 * it; store_pin_delete finds none. */
bool store_value_get(struct store *s, uint64_t pin, uint32_t org,
                     struct value *out);
void store_value_put(struct store *s, const struct value *v);
void store_value_delete(struct store *s, uint64_t pin, uint32_t org);

/* --- sources of reads that are pushed ------------------------------------- */
struct reads_source {
    uint32_t org;
    uint64_t id;    /* within it */
    uint64_t batch; /* the last one of which a part was taken, … */
    uint64_t at_ms; /* … log time when */
    uint32_t part;  /* … and which */
};
bool store_source_get(struct store *s, uint32_t org, uint64_t id,
                      struct reads_source *out);
void store_source_put(struct store *s, const struct reads_source *x);
void store_source_delete(struct store *s, const struct reads_source *x);
/* How many that organisation has, and the one that was silent longest. */
uint32_t store_source_oldest(struct store *s, uint32_t org,
                             struct reads_source *out);

/* --- ordered scans on the writer's connection, all bounded by max -------- */
/* Pins with work, by (todo, id), beyond the cursor (zeros: from the start).
 * Returns how many ids were written. */
uint32_t store_scan_todo(struct store *s, unsigned after_todo,
                         uint64_t after_id, uint32_t max, uint64_t *ids,
                         unsigned *todos);
/* All pins, by id. */
uint32_t store_scan_pins(struct store *s, uint64_t after_id, uint32_t max,
                         uint64_t *ids);
/* Pins with a copy on that node, in the order of their orders. */
struct store_order_row {
    uint64_t idx, pin;
};
uint32_t store_scan_node(struct store *s, uint32_t node, uint64_t after_idx,
                         uint64_t after_pin, uint32_t max,
                         struct store_order_row *rows);
uint32_t store_scan_expired(struct store *s, uint64_t now_ms, uint32_t max,
                            uint64_t *ids);
uint64_t store_next_expiry(struct store *s); /* earliest; 0 none */
/* Pins with replication -1, by id. */
uint32_t store_scan_everywhere(struct store *s, uint64_t after_id,
                               uint32_t max, uint64_t *ids);
/* Pins whose claims have policies (PIN_BOUND), by id. */
uint32_t store_scan_bound(struct store *s, uint64_t after_id, uint32_t max,
                          uint64_t *ids);

/* Values, by pin and organisation. */
uint32_t store_scan_values(struct store *s, uint64_t after_pin,
                           uint32_t after_org, uint32_t max,
                           struct value *out);
struct store_rank {
    uint64_t pin;
    int32_t k;
};
extern const struct store_rank store_rank_first, store_rank_last; /* below
                                                and above all others */
/* What an organisation holds, the cheapest first, beyond that rank. */
uint32_t store_scan_cheapest(struct store *s, uint32_t org,
                             struct store_rank after, uint32_t max,
                             struct store_rank *out);
/* Its candidates, the most valuable first, before that rank; from the start:
 * INT32_MAX, INT64_MAX. */
uint32_t store_scan_candidates(struct store *s, uint32_t org,
                               struct store_rank before, uint32_t max,
                               struct store_rank *out);

/* --- WAL ---------------------------------------------------------------- */
/* The helper thread's half of a checkpoint (specs/storage.md 4.2): a
 * connection of its own; copies and syncs until few frames are left. */
struct store_checkpointer;
enum err store_checkpointer_open(const char *path,
                                 struct store_checkpointer **out,
                                 struct err_text *why) ERR_CHECKED;
void store_checkpointer_run(struct store_checkpointer *c);
void store_checkpointer_close(struct store_checkpointer *c);
/* Bytes in the WAL since it was last restarted; the writer's last step. */
uint64_t store_wal_bytes(const struct store *s);
uint64_t store_wal_limit(const struct store *s); /* 16 to 64 MiB */
void store_wal_finish(struct store *s, bool truncate);

/* --- readers ------------------------------------------------------------ */
/* Errors after open abort: "not found" must never stand for "not read". */
enum err store_reader_open(const char *path, struct store_reader **out,
                           struct err_text *why) ERR_CHECKED;
void store_reader_close(struct store_reader *r);
/* One read transaction: everything between is one snapshot. ERR_BUSY if it
 * cannot begin. */
enum err store_reader_begin(struct store_reader *r) ERR_CHECKED;
void store_reader_end(struct store_reader *r);
uint64_t store_reader_applied(struct store_reader *r);
bool store_reader_find(struct store_reader *r, const struct cid *cid,
                       struct pin *out);
bool store_reader_get(struct store_reader *r, uint64_t id, struct pin *out);
bool store_reader_fail(struct store_reader *r, uint64_t pin, uint32_t node,
                       struct fail *out);
bool store_reader_value(struct store_reader *r, uint64_t pin, uint32_t org,
                        struct value *out);
/* The id that the next pin or claim gets: none at or above it is there yet. */
uint64_t store_reader_next_claim(struct store_reader *r);
bool store_reader_request(struct store_reader *r, uint64_t id, uint64_t salt,
                          struct pin *out);
/* Whether there is such a principal; else zeros. */
bool store_reader_requests(struct store_reader *r, uint64_t who,
                           struct store_requests *out);
/* Requests of one principal with one status, made after and before those
 * times, in ms, by an index. */
uint64_t store_reader_requests_count(struct store_reader *r, uint64_t who,
                                     enum request_status status,
                                     uint64_t after_ms, uint64_t before_ms);
/* Its requests made before that time, newest first, of those statuses (bit by
 * number): begin, then next until it gives false, then end. */
struct store_request {
    uint64_t id, pin, created_ms;
};
void store_reader_requests_scan(struct store_reader *r, uint64_t who,
                                unsigned statuses, uint64_t before_ms);
bool store_reader_requests_next(struct store_reader *r,
                                struct store_request *out);
void store_reader_requests_end(struct store_reader *r);
enum store_ranks {
    STORE_RANKS_CHEAPEST, STORE_RANKS_DEAREST, /* of what is held */
    STORE_RANKS_CANDIDATES                     /* the most valuable first */
};
uint32_t store_reader_ranks(struct store_reader *r, enum store_ranks which,
                            uint32_t org, uint32_t max,
                            struct store_rank *out);
/* As store_scan_cheapest. */
uint32_t store_reader_cheapest(struct store_reader *r, uint32_t org,
                               struct store_rank after, uint32_t max,
                               struct store_rank *out);
/* Goes beyond that rank, and not up to `end`, over at most `max` rows of what
 * an organisation holds, or of its candidates; returns over how many. Fewer
 * than max: there are no more. 4,096 rows take some 8 ms. */
uint32_t store_reader_skip(struct store_reader *r, bool held, uint32_t org,
                           struct store_rank *at, struct store_rank end,
                           uint32_t max);
/* As store_tag_get, store_tags. */
bool store_reader_tag(struct store_reader *r, uint32_t org, struct span name,
                      struct tag *out);
uint32_t store_reader_tags(struct store_reader *r, uint32_t org,
                           struct span after, uint32_t max, struct tag *out);
/* Values, by pin and organisation, behind that one. */
uint32_t store_reader_values(struct store_reader *r, uint64_t after_pin,
                             uint32_t after_org, uint32_t max,
                             struct value *out);
/* Pins by id beyond `after`; false at the end. One prepared scan: begin, then
 * next until it gives false or the caller has enough, then end. */
enum store_pins {
    STORE_PINS_ALL,
    STORE_PINS_TODO, /* those with todo <> 0, a failure of a copy, or copies
                        to let go */
    STORE_PINS_ORG   /* those that the organisation claims, if it is another
                        one than ORG_DEFAULT, and all of them for that */
};
void store_reader_scan(struct store_reader *r, uint64_t after,
                       enum store_pins which, uint32_t org);
bool store_reader_next(struct store_reader *r, struct pin *out);
void store_reader_scan_end(struct store_reader *r);

#endif
