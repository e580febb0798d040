/* The command line: a table of commands, each with a table of options, and
 * the help that is made of them. Values are checked by type before a command
 * runs. Borrows argv.
 */
#ifndef PINFOLD_CLI_H
#define PINFOLD_CLI_H

#include "proto/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { CLI_VALUES_MAX = 256, CLI_OPTIONS_MAX = 40 };

enum cli_type {
    CLI_FLAG, CLI_TEXT, CLI_NUMBER, CLI_DURATION,
    CLI_CHOICE, /* value is "one|other" */
    CLI_PAIR,   /* KEY=VALUE, may repeat */
    CLI_LIST    /* may repeat */
};

struct cli_option {
    const char *name; /* NULL ends a table */
    char letter;      /* 0: none */
    enum cli_type type;
    const char *value; /* its name in the help; NULL for flags */
    const char *help;
    int64_t low, high; /* of numbers */
};

struct ctl;

struct cli_command {
    const char *words;     /* "pin add"; NULL ends the table */
    const char *arguments; /* "CID…" */
    const char *summary;
    const struct cli_option *options;
    unsigned least, most;  /* arguments */
    enum err (*run)(struct ctl *c, struct err_text *why);
};

struct cli_value {
    const struct cli_option *option;
    const char *text;
    int64_t number; /* numbers; durations in ms */
};

struct cli {
    const struct cli_command *table;
    const struct cli_option *global;
    const struct cli_command *command; /* NULL: none was named */
    const char *group;                 /* "pin" of "pin --help" or NULL */
    bool help;
    char **args;
    unsigned n_args;
    unsigned n_values;
    struct cli_value values[CLI_VALUES_MAX];
};

/* Errors: ERR_USAGE; the text ends with a hint. Reorders argv. */
enum err cli_parse(struct cli *c, const struct cli_command *table,
                   const struct cli_option *global, int argc, char **argv,
                   struct err_text *why) ERR_CHECKED;

bool cli_is(const struct cli *c, const char *option);
const char *cli_text(const struct cli *c, const char *option); /* or NULL */
int64_t cli_number(const struct cli *c, const char *option, int64_t none);
/* The next value of that option; *at starts as 0. NULL at the end. */
const char *cli_next(const struct cli *c, const char *option, unsigned *at);

/* cli_help.c: of the command, the group or all. */
void cli_help(const struct cli *c, FILE *out);

#endif
