#!/bin/bash
# Pinfold on this machine in one command: installs, builds, starts isolated
# IPFS daemons, coordinators and agents on loopback, pins a file on two nodes
# and reads it back through one that does not hold it. Everything but
# installed packages is in one state directory.
set -Eeuo pipefail
trap 'echo "quickstart: FAILED in line $LINENO${STEP:+, at \"$STEP\"}" >&2' ERR

STEP=
SOURCE=$(cd "$(dirname "$0")/.." && pwd)
STATE=${PINFOLD_STATE:-${HOME:?is not set: give PINFOLD_STATE=DIR}}
[ -n "${PINFOLD_STATE:-}" ] || STATE+=/.pinfold-quickstart
IPFS=${PINFOLD_IPFS:-}
# Programs of Pinfold refuse PINFOLD_ variables that they do not know.
unset "${!PINFOLD_@}"

NODES=3
COORDINATORS=3
MARK=.pinfold-quickstart # in a directory that --clean may remove
KUBO_VERSION=v0.43.1
KUBO_SOURCES="https://github.com/ipfs/kubo/releases/download/$KUBO_VERSION
https://dist.ipfs.tech/kubo/$KUBO_VERSION"
KIND= # kubo or testnode
STARTED=$SECONDS

usage() {
    cat <<'TEXT'
usage: deploy/quickstart.sh [--nodes N] [--coordinators N] [--stop] [--clean]
  --nodes N         IPFS daemons, each with its agent (1 to 9, default 3)
  --coordinators N  1, 3 or 5 (default 3)
  --stop            stops what an earlier run started; keeps everything
  --clean           stops it and removes the state directory
environment:
  PINFOLD_STATE     state directory (default ~/.pinfold-quickstart)
  PINFOLD_IPFS      Kubo binary to use (default: ipfs on PATH, else a pinned
                    release is downloaded, else the test node is built)
TEXT
}

say() { printf '[%3d s] %s\n' $((SECONDS - STARTED)) "$*"; }
note() { printf '        %s\n' "$*"; }

die() {
    printf '\nquickstart: FAILED%s: %s\n' "${STEP:+ at \"$STEP\"}" "$1" >&2
    shift
    for line in "$@"; do
        printf '  %s\n' "$line" >&2
    done
    exit 1
}

step() {
    STEP=$*
    say "$*"
}

# die_log FILE TEXT...: with the last lines of a log.
die_log() {
    local log=$1
    shift
    printf '\n' >&2
    tail -n 15 "$log" 2>/dev/null | sed 's/^/  | /' >&2 || true
    die "$@" "all of it: $log"
}

fetch() { curl -sS --noproxy '*' --max-time 60 "$@"; }

# --- processes ---------------------------------------------------------------

