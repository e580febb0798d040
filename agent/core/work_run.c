/* Calls: which one is next, and what its result means. One call a CID; a pin
 * holds its slot from the look to the end. While the daemon is down nothing
 * fails: calls that it cut off are made again.
 */
#include "agent/core/work_impl.h"

#include "agent/core/backoff.h"
#include "proto/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { STARTS_MAX = 1000, /* of one tick */
       PATIENCE_MS = 15000 };

bool work_is_busy(const struct item *i)
{
    assert((i->job != NULL) == (i->state == ITEM_LOOKING ||
                                i->state == ITEM_PINNING ||
                                i->state == ITEM_UNPINNING));
    return i->job != NULL;
}

/* --- rest --- */

void work_ready(struct work *w, struct item *i)
{
    enum heap_kind k = i->want == COPY_RELEASED ? HEAP_RELEASE
                       : i->attempts > 0        ? HEAP_RETRY
                                                : HEAP_FRESH;

    assert(!work_is_busy(i));
    if (i->state == ITEM_BLOCKED)
        w->blocked--;
    work_heap_remove(w, i);
    i->state = ITEM_READY;
    work_heap_add(w, i, k);
}

static void wait_for(struct work *w, struct item *i, uint64_t ms)
{
    work_heap_remove(w, i);
    i->state = ITEM_WAITING;
    i->due_ms = w->now_ms + ms;
    work_heap_add(w, i, HEAP_TIMER);
}

static void fail(struct work *w, struct item *i, enum fail_code code,
                 const char *text)
{
    work_update_over(w, i);
    i->attempts++;
    i->cuts = 0;
    i->code = (uint8_t)(code == FAIL_NONE ? FAIL_OTHER : code);
    free(i->text);
    i->text = mem_textn(text, strnlen(text, LIMIT_ERROR_TEXT));
    work_report_set(w, i, REPORT_FAILED);
    wait_for(w, i, backoff_ms(w->limits.backoff_ms, w->limits.backoff_max_ms,
                              i->attempts, &w->random));
}

static void settle(struct work *w, struct item *i, enum report_state s)
{
    work_update_over(w, i);
    work_heap_remove(w, i);
    i->state = ITEM_SETTLED;
    i->attempts = 0;
    i->cuts = 0;
    work_report_set(w, i, s);
}

static void settle_gone(struct work *w, struct item *i)
{
    work_item_held(w, i, false, 0);
    i->adopted = false;
    settle(w, i, REPORT_GONE);
}

static void settle_pinned(struct work *w, struct item *i, bool adopted,
                          uint64_t size)
{
    i->adopted = adopted;
    work_item_held(w, i, true, size != 0 ? size : i->size);
    settle(w, i, REPORT_PINNED);
}

/* --- calls begin and end --- */

static void begin_call(struct work *w, struct item *i)
{
    struct job *j = mem_alloc(sizeof(*j));

    assert(i->job == NULL && w->n_busy < 2 * w->limits.concurrent_pins);
    work_heap_take(w, i);
    j->want = (enum copy_want)i->want;
    j->retry = i->attempts > 0;
    j->slot = w->n_busy;
    w->busy[w->n_busy++] = i;
    if (j->want == COPY_RELEASED)
        w->n_releases++;
    else
        w->n_holds++;
    if (j->want != COPY_RELEASED && j->retry)
        w->n_retries++;
    i->job = j;
    i->state = ITEM_LOOKING;
}

void work_end_call(struct work *w, struct item *i)
{
    struct job *j = i->job;

    assert(j != NULL && w->busy[j->slot] == i);
    w->busy[j->slot] = w->busy[--w->n_busy];
    w->busy[j->slot]->job->slot = j->slot;
    if (j->want == COPY_RELEASED)
        w->n_releases--;
    else
        w->n_holds--;
    if (j->want != COPY_RELEASED && j->retry)
        w->n_retries--;
    w->charged -= j->charge;
    i->job = NULL;
    free(j);
    i->state = ITEM_READY;
    work_wake(w, i->cid, i->n_cid);
}

void work_stop(struct work *w, struct item *i)
{
    if (i->state != ITEM_PINNING || i->job->cancelled)
        return;
    i->job->cancelled = true;
    w->wishes.cancel(w->wishes.arg, i->pin);
}

/* The call is over. true: its result is what the order asks for; else the
 * item is gone from memory, or looked at again. */
static bool end_call(struct work *w, struct item *i)
{
    bool same = i->want == i->job->want;

    work_end_call(w, i);
    if (i->dropped) {
        work_item_remove(w, i);
        return false;
    }
    if (!same)
        work_ready(w, i);
    return same;
}

