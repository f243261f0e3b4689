# shellcheck shell=sh
# Is the host what the baseline says? Reads only. No `diff` record means: exactly.

step_compare() {
    stash_folder
    [ -e "$STASH/baseline/complete" ] || fail rollback "there is no baseline to compare with"
    stashed_transaction
    part_of_transaction
    state
    installed_now "$WORK/part" >"$WORK/now"
    report_rows pkg "$WORK/now"
    awk -F '\t' -v native="$NATIVE" "$AWK_KEY"'{ print key($2, $3) }' "$WORK/part" >"$WORK/part.names"
    awk -F '\t' -v native="$NATIVE" "$AWK_KEY"'{ print key($2, $3) }' "$WORK/transaction" >"$WORK/all.names"
    compare_packages
    compare_marks
    compare_conffiles
    compare_files
    compare_etc
    reboot_state
    done_ok
}

# Packages beside the transaction are ours only if they changed while the patch or its rollback ran: compared are four
# moments. What others did before or after that is a note.
compare_packages() {
    before_back=$STASH/back/state
    after=$STASH/after/state
    [ -e "$after" ] || after=$STASH/baseline/state
    [ -e "$before_back" ] || before_back=$after
    awk -F '\t' -v native="$NATIVE" "$AWK_KEY"'
        function what() { return $6 == "not-installed" ? "" : $6 == "config-files" ? "config-files" : $3 ($6 == "installed" && $5 == "ok" ? "" : " " $6) }
        function want() { return $6 == "not-installed" || $6 == "config-files" ? "" : $4 }
        FILENAME == ARGV[1] { part[$1] = 1; next }
        FILENAME == ARGV[2] { whole[$1] = 1; next }
        { k = key($1, $2); all[k] = 1; n = FILENAME == ARGV[3] ? 1 : FILENAME == ARGV[4] ? 2 : FILENAME == ARGV[5] ? 3 : 4
          state[n, k] = what(); wants[n, k] = want() }
        END {
            for (k in all) {
                if (k in whole && !(k in part)) continue
                was = state[1, k]; is = state[4, k]
                if (was != is) {
                    if (!(k in part) && was == state[2, k] && state[3, k] == is) print "theirs\t" k
                    else print "diff\tpackage\t" k "\t" (was == "" ? "absent" : was) "\t" (is == "" ? "absent" : is)
                } else if (wants[1, k] != wants[4, k] && was != "" && (k in part || wants[3, k] != wants[4, k] || wants[1, k] != wants[2, k]))
                    print "diff\thold\t" k "\t" wants[1, k] "\t" wants[4, k]
            }
        }' "$WORK/part.names" "$WORK/all.names" "$STASH/baseline/state" \
        "$(compare_copy "$after" after)" "$(compare_copy "$before_back" back)" "$WORK/state" | LC_ALL=C sort >"$WORK/packages.diff"
    compare_report "$WORK/packages.diff"
    theirs=$(awk -F '\t' '$1 == "theirs" { printf "%s ", $2 }' "$WORK/packages.diff")
    [ -z "$theirs" ] || note "changed by somebody else since: $theirs"
}

# awk tells its files apart by name, so each moment has its own.
compare_copy() { # FILE NAME
    cp "$1" "$WORK/state.$2"
    printf '%s' "$WORK/state.$2"
}

compare_report() { # FILE
    grep "^diff$TAB" "$1" | cut -f 2- >"$1.rows"
    [ ! -s "$1.rows" ] || report_rows diff "$1.rows"
}

compare_marks() {
    apt-mark showauto 3>&- | LC_ALL=C sort >"$WORK/auto.now"
    awk -F '\t' '
        FILENAME == ARGV[1] { part[$1] = 1; next }
        FILENAME == ARGV[2] { was[$1] = 1; next }
        { is[$1] = 1 }
        END {
            for (k in part) if ((k in was) != (k in is)) print "diff\tmark\t" k "\t" (k in was ? "auto" : "manual") "\t" (k in is ? "auto" : "manual")
        }' "$WORK/part.names" "$STASH/baseline/auto" "$WORK/auto.now" | LC_ALL=C sort >"$WORK/marks.diff"
    compare_report "$WORK/marks.diff"
}

# By what is on the disk. What dpkg remembers as the package's own is another thing: a rebuilt package makes the
# administrator's version its own, and an entry may stay for a file that is gone.
compare_conffiles() {
    conffiles_of <"$WORK/part.names" >"$WORK/conffiles"
    part_conffiles "$STASH/baseline" >"$WORK/conffiles.before"
    { cut -f 1-2 "$WORK/conffiles.before"; cut -f 1-2 "$WORK/conffiles"; part_conffiles "$STASH/after" | cut -f 1-2; } |
        LC_ALL=C sort -u | sed "s/\$/$TAB-$TAB-/" >"$WORK/conffiles.all"
    conffiles_on_disk "$WORK/conffiles.all" >"$WORK/conffiles.now"
    awk -F '\t' '
        FILENAME == ARGV[1] { was[$2] = $5; own[$1, $2] = $3; next }
        FILENAME == ARGV[2] { if (!(($1, $2) in own)) print "note\tdpkg still knows " $2 " of " $1
                              else if (own[$1, $2] != $3) print "note\tdpkg now takes another content of " $2 " for that of " $1; next }
        FILENAME == ARGV[3] { etc[$1] = $5; next }
        { w = ($2 in was) ? was[$2] : ($2 in etc) ? etc[$2] : "absent"; if (w != $5) print "diff\tconffile\t" $2 "\t" w "\t" $5 }' \
        "$WORK/conffiles.before" "$WORK/conffiles" "$STASH/baseline/etc.list" "$WORK/conffiles.now" | LC_ALL=C sort -u >"$WORK/conffiles.diff"
    compare_report "$WORK/conffiles.diff"
    grep "^note$TAB" "$WORK/conffiles.diff" | cut -f 2- >"$WORK/conffiles.notes"
    report_rows note "$WORK/conffiles.notes"
}

compare_files() {
    part_files >"$WORK/mine"
    files_changed "$WORK/mine" | sed "s/^/diff${TAB}file$TAB/" >"$WORK/files.diff"
    if [ ! -e "$IN/undo" ] && [ -s "$STASH/baseline/absent" ]; then
        tr '\n' '\000' <"$STASH/baseline/absent" | xargs -0 -r stat --printf '%n\n' 2>/dev/null | grep -v '^/etc/' |
            awk '{ print "diff\tfile\t" $0 "\tabsent\tpresent" }' >>"$WORK/files.diff"
    fi
    compare_report "$WORK/files.diff"
}

# The rest of /etc: not promised, so listed.
compare_etc() {
    describe_etc >"$WORK/etc.now"
    LC_ALL=C comm -3 "$STASH/baseline/etc.list" "$WORK/etc.now" | sed "s/^$TAB//" | cut -f 1 | LC_ALL=C sort -u | head -n 40 >"$WORK/etc.diff"
    [ ! -s "$WORK/etc.diff" ] || note "other than before under /etc: $(tr '\n' ' ' <"$WORK/etc.diff")"
}
