# shellcheck shell=sh
# Brings every old package onto the host and checks it, fetches the new ones, and proves the way back by simulating it
# against the state that the patch will leave.

step_stash() {
    stash_folder
    transaction
    [ -e "$STASH/baseline/complete" ] || fail internal "there is no baseline"
    if [ -e "$STASH/begun" ]; then
        note "the change has begun: its stash stays as it is"
        done_ok
    fi
    state
    (umask 077 && mkdir -p "$STASH/debs" "$STASH/new/partial") || fail no_space "no folder could be made in $STASH"
    stash_new
    stash_neighbours
    stash_old
    stash_manifest
    stash_prove
    stash_ballast
    settle_disk
    stash_report
    done_ok
}

# --- the packages to come ----------------------------------------------------------------------------------------

stash_new() {
    awk -F '\t' '$1 != "remove"' "$WORK/transaction" >"$WORK/coming"
    cut -f 2,3,5 "$WORK/coming" >"$WORK/coming.files"
    : >"$WORK/new.plain"
    [ -s "$WORK/coming" ] || { : >"$STASH/new.files"; return; }
    stash_new_cached
    phase "fetches the new packages"
    frozen_words "$WORK/transaction" >"$WORK/frozen.words"
    # shellcheck disable=SC2046 # one word a line, held to the grammar
    if ! retry_locked "$WORK/fetch.log" apt_frozen -o "Dir::Cache::archives=$STASH/new/" --download-only \
        install -- $(cat "$WORK/frozen.words"); then
        [ "$PROBLEMS" -eq 0 ] || exit 1
        fail repository "the new packages could not be fetched: $(apt_words "$WORK/fetch.log")"
    fi
    : >"$WORK/new.files"
    while IFS=$TAB read -r name arch version; do
        file=$STASH/new/$(cache_name "$name" "$version" "$arch")
        # A source in a folder of this host is used in place; it may be gone when its turn comes.
        key "$name" "$arch"
        [ -s "$file" ] || (cd "$STASH/new" && apt_get download -- "$KEY=$version")
        [ -s "$file" ] || fail repository "apt did not fetch $name $version"
        deb_paths "$file" >>"$WORK/new.files"
        deb_plain_files "$file" >>"$WORK/new.plain"
    done <"$WORK/coming.files"
    LC_ALL=C sort -u "$WORK/new.files" >"$STASH/new.files" || fail no_space "$STASH/new.files could not be written"
}

# apt trusts a file only after comparing its sum, so what its own cache has need not come over the network again.
stash_new_cached() {
    while IFS=$TAB read -r name arch version; do
        file=$(cache_name "$name" "$version" "$arch")
        [ ! -s "/var/cache/apt/archives/$file" ] || cp -n "/var/cache/apt/archives/$file" "$STASH/new/"
    done <"$WORK/coming.files"
}

# A new package may take over a file of one that is not part of the transaction (Replaces). When it goes back, the file
# would be gone though every list is as before: so that neighbour is stashed too.
stash_neighbours() {
    awk -F '\t' 'FILENAME == ARGV[1] { part[$2] = 1; next } $6 == "installed" && !($1 in part) { print $1 "\t" $2 "\t" $3 }' \
        "$WORK/transaction" "$WORK/state" >"$WORK/others"
    : >"$STASH/keep"
    [ -s "$WORK/new.plain" ] || return 0
    grep -l -x -F -f "$WORK/new.plain" "$ADMIN"/info/*.list 2>/dev/null | sed -e 's,^.*/,,' -e 's,\.list$,,' >"$WORK/owners"
    awk -F '\t' -v native="$NATIVE" "$AWK_KEY"'
        FILENAME == ARGV[1] { owner[$1] = 1; next }
        ($1 in owner) || (($1 ":" $2) in owner)' "$WORK/owners" "$WORK/others" >"$STASH/keep"
    [ -s "$STASH/keep" ] || return 0
    note "files of these are taken over, so they are stashed too: $(cut -f 1 "$STASH/keep" | tr '\n' ' ')"
    baseline_record
}

# --- the old packages --------------------------------------------------------------------------------------------