# When a process started, in the kernel's ticks: with its pid, its name for
# ever. Empty if there is none.
start_time() {
    local text
    text=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
    text=${text##*) }
    # shellcheck disable=SC2086
    set -- $text
    [ "$1" = Z ] || echo "${20}"
}

# pid_of NAME: of a process that this script started and that still runs.
pid_of() {
    local pid="" since=""
    read -r pid since 2>/dev/null <"$STATE/run/$1.pid" || return 1
    [ -n "$since" ] && [ "$(start_time "$pid")" = "$since" ] && echo "$pid"
}

# start NAME COMMAND...: a process of its own session, its output in log/.
start() {
    local name=$1 pid
    shift
    if pid_of "$name" >/dev/null; then
        return
    fi
    setsid "$@" >>"$STATE/log/$name.log" 2>&1 </dev/null 9>&- &
    pid=$!
    disown "$pid"
    echo "$pid $(start_time "$pid")" >"$STATE/run/$name.pid"
}

# need NAME SECONDS COMMAND...: waits until the command succeeds; gives up
# at once when the process has ended.
need() {
    local name=$1 end=$((SECONDS + $2)) seconds=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        pid_of "$name" >/dev/null || die_log "$STATE/log/$name.log" \
            "$name has ended" "its last lines are above"
        [ "$SECONDS" -lt "$end" ] || die_log "$STATE/log/$name.log" \
            "$name was not ready after $seconds s" \
            "run this again: it goes on from here; or --clean first"
        sleep 0.2
    done
}

stop_matching() {
    local file name pid names=() end
    for file in "$STATE"/run/$1-*.pid; do
        [ -e "$file" ] || continue
        name=$(basename "$file" .pid)
        if pid=$(pid_of "$name"); then
            names+=("$name")
            kill "$pid" 2>/dev/null || true
        else
            rm -f "$file"
        fi
    done
    [ ${#names[@]} -gt 0 ] || return 0
    end=$((SECONDS + 20))
    for name in "${names[@]}"; do
        while pid=$(pid_of "$name"); do
            if [ "$SECONDS" -ge "$end" ]; then
                note "$name does not stop: killing it"
                kill -KILL "$pid" 2>/dev/null || true
            fi
            sleep 0.1
        done
        rm -f "$STATE/run/$name.pid"
    done
    note "stopped: ${names[*]}"
}

# --- ports -------------------------------------------------------------------

# Whether a socket of this host listens on that port (state 0A).
busy() {
    local hex
    hex=$(printf ':%04X' "$1")
    cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
        awk -v port="$hex" '$2 ~ port "$" && $4 == "0A" { n++ }
            END { exit n == 0 }'
}

port_of() { # NAME: as chosen before
    sed -n "s/^$1 //p" "$STATE/ports" | tail -n 1
}

# choose NAME WANTED OWNER: a free port, kept in the file ports, so that a
# cluster keeps its addresses.
choose() {
    local name=$1 port=$2 owner=$3 kept
    kept=$(port_of "$name")
    if [ -n "$kept" ]; then
        if ! pid_of "$owner" >/dev/null && busy "$kept"; then
            die "port $kept, which this cluster uses for $name, is busy now" \
                "stop what uses it, or begin anew: deploy/quickstart.sh --clean"
        fi
        return
    fi
    while busy "$port" || grep -q " $port\$" "$STATE/ports"; do
        busy "$port" && note "port $port is busy: $name gets another"
        port=$((port + 1))
    done
    echo "$name $port" >>"$STATE/ports"
}

choose_ports() {
    local i k
    for ((i = 1; i <= COORDINATORS; i++)); do
        for k in http:9084 proxy:9085 peers:9086 pinning:9087 agents:9088; do
            choose "coordinator-$i-${k%:*}" $((${k#*:} + 10 * i)) \
                "coordinator-$i"
        done
    done
    for ((i = 1; i <= NODES; i++)); do
        choose "ipfs-$i-api" $((5100 + i)) "ipfs-$i"
        choose "ipfs-$i-swarm" $((4100 + i)) "ipfs-$i"
        choose "agent-$i-http" $((9089 + 10 * i)) "agent-$i"
    done
}

# list SUFFIX: addresses of all coordinators, with commas.
list() {
    local i out=""
    for ((i = 1; i <= COORDINATORS; i++)); do
        out+=",127.0.0.1:$(port_of "coordinator-$i-$1")"
    done
    echo "${out#,}"
}

# --- IPFS daemons ------------------------------------------------------------

# SHA-256 of the release's archive, by the machine's architecture.
kubo_sum() {
    case $1 in
    amd64)
        echo 3f2bf974ab2a3ec6d997fac7d8cb46f5\
9983a7cddd0b55ef998e6ce379155fb2 ;;
    arm64)
        echo e09237abadd9578d7a73dd2e2b718848\
b78437cb56e48cc9742b23ce9ebac829 ;;
    esac
}

# A refused or hanging download must not cost more than 20 s: 4 s to connect
# and 6 s without progress, twice.
download_kubo() {
    local arch sum url file got
    case $(uname -m) in
    x86_64) arch=amd64 ;;
    aarch64) arch=arm64 ;;
    *)
        note "no Kubo release for $(uname -m)"
        return 1
        ;;
    esac
    sum=$(kubo_sum "$arch")
    file=kubo_${KUBO_VERSION}_linux-$arch.tar.gz
    for url in $KUBO_SOURCES; do
        rm -f "$STATE/$file"
        if ! curl -fsSL --connect-timeout 4 --speed-time 6 \
            --speed-limit 20000 -o "$STATE/$file" "$url/$file" \
            2>"$STATE/log/download.log"; then
            note "no download from $url: $(tail -n 1 "$STATE/log/download.log")"
            continue
        fi
        got=$(sha256sum "$STATE/$file" | cut -d' ' -f1)
        if [ "$got" = "$sum" ]; then
            mkdir -p "$STATE/bin"
            tar -xzf "$STATE/$file" -C "$STATE/bin" --strip-components=1 \
                kubo/ipfs
            rm -f "$STATE/$file"
            return 0
        fi
        note "refused: $url/$file has SHA-256 $got, not $sum"
        rm -f "$STATE/$file"
    done
    return 1
}

find_ipfs() {
    step "finding an IPFS daemon"
    if [ -n "$IPFS" ]; then
        [ -x "$IPFS" ] || die "PINFOLD_IPFS=$IPFS is not a program"
        KIND=kubo
    elif [ -s "$STATE/kind" ] && [ "$(cat "$STATE/kind")" = testnode ]; then
        KIND=testnode # as before: a repository keeps its kind
    elif IPFS=$(command -v ipfs); then
        KIND=kubo
    elif [ -x "$STATE/bin/ipfs" ]; then
        IPFS=$STATE/bin/ipfs
        KIND=kubo
    elif download_kubo; then
        IPFS=$STATE/bin/ipfs
        KIND=kubo
    else
        KIND=testnode
    fi
    if [ "$KIND" = kubo ]; then
        "$IPFS" version >/dev/null 2>"$STATE/log/kubo.log" ||
            die_log "$STATE/log/kubo.log" "$IPFS does not run"
        note "Kubo: $IPFS ($("$IPFS" version))"
    else
        note "Kubo cannot be had here. Using Pinfold's own test node, built"
        note "on Kubo's library boxo: good for a first look, not for use."
        "$SOURCE/deploy/install-deps.sh" --go >"$STATE/log/deps-go.log" 2>&1 ||
            die_log "$STATE/log/deps-go.log" "installing Go"
        step "building the test node (the first time one or two minutes)"
        "$SOURCE/tests/ipfsnode/build.sh" "$STATE/bin/ipfsnode" \
            >"$STATE/log/build-ipfsnode.log" 2>&1 ||
            die_log "$STATE/log/build-ipfsnode.log" "building the test node" \
                "it needs Go's module proxy; or give a Kubo: PINFOLD_IPFS=…"
    fi
    if [ -s "$STATE/kind" ] && [ "$(cat "$STATE/kind")" != "$KIND" ]; then
        die "the repositories here were made by another kind of daemon" \
            "begin anew: deploy/quickstart.sh --clean"
    fi
    echo "$KIND" >"$STATE/kind"
}

kubo_config() {
    local key
    ipfs_config() { "$IPFS" config "$@" >/dev/null; }
    ipfs_config Addresses.API "/ip4/127.0.0.1/tcp/$2"
    ipfs_config --json Addresses.Swarm "[\"/ip4/127.0.0.1/tcp/$3\"]"
    ipfs_config Routing.Type none
    for key in Provide.Enabled Swarm.RelayClient.Enabled \
        Swarm.RelayService.Enabled Swarm.EnableHolePunching \
        HTTPRetrieval.Enabled Version.SwarmCheckEnabled; do
        ipfs_config --json "$key" false
    done
    ipfs_config --json Swarm.Transports.Network \
        '{"QUIC":false,"WebTransport":false,"WebRTCDirect":false,
          "Websocket":false}'
    ipfs_config --json Plugins.Plugins.telemetry.Disabled true
    ipfs_config --json Internal.ShutdownTimeout '"10s"'
    ipfs_config --json Swarm.ResourceMgr.MaxMemory '"256MB"'
}

