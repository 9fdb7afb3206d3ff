# shellcheck shell=bash
# Prints a script that does what `apply` would do here and now, and its inverse. It needs nothing of ours to run.

plan() {
    load_journal
    check_place
    examine
    refuse_or_mention
    printf '#!/bin/sh\n# For the role %s: "sh plan.sh apply" changes this host, "sh plan.sh revert" undoes it.\n' "$role"
    printf 'set -eu\ncase ${1-} in\napply)\n'
    plan_changes
    printf '    ;;\nrevert)\n'
    plan_inverse
    printf '    ;;\n*)\n    echo "Try: sh plan.sh apply, or sh plan.sh revert" >&2\n    exit 2\n    ;;\nesac\n'
}

plan_changes() {
    local index name
    for index in "${!seen_name[@]}"; do
        [[ ${seen_state[index]} == change ]] || continue
        name=${seen_name[index]}
        printf '    # %s: %s -> %s. %s\n' "$name" "${seen_now[index]}" "${seen_want[index]}" "${field["$name why"]}"
        print_write "${seen_path[index]}" "${seen_want[index]}"$'\n'
    done
    printf '    :\n' # A branch of sh may not be empty.
}

# Backwards, and to the value of before our first change where that is noted.
plan_inverse() {
    local index path raw
    for ((index = ${#seen_name[@]} - 1; index >= 0; index -= 1)); do
        [[ ${seen_state[index]} == change ]] || continue
        path=${seen_path[index]}
        raw=${journal_old[$path]-${seen_raw[index]}}
        if [[ -z $root && $raw == *'['*']'* ]]; then
            plain "$raw"
            raw=$REPLY$'\n'
        fi
        print_write "$path" "$raw"
    done
    printf '    :\n'
}

# A line of shell that writes these bytes, whatever they are.
print_write() {
    local quote="'\\''" format='%s'
    local bytes=$2
    if [[ $bytes == *$'\n' ]]; then
        bytes=${bytes%$'\n'} format='%s\n'
    fi
    printf "    printf '%s' '%s' > '%s'\n" "$format" "${bytes//\'/"$quote"}" "${root//\'/"$quote"}$1"
}
