# shellcheck disable=SC2034,SC2154 # it stands behind shared.sh
# patchctl runs one step on this host. Arguments: the private folder that this file lies in, the key that our lines
# on standard output carry, the phase (login, root). After `exit` come the parameters, as data: a line `=NAME` begins
# a part, `|` begins each of its lines.
d=$1 k=$2 phase=$3
LC_ALL=C PATH=${PATH:+$PATH:}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH
nl='
'
window=1048576 kept=262144 outmax=4194304 idle=0

say() { printf '%s\n' "$*"; }
fail() { say "fail $*"; exit 0; }
part() { sed -n "/^=$1\$/,/^=/s/^|//p" "$d/p"; }

load() {
  op='' priv='' escalate='' mode='' state='' id='' nonce='' run='' owner='' change='' epoch=0 force='' release=''
  ask='' witness='' rule='' arm='' delay='' of='' log=0 rec=0
  part arg >"$1/arg" || fail nospace "$1"
  while IFS= read -r l; do
    v=${l#*=}
    case $l in
    op=*) op=$v ;; priv=*) priv=$v ;; escalate=*) escalate=$v ;; mode=*) mode=$v ;; state=*) state=$v ;;
    id=*) id=$v ;; nonce=*) nonce=$v ;; run=*) run=$v ;; owner=*) owner=$v ;; change=*) change=$v ;;
    epoch=*) epoch=$v ;; force=*) force=$v ;; release=*) release=$v ;; ask=*) ask=$v ;; witness=*) witness=$v ;; rule=*) rule=$v ;;
    arm=*) arm=$v ;; delay=*) delay=$v ;; of=*) of=$v ;; log=*) log=$v ;; rec=*) rec=$v ;;
    esac
  done <"$1/arg"
  rm -f "$1/arg"
}

# --- becoming root: the password goes to sudo alone, the script lies in a file ---

login() {
  load "$d"
  uid=$(id -u)
  if [ "$priv" = user ] || [ "$uid" = 0 ]; then
    work
  elif [ "$escalate" = none ]; then
    fail noroot
  elif ! command -v sudo >/dev/null 2>&1; then
    fail nosudo
  else
    become
  fi
}

become() {
  why=''
  if [ "$mode" = probe ]; then
    if why=$(sudo -n true 2>&1 </dev/null); then mode=free; else mode=pass; fi
  fi
  if [ "$mode" = free ]; then
    sudo -n -- sh "$d/p" "$d" "$k" root </dev/null
  else
    say "ask ${why%%"$nl"*}"
    sudo -k -S -p '' -- sh "$d/p" "$d" "$k" root
  fi
  say "sudo $?"
}

# --- with the rights that the step wants ---

work() {
  exec </dev/null
  uid=$(id -u)
  printf 'patchctl:%s\n' "$k" >&2
  w=$(mktemp -d "${d%/*}/.patchctl.XXXXXXXXXX") || fail nospace "${d%/*}"
  trap 'exit 98' HUP INT PIPE TERM
  trap 'rm -rf "$w"' EXIT
  load "$w"
  [ "$priv" = user ] || [ "$uid" = 0 ] || fail noroot
  say "uid $uid"
  home=${HOME:-/}
  [ "$uid" != 0 ] || [ "$phase" != root ] || home=/root
  if [ -z "$state" ]; then
    if [ "$priv" = root ]; then state=/var/lib/patchctl; else state=$home/.local/state/patchctl; fi
  fi
  boot=-
  if [ -r /proc/sys/kernel/random/boot_id ]; then read -r boot </proc/sys/kernel/random/boot_id; fi
  case $op in job) job ;; confirm) confirm ;; release) let_go ;; *) reading ;; esac
}

unpack() { # the job whose parts are named $2… into the folder $1
  mkdir "$1/in" "$1/out" || return 1
  for f in script env; do part "$2$f" >"$1/$f" || return 1; done
  part run >"$1/run" || return 1
  for f in $(sed -n "s/^=$2in\.//p" "$d/p"); do part "$2in\.$f" >"$1/in/$f" || return 1; done
  : >"$1/log" && : >"$1/records" || return 1
  printf '%s\n' "$nonce" >"$1/nonce" && whole "$1"
}

whole() { [ "$(tail -n 1 "$1/script" 2>/dev/null)" = '# patchctl: end of the step' ] && [ -s "$1/nonce" ]; }

reading() {
  unpack "$w" '' || fail nospace "$w"
  holder
  say "claim $info"
  sh "$w/run" "$w" "$state" "$home" "$by" read >&2 2>&2 3>"$w/records"
  code=$?
  printf 'patchctl:%s\n' "$k" >&2
  send "$w/records" r 0
  say "end $code $boot"
}

