# shellcheck disable=SC2034,SC2154 # it stands behind shared.sh
# patchctl's dead man: lets the host go back by itself unless the change is confirmed in time. Its argument is the folder
# that it lies in. Time counts only while no job of the run lives, and anew from each boot.
dead=$1
state=${dead%/deadman/*} run=${dead##*/}
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
umask 077
cd / && exec </dev/null >/dev/null 2>&1
uid=$(id -u)
boot=-
if [ -r /proc/sys/kernel/random/boot_id ]; then read -r boot </proc/sys/kernel/random/boot_id; fi
# The service manager begins a watch anew that does not end like this.
rest() { exit 0; }

# What starts the watch again after a boot: outside of /etc where that can be, since /etc is compared.
survive() {
  [ "$state" = /var/lib/patchctl ] || return 1
  if [ -d /run/systemd/system ]; then
    for u in /usr/local/lib/systemd/system /etc/systemd/system; do
      boot_unit "$u" && return
    done
  elif [ -d /etc/cron.d ] && { command -v cron || command -v crond; }; then
    u=/etc/cron.d/patchctl-deadman-$run
    (umask 022 && printf '@reboot root /bin/sh %s/watch %s\n' "$dead" "$dead" >"$u.new") && mv "$u.new" "$u" && flush "$u" "${u%/*}"
    return
  fi
  return 1
}

boot_unit() { # in the folder $1
  l=$1/multi-user.target.wants
  s=patchctl-deadman-$run-boot.service
  (umask 022 && mkdir -p "$l" && printf '%s\n' '[Unit]' 'Description=patchctl: goes back unless the change is confirmed' \
    "ConditionPathExists=$dead/watch" "RequiresMountsFor=$dead" '[Service]' "ExecStart=/bin/sh $dead/watch $dead" \
    'KillMode=process' 'SendSIGKILL=no' 'Restart=on-failure' 'RestartSec=3' 'OOMScoreAdjust=-900' >"$1/$s.new") && mv "$1/$s.new" "$1/$s" || return 1
  [ -L "$l/$s" ] || ln -s "../$s" "$l/$s" || return 1
  flush "$1/$s" "$1" "$l"
}

look() {
  if [ "$known" != "$back" ]; then
    if survive; then say=yes; else say=no; fi
    known=$back since=$up
    rm -f "$dead/seen"
  fi
  [ -e "$dead/seen" ] || printf '%s %s\n' "$say" "$$" >"$dead/seen"
  f=$state/jobs/$armed
  if [ -e "$dead/decided" ]; then
    acted || rest
    go_back || rest
  elif [ -e "$f/begun/never" ]; then
    rest
  elif [ ! -e "$f/begun" ]; then
    # Whoever armed us has gone away: what never began need not be undone.
    [ $((up - since)) -lt $((wait + 120)) ] || never "$f" || [ -d "$f" ] || rest
  elif busy; then
    since=$up
  elif [ $((up - since)) -gt "$wait" ]; then
    ! decide restored || go_back
  fi
}

known='' since=0 wait=6
while [ -e "$dead/watch" ]; do
  if about && read -r up idle </proc/uptime; then
    nonce=$theirs home=$there up=${up%%.*}
    look
  fi
  nap=$((wait / 6))
  if [ "$nap" -lt 1 ]; then nap=1; elif [ "$nap" -gt 5 ]; then nap=5; fi
  sleep "$nap"
done
rest
