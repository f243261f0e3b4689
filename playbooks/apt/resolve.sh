# shellcheck shell=sh
# The exact transaction, by simulation. Reads only.
#
# What must not change (excluded, or not proved by an earlier stage) is nailed to its installed version by a temporary
# preferences file; so is the choice of security updates. The host's own preferences stay in force behind it.

step_resolve() {
    input packages NV
    input pins nav
    input_globs exclude valid_glob
    state
    : >"$WORK/nailed"
    : >"$WORK/pinned"
    : >"$WORK/unproven"
    : >"$WORK/general.prefs"
    resolve_excluded
    [ "$SELECT" != security ] || resolve_security
    resolve_preferences
    case $SELECT in
        packages) resolve_named ;;
        security | all) : >"$WORK/asked" ;;
        *) fail invalid "SELECT is none of packages, security, all" ;;
    esac
    [ "$PROBLEMS" -eq 0 ] || exit 1
    resolve_settle
    resolve_judge
    resolve_report
    mv "$WORK/ops" "$WORK/resolved"
    done_ok
}

# --- preferences -------------------------------------------------------------------------------------------------

resolve_excluded() {
    : >"$WORK/excluded"
    [ -s "$WORK/in.exclude" ] || return 0
    # One name a line; each once, whatever its architectures.
    awk -F '\t' '$6 == "installed" && !seen[$1]++ { print $1 "\t" $3 }' "$WORK/state" >"$WORK/installed"
    matching "$WORK/installed" "$WORK/in.exclude" >"$WORK/excluded"
}

# Everything that is not a security archive goes below what is installed (100), and stays above nothing: a new
# dependency may still come from there. By label and code name, since suites change their names with a release.
resolve_security() {
    apt-cache policy >"$WORK/policy" 2>/dev/null || fail internal "apt-cache policy failed"
    awk '
        function field(name, text) {
            if (!match(text, "(^|,)" name "=[^,]*")) return ""
            text = substr(text, RSTART, RLENGTH); sub(/^,?[a-z]=/, "", text); return text
        }
        /^ +release / {
            # A source without any of these is known by the host it comes from, on the line after.
            next_pin = "-"
            line = $0; sub(/^ +release /, "", line)
            if (line ~ /(^|,)a=now(,|$)/) next
            label = field("l", line); suite = field("a", line); code = field("n", line); origin = field("o", line)
            if (label ~ /[Ss]ecurity$/ || suite ~ /-security$/ || code ~ /-security$/ || origin ~ /ESM/) { found = 1; next }
            pin = ""
            if (origin != "") pin = pin ",o=" origin
            if (label != "") pin = pin ",l=" label
            if (code != "") pin = pin ",n=" code
            if (suite != "") pin = pin ",a=" suite
            if (pin != "") pin = "release " substr(pin, 2)
            next_pin = pin
            if (pin != "" && !seen[pin]++) print "Package: *\nPin: " pin "\nPin-Priority: 50\n"
        }
        /^ +origin / && next_pin == "" && !seen["origin " $2]++ { print "Package: *\nPin: origin \"" $2 "\"\nPin-Priority: 50\n" }
        END { exit !found }' "$WORK/policy" >"$WORK/general.prefs" ||
        problem repository "no source of this host is a security archive" "add it, or select packages or all"
}

# First match wins in apt, so what is nailed stands before what is pinned, and both before the host's own file.
resolve_preferences() {
    {
        awk -F '\t' '{ print "Package: " $1 "\nPin: version " $2 "\nPin-Priority: 30000\n" }' "$WORK/excluded" "$WORK/nailed"
        awk '{ print "Package: " $1 "\nPin: version *\nPin-Priority: -1\n" }' "$WORK/in.exclude"
        awk -F '\t' '{ print "Package: " $1 "\nPin: version *\nPin-Priority: -1\n" }' "$WORK/nailed"
        awk -F '\t' '{ print "Package: " $1 "\nPin: version " $2 "\nPin-Priority: 995\n" }' "$WORK/pinned"
        cat "$WORK/general.prefs"
        [ ! -f /etc/apt/preferences ] || cat /etc/apt/preferences
    } >"$WORK/preferences"
}

resolve_apt() { apt_get -o "Dir::Etc::Preferences=$WORK/preferences" "$@"; }

# --- packages asked for by name ----------------------------------------------------------------------------------

