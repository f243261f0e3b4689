# shellcheck shell=sh disable=SC2034 # steps use what is set here
# What the release steps share. An application NAME lives in ROOT/NAME: releases/VERSION/ hold its releases, and
# `current` is a link to one of them. Whose version `current` leads to is what is installed.

SELECT=${SELECT:-packages}
RUN=${RUN:-none}

# --- grammar -----------------------------------------------------------------------------------------------------

valid_name() {
    case $1 in
        '' | [!A-Za-z0-9]* | *[!A-Za-z0-9+._~-]* | *..*) return 1 ;;
    esac
    [ "${#1}" -le 200 ]
}

valid_version() {
    case $1 in
        '' | [!A-Za-z0-9]* | *[!A-Za-z0-9.+:~^_-]* | *-) return 1 ;;
    esac
    [ "${#1}" -le 200 ]
}

valid_unit() {
    case $1 in
        '' | -* | *[!A-Za-z0-9:_.@-]*) return 1 ;;
    esac
    [ "${#1}" -le 250 ]
}

# A path that stays below where it begins, in letters that need no thought.
valid_inner_path() {
    case /$1/ in
        //* | */../* | */./* | *[!A-Za-z0-9/+._@~-]*) return 1 ;;
    esac
}

older() { # VERSION VERSION
    [ "$1" != "$2" ] && [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]
}

# --- what the plan says ([patch.vars]) -----------------------------------------------------------------------------

