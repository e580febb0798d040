/* Private to agent*.c: agent.c starts, stops and paces; agent_link.c is what
 * coordinators ask and are told; agent_gc.c collects the daemon's garbage;
 * agent_orphans.c lists pins without an order; agent_reads.c counts reads in
 * logs of gateways; agent_http.c answers probes, agent_metrics.c says how it
 * goes.
 */
#ifndef PINFOLD_AGENT_AGENT_IMPL_H
#define PINFOLD_AGENT_AGENT_IMPL_H

#include "agent/agent.h"
#include "agent/core/leases.h"
#include "agent/daemon.h"
#include "agent/holders.h"
#include "agent/journal.h"
#include "agent/link.h"
#include "agent/pins.h"
#include "agent/proxy.h"
#include "agent/upload.h"
#include "coordinator/http/http.h"
#include "proto/identity.h"
#include "proto/turns.h"

#include <signal.h>

enum {
    AGENT_DISK_MS = 1000,      /* between looks at how full it is */
    AGENT_GATHER_MS = 5,       /* outcomes that go into one report */
    AGENT_REPORT_ITEMS = 512,
    AGENT_REPORT_BYTES = 24 << 10, /* fits LIMIT_OPERATION */
    AGENT_LIST_RETRY_MS = 10000,
    AGENT_CONNECT_MS = 5000,
    AGENT_LIST_MS = 3600000,   /* all pins of a daemon are listed by then */
    AGENT_STOP_MS = 4500,
    AGENT_GOODBYE_MS = 2000,
    AGENT_CALLS_MAX = 64,      /* questions of coordinators at one time; */
    AGENT_RESOLVES_MAX = 32,   /* of clients' paths, which may last: the rest
                                  is for what the leader asks */
    AGENT_PATH_SIZE = 4096
};

struct agent_gc {
    enum { GC_IDLE, GC_DRAINING, GC_COLLECTING } state;
    uint64_t session, id;  /* whom to answer */
    char request[LIMIT_REQUEST_ID + 1];
    uint64_t deadline_ms;
    uv_timer_t timer;
    struct kubo_call *call;
    struct buf keys;       /* that went, as lines */
    uint64_t total;
    uint32_t listed;
    bool late, cut;
    struct leases leases;
    uint64_t uploads_ms;   /* those of before the start count until then */
};

struct agent_http {
    struct http_server *server; /* NULL: none, or it has closed */
    uint64_t answers[6];   /* by hundred of the status */
};

struct listing;
struct agent_reads;

struct agent {
    const struct agent_config *config;
    uv_loop_t loop;
    uv_signal_t signals[2];
    uv_timer_t work_timer, report_timer, list_timer, stop_timer;
    struct identity identity;
    struct journal *journal;
    struct kubo *kubo;
    struct stream_hub *hub;
    struct holders *holders;
    struct pins *pins;
    struct work *work;
    struct daemon *daemon;
    struct link *link;
    struct link_events link_events;
    struct uploads *uploads;
    struct proxies *proxies;
    struct agent_gc gc;
    struct agent_reads *reads; /* NULL: no logs are named */
    struct agent_http http;
    struct turns turns;    /* of the loop */
    struct listing *orphans; /* a page under way, or NULL */
    struct report_item items[AGENT_REPORT_ITEMS];
    struct message message;
    struct message_scratch scratch;
    struct buf frame;
    struct agent_unsaid {      /* READS that wait, while reports are voided */
        uint64_t seq;
        struct buf frame;
    } *unsaid;
    uint32_t n_unsaid;
    uint64_t void_to;          /* what voids them took those up to that */
    uint64_t stop_ms, disk_ms; /* the disk is looked at then */
    uint32_t node;         /* as the last WELCOME said */
    unsigned calls, resolves; /* of coordinators, unanswered; of paths */
    bool full_orders;      /* are coming in */
    bool disk_low;         /* as the work was told last */
    bool moved;            /* to another cluster, whose orders are due */
    bool started_before;   /* on this data directory */
    bool working, stopping, kubo_closed, hub_closing;
    int status;
};

uint64_t agent_now_ms(const struct agent *a);
/* After anything that may let work go on. */
void agent_pump(struct agent *a);
void agent_look_at_disk(struct agent *a); /* once a second at most */
void agent_tell_work(struct agent *a); /* after a fact that it hangs on */
void agent_list_soon(struct agent *a, uint64_t ms);
void agent_tag_known(struct agent *a, uint32_t tag);
void agent_stop(struct agent *a, int status);

/* agent_gc.c */
void agent_gc_init(struct agent *a); /* uploads and proxies are there */
void agent_gc_call(struct agent *a, uint64_t session,
                   const struct message_call *c);
void agent_gc_step(struct agent *a); /* after each change of the work */
void agent_gc_free(struct agent *a);

/* agent_orphans.c */
void agent_orphans_call(struct agent *a, uint64_t session,
                        const struct message_call *c);

/* agent_reads.c */
void agent_reads_start(struct agent *a); /* the links are there */
void agent_reads_stop(struct agent *a);
bool agent_reads_busy(const struct agent *a); /* a thread is at a log */
/* So far; zeros without logs. Returns how many of them cannot be read. */
uint32_t agent_reads_totals(const struct agent *a, struct reads_totals *out);
void agent_reads_free(struct agent *a);

/* agent_http.c */
enum err agent_http_start(struct agent *a, struct err_text *why) ERR_CHECKED;
void agent_http_stop(struct agent *a); /* http.server becomes NULL */
const char *agent_unready(const struct agent *a); /* NULL: it is ready */

/* agent_metrics.c */
void agent_metrics(struct agent *a, struct buf *out);

/* agent_link.c */
bool agent_commit(struct agent *a); /* false: the agent stops */
uint64_t agent_next_seq(const struct agent *a);
void agent_link_events(struct agent *a, struct link_events *out);
/* How a call ended that asked only. The leader's own are many and have no
 * request. */
void agent_log_call(const char *call, const char *request, enum err e,
                    const char *text);
void agent_on_report_timer(uv_timer_t *t);

#endif
