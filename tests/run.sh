#!/bin/bash
# The test command: installs what is missing, builds with sanitizers, runs
# everything, and closes with "N passed, N failed, N skipped".
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

PARTS="deps build unit tidy ipfsnode sim fsm fuzz system faults"
JOBS=${PINFOLD_JOBS:-2}
UNIT_JOBS=${PINFOLD_UNIT_JOBS:-4}     # both wait more than they compute
SYSTEM_JOBS=${PINFOLD_SYSTEM_JOBS:-6}
FUZZ_SECONDS=${PINFOLD_FUZZ_SECONDS:-8}
SIM_SEEDS=${PINFOLD_SIM_SEEDS:-1..300}
FSM_OPERATIONS=${PINFOLD_FSM_OPERATIONS:-10000000}
FSM_SECONDS=${PINFOLD_FSM_SECONDS:-90}
FSM_SEED=${PINFOLD_FSM_SEED:-1}
LOGS=build/log
PYTHON=/usr/bin/python3
PASSED=0 FAILED=0 SKIPPED=0
BROKEN=no
FAILURES=() # parts, each a word

usage() {
    cat <<TEXT
usage: tests/run.sh [--quick] [--only PART]... [--no-deps]
  --quick      without fuzzing
  --only PART  one of: $PARTS (may be given several times)
  --no-deps    take for granted that deploy/install-deps.sh --tests was run
environment:
  PINFOLD_IPFS            a Kubo binary for the system tests (default: the
                          test node of tests/ipfsnode)
  PINFOLD_CLUSTER_CTL     an ipfs-cluster-ctl for tests against the reference
  PINFOLD_CLUSTER_SOURCE  a checkout of the reference, for its client for Go
  PINFOLD_PROMTOOL        a promtool for the tests of metrics (default: that
                          of Debian's package, unpacked into build/)
  PINFOLD_FUZZ_SECONDS    time for each fuzz target (default: 8)
  PINFOLD_SIM_SEEDS       seeds of the simulator, FROM..TO (default: 1..300)
  PINFOLD_FSM_OPERATIONS  random operations of the state machine (default:
                          10000000), or as many as it makes in …
  PINFOLD_FSM_SECONDS     … (default: 90; 0: no limit)
  PINFOLD_FSM_SEED        the first seed of them (default: 1)
  PINFOLD_JOBS            parallel compilers (default: 2)
  PINFOLD_UNIT_JOBS       unit tests side by side (default: 4)
  PINFOLD_SYSTEM_JOBS     system tests side by side (default: 6)
TEXT
}

# result PART PASSED FAILED SKIPPED SECONDS [REMARK]
result() {
    printf '%-9s %4d passed, %d failed, %d skipped  (%d s)%s\n' "$1" "$2" \
        "$3" "$4" "$5" "${6:+  $6}"
    PASSED=$((PASSED + $2))
    FAILED=$((FAILED + $3))
    SKIPPED=$((SKIPPED + $4))
    [ "$3" -eq 0 ] || FAILURES+=("$1")
}

# Once more at the end: above, what failed stands among other parts' lines.
remind() {
    local part
    for part in "${FAILURES[@]}"; do
        echo "FAILED $part: the end of $LOGS/$part.log"
        grep -v '^SKIPPED' "$LOGS/$part.log" | tail -n 12 | sed 's/^/    /'
    done
}

# one PART COMMAND...: a part that is a single step.
one() {
    local part=$1 start=$SECONDS
    shift
    if "$@" >"$LOGS/$part.log" 2>&1; then
        result "$part" 1 0 0 $((SECONDS - start))
    else
        result "$part" 0 1 0 $((SECONDS - start)) "see $LOGS/$part.log"
        tail -n 40 "$LOGS/$part.log"
        return 1
    fi
}

build_debug() {
    tests/promtool.sh build/promtool || true # tests of metrics say so
    cmake --preset debug && cmake --build build/debug -j "$JOBS" &&
        tests/ipfsnode/build.sh build/ipfsnode
}

run_deps() {
    one deps deploy/install-deps.sh --tests || BROKEN=yes
}

run_build() {
    one build build_debug || BROKEN=yes
}

run_unit() {
    local start=$SECONDS log=$LOGS/unit.log total failed
    ctest --test-dir build/debug -j "$UNIT_JOBS" --output-on-failure \
        --no-tests=error >"$log" 2>&1
    total=$(sed -n 's/.* out of \([0-9]*\)$/\1/p' "$log" | tail -n 1)
    failed=$(sed -n 's/.*, \([0-9]*\) tests failed out of.*/\1/p' "$log" |
        tail -n 1)
    if [ -z "$total" ]; then
        total=1 failed=1
    fi
    [ "$failed" = 0 ] || grep -E -A25 'Failed  |Timeout  |^The following' \
        "$log" | grep -v '^ *Start\|  Passed  '
    result unit $((total - failed)) "$failed" 0 $((SECONDS - start))
}

run_tidy() {
    local start=$SECONDS log=$LOGS/tidy.log counts
    $PYTHON tests/tidy/tidy.py >"$log" 2>&1
    counts=$(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed.*/\1 \2/p' \
        "$log")
    [ -n "$counts" ] || counts="0 1"
    grep -E '^(FAIL|  )' "$log"
    # shellcheck disable=SC2086
    result tidy $counts 0 $((SECONDS - start))
    python_tests tidy-self tests/tidy
}

# python_tests PART WORD...: pytest, counted from its report.
python_tests() {
    local part=$1 start=$SECONDS counts report
    report=$LOGS/$1.xml
    shift
    rm -f "$report"
    $PYTHON -m pytest -p no:cacheprovider -q -rfEs --junitxml="$report" "$@" \
        2>&1 | tee "$LOGS/$part.log" | grep -v '^$'
    counts=$($PYTHON - "$report" <<'PY'
import sys
import xml.etree.ElementTree as tree
try:
    suite = tree.parse(sys.argv[1]).getroot()[0].attrib
    bad = int(suite["failures"]) + int(suite["errors"])
    skipped = int(suite["skipped"])
    print(int(suite["tests"]) - bad - skipped, bad, skipped)
except (OSError, tree.ParseError, IndexError):
    print("0 1 0")
PY
    )
    # shellcheck disable=SC2086
    result "$part" $counts $((SECONDS - start))
}

run_ipfsnode() {
    local start=$SECONDS log=$PWD/$LOGS/ipfsnode.log passed failed go
    for go in /usr/lib/go-1.*/bin /usr/local/go/bin; do
        [ ! -x "$go/go" ] || PATH=$go:$PATH
    done
    (cd tests/ipfsnode && GOFLAGS=-mod=readonly CGO_ENABLED=0 \
        GOTOOLCHAIN=auto go test -count=1 -p "$JOBS" -v ./...) >"$log" 2>&1
    local code=$?
    passed=$(grep -c '^--- PASS' "$log")
    failed=$(grep -c '^--- FAIL' "$log")
    [ "$code" -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
    [ "$failed" = 0 ] || tail -n 40 "$log"
    result ipfsnode "$passed" "$failed" 0 $((SECONDS - start))
}

# counted PART REMARK COMMAND...: a program that closes as this script does.
# Without a remark: the line before the last one.
counted() {
    local part=$1 remark=$2 start=$SECONDS log=$LOGS/$1.log counts
    shift 2
    "$@" >"$log" 2>&1
    counts=$(tail -n 1 "$log" | sed -n 's/^\([0-9]*\) passed, \([0-9]*\)'\
' failed\(, \([0-9]*\) skipped\)\{0,1\}$/\1 \2 \4/p')
    [ -n "$remark" ] || remark=$(tail -n 2 "$log" | head -n 1)
    # shellcheck disable=SC2086
    set -- ${counts:-0 1}
    [ "$2" = 0 ] || tail -n 60 "$log"
    [ "${3:-0}" = 0 ] || grep skipped "$log"
    result "$part" "$1" "$2" "${3:-0}" $((SECONDS - start)) "$remark"
}

# build_bench PART TARGET: without sanitizers.
build_bench() {
    if ! { cmake --preset bench &&
        cmake --build build/bench -j "$JOBS" --target "$2"; } \
        >"$LOGS/$1.log" 2>&1; then
        tail -n 40 "$LOGS/$1.log"
        result "$1" 0 1 0 0 "the build failed"
        return 1
    fi
}

# Most seeds without sanitizers, some with; then bugs that it must catch.
run_sim() {
    build_bench sim sim || return
    counted sim "seeds $SIM_SEEDS" build/bench/tests/sim/sim \
        --seeds "$SIM_SEEDS" --jobs "$JOBS" --quiet
    counted sim-asan "with sanitizers" build/debug/tests/sim/sim \
        --seeds 301..308 --ms 1800000 --ops 600 --jobs "$JOBS" --quiet
    counted planted "bugs that the simulator must catch" \
        $PYTHON tests/sim/planted.py
}

# With sanitizers a few are made among the unit tests.
run_fsm() {
    build_bench fsm fsm-runs || return
    counted fsm "" build/bench/tests/fsm/fsm-runs --jobs "$JOBS" \
        --operations "$FSM_OPERATIONS" --seconds "$FSM_SECONDS" \
        --seed "$FSM_SEED"
}

# fuzz_one TARGET SECONDS: new inputs stay in the build folder.
fuzz_one() {
    local name=${1#fuzz_} dir=build/fuzz/run/$1
    mkdir -p "$dir/corpus"
    "build/fuzz/tests/fuzz/$1" -max_total_time="$2" -timeout=10 \
        -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$dir/" \
        "$dir/corpus" "tests/fuzz/corpus/$name" >"$dir/log" 2>&1
    local code=$?
    echo "$code" >"$dir/code"
}

run_fuzz() {
    local start=$SECONDS passed=0 failed=0 target targets=()
    for target in tests/fuzz/fuzz_*.c; do
        targets+=("$(basename "$target" .c)")
    done
    if ! { cmake --preset fuzz &&
        cmake --build build/fuzz -j "$JOBS" --target "${targets[@]}"; } \
        >"$LOGS/fuzz.log" 2>&1; then
        tail -n 40 "$LOGS/fuzz.log"
        result fuzz 0 1 0 $((SECONDS - start)) "the build failed"
        return
    fi
    for target in "${targets[@]}"; do
        while [ "$(jobs -rp | wc -l)" -ge "$JOBS" ]; do
            wait -n || true
        done
        rm -f "build/fuzz/run/$target/code"
        fuzz_one "$target" "$FUZZ_SECONDS" &
    done
    wait
    for target in "${targets[@]}"; do
        if [ "$(cat "build/fuzz/run/$target/code" 2>/dev/null)" = 0 ]; then
            passed=$((passed + 1))
        else
            failed=$((failed + 1))
            echo "fuzz: $target failed:"
            tail -n 30 "build/fuzz/run/$target/log"
        fi
    done
    result fuzz "$passed" "$failed" 0 $((SECONDS - start)) \
        "$FUZZ_SECONDS s each"
}

# Tests that share a cluster stay together (tests/system/conftest.py).
run_system() {
    python_tests system -n "$SYSTEM_JOBS" --dist loadgroup \
        --ignore tests/system/faults tests/system
}

# Alone: what is measured there is meant.
run_faults() {
    python_tests faults tests/system/faults
}

# Read to its end before it begins, so that it may be edited meanwhile.
main() {
    local wanted="" quick=no deps=yes part
    while [ $# -gt 0 ]; do
        case $1 in
        --quick) quick=yes ;;
        --no-deps) deps=no ;;
        --only)
            case " $PARTS " in
            *" ${2:-} "*) wanted="$wanted $2" ;;
            *)
                usage >&2
                exit 2
                ;;
            esac
            shift
            ;;
        -h | --help)
            usage
            exit 0
            ;;
        *)
            usage >&2
            exit 2
            ;;
        esac
        shift
    done
    [ -n "$wanted" ] || wanted=$PARTS

    mkdir -p "$LOGS"
    export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:exitcode=99}
    export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1:halt_on_error=1}
    export PINFOLD_BUILD=${PINFOLD_BUILD:-$PWD/build/debug}

    for part in $wanted; do
        if [ "$BROKEN" = yes ] && [ "$part" != tidy ]; then
            result "$part" 0 0 1 0 "skipped: what it needs failed above"
        elif [ "$part" = fuzz ] && [ "$quick" = yes ]; then
            result fuzz 0 0 1 0 "skipped: --quick"
        elif [ "$part" = deps ] && [ "$deps" = no ]; then
            result deps 0 0 1 0 "skipped: --no-deps"
        else
            "run_$part"
        fi
    done

    remind
    echo "$PASSED passed, $FAILED failed, $SKIPPED skipped"
    [ "$FAILED" -eq 0 ]
}

main "$@"
exit
