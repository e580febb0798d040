/* Windows of users and of what they read, in sets of 8; counts of contents, in
 * a row with chains. See reads.h.
 */
#include "proto/reads.h"

#include "proto/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { WAYS = 8, NONE = UINT32_MAX };

const struct reads_config reads_defaults = {
    .contents = 65536, .pairs = 131072, .users = 65536, .user_max = 1000,
};

struct window {
    uint64_t tag;      /* 0: never used */
    uint64_t since_ms;
    uint64_t bytes;    /* of a pair */
    uint64_t counted_q16;
};

struct windows {
    struct window *all;
    uint64_t sets; /* a power of two */
};

struct content {
    struct reads_delta delta;
    uint32_t next; /* with the same head, or NONE */
};

struct reads {
    struct reads_config cfg;
    uint8_t key[HASH_SIP_KEY];
    uint64_t now_ms;
    struct windows pairs, users;
    struct content *contents;
    uint32_t *heads, n;
    struct reads_stats stats;
};

static_assert(sizeof(struct window) == 32, "reads.h says so");
static_assert(sizeof(struct content) + sizeof(uint32_t) <= 192,
              "reads.h says so");

static void open_windows(struct windows *w, uint32_t n)
{
    w->sets = 1;
    while (w->sets * WAYS < n)
        w->sets *= 2;
    w->all = mem_array(w->sets * WAYS, sizeof *w->all);
}

struct reads *reads_new(const struct reads_config *cfg,
                        const uint8_t key[HASH_SIP_KEY])
{
    struct reads *r = mem_alloc(sizeof *r);

    assert(cfg->contents > 0 && cfg->contents < NONE && cfg->pairs > 0 &&
           cfg->users > 0 && cfg->user_max > 0);
    r->cfg = *cfg;
    memcpy(r->key, key, sizeof r->key);
    open_windows(&r->pairs, cfg->pairs);
    open_windows(&r->users, cfg->users);
    r->contents = mem_array(cfg->contents, sizeof *r->contents);
    r->heads = mem_array(cfg->contents, sizeof *r->heads);
    memset(r->heads, 0xff, cfg->contents * sizeof *r->heads);
    return r;
}

void reads_free(struct reads *r)
{
    if (!r)
        return;
    free(r->pairs.all);
    free(r->users.all);
    free(r->contents);
    free(r->heads);
    free(r);
}

/* --- windows -------------------------------------------------------------- */

static bool is_open(const struct reads *r, const struct window *w)
{
    return w->tag != 0 && r->now_ms - w->since_ms < READS_WINDOW_MS;
}

/* The window that is open, or a new one in the place of the oldest. */
static struct window *window_of(struct reads *r, const struct windows *t,
                                uint64_t tag)
{
    struct window *set = t->all + (tag & (t->sets - 1)) * WAYS, *old = set;

    tag |= (uint64_t)1 << 63; /* never 0; the set comes from the low bits */
    for (uint32_t i = 0; i < WAYS; i++) {
        if (set[i].tag == tag && is_open(r, &set[i]))
            return &set[i];
        if (set[i].since_ms < old->since_ms)
            old = &set[i];
    }
    r->stats.early += is_open(r, old);
    *old = (struct window){.tag = tag, .since_ms = r->now_ms};
    return old;
}

/* NULL: there is none, or not any more. */
static struct window *find_window(const struct reads *r,
                                  const struct windows *t, uint64_t tag)
{
    struct window *set = t->all + (tag & (t->sets - 1)) * WAYS;

    tag |= (uint64_t)1 << 63;
    for (uint32_t i = 0; i < WAYS; i++)
        if (set[i].tag == tag && is_open(r, &set[i]))
            return &set[i];
    return NULL;
}

static uint64_t pair_tag(const struct reads *r, const struct cid *cid,
                         uint64_t user)
{
    uint8_t bytes[LIMIT_CID + sizeof user];

    memcpy(bytes, &user, sizeof user);
    memcpy(bytes + sizeof user, cid->bytes, cid->n);
    return hash_sip(r->key, bytes, sizeof user + cid->n);
}

static uint64_t user_tag(const struct reads *r, uint64_t user)
{
    return hash_sip(r->key, &user, sizeof user);
}

