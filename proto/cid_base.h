/* The multibases of CIDs: b z f u k, lower case, one text for each value.
 * Pure; no allocation. Private to cid.c and cid_base.c.
 */
#ifndef PINFOLD_CID_BASE_H
#define PINFOLD_CID_BASE_H

#include "proto/cid.h"

/* Text without its prefix. -1 on a character that is not of this base, on a
 * wrong length or padding, or when the result is longer than size; size is
 * at most LIMIT_CID. CID_FORM_V0 is base58, too. */
long cid_base_decode(enum cid_form base, const char *text, size_t n,
                     uint8_t *out, size_t size);
/* Why that failed: always ERR_INVALID. */
enum err cid_base_why(enum cid_form base, const char *text, size_t n,
                      struct err_text *why);
/* Without prefix, terminated; returns the length. size must be enough; n is
 * at most LIMIT_CID. */
size_t cid_base_encode(enum cid_form base, const uint8_t *p, size_t n,
                       char *out, size_t size);

#endif
