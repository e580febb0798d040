/* Room on the disk of the data directory, looked at once a second. Below the
 * mark new claims are refused before log, WAL and database fill what is left:
 * what is written without a client (reports, releases, repair) has it. */
#ifndef PINFOLD_DISK_H
#define PINFOLD_DISK_H

#include <stdbool.h>
#include <stdint.h>

struct disk {
    const char *dir;
    uint64_t min_free; /* the mark; 0: never low */
    uint64_t free;     /* bytes that this process may fill */
    bool low;
};

void disk_look(struct disk *d);
/* Low below the mark; no longer at an eighth above it. */
bool disk_judge(bool low, uint64_t free, uint64_t min_free);

#endif
