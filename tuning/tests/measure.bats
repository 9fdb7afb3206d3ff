#!/usr/bin/env bats
# The arithmetic of `measure` against figures that are known, and its way against a server and a generator of the test.

load helper

# Rows for the statistics: `effect` in percent on every figure but throughput, which has none; the noise is the same in
# each pair and has the median 0.
rows() {
    awk -v effect="$1" -v pairs="$2" 'BEGIN {
        for (pair = 1; pair <= pairs; pair++) {
            noise = (pair * 3 % pairs - (pairs - 1) / 2) / pairs
            printf "%d\tbefore\t1000\t200\t900\t4\t-\t0\tpass\n", pair
            printf "%d\tafter\t%.6f\t%.6f\t%.6f\t%.6f\t-\t0\tpass\n", pair, 1000 * (1 + noise / 100), \
                200 * (1 + (effect + noise) / 100), 900 * (1 + (effect + noise) / 100), 4 * (1 + (effect + noise) / 100)
        }
    }'
}

effects() {
    # shellcheck disable=SC2086 # An awk may be two words.
    rows "$1" "$2" | ${awk:-awk} -v seed="${seed:-1}" -v resamples=2000 -f "$tuning/lib/statistics.awk"
}

@test "an effect is found with its size, none is called none" {
    run effects 5 10
    echo "$output"
    [[ ${lines[0]} == *"throughput"*"1000/s"*"no effect" ]]
    [[ ${lines[1]} =~ p50.*" 200 µs   "\+[45]\.[0-9]" % [+".*higher$ ]]
    run effects -3 11
    [[ ${lines[3]} =~ "CPU per answer".*4.00.*" -3.0 % [-3".*lower$ ]]
    run effects 0 11
    [[ $output != *higher* && $output != *lower* && ${lines[1]} == *"+0.0 %"*"no effect" ]]
}

@test "what noise may hide is told" {
    run awk -v seed=1 -v resamples=1000 -f "$tuning/lib/statistics.awk" < <(
        for pair in 1 2 3 4 5 6 7 8 9; do
            printf '%s\tbefore\t100\t1\t1\t1\t-\t0\tpass\n' "$pair"
            printf '%s\tafter\t%s\t1\t1\t1\t-\t0\tpass\n' "$pair" "$((50 + 10 * pair))"
        done
    )
    echo "$output"
    [[ ${lines[0]} =~ "+0.0 % [-"[34]0\.0,\ \+[34]0\.0\]\ \ "no effect seen; noise hides "[34]0\ % ]]
}

@test "with few pairs nothing is claimed" {
    run effects 50 7
    [[ $output != *higher* && ${lines[1]} == *"+50."*"too few pairs to tell" ]]
    run effects 50 8
    [[ ${lines[1]} == *higher ]]
}

@test "of 200 trials without effect about one in a hundred is called one" {
    found=$(for ((seed = 1; seed <= 200; seed += 1)); do
        awk -v seed="$seed" 'BEGIN {
            srand(seed)
            for (pair = 1; pair <= 10; pair++) {
                printf "%d\tbefore\t%f\t-\t-\t-\t-\t0\tpass\n", pair, 1000 + 100 * rand()
                printf "%d\tafter\t%f\t-\t-\t-\t-\t0\tpass\n", pair, 1000 + 100 * rand()
            }
        }' | awk -v seed="$seed" -v resamples=400 -f "$tuning/lib/statistics.awk"
    done | grep -cE 'higher|lower' || true)
    echo "$found of 200"
    ((found <= 8))
}

@test "the same seed gives the same figures, by every awk" {
    expected=$(effects 2 10)
    for awk in mawk gawk original-awk "busybox awk"; do
        if command -v "${awk% *}" >/dev/null; then
            same "$expected" "$(effects 2 10)"
        fi
    done
}

@test "requests that failed are told, and figures that are not there" {
    run awk -v seed=1 -v resamples=100 -f "$tuning/lib/statistics.awk" \
        <<<$'1\tbefore\t5\tnull\tnull\tnull\t-\t3\tfail\n1\tafter\t5\tnull\tnull\tnull\t-\t4\tfail'
    [[ $output == *"p50              not enough answers to tell"* ]]
    [[ $output == *"not answered well: 3 before, 4 after"* ]]
    [[ $output == *"disturbed in 2 of 2 runs"* ]]
}