# An absolute path: relative ones, and those that begin with ~/, are under the home folder.
place() { # PATH -> $PLACE
    PLACE=${1%/}
    case $PLACE in
        \~) PLACE=$HOME ;;
        \~/*) PLACE=$HOME/${PLACE#??} ;;
        /*) ;;
        *) PLACE=$HOME/$PLACE ;;
    esac
    case $PLACE/ in
        */../* | */./* | *//* | *[[:cntrl:]]*) return 1 ;;
    esac
}

settings() { # -> $ROOT $SOURCE $REMOTE $CHECK $CHECK_NAMED $CHECK_TIMEOUT $KEEP $UNIT
    case $RUN in
        *[!A-Za-z0-9-]*) fail internal "RUN is not a run ID" ;;
    esac
    [ -n "${HOME:-}" ] || fail internal "HOME is not set"
    settings_root=${VAR_ROOT:-}
    if [ -z "$settings_root" ]; then
        [ "$(id -u)" = 0 ] && settings_root=/srv || settings_root=apps
    fi
    place "$settings_root" || fail invalid "root is not a plain path"
    ROOT=$PLACE
    settings_source
    CHECK=${VAR_CHECK-bin/check}
    CHECK_NAMED=${VAR_CHECK:+1}
    [ -z "$CHECK" ] || valid_inner_path "$CHECK" || fail invalid "check is not the name of a file in the release"
    CHECK_TIMEOUT=${VAR_CHECK_TIMEOUT:-60}
    is_number "$CHECK_TIMEOUT" || fail invalid "check_timeout is not a number of seconds"
    KEEP=${VAR_KEEP:-3}
    is_number "$KEEP" || fail invalid "keep is not a number of releases"
    UNIT=${VAR_RESTART:-}
    [ -z "$UNIT" ] || valid_unit "$UNIT" || fail invalid "restart is not the name of a unit"
}

settings_source() {
    REMOTE=0
    case ${VAR_SOURCE:-} in
        '') fail invalid "the plan does not say where the releases are" "[patch.vars] source = a folder or URL with NAME-VERSION.tar.gz" ;;
        *[[:cntrl:]]*) fail invalid "source is not a plain path or URL" ;;
        http://* | https://*)
            REMOTE=1
            SOURCE=${VAR_SOURCE%/}
            settings_host=${VAR_SOURCE#*://}
            case ${settings_host%%/*} in
                '' | *[!A-Za-z0-9:._-]* | [!A-Za-z0-9]*) fail invalid "source is not a plain URL" "passwords belong into ~/.netrc on the host" ;;
            esac
            case $SOURCE in
                *[!A-Za-z0-9:/._~%+@-]*) fail invalid "source is not a plain URL" ;;
            esac
            ;;
        *)
            place "$VAR_SOURCE" || fail invalid "source is not a plain path or URL"
            SOURCE=$PLACE
            ;;
    esac
}

# --- an application ----------------------------------------------------------------------------------------------

# $STRANGE says why this cannot be one of ours.
app() { # NAME -> $APP $RELEASES $CURRENT $LINK $HAVE $STRANGE
    APP=$ROOT/$1
    RELEASES=$APP/releases
    CURRENT=$APP/current
    LINK=
    HAVE=
    STRANGE=
    for app_path in "$APP" "$RELEASES"; do
        if [ -L "$app_path" ]; then
            STRANGE="$app_path is a link"
        elif [ -e "$app_path" ] && [ ! -d "$app_path" ]; then
            STRANGE="$app_path is not a folder"
        fi
    done
    if [ -L "$CURRENT" ]; then
        LINK=$(readlink "$CURRENT")
        app_version=${LINK#"$APP/"}
        app_version=${app_version#releases/}
        if [ "$app_version" != "$LINK" ] && valid_version "$app_version"; then
            HAVE=$app_version
        else
            STRANGE="$CURRENT leads to $LINK, which is not one of its releases"
        fi
    elif [ -e "$CURRENT" ]; then
        STRANGE="$CURRENT is not a link"
    fi
}

# In one step: whoever opens a file below `current` gets the old release or the new one, never none.
switch() { # TARGET
    switch_new=$APP/.current.$RUN
    rm -f "$switch_new"
    ln -s "$1" "$switch_new" || return 1
    # Where mv does not know -T the change is two steps.
    mv -f -T "$switch_new" "$CURRENT" 2>/dev/null || { rm -f "$switch_new" && ln -sfn "$1" "$CURRENT"; }
    [ "$(readlink "$CURRENT")" = "$1" ] && settle_disk "$APP"
}

# What is written must be on the disk before what is built upon it.
settle_disk() { sync -f "$1" 2>/dev/null || sync; }

# A folder's content, one line each: path, what it is. Sorted, so that two can be compared.
tree() { # FOLDER FILE
    rm -f "$WORK/tree.failed"
    (
        cd "$1" || exit 1
        find . -type d -exec printf '%s\tfolder\n' {} + || exit 1
        find . -type f -exec sha256sum {} + >"$WORK/tree.sums" || exit 1
        # A name with a backslash or line end is marked and written in one line.
        awk '{ at = substr($0, 1, 1) == "\\" ? 2 : 1; print substr($0, at + 66) "\tfile " substr($0, at, 64) }' "$WORK/tree.sums"
        find . -type f -perm -100 -exec printf '%s#x\texecutable\n' {} + || exit 1
        find . -type l -exec sh -c 'for link; do printf "%s\tlink to %s\n" "$link" "$(readlink "$link")"; done' sh {} + || exit 1
        find . ! -type f ! -type d ! -type l -exec printf '%s\tsomething else\n' {} +
    ) >"$WORK/tree.raw" 2>"$WORK/tree.why" || return 1
    LC_ALL=C sort "$WORK/tree.raw" >"$2"
}

# Ends 0 if the release passes its own check, or has none.
run_check() { # NAME VERSION
    [ -n "$CHECK" ] || return 0
    if [ ! -e "$CURRENT/$CHECK" ]; then
        [ -n "$CHECK_NAMED" ] || return 0
        problem check "$1 $2 has no $CHECK"
        return 1
    fi
    check_limit="timeout"
    ! timeout -k 1 1 true 2>/dev/null || check_limit="timeout -k 5"
    # shellcheck disable=SC2086 # two words, or four
    (cd "$CURRENT/" && exec $check_limit "$CHECK_TIMEOUT" "./$CHECK") >"$WORK/check.log" 2>&1 </dev/null 3>&-
    check_status=$?
    cat "$WORK/check.log"
    check_said=$(grep . "$WORK/check.log" | tail -n 1)
    case $check_status in
        0)
            rec check "$CHECK" yes "$1 $2${check_said:+: $check_said}"
            return 0
            ;;
        124 | 137 | 143) problem check "$1 $2: $CHECK did not end within $CHECK_TIMEOUT s${check_said:+; it said: $check_said}" ;;
        *) problem check "$1 $2: $CHECK ended with $check_status${check_said:+: $check_said}" ;;
    esac
    return 1
}

# --- this run's folder and its transaction -------------------------------------------------------------------------

stash_folder() {
    case ${STASH:-} in
        '' | [!/]* | *[[:cntrl:]]* | */../* | */..) fail internal "STASH is not a usable path" ;;
    esac
    [ -d "$STASH" ] || (umask 077 && mkdir -p "$STASH") || fail internal "$STASH cannot be made"
    if [ -L "$STASH" ] || [ "$(stat -c %u "$STASH")" != "$(id -u)" ]; then fail internal "$STASH is not ours"; fi
    chmod 700 "$STASH" || fail internal "$STASH cannot be closed to others"
}

