# One host: an overlay over the base image, a network namespace, and a systemd in it.
# shellcheck shell=bash

HOST_INTERFACE=eth0

host_folder() { echo "$RUN/hosts/$1"; }

check_name() {
  [[ $1 =~ ^[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?$ ]] || usage_error "not a host name: $1"
}

need_host() {
  check_name "$1"
  [[ -d $(host_folder "$1") ]] || die "no such host: $1"
}

# A free address is taken by making its folder, which only one process can do; no lock is needed.
take_address() {
  local n
  for n in {11..250}; do
    if mkdir "$RUN/addresses/$n" 2>/dev/null; then
      echo "$n"
      return
    fi
  done
  die "all addresses of the lab are in use"
}

host_leader() { # the host's PID 1, as this machine sees it
  local nspawn child children
  nspawn=$(live_pid "$(host_folder "$1")/nspawn.pid") || return 1
  read -r -a children < <(cat "/proc/$nspawn/task/$nspawn/children" 2>/dev/null; echo)
  for child in "${children[@]}"; do
    [[ $(cat "/proc/$child/comm" 2>/dev/null) == systemd ]] && echo "$child" && return
  done
  return 1
}

# In all its namespaces, with an environment of its own. `cd` happens inside: a working directory kept from outside
# would have no name there, and package scripts complain about that.
host_exec() {
  local leader
  leader=$(host_leader "$1") || die "host $1 does not run"
  shift
  env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C TERM="${TERM:-dumb}" \
    nsenter --target "$leader" --mount --uts --ipc --net --pid --cgroup --root \
    -- /bin/sh -c 'cd && exec "$@"' sh "$@"
}

make_overlay() { # HOST
  local dir lower options
  dir=$(host_folder "$1")
  [[ -f $dir/base ]] || base_dir >"$dir/base" # an upper half fits only the base that it began with
  lower=$(<"$dir/base")
  # A volatile overlay refuses to be mounted twice unless its work folder is new; it holds nothing worth keeping.
  rm -rf "$dir/work"
  mkdir -p "$dir/upper" "$dir/work" "$dir/root"
  options="lowerdir=$lower,upperdir=$dir/upper,workdir=$dir/work"
  # volatile: no syncing of a disk that is thrown away; dpkg is much faster for it. Older kernels do not know it.
  mount -t overlay lab -o "$options,volatile" "$dir/root" 2>/dev/null || mount -t overlay lab -o "$options" "$dir/root"
}

make_identity() { # HOST
  local dir=$1/root name=$2 type
  tr -d - </proc/sys/kernel/random/uuid >"$dir/etc/machine-id"
  echo "$name" >"$dir/etc/hostname"
  printf '127.0.0.1\tlocalhost\n127.0.1.1\t%s\n' "$name" >"$dir/etc/hosts"
  for type in ed25519 ecdsa; do
    ssh-keygen -q -t "$type" -N '' -C "root@$name" -f "$dir/etc/ssh/ssh_host_${type}_key"
  done
}

# The repositories by name, as sources that a host reads.
write_sources() { # HOST REPOSITORY...
  local root repository
  root=$(host_folder "$1")/root
  shift
  rm -f "$root"/etc/apt/sources.list.d/lab-*.sources
  for repository; do
    case $repository in
      debian | newonly | postgresql)
        {
          source_stanza "$repository/debian" bookworm
          echo
          source_stanza "$repository/debian-security" bookworm-security
        } >"$root/etc/apt/sources.list.d/lab-$repository.sources"
        ;;
      handmade | handmade-old | handmade-new | handmade-newer)
        source_stanza "$repository" lab >"$root/etc/apt/sources.list.d/lab-$repository.sources"
        ;;
      none) ;;
      *) usage_error "no such repository: $repository" ;;
    esac
  done
}

source_stanza() { # PATH SUITE
  printf 'Types: deb\nURIs: http://%s:%s/%s\nSuites: %s\nComponents: main\nSigned-By: /usr/share/keyrings/lab.gpg\n' \
    "$GATEWAY" "$HTTP_PORT" "$1" "$2"
}

make_network() { # HOST NUMBER
  local ns=plab-$1
  ip netns add "$ns"
  # The hardware address follows the IP address: no neighbour's cache goes stale when an address is used again.
  ip link add "plab.$2" type veth peer name "$HOST_INTERFACE" address "$(printf '02:70:6c:61:62:%02x' "$2")" netns "$ns"
  ip link set "plab.$2" master "$BRIDGE" up
  connect_network "$1" "$2"
}

# Also before each later boot: a host that has lost its network comes back with it, as after any reboot.
connect_network() { # HOST NUMBER
  local ns=plab-$1
  ip -n "$ns" link set lo up
  ip -n "$ns" addr replace "$NET.$2/24" dev "$HOST_INTERFACE"
  ip -n "$ns" link set "$HOST_INTERFACE" up
}

