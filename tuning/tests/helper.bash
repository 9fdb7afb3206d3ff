# shellcheck shell=bash
# What the tests share: a tree of files that stands for a host, and namespaces in which the real kernel is the one that
# answers. Nothing of the host is touched.

tuning=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# A host like many: small limits, tabs as the kernel prints them, two processors.
make_tree() {
    tree=$BATS_TEST_TMPDIR/tree
    set_file /proc/sys/net/core/somaxconn $'128\n'
    set_file /proc/sys/net/core/rmem_max $'212992\n'
    set_file /proc/sys/net/ipv4/tcp_max_syn_backlog $'2048\n'
    set_file /proc/sys/net/ipv4/tcp_syncookies $'1\n'
    set_file /proc/sys/net/ipv4/tcp_notsent_lowat $'4294967295\n'
    set_file /proc/sys/net/ipv4/tcp_slow_start_after_idle $'1\n'
    set_file /proc/sys/net/ipv4/tcp_rmem $'4096\t87380\t6291456\n'
    set_file /proc/sys/net/ipv4/tcp_wmem $'4096\t16384\t67108864\n'
    set_file /sys/kernel/mm/transparent_hugepage/enabled $'[always] madvise never\n'
    set_file /sys/devices/system/cpu/cpu0/cpufreq/scaling_governor $'schedutil\n'
    set_file /sys/devices/system/cpu/cpu1/cpufreq/scaling_governor $'powersave\n'
}

set_file() {
    mkdir -p "$(dirname "$tree$1")"
    printf '%s' "$2" >"$tree$1"
}

value() {
    cat "$tree$1"
}

# The script on the tree.
tune() {
    "$tuning/tune" --root "$tree" "$@"
}

journal() {
    echo "$tree/var/lib/tidemill/tuning/journal"
}

# All that stands for the kernel, name and bytes of each file.
snapshot() {
    (cd "$tree" && find proc sys -type f | sort | xargs sha256sum)
}

# Runs a command and checks its exit code, and that each of the words is in what it said.
check() {
    local code=$1 words=$2
    shift 2
    run "$@"
    if [[ $status != "$code" || $output != *"$words"* ]]; then
        printf 'expected code %s and: %s\ngot code %s and: %s\n' "$code" "$words" "$status" "$output"
        return 1
    fi
}

same() {
    [[ $1 == "$2" ]] || {
        diff <(printf '%s\n' "$1") <(printf '%s\n' "$2")
        return 1
    }
}

# Runs a command as root of namespaces of its own, network and mounts; `status` and `output` are the command's.
in_namespaces() {
    local flags=(--net --mount)
    unshare "${flags[@]}" true 2>/dev/null || flags+=(--user --map-root-user)
    unshare "${flags[@]}" true 2>/dev/null || skip "this host allows no namespaces (unshare --net --mount --user)"
    run unshare "${flags[@]}" "$@"
    printf 'code %s, and: %s\n' "$status" "$output"
}