# Writes $WORK/asked: apt's name, and the version where an exact one is wanted. What needs no simulation is reported.
resolve_named() {
    resolve_expand
    resolve_pin_asked
    [ -s "$WORK/expanded" ] || { : >"$WORK/asked"; return; }
    # shellcheck disable=SC2046 # names, held to the grammar
    apt-cache -o "Dir::Etc::Preferences=$WORK/preferences" policy -- $(cut -f 1 "$WORK/expanded") >"$WORK/table" 2>"$WORK/table.err" 3>&-
    resolve_verdicts >"$WORK/verdicts" || fail internal "the answer of apt-cache policy could not be read"
    : >"$WORK/asked"
    : >"$WORK/unknown"
    while IFS=$TAB read -r verdict name arch version detail; do
        [ "$version" != - ] || version=
        [ "$detail" != - ] || detail=
        resolve_verdict
    done <"$WORK/verdicts"
    resolve_unknown
}

# A fleet may have hosts that know one name and hosts that know another; a host that knows none of the names is more
# likely to have met a misspelt one.
resolve_unknown() {
    [ -s "$WORK/unknown" ] || return 0
    unknown_all=
    [ "$(grep -c . "$WORK/unknown")" -ne "$(grep -c . "$WORK/verdicts")" ] || unknown_all=1
    while IFS= read -r name; do
        if [ -n "$unknown_all" ]; then
            problem not_found "no package $name in this host's sources" "check the spelling, and the host's sources"
        else
            note "$name is in no source of this host either"
        fi
    done <"$WORK/unknown"
}

# A name without architecture means the native package, or, where only foreign ones are installed, those.
resolve_expand() {
    awk -F '\t' -v native="$NATIVE" "$AWK_KEY"'
        FILENAME == ARGV[1] {
            if ($6 != "installed") next
            k = key($1, $2); if (k == $1) here[$1] = 1; else foreign[$1] = foreign[$1] " " k
            next
        }
        {
            k = $1; sub(":(all|any|" native ")$", "", k)
            n = 1; names[1] = k
            if (!(k in here) && k in foreign) n = split(foreign[k], names, " ")
            for (i = 1; i <= n; i++) if (!seen[names[i], $2]++) {
                if (names[i] in wanted && wanted[names[i]] != $2 && wanted[names[i]] != "" && $2 != "") print names[i] >"/dev/stderr"
                if (!(names[i] in wanted) || wanted[names[i]] == "") { if (!(names[i] in wanted)) order[++m] = names[i]; wanted[names[i]] = $2 }
            }
        }
        END { for (i = 1; i <= m; i++) print order[i] "\t" wanted[order[i]] }' "$WORK/state" "$WORK/in.packages" >"$WORK/expanded" 2>"$WORK/twice"
    [ ! -s "$WORK/twice" ] || fail invalid "$(head -n 1 "$WORK/twice") is asked for in two versions"
}

# The candidate of a package that an earlier stage proved is what was proved there: of several versions the highest that
# can be had, which is what apt chooses among equals.
resolve_pin_asked() {
    [ -e "$IN/pins" ] || return 0
    awk -F '\t' -v native="$NATIVE" "$AWK_KEY"'
        FILENAME == ARGV[1] { if ($2 == "") wanted[$1] = 1; next }
        { k = key($1, $2); if (k in wanted) print k "\t" $3 }' "$WORK/expanded" "$WORK/in.pins" >"$WORK/pinned"
    resolve_preferences
}

