/* The leader's queue: operations become log entries. While fewer than
 * REPLICA_EAGER_ENTRIES are outstanding an entry leaves at once; otherwise
 * what has gathered leaves when one returns or a full entry is there
 * (DESIGN 3, step 2). Decides batching; placement is the planner's.
 */
#include "coordinator/replica_impl.h"

#include "proto/log.h"
#include "proto/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    FULL_SAID_MS = 10000,
    ENTRY_FRAME = 32,    /* of an entry around its operations, at most */
    PLACES_USUAL = 256,  /* of a claim, as it gets them here */
    PLACES_MOST = 3 + 6 * LIMIT_ASSIGN_ROWS /* … for one held everywhere */
};

struct lead_entry {
    struct raft_apply apply;
    struct replica *replica;
};

static unsigned kind_of(const struct lead_operation *o)
{
    /* [kind, …]: an array head of one or three bytes, a small integer;
     * command_encode writes nothing else. */
    size_t at = o->bytes[0] == 0xdc ? 3 : 1;

    return o->n > at && o->bytes[at] < 0x80 ? o->bytes[at] : 0;
}

bool replica_lead_add(struct replica *r, uint64_t origin, const void *p,
                      size_t n)
{
    struct lead_operation *o;

    if (r->n_queue == LIMIT_OPERATIONS_WAITING)
        return false;
    o = mem_alloc(sizeof *o + n);
    o->n = n;
    o->origin = origin;
    o->added_ms = replica_now_ms(r);
    memcpy(o->bytes, p, n);
    *r->queue_tail = o;
    r->queue_tail = &o->next;
    r->n_queue++;
    r->n_reports += kind_of(o) == COMMAND_REPORT;
    return true;
}

void replica_lead_drop(struct replica *r)
{
    struct lead_operation *o, *next;

    for (o = r->queue; o != NULL; o = next) {
        next = o->next;
        free(o);
    }
    r->queue = NULL;
    r->queue_tail = &r->queue;
    r->n_queue = 0;
    r->n_reports = 0;
}

/* A CLAIM_PUT gets its places here, with what was placed before it counted
 * in; other operations go as they came. */
static void add_operation(struct replica *r, const struct lead_operation *o)
{
    struct command c;
    struct err_text why;

    if (!command_is_claim(kind_of(o))) {
        entry_add(&r->taken, span_of(o->bytes, o->n));
        return;
    }
    buf_reset(&r->operation);
    if (command_decode(o->bytes, o->n, &c, &r->scratch, &why) == ERR_OK) {
        r->events.plan(r->events.arg, &c);
        if (command_encode(&c, &r->operation) == ERR_OK) {
            entry_add(&r->taken, span_buf(&r->operation));
            return;
        }
    }
    /* It does not fit with its places: the FSM refuses it without them. */
    entry_add(&r->taken, span_of(o->bytes, o->n));
}

/* How many of the queue make the next entry, unless their places turn out to
 * be many. RECOVER goes alone: it may change as many rows of one node as an
 * entry may (LIMIT_NODE_ROWS). */
static uint32_t gather(const struct replica *r)
{
    uint32_t n = 0;
    uint32_t max = r->n_queue > REPLICA_BULK_WAITING
                       ? REPLICA_BULK_OPERATIONS
                       : LIMIT_ENTRY_OPERATIONS_SINGLE;
    size_t bytes = 64;

    for (const struct lead_operation *o = r->queue; o != NULL && n < max;
         o = o->next, n++) {
        size_t places = command_is_claim(kind_of(o)) ? PLACES_USUAL : 0;

        if (n > 0 && (bytes + o->n + places > LIMIT_ENTRY ||
                      kind_of(o) == COMMAND_RECOVER))
            break;
        bytes += o->n + places;
        if (kind_of(o) == COMMAND_RECOVER)
            return n + 1;
    }
    return n;
}

static void on_applied(struct raft_apply *req, int status, void *result)
{
    struct lead_entry *e = req->data;
    struct replica *r = e->replica;

    (void)result;
    free(e);
    assert(r->outstanding > 0);
    r->outstanding--;
    r->dirty = true; /* what has gathered may leave */
    if (status != 0) {
        r->epoch++;
        r->rescan = true;
        log_debug("entry_unknown", "reason=%s", raft_strerror(status));
    }
}

/* Whether it surely fits behind those that were taken: an entry that is too
 * long would be committed, and could be applied by nobody. */
static bool fits(const struct replica *r, const struct lead_operation *o)
{
    size_t places = command_is_claim(kind_of(o)) ? PLACES_MOST : 0;

    return r->taken.n + o->n + places + ENTRY_FRAME <= LIMIT_ENTRY;
}

