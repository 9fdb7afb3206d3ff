# shellcheck shell=bash
# Shows what was seen, for people and for programs.

check() {
    load_journal
    check_place
    examine
    local index changes=0
    open_list knob state now wanted path scope risk why
    for index in "${!seen_name[@]}"; do
        local name=${seen_name[index]}
        [[ ${seen_state[index]} != change ]] || ((changes += 1))
        list "$name" "${seen_state[index]}" "${seen_now[index]}" "${seen_want[index]}" "${seen_path[index]}" \
            "${field["$name scope"]}" "${field["$name risk"]}" "${field["$name why"]}"
    done
    close_list
    ((changes == 0)) || exit "$DIFFERS"
}

list_names=() list_rows=0

open_list() {
    list_names=("$@") list_rows=0
    case $format in
    tsv) join_tabs "$@" ;;
    json) printf '[' ;;
    esac
}

# One row, in the order of the names.
list() {
    case $format in
    text) list_as_text "$@" ;;
    tsv) join_tabs "$@" ;;
    json) list_as_json "$@" ;;
    esac
    ((list_rows += 1))
}

close_list() {
    [[ $format != json ]] || printf '\n]\n'
}

# What stands behind the first two cells depends on the state; the last cell is the reason.
list_as_text() {
    local value=$3 why=${*: -1}
    case $2 in
    change | global) value="$3 -> $4" ;;
    esac
    printf '%-8s  %-36s %s\n' "$2" "$1" "$value"
    [[ $2 == @(ok|keep) || -z $why ]] || printf '          %s\n' "$why"
}

list_as_json() {
    local index=0 cell
    ((list_rows == 0)) || printf ','
    printf '\n  {'
    for cell; do
        ((index == 0)) || printf ', '
        cell=${cell//\\/\\\\}
        # Control characters have no place in JSON (RFC 8259, section 7), nor in what the kernel shows.
        cell=${cell//[[:cntrl:]]/ }
        printf '"%s": "%s"' "${list_names[index]}" "${cell//\"/\\\"}"
        ((index += 1))
    done
    printf '}'
}

join_tabs() {
    local IFS=$'\t'
    printf '%s\n' "$*"
}
