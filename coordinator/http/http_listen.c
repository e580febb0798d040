/* Sockets that listen. They are accepted by hand behind uv_poll, because
 * libuv has no way to stop accepting: it spins when descriptors run out, and
 * a unix socket would be open to all until its mode is set.
 */
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "coordinator/http/http_conn.h"

static void on_readable(uv_poll_t *poll, int status, int events);

static void on_listener_closed(uv_handle_t *handle)
{
    struct http_listener *l = handle->data;
    struct http_server *server = l->server;
    free(l->unix_path);
    free(l);
    http_handle_gone(server);
}

void http_listeners_close(struct http_server *server)
{
    while (server->listeners) {
        struct http_listener *l = server->listeners;
        server->listeners = l->next;
        if (l->unix_path)
            unlink(l->unix_path);
        uv_close((uv_handle_t *)&l->poll, on_listener_closed);
        close(l->fd); /* now: nobody connects any more */
    }
    uv_timer_stop(&server->accept_pause);
}

static void on_pause_over(uv_timer_t *timer)
{
    struct http_server *server = timer->data;
    for (struct http_listener *l = server->listeners; l; l = l->next)
        uv_poll_start(&l->poll, UV_READABLE, on_readable);
}

/* Descriptors or memory have run out: what waits stays in the backlog. */
static void pause_accepting(struct http_server *server)
{
    for (struct http_listener *l = server->listeners; l; l = l->next)
        uv_poll_stop(&l->poll);
    uv_timer_start(&server->accept_pause, on_pause_over,
                   server->limits.accept_pause_ms, 0);
}

/* The file's mode lets nobody else in; a directory or a mount may be odd. */
static bool is_ours(int fd)
{
    struct ucred who;
    socklen_t n = sizeof who;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) == 0 &&
           (who.uid == geteuid() || who.uid == 0);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct http_listener *l = poll->data;
    (void)events;
    if (status < 0) {
        pause_accepting(l->server);
        return;
    }
    for (int i = 0; i < HTTP_ACCEPT_BATCH; i++) {
        struct sockaddr_storage peer;
        socklen_t n = sizeof peer;
        int fd = accept4(l->fd, (struct sockaddr *)&peer, &n,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0 && l->unix_path && !is_ours(fd)) {
            http_refuse_note(l->server, l->door, NULL, HTTP_REFUSED_STRANGER,
                             0);
            close(fd);
        } else if (fd >= 0) {
            http_conn_open(l, fd,
                           l->unix_path ? NULL : (struct sockaddr *)&peer);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
                   errno == ENOMEM) {
            pause_accepting(l->server);
            return;
        } else if (errno == EAGAIN) {
            return;
        } /* else that client is gone already: take the next */
    }
}

/* Binds and watches; owns fd in any case. */
static int start(struct http_server *server, int fd,
                 const struct sockaddr *address, socklen_t n,
                 const char *unix_path, unsigned door)
{
    struct http_listener *l = NULL;
    int rc = 0;
    assert(door < HTTP_DOORS);
    if (bind(fd, address, n) < 0) {
        rc = -errno;
        goto out;
    }
    if (listen(fd, HTTP_BACKLOG) < 0) {
        rc = -errno;
        goto out;
    }
    l = http_alloc(sizeof *l);
    l->fd = fd;
    l->door = door;
    l->server = server;
    rc = uv_poll_init(server->loop, &l->poll, fd);
    if (rc < 0)
        goto out;
    if (unix_path) {
        size_t size = strlen(unix_path) + 1;
        l->unix_path = http_alloc(size);
        memcpy(l->unix_path, unix_path, size);
    }
    l->poll.data = l;
    l->next = server->listeners;
    server->listeners = l;
    server->handles++;
    uv_poll_start(&l->poll, UV_READABLE, on_readable);
    return 0;
out:
    free(l);
    close(fd);
    return rc;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage a;
    socklen_t n = sizeof a;
    if (getsockname(fd, (struct sockaddr *)&a, &n) < 0)
        return 0;
    if (a.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)&a)->sin6_port);
    return ntohs(((struct sockaddr_in *)&a)->sin_port);
}

static int listen_ip(struct http_server *server, const char *ip, uint16_t port,
                     unsigned door, bool tls)
{
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } a;
    int on = 1;
    assert(!server->draining && !server->closing);
    memset(&a, 0, sizeof a);
    if (uv_ip4_addr(ip, port, &a.in) < 0 && uv_ip6_addr(ip, port, &a.in6) < 0)
        return -EINVAL;
    int family = a.any.sa_family;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        (family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) < 0)) {
        int rc = -errno;
        close(fd);
        return rc;
    }
    int rc = start(server, fd, &a.any,
                   family == AF_INET6 ? sizeof a.in6 : sizeof a.in, NULL,
                   door);
    if (rc == 0) {
        server->port = port_of(fd);
        server->listeners->tls = tls;
    }
    return rc;
}

int http_listen(struct http_server *server, const char *ip, uint16_t port,
                unsigned door)
{
    return listen_ip(server, ip, port, door, false);
}

int http_listen_tls(struct http_server *server, const char *ip, uint16_t port,
                    unsigned door)
{
    assert(server->pair);
    return listen_ip(server, ip, port, door, true);
}

/* Removes the socket that a dead process left behind. */
static int clear_way(const struct sockaddr_un *a)
{
    struct stat st;
    int rc = 0;
    if (lstat(a->sun_path, &st) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(st.st_mode))
        return -EEXIST;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *)a, sizeof *a) == 0 ||
        errno != ECONNREFUSED)
        rc = -EADDRINUSE;
    else if (unlink(a->sun_path) < 0)
        rc = -errno;
    close(fd);
    return rc;
}

int http_listen_unix(struct http_server *server, const char *path,
                     unsigned door)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    size_t n = strlen(path);
    assert(!server->draining && !server->closing);
    if (n == 0)
        return -EINVAL;
    if (n >= sizeof a.sun_path)
        return -ENAMETOOLONG;
    memcpy(a.sun_path, path, n);
    int rc = clear_way(&a);
    if (rc < 0)
        return rc;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    /* Linux gives the file the mode of the socket: it is never open to
     * others, not even between bind and chmod. */
    if (fchmod(fd, S_IRUSR | S_IWUSR) < 0) {
        rc = -errno;
        close(fd);
        return rc;
    }
    return start(server, fd, (struct sockaddr *)&a, sizeof a, path, door);
}

uint16_t http_bound_port(const struct http_server *server)
{
    return server->port;
}
