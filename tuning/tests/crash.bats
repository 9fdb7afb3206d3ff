#!/usr/bin/env bats
# Ends that nobody plans: kill -9 at each step, a refused value, a full disk, a signal, a reader that goes away.

load helper

setup() {
    make_tree
    before=$(snapshot)
    steps=$BATS_TEST_TMPDIR/steps
    shims=$BATS_TEST_TMPDIR/shims
}

# Puts in front of each program that the script uses for a step (reading, syncing, renaming, removing) one that first
# runs this code. It finds the number of the step in $step, the program's name in $program, the script's process in
# $script, and `is_begun` says whether the first value has been changed.
plant() {
    mkdir -p "$shims"
    local program
    for program in cat sync mv rm mkdir flock; do
        {
            printf '#!/bin/bash\nprogram=%q steps=%q tree=%q script=$(<%q)\n' "$program" "$steps" "$tree" "$BATS_TEST_TMPDIR/pid"
            echo 'step=$(($(wc -l <"$steps") + 1))'
            echo 'echo "$program $*" >>"$steps"'
            echo 'is_begun() { [[ $(<"$tree/proc/sys/net/core/somaxconn") != 128 ]]; }'
            printf '%s\nexec %q "$@"\n' "$1" "$(command -v "$program")"
        } >"$shims/$program"
        chmod +x "$shims/$program"
    done
}

# The script with what was planted.
tune_planted() {
    : >"$steps"
    bash -c 'echo $$ >"$1"; PATH=$2:$PATH; exec "${@:3}"' - "$BATS_TEST_TMPDIR/pid" "$shims" "$tuning/tune" --root "$tree" "$@"
}

# Kills a run of the script at its first step, then another at its second, and so on until one comes through. After each
# of them `settle` has to bring back the host as it was.
kill_at_each_step() {
    local at
    for ((at = 1; at < 200; at += 1)); do
        plant "((step != $at)) || kill -KILL \$script"
        run tune_planted "$@"
        [[ $status != 0 ]] || break
        [[ $status == 137 ]]
        settle
        same "$before" "$(snapshot)"
        [[ ! -e $(journal) ]]
    done
    echo "killed at $((at - 1)) steps"
    ((at > 20))
}

@test "apply killed at any step: revert brings everything back" {
    settle() {
        check 0 "" tune revert
    }
    kill_at_each_step apply --role throughput --global
}

@test "a second apply killed at any step: revert still brings back what was there before the first" {
    settle() {
        check 0 "" tune revert
        check 0 "" tune apply --role latency --global
    }
    check 0 "" tune apply --role latency --global
    after_first=$(snapshot)
    for at in 5 15 25 40 45 50 55 60 65; do
        plant "((step != $at)) || kill -KILL \$script"
        run tune_planted apply --role throughput --global
        [[ $status == @(0|137) ]]
        check 0 "" tune revert
        same "$before" "$(snapshot)"
        check 0 "" tune apply --role latency --global
        same "$after_first" "$(snapshot)"
    done
}

@test "apply killed half-way: the next one goes on, and revert brings everything back" {
    plant '! is_begun || kill -KILL $script'
    run tune_planted apply --role latency
    [[ $status == 137 ]]
    same 4096 "$(value /proc/sys/net/core/somaxconn)"
    same 4294967295 "$(value /proc/sys/net/ipv4/tcp_notsent_lowat)"
    check 1 "Not in force: a run ended half-way" tune verify
    check 0 "an earlier run ended half-way" tune apply --role latency
    check 0 "" tune verify
    check 0 "" tune revert
    same "$before" "$(snapshot)"
}

@test "revert killed at any step: the next one brings everything back" {
    local at
    for ((at = 1; at < 200; at += 1)); do
        check 0 "" tune apply --role throughput --global
        plant "((step != $at)) || kill -KILL \$script"
        run tune_planted revert
        [[ $status != 0 ]] || break
        [[ $status == 137 ]]
        check 0 "" tune revert
        same "$before" "$(snapshot)"
        [[ ! -e $(journal) ]]
    done
    ((at > 10))
    same "$before" "$(snapshot)"
}

@test "persist killed at any step: unpersist removes what there is of it" {
    for ((at = 1; at < 200; at += 1)); do
        plant "((step != $at)) || kill -KILL \$script"
        run tune_planted persist --role latency --global
        [[ $status != 0 ]] || break
        [[ $status == 137 ]]
        check 0 "" tune unpersist
        run find "$tree/etc" -type f
        [[ $output != *tidemill* ]]
    done
    ((at > 20))
    check 0 "removed" tune unpersist
}

