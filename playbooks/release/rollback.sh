# shellcheck shell=sh
# The links back to where they led; releases that this run brought are removed. May be run again after it was killed at
# any moment, and after it has succeeded. What somebody else has changed since is left alone.

step_rollback() {
    settings
    stash_folder
    stashed_rows
    if [ ! -e "$STASH/begun" ]; then
        note "nothing was changed here"
        done_ok
    fi
    rollback_look
    rollback_changed=0
    while IFS=$TAB read -r _ name _ from to; do
        rollback_link "$name" "$from"
        rollback_remove "$name" "$to"
        report_now "$name"
    done <"$WORK/rows"
    [ "$rollback_changed" = 0 ] || rm -f "$STASH/restarted"
    [ -e "$STASH/restarted" ] || restart_unit "the release before is back" || :
    done_ok
}

# All of it is looked at before any of it is changed.
rollback_look() {
    rollback_theirs=
    while IFS=$TAB read -r _ name _ from to; do
        app "$name"
        if [ -n "$STRANGE" ] || { [ "${HAVE:--}" != "$from" ] && [ "$HAVE" != "$to" ]; }; then
            rec conflict "$name" all "$to" "$HAVE"
            rollback_theirs="${rollback_theirs:+$rollback_theirs, }$name"
        elif [ "$from" != - ] && [ ! -d "$RELEASES/$from" ]; then
            problem rollback "release $from of $name is no longer in $RELEASES"
        fi
    done <"$WORK/rows"
    [ -z "$rollback_theirs" ] || fail conflict "changed since by somebody else: $rollback_theirs" "undo the newer change first, or leave these out"
    [ "$PROBLEMS" -eq 0 ] || exit 1
}

rollback_link() { # NAME FROM
    app "$1"
    if [ "$2" = - ]; then
        [ -n "$LINK" ] || return 0
        phase "takes $1 away"
        rm -f "$CURRENT" || fail rollback "$CURRENT could not be removed"
    else
        rollback_target=$(cat "$STASH/baseline/$1.link") || fail rollback "the baseline of $1 cannot be read"
        [ "$LINK" != "$rollback_target" ] || return 0
        phase "switches $1 back to $2"
        switch "$rollback_target" || fail rollback "$CURRENT could not be switched back"
    fi
    rollback_changed=1
}

# Away goes what the baseline does not have, first by name and then for good, so that a half-removed release is none.
rollback_remove() { # NAME VERSION
    rm -rf "$RELEASES/.new.$RUN" "$RELEASES/.new.$RUN.around" "$APP/.current.$RUN"
    rollback_gone=$RELEASES/.gone.$RUN
    if ! grep -q -x -F -- "$2" "$STASH/baseline/$1.releases" 2>/dev/null && [ -e "$RELEASES/$2" ]; then
        rm -rf "$rollback_gone"
        mv "$RELEASES/$2" "$rollback_gone" || fail rollback "release $2 of $1 could not be removed"
    fi
    rm -rf "$rollback_gone"
    # Folders that came with the release; they go only if nothing else is in them.
    [ -e "$STASH/baseline/$1.releases" ] || rmdir "$RELEASES" 2>/dev/null
    [ -e "$STASH/baseline/$1.releases" ] || [ -e "$STASH/baseline/$1.folder" ] || rmdir "$APP" 2>/dev/null
    [ -e "$STASH/baseline/$1.releases" ] || [ -e "$STASH/baseline/$1.folder" ] || [ -e "$STASH/baseline/$1.root" ] || rmdir "$ROOT" 2>/dev/null
    [ ! -d "$ROOT" ] || settle_disk "$ROOT"
}
