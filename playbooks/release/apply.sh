# shellcheck shell=sh
# The new releases into their places, then the links. From the stash, which is checked once more.

step_apply() {
    [ -e "$IN/transaction" ] || fail invalid "no transaction was given"
    settings
    stash_folder
    rows
    apply_ready
    # From here on the baseline is final, also if we are killed on the next line.
    : >"$STASH/begun" || fail no_space "$STASH cannot be written to"
    settle_disk "$STASH"
    while IFS=$TAB read -r _ name _ _ to; do
        phase "unpacks $name $to"
        apply_place "$name" "$to"
    done <"$WORK/rows"
    while IFS=$TAB read -r _ name _ _ to; do
        phase "switches $name to $to"
        app "$name"
        switch "releases/$to" || apply_fail no_space "$CURRENT could not be switched"
    done <"$WORK/rows"
    apply_report
    done_ok
}

# The way back must be there, and for this very transaction; nobody may have been here since.
apply_ready() {
    if [ ! -e "$STASH/baseline/complete" ] || [ ! -e "$STASH/manifest" ]; then
        fail refused "there is no baseline or stash of this run"
    fi
    cmp -s "$WORK/rows" "$STASH/baseline/rows" || fail stale "the stash was made for another transaction"
    if [ -s "$STASH/manifest" ]; then
        (cd "$STASH/new" && sha256sum -c "$STASH/manifest") >/dev/null 2>&1 || fail refused "the stash is not whole"
    fi
    while IFS=$TAB read -r _ name _ from _; do
        app "$name"
        [ -z "$STRANGE" ] || fail refused "$name is not laid out as releases: $STRANGE"
        [ "${HAVE:--}" = "$from" ] || fail stale "$name is at ${HAVE:-no release} now, not at $from" "plan again"
    done <"$WORK/rows"
}

apply_place() { # NAME VERSION
    app "$1"
    apply_new=$RELEASES/.new.$RUN
    mkdir -p "$RELEASES" || apply_fail no_space "$RELEASES could not be made"
    unpack "$STASH/new/$1-$2.tar.gz" "$apply_new" "$1" "$2" || apply_fail apply "$1-$2.tar.gz could not be unpacked into $RELEASES"
    tree "$apply_new" "$STASH/$1.new.tree" || apply_fail apply "what was unpacked of $1 $2 cannot be read"
    if [ -e "$RELEASES/$2" ] || [ -L "$RELEASES/$2" ]; then
        apply_same "$1" "$2"
        return
    fi
    if [ -n "$CHECK_NAMED" ] && [ ! -x "$apply_new/$CHECK" ]; then
        apply_fail apply "$1 $2 has no $CHECK that can be run"
    fi
    settle_disk "$apply_new"
    mv "$apply_new" "$RELEASES/$2" || apply_fail no_space "$RELEASES/$2 could not be put in its place"
    settle_disk "$RELEASES"
}

# A release that was here before is used only if it is the one in the archive.
apply_same() { # NAME VERSION
    if [ -d "$RELEASES/$2" ] && [ ! -L "$RELEASES/$2" ] && tree "$RELEASES/$2" "$WORK/tree.there" && cmp -s "$WORK/tree.there" "$STASH/$1.new.tree"; then
        rm -rf "$apply_new"
        note "$1 $2 was here already"
        return
    fi
    apply_fail conflict "$RELEASES/$2 is there and is not what the archive holds" "remove it, if nothing uses it"
}

apply_fail() { # KIND MESSAGE [HINT]
    apply_why=$(cat "$WORK/tree.why" 2>/dev/null)
    [ -z "$apply_why" ] || printf '%s\n' "$apply_why"
    while IFS=$TAB read -r _ name _ _ _; do
        app "$name"
        rm -rf "$RELEASES/.new.$RUN" "$RELEASES/.new.$RUN.around"
    done <"$WORK/rows"
    apply_report
    fail "$@"
}

apply_report() {
    while IFS=$TAB read -r _ name _ _ _; do report_now "$name"; done <"$WORK/rows"
}
