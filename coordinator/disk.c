/* Looks at free space; see disk.h. */
#include "coordinator/disk.h"

#include "proto/log.h"

#include <sys/statvfs.h>

bool disk_judge(bool low, uint64_t free, uint64_t min_free)
{
    return free < min_free + (low ? min_free / 8 : 0);
}

bool disk_member_has_room(bool ok, bool connected, uint64_t silent_ms)
{
    return ok && (connected || silent_ms < DISK_SILENT_MS);
}

void disk_look(struct disk *d)
{
    struct statvfs s;
    bool was = d->low;

    if (statvfs(d->dir, &s) != 0)
        return; /* what is written next says what is wrong */
    d->free = (uint64_t)s.f_bavail * s.f_frsize;
    d->low = disk_judge(was, d->free, d->min_free);
    if (d->low && !was)
        log_warn("disk_low", "dir=%s free=%llu min_free=%llu", d->dir,
                 (unsigned long long)d->free,
                 (unsigned long long)d->min_free);
    else if (!d->low && was)
        log_info("disk_ok", "dir=%s free=%llu", d->dir,
                 (unsigned long long)d->free);
}
