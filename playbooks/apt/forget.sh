# shellcheck shell=sh
# The change is kept or undone. The way back stays for as long as the stash is kept; the rest goes.

step_forget() {
    stash_folder
    rm -rf "$STASH/ballast" "$STASH/ballast.small" "$STASH/prove" "$STASH/repack" "$STASH/baseline.new" "$STASH/after.new"
    # What was fetched ahead of a window waits for it.
    is_one "${KEEP_NEW:-0}" || rm -rf "$STASH/new"
    prune_old
    done_ok
}
