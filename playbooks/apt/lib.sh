# shellcheck shell=sh
# shellcheck disable=SC2034 # its variables are used by the steps
# What the apt steps share: asking dpkg and apt once and keeping the answer in $WORK, the grammar of names, the way
# apt is called, and reading what it says it would do.

export DEBIAN_FRONTEND=noninteractive DEBIAN_PRIORITY=critical
export UCF_FORCE_CONFFOLD=1 NEEDRESTART_SUSPEND=1 APT_LISTCHANGES_FRONTEND=none APT_LISTBUGS_FRONTEND=none

ADMIN=/var/lib/dpkg
FRONTEND_LOCK=$ADMIN/lock-frontend
DPKG_LOCK=$ADMIN/lock
LISTS_LOCK=/var/lib/apt/lists/lock
ARCHIVES_LOCK=/var/cache/apt/archives/lock

SELECT=${SELECT:-packages}
is_number "${LOCK_TIMEOUT:-}" || LOCK_TIMEOUT=120
NATIVE=$(dpkg --print-architecture 2>/dev/null) || NATIVE=

# --- grammar -----------------------------------------------------------------------------------------------------

valid_name() {
    case $1 in
        '' | [!a-z0-9]* | *[!a-z0-9+.-]*) return 1 ;;
    esac
    [ "${#1}" -le 200 ]
}

valid_arch() {
    case $1 in
        '' | [!a-z0-9]* | *[!a-z0-9-]*) return 1 ;;
    esac
    [ "${#1}" -le 50 ]
}

valid_version() {
    case $1 in
        '' | [!A-Za-z0-9]* | *[!A-Za-z0-9.+:~-]*) return 1 ;;
    esac
    [ "${#1}" -le 200 ]
}

valid_glob() {
    case $1 in
        '' | [!a-z0-9*?[]* | *[!][a-z0-9+.*?:!^-]*) return 1 ;;
    esac
    [ "${#1}" -le 200 ]
}

valid_unit_glob() {
    case $1 in
        '' | -* | *[!][A-Za-z0-9:_.@\\*?!^-]*) return 1 ;;
    esac
    [ "${#1}" -le 250 ]
}

# The same grammar for whole files, in one awk. Letters of SPEC, one a column: o operation, n name, N name or name:arch,
# a architecture, v version (capital: or empty). Prints the rows; a row that does not fit ends it.
checked_rows() { # FILE SPEC
    awk -F '\t' -v spec="$2" '
        function fits(kind, value) {
            if (length(value) > 250) return 0
            if (kind == "o") return value ~ /^(upgrade|install|remove|downgrade)$/
            if (kind == "n") return value ~ /^[a-z0-9][a-z0-9+.-]*$/
            if (kind == "N") return value ~ /^[a-z0-9][a-z0-9+.-]*(:[a-z0-9][a-z0-9-]*)?$/
            if (kind == "a") return value ~ /^[a-z0-9][a-z0-9-]*$/
            if (kind == "v") return value ~ /^[A-Za-z0-9][A-Za-z0-9.+:~-]*$/
            if (kind == "V") return value == "" || fits("v", value)
            return 0
        }
        $0 == "" { next }
        NF > length(spec) { exit 1 }
        {
            for (i = 1; i <= length(spec); i++) if (!fits(substr(spec, i, 1), $i)) exit 1
            NF = length(spec); OFS = "\t"; $1 = $1; print
        }' "$1"
}

# $IN/NAME, checked, as $WORK/in.NAME (empty where there is no such file).
input() { # NAME SPEC
    : >"$WORK/in.$1"
    [ -e "$IN/$1" ] || return 0
    checked_rows "$IN/$1" "$2" >"$WORK/in.$1" || fail invalid "the input file $1 has a row that is not in its grammar"
}

input_globs() { # NAME CHECK
    : >"$WORK/in.$1"
    [ -e "$IN/$1" ] || return 0
    while IFS= read -r glob || [ -n "$glob" ]; do
        [ -n "$glob" ] || continue
        "$2" "$glob" || fail invalid "the input file $1 has a row that is not in its grammar"
        printf '%s\n' "$glob" >>"$WORK/in.$1"
    done <"$IN/$1"
}

matches_any() { # VALUE FILE-OF-GLOBS
    while IFS= read -r glob; do
        # shellcheck disable=SC2254 # it is meant as a pattern
        case $1 in
            $glob) return 0 ;;
        esac
    done <"$2"
    return 1
}

# Lines whose first column matches a glob.
matching() { # FILE FILE-OF-GLOBS
    [ -s "$2" ] || return 0
    while IFS= read -r line; do
        ! matches_any "${line%%"$TAB"*}" "$2" || printf '%s\n' "$line"
    done <"$1"
}

# --- the state of the host ---------------------------------------------------------------------------------------

# Every package dpkg knows: name, architecture, version, want, error flag, status, KiB.
state_now() {
    # shellcheck disable=SC2016 # dpkg-query expands these
    dpkg-query -W -f='${Package}\t${Architecture}\t${Version}\t${db:Status-Want}\t${db:Status-Eflag}\t${db:Status-Status}\t${Installed-Size}\n' |
        LC_ALL=C sort
}

# The same as $WORK/state, asked once for steps that run together.
state() {
    [ ! -e "$WORK/state" ] || return 0
    state_now >"$WORK/state.new" || fail internal "dpkg-query cannot read the list of packages"
    mv "$WORK/state.new" "$WORK/state"
}

# How apt names a package on its command line: the architecture only where it is a foreign one. As a function for awk,
# which needs -v native="$NATIVE".
# shellcheck disable=SC2016 # awk's
AWK_KEY='function key(name, arch) { return (arch == "all" || arch == "" || arch == native) ? name : name ":" arch }
'

key() { # NAME ARCH -> $KEY
    case $2 in
        '' | all | "$NATIVE") KEY=$1 ;;
        *) KEY=$1:$2 ;;
    esac
}

# Those of the names on standard input that dpkg knows, as dpkg wants them: it takes a bare name for ambiguous where the
# package is installed for several architectures.
dpkg_names() {
    awk -F '\t' -v native="$NATIVE" "$AWK_KEY"'
        FILENAME == ARGV[1] { k = key($1, $2); if ($6 != "not-installed" && !(k in arch && $6 == "config-files")) arch[k] = $2; next }
        $1 in arch { print ($1 ~ /:/ || arch[$1] == "all" ? $1 : $1 ":" arch[$1]) }' "$WORK/state" -
}

