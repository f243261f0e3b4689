# shellcheck shell=sh
# What a host is, and what may stand in the way. Reads only.

step_inspect() {
    facts
    state
    awk -F '\t' '$4 == "hold" && $6 != "not-installed" { print $1 }' "$WORK/state" | LC_ALL=C sort -u |
        while IFS= read -r name; do rec held "$name"; done
    report_installed
    inspect_locks
    if interrupted; then
        note "dpkg was interrupted here or left packages half way ($(audit_words)); it is repaired before the patch"
    fi
    reboot_state
    done_ok
}

inspect_locks() {
    for lock in "$FRONTEND_LOCK" "$DPKG_LOCK" "$LISTS_LOCK" "$ARCHIVES_LOCK"; do
        ! lock_holder "$lock" || rec lock "$lock" "$HOLDER_PID" "$HOLDER_COMMAND"
    done
}
