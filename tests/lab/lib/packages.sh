# Hand-made packages: each is one thing that can happen to a patch, in version 1.0 (harmless) and 2.0.
# shellcheck shell=bash

# package FOLDER NAME VERSION [FIELD...]: begins a package; later calls add to it; `finish` builds it.
package() {
  OUTPUT=$1 NAME=$2 VERSION=$3 TREE=$(mktemp -d)
  chmod 0755 "$TREE"
  mkdir "$TREE/DEBIAN"
  printf '%s\n' "Package: $NAME" "Version: $VERSION" "Architecture: all" "Section: misc" "Priority: optional" \
    "Maintainer: patchctl lab <lab@localhost>" "Description: made for the tests of patchctl" "${@:4}" >"$TREE/DEBIAN/control"
  put "/usr/share/$NAME/version" "$VERSION"
}

put() { # PATH TEXT
  mkdir -p "$TREE$(dirname "$1")"
  printf '%s\n' "$2" >"$TREE$1"
}

conffile() { # PATH TEXT
  put "$1" "$2"
  echo "$1" >>"$TREE/DEBIAN/conffiles"
}

script() { # postinst|prerm|…, its text on standard input
  { printf '#!/bin/sh\nset -e\n' && cat; } >"$TREE/DEBIAN/$1"
  chmod 0755 "$TREE/DEBIAN/$1"
}

finish() {
  (cd "$TREE" && find . -type f ! -path './DEBIAN/*' -printf '%P\0' | sort -z | xargs -0 md5sum >DEBIAN/md5sums)
  dpkg-deb --root-owner-group --build "$TREE" "$OUTPUT" >/dev/null
  rm -rf "$TREE"
}

# The update with everything in it: a new dependency, a removal, changed conffiles, files that come, go and move over.
build_app() {
  package "$1" lab-app 1.0
  conffile /etc/lab-app.conf $'# lab-app\nworkers = 1'
  conffile /etc/lab-app.d/log.conf 'level = info'
  put /usr/share/lab-app/data 'data of 1.0'
  put /usr/share/lab-app/only-in-1.0 'goes away in 2.0'
  finish

  package "$1" lab-app 2.0 'Depends: lab-dep' 'Conflicts: lab-old' 'Replaces: lab-old, lab-shared (<< 2.0)'
  conffile /etc/lab-app.conf $'# lab-app\nworkers = 2\ncache = on'
  conffile /etc/lab-app.d/log.conf 'level = warning'
  conffile /etc/lab-app.d/cache.conf 'new in 2.0'
  put /usr/share/lab-app/data 'data of 2.0'
  put /usr/share/lab-app/only-in-2.0 'came with 2.0'
  put /usr/share/lab-shared/table 'taken over from lab-shared by lab-app 2.0'
  finish

  package "$1" lab-dep 2.0
  conffile /etc/lab-dep.conf 'came with lab-app 2.0'
  finish
}

build_app_neighbours() {
  package "$1" lab-old 1.0
  conffile /etc/lab-old.conf 'of a package that lab-app 2.0 removes'
  finish

  # Stays installed, but loses this file to lab-app 2.0: only file contents tell whether it came back.
  package "$1" lab-shared 1.0
  put /usr/share/lab-shared/table 'of lab-shared itself'
  finish
}

build_failing() {
  package "$1" lab-failing 1.0 && finish
  package "$1" lab-failing 2.0
  script postinst <<<'echo "lab-failing: this postinst fails on purpose" >&2; exit 3'
  finish
}

build_slow() {
  package "$1" lab-slow 1.0 && finish
  package "$1" lab-slow 2.0
  script postinst <<'END'
seconds=$(cat /etc/lab-slow.seconds 2>/dev/null || echo 20)
echo "lab-slow: taking $seconds seconds"
sleep "$seconds"
END
  finish
}

# 1.0 brings the network back, so that a host that undoes this by itself can be reached again.
build_netcut() {
  package "$1" lab-netcut 1.0
  script postinst <<<'ip link set dev eth0 up'
  finish
  package "$1" lab-netcut 2.0
  script postinst <<<'echo "lab-netcut: cutting the network"; ip link set dev eth0 down'
  finish
}

# sshd does not start with 2.0's configuration; sessions that are open live on, new ones are refused.
build_sshd_break() {
  local restart='systemctl restart ssh.service || echo "lab-sshd-break: ssh.service does not start" >&2'
  package "$1" lab-sshd-break 1.0
  conffile /etc/ssh/sshd_config.d/lab-sshd-break.conf '# nothing set'
  script postinst <<<"$restart"
  finish
  package "$1" lab-sshd-break 2.0
  conffile /etc/ssh/sshd_config.d/lab-sshd-break.conf 'NoSuchKeyword yes'
  script postinst <<<"$restart"
  finish
}

# dpkg asks the old package first and then the new one, so both say no.
build_nodown() {
  local version
  for version in 1.0 2.0; do
    package "$1" lab-nodown $version
    script prerm <<END
case \$1 in
  upgrade) dpkg --compare-versions "\$2" ge $version ;;
  failed-upgrade) dpkg --compare-versions "\$2" le $version ;;
esac || { echo "lab-nodown: no way back" >&2; exit 1; }
END
    finish
  done
}

# After the next boot the host is cut off, for as long as 2.0 is there; 1.0 brings the network back.
build_bootcut() {
  package "$1" lab-bootcut 1.0
  script postinst <<<'ip link set dev eth0 up'
  finish
  package "$1" lab-bootcut 2.0
  put /usr/lib/systemd/system/lab-bootcut.service "[Service]
ExecStart=/bin/sh -c 'while :; do ip link set dev eth0 down; sleep 1; done'"
  mkdir -p "$TREE/usr/lib/systemd/system/multi-user.target.wants"
  ln -s ../lab-bootcut.service "$TREE/usr/lib/systemd/system/multi-user.target.wants/lab-bootcut.service"
  script prerm <<<'systemctl stop lab-bootcut.service 2>/dev/null || true'
  finish
}

# 2.0 needs 4 MB more in its folder.
build_big() {
  package "$1" lab-big 1.0 && finish
  package "$1" lab-big 2.0
  head -c 4000000 /dev/urandom >"$TREE/usr/share/lab-big/data"
  finish
}

# 2.0 migrates its data; 1.0 cannot read them then, and says so in a file of its own: going back takes more than packages.
build_data() {
  package "$1" lab-data 1.0
  put /srv/data/app/state 'sound'
  script postinst <<'END'
[ -e /srv/data/app/rows ] || echo 'one two three' >/srv/data/app/rows
! grep -q migrated /srv/data/app/rows || echo 'these rows are of a newer version' >/srv/data/app/state
END
  finish
  package "$1" lab-data 2.0
  put /srv/data/app/state 'sound'
  script postinst <<<'echo migrated >/srv/data/app/rows'
  finish
}

build_plain() {
  local name version
  for name in lab-held lab-plain; do
    for version in 1.0 2.0; do
      package "$1" $name $version && finish
    done
  done
  package "$1" lab-reboot 1.0 && finish
  package "$1" lab-reboot 2.0
  script postinst <<'END'
echo "*** System restart required ***" >/run/reboot-required
echo lab-reboot >>/run/reboot-required.pkgs
END
  finish
}

# What comes after everything else.
build_newer() { # FOLDER
  package "$1" lab-plain 3.0 && finish
}

build_packages() { # FOLDER
  local builder
  for builder in app app_neighbours failing slow netcut bootcut sshd_break nodown big data plain; do
    "build_$builder" "$1"
  done
}
