# shellcheck shell=sh
# The prelude: what every step of every playbook starts with. A step's file defines `step_NAME`; patchctl puts prelude,
# lib and the files of one or more steps into one script and ends it with `run_steps NAME...`. See README.md.
# It must run under dash and under BusyBox's ash.

# No -e: whether it holds depends on where a function is called from. Every step checks what it calls.
set -u
umask 022
export LC_ALL=C
# A login's PATH often lacks the folders of the system's tools.
export PATH="${PATH:-/usr/bin:/bin}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"

# Records go to descriptor 3: to the file in $RECORDS, to a 3 that is open already (RECORDS=3), else to what was
# standard output. Standard output is log from here on. (sudo closes descriptors above 2, so it is opened in here.)
case ${RECORDS:-} in
    '') exec 3>&1 ;;
    3) ;;
    *) exec 3>>"$RECORDS" ;;
esac
exec 1>&2

TAB=$(printf '\t')
PROBLEMS=0

# What is not UTF-8 is left out: a record must be text, whatever a package's script or a file's name is.
utf8() {
    if command -v iconv >/dev/null; then iconv -c -f UTF-8 -t UTF-8 2>/dev/null; else tr -c '[:print:]\t\n' '?'; fi
}

# Values without a control character, and not endless. Forks only where it must.
clean() { # VALUE -> $CLEAN
    CLEAN=$1
    [ "${#CLEAN}" -le 2000 ] || CLEAN=$(printf '%.2000s' "$CLEAN")
    case $CLEAN in
        *[!\ -~]*) CLEAN=$(printf '%s' "$CLEAN" | tr '[:cntrl:]' ' ' | utf8) ;;
    esac
}

rec() { # KIND FIELD...
    rec_line=$1
    shift
    for rec_field; do
        clean "$rec_field"
        rec_line=$rec_line$TAB$CLEAN
    done
    printf '%s\n' "$rec_line" >&3
}

note() { rec note "$1"; }
phase() { rec phase "$1"; }

# Says why this step cannot succeed, and goes on: a step may have more than one thing to say.
problem() { # KIND MESSAGE [HINT]
    PROBLEMS=$((PROBLEMS + 1))
    rec problem "$1" "$2" "${3:-}"
}

fail() { # KIND MESSAGE [HINT]
    problem "$@"
    exit 1
}

# The only way for a step to have succeeded. With a problem on record it has not.
done_ok() {
    [ "$PROBLEMS" -eq 0 ] || exit 1
    rec end ok
    exit 0
}

# Each step in a subshell of its own, in turn, up to the first that does not succeed. They share $WORK.
run_steps() { # NAME...
    for run_step; do
        rec step "$run_step"
        (
            PROBLEMS=0
            "step_$run_step"
            exit 70 # it returned without done_ok
        ) </dev/null
        run_status=$?
        [ "$run_status" -eq 0 ] || exit "$run_status"
    done
    exit 0
}

# One word for the shell, whatever is in it: for commands that are shown.
quote() { # VALUE
    case $1 in
        '' | *[!A-Za-z0-9_./:=@%+,-]*)
            printf "'"
            printf '%s' "$1" | sed "s/'/'\\\\''/g"
            printf "'"
            ;;
        *) printf '%s' "$1" ;;
    esac
}

show_command() { # WORD...: into the log
    printf '+'
    for show_word; do
        printf ' '
        quote "$show_word"
    done
    printf '\n'
}

# A folder of this run of the script, gone when it ends. Subshells share it; only the outer shell removes it. On a full
# disk the stash's ballast makes room for it.
work_folder() { (umask 077 && mktemp -d "${TMPDIR:-/tmp}/patchctl.XXXXXXXX"); }
WORK=$(work_folder) || WORK=$([ -n "${STASH:-}" ] && rm -f "$STASH/ballast" "$STASH/ballast.small" && work_folder) || {
    printf 'problem\tinternal\tno temporary folder could be made in %s\t\n' "${TMPDIR:-/tmp}" >&3
    exit 1
}
trap 'rm -rf -- "$WORK"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 141' PIPE
trap 'exit 143' TERM

