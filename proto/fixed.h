/* Fixed-point logarithms and decay: integers only, so that every machine
 * decides alike. Pure. Source of the form: specs/algorithm.md 1.4; the error
 * of a logarithm is below 2^-15.
 */
#ifndef PINFOLD_FIXED_H
#define PINFOLD_FIXED_H

#include <stdint.h>

enum { FIXED_ONE = 1 << 16 };

/* log2(x), x > 0, in units of 1/65536. */
uint32_t fixed_log2(uint64_t x);
/* -log2((h + 1/2) / 2^32) of the upper half of h, in units of 1/65536, at most
 * 33 * 65536: what a uniform hash is worth in weighted rendezvous hashing. */
uint32_t fixed_neglog2(uint64_t h);

#define FIXED_HALF_MAX (UINT64_C(1) << 40)

/* v * 2^(-t / half), rounded to the nearest; 0 < half <= FIXED_HALF_MAX. What
 * it multiplies v with is right to 2^-27 of itself, exact where t is a
 * multiple of half, and never grows with t. */
uint64_t fixed_halve(uint64_t v, uint64_t t, uint64_t half);

#endif
