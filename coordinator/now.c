/* The wall clock, and one that nobody sets. */
#include "coordinator/now.h"

#include <time.h>

static uint64_t read_ms(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

uint64_t now_wall_ms(void)
{
    return read_ms(CLOCK_REALTIME);
}

uint64_t now_boot_ms(void)
{
    return read_ms(CLOCK_BOOTTIME);
}
