#!/usr/bin/env bats
# What is changed, what is not, and that all of it comes back to the byte.

load helper

setup() {
    make_tree
}

@test "apply, verify, revert: a byte-identical host, for each role" {
    before=$(snapshot)
    for role in latency throughput idle; do
        check 1 "" tune check --role "$role" --global
        check 0 "undo with" tune apply --role "$role" --global
        [[ $(snapshot) != "$before" ]]
        check 0 "ok" tune verify
        check 0 "nothing to change" tune apply --role "$role" --global
        check 0 "as it was before" tune revert
        same "$before" "$(snapshot)"
        [[ ! -e $(journal) ]]
    done
}

@test "every knob of the table goes there and back, for every role that has a value for it" {
    tree=$BATS_TEST_TMPDIR/all
    count=0
    while IFS=$'\t' read -r name where _ rule _ _ latency throughput idle _; do
        [[ $name != '#'* && $rule != advice ]] || continue
        path=${where/#sysctl//proc/sys/${name//.//}}
        path=${path//'*'/0}
        for role in latency throughput idle; do
            wanted=${!role}
            [[ $wanted != - ]] || continue
            case $rule in # As many fields as the table has, as the kernel prints them.
            raise) set_file "$path" "$(sed -E 's/[0-9]+/0/g; s/ /\t/g' <<<"$wanted")"$'\n' ;;
            lower) set_file "$path" $'4294967295\n' ;;
            set) set_file "$path" $'another\n' ;;
            esac
            before=$(snapshot)
            check 0 "$name: " tune apply --role "$role" --knob "$name" --global
            same "$wanted" "$(value "$path")"
            check 0 "" tune revert
            same "$before" "$(snapshot)"
            ((count += 1))
        done
    done <"$tuning/knobs.tsv"
    ((count > 20))
}

@test "a value that is better already is never lowered, field by field" {
    set_file /proc/sys/net/core/somaxconn $'70000\n'
    set_file /proc/sys/net/ipv4/tcp_rmem $'8192\t87380\t99999999\n'
    check 0 "" tune apply --role throughput
    same 70000 "$(value /proc/sys/net/core/somaxconn)"
    same "8192 131072 99999999" "$(value /proc/sys/net/ipv4/tcp_rmem)"
    same "4096"$'\t'"16384"$'\t'"67108864" "$(value /proc/sys/net/ipv4/tcp_wmem)"
}

@test "a lower bound that is lower already is not raised" {
    set_file /proc/sys/net/ipv4/tcp_notsent_lowat $'8192\n'
    check 0 "" tune apply --role throughput
    same 8192 "$(value /proc/sys/net/ipv4/tcp_notsent_lowat)"
}

@test "what the whole machine shares needs --global" {
    check 0 "rmem_max belongs to the whole machine" tune apply --role throughput
    same 212992 "$(value /proc/sys/net/core/rmem_max)"
    same powersave "$(value /sys/devices/system/cpu/cpu1/cpufreq/scaling_governor)"
    check 0 "" tune apply --role throughput --global
    same 8388608 "$(value /proc/sys/net/core/rmem_max)"
    same performance "$(value /sys/devices/system/cpu/cpu1/cpufreq/scaling_governor)"
}

@test "a second role keeps the values of before the first, and its rules look at these" {
    before=$(snapshot)
    check 0 "" tune apply --role latency
    same 16384 "$(value /proc/sys/net/ipv4/tcp_notsent_lowat)"
    check 0 "" tune apply --role throughput
    same 4096 "$(value /proc/sys/net/core/somaxconn)"
    same 131072 "$(value /proc/sys/net/ipv4/tcp_notsent_lowat)"
    check 0 "" tune verify
    check 0 "" tune revert
    same "$before" "$(snapshot)"
}

@test "revert may be run twice, and by the knob" {
    before=$(snapshot)
    check 0 "" tune apply --role latency
    check 0 "The journal keeps the others" tune revert --knob net.core.somaxconn
    check 0 "nothing to put back: the journal has none of these knobs" tune revert --knob net.core.somaxconn
    check 1 "not applied" tune verify --knob net.core.somaxconn
    same 128 "$(value /proc/sys/net/core/somaxconn)"
    same 16384 "$(value /proc/sys/net/ipv4/tcp_notsent_lowat)"
    check 0 "" tune revert
    same "$before" "$(snapshot)"
    check 0 "nothing to put back" tune revert
}

@test "what somebody else has changed since is told and left alone" {
    check 0 "" tune apply --role latency
    set_file /proc/sys/net/core/somaxconn $'5000\n'
    check 1 "Somebody else" tune verify
    check 1 "somaxconn is 5000, which somebody else has written since" tune revert
    same 5000 "$(value /proc/sys/net/core/somaxconn)"
    same 4294967295 "$(value /proc/sys/net/ipv4/tcp_notsent_lowat)"
    [[ -e $(journal) ]]
    check 1 "1 left" tune revert
    check 0 "as it was before" tune revert --force
    same 128 "$(value /proc/sys/net/core/somaxconn)"
}

