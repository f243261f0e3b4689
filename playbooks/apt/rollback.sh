# shellcheck shell=sh
# Back to the baseline, from the stash, without the network. May be run again after it was killed at any moment, and
# after it has succeeded: each part looks at what is left to do.

step_rollback() {
    stash_folder
    rm -f "$STASH/ballast" "$STASH/ballast.small"
    if [ ! -e "$STASH/begun" ]; then
        note "nothing was changed here"
        done_ok
    fi
    [ -e "$STASH/baseline/complete" ] || fail rollback "there is no baseline to go back to"
    stashed_transaction
    part_of_transaction
    need_locks "$FRONTEND_LOCK" "$DPKG_LOCK"
    rollback_merge
    rollback_remember
    rollback_plan
    rollback_new_conffiles
    rollback_packages
    rollback_purge
    rollback_files
    rollback_etc
    rollback_marks
    rollback_leftovers
    rollback_judge
    restart_stale
    # Undone as a whole: this run may begin anew here, with a new baseline.
    [ -e "$IN/undo" ] || rm -f "$STASH/begun"
    done_ok
}

renew_state() {
    rm -f "$WORK/state"
    state
}

# What a killed dpkg had written down is merged by any dpkg that writes, without running a script.
rollback_merge() {
    dpkg --set-selections </dev/null 3>&- || note "dpkg could not merge its journal"
    state
}

# The state that the patch left, if it did not come to write that down itself; and the state before anything is undone,
# to tell what others changed since.
rollback_remember() {
    for folder in after back; do
        [ ! -e "$STASH/$folder/state" ] || continue
        rm -rf "${STASH:?}/$folder" "$STASH/$folder.new"
        if ! (umask 077 && mkdir "$STASH/$folder.new") || ! snapshot "$STASH/$folder.new" "$STASH/baseline/touched" ||
            ! mv "$STASH/$folder.new" "$STASH/$folder"; then
            note "the state before the rollback could not be recorded"
        fi
    done
}

# --- what is to be done ------------------------------------------------------------------------------------------

# The newest other run that changed one of the packages in conflict, if it was one of ours. Run IDs sort by their time.
rollback_newer_run() {
    for rollback_other in "${STASH%/*}"/*; do
        if [ "$rollback_other" = "$STASH" ] || [ ! -e "$rollback_other/begun" ]; then continue; fi
        awk -F '\t' 'FILENAME == ARGV[1] { ours[$2] = 1; next } $2 in ours { found = 1 } END { exit !found }' \
            "$WORK/conflicts" "$rollback_other/baseline/transaction" 2>/dev/null || continue
        printf '%s\n' "${rollback_other##*/}"
    done | sort | awk -v ours="$RUN" '$0 > ours' | tail -n 1
}

