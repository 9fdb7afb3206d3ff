#!/usr/bin/env bats
# What bad input gets: one clear sentence, its exit code, and a host as it was.

load helper

setup() {
    make_tree
    before=$(snapshot)
}

teardown() {
    same "$before" "$(snapshot)"
}

@test "a command line that is wrong" {
    check 2 "a verb is missing" tune
    check 2 "'aply' is no verb" tune aply --role latency
    check 2 "one word too many" tune check apply
    check 2 "needs to know what for. Try: --role latency, throughput or idle" tune apply
    check 2 "there is no role 'fast'" tune apply --role fast
    check 2 "there is no format 'xml'" tune check --role=latency --format=xml
    check 2 "--what is unknown" tune check --what
    check 2 "--what is unknown" tune check --what ever
    check 2 "--role is unknown, or lacks its value" tune check --role
    check 2 "say the opposite" tune revert --force --keep
    check 2 "--pairs takes a number from 2 on, and not '1'" tune measure --pairs 1
    check 2 "--seed takes a number, and not 'a[0]'" tune measure --seed 'a[0]'
    check 2 "there is no folder $tree/none" "$tuning/tune" check --role latency --root "$tree/none"
    check 2 "--root takes a folder, and not nothing" "$tuning/tune" apply --role latency --root ''
    check 2 "--journal takes a folder, and not nothing" tune apply --role latency --journal ''
    check 0 "Exit codes:" tune --help
    check 2 "--duration takes a time as in 1s or 500ms, and not 'soon'" tune measure --duration soon
}

@test "however it is called" {
    ln -s "$tuning/tune" "$BATS_TEST_TMPDIR/link"
    check 0 "Exit codes:" "$BATS_TEST_TMPDIR/link" --help
    cd "$tuning/.."
    CDPATH=.:/tmp check 0 "Exit codes:" "$(basename "$tuning")/tune" --help
    ! command -v dash || check 3 "this needs bash 4.4 or newer" dash "$tuning/tune" --help
}

@test "an option that the verb would not heed" {
    for verb in revert persist unpersist verify; do
        check 2 "--dry-run means nothing to $verb, but to apply. Nothing was changed." tune "$verb" --dry-run --role latency
    done
    check 2 "--force means nothing to check" tune check --force --role latency
    check 2 "--keep means nothing to apply, but to revert." tune apply --keep --role latency
    check 2 "--format means nothing to plan, but to check verify." tune plan --format json --role latency
}

@test "an unknown knob" {
    check 2 "there is no knob 'somaxconn'. Try: net.core.somaxconn. Nothing was changed." \
        tune apply --role latency --knob somaxconn
    check 2 "Try: tune check --role latency, which shows all." tune revert --knob 'no.such*'
}

@test "a knob that cannot be had, asked for by its name" {
    rm "$tree/proc/sys/net/ipv4/tcp_syncookies"
    before=$(snapshot)
    apply=(tune apply --role latency --knob net.core.somaxconn --knob)
    check 3 "tcp_syncookies is not there: this kernel does not have it. Nothing was changed." "${apply[@]}" net.ipv4.tcp_syncookies
    check 2 "cpu_governor belongs to the whole machine. Try: --global. Nothing was changed." "${apply[@]}" cpu_governor
    check 2 "tcp_wmem is left alone by the role latency. Nothing was changed." "${apply[@]}" net.ipv4.tcp_wmem
    check 2 "LimitNOFILE is nothing that this script changes: Set it in the unit" "${apply[@]}" LimitNOFILE
    [[ ! -e $(journal) ]]
}

@test "a value that cannot be compared" {
    set_file /proc/sys/net/core/somaxconn $'many\n'
    set_file /proc/sys/net/ipv4/tcp_rmem $'1\t2\n'
    before=$(snapshot)
    check 3 "somaxconn reads 'many', which cannot be compared with '4096'" tune apply --role latency --knob net.core.somaxconn
    check 3 "tcp_rmem reads '1 2', which cannot" tune apply --role throughput --knob net.ipv4.tcp_rmem
    check 1 "strange   net.core.somaxconn" tune check --role latency
}

@test "a missing tool" {
    mkdir "$BATS_TEST_TMPDIR/bin"
    for program in bash cat dirname sort mkdir; do
        ln -s "$(command -v $program)" "$BATS_TEST_TMPDIR/bin"
    done
    PATH=$BATS_TEST_TMPDIR/bin check 3 "flock is missing, and nothing was changed. Try: apt-get install util-linux" \
        "$BASH" "$tuning/tune" apply --role latency --root "$tree"
}

@test "a second run while one is going on" {
    mkdir -p "$(dirname "$(journal)")"
    exec 8<"$(dirname "$(journal)")"
    flock 8
    for verb in "apply --role latency" "persist --role latency" unpersist; do
        # shellcheck disable=SC2086 # It is several words.
        check 5 "another run is going on in ${tree}/var/lib/tidemill/tuning. Nothing was changed." tune $verb
    done
    touch "$(journal)"
    check 5 "another run is going on" tune revert
    rm "$(journal)"
    exec 8<&-
    check 0 "" tune apply --role latency
    check 0 "" tune revert
}

