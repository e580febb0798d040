/* The HTTP API: routes, the life of one request, errors as JSON. http loop
 * only. Handlers live in api_pins.c, api_lists.c, api_add.c, api_cluster.c,
 * api_nodes.c, api_peers.c, api_explain.c, api_probes.c and others; what
 * leaves the loop goes through api_flow.c.
 *
 * A call lives from the request's head until it was answered (or its client
 * left) and nothing that was asked for it is under way any more.
 */
#ifndef PINFOLD_API_H
#define PINFOLD_API_H

#include "coordinator/agents.h"
#include "coordinator/api_counts.h"
#include "coordinator/api_places.h"
#include "coordinator/http/http.h"
#include "coordinator/mailbox.h"
#include "coordinator/readers.h"
#include "coordinator/replica.h"
#include "coordinator/view.h"
#include "proto/json.h"

/* What came of a copy that somebody wanted verified (api_verify.c). */
enum api_verified {
    API_HELD, API_MISSING,
    API_PENDING,  /* the state does not say that it is pinned */
    API_UNASKED,  /* nobody could say */
    API_ORDERED,  /* it is not to be there any more */
    API_VERIFIED
};
const char *api_verified_word(enum api_verified v);

enum { API_ARGS = 2, API_PARAMS = 512 };

struct api {
    struct http_server *server;
    struct readers *readers;
    struct mailbox *back;      /* of the http loop */
    struct mailbox *core;
    struct replica *const *replica; /* core loop's: only inside its tasks */
    struct agents *const *agents;
    struct step *step;
    void (*fill_clock)(void *arg, struct step_clock *clock);
    void *clock_arg;
    struct stream_hub *hub;    /* of the http loop */
    uv_loop_t *hub_loop;
    int32_t default_min, default_max;
    uint64_t requests, answers[6]; /* by hundred of the status */
    unsigned removals;
    unsigned explains, verifies, plans, walks, simulations; /* under way */
    struct api_places uploads, proxied; /* the latter: to a daemon */
    struct api_places valuations, awaits; /* awaits: of pins */
    struct api_places resolves; /* of paths, by a daemon */
    struct api_places offers;  /* lists of them */
    uint64_t verified[API_VERIFIED]; /* copies */
    size_t array_bytes;        /* answers of uploads that are one array */
    bool collecting;           /* a POST /ipfs/gc is under way */
    bool auth;                 /* TCP listeners ask who it is */
    struct certificate *certificate; /* NULL: no TLS */
    const char *origins;       /* of pages that may ask (api_browser.h) */
    bool access_log;
    uint64_t id_base;          /* of request ids; random */
    struct auth_cache *cache;
    struct verifier *verifier;
    uint64_t auth_failures;    /* 401 */
    struct api_counts counts;
    const struct turns *turns; /* of the http loop, NULL none */
    struct reads *pushed;      /* clients of reads that are pushed, or NULL */
    struct api_call *waiting;  /* for the barrier behind the one under way */
    struct api_call *passing;  /* for that one; NULL: there is none */
    uint64_t under_way;        /* tasks that will come back to this loop */
};

struct api_call;

/* The reference's text: needed (unsigned), wanted (int), available. */
#define API_NO_CANDIDATES                                                    \
    "not enough peers to allocate CID. Needed at least: %u. Wanted at most: " \
    "%d. Available candidates: %u. See logs for more info."

/* VERDICT_NO_CANDIDATES for people: that text, or the state's reason where a
 * policy is in the way. */
enum { API_NO_CANDIDATES_MAX = FSM_TEXT + 32 };
const char *api_no_candidates(const struct replica_result *r, int wanted_max,
                              char out[API_NO_CANDIDATES_MAX]);

#define API_NOT_PINNED "pin is not part of the pinset"

enum api_flag {
    API_READY = 1,   /* 503 until the coordinator serves reads */
    API_UPLOAD = 2,  /* the handler takes the body, of any length */
    API_OPERATOR = 4, /* needs this verb, and the default organisation */
    API_DEFAULT = 8,  /* 403 for others than the default organisation */
    API_ADMIN = 16,   /* needs this verb */
    API_ANY = 32,     /* the handler asks for verbs; else GET needs read, and
                         the rest pin */
    API_BODY = 64     /* the handler takes the body. Others begin when it is
                         over, and get no head then */
};

struct api_route {
    const char *method;
    const char *path;      /* "/pins/{}", "/pins/ipfs/{*}": {*} = the rest */
    void (*handle)(struct api_call *c, const struct http_head *head);
    unsigned flags;
};

/* What a listener serves; http_door(). */
enum api_door {
    API_CLUSTER,
    API_PINNING,
    API_PROXY,
    API_PROBES, /* in clear and open to all, so reads only */
    API_DOORS
};

