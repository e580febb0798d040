/* The coordinators that a command may ask, in the order of trial. Pure. */
#ifndef PINFOLD_HOSTS_H
#define PINFOLD_HOSTS_H

#include "proto/addr.h"

enum { HOSTS_MAX = 16, HOSTS_PORT = 9094 };

struct host {
    struct addr addr;
    bool tls;                 /* https */
    char text[ADDR_TEXT_MAX]; /* for people: host:port or unix:/path */
};

struct hosts {
    struct host list[HOSTS_MAX];
    unsigned n;
};

/* A comma list of host[:port], http://host[:port], unix:/path,
 * /unix/path, /ip4/A/tcp/N, /ip6/A/tcp/N, /dns{,4,6}/NAME/tcp/N; with
 * https:// in front, or /https behind, TLS is spoken. */
enum err hosts_parse(const char *text, struct hosts *out,
                     struct err_text *why) ERR_CHECKED;

#endif
