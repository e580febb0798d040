/* fsm-runs [--seed FIRST] [--operations TOTAL] [--length OF-A-RUN] [--jobs N]
 *          [--seconds N] [--recount EVERY] [--trace] [--counts]
 *
 * Runs of seeds FIRST, FIRST + 1, …, each in a process of its own, until so
 * many operations are made, or begins no more after that many seconds. Ends
 * with "N passed, N failed", runs.
 */
#include "tests/fsm/run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    JOBS_MAX = 64,
    ALL_MET_FROM = 400000 /* operations that meet everything */
};

struct options {
    uint64_t seed, operations, length, jobs, seconds, recount;
    bool trace, counts;
};

struct slot {
    pid_t pid; /* 0: free */
    uint64_t seed, length;
    struct run_progress *progress;
};

struct sum {
    uint64_t operations, entries, passed, failed;
    uint64_t verdicts[RUN_KINDS][RUN_VERDICTS];
    uint64_t events[RUN_EVENT_COUNT];
};

static const char *const event_text[] = {
#define X(name, text) text,
    RUN_EVENTS(X)
#undef X
};

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void start(const struct options *o, struct slot *s, uint64_t seed,
                  uint64_t length)
{
    memset(s->progress, 0, sizeof(*s->progress));
    s->seed = seed;
    s->length = length;
    fflush(NULL);
    s->pid = fork();
    if (s->pid < 0) {
        fprintf(stderr, "fsm-runs: fork: %s\n", strerror(errno));
        exit(2);
    }
    if (s->pid > 0)
        return;
    run_operations(s->progress, seed, length, o->recount, o->trace);
    fflush(NULL);
    _exit(0);
}

static void add(const struct options *o, struct sum *sum,
                const struct slot *s, int status)
{
    const struct run_progress *p = s->progress;
    unsigned long long seed = s->seed, length = s->length;

    sum->operations += p->operation;
    sum->entries += p->index;
    for (unsigned k = 0; k < RUN_KINDS; k++)
        for (unsigned v = 0; v < RUN_VERDICTS; v++)
            sum->verdicts[k][v] += p->verdicts[k][v];
    for (unsigned k = 0; k < RUN_EVENT_COUNT; k++)
        sum->events[k] += p->events[k];
    if (status == 0 && p->failure[0] == '\0') {
        sum->passed++;
        if (o->operations <= o->length)
            printf("seed=%llu operations=%llu hash=%016llx\n", seed,
                   (unsigned long long)p->operation,
                   (unsigned long long)p->hash);
        return;
    }
    sum->failed++;
    printf("FAILED seed=%llu operation=%llu index=%llu: %s\n"
           "again: fsm-runs --seed %llu --operations %llu --length %llu "
           "--trace\n", seed, (unsigned long long)p->operation,
           (unsigned long long)p->index,
           p->failure[0] != '\0' ? p->failure
           : WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "ended",
           seed, length, length);
}

/* Waits for one of the children. */
static void reap(const struct options *o, struct slot *slots,
                 struct sum *sum)
{
    int status = 0;
    pid_t pid = wait(&status);

    for (uint64_t k = 0; k < o->jobs; k++) {
        if (slots[k].pid != pid)
            continue;
        run_clean(pid);
        slots[k].pid = 0;
        add(o, sum, &slots[k], status);
    }
}

static struct slot *free_slot(const struct options *o, struct slot *slots)
{
    for (uint64_t k = 0; k < o->jobs; k++)
        if (slots[k].pid == 0)
            return &slots[k];
    return NULL;
}

/* After a failure no more are begun. */
static void run_all(const struct options *o, struct slot *slots,
                    struct sum *sum)
{
    uint64_t seed = o->seed, left = o->operations, busy = 0;
    double until = seconds() + (double)o->seconds;

    while (left > 0 || busy > 0) {
        struct slot *s = free_slot(o, slots);

        if (sum->failed > 0 || (o->seconds > 0 && seconds() > until))
            left = 0;
        if (left > 0 && s != NULL) {
            uint64_t n = left < o->length ? left : o->length;

            start(o, s, seed++, n);
            left -= n;
            busy++;
        } else if (busy > 0) {
            reap(o, slots, sum);
            busy--;
        }
    }
}

static void print_counts(const struct sum *sum)
{
    for (unsigned k = COMMAND_TICK; k < RUN_KINDS; k++) {
        printf("%s:", command_kind_text(k));
        for (unsigned v = 0; v < RUN_VERDICTS; v++)
            if (sum->verdicts[k][v] > 0)
                printf(" %s=%llu", verdict_text((enum verdict)v),
                       (unsigned long long)sum->verdicts[k][v]);
        printf("\n");
    }
    for (unsigned k = 0; k < RUN_EVENT_COUNT; k++)
        printf("%s: %llu\n", event_text[k],
               (unsigned long long)sum->events[k]);
}

