/* A table whose rows arrive one by one. Widths come from the first rows, and
 * grow when a later cell needs it: memory does not grow with the list.
 */
#ifndef PINFOLD_TABLE_H
#define PINFOLD_TABLE_H

#include "proto/buf.h"

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
    size_t width[TABLE_COLUMNS];
    struct buf kept; /* cells, each terminated */
    FILE *out;
};

void table_init(struct table *t, const struct table_column *columns,
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

#endif
