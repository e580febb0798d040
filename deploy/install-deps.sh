#!/bin/bash
# Installs what building Pinfold needs on Debian 12 and 13. May be run any
# number of times; says what was there and what it installed. Run as root or
# as a user who may use sudo (asked only when something is missing).
set -euo pipefail

RAFT_VERSION=0.22.1
RAFT_NUMBER=2201 # RAFT_VERSION_NUMBER in raft.h
RAFT_SOURCE=0.22.1-1
GO_AT_LEAST=21 # go1.N that can fetch the toolchain that go.mod names
CODENAME=
UPDATED=no
WORK=

usage() {
    cat <<'TEXT'
usage: deploy/install-deps.sh [--tests] [--go]
  (nothing)  what the build needs: compiler, CMake, Ninja, libraries
  --go       Go too, which the IPFS test node needs
  --tests    --go, and clang with libFuzzer, cmocka, universal-ctags, pytest
             with xdist, Node.js with npm
TEXT
}

say() { printf 'install-deps: %s\n' "$*"; }

die() {
    printf 'install-deps: FAILED: %s\n' "$1" >&2
    shift
    for line in "$@"; do
        printf 'install-deps:   %s\n' "$line" >&2
    done
    exit 1
}

cleanup() {
    [ -z "$WORK" ] || rm -rf "$WORK"
}
trap cleanup EXIT

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo -- "$@"
    else
        die "not root, and there is no sudo" "run this script as root"
    fi
}

apt_get() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q \
        -o DPkg::Lock::Timeout=300 -o Acquire::Retries=2 \
        -o Dpkg::Use-Pty=0 "$@"
}

# Some mirrors are down for a moment now and then: two attempts.
update() {
    [ "$UPDATED" = no ] || return 0
    say "reading the package lists"
    apt_get update >/dev/null || { sleep 3; apt_get update; } ||
        die "apt-get update" \
            "check the network and the files in /etc/apt, then run this again"
    UPDATED=yes
}

installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = \
        installed ]
}

version_of() { dpkg-query -W -f '${Version}' "$1" 2>/dev/null || true; }

# has PACKAGE: whether apt knows a version of it. (No grep -q in pipes here:
# it leaves early, and with pipefail that is a failure.)
has() {
    LC_ALL=C apt-cache policy "$1" 2>/dev/null |
        grep '^  Candidate: [^(]' >/dev/null
}

# install PACKAGE[=VERSION]...
install() {
    local item name there="" missing=()
    for item in "$@"; do
        name=${item%%=*}
        if installed "$name"; then
            there+=" $name"
        else
            missing+=("$item")
        fi
    done
    [ -z "$there" ] || say "already there:$there"
    [ ${#missing[@]} -gt 0 ] || return 0
    update
    apt_get install -y --no-install-recommends "${missing[@]}" >/dev/null ||
        die "apt-get install ${missing[*]}" \
            "run it by hand to see why; then run this script again"
    for item in "${missing[@]}"; do
        name=${item%%=*}
        say "installed: $name $(version_of "$name")"
    done
}

# either NAME NAME...: the first that is installed or known to apt. Package
# names differ between the releases.
either() {
    local name
    for name in "$@"; do
        if installed "$name"; then
            echo "$name"
            return
        fi
    done
    for name in "$@"; do
        if has "$name"; then
            echo "$name"
            return
        fi
    done
    die "no package of the name(s) $*" "check the files in /etc/apt"
}

check_system() {
    local id="" version=""
    if [ -r /etc/os-release ]; then
        # shellcheck disable=SC1091
        id=$(. /etc/os-release && echo "${ID:-}")
        version=$(. /etc/os-release && echo "${VERSION_ID:-}")
    fi
    case $id-$version in
    debian-12) CODENAME=bookworm ;;
    debian-13) CODENAME=trixie ;;
    *)
        die "this is ${id:-an unknown system} ${version}, not Debian 12 or 13" \
            "install by hand: gcc, cmake, ninja, pkg-config, and the headers" \
            "of libuv, sqlite3, libsodium, libcurl, nng, msgpack-c and" \
            "libraft $RAFT_VERSION (https://github.com/cowsql/raft)"
        ;;
    esac
}

