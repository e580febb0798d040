/* Reads of content, from the access logs of gateways that stand before this
 * node's daemon. The files are read by a thread of the pool, a piece at a
 * time; what was counted goes to the leader as reports do: numbered, in the
 * journal, sent until it is taken. How far the files were read stands in the
 * same transaction, so a line counts once, whatever falls in between.
 *
 * While no report can leave, reading waits once READS_ENOUGH contents are
 * counted: the logs wait on the disk.
 */
#include "agent/agent_impl.h"

#include "agent/core/access_log.h"
#include "proto/reads.h"
#include "agent/tail.h"
#include "proto/hash.h"
#include "proto/log.h"
#include "proto/log_pace.h"
#include "proto/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    CHUNK = 64 << 10,   /* read at once */
    LOOK_MS = 200,      /* between two looks at the files */
    NEXT_MS = 10,       /* … where more is to be read: 6 MB/s */
    CONTENTS = 4096,
    READS_ENOUGH = CONTENTS - CHUNK / ACCESS_LINE_MIN,
    TELL = 10           /* intervals after which totals alone are reported */
};

struct agent_reads {
    struct agent *agent;
    uv_timer_t timer;
    uv_work_t work;
    bool busy;
    uint32_t n, at;                 /* files; the one that is next */
    struct tail tails[AGENT_LOGS_MAX];
    bool skipping[AGENT_LOGS_MAX];  /* within a line that is too long */
    char paths[AGENT_LOGS_MAX][AGENT_LOG_PATH + 1];
    char said[AGENT_LOGS_MAX][128]; /* why it could not be read */
    uint8_t *chunk;
    size_t n_chunk;
    struct reads *reads;
    uint8_t key[HASH_SIP_KEY];      /* of the pseudonyms, of this process */
    struct reads_totals totals;
    struct log_pace malformed;
    uint64_t now_ms;                /* of the thread's reading */
    uint64_t report_ms, tell_ms;
    uint64_t told;                  /* lines of the last report */
    bool moved;                     /* files were read since the report */
    struct reads_delta items[LIMIT_READS];
};

/* --- lines ---------------------------------------------------------------- */

static uint64_t wall_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* A clock that is ahead must not end the windows of all clients. */
static void count(struct agent_reads *r, const struct access *x)
{
    uint64_t now = wall_ms();
    struct reads_event e = {
        .time_ms = x->time_ms == 0 || x->time_ms > now ? now : x->time_ms,
        .cid = &x->cid,
        .user = hash_sip(r->key, x->client, x->n_client),
        .bytes = x->whole ? 1 : x->bytes,
        .size = x->whole ? 0 : work_size(r->agent->work, &x->cid)};

    reads_clock(r->reads, now);
    (void)reads_count(r->reads, &e);
}

static void malformed(struct agent_reads *r, const char *text)
{
    uint64_t n;

    r->totals.malformed++;
    if (log_pace_due(&r->malformed, agent_now_ms(r->agent), &n))
        log_warn("gateway_log_malformed", "path=%s count=%llu text=%s",
                 r->paths[r->at], (unsigned long long)n, text);
}

static void take_line(struct agent_reads *r, struct span line)
{
    struct access x;

    r->totals.lines++;
    switch (access_log_parse(line, &x)) {
    case ACCESS_READ:
        count(r, &x);
        break;
    case ACCESS_OTHER:
        r->totals.other++;
        break;
    case ACCESS_MALFORMED:
        malformed(r, "a line that is of no form of log known here");
        break;
    }
}

/* Whole lines of the chunk; returns how many bytes they have. */
static size_t take_lines(struct agent_reads *r)
{
    size_t at = 0;

    while (at < r->n_chunk) {
        const uint8_t *p = r->chunk + at;
        const uint8_t *end = memchr(p, '\n', r->n_chunk - at);

        if (end == NULL)
            break;
        if (r->skipping[r->at])
            r->skipping[r->at] = false;
        else if (end > p)
            take_line(r, span_of(p, (size_t)(end - p)));
        at += (size_t)(end - p) + 1;
    }
    if (at == 0 && (r->skipping[r->at] || r->n_chunk == CHUNK)) {
        if (!r->skipping[r->at]) {
            r->totals.lines++;
            malformed(r, "a line that is too long");
        }
        r->skipping[r->at] = true;
        at = r->n_chunk;
    }
    return at;
}

