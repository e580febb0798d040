/* The fake daemon's pin set: a hash table of canonical CIDs in the order of
 * pinning. About 170 bytes a pin with a name. One thread.
 */
#ifndef PINFOLD_FAKEKUBO_PINS_H
#define PINFOLD_FAKEKUBO_PINS_H
#include "proto/cid.h"

enum { PIN_NAME_MAX = 255 };

struct pin {
    struct pin *next, *prev; /* order of pinning */
    uint64_t hash, sequence, size_bytes;
    bool recursive;
    uint8_t form, cid_n, name_n;
    uint8_t bytes[]; /* CID, name */
};
/* A walk that survives changes: it sees the pins that were there when it
 * began and are still there when it arrives. */
struct pins_walk {
    struct pin *next;
    uint64_t last; /* sequence */
    struct pins_walk *link;
};
struct pins { /* zero-initialised is empty */
    struct pin **slots;
    size_t slots_n, n, n_direct;
    struct pin *first, *last;
    uint64_t sequence, size_bytes;
    struct pins_walk *walks;
};

struct pin *pins_find(const struct pins *, const struct cid *);
/* Replaces what is there. size_bytes 0 = derived from the CID. */
struct pin *pins_add(struct pins *, const struct cid *, enum cid_form,
                     bool recursive, struct span name, uint64_t size_bytes);
void pins_remove(struct pins *, struct pin *);
void pins_free(struct pins *);

void pins_walk_begin(struct pins *, struct pins_walk *);
struct pin *pins_walk_next(struct pins_walk *);
void pins_walk_end(struct pins *, struct pins_walk *);

/* The size that content of that CID has, in blocks of 256 KiB at most. */
uint64_t pins_size_of(const struct cid *);
uint64_t pins_blocks_of(uint64_t size_bytes);
void pins_cid(const struct pin *, struct cid *out);
struct span pins_name(const struct pin *);
#endif