facts() {
    facts_distro=$(os_release ID)
    facts_release=$(os_release VERSION_ID)
    [ -n "$facts_release" ] || facts_release=$(os_release VERSION_CODENAME)
    rec fact distro "${facts_distro:-unknown}"
    rec fact release "${facts_release:-unknown}"
    rec fact arch "${NATIVE:-$(uname -m)}"
    rec fact boot_id "$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)"
    rec fact machine_id "$(cat /etc/machine-id 2>/dev/null)"
    rec fact kernel "$(uname -r)"
    rec fact hostname "$(uname -n)"
}

# Read, never sourced: it is a host's file.
os_release() { # KEY
    sed -n "s/^$1=[\"']\{0,1\}\([A-Za-z0-9._-]*\)[\"']\{0,1\}\$/\1/p" /etc/os-release 2>/dev/null | head -n 1
}

# An interrupted dpkg leaves its journal in updates/, or packages half way.
interrupted() {
    for journal in "$ADMIN"/updates/[0-9]*; do
        [ -e "$journal" ] && return 0
    done
    state
    awk -F '\t' '$5 != "ok" || $6 ~ /^(half-installed|unpacked|half-configured|triggers-awaited|triggers-pending)$/ { found = 1 }
        END { exit !found }' "$WORK/state"
}

audit_words() { dpkg --audit 2>&1 | awk '/^ [^ ]/ { printf "%s%s", sep, $1; sep = ", " }'; }

# --- apt ---------------------------------------------------------------------------------------------------------

# Descriptor 3 is closed for whatever may run a package's script: nobody but the step writes records.
# What the administrator's configuration may say otherwise, and what would change the transaction behind our back, is
# set here: no autoremove, no purge, no pattern where a name is meant.
apt_get() { # ARGUMENT...
    apt-get -y -q -o "DPkg::Lock::Timeout=$LOCK_TIMEOUT" -o Dpkg::Use-Pty=0 \
        -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold -o Dpkg::Options::=--refuse-confnew \
        -o Dpkg::Progress-Fancy=0 -o APT::Color=0 -o Acquire::Retries=3 -o APT::Sandbox::User=root \
        -o APT::Get::Always-Include-Phased-Updates=true -o APT::Get::AutomaticRemove=false -o APT::Get::Purge=false \
        -o APT::Get::HideAutoRemove=1 -o APT::Cmd::Pattern-Only=true -o APT::Get::Show-User-Simulation-Note=false \
        "$@" 3>&-
}

# Away from every source and preference of the host: only what dpkg knows and the files named. Its own caches are not
# written, else the next apt would have to build them anew.
OFFLINE='-o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts=/dev/null -o Dir::Etc::Preferences=/dev/null
    -o Dir::Etc::PreferencesParts=/dev/null -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache='

apt_offline() { # ARGUMENT...
    # shellcheck disable=SC2086 # several words, all ours
    apt_get $OFFLINE --allow-downgrades --allow-change-held-packages --no-install-recommends \
        -o APT::Get::Upgrade-By-Source-Package=false "$@"
}

# What apt complained about, in one line.
apt_words() { # FILE...
    awk '/^E: / { sub(/^E: /, ""); if (n++ < 4) printf "%s%s", (n > 1 ? "; " : ""), $0 }' "$@"
}

# apt's own words on why something cannot be.
unmet_words() { # FILE
    awk '/^The following packages have unmet dependencies:/ { on = 1; next }
        on && /^ / { gsub(/ +/, " "); sub(/^ /, ""); if (n++ < 6) printf "%s%s", (n > 1 ? "; " : ""), $0; next }
        { on = 0 }' "$1"
}