/* --- files ---------------------------------------------------------------- */

/* The same reason again and again is logged once. */
static void say(struct agent_reads *r)
{
    const struct tail *t = &r->tails[r->at];

    if (strncmp(r->said[r->at], t->why.text, sizeof r->said[0] - 1) == 0)
        return;
    snprintf(r->said[r->at], sizeof r->said[0], "%.127s", t->why.text);
    if (t->why.text[0] != '\0')
        log_warn("gateway_log_unreadable", "path=%s text=%s", t->path,
                 t->why.text);
    else
        log_info("gateway_log_readable", "path=%s", t->path);
}

/* A thread of the pool. */
static void on_read(uv_work_t *w)
{
    struct agent_reads *r = w->data;

    r->n_chunk = tail_read(&r->tails[r->at], r->chunk, CHUNK, r->now_ms);
}

static void on_timer(uv_timer_t *t);

static void on_read_done(uv_work_t *w, int status)
{
    struct agent_reads *r = w->data;
    struct tail *t = &r->tails[r->at];
    size_t n;

    assert(status == 0 && r->busy);
    r->busy = false;
    if (r->agent->stopping)
        return;
    if (t->at.offset == 0)
        r->skipping[r->at] = false;
    n = take_lines(r);
    tail_advance(t, n);
    say(r);
    r->moved |= n > 0;
    if (n < CHUNK / 2)
        r->at = (r->at + 1) % r->n;
    uv_timer_start(&r->timer, on_timer,
                   n > 0 || r->at != 0 ? NEXT_MS : LOOK_MS, 0);
}

/* --- reports -------------------------------------------------------------- */

static void add_totals(const struct agent_reads *r, struct reads_totals *out)
{
    const struct reads_stats *s = reads_stats(r->reads);

    *out = r->totals;
    out->repeated = s->repeated;
    out->capped = s->capped;
    assert(s->lost == 0);
}

/* One frame of what was counted, into the journal. */
static void put_frame(struct agent_reads *r, uint64_t seq, struct buf *out)
{
    struct agent *a = r->agent;
    struct message *m = &a->message;
    uint32_t n = reads_drain(r->reads, r->items, LIMIT_READS);

    for (uint32_t i = 0; i < n; i++)
        if (r->items[i].reads_q16 > COMMAND_READS_MAX)
            r->items[i].reads_q16 = COMMAND_READS_MAX;
    m->kind = MESSAGE_READS;
    m->reads.boot = journal_head(a->journal)->boot;
    m->reads.seq = seq;
    m->reads.n = n;
    m->reads.items = r->items;
    add_totals(r, &m->reads.totals);
    message_encode(m, out);
    journal_report(a->journal, seq, span_buf(out));
}

/* tell: also if nothing was counted. */
static void report(struct agent_reads *r, bool tell)
{
    struct agent *a = r->agent;
    struct buf frames[CONTENTS / LIMIT_READS];
    uint64_t seqs[CONTENTS / LIMIT_READS];
    uint32_t n = 0;
    bool stored;

    journal_begin(a->journal);
    while (reads_waiting(r->reads) > 0 || (tell && n == 0)) {
        assert(n < CONTENTS / LIMIT_READS);
        frames[n] = (struct buf)BUF_INIT;
        seqs[n] = agent_next_seq(a);
        put_frame(r, seqs[n], &frames[n]);
        n++;
    }
    for (uint32_t i = 0; i < r->n; i++)
        if (r->tails[i].known)
            journal_log(a->journal, r->paths[i], &r->tails[i].at);
    stored = agent_commit(a);
    for (uint32_t i = 0; i < n; i++) {
        if (stored)
            link_report(a->link, seqs[i], span_buf(&frames[i]));
        buf_free(&frames[i]);
    }
    r->moved = false;
    r->report_ms = agent_now_ms(a) + a->config->reads_ms;
    if (n == 0)
        return;
    r->told = r->totals.lines;
    r->tell_ms = agent_now_ms(a) + TELL * a->config->reads_ms;
}

