/* The status of a pin, summed up. */
#include "ctl/pinview.h"

#include <stdio.h>
#include <string.h>

static const char *const texts[PINVIEW_STATES] = {
#define X(name, text) [PINVIEW_##name] = text,
    PINVIEW_TABLE(X)
#undef X
};

const char *pinview_text(enum pinview_state s)
{
    return texts[s];
}

static enum pinview_state state_of(const struct json_value *node)
{
    char text[32] = "";

    if (json_get_string(node, "status", text, sizeof text))
        for (unsigned s = 0; s < PINVIEW_STATES; s++)
            if (strcmp(text, texts[s]) == 0)
                return (enum pinview_state)s;
    return PINVIEW_UNDEFINED;
}

enum err pinview_read(const struct json_value *v, struct pinview *out,
                      struct err_text *why)
{
    struct json_value list, node;
    struct span key;
    size_t it = 0;

    memset(out, 0, sizeof *out);
    if (!json_get_string(v, "cid", out->cid, sizeof out->cid) ||
        !json_get(v, "peer_map", &out->map) ||
        out->map.type != JSON_OBJECT)
        return err_set(why, ERR_PROTOCOL,
                       "malformed answer: not the status of a pin");
    (void)json_get_string(v, "name", out->name, sizeof out->name);
    (void)json_get_string(v, "created", out->created, sizeof out->created);
    while (json_next(&out->map, &it, &key, &node)) {
        out->nodes++;
        out->count[state_of(&node)]++;
    }
    it = 0;
    if (json_get(v, "allocations", &list) && list.type == JSON_ARRAY)
        while (json_next(&list, &it, &key, &node))
            out->allocations++;
    return ERR_OK;
}

bool pinview_next(const struct pinview *p, size_t *it,
                  struct pinview_node *out)
{
    struct json_value node;
    struct span key;

    if (!json_next(&p->map, it, &key, &node))
        return false;
    memset(out, 0, sizeof *out);
    snprintf(out->peer, sizeof out->peer, "%.*s",
             (int)(key.n < sizeof out->peer ? key.n : 0),
             (const char *)key.p);
    (void)json_get_string(&node, "peername", out->name, sizeof out->name);
    if (out->name[0] == 0)
        snprintf(out->name, sizeof out->name, "%.64s", out->peer);
    out->state = state_of(&node);
    (void)json_get_string(&node, "timestamp", out->since, sizeof out->since);
    (void)json_get_string(&node, "error", out->error, sizeof out->error);
    (void)json_get_u64(&node, "attempt_count", &out->attempts);
    (void)json_get_u64(&node, "bytes", &out->bytes);
    return true;
}

const char *pinview_word(const struct pinview *p)
{
    const unsigned *n = p->count;

    if (n[PINVIEW_PIN_ERROR] + n[PINVIEW_UNPIN_ERROR] > 0)
        return "error";
    if (n[PINVIEW_CLUSTER_ERROR] > 0)
        return "unreachable";
    if (n[PINVIEW_UNEXPECTEDLY_UNPINNED] > 0)
        return "lost";
    if (n[PINVIEW_PINNING] > 0)
        return "pinning";
    if (n[PINVIEW_PIN_QUEUED] > 0)
        return "queued";
    if (n[PINVIEW_UNPINNING] + n[PINVIEW_UNPIN_QUEUED] > 0)
        return "unpinning";
    if (n[PINVIEW_PINNED] > 0)
        return "pinned";
    /* Only remote: accepted, and no node has been chosen. */
    return n[PINVIEW_REMOTE] > 0 ? "waiting" : "unpinned";
}

unsigned pinview_wanted(const struct pinview *p, int64_t min)
{
    if (min > 0 && (uint64_t)min < p->nodes)
        return (unsigned)min;
    if (min > 0)
        return p->nodes;
    return p->nodes - p->count[PINVIEW_REMOTE];
}

bool pinview_reached(const struct pinview *p, int64_t min)
{
    unsigned wanted = pinview_wanted(p, min);

    return wanted > 0 && p->count[PINVIEW_PINNED] >= wanted;
}

bool pinview_gone(const struct pinview *p)
{
    return p->count[PINVIEW_UNPINNED] == p->nodes;
}