static uint64_t part_q16(uint64_t bytes, uint64_t size)
{
    if (bytes >= size)
        return bytes > 0 ? READS_ONE_Q16 : 0;
    if (bytes >> 48 == 0)
        return (bytes << 16) / size;
    return bytes / (size >> 16);
}

/* What this read adds to those of its window. */
static uint64_t fresh_q16(struct window *pair, const struct reads_event *e)
{
    uint64_t part;

    pair->bytes = e->bytes > UINT64_MAX - pair->bytes ?
        UINT64_MAX : pair->bytes + e->bytes;
    part = part_q16(pair->bytes, e->size);
    assert(part <= READS_ONE_Q16);
    return part > pair->counted_q16 ? part - pair->counted_q16 : 0;
}

/* --- contents ------------------------------------------------------------- */

static uint32_t *head_of(struct reads *r, const struct cid *c)
{
    return &r->heads[hash_sip(r->key, c->bytes, c->n) % r->cfg.contents];
}

/* NULL: there is no room for another one. */
static struct content *content_of(struct reads *r, const struct cid *c)
{
    uint32_t *head = head_of(r, c);
    struct content *x;

    for (uint32_t i = *head; i != NONE; i = r->contents[i].next)
        if (cid_equal(&r->contents[i].delta.cid, c))
            return &r->contents[i];
    if (r->n == r->cfg.contents)
        return NULL;
    x = &r->contents[r->n];
    x->delta = (struct reads_delta){.cid = *c};
    x->next = *head;
    *head = r->n++;
    return x;
}

static void close_later(const struct reads *r, const struct windows *w)
{
    for (uint64_t i = 0; i < w->sets * WAYS; i++)
        if (w->all[i].since_ms > r->now_ms)
            w->all[i] = (struct window){0};
}

/* By less it is a clock that is kept right: time stands still meanwhile. */
void reads_clock(struct reads *r, uint64_t now_ms)
{
    if (now_ms >= r->now_ms || r->now_ms - now_ms < READS_WINDOW_MS)
        return;
    r->now_ms = now_ms;
    close_later(r, &r->pairs);
    close_later(r, &r->users);
}

uint32_t reads_count(struct reads *r, const struct reads_event *e)
{
    uint64_t most = (uint64_t)r->cfg.user_max * READS_ONE_Q16, add;
    struct window *pair, *user;
    struct content *content;

    if (e->time_ms > r->now_ms)
        r->now_ms = e->time_ms;
    r->stats.events++;
    pair = window_of(r, &r->pairs, pair_tag(r, e->cid, e->user));
    add = fresh_q16(pair, e);
    if (add == 0) {
        r->stats.repeated++;
        return 0;
    }
    user = window_of(r, &r->users, user_tag(r, e->user));
    if (add > most - user->counted_q16) {
        r->stats.capped++;
        add = most - user->counted_q16;
        if (add == 0)
            return 0;
    }
    content = content_of(r, e->cid);
    if (!content) {
        r->stats.lost++;
        return 0;
    }
    pair->counted_q16 += add;
    user->counted_q16 += add;
    content->delta.reads_q16 += add;
    r->stats.reads_q16 += add;
    return (uint32_t)add;
}

static void give_back(struct window *w, uint32_t q16)
{
    if (w == NULL)
        return;
    w->counted_q16 -= q16 < w->counted_q16 ? q16 : w->counted_q16;
    if (w->counted_q16 == 0)
        w->bytes = 0;
}

void reads_undo(struct reads *r, const struct cid *cid, uint64_t user,
                uint32_t q16)
{
    give_back(find_window(r, &r->pairs, pair_tag(r, cid, user)), q16);
    give_back(find_window(r, &r->users, user_tag(r, user)), q16);
}

static void unlink_last(struct reads *r)
{
    uint32_t *at = head_of(r, &r->contents[r->n - 1].delta.cid);

    while (*at != r->n - 1) {
        assert(*at != NONE);
        at = &r->contents[*at].next;
    }
    *at = r->contents[r->n - 1].next;
    r->n--;
}

uint32_t reads_drain(struct reads *r, struct reads_delta *out, uint32_t most)
{
    uint32_t n = 0;

    while (n < most && r->n > 0) {
        out[n++] = r->contents[r->n - 1].delta;
        unlink_last(r);
    }
    return n;
}

uint32_t reads_waiting(const struct reads *r)
{
    return r->n;
}

const struct reads_stats *reads_stats(const struct reads *r)
{
    return &r->stats;
}