# Rows of $WORK/todo: down (install the old package), again (the same, over a broken one), configure, drop, purge. A
# package that is neither what it was nor what the patch made it belongs to somebody else now.
rollback_plan() {
    awk -F '\t' -v native="$NATIVE" -v started="$([ -e "$STASH/back/started" ] && echo 1)" "$AWK_KEY"'
        function there(s) { return s != "" && s != "not-installed" && s != "config-files" }
        function act(what) { print what, $2, $3, ($4 == "" ? "-" : $4), ($5 == "" ? "-" : $5) }
        function conflict() { print "conflict", $2, $3, ($5 == "" ? "-" : $5), (there(s) ? v : "-") }
        BEGIN { OFS = "\t" }
        FILENAME == ARGV[1] { k = key($1, $2); if (!(k in status) || there($6)) { status[k] = $6; version[k] = $3; flag[k] = $5 } next }
        FILENAME == ARGV[2] { if ($6 == "config-files") leftovers[key($1, $2)] = 1; next }
        FILENAME == ARGV[3] { if (there($6)) after[key($1, $2)] = $3; next }
        {
            k = key($2, $3); s = status[k]; v = version[k]
            if ($4 == "") {
                if (s == "config-files" && !(k in leftovers)) act("purge")
                else if (!there(s)) next
                else if (v == $5) act("drop")
                else conflict()
            } else if (!there(s)) {
                if (!started && $1 != "remove" && k in after) conflict(); else act("down")
            } else if (v == $4) {
                if (s == "installed" && flag[k] == "ok") next
                if (s == "half-installed" || flag[k] != "ok") act("again"); else act("configure")
            } else if (v == $5 || s == "half-installed") act("down")
            else conflict()
        }' "$WORK/state" "$STASH/baseline/state" "$STASH/after/state" "$WORK/part" >"$WORK/todo" || fail internal "the way back could not be planned"
    awk -F '\t' '$1 == "conflict"' "$WORK/todo" >"$WORK/conflicts"
    if [ -s "$WORK/conflicts" ]; then
        while IFS=$TAB read -r _ name arch wanted found; do
            rec conflict "$name" "$arch" "${wanted#-}" "${found#-}"
        done <"$WORK/conflicts"
        rollback_newer=$(rollback_newer_run)
        fail conflict "packages were changed since${rollback_newer:+ by run $rollback_newer}: $(awk -F '\t' '{ printf "%s%s", sep, $2; sep = ", " }' "$WORK/conflicts")" \
            "undo the newer change first${rollback_newer:+ (patchctl rollback $rollback_newer)}, or leave these out (--packages)"
    fi
    : >"$STASH/back/started" 2>/dev/null
}

rollback_debs() { # lines of stashed files for the rows of these actions
    awk -F '\t' -v native="$NATIVE" -v debs="$STASH/debs/" -v actions=" $* " "$AWK_KEY"'
        FILENAME == ARGV[1] { file[key($1, $2), $3] = $7; next }
        index(actions, " " $1 " ") { k = key($2, $3); if ((k, $4) in file) print debs file[k, $4]; else print "lost" }' \
        "$STASH/manifest" "$WORK/todo"
}

rollback_names() { # ACTION: apt's names of its rows
    awk -F '\t' -v native="$NATIVE" -v action="$1" "$AWK_KEY"'$1 == action { print key($2, $3) }' "$WORK/todo"
}

# Configuration files that only the new version has. dpkg forgets them with the upgrade down only if they are gone by
# then; else it keeps them, as obsolete.
rollback_new_conffiles() {
    part_conffiles "$STASH/baseline" >"$WORK/conffiles.before"
    part_conffiles "$STASH/after" >"$WORK/conffiles.after"
    awk -F '\t' '
        FILENAME == ARGV[1] { was[$1, $2] = 1; next }
        FILENAME == ARGV[2] { there[$1] = 1; next }
        FILENAME == ARGV[3] { back[$2] = $5; next }
        !(($1, $2) in was) && !($2 in there) && $5 != "absent" && back[$2] == $5 { print $2 }' \
        "$WORK/conffiles.before" "$STASH/baseline/etc.list" "$STASH/back/conffiles" "$WORK/conffiles.after" >"$WORK/conffiles.new"
    while IFS= read -r path; do rm -f -- "$path"; done <"$WORK/conffiles.new"
}

# --- the packages ------------------------------------------------------------------------------------------------

rollback_packages() {
    reversed "$WORK/part" >"$WORK/reverse"
    [ -s "$WORK/todo" ] || return 0
    phase "goes back: $(grep -c . "$WORK/todo") packages"
    rollback_configure
    rollback_by_apt && rollback_done && return 0
    # A part cannot be forced: what stays may need what goes.
    [ ! -e "$IN/undo" ] || fail conflict "these packages cannot go back by themselves: $(cat "$WORK/back.why")"
    for round in 1 2 3; do
        rollback_plan
        rollback_by_force "$round"
        rollback_done && return 0
        rollback_plan
        rollback_by_apt && rollback_done && return 0
    done
}

rollback_done() {
    renew_state
    [ -z "$(not_reached "$WORK/reverse")" ]
}

