# shellcheck shell=bash
# Measures the trials of trials.tsv: runs without and with, interleaved as ABBA so that a host that grows slower or faster
# favours neither, each in a network namespace of its own. The host's values are read by nobody and changed by nothing.

measure() {
    check_tools
    lock_measuring
    read_trials
    tell_circumstances
    local trial cells
    for trial in "${trials[@]}"; do
        IFS=$'\t' read -r -a cells <<<"$trial"
        measure_trial "${cells[@]}"
    done
}

check_tools() {
    local program
    need unshare util-linux
    need nsenter util-linux
    need ip iproute2
    need ss iproute2
    need awk mawk
    need flock util-linux
    for program in "$tidemill" "$loadgen"; do
        [[ -x $program ]] ||
            end "$CANNOT" "there is no program $program. Try: cargo build --release --workspace, or --tidemill and --loadgen"
    done
    unshare --net true 2>/dev/null ||
        end "$CANNOT" "a network namespace needs root (or CAP_SYS_ADMIN). Try: sudo tuning/tune measure ..."
    (($(nproc) >= 2)) || end "$CANNOT" "server and generator need a core each, and this host has one"
}

# Two measurements at once would measure each other.
lock_measuring() {
    exec {lock_file}<"$here/trials.tsv"
    flock --nonblock "$lock_file" || end "$BUSY" "another measurement is going on. Try: again when it has ended"
}

trials=()

# The rows of the selected knobs.
read_trials() {
    local line cells number=0
    while IFS= read -r line; do
        ((number += 1))
        [[ -n $line && $line != '#'* ]] || continue
        IFS=$'\t' read -r -a cells <<<"$line"
        ((${#cells[@]} == 5)) || end "$USAGE" "trials.tsv:$number: ${#cells[@]} cells where there are 5 columns"
        [[ ${field["${cells[0]} where"]-} == sysctl ]] || end "$USAGE" "trials.tsv:$number: ${cells[0]} is no sysctl of knobs.tsv"
        [[ " ${selected[*]} " != *" ${cells[0]} "* ]] || trials+=("$line")
    done <"$here/trials.tsv"
    ((${#trials[@]})) || end "$USAGE" "none of these knobs has a trial: ${selected[*]}. Their row in knobs.tsv says why"
}

tell_circumstances() {
    printf 'date       %s\n' "$(date --utc '+%F %R UTC')"
    printf 'machine    %s, %s cores, Linux %s\n' "$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)" \
        "$(nproc)" "$(uname -r)"
    printf 'programs   %s, %s\n' "$("$tidemill" --version)" "$("$loadgen" --version)"
    printf 'method     %s pairs of runs as ABBA, %s each; server on core 0, generator on core 1\n' "$pairs" "$duration"
    printf '           medians of paired differences, bootstrap 99 %% interval, 2000 resamples, seed %s\n' "$seed"
    tell_load
}

# Whether the cores were ours alone.
tell_load() {
    local load
    read -r load _ </proc/loadavg
    if awk "BEGIN { exit !($load > 0.5) }"; then
        printf 'load       %s before the first run: the machine was shared, so intervals are wide\n' "$load"
    else
        printf 'load       %s before the first run\n' "$load"
    fi
}

measure_trial() {
    local knob=$1 before=$2 after=$3 wire=$4 load=$5 rows=() pair
    printf '\n%s: %s -> %s, %s over %s\n' "$knob" "$before" "$after" "$load" "$wire"
    for ((pair = 1; pair <= pairs; pair += 1)); do
        if ((pair % 2)); then
            measure_side before "$before"
            measure_side after "$after"
        else
            measure_side after "$after"
            measure_side before "$before"
        fi
    done
    printf '%s\n' "${rows[@]}" | awk -v seed="$seed" -v resamples=2000 -f "$here/lib/statistics.awk"
    printf '  run\t%s\n' "${rows[@]}"
}

# One run; its row joins `rows` of the caller.
measure_side() {
    local row
    row=$(unshare --net -- "$here/lib/run-once.sh" "$knob" "$2" "$wire" "$load" "$duration" "$tidemill" "$loadgen") ||
        end "$CANNOT" "a run failed: $knob = $2, $load over $wire. The host is as it was."
    rows+=("$pair"$'\t'"$1"$'\t'"$row")
}
