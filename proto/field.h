/* How one value of the state's types is written in operations and messages,
 * and the [kind, version, …] that all of them begin with. Pure; used by
 * command*, message*, peer_message* and meta only.
 *
 * Encoders assert the limits. Decoders fail the cursor, naming the field.
 */
#ifndef PINFOLD_FIELD_H
#define PINFOLD_FIELD_H

#include "proto/codec.h"
#include "proto/types.h"

/* A known kind; tables are indexed by its number, text NULL: unknown. */
struct field_kind {
    const char *text;
    uint8_t version;
    uint8_t fields; /* of the array, kind and version included */
};

void field_encode_kind(struct buf *b, const struct field_kind *kinds,
                       unsigned kind);
/* Eats array head, kind and version. ERR_VERSION names both; thing is for
 * the text. */
enum err field_decode_kind(struct decode *d, const char *thing,
                           const struct field_kind *kinds, unsigned n_kinds,
                           unsigned *kind, struct err_text *why) ERR_CHECKED;
/* decode_end with the kind's name before the text. */
enum err field_decode_end(struct decode *d, const char *name,
                          struct err_text *why) ERR_CHECKED;

void field_encode_str(struct buf *b, struct span s, size_t max);
void field_encode_bin(struct buf *b, struct span s, size_t max);
/* Text for people: cut at max, what is not UTF-8 becomes '?'. */
void field_encode_remark(struct buf *b, struct span s, size_t max);
void field_encode_cid(struct buf *b, const struct cid *c); /* none: nil */
void field_encode_peerid(struct buf *b, const struct peerid *id); /* too */
void field_encode_labels(struct buf *b, const struct label *labels,
                         uint32_t n);
void field_encode_row(struct buf *b, const struct coordinator_row *row);

uint32_t field_decode_u32(struct decode *d, const char *what);
uint64_t field_decode_range(struct decode *d, const char *what, uint64_t min,
                            uint64_t max);
void field_decode_bytes(struct decode *d, const char *what, uint8_t *out,
                        size_t n);
/* out holds max + 1 bytes and is terminated. */
void field_decode_text(struct decode *d, const char *what, char *out,
                       size_t max);
void field_decode_cid(struct decode *d, const char *what, bool optional,
                      struct cid *out);
void field_decode_peerid(struct decode *d, const char *what, bool optional,
                         struct peerid *out);
uint32_t field_decode_labels(struct decode *d,
                             struct label labels[LIMIT_LABELS]);
void field_decode_row(struct decode *d, struct coordinator_row *out);

/* Reads of a list of node ids (at most LIMIT_COPIES): are all different? */
bool field_distinct(const uint32_t *nodes, uint32_t n);

/* A formula of values; one that is out of bounds is refused. (command_value.c)
 */
void field_encode_score(struct buf *b, const struct score_config *s);
void field_decode_score(struct decode *d, struct score_config *s);

#endif