IN=${IN:-$WORK/in}
OUT=${OUT:-$WORK/out}
[ -d "$IN" ] || mkdir -p "$WORK/in"
[ -d "$OUT" ] || mkdir -p "$OUT" 2>/dev/null

is_one() { [ "${1:-0}" = 1 ]; }

is_number() {
    case $1 in
        '' | *[!0-9]*) return 1 ;;
    esac
    [ "${#1}" -le 9 ]
}

now() { date +%s; }

# Who holds a lock: the kernel knows by inode. Inode numbers repeat on other filesystems, so the holder must have the
# file open too (where we may look).
lock_holder() { # FILE -> $HOLDER_PID $HOLDER_COMMAND
    HOLDER_PID=
    HOLDER_COMMAND=
    [ -e "$1" ] || return 1
    lock_inode=$(stat -c %i "$1" 2>/dev/null) || return 1
    # shellcheck disable=SC2013 # process numbers, one a line
    for lock_pid in $(awk -v inode="$lock_inode" '$2 != "->" {
            n = split($6, id, ":"); if (id[n] == inode && $5 > 0 && !seen[$5]++) print $5 }' /proc/locks 2>/dev/null); do
        lock_files=$(ls -l "/proc/$lock_pid/fd" 2>/dev/null)
        case $lock_files in
            '' | *"-> $1"*) ;;
            *) continue ;;
        esac
        HOLDER_PID=$lock_pid
        HOLDER_COMMAND=$(process_name "$lock_pid")
        return 0
    done
    return 1
}

# Cut short: arguments are none of our business.
process_name() { # PID
    process_line=$(tr '\000' ' ' <"/proc/$1/cmdline" 2>/dev/null)
    [ -n "$process_line" ] || process_line=$(cat "/proc/$1/comm" 2>/dev/null)
    printf '%.80s' "${process_line% }"
}

# Waits until nobody holds any of the locks. Ends 1, with HOLDER_* and $HOLDER_FILE set, when the time is up.
wait_for_locks() { # SECONDS FILE...
    wait_until=$(($(now) + $1))
    shift
    wait_told=
    while :; do
        HOLDER_FILE=
        for wait_file; do
            if lock_holder "$wait_file"; then
                HOLDER_FILE=$wait_file
                break
            fi
        done
        [ -n "$HOLDER_FILE" ] || return 0
        [ "$(now)" -lt "$wait_until" ] || return 1
        if [ "$wait_told" != "$HOLDER_PID" ]; then
            phase "waits for process $HOLDER_PID ($HOLDER_COMMAND), which holds $HOLDER_FILE"
            rec lock "$HOLDER_FILE" "$HOLDER_PID" "$HOLDER_COMMAND"
        fi
        wait_told=$HOLDER_PID
        sleep 1
    done
}

# Old packages stay on the host for STASH_KEEP days. Then the stashes and jobs of those runs go: never this run's, and
# never those of a run whose claim the host still carries.
prune_old() {
    prune_stashes=${STASH%/*}
    prune_state=${prune_stashes%/*}
    prune_claim=
    [ ! -r "$prune_state/claim/info" ] || IFS= read -r prune_claim <"$prune_state/claim/info"
    find "$prune_stashes" "$prune_state/jobs" "$prune_state/deadman" -mindepth 1 -maxdepth 1 -type d -mtime "+${STASH_KEEP:-30}" 2>/dev/null |
        while IFS= read -r prune_path; do
            prune_run=${prune_path##*/}
            prune_run=${prune_run%%-*}
            case $prune_run in
                "$RUN" | '' | *[!0-9A-Z]*) continue ;;
            esac
            case $prune_claim in
                *"$prune_run"*) continue ;;
            esac
            [ "${#prune_run}" -ne 26 ] || rm -rf -- "$prune_path"
        done
}
