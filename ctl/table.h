/* A table whose rows arrive one by one. Widths come from the first rows, and
 * grow when a later cell needs it: memory does not grow with the list.
 */
#ifndef PINFOLD_TABLE_H
#define PINFOLD_TABLE_H

#include "proto/buf.h"
#include "proto/json.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { TABLE_COLUMNS = 16, TABLE_AHEAD = 256 };

struct table_column {
    const char *title; /* NULL ends the list */
    bool right;
};

struct table {
    const struct table_column *columns;
    unsigned n, at; /* columns; cells of the row begun */
    unsigned rows;  /* kept */
    bool begun;     /* the titles are out */
    bool some;      /* table_init_some */
    size_t width[TABLE_COLUMNS];
    struct buf kept; /* cells, each terminated */
    FILE *out;
};

void table_init(struct table *t, const struct table_column *columns,
                FILE *out);
/* Likewise, but nothing is written if no row comes, and an empty line goes
 * before the titles. */
void table_init_some(struct table *t, const struct table_column *columns,
                     FILE *out);
/* The next cell; a row ends with its last column. Empty cells show "-". */
void table_cell(struct table *t, const char *text);
void table_cellf(struct table *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void table_size(struct table *t, uint64_t bytes);
/* Writes what is kept, and the titles even if no row came; frees. */
void table_end(struct table *t);
/* Frees without writing more. */
void table_drop(struct table *t);

/* The next cell, of a member of an answer (answer.h: "" or 0 if it is not
 * there). */
void table_text(struct table *t, const struct json_value *v,
                const char *key);
void table_number(struct table *t, const struct json_value *v,
                  const char *key);
void table_figure(struct table *t, const struct json_value *v,
                  const char *key);
void table_bytes(struct table *t, const struct json_value *v,
                 const char *key);
/* RFC 3339, as print_time shows it. */
void table_time(struct table *t, const struct json_value *v, const char *key,
                int64_t now_ms);
/* Names of the member "nodes". removed: for one that has none; end: follows
 * them, or "". */
void table_nodes(struct table *t, const struct json_value *v,
                 const char *removed, const char *end);

/* A table on stdout with a row for each item. */
typedef void table_row_cb(struct table *t, const struct json_value *item);
void table_list(const struct table_column *columns,
                const struct json_value *list, table_row_cb *row);
/* Likewise by table_init_some; false: no item. */
bool table_list_some(const struct table_column *columns,
                     const struct json_value *list, table_row_cb *row);

#endif
