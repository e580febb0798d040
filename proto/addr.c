/* Text to address and back. Numeric addresses are brought to one form, so
 * that equal addresses compare equal; names are compared without case.
 */
#include "proto/addr.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

static_assert(ADDR_TEXT_MAX > ADDR_HOST_MAX + sizeof("[]:65535"), "fits");
static_assert(INET6_ADDRSTRLEN <= ADDR_HOST_MAX, "fits");

enum { PATH_MAX_BYTES = sizeof(((struct sockaddr_un *)0)->sun_path) - 1 };

static enum err parse_path(const char *path, struct addr *a,
                           struct err_text *why)
{
    size_t n = strlen(path);

    if (path[0] != '/')
        return err_set(why, ERR_INVALID,
                       "the path of a unix socket must begin with '/'");
    if (n > PATH_MAX_BYTES)
        return err_set(why, ERR_INVALID,
                       "the path of a unix socket has at most %d bytes",
                       (int)PATH_MAX_BYTES);
    a->is_unix = true;
    memcpy(a->host, path, n + 1);
    return ERR_OK;
}

static enum err parse_port(const char *text, uint16_t *port,
                           struct err_text *why)
{
    unsigned v = 0;
    size_t n = strlen(text);

    if (n == 0 || n > 5 || strspn(text, "0123456789") != n)
        return err_set(why, ERR_INVALID, "bad port '%.20s'", text);
    for (size_t i = 0; i < n; i++)
        v = v * 10 + (unsigned)(text[i] - '0');
    if (v > 65535)
        return err_set(why, ERR_INVALID, "port %u is above 65535", v);
    *port = (uint16_t)v;
    return ERR_OK;
}

/* "[address]rest": the address into a, *rest behind the bracket. */
static enum err parse_v6(const char *text, struct addr *a, const char **rest,
                         struct err_text *why)
{
    const char *end = strchr(text, ']');
    size_t n = end == NULL ? 0 : (size_t)(end - text) - 1;
    char host[INET6_ADDRSTRLEN];
    struct in6_addr ip;

    if (end == NULL || n >= sizeof(host))
        return err_set(why, ERR_INVALID, "bad IPv6 address '%.50s'", text);
    memcpy(host, text + 1, n);
    host[n] = 0;
    if (inet_pton(AF_INET6, host, &ip) != 1)
        return err_set(why, ERR_INVALID, "bad IPv6 address '%.50s'", host);
    if (inet_ntop(AF_INET6, &ip, a->host, sizeof(a->host)) == NULL)
        return err_set(why, ERR_INTERNAL, "inet_ntop");
    *rest = end + 1;
    return ERR_OK;
}

static bool is_name(const char *s)
{
    for (; *s != 0; s++)
        if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
              (*s >= '0' && *s <= '9') || *s == '-' || *s == '.' ||
              *s == '_'))
            return false;
    return true;
}

static enum err parse_host(const char *text, struct addr *a,
                           const char **rest, struct err_text *why)
{
    size_t n = strcspn(text, ":");
    struct in_addr ip;

    if (strchr(text + n, ':') != strrchr(text + n, ':'))
        return err_set(why, ERR_INVALID,
                       "an IPv6 address must stand in [brackets]");
    if (n == 0)
        return err_set(why, ERR_INVALID, "the host is missing");
    if (n > ADDR_HOST_MAX)
        return err_set(why, ERR_INVALID, "the host is longer than %d bytes",
                       (int)ADDR_HOST_MAX);
    memcpy(a->host, text, n);
    a->host[n] = 0;
    if (!is_name(a->host))
        return err_set(why, ERR_INVALID, "bad host name");
    if (strcmp(a->host, "unix") == 0) /* with a port it reads as a path */
        return err_set(why, ERR_INVALID, "a host cannot be called unix");
    if (strspn(a->host, "0123456789.") == n &&
        inet_pton(AF_INET, a->host, &ip) != 1)
        return err_set(why, ERR_INVALID, "bad IPv4 address '%.50s'",
                       a->host);
    *rest = text + n;
    return ERR_OK;
}

enum err addr_parse(const char *text, uint16_t default_port,
                    struct addr *out, struct err_text *why)
{
    struct addr a = {.port = default_port};
    const char *rest = "";
    enum err e;

    if (strncmp(text, "unix:", 5) == 0 || text[0] == '/') {
        a.port = 0;
        e = parse_path(text[0] == '/' ? text : text + 5, &a, why);
        if (e == ERR_OK)
            *out = a;
        return e;
    }
    if (text[0] == '[')
        e = parse_v6(text, &a, &rest, why);
    else
        e = parse_host(text, &a, &rest, why);
    if (e != ERR_OK)
        return e;
    if (rest[0] == ':') {
        if ((e = parse_port(rest + 1, &a.port, why)) != ERR_OK)
            return e;
    } else if (rest[0] != 0) {
        return err_set(why, ERR_INVALID, "unexpected '%.20s'", rest);
    } else if (default_port == 0) {
        return err_set(why, ERR_INVALID, "the port is missing");
    }
    *out = a;
    return ERR_OK;
}

bool addr_is_loopback(const struct addr *a)
{
    struct in_addr ip;

    if (a->is_unix)
        return true;
    if (strcasecmp(a->host, "localhost") == 0 || strcmp(a->host, "::1") == 0)
        return true;
    return inet_pton(AF_INET, a->host, &ip) == 1 &&
           ntohl(ip.s_addr) >> 24 == 127;
}

void addr_print(const struct addr *a, char out[ADDR_TEXT_MAX])
{
    int n;

    if (a->is_unix)
        n = snprintf(out, ADDR_TEXT_MAX, "unix:%s", a->host);
    else if (strchr(a->host, ':') != NULL)
        n = snprintf(out, ADDR_TEXT_MAX, "[%s]:%u", a->host, a->port);
    else
        n = snprintf(out, ADDR_TEXT_MAX, "%s:%u", a->host, a->port);
    assert(n > 0 && n < ADDR_TEXT_MAX);
}

bool addr_equal(const struct addr *a, const struct addr *b)
{
    if (a->is_unix != b->is_unix || a->port != b->port)
        return false;
    return a->is_unix ? strcmp(a->host, b->host) == 0
                      : strcasecmp(a->host, b->host) == 0;
}
