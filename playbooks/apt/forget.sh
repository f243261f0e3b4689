# shellcheck shell=sh
# The change is kept or undone. The way back stays for as long as the stash is kept; the rest goes.

step_forget() {
    stash_folder
    rm -rf "$STASH/ballast" "$STASH/ballast.small" "$STASH/new" "$STASH/prove" "$STASH/repack" "$STASH/baseline.new" "$STASH/after.new"
    prune_old
    done_ok
}
