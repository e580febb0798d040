/* Reader pool: two threads, each with one read-only connection. A thread
 * takes up to 32 waiting jobs into one read transaction, runs them, ends the
 * transaction, then hands them back to the http loop. A list is many jobs of
 * at most LIMIT_LIST_ROWS rows, so a slow client never holds a snapshot.
 */
#ifndef PINFOLD_READERS_H
#define PINFOLD_READERS_H

#include "coordinator/core/store.h"
#include "coordinator/mailbox.h"

struct readers;

struct reader_job {
    struct task task;  /* used by the pool and for the way back */
    /* On a reader thread, inside a read transaction. */
    void (*read)(struct reader_job *j, struct store_reader *r);
    /* On the http loop. error: the transaction could not be had. */
    void (*done)(struct reader_job *j, enum err error);
    enum err error;
};

/* back: where done runs. */
enum err readers_new(const char *path, struct mailbox *back,
                     struct readers **out, struct err_text *why) ERR_CHECKED;
/* ERR_BUSY: LIMIT_READS_WAITING jobs are waiting. */
enum err readers_submit(struct readers *p, struct reader_job *j) ERR_CHECKED;
unsigned readers_waiting(struct readers *p); /* any thread */
void readers_close(struct readers *p); /* waits for running jobs */

#endif
