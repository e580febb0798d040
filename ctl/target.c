/* Path and query, escaped. */
#include "ctl/target.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

void target_escape(struct buf *out, const void *p, size_t n)
{
    const uint8_t *s = p;

    for (size_t i = 0; i < n; i++) {
        bool plain = s[i] < 0x80 &&
                     (isalnum(s[i]) || (s[i] != 0 && strchr("-._~", s[i])));

        if (plain)
            buf_byte(out, s[i]);
        else
            buf_printf(out, "%%%02X", s[i]);
    }
}

void target_init(struct target *t, const char *path)
{
    *t = (struct target){BUF_INIT, false};
    buf_text(&t->text, path);
}

void target_close(struct target *t)
{
    buf_free(&t->text);
}

void target_path(struct target *t, const char *path)
{
    while (*path != 0) {
        size_t n;

        path += *path == '/';
        n = strcspn(path, "/");
        buf_byte(&t->text, '/');
        target_escape(&t->text, path, n);
        path += n;
    }
}

void target_name(struct target *t, const char *name)
{
    buf_byte(&t->text, '/');
    target_escape(&t->text, name, strlen(name));
}

void target_param(struct target *t, const char *name, const char *value)
{
    buf_byte(&t->text, t->query ? '&' : '?');
    t->query = true;
    target_escape(&t->text, name, strlen(name));
    buf_byte(&t->text, '=');
    target_escape(&t->text, value, strlen(value));
}

void target_number(struct target *t, const char *name, int64_t value)
{
    char text[24];

    snprintf(text, sizeof text, "%lld", (long long)value);
    target_param(t, name, text);
}

const char *target_text(struct target *t)
{
    return buf_cstr(&t->text);
}
