/* getopt_long over the tables. Options before the command are global ones;
 * behind it both kinds may stand in any order with the arguments.
 */
#include "ctl/cli.h"

#include "ctl/value.h"
#include "proto/json.h"

#include <assert.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

enum { LONG_FIRST = 256 }; /* values of struct option: beyond any letter */

struct set {
    const struct cli_option *rows[CLI_OPTIONS_MAX];
    struct option longs[CLI_OPTIONS_MAX + 1];
    char shorts[2 * CLI_OPTIONS_MAX + 3];
    int n;
};

static void set_add(struct set *s, const struct cli_option *o)
{
    size_t used = strlen(s->shorts);

    for (; o != NULL && o->name != NULL; o++) {
        assert(s->n < CLI_OPTIONS_MAX);
        s->rows[s->n] = o;
        s->longs[s->n] = (struct option){
            o->name, o->type == CLI_FLAG ? no_argument : required_argument,
            NULL, LONG_FIRST + s->n};
        s->n++;
        if (o->letter != 0) {
            s->shorts[used++] = o->letter;
            if (o->type != CLI_FLAG)
                s->shorts[used++] = ':';
        }
    }
    s->shorts[used] = 0;
}

static const struct cli_option *set_find(const struct set *s, int code)
{
    if (code >= LONG_FIRST)
        return s->rows[code - LONG_FIRST];
    for (int i = 0; i < s->n; i++)
        if (s->rows[i]->letter == code)
            return s->rows[i];
    return NULL;
}

static enum err check(const struct cli_option *o, struct cli_value *v,
                      struct err_text *why)
{
    uint64_t ms = 0;
    enum err e = ERR_OK;

    switch (o->type) {
    case CLI_FLAG:
        break;
    case CLI_TEXT:
    case CLI_LIST:
        if (!json_utf8_valid(v->text, strlen(v->text)))
            e = err_set(why, ERR_USAGE, "bad UTF-8");
        break;
    case CLI_NUMBER:
        e = value_number(v->text, o->low, o->high, &v->number, why);
        break;
    case CLI_DURATION:
        e = value_duration(v->text, &ms, why);
        v->number = (int64_t)ms;
        break;
    case CLI_CHOICE:
        if (!value_choice(v->text, o->value))
            e = err_set(why, ERR_USAGE, "'%.50s' is none of %s", v->text,
                        o->value);
        break;
    case CLI_PAIR:
        e = value_pair(v->text, why);
        break;
    }
    if (e != ERR_OK)
        err_prefix(why, "--%s", o->name);
    return e;
}

static enum err keep(struct cli *c, const struct cli_option *o,
                     const char *text, struct err_text *why)
{
    struct cli_value v = {o, text, 0};
    enum err e = check(o, &v, why);

    if (e != ERR_OK)
        return e;
    if (strcmp(o->name, "help") == 0)
        c->help = true;
    if (o->type != CLI_PAIR && o->type != CLI_LIST && o->type != CLI_FLAG &&
        cli_is(c, o->name))
        return err_set(why, ERR_USAGE, "--%s stands twice", o->name);
    if (c->n_values == CLI_VALUES_MAX)
        return err_set(why, ERR_USAGE, "more than %d options",
                       CLI_VALUES_MAX);
    c->values[c->n_values++] = v;
    return ERR_OK;
}

static enum err unknown(const struct set *s, int code, char **argv,
                        struct err_text *why)
{
    const char *text = optind > 0 ? argv[optind - 1] : "";
    const struct cli_option *o = set_find(s, optopt);

    if (code == ':')
        return o != NULL ? err_set(why, ERR_USAGE, "--%s needs %s", o->name,
                                   o->value)
                         : err_set(why, ERR_USAGE, "'%.80s' needs a value",
                                   text);
    if (optopt >= LONG_FIRST)
        return err_set(why, ERR_USAGE, "'%.80s': --%s takes no value", text,
                       o->name);
    if (optopt != 0)
        return err_set(why, ERR_USAGE, "unknown option '-%c'", optopt);
    return err_set(why, ERR_USAGE, "unknown option '%.80s'", text);
}

/* mode "+" stops at the first argument. */
static enum err take_options(struct cli *c, struct set *s, int argc,
                             char **argv, struct err_text *why)
{
    int code;

    /* With it no option could stand behind an argument. */
    unsetenv("POSIXLY_CORRECT");
    opterr = 0;
    optind = 0; /* glibc: start anew */
    while ((code = getopt_long(argc, argv, s->shorts, s->longs, NULL)) !=
           -1) {
        enum err e;

        if (code == '?' || code == ':')
            return unknown(s, code, argv, why);
        e = keep(c, set_find(s, code), optarg, why);
        if (e != ERR_OK)
            return e;
    }
    return ERR_OK;
}

/* How many of the arguments are the command's words; 0: another command. */
static int words_match(const char *words, int n, char **args)
{
    int i = 0;

    for (const char *p = words; *p != 0; i++) {
        size_t length = strcspn(p, " ");

        if (i >= n || strlen(args[i]) != length ||
            memcmp(args[i], p, length) != 0)
            return 0;
        p += length;
        p += *p == ' ';
    }
    return i;
}

