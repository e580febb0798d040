/* A deterministic stand-in for a Kubo daemon: its RPC over an imaginary
 * repository in memory, fast enough for benchmarks. Loopback only.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/lib/fakekubo_fault.h"

enum { CONNS = 2000 };

struct options {
    char host[64];
    uint16_t port;
    const char *api_file, *repo_path;
    uint64_t latency_ms, storage_max, seed;
};

static const char usage[] =
    "usage: fakekubo --listen 127.0.0.1:PORT [--api-file FILE]\n"
    "                [--latency-ms N] [--storage-max BYTES] [--seed N]\n"
    "                [--repo-path PATH]\n"
    "Port 0 takes a free one; the address is printed, and written to FILE as\n"
    "a multiaddr. Peer ID and answers depend on the seed and the calls only.\n";

static bool read_number(const char *text, uint64_t most, uint64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && !*end && !errno && *out <= most;
}

static bool read_listen(const char *text, struct options *o)
{
    const char *colon = strrchr(text, ':');
    uint64_t port;
    if (!colon || (size_t)(colon - text) >= sizeof o->host ||
        !read_number(colon + 1, 65535, &port))
        return false;
    memcpy(o->host, text, (size_t)(colon - text));
    o->port = (uint16_t)port;
    return strncmp(o->host, "127.", 4) == 0;
}

static bool read_options(int argc, char **argv, struct options *o)
{
    static const struct option names[] = {
        {"listen", required_argument, NULL, 'l'},
        {"api-file", required_argument, NULL, 'a'},
        {"latency-ms", required_argument, NULL, 't'},
        {"storage-max", required_argument, NULL, 's'},
        {"seed", required_argument, NULL, 'd'},
        {"repo-path", required_argument, NULL, 'r'},
        {NULL, 0, NULL, 0}};
    bool listen = false, good = true;
    int k;
    while (good && (k = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (k == 'l')
            good = listen = read_listen(optarg, o);
        else if (k == 'a')
            o->api_file = optarg;
        else if (k == 't')
            good = read_number(optarg, 3600000, &o->latency_ms);
        else if (k == 's')
            good = read_number(optarg, UINT64_MAX, &o->storage_max);
        else if (k == 'r')
            o->repo_path = optarg;
        else if (k == 'd')
            good = read_number(optarg, UINT64_MAX, &o->seed);
        else
            good = false;
    }
    return good && listen && optind == argc;
}

/* SplitMix64: all that a made-up public key needs. */
static void make_identity(struct fake *fake, uint64_t seed)
{
    for (size_t i = 0; i < PEERID_KEY; i += 8) {
        seed += 0x9e3779b97f4a7c15u;
        uint64_t z = (seed ^ seed >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        z ^= z >> 31;
        memcpy(fake->key + i, &z, 8);
    }
    peerid_from_key(fake->key, &fake->id);
}

static bool announce(const struct fake *fake, const struct options *o)
{
    unsigned port = http_bound_port(fake->server);
    if (o->api_file) {
        FILE *f = fopen(o->api_file, "w");
        if (!f || fprintf(f, "/ip4/%s/tcp/%u", o->host, port) < 0 ||
            fclose(f) != 0) {
            fprintf(stderr, "fakekubo: %s: %s\n", o->api_file, strerror(errno));
            return false;
        }
    }
    printf("listening on %s:%u\n", o->host, port);
    return fflush(stdout) == 0;
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct fake *fake = handle->data;
    (void)number;
    faults_clear(fake);
    if (fake->server)
        http_close(fake->server, NULL);
    fake->server = NULL;
}

static struct faults faults;
static struct fake fake = {.faults = &faults};

int main(int argc, char **argv)
{
    struct options o = {.storage_max = 1000000000000, .seed = 1,
                        .repo_path = "/nonexistent/fakekubo"};
    struct http_limits limits = http_limits_default();
    uv_signal_t term, interrupt;
    struct http_ops ops;
    if (!read_options(argc, argv, &o)) {
        fputs(usage, stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    limits.conns = CONNS;
    limits.idle_ms = 3600 * 1000; /* Kubo keeps connections for ever */
    fake.latency_ms = o.latency_ms;
    fake.storage_max = o.storage_max;
    fake.repo_path = o.repo_path;
    make_identity(&fake, o.seed);
    fake_ops(&ops);
    if (uv_loop_init(&fake.loop) != 0)
        return 1;
    fake.server = http_new(&fake.loop, &ops, &limits, &fake);
    int rc = http_listen(fake.server, o.host, o.port, 0);
    if (rc < 0) {
        fprintf(stderr, "fakekubo: %s:%u: %s\n", o.host, o.port, strerror(-rc));
        return 1;
    }
    if (!announce(&fake, &o))
        return 1;
    uv_signal_init(&fake.loop, &term);
    uv_signal_init(&fake.loop, &interrupt);
    term.data = interrupt.data = &fake;
    uv_unref((uv_handle_t *)&interrupt);
    uv_unref((uv_handle_t *)&term);
    uv_signal_start_oneshot(&term, on_signal, SIGTERM);
    uv_signal_start_oneshot(&interrupt, on_signal, SIGINT);
    uv_run(&fake.loop, UV_RUN_DEFAULT);
    pins_free(&fake.pins);
    for (unsigned i = 0; i < fake.peers_n; i++)
        free(fake.peers[i]);
    return 0;
}
