/* Help, made of the tables. */
#include "ctl/cli.h"

#include "ctl/print.h"

#include <string.h>

enum { COLUMN = 30 };

/* Texts of the tables are UTF-8: padding counts columns, not bytes. */
static void print_row(const char *text, const char *help, FILE *out)
{
    size_t width = print_width(text);

    if (width > COLUMN - 2)
        fprintf(out, "  %s\n%*s%s\n", text, COLUMN + 2, "", help);
    else
        fprintf(out, "  %s%*s%s\n", text, (int)(COLUMN - width), "", help);
}

static void print_options(const struct cli_option *o, FILE *out)
{
    for (; o != NULL && o->name != NULL; o++) {
        char text[80];

        snprintf(text, sizeof text, "%c%c%s --%s%s%s",
                 o->letter != 0 ? '-' : ' ',
                 o->letter != 0 ? o->letter : ' ',
                 o->letter != 0 ? "," : " ", o->name,
                 o->value != NULL ? " " : "",
                 o->value != NULL ? o->value : "");
        print_row(text, o->help, out);
    }
}

static void print_command(const struct cli *c, FILE *out)
{
    const struct cli_command *k = c->command;
    bool some = k->options != NULL && k->options[0].name != NULL;

    fprintf(out, "usage: pinfold %s%s%s%s\n\n%s\n", k->words,
            some ? " [options]" : "", k->arguments[0] != 0 ? " " : "",
            k->arguments, k->summary);
    if (some) {
        fprintf(out, "\noptions:\n");
        print_options(k->options, out);
    }
    fprintf(out, "\noptions of every command:\n");
    print_options(c->global, out);
}

static void print_commands(const struct cli *c, FILE *out)
{
    size_t n = c->group == NULL ? 0 : strlen(c->group);

    for (const struct cli_command *k = c->table; k->words != NULL; k++) {
        char text[80];

        if (n > 0 &&
            (strncmp(k->words, c->group, n) != 0 || k->words[n] != ' '))
            continue;
        snprintf(text, sizeof text, "%s %s", k->words, k->arguments);
        print_row(text, k->summary, out);
    }
}

void cli_help(const struct cli *c, FILE *out)
{
    if (c->command != NULL) {
        print_command(c, out);
        return;
    }
    fprintf(out, "usage: pinfold [options] %s%sCOMMAND\n\ncommands:\n",
            c->group == NULL ? "" : c->group, c->group == NULL ? "" : " ");
    print_commands(c, out);
    fprintf(out, "\noptions of every command:\n");
    print_options(c->global, out);
    fprintf(out,
            "\nPINFOLD_HOST names the hosts where --host does not, PINFOLD_ORG "
            "the organisation\nwhere --org does not, PINFOLD_TOKEN_FILE the "
            "file where --token-file does not,\nPINFOLD_CACERT the file "
            "where --cacert does not; PINFOLD_TOKEN is a token.\n"
            "Several hosts are tried in turn.\n'pinfold COMMAND --help' "
            "shows a command's options.\n");
}
