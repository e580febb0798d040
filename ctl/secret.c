/* Tokens and passwords; see secret.h. */
#include "ctl/secret.h"

#include "ctl/interrupt.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

enum { LOOK_MS = 200 };

void secret_wipe(void *p, size_t n)
{
    explicit_bzero(p, n);
}

/* false: a signal. One that comes just before a read would not end it. */
static bool wait_input(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int ready = 0;

    while (interrupt_seen() == 0 &&
           (ready == 0 || (ready < 0 && errno == EINTR)))
        ready = poll(&p, 1, LOOK_MS);
    return interrupt_seen() == 0;
}

/* Unbuffered, so that no copy of it stays in stdio. */
static enum err read_line(int fd, const char *name, char *out, size_t size,
                          struct err_text *why)
{
    size_t n = 0;

    for (;;) {
        ssize_t got;

        if (!wait_input(fd))
            return err_set(why, ERR_CLOSED, "interrupted");
        got = read(fd, out + n, 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_set(why, ERR_IO, "%s: %s", name, strerror(errno));
        if (got == 0 || out[n] == '\n')
            break;
        if (n + 2 > size)
            return err_set(why, ERR_INVALID, "%s: the line is too long",
                           name);
        n++;
    }
    if (n > 0 && out[n - 1] == '\r')
        n--;
    out[n] = '\0';
    if (n == 0)
        return err_set(why, ERR_INVALID, "%s: there is nothing", name);
    if (memchr(out, '\0', n) != NULL)
        return err_set(why, ERR_INVALID, "%s: a zero byte", name);
    return ERR_OK;
}

enum err secret_read(const char *path, char *out, size_t size,
                     struct err_text *why)
{
    struct stat st;
    enum err e;
    FILE *f;

    if (strcmp(path, "-") == 0)
        return read_line(STDIN_FILENO, "standard input", out, size, why);
    f = fopen(path, "re");
    if (f == NULL)
        return err_set(why, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO,
                       "%s: %s", path, strerror(errno));
    if (fstat(fileno(f), &st) != 0)
        e = err_set(why, ERR_IO, "%s: %s", path, strerror(errno));
    else if (S_ISREG(st.st_mode) && (st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        e = err_set(why, ERR_DENIED, "%s: others may read it (mode %o); "
                    "chmod 600 it", path, st.st_mode & 0777);
    else
        e = read_line(fileno(f), path, out, size, why);
    fclose(f);
    return e;
}

static enum err ask_once(const char *prompt, char *out, size_t size,
                         struct err_text *why)
{
    struct sigaction stop, ignore = {.sa_handler = SIG_IGN};
    struct termios was, quiet;
    bool terminal = tcgetattr(STDIN_FILENO, &was) == 0;
    enum err e;

    if (terminal) {
        /* Ctrl-Z would leave the shell without an echo. */
        sigaction(SIGTSTP, &ignore, &stop);
        quiet = was;
        quiet.c_lflag &= ~(tcflag_t)ECHO;
        fprintf(stderr, "%s: ", prompt);
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    }
    e = read_line(STDIN_FILENO, "standard input", out, size, why);
    if (terminal) {
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &was);
        sigaction(SIGTSTP, &stop, NULL);
        fputc('\n', stderr);
    }
    return e;
}

enum err secret_ask(const char *prompt, char *out, size_t size,
                    struct err_text *why)
{
    char again[SECRET_PASSWORD_MAX + 1];
    enum err e = ask_once(prompt, out, size, why);

    if (e != ERR_OK || !isatty(STDIN_FILENO))
        return e;
    e = ask_once("again", again, sizeof again, why);
    if (e == ERR_OK && strcmp(again, out) != 0)
        e = err_set(why, ERR_INVALID, "they are not the same");
    secret_wipe(again, sizeof again);
    return e;
}

static enum err check_token(const char *token, const char *from,
                            struct err_text *why)
{
    if (strncmp(token, "pft_", 4) == 0 &&
        strspn(token, "abcdefghijklmnopqrstuvwxyz0123456789_") ==
            strlen(token))
        return ERR_OK;
    return err_set(why, ERR_USAGE, "%s: this is no token", from);
}

enum err secret_token(const char *path, char out[SECRET_TOKEN_MAX],
                      struct err_text *why)
{
    const char *text = getenv("PINFOLD_TOKEN");
    enum err e;

    out[0] = '\0';
    if (path == NULL && (text == NULL || text[0] == '\0'))
        path = getenv("PINFOLD_TOKEN_FILE");
    if (path != NULL && path[0] != '\0') {
        e = secret_read(path, out, SECRET_TOKEN_MAX, why);
        return e != ERR_OK ? e : check_token(out, path, why);
    }
    if (text == NULL || text[0] == '\0')
        return ERR_OK;
    if (strlen(text) >= SECRET_TOKEN_MAX)
        return err_set(why, ERR_USAGE, "PINFOLD_TOKEN: this is no token");
    memcpy(out, text, strlen(text) + 1);
    return check_token(out, "PINFOLD_TOKEN", why);
}