stash_old() {
    phase "brings the old packages onto the host"
    {
        cat "$WORK/transaction"
        awk -F '\t' '{ print "upgrade\t" $1 "\t" $2 "\t" $3 "\t" $3 }' "$STASH/keep"
    } >"$WORK/wanted.old"
    sources_of "$WORK/wanted.old" >"$WORK/old"
    : >"$WORK/download.words"
    stash_download
    : >"$WORK/manifest"
    while IFS=$TAB read -r name arch version _; do
        stash_one "$name" "$arch" "$version"
    done <"$WORK/old"
    [ "$PROBLEMS" -eq 0 ] || exit 1
}

# In one go what the sources have; what fails then is tried by itself, for its own message.
stash_download() {
    while IFS=$TAB read -r name arch version source _; do
        [ "$source" = repository ] || continue
        [ ! -s "$STASH/debs/$(cache_name "$name" "$version" "$arch")" ] || continue
        key "$name" "$arch"
        printf '%s=%s\n' "$KEY" "$version"
    done <"$WORK/old" >"$WORK/download.words"
    [ -s "$WORK/download.words" ] || return 0
    # shellcheck disable=SC2046 # one word a line, held to the grammar
    (cd "$STASH/debs" && apt_get download -- $(cat "$WORK/download.words")) && return 0
    while IFS= read -r word; do
        (cd "$STASH/debs" && apt_get download -- "$word")
    done <"$WORK/download.words"
    return 0
}

# From where it is nearest. The version alone does not make a package (it may have been built here), so what is not the
# installed one, file by file, is thrown away; the last way is to build it from what is installed.
stash_one() { # NAME ARCH VERSION
    stash_file=$STASH/debs/$(cache_name "$1" "$3" "$2")
    for stash_way in kept cached fetched rebuilt; do
        "stash_$stash_way" "$@" || continue
        if stash_fits "$stash_file" "$@" && stash_same_files "$stash_file" "$@"; then
            stash_row "$@"
            return
        fi
        rm -f "$stash_file" "$stash_file.rebuilt"
    done
    rec old "$1" "$2" "$3" missing approximate 0
    problem refused "the old package $1 $3 can neither be fetched nor rebuilt" "keep it in /var/cache/apt/archives, then run again"
}

stash_kept() { [ -s "$stash_file" ]; }

stash_cached() { cp "/var/cache/apt/archives/${stash_file##*/}" "$stash_file" 2>/dev/null; }

# What the first try in one go brought and was not the installed one will not be better now.
stash_fetched() { # NAME ARCH VERSION
    key "$1" "$2"
    ! grep -q -x -F -e "$KEY=$3" "$WORK/download.words" || return 1
    awk -F '\t' -v name="$KEY" -v version="$3" '$1 == name && $3 == version { found = 1 } END { exit !found }' "$WORK/available" || return 1
    (cd "$STASH/debs" && apt_get download -- "$KEY=$3")
}

stash_rebuilt() { # NAME ARCH VERSION
    phase "rebuilds $1 from what is installed"
    repack "$1" "$2" "$3" "$stash_file" && : >"$stash_file.rebuilt"
}

stash_fits() { # FILE NAME ARCH VERSION
    stash_fields=$(dpkg-deb -f "$1" Package Architecture Version 2>/dev/null | LC_ALL=C sort | tr '\n' ' ')
    [ "$stash_fields" = "Architecture: $3 Package: $2 Version: $4 " ]
}

stash_same_files() { # FILE NAME ARCH VERSION
    info_prefix "$2" "$3"
    dpkg-deb --ctrl-tarfile "$1" 2>/dev/null | tar -xOf - ./md5sums 2>/dev/null | LC_ALL=C sort >"$WORK/sums.deb"
    LC_ALL=C sort "$INFO.md5sums" >"$WORK/sums.host" 2>/dev/null
    cmp -s "$WORK/sums.deb" "$WORK/sums.host"
}

