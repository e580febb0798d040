#include "agent/journal_aside.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { PATH_SIZE = 4200 };

bool journal_is_directory(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

enum err journal_move_aside(const char *path, struct err_text *why)
{
    static const char *const tails[] = {"", "-wal", "-shm"};
    char from[PATH_SIZE], to[PATH_SIZE];
    long long now = (long long)time(NULL);
    struct stat st;

    do /* two within a second */
        snprintf(to, sizeof to, "%s.damaged-%lld", path, now++);
    while (lstat(to, &st) == 0);
    now--;
    for (unsigned k = 0; k < 3; k++) {
        snprintf(from, sizeof from, "%s%s", path, tails[k]);
        snprintf(to, sizeof to, "%s.damaged-%lld%s", path, now, tails[k]);
        if (rename(from, to) != 0 && errno != ENOENT)
            return err_set(why, ERR_IO, "%s: %s", from, strerror(errno));
    }
    return ERR_OK;
}
