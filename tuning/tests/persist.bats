#!/usr/bin/env bats
# Two files, marked as ours, and removed exactly.

load helper

setup() {
    make_tree
    sysctl_file=$tree/etc/sysctl.d/60-tidemill.conf
    tmpfiles_file=$tree/etc/tmpfiles.d/60-tidemill.conf
    mkdir -p "$tree/etc/sysctl.d" "$tree/etc/tmpfiles.d"
    echo 'net.ipv4.ip_forward = 1' >"$tree/etc/sysctl.d/99-others.conf"
}

others() {
    (cd "$tree/etc" && find . | sort && cat sysctl.d/99-others.conf)
}

@test "persist, unpersist: two files more, and as it was before" {
    before=$(snapshot) others_before=$(others)
    check 0 "this holds from the next boot on" tune persist --role latency --global
    same "$before" "$(snapshot)"
    same "net.core.somaxconn = 4096
net.ipv4.tcp_notsent_lowat = 16384
net.ipv4.tcp_slow_start_after_idle = 0" "$(tail -n +2 "$sysctl_file")"
    same "w /sys/kernel/mm/transparent_hugepage/enabled - - - - madvise
w /sys/devices/system/cpu/cpu0/cpufreq/scaling_governor - - - - performance
w /sys/devices/system/cpu/cpu1/cpufreq/scaling_governor - - - - performance" "$(tail -n +2 "$tmpfiles_file")"
    same 644 "$(stat -c %a "$sysctl_file")"
    check 0 "removed $sysctl_file" tune unpersist
    same "$others_before" "$(others)"
    check 0 "nothing to remove" tune unpersist
}

@test "what was applied is persisted as well, what the host has by itself is not" {
    set_file /proc/sys/net/core/somaxconn $'70000\n'
    check 0 "" tune apply --role latency
    check 0 "" tune persist --role latency
    grep -qx 'net.ipv4.tcp_notsent_lowat = 16384' "$sysctl_file"
    run grep somaxconn "$sysctl_file"
    [[ $status == 1 ]]
    [[ ! -e $tmpfiles_file ]]
}

@test "persist again, after a boot with the first one: the same files" {
    check 0 "" tune persist --role latency --global
    first=$(cat "$sysctl_file" "$tmpfiles_file")
    # The boot: what the files say is the host's value now, and there is no journal.
    while read -r name _ value; do
        set_file "/proc/sys/${name//.//}" "$value"$'\n'
    done < <(tail -n +2 "$sysctl_file")
    while read -r _ path _ _ _ _ value; do
        set_file "$path" "$value"$'\n'
    done < <(tail -n +2 "$tmpfiles_file")
    check 0 "" tune persist --role latency --global
    same "$first" "$(cat "$sysctl_file" "$tmpfiles_file")"
}

@test "a run for one knob leaves what an earlier one has written of others" {
    check 0 "" tune persist --role latency --global --knob net.core.somaxconn
    check 0 "" tune persist --role latency --global --knob cpu_governor
    check 0 "" tune persist --role latency --global --knob net.ipv4.tcp_notsent_lowat
    same "net.core.somaxconn = 4096
net.ipv4.tcp_notsent_lowat = 16384" "$(tail -n +2 "$sysctl_file" | sort)"
    same 2 "$(tail -n +2 "$tmpfiles_file" | grep -c scaling_governor)"
    # Again, for another role: one line for each knob.
    check 0 "" tune persist --role throughput --knob net.ipv4.tcp_notsent_lowat
    same "net.core.somaxconn = 4096
net.ipv4.tcp_notsent_lowat = 131072" "$(tail -n +2 "$sysctl_file" | sort)"
    # What somebody has edited is dropped by --force, and not kept as ours.
    echo 'vm.swappiness = 1' >>"$sysctl_file"
    check 0 "" tune persist --role latency --force --knob net.core.somaxconn
    same "net.core.somaxconn = 4096" "$(tail -n +2 "$sysctl_file")"
}

@test "what comes next is said for the same place" {
    check 0 "Undo with: tune unpersist --root '$tree'" tune persist --role latency
    check 0 "undo with: tune revert --root '$tree'" tune apply --role latency
}

@test "a file that is not ours stays" {
    echo 'net.core.somaxconn = 1' >"$sysctl_file"
    check 3 "$sysctl_file is not of this script. Nothing was changed." tune persist --role latency
    check 3 "$sysctl_file is not of this script" tune unpersist
    check 3 "$sysctl_file is not of this script" tune unpersist --force
    same 'net.core.somaxconn = 1' "$(<"$sysctl_file")"
}

@test "a file of ours that someone has edited stays, unless --force is given" {
    check 0 "" tune persist --role latency
    echo 'vm.swappiness = 1' >>"$sysctl_file"
    check 3 "$sysctl_file was edited by someone. Nothing was changed." tune unpersist
    check 3 "$sysctl_file was edited by someone" tune persist --role throughput
    grep -qx 'vm.swappiness = 1' "$sysctl_file"
    check 0 "removed" tune unpersist --force
    [[ ! -e $sysctl_file ]]
}

@test "who may overrule the files is named" {
    echo 'net.core.somaxconn=128' >"$tree/etc/sysctl.d/99-others.conf"
    mkdir -p "$tree/run/tuned" && echo 1 >"$tree/run/tuned/tuned.pid"
    check 0 "tuned is running" tune persist --role latency
    [[ $output == *"99-others.conf is read later and sets net.core.somaxconn, too."* ]]
    mkdir -p "$tree/run/sysctl.d" "$tree/usr/lib/sysctl.d"
    echo 'net.core.somaxconn = 128' | tee "$tree/usr/lib/sysctl.d/99-others.conf" >"$tree/run/sysctl.d/70-more.conf"
    check 0 "run/sysctl.d/70-more.conf is read later" tune persist --role latency
    [[ $output != *"usr/lib/sysctl.d/99-others.conf"* ]]
    [[ $output != *"sets net.ipv4"* ]]
}

@test "with nothing to say there is no file" {
    check 0 "" tune apply --role latency
    value=$(snapshot)
    rm "$(journal)"
    check 0 "nothing to persist for the role latency" tune persist --role latency
    [[ ! -e $sysctl_file ]]
    same "$value" "$(snapshot)"
}

@test "systemd and sysctl take the files" {
    check 0 "" tune persist --role latency --global
    in_namespaces sysctl --load="$sysctl_file"
    [[ $status == 0 ]]
    command -v systemd-tmpfiles >/dev/null || skip "systemd-tmpfiles is not here; sysctl has taken its file"
    before=$(snapshot)
    check 0 "" systemd-tmpfiles --root="$tree" --create "$tmpfiles_file"
    [[ $output != *ignoring* ]]
}
