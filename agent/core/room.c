#include "agent/core/room.h"

enum { RESERVE_PERCENT = 2, ROOM_PERCENT = 3 };

unsigned room_percent(bool low)
{
    return low ? ROOM_PERCENT : RESERVE_PERCENT;
}

bool room_low(bool low, uint64_t free, uint64_t percent)
{
    return free < percent * room_percent(low);
}

uint64_t room_left(bool low, uint64_t free, uint64_t percent)
{
    uint64_t reserve = percent * room_percent(low);

    return free > reserve ? free - reserve : 0;
}
