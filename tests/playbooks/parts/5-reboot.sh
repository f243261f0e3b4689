# shellcheck shell=bash disable=SC2016,SC2034,SC2086,SC2154 # its variables are those of `run`; scripts are texts here
# Reboots: whether one is due, and asking for one; what the dead man leaves under /etc; room for the way back.

tab=$'\t'
fresh

# --- is one due? -------------------------------------------------------------------------------------------------

eq "the newest kernel is one of the running one's flavour" "6.1.0-25-amd64
5.15.0-102-generic
6.18.5
9.9-own" <<'S'
kernels() { # RUNNING INSTALLED...
    mkdir -p "$WORK/boot" && rm -f "$WORK/boot"/*
    newest_running=$1
    shift
    for name; do : >"$WORK/boot/vmlinuz-$name"; done
    newest_kernel "$newest_running" "$WORK/boot"
}
kernels 6.1.0-20-amd64 6.1.0-20-amd64 6.1.0-25-amd64 6.1.0-9-amd64 6.1.0-30-cloud-amd64
kernels 5.15.0-91-generic 5.15.0-102-generic 5.15.0-91-generic
kernels 6.18.5 6.1.0-20-amd64
kernels 9.9-own
S

eq "a kernel that was taken away and runs" "kernel 9-own runs, and its package was taken away" <<'S'
uname() { echo 9-own; }
needrestart() { echo 'NEEDRESTART-KSTA: 1'; }
STASH=$WORK/stash
mkdir -p "$STASH/after"
row() { printf '%s\tamd64\t1\tinstall\tok\t%s\n' "$1" "$2"; }
{ row linux-image-9-own installed; row linux-image-8-own installed; } >"$STASH/after/state"
{ row linux-image-9-own config-files; row linux-image-8-own installed; } >"$WORK/state"
sign_kernel
row linux-image-9-own installed >"$WORK/state"
sign_kernel
row linux-image-8-own installed >"$STASH/after/state"
sign_kernel
S

check "every sign is named" "reboot${tab}yes${tab}$scratch/in/required: lab-reboot linux; kernel 1-a runs, 2-a is installed; dbus.service maps deleted /usr/lib/libc.so.6; systemd-logind.service runs old code (needrestart says so)
reboot${tab}no${tab}
exit 0" <<'S'
SENTINELS=$IN/required
: >"$SENTINELS"; printf 'linux\nlab-reboot\nlinux\n' >"$SENTINELS.pkgs"
sign_kernel() { echo 'kernel 1-a runs, 2-a is installed'; }
has_systemd() { :; }
# A restart mends these; sessions end by themselves; a job is no reason.
printf '%s\t%s\n' dbus.service /usr/lib/libc.so.6 nginx.service /usr/lib/libssl.so.3 user@0.service /usr/lib/libc.so.6 \
    getty@tty1.service /usr/lib/libc.so.6 patchctl-x.service /usr/lib/libc.so.6 init.scope /usr/lib/libc.so.6 \
    systemd-logind.service 'needrestart says so' >"$WORK/stale"
reboot_state
rm "$SENTINELS" "$SENTINELS.pkgs"
sign_kernel() { :; }
: >"$WORK/stale"
reboot_state
exit 0
S

check "an init that runs old code though it was started anew" "reboot${tab}no${tab}
reboot${tab}yes${tab}PID 1 maps deleted /usr/lib/libc.so.6
reboot${tab}yes${tab}PID 1 maps deleted /usr/lib/libc.so.6
exit 0" <<'S'
SENTINELS=$IN/none
sign_kernel() { :; }
has_systemd() { :; }
printf 'init.scope\t/usr/lib/libc.so.6\n' >"$WORK/stale"
reboot_state
: >"$WORK/reexeced"
reboot_state
rm "$WORK/reexeced"
has_systemd() { return 1; }
reboot_state
exit 0
S

# --- asking for one ----------------------------------------------------------------------------------------------

steps=reboot
fake sync <<<'echo sync >>"${0%/*}/calls"'
fake systemctl <<<'echo "systemctl $*" >>"${0%/*}/calls"'
fake shutdown <<<'echo "shutdown $*" >>"${0%/*}/calls"'
fake reboot <<<'echo "reboot $*" >>"${0%/*}/calls"'

asked_for() { # what was called, and once for each shell
  sort "$scratch/fake/calls" | uniq -c | sed 's/^ *//'
  rm -f "$scratch/fake/calls"
}

