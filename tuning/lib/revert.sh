# shellcheck shell=bash
# Puts back what `apply` has changed, and says whether it is in force. The journal is removed when all is back.

revert() {
    check_visible
    if [[ ! -e $state/journal ]]; then
        say "nothing to put back: there is no journal in $state."
        return
    fi
    lock
    load_journal
    check_place
    local index path left=0 failed=0 paths=() report=()
    choose_paths
    ((${#paths[@]})) || end "$FINE" "nothing to put back: the journal has none of these knobs."
    check_paths_writable
    for ((index = ${#paths[@]} - 1; index >= 0; index -= 1)); do
        revert_one "${paths[index]}"
    done
    save_journal || end "$LEFT_OVER" "all values are back, but $state/journal could not be rewritten."
    # Only now: a reader that has gone away would end this process between two changes.
    ((${#report[@]} == 0)) || printf '%s\n' "${report[@]}"
    ((failed == 0)) || end "$LEFT_OVER" "$failed could not be put back. The journal is kept. Try: tune revert$given"
    ((left == 0)) ||
        end "$DIFFERS" "$left left as somebody else has set them. The journal is kept. Try: --force, or --keep"
    if ((${#journal_rows[@]})); then
        say "these knobs are as they were before. The journal keeps the others."
    else
        say "everything is as it was before."
    fi
}

# Ends for somebody without rights, who cannot see whether there is a journal.
check_visible() {
    [[ ! -e $state || -x $state ]] || end "$CANNOT" "$state can be read by root only. Nothing was changed. Try: sudo"
}

# The paths of the journal that belong to the selected knobs, to `paths` of the caller.
choose_paths() {
    local path
    for path in "${journal_paths[@]}"; do
        # Without --knob all of them: a knob may have left the table since.
        if ((${#asked[@]} == 0)) || [[ " ${selected[*]} " == *" ${journal_name[$path]} "* ]]; then
            paths+=("$path")
        fi
    done
}

check_paths_writable() {
    local path
    for path in "${paths[@]}"; do
        [[ ! -e $root$path || -w $root$path ]] || cannot_write "$root$path"
    done
}

# One value; `left` and `failed` of the caller count what stays, `report` has what was put back.
revert_one() {
    local path=$1 name=${journal_name[$1]} now
    if ! read_raw "$path"; then
        say "$name: $path is not there any more."
        give_up "$path"
    elif [[ $REPLY == "${journal_old[$path]}" ]]; then
        forget "$path"
    else
        plain "$REPLY"
        now=$REPLY
        if [[ -n ${journal_ours["$path=$now"]-} ]] || ((force)); then
            revert_ours "$path" "$now"
        else
            say "$name is $now, which somebody else has written since (ours: ${journal_new[$path]})."
            give_up "$path"
        fi
    fi
}

revert_ours() {
    local path=$1 now=$2 name=${journal_name[$1]} old
    plain "${journal_old[$path]}"
    old=$REPLY
    if put_back "$path" "${journal_old[$path]}"; then
        report+=("$name: $now -> $old")
        forget "$path"
    else
        say "$name could not be put back: $REPLY"
        ((failed += 1))
    fi
}

# What is not ours any more: forgotten with --keep, and otherwise for the reader to decide.
give_up() {
    if ((keep)); then
        forget "$1"
    else
        ((left += 1))
    fi
}

verify() {
    check_visible
    has_journal || end "$DIFFERS" "nothing was applied: there is no journal in $state."
    load_journal
    check_place
    local path state_now differs=0 now paths=()
    choose_paths
    ((${#paths[@]})) || end "$DIFFERS" "not applied: the journal has none of these knobs."
    open_list knob state now wanted path why
    for path in "${paths[@]}"; do
        in_force "$path"
        [[ $state_now == ok ]] || differs=1
        list "${journal_name[$path]}" "$state_now" "$now" "${journal_new[$path]}" "$path" "$(explain "$state_now")"
    done
    close_list
    ((!differs)) || exit "$DIFFERS"
}

# Compares with the journal, to `state_now` and `now` of the caller.
in_force() {
    now='-' state_now=missing
    read_raw "$1" || return 0
    plain "$REPLY"
    now=$REPLY state_now=foreign
    if [[ $now == "${journal_new[$1]}" ]]; then
        state_now=ok
    elif is_known "$1" "$now"; then
        state_now=not-yet
    fi
}

explain() {
    case $1 in
    ok) echo "In force." ;;
    not-yet) echo "Not in force: a run ended half-way, or the machine was restarted. Try: tune apply, or tune revert$given" ;;
    foreign) echo "Somebody else has changed it since." ;;
    missing) echo "It is not there any more." ;;
    esac
}
