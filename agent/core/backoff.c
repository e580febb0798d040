#include "agent/core/backoff.h"

#include <assert.h>

uint64_t backoff_ms(uint64_t first_ms, uint64_t max_ms, uint32_t failures,
                    struct prng *r)
{
    uint64_t ms = first_ms;

    assert(first_ms > 0 && max_ms >= first_ms && failures > 0);
    for (uint32_t i = 1; i < failures && ms < max_ms; i++)
        ms = ms > max_ms / 2 ? max_ms : ms * 2;
    if (ms > max_ms)
        ms = max_ms;
    if (ms < 5)
        return ms;
    return ms - ms / 5 + prng_below(r, 2 * (ms / 5) + 1);
}
