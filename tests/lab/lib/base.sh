# The base image: one folder with a small Debian bookworm, under every host as the lower half of its overlay.
# shellcheck shell=bash

SUITE=bookworm
# nginx links libssl3, so a host has a service (beside sshd) that must be restarted after the update. needrestart is
# what finds that out. The rest is what every installed Debian has and minbase has not.
BASE_PACKAGES=systemd,systemd-sysv,dbus,libpam-systemd,openssh-server,sudo,apt-utils,needrestart,nginx-light,cron,ca-certificates,iproute2,procps,netbase,less,tzdata

# The machine's own sources say where Debian is to be had: the mirror with bookworm's path, whatever suite it runs itself.
mirror_of() { # main|security
  local label=Debian
  if [[ $1 == security ]]; then
    [[ -z ${PATCHCTL_LAB_SECURITY_MIRROR-} ]] || { echo "$PATCHCTL_LAB_SECURITY_MIRROR"; return; }
    label=Debian-Security
  elif [[ -n ${PATCHCTL_LAB_MIRROR-} ]]; then
    echo "$PATCHCTL_LAB_MIRROR"
    return
  fi
  # shellcheck disable=SC2016  # the names in $( ) are apt's
  apt-get indextargets --format '$(LABEL) $(REPO_URI) $(CREATED_BY)' | awk -v l="$label" '$1 == l && $3 == "Packages" { print $2; exit }'
}

# The keyring that those sources are checked with, else Debian's own.
keyring_of_machine() {
  local found
  found=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2>/dev/null |
    grep -ihoE 'signed-by[:=] *[^] ]*debian[^] ]*' | head -n 1 | sed 's/^[^:=]*[:=] *//')
  [[ -r $found ]] || found=/usr/share/keyrings/debian-archive-keyring.gpg
  [[ -r $found ]] || skip "no keyring of Debian's archive on this machine"
  echo "$found"
}

need_mirrors() {
  # What a source is, apt knows only once it has fetched its Release file.
  [[ -n $(mirror_of main) && -n $(mirror_of security) ]] || apt-get -qq update >&2 || true
  MIRROR=$(mirror_of main)
  SECURITY_MIRROR=$(mirror_of security)
  [[ -n $MIRROR && -n $SECURITY_MIRROR ]] || skip "this machine's apt sources name no Debian mirror with security updates
    (set PATCHCTL_LAB_MIRROR and PATCHCTL_LAB_SECURITY_MIRROR, and install debian-archive-keyring)"
  KEYRING=$(keyring_of_machine)
}

# How this machine gets at its mirror (a proxy, a cache with an odd clock) counts inside the new system, too.
machine_apt_options() {
  apt-config dump | grep -E '^Acquire::(https?(::.*)?::(Proxy|Verify|CaInfo|Timeout)|https?::Proxy|Check-|Retries|Proxy)' || true
}

bootstrap() { # FOLDER
  local options=() line
  while read -r line; do [[ -z $line ]] || options+=("--aptopt=$line"); done < <(machine_apt_options)
  # Only the main suite: its openssl and libssl3 are older than the security suite's, so there is a real update.
  # mode=root: no user namespaces needed. Languages none: descriptions in other languages are of no use here.
  mmdebstrap --quiet --variant=minbase --mode=root --format=directory --keyring="$KEYRING" "${options[@]}" \
    --aptopt='Acquire::Languages "none"' --include="$BASE_PACKAGES" \
    "$SUITE" "$1" "deb [signed-by=$KEYRING] $MIRROR $SUITE main" >&2
}