/* Makes the entry of the first of the queue, at most `most`: how many. */
static uint32_t take(struct replica *r, uint32_t most)
{
    struct lead_operation *o;
    uint32_t n = 0;

    buf_reset(&r->taken);
    store_read_begin(r->st.store);
    while (n < most && (n == 0 || fits(r, r->queue))) {
        o = r->queue;
        r->queue = o->next;
        r->n_queue--;
        r->n_reports -= kind_of(o) == COMMAND_REPORT;
        add_operation(r, o);
        replica_tell_taken(r, o->origin);
        free(o);
        n++;
    }
    store_read_end(r->st.store);
    if (r->queue == NULL)
        r->queue_tail = &r->queue;
    buf_reset(&r->entry);
    entry_begin(&r->entry, r->events.wall_ms(r->events.arg), n);
    buf_add(&r->entry, r->taken.p, r->taken.n);
    entry_end(&r->entry);
    assert(r->entry.n <= LIMIT_ENTRY);
    return n;
}

static void refused(struct replica *r, int rv, uint32_t n)
{
    uint64_t now = replica_now_ms(r);

    if (rv != RAFT_NOSPACE)
        log_info("entry_refused", "operations=%u reason=%s", n,
                 raft_strerror(rv));
    else if (r->full_said_ms == 0 || now - r->full_said_ms >= FULL_SAID_MS) {
        log_error("log_full", "operations=%u text=%s", n,
                  "no disk space for the log: writes are refused");
        r->full_said_ms = now;
    }
    /* They are sent again or run into their deadlines. */
    replica_not_proposed(r, span_buf(&r->entry),
                         rv == RAFT_NOSPACE ? ERR_NO_SPACE : ERR_NO_LEADER);
    r->stats.refused += n;
}

/* Refused before the library touched anything: the buffer is still ours. All
 * else leaves an entry in one of its two indexes of the log and not in the
 * other, and the buffer freed; what is on disk is whole, so the way on is a
 * new start. */
static void check_untouched(struct replica *r, int rv)
{
    if (rv == RAFT_NOTLEADER || rv == RAFT_NOSPACE)
        return;
    log_error("raft_failed", "reason=%s text=%s", raft_strerror(rv),
              raft_errmsg(&r->raft));
    _exit(err_exit_status(ERR_IO));
}

static bool propose(struct replica *r, uint32_t n)
{
    struct lead_entry *e;
    struct raft_buffer b;
    int rv;

    n = take(r, n);
    assert(r->entry.n % 8 == 0);
    b.len = r->entry.n;
    b.base = raft_malloc(b.len);
    assert(b.base != NULL);
    memcpy(b.base, r->entry.p, b.len);
    e = mem_alloc(sizeof *e);
    e->replica = r;
    e->apply.data = e;
    rv = raft_apply(&r->raft, &e->apply, &b, 1, on_applied);
    replica_tell_proposed(r, rv == 0);
    if (rv != 0) {
        check_untouched(r, rv);
        raft_free(b.base);
        free(e);
        refused(r, rv, n);
        return false;
    }
    r->outstanding++;
    r->stats.entries++;
    r->stats.operations += n;
    return true;
}

static void on_company(uv_timer_t *h)
{
    struct replica *r = h->data;

    r->dirty = true;
}

void replica_lead_init(struct replica *r)
{
    uv_timer_init(r->st.loop, &r->company);
    r->company.data = r;
}

/* Nobody waits for the verdict of a report. It leaves with the next other
 * operation, or with more reports a little later: under a light load this
 * makes one disk write of a pin and its two reports instead of three. */
static bool wait_for_company(struct replica *r, uint32_t n)
{
    uint64_t waited = replica_now_ms(r) - r->queue->added_ms;

    if (r->n_reports < r->n_queue || waited >= REPLICA_REPORT_MS ||
        n >= LIMIT_ENTRY_OPERATIONS_SINGLE)
        return false;
    if (!uv_is_active((uv_handle_t *)&r->company))
        uv_timer_start(&r->company, on_company, REPLICA_REPORT_MS - waited,
                       0);
    return true;
}

void replica_lead_pump(struct replica *r)
{
    while (r->queue != NULL && r->leading && !r->closing) {
        uint32_t n = gather(r);

        if (wait_for_company(r, n))
            return;

        if (r->outstanding >= LIMIT_ENTRIES_OUTSTANDING)
            return;
        if (r->outstanding >= REPLICA_EAGER_ENTRIES &&
            n < LIMIT_ENTRY_OPERATIONS_SINGLE)
            return;
        if (!propose(r, n))
            return;
    }
}
