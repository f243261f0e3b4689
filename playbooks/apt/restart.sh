# shellcheck shell=sh
# Services that still map files which were replaced.

step_restart() {
    restart_stale
    done_ok
}