# As rows without empty columns, which `read` would lose: operation, name, architecture, from or -, to.
rows() { # -> $WORK/rows
    rows_from=$IN/transaction
    [ -e "$rows_from" ] || rows_from=$WORK/resolved
    [ -e "$rows_from" ] || fail invalid "no transaction was given"
    awk -F '\t' 'BEGIN { OFS = "\t" } $0 != "" { print $1, $2, $3, ($4 == "" ? "-" : $4), ($5 == "" ? "-" : $5), (NF > 5 ? "more" : "") }' \
        "$rows_from" | LC_ALL=C sort -u >"$WORK/rows.raw"
    : >"$WORK/rows"
    while IFS=$TAB read -r op name arch from to more; do
        case $op in
            upgrade | downgrade) rows_from=$from ;;
            install) rows_from=0 ;;
            *) fail invalid "an operation of the transaction is none that releases know" ;;
        esac
        if ! valid_name "$name" || [ "$arch" != all ] || ! valid_version "$rows_from" || ! valid_version "$to" || [ -n "$more" ]; then
            fail invalid "a row of the transaction is not in its grammar"
        fi
        printf '%s\t%s\t%s\t%s\t%s\n' "$op" "$name" "$arch" "$from" "$to" >>"$WORK/rows"
    done <"$WORK/rows.raw"
}

# The rows whose baseline this is, or the part of them that $IN/undo names.
stashed_rows() { # -> $WORK/rows
    [ -e "$STASH/baseline/complete" ] || fail rollback "there is no baseline of this run"
    cp "$STASH/baseline/rows" "$WORK/rows" || fail internal "the stash cannot be read"
    [ -e "$IN/undo" ] || return 0
    awk -F '\t' 'FILENAME == ARGV[1] { wanted[$1] = 1; next } $2 in wanted' "$IN/undo" "$STASH/baseline/rows" >"$WORK/rows"
}

report_now() { # NAME
    app "$1"
    rec pkg "$1" all "$HAVE"
}

facts() {
    facts_release=$(os_release VERSION_ID)
    [ -n "$facts_release" ] || facts_release=$(os_release VERSION_CODENAME)
    facts_distro=$(os_release ID)
    rec fact distro "${facts_distro:-unknown}"
    rec fact release "${facts_release:-unknown}"
    rec fact arch "$(uname -m)"
    rec fact boot_id "$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)"
    rec fact machine_id "$(cat /etc/machine-id 2>/dev/null)"
    rec fact kernel "$(uname -r)"
    rec fact hostname "$(uname -n)"
}

# Read, never sourced: it is a host's file.
os_release() { # KEY
    sed -n "s/^$1=[\"']\{0,1\}\([A-Za-z0-9._-]*\)[\"']\{0,1\}\$/\1/p" /etc/os-release 2>/dev/null | head -n 1
}

# Everything that is installed here, for proofs.
report_installed() {
    is_one "${WANT_INSTALLED:-0}" || return 0
    for installed_path in "$ROOT"/*/current; do
        [ -L "$installed_path" ] || continue
        installed_name=${installed_path%/current}
        installed_name=${installed_name##*/}
        valid_name "$installed_name" || continue
        app "$installed_name"
        [ -z "$HAVE" ] || rec installed "$installed_name" all "$HAVE"
    done
}

# --- the source --------------------------------------------------------------------------------------------------

