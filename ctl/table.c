/* Layout of tables: two blanks between columns, the last one not padded. */
#include "ctl/table.h"

#include "ctl/answer.h"
#include "ctl/print.h"
#include "proto/limits.h"

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

void table_init_some(struct table *t, const struct table_column *columns,
                     FILE *out)
{
    table_init(t, columns, out);
    t->some = true;
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

    if (t->some && t->rows == 0)
        return;
    if (t->some && !t->begun)
        fputc('\n', t->out);
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

/* --- members of answers --------------------------------------------------- */

void table_text(struct table *t, const struct json_value *v,
                const char *key)
{
    char text[ANSWER_TEXT];

    table_cell(t, answer_text(v, key, text));
}

void table_number(struct table *t, const struct json_value *v,
                  const char *key)
{
    table_cellf(t, "%llu", (unsigned long long)answer_number(v, key));
}

void table_figure(struct table *t, const struct json_value *v,
                  const char *key)
{
    table_cell(t, answer_figure(v, key).text);
}

void table_bytes(struct table *t, const struct json_value *v,
                 const char *key)
{
    table_size(t, answer_number(v, key));
}

void table_time(struct table *t, const struct json_value *v, const char *key,
                int64_t now_ms)
{
    char text[ANSWER_TEXT], out[PRINT_TIME];

    table_cell(t, print_time(answer_text(v, key, text), now_ms, out));
}

void table_nodes(struct table *t, const struct json_value *v,
                 const char *removed, const char *end)
{
    struct json_value nodes = answer_list(v, "nodes"), node;
    struct buf text = BUF_INIT;
    struct span key;
    size_t it = 0;

    while (json_next(&nodes, &it, &key, &node)) {
        char name[LIMIT_NODE_NAME + 1] = "";

        (void)json_string(&node, name, sizeof name);
        buf_printf(&text, "%s%s", text.n > 0 ? "," : "",
                   name[0] != '\0' ? name : removed);
    }
    if (end[0] != '\0')
        buf_printf(&text, "%s%s", text.n > 0 ? " " : "", end);
    table_cell(t, buf_cstr(&text));
    buf_free(&text);
}

static bool put_list(struct table *t, const struct json_value *list,
                     table_row_cb *row)
{
    struct json_value item;
    struct span key;
    size_t it = 0;
    bool any = false;

    for (; json_next(list, &it, &key, &item); any = true)
        row(t, &item);
    table_end(t);
    return any;
}

void table_list(const struct table_column *columns,
                const struct json_value *list, table_row_cb *row)
{
    struct table t;

    table_init(&t, columns, stdout);
    (void)put_list(&t, list, row);
}

bool table_list_some(const struct table_column *columns,
                     const struct json_value *list, table_row_cb *row)
{
    struct table t;

    table_init_some(&t, columns, stdout);
    return put_list(&t, list, row);
}
