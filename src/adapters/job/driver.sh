# patchctl runs one step on this host. Arguments: the private folder that this file lies in, the key that our lines
# on standard output carry, the phase (login, root). After `exit` come the parameters, as data: a line `=NAME` begins
# a part, `|` begins each of its lines.
d=$1 k=$2 phase=$3
LC_ALL=C PATH=${PATH:+$PATH:}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH
nl='
'
tab='	'
window=1048576 kept=262144 outmax=4194304

say() { printf '%s\n' "$*"; }
fail() { say "fail $*"; exit 0; }
part() { sed -n "/^=$1\$/,/^=/s/^|//p" "$d/p"; }

load() {
  op='' priv='' escalate='' mode='' state='' id='' nonce='' run='' owner='' change='' force='' release='' log=0 rec=0
  part arg >"$1/arg" || fail nospace "$1"
  while IFS= read -r l; do
    v=${l#*=}
    case $l in
    op=*) op=$v ;; priv=*) priv=$v ;; escalate=*) escalate=$v ;; mode=*) mode=$v ;; state=*) state=$v ;;
    id=*) id=$v ;; nonce=*) nonce=$v ;; run=*) run=$v ;; owner=*) owner=$v ;; change=*) change=$v ;;
    force=*) force=$v ;; release=*) release=$v ;; log=*) log=$v ;; rec=*) rec=$v ;;
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
  if [ "$op" = job ]; then job; else reading; fi
}

unpack() { # into the folder $1
  mkdir "$1/in" "$1/out" || return 1
  for f in script env run; do part "$f" >"$1/$f" || return 1; done
  for f in $(sed -n 's/^=in\.//p' "$d/p"); do part "in\.$f" >"$1/in/$f" || return 1; done
  : >"$1/log" && : >"$1/records" || return 1
  printf '%s\n' "$nonce" >"$1/nonce" && whole "$1"
}

whole() { [ "$(tail -n 1 "$1/script" 2>/dev/null)" = '# patchctl: end of the step' ] && [ -s "$1/nonce" ]; }

reading() {
  unpack "$w" || fail nospace "$w"
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

note_claim() { # writes our claim as $1
  printf '%s\t%s\t%s\t%s\t%s\n' "$run" "$owner" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$(date +%s)" "$change" >"$1.new" &&
    { sync "$1.new" 2>/dev/null || sync; } && mv "$1.new" "$1"
}

take() {
  holder
  if [ -z "$by" ]; then
    n=$(mktemp -d "$state/.new.XXXXXXXXXX") && note_claim "$n/info" || fail nospace "$state"
    publish "$n" "$state/claim" || holder
  fi
  [ -n "$by" ] && [ "$by" != "$run" ] || return 0
  [ "$force" = 1 ] || fail claimed "$info"
  # The other run's claim stays beneath ours and comes back when ours goes.
  if [ -e "$state/claim/info" ]; then cp "$state/claim/info" "$state/claim/under.$run" || fail nospace "$state"; fi
  note_claim "$state/claim/info" || fail nospace "$state"
}

give_back() { # what lay beneath our claim comes back in its place
  for u in "$state/claim/info" "$state"/claim/under.*; do
    [ -r "$u" ] && IFS= read -r info <"$u" && [ "${info%%"$tab"*}" = "$run" ] || continue
    if [ -e "$state/claim/under.$run" ]; then
      mv "$state/claim/under.$run" "$u"
    elif [ "$u" != "$state/claim/info" ]; then
      rm -f "$u"
    else
      n=$(mktemp -d "$state/.old.XXXXXXXXXX") && mv "$state/claim" "$n/claim"
      rm -rf "$n"
    fi
    return 0
  done
}

# --- jobs ---

safe() { # a folder of ours that nobody else can write to; made where it is absent
  [ -d "$1" ] || mkdir "$1" 2>/dev/null
  [ -d "$1" ] && [ ! -L "$1" ] || return 1
  set -- $(ls -ldn "$1")
  case $1 in d????-??-*) ;; *) return 1 ;; esac
  [ "$3" = "$uid" ]
}

