/* Room on the disk of the data directory, looked at once a second. Below the
 * mark new claims are refused before log, WAL and database fill what is left:
 * what is written without a client (reports, releases, repair) has it. */
#ifndef PINFOLD_DISK_H
#define PINFOLD_DISK_H

#include <stdbool.h>
#include <stdint.h>

enum { DISK_SILENT_MS = 10000 };

struct disk {
    const char *dir;
    uint64_t min_free; /* the mark; 0: never low */
    uint64_t free;     /* bytes that this process may fill */
    bool low;
};

void disk_look(struct disk *d);
/* Low below the mark; no longer at an eighth above it. */
bool disk_judge(bool low, uint64_t free, uint64_t min_free);
/* Does the leader count another member's disk as one with room? ok: its last
 * word, true when it said none yet. One that only just went silent (a start,
 * a broken connection) keeps its last word: its disk did not fill for that.
 * silent_ms: since that word, or since the leader leads if that is less. */
bool disk_member_has_room(bool ok, bool connected, uint64_t silent_ms);

#endif
