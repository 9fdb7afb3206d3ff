# shellcheck shell=bash
# Changes the host: note everything, then write one value after the other and read it back. After a failure or a signal,
# what this run has written is put back; after kill -9 the journal knows enough for `revert`.

todo=() # Indices of what was seen: the changes of this run, in order.
done_count=0

apply() {
    lock
    load_journal
    check_place
    examine
    refuse_or_mention
    choose_changes
    if ((${#todo[@]} == 0 && denied > 0)); then
        end "$CANNOT" "nothing was changed: $denied cannot be written from here, and nothing else is to be done."
    elif ((${#todo[@]} == 0)); then
        say "nothing to change for the role $role."
    else
        check_writable
        note_changes
        make_changes
    fi
    ((foreign == 0)) || exit "$DIFFERS"
}

foreign=0 # How many values somebody else has changed since we did.

choose_changes() {
    local index path now unfinished=0
    for index in "${!seen_name[@]}"; do
        [[ ${seen_state[index]} == change ]] || continue
        path=${seen_path[index]} now=${seen_now[index]}
        if [[ -n ${journal_name[$path]-} ]] && ! is_known "$path" "$now" && ((!force)); then
            say "${seen_name[index]} is $now, which somebody else has written since. Left alone. Try: --force, or revert --keep"
            ((foreign += 1))
            continue
        fi
        [[ ${journal_new[$path]-} != "${seen_want[index]}" ]] || unfinished=1
        todo+=("$index")
    done
    ((!unfinished)) || say "an earlier run ended half-way, or values were reset since; going on from there."
}

# Whether a plain value is one that we wrote, or that stood there before.
is_known() {
    [[ -n ${journal_ours["$1=$2"]-} ]] && return
    plain "${journal_old[$1]}"
    [[ $REPLY == "$2" ]]
}

check_writable() {
    local index
    for index in "${todo[@]}"; do
        [[ -w $root${seen_path[index]} ]] || cannot_write "$root${seen_path[index]}"
    done
}

note_changes() {
    local index
    rows_before=("${journal_rows[@]}")
    trap 'undo_this_run 130 "interrupted"' INT
    trap 'undo_this_run 143 "interrupted"' TERM
    trap 'undo_this_run 129 "interrupted"' HUP
    for index in "${todo[@]}"; do
        note "${seen_name[index]}" "${seen_path[index]}" "${seen_raw[index]}" "${seen_want[index]}"
    done
    save_journal || end "$CANNOT" "the journal in $state cannot be written (disk full?). Nothing was changed."
}

rows_before=() # The journal's rows before this run.

make_changes() {
    local index restart=0 report=()
    for index in "${todo[@]}"; do
        # Counted before it is written: what may have been written is put back.
        ((done_count += 1))
        put "${seen_path[index]}" "${seen_want[index]}" ||
            undo_this_run "$PUT_BACK" "${seen_name[index]} was refused: $REPLY"
        report+=("${seen_name[index]}: ${seen_now[index]} -> ${seen_want[index]}")
        [[ ${field["${seen_name[index]} read"]} != listen ]] || restart=1
    done
    trap - INT TERM HUP
    # Only now: a reader that has gone away would end this process between two changes.
    printf '%s\n' "${report[@]}"
    ((!restart)) || say "listeners that are open keep their old value: restart the servers."
    say "undo with: tune revert$given"
}

# Puts back what this run has written, last first, forgets it, and ends.
undo_this_run() {
    local code=$1 why=$2 index left=0
    trap '' INT TERM HUP PIPE
    while ((done_count > 0)); do
        done_count=$((done_count - 1)) # `((...))` fails at zero, and would end the script here.
        index=${todo[done_count]}
        put_back "${seen_path[index]}" "${seen_raw[index]}" || {
            say "${seen_name[index]} could not be put back: $REPLY"
            left=1
        }
    done
    ((!left)) || end "$LEFT_OVER" "$why. Not everything could be put back. The journal is kept. Try: tune revert$given"
    journal_rows=("${rows_before[@]}")
    save_journal || end "$LEFT_OVER" "$why. Everything was put back, but $state/journal could not be rewritten."
    end "$code" "$why. Everything was put back."
}