/* Not the pin's fault, unless it happens again and again: a daemon that is
 * gone, or denies everything, is found out by its checks meanwhile. */
static void cut(struct work *w, struct item *i, const char *text)
{
    work_update_over(w, i);
    if (++i->cuts >= WORK_CUTS_MAX)
        fail(w, i, FAIL_DAEMON, text);
    else
        wait_for(w, i, WORK_CUT_MS);
}

static bool was_cut(enum err e)
{
    return e == ERR_UNREACHABLE || e == ERR_CLOSED || e == ERR_DENIED;
}

static void call_failed(struct work *w, struct item *i, enum err e,
                        enum fail_code code, const char *text)
{
    /* No answer at all is the daemon's, no progress the content's. */
    if (was_cut(e) || (e == ERR_TIMEOUT && code == FAIL_DAEMON))
        cut(w, i, text);
    else
        fail(w, i, code, text);
}

/* --- starting --- */

static bool other_busy(const struct work *w, const struct item *i)
{
    const struct item *o = work_cid_first(w, i->cid, i->n_cid);

    for (; o != NULL; o = work_cid_next(o))
        if (o != i && work_is_busy(o))
            return true;
    return false;
}

static bool other_wants(const struct work *w, const struct item *i)
{
    const struct item *o = work_cid_first(w, i->cid, i->n_cid);

    for (; o != NULL; o = work_cid_next(o))
        if (o != i && o->want != COPY_RELEASED)
            return true;
    return false;
}

static void start_item(struct work *w, struct item *i)
{
    struct work_item copy;

    assert(i->state == ITEM_READY && w->daemon_up);
    if (other_busy(w, i) ||
        (i->want == COPY_RELEASED && work_is_source(w, i))) {
        work_heap_remove(w, i);
        i->state = ITEM_BLOCKED;
        w->blocked++;
        return;
    }
    if (i->want == COPY_RELEASED && other_wants(w, i)) {
        settle_gone(w, i);
        return;
    }
    begin_call(w, i);
    work_item_fill(i, &copy);
    w->wishes.look(w->wishes.arg, &copy);
}

static uint32_t retries_max(const struct work *w)
{
    return (w->limits.concurrent_pins + 1) / 2;
}

/* The next to be held, or NULL: retries keep to half of the slots and come
 * after first attempts, unless they are more urgent; neither waits for ever. */
static struct item *next_hold(const struct work *w)
{
    struct item *fresh = work_heap_first(w, HEAP_FRESH);
    struct item *retry = work_heap_first(w, HEAP_RETRY);

    if (w->n_holds >= w->limits.concurrent_pins)
        return NULL;
    if (retry == NULL || w->n_retries >= retries_max(w))
        return fresh;
    if (fresh == NULL || w->fresh_run >= WORK_FRESH_RUN)
        return retry;
    return work_item_precedes(retry, fresh) && w->retry_run < WORK_FRESH_RUN
               ? retry : fresh;
}

static struct item *next_release(const struct work *w)
{
    return w->unsure || w->full || w->n_releases >= w->limits.concurrent_pins
               ? NULL
               : work_heap_first(w, HEAP_RELEASE);
}

/* What nobody provides holds its slot until the daemon gives up, minutes
 * later. While others wait for their first turn it has this long to begin. */
static uint64_t idle_due_ms(const struct item *i)
{
    const struct job *j = i->job;

    return i->state == ITEM_PINNING && !j->cancelled && !j->retry &&
                   !j->silent && j->bytes == 0 && j->nodes == 0
               ? j->begun_ms + PATIENCE_MS
               : UINT64_MAX;
}

static bool fresh_wait(const struct work *w)
{
    return !w->paused && work_heap_first(w, HEAP_FRESH) != NULL &&
           w->n_holds >= w->limits.concurrent_pins;
}

static void stop_idle(struct work *w)
{
    for (uint32_t k = 0; k < w->n_busy && fresh_wait(w); k++) {
        if (w->now_ms < idle_due_ms(w->busy[k]))
            continue;
        w->busy[k]->job->idle = true;
        work_stop(w, w->busy[k]);
    }
}

static void start(struct work *w)
{
    struct item *i;

    for (unsigned n = 0; n < STARTS_MAX && w->daemon_up && !w->paused; n++) {
        if ((i = next_release(w)) != NULL) {
            start_item(w, i);
            continue;
        }
        if ((i = next_hold(w)) == NULL)
            return;
        w->fresh_run = i->heap == HEAP_RETRY ? 0 : w->fresh_run + 1;
        w->retry_run = i->heap == HEAP_RETRY ? w->retry_run + 1 : 0;
        start_item(w, i);
    }
}

