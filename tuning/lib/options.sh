# shellcheck shell=bash
# The command line, to the variables below. It must not touch the host.

verb='' role='' format=text
root=${TIDEMILL_SYSROOT-} state=''
with_global=0 force=0 keep=0 dry_run=0
asked=() # Names after --knob.
given='' # Where to work, as it was said: for commands that are to be given next.
pairs=10 duration=1s seed=1
tidemill=$here/../target/release/tidemill loadgen=$here/../target/release/loadgen

read_options() {
    while (($#)); do
        case $1 in
        -h | --help | help) usage && exit "$FINE" ;;
        --global) with_global=1 ;;
        --force) force=1 ;;
        --keep) keep=1 ;;
        --dry-run) dry_run=1 ;;
        --*=*) # As if it had been written in two words.
            set -- "${1%%=*}" "${1#*=}" "${@:2}"
            continue
            ;;
        --*)
            (($# > 1)) || end "$USAGE" "$1 is unknown, or lacks its value. Try: tune --help"
            take_option "$1" "$2"
            shift
            ;;
        *)
            [[ -z $verb ]] || end "$USAGE" "'$1' is one word too many after $verb. Try: tune --help"
            verb=$1
            ;;
        esac
        shift
    done
    check_options
}

take_option() {
    case $1 in
    --role) role=$2 ;;
    --knob) asked+=("$2") ;;
    --format) format=$2 ;;
    --journal)
        state=$(named "$1" "$2") || exit
        given+=" $1 ${2@Q}"
        ;;
    --root)
        root=$(named "$1" "$2") || exit
        given+=" $1 ${2@Q}"
        ;;
    --pairs) pairs=$2 ;;
    --duration) duration=$2 ;;
    --seed) seed=$2 ;;
    --tidemill) tidemill=$2 ;;
    --loadgen) loadgen=$2 ;;
    *) end "$USAGE" "the option $1 is unknown. Try: tune --help" ;;
    esac
}

check_options() {
    case $verb in
    check | plan | apply | persist)
        [[ -n $role ]] || end "$USAGE" "$verb needs to know what for. Try: --role latency, throughput or idle"
        ;;
    verify | revert | unpersist | measure) ;;
    '') end "$USAGE" "a verb is missing. Try: tune check --role latency, or tune --help" ;;
    *) end "$USAGE" "'$verb' is no verb. Try: tune --help" ;;
    esac
    [[ $role == @(|latency|throughput|idle) ]] ||
        end "$USAGE" "there is no role '$role'. Try: --role latency, throughput or idle"
    [[ $format == @(text|tsv|json) ]] || end "$USAGE" "there is no format '$format'. Try: text, tsv or json"
    is_count "$pairs" && ((pairs >= 2)) || end "$USAGE" "--pairs takes a number from 2 on, and not '$pairs'"
    [[ $duration =~ ^[1-9][0-9]{0,8}(ms|s|m)$ ]] ||
        end "$USAGE" "--duration takes a time as in 1s or 500ms, and not '$duration'"
    is_count "$seed" || end "$USAGE" "--seed takes a number, and not '$seed'"
    ((force == 0 || keep == 0)) || end "$USAGE" "--force and --keep say the opposite. Try: one of them"
    ((!dry_run)) || belongs --dry-run apply
    ((!force)) || belongs --force apply revert persist unpersist
    ((!keep)) || belongs --keep revert
    [[ $format == text ]] || belongs --format check verify
    root=${root%/}
    [[ -z $root || -d $root ]] || end "$USAGE" "there is no folder $root"
    state=${state:-$root/var/lib/tidemill/tuning}
}

# A folder that an option names. Nothing is no folder: a variable that is not set would mean the host itself.
named() {
    [[ -n $2 ]] || end "$USAGE" "$1 takes a folder, and not nothing. Nothing was changed."
    printf '%s' "$2"
}

# Ends where the verb would not heed an option that was given: option, verbs that heed it.
belongs() {
    [[ " ${*:2} " == *" $verb "* ]] ||
        end "$USAGE" "$1 means nothing to $verb, but to ${*:2}. Nothing was changed. Try: tune --help"
}

# Whether this is a number that bash can count with.
is_count() {
    [[ $1 =~ ^(0|[1-9][0-9]{0,8})$ ]]
}
