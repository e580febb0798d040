/* The CLI's argument parser and its tables. */
#include "ctl/cli.h"
#include "ctl/commands.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WORDS = 32 };

static struct cli cli;
static struct err_text why;

/* Splits at blanks. */
static enum err parse(const char *line)
{
    static char text[512], *argv[WORDS + 1];
    char *rest = NULL;
    int argc = 0;

    snprintf(text, sizeof text, "pinfold %s", line);
    for (char *p = strtok_r(text, " ", &rest); p != NULL && argc < WORDS;
         p = strtok_r(NULL, " ", &rest))
        argv[argc++] = p;
    argv[argc] = NULL;
    why.text[0] = 0;
    return cli_parse(&cli, commands_table, commands_global, argc, argv,
                     &why);
}

static void test_commands(void **state)
{
    (void)state;
    assert_int_equal(parse("pin add CID --min 2 --max 3 --wait"), ERR_OK);
    assert_string_equal(cli.command->words, "pin add");
    assert_int_equal(cli.n_args, 1);
    assert_string_equal(cli.args[0], "CID");
    assert_int_equal(cli_number(&cli, "min", 0), 2);
    assert_true(cli_is(&cli, "wait"));
    assert_false(cli_is(&cli, "name"));

    assert_int_equal(parse("-o json health graph"), ERR_OK);
    assert_string_equal(cli.command->words, "health graph");
    assert_string_equal(cli_text(&cli, "output"), "json");
    assert_int_equal(parse("health --timeout 2s"), ERR_OK);
    assert_string_equal(cli.command->words, "health");
    assert_int_equal(cli_number(&cli, "timeout", 0), 2000);
    assert_int_equal(parse("status"), ERR_OK);
    assert_int_equal(parse("status a b c -o table"), ERR_OK);
    assert_int_equal(cli.n_args, 3);
}

static void test_values(void **state)
{
    unsigned at = 0;

    (void)state;
    assert_int_equal(parse("pin add X --replication -1 --meta a=1 "
                           "--meta=b=2 -m c=3 --expire-in 2h"),
                     ERR_OK);
    assert_int_equal(cli_number(&cli, "replication", 0), -1);
    assert_int_equal(cli_number(&cli, "expire-in", 0), 7200000);
    assert_string_equal(cli_next(&cli, "meta", &at), "a=1");
    assert_string_equal(cli_next(&cli, "meta", &at), "b=2");
    assert_string_equal(cli_next(&cli, "meta", &at), "c=3");
    assert_null(cli_next(&cli, "meta", &at));
    setenv("POSIXLY_CORRECT", "1", 1);
    assert_int_equal(parse("pin add X --name n"), ERR_OK);
    assert_int_equal(cli.n_args, 1);
    assert_string_equal(cli_text(&cli, "name"), "n");
    assert_int_equal(parse("pin add -- --strange"), ERR_OK);
    assert_string_equal(cli.args[0], "--strange");
}

static void refused(const char *line, const char *text)
{
    assert_int_equal(parse(line), ERR_USAGE);
    if (strstr(why.text, text) == NULL)
        fail_msg("%s: '%s' is not in '%s'", line, text, why.text);
}

static void test_refused(void **state)
{
    (void)state;
    refused("", "no command (see 'pinfold --help')");
    refused("frob", "unknown command 'frob'");
    refused("pin", "'pin' needs a command");
    refused("pin frob", "unknown command 'pin frob'");
    refused("health frob", "takes no argument");
    refused("help frob", "unknown command 'frob'");
    refused("--frob status", "unknown option '--frob'");
    refused("status --frob", "(see 'pinfold status --help')");
    refused("pin add X --frob=1", "unknown option '--frob=1'");
    refused("pin add X -Z", "unknown option '-Z'");
    refused("pin add X --name", "--name needs TEXT");
    refused("pin add X -n", "--name needs TEXT");
    refused("pin add X --wait=yes", "--wait takes no value");
    refused("pin add", "needs CID");
    refused("pin add A B", "takes only CID");
    refused("pin update A", "needs OLD NEW");
    refused("pin add X --min 1 --min 2", "--min stands twice");
    refused("pin add X --min 17", "--min: '17' is no whole number");
    refused("pin add X --min 1x", "--min: '1x'");
    refused("pin add X --expire-in soon", "--expire-in: 'soon'");
    refused("pin add X --meta novalue", "--meta: 'novalue'");
    refused("pin add X --mode deep", "'deep' is none of recursive|direct");
    refused("pin add X --name \xff", "--name: bad UTF-8");
    refused("status -o xml", "'xml' is none of table|json");
    refused("add X --cid-version 2", "--cid-version: '2'");
}

static void test_help(void **state)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out;

    (void)state;
    for (const struct cli_command *k = commands_table; k->words; k++) {
        char line[80];

        snprintf(line, sizeof line, "%s --help", k->words);
        assert_int_equal(parse(line), ERR_OK);
        assert_true(cli.help);
        assert_ptr_equal(cli.command, k);
        out = open_memstream(&text, &n);
        cli_help(&cli, out);
        fclose(out);
        assert_non_null(strstr(text, k->words));
        assert_non_null(strstr(text, k->summary));
        for (const struct cli_option *o = k->options; o->name; o++)
            assert_non_null(strstr(text, o->help));
        free(text);
        snprintf(line, sizeof line, "help %s", k->words);
        assert_int_equal(parse(line), ERR_OK);
        assert_ptr_equal(cli.command, k);
    }
    assert_int_equal(parse("pin -h"), ERR_OK);
    assert_string_equal(cli.group, "pin");
    assert_int_equal(parse("--help"), ERR_OK);
    out = open_memstream(&text, &n);
    cli_help(&cli, out);
    fclose(out);
    for (const struct cli_command *k = commands_table; k->words; k++)
        assert_non_null(strstr(text, k->summary));
    free(text);
}

/* No letter or name means two things within one command. */
static void test_tables(void **state)
{
    (void)state;
    for (const struct cli_command *k = commands_table; k->words; k++)
        for (const struct cli_option *a = k->options; a->name; a++) {
            for (const struct cli_option *b = k->options; b != a; b++) {
                assert_string_not_equal(a->name, b->name);
                assert_true(a->letter == 0 || a->letter != b->letter);
            }
            for (const struct cli_option *b = commands_global; b->name;
                 b++) {
                assert_string_not_equal(a->name, b->name);
                assert_true(a->letter == 0 || a->letter != b->letter);
            }
            assert_int_equal(a->type == CLI_FLAG, a->value == NULL);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commands), cmocka_unit_test(test_values),
        cmocka_unit_test(test_refused),  cmocka_unit_test(test_help),
        cmocka_unit_test(test_tables),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