/* The first word of some longer command. */
static bool is_group(const struct cli *c, const char *word)
{
    size_t n = strlen(word);

    for (const struct cli_command *k = c->table; k->words != NULL; k++)
        if (strncmp(k->words, word, n) == 0 && k->words[n] == ' ')
            return true;
    return false;
}

static int find_command(struct cli *c, int n, char **args)
{
    int best = 0;

    for (const struct cli_command *k = c->table; k->words != NULL; k++) {
        int words = words_match(k->words, n, args);

        if (words > best) {
            best = words;
            c->command = k;
        }
    }
    if (best == 0 && n > 0 && is_group(c, args[0])) {
        c->group = args[0];
        best = 1;
    }
    return best;
}

static enum err no_command(const struct cli *c, int n, char **args,
                           struct err_text *why)
{
    if (c->group != NULL && n > 1)
        return err_set(why, ERR_USAGE,
                       "unknown command '%s %.60s' (see 'pinfold %s "
                       "--help')",
                       c->group, args[1], c->group);
    if (c->group != NULL)
        return err_set(why, ERR_USAGE,
                       "'%s' needs a command (see 'pinfold %s --help')",
                       c->group, c->group);
    return n == 0
               ? err_set(why, ERR_USAGE,
                         "no command (see 'pinfold --help')")
               : err_set(why, ERR_USAGE,
                         "unknown command '%.60s' (see 'pinfold --help')",
                         args[0]);
}

static enum err count_arguments(const struct cli *c, struct err_text *why)
{
    const struct cli_command *k = c->command;

    /* Most often a variable that is not set. */
    for (unsigned i = 0; i < c->n_args; i++)
        if (c->args[i][0] == '\0')
            return err_set(why, ERR_USAGE, "'%s': argument %u is empty",
                           k->words, i + 1);
    if (c->n_args >= k->least && c->n_args <= k->most)
        return ERR_OK;
    if (c->n_args > k->most && k->most > 2)
        return err_set(why, ERR_USAGE, "'%s' takes at most %u arguments",
                       k->words, k->most);
    return err_set(why, ERR_USAGE, "'%s' %s%s (see 'pinfold %s --help')",
                   k->words,
                   c->n_args < k->least ? "needs "
                   : k->most == 0       ? "takes no argument"
                                        : "takes only ",
                   k->most == 0 ? "" : k->arguments, k->words);
}

/* Behind the command's words. */
static enum err parse_rest(struct cli *c, int argc, char **argv,
                           struct err_text *why)
{
    struct set s = {.shorts = ":"};
    enum err e;

    if (c->command != NULL)
        set_add(&s, c->command->options);
    set_add(&s, c->global);
    e = take_options(c, &s, argc, argv, why);
    if (e != ERR_OK) {
        const char *name = c->command != NULL ? c->command->words
                                              : c->group;
        struct err_text text = *why;

        return err_set(why, e, "%s (see 'pinfold %s --help')", text.text,
                       name);
    }
    c->args = argv + optind;
    c->n_args = (unsigned)(argc - optind);
    if (c->help)
        return ERR_OK;
    if (c->command == NULL)
        return no_command(c, argc - optind + 1, c->args - 1, why);
    return count_arguments(c, why);
}

enum err cli_parse(struct cli *c, const struct cli_command *table,
                   const struct cli_option *global, int argc, char **argv,
                   struct err_text *why)
{
    struct set s = {.shorts = "+:"};
    int words, first;
    enum err e;

    memset(c, 0, sizeof *c);
    c->table = table;
    c->global = global;
    set_add(&s, global);
    e = take_options(c, &s, argc, argv, why);
    if (e != ERR_OK) {
        struct err_text text = *why;

        return err_set(why, e, "%s (see 'pinfold --help')", text.text);
    }
    first = optind;
    if (first < argc && strcmp(argv[first], "help") == 0) {
        c->help = true;
        first++;
    }
    words = find_command(c, argc - first, argv + first);
    if (words == 0)
        return c->help && first == argc
                   ? ERR_OK
                   : no_command(c, argc - first, argv + first, why);
    first += words;
    return parse_rest(c, argc - first + 1, argv + first - 1, why);
}

/* --- values ------------------------------------------------------------- */

static const struct cli_value *find(const struct cli *c, const char *option)
{
    for (unsigned i = 0; i < c->n_values; i++)
        if (strcmp(c->values[i].option->name, option) == 0)
            return &c->values[i];
    return NULL;
}

bool cli_is(const struct cli *c, const char *option)
{
    return find(c, option) != NULL;
}

const char *cli_text(const struct cli *c, const char *option)
{
    const struct cli_value *v = find(c, option);

    return v == NULL ? NULL : v->text;
}

int64_t cli_number(const struct cli *c, const char *option, int64_t none)
{
    const struct cli_value *v = find(c, option);

    return v == NULL ? none : v->number;
}

const char *cli_next(const struct cli *c, const char *option, unsigned *at)
{
    while (*at < c->n_values) {
        const struct cli_value *v = &c->values[(*at)++];

        if (strcmp(v->option->name, option) == 0)
            return v->text;
    }
    return NULL;
}