answers() { # ADDRESS: does an SSH server greet?
  local greeting
  { exec {answer}<>"/dev/tcp/$1/22"; } 2>/dev/null || return 1
  read -r -t 1 greeting <&"$answer" || greeting=
  exec {answer}>&-
  [[ $greeting == SSH-* ]]
}

# Up means: the boot is over (so nobody is turned away with "System is booting up") and sshd greets.
wait_until_up() { # HOST SECONDS
  local dir address deadline=$((SECONDS + $2)) leader
  dir=$(host_folder "$1")
  address=$(<"$dir/address")
  until answers "$address"; do
    ((SECONDS < deadline)) || die "host $1 does not answer; its console: $dir/console.log"
    live_pid "$dir/supervisor.pid" >/dev/null || die "host $1 does not boot: $(tail -n 5 "$dir/console.log")"
    sleep 0.05
  done
  host_exec "$1" systemctl is-system-running --wait >/dev/null 2>&1 || true
}

print_host() {
  local dir key
  dir=$(host_folder "$1")
  printf 'name=%s\naddress=%s\nport=22\nroot=%s\nconsole=%s\n' "$1" "$(<"$dir/address")" "$dir/root" "$dir/console.log"
  printf 'private_key=%s\npassword_file=%s\n' "$KEYS/id_ed25519" "$KEYS/password"
  for key in "$dir"/root/etc/ssh/ssh_host_*_key.pub; do
    printf 'host_key=%s\n' "$(cut -d' ' -f1,2 "$key")"
  done
}

start_host() { # HOST: (again) on what its folder holds
  local dir
  dir=$(host_folder "$1")
  mountpoint -q "$dir/root" || make_overlay "$1"
  [[ -e /run/netns/plab-$1 ]] || make_network "$1" "$(<"$dir/number")"
  setsid "$LAB_SOURCE/lib/supervise" "$1" </dev/null >>"$dir/supervisor.log" 2>&1 &
  write_pid "$dir/supervisor.pid" $! || die "the supervisor of $1 did not start: $(cat "$dir/supervisor.log")"
}

# Pulls the plug, if it is still in: the supervisor first, or it would boot the host again.
power_off() { # HOST
  local dir leader
  dir=$(host_folder "$1")
  end_process "$dir/supervisor.pid" KILL
  ! leader=$(host_leader "$1") || kill -KILL "$leader"
  end_process "$dir/nspawn.pid" 0
  kill_leftovers "$1"
}

# If nspawn was killed, the host's processes live on without it. Its cgroups know them; nothing else is ever in there.
kill_leftovers() { # HOST
  local tree pids=() tries
  for tries in {1..100}; do
    mapfile -t pids < <(for tree in $(cgroup_trees); do
      [[ ! -d $tree/patchctl-lab/$1 ]] || find "$tree/patchctl-lab/$1" -name cgroup.procs -exec cat {} + 2>/dev/null
    done | sort -u)
    ((${#pids[@]})) || return 0
    kill -KILL "${pids[@]}" 2>/dev/null || true
    sleep 0.05
  done
  die "processes of host $1 do not end after $tries attempts: ${pids[*]}"
}

# Off, and nothing left of it outside its folder.
unplug() { # HOST
  local dir number
  dir=$(host_folder "$1")
  power_off "$1"
  while mountpoint -q "$dir/root"; do umount "$dir/root" 2>/dev/null || umount --lazy "$dir/root"; done
  ip netns del "plab-$1" 2>/dev/null || true
  number=$(cat "$dir/number" 2>/dev/null) || number=
  [[ -z $number ]] || ip link del "plab.$number" 2>/dev/null || true
  remove_cgroups "$1"
}

remove_host() { # HOST
  local dir number
  dir=$(host_folder "$1")
  end_process "$dir/watcher.pid" KILL
  unplug "$1"
  number=$(cat "$dir/number" 2>/dev/null) || number=
  rm -rf "$dir"
  # The address last: whoever takes it finds nothing of this host.
  [[ -z $number ]] || rmdir "$RUN/addresses/$number" 2>/dev/null || true
}

# Where cgroups are: one tree (v2), or systemd's two (v1 with a v2 beside).
cgroup_trees() {
  if [[ -f /sys/fs/cgroup/cgroup.controllers ]]; then
    echo /sys/fs/cgroup
  else
    local tree
    for tree in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do [[ ! -d $tree ]] || echo "$tree"; done
  fi
}

# nspawn with --keep-unit makes its cgroups below its own: without one for each host, all would share theirs, and
# stopping a service on one host would wait for the processes of the others.
enter_cgroup() { # HOST
  local tree
  for tree in $(cgroup_trees); do
    mkdir -p "$tree/patchctl-lab/$1"
    echo $BASHPID >"$tree/patchctl-lab/$1/cgroup.procs"
  done
}

remove_cgroups() { # HOST
  local tree
  for tree in $(cgroup_trees); do
    [[ ! -d $tree/patchctl-lab/$1 ]] || find "$tree/patchctl-lab/$1" -depth -type d -exec rmdir {} + 2>/dev/null || true
    rmdir "$tree/patchctl-lab" 2>/dev/null || true
  done
}
