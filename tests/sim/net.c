#include "tests/sim/net.h"

#include "proto/frame.h"
#include "tests/sim/agent.h"
#include "tests/sim/coord.h"

#include <stdlib.h>

struct net {
    struct prng random;
    bool there[SIM_NODES][SIM_COORDS], back[SIM_NODES][SIM_COORDS]; /* cut */
    bool peers[SIM_COORDS][SIM_COORDS]; /* cut */
    uint64_t last[SIM_NODES][SIM_COORDS][2]; /* arrival, to keep the order */
    uint32_t rough;
};

struct net *net_new(struct sim *s)
{
    struct net *n = mem_alloc(sizeof *n);

    prng_seed(&n->random, s->options.seed ^ 0x6e6574);
    return n;
}

void net_free(struct net *n)
{
    free(n);
}

void net_weather(struct sim *s, uint32_t rough)
{
    s->net->rough = rough;
}

/* Repeated and re-ordered are only those of a session that stands: streams
 * carry the first ones. */
static bool settled_kind(enum net_kind k, struct span frame)
{
    size_t at = FRAME_HEAD + 1; /* behind the head of an array */

    if (k != NET_FRAME || frame.n < FRAME_HEAD + 4)
        return false;
    if (frame.p[FRAME_HEAD] == 0xdc)
        at += 2;
    return frame.p[at] >= MESSAGE_BEAT;
}

static void arrive_coord(struct sim *s, struct task *t)
{
    uint32_t agent = (uint32_t)t->a, coord = (uint32_t)t->b & 0xff;

    coord_receive(s->coords[coord], (enum net_kind)(t->b >> 8), agent, t->c,
                  span_buf(&t->bytes));
}

static void arrive_agent(struct sim *s, struct task *t)
{
    uint32_t agent = (uint32_t)t->a, coord = (uint32_t)t->b & 0xff;

    if (s->agents[agent] != NULL)
        agent_receive(s->agents[agent], (enum net_kind)(t->b >> 8), coord,
                      t->c, span_buf(&t->bytes));
}

struct way {
    uint32_t agent, coord;
    bool back;
};

static void carry(struct sim *s, const struct way *w, enum net_kind k,
                  uint64_t number, struct span frame, bool in_order)
{
    struct net *n = s->net;
    uint64_t delay = sim_pick(&n->random, 1, 3);
    uint64_t *last = &n->last[w->agent][w->coord][w->back];
    struct task *t;

    if (prng_below(&n->random, 100) < n->rough / 4)
        delay += prng_below(&n->random, 400);
    if (!in_order)
        delay += prng_below(&n->random, 3000);
    else if (s->now + delay < *last)
        delay = *last - s->now;
    if (in_order)
        *last = s->now + delay;
    t = sim_task(s, delay, w->back ? arrive_agent : arrive_coord, 0, 0);
    t->a = w->agent;
    t->b = (uint64_t)k << 8 | w->coord;
    t->c = number;
    if (frame.n > FRAME_HEAD)
        buf_add(&t->bytes, frame.p + FRAME_HEAD, frame.n - FRAME_HEAD);
}

static void send(struct sim *s, const struct way *w, enum net_kind k,
                 uint64_t number, struct span frame)
{
    struct net *n = s->net;
    bool cut = w->back ? n->back[w->agent][w->coord]
                       : n->there[w->agent][w->coord];
    bool lost = sim_fault(s, FAULT_LOSS, n->rough / 2);
    bool twice = sim_fault(s, FAULT_REPEAT, n->rough / 4);
    bool late = sim_fault(s, FAULT_REORDER, n->rough / 4);

    late = late && settled_kind(k, frame);
    twice = twice && settled_kind(k, frame);
    k = k == NET_FULL ? NET_FRAME : k;
    s->counts[COUNT_MESSAGES]++;
    if (cut || lost) {
        s->counts[COUNT_LOST]++;
        return;
    }
    s->counts[COUNT_REORDERED] += late;
    s->counts[COUNT_TWICE] += twice;
    carry(s, w, k, number, frame, !late);
    if (twice)
        carry(s, w, k, number, frame, false);
}

void net_to_coord(struct sim *s, enum net_kind k, uint32_t agent,
                  uint32_t coord, uint64_t number, struct span frame)
{
    struct way w = {agent, coord, false};

    send(s, &w, k, number, frame);
}

void net_to_agent(struct sim *s, enum net_kind k, uint32_t agent,
                  uint32_t coord, uint64_t number, struct span frame)
{
    struct way w = {agent, coord, true};

    send(s, &w, k, number, frame);
}

void net_cut(struct sim *s, uint32_t agent, uint32_t coord, bool there,
             bool back)
{
    s->net->there[agent][coord] = there;
    s->net->back[agent][coord] = back;
    sim_trace(s, EVENT_CUT, coord + 1, agent + 1, 0, there, back);
}

void net_cut_peers(struct sim *s, uint32_t a, uint32_t b, bool cut)
{
    s->net->peers[a][b] = s->net->peers[b][a] = cut;
}

bool net_peers(const struct sim *s, uint32_t a, uint32_t b)
{
    return coord_up(s->coords[a]) && coord_up(s->coords[b]) &&
           !s->net->peers[a][b];
}

bool net_majority(const struct sim *s, uint32_t of)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < SIM_COORDS; i++)
        n += net_peers(s, of, i);
    return 2 * n > SIM_COORDS;
}

void net_heal(struct sim *s)
{
    for (uint32_t i = 0; i < SIM_NODES; i++)
        for (uint32_t j = 0; j < SIM_COORDS; j++)
            s->net->there[i][j] = s->net->back[i][j] = false;
    for (uint32_t i = 0; i < SIM_COORDS; i++)
        for (uint32_t j = 0; j < SIM_COORDS; j++)
            s->net->peers[i][j] = false;
    s->net->rough = 0;
}
