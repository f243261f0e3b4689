# shellcheck shell=sh
# What the source has to offer.

step_refresh() {
    settings
    if [ "$REMOTE" = 0 ]; then
        if [ ! -d "$SOURCE" ] || [ ! -r "$SOURCE" ]; then
            fail repository "$SOURCE is not a folder that can be read here" "[patch.vars] source in the plan"
        fi
        done_ok
    fi
    is_one "${REFRESH:-1}" || done_ok
    phase "asks $SOURCE"
    sums
    [ -n "$SUMS" ] || note "$SOURCE has no SHA256SUMS: what it has is not known before it is asked for ($(tr '\n' ' ' <"$WORK/sums.why" | cut -c 1-200))"
    done_ok
}