publish() { # gives the finished folder $1 the name $2, unless that is taken
  if [ ! -e "$2" ] && mv "$1" "$2" 2>/dev/null && [ ! -e "$2/${1##*/}" ]; then return 0; fi
  rm -rf "$1" "$2/${1##*/}"
  return 1
}

ours() { [ "$(cat "$j/nonce" 2>/dev/null)" = "$nonce" ] || fail foreign "$j"; }

job() {
  (umask 022 && mkdir -p "${state%/*}") 2>/dev/null
  safe "$state" || fail state "$state"
  safe "$state/jobs" || fail state "$state/jobs"
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
    take
    if [ ! -e "$j" ]; then
      n=$(mktemp -d "$state/jobs/.new.XXXXXXXXXX") && unpack "$n" || { rm -rf "$n"; fail nospace "$state/jobs"; }
      publish "$n" "$j"
    fi
  fi
  ours
  cd "$j" || fail foreign "$j"
  if [ -e begun ]; then say "state running"; else begin; fi
  [ ! -e begun/never ] || fail start
  follow
}

begin() {
  say "state started"
  if [ "$uid" = 0 ] && [ -d /run/systemd/system ] && command -v systemd-run >/dev/null 2>&1 &&
    systemd-run --quiet --collect --no-block --unit="patchctl-$id" -p KillMode=process -p SendSIGKILL=no \
      sh "$j/run" "$j" "$state" "$home" "$run" job >"$w/start" 2>&1; then
    :
  else
    # `begun` makes a second start harmless.
    setsid sh "$j/run" "$j" "$state" "$home" "$run" job </dev/null >/dev/null 2>&1 &
  fi
  n=0
  while [ ! -e begun ]; do
    n=$((n + 1))
    [ "$n" -le 600 ] || give_up
    sleep 0.05 2>/dev/null || sleep 1
  done
}

give_up() { # nobody began: from now on nobody can
  mkdir "$w/never" && : >"$w/never/never" && mv "$w/never" "$j/.never.$$" && publish "$j/.never.$$" begun
  if [ -e begun/never ]; then fail start "$(tail -n 1 "$w/start" 2>/dev/null)"; fi
  [ -e begun ] || fail unsure "$(tail -n 1 "$w/start" 2>/dev/null)"
}

process() { # of which the stat line is in the file $1: sets its state, session and start
  s=''
  { read -r s <"$1"; } 2>/dev/null
  set -- ${s##*)}
  pstate=${1:-Z} psession=${4:-} pstart=${20:-}
}

alive() { # may anything of the job still run? sets why, where not
  pid=0 start='' session='' then=''
  read -r pid start session then <begun/pid
  [ "$then" = "$boot" ] || { why=rebooted; return 1; }
  process "/proc/$pid/stat"
  [ "$pstate" = Z ] || [ "$pstart" != "$start" ] || return 0
  for p in /proc/[0-9]*/stat; do
    process "$p"
    if [ "$psession" = "$session" ] && [ "$pstate" != Z ]; then
      [ -n "$orphaned" ] || say "state orphaned" || exit 98
      orphaned=1
      return 0
    fi
  done
  why=killed
  return 1
}

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

follow() {
  over='' why='' orphaned='' idle=0
  while :; do
    if [ -e rc ]; then over=done; elif alive; then :; elif [ -e rc ]; then over=done; else over=died; fi
    was=$log.$rec
    send log l "$log"; log=$at
    send records r "$rec"; rec=$at
    [ -z "$over" ] || break
    if [ "$was" != "$log.$rec" ]; then idle=0; else idle=$((idle + 1)); fi
    pause
  done
  if [ "$over" = died ]; then
    holder
    say "claim $info"
    say "died $why $boot"
    return
  fi
  read -r code ended <rc
  files
  [ "$release" = 1 ] && [ "$code" = 0 ] && give_back
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
