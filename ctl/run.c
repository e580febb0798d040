/* Options, hosts, the command, and the exit status. */
#include "ctl/run.h"

#include "ctl/commands.h"
#include "ctl/interrupt.h"
#include "ctl/print.h"
#include "ctl/progress.h"
#include "proto/types.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* As shells report a process that a signal ended. */
enum { EXIT_SIGNAL = 128 };

/* The option, else the environment; NULL: nobody said. An option that says
 * nothing is most often a variable that is not set, and another cluster or
 * organisation than was meant would be asked. */
static enum err find_text(struct ctl *c, const char *option,
                          const char *variable, const char **out,
                          struct err_text *why)
{
    const char *text = cli_text(&c->cli, option);

    *out = text;
    if (text != NULL)
        return text[0] != 0 ? ERR_OK
                            : err_set(why, ERR_USAGE, "--%s is empty",
                                      option);
    text = getenv(variable);
    if (text != NULL && text[0] != 0)
        *out = text;
    return ERR_OK;
}

/* Whose claims requests are about; NULL: nobody said. */
static enum err find_org(struct ctl *c, const char **out,
                         struct err_text *why)
{
    enum err e = find_text(c, "org", "PINFOLD_ORG", out, why);

    if (e == ERR_OK && *out != NULL && !org_name_valid(*out))
        return err_set(why, ERR_USAGE, "--org: '%.64s' is no name of an "
                       "organisation", *out);
    return e;
}

/* Who signs the coordinators' certificates; NULL: whom the system trusts. */
static enum err find_cacert(struct ctl *c, const char **out,
                            struct err_text *why)
{
    enum err e = find_text(c, "cacert", "PINFOLD_CACERT", out, why);

    if (e == ERR_OK && *out != NULL && access(*out, R_OK) != 0)
        return err_set(why, ERR_USAGE, "--cacert: %.200s: %s", *out,
                       strerror(errno));
    return e;
}

static enum err find_token(struct ctl *c, struct err_text *why)
{
    const char *file = cli_text(&c->cli, "token-file");

    if (file != NULL && file[0] == 0)
        return err_set(why, ERR_USAGE, "--token-file is empty");
    return secret_token(file, c->token, why);
}

/* What would be ignored without a word. */
static enum err check_times(const struct cli *k, struct err_text *why)
{
    if (cli_is(k, "timeout") && cli_number(k, "timeout", 0) == 0)
        return err_set(why, ERR_USAGE, "--timeout: at least 1ms");
    if (cli_is(k, "wait-timeout") && !cli_is(k, "wait"))
        return err_set(why, ERR_USAGE, "--wait-timeout goes with --wait");
    return ERR_OK;
}

static enum err set_up(struct ctl *c, struct err_text *why)
{
    const char *hosts, *output, *org, *ca;
    enum err e = check_times(&c->cli, why);

    if (e == ERR_OK)
        e = find_text(c, "host", "PINFOLD_HOST", &hosts, why);
    if (e == ERR_OK)
        e = hosts_parse(hosts != NULL ? hosts : "127.0.0.1:9094", &c->hosts,
                        why);
    if (e != ERR_OK)
        return e;
    output = cli_text(&c->cli, "output");
    c->json = output != NULL && strcmp(output, "json") == 0;
    e = find_org(c, &org, why);
    if (e == ERR_OK)
        e = find_cacert(c, &ca, why);
    if (e == ERR_OK)
        e = find_token(c, why);
    if (e == ERR_OK)
        e = client_init(&c->client, &c->hosts,
                        (uint64_t)cli_number(&c->cli, "timeout", 0), why);
    if (e != ERR_OK)
        return e;
    c->client.org = org;
    c->client.cacert = ca;
    c->client.token = c->token[0] != '\0' ? c->token : NULL;
    return ERR_OK;
}

/* Else a connection would get the number, and with it what is printed. Such
 * a standard output then fails, as it should. */
static void take_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)open("/dev/null",
                       fd == STDOUT_FILENO ? O_RDONLY : O_RDWR);
}

static int finish(enum err e, struct err_text *why)
{
    progress_clear();
    if (interrupt_seen() != 0) {
        fflush(stdout);
        return EXIT_SIGNAL + interrupt_seen();
    }
    e = print_finish(e, why);
    if (e != ERR_OK)
        print_failure(why->text);
    return err_exit_status(e);
}

int run_main(int argc, char **argv)
{
    static struct ctl c; /* large, and all of it starts as zero */
    struct err_text why = {""};
    enum err e;

    take_descriptors();
    interrupt_install();
    e = cli_parse(&c.cli, commands_table, commands_global, argc, argv, &why);
    if (e == ERR_OK && c.cli.help) {
        cli_help(&c.cli, stdout);
        return finish(ERR_OK, &why);
    }
    if (e == ERR_OK)
        e = set_up(&c, &why);
    if (e == ERR_OK)
        e = c.cli.command->run(&c, &why);
    client_close(&c.client);
    secret_wipe(c.token, sizeof c.token);
    return finish(e, &why);
}
