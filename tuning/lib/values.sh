# shellcheck shell=bash
# Values: how they are read, compared and written. A raw value is what the kernel printed, to the byte; a plain one is
# what it means: single spaces, and of a choice like "always [madvise] never" the word in brackets.

# The raw value of a file, to REPLY. `$(...)` would drop the newline at the end; the dot behind it keeps it.
read_raw() {
    REPLY=$(cat -- "$root$1" 2>/dev/null && printf .) || return
    REPLY=${REPLY%.}
}

# The plain form of a raw value, to REPLY.
plain() {
    local words
    if [[ $1 =~ \[([^]]+)\] ]]; then
        REPLY=${BASH_REMATCH[1]}
        return
    fi
    read -r -d '' -a words <<<"$1" || true # It ends at the end of the text, which `read` calls a failure.
    REPLY="${words[*]}"
}

# The value that a rule makes of the present and the asked one, to REPLY. Fails when they cannot be compared.
ruled() {
    local rule=$1 now=$2 asked=$3
    REPLY=$asked
    [[ $rule != set ]] || return 0
    local present wanted index
    read -r -a present <<<"$now"
    read -r -a wanted <<<"$asked"
    ((${#present[@]} == ${#wanted[@]})) || return 1
    for index in "${!wanted[@]}"; do
        [[ ${present[index]} =~ ^[0-9]{1,18}$ ]] || return 1
        # 10#: the kernel writes no octal numbers, but bash would read some.
        if [[ $rule == raise ]]; then
            ((10#${present[index]} <= wanted[index])) || wanted[index]=${present[index]}
        else
            ((10#${present[index]} >= wanted[index])) || wanted[index]=${present[index]}
        fi
    done
    REPLY="${wanted[*]}"
}

# Writes a plain value and reads it back. What went wrong is in REPLY then.
put() {
    local path=$1 value=$2
    write_bytes "$path" "$value"$'\n' || return
    read_raw "$path" && plain "$REPLY"
    [[ $REPLY == "$value" ]] || {
        REPLY="the kernel made '$REPLY' of '$value'"
        return 1
    }
}

# Writes back a raw value. The kernel takes what it has printed, but for choices, of which it takes the chosen word; a
# file of a tree below --root takes every byte.
put_back() {
    local path=$1 raw=$2 value=$2
    if [[ -z $root && $raw == *'['*']'* ]]; then
        plain "$raw"
        value=$REPLY$'\n'
    fi
    write_bytes "$path" "$value" || return
    read_raw "$path" && [[ $REPLY == "$raw" ]] || {
        plain "$REPLY"
        REPLY="it reads '$REPLY' afterwards"
        return 1
    }
}

# Writes bytes in one call, or puts the system's reason in REPLY.
write_bytes() {
    REPLY=$({ printf '%s' "$2" >"$root$1"; } 2>&1) || {
        REPLY=${REPLY##*: }
        return 1
    }
}
