# shellcheck shell=bash
# How the script speaks: data on standard output, sentences on standard error, and what each exit code means.

# shellcheck disable=SC2034 # They are used by the other parts.
readonly FINE=0 DIFFERS=1 USAGE=2 CANNOT=3 PUT_BACK=4 BUSY=5 LEFT_OVER=6

# What nobody hears is no reason to stop half-way.
say() {
    printf 'tune: %s\n' "$*" >&2 || true
}

# Ends with an exit code and one sentence.
end() {
    local code=$1
    shift
    say "$*"
    exit "$code"
}

# Ends unless a program is in the path.
need() {
    command -v "$1" >/dev/null || end "$CANNOT" "$1 is missing, and nothing was changed. Try: apt-get install $2"
}

usage() {
    cat <<'END'
Tunes a Linux host for Tidemill, measures what that brings, and puts back exactly what was there.

Usage: tune VERB [OPTIONS]

Verbs that change nothing:
  check      Show each knob: what it is, what the role asks for, and why
  plan       Print a shell script that does what apply would do ("sh plan.sh apply"), and undoes it
             ("sh plan.sh revert")
  verify     Say whether what was applied is in force
  measure    Measure knobs in a network namespace of their own, in interleaved pairs of runs

Verbs that change the host:
  apply      Note what is there, then change it; after any failure all is put back
  revert     Put back what apply has changed, to the byte. What someone else has changed since is told
             and left alone
  persist    Let the values hold after a reboot: one file in /etc/sysctl.d, one in /etc/tmpfiles.d
  unpersist  Remove exactly these files

Options:
  --role ROLE      latency, throughput or idle (many idle connections). check, plan, apply and persist
                   need one
  --knob NAME      Only this knob of knobs.tsv; repeat it for more
  --global         Also knobs that the whole machine shares, and not this network namespace alone
  --force          apply, revert: overwrite what someone else has changed since.
                   unpersist: remove a file of ours that someone has edited
  --keep           revert: leave what someone else has changed, and forget what was there before
  --dry-run        apply: the same as plan
  --format FORM    check, verify: text, tsv or json [default: text]
  --journal DIR    Where values are noted before they are changed [default: /var/lib/tidemill/tuning]
  --root DIR       Work on a tree of files below DIR instead of this host, for tests; so does the
                   variable TIDEMILL_SYSROOT
  -h, --help       Print this

Options of measure:
  --pairs N        Pairs of runs for each trial [default: 10]
  --duration TIME  Measured time of each run [default: 1s]
  --seed N         Seed of the bootstrap [default: 1]
  --tidemill FILE  [default: target/release/tidemill]
  --loadgen FILE   [default: target/release/loadgen]

Exit codes:
  0  fine: nothing to change, all in force, all put back
  1  differs: check found something to change, verify something not in force, revert or apply something
     that someone else has changed since
  2  the command line or the table is wrong; nothing was changed
  3  a privilege, a tool or a file is missing; nothing was changed
  4  a value was refused; everything was put back
  5  another run is going on; nothing was changed
  6  something could not be put back; the journal is kept, and revert may be run again
  130, 143  interrupted; everything was put back
END
}
