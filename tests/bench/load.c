/* Options, CIDs, and the outcome as JSON. See load.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "tests/bench/load.h"

static const char usage[] =
    "usage: bench-load post|request|get|list|disk [options]\n"
    "  --host A.B.C.D:PORT  may be given several times; connections are\n"
    "                       spread over all\n"
    "  --connections N      each with one request at a time (default 1)\n"
    "  --seconds S          how long requests are begun (default 5)\n"
    "  --count N            at most so many requests\n"
    "  --rate R             requests a second, at a steady pace\n"
    "  --timeout S          of a request (default 30)\n"
    "  --seed N             which CIDs are posted; request: to the Pinning\n"
    "                       Service API\n"
    "  --acks FILE          post, request: write the acknowledged CIDs\n"
    "  --cids FILE          get: --path followed by a CID of these\n"
    "  --path PATH          request, get, list\n"
    "  --header LINE        sent with each request\n"
    "  --dir DIR            disk: synchronous writes of 4 KiB in a file here\n"
    "  --fresh              disk: into blocks that were never written\n";

uint64_t load_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void load_die(const char *what)
{
    fprintf(stderr, "bench-load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t mix(uint64_t z)
{
    z += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

void load_cid(uint64_t seed, uint64_t n, char out[LOAD_CID])
{
    static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
    uint8_t bytes[36] = {0x01, 0x55, 0x12, 0x20};
    uint64_t word = mix(seed) ^ mix(~n);
    unsigned held = 0, bits = 0;
    size_t at = 1;
    for (size_t i = 4; i < sizeof bytes; i += 8) {
        word = mix(word + n);
        memcpy(bytes + i, &word, 8);
    }
    out[0] = 'b';
    for (size_t i = 0; i < sizeof bytes; i++) {
        held = held << 8 | bytes[i];
        for (bits += 8; bits >= 5; bits -= 5)
            out[at++] = digits[held >> (bits - 5) & 31];
    }
    if (bits > 0)
        out[at++] = digits[held << (5 - bits) & 31];
    out[at] = '\0';
}

static bool add_host(struct options *o, const char *text)
{
    struct sockaddr_in *a = (void *)&o->hosts[o->hosts_n];
    const char *colon = strrchr(text, ':');
    char host[64];
    if (!colon || (size_t)(colon - text) >= sizeof host ||
        o->hosts_n == LOAD_HOSTS)
        return false;
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    a->sin_family = AF_INET;
    a->sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    o->hosts_n++;
    return inet_pton(AF_INET, host, &a->sin_addr) == 1;
}

static bool set_header(struct options *o, const char *text)
{
    static char line[LOAD_HEADER + 3];
    if (strlen(text) > LOAD_HEADER || !strchr(text, ':') ||
        strpbrk(text, "\r\n"))
        return false;
    snprintf(line, sizeof line, "%s\r\n", text);
    o->header = line;
    return true;
}

static bool read_option(struct options *o, int k)
{
    switch (k) {
    case 'h':
        return add_host(o, optarg);
    case 'c':
        o->connections = (unsigned)strtoul(optarg, NULL, 10);
        return o->connections >= 1 && o->connections <= LOAD_CONNECTIONS;
    case 's':
        o->seconds = strtod(optarg, NULL);
        return true;
    case 'n':
        o->count = strtoull(optarg, NULL, 10);
        return true;
    case 'r':
        o->rate = strtod(optarg, NULL);
        return true;
    case 't':
        o->timeout = strtod(optarg, NULL);
        return true;
    case 'e':
        o->seed = strtoull(optarg, NULL, 10);
        return true;
    case 'a':
        o->acks = optarg;
        return true;
    case 'i':
        o->cids = optarg;
        return true;
    case 'p':
        o->path = optarg;
        return true;
    case 'H':
        return set_header(o, optarg);
    case 'f':
        o->fresh = true;
        return true;
    case 'd':
        o->dir = optarg;
        return true;
    default:
        return false;
    }
}

static bool read_options(int argc, char **argv, struct options *o)
{
    static const struct option names[] = {
        {"host", required_argument, NULL, 'h'},
        {"connections", required_argument, NULL, 'c'},
        {"seconds", required_argument, NULL, 's'},
        {"count", required_argument, NULL, 'n'},
        {"rate", required_argument, NULL, 'r'},
        {"timeout", required_argument, NULL, 't'},
        {"seed", required_argument, NULL, 'e'},
        {"acks", required_argument, NULL, 'a'},
        {"cids", required_argument, NULL, 'i'},
        {"path", required_argument, NULL, 'p'},
        {"header", required_argument, NULL, 'H'},
        {"dir", required_argument, NULL, 'd'},
        {"fresh", no_argument, NULL, 'f'},
        {NULL, 0, NULL, 0}};
    bool disk;
    int k;
    while ((k = getopt_long(argc, argv, "", names, NULL)) != -1)
        if (!read_option(o, k))
            return false;
    if (optind != argc - 1)
        return false;
    o->mode = argv[optind];
    disk = strcmp(o->mode, "disk") == 0;
    return disk ? o->dir != NULL : o->hosts_n > 0;
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static double quantile_ms(const struct outcome *out, double q)
{
    size_t at = (size_t)((double)out->latency_n * q);
    if (out->latency_n == 0)
        return 0;
    if (at >= out->latency_n)
        at = out->latency_n - 1;
    return out->latency_us[at] / 1000.0;
}

static void print(struct outcome *out)
{
    double own = (double)clock() / CLOCKS_PER_SEC;
    if (out->latency_n > 0)
        qsort(out->latency_us, out->latency_n, sizeof *out->latency_us,
              by_value);
    printf("{\"ok\":%llu,\"seconds\":%.4f,\"per_s\":%.1f,",
           (unsigned long long)out->ok, out->seconds,
           out->seconds > 0 ? (double)out->ok / out->seconds : 0);
    printf("\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f,",
           quantile_ms(out, 0.5), quantile_ms(out, 0.99),
           quantile_ms(out, 1));
    printf("\"errors\":%llu,\"last_status\":%d,\"broken\":%llu,"
           "\"timeouts\":%llu,",
           (unsigned long long)out->errors, out->last_status,
           (unsigned long long)out->broken,
           (unsigned long long)out->timeouts);
    printf("\"lines\":%llu,\"bytes\":%llu,\"first_byte_ms\":%.3f,",
           (unsigned long long)out->lines, (unsigned long long)out->bytes,
           out->first_byte * 1000);
    printf("\"gap_ms\":%.1f,\"gap_at_s\":%.3f,\"own_cpu_s\":%.3f}\n",
           out->gap * 1000, out->gap_at, own);
}

int main(int argc, char **argv)
{
    struct options o = {.connections = 1, .seconds = 5, .seed = 1,
                        .timeout = 30, .header = ""};
    struct outcome out = {0};
    signal(SIGPIPE, SIG_IGN);
    if (!read_options(argc, argv, &o)) {
        fputs(usage, stderr);
        return 2;
    }
    if (strcmp(o.mode, "disk") == 0)
        load_disk(&o, &out);
    else if (strcmp(o.mode, "list") == 0)
        load_list(&o, &out);
    else
        load_run(&o, &out);
    print(&out);
    free(out.latency_us);
    return fflush(stdout) == 0 ? 0 : 1;
}
