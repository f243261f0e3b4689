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
    stale_services
    report_stale
    verify_reboot
    done_ok
}

# needrestart looks at the kernel's own version, not at names of files: asked where there is one.
verify_reboot() {
    reboot_kernel=$(command -v needrestart >/dev/null && env -u NEEDRESTART_SUSPEND needrestart -b -k 2>/dev/null 3>&- |
        awk '/^NEEDRESTART-KSTA: / { state = $2 } /^NEEDRESTART-KEXP: / { expected = $2 } END { if (state > 1) print expected }')
    if [ -n "$reboot_kernel" ] && [ ! -e /run/reboot-required ]; then
        rec reboot yes "kernel $(uname -r) runs, $reboot_kernel is installed"
    else
        reboot_state
    fi
}
