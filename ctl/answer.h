/* Members of coordinators' answers, read for people: one that is missing or
 * of another type reads as nothing, which is an error in answer_needs only.
 * Texts are copied into the caller's space; a list borrows the answer's text.
 * Pure.
 */
#ifndef PINFOLD_CTL_ANSWER_H
#define PINFOLD_CTL_ANSWER_H

#include "proto/json.h"

enum { ANSWER_TEXT = 4096 }; /* a name with each byte replaced, and more */

/* "" also for a longer one. Returns out. */
const char *answer_text(const struct json_value *v, const char *key,
                        char out[ANSWER_TEXT]);
uint64_t answer_number(const struct json_value *v, const char *key); /* 0 */
int64_t answer_signed(const struct json_value *v, const char *key);  /* 0 */
bool answer_is(const struct json_value *v, const char *key);     /* false */
struct json_value answer_list(const struct json_value *v, const char *key);
/* Of a list's items, or an object's members. */
unsigned answer_count(const struct json_value *v, const char *key);

/* What an answer is about; an answer without it is malformed. */
enum err answer_needs(const struct json_value *v, const char *key,
                      struct err_text *why) ERR_CHECKED;

/* A number as the coordinator wrote it; "-" if it did not. */
struct answer_figure {
    char text[24];
};
struct answer_figure answer_figure(const struct json_value *v,
                                   const char *key);

#endif