fetch() { # URL FILE
    if command -v curl >/dev/null; then
        curl -fsSL -g --netrc-optional --proto '=http,https' --retry 3 --connect-timeout 20 -o "$2" --url "$1"
    elif command -v wget >/dev/null; then
        wget -q -T 60 -O "$2" "$1"
    else
        fail refused "neither curl nor wget is there to fetch $1"
    fi
}

# The list of checksums, where the source has one.
sums() { # -> $SUMS, a file or nothing
    SUMS=
    if [ "$REMOTE" = 0 ]; then
        [ ! -e "$SOURCE/SHA256SUMS" ] || SUMS=$SOURCE/SHA256SUMS
        return
    fi
    if [ ! -e "$WORK/sums" ]; then
        fetch "$SOURCE/SHA256SUMS" "$WORK/sums.part" 2>"$WORK/sums.why" && mv "$WORK/sums.part" "$WORK/sums"
    fi
    [ ! -s "$WORK/sums" ] || SUMS=$WORK/sums
}

# Names of files in the source, as far as they can be known.
source_names() {
    if [ "$REMOTE" = 0 ]; then
        for source_path in "$SOURCE"/*.tar.gz; do
            [ ! -f "$source_path" ] || printf '%s\n' "${source_path##*/}"
        done
    elif [ -n "$SUMS" ]; then
        awk '{ name = substr($0, 67); sub(/^\.\//, "", name); print name }' "$SUMS"
    fi
}

# Versions of NAME in the source, the highest first. A version that has to be guessed begins with a digit, so that
# shop-admin-1.0 is none of shop.
source_versions() { # NAME
    source_names | while IFS= read -r source_name; do
        source_version=${source_name#"$1-"}
        [ "$source_version" != "$source_name" ] || continue
        source_version=${source_version%.tar.gz}
        case $source_version in [0-9]*) ! valid_version "$source_version" || printf '%s\n' "$source_version" ;; esac
    done | sort -V -r
}

in_source() { # NAME VERSION
    if [ "$REMOTE" = 0 ]; then
        [ -f "$SOURCE/$1-$2.tar.gz" ] && [ -r "$SOURCE/$1-$2.tar.gz" ]
    elif [ -n "$SUMS" ]; then
        source_names | grep -q -x -F -- "$1-$2.tar.gz"
    elif command -v curl >/dev/null; then
        curl -fsSIL -g --netrc-optional --proto '=http,https' --connect-timeout 20 --url "$SOURCE/$1-$2.tar.gz" >/dev/null 2>&1
    else
        wget -q --spider -T 60 "$SOURCE/$1-$2.tar.gz" 2>/dev/null
    fi
}

# Ends 0 if the file is what the list of checksums says, or there is no list.
check_sum() { # FILE NAME-IN-LIST
    SUM=$(sha256sum <"$1" | cut -c 1-64)
    [ -n "$SUMS" ] || return 0
    check_listed=$(awk -v wanted="$2" '{ name = substr($0, 67); sub(/^\.\//, "", name) } name == wanted { print tolower(substr($0, 1, 64)) }' "$SUMS" | sort -u)
    [ "$check_listed" != "$SUM" ] || return 0
    if [ -z "$check_listed" ]; then
        problem repository "SHA256SUMS in the source does not name $2"
    else
        problem repository "$2 has the wrong checksum: $SUM" "SHA256SUMS in the source says $check_listed"
    fi
    return 1
}

# --- archives ----------------------------------------------------------------------------------------------------

# An archive that holds plain files and folders with plain names, and nothing that could be written elsewhere. tar reads
# it from a pipe: it would take a colon in a file's name for another host's.
check_archive() { # FILE SHOWN-NAME -> $UNPACKED, in bytes
    UNPACKED=0
    if ! gzip -t <"$1" 2>"$WORK/archive.why"; then
        problem repository "$2 cannot be unpacked: $(archive_words)"
        return 1
    fi
    UNPACKED=$(gzip -dc <"$1" | wc -c)
    if ! gzip -dc <"$1" | tar -tf - >"$WORK/archive.names" 2>"$WORK/archive.why" ||
        ! gzip -dc <"$1" | tar -tvf - >"$WORK/archive.kinds" 2>>"$WORK/archive.why"; then
        problem repository "$2 cannot be unpacked: $(archive_words)"
        return 1
    fi
    archive_bad=$(archive_refusal)
    [ -n "$archive_bad" ] || return 0
    problem refused "$2 is not safe to unpack: $archive_bad"
    return 1
}