# A private network of these daemons alone: own key, loopback, no routing.
start_daemon() {
    local i=$1 repo=$STATE/ipfs/$1 api swarm
    api=$(port_of "ipfs-$i-api")
    swarm=$(port_of "ipfs-$i-swarm")
    if [ "$KIND" = testnode ]; then
        mkdir -p "$repo"
        cp "$STATE/ipfs/swarm.key" "$repo/swarm.key"
        start "ipfs-$i" env LIBP2P_FORCE_PNET=1 "$STATE/bin/ipfsnode" \
            --repo "$repo" --api "127.0.0.1:$api" --swarm "127.0.0.1:$swarm"
        return
    fi
    export IPFS_PATH=$repo IPFS_TELEMETRY=off LIBP2P_FORCE_PNET=1 \
        GOLOG_LOG_LEVEL=error
    if [ ! -e "$repo/.configured" ]; then
        rm -rf "$repo"
        mkdir -p "$repo"
        {
            "$IPFS" init --profile=test,unixfs-v1-2025 ||
                "$IPFS" init --profile=test
        } >>"$STATE/log/ipfs-$i.log" 2>&1 ||
            die_log "$STATE/log/ipfs-$i.log" "making the repository $repo"
        cp "$STATE/ipfs/swarm.key" "$repo/swarm.key"
        kubo_config "$i" "$api" "$swarm" 2>>"$STATE/log/ipfs-$i.log" ||
            die_log "$STATE/log/ipfs-$i.log" "configuring $repo"
        touch "$repo/.configured"
    fi
    start "ipfs-$i" env GOMEMLIMIT=400MiB GOMAXPROCS=1 "$IPFS" daemon \
        --migrate=false
}