# Half configured at the version that it should have: it only needs its script.
rollback_configure() {
    rollback_names configure | dpkg_names >"$WORK/configure"
    [ -s "$WORK/configure" ] || return 0
    # shellcheck disable=SC2046 # names, held to the grammar
    logged "$WORK/configure.log" dpkg_run --configure $(cat "$WORK/configure") || note "$(failing_words "$WORK/configure.log")"
}

# One transaction of apt's, if it would do this and nothing else.
rollback_by_apt() {
    : >"$WORK/back.why"
    { rollback_debs down again && rollback_names drop | sed 's/$/-/'; } >"$WORK/back.words"
    [ -s "$WORK/back.words" ] || return 0
    if grep -q -x lost "$WORK/back.words"; then fail rollback "the stash has lost an old package"; fi
    set --
    [ -z "$(rollback_names again)" ] || set -- --reinstall
    # shellcheck disable=SC2046 # one word a line, held to the grammar
    if ! apt_offline -s "$@" install -- $(cat "$WORK/back.words") >"$WORK/back.out" 2>"$WORK/back.err"; then
        { unmet_words "$WORK/back.out"; echo; apt_words "$WORK/back.err"; } | tr '\n' ' ' >"$WORK/back.why"
        return 1
    fi
    transaction_of "$WORK/back.out" | ends >"$WORK/back.got"
    awk -F '\t' 'BEGIN { OFS = "\t" } $1 ~ /^(down|again)$/ { print "downgrade", $2, $3, "", $4 } $1 == "drop" { print "remove", $2, $3, $5, "" }' \
        "$WORK/todo" | ends >"$WORK/back.wanted"
    LC_ALL=C comm -3 "$WORK/back.got" "$WORK/back.wanted" | tr -s '\t\n' '  ' >"$WORK/back.why"
    [ ! -s "$WORK/back.why" ] || return 1
    # shellcheck disable=SC2046
    logged "$WORK/back.log" apt_offline "$@" install -- $(cat "$WORK/back.words") ||
        { failing_words "$WORK/back.log"; echo; apt_words "$WORK/back.log"; } | tr '\n' ' ' >"$WORK/back.why"
    cat "$WORK/back.log" >>"$STASH/rollback.log"
}

# When apt cannot: dpkg, told to look away, for exactly these packages. From the second round on a package whose own
# script refuses to go down is taken out first.
rollback_by_force() { # ROUND
    [ -s "$WORK/todo" ] || return 0
    note "apt could not go back by itself, so dpkg is made to: $(cat "$WORK/back.why")"
    if [ "$1" -gt 1 ]; then
        awk -F '\t' -v native="$NATIVE" "$AWK_KEY"'
            FILENAME == ARGV[1] { if ($6 != "config-files" && $6 != "not-installed") here[key($1, $2)] = 1; next }
            $1 == "down" && key($2, $3) in here { print key($2, $3) }' "$WORK/state" "$WORK/todo" | dpkg_names >"$WORK/refusing"
        # shellcheck disable=SC2046 # names, held to the grammar
        [ ! -s "$WORK/refusing" ] || logged "$WORK/force.log" dpkg_run --force-depends --remove $(cat "$WORK/refusing") || note "$(failing_words "$WORK/force.log")"
    fi
    rollback_debs down again | grep -v -x lost >"$WORK/force.debs"
    # shellcheck disable=SC2046 # paths of ours
    [ ! -s "$WORK/force.debs" ] || logged "$WORK/force.log" dpkg_run --force-downgrade --force-depends --force-breaks --force-conflicts --force-overwrite \
        --unpack $(cat "$WORK/force.debs") || note "$(failing_words "$WORK/force.log")"
    rollback_names drop | dpkg_names >"$WORK/drop"
    # shellcheck disable=SC2046 # names, held to the grammar
    [ ! -s "$WORK/drop" ] || logged "$WORK/force.log" dpkg_run --force-depends --remove $(cat "$WORK/drop") || note "$(failing_words "$WORK/force.log")"
    logged "$WORK/force.log" dpkg_run --configure -a || note "$(failing_words "$WORK/force.log")"
    renew_state
}

