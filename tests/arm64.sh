#!/bin/bash
# Values and logarithms on an emulated arm64, bit for bit those of x86-64.
# Needs Debian's gcc-aarch64-linux-gnu, libc6-dev-arm64-cross and qemu-user;
# skipped without. Closes with "N passed, N failed, N skipped".
set -uo pipefail
[ $# -eq 0 ] || {
    echo "usage: tests/arm64.sh" >&2
    exit 2
}
cd "$(dirname "$0")/.." || exit 1

CC=${PINFOLD_ARM64_CC:-aarch64-linux-gnu-gcc}
RUN=${PINFOLD_ARM64_RUN:-qemu-aarch64}
GOLDEN=tests/golden/score_v1.txt
OUT=build/arm64

skip() {
    echo "skipped: $1"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
}

command -v "$CC" >/dev/null || skip "no $CC on this machine"
command -v "$RUN" >/dev/null || skip "no $RUN on this machine"
mkdir -p "$OUT"
PASSED=0 FAILED=0
for level in 0 2; do
    if "$CC" -std=c11 -O$level -static -I. -o "$OUT/score$level" \
        tests/unit/score_print.c proto/score.c proto/score_bounds.c \
        proto/fixed.c proto/prng.c proto/err.c &&
        "$RUN" "$OUT/score$level" >"$OUT/score$level.txt" &&
        diff "$GOLDEN" "$OUT/score$level.txt"; then
        PASSED=$((PASSED + 1))
    else
        echo "-O$level: arm64 computes otherwise than $GOLDEN"
        FAILED=$((FAILED + 1))
    fi
done
echo "$PASSED passed, $FAILED failed, 0 skipped"
[ "$FAILED" -eq 0 ]
