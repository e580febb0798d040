/* sim --seed N | --seeds FROM..TO [--jobs N] [--ms N | --hours N] [--ops N]
 *     [--without KIND,…] [--trace] [--twice] [--minimise] [--quiet]
 */
#include "tests/sim/files.h"
#include "tests/sim/sim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { JOBS_MAX = 64, TEXT_MAX = 1 << 16 };

struct run {
    uint64_t from, to;
    unsigned jobs;
    bool twice, minimise, quiet;
    struct sim_options o;
};

/* What a child says through its pipe when all was well. */
struct outcome {
    uint64_t hash, counts[COUNT_COUNT];
};

struct child {
    pid_t pid;
    int out;
    uint64_t seed;
    char *text;
    size_t n;
};

/* --- one seed ------------------------------------------------------------ */

static void one(const struct run *r, uint64_t seed, struct outcome *out)
{
    struct sim_options o = r->o;
    struct sim *s;

    o.seed = seed;
    s = sim_new(&o);
    sim_run(s);
    out->hash = trace_hash(s->trace);
    memcpy(out->counts, s->counts, sizeof out->counts);
    sim_free(s);
}

/* The same again must take the same way. */
static void run_seed(const struct run *r, uint64_t seed, struct outcome *out)
{
    struct outcome again;

    one(r, seed, out);
    if (!r->twice)
        return;
    one(r, seed, &again);
    if (memcmp(out, &again, sizeof again) == 0)
        return;
    printf("FAILED seed=%llu checker=same: trace %016llx, then %016llx\n",
           (unsigned long long)seed, (unsigned long long)out->hash,
           (unsigned long long)again.hash);
    fflush(stdout);
    _Exit(1);
}

static void print_counts(const uint64_t *counts, uint64_t n)
{
    for (unsigned k = 0; k < COUNT_COUNT; k++)
        printf("%s%s=%llu", k == 0 ? "" : " ", sim_count_text[k],
               (unsigned long long)(counts[k] / n));
    printf("\n");
}

/* --- many ---------------------------------------------------------------- */

static void start_child(const struct run *r, struct child *c, uint64_t seed)
{
    int ends[2];

    if (pipe(ends) != 0 || fflush(stdout) != 0) {
        perror("sim");
        exit(2);
    }
    c->seed = seed;
    c->n = 0;
    c->out = ends[0];
    c->pid = fork();
    if (c->pid < 0) {
        perror("sim: fork");
        exit(2);
    }
    if (c->pid == 0) {
        struct outcome out;

        close(ends[0]);
        if (dup2(ends[1], 1) < 0 || dup2(ends[1], 2) < 0)
            _Exit(2);
        run_seed(r, seed, &out);
        if (write(ends[1], &out, sizeof out) != sizeof out)
            _Exit(2);
        exit(0);
    }
    close(ends[1]);
}

/* true: it passed. */
static bool end_child(struct child *c, struct outcome *out)
{
    int status = 0;
    ssize_t n;

    while ((n = read(c->out, c->text + c->n, TEXT_MAX - 1 - c->n)) > 0)
        c->n += (size_t)n;
    close(c->out);
    if (waitpid(c->pid, &status, 0) != c->pid)
        return false;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0 &&
        c->n == sizeof *out) {
        memcpy(out, c->text, sizeof *out);
        return true;
    }
    c->text[c->n] = '\0';
    return false;
}

static int many(const struct run *r)
{
    struct child children[JOBS_MAX];
    uint64_t next = r->from, done = r->from, sum[COUNT_COUNT] = {0};
    uint64_t passed = 0, failed = 0, hash = 0;

    for (unsigned k = 0; k < r->jobs; k++)
        children[k].text = mem_alloc(TEXT_MAX);
    for (; done <= r->to; done++) {
        struct child *c = &children[(done - r->from) % r->jobs];
        struct outcome out;

        while (next <= r->to && next < done + r->jobs) {
            start_child(r, &children[(next - r->from) % r->jobs], next);
            next++;
        }
        if (end_child(c, &out)) {
            passed++;
            hash ^= out.hash;
            for (unsigned k = 0; k < COUNT_COUNT; k++)
                sum[k] += out.counts[k];
            continue;
        }
        failed++;
        if (r->quiet)
            printf("seed %llu: %.*s\n", (unsigned long long)c->seed,
                   (int)strcspn(c->text, "\n"), c->text);
        else
            printf("%s\n", c->text);
        fflush(stdout);
    }
    for (unsigned k = 0; k < r->jobs; k++)
        free(children[k].text);
    if (passed > 0 && !r->quiet) {
        printf("a seed on average: ");
        print_counts(sum, passed);
    }
    printf("sim: seeds %llu..%llu, traces %016llx\n",
           (unsigned long long)r->from, (unsigned long long)r->to,
           (unsigned long long)hash);
    printf("%llu passed, %llu failed\n", (unsigned long long)passed,
           (unsigned long long)failed);
    return failed == 0 ? 0 : 1;
}

