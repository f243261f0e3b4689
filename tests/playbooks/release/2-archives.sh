# shellcheck shell=sh disable=SC2154,SC2034 # run by ../release.sh, which sets and uses the rest
# Archives that are hostile, broken or elsewhere.

test_checksums() {
    (cd "$t/source" && sha256sum ./*.tar.gz >SHA256SUMS)
    plan
    well
    sed -i 's/^..../0000/' "$t/source/SHA256SUMS"
    plan
    badly
    has_like '^problem	repository	shop-2.4.1.tar.gz has the wrong checksum'
    : >"$t/source/SHA256SUMS"
    plan
    badly
    has_like '^problem	repository	SHA256SUMS in the source does not name'
    rm "$t/source/SHA256SUMS"
    plan
    well
    (cd "$t/source" && sha256sum ./*.tar.gz >SHA256SUMS)
    steps baseline
    well
    printf x >>"$t/source/shop-2.4.1.tar.gz"
    steps stash
    badly
    has_like '^problem	repository	'
    rm "$t/source/SHA256SUMS"
    pack shop 2.4.1
    steps stash
    well
    printf x >>"$t/stash/new/shop-2.4.1.tar.gz"
    steps apply
    badly
    has_like '^problem	refused	the stash is not whole'
    at 2.4.0
}

hostile() { # WHY TAR-ARGUMENT...
    why=$1
    shift
    rm -f "$t/source/shop-2.4.1.tar.gz"
    (cd "$t/tmp" && /usr/bin/tar -P -czf "$t/source/shop-2.4.1.tar.gz" "$@") || say "tar did not pack it"
    plan
    badly
    has_like "^problem	(refused|repository)	shop-2.4.1.tar.gz (is not safe to unpack: $why|cannot be unpacked)"
    rm -rf "${t:?}/tmp"/*
}

test_hostile_archives() {
    echo x >"$t/tmp/file"
    cp "$t/tmp/file" "$t/file"
    hostile 'it has (the absolute name|names that lead)' "$t/file"
    mkdir "$t/tmp/a"
    hostile 'it has (a name with|names that lead)' ../file
    ln -s /etc/passwd "$t/tmp/link"
    hostile 'it has a link' link
    echo x >"$t/tmp/one"
    ln "$t/tmp/one" "$t/tmp/two"
    hostile 'it has a link' one two
    mkfifo "$t/tmp/fifo"
    hostile 'it has something' fifo
    line='a
b'
    echo x >"$t/tmp/$line"
    hostile 'it has' "$line"
    echo "no archive" >"$t/source/shop-2.4.1.tar.gz"
    plan
    badly
    pack shop 2.4.1
    head -c 150 "$t/source/shop-2.4.1.tar.gz" >"$t/source/short"
    mv "$t/source/short" "$t/source/shop-2.4.1.tar.gz"
    plan
    badly
    has_like '^problem	repository	shop-2.4.1.tar.gz cannot be unpacked'
    at 2.4.0
    releases_are 2.4.0
}

test_modes_and_layout() {
    release "$t/tmp/plain" 2.4.2
    chmod 4777 "$t/tmp/plain/bin/shop"
    (cd "$t/tmp/plain" && tar -czf "$t/source/shop-2.4.2.tar.gz" bin VERSION)
    rm -rf "$t/tmp/plain"
    ask shop=2.4.2
    patch
    well
    at 2.4.2
    mode=$(stat -c %a "$t/home/apps/shop/current/bin/shop")
    [ "$mode" = 755 ] || say "the mode is $mode"
}

test_url() {
    command -v python3 >/dev/null || { echo "    (skipped: no python3 to serve files)"; return; }
    (cd "$t/source" && sha256sum ./*.tar.gz >SHA256SUMS)
    (cd "$t/source" && exec python3 -u -m http.server --bind 127.0.0.1 0) >"$t/server" 2>&1 &
    server=$!
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        port=$(sed -n 's/.* port \([0-9]*\) .*/\1/p' "$t/server")
        [ -z "$port" ] || break
        sleep 0.2
    done
    VAR_SOURCE=http://127.0.0.1:$port
    ask shop
    patch
    well
    at 2.4.1
    steps rollback
    well
    exact
    rm -rf "$t/stash" "$t/source/SHA256SUMS"
    ask shop=2.4.1
    patch
    well
    ask shop=9.9
    plan
    badly
    has_like '^problem	not_found	'
    kill "$server"
    wait "$server" 2>/dev/null
}
