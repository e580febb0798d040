/* The load generator of tests/bench/cluster. load.c reads options and prints
 * the outcome as one JSON object, load_run.c drives many connections,
 * load_once.c holds what needs one: a list, and the disk by itself.
 */
#ifndef PINFOLD_BENCH_LOAD_H
#define PINFOLD_BENCH_LOAD_H
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

enum {
    LOAD_HOSTS = 8,
    LOAD_CONNECTIONS = 1024,
    LOAD_CID = 64,
    LOAD_HEADER = 256, /* longest line of --header */
    LOAD_REQUEST = 512 + LOAD_HEADER
};

struct options {
    const char *mode; /* post request get list disk */
    struct sockaddr_storage hosts[LOAD_HOSTS];
    unsigned hosts_n, connections;
    const char *path;  /* get, list; get: before the CID */
    const char *acks;  /* post: file of the CIDs that were acknowledged */
    const char *cids;  /* get: file of CIDs to ask for at random */
    const char *header; /* of each request; "" for none, else with CRLF */
    const char *dir;   /* disk */
    bool fresh;        /* disk: into blocks that were never written */
    double seconds;
    uint64_t count, seed;
    double rate;       /* requests a second; 0: as fast as answers come */
    double timeout;    /* of a request, in seconds */
};

struct outcome {
    uint64_t ok, errors, broken, timeouts; /* broken: a connection's end */
    uint64_t lines, bytes;
    int last_status;      /* of the last error */
    double seconds, first_byte;
    double gap, gap_at;   /* longest time between acknowledgements */
    uint32_t *latency_us; /* of the successes */
    size_t latency_n, latency_room;
};

uint64_t load_now_ns(void);
void load_die(const char *what) __attribute__((noreturn));
/* The n-th CID of a seed: version 1, raw, SHA2-256, base32. */
void load_cid(uint64_t seed, uint64_t n, char out[LOAD_CID]);
void load_run(const struct options *, struct outcome *);
void load_list(const struct options *, struct outcome *);
void load_disk(const struct options *, struct outcome *);
#endif
