/* One line an event on standard error: logfmt or JSON, with the journal's
 * priority prefix when standard error is the journal ($JOURNAL_STREAM).
 * Shell only; any thread. Keys, tokens and secrets have no print function.
 *
 * log_info("pin_assigned", "pin=%llu node=%s", id, name): the format is a
 * list of key=%conversion separated by one blank; the values are quoted as
 * the output form needs. Conversions: %s %.*s %d %i %u %x and their h, l,
 * ll, z, j lengths; "addr=%s:%u" is one value. time=, level=, event= are
 * added. A line has at most 4096 bytes; a longer one is cut and says cut=true.
 */
#ifndef PINFOLD_LOG_H
#define PINFOLD_LOG_H

#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

void log_setup(enum log_level level, bool json);
/* "error", "warn", "info", "debug"; false for anything else. */
bool log_level_parse(const char *text, enum log_level *level);
bool log_enabled(enum log_level level);
void log_write(enum log_level level, const char *event, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#define log_error(event, ...) log_write(LOG_ERROR, event, __VA_ARGS__)
#define log_warn(event, ...) log_write(LOG_WARN, event, __VA_ARGS__)
#define log_info(event, ...) log_write(LOG_INFO, event, __VA_ARGS__)
#define log_debug(event, ...) log_write(LOG_DEBUG, event, __VA_ARGS__)

#endif
