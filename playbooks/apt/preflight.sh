# shellcheck shell=sh
# Would it work, and is there a way back? Reads only.

step_preflight() {
    state
    transaction
    preflight_state
    preflight_kernel
    if ! frozen_holds "$WORK/transaction"; then
        fail stale "the transaction is not what apt would do now: $(cat "$WORK/frozen.diff")" "plan again"
    fi
    sources_of "$WORK/transaction" >"$WORK/old"
    report_rows old "$WORK/old"
    preflight_missing
    preflight_space
    for lock in "$FRONTEND_LOCK" "$DPKG_LOCK"; do
        ! lock_holder "$lock" || rec lock "$lock" "$HOLDER_PID" "$HOLDER_COMMAND"
    done
    done_ok
}

# What `dpkg --configure -a` mends is mended before the baseline. A package that must be installed again is not ours to
# choose a version for.
preflight_state() {
    awk -F '\t' '$5 != "ok" || $6 == "half-installed" { print $1 " (" $6 ")" }' "$WORK/state" >"$WORK/broken"
    [ ! -s "$WORK/broken" ] || problem refused "dpkg has broken packages: $(tr '\n' ' ' <"$WORK/broken")" "apt-get install --reinstall them on the host first"
    if interrupted; then note "dpkg was interrupted; dpkg --configure -a runs before the baseline"; fi
}

# The way in and what runs now are never taken away.
preflight_kernel() {
    awk -F '\t' '$1 == "remove" { print $2 }' "$WORK/transaction" >"$WORK/removals"
    kernel=$(uname -r)
    while IFS= read -r name; do
        case $name in
            linux-image-"$kernel" | linux-image-unsigned-"$kernel" | linux-modules-"$kernel" | linux-modules-extra-"$kernel")
                problem refused "the transaction would remove $name, the kernel that runs" "reboot into the new kernel first" ;;
            openssh-server | dropbear | dropbear-bin)
                problem refused "the transaction would remove $name, the way in" ;;
        esac
    done <"$WORK/removals"
}

preflight_missing() {
    missing=$(awk -F '\t' '$4 == "missing" { printf "%s%s %s", sep, $1, $3; sep = ", " }' "$WORK/old")
    [ -z "$missing" ] || problem refused "the old package can be had no more: $missing" \
        "without it there is no exact way back; keep it in a repository or in /var/cache/apt/archives"
}

# --- room --------------------------------------------------------------------------------------------------------

# KiB needed, by what they are needed for. A package is unpacked beside its old version before that goes, and the way
# back needs the same room once more: hence the growth, the largest package twice, and a reserve.
preflight_space() {
    reserve=51200
    awk -F '\t' -v native="$NATIVE" -v reserve="$reserve" "$AWK_KEY"'
        FILENAME == ARGV[1] { if ($6 == "installed") kib[key($1, $2)] = $7; next }
        FILENAME == ARGV[2] { new_kib[$1, $3] = $5; download[$1, $3] = $4; next }
        FILENAME == ARGV[3] { stash += $6; next }
        {
            k = key($2, $3); before = $4 == "" ? 0 : kib[k] + 0; after = $1 == "remove" ? 0 : new_kib[k, $5] + 0
            if (after > before) growth += after - before
            size = after > before ? after : before
            if (size > largest) largest = size
            fetch += download[k, $5]
            if ($1 == "install" && $2 ~ /^linux-image-/) boot += 122880
        }
        END {
            if (NR == 0 || largest == 0) { growth = 0 }
            printf "%d %d %d\n", growth + 2 * largest + reserve, (stash + fetch) / 1024 + reserve, boot
        }' "$WORK/state" "$WORK/available" "$WORK/old" "$WORK/transaction" >"$WORK/needs"
    read -r need_usr need_var need_boot <"$WORK/needs"
    where=${STASH:-/var/lib}
    while [ ! -d "$where" ]; do where=$(dirname "$where"); done
    {
        room "$need_usr" /usr
        room "$reserve" /
        room "$((need_var + $(ballast_kib "$where")))" "$where"
        room "$need_var" /var/cache/apt/archives
        [ "$need_boot" -eq 0 ] || room "$need_boot" /boot
    } | preflight_add_up >"$WORK/room"
    while read -r mount need free; do
        rec space "$mount" "$((need * 1024))" "$((free * 1024))"
        [ "$free" -ge "$need" ] || problem no_space "$mount has $((free / 1024)) MiB free, $((need / 1024)) MiB are needed" "apt-get clean, or remove what is old"
    done <"$WORK/room"
}

room() { # KIB FOLDER: the need beside what the filesystem of the folder has
    [ -d "$2" ] || return 0
    df -Pk "$2" 2>/dev/null | awk -v need="$1" 'NR == 2 { print $6, need, $4 }'
}

# What lands on one filesystem adds up, the reserve only once.
preflight_add_up() {
    awk -v reserve="$reserve" '
        { if ($1 in need) need[$1] += $2 - reserve; else { need[$1] = $2; order[++n] = $1 } free[$1] = $3 }
        END { for (i = 1; i <= n; i++) print order[i], need[order[i]], free[order[i]] }'
}
