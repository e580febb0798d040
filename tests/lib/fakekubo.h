/* Private to the fake daemon. fakekubo.c starts it, fakekubo_call.c applies
 * Kubo's transport rules to a request and answers it, fakekubo_rpc.c holds
 * the endpoints, fakekubo_add.c the upload, fakekubo_ctl.c what tests steer,
 * fakekubo_fault.c and fakekubo_raw.c misbehaviour. One thread.
 */
#ifndef PINFOLD_FAKEKUBO_H
#define PINFOLD_FAKEKUBO_H
#include "coordinator/http/http.h"
#include "proto/json.h"
#include "proto/peerid.h"
#include "tests/lib/fakekubo_multipart.h"
#include "tests/lib/fakekubo_pins.h"

#define FAKEKUBO_VERSION "0.43.0"

enum {
    CALL_PARAMS = 256,
    CALL_NAME = 64,
    CALL_ARGS_BODY = 1024 * 1024, /* arguments that come in a file */
    FAKE_PEERS = 256
};

/* Endpoint, function, and whether a body is read. */
#define FAKE_ENDPOINTS(X)                                                      \
    X("add", rpc_add, true)                                                    \
    X("block/put", rpc_block_put, true)                                        \
    X("block/stat", rpc_block_stat, false)                                     \
    X("dag/import", rpc_dag_import, true)                                      \
    X("dag/stat", rpc_dag_stat, false)                                         \
    X("diag/healthy", rpc_healthy, false)                                      \
    X("files/stat", rpc_files_stat, false)                                     \
    X("id", rpc_id, false)                                                     \
    X("pin/add", rpc_pin_add, true)                                            \
    X("pin/ls", rpc_pin_ls, false)                                             \
    X("pin/rm", rpc_pin_rm, true)                                              \
    X("pin/update", rpc_pin_update, false)                                     \
    X("repo/gc", rpc_repo_gc, false)                                           \
    X("repo/stat", rpc_repo_stat, false)                                       \
    X("resolve", rpc_resolve, false)                                           \
    X("stats/bw", rpc_stats_bw, false)                                         \
    X("stats/repo", rpc_repo_stat, false)                                      \
    X("swarm/connect", rpc_swarm_connect, false)                               \
    X("swarm/peering/add", rpc_peering_add, false)                             \
    X("swarm/peers", rpc_swarm_peers, false)                                   \
    X("version", rpc_version, false)

#define FAKE_COUNT(name, run, body) +1
enum { FAKE_ENDPOINTS_N = 0 FAKE_ENDPOINTS(FAKE_COUNT) };

struct fake {
    uv_loop_t loop;
    struct http_server *server;
    struct pins pins;
    struct peerid id;
    uint8_t key[PEERID_KEY];
    uint64_t latency_ms, storage_max;
    const char *repo_path; /* as repo/stat names it */
    bool down;
    uint64_t calls[FAKE_ENDPOINTS_N];
    char *peers[FAKE_PEERS]; /* multiaddrs with a /p2p/ part */
    unsigned peers_n;
    uint64_t disk; /* bytes that fit, 0 = any; beyond: no space left */
    struct faults *faults;
};

struct call;
struct fault;
struct upload;
typedef void (*call_cb)(struct call *, struct http_request *);
struct endpoint {
    const char *name;
    call_cb run;
    bool body;
};
extern const struct endpoint fake_endpoints[FAKE_ENDPOINTS_N];

struct param {
    const char *name, *value;
};
/* One request; freed when its client and its timer are gone and no function
 * works on it. After call_end, call_fail and call_plain the request is over:
 * only the call may be touched. */
struct call {
    struct fake *fake;
    const struct endpoint *endpoint;
    struct http_ticket ticket;
    char *text; /* what params point into */
    struct param params[CALL_PARAMS];
    unsigned params_n;
    bool started;   /* the head of the answer has gone */
    bool unused;    /* on_done came */
    bool timed;     /* timer is open */
    unsigned holds; /* functions at work */
    uv_timer_t timer;
    struct pins_walk walk;
    bool walking, first;
    struct multipart body;
    bool has_body, bad_body;
    struct buf body_args;
    struct upload *upload;
    struct fault *fault; /* what happens to it, NULL nothing */
    char *target;        /* path and query as they came, of a faulty one */
    bool steers;         /* a control with a body */
};

/* fakekubo_call.c */
void fake_ops(struct http_ops *);
const char *call_param(const struct call *, const char *name);
bool call_flag(const struct call *, const char *name, bool otherwise);
/* The i-th argument: of the query, then of the body; NULL when none. */
const char *call_arg(const struct call *, unsigned i);
/* A CID, /ipfs/CID or ipfs://CID; false = already refused. */
bool call_cid(struct call *, struct http_request *, const char *text,
              struct cid *out, enum cid_form *form);
/* Sends the head once; stream: "X-Chunked-Output" or NULL. */
void call_start(struct call *, struct http_request *, const char *stream);
/* One JSON value and a newline; takes over json's content. */
void call_emit(struct call *, struct http_request *, struct buf *json,
               const char *stream);
void call_end(struct call *, struct http_request *);
/* {"Message":…} with 500 before the first byte, else a trailer. */
void call_fail(struct call *, struct http_request *, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* An error of transport: plain text. */
void call_plain(struct http_request *, int status, const char *text);
void call_listing(struct call *, struct http_request *); /* pin/ls, walking */

#define FAKE_DECLARE(name, run, body)                                          \
    void run(struct call *, struct http_request *);
FAKE_ENDPOINTS(FAKE_DECLARE)

/* fakekubo_add.c */
void upload_part(struct call *, const char *name, bool directory);
void upload_data(struct call *, const void *p, size_t n);
void upload_part_end(struct call *, struct http_request *);
void upload_free(struct call *);

/* fakekubo_ctl.c; path behind "/ctl/" */
void ctl_run(struct call *, struct http_request *, const char *path, bool post);
void ctl_listing(struct call *, struct http_request *);
#endif