/* Not about orders that the full ones have not come to yet: reports that wait
 * are void then. */
static void report_if_due(struct agent_reads *r)
{
    const struct agent *a = r->agent;
    uint64_t now = agent_now_ms(a);
    uint32_t waiting = reads_waiting(r->reads);
    bool tell = r->told != r->totals.lines && now >= r->tell_ms;

    if (now < r->report_ms && waiting < READS_ENOUGH)
        return;
    if (waiting > 0 || tell ? link_report_room(a->link) && !a->full_orders
                            : r->moved)
        report(r, tell);
}

static void on_timer(uv_timer_t *t)
{
    struct agent_reads *r = t->data;
    int rv;

    if (r->agent->stopping)
        return;
    report_if_due(r);
    if (r->agent->stopping)
        return;
    if (reads_waiting(r->reads) >= READS_ENOUGH) {
        uv_timer_start(&r->timer, on_timer, LOOK_MS, 0);
        return;
    }
    r->busy = true;
    r->now_ms = agent_now_ms(r->agent);
    r->work.data = r;
    rv = uv_queue_work(&r->agent->loop, &r->work, on_read, on_read_done);
    assert(rv == 0);
}

/* --- life ----------------------------------------------------------------- */

static void open_tails(struct agent_reads *r)
{
    struct agent *a = r->agent;
    const char *list = a->config->gateway_logs;

    for (; r->n < conf_list_count(list); r->n++) {
        char *path = r->paths[r->n];
        struct tail_position at;
        bool have = conf_list_entry(list, r->n, path, sizeof r->paths[0]);

        assert(have && r->n < AGENT_LOGS_MAX);
        have = journal_log_get(a->journal, path, &at);
        tail_init(&r->tails[r->n], path, have ? &at : NULL);
    }
}

void agent_reads_start(struct agent *a)
{
    struct reads_config cfg = reads_defaults;
    struct agent_reads *r;

    if (a->config->gateway_logs == NULL)
        return;
    r = mem_alloc(sizeof *r);
    r->agent = a;
    a->reads = r;
    open_tails(r);
    cfg.contents = CONTENTS;
    hash_random(r->key, sizeof r->key);
    r->reads = reads_new(&cfg, r->key);
    r->chunk = mem_alloc(CHUNK);
    uv_timer_init(&a->loop, &r->timer);
    r->timer.data = r;
    r->report_ms = agent_now_ms(a) + a->config->reads_ms;
    uv_timer_start(&r->timer, on_timer, 0, 0);
}

void agent_reads_stop(struct agent *a)
{
    if (a->reads != NULL)
        uv_timer_stop(&a->reads->timer);
}

uint32_t agent_reads_totals(const struct agent *a, struct reads_totals *out)
{
    const struct agent_reads *r = a->reads;
    uint32_t unreadable = 0;

    memset(out, 0, sizeof *out);
    if (r == NULL)
        return 0;
    add_totals(r, out);
    for (uint32_t i = 0; i < r->n; i++)
        unreadable += r->said[i][0] != '\0';
    return unreadable;
}

bool agent_reads_busy(const struct agent *a)
{
    return a->reads != NULL && a->reads->busy;
}

/* After the loop's last turn. */
void agent_reads_free(struct agent *a)
{
    struct agent_reads *r = a->reads;

    if (r == NULL)
        return;
    assert(!r->busy);
    for (uint32_t i = 0; i < r->n; i++)
        tail_close(&r->tails[i]);
    reads_free(r->reads);
    free(r->chunk);
    free(r);
}
