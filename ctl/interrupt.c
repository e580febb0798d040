/* Signals as a flag, and the waits that look at it. */
#include "ctl/interrupt.h"

#include <signal.h>
#include <string.h>
#include <time.h>

enum { SLICE_MS = 100 };

static volatile sig_atomic_t seen;

static void on_signal(int number)
{
    seen = number;
}

void interrupt_install(void)
{
    static const int ends[] = {SIGINT, SIGTERM};
    struct sigaction act, ignore, was;

    memset(&act, 0, sizeof act);
    act.sa_handler = on_signal; /* no SA_RESTART: waits end */
    /* A shell starts "pinfold … &" with SIGINT ignored: Ctrl-C is for what
     * runs in front. */
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (sigaction(ends[i], NULL, &was) == 0 && was.sa_handler != SIG_IGN)
            sigaction(ends[i], &act, NULL);
    memset(&ignore, 0, sizeof ignore);
    ignore.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &ignore, NULL);
}

int interrupt_seen(void)
{
    return seen;
}

uint64_t interrupt_now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void interrupt_sleep(uint64_t ms)
{
    while (ms > 0 && seen == 0) {
        uint64_t slice = ms < SLICE_MS ? ms : SLICE_MS;
        struct timespec t = {0, (long)slice * 1000000};

        nanosleep(&t, NULL);
        ms -= slice;
    }
}