# What a simulation says, as rows of: operation, name, architecture, from, to, origin, security.
# Removals are named without their architecture there, so it comes from the state.
transaction_of() { # FILE-FROM-APT-GET--s [STATE]
    awk -v native="$NATIVE" "$AWK_KEY"'
        function bare(name) { sub(/:.*/, "", name); return name }
        function origin_of(text, parts, n, i, label, archive, first) {
            security = 0; first = ""
            n = split(text, parts, /, */)
            for (i = 1; i <= n; i++) {
                label = parts[i]; archive = parts[i]
                sub(/:[^:]*$/, "", label); sub(/^.*\//, "", archive)
                if (first == "") first = label
                if (label ~ /[Ss]ecurity$/ || label ~ /ESM/ || archive ~ /-security$/) { security = 1; return label }
            }
            return first
        }
        BEGIN { OFS = "\t" }
        FNR == NR { split($0, f, "\t"); k = key(f[1], f[2]); if (f[6] == "installed" || !(k in arch_of)) { arch_of[k] = f[2]; had[k] = f[6] == "installed" ? f[3] : "" } next }
        /^[^ ]/ { down = ($0 ~ /^The following packages will be DOWNGRADED:/) }
        down && /^  / { for (i = 1; i <= NF; i++) lower[$i] = 1; next }
        /^Inst / {
            name = $2; rest = $0; from = ""
            sub(/^Inst [^ ]+ /, "", rest)
            if (rest ~ /^\[/) { from = rest; sub(/^\[/, "", from); sub(/\].*/, "", from); sub(/^\[[^]]*\] /, "", rest) }
            if (!match(rest, /^\([^ ]+ (.* )?\[[a-z0-9-]+\]\)/)) { print "unreadable: " $0 >"/dev/stderr"; exit 1 }
            inner = substr(rest, 2, RLENGTH - 3)
            to = inner; sub(/ .*/, "", to)
            arch = inner; sub(/.*\[/, "", arch)
            origin = inner; sub(/^[^ ]+ /, "", origin); sub(/ *\[[a-z0-9-]+$/, "", origin)
            origin = origin_of(origin)
            op = from == "" ? "install" : (name in lower) ? "downgrade" : "upgrade"
            print op, bare(name), arch, from, to, origin, security
        }
        /^(Remv|Purg) / {
            name = $2; from = $3; gsub(/[][]/, "", from)
            k = name; sub(":" native "$", "", k)
            # A package that is purged after it was removed before was not there.
            if (had[k] == "" && $1 == "Purg") next
            print "remove", bare(name), arch_of[k] != "" ? arch_of[k] : native, from, "", "", 0
        }' "${2:-$WORK/state}" "$1" | LC_ALL=C sort -u
}

# A transaction as the words after `apt-get install`: everything by its exact version, so nothing else can come.
frozen_words() { # FILE-WITH-THE-ROWS
    awk -F '\t' -v native="$NATIVE" "$AWK_KEY"'{ print key($2, $3) ($1 == "remove" ? "-" : "=" $5) }' "$1"
}

# apt-get install with exactly what is named: no recommendations, and no packages built from the same source.
apt_frozen() { # ARGUMENT...
    apt_get --no-install-recommends -o APT::Install-Suggests=false -o APT::Get::Upgrade-By-Source-Package=false "$@"
}

# Simulates exactly these rows. Ends 0 when that is what apt would do; else $WORK/frozen.diff says how it differs.
frozen_holds() { # FILE
    frozen_words "$1" >"$WORK/frozen.words"
    : >"$WORK/frozen.out"
    if [ -s "$WORK/frozen.words" ]; then
        # shellcheck disable=SC2046 # one word a line, held to the grammar
        apt_frozen -s install -- $(cat "$WORK/frozen.words") >"$WORK/frozen.out" 2>"$WORK/frozen.err" ||
            { apt_words "$WORK/frozen.err" "$WORK/frozen.out" >"$WORK/frozen.diff"; return 1; }
    fi
    transaction_of "$WORK/frozen.out" | cut -f 1-5 >"$WORK/frozen.got" || return 1
    cut -f 1-5 "$1" | LC_ALL=C sort >"$WORK/frozen.wanted"
    LC_ALL=C comm -3 "$WORK/frozen.got" "$WORK/frozen.wanted" | tr -s '\t\n' '  ' >"$WORK/frozen.diff"
    [ ! -s "$WORK/frozen.diff" ]
}

# The transaction this step is about, as $WORK/transaction (5 columns or more): the approved one where there is one,
# else what `resolve` found in the same run.
transaction() {
    if [ -e "$IN/transaction" ]; then
        input transaction onaVV
        cp "$WORK/in.transaction" "$WORK/transaction"
    elif [ -e "$WORK/resolved" ]; then
        cp "$WORK/resolved" "$WORK/transaction"
    else
        fail invalid "no transaction was given"
    fi
    LC_ALL=C sort -u -o "$WORK/transaction" "$WORK/transaction"
}

# --- locks -------------------------------------------------------------------------------------------------------

# apt waits for dpkg's locks by itself, but does not say for whom; those of lists and archives it does not wait for.
need_locks() { # FILE...
    wait_for_locks "$LOCK_TIMEOUT" "$@" && return 0
    rec lock "$HOLDER_FILE" "$HOLDER_PID" "$HOLDER_COMMAND"
    fail locked "process $HOLDER_PID ($HOLDER_COMMAND) still holds $HOLDER_FILE after $LOCK_TIMEOUT s" \
        "let it finish, or look at it: ps -fp $HOLDER_PID"
}

# A command that may lose the race for a lock: again until the time is up.
retry_locked() { # LOG COMMAND...
    retry_log=$1
    shift
    retry_until=$(($(now) + LOCK_TIMEOUT))
    while :; do
        "$@" >"$retry_log" 2>&1 && { cat "$retry_log"; return 0; }
        cat "$retry_log"
        grep -q -e 'Could not get lock' -e 'Unable to lock' -e 'Unable to acquire' "$retry_log" || return 1
        [ "$(now)" -lt "$retry_until" ] || { locked_words "$retry_log"; return 1; }
        phase "waits for a lock of apt's"
        sleep 2
    done
}

locked_words() { # LOG: a problem in apt's own words
    locked_line=$(grep -m 1 -e 'Could not get lock' -e 'Unable to' "$1" | sed 's/^E: //')
    problem locked "$locked_line (waited $LOCK_TIMEOUT s)" "let the other process finish"
}

# --- is a reboot due? --------------------------------------------------------------------------------------------

SENTINELS='/run/reboot-required /var/run/reboot-required'

# Every sign that speaks for one is named.
reboot_state() {
    reboot_signs >"$WORK/reboot.signs"
    if [ -s "$WORK/reboot.signs" ]; then
        rec reboot yes "$(awk '{ printf "%s%s", sep, $0; sep = "; " }' "$WORK/reboot.signs")"
    else
        rec reboot no ''
    fi
}

reboot_signs() {
    for sign in $SENTINELS; do
        [ -e "$sign" ] || continue
        sign_for=$(sort -u "$sign.pkgs" 2>/dev/null | tr '\n' ' ')
        printf '%s\n' "$sign${sign_for:+: ${sign_for% }}"
        break
    done
    sign_kernel
    [ -e "$WORK/stale" ] || stale_mapped
    # What no restart mends: what is never restarted, and an init that runs old code though it was started anew.
    while IFS=$TAB read -r unit why; do
        only_a_reboot "$unit" || continue
        [ "$unit" != init.scope ] || unit='PID 1'
        case $why in
            /*) printf '%s maps deleted %s\n' "$unit" "$why" ;;
            *) printf '%s runs old code (%s)\n' "$unit" "$why" ;;
        esac
    done <"$WORK/stale" | head -n 8
}

# needrestart looks at the kernel's own version, not at names of files: asked where there is one. Else the running kernel
# against the newest installed one (where a kernel is installed at all: a container runs its host's).
sign_kernel() {
    running=$(uname -r)
    if kernel_taken "$running"; then
        printf 'kernel %s runs, and its package was taken away\n' "$running"
        return
    fi
    newest=$(command -v needrestart >/dev/null && env -u NEEDRESTART_SUSPEND needrestart -b -k 2>/dev/null 3>&- |
        awk '/^NEEDRESTART-KSTA: / { state = $2 } /^NEEDRESTART-KEXP: / { expected = $2 } END { if (state > 1) print expected }')
    if [ -n "$newest" ]; then
        printf 'kernel %s runs, needrestart expects %s\n' "$running" "$newest"
        return
    fi
    newest=$(newest_kernel "$running")
    if [ "$newest" != "$running" ] && [ -e "/lib/modules/$running" ]; then
        printf 'kernel %s runs, %s is installed\n' "$running" "$newest"
    fi
}

# The way back takes a kernel away also where it runs by now.
kernel_taken() { # RUNNING
    [ -e "${STASH:-}/after/state" ] && [ -e "$WORK/state" ] || return 1
    awk -F '\t' -v kernel="$1" '
        $6 == "installed" && ($1 == "linux-image-" kernel || $1 == "linux-image-unsigned-" kernel) { there[FILENAME] = 1 }
        END { exit !(ARGV[1] in there && !(ARGV[2] in there)) }' "$STASH/after/state" "$WORK/state"
}

# Of the running kernel's own flavour: one of another would not be booted instead.
newest_kernel() { # RUNNING [FOLDER]
    {
        printf '%s\n' "$1"
        for image in "${2:-/boot}"/vmlinuz-*; do printf '%s\n' "${image##*/vmlinuz-}"; done
    } | awk -v running="$1" '
        function flavour(name) { sub(/^[0-9.]+(-[0-9.]+)?/, "", name); return name }
        $0 ~ /^[0-9]/ && flavour($0) == flavour(running)' | sort -V | tail -n 1
}

# Sessions end by themselves, and what is excluded from restarts is somebody's own choice.
only_a_reboot() { # UNIT
    case $1 in
        init.scope)
            ! has_systemd || [ -e "$WORK/reexeced" ]
            return ;;
        user@*.service | *getty@*.service | console-getty.service | patchctl-*) return 1 ;;
    esac
    never_restarted "$1"
}