# Undo what tells a bootstrapped tree from an installed machine, and nothing more.
make_real() { # FOLDER
  local root=$1
  rm -f "$root"/etc/apt/apt.conf.d/99mmdebstrap "$root"/etc/apt/sources.list.d/* "$root"/etc/resolv.conf \
    "$root"/etc/ssh/ssh_host_*_key* "$root"/usr/sbin/policy-rc.d
  : >"$root/etc/apt/sources.list"
  chmod 0644 "$root/etc/hostname" # mmdebstrap copies this machine's, with its mode
  # There is no DNS in the lab; an empty file makes look-ups fail at once instead of after a timeout.
  echo '# the lab has no name server' >"$root/etc/resolv.conf"
  echo 'LANG=C.UTF-8' >"$root/etc/default/locale"
  # Timers that were due long ago fire at the first boot: apt's would take its lock and the others would cost time.
  chroot "$root" systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer
  chroot "$root" systemctl --quiet disable e2scrub_all.timer e2scrub_reap.service fstrim.timer dpkg-db-backup.timer
  # A terminal that nobody will look at.
  chroot "$root" systemctl --quiet mask console-getty.service getty@tty1.service
  install -m 0644 "$KEYS/archive.gpg" "$root/usr/share/keyrings/lab.gpg"
}

add_user() { # FOLDER NAME
  chroot "$1" useradd --create-home --shell /bin/bash "$2"
  authorize "$1" "$1/home/$2"
  chroot "$1" chown -R "$2:$2" "/home/$2/.ssh"
}

authorize() { # FOLDER HOME
  install -d -m 0700 "$2/.ssh"
  install -m 0600 "$KEYS/id_ed25519.pub" "$2/.ssh/authorized_keys"
}

add_users() { # FOLDER
  local root=$1
  authorize "$root" "$root/root"
  add_user "$root" ops    # sudo without a password
  add_user "$root" opspw  # sudo with a password
  add_user "$root" nosudo # no rights at all
  echo 'ops ALL=(ALL:ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/lab"
  echo 'opspw ALL=(ALL:ALL) ALL' >>"$root/etc/sudoers.d/lab"
  chmod 0440 "$root/etc/sudoers.d/lab"
  printf 'opspw:%s\nnosudo:%s\n' "$(<"$KEYS/password")" "$(<"$KEYS/password")" | chroot "$root" chpasswd --crypt-method SHA512
}

# Keys and the password are made here, for this lab only, and kept beside the image that holds their other half.
make_keys() {
  mkdir -p "$KEYS"
  chmod 0700 "$LAB" "$KEYS"
  [[ -f $KEYS/id_ed25519 ]] || ssh-keygen -q -t ed25519 -N '' -C patchctl-lab -f "$KEYS/id_ed25519"
  [[ -f $KEYS/password ]] || (umask 077 && od -An -N9 -tx1 /dev/urandom | tr -d ' \n' >"$KEYS/password")
  [[ -f $KEYS/archive.gpg ]] || make_archive_key
}

make_archive_key() {
  export GNUPGHOME=$KEYS/gnupg
  install -d -m 0700 "$GNUPGHOME"
  gpg --quiet --batch --pinentry-mode loopback --passphrase '' --quick-generate-key 'patchctl lab <lab@localhost>' ed25519 sign never
  gpg --quiet --batch --output "$KEYS/archive.gpg" --export
  gpgconf --kill all
}

base_hash() { cat "$LAB_SOURCE/lib/base.sh" "$KEYS/id_ed25519.pub" "$KEYS/archive.gpg" "$KEYS/password" | sha256sum | cut -c1-12; }

build_base() {
  local hash
  hash=$(base_hash)
  if [[ -d $LAB/base/$hash/etc ]]; then ln -sfnT "$hash" "$LAB/base/current"; return; fi
  need_mirrors
  say "making the base image (about 40 s)"
  local new=$LAB/base/new
  rm -rf "$new"
  mkdir -p "$LAB/base"
  bootstrap "$new" || die "mmdebstrap failed"
  make_real "$new"
  add_users "$new"
  rm -f "$new/etc/machine-id" "$new/var/lib/dbus/machine-id" "$new"/etc/*- "$new/var/log/bootstrap.log"
  mv -T "$new" "$LAB/base/$hash"
  ln -sfnT "$hash" "$LAB/base/current"
  drop_old "$LAB/base" "$hash"
}

# Images and repositories of earlier versions, unless a host or the web server still uses them.
drop_old() { # FOLDER KEEP
  local entry
  for entry in "$1"/*/; do
    entry=${entry%/}
    [[ $(basename "$entry") != "$2" && ! -L $entry ]] || continue
    grep -qsF "$entry" /proc/mounts "$RUN/httpd.root" "$RUN"/hosts/*/base || rm -rf "$entry"
  done
}
