/* A connection to SQLite and its prepared statements: open, bind, step. Once
 * a connection is open, an error ends the process (store.h).
 */
#include "coordinator/core/store_private.h"

#include "proto/mem.h"

#include <sqlite3.h>

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BUSY_MS = 10000 };

static enum err fail(struct store_db *d, int rc, const char *what,
                     struct err_text *why)
{
    enum err e = ERR_IO;
    int code = rc & 0xff, os = 0;

    if (code == SQLITE_NOTADB || code == SQLITE_CORRUPT
        || code == SQLITE_FORMAT) {
        e = ERR_CORRUPT;
    } else if (code == SQLITE_BUSY || code == SQLITE_LOCKED) {
        e = ERR_LOCKED;
    } else if (code == SQLITE_FULL) {
        e = ERR_NO_SPACE;
    } else if (code == SQLITE_CANTOPEN && d->db != NULL) {
        os = sqlite3_system_errno(d->db);
        if (os == EACCES || os == EPERM)
            e = ERR_DENIED;
    }
    return err_set(why, e, "%s: %s%s%s", what,
                   d->db != NULL ? sqlite3_errmsg(d->db)
                                 : sqlite3_errstr(rc),
                   os != 0 ? ": " : "", os != 0 ? strerror(os) : "");
}

void store_db_die(struct store_db *d, const char *what)
{
    fprintf(stderr, "database error: %s (%d): %s\n",
            sqlite3_errmsg(d->db), sqlite3_extended_errcode(d->db), what);
    if ((sqlite3_extended_errcode(d->db) & 0xff) == SQLITE_FULL)
        _exit(err_exit_status(ERR_NO_SPACE)); /* no core into a full disk */
    abort();
}

enum err store_db_open(struct store_db *d, const char *path, int flags,
                       struct err_text *why)
{
    int rc = sqlite3_open_v2(path, &d->db, flags | SQLITE_OPEN_NOMUTEX, NULL);

    if (rc != SQLITE_OK)
        return fail(d, rc, path, why);
    sqlite3_extended_result_codes(d->db, 1);
    sqlite3_busy_timeout(d->db, BUSY_MS);
    return ERR_OK;
}

enum err store_db_exec(struct store_db *d, const char *sql,
                       struct err_text *why)
{
    int rc = sqlite3_exec(d->db, sql, NULL, NULL, NULL);

    return rc == SQLITE_OK ? ERR_OK : fail(d, rc, sql, why);
}

enum err store_db_prepare(struct store_db *d, const char *const *sql,
                          unsigned n, struct err_text *why)
{
    assert(d->q == NULL);
    d->q = mem_array(n, sizeof(*d->q));
    d->n = n;
    for (unsigned k = 0; k < n; k++) {
        int rc = sqlite3_prepare_v3(d->db, sql[k], -1,
                                    SQLITE_PREPARE_PERSISTENT, &d->q[k],
                                    NULL);

        if (rc != SQLITE_OK)
            return fail(d, rc, sql[k], why);
    }
    return ERR_OK;
}

void store_db_close(struct store_db *d)
{
    for (unsigned k = 0; k < d->n; k++)
        sqlite3_finalize(d->q[k]);
    free(d->q);
    if (sqlite3_close(d->db) != SQLITE_OK)
        store_db_die(d, "close");
    *d = (struct store_db){NULL, NULL, 0};
}

static void bind(struct store_db *d, sqlite3_stmt *q, int at, char type,
                 const void *p, size_t n)
{
    int rc;

    assert(n < (size_t)1 << 30);
    if (n == 0 && (type == 'B' || type == 'T')) {
        rc = sqlite3_bind_null(q, at);
    } else if (type == 'b' || type == 'B') {
        rc = sqlite3_bind_blob(q, at, n == 0 ? "" : p, (int)n,
                               SQLITE_STATIC);
    } else {
        assert(type == 't' || type == 'T');
        rc = sqlite3_bind_text(q, at, n == 0 ? "" : p, (int)n,
                               SQLITE_STATIC);
    }
    if (rc != SQLITE_OK)
        store_db_die(d, sqlite3_sql(q));
}

bool store_db_run(struct store_db *d, unsigned k, const char *fmt, ...)
{
    sqlite3_stmt *q = d->q[k];
    va_list ap;

    assert(k < d->n && !sqlite3_stmt_busy(q));
    va_start(ap, fmt);
    for (int at = 1; *fmt != '\0'; fmt++, at++) {
        if (*fmt == 'i') {
            sqlite3_bind_int64(q, at, va_arg(ap, int64_t));
        } else if (*fmt == 'u') {
            sqlite3_bind_int64(q, at, (int64_t)va_arg(ap, uint64_t));
        } else {
            const void *p = va_arg(ap, const void *);
            size_t n = va_arg(ap, size_t);

            bind(d, q, at, *fmt, p, n);
        }
    }
    va_end(ap);
    return store_db_step(d, k);
}

bool store_db_step(struct store_db *d, unsigned k)
{
    int rc = sqlite3_step(d->q[k]);

    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        store_db_die(d, sqlite3_sql(d->q[k]));
    return rc == SQLITE_ROW;
}

void store_db_reset(struct store_db *d, unsigned k)
{
    sqlite3_reset(d->q[k]);
}

uint64_t store_db_u64(struct store_db *d, unsigned k, int column)
{
    return (uint64_t)sqlite3_column_int64(d->q[k], column);
}

struct span store_db_blob(struct store_db *d, unsigned k, int column)
{
    const void *p = sqlite3_column_blob(d->q[k], column);

    return span_of(p, (size_t)sqlite3_column_bytes(d->q[k], column));
}