# --- records in bulk ---------------------------------------------------------------------------------------------

# Rows of a file as records of one kind: one awk instead of a loop.
report_rows() { # KIND FILE
    [ -s "$2" ] || return 0
    awk -v kind="$1" '{ gsub(/[\001-\010\013-\037\177]/, " "); print kind "\t" $0 }' "$2" | utf8 >&3
}

# Later stages are held to what is installed here, changed or not.
report_installed() {
    is_one "${WANT_INSTALLED:-0}" || return 0
    awk -F '\t' '$6 == "installed" { print $1 "\t" $2 "\t" $3 }' "$WORK/state" >"$WORK/installed.rows"
    report_rows installed "$WORK/installed.rows"
}

# --- old packages ------------------------------------------------------------------------------------------------

# Which versions the sources offer, as $WORK/available: apt's name, architecture, version, bytes, installed KiB. Asked
# for both ends of every operation in one go.
available() { # TRANSACTION
    awk -F '\t' -v native="$NATIVE" "$AWK_KEY"'
        { k = key($2, $3); if ($4 != "") print k "=" $4; if ($5 != "") print k "=" $5 }' "$1" >"$WORK/available.words"
    : >"$WORK/available"
    [ -s "$WORK/available.words" ] || return 0
    # shellcheck disable=SC2046 # one word a line, held to the grammar
    apt-cache show -- $(cat "$WORK/available.words") 2>/dev/null 3>&- |
        awk -v native="$NATIVE" "$AWK_KEY"'
            function flush() { if (file != "" && !seen[name, arch, version]++) print key(name, arch) "\t" arch "\t" version "\t" size "\t" kib; name = arch = version = size = kib = file = "" }
            /^$/ { flush(); next }
            /^Package: / { name = $2 }
            /^Architecture: / { arch = $2 }
            /^Version: / { version = $2 }
            /^Size: / { size = $2 }
            /^Installed-Size: / { kib = $2 }
            /^Filename: / { file = $2 }
            END { flush() }' >"$WORK/available"
}

# The name of a package's file in apt's cache: name_version_arch.deb, the epoch's colon as %3a.
cache_name() { # NAME VERSION ARCH
    case $2 in
        *:*) printf '%s_%s%%3a%s_%s.deb' "$1" "${2%%:*}" "${2#*:}" "$3" ;;
        *) printf '%s_%s_%s.deb' "$1" "$2" "$3" ;;
    esac
}

# Where the old package of every upgrade and removal can come from: name, arch, version, source, exactness, bytes. The
# old architecture is the installed one: a package may turn from amd64 into all.
sources_of() { # TRANSACTION
    available "$1"
    ls /var/cache/apt/archives >"$WORK/cached" 2>/dev/null
    awk -F '\t' -v native="$NATIVE" -v info="$ADMIN/info" "$AWK_KEY"'
        BEGIN { OFS = "\t" }
        FILENAME == ARGV[1] { if ($6 == "installed") { arch_of[key($1, $2)] = $2; kib[key($1, $2)] = $7 } next }
        FILENAME == ARGV[2] { size[$1, $3] = $4; next }
        FILENAME == ARGV[3] { cached[$0] = 1; next }
        $4 == "" { next }
        {
            k = key($2, $3); arch = (k in arch_of) ? arch_of[k] : $3
            file = $4; sub(/:/, "%3a", file); file = $2 "_" file "_" arch ".deb"
            if (file in cached) print $2, arch, $4, "cache", "exact", size[k, $4] + 0
            else if ((k, $4) in size) print $2, arch, $4, "repository", "exact", size[k, $4] + 0
            else if (k in arch_of) print $2, arch, $4, "repack", "approximate", kib[k] * 512
            else print $2, arch, $4, "missing", "approximate", 0
        }' "$WORK/state" "$WORK/available" "$WORK/cached" "$1"
}

# --- the stash ---------------------------------------------------------------------------------------------------
# $STASH holds, for one run on this host:
#   baseline/   the state before (complete once `complete` is there)      begun    the change has begun: baseline is final
#   debs/       every old package, checked, as listed in `manifest`        keep     packages that are not touched, but may lose a file
#   new/        the packages to come                                       new.files  what is in those
#   after/      the state that the patch left behind                    ballast  room for the way back, ballast.small for saying
#                                                                                what became of the change

stash_folder() {
    case ${STASH:-} in
        '' | [!/]* | *[!A-Za-z0-9/._-]* | */../* | */..) fail internal "STASH is not a usable path" ;;
    esac
    [ -d "$STASH" ] || (umask 077 && mkdir -p "$STASH") || fail internal "$STASH cannot be made"
    if [ -L "$STASH" ] || [ "$(stat -c %u "$STASH")" != "$(id -u)" ]; then fail internal "$STASH is not ours"; fi
    chmod 700 "$STASH" || fail internal "$STASH cannot be closed to others"
    # Killed between taking the old baseline away and putting the new one there.
    if [ ! -e "$STASH/baseline" ] && [ -e "$STASH/baseline.old/complete" ]; then mv "$STASH/baseline.old" "$STASH/baseline"; fi
}

