/* Members of answers as they are shown, by the commands of the value engine.
 */
#ifndef PINFOLD_CTL_NUMBER_H
#define PINFOLD_CTL_NUMBER_H

#include "proto/json.h"

/* A number as the coordinator wrote it; "-" if it did not. */
struct number {
    char text[24];
};
struct number number_of(const struct json_value *v, const char *key);
/* Likewise a text, into `size` bytes. */
void number_text(const struct json_value *v, const char *key, char *out,
                 size_t size);

#endif
