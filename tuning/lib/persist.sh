# shellcheck shell=bash
# Lets values hold after a reboot: one file for sysctl(8) and one for systemd-tmpfiles(8), both marked as ours by their
# first line, which has a checksum of the rest. Nothing else is touched, and the values of now are not changed.

readonly SYSCTL_FILE=/etc/sysctl.d/60-tidemill.conf TMPFILES_FILE=/etc/tmpfiles.d/60-tidemill.conf
readonly MARK='# Written by tune persist of Tidemill; tune unpersist removes it. Checksum of what follows:'

persist() {
    lock
    load_journal
    check_place
    examine
    refuse_or_mention
    check_ours "$SYSCTL_FILE"
    check_ours "$TMPFILES_FILE"
    local sysctl_lines=() tmpfiles_lines=()
    choose_lines
    keep_others
    ((${#sysctl_lines[@]} + ${#tmpfiles_lines[@]})) ||
        end "$FINE" "nothing to persist for the role $role: the host is so already."
    warn_of_others
    prepare "$SYSCTL_FILE" "${sysctl_lines[@]}"
    prepare "$TMPFILES_FILE" "${tmpfiles_lines[@]}"
    put_in_place "$SYSCTL_FILE"
    put_in_place "$TMPFILES_FILE"
    say "this holds from the next boot on; tune apply does it now. Undo with: tune unpersist$given"
}

unpersist() {
    lock
    local file removed=0
    check_ours "$SYSCTL_FILE"
    check_ours "$TMPFILES_FILE"
    for file in "$SYSCTL_FILE" "$TMPFILES_FILE"; do
        rm -f -- "$(part_of "$root$file")"
        [[ -e $root$file ]] || continue
        rm -f -- "$root$file" && sync -- "$(dirname "$root$file")" || end "$LEFT_OVER" "$root$file cannot be removed."
        printf 'removed %s\n' "$root$file"
        removed=1
    done
    ((removed)) || say "nothing to remove."
}

# What the plan would change, what apply has changed already, and what our files have from before. What the host has by
# itself stays the host's: a line for it would hold it back when its default grows.
choose_lines() {
    local index name path
    for index in "${!seen_name[@]}"; do
        name=${seen_name[index]} path=${seen_path[index]}
        [[ ${seen_state[index]} == @(ok|change) ]] || continue
        [[ ${seen_state[index]} == change || -n ${journal_name[$path]-} ]] || is_persisted "$name" "$path" || continue
        if [[ ${field["$name where"]} == sysctl ]]; then
            sysctl_lines+=("$name = ${seen_want[index]}")
        else
            tmpfiles_lines+=("w $path - - - - ${seen_want[index]}")
        fi
    done
}

# Of a run for some knobs: what our files have of others, to `sysctl_lines` and `tmpfiles_lines`. What somebody else has edited is
# dropped, since --force says so.
keep_others() {
    local line
    ((${#asked[@]})) || return 0
    while IFS= read -r line; do
        is_seen "${line%% = *}" "${seen_name[@]}" || sysctl_lines+=("$line")
    done < <(is_intact "$SYSCTL_FILE" && tail -n +2 -- "$root$SYSCTL_FILE")
    while IFS= read -r line; do
        line=${line#w }
        is_seen "${line%% - *}" "${seen_path[@]}" || tmpfiles_lines+=("w $line")
    done < <(is_intact "$TMPFILES_FILE" && tail -n +2 -- "$root$TMPFILES_FILE")
}

# Whether the first word is among the others.
is_seen() {
    local word
    for word in "${@:2}"; do
        [[ $word != "$1" ]] || return 0
    done
    return 1
}

is_persisted() {
    grep -qsF -- "$1 = " "$root$SYSCTL_FILE" || grep -qsF -- "w $2 - " "$root$TMPFILES_FILE"
}

# Ends when a file of that name is not ours, or not as we wrote it.
check_ours() {
    local file=$root$1 first
    [[ -e $file ]] || return 0
    IFS= read -r first <"$file" || true
    [[ $first == "$MARK"* ]] || end "$CANNOT" "$file is not of this script. Nothing was changed. Try: move it away"
    ((force)) || is_intact "$1" ||
        end "$CANNOT" "$file was edited by someone. Nothing was changed. Try: --force, which drops what was edited"
}

# Whether a file is as we wrote it.
is_intact() {
    local file=$root$1 first
    [[ -e $file ]] || return
    IFS= read -r first <"$file" || true
    [[ $first == "$MARK $(tail -n +2 -- "$file" | cksum)" ]]
}

# Writes what a file will have beside it, and ends with nothing changed when that cannot be done. Without lines there
# will be no file.
prepare() {
    local file=$root$1 part text
    shift
    part=$(part_of "$file")
    rm -f -- "$part"
    (($#)) || return 0
    text=$(printf '%s\n' "$@")
    mkdir -p -- "$(dirname "$file")" 2>/dev/null && [[ -w $(dirname "$file") ]] || cannot_write "$(dirname "$file")"
    printf '%s %s\n%s\n' "$MARK" "$(printf '%s\n' "$text" | cksum)" "$text" >"$part" && chmod 644 -- "$part" &&
        sync -- "$part" && return
    rm -f -- "$(part_of "$root$SYSCTL_FILE")" "$part"
    end "$CANNOT" "$file cannot be written (disk full?). Nothing was changed."
}

# Gives what was prepared its name.
put_in_place() {
    local file=$root$1 part
    part=$(part_of "$file")
    if [[ -e $part ]]; then
        mv -f -- "$part" "$file" && sync -- "$(dirname "$file")" ||
            end "$LEFT_OVER" "$file cannot be put in place. Try: tune unpersist$given"
        printf 'wrote %s\n' "$file"
    else
        rm -f -- "$file"
    fi
}

# Where a file grows. Its name does not end in .conf, so nobody reads it.
part_of() {
    printf '%s/.%s.part' "$(dirname "$1")" "$(basename "$1")"
}

# Says who may overrule our files: those that sysctl(8) reads after ours, whatever their folder (sysctl.d(5)).
warn_of_others() {
    local file name line
    if is_tuned_active; then
        say "tuned is running: it sets values of its own at every start and switch of profile. Compare: tuned-adm verify"
    fi
    for file in "$root"/{etc,run,usr/local/lib,usr/lib}/sysctl.d/*.conf "$root/etc/sysctl.conf"; do
        [[ -r $file && ($file == */sysctl.conf || ${file##*/} > ${SYSCTL_FILE##*/}) ]] || continue
        # One of the same name in /etc is read in its place.
        [[ $file == "$root"/etc/* || ! -e $root/etc/sysctl.d/${file##*/} ]] || continue
        for line in "${sysctl_lines[@]}"; do
            name=${line%% *}
            ! grep -q "^[[:space:]-]*${name//./[./]}[[:space:]]*=" "$file" || say "$file is read later and sets $name, too."
        done
    done
}

is_tuned_active() {
    local pid_file=$root/run/tuned/tuned.pid
    [[ -r $pid_file ]] && { [[ -n $root ]] || kill -0 "$(<"$pid_file")" 2>/dev/null; }
}