# What the way back needs, in KiB, kept free for it by a file in the stash: a change may fill the disk, and then going
# back would fail too. What shrinks grows again, a package is unpacked beside the one that goes, and dpkg writes its lists
# anew. Only where packages and stash share a filesystem can all of that be kept.
ballast_kib() { # FOLDER
    if [ "$(mount_of "$1")" != "$(mount_of /usr)" ]; then
        echo 16384
        return
    fi
    awk -F '\t' -v native="$NATIVE" "$AWK_KEY"'
        FILENAME == ARGV[1] { if ($6 == "installed") kib[key($1, $2)] = $7; next }
        FILENAME == ARGV[2] { new_kib[$1, $3] = $5; next }
        {
            k = key($2, $3); before = $4 == "" ? 0 : kib[k] + 0; after = $1 == "remove" ? 0 : new_kib[k, $5] + 0
            if (before > after) growth += before - after
            if (before > largest) largest = before
        }
        END { printf "%d\n", growth + largest + 16384 }' "$WORK/state" "$WORK/available" "$WORK/transaction"
}

mount_of() { df -Pk "$1" 2>/dev/null | awk 'NR == 2 { print $6 }'; }

# A change that is on record must be on the disk before the next one begins.
settle_disk() { sync -f "$STASH" 2>/dev/null || sync; }

# The transaction whose baseline this is.
stashed_transaction() {
    checked_rows "$STASH/baseline/transaction" onaVV >"$WORK/transaction" || fail internal "the transaction in the stash cannot be read"
}

# Every package concerned, by apt's names: those of the transaction, and those beside them. One that comes may have left
# its configuration here before, so it counts too.
touched() { # TRANSACTION
    awk -F '\t' -v native="$NATIVE" "$AWK_KEY"'{ print key($2, $3) }' "$1"
    [ ! -s "$STASH/keep" ] || awk -F '\t' -v native="$NATIVE" "$AWK_KEY"'{ print key($1, $2) }' "$STASH/keep"
}

# The folder info/ names its files by package, with the architecture where several may be installed side by side.
info_prefix() { # NAME ARCH -> $INFO
    INFO=$ADMIN/info/$1:$2
    [ -e "$INFO.list" ] || INFO=$ADMIN/info/$1
}

# --- lists of files ----------------------------------------------------------------------------------------------

# Paths on standard input; one line each for those that exist: path, kind, mode, owner, content. Sorted.
describe() {
    LC_ALL=C sort -u >"$WORK/describe.paths"
    tr '\n' '\000' <"$WORK/describe.paths" | xargs -0 -r stat --printf '%n\t%F\t%a\t%u:%g\t%N\n' 2>/dev/null >"$WORK/describe.stat"
    # "regular empty file" is a regular file too.
    awk -F '\t' '$2 ~ /^regular/ { printf "%s%c", $1, 0 }' "$WORK/describe.stat" >"$WORK/describe.regular"
    xargs -0 -r md5sum <"$WORK/describe.regular" 2>/dev/null >"$WORK/describe.md5"
    awk -F '\t' '
        BEGIN { OFS = "\t" }
        FILENAME == ARGV[1] {
            # md5sum marks a line whose name has a backslash with one, and doubles those of the name.
            if (sub(/^\\/, "")) gsub(/\\\\/, "\\")
            md5[substr($0, 35)] = substr($0, 1, 32); next
        }
        {
            kind = $2; content = "-"
            if (kind ~ /^regular/) { kind = "file"; content = ($1 in md5) ? md5[$1] : "unreadable" }
            else if (kind == "symbolic link") { kind = "link"; content = $5; sub(/^.* -> /, "", content) }
            else if (kind == "directory") kind = "folder"
            print $1, kind, $3, $4, content
        }' "$WORK/describe.md5" "$WORK/describe.stat"
}

