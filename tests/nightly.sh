#!/bin/bash
# What takes long: both compilers, the thread sanitizer, long fuzzing, tens of
# thousands of seeds, hundreds of fault cycles, and again and again what depends
# on the clock. Closes like tests/run.sh; many hours, or as long as these say:
#   PINFOLD_FUZZ_SECONDS    for each target (default: 300)
#   PINFOLD_SIM_SEEDS       default: 1001..21000
#   PINFOLD_FSM_OPERATIONS  default: 100000000 (hours of two cores)
#   PINFOLD_FSM_SECONDS     … or as many as fit (default: no limit)
#   PINFOLD_FSM_SEED        the first seed (default: 1000001)
#   PINFOLD_FAULTS_SECONDS  of rolling faults (default: 3600)
#   PINFOLD_ROUNDS          of unit, system and fault tests, as in CI, after
#                           those of the whole run (default: 9)
set -uo pipefail
[ $# -eq 0 ] || {
    echo "usage: tests/nightly.sh; its first lines name the variables" >&2
    exit 2
}
cd "$(dirname "$0")/.." || exit 1

JOBS=${PINFOLD_JOBS:-2}
PASSED=0 FAILED=0 SKIPPED=0
LOGS=build/log/nightly
mkdir -p "$LOGS"

# step NAME COMMAND...: one step counts as one test.
step() {
    local name=$1 start=$SECONDS
    shift
    if "$@" >"$LOGS/$name.log" 2>&1; then
        PASSED=$((PASSED + 1))
        echo "ok    $name ($((SECONDS - start)) s)"
    else
        FAILED=$((FAILED + 1))
        echo "FAIL  $name ($((SECONDS - start)) s): $LOGS/$name.log"
        tail -n 40 "$LOGS/$name.log"
    fi
}

# suite NAME COMMAND...: its closing line is added to the sum.
suite() {
    local name=$1 counts
    shift
    "$@" 2>&1 | tee "$LOGS/$name.log"
    counts=$(tail -n 1 "$LOGS/$name.log" | sed -n \
        's/^\([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) .*/\1 \2 \3/p')
    read -r a b c <<<"${counts:-0 1 0}"
    PASSED=$((PASSED + a)) FAILED=$((FAILED + b)) SKIPPED=$((SKIPPED + c))
}

build_preset() {
    cmake --preset "$1" && cmake --build "build/$1" -j "$JOBS"
}

unit_of() {
    build_preset "$1" &&
        ctest --test-dir "build/$1" -j "$JOBS" --output-on-failure
}

export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1
suite run env PINFOLD_FUZZ_SECONDS="${PINFOLD_FUZZ_SECONDS:-300}" \
    PINFOLD_SIM_SEEDS="${PINFOLD_SIM_SEEDS:-1001..21000}" \
    PINFOLD_FSM_OPERATIONS="${PINFOLD_FSM_OPERATIONS:-100000000}" \
    PINFOLD_FSM_SECONDS="${PINFOLD_FSM_SECONDS:-0}" \
    PINFOLD_FSM_SEED="${PINFOLD_FSM_SEED:-1000001}" \
    PINFOLD_FAULTS_SECONDS="${PINFOLD_FAULTS_SECONDS:-3600}" \
    PINFOLD_NIGHTLY=1 tests/run.sh
for ((round = 1; round <= ${PINFOLD_ROUNDS:-9}; round++)); do
    suite "round-$round" tests/run.sh --no-deps --only unit --only system \
        --only faults
done
suite arm64 tests/arm64.sh
step gcc-release build_preset release
step clang-units unit_of clang
step tsan-units unit_of tsan
suite tsan-system env PINFOLD_BUILD="$PWD/build/tsan" tests/run.sh \
    --no-deps --only system
echo "$PASSED passed, $FAILED failed, $SKIPPED skipped"
[ "$FAILED" -eq 0 ]
