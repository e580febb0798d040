/* Tags of claims, which organisations budget (TAG_QUOTA). They are the value
 * of the metadata key "tag": names with commas between them, without the blanks
 * around them. What is no name, comes again, or is beyond the fourth counts
 * nothing, for claims may be older than tags are; doors refuse it.
 *
 * What claims with a tag cost is reckoned as the charge of a demand of only
 * those claims would be.
 */
#ifndef PINFOLD_TAGS_H
#define PINFOLD_TAGS_H

#include "proto/meta.h"
#include "proto/types.h"

struct tags {
    uint32_t n;
    struct span names[LIMIT_TAGS]; /* point into the metadata */
};
/* 1 to LIMIT_TAG_NAME bytes of UTF-8 without commas, control characters, and
 * blanks at its ends. */
bool tag_valid(struct span name);
/* Of what meta_decode has accepted. */
void tags_read(struct span meta, struct tags *out);
/* ERR_INVALID: the claim would have tags that do not count. */
enum err tags_check(const struct meta *m, struct err_text *why) ERR_CHECKED;

/* The claims of an organisation with one tag. */
struct tag_use {
    uint32_t org;
    struct span name; /* points into the pin */
    bool refused;     /* its bytes are not charged */
    bool everywhere;
    uint32_t number;  /* the largest maximum but everywhere; 0: none */
    uint32_t paid;    /* copies that are charged */
};
struct tag_uses {
    struct tag_use *p; /* by organisation and name, each once */
    uint32_t n, size;
};
void tag_uses_read(const struct pin *p, struct tag_uses *out); /* reuses it */
void tag_uses_free(struct tag_uses *u);
int tag_use_compare(const struct tag_use *a, const struct tag_use *b);
/* NULL: none. */
const struct tag_use *tag_uses_find(const struct tag_uses *u, uint32_t org,
                                    struct span name);
/* size: the pin's. u NULL: zeros. */
void tag_use_charge(const struct tag_use *u, uint64_t size,
                    uint64_t out[ORG_KINDS]);

#endif
