/* The socket that the other coordinators connect to. They are accepted by
 * hand behind uv_poll: libuv's own listeners spin once descriptors have run
 * out, and a coordinator that spins neither beats nor votes.
 */
#include "coordinator/peers_impl.h"

#include "proto/log.h"
#include "proto/process.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 64, BATCH = 16, PAUSE_MS = 200 };

static void on_readable(uv_poll_t *poll, int status, int events);

/* What waits stays in the backlog. */
static void pause_accepting(struct peers *p, int number)
{
    uv_poll_stop(&p->listener);
    p->accept_at_ms = peers_now_ms(p) + PAUSE_MS;
    if (!p->accept_failing)
        log_warn("accept_failed", "listener=peers error=%s",
                 strerror(number));
    p->accept_failing = true;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct peers *p = poll->data;

    (void)events;
    if (status < 0) {
        pause_accepting(p, -status);
        return;
    }
    for (int i = 0; i < BATCH; i++) {
        int fd = accept4(p->listen_fd, NULL, NULL,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0 && process_descriptors_low()) {
            close(fd);
            pause_accepting(p, EMFILE);
            return;
        } else if (fd >= 0) {
            p->accept_failing = false;
            peers_conn_accept(p, fd);
        } else if (errno == EAGAIN) {
            return;
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
                   errno == ENOMEM) {
            pause_accepting(p, errno);
            return;
        } /* else that one is gone already: take the next */
    }
}

void peers_listen_again(struct peers *p)
{
    if (p->accept_at_ms == 0 || peers_now_ms(p) < p->accept_at_ms)
        return;
    p->accept_at_ms = 0;
    uv_poll_start(&p->listener, UV_READABLE, on_readable);
}

static int open_at(int fd, const struct sockaddr_storage *sa)
{
    socklen_t n = sa->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                            : sizeof(struct sockaddr_in);
    int on = 1;

    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, (const struct sockaddr *)sa, n) != 0 ||
        listen(fd, BACKLOG) != 0)
        return errno;
    return 0;
}

enum err peers_listen(struct peers *p, struct err_text *why)
{
    struct sockaddr_storage sa;
    char text[ADDR_TEXT_MAX];
    int rv = peers_sockaddr(&p->st.listen, &sa), fd = -1;

    addr_print(&p->st.listen, text);
    if (rv == 0) {
        fd = socket(sa.ss_family,
                    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        rv = fd < 0 ? errno : open_at(fd, &sa);
    } else {
        rv = EINVAL;
    }
    if (rv == 0 && uv_poll_init(p->st.loop, &p->listener, fd) != 0)
        rv = ENOMEM;
    if (rv != 0) {
        if (fd >= 0)
            close(fd);
        return err_set(why, rv == EADDRINUSE ? ERR_IN_USE : ERR_IO,
                       "listen-peers %s: %s", text, strerror(rv));
    }
    p->listen_fd = fd;
    p->listener.data = p;
    uv_poll_start(&p->listener, UV_READABLE, on_readable);
    return ERR_OK;
}

void peers_listen_stop(struct peers *p)
{
    uv_poll_stop(&p->listener);
    p->accept_at_ms = 0;
    close(p->listen_fd); /* now: nobody connects any more */
}
