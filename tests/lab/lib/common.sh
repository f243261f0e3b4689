# Shared by every command of the lab: where things are, and how processes that the lab started are found and ended.
# shellcheck shell=bash
# shellcheck disable=SC2034  # the folders and addresses below are used by the files that source this one

LAB_SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
LAB=${PATCHCTL_LAB_DIR:-/var/lib/patchctl-lab}
RUN=$LAB/run
KEYS=$LAB/keys
BRIDGE=plab0
NET=10.213.77
GATEWAY=$NET.1
HTTP_PORT=8077
umask 022 # what is made here becomes part of hosts
SKIPPED=77 # what tests read as "cannot run here", as automake and git do

say() { printf 'lab: %s\n' "$*" >&2; }
die() { printf 'lab: error: %s\n' "$*" >&2; exit 1; }
usage_error() { printf 'lab: %s (see --help)\n' "$*" >&2; exit 2; }
skip() {
  printf '\n*** LAB TESTS SKIPPED: %s ***\n\n' "$*" >&2
  exit "$SKIPPED"
}

need_root() { [[ $EUID -eq 0 ]] || skip "the lab boots real hosts and needs root"; }

# The pointer is written last, by setup, so what it names is whole.
base_dir() { readlink -e "$LAB/base/current"; }
repos_dir() { readlink -e "$LAB/repos/current"; }

need_setup() {
  need_root
  if ! base_dir >/dev/null || ! repos_dir >/dev/null; then "$LAB_SOURCE/setup"; fi
}

# A pid alone may have been given to another process since (a crashed run, a reboot of this machine), so it is kept
# with its start time and the boot it belongs to, and only a process that still has all three is ever signalled.
process_mark() {
  local pid=$1 stat
  stat=$(cat "/proc/$pid/stat" 2>/dev/null) || return 1
  stat=${stat##*) } # the command's name, in brackets, may hold spaces
  # shellcheck disable=SC2086  # splitting into fields is what is wanted
  set -- $stat
  [[ $1 != Z ]] || return 1 # a zombie has ended; its parent may never collect it
  printf '%s %s %s\n' "$pid" "${20}" "$(</proc/sys/kernel/random/boot_id)"
}

write_pid() { process_mark "$2" >"$1.new" && mv "$1.new" "$1"; }

# live_pid FILE: prints the pid if that very process is still there.
live_pid() {
  local mark
  mark=$(cat "$1" 2>/dev/null) && [[ -n $mark ]] || return 1
  [[ $(process_mark "${mark%% *}") == "$mark" ]] || return 1
  printf '%s\n' "${mark%% *}"
}

# end_process FILE [SIGNAL]: ends the process that FILE names and waits until it has gone.
end_process() {
  local pid tries=0
  while pid=$(live_pid "$1"); do
    if ((tries > 100)); then kill -KILL "$pid" 2>/dev/null || true; else kill -"${2:-TERM}" "$pid" 2>/dev/null || true; fi
    ((tries++ < 200)) || die "process $pid does not end"
    sleep 0.05
  done
  rm -f "$1"
}

# with_lock NAME COMMAND...: one process at a time. Children must not inherit the lock, or a daemon would keep it.
with_lock() {
  local name=$1 lock
  shift
  mkdir -p "$LAB"
  exec {lock}>"$LAB/$name.lock"
  flock "$lock"
  LOCK_FD=$lock "$@"
  local rc=$?
  exec {lock}>&-
  return $rc
}
