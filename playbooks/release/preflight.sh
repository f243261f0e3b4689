# shellcheck shell=sh
# Can this be done, and undone? Reads only. What is wrong is all named, not the first thing alone.

step_preflight() {
    settings
    rows
    sums
    preflight_unpacked=0
    preflight_archives=0
    while IFS=$TAB read -r op name _ from to; do
        preflight_app "$op" "$name" "$from" "$to"
        [ "$REMOTE" = 1 ] || preflight_archive "$name" "$to"
    done <"$WORK/rows"
    [ "$REMOTE" = 0 ] || note "the archives are fetched and checked before the first change"
    preflight_space
    done_ok
}

preflight_app() { # OPERATION NAME FROM TO
    app "$2"
    if [ -n "$STRANGE" ]; then
        problem refused "$2 is not laid out as releases: $STRANGE"
        return
    fi
    [ "${HAVE:--}" = "$3" ] || problem stale "$2 is at ${HAVE:-no release} now, not at $3" "plan again"
    preflight_parent=$(preflight_parent_of "$RELEASES")
    [ -w "$preflight_parent" ] || problem refused "$preflight_parent cannot be written to by $(id -un 2>/dev/null || id -u)"
    [ ! -e "$RELEASES/$4" ] || note "$2 $4 is there already; it is used if it is the same as in the archive"
    [ "$1" != install ] || return 0
    if [ -d "$RELEASES/$3" ] && [ ! -L "$RELEASES/$3" ]; then
        rec old "$2" all "$3" stashed exact "$(preflight_bytes "$RELEASES/$3")"
    else
        rec old "$2" all "$3" missing approximate 0
        problem refused "release $3 of $2, which is to be gone back to, is not in $RELEASES"
    fi
}

preflight_bytes() { # FOLDER
    du -sk "$1" 2>/dev/null | awk '{ printf "%.0f", $1 * 1024 }'
}

preflight_archive() { # NAME VERSION
    preflight_file=$SOURCE/$1-$2.tar.gz
    if [ ! -f "$preflight_file" ] || [ ! -r "$preflight_file" ]; then
        problem not_found "$1-$2.tar.gz is not in $SOURCE, or cannot be read"
        return
    fi
    check_sum "$preflight_file" "$1-$2.tar.gz" || return
    check_archive "$preflight_file" "$1-$2.tar.gz" || return
    preflight_unpacked=$((preflight_unpacked + UNPACKED))
    preflight_archives=$((preflight_archives + $(wc -c <"$preflight_file")))
}

# Archives go beside the stash, releases under the root; a tenth and a MiB more are left free.
preflight_space() {
    preflight_stash=$(preflight_parent_of "${STASH:-$HOME}")
    preflight_root=$(preflight_parent_of "$ROOT")
    if [ "$(preflight_mount "$preflight_stash")" = "$(preflight_mount "$preflight_root")" ]; then
        preflight_room "$preflight_root" $((preflight_unpacked + preflight_archives))
    else
        preflight_room "$preflight_root" "$preflight_unpacked"
        preflight_room "$preflight_stash" "$preflight_archives"
    fi
}

preflight_mount() { # PATH
    df -Pk "$1" 2>/dev/null | awk 'NR == 2 { print $1, $NF }'
}

preflight_room() { # PATH BYTES
    preflight_need=$(($2 + $2 / 10 + 1048576))
    preflight_free=$(df -Pk "$1" 2>/dev/null | awk 'NR == 2 { printf "%.0f", $4 * 1024 }')
    [ -n "$preflight_free" ] || return 0
    rec space "$1" "$preflight_need" "$preflight_free"
    [ "$preflight_free" -ge "$preflight_need" ] ||
        problem no_space "$1 has $((preflight_free / 1048576)) MiB free, $((preflight_need / 1048576)) MiB are needed"
}

preflight_parent_of() { # PATH
    parent_path=$1
    while [ ! -e "$parent_path" ] && [ -n "${parent_path%/*}" ]; do
        parent_path=${parent_path%/*}
    done
    [ -e "$parent_path" ] || parent_path=/
    printf '%s' "$parent_path"
}
