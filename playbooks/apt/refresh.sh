# shellcheck shell=sh
# The package index, nothing else. Any source that cannot be read fails it: old news about a security update is worse
# than none.

step_refresh() {
    is_one "${REFRESH:-1}" || done_ok
    # Simulations in this run must see the new index.
    rm -f "$WORK/policy"
    need_locks "$LISTS_LOCK"
    if ! retry_locked "$WORK/update.log" apt_get update -o APT::Update::Error-Mode=any; then
        [ "$PROBLEMS" -eq 0 ] || exit 1
        fail repository "$(update_words "$WORK/update.log")" "$(update_hint "$WORK/update.log")"
    fi
    # Before apt 2.3 there was no error mode: the warnings say it.
    if grep -q -E '^(E:|Err:|W: (Failed to fetch|Some index files failed|GPG error))' "$WORK/update.log"; then
        fail repository "$(update_words "$WORK/update.log")" "$(update_hint "$WORK/update.log")"
    fi
    done_ok
}

update_words() { # LOG
    update_text=$(apt_words "$1")
    [ -n "$update_text" ] || update_text=$(sed -n 's/^W: //p' "$1" | head -n 2 | tr '\n' ' ')
    printf '%s' "${update_text:-apt-get update failed without a message}"
}

update_hint() { # LOG
    if grep -q 'is not valid yet\|is expired\|no longer valid' "$1"; then
        printf 'check the clock of the host, then the mirror'
    elif grep -q "changed its '" "$1"; then
        printf 'the source changed its name: a person must accept that with apt-get update on the host'
    elif grep -q 'NO_PUBKEY\|not signed' "$1"; then
        printf 'the signing key of the source is missing or new on the host'
    else
        printf 'run apt-get update on the host'
    fi
}
