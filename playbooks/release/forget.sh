# shellcheck shell=sh
# The change is kept or undone. The new archives go; where it was kept, so do releases beyond VAR_KEEP, but never the
# present one or the one before it. The baseline stays: the run can be undone for as long as that release is there.

step_forget() {
    settings
    stash_folder
    prune_old
    rm -rf "$STASH/new" "$STASH/baseline.new" "$STASH/manifest.new"
    [ -e "$STASH/begun" ] || done_ok
    stashed_rows
    while IFS=$TAB read -r _ name _ from to; do
        app "$name"
        [ "$HAVE" = "$to" ] || continue
        [ -z "$STRANGE" ] || continue
        forget_old "$name" "$from" "$to"
    done <"$WORK/rows"
    done_ok
}

forget_old() { # NAME FROM TO
    for forget_path in "$RELEASES"/*; do
        forget_version=${forget_path##*/}
        if [ -d "$forget_path" ] && [ ! -L "$forget_path" ] && valid_version "$forget_version"; then printf '%s\n' "$forget_version"; fi
    done | sort -V -r | awk -v keep="$KEEP" -v from="$2" -v to="$3" '
        $0 == from || $0 == to { kept++; next }
        { others[++n] = $0 }
        END { for (i = 1; i <= n; i++) if (kept + i > keep) print others[i] }' >"$WORK/prune"
    while IFS= read -r forget_version; do
        forget_gone=$RELEASES/.gone.$RUN
        rm -rf "$forget_gone"
        if mv "$RELEASES/$forget_version" "$forget_gone" && rm -rf "$forget_gone"; then
            note "removed release $forget_version of $1 (more than $KEEP)"
        else
            note "release $forget_version of $1 could not be removed"
        fi
    done <"$WORK/prune"
}
