# shellcheck shell=sh
# The unit that runs the application, restarted; then the application's own check once more.

step_restart() {
    settings
    stash_folder
    rows
    if restart_unit "the release changed"; then
        while IFS=$TAB read -r _ name _ _ to; do
            app "$name"
            run_check "$name" "$to"
        done <"$WORK/rows"
    fi
    done_ok
}
