/* What came into the journal later, which programs of before pass over: the
 * organisations of orders, how urgent they are, and logs of gateways, one row a
 * file, written each ten seconds or so.
 */
#include "agent/journal_impl.h"

#include <assert.h>

static int add_column(struct journal *j, const char *name, const char *sql)
{
    if (sqlite3_table_column_metadata(j->db, NULL, "orders", name, NULL, NULL,
                                      NULL, NULL, NULL) == SQLITE_OK)
        return SQLITE_OK;
    return sqlite3_exec(j->db, sql, NULL, NULL, NULL);
}

enum err journal_later(struct journal *j, struct err_text *why)
{
    static const char logs[] =
        "CREATE TABLE IF NOT EXISTS logs (path TEXT PRIMARY KEY,"
        " inode INTEGER NOT NULL, offset INTEGER NOT NULL,"
        " head INTEGER NOT NULL, n_head INTEGER NOT NULL) WITHOUT ROWID";
    int rc = sqlite3_exec(j->db, logs, NULL, NULL, NULL);

    if (rc == SQLITE_OK)
        rc = add_column(j, "org", "ALTER TABLE orders ADD COLUMN org"
                                  " INTEGER NOT NULL DEFAULT 0");
    if (rc == SQLITE_OK)
        rc = add_column(j, "urgency", "ALTER TABLE orders ADD COLUMN urgency"
                                      " INTEGER NOT NULL DEFAULT 0");
    return rc == SQLITE_OK ? ERR_OK : journal_error(j->db, rc, "schema", why);
}

void journal_log(struct journal *j, const char *path,
                 const struct tail_position *at)
{
    sqlite3_stmt *s = NULL;
    int rc;

    assert(j->open);
    if (j->failed != ERR_OK)
        return;
    rc = sqlite3_prepare_v2(j->db, "INSERT OR REPLACE INTO logs"
                            " VALUES (?1, ?2, ?3, ?4, ?5)", -1, &s, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_bind_text(s, 1, path, -1, SQLITE_STATIC);
        sqlite3_bind_int64(s, 2, (sqlite3_int64)at->inode);
        sqlite3_bind_int64(s, 3, (sqlite3_int64)at->offset);
        sqlite3_bind_int64(s, 4, (sqlite3_int64)at->head);
        sqlite3_bind_int64(s, 5, at->n_head);
        rc = sqlite3_step(s);
    }
    sqlite3_finalize(s);
    if (rc != SQLITE_DONE)
        j->failed = journal_error(j->db, rc, "logs", &j->why);
}

bool journal_log_get(struct journal *j, const char *path,
                     struct tail_position *out)
{
    sqlite3_stmt *s = NULL;
    bool found = false;

    if (sqlite3_prepare_v2(j->db, "SELECT inode, offset, head, n_head FROM"
                           " logs WHERE path = ?1", -1, &s, NULL) !=
        SQLITE_OK)
        return false;
    sqlite3_bind_text(s, 1, path, -1, SQLITE_STATIC);
    if (sqlite3_step(s) == SQLITE_ROW) {
        sqlite3_int64 offset = sqlite3_column_int64(s, 1);
        sqlite3_int64 n = sqlite3_column_int64(s, 3);

        out->inode = (uint64_t)sqlite3_column_int64(s, 0);
        out->offset = (uint64_t)offset;
        out->head = (uint64_t)sqlite3_column_int64(s, 2);
        out->n_head = (uint32_t)n;
        found = offset >= 0 && n >= 0 && n <= TAIL_HEAD;
    }
    sqlite3_finalize(s);
    return found;
}