# The raft.h that the compiler would take, and pkg-config's word for it.
raft_is_right() {
    command -v pkg-config >/dev/null && command -v cc >/dev/null || return 1
    [ "$(pkg-config --modversion raft 2>/dev/null)" = "$RAFT_VERSION" ] ||
        return 1
    # shellcheck disable=SC2046
    printf '%s\n' '#include <raft.h>' '#if !defined(RAFT_VERSION_NUMBER)' \
        '#error' '#endif' "#if RAFT_VERSION_NUMBER != $RAFT_NUMBER" '#error' \
        '#endif' | cc -E -x c $(pkg-config --cflags raft) - >/dev/null 2>&1
}

# This machine's own mirror of its release: "URI|keyring".
mirror() {
    apt-get indextargets --format '$(CODENAME)|$(REPO_URI)|$(SIGNED_BY)' \
        'Created-By: Packages' |
        sed -n "s/^$CODENAME|//p" | grep '^https\{0,1\}:\|^file:' |
        grep -v security | sed -n 1p
}

# source_line KIND SUITE: a line for sources.list on the machine's mirror.
source_line() {
    local found uri key
    found=$(mirror) || true
    uri=${found%%|*}
    key=${found#*|}
    [ -n "$uri" ] || die "no mirror of $CODENAME in the files in /etc/apt" \
        "add one, then run this script again"
    # A keyring may be a path or a whole key; only a path fits here.
    case $key in
    /*) key=${key%%,*} ;;
    *) key=/usr/share/keyrings/debian-archive-keyring.gpg ;;
    esac
    echo "$1 [signed-by=$key] $uri $2 main"
}

BACKPORTS=/etc/apt/sources.list.d/pinfold-backports.list

add_backports() {
    update
    if apt-get indextargets --format '$(CODENAME)' |
        grep -x bookworm-backports >/dev/null; then
        return 0
    fi
    source_line deb bookworm-backports | as_root tee "$BACKPORTS" >/dev/null
    say "added: $BACKPORTS (packages come from it only where this script asks)"
    if ! apt_get update >/dev/null; then
        as_root rm -f "$BACKPORTS"
        say "removed it again: the mirror has no bookworm-backports"
        return 1
    fi
}

# The version of a package that apt can get and that begins so.
offered() {
    LC_ALL=C apt-cache madison "$1" 2>/dev/null |
        awk -F'|' -v want="$2" '{ gsub(/ /, "", $2) }
            index($2, want) == 1 && !n++ { print $2 }'
}

raft_from_packages() {
    local version
    if [ "$CODENAME" = bookworm ]; then
        add_backports || return 1
    fi
    update
    version=$(offered libraft-dev "$RAFT_SOURCE")
    [ -n "$version" ] || return 1
    apt_get install -y --no-install-recommends --allow-downgrades \
        "libraft-dev=$version" "libraft0=$version" >/dev/null || return 1
    say "installed: libraft-dev $version"
}

# The Debian source package of trixie, built here. Only the source index is
# read, in a place of its own, so that nothing else can come from it.
raft_from_source() {
    local apt
    say "no package of libraft $RAFT_VERSION: building Debian's source of it"
    install build-essential debhelper pkg-config libuv1-dev liblz4-dev \
        python3-sphinx furo dpkg-dev fakeroot
    WORK=$(mktemp -d)
    mkdir -p "$WORK/lists/partial" "$WORK/archives/partial"
    source_line deb-src trixie >"$WORK/sources.list"
    apt=(-o Dir::Etc::SourceList="$WORK/sources.list"
        -o Dir::Etc::SourceParts=- -o Dir::State::Lists="$WORK/lists"
        -o Dir::Cache="$WORK" -o Acquire::Retries=2
        -o APT::Sandbox::User=root)
    (
        cd "$WORK"
        apt-get -q "${apt[@]}" update
        apt-get -q "${apt[@]}" source "raft=$RAFT_SOURCE"
        cd "raft-$RAFT_VERSION"
        DEB_BUILD_OPTIONS=nocheck dpkg-buildpackage -b -us -uc
    ) >"$WORK/log" 2>&1 || {
        tail -n 20 "$WORK/log" >&2
        die "building libraft $RAFT_VERSION from Debian's source" \
            "the last lines of the build are above; with a mirror that has" \
            "bookworm-backports or trixie's sources, run this script again"
    }
    as_root dpkg -i "$WORK"/libraft0_*.deb "$WORK"/libraft-dev_*.deb \
        >/dev/null || die "dpkg -i of the libraft packages just built"
    say "installed: libraft-dev $(version_of libraft-dev), built here"
}

install_raft() {
    if raft_is_right; then
        say "already there: libraft $RAFT_VERSION"
        return
    fi
    raft_from_packages || raft_from_source
    raft_is_right || die "raft.h is still not version $RAFT_VERSION" \
        "another raft.h or raft.pc comes first; see what this prints:" \
        "pkg-config --cflags --modversion raft"
}

go_usable() {
    local found
    found=$(GOTOOLCHAIN=local "$1" env GOVERSION 2>/dev/null) || return 1
    found=${found#go1.}
    found=${found%%[!0-9]*}
    [ -n "$found" ] && [ "$found" -ge "$GO_AT_LEAST" ]
}

install_go() {
    local go version
    for go in go /usr/local/go/bin/go /usr/lib/go-1.*/bin/go; do
        if command -v "$go" >/dev/null && go_usable "$go"; then
            say "already there: $("$go" version | cut -d' ' -f3) ($go)"
            return
        fi
    done
    if [ "$CODENAME" = trixie ]; then
        install golang-go
        return
    fi
    add_backports || die "Go 1.$GO_AT_LEAST or newer is not in Debian 12" \
        "install it from https://go.dev/dl into /usr/local/go"
    update
    version=$(offered golang-1.23-go 1.)
    [ -n "$version" ] || die "bookworm-backports has no golang-1.23-go" \
        "install Go from https://go.dev/dl into /usr/local/go"
    install "golang-1.23-go=$version" \
        "golang-1.23-src=$(offered golang-1.23-src 1.)"
}

install_for_tests() {
    local clang runtime
    install clang libcmocka-dev universal-ctags python3 python3-pytest \
        python3-pytest-xdist python3-venv patch \
        nftables iproute2 # network namespaces
    clang=$(clang --version | sed -n 's/.*version \([0-9]*\)\..*/\1/p')
    runtime=libclang-rt-$clang-dev
    [ -n "$clang" ] || die "clang does not tell its version"
    install "$runtime"
    if command -v node >/dev/null && command -v npm >/dev/null; then
        say "already there: Node.js $(node --version), npm"
    else
        install nodejs npm
    fi
    install_go
}

main() {
    local tests=no go=no
    for arg in "$@"; do
        case $arg in
        --tests) tests=yes ;;
        --go) go=yes ;;
        -h | --help)
            usage
            exit 0
            ;;
        *)
            usage >&2
            exit 2
            ;;
        esac
    done
    check_system
    # A machine fresh from an image has no lists at all.
    has gcc || update
    install build-essential ca-certificates cmake curl ninja-build pkg-config \
        libuv1-dev libsqlite3-dev libsodium-dev libcurl4-openssl-dev \
        libgnutls28-dev libnng-dev "$(either libmsgpack-c-dev libmsgpack-dev)"
    install_raft
    if [ "$tests" = yes ]; then
        install_for_tests
    elif [ "$go" = yes ]; then
        install_go
    fi
    say "done"
}

main "$@"