void work_tick(struct work *w, uint64_t now_ms)
{
    struct item *i;

    w->now_ms = now_ms;
    while ((i = work_heap_first(w, HEAP_TIMER)) != NULL &&
           i->due_ms <= now_ms)
        work_ready(w, i);
    for (uint32_t k = 0; k < w->n_busy; k++)
        if (w->busy[k]->job->over && now_ms >= w->busy[k]->job->grace_ms)
            work_stop(w, w->busy[k]);
    stop_idle(w);
    start(w);
}

uint64_t work_next_ms(const struct work *w)
{
    const struct item *timer = work_heap_first(w, HEAP_TIMER);
    uint64_t next = timer == NULL ? UINT64_MAX : timer->due_ms;
    bool wait = fresh_wait(w);

    if (w->daemon_up && !w->paused &&
        (next_release(w) != NULL || next_hold(w) != NULL))
        return 0;
    for (uint32_t k = 0; k < w->n_busy; k++) {
        const struct job *j = w->busy[k]->job;

        if (j->over && !j->cancelled && j->grace_ms < next)
            next = j->grace_ms;
        if (wait && idle_due_ms(w->busy[k]) < next)
            next = idle_due_ms(w->busy[k]);
    }
    return next;
}

void work_daemon(struct work *w, bool up, uint64_t now_ms)
{
    w->now_ms = now_ms;
    w->daemon_up = up;
    while (!up && w->n_busy > 0) {
        struct item *i = w->busy[w->n_busy - 1];

        work_end_call(w, i);
        if (i->dropped)
            work_item_remove(w, i);
        else
            work_ready(w, i);
    }
    if (!up)
        work_list_end(w, false, now_ms);
}

void work_pause(struct work *w, bool on, uint64_t now_ms)
{
    w->now_ms = now_ms;
    w->paused = on;
}

void work_disk(struct work *w, bool low, const char *text)
{
    size_t n = strnlen(text, sizeof w->disk_text - 1);

    w->disk_low = low;
    memcpy(w->disk_text, text, n);
    w->disk_text[n] = '\0';
}

/* --- results --- */

static struct item *busy_item(struct work *w, uint64_t pin,
                              enum item_state state, uint64_t now_ms)
{
    struct item *i = work_item_find(w, pin);

    w->now_ms = now_ms;
    return i != NULL && i->state == state ? i : NULL;
}

static bool over_maximum(const struct work *w, uint64_t charged,
                         uint64_t more)
{
    uint64_t used = w->held_bytes + charged;

    return w->limits.max_bytes != UINT64_MAX &&
           (used > w->limits.max_bytes ||
            more > w->limits.max_bytes - used);
}

/* What was looked at may have to wait for its next step. */
static bool put_off(struct work *w, struct item *i)
{
    if (w->paused && end_call(w, i))
        work_ready(w, i);
    return w->paused;
}

/* An update shows no progress, so what failed once is pinned plainly. */
static bool may_update(const struct work *w, const struct item *i,
                       const struct cid *from)
{
    const struct item *o;

    if (from->n == 0 || i->attempts > 0 || i->cuts > 0 ||
        i->want != COPY_RECURSIVE)
        return false;
    for (o = work_cid_first(w, from->bytes, from->n); o != NULL;
         o = work_cid_next(o))
        if (o->held && !o->adopted && o->want != COPY_DIRECT &&
            !work_is_busy(o)) /* what is to be let go waits for this */
            return true;
    return false;
}

static void try_pin(struct work *w, struct item *i)
{
    struct work_item copy;

    if (i->held) {
        work_item_held(w, i, false, 0);
        i->adopted = false;
        work_report_set(w, i, REPORT_LOST);
    }
    if (put_off(w, i))
        return;
    if (w->disk_low) {
        if (end_call(w, i))
            fail(w, i, FAIL_NO_SPACE, w->disk_text);
        return;
    }
    if (over_maximum(w, 0, i->reserved)) {
        if (end_call(w, i))
            fail(w, i, FAIL_OVER_LIMIT, "the node's maximum of bytes "
                 "would be exceeded");
        return;
    }
    if (over_maximum(w, w->charged, i->reserved)) {
        /* Others that are under way may need less than was reserved. */
        if (end_call(w, i))
            wait_for(w, i, WORK_CUT_MS);
        return;
    }
    i->state = ITEM_PINNING;
    i->job->begun_ms = w->now_ms;
    i->job->charge = i->reserved;
    w->charged += i->reserved;
    work_item_fill(i, &copy);
    if (!may_update(w, i, &copy.from))
        copy.from.n = 0;
    i->job->silent = copy.from.n > 0;
    w->wishes.pin(w->wishes.arg, &copy);
}

/* Only what carries our name, and what no other order wants, is removed. */
static void looked_to_release(struct work *w, struct item *i,
                              enum work_found found, bool ours)
{
    struct work_item copy;

