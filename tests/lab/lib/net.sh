# The bridge that hosts hang on, and the one small web server that they get their packages from.
# shellcheck shell=bash

# systemd-nspawn keeps its sockets and locks here and wants a tmpfs, which a machine without systemd has not.
mount_nspawn_folder() {
  mkdir -p /run/systemd/nspawn
  [[ $(stat -f -c %T /run/systemd/nspawn) == tmpfs ]] || mount -t tmpfs -o mode=0755,size=4m lab /run/systemd/nspawn
}

# Each host's systemd holds several inotify instances, all counted for root: 128 are used up by about 15 hosts.
raise_limits() {
  local file=/proc/sys/fs/inotify/max_user_instances
  (($(<$file) >= 4096)) || echo 4096 >$file || true
}

start_bridge() {
  ip link show "$BRIDGE" >/dev/null 2>&1 || ip link add "$BRIDGE" type bridge
  # No waiting for loops that cannot exist: a new host is reachable at once.
  ip link set "$BRIDGE" type bridge stp_state 0 forward_delay 0
  ip addr replace "$GATEWAY/24" dev "$BRIDGE"
  ip link set "$BRIDGE" up
}

# serve FOLDER: a web server for FOLDER, whose name (with a hash in it) says what it serves.
start_httpd() {
  local root
  root=$(repos_dir) || die "no repositories: run setup"
  if live_pid "$RUN/httpd.pid" >/dev/null; then
    [[ $(cat "$RUN/httpd.root" 2>/dev/null) != "$root" ]] || return 0
    end_process "$RUN/httpd.pid"
  fi
  # The lock's descriptor is closed for it: it lives on, and would keep everybody else out.
  setsid busybox httpd -f -p "$GATEWAY:$HTTP_PORT" -h "$root" </dev/null >"$RUN/httpd.log" 2>&1 {LOCK_FD}>&- &
  write_pid "$RUN/httpd.pid" $! || die "the web server did not start: $(cat "$RUN/httpd.log")"
  echo "$root" >"$RUN/httpd.root"
}

start_network() {
  mkdir -p "$RUN/hosts" "$RUN/addresses"
  mount_nspawn_folder
  raise_limits
  start_bridge
  start_httpd
}

stop_network() {
  end_process "$RUN/httpd.pid"
  rm -f "$RUN/httpd.root"
  ip link del "$BRIDGE" 2>/dev/null || true
  ! grep -q '^lab /run/systemd/nspawn ' /proc/mounts || umount /run/systemd/nspawn
}