/* Of a door (api_doors.c). */
struct api_doorway {
    const struct api_route *routes;
    size_t n_routes;
    /* The body of an error, as this door's clients know it. */
    void (*error)(struct buf *out, int status, const char *text);
    bool open;     /* asks nobody who it is */
    /* Before anything else; false: it has answered. NULL: all may come. */
    bool (*admits)(struct api_call *c, const struct http_head *h);
    const char *name; /* in logs and metrics */
    bool redirect; /* from a path with a slash at its end; else 404 */
    bool bearer;   /* always asks for a token */
};

struct api_param {
    char *name, *value;
};

struct api_call {
    struct api *api;
    struct api_call *next_waiting; /* for a barrier */
    void (*waited)(struct api_call *c, enum err e);
    const struct api_doorway *door;
    const struct api_route *route;
    struct http_ticket ticket;
    char request_id[LIMIT_REQUEST_ID + 1];
    char *logged;              /* method and path for the access log */
    uint64_t begun_ns;         /* uv_hrtime */
    unsigned refs;
    bool answered;
    char *args[API_ARGS];
    uint32_t n_args;
    struct api_param *params; /* of the query, decoded, in order */
    uint32_t n_params;
    const struct view *view;  /* of its beginning */
    uint32_t org;             /* whose claims it is about */
    uint64_t actor, who;      /* who asks: token or user; the principal */
    uint32_t own_org;         /* … of that organisation */
    uint8_t verbs;
    char prefix[LIMIT_PREFIX + 1]; /* names of pins that it may touch */
    uint64_t index;           /* of the answer; 0: the view's */
    int32_t wanted_max;       /* of a claim, for the refusal's text */
    void *state;              /* the handler's */
    void (*state_free)(void *state);
    /* for uploads and streams; may be NULL */
    void (*body)(struct api_call *c, const char *p, size_t n);
    void (*body_end)(struct api_call *c);
    void (*drain)(struct api_call *c);
    void (*gone)(struct api_call *c); /* answered or left: last look */
};

/* The server's callbacks; http_new's app is a struct api. */
const struct http_ops *api_http_ops(void);

/* NULL when the client has gone or was answered. */
struct http_request *api_request(struct api_call *c);
void api_hold(struct api_call *c);
void api_drop(struct api_call *c);

/* What the request asks for, when it is known who asks. */
void api_route(struct api_call *c, const struct http_head *h);

/* First value of that name, NULL if absent; "" counts as absent. */
const char *api_param(const struct api_call *c, const char *name);

/* Answers once; no-ops when the client has gone. */
void api_answer(struct api_call *c, const struct http_answer *a,
                const void *body, size_t n);
