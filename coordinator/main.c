/* pinfold-coordinator: options, then coordinator_run. */
#include "coordinator/config.h"
#include "coordinator/coordinator.h"
#include "proto/log.h"
#include "proto/process.h"

#include <stdio.h>
#include <string.h>
#include <stdlib.h>

extern char **environ;

int main(int argc, char *argv[])
{
    struct config c;
    struct err_text why;
    enum conf_action action;
    enum log_level level = LOG_INFO;
    enum err e;
    int status;

    memset(&c, 0, sizeof c);
    e = process_prepare(&why);
    if (e == ERR_OK)
        e = conf_load(config_table(), &c, argc, argv, environ, &action,
                      &why);
    if (e == ERR_OK && action == CONF_HELP) {
        struct buf b = BUF_INIT;

        conf_help(config_table(), &b);
        fputs(buf_cstr(&b), stdout);
        buf_free(&b);
        conf_free(config_table(), &c);
        return 0;
    }
    if (e == ERR_OK && action == CONF_VERSION) {
        puts("pinfold-coordinator " PINFOLD_VERSION);
        conf_free(config_table(), &c);
        return 0;
    }
    if (e == ERR_OK)
        e = config_check(&c, &why);
    if (e != ERR_OK) {
        fprintf(stderr, "pinfold-coordinator: %s\n", why.text);
        conf_free(config_table(), &c);
        return err_exit_status(ERR_USAGE);
    }
    /* The pool is shared by libraft's disk writes and name look-ups. */
    setenv("UV_THREADPOOL_SIZE", "8", 0);
    if (log_level_parse(c.log_level, &level))
        log_setup(level, strcmp(c.log_format, "json") == 0);
    status = coordinator_run(&c);
    conf_free(config_table(), &c);
    return status;
}
