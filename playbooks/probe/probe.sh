# shellcheck shell=sh
# How the host is, beside its packages, and what the plan's own checks say. Reads only. The prelude comes before it.
# It reports `health KIND NAME [VALUE]`, `answer NUMBER CODE CHECKSUM TEXT`, and `end ok` last.

# Units that have failed, and services that run and are meant to: those that come and go by themselves are left out.
probe_units() {
    [ -d /run/systemd/system ] || return 0
    rec health units yes
    systemctl list-units --all --plain --no-legend --full --state=failed 2>/dev/null >"$WORK/failed"
    while read -r probe_unit _; do rec health failed "$probe_unit"; done <"$WORK/failed"
    systemctl list-units --plain --no-legend --full --type=service --state=running 2>/dev/null |
        awk '{ print $1 }' >"$WORK/running"
    [ -s "$WORK/running" ] || return 0
    # shellcheck disable=SC2046 # names of units have no white space
    systemctl show -p Id -p UnitFileState -- $(cat "$WORK/running") 2>/dev/null | awk -F = '
        function unit() { if (id != "" && state ~ /^(enabled|linked|generated|alias)/) print id; id = state = "" }
        $0 == "" { unit() } $1 == "Id" { id = substr($0, 4) } $1 == "UnitFileState" { state = $2 } END { unit() }' >"$WORK/enabled"
    while read -r probe_unit; do rec health running "$probe_unit"; done <"$WORK/enabled"
}

# TCP ports below those that clients get by chance.
probe_ports() {
    # The kernel gives this file in one piece only, and `read` asks for it byte by byte.
    probe_below=$(cat /proc/sys/net/ipv4/ip_local_port_range 2>/dev/null)
    probe_below=${probe_below%%[!0-9]*}
    cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk -v below="${probe_below:-32768}" '
        function number(text, at, sum) {
            for (at = 1; at <= length(text); at++) sum = sum * 16 + index("0123456789ABCDEF", substr(text, at, 1)) - 1
            return sum
        }
        $4 == "0A" { n = split($2, part, ":"); port = number(part[n]); if (port < below && !seen[port]++) print port }' >"$WORK/ports"
    while read -r probe_port; do rec health port "tcp/$probe_port"; done <"$WORK/ports"
}

# File systems that hold data, not those of the kernel, of containers, or of the memory.
probe_mounts() {
    awk '$2 != "/" && $3 !~ /^(ext[234]|xfs|btrfs|zfs|jfs|f2fs|reiserfs|bcachefs|vfat|exfat|ntfs3?|nfs4?|cifs|smb3|ceph|gfs2|ocfs2|fuse\.)/ { next }
        $2 ~ /^\/(run|proc|sys|dev|var\/lib\/(docker|containers|kubelet)|snap)\// { next }
        { split($4, option, ","); print ($3 ~ /^(nfs|cifs|smb|ceph|fuse)/ ? "far" : "near"), option[1], $2 }' /proc/self/mounts >"$WORK/mounts"
    set --
    while read -r probe_far probe_mode probe_path; do
        probe_path=$(printf '%b' "$(printf '%s' "$probe_path" | sed 's/\\\([0-7]\{3\}\)/\\0\1/g')")
        rec health mount "$probe_path" "$probe_mode"
        [ "$probe_far" = far ] || set -- "$@" "$probe_path"
    done <"$WORK/mounts"
    [ $# -gt 0 ] || return 0
    df -P -- "$@" 2>/dev/null | awk 'NR > 1 { full = $5; sub(/%/, "", full); sub(/^[^ ]+ +[^ ]+ +[^ ]+ +[^ ]+ +[^ ]+ +/, ""); print full, $0 }' >"$WORK/full"
    while read -r probe_full probe_path; do
        is_number "$probe_full" && rec health full "$probe_path" "$probe_full"
    done <"$WORK/full"
}

probe_time() {
    [ -d /run/systemd/system ] || return 0
    command -v timedatectl >/dev/null || return 0
    case $(timedatectl show -p NTPSynchronized --value 2>/dev/null) in
        yes) rec health time yes ;;
        no) rec health time no ;;
    esac
}

# The plan's own: a command's text, or a unit's name, in a file of its own.
probe_checks() {
    [ -r "$IN/checks" ] || return 0
    while IFS=$TAB read -r probe_number probe_file probe_kind probe_limit; do
        case $probe_kind in
            unit)
                IFS= read -r probe_unit <"$IN/$probe_file"
                systemctl is-active -- "$probe_unit" </dev/null >"$WORK/answer" 2>"$WORK/answer.err" 3>&-
                ;;
            *) timeout -k 5 "$probe_limit" sh "$IN/$probe_file" </dev/null >"$WORK/answer" 2>"$WORK/answer.err" 3>&- ;;
        esac
        probe_code=$?
        probe_sum=$(cksum <"$WORK/answer")
        [ -s "$WORK/answer" ] || mv "$WORK/answer.err" "$WORK/answer"
        rec answer "$probe_number" "$probe_code" "${probe_sum%% *}" "$(tail -c 1500 "$WORK/answer")"
    done <"$IN/checks"
}

if is_one "${HEALTH:-0}"; then
    probe_units
    probe_ports
    probe_mounts
    probe_time
fi
probe_checks
rec end ok
