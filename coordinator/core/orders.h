/* Orders: the changes of the state that one agent has not stored yet. Pure;
 * reads the store. Absolute states in index order, cut only between indexes,
 * at most LIMIT_ORDER_ITEMS and ORDERS_BYTES_MAX (DESIGN 12.4).
 */
#ifndef PINFOLD_ORDERS_H
#define PINFOLD_ORDERS_H

#include "coordinator/core/store.h"
#include "coordinator/core/talk.h"
#include "proto/message.h"

enum { ORDERS_BYTES_MAX = 512 << 10 };

struct orders_scratch {
    struct order_item *items;
    struct store_order_row *rows;
    struct pin pin;
    struct buf bytes; /* origins of the items */
};
void orders_scratch_init(struct orders_scratch *s);
void orders_scratch_free(struct orders_scratch *s);

/* What the agent of `node` lacks, by its last BEAT. Fills history, from, to,
 * full, more, seq, n, items; the caller adds term, leader, directory.
 * Full (from 0) when the history differs, the held index is above the
 * applied one, or everything is held and count or xor differ. */
void orders_build(struct store *s, uint32_t node, const struct talk *t,
                  struct orders_scratch *scratch,
                  struct message_orders *out);
/* The order of one pin once more, in a message that moves no index. false: the
 * agent does not hold it, or it is let go. */
bool orders_build_again(struct store *s, uint32_t node, const struct talk *t,
                        uint64_t pin, struct orders_scratch *scratch,
                        struct message_orders *out);
/* How urgent a copy that is wanted on that node is (proto/message.h): by what
 * the row shows now, not by what its order said. */
enum order_urgency orders_urgency(const struct store *s, const struct pin *p,
                                  uint32_t node);
/* Of the last report that was taken of this agent's journal; 0 none. */
uint64_t orders_seq(const struct store *s, uint32_t node,
                    const struct talk *t);

#endif
