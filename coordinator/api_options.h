/* Pin options of the query (PINOPTS): text to a CLAIM_PUT. Pure; texts of
 * errors begin as the reference's do (docs/api.md).
 */
#ifndef PINFOLD_API_OPTIONS_H
#define PINFOLD_API_OPTIONS_H

#include "coordinator/api.h"
#include "proto/meta.h"

struct api_options {
    struct buf name, meta;  /* the command's spans point into these */
    struct meta doc;
};

/* Fills everything of the claim but the CID. ERR_INVALID with the text. */
enum err api_options_parse(const struct api_call *c, struct api_options *o,
                           struct command_claim_put *out,
                           struct err_text *why) ERR_CHECKED;
/* Of an upload, what would be refused, but only behind the whole of it. */
enum err api_options_upload(const struct api_call *c,
                            const struct command_claim_put *k,
                            struct err_text *why) ERR_CHECKED;
void api_options_free(struct api_options *o);

/* Go's duration text ("72h", "1h30m", "1.5s") to milliseconds. */
bool api_duration_parse(const char *text, uint64_t *ms);
/* RFC 3339 to milliseconds since 1970, below 0 before that. */
bool api_instant_parse(const char *text, int64_t *ms);
/* The same; false before 1970 too. */
bool api_time_parse(const char *text, uint64_t *ms);
/* Go's ParseBool; an absent or empty value gives fallback. */
bool api_bool_parse(const char *text, bool fallback, bool *out);

#endif
