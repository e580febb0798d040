#!/bin/sh
# Puts Debian's promtool into OUTFILE: promtool.sh OUTFILE
# Only the program is unpacked from the package prometheus; nothing is
# installed, so that no Prometheus starts on this machine. One that is there is
# kept. Without it the tests of metrics say that they were skipped.
set -eu

fail() {
    echo "promtool.sh: $*" >&2
    exit 1
}

[ $# -eq 1 ] || fail "usage: promtool.sh OUTFILE"
case $1 in '' | -*) fail "usage: promtool.sh OUTFILE" ;; esac
[ ! -d "$1" ] || fail "$1 is a directory"
works() { "$1" --version >/dev/null 2>&1; }
! works "$1" || exit 0
command -v apt-get >/dev/null 2>&1 || fail "no apt-get on this system"

mkdir -p "$(dirname "$1")"
out=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

# As whom ever this runs: a download needs no rights, only the lists.
download() {
    apt-get -q -o Acquire::Retries=2 -o APT::Sandbox::User= \
        download prometheus >log 2>&1
}
update() {
    if [ "$(id -u)" -eq 0 ]; then
        apt-get -q -o DPkg::Lock::Timeout=300 update >log 2>&1
    else
        sudo -n apt-get -q update >log 2>&1
    fi
}
download || { update && download; } || {
    tail -n 3 log >&2
    fail "apt-get download prometheus: see above"
}
dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/promtool ||
    fail "no usr/bin/promtool in $(ls prometheus_*.deb)"
works ./usr/bin/promtool || fail "the promtool of the package does not run"
mv ./usr/bin/promtool "$out.new"
mv "$out.new" "$out"
