# shellcheck disable=SC2034,SC2154 # it stands behind shared.sh and before driver.sh
# What the driver does about a run's dead man, and about a host that is given up.

there() { # is there a dead man of ours?
  [ -e "$dead" ] || [ -L "$dead" ] || return 1
  safe "$dead" && about && [ "$theirs" = "$nonce" ] || fail foreign "$dead"
}

heed() { # ends 1, with j empty, where the host goes back by itself: that has been followed to its end
  there && acted || return 0
  restored
  j=''
  return 1
}

disarm() { # takes the decision from the dead man; ends as heed does where it has acted
  there || return 0
  decide disarmed
  [ -n "$who" ] || fail nospace "$dead"
  heed && bury
}

stand_down() { # whatever it has done is known: it does nothing any more
  there || return 0
  decide disarmed
  [ -n "$who" ] || fail nospace "$dead"
  while acted && go_back; do pause; done
}

arm() { # before the job begins; ends as heed does where an earlier one acts just now
  safe "$state/deadman" || fail state "$state/deadman"
  note="$arm ${id} $delay $nonce $home"
  if there && [ "$(cat "$dead/about")" = "$note" ] && [ ! -e "$dead/decided" ]; then
    rm -f "$dead/seen"
  else
    if [ -e "$dead" ]; then
      decide disarmed
      [ -n "$who" ] || fail nospace "$dead"
      if acted && go_back; then
        heed
        return
      fi
    fi
    n=$(mktemp -d "$state/deadman/.new.XXXXXXXXXX") && load_dead_man "$n" || { rm -rf "$n"; fail nospace "$state/deadman"; }
    bury
    publish "$n" "$dead" && flush "$state/deadman" || fail arm "$dead cannot be put in its place"
  fi
  watched || fail arm "$(tail -n 1 "$w/start" 2>/dev/null)"
  read -r survives seen_by <"$dead/seen"
  if [ "$survives" != yes ]; then
    printf '%s\n' 'patchctl: nothing here could start the dead man again after a reboot' >>"$j/log"
  fi
}

load_dead_man() { # into the folder $1
  mkdir "$1/job" && unpack "$1/job" 'back\.' || return 1
  part watch >"$1/watch" && printf '%s\n' "$note" >"$1/about" || return 1
  for f in confirmed disarmed restored; do printf '%s\n' "$f" >"$1/say.$f" || return 1; done
  [ -s "$1/watch" ] && { sync -f "$1" 2>/dev/null || sync; }
}

watched() { # starts the watch, and waits for its first sign
  i=0
  while [ ! -s "$dead/seen" ]; do
    [ $((i % 40)) -ne 0 ] || start_watch
    i=$((i + 1))
    [ "$i" -le 300 ] || return 1
    sleep 0.05 2>/dev/null || sleep 1
  done
}

start_watch() { # one that runs still is as good: it sees the new one
  if [ "$uid" = 0 ] && [ -d /run/systemd/system ] && command -v systemd-run >/dev/null 2>&1; then
    systemd-run --quiet --collect --no-block --unit="patchctl-deadman-$run" -p KillMode=process -p SendSIGKILL=no \
      -p Restart=on-failure -p RestartSec=3 sh "$dead/watch" "$dead" >"$w/start" 2>&1 && return
    ! systemctl is-active --quiet "patchctl-deadman-$run" || return 0
  fi
  setsid sh "$dead/watch" "$dead" </dev/null >/dev/null 2>&1 &
}

bury() { # nothing of it stays
  if [ "$state" = /var/lib/patchctl ]; then
    s=patchctl-deadman-$run-boot.service
    for u in /usr/local/lib/systemd/system /etc/systemd/system; do
      rm -f "$u/multi-user.target.wants/$s" "$u/$s" "$u/$s.new"
    done
    rm -f "/etc/cron.d/patchctl-deadman-$run" "/etc/cron.d/patchctl-deadman-$run.new"
    u=/usr/local/lib/systemd
    rmdir "$u/system/multi-user.target.wants" "$u/system" "$u" 2>/dev/null
  fi
  [ -e "$dead" ] || return 0
  o=$state/deadman/.old.$$
  rm -rf "$o"
  mv "$dead" "$o" && rm -rf "$o"
}

confirm() {
  places
  current
  if there; then
    decide confirmed
    [ -n "$who" ] || fail nospace "$dead"
    heed || return 0
    bury
  fi
  holder
  say "claim $info"
  say "end 0 $boot"
}

restored() { # follows what the host does by itself, through all its tries
  j='' idle=0
  while :; do
    go_back && goes=1 || goes=''
    if [ -n "$way" ] && [ "$way" != "$j" ]; then
      j=$way
      cd "$j" || fail foreign "$j"
      [ "$of" = "${j##*/}" ] || log=0 rec=0
      say "of ${j##*/}"
    fi
    [ -z "$j" ] || stream
    [ -n "$goes" ] || break
    pause
  done
  release=''
  if [ -e rc ]; then finish; else dead_end; fi
}

# --- the host is given up: nothing of the run begins here any more, and its claim goes ---

let_go() { # ends with 0: the claim is gone; 1: there was none; 2: it is another run's
  if [ ! -e "$state" ]; then say "end 1 $boot"; return 0; fi
  safe "$state" || fail state "$state"
  dead=$state/deadman/$run
  still
  call_off
  for f in "$state/jobs/$run"-*; do
    [ ! -d "$f" ] || [ -e "$f/begun" ] || never "$f"
  done
  still
  holder
  held=$info had=$by
  give_back
  [ "$had" != unreadable ] || drop_claim
  holder
  case $by in "$run" | unreadable) fail nospace "$state" ;; esac
  say "claim $held"
  case $had in "$run" | unreadable) n=0 ;; '') n=1 ;; *) n=2 ;; esac
  say "end $n $boot"
}

still() { # is nothing of the run alive?
  for f in "$state/jobs/$run"-*; do
    [ -e "$f/begun/pid" ] && [ ! -e "$f/rc" ] && living "$f" && [ ! -e "$f/rc" ] || continue
    fail busy "${f##*/}"
  done
}

call_off() { # the run's dead man, whoever armed it, unless the host goes back just now
  if [ -e "$dead" ] || [ -L "$dead" ]; then
    safe "$dead" || fail foreign "$dead"
    if about; then
      nonce=$theirs
      decide disarmed
      [ -n "$who" ] || fail nospace "$dead"
      ! acted || ! go_back || fail busy "$back"
    fi
  fi
  bury
}