@test "a journal that is not ours" {
    mkdir -p "$(dirname "$(journal)")"
    refuse() {
        printf '%s\n' "$@" >"$(journal)"
        check 3 "journal:$line is not what this script writes. Nothing was changed." tune revert
        check 3 "is not what this script writes" tune apply --role latency
    }
    head='tidemill tuning journal 1' place=$'place\ttree\ttree'
    line=1 refuse 'something else'
    line=1 refuse "$head" "value"
    line=3 refuse "$head" "$place" $'value\tnet.core.somaxconn\t/proc/sys/net/core/somaxconn'
    line=4 refuse "$head" "$place" $'value\ta\t/proc/sys/net/core/somaxconn\t1\\n\t2' $'value\ta\t/etc/passwd\t1\\n\t2'
    line=3 refuse "$head" "$place" $'value\ta\t/proc/sys/../../etc/passwd\t1\\n\t2'
    # One that was cut, or changed, is none.
    rm "$(journal)"
    tune apply --role latency
    cp "$(journal)" "$BATS_TEST_TMPDIR/whole"
    for ((count = $(wc -l <"$BATS_TEST_TMPDIR/whole") - 1; count > 0; count -= 1)); do
        head -n "$count" "$BATS_TEST_TMPDIR/whole" >"$(journal)"
        check 3 "is not what this script writes. Nothing was changed." tune revert
    done
    sed 's/128/127/' "$BATS_TEST_TMPDIR/whole" >"$(journal)"
    check 3 "is not what this script writes. Nothing was changed." tune revert
    cp "$BATS_TEST_TMPDIR/whole" "$(journal)"
    tune revert
    # A path is a path, whatever it looks like.
    planted=$(printf '%s\n.' "$head" "$place" $'value\ta\t/sys/$(touch '"$BATS_TEST_TMPDIR"$'/planted)\t1\\n\t2')
    planted=${planted//$'\n.'/$'\n'}
    printf '%send\t%s\n' "$planted" "$(printf '%s' "$planted" | cksum)" >"$(journal)"
    check 1 "is not there any more" tune revert
    [[ ! -e $BATS_TEST_TMPDIR/planted ]]
}

@test "a journal that somebody else could have written" {
    ((EUID == 0)) || skip "only root can give files away"
    tune apply --role latency
    chown 65534 "$(journal)"
    check 3 "journal belongs to user 65534, who could have written anything there. Nothing was changed." tune revert
    chown 0 "$(journal)"
    chown 65534 "$(dirname "$(journal)")"
    for verb in revert "apply --role latency" "check --role latency" verify; do
        # shellcheck disable=SC2086 # It is several words.
        check 3 "tuning belongs to user 65534" tune $verb
    done
    chown 0 "$(dirname "$(journal)")"
    check 0 "" tune revert
}

@test "a table with a mistake" {
    cp -r "$tuning" "$BATS_TEST_TMPDIR/tuning"
    table=$BATS_TEST_TMPDIR/tuning/knobs.tsv
    refuse() {
        { cat "$tuning/knobs.tsv" && printf '%b\n' "$2"; } >"$table"
        check 2 "knobs.tsv:$(wc -l <"$table"): $1" "$BATS_TEST_TMPDIR/tuning/tune" apply --role latency --root "$tree"
    }
    refuse "3 cells where there are 12 columns" 'a\tb\tc'
    refuse "net.core.somaxconn is there twice" 'net.core.somaxconn\tsysctl\tnetns\traise\tnow\t1\t1\t1\t1\tr\te\tw'
    refuse "where is '/etc/passwd'?" 'a\t/etc/passwd\tglobal\tset\tnow\t1\t1\t1\t1\tr\te\tw'
    refuse "there is no scope 'moon'" 'a\tsysctl\tmoon\tset\tnow\t1\t1\t1\t1\tr\te\tw'
    refuse "there is no rule 'cut'" 'a\tsysctl\tnetns\tcut\tnow\t1\t1\t1\t1\tr\te\tw'
    refuse "raise and lower take numbers" 'a\tsysctl\tnetns\traise\tnow\t1\t1\tx[$(date)]\t1\tr\te\tw'
    refuse "only advice has no file" 'a\t-\tnetns\tset\tnow\t1\t1\t1\t1\tr\te\tw'
}

@test "somebody without rights" {
    ((EUID == 0)) || skip "only root can become somebody without rights"
    # A copy that this somebody can read, wherever the tests stand.
    place=$(mktemp -d) && chmod 755 "$place"
    cp -r "$tuning" "$tree" "$place" && chmod -R a+rX "$place"
    nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups "$place/tuning/tune" --root "$place/tree")
    check 1 "change    net.core.somaxconn" "${nobody[@]}" check --role latency
    check 0 "sh plan.sh" "${nobody[@]}" plan --role latency
    check 3 "can be written by root only. Nothing was changed. Try: sudo tuning/tune apply" "${nobody[@]}" apply --role latency
    check 3 "can be written by root only. Nothing was changed. Try: sudo" "${nobody[@]}" apply --role latency --journal "$place/tree"
    check 3 "can be written by root only" "${nobody[@]}" persist --role latency
    mkdir -m 700 "$place/state"
    check 3 "state can be read by root only" "${nobody[@]}" revert --journal "$place/state"
    check 3 "state can be read by root only" "${nobody[@]}" verify --journal "$place/state"
    rm -rf "$place"
}
