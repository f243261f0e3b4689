# shellcheck shell=bash disable=SC2016,SC2034,SC2154 # its variables are those of `run`; scripts are texts here
# The apt playbook's parsers, and its steps that only read, against made-up answers of dpkg and apt.

tab=$'\t'

# --- a host of paper ---------------------------------------------------------------------------------------------

fake dpkg <<'S'
case $1 in
    --print-architecture) echo amd64 ;;
    --audit) ;;
    *) exec /usr/bin/dpkg "$@" ;;
esac
S
fake dpkg-query <<'S'
row() { printf '%s\t%s\t%s\t%s\tok\t%s\t100\n' "$1" "$2" "$3" "$4" "${5:-installed}"; }
row openssl amd64 3.0.20-1 install
row libssl3 amd64 3.0.20-1 install
row libssl3 i386 3.0.20-1 install
row bash amd64 5.2-1 install
row curl amd64 7.88-1 hold
row tzdata all 2026b-0 install
row wine32 i386 8.0-1 install
row mail all 1.0-1 install
row gone all 1.0-1 deinstall config-files
S
fake apt-cache <<'S'
# Options of apt's own come first, then the question.
while [ "$1" = -o ]; do shift 2; done
[ "$1" = policy ] || exit 0
[ $# -gt 1 ] || { cat "${0%/*}/sources"; exit; }
cat <<'POLICY'
openssl:
  Installed: 3.0.20-1
  Candidate: 3.0.22-1
  Version table:
     3.0.22-1 500
        500 http://mirror/debian-security stable-security/main amd64 Packages
     3.0.21-1 500
        500 http://mirror/debian stable/main amd64 Packages
 *** 3.0.20-1 100
        100 /var/lib/dpkg/status
     3.0.19-1 500
        500 http://mirror/debian stable/main amd64 Packages
bash:
  Installed: 5.2-1
  Candidate: 5.2-1
  Version table:
 *** 5.2-1 100
        100 /var/lib/dpkg/status
curl:
  Installed: 7.88-1
  Candidate: 7.88-2
  Version table:
     7.88-2 500
        500 http://mirror/debian stable/main amd64 Packages
 *** 7.88-1 100
        100 /var/lib/dpkg/status
newcomer:
  Installed: (none)
  Candidate: 1.0-1
  Version table:
     1.0-1 500
        500 http://mirror/debian stable/main amd64 Packages
wine32:i386:
  Installed: 8.0-1
  Candidate: 8.0-2
  Version table:
     8.0-2 500
        500 http://mirror/debian stable/main i386 Packages
 *** 8.0-1 100
        100 /var/lib/dpkg/status
POLICY
S
fake apt-get <<'S'
echo "apt-get $*" >>"${0%/*}/calls"
[ -e "${0%/*}/answer" ] || exit 0
cat "${0%/*}/answer"
S

asked() { # ROWS: the packages of the plan
  printf '%b' "$1" >"$scratch/in/packages"
}

answers() { cat >"$scratch/fake/answer"; }

calls() { # what apt was asked for, without its options
  sed -n 's/.* install -- /install /p' "$scratch/fake/calls" 2>/dev/null | tail -n 1
}

resolves() { # NAME WANTED: the step's records between `step` and the exit code
  check "$1" "step${tab}resolve
$2" <<<'run_steps resolve'
}

steps=resolve

if wants "what is installed"; then
  environment=(WANT_INSTALLED=1)
  check "what is installed" "installed${tab}bash${tab}amd64${tab}5.2-1
installed${tab}curl${tab}amd64${tab}7.88-1
installed${tab}libssl3${tab}amd64${tab}3.0.20-1
installed${tab}libssl3${tab}i386${tab}3.0.20-1
installed${tab}mail${tab}all${tab}1.0-1
installed${tab}openssl${tab}amd64${tab}3.0.20-1
installed${tab}tzdata${tab}all${tab}2026b-0
installed${tab}wine32${tab}i386${tab}8.0-1
exit 0" <<<'state; report_installed; exit 0'
  environment=()
fi

# --- asked for by name -------------------------------------------------------------------------------------------

answers <<'S'
Inst libssl3 [3.0.20-1] (3.0.22-1 Debian-Security:12/stable-security [amd64]) []
Inst libssl3:i386 [3.0.20-1] (3.0.22-1 Debian-Security:12/stable-security [i386]) [openssl:amd64 on libssl3:amd64]
Inst openssl [3.0.20-1] (3.0.22-1 Debian:12.1/stable, Debian-Security:12/stable-security [amd64])
Inst dep (1:2.0-1 Debian:12.1/stable [all])
Conf openssl (3.0.22-1 Debian:12.1/stable [amd64])
S
asked 'openssl\t\n'
resolves "the transaction" "op${tab}install${tab}dep${tab}all${tab}${tab}1:2.0-1${tab}Debian${tab}0
op${tab}upgrade${tab}libssl3${tab}amd64${tab}3.0.20-1${tab}3.0.22-1${tab}Debian-Security${tab}1
op${tab}upgrade${tab}libssl3${tab}i386${tab}3.0.20-1${tab}3.0.22-1${tab}Debian-Security${tab}1
op${tab}upgrade${tab}openssl${tab}amd64${tab}3.0.20-1${tab}3.0.22-1${tab}Debian-Security${tab}1
end${tab}ok
exit 0"

rm "$scratch/fake/answer"
asked 'openssl\t3.0.21-1\nwine32\t\n'
resolves "an exact version, and a foreign architecture by itself" "end${tab}ok
exit 0"
wants version && report "asks for exactly that" 'install openssl=3.0.21-1 wine32:i386' "$(calls)"

asked 'openssl\t3.0.20-1\nbash\t\n'
resolves "already there" "current${tab}openssl${tab}amd64${tab}3.0.20-1
current${tab}bash${tab}amd64${tab}5.2-1
end${tab}ok
exit 0"

asked 'newcomer\t\nnosuch\t\n'
resolves "not installed" "absent${tab}newcomer
absent${tab}nosuch
note${tab}nosuch is in no source of this host either
end${tab}ok
exit 0"

environment=(INSTALL=1)
resolves "to be installed, and unknown" "problem${tab}not_found${tab}no package nosuch in this host's sources${tab}
exit 1"
environment=()

asked 'openssl\t3.0.19-1\n'
resolves "never down" "problem${tab}refused${tab}openssl 3.0.19-1 was asked for and is older than the installed 3.0.20-1${tab}a patch never downgrades: ask for 3.0.20-1 or newer, or roll back the run that brought it
exit 1"

asked 'curl\t\n'
resolves "on hold" "problem${tab}held${tab}curl is on hold at 7.88-1${tab}apt-mark unhold curl on the host, or exclude it
exit 1"

asked 'openssl\t3.0.99-1\n'
resolves "a version that is not there" "problem${tab}not_found${tab}openssl has no version 3.0.99-1 in this host's sources${tab}apt-cache policy openssl shows what it has
exit 1"

asked 'openssl\t3.0.21-1\nopenssl\t3.0.22-1\n'
resolves "two versions of one" "problem${tab}invalid${tab}openssl is asked for in two versions${tab}
exit 1"

# --- hostile input never reaches apt -----------------------------------------------------------------------------

for row in '-y\t' 'a;reboot\t' '$(reboot)\t' 'a\t$(id)' 'a\t-1' '../a\t' 'a\tb\tc'; do
  rm -f "$scratch/fake/calls"
  asked "$row\n"
  resolves "hostile: $row" "problem${tab}invalid${tab}the input file packages has a row that is not in its grammar${tab}
exit 1"
  wants hostile && report "hostile: $row did not reach apt" '' "$(cat "$scratch/fake/calls" 2>/dev/null)"
done
asked 'openssl\t\n'
printf '%s\n' '*; reboot' >"$scratch/in/exclude"
resolves "hostile exclude" "problem${tab}invalid${tab}the input file exclude has a row that is not in its grammar${tab}
exit 1"

# --- what must not happen ----------------------------------------------------------------------------------------

printf 'libss*\n' >"$scratch/in/exclude"
answers <<'S'
Inst libssl3 [3.0.20-1] (3.0.22-1 Debian-Security:12/stable-security [amd64])
Inst openssl [3.0.20-1] (3.0.22-1 Debian-Security:12/stable-security [amd64])
S
resolves "an excluded dependency" "problem${tab}conflict${tab}libssl3 is excluded, and the transaction cannot exist without changing it${tab}
op${tab}upgrade${tab}libssl3${tab}amd64${tab}3.0.20-1${tab}3.0.22-1${tab}Debian-Security${tab}1
op${tab}upgrade${tab}openssl${tab}amd64${tab}3.0.20-1${tab}3.0.22-1${tab}Debian-Security${tab}1
exit 1"
rm "$scratch/in/exclude"

answers <<'S'
Remv mail [1.0-1]
Inst openssl [3.0.20-1] (3.0.22-1 Debian:12/stable [amd64])
S
resolves "a removal" "problem${tab}refused${tab}the transaction would remove mail${tab}allow_removals = true permits it
op${tab}remove${tab}mail${tab}all${tab}1.0-1${tab}${tab}${tab}0
op${tab}upgrade${tab}openssl${tab}amd64${tab}3.0.20-1${tab}3.0.22-1${tab}Debian${tab}0
exit 1"
environment=(ALLOW_REMOVALS=1)
resolves "a removal that is allowed" "op${tab}remove${tab}mail${tab}all${tab}1.0-1${tab}${tab}${tab}0
op${tab}upgrade${tab}openssl${tab}amd64${tab}3.0.20-1${tab}3.0.22-1${tab}Debian${tab}0
end${tab}ok
exit 0"
environment=()

answers <<'S'
The following packages will be DOWNGRADED:
  openssl
Inst openssl [3.0.20-1] (3.0.19-1 Debian:12/stable [amd64])
S
resolves "the host's own pins go down" "problem${tab}refused${tab}openssl would go down from 3.0.20-1 to 3.0.19-1${tab}a patch never downgrades: look at the host's apt preferences
op${tab}downgrade${tab}openssl${tab}amd64${tab}3.0.20-1${tab}3.0.19-1${tab}Debian${tab}0
exit 1"

# --- versions proved by an earlier stage -------------------------------------------------------------------------

answers <<'S'
Inst openssl [3.0.20-1] (3.0.22-1 Debian-Security:12/stable-security [amd64])
S
printf 'openssl\tamd64\t3.0.22-1\n' >"$scratch/in/pins"
resolves "proved" "op${tab}upgrade${tab}openssl${tab}amd64${tab}3.0.20-1${tab}3.0.22-1${tab}Debian-Security${tab}1
end${tab}ok
exit 0"
printf 'openssl\tamd64\t3.0.21-1\nopenssl\tamd64\t3.0.22-1\n' >"$scratch/in/pins"
resolves "one of several proved" "op${tab}upgrade${tab}openssl${tab}amd64${tab}3.0.20-1${tab}3.0.22-1${tab}Debian-Security${tab}1
end${tab}ok
exit 0"
printf 'bash\tamd64\t5.2-1\n' >"$scratch/in/pins"
resolves "not proved" "unproven${tab}openssl${tab}amd64${tab}3.0.22-1
end${tab}ok
exit 0"
printf '%s\n' 'openssl	amd64	$(id)' >"$scratch/in/pins"
resolves "a hostile pin" "problem${tab}invalid${tab}the input file pins has a row that is not in its grammar${tab}
exit 1"
rm "$scratch/in/pins"

# --- security ----------------------------------------------------------------------------------------------------

if wants "security"; then
  environment=(SELECT=security)
  cat >"$scratch/fake/sources" <<'S'
Package files:
 100 /var/lib/dpkg/status
     release a=now
 500 http://mirror/ubuntu jammy-security/main amd64 Packages
     release v=22.04,o=Ubuntu,a=jammy-security,n=jammy,l=Ubuntu,c=main,b=amd64
     origin mirror
 500 http://mirror/ubuntu jammy-updates/main amd64 Packages
     release v=22.04,o=Ubuntu,a=jammy-updates,n=jammy,l=Ubuntu,c=main,b=amd64
     origin mirror
 500 http://other flat/ Packages
     release c=
     origin other
Pinned packages:
S
  rm -f "$scratch/fake/answer"
  check "security by suite" "Package: *
Pin: release o=Ubuntu,l=Ubuntu,n=jammy,a=jammy-updates
Pin-Priority: 50

Package: *
Pin: origin \"other\"
Pin-Priority: 50
exit 0" <<'S'
state
resolve_security
cat "$WORK/general.prefs" >&3
exit 0
S
  printf 'Package files:\n 100 /var/lib/dpkg/status\n     release a=now\n' >"$scratch/fake/sources"
  resolves "no security archive" "problem${tab}repository${tab}no source of this host is a security archive${tab}add it, or select packages or all
exit 1"
  environment=()
fi

# --- small parsers -----------------------------------------------------------------------------------------------

eq "the failing script's words" "lab: postinst exit 3: no luck; big: cannot copy extracted data for './x' to '/x.dpkg-new': No space left on device" <<'S'
cat >"$WORK/log" <<'LOG'
Setting up fine (1) ...
all fine
Setting up lab (2) ...
starting
lab: no luck
dpkg: error processing package lab (--configure):
 installed lab package post-installation script subprocess returned error exit status 3
Unpacking big (2) over (1) ...
dpkg: error processing archive /var/cache/apt/archives/big_2_all.deb (--unpack):
 cannot copy extracted data for './x' to '/x.dpkg-new': No space left on device
Errors were encountered while processing:
 lab
E: Sub-process /usr/bin/dpkg returned an error code (1)
LOG
failing_words "$WORK/log"
echo
S

eq "frozen words" "libssl3=2 libssl3:i386=2 new=1:1 old- " <<'S'
printf 'upgrade\tlibssl3\tamd64\t1\t2\nupgrade\tlibssl3\ti386\t1\t2\ninstall\tnew\tall\t\t1:1\nremove\told\tall\t1\t\n' >"$WORK/rows"
frozen_words "$WORK/rows" | tr '\n' ' '
echo
S

eq "the way back ends where it began" "libssl3 1
new gone
old 1" <<'S'
printf 'upgrade\tlibssl3\tamd64\t1\t2\ninstall\tnew\tall\t\t1:1\nremove\told\tall\t1\t\n' >"$WORK/rows"
reversed "$WORK/rows" | ends
S

eq "files as they are" "$scratch/tmp/f/a b${tab}file${tab}640${tab}x${tab}b1946ac92492d2347c6235b4d2611184
$scratch/tmp/f/l${tab}link${tab}777${tab}x${tab}'a b'
$scratch/tmp/f/x\\x2d${tab}file${tab}644${tab}x${tab}b1946ac92492d2347c6235b4d2611184" <<'S'
mkdir "$TMPDIR/f" 2>/dev/null; cd "$TMPDIR/f" && rm -f -- * && echo hello >'a b' && chmod 640 'a b' && ln -s 'a b' l && echo hello >'x\x2d'
printf '%s\n' "$TMPDIR/f/l" "$TMPDIR/f/a b" "$TMPDIR/f/x\\x2d" "$TMPDIR/f/none" | describe | awk -F '\t' -v OFS='\t' '{ $4 = "x"; print }'
S
