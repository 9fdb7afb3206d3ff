#!/usr/bin/env bats
# The real kernel in a network namespace of the test: its tabs, its clamps, its read-only files.

load helper

setup() {
    in_namespaces true
    state=$BATS_TEST_TMPDIR/state
    # Every value below /proc/sys/net, name and bytes.
    cat >"$BATS_TEST_TMPDIR/snapshot" <<'END'
find /proc/sys/net -type f -readable ! -name 'stat_*' ! -name tcp_fastopen_key 2>/dev/null | sort | while read -r file; do
    echo "$file $(cat "$file" 2>/dev/null | od -An -c | tr -d '\n')"
done
END
}

# Runs lines of shell in namespaces: $tune is the script with its journal, `snapshot FILE` notes every value there.
inside() {
    in_namespaces bash -c "set -e
tune='$tuning/tune --journal $state'
snapshot() { bash '$BATS_TEST_TMPDIR/snapshot' >\"$BATS_TEST_TMPDIR/\$1\"; }
value() { cat \"/proc/sys/net/\$1\"; }
$1"
}

@test "apply, verify, revert: /proc/sys/net is identical to the byte, for each role" {
    for role in latency throughput idle; do
        inside "
            echo 100 >/proc/sys/net/core/somaxconn
            printf '4096 87380 6291456' >/proc/sys/net/ipv4/tcp_rmem
            snapshot before
            \$tune apply --role $role
            snapshot between
            \$tune verify
            \$tune revert
            snapshot after"
        [[ $status == 0 ]]
        [[ $(wc -l <"$BATS_TEST_TMPDIR/before") -gt 100 ]]
        run diff "$BATS_TEST_TMPDIR/before" "$BATS_TEST_TMPDIR/between"
        [[ $status == 1 && $output == *somaxconn* ]]
        cmp "$BATS_TEST_TMPDIR/before" "$BATS_TEST_TMPDIR/after"
        [[ ! -e $state/journal ]]
    done
}

@test "the plan, and its inverse" {
    inside "
        echo 100 >/proc/sys/net/core/somaxconn
        snapshot before
        \$tune plan --role throughput >'$BATS_TEST_TMPDIR/plan.sh'
        sh '$BATS_TEST_TMPDIR/plan.sh' apply
        value core/somaxconn
        sh '$BATS_TEST_TMPDIR/plan.sh' revert
        snapshot after"
    [[ $status == 0 && $output == *4096* ]]
    cmp "$BATS_TEST_TMPDIR/before" "$BATS_TEST_TMPDIR/after"
}

@test "what cannot be written from a namespace, or is not there, is left out, and refused by name" {
    inside "
        snapshot before
        \$tune apply --role throughput --global || exit 9
        \$tune revert
        \$tune apply --role throughput --global --knob net.core.rmem_max || echo \"code \$?\"
        \$tune apply --role throughput --global --knob net.core.netdev_budget || echo \"code \$?\"
        snapshot after"
    [[ $status == 0 ]]
    [[ $output == *"left out: net.core.rmem_max cannot be written from here."* ]]
    [[ $output == *"left out: net.core.netdev_budget is not there: this kernel does not have it."* ]]
    [[ $output == *"tune: net.core.rmem_max cannot be written from here. Nothing was changed."*"code 3"* ]]
    cmp "$BATS_TEST_TMPDIR/before" "$BATS_TEST_TMPDIR/after"
}

@test "all of /proc/sys read-only, as in a container: nothing is changed" {
    inside "
        snapshot before
        mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys
        \$tune apply --role latency || echo \"code \$?\"
        \$tune apply --role latency --knob net.ipv4.tcp_notsent_lowat || echo \"code \$?\"
        snapshot after"
    [[ $output == *"nothing was changed: 2 cannot be written from here, and nothing else is to be done."*"code 3"* ]]
    [[ $output == *"tcp_notsent_lowat cannot be written from here. Nothing was changed."*"code 3"* ]]
    cmp "$BATS_TEST_TMPDIR/before" "$BATS_TEST_TMPDIR/after"
}

@test "a journal of another network namespace is not played back" {
    inside "\$tune apply --role latency"
    [[ $status == 0 && -e $state/journal ]]
    inside "\$tune revert"
    [[ $status == 3 && $output == *"is of another network namespace, net:["*"Nothing was changed."* ]]
    for verb in verify "check --role latency" "plan --role latency"; do
        inside "\$tune $verb"
        [[ $status == 3 && $output == *"is of another network namespace"* ]]
    done
    [[ -e $state/journal ]]
}

@test "after a reboot the journal is as good as the values are" {
    inside "
        snapshot before
        \$tune apply --role latency
        sed -i 's/^place.*/place\tanother-boot\tnet:[1]/; /^end/d' $state/journal
        printf 'end\t%s\n' \"\$(cksum <$state/journal)\" >>$state/journal
        echo 1 >/proc/sys/net/ipv4/tcp_slow_start_after_idle # As the boot left it.
        \$tune verify || true
        \$tune revert
        snapshot after"
    [[ $status == 0 && $output == *"the machine was restarted"* && $output == *"as it was before"* ]]
    cmp "$BATS_TEST_TMPDIR/before" "$BATS_TEST_TMPDIR/after"
}

@test "two at the same time: one does it, the other says so" {
    inside "
        snapshot before
        for run in 1 2 3 4; do (\$tune apply --role latency || echo \"code \$?\") & done
        wait
        \$tune verify
        \$tune revert
        snapshot after"
    [[ $status == 0 && $output != *"code "[!5]* ]]
    cmp "$BATS_TEST_TMPDIR/before" "$BATS_TEST_TMPDIR/after"
}
