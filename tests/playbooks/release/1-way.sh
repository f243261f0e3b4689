# shellcheck shell=sh disable=SC2154,SC2034 # run by ../release.sh, which sets and uses the rest
# There and back: what a release goes through when nobody interferes.

test_upgrade_and_rollback() {
    steps detect
    well
    has fits yes "releases in folders"
    plan
    well
    has op upgrade shop all 2.4.0 2.4.1 "$t/source" 0
    has installed shop all 2.4.0
    has_like '^old	shop	all	2.4.0	stashed	exact	[0-9]+$'
    has_like '^space	'
    at 2.4.0
    steps baseline stash
    well
    at 2.4.0
    releases_are 2.4.0
    steps apply
    well
    has pkg shop all 2.4.1
    at 2.4.1
    releases_are 2.4.0 2.4.1
    steps verify
    well
    has check bin/check yes "shop 2.4.1: fine"
    has installed shop all 2.4.1
    steps rollback
    well
    has pkg shop all 2.4.0
    at 2.4.0
    releases_are 2.4.0
    exact
    steps rollback
    well
    at 2.4.0
    exact
    steps forget
    well
    [ ! -e "$t/stash/new" ] || say "the archives are still there"
    [ -z "$(ls -A "$t/tmp")" ] || say "left in the temporary folder: $(ls -A "$t/tmp")"
}

test_current_absent_unknown() {
    ask shop=2.4.0 other=1.0
    plan
    well
    has current shop all 2.4.0
    has absent other
    has_no op
    ask shop=9.9
    plan
    badly
    has_like '^problem	not_found	shop-9.9.tar.gz is not in .*	it has 2.4.1$'
    VAR_SOURCE=$t/nowhere
    plan
    badly
    has_like '^problem	repository	'
}

test_newest_pins_and_downgrade() {
    pack shop 2.4.9
    pack shop 2.4.10
    pack shop-admin 3.0
    ask shop
    plan
    well
    has op upgrade shop all 2.4.0 2.4.10 "$t/source" 0
    printf 'shop\tall\t2.4.9\nshop\tall\t2.4.1\n' >"$in/pins"
    plan
    well
    has op upgrade shop all 2.4.0 2.4.9 "$t/source" 0
    ask shop=2.4.10
    plan
    well
    has unproven shop all 2.4.10
    has_no op
    : >"$in/pins"
    ask shop
    plan
    well
    has unproven shop all 2.4.10
    rm "$in/pins"
    pack shop 2.3.0
    ask shop=2.3.0
    patch
    well
    has pkg shop all 2.3.0
    at 2.3.0
    steps rollback
    well
    at 2.4.0
    exact
    printf 'sh*\n' >"$in/exclude"
    plan
    well
    has_no op
}

test_install_and_rollback() {
    rm -rf "$t/home/apps"
    INSTALL=1
    patch
    well
    at 2.4.1
    steps verify
    well
    steps rollback
    well
    has pkg shop all ''
    [ ! -e "$t/home/apps" ] || say "something of it is left"
    exact
}

test_failing_check() {
    touch "$t/home/broken"
    patch
    well
    steps verify
    badly
    has problem check "shop 2.4.1: bin/check ended with 4: the orders are locked" ''
    steps rollback
    well
    at 2.4.0
    exact
}

test_check_that_hangs_or_is_missing() {
    touch "$t/home/slow"
    patch
    steps verify
    badly
    has_like '^problem	check	shop 2.4.1: bin/check did not end within 2 s'
    steps rollback
    RUN=01TESTRUN2
    VAR_CHECK=bin/other
    rm -rf "$t/stash"
    patch
    badly
    has_like '^problem	apply	shop 2.4.1 has no bin/other'
    at 2.4.0
    releases_are 2.4.0
    VAR_CHECK=../../evil
    plan
    badly
    has_like '^problem	invalid	'
}

test_keep() {
    for version in 1.0 2.0 2.1 2.2; do release "$t/home/apps/shop/releases/$version" "$version"; done
    VAR_KEEP=3
    patch
    steps verify
    steps forget
    well
    releases_are 2.2 2.4.0 2.4.1
    # What was kept can still be undone.
    steps rollback
    well
    at 2.4.0
    VAR_KEEP=0
    RUN=01TESTRUN2
    rm -rf "$t/stash"
    patch
    steps forget
    well
    releases_are 2.4.0 2.4.1
}

test_two_applications_and_a_part_undone() {
    mkdir -p "$t/home/apps/desk/releases"
    release "$t/home/apps/desk/releases/1.0" 1.0
    ln -s "$t/home/apps/desk/releases/1.0" "$t/home/apps/desk/current"
    pack desk 1.1
    ask shop=2.4.1 desk=1.1
    patch
    well
    has pkg desk all 1.1
    printf 'desk\tall\n' >"$in/undo"
    steps rollback
    well
    has pkg desk all 1.0
    [ "$(readlink "$t/home/apps/desk/current")" = "$t/home/apps/desk/releases/1.0" ] || say "the link is not as it was"
    at 2.4.1
    exact
    rm "$in/undo"
    steps rollback
    well
    at 2.4.0
    exact
}
