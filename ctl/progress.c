/* The progress line. */
#include "ctl/progress.h"

#include "ctl/print.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { TEXT_MAX = 1024, COLUMNS_DEFAULT = 80 };

static char last[TEXT_MAX]; /* shown; "" for none */

bool progress_live(void)
{
    static int live = -1;

    if (live < 0)
        live = isatty(STDERR_FILENO);
    return live != 0;
}

static size_t columns(void)
{
    struct winsize w;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0)
        return w.ws_col;
    return COLUMNS_DEFAULT;
}

/* So that the line does not wrap. */
static void cut(char *text, size_t width)
{
    while (text[0] != 0 && print_width(text) >= width) {
        size_t n = strlen(text) - 1;

        while (n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80)
            n--;
        text[n] = 0;
    }
}

void progress_show(const char *fmt, ...)
{
    struct buf clean = BUF_INIT;
    char text[TEXT_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    print_clean(&clean, text);
    snprintf(text, sizeof text, "%s", buf_cstr(&clean));
    buf_free(&clean);
    if (progress_live())
        cut(text, columns());
    if (strcmp(text, last) == 0)
        return;
    memcpy(last, text, sizeof last);
    if (progress_live())
        fprintf(stderr, "\r%s\033[K", text);
    else
        fprintf(stderr, "%s\n", text);
    fflush(stderr);
}

void progress_clear(void)
{
    if (progress_live() && last[0] != 0) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
        last[0] = 0;
    }
}