# One row for each package asked for: verdict, name, arch, version, detail ("-" where there is none).
# The table of apt-cache policy is sorted from the newest version down, which tells older from newer without asking dpkg.
resolve_verdicts() {
    cut -f 1 "$WORK/excluded" >"$WORK/excluded.names"
    awk -F '\t' -v native="$NATIVE" -v install="${INSTALL:-0}" -v pins="$([ -e "$IN/pins" ] && echo 1)" \
        -v excluded_file="$WORK/excluded.names" -v pins_file="$WORK/in.pins" "$AWK_KEY"'
        function none(text) { return text == "" ? "-" : text }
        function say(verdict, version, detail) { print verdict, name, none(arch), none(version), none(detail) }
        BEGIN {
            OFS = "\t"
            while ((getline line <excluded_file) > 0) excluded[line] = 1
            while ((getline line <pins_file) > 0) { split(line, f, "\t"); proved[key(f[1], f[2]), f[3]] = 1 }
        }
        FILENAME == ARGV[1] { k = key($1, $2); if ($6 == "installed") { installed[k] = $3; arch_of[k] = $2 } if ($4 == "hold") held[k] = 1; next }
        FILENAME == ARGV[2] {
            if ($0 ~ /^[^ ]/) { current = $0; sub(/:$/, "", current); sub(":" native "$", "", current); known[current] = 1; place = 0; next }
            if ($0 ~ /^  Candidate: /) { candidate[current] = $0; sub(/^  Candidate: /, "", candidate[current]); next }
            if ($0 ~ /^ (\*\*\*|   ) [^ ]/) { line = substr($0, 6); sub(/ .*/, "", line); rank[current, line] = ++place; next }
            next
        }
        {
            k = $1; want = $2; name = k; arch = ""
            if (k ~ /:/) { arch = k; sub(/.*:/, "", arch); sub(/:.*/, "", name) }
            if (k in arch_of) arch = arch_of[k]
            have = installed[k]; best = candidate[k]; if (best == "(none)") best = ""
            if (want != "" && want == have) { say("current", have); next }
            if (have == "" && install != "1") { say("absent", "", (k in known) ? "" : "unknown"); next }
            if (name in excluded) { say("excluded", have); next }
            if (want == "" && best == "" && have == "") { say("not_found"); next }
            if (want != "" && have != "" && !((k, want) in rank)) { say("compare", want, have); next }
            if (want != "" && !((k, want) in rank)) { say("not_found", want, have); next }
            if (want != "" && have != "" && rank[k, want] > rank[k, have]) { say("lower", want, have); next }
            if (want == "" && (best == have || best == "")) { say("current", have); next }
            if (k in held) { say("held", have, want == "" ? best : want); next }
            target = want == "" ? best : want
            if (pins && !((k, target) in proved)) { say("unproven", target, have); next }
            say("ask", want, target)
        }' "$WORK/state" "$WORK/table" "$WORK/expanded"
}

resolve_verdict() {
    case $arch in -) arch= ;; esac
    key "$name" "$arch"
    case $verdict in
        ask) printf '%s\t%s\n' "$KEY" "$version" >>"$WORK/asked" ;;
        current) rec current "$name" "${arch:-$NATIVE}" "$version" ;;
        absent)
            rec absent "$KEY"
            [ "$detail" != unknown ] || printf '%s\n' "$KEY" >>"$WORK/unknown"
            ;;
        excluded) note "$name was asked for and is excluded: it stays as it is" ;;
        held) problem held "$name is on hold at $version" "apt-mark unhold $name on the host, or exclude it" ;;
        unproven)
            rec unproven "$name" "${arch:-$NATIVE}" "$version"
            printf '%s\n' "$KEY" >>"$WORK/unproven"
            [ -z "$detail" ] || printf '%s\t%s\n' "$KEY" "$detail" >>"$WORK/nailed"
            resolve_preferences
            ;;
        lower) resolve_lower ;;
        compare)
            # Not on offer. Whether that is because the host is ahead of it, only dpkg can say.
            if dpkg --compare-versions "$version" lt "$detail"; then resolve_lower; else resolve_not_found; fi
            ;;
        not_found) resolve_not_found ;;
        *) fail internal "unknown verdict $verdict" ;;
    esac
}

resolve_lower() {
    problem refused "$name $version was asked for and is older than the installed $detail" \
        "a patch never downgrades: ask for $detail or newer, or roll back the run that brought it"
}

resolve_not_found() {
    if [ -n "$version" ]; then
        problem not_found "$KEY has no version $version in this host's sources" "apt-cache policy $KEY shows what it has"
    else
        problem not_found "no package $KEY in this host's sources"
    fi
}

# --- the transaction ---------------------------------------------------------------------------------------------

resolve_simulate() {
    case $SELECT in
        packages)
            : >"$WORK/sim.out"
            [ -s "$WORK/asked" ] || { : >"$WORK/ops"; return 0; }
            # shellcheck disable=SC2046 # names and versions, held to the grammar
            set -- install -- $(awk -F '\t' '{ print $1 ($2 == "" ? "" : "=" $2) }' "$WORK/asked")
            ;;
        *)
            if is_one "${ALLOW_REMOVALS:-0}"; then set -- dist-upgrade; else set -- --with-new-pkgs upgrade; fi
            ;;
    esac
    resolve_apt -s "$@" >"$WORK/sim.out" 2>"$WORK/sim.err" || return 1
    transaction_of "$WORK/sim.out" >"$WORK/ops" || fail internal "the simulation of apt-get could not be read"
}