# What came is gone but for its configuration, unless it had left one here before.
rollback_purge() {
    renew_state
    rollback_plan
    rollback_names purge | dpkg_names >"$WORK/purge"
    [ -s "$WORK/purge" ] || return 0
    # shellcheck disable=SC2046 # names, held to the grammar
    logged "$WORK/purge.log" dpkg_run --purge $(cat "$WORK/purge") || note "$(failing_words "$WORK/purge.log")"
    renew_state
}

# --- files of packages -------------------------------------------------------------------------------------------

# A file that a new package had taken over from another is gone with it, though no list says so: the package that owns
# it is installed over itself. What somebody had changed by hand comes from the baseline.
rollback_files() {
    part_files >"$WORK/mine"
    files_changed "$WORK/mine" >"$WORK/wrong"
    [ -s "$WORK/wrong" ] || return 0
    rollback_owners >"$WORK/lacking"
    if [ -s "$WORK/lacking" ]; then
        note "installed over itself, because files were gone or other: $(sed -e 's,.*/,,' -e 's,_.*,,' "$WORK/lacking" | tr '\n' ' ')"
        # shellcheck disable=SC2046 # paths of ours
        logged "$WORK/mend.log" dpkg_run --install $(cat "$WORK/lacking") || note "$(failing_words "$WORK/mend.log")"
        renew_state
    fi
    [ -s "$STASH/baseline/modified" ] || return 0
    files_changed "$WORK/mine" | cut -f 1 | sed 's,^/,,' | grep -x -F -f "$STASH/baseline/modified" >"$WORK/by.hand"
    [ ! -s "$WORK/by.hand" ] || tar -C / --numeric-owner --no-recursion -xpf "$STASH/baseline/modified.tar" -T "$WORK/by.hand" ||
        note "files that were changed by hand could not be restored"
}

# Stashed packages that have one of the wrong paths, and are installed in just that version.
rollback_owners() {
    sed 's,^/,,' "$STASH/baseline/modified" 2>/dev/null >"$WORK/hand"
    cut -f 1 "$WORK/wrong" | sed 's,^/,,' | grep -v -x -F -f "$WORK/hand" | sed 's,^,/,' >"$WORK/wrong.paths"
    [ -s "$WORK/wrong.paths" ] || return 0
    awk -F '\t' -v native="$NATIVE" "$AWK_KEY"'
        FILENAME == ARGV[1] { if ($6 == "installed") version[key($1, $2)] = $3; next }
        version[key($1, $2)] == $3 { print $7 }' "$WORK/state" "$STASH/manifest" >"$WORK/candidates"
    while IFS= read -r file; do
        ! deb_paths "$STASH/debs/$file" | grep -q -x -F -f "$WORK/wrong.paths" || printf '%s\n' "$STASH/debs/$file"
    done <"$WORK/candidates"
}

# --- configuration -----------------------------------------------------------------------------------------------

# Accounts and what the system itself keeps under /etc are never put back blindly.
RESTORE_NOT='^/etc/(passwd|shadow|group|gshadow|subuid|subgid)-?$|^/etc/(machine-id|hostname|resolv\.conf|mtab|adjtime|ld\.so\.cache|\.updated|\.pwd\.lock)$|^/etc/ssh/ssh_host_'

