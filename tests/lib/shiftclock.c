/* Preloaded into a process under test: its wall clock is off by what the file
 * that SHIFTCLOCK names holds, an int64_t of milliseconds in host order. The
 * file may change at any time. Other clocks stay as they are. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *offset;

__attribute__((constructor)) static void map(void)
{
    const char *path = getenv("SHIFTCLOCK");
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *p;

    if (fd < 0)
        return;
    p = mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (p != MAP_FAILED)
        offset = p;
}

static int64_t shifted_ns(void)
{
    struct timespec t;

    syscall(SYS_clock_gettime, CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec +
           (offset != NULL ? *offset * 1000000 : 0);
}

int clock_gettime(clockid_t clock, struct timespec *t)
{
    int64_t ns;

    if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)
        return (int)syscall(SYS_clock_gettime, clock, t);
    ns = shifted_ns();
    t->tv_sec = ns / 1000000000;
    t->tv_nsec = ns % 1000000000;
    return 0;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
    int64_t ns = shifted_ns();

    (void)zone;
    t->tv_sec = ns / 1000000000;
    t->tv_usec = ns % 1000000000 / 1000;
    return 0;
}

time_t time(time_t *out)
{
    time_t now = shifted_ns() / 1000000000;

    if (out != NULL)
        *out = now;
    return now;
}
