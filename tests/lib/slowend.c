/* Preloaded into a process under test: once the file that SLOWEND names is
 * there, nothing can be written by pwrite, as SQLite does, and who opens a
 * file whose path ends in "slow.log" does not come back. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int is_on(void)
{
    const char *path = getenv("SLOWEND");

    return path != NULL && syscall(SYS_faccessat, AT_FDCWD, path, F_OK) == 0;
}

int open(const char *path, int flags, ...)
{
    static const char slow[] = "slow.log";
    size_t n = strlen(path), end = sizeof slow - 1;
    va_list more;
    mode_t mode = 0;

    if ((flags & O_CREAT) != 0) {
        va_start(more, flags);
        mode = va_arg(more, mode_t);
        va_end(more);
    }
    if (n >= end && strcmp(path + n - end, slow) == 0 && is_on())
        for (;;)
            pause();
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at)
{
    if (is_on()) {
        errno = EIO;
        return -1;
    }
    return syscall(SYS_pwrite64, fd, p, n, at);
}
