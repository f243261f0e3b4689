# shellcheck shell=bash disable=SC2016,SC2034,SC2086,SC2154 # its variables are those of `run`; scripts are texts here
# Looking at a host, under each shell: the plan's checks, mounts that are full or cannot be written, ports.

for file in "$playbooks"/probe/*.sh; do
  wants syntax || continue
  for shell in "${shells[@]}"; do report "syntax of ${file##*/} ($shell)" '' "$($shell -n "$file" 2>&1)"; done
done

# What a look reports; what stands beside it is in the environment.
look() { # SHELL [VARIABLE=VALUE...]
  local shell=$1
  shift
  cat "$playbooks/prelude.sh" "$playbooks/probe/probe.sh" >"$scratch/script"
  env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME="$scratch" TMPDIR="$scratch/tmp" IN="$scratch/in" OUT="$scratch/out" "$@" \
    $shell "$scratch/script" 2>"$scratch/log"
}

for shell in "${shells[@]}"; do
  wants "the plan's checks" || continue
  fresh
  printf 'cat /nowhere; echo 12\n' >"$scratch/in/check_a"
  printf 'echo "bad $PATCHCTL_C1_1" >&2; { echo "health\tport\ttcp/1" >&3; } 2>/dev/null; exit 4\n' >"$scratch/in/check_b"
  printf 'echo begun; sleep 30\n' >"$scratch/in/check_c"
  printf '0\tcheck_a\trun\t10\n1\tcheck_b\trun\t10\n2\tcheck_c\trun\t1\n' >"$scratch/in/checks"
  sum() { printf %b "$1" | cksum | cut -d ' ' -f 1; }
  report "the plan's checks ($shell)" "answer${tab}0${tab}0${tab}$(sum '12\n')${tab}12
answer${tab}1${tab}4${tab}$(sum '')${tab}bad a'b" "$(look "$shell" HEALTH=0 "PATCHCTL_C1_1=a'b" | grep "^answer${tab}[01]")"
  report "a check that takes too long ($shell)" 1 "$(look "$shell" HEALTH=0 PATCHCTL_C1_1=x | grep -cE "^answer${tab}2${tab}(124|137|143)${tab}.*begun")"
  report "a check writes no record of its own ($shell)" 0 "$(look "$shell" HEALTH=0 PATCHCTL_C1_1=x | grep -c '^health')"
  report "the end of a look ($shell)" "end${tab}ok" "$(look "$shell" HEALTH=0 PATCHCTL_C1_1=x | tail -n 1)"
done

for shell in "${shells[@]}"; do
  wants "ports of this machine" || continue
  fresh
  below=$(cut -f1 /proc/sys/net/ipv4/ip_local_port_range)
  here_now() {
    cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | while read -r _ local _ state _; do
      [[ $state == 0A ]] && printf '%d\n' "0x${local##*:}"
    done | sort -nu | awk -v below="$below" '$1 < below { print "health\tport\ttcp/" $1 }' | sort
  }
  report "ports of this machine ($shell)" "$(here_now)" "$(look "$shell" HEALTH=1 | grep "^health${tab}port" | sort)"
done

# A file system of our own, in a mount namespace of our own.
mounted() { # SHELL
  cat "$playbooks/prelude.sh" "$playbooks/probe/probe.sh" >"$scratch/script"
  dd if=/dev/zero of="$scratch/disk" bs=1024 count=2048 2>/dev/null
  mke2fs -q -F -m 0 "$scratch/disk" 2>/dev/null || return 1
  mkdir -p "$scratch/a mount"
  unshare --mount sh -ec '
    mount -o loop "$1/disk" "$1/a mount"
    fill() { dd if=/dev/zero of="$1/a mount/full" bs=1024 count="$2" 2>/dev/null || true; }
    look() {
      env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME="$1" TMPDIR="$1/tmp" IN="$1/in" OUT="$1/out" HEALTH=1 $2 "$1/script" 2>/dev/null |
        grep "a mount" | sed "s|$1/||"
    }
    fill "$1" 100; look "$1" "$2" | sed "s/[0-9][0-9]*$/N/"
    fill "$1" 4096; mount -o remount,ro "$1/a mount"; look "$1" "$2"' sh "$scratch" "$1"
}

for shell in "${shells[@]}"; do
  wants "mounts" || continue
  fresh
  if got=$(mounted "$shell" 2>/dev/null); then
    report "mounts ($shell)" "health${tab}mount${tab}a mount${tab}rw
health${tab}full${tab}a mount${tab}N
health${tab}mount${tab}a mount${tab}ro
health${tab}full${tab}a mount${tab}100" "$got"
  else
    say "SKIPPED mounts: no file system can be mounted here (root and a loop device are needed)" && skipped=1
  fi
done
