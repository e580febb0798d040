/* Options' texts to values. Pure. */
#ifndef PINFOLD_VALUE_H
#define PINFOLD_VALUE_H

#include "proto/err.h"

#include <stdbool.h>
#include <stdint.h>

/* "1h30m", "90s", "1.5h", "250ms", "30d", "0"; at most 100 years. */
enum err value_duration(const char *text, uint64_t *ms,
                        struct err_text *why) ERR_CHECKED;
/* "1TB" (decimal), "1.5TiB", "10G" (as GiB), "4096": bytes up to 2^63-1. */
enum err value_size(const char *text, uint64_t *bytes,
                    struct err_text *why) ERR_CHECKED;
/* Decimal, within low..high. */
enum err value_number(const char *text, int64_t low, int64_t high,
                      int64_t *out, struct err_text *why) ERR_CHECKED;
/* "key=value" with a key that is not empty. */
enum err value_pair(const char *text, struct err_text *why) ERR_CHECKED;
/* "recursive" is one of "recursive|direct". */
bool value_choice(const char *text, const char *choices);

#endif
