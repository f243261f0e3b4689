# shellcheck shell=sh
# Asks for an orderly reboot and does not wait for it: what waited would hold the shutdown up.

step_reboot() {
    reboot_wait
    phase "asks for a reboot"
    sync
    reboot_ask || fail reboot "nothing here could reboot the host: $(tail -n 1 "$WORK/reboot.log" 2>/dev/null)" "reboot it by hand"
    done_ok
}

# Whoever inhibits the shutdown is in the middle of something: it gets some time, and is never overridden.
reboot_wait() {
    reboot_until=$(($(now) + 120))
    reboot_told=
    while reboot_inhibited; do
        [ "$(now)" -lt "$reboot_until" ] || fail reboot "the shutdown is inhibited: $INHIBITED" "let it finish: systemd-inhibit --list"
        [ "$reboot_told" = "$INHIBITED" ] || phase "waits for what inhibits the shutdown: $INHIBITED"
        reboot_told=$INHIBITED
        sleep 2
    done
}

reboot_inhibited() { # -> $INHIBITED
    INHIBITED=
    has_systemd && command -v systemd-inhibit >/dev/null || return 1
    INHIBITED=$(systemd-inhibit --list --no-pager --no-legend 2>/dev/null 3>&- | reboot_blocks)
    [ -n "$INHIBITED" ]
}

# Who and why, from lines of: who, UID, user, PID, command, what, why, mode. (Only locks that block: one that delays is
# waited for by the service manager.)
reboot_blocks() {
    awk '$NF ~ /^block/ && / ([a-z-]+:)*shutdown(:[a-z-]+)* / { $NF = ""; sub(/ +$/, ""); printf "%s%s", sep, $0; sep = "; " }'
}

reboot_ask() {
    if has_systemd && systemctl reboot </dev/null >>"$WORK/reboot.log" 2>&1 3>&-; then return 0; fi
    shutdown -r now </dev/null >>"$WORK/reboot.log" 2>&1 3>&- && return 0
    reboot </dev/null >>"$WORK/reboot.log" 2>&1 3>&-
}
