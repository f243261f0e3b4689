# shellcheck shell=sh
# The state before the change: where `current` leads, which releases there are, what is in the one to go back to.

step_baseline() {
    settings
    stash_folder
    rows
    if [ -e "$STASH/begun" ]; then
        note "the change has begun: its baseline stays as it is"
        done_ok
    fi
    baseline_new=$STASH/baseline.new
    rm -rf "$baseline_new"
    mkdir "$baseline_new" || fail no_space "$STASH cannot be written to"
    while IFS=$TAB read -r _ name _ from _; do
        phase "records $name"
        baseline_app "$name" "$from" || fail no_space "$STASH cannot be written to"
    done <"$WORK/rows"
    if ! cp "$WORK/rows" "$baseline_new/rows" || ! : >"$baseline_new/complete"; then
        fail no_space "$STASH cannot be written to"
    fi
    settle_disk "$STASH"
    if ! rm -rf "$STASH/baseline" || ! mv "$baseline_new" "$STASH/baseline"; then
        fail internal "the baseline could not be put in its place"
    fi
    settle_disk "$STASH"
    baseline_evidence
    done_ok
}

baseline_app() { # NAME FROM
    app "$1"
    [ -z "$STRANGE" ] || fail refused "$1 is not laid out as releases: $STRANGE"
    [ "${HAVE:--}" = "$2" ] || fail stale "$1 is at ${HAVE:-no release} now, not at $2" "plan again"
    if [ -d "$RELEASES" ]; then
        ls -A "$RELEASES" >"$baseline_new/$1.releases" || return 1
    elif [ -d "$APP" ]; then
        : >"$baseline_new/$1.folder" || return 1
    elif [ -d "$ROOT" ]; then
        : >"$baseline_new/$1.root" || return 1
    fi
    [ -n "$HAVE" ] || return 0
    printf '%s\n' "$LINK" >"$baseline_new/$1.link" || return 1
    [ -d "$RELEASES/$HAVE" ] || fail refused "release $HAVE of $1 is not in $RELEASES"
    tree "$RELEASES/$HAVE" "$baseline_new/$1.tree" || fail refused "release $HAVE of $1 cannot be read: $(head -n 1 "$WORK/tree.why")"
}

baseline_evidence() {
    cp "$STASH/baseline/rows" "$OUT/baseline.rows"
    for baseline_file in "$STASH"/baseline/*.link "$STASH"/baseline/*.releases; do
        [ ! -e "$baseline_file" ] || cp "$baseline_file" "$OUT/baseline.${baseline_file##*/}"
    done
    for baseline_file in "$STASH"/baseline/*.tree; do
        [ ! -e "$baseline_file" ] || sha256sum <"$baseline_file" >"$OUT/baseline.${baseline_file##*/}.sha256"
    done
}
