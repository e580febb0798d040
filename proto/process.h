/* What a daemon sets right about its process before it opens anything. */
#ifndef PINFOLD_PROCESS_H
#define PINFOLD_PROCESS_H

#include "proto/err.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    PROCESS_DESCRIPTORS_MIN = 128,
    PROCESS_DESCRIPTORS_KEPT = 32 /* for the log's files and own calls */
};

/* Gives closed standard streams /dev/null (a file of ours must never become
 * descriptor 2, the log), ignores SIGPIPE, SIGHUP, SIGUSR1 and SIGUSR2, and
 * raises the soft limit of open files to the hard one. ERR_USAGE: that one is
 * below PROCESS_DESCRIPTORS_MIN. */
enum err process_prepare(struct err_text *why) ERR_CHECKED;
/* How many files this process may have open at one time. */
uint64_t process_descriptors(void);
/* No more connections are to be taken: nearly all descriptors are in use. */
bool process_descriptors_low(void);

#endif