# A file under /etc goes back if the patch changed it and nobody else did since.
rollback_etc() {
    rollback_scope >"$WORK/scope"
    describe_etc >"$WORK/etc.now"
    awk -F '\t' -v not="$RESTORE_NOT" -v partial="$([ -e "$IN/undo" ] && echo 1)" '
        FILENAME == ARGV[1] { scope[$1] = 1; next }
        FILENAME == ARGV[2] { before[$1] = $0; kind[$1] = $2; all[$1] = 1; next }
        FILENAME == ARGV[3] { after[$1] = $0; all[$1] = 1; kind_after[$1] = $2; next }
        FILENAME == ARGV[4] { back[$1] = $0; next }
        FILENAME == ARGV[5] { now[$1] = $0; next }
        END {
            for (p in all) {
                if (before[p] == after[p] || now[p] == before[p]) continue
                if (partial && !(p in scope)) continue
                if (after[p] != back[p]) { print "theirs\t" p; continue }
                if (p ~ not) { print "left\t" p; continue }
                # Asking for an element makes it in awk, so what was there is told by another array.
                if (p in kind) { print (kind[p] == "folder" ? "folder" : "restore") "\t" p; continue }
                if (now[p] == "") continue
                if (kind_after[p] == "folder") print "rmdir\t" p
                else if (p ~ /\.(dpkg|ucf)-(dist|old|new|tmp|bak)$/ || p in scope) print "remove\t" p
                else if (kind_after[p] == "link") print "dangling\t" p
                else print "left\t" p
            }
        }' "$WORK/scope" "$STASH/baseline/etc.list" "$STASH/after/etc.list" "$STASH/back/etc.list" "$WORK/etc.now" | LC_ALL=C sort >"$WORK/etc.todo"
    awk -F '\t' '$1 == "restore" || $1 == "folder" { print substr($2, 2) }' "$WORK/etc.todo" >"$WORK/etc.restore"
    if [ -s "$WORK/etc.restore" ]; then
        note "restored under /etc: $(head -n 20 "$WORK/etc.restore" | tr '\n' ' ')"
        tar -C / --numeric-owner --no-recursion -xpf "$STASH/baseline/etc.tar" -T "$WORK/etc.restore" || note "files under /etc could not be restored"
    fi
    rollback_etc_new
    rollback_conffiles_elsewhere
    awk -F '\t' '$1 == "theirs" { printf "%s ", $2 }' "$WORK/etc.todo" >"$WORK/etc.theirs"
    [ ! -s "$WORK/etc.theirs" ] || note "changed by the patch and by somebody else since, left as they are: $(cat "$WORK/etc.theirs")"
}

# Conffiles of the part's packages, old and new ones.
rollback_scope() {
    { part_conffiles "$STASH/baseline"; part_conffiles "$STASH/after"; } | cut -f 2 | LC_ALL=C sort -u
}

rollback_etc_new() {
    LC_ALL=C sort -r "$WORK/etc.todo" >"$WORK/etc.new"
    : >"$WORK/etc.left"
    while IFS=$TAB read -r what path; do
        case $what in
            remove) rm -f -- "$path" ;;
            dangling) if [ -e "$path" ]; then printf '%s ' "$path" >>"$WORK/etc.left"; else rm -f -- "$path"; fi ;;
            left) printf '%s ' "$path" >>"$WORK/etc.left" ;;
            *) continue ;;
        esac
    done <"$WORK/etc.new"
    awk -F '\t' '$1 == "rmdir" { print $2 }' "$WORK/etc.new" | while IFS= read -r path; do rmdir -- "$path" 2>/dev/null; done
    [ ! -s "$WORK/etc.left" ] || note "changed under /etc while the patch ran, and left as it is: $(cat "$WORK/etc.left")"
}

# The few conffiles that are not under /etc.
rollback_conffiles_elsewhere() {
    part_conffiles "$STASH/baseline" | grep -v "$TAB/etc/" >"$WORK/elsewhere"
    [ -s "$WORK/elsewhere" ] || return 0
    conffiles_on_disk "$WORK/elsewhere" | cut -f 1-2,5 >"$WORK/elsewhere.now"
    awk -F '\t' '
        FILENAME == ARGV[1] { now[$2] = $3; next }
        FILENAME == ARGV[2] { after[$2] = $5; next }
        FILENAME == ARGV[3] { back[$2] = $5; next }
        $5 != "absent" && after[$2] != $5 && after[$2] == back[$2] && now[$2] != $5 { print substr($2, 2) }' \
        "$WORK/elsewhere.now" "$STASH/after/conffiles" "$STASH/back/conffiles" "$WORK/elsewhere" >"$WORK/elsewhere.todo"
    [ ! -s "$WORK/elsewhere.todo" ] || tar -C / --numeric-owner --no-recursion -xpf "$STASH/baseline/conffiles.tar" -T "$WORK/elsewhere.todo" ||
        note "configuration files could not be restored"
}

