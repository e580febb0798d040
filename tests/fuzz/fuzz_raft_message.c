/* The guard before libraft: a message that it lets through is read as libraft
 * 0.22.1 reads it, from buffers of exactly its size, which the sanitizer
 * watches.
 */
#include "coordinator/peers_impl.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static uint64_t sum;

static const uint8_t *word(const uint8_t *p, uint64_t *out)
{
    memcpy(out, p, sizeof *out);
    sum += *out;
    return p + sizeof *out;
}

static void configuration(const uint8_t *p, size_t n)
{
    const uint8_t *at = p + 1;
    uint64_t servers, id;

    at = word(at, &servers);
    for (; servers > 0; servers--) {
        at = word(at, &id);
        while (at < p + n && *at != 0)
            at++;
        sum += at[0];
        sum += at[1];
        at += 2;
    }
}

static void entries(const uint8_t *at, const uint8_t *payload)
{
    uint64_t n, term;
    uint32_t bytes;

    at = word(at, &n);
    for (; n > 0; n--) {
        at = word(at, &term);
        memcpy(&bytes, at + 4, sizeof bytes);
        for (uint32_t i = 0; i < bytes; i++)
            sum += payload[i];
        if (at[0] == RAFT_CHANGE)
            configuration(payload, bytes);
        payload += bytes;
        at += 8;
    }
}

static void message(uint8_t type, const uint8_t *head, const uint8_t *payload)
{
    static const size_t words[] = {0, 4, 4, 5, 3, 4, 3};
    const uint8_t *at = head;
    uint64_t v, conf;

    for (size_t i = 0; i < words[type]; i++)
        at = word(at, &v);
    if (type == RAFT_APPEND_ENTRIES)
        entries(at, payload);
    if (type != RAFT_INSTALL_SNAPSHOT)
        return;
    at = word(at, &conf);
    configuration(at, (size_t)conf);
    word(at + conf, &v);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    size_t payload, length;

    if (n < PEERS_RAFT_PREAMBLE ||
        (length = peers_raft_preamble(p)) == 0 ||
        length > n - PEERS_RAFT_PREAMBLE)
        return 0;
    uint8_t *head = malloc(length), *rest = NULL;

    memcpy(head, p + PEERS_RAFT_PREAMBLE, length);
    n -= PEERS_RAFT_PREAMBLE + length;
    if (peers_raft_head(p[0], head, length, &payload) && payload <= n) {
        rest = malloc(payload);
        if (payload > 0)
            memcpy(rest, p + PEERS_RAFT_PREAMBLE + length, payload);
        if (payload == 0 || peers_raft_payload(p[0], head, rest, payload))
            message(p[0], head, rest);
    }
    free(head);
    free(rest);
    return 0;
}