# What the packages named on standard input (apt's names) own.
owned_files() {
    # shellcheck disable=SC2046 # names, held to the grammar
    set -- $(dpkg_names)
    [ $# -gt 0 ] || return 0
    dpkg-query -L "$@" 2>/dev/null | grep '^/' | grep -v -x '/\.'
}

# What starts the dead man again after a boot comes and goes with it, and is none of the change.
ETC=/etc
describe_etc() {
    find "$ETC" -xdev ! -path "$ETC/cron.d/patchctl-deadman-*" ! -path "$ETC/systemd/system/*patchctl-deadman-*" -print 2>/dev/null | describe
}

# name, path, recorded sum and flags of the conffiles of the packages named on standard input.
conffiles_of() {
    # shellcheck disable=SC2046 # names, held to the grammar
    set -- $(dpkg_names)
    [ $# -gt 0 ] || return 0
    # shellcheck disable=SC2016 # dpkg-query expands these
    dpkg-query -W -f='=${Package}\n${Conffiles}\n' "$@" 2>/dev/null | awk '
        /^=/ { name = substr($0, 2); next }
        /^ / {
            line = substr($0, 2); flags = ""
            while (line ~ / (obsolete|remove-on-upgrade)$/) { f = line; sub(/^.* /, "", f); flags = flags f " "; sub(/ [a-z-]+$/, "", line) }
            sum = line; sub(/^.* /, "", sum); sub(/ [^ ]*$/, "", line)
            if (sum ~ /^[0-9a-f]+$/) print name "\t" line "\t" sum "\t" (flags == "" ? "-" : flags)
        }' | LC_ALL=C sort -u
}

# Those lines, with the content on the disk as a fifth column.
conffiles_on_disk() { # FILE
    cut -f 2 "$1" | describe >"$WORK/conffiles.disk"
    awk -F '\t' 'BEGIN { OFS = "\t" } FILENAME == ARGV[1] { at[$1] = $5; next } { print $1, $2, $3, $4, ($2 in at) ? at[$2] : "absent" }' \
        "$WORK/conffiles.disk" "$1"
}

# The parts of a snapshot that are wanted before and after: into FOLDER.
snapshot() { # FOLDER APT-NAMES-FILE
    state_now >"$1/state" && apt-mark showauto 3>&- | LC_ALL=C sort >"$1/auto" || return 1
    conffiles_of <"$2" >"$WORK/conffiles"
    conffiles_on_disk "$WORK/conffiles" >"$1/conffiles"
    describe_etc >"$1/etc.list"
}

# --- running what writes much -------------------------------------------------------------------------------------

# Runs a command with its output in LOG, shown as it comes. Not through a pipe: a service that a package's script
# starts would keep it open, and we would wait for its end for ever.
logged() { # LOG COMMAND...
    logged_file=$1
    shift
    show_command "$@"
    : >"$logged_file"
    # It looks again by itself where the filesystem cannot tell it of changes.
    tail -n +1 -s 0.1 --pid=$$ -f "$logged_file" 3>&- &
    logged_tail=$!
    "$@" >>"$logged_file" 2>&1
    logged_status=$?
    sleep 0.4
    kill "$logged_tail" 2>/dev/null
    wait "$logged_tail" 2>/dev/null
    return "$logged_status"
}

dpkg_run() { # ARGUMENT...
    dpkg --force-confold --force-confdef --refuse-confnew "$@" 3>&-
}

# Why dpkg stopped: the package, the script, its exit code and its own last words.
failing_words() { # LOG
    awk '
        /^dpkg: error processing (package|archive) / {
            name = $5; numbered = name ~ /\/apt-dpkg-install-/
            sub(/^.*\//, "", name); sub(/_.*$/, "", name); sub(/:.*/, "", name)
            if (numbered) sub(/^[0-9]+-/, "", name)
            words = last; if (index(words, name ": ") == 1) words = substr(words, length(name) + 3)
            want = 1; next
        }
        want {
            want = 0; reason = $0; sub(/^ +/, "", reason); script = ""
            if (match(reason, /(pre|post)-?(installation|removal) script/)) {
                script = substr(reason, RSTART, RLENGTH)
                script = (script ~ /^pre/ ? "pre" : "post") (script ~ /installation/ ? "inst" : "rm")
            }
            code = reason; if (code ~ /exit status [0-9]+/) { sub(/^.*exit status /, "", code); sub(/[^0-9].*$/, "", code); how = "exit " code }
            else if (match(reason, /(killed by signal|was killed).*/)) how = substr(reason, RSTART)
            else how = ""
            if (script != "") text = name ": " script " " how (words != "" ? ": " words : "")
            else text = name ": " reason
            if (n++ < 3) printf "%s%s", (n > 1 ? "; " : ""), text
            last = ""; next
        }
        /^(Setting up|Unpacking|Preparing to unpack|Removing|Purging|Processing triggers|Selecting|\(Reading)/ { last = ""; next }
        /^ *$/ || /^dpkg: / || /^Errors were encountered/ { next }
        { last = $0; sub(/^ +/, "", last) }' "$1"
}

# --- the baseline ------------------------------------------------------------------------------------------------

# Records the state before, from $WORK/transaction. Also used right before the change, so that what happened on the
# host since the stash was made is not undone with it.
baseline_record() {
    phase "records the state before"
    rm -rf "$STASH/baseline.new"
    (umask 077 && mkdir "$STASH/baseline.new") || fail no_space "no folder could be made in $STASH"
    baseline_write "$STASH/baseline.new" || fail no_space "the baseline could not be written to $STASH" "df $STASH"
    rm -rf "$STASH/baseline.old"
    [ ! -e "$STASH/baseline" ] || mv "$STASH/baseline" "$STASH/baseline.old"
    mv "$STASH/baseline.new" "$STASH/baseline" || fail internal "the baseline could not be put in its place"
    rm -rf "$STASH/baseline.old"
    settle_disk
}

baseline_write() { # FOLDER
    cut -f 1-5 "$WORK/transaction" >"$1/transaction" || return 1
    touched "$WORK/transaction" | LC_ALL=C sort -u >"$1/touched" || return 1
    snapshot "$1" "$1/touched" || return 1
    dpkg --get-selections '*' >"$1/selections" || return 1
    cp "$ADMIN/diversions" "$ADMIN/statoverride" "$1/" 2>/dev/null
    owned_files <"$1/touched" | describe >"$1/files"
    baseline_modified "$1" || return 1
    # The list of what will come, as far as it is not there yet: what an interrupted unpacking may leave behind.
    if [ -s "$STASH/new.files" ]; then baseline_absent "$1"; else : >"$1/absent"; fi
    baseline_tar "$1/etc.tar" etc || return 1
    baseline_tar "$1/alternatives.tar" var/lib/dpkg/alternatives || return 1
    cut -f 2 "$1/conffiles" | baseline_existing | sed 's,^/,,' >"$WORK/conffiles.list"
    tar -C / --numeric-owner --no-recursion -cpf "$1/conffiles.tar" -T "$WORK/conffiles.list" 2>/dev/null || return 1
    : >"$1/complete"
}

# tar ends 1 when a file changed while it was read: that is no reason to stop.
baseline_tar() { # FILE PATH
    [ -e "/$2" ] || return 0
    tar -C / --numeric-owner -cpf "$1" "$2" 2>/dev/null
    [ $? -le 1 ]
}

baseline_existing() { # lines of paths, those that exist
    while IFS= read -r path; do
        if [ -e "$path" ] || [ -L "$path" ]; then printf '%s\n' "$path"; fi
    done
}

baseline_absent() { # FOLDER
    tr '\n' '\000' <"$STASH/new.files" | xargs -0 -r stat --printf '%n\n' 2>/dev/null | LC_ALL=C sort -u >"$WORK/present"
    LC_ALL=C sort -u "$STASH/new.files" | LC_ALL=C comm -23 - "$WORK/present" >"$1/absent"
}

# Files of packages that somebody changed by hand (not conffiles): no package brings these back, so they are kept.
baseline_modified() { # FOLDER
    while IFS= read -r name; do
        arch=$NATIVE
        case $name in *:*) arch=${name##*:} name=${name%:*} ;; esac
        info_prefix "$name" "$arch"
        [ ! -e "$INFO.md5sums" ] || cat "$INFO.md5sums"
    done <"$1/touched" | awk -F '\t' '
        FILENAME == ARGV[1] { conffile[$2] = 1; next }
        FILENAME == ARGV[2] { if ($2 == "file") md5[$1] = $5; next }
        { path = "/" substr($0, 35); sum = substr($0, 1, 32)
          if (path in md5 && !(path in conffile) && md5[path] != sum && !seen[path]++) print substr(path, 2) }' \
        "$1/conffiles" "$1/files" - >"$1/modified"
    [ -s "$1/modified" ] || return 0
    note "changed by hand, and kept: $(head -n 5 "$1/modified" | tr '\n' ' ')"
    tar -C / --numeric-owner --no-recursion -cpf "$1/modified.tar" -T "$1/modified"
}

# --- the way back ------------------------------------------------------------------------------------------------

# A transaction reversed, as words for `apt-get install`: the stashed files of what was upgraded or removed, and what
# came, to go. It goes by remove and is purged afterwards, since one that had left its configuration before must not
# lose it.
way_back() { # TRANSACTION
    awk -F '\t' -v native="$NATIVE" -v debs="$STASH/debs/" "$AWK_KEY"'
        FILENAME == ARGV[1] { file[key($1, $2), $3] = $7; next }
        $4 != "" { k = key($2, $3); if ((k, $4) in file) print debs file[k, $4]; next }
        { print key($2, $3) "-" }' "$STASH/manifest" "$1"
}

# What is installed now of a transaction: name, arch, version (empty: it is not).
installed_now() { # TRANSACTION
    awk -F '\t' -v native="$NATIVE" "$AWK_KEY"'BEGIN { OFS = "\t" }
        FILENAME == ARGV[1] { if ($6 != "not-installed" && $6 != "config-files") { version[key($1, $2)] = $3; arch[key($1, $2)] = $2 } next }
        { k = key($2, $3); print $2, (k in arch ? arch[k] : $3), version[k] }' "$WORK/state" "$1"
}

# Operations that are not done, or not wholly: name, wanted, found, status.
not_reached() { # TRANSACTION
    awk -F '\t' -v native="$NATIVE" "$AWK_KEY"'BEGIN { OFS = "\t" }
        FILENAME == ARGV[1] { k = key($1, $2); if ($6 == "not-installed") next; version[k] = $3; status[k] = $6; flag[k] = $5; next }
        {
            k = key($2, $3); gone = !(k in status) || status[k] == "config-files"
            if ($1 == "remove" ? gone : (!gone && version[k] == $5 && status[k] == "installed" && flag[k] == "ok")) next
            print $2, ($5 == "" ? "-" : $5), (gone ? "-" : version[k]), (gone ? "-" : status[k])
        }' "$WORK/state" "$1"
}

# The want (install, hold, deinstall) of the transaction's packages, as it was.
restore_wants() { # STATE-BEFORE TRANSACTION
    awk -F '\t' -v native="$NATIVE" "$AWK_KEY"'
        FILENAME == ARGV[1] { if ($6 == "installed") want[key($1, $2)] = $4; next }
        FILENAME == ARGV[2] { if ($6 != "not-installed" && $6 != "config-files") now[key($1, $2)] = $4; next }
        { k = key($2, $3); if (k in want && k in now && want[k] != now[k]) print k "\t" want[k] }' "$1" "$WORK/state" "$2" >"$WORK/wants.rows"
    cut -f 1 "$WORK/wants.rows" | dpkg_names | paste - "$WORK/wants.rows" | cut -f 1,3 >"$WORK/wants"
    [ ! -s "$WORK/wants" ] || dpkg --set-selections <"$WORK/wants" 3>&- || note "the holds could not be set"
}

# --- services on replaced files ----------------------------------------------------------------------------------

# Processes that still map a file which was replaced, as $WORK/stale: unit, why; and $WORK/stale.others: what belongs to
# no service. needrestart knows interpreters too, so it is asked where there is one.
stale_services() {
    stale_mapped
    if command -v needrestart >/dev/null; then
        env -u NEEDRESTART_SUSPEND needrestart -b -r l 2>/dev/null 3>&- |
            awk '/^NEEDRESTART-SVC: .*\.service$/ { print $2 "\tneedrestart says so" }
                /^NEEDRESTART-SVC: systemd-manager$/ { print "init.scope\tneedrestart says so" }' >>"$WORK/stale"
        stale_once
    fi
}

stale_once() { awk -F '\t' '!seen[$1]++' "$WORK/stale" | LC_ALL=C sort >"$WORK/stale.new" && mv "$WORK/stale.new" "$WORK/stale"; }

stale_mapped() {
    : >"$WORK/stale"
    : >"$WORK/stale.others"
    grep -H ' (deleted)$' /proc/[0-9]*/maps 2>/dev/null | awk '
        { pid = $0; sub(/^\/proc\//, "", pid); sub(/\/.*/, "", pid)
          perms = $2; path = $0; if (!match(path, / \/.* \(deleted\)$/)) next
          path = substr(path, RSTART + 1, RLENGTH - 11)
          if (path !~ /^\/(usr|lib|lib32|lib64|libx32|bin|sbin|opt)\// || perms !~ /x/) next
          sub(/\.dpkg-(new|tmp)$/, "", path)
          if (!seen[pid]++) print pid "\t" path }' >"$WORK/stale.pids"
    while IFS=$TAB read -r pid path; do
        stale_unit "$pid"
        if [ -n "$UNIT" ]; then
            printf '%s\t%s\n' "$UNIT" "$path" >>"$WORK/stale"
        else
            printf '%s\t%s\t%s\n' "$pid" "$(process_name "$pid")" "$path" >>"$WORK/stale.others"
        fi
    done <"$WORK/stale.pids"
    stale_once
}

# The service of a process, by its control group: the last part, if it is a system service's.
stale_unit() { # PID -> $UNIT
    UNIT=
    [ "$1" != 1 ] || { UNIT=init.scope; return; }
    while IFS= read -r group; do
        case $group in
            0::*|*:name=systemd:*) ;;
            *) continue ;;
        esac
        case $group in
            */user.slice/*) continue ;;
            *.service) UNIT=${group##*/} ;;
            *.service/*) UNIT=${group%%.service/*}.service UNIT=${UNIT##*/} ;;
        esac
    done <"/proc/$1/cgroup" 2>/dev/null
    case $UNIT in
        *[!A-Za-z0-9:_.@\\-]* | -*) UNIT= ;;
    esac
}

# Restarting these ends sessions, cuts the network, or is this very job.
never_restarted() { # UNIT -> $NEVER
    case $1 in
        dbus.service | dbus-broker.service) NEVER="every session depends on it" ;;
        systemd-logind.service | user@*.service | getty@*.service | serial-getty@*.service | console-getty.service | container-getty@*.service)
            NEVER="sessions depend on it" ;;
        gdm.service | gdm3.service | lightdm.service | sddm.service | xdm.service | display-manager.service) NEVER="it would end graphical sessions" ;;
        networking.service | ifup@*.service | NetworkManager.service | wpa_supplicant.service | openvpn*.service | strongswan*.service | wg-quick@*.service)
            NEVER="the network depends on it" ;;
        patchctl-*) NEVER="it is this job" ;;
        *) return 1 ;;
    esac
}

