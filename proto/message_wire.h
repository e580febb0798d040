/* Shared by the encoder and the decoder of the agent link's messages. Nobody
 * else includes it.
 */
#ifndef PINFOLD_MESSAGE_WIRE_H
#define PINFOLD_MESSAGE_WIRE_H

#include "proto/codec.h"
#include "proto/field.h"
#include "proto/message.h"

enum { MESSAGE_READS_TOTALS = 5, MESSAGE_KINDS = MESSAGE_READS + 1 };

extern const struct field_kind message_kinds[MESSAGE_KINDS];
/* Those that name the request of a client, with one field more; and orders
 * that name organisations, then those that say how urgent they are, too. */
extern const struct field_kind message_kinds_second[MESSAGE_KINDS];
extern const struct field_kind message_kinds_third[MESSAGE_KINDS];

/* A msgpack array of multiaddr texts, the origins of an order. */
bool message_origins_valid(struct span bytes);

#endif
