/* Layout of tables: two blanks between columns, the last one not padded. */
#include "ctl/table.h"

#include "ctl/print.h"

#include <assert.h>
#include <string.h>

void table_init(struct table *t, const struct table_column *columns,
                FILE *out)
{
    memset(t, 0, sizeof *t);
    t->columns = columns;
    t->out = out;
    while (columns[t->n].title != NULL) {
        assert(t->n < TABLE_COLUMNS);
        t->width[t->n] = print_width(columns[t->n].title);
        t->n++;
    }
    assert(t->n > 0);
}

static void put_cell(struct table *t, unsigned column, const char *text)
{
    size_t width = print_width(text);
    size_t pad = t->width[column] > width ? t->width[column] - width : 0;
    bool last = column + 1 == t->n;

    if (t->columns[column].right)
        fprintf(t->out, "%*s%s", (int)pad, "", text);
    else
        fprintf(t->out, "%s%*s", text, last ? 0 : (int)pad, "");
    fputs(last ? "\n" : "  ", t->out);
}

static void put_kept(struct table *t)
{
    const char *p;

    if (!t->begun)
        for (unsigned i = 0; i < t->n; i++)
            put_cell(t, i, t->columns[i].title);
    t->begun = true;
    p = buf_cstr(&t->kept);
    for (unsigned r = 0; r < t->rows; r++)
        for (unsigned i = 0; i < t->n; i++) {
            put_cell(t, i, p);
            p += strlen(p) + 1;
        }
    t->rows = 0;
    buf_reset(&t->kept);
}

void table_cell(struct table *t, const char *text)
{
    size_t from = t->kept.n, width;

    print_clean(&t->kept, text[0] == 0 ? "-" : text);
    buf_byte(&t->kept, 0);
    width = print_width((const char *)t->kept.p + from);
    if (width > t->width[t->at])
        t->width[t->at] = width;
    if (++t->at < t->n)
        return;
    t->at = 0;
    t->rows++;
    if (t->begun || t->rows == TABLE_AHEAD)
        put_kept(t);
}

void table_cellf(struct table *t, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    table_cell(t, text);
}

void table_size(struct table *t, uint64_t bytes)
{
    char text[PRINT_SIZE];

    table_cell(t, print_size(bytes, text));
}

void table_end(struct table *t)
{
    assert(t->at == 0);
    put_kept(t);
    table_drop(t);
}

void table_drop(struct table *t)
{
    buf_free(&t->kept);
}
