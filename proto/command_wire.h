/* Shared by the encoder and the decoder of operations, and by the messages
 * that carry the same report items. Nobody else includes it.
 */
#ifndef PINFOLD_COMMAND_WIRE_H
#define PINFOLD_COMMAND_WIRE_H

#include "proto/codec.h"
#include "proto/command.h"
#include "proto/field.h"

enum {
    COMMAND_KINDS = COMMAND_MADE + 1,
    COMMAND_EXPIRE_PINS = 64,
    COMMAND_ORG_SET = 2 * ORG_REMOVE - 1, /* all bits */
    /* of QUOTA_PUT: limits, grace and guarantee */
    COMMAND_QUOTA_SET = ORG_SET_GUARANTEE | (2 * ORG_SET_GRACE - 1),
    COMMAND_BUDGET_SET = 2 * BUDGET_SET_OVERCOMMIT - 1,
    CLAIM_STORABLE = (1 << CLAIM_STATE_SHIFT) - 1 /* no state bits */
};

extern const struct field_kind command_kinds[COMMAND_KINDS];

/* [node, reason, node, reason, …] */
void command_encode_places(struct buf *b, const struct command_place *places,
                           uint32_t n, uint32_t max);
uint32_t command_decode_places(struct decode *d, const char *what,
                               struct command_place *places, uint32_t max);
void command_encode_pins(struct buf *b, const uint64_t *pins, uint32_t n,
                         uint32_t max);
uint32_t command_decode_pins(struct decode *d, uint64_t *pins, uint32_t max);
/* command_value.c: ADMIT to FORMULA, RECLAIM, READS_PUT,
 * FORMULA_BOUNDS, MADE */
void command_encode_value(struct buf *b, const struct command *c);
void command_decode_value(struct decode *d, struct command *c);
void command_encode_reads(struct buf *b, const struct reads_delta *items,
                          uint32_t n);
/* Into the scratch; returns their number. */
uint32_t command_decode_reads(struct decode *d, struct command_scratch *s);

void command_encode_items(struct buf *b, const struct report_item *items,
                          uint32_t n);
/* Into the scratch; returns their number. */
uint32_t command_decode_items(struct decode *d, struct command_scratch *s);

#endif
