# shellcheck shell=bash
# One run at a time. The folder of the journal is the lock, so that nothing is left behind; the kernel lets go of it when
# the process ends, however it ends.

lock() {
    need flock util-linux
    need sync coreutils
    if ! mkdir -p -m 700 -- "$state" 2>/dev/null || [[ ! -w $state ]]; then
        cannot_write "$state"
    fi
    exec {lock_file}<"$state" || cannot_write "$state"
    flock --nonblock "$lock_file" ||
        end "$BUSY" "another run is going on in $state. Nothing was changed. Try: again when it has ended"
}

# Ends because something cannot be written: before anything was changed.
cannot_write() {
    if ((EUID)); then
        end "$CANNOT" "$1 can be written by root only. Nothing was changed. Try: sudo tuning/tune $verb ..."
    fi
    end "$CANNOT" "$1 cannot be written here, even by root (read-only?). Nothing was changed."
}
