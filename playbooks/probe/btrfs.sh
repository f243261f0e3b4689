# shellcheck shell=sh disable=SC2317  # which function is called, $DO says
# Snapshots of btrfs subvolumes, beside each of them: DO=take, restore or remove. The prelude comes before it. What is
# done already is not done again.

# Where the snapshot of a subvolume lies: in the same file system, and not in what is put back.
btrfs_place() { # SUBVOLUME -> $PLACE
    PLACE=${1%/*}/.patchctl-$RUN-${1##*/}
}

btrfs_stop() { # MESSAGE
    printf '%s\n' "$1" >&2
    exit 1
}

btrfs_is() { # PATH
    [ ! -L "$1" ] && btrfs subvolume show "$1" >/dev/null 2>&1
}

# A snapshot ends where another subvolume or file system begins: such a thing would be gone after it is put back.
btrfs_whole() { # SUBVOLUME
    btrfs subvolume list -o "$1" >"$WORK/below" || btrfs_stop "it cannot be seen what lies below $1"
    [ ! -s "$WORK/below" ] || btrfs_stop "$1 has subvolumes below it, which no snapshot of it would hold: $(sed 's/.* path //' "$WORK/below" | head -n 3 | tr '\n' ' ')"
    if TOP=$1/ awk 'index($2 "/", ENVIRON["TOP"]) == 1 { found = 1 } END { exit !found }' /proc/self/mounts; then
        btrfs_stop "$1 has something mounted in it, or is mounted by itself: it cannot be put back while it is; name a subvolume below it"
    fi
}

btrfs_take() { # SUBVOLUME
    btrfs_is "$1" || btrfs_stop "$1 is no btrfs subvolume"
    btrfs_whole "$1"
    # One of an earlier try is of what was then.
    ! btrfs_is "$PLACE" || btrfs subvolume delete "$PLACE" || btrfs_stop "the snapshot of an earlier try could not be deleted"
    rm -f -- "$PLACE.done"
    btrfs subvolume snapshot -r "$1" "$PLACE" || btrfs_stop "no snapshot of $1 could be taken"
}

# Services with a file of it open: they would go on with what was there, and what they write would be lost.
btrfs_services() { # SUBVOLUME
    [ -d /run/systemd/system ] || return 0
    find /proc/[0-9]*/fd /proc/[0-9]*/cwd -type l -printf '%p\t%l\n' 2>/dev/null |
        TOP=$1/ awk -F '\t' 'index($2 "/", ENVIRON["TOP"]) == 1 { split($1, part, "/"); if (!seen[part[3]]++) print part[3] }' |
        while read -r btrfs_pid; do
            sed -n 's|^[^:]*:[^:]*:/system\.slice/\(.*/\)*\([^/]*\.service\)$|\2|p' "/proc/$btrfs_pid/cgroup" 2>/dev/null
        done | LC_ALL=C sort -u
}

# A writable copy takes the subvolume's place; what was there goes last.
btrfs_swap() { # SUBVOLUME
    if ! [ -e "$PLACE.back" ]; then
        btrfs_is "$PLACE.new" || btrfs subvolume snapshot "$PLACE" "$PLACE.new" || btrfs_stop "the snapshot of $1 could not be copied"
        mv -- "$1" "$PLACE.back" || btrfs_stop "$1 could not be moved away"
    fi
    [ -e "$1" ] || mv -- "$PLACE.new" "$1" || btrfs_stop "the copy could not take the place of $1; what was there is $PLACE.back"
    : >"$PLACE.done"
}

btrfs_restore() { # SUBVOLUME
    btrfs_is "$PLACE" || btrfs_stop "there is no snapshot of $1"
    if ! [ -e "$PLACE.done" ]; then
        btrfs_services "$1" >"$WORK/services"
        btrfs_each stop
        (btrfs_swap "$1")
        btrfs_code=$?
        btrfs_each start
        [ "$btrfs_code" = 0 ] || exit "$btrfs_code"
    fi
    ! btrfs_is "$PLACE.back" || btrfs subvolume delete "$PLACE.back" || btrfs_stop "$1 is put back; what was there, $PLACE.back, could not be deleted"
}

btrfs_each() { # stop|start: the services of the list
    while IFS= read -r btrfs_unit; do
        systemctl "$1" -- "$btrfs_unit" </dev/null || printf '%s could not be asked to %s\n' "$btrfs_unit" "$1" >&2
    done <"$WORK/services"
}

btrfs_remove() { # SUBVOLUME
    rm -f -- "$PLACE.done"
    ! btrfs_is "$PLACE" || btrfs subvolume delete "$PLACE" || btrfs_stop "the snapshot of $1 could not be deleted"
}

command -v btrfs >/dev/null || btrfs_stop "btrfs is not installed on this host (btrfs-progs)"
while IFS= read -r subvolume; do
    btrfs_place "$subvolume"
    "btrfs_$DO" "$subvolume" </dev/null
done <"$IN/subvolumes"
exit 0
