/* What can be said from the table alone: help, documentation, lists. The
 * sources are read in conf_load.c, values in conf_value.c.
 */
#include "proto/conf.h"

#include "proto/conf_value.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void conf_free(const struct conf_table *t, void *target)
{
    for (size_t i = 0; i < t->n; i++) {
        char **member = (void *)((char *)target + t->options[i].offset);

        if (!conf_value_is_text(&t->options[i]))
            continue;
        free(*member);
        *member = NULL;
    }
}

static const char *type_name(enum conf_type type)
{
    switch (type) {
    case CONF_TEXT:
        return "TEXT";
    case CONF_ADDR:
        return "ADDRESS";
    case CONF_LIST:
        return "LIST";
    case CONF_U64:
        return "NUMBER";
    case CONF_BYTES:
        return "SIZE";
    case CONF_MS:
        return "DURATION";
    case CONF_BOOL:
        return "BOOL";
    case CONF_CHOICE:
        return "WORD";
    }
    assert(false);
    return "";
}

static void put_usage(const struct conf_option *o, struct buf *out)
{
    buf_printf(out, "  --%s", o->name);
    if (o->type == CONF_BOOL)
        buf_text(out, "[=BOOL]");
    else
        buf_printf(out, " %s",
                   o->type == CONF_CHOICE ? o->choices : type_name(o->type));
    buf_printf(out, "\n      %s", o->help);
    if (o->required)
        buf_text(out, " (required)");
    else if (o->fallback != NULL)
        buf_printf(out, " (default: %s)", o->fallback);
    buf_text(out, "\n");
}

void conf_help(const struct conf_table *t, struct buf *out)
{
    buf_printf(out, "Usage: %s [--NAME VALUE]...\n%s\n\n", t->program,
               t->summary);
    for (size_t i = 0; i < t->n; i++)
        put_usage(&t->options[i], out);
    buf_text(out,
             "  --config FILE\n"
             "      reads \"name = value\" lines\n"
             "  --version\n"
             "      prints the version\n"
             "  --help\n"
             "      prints this text\n"
             "\n"
             "Each option can also be set by an environment variable: "
             "--a-name is\n"
             "PINFOLD_A_NAME. A flag goes before the environment, the "
             "environment\n"
             "before the file. SIZE takes K, M, G or T (1024); DURATION ms, "
             "s, m or h\n"
             "(alone: ms); LIST is separated by commas.\n");
}

/* A bar would end the cell. */
static void put_cell(struct buf *out, const char *s)
{
    for (; *s != 0; s++) {
        if (*s == '|')
            buf_byte(out, '\\');
        buf_byte(out, (uint8_t)*s);
    }
}

static void put_limits(const struct conf_option *o, struct buf *out)
{
    if (o->type == CONF_CHOICE) {
        put_cell(out, o->choices);
        return;
    }
    if (o->type == CONF_BOOL || o->type == CONF_ADDR)
        return;
    if (o->min > 0)
        buf_printf(out, "≥ %llu", (unsigned long long)o->min);
    if (o->min > 0 && o->max > 0)
        buf_text(out, ", ");
    if (o->max > 0)
        buf_printf(out, "≤ %llu", (unsigned long long)o->max);
    if (o->min == 0 && o->max == 0)
        return;
    if (o->type == CONF_LIST)
        buf_text(out, " entries");
    else if (o->type == CONF_MS)
        buf_text(out, " ms");
    else if (o->type != CONF_U64)
        buf_text(out, " bytes");
}

void conf_markdown(const struct conf_table *t, struct buf *out)
{
    buf_text(out, "| option | type | default | limits | meaning |\n"
                  "|---|---|---|---|---|\n");
    for (size_t i = 0; i < t->n; i++) {
        const struct conf_option *o = &t->options[i];

        buf_printf(out, "| `%s` | %s | ", o->name, type_name(o->type));
        if (o->required)
            buf_text(out, "required");
        else if (o->fallback != NULL)
            put_cell(out, o->fallback);
        buf_text(out, " | ");
        put_limits(o, out);
        buf_text(out, " | ");
        put_cell(out, o->help);
        buf_text(out, " |\n");
    }
}

size_t conf_list_count(const char *list)
{
    size_t n = 1;

    if (list == NULL || list[strspn(list, " \t")] == 0)
        return 0;
    for (; *list != 0; list++)
        n += *list == ',';
    return n;
}

bool conf_list_entry(const char *list, size_t i, char *out, size_t size)
{
    size_t n;

    if (i >= conf_list_count(list))
        return false;
    for (; i > 0; i--)
        list = strchr(list, ',') + 1;
    list += strspn(list, " \t");
    n = strcspn(list, ",");
    while (n > 0 && (list[n - 1] == ' ' || list[n - 1] == '\t'))
        n--;
    if (n >= size)
        return false;
    memcpy(out, list, n);
    out[n] = 0;
    return true;
}