# --- the run's claim on this host ---

holder() { # whose is it? sets info (the whole line) and by (the run)
  info='' by=''
  [ -e "$state/claim" ] || return 0
  info=unreadable by=unreadable
  [ ! -r "$state/claim/info" ] || IFS= read -r info <"$state/claim/info"
  by=${info%%"$tab"*}
}

note_claim() { # writes our claim as $1; it is of $2, in seconds $3
  printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$run" "$owner" "$2" "$3" "$change" "$epoch" >"$1.new" && flush "$1.new" && mv "$1.new" "$1"
}

new_claim() { note_claim "$1" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$(date +%s)"; }

field() { printf '%s\n' "$info" | cut -f "$1"; }

current() { # refuses whom a later process of the same run has overtaken; a later one leaves its mark
  holder
  [ "$by" = "$run" ] || return 0
  e=$(field 6)
  case $e in '' | *[!0-9]*) e=0 ;; esac
  [ "$e" -le "$epoch" ] || fail stale "$epoch$tab$info"
  [ "$e" = "$epoch" ] || note_claim "$state/claim/info" "$(field 3)" "$(field 4)"
}

take() {
  holder
  if [ -z "$by" ]; then
    n=$(mktemp -d "$state/.new.XXXXXXXXXX") && new_claim "$n/info" || fail nospace "$state"
    publish "$n" "$state/claim" || holder
  fi
  [ -n "$by" ] || return 0
  if [ "$by" = "$run" ]; then
    [ "$(field 6)" = "$epoch" ] || fail nospace "$state/claim"
    return 0
  fi
  [ "$force" = 1 ] || fail claimed "$info"
  # The other run's claim stays beneath ours and comes back when ours goes.
  if [ -e "$state/claim/info" ]; then cp "$state/claim/info" "$state/claim/under.$run" || fail nospace "$state"; fi
  new_claim "$state/claim/info" || fail nospace "$state"
}

give_back() { # what lay beneath our claim comes back in its place
  for u in "$state/claim/info" "$state"/claim/under.*; do
    [ -r "$u" ] && IFS= read -r info <"$u" && [ "${info%%"$tab"*}" = "$run" ] || continue
    if [ -e "$state/claim/under.$run" ]; then
      mv "$state/claim/under.$run" "$u"
    elif [ "$u" != "$state/claim/info" ]; then
      rm -f "$u"
    else
      drop_claim
    fi
    return 0
  done
}

drop_claim() { # at once, whatever lies in it
  n=$(mktemp -d "$state/.old.XXXXXXXXXX") && mv "$state/claim" "$n/claim"
  rm -rf "$n"
}

# --- jobs ---

safe() { # a folder of ours that nobody else can write to; made where it is absent
  [ -d "$1" ] || mkdir "$1" 2>/dev/null
  [ -d "$1" ] && [ ! -L "$1" ] || return 1
  set -- $(ls -ldn "$1")
  case $1 in d????-??-*) ;; *) return 1 ;; esac
  [ "$3" = "$uid" ]
}

ours() { [ "$(cat "$j/nonce" 2>/dev/null)" = "$nonce" ] || fail foreign "$j"; }

places() {
  (umask 022 && mkdir -p "${state%/*}") 2>/dev/null
  safe "$state" || fail state "$state"
  safe "$state/jobs" || fail state "$state/jobs"
  dead=$state/deadman/$run
}

job() {
  places
  current
  j=$state/jobs/$id
  if [ -e "$j" ] || [ -L "$j" ]; then
    safe "$j" || fail foreign "$j"
    if [ -e "$j/begun" ] || whole "$j"; then
      ours
    else
      # Never begun and not whole: the host lost its power while it was written.
      mv "$j" "$state/jobs/.damaged.$$"
    fi
  fi
  if [ ! -e "$j/begun" ]; then
    prepare
    [ -n "$j" ] || return 0
  fi
  ours
  cd "$j" || fail foreign "$j"
  if [ -e begun ]; then say "state running"; else begin; fi
  follow
}

prepare() { # for a job that has not begun; sets j to nothing where what the host does by itself was followed instead
  [ "$release" = 1 ] || [ "$ask" = 1 ] || alone
  case $rule in arm | spent) ;; *) heed || return 0 ;; esac
  if [ "$ask" = 1 ]; then
    [ ! -d "$j" ] || never "$j"
    [ -e "$j/begun" ] && [ ! -e "$j/begun/never" ] || fail absent
    return 0
  fi
  take
  if [ ! -e "$j" ]; then
    stow || { spare && stow; } || fail nospace "$state/jobs"
  fi
  ours
  case $rule in
  arm) arm || return 0 ;;
  disarm) disarm || return 0 ;;
  spent) [ "$release" != 1 ] || stand_down ;;
  esac
  bear_witness
}