# rpc NODE CALL: answers of a daemon, errors are failures.
rpc() {
    fetch -f -X POST "http://127.0.0.1:$(port_of "ipfs-$1-api")/api/v0/$2"
}

start_daemons() {
    local i
    step "starting $NODES IPFS daemons (private network, loopback only)"
    if [ ! -s "$STATE/ipfs/swarm.key" ]; then
        printf '/key/swarm/psk/1.0.0/\n/base16/\n%s\n' \
            "$(od -An -N32 -v -tx1 /dev/urandom | tr -d ' \n')" \
            >"$STATE/ipfs/swarm.key"
    fi
    for ((i = 1; i <= NODES; i++)); do
        start_daemon "$i"
    done
    for ((i = 1; i <= NODES; i++)); do
        need "ipfs-$i" 60 rpc "$i" id
    done
    # There is no routing in this network: each is told of the others.
    for ((i = 2; i <= NODES; i++)); do
        connect "$i"
    done
}

connect() {
    local k id
    for ((k = 1; k < $1; k++)); do
        id=$(rpc "$k" id | sed -n 's/.*"ID" *: *"\([^"]*\)".*/\1/p')
        rpc "$1" "swarm/connect?arg=/ip4/127.0.0.1/tcp/$(
            port_of "ipfs-$k-swarm")/p2p/$id" >/dev/null ||
            die "IPFS daemon $1 cannot reach daemon $k" \
                "see $STATE/log/ipfs-$1.log"
    done
}

# --- Pinfold -----------------------------------------------------------------

build() {
    step "installing what is missing (deploy/install-deps.sh)"
    "$SOURCE/deploy/install-deps.sh" >"$STATE/log/deps.log" 2>&1 ||
        die_log "$STATE/log/deps.log" "installing dependencies"
    grep 'installed:' "$STATE/log/deps.log" | sed 's/.*: /        new: /' ||
        note "nothing was missing"
    step "building Pinfold (the first time about a minute)"
    (cd "$SOURCE" && cmake --preset release -B "$STATE/build" &&
        cmake --build "$STATE/build") >"$STATE/log/build.log" 2>&1 ||
        die_log "$STATE/log/build.log" "building Pinfold"
}

