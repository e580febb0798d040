/* One run of the program: what every command needs. */
#ifndef PINFOLD_RUN_H
#define PINFOLD_RUN_H

#include "ctl/cli.h"
#include "ctl/client.h"
#include "ctl/secret.h"

enum { RUN_WAIT_MS = 3600 * 1000 }; /* --wait-timeout, where not given */

struct ctl {
    struct cli cli;
    bool json; /* -o json */
    struct hosts hosts;
    struct client client;
    char token[SECRET_TOKEN_MAX]; /* "": none */
};

/* argv's program; returns the exit status. */
int run_main(int argc, char **argv);

#endif
