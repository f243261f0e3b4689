# shellcheck shell=sh
# The state before the change, kept on the host. Repairs an interrupted dpkg first, so that the baseline is sound.

step_baseline() {
    stash_folder
    transaction
    if [ -e "$STASH/begun" ]; then
        note "the change has begun: its baseline stays as it is"
        done_ok
    fi
    need_locks "$FRONTEND_LOCK" "$DPKG_LOCK"
    baseline_repair
    baseline_record
    baseline_evidence
    done_ok
}

baseline_repair() {
    interrupted || return 0
    note "dpkg was interrupted: finishes what it had begun ($(audit_words))"
    phase "repairs an interrupted dpkg"
    logged "$WORK/repair.log" dpkg_run --configure -a || note "$(failing_words "$WORK/repair.log")"
    rm -f "$WORK/state"
    ! interrupted || fail refused "dpkg was interrupted and could not be repaired: $(audit_words)" "dpkg --audit on the host says more"
}

baseline_evidence() {
    for file in transaction state auto selections conffiles; do
        cp "$STASH/baseline/$file" "$OUT/baseline.$file" 2>/dev/null
    done
}
