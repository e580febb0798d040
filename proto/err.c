/* The rows of ERR_TABLE as text and numbers, and the text of one failure. */
#include "proto/err.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct row {
    const char *name, *text;
    int http, exit;
} rows[ERR_COUNT] = {
#define X(name, text, http, code) [ERR_##name] = {#name, text, http, code},
    ERR_TABLE(X)
#undef X
};

static const struct row *row_of(enum err e)
{
    assert((unsigned)e < ERR_COUNT);
    return &rows[e];
}

const char *err_name(enum err e)
{
    return row_of(e)->name;
}

const char *err_text(enum err e)
{
    return row_of(e)->text;
}

int err_http_status(enum err e)
{
    return row_of(e)->http;
}

int err_exit_status(enum err e)
{
    return row_of(e)->exit;
}

/* The text goes into messages that must be UTF-8, so a character that was
 * cut in the middle goes altogether. */
static void drop_partial(char *text)
{
    size_t n = strlen(text), lead = n, have, want;

    while (lead > 0 && n - lead < 3 &&
           ((unsigned char)text[lead - 1] & 0xC0) == 0x80)
        lead--;
    if (lead == 0)
        return;
    have = n - lead + 1;
    switch ((unsigned char)text[lead - 1] >> 4) {
    case 0xC:
    case 0xD:
        want = 2;
        break;
    case 0xE:
        want = 3;
        break;
    case 0xF:
        want = 4;
        break;
    default:
        return;
    }
    if (have < want)
        text[lead - 1] = 0;
}

/* Through a copy: an argument may be the old text. */
static void store(struct err_text *why, const struct err_text *made, int n)
{
    assert(n >= 0);
    *why = *made;
    if (n >= ERR_TEXT_MAX)
        drop_partial(why->text);
}

enum err err_set(struct err_text *why, enum err e, const char *fmt, ...)
{
    struct err_text made;
    va_list ap;
    int n;

    if (why == NULL)
        return e;
    va_start(ap, fmt);
    n = vsnprintf(made.text, sizeof(made.text), fmt, ap);
    va_end(ap);
    store(why, &made, n);
    return e;
}

void err_prefix(struct err_text *why, const char *fmt, ...)
{
    struct err_text prefix, made;
    va_list ap;
    int n;

    if (why == NULL)
        return;
    va_start(ap, fmt);
    n = vsnprintf(prefix.text, sizeof(prefix.text), fmt, ap);
    va_end(ap);
    assert(n >= 0);
    n = snprintf(made.text, sizeof(made.text), "%s: %s", prefix.text,
                 why->text);
    store(why, &made, n);
}