# --- marks and leftovers -----------------------------------------------------------------------------------------

rollback_marks() {
    renew_state
    apt-mark showauto 3>&- | LC_ALL=C sort >"$WORK/auto.now"
    awk -F '\t' -v native="$NATIVE" "$AWK_KEY"'
        FILENAME == ARGV[1] { auto[$1] = 1; next }
        FILENAME == ARGV[2] { auto_now[$1] = 1; next }
        FILENAME == ARGV[3] { if ($6 == "installed") here[key($1, $2)] = 1; next }
        $4 != "" { k = key($2, $3); if (k in here && (k in auto) != (k in auto_now)) print (k in auto ? "auto" : "manual") "\t" k }' \
        "$STASH/baseline/auto" "$WORK/auto.now" "$WORK/state" "$WORK/part" >"$WORK/marks"
    for mark in auto manual; do
        awk -F '\t' -v mark="$mark" '$1 == mark { print $2 }' "$WORK/marks" >"$WORK/marks.$mark"
        # shellcheck disable=SC2046 # names, held to the grammar
        [ ! -s "$WORK/marks.$mark" ] || apt-mark "$mark" $(cat "$WORK/marks.$mark") >/dev/null 3>&- || note "marks could not be restored"
    done
    { cat "$WORK/part"; awk -F '\t' '{ print "upgrade\t" $1 "\t" $2 }' "$STASH/keep"; } >"$WORK/part.and.beside" 2>/dev/null
    restore_wants "$STASH/baseline/state" "$WORK/part.and.beside"
}

# What a killed dpkg leaves beside the files it was writing, and files of the new packages that no list knows yet.
rollback_leftovers() {
    [ ! -e "$IN/undo" ] || return 0
    { cut -f 1 "$STASH/baseline/files"; cat "$STASH/new.files" 2>/dev/null; } | sed 's,/[^/]*$,,' | LC_ALL=C sort -u | while IFS= read -r folder; do
        [ -n "$folder" ] && [ -d "$folder" ] && [ ! -L "$folder" ] && printf '%s\0' "$folder"
    done | xargs -0 -r sh -c 'find "$@" -maxdepth 1 ! -type d \( -name "*.dpkg-new" -o -name "*.dpkg-tmp" \) -exec rm -f {} +' sh
    [ -s "$STASH/baseline/absent" ] || return 0
    tr '\n' '\000' <"$STASH/baseline/absent" | xargs -0 -r stat --printf '%n\n' 2>/dev/null | LC_ALL=C sort -r >"$WORK/extra"
    [ -s "$WORK/extra" ] || return 0
    grep -h -x -F -f "$WORK/extra" "$ADMIN"/info/*.list 2>/dev/null | LC_ALL=C sort -u >"$WORK/extra.owned"
    grep -v -x -F -f "$WORK/extra.owned" "$WORK/extra" | while IFS= read -r path; do
        if [ -d "$path" ] && [ ! -L "$path" ]; then rmdir -- "$path" 2>/dev/null; else rm -f -- "$path"; fi
    done
}

rollback_judge() {
    renew_state
    installed_now "$WORK/part" >"$WORK/now"
    report_rows pkg "$WORK/now"
    cp "$STASH/rollback.log" "$OUT/rollback.log" 2>/dev/null
    settle_disk
    not_reached "$WORK/reverse" >"$WORK/not.reached"
    [ ! -s "$WORK/not.reached" ] || fail rollback "not back: $(tr '\t\n' '  ' <"$WORK/not.reached") $(failing_words "$STASH/rollback.log")"
    if interrupted; then fail rollback "dpkg is not clean: $(audit_words)"; fi
}
