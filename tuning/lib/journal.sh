# shellcheck shell=bash
# The journal: what stood in each file before our first change, to the byte, and every value that we have written since.
# It is written and synced before the first change, and replaced as a whole, so it is never half there.
#
#   tidemill tuning journal 1
#   place <tab> BOOT <tab> NETNS                              where the values were noted
#   value <tab> NAME <tab> PATH <tab> OLD <tab> NEW           OLD raw, with \t, \n and \\; NEW plain
#   end <tab> CHECKSUM                                        of all before it, by cksum(1): a journal that was cut is none
#
# A path has a row for each value that was ever written; OLD is the same in all of them. So a run that was killed between
# two changes leaves nothing that `revert` does not know.

readonly JOURNAL_HEAD='tidemill tuning journal 1'
journal_rows=()            # The rows of values, as they stand there.
journal_paths=()           # Each path once, in the order of the first change.
journal_place=''           # Boot and network namespace.
declare -A journal_old=()  # Path to the raw value of before.
declare -A journal_new=()  # Path to the plain value that was written last.
declare -A journal_ours=() # PATH=VALUE of everything that we have written.
declare -A journal_name=() # Path to the knob.

has_journal() {
    [[ -r $state/journal ]]
}

load_journal() {
    journal_rows=() journal_paths=() journal_place=$(place)
    journal_old=() journal_new=() journal_ours=() journal_name=()
    refuse_strangers "$state"
    has_journal || return 0
    refuse_strangers "$state/journal"
    local lines=() row last
    mapfile -t lines <"$state/journal"
    [[ ${lines[0]-} == "$JOURNAL_HEAD" && ${lines[1]-} == place$'\t'* ]] || damaged 1
    journal_place=${lines[1]#*$'\t'}
    last=$((${#lines[@]} - 1))
    for ((row = 2; row < last; row += 1)); do
        take_note "${lines[row]}" || damaged "$((row + 1))"
    done
    [[ ${lines[last]} == end$'\t'"$(head -n "$last" -- "$state/journal" | cksum)" ]] || damaged "$((last + 1))"
}

# Ends when somebody else could have written this: root plays back what a journal says.
refuse_strangers() {
    local owner
    [[ -e $1 || -L $1 ]] || return 0
    owner=$(stat -L -c %u -- "$1") && [[ $owner == @(0|"$EUID") ]] ||
        end "$CANNOT" "$1 belongs to user ${owner:-unknown}, who could have written anything there. Nothing was changed." \
            "Try: look at it, and move it away"
}

take_note() {
    local cells=() path raw
    IFS=$'\t' read -r -a cells <<<"$1"
    [[ ${#cells[@]} == 5 && ${cells[0]} == value ]] || return
    path=${cells[2]}
    # Nothing but what this script may have written there is ever written back.
    [[ $path == @(/proc/sys/*|/sys/*) && $path != */../* ]] || return
    if [[ -z ${journal_name[$path]-} ]]; then
        journal_paths+=("$path")
        printf -v raw '%b' "${cells[3]}" # Not at once into the table: bash would run what a path has in $(...).
        journal_old[$path]=$raw
        journal_name[$path]=${cells[1]}
    fi
    journal_new[$path]=${cells[4]}
    journal_ours["$path=${cells[4]}"]=1
    journal_rows+=("$1")
}

damaged() {
    end "$CANNOT" "$state/journal:$1 is not what this script writes. Nothing was changed. Try: look at it, and move it away"
}

# Adds to the rows in memory that this raw value will be replaced by this plain one.
note() {
    local name=$1 path=$2 raw=${journal_old[$2]-$3} new=$4
    raw=${raw//\\/\\\\}
    raw=${raw//$'\t'/\\t}
    take_note "value"$'\t'"$name"$'\t'"$path"$'\t'"${raw//$'\n'/\\n}"$'\t'"$new"
}

# Puts the rows in memory on the disk, all or nothing. Without rows there is no journal.
save_journal() {
    if ((${#journal_rows[@]} == 0)); then
        rm -f -- "$state/journal" && sync -- "$state"
        return
    fi
    local part=$state/journal.part
    local text
    printf -v text '%s\n' "$JOURNAL_HEAD" "place"$'\t'"$journal_place" "${journal_rows[@]}"
    rm -f -- "$part" && printf '%send\t%s\n' "$text" "$(printf '%s' "$text" | cksum)" >"$part" && sync -- "$part" && mv -f -- "$part" "$state/journal" && sync -- "$state"
}

# Takes a path out of the rows in memory.
forget() {
    local row kept=()
    for row in "${journal_rows[@]}"; do
        [[ $row == *$'\t'"$1"$'\t'*$'\t'* ]] || kept+=("$row")
    done
    journal_rows=("${kept[@]}")
}

# Which boot and which network namespace this is.
place() {
    if [[ -n $root ]]; then
        printf 'tree\ttree'
    else
        printf '%s\t%s' "$(</proc/sys/kernel/random/boot_id)" "$(readlink /proc/self/ns/net)"
    fi
}

# Ends when the journal was written in another network namespace of this boot, whose values are not ours to put back.
# After another boot the namespaces have other names, and the values tell whether they are still ours.
check_place() {
    local here_is
    here_is=$(place)
    [[ ${journal_place%%$'\t'*} != "${here_is%%$'\t'*}" || $journal_place == "$here_is" ]] ||
        end "$CANNOT" "$state/journal is of another network namespace, ${journal_place#*$'\t'}. Nothing was changed." \
            "Try: nsenter --net=..., or another --journal"
    journal_place=$here_is
}