has_systemd() { [ -d /run/systemd/system ]; }

# Restarts what is stale, as RESTART says; tells of each what became of it.
restart_stale() {
    input_globs restart_exclude valid_unit_glob
    case ${RESTART:-needed} in
        never) return 0 ;;
        report) stale_services; report_stale; return 0 ;;
    esac
    ! has_systemd || systemctl daemon-reload 3>&- || note "systemctl daemon-reload failed"
    stale_services
    cp "$WORK/stale" "$WORK/to.restart"
    : >"$WORK/left"
    while IFS=$TAB read -r unit why; do
        restart_one "$unit" "$why"
    done <"$WORK/to.restart"
    restart_others
    stale_services
    awk -F '\t' 'FILENAME == ARGV[1] { told[$1] = 1; next } !($1 in told)' "$WORK/left" "$WORK/stale" >"$WORK/still"
    while IFS=$TAB read -r unit why; do rec service stale "$unit" "$why"; done <"$WORK/still"
    tell_others
}

restart_one() { # UNIT WHY
    if never_restarted "$1"; then
        rec service stale "$1" "$NEVER ($2)"
    elif matches_any "$1" "$WORK/in.restart_exclude"; then
        rec service stale "$1" "restart_exclude names it ($2)"
    elif [ "$1" = init.scope ]; then
        restart_init "$2"
        return
    elif ! has_systemd; then
        rec service stale "$1" "there is no systemd to restart it ($2)"
    else
        phase "restarts $1"
        if timeout 120 systemctl restart -- "$1" 3>&- && systemctl is-active --quiet -- "$1" 3>&-; then
            rec service restarted "$1" "$2"
            return
        fi
        rec service failed "$1" "$(systemctl show -p ActiveState,Result --value -- "$1" 3>&- | tr '\n' ' ')"
    fi
    printf '%s\n' "$1" >>"$WORK/left"
}

