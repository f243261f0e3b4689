# shellcheck shell=sh
# Exactly the approved transaction, no more. What counts afterwards is what dpkg says is installed, not exit codes.

step_apply() {
    [ -e "$IN/transaction" ] || fail invalid "no transaction was given"
    stash_folder
    transaction
    input packages NV
    apply_ready
    need_locks "$FRONTEND_LOCK" "$DPKG_LOCK"
    state
    ! interrupted || fail refused "dpkg was interrupted since the baseline was made: $(audit_words)"
    frozen_holds "$WORK/transaction" || fail stale "the transaction is not what apt would do now: $(cat "$WORK/frozen.diff")" "plan again"
    [ -e "$STASH/begun" ] || baseline_record
    apply_begin
    apply_install
    # If the change has filled the disk, what became of it must still be told.
    rm -f "$STASH/ballast.small"
    apply_marks
    apply_record
    apply_judge
    done_ok
}

# The way back must be there, and for this very transaction.
apply_ready() {
    if [ ! -e "$STASH/baseline/complete" ] || [ ! -e "$STASH/manifest" ]; then
        fail refused "there is no baseline or stash for this run"
    fi
    cut -f 1-5 "$WORK/transaction" | cmp -s - "$STASH/baseline/transaction" || fail stale "the stash was made for another transaction"
    (cd "$STASH/debs" && awk -F '\t' '{ print $6 "  " $7 }' "$STASH/manifest" | sha256sum -c --quiet - >/dev/null 2>&1) || {
        [ ! -s "$STASH/manifest" ] || fail refused "the stash is not whole"
    }
}

# From here on the baseline is final, also if we are killed on the next line.
apply_begin() {
    [ -e "$STASH/begun" ] || rm -rf "$STASH/after" "$STASH/back" "$STASH/rollback.log"
    : >"$STASH/begun" || fail no_space "$STASH cannot be written to"
    settle_disk
}

apply_install() {
    frozen_words "$WORK/transaction" >"$WORK/frozen.words"
    [ -s "$WORK/frozen.words" ] || return 0
    phase "installs $(grep -c . "$WORK/frozen.words") packages"
    # shellcheck disable=SC2046 # one word a line, held to the grammar
    logged "$STASH/apply.log" apt_frozen -o "Dir::Cache::archives=$STASH/new/" install -- $(cat "$WORK/frozen.words")
    apply_status=$?
}

# Naming a package marks it as wanted by a person. What was there keeps its mark; what came is automatic, unless it was
# asked for by name.
apply_marks() {
    cp "$WORK/state" "$WORK/state.before"
    rm -f "$WORK/state"
    state
    awk -F '\t' -v native="$NATIVE" "$AWK_KEY"'
        FILENAME == ARGV[1] { auto[$1] = 1; next }
        FILENAME == ARGV[2] { k = $1; sub(":" native "$", "", k); asked[k] = 1; next }
        FILENAME == ARGV[3] { if ($6 == "installed") here[key($1, $2)] = 1; next }
        {
            k = key($2, $3)
            if ($1 == "remove" || !(k in here)) next
            if ($1 == "install" ? !(k in asked) : k in auto) print k
        }' "$STASH/baseline/auto" "$WORK/in.packages" "$WORK/state" "$WORK/transaction" >"$WORK/make.auto"
    # shellcheck disable=SC2046 # names, held to the grammar
    [ ! -s "$WORK/make.auto" ] || apt-mark auto $(cat "$WORK/make.auto") >/dev/null 3>&- || note "the automatic marks could not be set"
    restore_wants "$WORK/state.before" "$WORK/transaction"
}

apply_record() {
    phase "records the state after"
    rm -rf "$STASH/after.new"
    if mkdir "$STASH/after.new" && snapshot "$STASH/after.new" "$STASH/baseline/touched"; then
        rm -rf "$STASH/after"
        mv "$STASH/after.new" "$STASH/after"
        cp "$STASH/after/state" "$OUT/after.state" 2>/dev/null
    else
        note "the state after the patch could not be recorded"
    fi
    cp "$STASH/apply.log" "$OUT/apply.log" 2>/dev/null
    settle_disk
}

apply_judge() {
    installed_now "$WORK/transaction" >"$WORK/now"
    report_rows pkg "$WORK/now"
    not_reached "$WORK/transaction" >"$WORK/not.reached"
    apply_words=$(failing_words "$STASH/apply.log" 2>/dev/null)
    if [ -s "$WORK/not.reached" ] || interrupted; then
        if grep -q 'Could not get lock' "$STASH/apply.log" && cmp -s "$STASH/baseline/state" "$STASH/after/state"; then
            fail locked "$(apt_words "$STASH/apply.log")"
        fi
        [ -n "$apply_words" ] || apply_words=$(sed -n 's/^dpkg: error: //p' "$STASH/apply.log" | head -n 1)
        [ -n "$apply_words" ] || apply_words=$(apt_words "$STASH/apply.log")
        fail apply "${apply_words:-not installed as planned: $(tr '\t\n' '  ' <"$WORK/not.reached")}"
    fi
    [ "${apply_status:-0}" -eq 0 ] || note "apt-get ended with $apply_status, though everything is installed: $(apt_words "$STASH/apply.log")"
}
