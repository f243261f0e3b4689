# shellcheck shell=sh
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
    btrfs subvolume show "$1" >/dev/null 2>&1
}

btrfs_take() { # SUBVOLUME
    btrfs_is "$1" || btrfs_stop "$1 is no btrfs subvolume"
    ! mountpoint -q "$1" || btrfs_stop "$1 is mounted by itself: it cannot be put back while it is; name a subvolume below it"
    btrfs_is "$PLACE" || btrfs subvolume snapshot -r "$1" "$PLACE" || btrfs_stop "no snapshot of $1 could be taken"
}

# A writable copy takes the subvolume's place; what was there goes last.
btrfs_restore() { # SUBVOLUME
    btrfs_is "$PLACE" || btrfs_stop "there is no snapshot of $1"
    if ! [ -e "$PLACE.done" ]; then
        if ! [ -e "$PLACE.back" ]; then
            btrfs_is "$PLACE.new" || btrfs subvolume snapshot "$PLACE" "$PLACE.new" || btrfs_stop "the snapshot of $1 could not be copied"
            mv -- "$1" "$PLACE.back" || btrfs_stop "$1 could not be moved away"
        fi
        [ -e "$1" ] || mv -- "$PLACE.new" "$1" || btrfs_stop "the copy could not take the place of $1; what was there is $PLACE.back"
        : >"$PLACE.done"
    fi
    ! [ -e "$PLACE.back" ] || btrfs subvolume delete "$PLACE.back" || btrfs_stop "$PLACE.back could not be deleted"
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