# Simulates until every version is a proved one, or left out. Without pins that is once.
resolve_settle() {
    rounds=0
    while :; do
        rounds=$((rounds + 1))
        if ! resolve_simulate; then
            resolve_drop_blocked && continue
            resolve_impossible
        fi
        [ -e "$IN/pins" ] || return 0
        resolve_unproven
        [ -s "$WORK/changed" ] || return 0
        [ "$rounds" -lt 12 ] || fail internal "the versions that an earlier stage proved lead to no transaction"
        resolve_preferences
    done
}

# Operations whose version is not the proved one: pinned to it the first time, left out the second.
resolve_unproven() {
    : >"$WORK/changed"
    awk -F '\t' -v native="$NATIVE" "$AWK_KEY"'
        BEGIN { OFS = "\t" }
        FILENAME == ARGV[1] { k = key($1, $2); proved[k, $3] = 1; versions[k] = versions[k] " " $3; next }
        FILENAME == ARGV[2] { tried[$1] = 1; next }
        $1 != "remove" {
            k = key($2, $3)
            if ((k, $5) in proved) next
            if (k in versions && !(k in tried)) {
                n = split(versions[k], list, " ")
                for (i = 1; i <= n; i++) print "pin", k, list[i], "-", "-", "-"
            } else print "leave", k, $5, $2, $3, ($4 == "" ? "-" : $4)
        }' "$WORK/in.pins" "$WORK/pinned" "$WORK/ops" >"$WORK/mismatches"
    while IFS=$TAB read -r what apt_name version name arch from; do
        echo "$apt_name" >>"$WORK/changed"
        if [ "$what" = pin ]; then
            printf '%s\t%s\n' "$apt_name" "$version" >>"$WORK/pinned"
            continue
        fi
        if ! grep -q -x -F -e "$apt_name" "$WORK/unproven"; then
            rec unproven "$name" "$arch" "$version"
            echo "$apt_name" >>"$WORK/unproven"
        fi
        [ "$from" != - ] || from='0~none'
        printf '%s\t%s\n' "$apt_name" "$from" >>"$WORK/nailed"
        awk -F '\t' -v not="$apt_name" '$1 != not' "$WORK/asked" >"$WORK/asked.new" && mv "$WORK/asked.new" "$WORK/asked"
    done <"$WORK/mismatches"
}

# With something nailed, a package that needs it cannot come either. Those that can by themselves stay.
resolve_drop_blocked() {
    [ "$SELECT" = packages ] && [ -s "$WORK/unproven" ] && [ -s "$WORK/asked" ] || return 1
    cp "$WORK/asked" "$WORK/asked.all"
    : >"$WORK/asked.good"
    while IFS=$TAB read -r name version; do
        printf '%s\t%s\n' "$name" "$version" >"$WORK/asked"
        if resolve_simulate; then
            cat "$WORK/asked" >>"$WORK/asked.good"
        else
            note "$name is left out: it needs a version that no earlier stage proved"
            rec unproven "${name%:*}" "$(resolve_arch "$name")" "$(resolve_candidate "$name" "$version")"
            echo "$name" >>"$WORK/unproven"
        fi
    done <"$WORK/asked.all"
    # None dropped: then it is not a matter of one package.
    if cmp -s "$WORK/asked.all" "$WORK/asked.good"; then return 1; fi
    mv "$WORK/asked.good" "$WORK/asked"
}

resolve_arch() { # APT-NAME
    case $1 in
        *:*) printf '%s' "${1##*:}" ;;
        *) printf '%s' "$NATIVE" ;;
    esac
}

resolve_candidate() { # APT-NAME VERSION
    [ -z "$2" ] || { printf '%s' "$2"; return; }
    awk -v name="$1" '$0 == name ":" { on = 1 } on && /^  Candidate: / { print $2; exit }' "$WORK/table"
}

