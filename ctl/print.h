/* Output for people and programs: texts made harmless, sizes, times, JSON
 * lists. Writes to stdout.
 */
#ifndef PINFOLD_PRINT_H
#define PINFOLD_PRINT_H

#include "proto/buf.h"
#include "proto/err.h"
#include "proto/json.h"

enum { PRINT_SIZE = 24, PRINT_TIME = 32 };

/* Columns on a terminal, nearly: wide characters 2, combining ones 0. */
size_t print_width(const char *text);
/* Adds the text; control and direction characters become '?', so that a name
 * from outside cannot steer the terminal. */
void print_clean(struct buf *out, const char *text);
/* "512 B", "1.5 GiB" */
const char *print_size(uint64_t bytes, char out[PRINT_SIZE]);
/* "5s", "3m", "2h", "9d" */
const char *print_span(uint64_t ms, char out[PRINT_TIME]);
/* RFC 3339 to ms since 1970; false if it is none or the zero time. */
bool print_time_read(const char *text, int64_t *ms);
/* "3m ago", "in 2h", "-" for the zero time. */
const char *print_time(const char *rfc3339, int64_t now_ms,
                       char out[PRINT_TIME]);
int64_t print_now_ms(void); /* wall clock */

/* "LABEL        value" */
void print_field(const char *label, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* printf without a newline, made harmless: for all that a server says. */
void print_text(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* "pinfold: TEXT" on stderr, behind what was printed before. */
void print_failure(const char *text);
/* A complete JSON value and a newline; characters that would steer a terminal
 * are escaped, in items of lists too. */
void print_json(const struct json_value *v);

/* A JSON array, item by item. A list that fails stays open, so that nobody
 * takes it for complete. */
struct print_list {
    bool open;
};
void print_list_item(struct print_list *l, const struct json_value *v);
void print_list_end(struct print_list *l);

void print_flush(void);
/* stdout takes no more (reader gone, disk full). */
bool print_failed(void);
/* Flushes, and how it all ended: e, or that the output failed. A reader that
 * has gone is no error, nor is that e stopped for it (ERR_CLOSED). */
enum err print_finish(enum err e, struct err_text *why) ERR_CHECKED;

#endif
