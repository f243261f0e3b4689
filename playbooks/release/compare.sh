# shellcheck shell=sh
# Is the host what the baseline says? Reads only. No `diff` record means: exactly.

step_compare() {
    settings
    stash_folder
    stashed_rows
    while IFS=$TAB read -r _ name _ from to; do
        report_now "$name"
        compare_link "$name" "$from"
        compare_releases "$name" "$to"
        [ "$from" = - ] || compare_tree "$name" "$from"
    done <"$WORK/rows"
    done_ok
}

compare_link() { # NAME FROM
    compare_target=$(cat "$STASH/baseline/$1.link" 2>/dev/null)
    if [ "${HAVE:--}" != "$2" ]; then
        rec diff package "$1" "${2#-}" "$HAVE"
    elif [ "$LINK" != "$compare_target" ]; then
        rec diff file "$CURRENT" "link to $compare_target" "link to $LINK"
    fi
}

# Of the other releases only that which this run brought is our matter.
compare_releases() { # NAME TO
    compare_was=absent
    ! grep -q -x -F -- "$2" "$STASH/baseline/$1.releases" 2>/dev/null || compare_was=present
    compare_is=absent
    [ ! -e "$RELEASES/$2" ] || compare_is=present
    [ "$compare_was" = "$compare_is" ] || rec diff file "$RELEASES/$2" "$compare_was" "$compare_is"
    for compare_left in "$RELEASES/.new.$RUN" "$RELEASES/.new.$RUN.around" "$RELEASES/.gone.$RUN" "$APP/.current.$RUN"; do
        if [ -e "$compare_left" ] || [ -L "$compare_left" ]; then rec diff file "$compare_left" absent present; fi
    done
}

compare_tree() { # NAME FROM
    if [ ! -d "$RELEASES/$2" ] || ! tree "$RELEASES/$2" "$WORK/tree.now"; then
        rec diff file "$RELEASES/$2" "release $2" "cannot be read"
        return
    fi
    awk -F '\t' '
        BEGIN { OFS = "\t" }
        FILENAME == ARGV[1] { was[$1] = $2; next }
        { now[$1] = 1; before = ($1 in was) ? was[$1] : "absent"; if (before != $2) print $1, before, $2 }
        END { for (path in was) if (!(path in now)) print path, was[path], "absent" }' \
        "$STASH/baseline/$1.tree" "$WORK/tree.now" | LC_ALL=C sort >"$WORK/tree.diff"
    compare_rows=0
    while IFS=$TAB read -r compare_path compare_was compare_is; do
        compare_rows=$((compare_rows + 1))
        if [ "$compare_rows" -gt 40 ]; then
            note "and $(($(wc -l <"$WORK/tree.diff") - 40)) more files of $1 $2"
            break
        fi
        rec diff file "$RELEASES/$2/${compare_path#./}" "$compare_was" "$compare_is"
    done <"$WORK/tree.diff"
}
