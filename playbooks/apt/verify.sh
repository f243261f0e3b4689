# shellcheck shell=sh
# Is the transaction installed, and in effect? Reads only.

step_verify() {
    transaction
    state
    installed_now "$WORK/transaction" >"$WORK/now"
    report_rows pkg "$WORK/now"
    not_reached "$WORK/transaction" >"$WORK/not.reached"
    while IFS=$TAB read -r name wanted found status; do
        problem apply "$name should be ${wanted#-} and is ${found#-} ($status)"
    done <"$WORK/not.reached"
    report_installed
    if interrupted; then problem apply "dpkg is not clean: $(audit_words)"; fi
    [ "${RESTART:-needed}" = never ] || { stale_services; report_stale; }
    reboot_state
    done_ok
}
