/* Prints what tests/golden/score_v1.txt must be; for machines without cmocka
 * (tests/arm64.sh).
 */
#include "score_vectors.h"

int main(void)
{
    vectors_print(stdout);
    return fflush(stdout) != 0;
}
