/* pinfold-agent: options, then agent_run. */
#include "agent/agent.h"
#include "agent/config.h"
#include "proto/log.h"
#include "proto/process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

int main(int argc, char *argv[])
{
    struct agent_config c;
    struct err_text why;
    enum conf_action action;
    enum log_level level = LOG_INFO;
    enum err e;
    int status;

    memset(&c, 0, sizeof c);
    e = process_prepare(&why);
    if (e == ERR_OK)
        e = conf_load(agent_config_table(), &c, argc, argv, environ, &action,
                      &why);
    if (e == ERR_OK && action == CONF_HELP) {
        struct buf b = BUF_INIT;

        conf_help(agent_config_table(), &b);
        fputs(buf_cstr(&b), stdout);
        buf_free(&b);
        conf_free(agent_config_table(), &c);
        return 0;
    }
    if (e == ERR_OK && action == CONF_VERSION) {
        puts("pinfold-agent " PINFOLD_VERSION);
        conf_free(agent_config_table(), &c);
        return 0;
    }
    if (e == ERR_OK)
        e = agent_config_check(&c, &why);
    if (e != ERR_OK) {
        fprintf(stderr, "pinfold-agent: %s\n", why.text);
        conf_free(agent_config_table(), &c);
        return err_exit_status(ERR_USAGE);
    }
    if (log_level_parse(c.log_level, &level))
        log_setup(level, strcmp(c.log_format, "json") == 0);
    status = agent_run(&c);
    conf_free(agent_config_table(), &c);
    return status;
}
