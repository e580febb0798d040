/* What a Host line says about who led a browser here. A page whose own name was
 * pointed at this machine (DNS rebinding) has no foreign origin, but its name
 * is in Host: an address, localhost and names without a dot are nobody's to
 * point. Nobody can register one of these (ICANN keeps the root free of them).
 */
#include <arpa/inet.h>
#include <string.h>
#include <strings.h>
#include "coordinator/http/http_conn.h"

struct http_str http_host_name(struct http_str host)
{
    const char *end = host.n > 0 && host.p[0] == '['
                          ? NULL
                          : memchr(host.p, ':', host.n);
    if (end)
        host.n = (size_t)(end - host.p);
    return host;
}

bool http_host_fixed(struct http_str host)
{
    static const char local[] = "localhost";
    struct http_str name = http_host_name(host);
    char text[INET_ADDRSTRLEN];
    size_t n = sizeof local - 1;
    struct in_addr ip;
    if (name.n > 0 && name.p[0] == '[')
        return true; /* the parser of addresses is the client's */
    if (name.n > 0 && memchr(name.p, '.', name.n) == NULL)
        return true;
    if (name.n > n + 1 && name.p[name.n - n - 1] == '.' &&
        strncasecmp(name.p + name.n - n, local, n) == 0)
        return true;
    if (name.n == 0 || name.n >= sizeof text)
        return false;
    memcpy(text, name.p, name.n);
    text[name.n] = '\0';
    return inet_pton(AF_INET, text, &ip) == 1;
}

bool http_by_loopback(const struct http_request *request)
{
    const struct http_conn *c = request->conn;
    struct sockaddr_storage a;
    int n = sizeof a;
    if (!c->peer ||
        uv_tcp_getsockname(&c->u.tcp, (struct sockaddr *)&a, &n) != 0)
        return false;
    if (a.ss_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(
            &((const struct sockaddr_in6 *)&a)->sin6_addr);
    return ntohl(((const struct sockaddr_in *)&a)->sin_addr.s_addr) >> 24 ==
           127;
}