# A copy of the scripts, whose lock is its own; a server that says that it is ready, and a generator whose figures depend on the knob, and which writes down what it
# saw.
make_programs() {
    cp -r "$tuning" "$BATS_TEST_TMPDIR/tuning"
    tuning=$BATS_TEST_TMPDIR/tuning
    programs=$BATS_TEST_TMPDIR/programs
    mkdir -p "$programs"
    cat >"$programs/tidemill" <<'END'
#!/bin/sh
[ "$1" != --version ] || { echo tidemill 0; exit; }
echo "it is ready" >&2
exec sleep 60
END
    cat >"$programs/loadgen" <<END
#!/bin/bash
[[ \$1 != --version ]] || { echo loadgen 0; exit; }
value=\$(</proc/sys/net/core/somaxconn)
echo "\$value \$(readlink /proc/self/ns/net) \$*" >>"$BATS_TEST_TMPDIR/runs"
while [[ \$1 != --json ]]; do shift; done
cat >"\$2" <<JSON
{
  "verdict": "pass",
  "throughput": {
    "requests_per_second": \$((value / 100))
  },
  "requests": {
    "scheduled": 10,
    "ok": 10
  },
  "latency": {
    "response": {
      "p50_us": 100.5,
      "p99_us": \$((4096000 / value))
    },
    "service": {
      "p50_us": 7
    }
  },
  "server": {
    "cpu_us_per_request": 3.25
  }
}
JSON
END
    chmod +x "$programs"/*
    flags=(--tidemill "$programs/tidemill" --loadgen "$programs/loadgen")
}

# `measure` needs to make namespaces, which the root of one of the test's may.
measure() {
    (($(nproc) >= 2)) || skip "measure needs two cores"
    in_namespaces "$tuning/tune" measure "${flags[@]}" "$@"
}

@test "runs are interleaved as ABBA, each in a namespace of its own, and the host keeps its values" {
    make_programs
    before=$(</proc/sys/net/core/somaxconn)
    measure --knob net.core.somaxconn --pairs 8 --seed 3
    [[ $status == 0 ]]
    [[ $output == *"8 pairs of runs as ABBA, 1s each"*"seed 3"* ]]
    [[ $output =~ throughput\ +40\.00/s\ +\+307\.5\ %\ \[\+307\.5,\ \+307\.5\]\ +higher ]]
    [[ $output =~ p99\ +1000\ µs\ +-75\.0\ %.*lower ]]
    same "4096 16384 16384 4096 4096 16384 16384 4096" "$(tail -n 16 "$BATS_TEST_TMPDIR/runs" | head -n 8 | cut -d' ' -f1 | xargs)"
    grep -q -- '--reconnect' "$BATS_TEST_TMPDIR/runs"
    same "$before" "$(</proc/sys/net/core/somaxconn)"
    run pgrep -f "$programs/tidemill"
    [[ $status == 1 ]]
}

@test "veth: two namespaces, and a knob that is only the server's" {
    make_programs
    measure --knob net.ipv4.tcp_wmem --pairs 2
    [[ $status == 0 && $output == *"large over veth"* ]]
    grep -q 'run tcp://10.77.0.1:7000' "$BATS_TEST_TMPDIR/runs"
}

@test "what cannot be measured says so" {
    make_programs
    measure --knob net.ipv4.tcp_syncookies
    [[ $status == 2 && $output == *"none of these knobs has a trial: net.ipv4.tcp_syncookies. Their row in knobs.tsv says why"* ]]
    check 3 "there is no program /none. Try: cargo build --release --workspace" "$tuning/tune" measure --tidemill /none
    printf '#!/bin/sh\necho "cannot start: no io_uring" >&2; exit 3\n' >"$programs/tidemill"
    measure --knob net.core.somaxconn
    [[ $status == 3 && $output == *"no io_uring"*"a run failed: net.core.somaxconn = 4096, echo over lo. The host is as it was."* ]]
}

@test "two measurements at once: the second says so" {
    make_programs
    exec 8<"$tuning/trials.tsv"
    flock 8
    measure --knob net.core.somaxconn
    exec 8<&-
    [[ $status == 5 && $output == *"another measurement is going on"* ]]
}