start_coordinators() {
    local i k members
    step "starting $COORDINATORS coordinator(s)"
    members=$(list peers)
    for ((i = 1; i <= COORDINATORS; i++)); do
        start "coordinator-$i" "$STATE/build/coordinator/pinfold-coordinator" \
            --data-dir "$STATE/coordinator/$i" --name "coordinator-$i" \
            $(for k in http proxy peers pinning agents; do
                echo "--listen-$k 127.0.0.1:$(port_of "coordinator-$i-$k")"
            done) \
            --members "$members"
    done
    for ((i = 1; i <= COORDINATORS; i++)); do
        need "coordinator-$i" 60 fetch -f \
            "http://127.0.0.1:$(port_of "coordinator-$i-http")/readyz"
    done
}

# Nodes that the first coordinator sees with a running daemon.
nodes_seen() {
    local seen
    seen=$(fetch -f \
        "http://127.0.0.1:$(port_of coordinator-1-http)/monitor/metrics/ping" |
        grep -o '"peer":' | wc -l)
    [ "$seen" -ge "$NODES" ]
}

start_agents() {
    local i
    step "starting $NODES agent(s)"
    for ((i = 1; i <= NODES; i++)); do
        start "agent-$i" "$STATE/build/agent/pinfold-agent" \
            --data-dir "$STATE/agent/$i" --name "node-$i" \
            --coordinators "$(list agents)" \
            --listen-http "127.0.0.1:$(port_of "agent-$i-http")" \
            --kubo "127.0.0.1:$(port_of "ipfs-$i-api")"
    done
    for ((i = 1; i <= NODES; i++)); do
        need "agent-$i" 60 nodes_seen
    done
}

pinfold() {
    "$STATE/build/ctl/pinfold" --host "$(list http)" "$@"
}

# The numbers of the nodes where a CID has that status.
nodes_where() {
    fetch -f "http://127.0.0.1:$(port_of coordinator-1-http)/pins/$1" |
        grep -o '"peername":"node-[0-9]*"[^{}]*"status":"[a-z_]*"' |
        sed -n "s/\"peername\":\"node-\([0-9]*\)\".*:\"$2\"/\1/p"
}

try_it() {
    local file=$STATE/build/coordinator/pinfold-coordinator cid reader copies
    copies=$((NODES < 2 ? NODES : 2))
    step "adding a file: $(du -h "$file" | cut -f1), $file"
    cid=$(pinfold add --replication "$copies" --name first-file --wait \
        --quiet "$file" 2>"$STATE/log/add.log") ||
        die_log "$STATE/log/add.log" "pinfold add"
    step "pinned on $copies node(s): $cid"
    pinfold status "$cid" || die "pinfold status $cid"
    reader=$(nodes_where "$cid" remote | sed -n 1p)
    if [ -n "$reader" ]; then
        step "reading it back through daemon $reader, which does not hold it"
    else
        reader=1
        step "reading it back through daemon 1 (every node holds it)"
    fi
    rpc "$reader" "cat?arg=$cid" >"$STATE/read-back" ||
        die "daemon $reader cannot read $cid" "see $STATE/log/ipfs-$reader.log"
    cmp "$file" "$STATE/read-back" || die "what came back differs"
    rm -f "$STATE/read-back"
    note "the same bytes"
    STEP=
}