@test "revert --keep leaves what somebody else has changed, and forgets it" {
    check 0 "" tune apply --role latency
    set_file /proc/sys/net/core/somaxconn $'5000\n'
    check 0 "" tune revert --keep
    same 5000 "$(value /proc/sys/net/core/somaxconn)"
    [[ ! -e $(journal) ]]
}

@test "apply does not overwrite what somebody else has changed since, either" {
    check 0 "" tune apply --role latency
    set_file /proc/sys/net/core/somaxconn $'500\n'
    check 1 "somaxconn is 500, which somebody else has written since" tune apply --role latency
    same 500 "$(value /proc/sys/net/core/somaxconn)"
    check 0 "" tune apply --role latency --force
    same 4096 "$(value /proc/sys/net/core/somaxconn)"
    check 0 "" tune revert
    same 128 "$(value /proc/sys/net/core/somaxconn)"
}

@test "a file that has gone is told" {
    check 0 "" tune apply --role latency --global
    rm -r "$tree/sys/devices/system/cpu/cpu1"
    check 1 "cpu1/cpufreq/scaling_governor is not there any more" tune revert
    check 0 "" tune revert --keep
    same schedutil "$(value /sys/devices/system/cpu/cpu0/cpufreq/scaling_governor)"
}

@test "values with quotes, backslashes and percent signs come back" {
    raw=$'it\'s "a" \\t %s \\\\ $(x)\n'
    set_file /sys/devices/system/cpu/cpu0/cpufreq/scaling_governor "$raw"
    before=$(snapshot)
    check 0 "" tune apply --role latency --knob cpu_governor --global
    same performance "$(value /sys/devices/system/cpu/cpu0/cpufreq/scaling_governor)"
    check 0 "" tune revert
    same "$before" "$(snapshot)"
}

@test "the plan is a script that does what apply does, and undoes it" {
    before=$(snapshot)
    tune plan --role throughput --global >"$BATS_TEST_TMPDIR/plan.sh" 2>/dev/null
    same "$before" "$(snapshot)"
    sh "$BATS_TEST_TMPDIR/plan.sh" apply
    planned=$(snapshot)
    sh "$BATS_TEST_TMPDIR/plan.sh" revert
    same "$before" "$(snapshot)"
    check 0 "" tune apply --role throughput --global
    same "$planned" "$(snapshot)"
    check 2 "Try: sh plan.sh" sh "$BATS_TEST_TMPDIR/plan.sh"
}

@test "the plan quotes what it does not know" {
    raw=$'it\'s; $(touch '"$BATS_TEST_TMPDIR"$'/planted)\n'
    set_file /sys/devices/system/cpu/cpu0/cpufreq/scaling_governor "$raw"
    before=$(snapshot)
    tune apply --dry-run --role latency --global >"$BATS_TEST_TMPDIR/plan.sh" 2>/dev/null
    sh "$BATS_TEST_TMPDIR/plan.sh" apply
    sh "$BATS_TEST_TMPDIR/plan.sh" revert
    same "$before" "$(snapshot)"
    [[ ! -e $BATS_TEST_TMPDIR/planted ]]
}

@test "the tree may be named by a variable" {
    TIDEMILL_SYSROOT=$tree check 1 "128 -> 4096" "$tuning/tune" check --role latency --knob net.core.somaxconn
}

@test "check speaks text, tabs and JSON" {
    check 1 "change    net.core.somaxconn" tune check --role latency
    check 1 $'net.core.somaxconn\tchange\t128\t4096\t/proc/sys/net/core/somaxconn\tnetns' tune check --role latency --format tsv
    check 1 '"knob": "net.core.somaxconn", "state": "change", "now": "128", "wanted": "4096"' \
        tune check --role latency --format json
    if command -v jq >/dev/null; then
        jq -e 'length > 20 and all(.why != "")' <<<"$output"
    fi
    check 0 "" tune apply --role latency --global
    check 0 "ok " tune check --role latency --global
    check 0 $'net.core.somaxconn\tok\t4096\t4096' tune verify --format tsv
}

@test "the README has every knob of the table, with its evidence" {
    while IFS=$'\t' read -r name _ _ _ _ _ _ _ _ _ evidence _; do
        [[ $name != '#'* ]] || continue
        echo "README.md lacks: $name, or ${evidence^}"
        grep -F "| \`$name\` |" "$tuning/README.md" | grep -qF "| ${evidence^}. |"
    done <"$tuning/knobs.tsv"
}