restart_init() { # WHY
    if has_systemd && systemctl daemon-reexec 3>&-; then
        # What runs old code after this no restart mends.
        : >"$WORK/reexeced"
        rec service restarted init.scope "$1"
    else
        rec service stale init.scope "$1"
        printf 'init.scope\n' >>"$WORK/left"
    fi
}

# Without systemd a service is known by its init script, if it is called as the process is.
restart_others() {
    ! has_systemd || return 0
    while IFS=$TAB read -r pid name path; do
        name=$(cat "/proc/$pid/comm" 2>/dev/null)
        case $name in '' | *[!A-Za-z0-9_.-]* | -*) continue ;; esac
        if [ ! -x "/etc/init.d/$name" ] || ! command -v service >/dev/null; then continue; fi
        ! matches_any "$name" "$WORK/in.restart_exclude" || continue
        if service "$name" restart 3>&-; then rec service restarted "$name" "$path"; else rec service failed "$name" "its init script failed"; fi
    done <"$WORK/stale.others"
}

report_stale() {
    while IFS=$TAB read -r unit why; do rec service stale "$unit" "$why"; done <"$WORK/stale"
    tell_others
}

tell_others() {
    [ -s "$WORK/stale.others" ] || return 0
    note "processes outside of services still use replaced files: $(awk -F '\t' '{ sub(/ .*/, "", $2); printf "%s%s (%s)", sep, $2, $1; sep = ", " }' "$WORK/stale.others")"
}

# Where each package of a transaction ends: apt's name and the version. (One may come back with another architecture,
# `all`, and apt calls going back to what is half there by different names.)
ends() {
    awk -F '\t' -v native="$NATIVE" "$AWK_KEY"'{ print key($2, $3) " " ($5 == "" ? "gone" : $5) }' | LC_ALL=C sort -u
}

# A transaction the other way round.
reversed() { # TRANSACTION
    awk -F '\t' 'BEGIN { OFS = "\t" }
        { print ($1 == "install" ? "remove" : $1 == "remove" ? "install" : "downgrade"), $2, $3, $5, $4 }' "$1"
}

# The part of the transaction that this is about ($IN/undo narrows it), as $WORK/part.
part_of_transaction() {
    input undo na
    if [ ! -e "$IN/undo" ]; then
        cp "$WORK/transaction" "$WORK/part"
        return
    fi
    awk -F '\t' -v native="$NATIVE" "$AWK_KEY"'
        FILENAME == ARGV[1] { wanted[key($1, $2)] = 1; next }
        key($2, $3) in wanted' "$WORK/in.undo" "$WORK/transaction" >"$WORK/part"
}

# Conffiles of the packages in the part, by path, from a snapshot's list. (The list knows names without architecture.)
part_conffiles() { # SNAPSHOT-FOLDER
    awk -F '\t' 'FILENAME == ARGV[1] { part[$2] = 1; next } $1 in part' "$WORK/part" "$1/conffiles" 2>/dev/null
}

# Files of the baseline that the part is answerable for: all of them, or only those in its stashed packages.
part_files() {
    if [ ! -e "$IN/undo" ]; then
        cat "$STASH/baseline/files"
        return
    fi
    awk -F '\t' 'FILENAME == ARGV[1] { part[$2] = 1; next } $1 in part { print $7 }' "$WORK/part" "$STASH/manifest" |
        while IFS= read -r file; do deb_paths "$STASH/debs/$file"; done | LC_ALL=C sort -u >"$WORK/part.paths"
    awk -F '\t' 'FILENAME == ARGV[1] { mine[$0] = 1; next } $1 in mine' "$WORK/part.paths" "$STASH/baseline/files"
}

# The paths in a package, without a slash at the end.
deb_paths() { # FILE
    dpkg-deb --fsys-tarfile "$1" | tar -tf - | sed -e 's,^\.,,' -e 's,\(.\)/$,\1,' | grep -v -x -E '/?'
}

# Those that are no folders: folders are shared by everybody.
deb_plain_files() { # FILE
    dpkg-deb --fsys-tarfile "$1" | tar -tf - | sed -n -e '/\/$/d' -e 's,^\.,,p'
}

# What of these lines is different on the disk now: path, before, now. Conffiles are not looked at here.
files_changed() { # FILE-OF-describe
    cut -f 2 "$STASH/baseline/conffiles" >"$WORK/conffile.paths"
    awk -F '\t' 'FILENAME == ARGV[1] { skip[$1] = 1; next } !($1 in skip)' "$WORK/conffile.paths" "$1" >"$WORK/files.before"
    cut -f 1 "$WORK/files.before" | describe >"$WORK/files.now"
    awk -F '\t' '
        function rest() { return $2 " " $3 " " $4 ($5 == "-" ? "" : " " $5) }
        FILENAME == ARGV[1] { now[$1] = rest(); next }
        { was = rest(); is = ($1 in now) ? now[$1] : "absent"; if (was != is) print $1 "\t" was "\t" is }' \
        "$WORK/files.now" "$WORK/files.before"
}
