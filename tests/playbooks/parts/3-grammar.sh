# shellcheck shell=bash disable=SC2016,SC2034,SC2086,SC2154 # its variables are those of `run`; scripts are texts here
# Names, versions and globs: what gets through and what does not.

hostile='for value in "" "-y" "--purge" "a;reboot" "a b" "\$(reboot)" "\`id\`" "../etc" "a/b" "a
b" "a|b" "a&b" "a>b" "a\\b" "a'"'"'b" "é" "a	b" "a=b" "*=1"; do'

for check in valid_name valid_arch valid_version valid_glob; do
  eq "hostile $check" "" <<S
$hostile ! $check "\$value" || printf 'let through: %s\n' "\$value"; done
S
done

eq "names" "" <<'S'
for value in a libssl3 g++ libstdc++6 0ad lib32z1-dev python3.11 linux-image-6.1.0-18-amd64; do valid_name "$value" || echo "$value"; done
for value in A Foo lib_x libssl3:amd64 +a .a; do ! valid_name "$value" || echo "through: $value"; done
S

eq "versions" "" <<'S'
for value in 1 3.0.20-1~deb12u2 1:2.66-4+deb12u3+b1 2.36-9+deb12u14 v1; do valid_version "$value" || echo "$value"; done
for value in ~1 +1 1_2 '1*' '1 2'; do ! valid_version "$value" || echo "through: $value"; done
S

eq "globs" "" <<'S'
for value in 'linux-image-*' '*' 'lib?sl[0-9]' '[!a]*'; do valid_glob "$value" || echo "$value"; done
for value in '/.*/' 'A*' '{a,b}' 'a b*'; do ! valid_glob "$value" || echo "through: $value"; done
for value in 'docker*' 'getty@*.service' 'dev-disk-by\x2d.device'; do valid_unit_glob "$value" || echo "$value"; done
for value in '-x' 'a b' '$(x)' 'a;b' 'a/b'; do ! valid_unit_glob "$value" || echo "through: $value"; done
S

eq "matching" "linux-image-1	a
libfoo	b" <<'S'
printf 'linux-image-1\ta\nlinux-imag\tx\nlibfoo\tb\nbash\tc\n' >"$WORK/rows"
printf 'linux-image-*\nlib?oo\n' >"$WORK/globs"
matching "$WORK/rows" "$WORK/globs"
S

eq "rows" "libssl3		
libssl3:i386	1:2	
bad 1
bad 2
bad 3
bad 4" <<'S'
printf 'libssl3\n\nlibssl3:i386\t1:2\n' >"$WORK/rows"
checked_rows "$WORK/rows" NVV
printf 'libssl3\t1\n-y\t1\n' >"$WORK/rows"; checked_rows "$WORK/rows" NV >/dev/null || echo bad 1
printf 'a\tb\tc\td\n' >"$WORK/rows"; checked_rows "$WORK/rows" NVV >/dev/null || echo bad 2
printf 'purge\ta\tall\t\t1\n' >"$WORK/rows"; checked_rows "$WORK/rows" onaVV >/dev/null || echo bad 3
printf 'a\t$(id)\n' >"$WORK/rows"; checked_rows "$WORK/rows" NV >/dev/null || echo bad 4
S

eq "names of files" "libssl3_3.0.20-1~deb12u2_amd64.deb zlib1g_1%3a1.2_amd64.deb" <<'S'
echo "$(cache_name libssl3 3.0.20-1~deb12u2 amd64) $(cache_name zlib1g 1:1.2 amd64)"
S