resolve_impossible() {
    impossible=$(unmet_words "$WORK/sim.out")
    [ -n "$impossible" ] || impossible=$(apt_words "$WORK/sim.err" "$WORK/sim.out")
    stands=$(resolve_stands_in_the_way)
    case $impossible in
        *'Unable to locate package'* | *'was not found'* | *'has no installation candidate'*)
            fail not_found "$impossible" "apt-cache policy on the host shows what its sources have"
            ;;
    esac
    if [ -s "$WORK/excluded" ] && [ -z "$stands" ]; then
        fail conflict "no transaction is possible: $impossible" "the excludes stand in the way, or: apt-get -s install on the host"
    fi
    case $stands in
        '') fail conflict "no transaction is possible: $impossible" "try it with apt-get -s install on the host" ;;
        *) fail held "no transaction is possible: $impossible" "on hold, and named there: $stands" ;;
    esac
}

# Packages on hold that apt's complaint names.
resolve_stands_in_the_way() {
    awk -F '\t' -v text=" $impossible " '$4 == "hold" && index(text, " " $1 " ") { printf "%s%s", sep, $1; sep = ", " }' "$WORK/state"
}

# --- is it allowed? ----------------------------------------------------------------------------------------------

resolve_judge() {
    awk -F '\t' '$1 == "remove" { print $2 "\t" $3 }' "$WORK/ops" >"$WORK/removed"
    if [ -s "$WORK/removed" ] && ! is_one "${ALLOW_REMOVALS:-0}"; then resolve_removals; fi
    if grep -q '^WARNING: The following essential packages will be removed' "$WORK/sim.out"; then
        problem refused "the transaction would remove essential packages"
    fi
    awk -F '\t' '$1 == "downgrade" { print $2, $4, $5 }' "$WORK/ops" | head -n 5 >"$WORK/lowered"
    while read -r name from to; do
        problem refused "$name would go down from $from to $to" "a patch never downgrades: look at the host's apt preferences"
    done <"$WORK/lowered"
    cut -f 2 "$WORK/ops" >"$WORK/touched"
    matching "$WORK/touched" "$WORK/in.exclude" | head -n 5 >"$WORK/broken.excludes"
    while IFS= read -r name; do
        problem conflict "$name is excluded, and the transaction cannot exist without changing it"
    done <"$WORK/broken.excludes"
    awk -F '\t' -v native="$NATIVE" "$AWK_KEY"'
        FILENAME == ARGV[1] { if ($4 == "hold") held[key($1, $2)] = 1; next }
        key($2, $3) in held { print $2 }' "$WORK/state" "$WORK/ops" | head -n 5 >"$WORK/broken.holds"
    while IFS= read -r name; do
        problem held "$name is on hold, and the transaction would change it" "apt-mark unhold $name on the host, or exclude it"
    done <"$WORK/broken.holds"
}

# apt says that it would remove, not why. Asked to keep the packages, it says why it cannot.
resolve_removals() {
    names=$(awk -F '\t' '{ printf "%s%s", sep, $1; sep = ", " }' "$WORK/removed")
    why=
    if [ "$SELECT" = packages ]; then
        # shellcheck disable=SC2046 # names and versions, held to the grammar
        resolve_apt -s install -- $(awk -F '\t' '{ print $1 ($2 == "" ? "" : "=" $2) }' "$WORK/asked") \
            $(awk -F '\t' -v native="$NATIVE" "$AWK_KEY"'{ print key($1, $2) "+" }' "$WORK/removed") >"$WORK/why.out" 2>/dev/null
        why=$(unmet_words "$WORK/why.out")
    fi
    problem refused "the transaction would remove $names${why:+: $why}" "allow_removals = true permits it"
}

resolve_report() {
    awk -F '\t' '/^[^ ]/ { kept = ($0 ~ /^The following packages have been kept back:/); next }
        kept { for (i = 1; i <= split($0, n, " "); i++) print n[i] }' "$WORK/sim.out" | LC_ALL=C sort -u >"$WORK/kept"
    if [ -s "$WORK/kept" ]; then
        awk -F '\t' -v native="$NATIVE" "$AWK_KEY"'
            FILENAME == ARGV[1] { if ($4 == "hold") held[key($1, $2)] = 1; next }
            $1 in held { sub(/:.*/, ""); print }' "$WORK/state" "$WORK/kept" | LC_ALL=C sort -u |
            while IFS= read -r name; do rec held "$name"; done
        note "kept back by apt: $(tr '\n' ' ' <"$WORK/kept")"
    fi
    report_rows op "$WORK/ops"
}
