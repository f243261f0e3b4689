# shellcheck shell=sh
# What a host is. Reads only.

step_inspect() {
    facts
    settings
    report_installed
    rec reboot no ''
    done_ok
}