void api_json(struct api_call *c, int status, const struct buf *body);
void api_error(struct api_call *c, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void api_fail(struct api_call *c, enum err e, const char *text);
/* The refusal of a verdict other than ACCEPTED and ALREADY. */
void api_refuse(struct api_call *c, const struct replica_result *r);
const struct api_doorway *api_doorway(unsigned door);
/* {"code":…,"message":…} and a newline. */
void api_error_json(struct buf *out, int status, const char *text);

/* --- api_flow.c: off the loop and back ---------------------------------- */

/* Takes the command (allocated by api_command). done runs on the http loop,
 * with the result, also when the client has gone. */
struct command *api_command(const struct api_call *c,
                            enum command_kind kind);
void api_propose(struct api_call *c, struct command *k,
                 void (*done)(struct api_call *c,
                              struct replica_result *r));
/* One of several of a call; done is told which. */
void api_propose_item(struct api_call *c, struct command *k, uint32_t item,
                      void (*done)(struct api_call *c, uint32_t item,
                                   struct replica_result *r));
/* Others may be ahead: done runs when this coordinator has applied all that was
 * acknowledged, by any, before the call. One operation that changes nothing is
 * under way for all that wait, and those that come meanwhile share the next. */
void api_barrier(struct api_call *c,
                 void (*done)(struct api_call *c, enum err e));
/* Is it a request of the default organisation, with the verb operator, which
 * may see and change what concerns them all? false: answered, 403. */
bool api_operator(struct api_call *c);
/* Takes away copies that are there for other organisations alone; before
 * anything of a pin is shown (claims.h). */
void api_hide(const struct api_call *c, struct pin *p);
/* Makes of a pin what the request's organisation may see of it (claims.h), by
 * the oldest claim whose name begins as its token's prefix says; false: it has
 * none. The default one sees what is let go, too. */
bool api_own(const struct api_call *c, struct pin *p);
/* read: on a reader thread, in a transaction; touches c->state only. done:
 * on the http loop. */
void api_read(struct api_call *c,
              void (*read)(struct api_call *c, struct store_reader *r),
              void (*done)(struct api_call *c, enum err e));
/* look: on the core loop; touches c->state only, and what of c->api is the
 * core loop's. done: on the http loop. */
void api_look(struct api_call *c, void (*look)(struct api_call *c),
              void (*done)(struct api_call *c));
/* A question to an agent; node 0: the home agent. */
void api_ask(struct api_call *c, uint32_t node, enum call_kind kind,
             struct span argument, uint64_t timeout_ms,
             void (*done)(struct api_call *c, enum err e, const char *text,
                          struct span body));

/* What a path names, by the home agent's daemon: it has a place among those
 * that ask, or done says ERR_BUSY, at once. */
void api_ask_path(struct api_call *c, struct span path, uint64_t timeout_ms,
                  void (*done)(struct api_call *c, enum err e,
                               const char *text, struct span body));

/* --- handlers ----------------------------------------------------------- */
/* The CID that the path names; false: 400 was answered. */
bool api_cid_arg(struct api_call *c, struct cid *cid, enum cid_form *form);
void api_pins_post(struct api_call *c, const struct http_head *h);
void api_pins_delete(struct api_call *c, const struct http_head *h);
void api_pins_post_path(struct api_call *c, const struct http_head *h);
void api_pins_delete_path(struct api_call *c, const struct http_head *h);
void api_pins_get(struct api_call *c, const struct http_head *h);
void api_pins_list(struct api_call *c, const struct http_head *h);
void api_allocations_get(struct api_call *c, const struct http_head *h);
void api_allocations_list(struct api_call *c, const struct http_head *h);
void api_recover(struct api_call *c, const struct http_head *h);
void api_recover_all(struct api_call *c, const struct http_head *h);
void api_add(struct api_call *c, const struct http_head *h);
void api_gc(struct api_call *c, const struct http_head *h);
void api_id(struct api_call *c, const struct http_head *h);
void api_version(struct api_call *c, const struct http_head *h);
void api_peers(struct api_call *c, const struct http_head *h);
void api_peers_add(struct api_call *c, const struct http_head *h);
void api_peers_remove(struct api_call *c, const struct http_head *h);
void api_health(struct api_call *c, const struct http_head *h);
void api_health_graph(struct api_call *c, const struct http_head *h);
void api_health_alerts(struct api_call *c, const struct http_head *h);
void api_health_bandwidth(struct api_call *c, const struct http_head *h);
void api_metric_names(struct api_call *c, const struct http_head *h);
void api_metric(struct api_call *c, const struct http_head *h);
void api_livez(struct api_call *c, const struct http_head *h);
void api_readyz(struct api_call *c, const struct http_head *h);
void api_metrics(struct api_call *c, const struct http_head *h);
void api_status(struct api_call *c, const struct http_head *h);
/* The one that the path names, by name, peer ID or number; NULL: 404 was
 * answered. */
const struct view_node *api_node_arg(struct api_call *c);
void api_node_cordon(struct api_call *c, const struct http_head *h);
void api_node_uncordon(struct api_call *c, const struct http_head *h);
void api_node_maintain(struct api_call *c, const struct http_head *h);
void api_node_maintained(struct api_call *c, const struct http_head *h);
void api_node_owner(struct api_call *c, const struct http_head *h);
void api_node_drain(struct api_call *c, const struct http_head *h);
void api_node_remove(struct api_call *c, const struct http_head *h);
/* By name or number; NULL: none. */
const struct org *api_org_find(const struct view *v, const char *text);
/* The one that the path names, of those that the request may see; NULL: 404
 * was answered. */
const struct org *api_org_arg(struct api_call *c);
/* Of a proposal that changes one: answers what c->state, a struct org, is
 * then. */
void api_org_changed(struct api_call *c, struct replica_result *r);
void api_orgs(struct api_call *c, const struct http_head *h);
void api_org(struct api_call *c, const struct http_head *h);
void api_org_make(struct api_call *c, const struct http_head *h);
void api_org_rename(struct api_call *c, const struct http_head *h);
void api_org_remove(struct api_call *c, const struct http_head *h);
void api_org_quota(struct api_call *c, const struct http_head *h);
void api_org_formula(struct api_call *c, const struct http_head *h);
/* The one that the path names; NULL: 404 was answered, also of another one
 * than the own, but to the default one. */
const struct org *api_org_arg(struct api_call *c);
void api_org_tags(struct api_call *c, const struct http_head *h);
void api_org_tag(struct api_call *c, const struct http_head *h);
/* What is used of one kind, and its limits. over: by how much the hard one is
 * exceeded; soft_until_ms: when the soft one begins to bind, null while it is
 * kept. */
void api_quota(struct json_writer *w, uint64_t used,
               const struct org_limit *l, uint64_t over_ms,
               uint64_t grace_ms);
/* null: ORG_NO_LIMIT. */
void api_kv_limit(struct json_writer *w, const char *key, uint64_t v);
/* A whole number, or "none" where it may be; *out stays where it is not named.
 * false: 400 was answered. */
bool api_limit_arg(struct api_call *c, const char *name, bool may_none,
                   uint64_t *out, bool *set);
/* Those of each kind, `pins-soft` and `pins`, likewise; set: bit 2 * kind for a
 * soft one, the next for a hard one, as operations have them. */
bool api_limits_args(struct api_call *c, struct org_limit limits[ORG_KINDS],
                     uint16_t *set);
bool api_dry_run(struct api_call *c, bool *out); /* false: 400 was answered */
/* What all nodes may fill. */
uint64_t api_pool(const struct view *v);
void api_budget(struct api_call *c, const struct http_head *h);
void api_budget_set(struct api_call *c, const struct http_head *h);
void api_offers(struct api_call *c, const struct http_head *h);
void api_scores(struct api_call *c, const struct http_head *h);
void api_simulate(struct api_call *c, const struct http_head *h);
void api_frontier(struct api_call *c, const struct http_head *h);
void api_score(struct api_call *c, const struct http_head *h);
void api_reads(struct api_call *c, const struct http_head *h);
void api_reads_batch(struct api_call *c, const struct http_head *h);
void api_rate(struct api_call *c, const struct http_head *h);
void api_unrate(struct api_call *c, const struct http_head *h);
void api_made(struct api_call *c, const struct http_head *h);
void api_bounds_show(struct api_call *c, const struct http_head *h);
void api_bounds_set(struct api_call *c, const struct http_head *h);
/* One object: by which values are computed. */
void api_formula(struct json_writer *w, const struct score_config *f);
/* One object: the terms that organisations may set, from where to where. */
void api_bounds(struct json_writer *w, const struct score_bounds *b);
/* Which of its terms are outside of them. */
void api_formula_outside(struct json_writer *w, const struct score_bounds *b,
                         const struct org *o);
/* Of the request's organisation. */
const struct score_config *api_formula_of(const struct api_call *c);
/* What the query names of a formula, into out; `others`, ended by NULL, are
 * not its parameters. false: 400 was answered. */
bool api_formula_args(struct api_call *c, const char *const *others,
                      struct score_config *out);
/* RFC 3339, or milliseconds since 1970; 0: before 1970. */
bool api_made_parse(const char *text, uint64_t *ms);
/* When content was made: is: whether it is named; 0: before 1970. A warning
 * is in the answer for what is in the future. false: 400 was answered. */
bool api_made_arg(struct api_call *c, const char *name, bool *is,
                  uint64_t *out);
/* A whole number from 1 to most, or the fallback; false: 400 was answered. */
bool api_count_arg(struct api_call *c, const char *name, uint64_t fallback,
                   uint64_t most, uint64_t *out);
/* 1/65536 as a decimal fraction, to 5 digits. */
enum { API_Q16_TEXT = 40 };
void api_q16_text(int64_t v, char out[API_Q16_TEXT]);
void api_kv_q16(struct json_writer *w, const char *key, int64_t v);
/* "0.125" to 1/65536, at most `most`; false: not such a number. */
bool api_decimal(const char *text, uint64_t most, uint64_t *q16);
void api_tokens(struct api_call *c, const struct http_head *h);
void api_token_make(struct api_call *c, const struct http_head *h);
void api_token_remove(struct api_call *c, const struct http_head *h);
void api_users(struct api_call *c, const struct http_head *h);
void api_user_make(struct api_call *c, const struct http_head *h);
void api_user_password(struct api_call *c, const struct http_head *h);
void api_user_remove(struct api_call *c, const struct http_head *h);
void api_session(struct api_call *c, const struct http_head *h);
void api_explain(struct api_call *c, const struct http_head *h);
void api_orphans(struct api_call *c, const struct http_head *h);
void api_repair_resume(struct api_call *c, const struct http_head *h);
void api_plan(struct api_call *c, const struct http_head *h);
void api_verify_pin(struct api_call *c, const struct http_head *h);
void api_verify_node(struct api_call *c, const struct http_head *h);
void api_psa_list(struct api_call *c, const struct http_head *h);
void api_psa_put(struct api_call *c, const struct http_head *h);
void api_psa_get(struct api_call *c, const struct http_head *h);
void api_psa_delete(struct api_call *c, const struct http_head *h);

#endif
