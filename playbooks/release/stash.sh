# shellcheck shell=sh
# Everything onto the host before the first change: the new archives, checked. The old release is here already and stays.

step_stash() {
    settings
    stash_folder
    rows
    [ -e "$STASH/baseline/complete" ] || fail refused "there is no baseline of this run"
    if [ -e "$STASH/begun" ]; then
        note "the change has begun: the stash stays as it is"
        done_ok
    fi
    sums
    rm -rf "$STASH/new" "$STASH/manifest"
    mkdir "$STASH/new" || fail no_space "$STASH cannot be written to"
    : >"$STASH/manifest.new" || fail no_space "$STASH cannot be written to"
    while IFS=$TAB read -r op name _ from to; do
        phase "brings $name $to"
        stash_archive "$name" "$to"
        [ "$op" = install ] || stash_old "$name" "$from"
    done <"$WORK/rows"
    settle_disk "$STASH"
    mv "$STASH/manifest.new" "$STASH/manifest" || fail no_space "$STASH cannot be written to"
    settle_disk "$STASH"
    done_ok
}

stash_archive() { # NAME VERSION
    stash_name=$1-$2.tar.gz
    stash_file=$STASH/new/$stash_name
    if [ "$REMOTE" = 1 ]; then
        fetch "$SOURCE/$stash_name" "$stash_file" || fail repository "$SOURCE/$stash_name could not be fetched"
    else
        cp "$SOURCE/$stash_name" "$stash_file" || fail repository "$SOURCE/$stash_name could not be copied"
    fi
    check_sum "$stash_file" "$stash_name" || exit 1
    check_archive "$stash_file" "$stash_name" || exit 1
    printf '%s  %s\n' "$SUM" "$stash_name" >>"$STASH/manifest.new" || fail no_space "$STASH cannot be written to"
}

# The way back, proved: it is the release of the baseline, and it can be read to its last byte.
stash_old() { # NAME VERSION
    app "$1"
    tree "$RELEASES/$2" "$WORK/tree.old" || fail refused "release $2 of $1 cannot be read: $(head -n 1 "$WORK/tree.why")"
    cmp -s "$WORK/tree.old" "$STASH/baseline/$1.tree" || fail stale "release $2 of $1 changes while it is looked at" "an application should write elsewhere than into its release"
    rec old "$1" all "$2" stashed exact "$(du -sk "$RELEASES/$2" 2>/dev/null | awk '{ printf "%.0f", $1 * 1024 }')"
}
