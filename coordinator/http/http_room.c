/* The table of connections: the slots that tickets name, the list by age, and
 * who leaves when it is full.
 */
#include <assert.h>
#include "coordinator/http/http_conn.h"

static uint32_t take_slot(struct http_server *s, struct http_conn *c)
{
    if (s->free_n == 0) {
        uint32_t n = s->slots_n ? s->slots_n * 2 : 64;
        s->slots = http_realloc(s->slots, n * sizeof *s->slots);
        s->generations =
            http_realloc(s->generations, n * sizeof *s->generations);
        s->free_slots = http_realloc(s->free_slots, n * sizeof *s->free_slots);
        for (uint32_t i = n; i-- > s->slots_n;) {
            s->slots[i] = NULL;
            s->generations[i] = 1;
            s->free_slots[s->free_n++] = i;
        }
        s->slots_n = n;
    }
    uint32_t slot = s->free_slots[--s->free_n];
    assert(s->slots[slot] == NULL);
    s->slots[slot] = c;
    return slot;
}

void http_room_take(struct http_conn *c)
{
    struct http_server *s = c->server;
    c->slot = take_slot(s, c);
    c->next = s->conns;
    if (s->conns)
        s->conns->prev = c;
    else
        s->oldest = c;
    s->conns = c;
    s->n++;
    s->handles++;
}

void http_room_leave(struct http_conn *c)
{
    struct http_server *s = c->server;
    if (c->prev)
        c->prev->next = c->next;
    else
        s->conns = c->next;
    if (c->next)
        c->next->prev = c->prev;
    else
        s->oldest = c->prev;
    s->n--;
}

void http_room_free(struct http_conn *c)
{
    struct http_server *s = c->server;
    s->slots[c->slot] = NULL;
    s->free_slots[s->free_n++] = c->slot;
}

static bool rests(const struct http_conn *c)
{
    return !c->live && c->in_state == HTTP_IN_HEAD &&
           http_out_pending(c) == 0;
}

/* Who waits for nothing yields to who may: the oldest connection that never
 * made a request, else the oldest that has none now. */
bool http_room_make(struct http_server *s)
{
    struct http_conn *idle = NULL;

    for (struct http_conn *c = s->oldest; c; c = c->prev) {
        if (!rests(c))
            continue;
        if (!c->known) {
            http_refuse_conn(c, HTTP_REFUSED_FULL, 0);
            http_conn_leave(c);
            return true;
        }
        if (!idle)
            idle = c;
    }
    if (idle && idle->in.n) /* in the midst of its next head */
        http_refuse_conn(idle, HTTP_REFUSED_FULL, 0);
    if (idle)
        http_conn_leave(idle);
    return idle != NULL;
}