check "a reboot is asked for and not waited for" "step${tab}reboot
phase${tab}asks for a reboot
end${tab}ok
exit 0" <<'S'
has_systemd() { return 1; }
run_steps reboot
S
if wants "asked for and not waited for"; then
  report "an orderly one" "${#shells[@]} shutdown -r now
${#shells[@]} sync" "$(asked_for)"
fi

fake systemd-inhibit <<'S'
echo 'ModemManager 0 root 1 ModemManager sleep ModemManager needs to reset devices delay'
echo 'Unattended Upgrades Shutdown 0 root 2 unattended-upgr shutdown Stop ongoing upgrades or perform upgrades before shutdown delay'
S
check "who only delays the shutdown is the service manager's to wait for" "step${tab}reboot
phase${tab}asks for a reboot
end${tab}ok
exit 0" <<'S'
has_systemd() { :; }
run_steps reboot
S
if wants "only delays the shutdown"; then
  report "through the service manager" "${#shells[@]} sync
${#shells[@]} systemctl reboot" "$(asked_for)"
fi

fake systemd-inhibit <<<"echo 'backup 0 root 7 tar shutdown:sleep The nightly backup block'"
fake sleep <<<'exit 0'
check "who inhibits the shutdown is named and not overridden" "step${tab}reboot
phase${tab}waits for what inhibits the shutdown: backup 0 root 7 tar shutdown:sleep The nightly backup
problem${tab}reboot${tab}the shutdown is inhibited: backup 0 root 7 tar shutdown:sleep The nightly backup${tab}let it finish: systemd-inhibit --list
exit 1" <<'S'
has_systemd() { :; }
now() { echo $(($(wc -c <"$WORK/now" 2>/dev/null || echo 0) * 50)); printf x >>"$WORK/now"; }
run_steps reboot
S
if wants "named and not overridden"; then report "nothing was asked for" '' "$(cat "$scratch/fake/calls" 2>/dev/null)"; fi

# --- room for the way back ---------------------------------------------------------------------------------------

fresh
steps="stash"
eq "what the way back needs" "$((16384 + 600 + 700))
16384" <<'S'
printf '%s\t%s\t1\tinstall\tok\tinstalled\t%s\n' grows amd64 100 shrinks amd64 700 gone all 500 >"$WORK/state"
printf '%s\t%s\t2\t1\t%s\n' grows amd64 900 shrinks amd64 600 comes amd64 9000 >"$WORK/available"
printf '%s\t%s\t%s\t%s\t%s\n' upgrade grows amd64 1 2 upgrade shrinks amd64 1 2 remove gone all 1 '' install comes amd64 '' 2 >"$WORK/transaction"
mount_of() { echo /; }
ballast_kib "$WORK"
mount_of() { echo "$1"; }
ballast_kib "$WORK"
S

eq "it is kept, and never more than half of what is free" "4194304 1048576
note${tab}only 4 of 9 MiB are kept free for the way back
4194304 4194304
note${tab}no room is kept for the way back: the disk is nearly full
none" <<'S'
STASH=$WORK
sizes() { if [ -e "$STASH/ballast" ]; then echo "$(stat -c %s "$STASH/ballast.small") $(stat -c %s "$STASH/ballast")"; else echo none; fi; }
df() { printf 'head\nfs 1 1 %s 1%% /\n' "$free"; }
ballast_kib() { echo "$wanted"; }
free=100000 wanted=1024; stash_ballast; sizes
free=16384 wanted=9999; stash_ballast; sizes
free=9000; stash_ballast; sizes
S

# --- the dead man under /etc -------------------------------------------------------------------------------------

eq "what starts the dead man at boot is none of the change" "same
other" <<'S'
e=$WORK/etc ETC=$WORK/etc
mkdir -p "$e/cron.d" "$e/systemd/system/multi-user.target.wants"
describe_etc >"$WORK/before"
: >"$e/cron.d/patchctl-deadman-X" && : >"$e/systemd/system/patchctl-deadman-X-boot.service"
ln -s ../patchctl-deadman-X-boot.service "$e/systemd/system/multi-user.target.wants/"
describe_etc | cmp -s - "$WORK/before" && echo same
: >"$e/cron.d/other"
describe_etc | cmp -s - "$WORK/before" || echo other
S
