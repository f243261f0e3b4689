# patchctl runs the step in the folder $1, as $5 says. Other than `read`: at most once, detached, keeping in the folder
# what comes of it. `heed`: not where the host goes back by itself; `armed`: only while its dead man would make it do so.
d=$1 state=$2 home=$3 by=$4 how=$5
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL

step() (
  umask 022
  cd / || exit 125
  exec env -i PATH="$PATH" HOME="$home" LC_ALL=C IN="$d/in" OUT="$d/out" STATE="$state" CLAIMED_BY="$by" RECORDS=3 sh -c '
    while IFS= read -r l; do export "$l"; done <"$0/env"
    [ -z "${RUN:-}" ] || export STASH="$STATE/stash/$RUN"
    exec sh "$0/script"' "$d"
)

if [ "$how" = read ]; then
  step </dev/null
  exit
fi

umask 077
cd / && exec </dev/null >/dev/null 2>&1
boot=-
if [ -r /proc/sys/kernel/random/boot_id ]; then read -r boot </proc/sys/kernel/random/boot_id; fi
read -r s <"/proc/$$/stat"
set -- ${s##*)}
mine=$d/.begun.$$
mkdir "$mine" && printf '%s %s %s %s\n' "$$" "${20}" "$4" "$boot" >"$mine/pid" || exit 1
# Whoever gives its folder the name `begun` runs the step; nobody else ever does. (A name that is taken by a folder
# with something in it cannot be taken again: the move fails, or ends inside.)
[ ! -e "$d/begun" ] && mv "$mine" "$d/begun" && [ ! -e "$d/begun/${mine##*/}" ] || { rm -rf "$mine" "$d/begun/${mine##*/}"; exit 0; }
# Who decides for the way back looks for what has begun afterwards, and we look for the decision after we have begun: one
# of us sees the other.
decided=$state/deadman/$by/decided
case $how in
heed) [ ! -e "$decided" ] || ! read -r who <"$decided" || [ "$who" != restored ] ;;
armed) [ -d "${decided%/*}" ] && [ ! -e "$decided" ] ;;
esac || { : >"$d/begun/never"; exit 0; }
# A service manager may ask us to stop: the step goes on to its end.
trap : HUP INT TERM
# Room for the result and what the step reports, in case it fills the disk.
printf '%127s\n' ' ' >"$d/rc.new"
fallocate -n -l 131072 "$d/records"
# That it has begun outlives a loss of power.
sync "$d" 2>/dev/null || sync
step >>"$d/log" 2>&1 3>>"$d/records"
code=$?
truncate -s +0 "$d/records"
printf '%s %s\n' "$code" "$boot" 1<>"$d/rc.new"
sync "$d/log" "$d/records" "$d/rc.new" 2>/dev/null || sync
mv "$d/rc.new" "$d/rc"
sync "$d" 2>/dev/null || sync
