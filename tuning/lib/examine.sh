# shellcheck shell=bash
# Looks at the host, and at the journal in memory: for each file of each selected knob one entry in the arrays below. It
# changes nothing.
#
# state is one of
#   ok        as the role asks, or better
#   change    apply would change it
#   global    the same, but the whole machine shares it, and --global was not given
#   keep      the role leaves it alone
#   readonly  it cannot be written from here
#   missing   this kernel does not have it
#   strange   what it reads cannot be compared with what is asked
#   advice    for people, and nothing for this script

seen_name=() seen_path=() seen_state=() seen_raw=() seen_now=() seen_want=()

examine() {
    local name path targets
    for name in "${selected[@]}"; do
        find_targets "$name"
        for path in "${targets[@]:--}"; do
            look_at "$name" "$path"
        done
    done
}

look_at() {
    local name=$1 path=$2 raw='' now='-' want=${field["$1 $role"]} state
    if [[ $path != - ]] && read_raw "$path"; then
        raw=$REPLY
        plain "$raw"
        now=$REPLY
    fi
    if [[ ${field["$name rule"]} == advice ]]; then
        state=advice
        [[ $path != - ]] || limit_of_process "$name"
    elif [[ $want == - ]]; then
        state=keep
    elif [[ -z $raw ]]; then
        state=missing
        [[ ! -e $root$path ]] || state=strange
    elif ! ruled "${field["$name rule"]}" "$(host_value "$path" "$now")" "$want"; then
        state=strange
    else
        want=$REPLY
        judge "$name" "$path" "$now" "$want"
    fi
    seen_name+=("$name") seen_path+=("$path") seen_state+=("$state")
    seen_raw+=("$raw") seen_now+=("$now") seen_want+=("$want")
}

# What the host has by itself: what stood there before our first change, or else what stands there now. A rule that never
# lowers must not take what another role has raised for the host's own.
host_value() {
    if [[ -n ${journal_ours["$1=$2"]-} ]]; then
        plain "${journal_old[$1]}"
        printf '%s' "$REPLY"
    else
        printf '%s' "$2"
    fi
}

# What is to be done about a value that differs, to `state` of the caller.
judge() {
    if [[ $3 == "$4" ]]; then
        state=ok
    elif ((EUID == 0)) && [[ ! -w $root$2 ]]; then
        state=readonly # Even for root: a container, or a network namespace that sees the machine's value.
    elif [[ ${field["$1 scope"]} == global ]] && ((!with_global)); then
        state=global
    else
        state=change
    fi
}

# Limits that this shell has itself, to `now` of the caller. The server's may be others.
limit_of_process() {
    case $1 in
    LimitNOFILE) now=$(ulimit -n) ;;
    LimitMEMLOCK) now=$(ulimit -l) ;;
    esac
}

denied=0 # How many values cannot be written from here.

# Ends when a knob that was asked for by name cannot be had; of a role's, those are left out with a line.
refuse_or_mention() {
    local index name why code
    for index in "${!seen_name[@]}"; do
        name=${seen_name[index]} code=$CANNOT
        case ${seen_state[index]} in
        ok | change) continue ;;
        keep) why="is left alone by the role $role" code=$USAGE ;;
        advice) why="is nothing that this script changes: ${field["$name why"]}" code=$USAGE ;;
        global) why="belongs to the whole machine. Try: --global" code=$USAGE ;;
        readonly) why="cannot be written from here" && ((denied += 1)) ;;
        missing) why="is not there: this kernel does not have it" ;;
        strange) why="reads '${seen_now[index]}', which cannot be compared with '${seen_want[index]}'" ;;
        esac
        if ((${#asked[@]})); then
            end "$code" "$name ${why%.}. Nothing was changed."
        elif [[ ${seen_state[index]} != @(advice|keep) ]]; then
            say "left out: $name ${why%.}."
        fi
    done
}