@test "killed between the journal and the first change: nothing is changed, and revert says that all is as before" {
    plant '[[ ! -e $tree/var/lib/tidemill/tuning/journal ]] || kill -KILL $script'
    run tune_planted apply --role latency
    [[ $status == 137 && -e $(journal) ]]
    same "$before" "$(snapshot)"
    check 0 "as it was before" tune revert
    same "$before" "$(snapshot)"
    [[ ! -e $(journal) ]]
}

@test "the journal is on the disk before anything is changed" {
    # When the journal gets its name, its bytes have been synced; when the first value changes, its name has been, too.
    plant '[[ $program != mv ]] || ! is_begun || kill -KILL $script'
    run tune_planted apply --role latency
    [[ $status == 0 ]]
    same "sync -- $(journal).part
mv -f -- $(journal).part $(journal)
sync -- $(dirname "$(journal)")
cat -- $tree/proc/sys/net/core/somaxconn" "$(grep -B1 -A2 '^mv' "$steps")"
}

@test "a signal in the middle: everything is put back" {
    declare -A codes=([INT]=130 [TERM]=143 [HUP]=129)
    for signal in INT TERM HUP; do
        plant "[[ -e $steps.$signal ]] || ! is_begun || { touch $steps.$signal; kill -$signal \$script; }"
        # What a shell starts in its background ignores SIGINT, and what nohup starts SIGHUP; `env` undoes that.
        run env --default-signal="$signal" bash -c "$(declare -f tune_planted)"'
            steps=$1 BATS_TEST_TMPDIR=$2 shims=$3 tuning=$4 tree=$5
            tune_planted apply --role latency' - "$steps" "$BATS_TEST_TMPDIR" "$shims" "$tuning" "$tree"
        echo "$signal: $status $output"
        [[ $status == "${codes[$signal]}" && $output == *"interrupted. Everything was put back."* ]]
        same "$before" "$(snapshot)"
        [[ ! -e $(journal) ]]
    done
}

@test "a reader that goes away does not end a run in the middle" {
    run bash -c '"$1" --root "$2" apply --role latency | true' - "$tuning/tune" "$tree"
    check 0 "" tune verify
    run bash -c '"$1" --root "$2" revert | true' - "$tuning/tune" "$tree"
    same "$before" "$(snapshot)"
}

@test "a value that is refused: everything is put back" {
    # Once, somebody writes another value before what was written is read back.
    plant '[[ -e $steps.done ]] || ! is_begun || { touch "$steps.done" && echo 77 >"$tree/proc/sys/net/core/somaxconn"; }'
    run tune_planted apply --role latency
    echo "$output"
    [[ $status == 4 && $output == *"somaxconn was refused: the kernel made '77' of '4096'. Everything was put back."* ]]
    same "$before" "$(snapshot)"
    [[ ! -e $(journal) ]]
}

@test "a value that is refused in both directions: the rest is put back, and the journal knows the one that is left" {
    plant '! is_begun || echo 77 >"$tree/proc/sys/net/ipv4/tcp_notsent_lowat"'
    run tune_planted apply --role latency
    echo "$output"
    [[ $status == 6 && $output == *"tcp_notsent_lowat could not be put back: it reads '77' afterwards"* ]]
    same 128 "$(value /proc/sys/net/core/somaxconn)"
    check 1 "tcp_notsent_lowat is 77, which somebody else has written since" tune revert
    check 0 "" tune revert --force
    same "$before" "$(snapshot)"
}

@test "no room for what is persisted: nothing is changed" {
    in_namespaces bash -c '
        mkdir -p "$2/etc/sysctl.d" "$2/etc/tmpfiles.d" && mount -t tmpfs -o size=4k,nr_inodes=8 tmpfs "$2/etc/tmpfiles.d"
        head -c 4096 /dev/zero >"$2/etc/tmpfiles.d/full"
        "$1" --root "$2" persist --role latency --global; code=$?
        ls -A "$2/etc/sysctl.d" "$2/etc/tmpfiles.d"
        exit $code
    ' - "$tuning/tune" "$tree"
    [[ $status == 3 && $output == *"60-tidemill.conf cannot be written (disk full?). Nothing was changed."* ]]
    [[ ${output##*Nothing was changed.} != *60-tidemill* ]]
}

@test "no room for the journal: nothing is changed" {
    in_namespaces bash -c '
        mkdir -p "$1" && mount -t tmpfs -o size=4k,nr_inodes=8 tmpfs "$1" && head -c 4096 /dev/zero >"$1/full"
        "$2" --root "$3" --journal "$1" apply --role latency
    ' - "$BATS_TEST_TMPDIR/full" "$tuning/tune" "$tree"
    [[ $status == 3 && $output == *"journal in $BATS_TEST_TMPDIR/full cannot be written (disk full?). Nothing was changed."* ]]
    same "$before" "$(snapshot)"
}