archive_refusal() {
    # Some tars take such prefixes off by themselves, and say so.
    if grep -q -i 'removing leading' "$WORK/archive.why"; then
        printf 'it has names that lead out of its folder'
        return
    fi
    awk '
        function bad(why) { print why; found = 1; exit }
        FILENAME == ARGV[1] {
            if ($0 ~ /^\//) bad("it has the absolute name " $0)
            if (("/" $0 "/") ~ /\/\.\.\//) bad("it has a name with `..`: " $0)
            # GNU tar writes control characters with a backslash.
            if ($0 ~ /[[:cntrl:]\\]/) bad("it has a name with a control character or backslash: " $0)
            next
        }
        # One way to tell a link is by its letter, another by where it leads: not every tar knows a letter for hard links.
        /^l/ || /^h/ || / -> / || / link to / { bad("it has a link: " $0) }
        !/^[-d]/ { bad("it has something that is neither file nor folder: " $0) }
        END { if (!found && NR == 0) print "it is empty" }' "$WORK/archive.names" "$WORK/archive.kinds"
}

archive_words() { tr '\n' ' ' <"$WORK/archive.why" | cut -c 1-300; }

# The archive's files as FOLDER, a new one. A single folder around everything goes if it is named after the release.
unpack() { # FILE FOLDER NAME VERSION
    rm -rf "$2" "$2.around"
    mkdir "$2.around" || return 1
    gzip -dc <"$1" | (cd "$2.around" && tar -xof - --no-same-permissions) || return 1
    if [ -n "$(find "$2.around" ! -type f ! -type d -o -type f -links +1)" ]; then return 1; fi
    # Neither special modes nor files that others may write, whatever the archive says.
    chmod -R u+rwX,go-w,u-s,g-s,o-t "$2.around" || return 1
    unpack_inner=$2.around
    for unpack_name in "$3-$4" "$3"; do
        if [ -d "$2.around/$unpack_name" ] && [ "$(find "$2.around/." ! -name . -prune -print | wc -l)" -eq 1 ]; then
            unpack_inner=$2.around/$unpack_name
        fi
    done
    mv "$unpack_inner" "$2" || return 1
    rm -rf "$2.around"
    # The moment from which this release is here, not the moment at which it was packed.
    touch "$2"
}

# --- the unit ----------------------------------------------------------------------------------------------------

unit_ctl() { # ARGUMENT...: the system's for root, else the user's own
    if [ "$(id -u)" = 0 ]; then
        timeout 120 systemctl "$@" 3>&-
    else
        XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-/run/user/$(id -u)} timeout 120 systemctl --user "$@" 3>&-
    fi
}

unit_excluded() {
    [ -e "$IN/restart_exclude" ] || return 1
    while IFS= read -r unit_glob || [ -n "$unit_glob" ]; do
        # shellcheck disable=SC2254 # it is meant as a pattern
        case $UNIT in
            $unit_glob) return 0 ;;
        esac
    done <"$IN/restart_exclude"
    return 1
}

# Ends 0 if the unit was restarted and runs. Whether it must is the plan's matter (`restart`).
restart_unit() { # WHY
    [ -n "$UNIT" ] || return 1
    case ${RESTART:-needed} in
        never) return 1 ;;
        report)
            rec service stale "$UNIT" "$1"
            return 1
            ;;
    esac
    if unit_excluded; then
        rec service stale "$UNIT" "restart_exclude names it ($1)"
    elif unit_ctl restart -- "$UNIT" && unit_ctl is-active --quiet -- "$UNIT"; then
        : >"$STASH/restarted"
        rec service restarted "$UNIT" "$1"
        return 0
    else
        rec service failed "$UNIT" "it could not be restarted"
        problem apply "$UNIT could not be restarted" "systemctl status $UNIT on the host says more"
    fi
    return 1
}