show() {
    local i stop
    stop=$(printf %q "$SOURCE/deploy/quickstart.sh")
    [ "$STATE" = "${HOME:-}/.pinfold-quickstart" ] ||
        stop="PINFOLD_STATE=$(printf %q "$STATE") $stop"
    printf '\nPinfold runs. State and logs: %s\n' "$STATE"
    for ((i = 1; i <= COORDINATORS; i++)); do
        printf '  coordinator-%d   http://127.0.0.1:%s\n' "$i" \
            "$(port_of "coordinator-$i-http")"
    done
    for ((i = 1; i <= NODES; i++)); do
        printf '  node-%d          IPFS RPC http://127.0.0.1:%s/api/v0\n' \
            "$i" "$(port_of "ipfs-$i-api")"
    done
    cat <<TEXT

Next:
  alias pinfold='$(printf %q "$STATE/build/ctl/pinfold") --host $(list http)'
  pinfold node ls
  pinfold add $(printf %q "$SOURCE/README.md") --wait
  pinfold pin ls
  $stop --stop
TEXT
}

# --- main --------------------------------------------------------------------

bad_usage() {
    echo "quickstart: $*; see --help" >&2
    exit 2
}

number() {
    [[ $2 = [1-9] ]] || bad_usage "$1 needs a number from 1 to 9"
    echo "$2"
}

own_state() {
    if [ -d "$STATE" ] && [ ! -e "$STATE/$MARK" ] &&
        [ -n "$(ls -A "$STATE")" ]; then
        die "$STATE is not empty and not made by this script" \
            "give another: PINFOLD_STATE=DIR deploy/quickstart.sh"
    fi
    mkdir -p "$STATE" || die "cannot make the state directory $STATE"
    mkdir -p "$STATE"/{run,log,ipfs,coordinator,agent}
    STATE=$(cd "$STATE" && pwd)
    touch "$STATE/$MARK" "$STATE/ports"
    exec 9>"$STATE/lock"
    flock -n 9 || die "another quickstart.sh is at work in $STATE"
}

keep_sizes() {
    local old=""
    [ ! -s "$STATE/coordinators" ] || old=$(cat "$STATE/coordinators")
    if [ -n "$old" ] && [ "$old" != "$COORDINATORS" ]; then
        if [ -n "$GIVEN" ]; then
            die "this cluster was formed with $old coordinator(s)" \
                "begin anew with --clean, or leave --coordinators out"
        fi
        COORDINATORS=$old
    fi
    echo "$COORDINATORS" >"$STATE/coordinators"
    old=$(find "$STATE/agent" -mindepth 1 -maxdepth 1 | wc -l)
    [ "$old" -le "$NODES" ] || NODES=$old
}

all_run() {
    local i
    for ((i = 1; i <= COORDINATORS; i++)); do
        pid_of "coordinator-$i" >/dev/null || return 1
    done
    for ((i = 1; i <= NODES; i++)); do
        pid_of "agent-$i" >/dev/null && pid_of "ipfs-$i" >/dev/null || return 1
    done
}

ACTION=run
GIVEN=
while [ $# -gt 0 ]; do
    case $1 in
    --nodes)
        NODES=$(number "$1" "${2:-}") || exit
        shift
        ;;
    --coordinators)
        COORDINATORS=$(number "$1" "${2:-}") || exit
        GIVEN=yes
        [[ $COORDINATORS = [135] ]] || bad_usage "--coordinators is 1, 3 or 5"
        shift
        ;;
    --stop) ACTION=stop ;;
    --clean) ACTION=clean ;;
    -h | --help) usage && exit ;;
    *) bad_usage "unknown option $1" ;;
    esac
    shift
done

# Of Debian's base system; the rest is install-deps.sh's.
for tool in awk find flock grep od sed setsid sha256sum tar; do
    command -v "$tool" >/dev/null || die "there is no $tool on PATH"
done
if [ "$ACTION" != run ]; then
    [ -e "$STATE/$MARK" ] || {
        echo "nothing to do: there is no quick start in $STATE"
        exit 0
    }
    own_state
    step "stopping"
    for part in agent coordinator ipfs; do
        stop_matching "$part"
    done
    [ "$ACTION" != clean ] || { rm -rf "$STATE" && note "removed: $STATE"; }
    exit 0
fi

own_state
keep_sizes
if all_run; then
    say "it is running already"
    show
    exit 0
fi
build
find_ipfs
choose_ports
start_daemons
start_coordinators
start_agents
try_it
show
