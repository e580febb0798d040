/* What would have to change for a pin to be kept, or to go: the figures, and
 * the same as sentences. Found from its score (proto/score_goal.c), from the
 * order of what is held (core/frontier.c) and from what its admission would
 * lack (core/fsm_worth.c).
 */
#include "coordinator/api_score.h"

#include "proto/score_goal.h"

#include <stdio.h>

enum { TEXT = 320, HOUR_MS = 3600000 };

struct needs {
    const struct api_call *c;
    const struct score_facts *facts;
    const struct score_config *formula;
    struct score_input in;
    struct score now;
    struct json_writer *w;
    struct json_writer texts; /* of another buffer: an array of them */
};

static void say(struct needs *n, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void say(struct needs *n, const char *fmt, ...)
{
    char text[TEXT];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    json_text(&n->texts, text);
}

/* --- goals ---------------------------------------------------------------- */

/* A priority or a key that it must have, and what leads there. */
struct goal {
    struct score_goal at;
    int64_t margin;      /* above it, or below */
    bool by_reads, by_quality;
    struct score_reads reads;
    uint32_t quality;
};

static void goal_find(const struct needs *n, bool key, int64_t at,
                      struct goal *out)
{
    *out = (struct goal){.at = {key, (int32_t)at}};
    out->margin = (key ? n->now.key_q16 : n->now.priority_q16) - at;
    out->by_reads = score_goal_reads(n->formula, &n->in, out->at,
                                     &out->reads);
    out->by_quality = score_goal_quality(n->formula, &n->in, out->at,
                                         &out->quality);
}

static uint64_t whole_reads(const struct goal *g)
{
    return g->reads.more_q16 / FIXED_ONE
           + (g->reads.more_q16 % FIXED_ONE != 0);
}

static void kv_q16_or_null(struct json_writer *w, const char *key, bool is,
                           int64_t v)
{
    if (is) {
        api_kv_q16(w, key, v);
        return;
    }
    json_key(w, key);
    json_null(w);
}

static void put_goal(struct json_writer *w, const struct goal *g)
{
    api_kv_q16(w, g->at.key ? "key" : "priority", g->at.q16);
    api_kv_q16(w, "margin", g->margin);
    kv_q16_or_null(w, "reads_per_day", g->by_reads,
                   (int64_t)g->reads.rate_q16);
    json_key(w, "more_reads");
    if (g->by_reads)
        json_u64(w, whole_reads(g));
    else
        json_null(w);
    kv_q16_or_null(w, "quality", g->by_quality, g->quality);
}

/* "14 reads more (1.39000 a day), or a rating of 0.80000" */
static void goal_text(const struct goal *g, char out[TEXT])
{
    char rate[API_Q16_TEXT], quality[API_Q16_TEXT];

    api_q16_text((int64_t)g->reads.rate_q16, rate);
    api_q16_text(g->quality, quality);
    if (g->by_reads && g->by_quality)
        snprintf(out, TEXT, "%llu reads more (%s a day) or a rating of %s",
                 (unsigned long long)whole_reads(g), rate, quality);
    else if (g->by_reads)
        snprintf(out, TEXT, "%llu reads more (%s a day)",
                 (unsigned long long)whole_reads(g), rate);
    else if (g->by_quality)
        snprintf(out, TEXT, "a rating of %s", quality);
    else
        snprintf(out, TEXT, "no number of reads and no rating is enough");
}

/* --- what is held --------------------------------------------------------- */

static void put_end(struct needs *n, const struct goal *g)
{
    const struct value *v = n->facts->value;
    uint64_t stays = v->since_ms + n->formula->residency_ms, until = 0;
    bool ends = score_goal_until(n->formula, &n->in, g->at, &until);
    uint64_t hours = (stays > n->in.now_ms ? stays - n->in.now_ms : 0)
                     / HOUR_MS;
    char margin[API_Q16_TEXT], low[API_Q16_TEXT], how[TEXT];

    json_kv_u64(n->w, "residency_until_ms", stays);
    json_key(n->w, "unread_until_ms");
    if (ends)
        json_u64(n->w, until);
    else
        json_null(n->w);
    api_q16_text(g->margin < 0 ? -g->margin : g->margin, margin);
    api_q16_text(g->at.q16, low);
    goal_text(g, how);
    if (g->margin < 0)
        say(n, "its priority is %s below the lower threshold of %s: it goes "
            "in %llu h, or stays with: %s", margin, low,
            (unsigned long long)hours, how);
    else if (ends)
        say(n, "its priority is %s above the lower threshold of %s: unread "
            "it falls below in %llu h", margin, low,
            (unsigned long long)((until - n->in.now_ms) / HOUR_MS));
    else
        say(n, "its priority is %s above the lower threshold of %s, and "
            "stays above though unread", margin, low);
}

/* What its organisation must need before it is its turn. */
static void put_turn(struct needs *n)
{
    const struct frontier *f = n->facts->own;
    const struct org *o = view_org(n->c->view, n->c->org);
    uint64_t room = o == NULL ? 0 : fsm_own_room(o, ORG_PHYSICAL,
                                                 n->c->view->log_ms);
    bool known = f->met && room != ORG_NO_LIMIT;

    json_key(n->w, "bytes_before");
    if (f->met)
        json_u64(n->w, f->before);
    else
        json_null(n->w);
    if (known)
        say(n, "it goes when its organisation needs more than %llu bytes: "
            "%llu are free, and what is cheaper has %llu",
            (unsigned long long)(room + f->before), (unsigned long long)room,
            (unsigned long long)f->before);
    else if (f->met)
        say(n, "its organisation has no limit of bytes: it goes where a "
            "node runs full, behind %llu bytes that are cheaper",
            (unsigned long long)f->before);
    else if (n->facts->rank->whole)
        say(n, "%llu cheaper pins of its organisation go before it",
            (unsigned long long)(n->facts->rank->of -
                                 n->facts->rank->place));
}

static void put_held(struct needs *n)
{
    struct goal g;

    goal_find(n, false, n->formula->out_q16, &g);
    json_key(n->w, "stay");
    json_object(n->w);
    put_goal(n->w, &g);
    put_end(n, &g);
    put_turn(n);
    json_object_end(n->w);
}

/* --- a candidate ---------------------------------------------------------- */

static void put_threshold(struct needs *n)
{
    char margin[API_Q16_TEXT], high[API_Q16_TEXT], how[TEXT];
    struct goal g;

    goal_find(n, false, (int64_t)n->formula->in_q16 + 1, &g);
    json_key(n->w, "come");
    json_object(n->w);
    put_goal(n->w, &g);
    json_object_end(n->w);
    if (g.margin >= 0)
        return;
    api_q16_text(-g.margin, margin);
    api_q16_text(g.at.q16, high);
    goal_text(&g, how);
    say(n, "its priority lacks %s to the upper threshold of %s: %s", margin,
        high, how);
}

/* What is cheaper makes way for a key that exceeds it so far. */
static void put_key(struct needs *n)
{
    const struct fsm_worth *x = n->facts->worth;
    int64_t at = (int64_t)x->dearest + score_delta(n->formula) + 1;
    char key[API_Q16_TEXT], how[TEXT];
    struct goal g;

    goal_find(n, true, at, &g);
    put_goal(n->w, &g);
    api_q16_text(at, key);
    goal_text(&g, how);
    if (g.margin < 0)
        say(n, "or a key of %s, for which %u pins would go: %s", key,
            x->goes, how);
}

static void put_room(struct needs *n)
{
    const struct fsm_worth *x = n->facts->worth;
    uint64_t lack = x->lack[ORG_PHYSICAL] > x->lack[ORG_LOGICAL]
                        ? x->lack[ORG_PHYSICAL] : x->lack[ORG_LOGICAL];
    bool seen = n->c->org == ORG_DEFAULT;

    json_key(n->w, "room");
    json_object(n->w);
    json_kv_u64(n->w, "bytes", x->bytes);
    json_kv_u64(n->w, "lack", lack);
    json_kv_bool(n->w, "cluster_lacks", x->lack_all > 0);
    if (seen)
        json_kv_u64(n->w, "cluster_lack", x->lack_all);
    json_kv_bool(n->w, "clears", x->clears);
    json_kv_u64(n->w, "goes", x->goes);
    if (lack > 0)
        say(n, "its organisation needs %llu bytes more than are free for "
            "the %llu of it", (unsigned long long)lack,
            (unsigned long long)x->bytes);
    if (x->lack_all > 0 && seen)
        say(n, "all organisations together need %llu bytes more than are "
            "left", (unsigned long long)x->lack_all);
    else if (x->lack_all > 0)
        say(n, "less than the %llu bytes of it is left for all "
            "organisations", (unsigned long long)x->bytes);
    if (x->clears && x->goes > 0)
        put_key(n);
    else if (!x->clears && (lack > 0 || x->lack_all > 0))
        say(n, "what is cheaper, of %d pins at most, would not make that "
            "room", LIMIT_VICTIMS);
    json_object_end(n->w);
}

static void put_tags(struct needs *n)
{
    const struct fsm_worth *x = n->facts->worth;

    json_key(n->w, "tags");
    json_array(n->w);
    for (uint32_t k = 0; k < x->n_tags; k++) {
        json_object(n->w);
        json_kv_text(n->w, "tag", x->tags[k].name);
        json_kv_u64(n->w, "lack", x->tags[k].lack);
        json_object_end(n->w);
        say(n, "the quota of its tag '%s' needs %llu bytes more",
            x->tags[k].name, (unsigned long long)x->tags[k].lack);
    }
    json_array_end(n->w);
}

static void put_places(struct needs *n)
{
    const struct fsm_worth *x = n->facts->worth;

    json_key(n->w, "nodes");
    json_object(n->w);
    json_kv_u64(n->w, "bytes", n->facts->pin->size);
    json_kv_u64(n->w, "least", x->least);
    json_kv_u64(n->w, "able", x->able);
    json_object_end(n->w);
    if (x->able < x->least)
        say(n, "%u nodes need %llu bytes free beside their reserve: %u have "
            "them", x->least, (unsigned long long)n->facts->pin->size,
            x->able);
}

static void put_candidate(struct needs *n)
{
    put_threshold(n);
    if (n->facts->worth == NULL)
        return; /* it has changed just now */
    put_room(n);
    put_tags(n);
    put_places(n);
}

void api_score_needs(const struct api_call *c, struct json_writer *w,
               const struct score_facts *f)
{
    struct needs n = {.c = c, .facts = f, .formula = api_formula_of(c),
                      .w = w};
    struct buf texts = BUF_INIT;

    api_score_input(c, f->pin, f->value, &n.in);
    score_compute(n.formula, &n.in, &n.now);
    json_init(&n.texts, &texts);
    json_array(&n.texts);
    json_key(w, "needs");
    json_object(w);
    if (f->value->held == VALUE_HELD)
        put_held(&n);
    else if (f->value->held == VALUE_IDLE)
        put_candidate(&n);
    json_object_end(w);
    json_array_end(&n.texts);
    json_key(w, "changes");
    json_raw(w, span_buf(&texts));
    buf_free(&texts);
}