/* Many operations that meet little would pass too. */
static void check_met(struct sum *sum)
{
    uint64_t all[RUN_VERDICTS] = {0};

    for (unsigned k = COMMAND_TICK; k < RUN_KINDS; k++) {
        bool made = k <= COMMAND_COORDINATOR_PUT || k == COMMAND_MAINTAIN
                    || k == COMMAND_REQUEST_PUT
                    || k == COMMAND_REQUEST_REMOVE
                    || k == COMMAND_NODE_OWNER
                    || k == COMMAND_QUOTA_PUT || k == COMMAND_ADMIT
                    || k == COMMAND_EVICT || k == COMMAND_SCORE
                    || k == COMMAND_RECLAIM || k == COMMAND_BUDGET
                    || k == COMMAND_FORMULA || k == COMMAND_TAG_QUOTA
                    || k == COMMAND_MADE;

        if (made && sum->verdicts[k][VERDICT_ACCEPTED] == 0) {
            printf("FAILED no %s was accepted\n", command_kind_text(k));
            sum->failed++;
        }
        for (unsigned v = 0; v < RUN_VERDICTS; v++)
            all[v] += sum->verdicts[k][v];
    }
    for (unsigned v = 0; v < RUN_VERDICTS; v++)
        if (all[v] == 0) {
            printf("FAILED nothing was %s\n", verdict_text((enum verdict)v));
            sum->failed++;
        }
    for (unsigned k = 0; k < RUN_EVENT_COUNT; k++)
        if (sum->events[k] == 0) {
            printf("FAILED never: %s\n", event_text[k]);
            sum->failed++;
        }
}

/* --- options -------------------------------------------------------------- */
static uint64_t number(const char *text)
{
    char *end;
    unsigned long long n = strtoull(text, &end, 10);

    if (*text == '\0' || *end != '\0') {
        fprintf(stderr, "fsm-runs: '%s' is not a number\n", text);
        exit(2);
    }
    return n;
}

static void parse(struct options *o, int argc, char **argv)
{
    const struct {
        const char *name;
        uint64_t *value;
        bool *flag;
    } table[] = {
        {"--seed", &o->seed, NULL}, {"--operations", &o->operations, NULL},
        {"--length", &o->length, NULL}, {"--jobs", &o->jobs, NULL},
        {"--seconds", &o->seconds, NULL}, {"--recount", &o->recount, NULL},
        {"--trace", NULL, &o->trace}, {"--counts", NULL, &o->counts}};
    const size_t n = sizeof(table) / sizeof(*table);

    for (int k = 1; k < argc; k++) {
        size_t at = 0;

        while (at < n && strcmp(table[at].name, argv[k]) != 0)
            at++;
        if (at == n || (table[at].value != NULL && k + 1 == argc)) {
            fprintf(stderr, "fsm-runs: what is %s?\n", argv[k]);
            exit(2);
        }
        if (table[at].flag != NULL)
            *table[at].flag = true;
        else
            *table[at].value = number(argv[++k]);
    }
    if (o->length == 0 || o->recount == 0 || o->jobs == 0
        || o->jobs > JOBS_MAX) {
        fprintf(stderr, "fsm-runs: out of range\n");
        exit(2);
    }
}

int main(int argc, char **argv)
{
    struct options o = {.seed = 1, .operations = 1000000, .length = 50000,
                        .jobs = 1, .recount = 25000};
    static struct slot slots[JOBS_MAX];
    static struct sum sum;
    struct run_progress *all;
    double began = seconds(), took;

    parse(&o, argc, argv);
    all = mmap(NULL, o.jobs * sizeof(*all), PROT_READ | PROT_WRITE,
               MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED) {
        fprintf(stderr, "fsm-runs: mmap: %s\n", strerror(errno));
        return 2;
    }
    for (uint64_t k = 0; k < o.jobs; k++)
        slots[k].progress = &all[k];
    run_all(&o, slots, &sum);
    if (o.counts)
        print_counts(&sum);
    if (sum.failed == 0 && sum.operations >= ALL_MET_FROM)
        check_met(&sum);
    took = seconds() - began;
    printf("%llu operations in %llu entries, seeds from %llu, %.0f s, "
           "%.0f operations/s\n", (unsigned long long)sum.operations,
           (unsigned long long)sum.entries, (unsigned long long)o.seed, took,
           took > 0 ? (double)sum.operations / took : 0.0);
    printf("%llu passed, %llu failed\n", (unsigned long long)sum.passed,
           (unsigned long long)sum.failed);
    return sum.failed > 0;
}
