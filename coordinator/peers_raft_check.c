/* Are a message's lengths what libraft 0.22.1 takes them for? Its decoder
 * (uv_encoding.c) looks at no length: it reads what the type has, allocates
 * for as many entries as are named, and walks them after an error too.
 */
#include "coordinator/peers_impl.h"

#include "proto/limits.h"

#include <string.h>

enum {
    WORD = 8,
    VOTE = 5 * WORD,
    VOTE_RESULT = 3 * WORD,
    APPEND = 6 * WORD, /* and ENTRY for each entry */
    APPEND_COUNT = 4 * WORD,
    ENTRY = 2 * WORD,
    APPEND_RESULT = 4 * WORD,
    INSTALL = 7 * WORD, /* and the configuration */
    INSTALL_LENGTH = 4 * WORD,
    TIMEOUT = 3 * WORD,
    CONFIGURATION_MAX = 16 << 10
};

static uint64_t word(const uint8_t *p)
{
    uint64_t v = 0;

    for (unsigned k = 0; k < WORD; k++)
        v |= (uint64_t)p[k] << (8 * k);
    return v;
}

static uint32_t entry_bytes(const uint8_t *entry)
{
    return (uint32_t)(word(entry + WORD) >> 32);
}

size_t peers_raft_preamble(const uint8_t p[PEERS_RAFT_PREAMBLE])
{
    uint64_t n = word(p + WORD);

    if (p[0] < RAFT_APPEND_ENTRIES || p[0] > RAFT_TIMEOUT_NOW ||
        n < VOTE_RESULT || n > PEERS_RAFT_HEAD_MAX)
        return 0;
    return (size_t)n;
}

/* Version, count, then id, address and role of each server. */
static bool configuration_good(const uint8_t *p, size_t n)
{
    size_t at = 1 + WORD;
    uint64_t servers;

    if (n < at || n > CONFIGURATION_MAX || p[0] != 1)
        return false;
    servers = word(p + 1);
    if (servers > LIMIT_COORDINATORS)
        return false;
    for (; servers > 0; servers--) {
        const uint8_t *zero;

        if (n - at <= WORD)
            return false;
        at += WORD;
        zero = memchr(p + at, 0, n - at);
        if (zero == NULL || (size_t)(zero - p) + 2 > n)
            return false;
        at = (size_t)(zero - p) + 2;
    }
    return true;
}

static bool append_good(const uint8_t *p, size_t n, size_t *payload)
{
    uint64_t entries;
    const uint8_t *entry = p + APPEND_COUNT + WORD;

    if (n < APPEND)
        return false;
    entries = word(p + APPEND_COUNT);
    if (entries != (n - APPEND) / ENTRY || (n - APPEND) % ENTRY != 0)
        return false;
    for (; entries > 0; entries--, entry += ENTRY) {
        uint8_t type = entry[WORD];
        uint32_t bytes = entry_bytes(entry);

        if (type < RAFT_COMMAND || type > RAFT_CHANGE || bytes == 0 ||
            bytes % WORD != 0 ||
            bytes > LIMIT_RAFT_MESSAGE - *payload)
            return false;
        *payload += bytes;
    }
    return true;
}

static bool install_good(const uint8_t *p, size_t n, size_t *payload)
{
    uint64_t conf, data;

    if (n < INSTALL)
        return false;
    conf = word(p + INSTALL_LENGTH);
    if (conf != n - INSTALL ||
        !configuration_good(p + INSTALL_LENGTH + WORD, (size_t)conf))
        return false;
    data = word(p + INSTALL_LENGTH + WORD + conf);
    *payload = (size_t)data;
    return data > 0 && data <= LIMIT_RAFT_MESSAGE;
}

bool peers_raft_head(uint8_t type, const uint8_t *p, size_t n,
                     size_t *payload)
{
    *payload = 0;
    switch (type) {
    case RAFT_APPEND_ENTRIES:
        return append_good(p, n, payload);
    case RAFT_APPEND_ENTRIES_RESULT:
        return n == APPEND_RESULT;
    case RAFT_REQUEST_VOTE:
        return n == VOTE;
    case RAFT_REQUEST_VOTE_RESULT:
        return n == VOTE_RESULT;
    case RAFT_INSTALL_SNAPSHOT:
        return install_good(p, n, payload);
    case RAFT_TIMEOUT_NOW:
        return n == TIMEOUT;
    default:
        return false;
    }
}

/* libraft decodes a configuration as soon as its entry is there. */
bool peers_raft_payload(uint8_t type, const uint8_t *head, const uint8_t *p,
                        size_t n)
{
    const uint8_t *entry = head + APPEND_COUNT + WORD, *at = p;
    uint64_t entries;

    if (type != RAFT_APPEND_ENTRIES)
        return true;
    for (entries = word(head + APPEND_COUNT); entries > 0;
         entries--, entry += ENTRY) {
        uint32_t bytes = entry_bytes(entry);

        if (bytes > n - (size_t)(at - p) ||
            (entry[WORD] == RAFT_CHANGE && !configuration_good(at, bytes)))
            return false;
        at += bytes;
    }
    return at == p + n;
}
