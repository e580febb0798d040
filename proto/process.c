#include "proto/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static enum err open_standard_streams(struct err_text *why)
{
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
            continue;
        /* The lowest free descriptor: this one. */
        if (open("/dev/null", fd == 0 ? O_RDONLY : O_WRONLY) != fd)
            return err_set(why, ERR_USAGE, "descriptor %d is closed and "
                           "/dev/null cannot take its place: %s", fd,
                           strerror(errno));
    }
    return ERR_OK;
}

static void ignore_signals(void)
{
    static const int signums[] = {SIGPIPE, SIGHUP, SIGUSR1, SIGUSR2};

    for (unsigned i = 0; i < sizeof signums / sizeof signums[0]; i++)
        signal(signums[i], SIG_IGN);
}

uint64_t process_descriptors(void)
{
    struct rlimit l;

    if (getrlimit(RLIMIT_NOFILE, &l) != 0)
        return PROCESS_DESCRIPTORS_MIN;
    return l.rlim_cur;
}

bool process_descriptors_low(void)
{
    int fd = dup(2); /* the lowest free one; the thread sanitizer knows dup */

    if (fd < 0)
        return true;
    close(fd);
    return (uint64_t)fd + PROCESS_DESCRIPTORS_KEPT >= process_descriptors();
}

enum err process_prepare(struct err_text *why)
{
    struct rlimit l;
    enum err e = open_standard_streams(why);

    ignore_signals();
    if (e != ERR_OK)
        return e;
    if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur < l.rlim_max) {
        l.rlim_cur = l.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &l); /* else it stays as it is */
    }
    if (process_descriptors() < PROCESS_DESCRIPTORS_MIN)
        return err_set(why, ERR_USAGE, "the limit on open files "
                       "(RLIMIT_NOFILE) is %llu; %d is the least",
                       (unsigned long long)process_descriptors(),
                       (int)PROCESS_DESCRIPTORS_MIN);
    return ERR_OK;
}