stash_row() { # NAME ARCH VERSION
    stash_exact=exact
    [ ! -e "$stash_file.rebuilt" ] || stash_exact=approximate
    printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$stash_exact" "$(stat -c %s "$stash_file")" \
        "$(sha256sum <"$stash_file" | cut -d ' ' -f 1)" "${stash_file##*/}" >>"$WORK/manifest"
}

stash_manifest() {
    if ! cp "$WORK/manifest" "$STASH/manifest.new" || ! mv "$STASH/manifest.new" "$STASH/manifest"; then
        fail no_space "the list of the stash could not be written to $STASH"
    fi
    cp "$STASH/manifest" "$OUT/stash.manifest" 2>/dev/null
}

stash_report() {
    awk -F '\t' '{ print $1 "\t" $2 "\t" $3 "\tstashed\t" $4 "\t" $5 }' "$STASH/manifest" >"$WORK/stashed"
    report_rows old "$WORK/stashed"
}

# --- building a package from what is installed -------------------------------------------------------------------
# As dpkg-repack does, which needs more of perl than a small host has. Of a conffile that was edited here the package's
# own version is not known any more. It gets a stand-in: were the edited one taken for the package's own, dpkg would
# replace it with the next upgrade. Hence "approximate"; the contents come from the baseline.

repack() { # NAME ARCH VERSION FILE
    info_prefix "$1" "$2"
    [ -s "$INFO.list" ] || return 1
    tree=$STASH/repack
    rm -rf "$tree"
    mkdir -p "$tree/root/DEBIAN" || return 1
    repack_control "$1" "$2" >"$tree/root/DEBIAN/control"
    for part in "$INFO".*; do
        case ${part##*.} in
            list | md5sums-*) ;;
            conffiles) repack_conffiles <"$part" >"$tree/root/DEBIAN/conffiles" ;;
            *) cp -p "$part" "$tree/root/DEBIAN/${part##*.}" ;;
        esac
    done
    repack_files "$1" && repack_edited "$1" "$2" && dpkg-deb -Zgzip -z1 -b "$tree/root" "$4" >/dev/null
    repack_status=$?
    rm -rf "$tree"
    return "$repack_status"
}

repack_control() { # NAME ARCH
    awk -v name="$1" -v arch="$2" '
        function flush() { if (p == name && a == arch) printf "%s", text; text = p = a = ""; skip = 0 }
        /^$/ { flush(); next }
        /^[^ ]/ { skip = /^(Status|Conffiles|Config-Version|Triggers-Awaited|Triggers-Pending):/ }
        /^Package: / { p = $2 }
        /^Architecture: / { a = $2 }
        !skip { text = text $0 "\n" }
        END { flush() }' "$ADMIN/status"
}