/* --- the smallest set of faults that still fails -------------------------- */

static bool fails(const struct run *r, uint32_t off, uint32_t ops)
{
    struct run now = *r;
    struct child c = {.text = mem_alloc(TEXT_MAX)};
    struct outcome out;
    bool passed;

    now.o.off = off;
    now.o.ops = ops;
    start_child(&now, &c, r->from);
    passed = end_child(&c, &out);
    free(c.text);
    return !passed;
}

static int minimise(const struct run *r)
{
    uint32_t off = r->o.off, ops = r->o.ops;

    if (!fails(r, off, ops)) {
        printf("seed %llu passes\n", (unsigned long long)r->from);
        return 1;
    }
    for (unsigned k = 0; k < FAULT_COUNT; k++)
        if (fails(r, off | 1U << k, ops))
            off |= 1U << k;
    while (ops > 1 && fails(r, off, ops / 2))
        ops /= 2;
    printf("it takes:");
    for (unsigned k = 0; k < FAULT_COUNT; k++)
        if ((off >> k & 1) == 0)
            printf(" %s", sim_fault_text[k]);
    printf("\nsim --seed %llu --ops %u --ms %llu --without ",
           (unsigned long long)r->from, ops, (unsigned long long)r->o.ms);
    for (unsigned k = 0, n = 0; k < FAULT_COUNT; k++)
        if ((off >> k & 1) != 0)
            printf("%s%s", n++ == 0 ? "" : ",", sim_fault_text[k]);
    printf("\n");
    return 0;
}

/* --- arguments ----------------------------------------------------------- */

static void usage(void)
{
    fprintf(stderr, "usage: sim --seed N | --seeds FROM..TO [--jobs N] "
                    "[--hours N | --ms N] [--ops N]\n"
                    "           [--without KIND,...] [--trace] [--twice] "
                    "[--minimise] [--quiet]\nkinds:");
    for (unsigned k = 0; k < FAULT_COUNT; k++)
        fprintf(stderr, " %s", sim_fault_text[k]);
    fprintf(stderr, "\n");
    exit(2);
}

static uint64_t figure(const char *text, char **end)
{
    uint64_t n;

    errno = 0;
    n = strtoull(text, end, 10);
    if (errno != 0 || *end == text)
        usage();
    return n;
}

static uint64_t number(const char *text)
{
    char *end;
    uint64_t n = figure(text, &end);

    if (*end != '\0')
        usage();
    return n;
}

static void seeds(struct run *r, const char *text)
{
    char *end;

    r->from = figure(text, &end);
    if (strncmp(end, "..", 2) != 0)
        usage();
    r->to = number(end + 2);
}

static uint32_t without(const char *text)
{
    uint32_t off = 0;

    while (*text != '\0') {
        size_t n = strcspn(text, ",");
        unsigned k = 0;

        while (k < FAULT_COUNT && (strncmp(text, sim_fault_text[k], n) != 0 ||
                                   sim_fault_text[k][n] != '\0'))
            k++;
        if (k == FAULT_COUNT)
            usage();
        off |= 1U << k;
        text += n + (text[n] == ',');
    }
    return off;
}

static void arguments(struct run *r, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i], *v = i + 1 < argc ? argv[i + 1] : "";
        bool flag = true;

        if (strcmp(a, "--trace") == 0)
            r->o.trace = true;
        else if (strcmp(a, "--minimise") == 0)
            r->minimise = true;
        else if (strcmp(a, "--twice") == 0)
            r->twice = true;
        else if (strcmp(a, "--quiet") == 0)
            r->quiet = true;
        else
            flag = false;
        if (flag)
            continue;
        i++;
        if (strcmp(a, "--seed") == 0)
            r->from = r->to = number(v);
        else if (strcmp(a, "--seeds") == 0)
            seeds(r, v);
        else if (strcmp(a, "--jobs") == 0)
            r->jobs = (unsigned)number(v);
        else if (strcmp(a, "--hours") == 0)
            r->o.ms = number(v) * 3600000;
        else if (strcmp(a, "--ms") == 0)
            r->o.ms = number(v);
        else if (strcmp(a, "--ops") == 0)
            r->o.ops = (uint32_t)number(v);
        else if (strcmp(a, "--without") == 0)
            r->o.off = without(v);
        else
            usage();
    }
    if (r->to == 0 || r->to < r->from || r->jobs == 0 ||
        r->jobs > JOBS_MAX || r->o.ms < 60000)
        usage();
}

int main(int argc, char **argv)
{
    struct run r = {.jobs = 1, .o = {.ms = 3600000, .ops = 1000}};
    struct outcome out;

    arguments(&r, argc, argv);
    files_start();
    if (r.minimise)
        return minimise(&r);
    if (r.from != r.to)
        return many(&r);
    run_seed(&r, r.from, &out);
    printf("seed %llu: trace %016llx\n", (unsigned long long)r.from,
           (unsigned long long)out.hash);
    print_counts(out.counts, 1);
    printf("1 passed, 0 failed\n");
    return 0;
}
