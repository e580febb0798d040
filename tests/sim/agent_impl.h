/* Private to agent*.c. */
#ifndef PINFOLD_SIM_AGENT_IMPL_H
#define PINFOLD_SIM_AGENT_IMPL_H

#include "tests/sim/agent.h"
#include "tests/sim/daemon.h"
#include "tests/sim/journal.h"

enum {
    AGENT_BEAT_MS = 5000, AGENT_RESEND_MS = 5000, AGENT_SILENCE_MS = 15000,
    AGENT_RETRY_MS = 500, AGENT_RETRY_MAX_MS = 5000,
    AGENT_NOT_READY_MS = 2000, AGENT_BEAT_GAP_MS = 10, AGENT_GATHER_MS = 5,
    AGENT_REPORT_ITEMS = 512, AGENT_LIST_RETRY_MS = 10000,
    AGENT_RECHECK_MS = 120000, AGENT_DAEMON_MS = 3000,
    AGENT_READS_MS = 30000, AGENT_READS = 6,
    AGENT_GREET_MS = 8000, AGENT_OLDER_TERM_MS = 15000,
    AGENT_STARTS = 3 /* after so many its region is another one */
};

enum asession_state { ASESSION_IDLE, ASESSION_GREETED, ASESSION_OPEN };

struct asession {
    enum asession_state state;
    uint64_t number, retry_ms, beat_due_ms, beat_ms, heard_ms;
    uint32_t failures;
    bool starting;
};

enum op_kind { OP_LOOK, OP_PIN, OP_UNPIN };

struct op {
    struct op *next;
    enum op_kind kind;
    uint64_t id, pin, idx, size;
    uint32_t cid, from; /* from: SIM_CIDS none */
    enum copy_want want;
    bool recursive, cancelled, executed;
    enum work_found found;
    bool ours;
    enum err error;
    enum fail_code code;
};

struct agent {
    struct sim *sim;
    uint32_t at;          /* position */
    uint32_t epoch;
    bool up, working, daemon_known, full_orders;
    bool was_old;         /* an old journal came back */
    uint32_t node;        /* as the last WELCOME said */
    uint8_t key[TYPES_KEY];
    char name[16];
    struct prng random, readers;
    struct daemon *daemon;
    struct journal *journal, *old;
    struct work *work;
    uint64_t pump_ms, report_ms, list_ms; /* next of each; 0 none */
    struct report_item items[AGENT_REPORT_ITEMS];
    struct message message;
    struct message_scratch scratch, void_scratch;
    struct buf frame;

    /* agent_reads.c */
    struct reads_delta reads[AGENT_READS];
    bool reads_due;

    /* agent_link.c */
    struct fence fence;
    struct asession sessions[SIM_COORDS];
    uint64_t next_number, arm_ms, sent_number, sent_ms;

    /* agent_pins.c */
    struct op *ops;
    uint64_t next_op, list_id;
    bool listing;
};

void agent_pump(struct agent *a);
/* The number of its next report; what stands between two tasks is spooled. */
uint64_t agent_next_seq(const struct agent *a);
/* A frame of that kind is in a->frame: spooled, and sent. */
void agent_report_spool(struct agent *a, uint64_t seq);
bool agent_report_room(const struct agent *a);
void agent_list_soon(struct agent *a, uint64_t ms);
void agent_daemon_look(struct agent *a, uint64_t ms);
bool agent_orders(struct agent *a, const struct message_orders *o);
void agent_old(struct agent *a, uint64_t seq);
void agent_current(struct agent *a);
void agent_welcomed(struct agent *a, const struct message_welcome *w);
void agent_taken(struct agent *a, struct span frame, uint64_t seq);
void agent_call(struct agent *a, uint32_t coord, uint64_t number,
                const struct message_call *c);

/* To the copy of its journal, after a while. */
void agent_fall_back(struct agent *a, uint64_t ms);

/* agent_reads.c */
void agent_reads_start(struct agent *a);
void agent_reads_look(struct agent *a); /* there may be room for them */

/* agent_link.c */
void agent_link_start(struct agent *a);
void agent_link_stop(struct agent *a);
void agent_link_arm(struct agent *a);
void agent_beat_soon(struct agent *a);
void agent_report_send(struct agent *a);
void agent_link_result(struct agent *a, uint32_t coord, uint64_t number,
                       const struct message_result *r);
void agent_session_end(struct agent *a, uint32_t coord, bool tell);

/* agent_pins.c */
void agent_wishes(struct agent *a, struct work_wishes *out);
void agent_ops_drop(struct agent *a, bool killed);
bool agent_list(struct agent *a);

#endif
