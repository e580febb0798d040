/* Private to journal*.c: journal.c is orders and reports, journal_logs.c how
 * far the logs of gateways were read.
 */
#ifndef PINFOLD_AGENT_JOURNAL_IMPL_H
#define PINFOLD_AGENT_JOURNAL_IMPL_H

#include "agent/journal.h"

#include <sqlite3.h>

enum statement {
    BEGIN, COMMIT, ROLLBACK, HEAD, TAG, KEEP, FORGET, REPORT, SEQ, TAKEN,
    REPORTS_DROP, ORIGINS_PUT, ORIGINS_DROP, ORIGINS_GET, STATEMENTS
};

struct journal {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENTS];
    struct journal_head head;
    struct journal_head before; /* of the transaction */
    uint64_t n_origins;
    uint64_t taken;             /* reports that go with the next commit */
    bool open;
    enum err failed;
    struct err_text why;
};

enum err journal_error(sqlite3 *db, int rc, const char *what,
                       struct err_text *why) ERR_CHECKED;

/* journal_logs.c: what journals of older agents lack. */
enum err journal_later(struct journal *j, struct err_text *why)
    ERR_CHECKED;

#endif
