#include "proto/log_pace.h"

bool log_pace_due(struct log_pace *p, uint64_t now_ms, uint64_t *count)
{
    p->n++;
    if (now_ms < p->next_ms)
        return false;
    *count = p->n;
    p->n = 0;
    p->next_ms = now_ms + LOG_PACE_MS;
    return true;
}