    if (found == WORK_FOUND_NOTHING || !ours || other_wants(w, i)) {
        if (end_call(w, i))
            settle_gone(w, i);
        return;
    }
    if (put_off(w, i))
        return;
    /* They may want it again; or something was ordered that comes of it. */
    if (w->full || work_is_source(w, i)) {
        if (end_call(w, i))
            work_ready(w, i);
        return;
    }
    i->state = ITEM_UNPINNING;
    work_item_fill(i, &copy);
    w->wishes.unpin(w->wishes.arg, &copy, found == WORK_FOUND_RECURSIVE);
}

static void looked_to_hold(struct work *w, struct item *i,
                           enum work_found found, bool ours, uint64_t size)
{
    if (found == WORK_FOUND_RECURSIVE ||
        (found == WORK_FOUND_DIRECT && i->want == COPY_DIRECT)) {
        if (end_call(w, i))
            settle_pinned(w, i, !ours, size);
    } else if (found == WORK_FOUND_DIRECT && !ours) {
        /* A recursive pin would replace the owner's record. */
        if (end_call(w, i))
            fail(w, i, FAIL_CONFLICT, "a direct pin of someone else is "
                 "there");
    } else {
        try_pin(w, i);
    }
}

void work_looked(struct work *w, uint64_t pin, enum err e,
                 enum work_found found, bool ours, uint64_t size,
                 enum fail_code code, const char *text, uint64_t now_ms)
{
    struct item *i = busy_item(w, pin, ITEM_LOOKING, now_ms);

    if (i == NULL)
        return;
    if (e != ERR_OK || i->dropped || i->want != i->job->want) {
        if (end_call(w, i))
            call_failed(w, i, e, code, text);
        return;
    }
    if (i->want == COPY_RELEASED)
        looked_to_release(w, i, found, ours);
    else
        looked_to_hold(w, i, found, ours, size);
}

static uint64_t doubled(uint64_t n)
{
    return n > UINT64_MAX / 2 ? UINT64_MAX : n * 2;
}

/* Progress comes in steps, so the limit is met late or jumped over: what is
 * asked for follows what is there already, and the answer has some time. */
void work_progress(struct work *w, uint64_t pin, uint64_t bytes,
                   uint64_t nodes)
{
    struct item *i = work_item_find(w, pin);
    struct job *j;

    if (i == NULL || i->state != ITEM_PINNING || i->job->cancelled)
        return;
    j = i->job;
    j->bytes = bytes;
    j->nodes = nodes;
    if (bytes > j->charge &&
        over_maximum(w, w->charged, bytes - j->charge)) {
        j->over = true;
        work_stop(w, i);
        return;
    }
    if (bytes < i->reserved - i->reserved / 5)
        return;
    if (j->asked == 0 && i->pending == 0) {
        j->asked = doubled(bytes > i->reserved ? bytes : i->reserved);
        work_report_set(w, i, REPORT_ASK);
    }
    if (bytes > i->reserved && !j->over) {
        j->over = true;
        j->grace_ms = w->now_ms + WORK_GRACE_MS;
    }
}

void work_pinned(struct work *w, uint64_t pin, enum err e, uint64_t size,
                 enum fail_code code, const char *text, uint64_t now_ms)
{
    struct item *i = busy_item(w, pin, ITEM_PINNING, now_ms);
    bool over, cancelled, idle;

    if (i == NULL)
        return;
    over = i->job->over;
    cancelled = i->job->cancelled;
    idle = i->job->idle;
    if (i->pending == REPORT_ASK)
        work_report_drop(w, i);
    if (e == ERR_OK) /* even of a cancelled one: the next look would say so */
        work_item_held(w, i, !i->dropped, size != 0 ? size : i->size);
    if (!end_call(w, i))
        return;
    if (e == ERR_OK)
        settle_pinned(w, i, false, size);
    else if (cancelled && over)
        fail(w, i, FAIL_OVER_LIMIT, "larger than the bytes reserved for it");
    else if (idle)
        fail(w, i, FAIL_STALLED, "nothing came of it while others waited");
    else if (cancelled)
        work_ready(w, i);
    else
        call_failed(w, i, e, code, text);
}

void work_unpinned(struct work *w, uint64_t pin, enum err e,
                   enum fail_code code, const char *text, uint64_t now_ms)
{
    struct item *i = busy_item(w, pin, ITEM_UNPINNING, now_ms);

    if (i == NULL)
        return;
    if (e == ERR_OK)
        work_item_held(w, i, false, 0);
    if (!end_call(w, i))
        return;
    if (e == ERR_OK)
        settle_gone(w, i);
    else
        call_failed(w, i, e, code, text);
}
