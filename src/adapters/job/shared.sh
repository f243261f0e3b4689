# shellcheck disable=SC2034,SC2154 # its variables are those of the driver and the watch, which it stands before
# What the driver and the watch share: whether a job lives, how one is begun, and the dead man's way. Whoever uses it
# sets state (our folder), run, nonce, home, uid and boot.
#
# A run's dead man is the folder `deadman/RUN`: `about` (the job that is its way back, the job that it was armed for, the
# seconds that it waits, the nonce, the home folder), `job` (the way back, as a job's folder), `watch`, `seen` once it is
# watched, and `decided` once somebody has: the first to link it says whether the change is confirmed, the dead man
# disarmed, or the host goes back by itself. Nothing but the driver ever takes the folder away.
tab='	'
turns=4

flush() { sync "$@" 2>/dev/null || sync; }

publish() { # gives the finished folder $1 the name $2, unless that is taken
  if [ ! -e "$2" ] && mv "$1" "$2" 2>/dev/null && [ ! -e "$2/${1##*/}" ]; then return 0; fi
  rm -rf "$1" "$2/${1##*/}"
  return 1
}

# A full disk: the change's stash has room for the way back.
spare() {
  [ -e "$state/stash/$run/ballast" ] || [ -e "$state/stash/$run/ballast.small" ] || return 1
  rm -f "$state/stash/$run/ballast" "$state/stash/$run/ballast.small"
}

# --- jobs ---

process() { # of which the stat line is in the file $1: sets its state, session and start
  s=''
  { read -r s <"$1"; } 2>/dev/null
  set -- ${s##*)}
  pstate=${1:-Z} psession=${4:-} pstart=${20:-}
}

living() { # may anything of the job in the folder $1 still run? sets why, where not, and left, where only what it started
  pid=0 start='' session='' then='' left=''
  { read -r pid start session then <"$1/begun/pid"; } 2>/dev/null
  [ "$then" = "$boot" ] || { why=rebooted; return 1; }
  process "/proc/$pid/stat"
  [ "$pstate" = Z ] || [ "$pstart" != "$start" ] || return 0
  for p in /proc/[0-9]*/stat; do
    process "$p"
    if [ "$psession" = "$session" ] && [ "$pstate" != Z ]; then
      left=1
      return 0
    fi
  done
  why=killed
  return 1
}

launch() { # runs the job in the folder $1, detached, as $2 says; what was said about that goes to $3
  if [ "$uid" = 0 ] && [ -d /run/systemd/system ] && command -v systemd-run >/dev/null 2>&1 &&
    systemd-run --quiet --collect --no-block --unit="patchctl-${1##*/}" -p KillMode=process -p SendSIGKILL=no \
      sh "$1/run" "$1" "$state" "$home" "$run" "$2" >"$3" 2>&1; then
    :
  else
    # `begun` makes a second start harmless.
    setsid sh "$1/run" "$1" "$state" "$home" "$run" "$2" </dev/null >/dev/null 2>&1 &
  fi
}

never() { # from now on nobody begins the job in the folder $1, unless somebody has
  n=$(mktemp -d "$1/.never.XXXXXXXXXX") && : >"$n/never" && publish "$n" "$1/begun"
}

busy() { # does a job of this run live, other than the way back?
  for f in "$state"/jobs/*; do
    case ${f##*/} in "$back" | "$back"-*) continue ;; esac
    if [ ! -e "$f/begun" ] || [ -e "$f/rc" ]; then continue; fi
    n=''
    { read -r n <"$f/nonce"; } 2>/dev/null
    if [ "$n" = "$nonce" ] && living "$f" && [ ! -e "$f/rc" ]; then return 0; fi
  done
  return 1
}

# --- the dead man ---

about() { { read -r back armed wait theirs there <"$dead/about"; } 2>/dev/null; }

decide() { # $1, unless somebody has decided already; sets who to what is decided
  who=''
  ln "$dead/say.$1" "$dead/decided" 2>/dev/null
  [ -e "$dead/decided" ] || return 1
  flush "$dead"
  read -r who <"$dead/decided"
  [ "$who" = "$1" ]
}

acted() { # does the host go back by itself, or has it?
  who=''
  { read -r who <"$dead/decided"; } 2>/dev/null
  [ "$who" = restored ]
}

newest() { # sets way, the folder in which the host goes back, and its number; empty and 0: none yet
  way='' turn=0
  for n in 1 2 3 4; do
    f=$state/jobs/$back
    [ "$n" = 1 ] || f=$f-$n
    [ ! -d "$f" ] || way=$f turn=$n
  done
}

# Takes the way back one step on; ends 1 when nothing is left to be done. Nothing of it hurts if somebody else does the
# same at the same time. Whatever kills a way back (it is made to be begun again), the next one begins in a new folder.
go_back() {
  newest
  if [ -z "$way" ]; then
    # What was begun before the decision ends first; what was not does not begin.
    ! busy || return 0
    spare
    mv "$dead/job" "$state/jobs/$back" 2>/dev/null
    flush "$state/jobs" "$dead"
    newest
    [ -n "$way" ] || return 0
  fi
  [ ! -e "$way/rc" ] || return 1
  if [ ! -e "$way/begun" ]; then
    launch "$way" job /dev/null
    return 0
  fi
  ! living "$way" || return 0
  [ ! -e "$way/rc" ] && [ "$turn" -lt "$turns" ] || return 1
  busy || another || rm -rf "$n"
}

another() { # the next folder to go back in, with what the last one has
  n=$(mktemp -d "$state/jobs/.new.XXXXXXXXXX") && mkdir "$n/in" "$n/out" || return 1
  for f in script env run nonce; do ln "$way/$f" "$n/$f" || return 1; done
  for f in "$way"/in/*; do [ ! -e "$f" ] || ln "$f" "$n/in/" || return 1; done
  : >"$n/log" && : >"$n/records" && flush "$n" && publish "$n" "$state/jobs/$back-$((turn + 1))"
  flush "$state/jobs"
}
