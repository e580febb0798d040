/* Arrays of rows in the order of a uint32_t that each row holds. */
#ifndef PINFOLD_SORTED_H
#define PINFOLD_SORTED_H

#include <stddef.h>
#include <stdint.h>

/* Place of the first of n rows whose number is not below id; n: none. size of
 * a row, offset of the number in it. Inline, for it stands in hot loops. */
static inline uint32_t sorted_at(const void *rows, uint32_t n, size_t size,
                                 size_t offset, uint32_t id)
{
    uint32_t low = 0, high = n;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const void *at = (const char *)rows + middle * size + offset;

        if (*(const uint32_t *)at < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

#endif
