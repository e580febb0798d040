/* Network addresses as users write them: "127.0.0.1:9094", "[::1]:9094",
 * "localhost:9094", "unix:/path" or "/path". No look-up happens here.
 */
#ifndef PINFOLD_ADDR_H
#define PINFOLD_ADDR_H

#include "proto/err.h"

#include <stdbool.h>
#include <stdint.h>

enum { ADDR_HOST_MAX = 255, ADDR_TEXT_MAX = 272 };

struct addr {
    bool is_unix;
    char host[ADDR_HOST_MAX + 1]; /* or the path of the socket */
    uint16_t port;
};

/* default_port 0: the text must have one. Port 0 is accepted (ephemeral). */
enum err addr_parse(const char *text, uint16_t default_port,
                    struct addr *out, struct err_text *why) ERR_CHECKED;
/* 127.0.0.0/8, ::1, "localhost" and unix sockets. Names are not looked up:
 * any other name is not loopback. */
bool addr_is_loopback(const struct addr *a);
void addr_print(const struct addr *a, char out[ADDR_TEXT_MAX]);
bool addr_equal(const struct addr *a, const struct addr *b);

#endif