bear_witness() { # of how far the run's journal has come; the job goes on without it
  [ -n "$witness" ] && safe "$state/witness" || return 0
  printf '%s %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$witness" >>"$state/witness/$run" && flush "$state/witness/$run"
  return 0
}

stow() { # the job into its folder
  n=$(mktemp -d "$state/jobs/.new.XXXXXXXXXX") && unpack "$n" '' || { rm -rf "$n"; return 1; }
  publish "$n" "$j"
  [ -e "$j" ]
}

alone() { # what this run has at work here ends first: nothing goes back beside a change that may be alive
  there
  told=''
  while busy; do
    [ -n "$told" ] || say "state beside" || exit 98
    told=1 idle=$((idle + 1))
    pause
  done
  idle=0
}

begin() {
  say "state started"
  case $rule in arm) how=armed ;; heed) how=heed ;; *) how=job ;; esac
  launch "$j" "$how" "$w/start"
  i=0
  while [ ! -e begun ]; do
    i=$((i + 1))
    [ "$i" -le 600 ] || give_up
    sleep 0.05 2>/dev/null || sleep 1
  done
}

give_up() { # nobody began: from now on nobody can
  never "$j"
  if [ -e begun/never ]; then fail start "$(tail -n 1 "$w/start" 2>/dev/null)"; fi
  [ -e begun ] || fail unsure "$(tail -n 1 "$w/start" 2>/dev/null)"
}

# --- what a job gives ---

send() { # file $1, as stream $2, from offset $3: what it holds now; sets at
  at=$3
  size=$(wc -c <"$1")
  if [ "$2" = l ] && [ $((size - at)) -gt "$window" ]; then at=$((size - kept)); fi
  [ "$size" -gt "$at" ] || return 0
  tail -c "+$((at + 1))" "$1" | head -c "$((size - at))" >"$w/piece"
  size=$(wc -c <"$w/piece")
  printf 'd %s %s %s\n' "$2" "$at" "$((size))" && cat "$w/piece" || exit 98
  at=$((at + size))
}

stream() { # what is new of log and records
  was=$log.$rec
  send log l "$log"; log=$at
  send records r "$rec"; rec=$at
  if [ "$was" != "$log.$rec" ]; then idle=0; else idle=$((idle + 1)); fi
}

follow() { # the job whose folder this is
  over='' why='' told='' idle=0
  while :; do
    if [ -e rc ]; then
      over=done
    elif [ -e begun/never ]; then
      over=never
    elif living .; then
      [ -z "$left" ] || [ -n "$told" ] || say "state orphaned" || exit 98
      told=$left
    elif [ -e rc ]; then
      over=done
    elif [ -e begun/never ]; then
      over=never
    else
      over=died
    fi
    stream
    [ -z "$over" ] || break
    pause
  done
  case $over in
  done) finish ;;
  died) dead_end ;;
  # It saw that the host goes back, or that its dead man was gone, and did nothing.
  never)
    case $rule in heed | disarm) heed || return 0 ;; esac
    [ "$ask" != 1 ] || fail absent
    fail start
    ;;
  esac
}

dead_end() {
  holder
  say "claim $info"
  say "died $why $boot"
}

finish() {
  read -r code ended <rc
  files
  if [ "$release" = 1 ] && [ "$code" = 0 ]; then
    ! there || bury
    give_back
  fi
  holder
  say "claim $info"
  say "end $code $ended"
}

pause() { # shorter while there is something to see
  if [ "$idle" -lt 10 ]; then nap=0.05; elif [ "$idle" -lt 40 ]; then nap=0.2; else nap=1; fi
  sleep "$nap" 2>/dev/null || sleep 1
  # A line now and then shows each side that the other is there.
  [ $((idle % 10)) -ne 9 ] || say beat || exit 98
}

files() {
  sum=0
  for f in out/*; do
    [ -f "$f" ] && [ ! -L "$f" ] || continue
    case ${f#out/} in .* | *[!A-Za-z0-9._-]*) continue ;; esac
    size=$(wc -c <"$f") sum=$((sum + size))
    [ "$sum" -le "$outmax" ] || { say "much"; break; }
    say "f $((size)) ${f#out/}" && head -c "$size" "$f" || exit 98
  done
}

umask 077
case $phase in
login)
  say "patchctl:$k"
  login
  ;;
root) work ;;
esac
exit 0
