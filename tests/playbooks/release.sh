#!/bin/sh
# Tests of the release playbook: its steps as patchctl puts them together, under dash and under BusyBox (with BusyBox's
# own tar, mv, sort and so on), in folders under the temporary folder. Needs neither root nor a network.
#
# usage: tests/playbooks/release.sh [dash|busybox] [TEST...]      (the tests are in release/)
set -u
here=$(dirname "$(readlink -f "$0")")
playbooks=$(readlink -f "$here/../../playbooks")
prelude=${PRELUDE:-$playbooks/prelude.sh}
[ -r "$prelude" ] || { echo "SKIPPED: there is no $prelude" >&2; exit 77; }

if [ $# -eq 0 ]; then
    failed=0
    for shell in dash busybox; do
        if command -v "$shell" >/dev/null; then "$0" "$shell" || failed=1; else echo "SKIPPED: $shell is not here"; fi
    done
    exit "$failed"
fi
shell=$1
shift

top=$(mktemp -d "${TMPDIR:-/tmp}/patchctl-release.XXXXXX") || exit 1
trap 'rm -rf -- "$top"' EXIT
path=$PATH
if [ "$shell" = busybox ]; then
    mkdir "$top/bin"
    for applet in $(busybox --list); do ln -s "$(command -v busybox)" "$top/bin/$applet"; done
    path=$top/bin:$PATH
fi

# --- a host ------------------------------------------------------------------------------------------------------

# A home with shop 2.4.0, and a source with more.
new_host() { # NAME
    t=$top/$1
    rm -rf "$t"
    mkdir -p "$t/home/apps/shop/releases" "$t/source" "$t/tmp"
    in=$t/in.forward
    mkdir "$in"
    release "$t/home/apps/shop/releases/2.4.0" 2.4.0
    ln -s releases/2.4.0 "$t/home/apps/shop/current"
    pack shop 2.4.1
    VAR_SOURCE=$t/source VAR_ROOT=apps VAR_CHECK=bin/check VAR_CHECK_TIMEOUT=2 VAR_KEEP='' VAR_RESTART='' INSTALL=0
    RUN=01TESTRUN PATH_FIRST='' RESTART=needed
    ask shop=2.4.1
}

release() { # FOLDER VERSION
    mkdir -p "$1/bin"
    printf '#!/bin/sh\necho "shop %s"\n' "$2" >"$1/bin/shop"
    # shellcheck disable=SC2016 # the release expands it
    printf '#!/bin/sh\n[ ! -e "$HOME/broken" ] || { echo "the orders are locked" >&2; exit 4; }\n[ ! -e "$HOME/slow" ] || sleep 30\necho fine\n' >"$1/bin/check"
    chmod 755 "$1/bin/shop" "$1/bin/check"
    printf '%s\n' "$2" >"$1/VERSION"
}

pack() { # NAME VERSION
    release "$t/tmp/$1-$2" "$2"
    tar -C "$t/tmp" -czf "$t/source/$1-$2.tar.gz" "$1-$2"
    rm -rf "$t/tmp/$1-$2"
}

ask() { # NAME[=VERSION]...
    : >"$in/packages"
    for asked; do
        case $asked in
            *=*) printf '%s\t%s\n' "${asked%%=*}" "${asked#*=}" ;;
            *) printf '%s\t\n' "$asked" ;;
        esac >>"$in/packages"
    done
}

# Runs steps as patchctl does. Sets $code; records are in $t/records, the log in $t/log.
steps() { # STEP...
    {
        cat "$prelude" "$playbooks/release/lib.sh"
        for step; do cat "$playbooks/release/$step.sh"; done
        echo "run_steps $*"
    } >"$t/script"
    rm -rf "$t/out" "$t/records"
    mkdir "$t/out"
    : >"$t/records"
    # shellcheck disable=SC2086 # `busybox sh` is two words
    (
        set --
        [ -z "$VAR_KEEP" ] || set -- "VAR_KEEP=$VAR_KEEP"
        [ -z "$VAR_RESTART" ] || set -- "$@" "VAR_RESTART=$VAR_RESTART"
        [ "$VAR_CHECK" = default ] || set -- "$@" "VAR_CHECK=$VAR_CHECK"
        cd / && exec env -i PATH="$PATH_FIRST$path" HOME="$t/home" LC_ALL=C TMPDIR="$t/tmp" IN="$in" OUT="$t/out" STASH="$t/stash" \
            RUN="$RUN" CHANGE=CHG1 STAGE=uat HOST=h SELECT=packages INSTALL="$INSTALL" ALLOW_REMOVALS=0 REFRESH=1 \
            RESTART="$RESTART" WANT_INSTALLED=1 RECORDS="$t/records" VAR_SOURCE="$VAR_SOURCE" VAR_ROOT="$VAR_ROOT" \
            VAR_CHECK_TIMEOUT="$VAR_CHECK_TIMEOUT" "$@" $under "$t/script"
    ) >"$t/log" 2>&1 </dev/null
    code=$?
}
under=$shell
[ "$shell" != busybox ] || under='busybox sh'

plan() {
    rm -f "$in/transaction"
    steps refresh inspect resolve preflight
    awk -F '\t' 'BEGIN { OFS = "\t" } $1 == "op" { print $2, $3, $4, $5, $6 }' "$t/records" >"$t/transaction"
    [ ! -s "$t/transaction" ] || cp "$t/transaction" "$in/transaction"
}

patch() {
    plan
    well
    steps baseline stash
    well
    steps apply
}

# --- what is expected --------------------------------------------------------------------------------------------

say() {
    bad=1
    printf 'FAILED %s: %s: %s\n' "$shell" "$test" "$1"
    sed 's/^/    record: /' "$t/records"
    tail -n 15 "$t/log" | sed 's/^/    log: /'
}

well() { [ "$code" -eq 0 ] || say "the steps ended with $code"; }
badly() { [ "$code" -eq 1 ] || say "the step ended with $code instead of 1"; }
has() { # FIELD...
    line=$1
    shift
    for field; do line=$line$(printf '\t')$field; done
    grep -q -x -F -- "$line" "$t/records" || say "no record $line"
}
has_like() { grep -q -E -- "$1" "$t/records" || say "no record like $1"; }
has_no() { ! grep -q "^$1$(printf '\t')" "$t/records" || say "there is a record $1"; }
at() { # VERSION
    now=$(readlink "$t/home/apps/shop/current")
    [ "$now" = "releases/$1" ] || say "current leads to ${now:-nothing}, not to $1"
    [ "$("$t/home/apps/shop/current/bin/shop")" = "shop $1" ] || say "it is not shop $1 that runs"
}
releases_are() { # VERSION...
    # shellcheck disable=SC2012 # names of ours
    there=$(ls -A "$t/home/apps/shop/releases" | tr '\n' ' ')
    [ "$there" = "$*${1:+ }" ] || say "the releases are $there, not $*"
}
exact() {
    steps compare
    well
    has_no diff
}

# -----------------------------------------------------------------------------------------------------------------

for part in "$here"/release/*.sh; do
    # shellcheck source=/dev/null
    . "$part"
done
# shellcheck disable=SC2046 # names of functions
[ $# -gt 0 ] || set -- $(sed -n 's/^test_\([a-z_]*\)() {$/\1/p' "$here"/release/*.sh)
failures=0
for test; do
    bad=0
    new_host "$test"
    "test_$test"
    [ "$bad" -eq 0 ] && echo "ok $shell: $test" || failures=$((failures + 1))
done
[ "$failures" -eq 0 ] || echo "$failures tests failed under $shell"
[ "$failures" -eq 0 ]
