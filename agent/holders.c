#include "agent/holders.h"

#include "proto/codec.h"
#include "proto/log.h"
#include "proto/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { RECENT = 64 };

struct known_node {
    uint32_t node;
    uint32_t n_addrs;
    char **addrs;
    uint64_t again_ms;
};

struct recent {
    char text[LIMIT_MULTIADDR + 1];
    uint64_t again_ms;
};

struct holders {
    uv_loop_t *loop;
    struct kubo *kubo;
    struct known_node *entries; /* sorted by node */
    uint32_t n;
    struct recent recent[RECENT];
    unsigned next_recent, calls;
};

/* One peer, its addresses in turn. Owns copies: the directory may change. */
struct attempt {
    struct holders *holders;
    uint32_t n, at;
    char *addrs[LIMIT_NODE_ADDRS];
};

static void free_attempt(struct attempt *t)
{
    t->holders->calls--;
    for (uint32_t i = 0; i < t->n; i++)
        free(t->addrs[i]);
    free(t);
}

static void on_connected(void *arg, const struct kubo_result *r)
{
    struct attempt *t = arg;

    if (r->error != ERR_OK)
        log_debug("connect_failed", "address=%s text=%s", t->addrs[t->at],
                  r->text);
    if (r->error == ERR_OK || r->error == ERR_CLOSED ||
        r->error == ERR_UNREACHABLE || ++t->at == t->n) {
        free_attempt(t);
        return;
    }
    (void)kubo_connect(t->holders->kubo, t->addrs[t->at], on_connected, t);
}

static void attempt(struct holders *h, char *const *addrs, uint32_t n)
{
    struct attempt *t = mem_alloc(sizeof *t);

    assert(n > 0 && n <= LIMIT_NODE_ADDRS);
    t->holders = h;
    for (; t->n < n; t->n++)
        t->addrs[t->n] = mem_text(addrs[t->n]);
    h->calls++;
    (void)kubo_connect(h->kubo, t->addrs[0], on_connected, t);
}

/* --- directory --- */

static void free_entries(struct known_node *entries, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t k = 0; k < entries[i].n_addrs; k++)
            free(entries[i].addrs[k]);
        free(entries[i].addrs);
    }
    free(entries);
}

static int by_node(const void *a, const void *b)
{
    const struct known_node *x = a, *y = b;

    return (x->node > y->node) - (x->node < y->node);
}

static struct known_node *find(const struct holders *h, uint32_t node)
{
    struct known_node key = {.node = node};

    return h->n == 0 ? NULL
                     : bsearch(&key, h->entries, h->n, sizeof key, by_node);
}

void holders_directory(struct holders *h, const struct directory_node *nodes,
                       uint32_t n)
{
    struct known_node *entries = mem_array(n + 1, sizeof *entries);

    for (uint32_t i = 0; i < n; i++) {
        const struct daemon_id *id = &nodes[i].id;
        const struct known_node *old = find(h, nodes[i].node);
        bool same = old != NULL && old->n_addrs == id->n_addrs;

        entries[i].node = nodes[i].node;
        entries[i].n_addrs = id->n_addrs;
        entries[i].addrs = mem_array(id->n_addrs + 1, sizeof(char *));
        for (uint32_t k = 0; k < id->n_addrs; k++) {
            entries[i].addrs[k] = mem_textn((const char *)id->addrs[k].p,
                                            id->addrs[k].n);
            same = same && strcmp(old->addrs[k], entries[i].addrs[k]) == 0;
        }
        if (same)
            entries[i].again_ms = old->again_ms;
    }
    qsort(entries, n, sizeof *entries, by_node);
    free_entries(h->entries, h->n);
    h->entries = entries;
    h->n = n;
}

void holders_connect(struct holders *h, const uint32_t *nodes, uint32_t n)
{
    uint64_t now = uv_now(h->loop);

    for (uint32_t i = 0; i < n; i++) {
        struct known_node *e = find(h, nodes[i]);

        if (e == NULL || e->n_addrs == 0 || now < e->again_ms ||
            h->calls >= HOLDERS_CALLS)
            continue;
        e->again_ms = now + HOLDERS_AGAIN_MS;
        attempt(h, e->addrs, e->n_addrs);
    }
}

/* --- origins --- */

/* Was this one tried lately? If not, it is now. */
static bool tried(struct holders *h, const char *text, uint64_t now)
{
    struct recent *r;

    for (unsigned i = 0; i < RECENT; i++)
        if (strcmp(h->recent[i].text, text) == 0) {
            if (now < h->recent[i].again_ms)
                return true;
            h->recent[i].again_ms = now + HOLDERS_AGAIN_MS;
            return false;
        }
    r = &h->recent[h->next_recent++ % RECENT];
    memcpy(r->text, text, strlen(text) + 1);
    r->again_ms = now + HOLDERS_AGAIN_MS;
    return false;
}

void holders_origins(struct holders *h, struct span origins)
{
    struct decode d;
    uint32_t n;

    if (origins.n == 0)
        return;
    decode_init(&d, origins.p, origins.n);
    n = decode_array(&d, "origins", 1, LIMIT_ORIGINS);
    for (uint32_t i = 0; i < n && h->calls < HOLDERS_CALLS; i++) {
        struct span s = decode_str(&d, "origin", LIMIT_MULTIADDR);
        char *text;

        if (!decode_ok(&d))
            return;
        text = mem_textn((const char *)s.p, s.n);
        if (s.n > 0 && !tried(h, text, uv_now(h->loop)))
            attempt(h, &text, 1);
        free(text);
    }
}

struct holders *holders_new(uv_loop_t *loop, struct kubo *kubo)
{
    struct holders *h = mem_alloc(sizeof *h);

    h->loop = loop;
    h->kubo = kubo;
    return h;
}

void holders_free(struct holders *h)
{
    assert(h->calls == 0);
    free_entries(h->entries, h->n);
    free(h);
}
