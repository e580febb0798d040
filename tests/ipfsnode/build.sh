#!/bin/sh
# Builds the test node: build.sh OUTFILE
# Go's own cache makes a second run quick, so this may be called every time.
set -eu

fail() {
    echo "ipfsnode/build.sh: $*" >&2
    exit 1
}

[ $# -eq 1 ] || fail "usage: build.sh OUTFILE"
case $1 in '' | -*) fail "usage: build.sh OUTFILE" ;; esac
[ ! -d "$1" ] || fail "$1 is a directory"

# usable GO: true if it is there and at least 1.21, the first Go that can
# fetch the newer toolchain that go.mod asks for.
usable() {
    command -v "$1" >/dev/null 2>&1 || return 1
    found=$(GOTOOLCHAIN=local "$1" env GOVERSION 2>/dev/null) || return 1
    number=${found#go}
    major=${number%%.*}
    minor=${number#*.}
    minor=${minor%%[!0-9]*}
    case $major$minor in '' | *[!0-9]*) return 1 ;; esac
    [ "$major" -gt 1 ] || [ "$minor" -ge 21 ]
}

go=
old=
for candidate in go /usr/local/go/bin/go /usr/lib/go-1.*/bin/go; do
    found=
    if usable "$candidate"; then
        go=$candidate
        break
    fi
    [ -z "$found" ] || old="$candidate is $found"
done
[ -n "$go" ] || fail "needs Go 1.21 or newer; ${old:-none found} (Debian 13:" \
    "apt-get install golang-go; Debian 12: golang-1.23-go from" \
    "bookworm-backports; others: https://go.dev/dl)"

case $1 in
/*) out=$1 ;;
*) out=$(pwd)/$1 ;;
esac
mkdir -p "$(dirname "$out")"
cd "$(dirname "$0")"

# Built beside the target and renamed: a node that runs from the old file
# keeps it, and a broken build leaves it alone.
new=$out.new.$$
trap 'rm -f "$new"' EXIT INT TERM
GOTOOLCHAIN=auto GOFLAGS=-mod=readonly CGO_ENABLED=0 \
    "$go" build -trimpath -buildvcs=false -ldflags '-s -w' -o "$new" . ||
    fail "$go could not build the test node (the first build downloads" \
        "its modules, about 180 MB)"
mv -f "$new" "$out"