# A conffile that was deleted here cannot be in the package.
repack_conffiles() {
    while IFS= read -r path; do
        file=${path#remove-on-upgrade }
        if [ "$file" != "$path" ] || [ -e "$file" ] || [ -L "$file" ]; then printf '%s\n' "$path"; fi
    done
}

# Where a list names a folder that is a link on this host (/lib), the package has the folder. A file that another
# package diverted is elsewhere.
repack_files() { # NAME
    grep -v -x '/\.' "$INFO.list" >"$tree/list"
    tr '\n' '\000' <"$tree/list" | xargs -0 -r stat --printf '%F\t%n\n' 2>/dev/null >"$tree/stat"
    awk -F '\t' '
        FILENAME == ARGV[1] { all[$0] = 1; up = $0; while (sub(/\/[^\/]*$/, "", up) && up != "") parent[up] = 1; next }
        $1 == "symbolic link" && $2 in parent { next }
        { print substr($2, 2) }' "$tree/list" "$tree/stat" >"$tree/take"
    (cd / && tar --numeric-owner --no-recursion -cpf - -T "$tree/take") | (cd "$tree/root" && tar --numeric-owner -xpf -) || return 1
    [ -s "$ADMIN/diversions" ] || return 0
    awk -v name="$1" 'FILENAME == ARGV[1] { all[$0] = 1; next }
        FNR % 3 == 1 { from = $0 } FNR % 3 == 2 { to = $0 }
        FNR % 3 == 0 && $0 != name && from in all { print from "\t" to }' "$tree/list" "$ADMIN/diversions" >"$tree/diverted"
    while IFS=$TAB read -r from to; do
        rm -f "$tree/root$from"
        [ ! -e "$to" ] || cp -a "$to" "$tree/root$from"
    done <"$tree/diverted"
}

repack_edited() { # NAME ARCH
    key "$1" "$2"
    printf '%s\n' "$KEY" | conffiles_of >"$tree/conffiles"
    conffiles_on_disk "$tree/conffiles" | awk -F '\t' '$5 != "absent" && $3 != $5 { print $2 }' >"$tree/edited"
    while IFS= read -r path; do
        [ ! -f "$tree/root$path" ] || printf '# The package file was not at hand when this package was rebuilt.\n' >"$tree/root$path" || return 1
    done <"$tree/edited"
}

# --- the proof of the way back -----------------------------------------------------------------------------------

# A made-up state as the patch will leave it; apt, with nothing but the stash, must want exactly the reverse.
stash_prove() {
    phase "proves the way back"
    mkdir -p "$STASH/prove"
    stash_after >"$STASH/prove/status" || fail internal "the state after the patch could not be made up"
    awk -F '\t' -v native="$NATIVE" "$AWK_KEY"'BEGIN { OFS = "\t" }
        FILENAME == ARGV[1] { gone[key($2, $3)] = 1; if ($1 != "remove") after[++n] = $2 "\t" $3 "\t" $5 "\tinstall\tok\tinstalled\t0"; next }
        !(key($1, $2) in gone)
        END { for (i = 1; i <= n; i++) print after[i] }' "$WORK/transaction" "$WORK/state" >"$WORK/state.after"
    way_back "$WORK/transaction" >"$WORK/back.words"
    # shellcheck disable=SC2046 # one word a line, held to the grammar
    apt_offline -o "Dir::State::status=$STASH/prove/status" -s install -- $(cat "$WORK/back.words") >"$WORK/back.out" 2>"$WORK/back.err" ||
        fail refused "the way back is not possible: $(unmet_words "$WORK/back.out") $(apt_words "$WORK/back.err")"
    cp "$WORK/back.out" "$OUT/rollback.simulation" 2>/dev/null
    transaction_of "$WORK/back.out" "$WORK/state.after" | ends >"$WORK/back.got"
    reversed "$WORK/transaction" | ends >"$WORK/back.wanted"
    LC_ALL=C comm -3 "$WORK/back.got" "$WORK/back.wanted" | tr -s '\t\n' '  ' >"$WORK/back.diff"
    [ ! -s "$WORK/back.diff" ] || fail refused "the way back would not be exact: $(cat "$WORK/back.diff")"
    rm -rf "$STASH/prove"
}

# The status file with the transaction done.
stash_after() {
    awk -F '\t' -v native="$NATIVE" "$AWK_KEY"'
        function flush() { if (text != "" && !(key(p, a) in gone)) printf "%s\n", text; text = p = a = "" }
        FILENAME == ARGV[1] { gone[key($2, $3)] = 1; next }
        /^$/ { flush(); next }
        /^Package: / { p = substr($0, 10) }
        /^Architecture: / { a = substr($0, 15) }
        { text = text $0 "\n" }
        END { flush() }' "$WORK/transaction" "$ADMIN/status"
    while IFS=$TAB read -r name arch version; do
        dpkg-deb -f "$STASH/new/$(cache_name "$name" "$version" "$arch")" | sed '1,/^Package: /s/^\(Package: .*\)$/\1\nStatus: install ok installed/' || return 1
        echo
    done <"$WORK/coming.files"
}

# --- room for the way back ---------------------------------------------------------------------------------------

# Never more than half of what is free: it must not be what the change fails for.
stash_ballast() {
    rm -f "$STASH/ballast" "$STASH/ballast.small"
    ballast_wanted=$(ballast_kib "$STASH")
    ballast_free=$(df -Pk "$STASH" 2>/dev/null | awk 'NR == 2 { print $4 }')
    is_number "$ballast_free" || return 0
    ballast_room=$((ballast_free / 2 - 4096))
    [ "$ballast_room" -ge 4096 ] || { note "no room is kept for the way back: the disk is nearly full"; return 0; }
    if [ "$ballast_wanted" -gt "$ballast_room" ]; then
        note "only $((ballast_room / 1024)) of $((ballast_wanted / 1024)) MiB are kept free for the way back"
        ballast_wanted=$ballast_room
    fi
    if ! stash_fill "$STASH/ballast.small" 4096 || ! stash_fill "$STASH/ballast" "$ballast_wanted"; then
        note "no room could be kept for the way back"
        rm -f "$STASH/ballast" "$STASH/ballast.small"
    fi
}

stash_fill() { # FILE KIB
    fallocate -l "$(($2 * 1024))" "$1" 2>/dev/null || dd if=/dev/zero of="$1" bs=1024 count="$2" 2>/dev/null
}
