# shellcheck shell=sh
# Does each link lead to the new release, is that what was unpacked, and is its own check content?

step_verify() {
    settings
    stash_folder
    rows
    while IFS=$TAB read -r _ name _ _ to; do
        report_now "$name"
        verify_one "$name" "$to"
    done <"$WORK/rows"
    verify_unit
    report_installed
    rec reboot no ''
    done_ok
}

verify_one() { # NAME VERSION
    if [ "$HAVE" != "$2" ]; then
        problem apply "$CURRENT leads to ${LINK:-nothing}, not to release $2"
        return
    fi
    if [ ! -d "$RELEASES/$2" ]; then
        problem apply "release $2 of $1 is not in $RELEASES"
        return
    fi
    if [ -e "$STASH/$1.new.tree" ] && ! verify_same "$1" "$2"; then
        note "$1 has changed files in its release since it was unpacked"
    fi
    run_check "$1" "$2"
}

# Files that are missing or other are a fault; what an application has added is its own matter.
verify_same() { # NAME VERSION
    tree "$RELEASES/$2" "$WORK/tree.now" || return 1
    LC_ALL=C comm -23 "$STASH/$1.new.tree" "$WORK/tree.now" >"$WORK/tree.lost"
    [ ! -s "$WORK/tree.lost" ] || problem apply "release $2 of $1 is not whole: $(cut -f 1 "$WORK/tree.lost" | head -n 3 | tr '\n' ' ')"
    cmp -s "$STASH/$1.new.tree" "$WORK/tree.now"
}

verify_unit() {
    if [ -n "$UNIT" ] && [ "${RESTART:-needed}" != never ] && [ ! -e "$STASH/restarted" ]; then
        rec service stale "$UNIT" "it still runs the release before"
    fi
}
