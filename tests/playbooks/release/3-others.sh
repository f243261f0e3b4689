# shellcheck shell=sh disable=SC2154,SC2034 # run by ../release.sh, which sets and uses the rest
# Kills, and other people: whatever happened in between, nothing of theirs is touched and ours goes back.

test_conflict() {
    patch
    release "$t/home/apps/shop/releases/2.5.0" 2.5.0
    ln -sfn releases/2.5.0 "$t/home/apps/shop/current"
    steps rollback
    badly
    has conflict shop all 2.4.1 2.5.0
    has_like '^problem	conflict	'
    at 2.5.0
    releases_are 2.4.0 2.4.1 2.5.0
    steps compare
    well
    has diff package shop 2.4.0 2.5.0
    ln -sfn releases/2.4.1 "$t/home/apps/shop/current"
    mv "$t/home/apps/shop/releases/2.4.0" "$t/away"
    steps rollback
    badly
    has_like '^problem	rollback	release 2.4.0 of shop is no longer in'
    at 2.4.1
}

test_a_release_that_was_there_before() {
    release "$t/home/apps/shop/releases/2.4.1" 2.4.1
    patch
    well
    has note "shop 2.4.1 was here already"
    at 2.4.1
    steps rollback
    well
    at 2.4.0
    releases_are 2.4.0 2.4.1
    exact
    echo other >"$t/home/apps/shop/releases/2.4.1/VERSION"
    RUN=01TESTRUN2
    rm -rf "$t/stash"
    patch
    badly
    has_like '^problem	conflict	.*/2.4.1 is there and is not what the archive holds'
    at 2.4.0
    releases_are 2.4.0 2.4.1
}

test_stale() {
    plan
    steps baseline stash
    well
    release "$t/home/apps/shop/releases/2.3.9" 2.3.9
    ln -sfn releases/2.3.9 "$t/home/apps/shop/current"
    steps apply
    badly
    has_like '^problem	stale	'
    at 2.3.9
    steps rollback
    well
    at 2.3.9
}

test_strange_layouts() {
    rm "$t/home/apps/shop/current"
    mkdir "$t/home/apps/shop/current"
    plan
    badly
    has_like '^problem	refused	.*current is not a link'
    rmdir "$t/home/apps/shop/current"
    ln -s /etc "$t/home/apps/shop/current"
    plan
    badly
    has_like '^problem	refused	.*leads to /etc'
    ln -sfn releases/2.4.0 "$t/home/apps/shop/current"
    mv "$t/home/apps/shop/releases" "$t/elsewhere"
    ln -s "$t/elsewhere" "$t/home/apps/shop/releases"
    plan
    badly
    has_like '^problem	refused	.*releases is a link'
}

test_the_old_release_is_gone_or_changed() {
    mv "$t/home/apps/shop/releases/2.4.0" "$t/away"
    plan
    badly
    has old shop all 2.4.0 missing approximate 0
    has_like '^problem	refused	'
    mv "$t/away" "$t/home/apps/shop/releases/2.4.0"
    patch
    well
    echo changed >"$t/home/apps/shop/releases/2.4.0/VERSION"
    chmod -x "$t/home/apps/shop/releases/2.4.0/bin/check"
    touch "$t/home/apps/shop/releases/2.4.0/new"
    steps rollback
    well
    steps compare
    well
    has_like '^diff	file	.*/2.4.0/VERSION	file [0-9a-f]+	file [0-9a-f]+$'
    has_like '^diff	file	.*/2.4.0/bin/check#x	executable	absent$'
    has_like '^diff	file	.*/2.4.0/new	absent	file '
}

# The n-th call of a tool that changes something is the last thing that happens before a SIGKILL.
killer() { # N
    mkdir -p "$t/killer"
    echo "$1" >"$t/killer/left"
    for tool in mv ln rm mkdir tar sync chmod touch cp; do
        {
            echo '#!/bin/sh'
            echo "left=\$(cat '$t/killer/left'); left=\$((left - 1)); echo \$left >'$t/killer/left'"
            echo "if [ \$left -eq 0 ]; then kill -KILL -\$(cut -d ' ' -f 5 /proc/self/stat); fi"
            echo "exec env PATH='$path' $tool \"\$@\""
        } >"$t/killer/$tool"
        chmod +x "$t/killer/$tool"
    done
    PATH_FIRST=$t/killer:
}

test_killed_anywhere() {
    setsid=$(command -v setsid) # BusyBox has one that does not wait
    plan
    steps baseline stash
    well
    cp -a "$t" "$t.ready"
    n=0
    while :; do
        n=$((n + 1))
        rm -rf "$t"
        cp -a "$t.ready" "$t"
        killer "$n"
        old_under=$under
        under="$setsid -w $under"
        { steps apply; } 2>/dev/null # the shell's word of the kill
        under=$old_under
        PATH_FIRST=''
        applied=$code
        now=$(readlink "$t/home/apps/shop/current")
        case $now in releases/2.4.0 | releases/2.4.1) ;; *) say "after a kill at $n current leads to $now" ;; esac
        [ -x "$t/home/apps/shop/$now/bin/shop" ] || say "after a kill at $n there is no shop"
        # The way back is killed at the same place, and then goes on.
        killer "$n"
        under="$setsid -w $under"
        { steps rollback; } 2>/dev/null
        under=$old_under
        PATH_FIRST=''
        steps rollback
        well
        at 2.4.0
        releases_are 2.4.0
        exact
        if [ "$bad" -ne 0 ]; then
            echo "    (killed at call $n)"
            return
        fi
        [ "$applied" -ne 0 ] || break
        [ "$n" -lt 60 ] || { say "it never came to its end"; return; }
    done
    [ "$n" -gt 8 ] || say "it was killed at $n places only"
}
