# The package repositories: static folders, indexed and signed here, served by the web server on the bridge.
# shellcheck shell=bash

# What a host gets offered of the real Debian: the update itself, and tools with what they need.
UPDATED=(openssl libssl3)
EXTRA=(dpkg-repack libdpkg-perl btrfs-progs liblzo2-2)
# A database that a minor update waits for.
POSTGRESQL=(postgresql-15 postgresql-client-15 libpq5)

# apt with sources and state of its own, so that neither this machine's lists nor its preferences matter.
private_apt() { # FOLDER COMMAND...
  local folder=$1 command=$2
  shift 2
  "$command" -q -o Dir::Etc::SourceList="$folder/sources.list" -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null -o Dir::State="$folder/state" \
    -o Dir::State::status="$folder/status" -o Dir::Cache="$folder/cache" -o APT::Sandbox::User=root "$@"
}

start_private_apt() { # FOLDER
  mkdir -p "$1/state/lists/partial" "$1/cache/archives/partial"
  : >"$1/status"
  printf 'deb [signed-by=%s] %s %s main\n' "$KEYRING" "$MIRROR" "$SUITE" "$KEYRING" "$SECURITY_MIRROR" "$SUITE-security" >"$1/sources.list"
  private_apt "$1" apt-get -q update -o APT::Update::Error-Mode=any >&2 || die "cannot read the machine's Debian mirror"
}

# old/ gets exactly what the base image has installed, new/ what the security suite has.
download_debian() { # FOLDER
  local top=$1 work=$1/apt package version
  mkdir -p "$top/old" "$top/new" "$top/extra"
  start_private_apt "$work"
  for package in "${UPDATED[@]}"; do
    # shellcheck disable=SC2016  # dpkg-query's own format
    version=$(dpkg-query --admindir="$(base_dir)/var/lib/dpkg" -Wf '${Version}' "$package")
    (cd "$top/old" && private_apt "$work" apt-get download "$package=$version") >&2
    (cd "$top/new" && private_apt "$work" apt-get download "$package/$SUITE-security") >&2
  done
  (cd "$top/extra" && private_apt "$work" apt-get download "${EXTRA[@]}") >&2
  download_postgresql "$top" "$work"
  rm -rf "$work"
  [[ $(cd "$top/old" && echo *.deb) != $(cd "$top/new" && echo *.deb) ]] ||
    die "Debian's security suite has no newer openssl than the base image: the lab has no real update to offer"
}

# The main suite's, with everything of it that the base image lacks, and the update from the security suite.
download_postgresql() { # FOLDER APT
  mkdir -p "$1/postgresql-old" "$1/postgresql-new"
  private_apt "$2" apt-get -y --download-only --no-install-recommends -t "$SUITE" \
    -o Dir::State::status="$(base_dir)/var/lib/dpkg/status" install "${POSTGRESQL[@]}" >&2
  mv "$2"/cache/archives/*.deb "$1/postgresql-old/"
  (cd "$1/postgresql-new" && private_apt "$2" apt-get download "${POSTGRESQL[@]/%//$SUITE-security}") >&2
}

# index FOLDER SUITE ORIGIN LABEL RELEASE-SUITE: a repository of whatever lies in FOLDER/pool.
index() {
  local top=$1 codename=$2 arch packages
  arch=$(dpkg --print-architecture)
  packages=dists/$codename/main/binary-$arch
  mkdir -p "$top/$packages"
  (
    cd "$top" || exit
    apt-ftparchive packages pool >"$packages/Packages"
    gzip -9nk "$packages/Packages"
    apt-ftparchive -o APT::FTPArchive::Release::Origin="$3" -o APT::FTPArchive::Release::Label="$4" \
      -o APT::FTPArchive::Release::Suite="$5" -o APT::FTPArchive::Release::Codename="$codename" \
      -o APT::FTPArchive::Release::Components=main -o APT::FTPArchive::Release::Architectures="$arch" \
      -o APT::FTPArchive::Release::Acquire-By-Hash=no release "dists/$codename" >"dists/$codename/Release.new"
    mv "dists/$codename/Release.new" "dists/$codename/Release"
    GNUPGHOME=$KEYS/gnupg gpg --quiet --batch --yes --clearsign --output "dists/$codename/InRelease" "dists/$codename/Release"
  )
}

pool() { # FOLDER FILE...: into its pool, sharing the disk space
  mkdir -p "$1/pool"
  ln -f "${@:2}" "$1/pool/"
}

# Origin, label and suite are those of the real archive, for selections by origin must work as they do there.
index_debian() { # FOLDER
  local top=$1
  pool "$top/debian/debian" "$top"/old/*.deb "$top"/extra/*.deb
  pool "$top/debian/debian-security" "$top"/new/*.deb
  pool "$top/newonly/debian" "$top"/extra/*.deb
  pool "$top/newonly/debian-security" "$top"/new/*.deb
  pool "$top/postgresql/debian" "$top"/postgresql-old/*.deb
  pool "$top/postgresql/debian-security" "$top"/postgresql-new/*.deb
  local repository
  for repository in debian newonly postgresql; do
    index "$top/$repository/debian" "$SUITE" Debian Debian oldstable
    index "$top/$repository/debian-security" "$SUITE-security" Debian Debian-Security oldstable-security
  done
}

index_handmade() { # FOLDER
  local top=$1
  pool "$top/handmade" "$top"/made/*.deb
  pool "$top/handmade-old" "$top"/made/*_1.0_*.deb
  pool "$top/handmade-new" "$top"/made/*_2.0_*.deb
  pool "$top/handmade-newer" "$top"/newer/*.deb
  local repository
  for repository in handmade handmade-old handmade-new handmade-newer; do
    index "$top/$repository" lab Lab Lab stable
  done
}

build_repos() {
  local hash
  hash=$(cat "$LAB_SOURCE/lib/repos.sh" "$LAB_SOURCE/lib/packages.sh" <(base_hash) | sha256sum | cut -c1-12)
  if [[ -d $LAB/repos/$hash ]]; then ln -sfnT "$hash" "$LAB/repos/current"; return; fi
  need_mirrors
  say "making the repositories"
  local new=$LAB/repos/new
  rm -rf "$new"
  mkdir -p "$new/made" "$new/newer"
  download_debian "$new"
  build_packages "$new/made"
  build_newer "$new/newer"
  index_debian "$new"
  index_handmade "$new"
  gpgconf --homedir "$KEYS/gnupg" --kill all
  mv -T "$new" "$LAB/repos/$hash"
  ln -sfnT "$hash" "$LAB/repos/current"
  drop_old "$LAB/repos" "$hash"
}
