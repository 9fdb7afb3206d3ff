# shellcheck shell=bash
# knobs.tsv in memory: `knobs` has the names in their order, `field[NAME COLUMN]` what a row says. A table with a
# mistake is refused as a whole, with the line.

knobs=()
declare -A field=()
selected=() # The names that this run is about.
readonly COLUMNS=(name where scope rule read default latency throughput idle risk evidence why)

load_table() {
    local file=$1 line number=0
    while IFS= read -r line; do
        ((number += 1))
        [[ -z $line || $line == '#'* ]] || take_row "$line" "$file:$number"
    done <"$file"
}

take_row() {
    local line=$1 place=$2 cells=() column
    # Two tabs in a row would be one to `read`; that is why empty cells are written as -.
    IFS=$'\t' read -r -a cells <<<"$line"
    ((${#cells[@]} == ${#COLUMNS[@]})) ||
        end "$USAGE" "$place: ${#cells[@]} cells where there are ${#COLUMNS[@]} columns. Nothing was changed."
    local name=${cells[0]}
    [[ -z ${field["$name name"]-} ]] || end "$USAGE" "$place: $name is there twice. Nothing was changed."
    for column in "${!COLUMNS[@]}"; do
        field["$name ${COLUMNS[column]}"]=${cells[column]}
    done
    check_row "$name" "$place"
    knobs+=("$name")
}

check_row() {
    local name=$1 place=$2
    [[ ${field["$name where"]} == @(sysctl|-|/sys/*) ]] || end "$USAGE" "$place: where is '${field["$name where"]}'?"
    [[ ${field["$name scope"]} == @(netns|global|device|process|socket) ]] ||
        end "$USAGE" "$place: there is no scope '${field["$name scope"]}'"
    [[ ${field["$name rule"]} == @(raise|lower|set|advice) ]] ||
        end "$USAGE" "$place: there is no rule '${field["$name rule"]}'"
    [[ ${field["$name rule"]} == advice || ${field["$name where"]} != - ]] ||
        end "$USAGE" "$place: only advice has no file"
    [[ ${field["$name rule"]} == @(set|advice) ]] ||
        [[ "${field["$name latency"]} ${field["$name throughput"]} ${field["$name idle"]}" =~ ^[-0-9\ ]+$ ]] ||
        end "$USAGE" "$place: raise and lower take numbers"
}

# Those after --knob, or all.
select_knobs() {
    local name
    selected=("${knobs[@]}")
    ((${#asked[@]})) || return 0
    selected=()
    for name in "${asked[@]}"; do
        [[ -n ${field["$name name"]-} ]] || end "$USAGE" "there is no knob '$name'.$(similar "$name") Nothing was changed."
        [[ " ${selected[*]} " == *" $name "* ]] || selected+=("$name")
    done
}

# The knobs whose names have this in them, as a suggestion.
similar() {
    local name found=()
    for name in "${knobs[@]}"; do
        [[ $name != *"${1##*.}"* ]] || found+=("$name")
    done
    local IFS=,
    if ((${#found[@]} > 0 && ${#found[@]} <= 3)); then
        echo " Try: ${found[*]//,/, }."
    else
        echo " Try: tune check --role latency, which shows all."
    fi
}

# The files of a knob, to `targets`, without the root. There may be none.
find_targets() {
    local where=${field["$1 where"]} file
    targets=()
    case $where in
    -) ;;
    sysctl) targets=("/proc/sys/${1//.//}") ;;
    *) # The star of a path stands for every processor, of which there may be none.
        while IFS= read -r file; do
            targets+=("${file#"$root"}")
        done < <(compgen -G "$root$where" | sort -V)
        ((${#targets[@]})) || targets=("$where")
        ;;
    esac
}
