#!/usr/bin/env bash
# One run of a trial, in a network namespace that is this run's alone, so that nothing of it reaches the next one: closed
# sockets, remembered paths. `measure` starts it by `unshare --net`. It prints one row: answers per second, p50 and p99
# in µs, the server's processor time for each answer in µs, KiB that the kernel keeps for the server to send (stuck readers
# only), requests that were not answered well, and loadgen's verdict.
#
#   run-once.sh KNOB VALUE WIRE LOAD DURATION TIDEMILL LOADGEN
set -euo pipefail
export LC_ALL=C

knob=$1 value=$2 wire=$3 load=$4 duration=$5 tidemill=$6 loadgen=$7
work=$(mktemp -d)
started=() # Processes of ours that are to end with us.

main() {
    trap clean_up EXIT
    ip link set lo up
    address=127.0.0.1 client=()
    [[ $wire != veth ]] || lay_wire
    set_knob
    start_server
    put_load
    print_row
}

# In this namespace, whose values were the kernel's own until now. Congestion control is chosen by both programs instead:
# a namespace may not make everything its default.
set_knob() {
    pinned=(--congestion cubic) # Whatever the host's default is.
    if [[ $knob == net.ipv4.tcp_congestion_control ]]; then
        pinned=(--congestion "$value")
    else
        printf '%s\n' "$value" >"/proc/sys/${knob//.//}"
    fi
}

# A namespace for the generator, and a cable to it. The knob is set on the server's side alone.
lay_wire() {
    unshare --net sleep infinity &
    local other=$!
    note_process "$other"
    until [[ $(readlink "/proc/$other/ns/net") != "$(readlink /proc/self/ns/net)" ]]; do sleep 0.01; done
    ip link add server0 type veth peer name client0 netns "$other"
    ip address add 10.77.0.1/24 dev server0
    ip link set server0 up
    client=(nsenter --net --target "$other")
    "${client[@]}" ip address add 10.77.0.2/24 dev client0
    "${client[@]}" ip link set client0 up
    "${client[@]}" ip link set lo up
    address=10.77.0.1
}

start_server() {
    local scheme=tcp
    [[ $load != stuck ]] || scheme=nats
    url=$scheme://$address:7000
    "$tidemill" serve --listen "$url" --shards 1 --cores 0 "${pinned[@]}" >"$work/server" 2>&1 &
    server=$!
    note_process "$server"
    local tries
    for ((tries = 0; tries < 500; tries += 1)); do
        ! grep -qs 'is ready' "$work/server" || return 0
        kill -0 "$server" 2>/dev/null || break
        sleep 0.02
    done
    cat "$work/server" >&2
    exit 1
}

put_load() {
    local flags=(run "$url" --cores 1 "${pinned[@]}") watcher=''
    case $load in
    echo) flags+=(--connections 64) ;;
    paced) flags+=(--connections 64 --rate 10000) ;;
    arrivals) flags+=(--connections 512 --reconnect --source 127.0.0.0/28) ;;
    large) flags+=(--connections 16 --size 64KiB --depth 4) ;;
    pauses) flags+=(--connections 256 --size 64KiB --rate 400) ;; # Each is silent for 0.64 s, longer than a time-out.
    stuck) flags=(pubsub "$url" --core 1 --subscribers 104 --stuck 100 --size 1KiB --rate 2000) ;;
    esac
    if [[ $load == stuck ]]; then
        watch_memory &
        watcher=$!
        note_process "$watcher"
    fi
    # Code 1 says that some requests failed, which is a finding and stands in the row.
    "${client[@]}" "$loadgen" "${flags[@]}" --warmup 300ms --duration "$duration" --server-pid "$server" \
        --json "$work/result" >"$work/report" 2>&1 || (($? == 1)) || {
        cat "$work/report" >&2
        exit 1
    }
    [[ -z $watcher ]] || kill "$watcher" || true
}

# Again and again: the KiB in all queues of the server's sockets that wait to be sent or to be acknowledged.
watch_memory() {
    while sleep 0.1; do
        ss --tcp --memory --no-header --numeric "sport = :7000" |
            awk 'match($0, /,w[0-9]+,/) { sum += substr($0, RSTART + 2, RLENGTH - 3) } END { print sum / 1024 }'
    done >"$work/memory"
}

# The figures stand in the result one on a line, below headings two spaces in.
print_row() {
    local memory=-
    [[ ! -s $work/memory ]] || memory=$(sort -n "$work/memory" | awk '{ list[NR] = $1 } END { print list[int((NR + 1) / 2)] }')
    awk -v memory="$memory" '
        /^  "[a-z_]+": / { section = $1; part = "" }
        /^    "[a-z_]+": \{/ { part = $1 }
        { key = $1; figure = $2; gsub(/[",:]/, "", key); gsub(/[",]/, "", figure) }
        section ~ /verdict/ && key == "verdict" { verdict = figure }
        section ~ /throughput/ && key ~ /^(requests|deliveries)_per_second$/ { rate = figure }
        section ~ /latency/ && part ~ /"(response|every)"/ && key == "p50_us" { p50 = figure }
        section ~ /latency/ && part ~ /"(response|every)"/ && key == "p99_us" { p99 = figure }
        section ~ /"server"/ && key == "cpu_us_per_request" { cpu = figure }
        section ~ /"server"/ && key == "cpu_ns_per_delivery" { cpu = figure / 1000 }
        section ~ /"(requests|counts)"/ && key ~ /^(scheduled|ok|expected|delivered)$/ { count[key] = figure }
        function cut(figure) { return figure ~ /^[0-9]/ ? sprintf("%.3f", figure) : figure }
        END {
            missed = count["scheduled"] - count["ok"] + count["expected"] - count["delivered"]
            printf "%s\t%s\t%s\t%s\t%s\t%d\t%s\n", cut(rate), p50, p99, cut(cpu), memory, missed, verdict
        }
    ' "$work/result"
}

# Has a process end with us, and the shell be silent about its end.
note_process() {
    started+=("$1")
    disown "$1"
}

clean_up() {
    local pid
    for pid in "${started[@]}"; do
        kill -KILL "$pid" 2>/dev/null || true
    done
    rm -rf -- "$work"
}

main
