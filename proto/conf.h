/* Configuration: one table row an option. The row feeds the file, the
 * environment (PINFOLD_<NAME>), the flag (--<name>), --help and the docs.
 * Order of precedence: flag, environment, file (--config), default.
 *
 * A value is checked where it is met: type, range, length. An unknown key,
 * flag or PINFOLD_ variable, a key given twice in one place and a missing
 * file are errors at start, which name the source, line and key. File:
 * "key = value" lines, comments from a '#' at the start or after a blank, no
 * sections, at most 64 KiB. List options take values separated by commas.
 */
#ifndef PINFOLD_CONF_H
#define PINFOLD_CONF_H

#include "proto/buf.h"
#include "proto/err.h"

#include <stdbool.h>
#include <stdint.h>

enum conf_type {
    CONF_TEXT,     /* char *, UTF-8, min and max are lengths in bytes */
    CONF_ADDR,     /* char *, address (addr.h) */
    CONF_LIST,     /* char *, comma separated, each not empty; max = entries */
    CONF_U64,      /* uint64_t in [min, max] */
    CONF_BYTES,    /* uint64_t; suffixes K M G T (1024) accepted */
    CONF_MS,       /* uint64_t milliseconds; suffixes ms s m h accepted */
    CONF_BOOL,     /* bool: true false yes no on off 1 0; flag alone = true */
    CONF_CHOICE    /* char *, one of choices ("a|b|c") */
};

enum { CONF_TEXT_MAX = 4096, CONF_FILE_MAX = 64 << 10 };

struct conf_option {
    const char *name;  /* "listen-http" */
    enum conf_type type;
    size_t offset;     /* of the member in the caller's struct */
    const char *fallback; /* default as text, NULL = NULL or 0 */
    uint64_t min, max; /* max 0: no maximum (texts: CONF_TEXT_MAX) */
    const char *choices;
    bool required;
    const char *help;  /* one line; says unit and meaning */
};

struct conf_table {
    const char *program;  /* "pinfold-agent" */
    const char *summary;  /* one line for --help */
    const struct conf_option *options;
    size_t n;
};

enum conf_action { CONF_RUN, CONF_HELP, CONF_VERSION };

/* Fills *target (text members are allocated; conf_free). After a failure the
 * text members are NULL. argv[0] is skipped. env is environ-like. Positional
 * arguments are an error. On CONF_HELP and CONF_VERSION nothing is required
 * and only flags before it are looked at. PINFOLD_CONFIG is as --config. */
enum err conf_load(const struct conf_table *t, void *target, int argc,
                   char *const argv[], char *const env[],
                   enum conf_action *action, struct err_text *why)
    ERR_CHECKED;
/* The same from the text of a file alone, without flags and environment;
 * name stands for the file in error texts. */
enum err conf_load_text(const struct conf_table *t, void *target,
                        const char *name, struct span text,
                        struct err_text *why) ERR_CHECKED;
void conf_free(const struct conf_table *t, void *target);
void conf_help(const struct conf_table *t, struct buf *out);
/* The options as a Markdown table, for docs/operations.md. */
void conf_markdown(const struct conf_table *t, struct buf *out);
/* Splits a CONF_LIST value: returns the number of entries; entry i is written
 * to out (false if i is out of range or it does not fit). */
size_t conf_list_count(const char *list);
bool conf_list_entry(const char *list, size_t i, char *out, size_t size);

#endif
