# shellcheck shell=sh disable=SC2154,SC2034 # run by ../release.sh, which sets and uses the rest
# What plans may say, and the unit that runs the application.

test_hostile_input() {
    # shellcheck disable=SC2016 # that is the point
    for word in '../x' '-rf' 'a;b' '$(touch x)' 'a b' 'a/b'; do
        printf '%s\t\n' "$word" >"$in/packages"
        plan
        badly
        has_like '^problem	invalid	'
        printf 'shop\t%s\n' "$word" >"$in/packages"
        plan
        badly
        printf 'upgrade\t%s\tall\t1\t2\n' "$word" >"$in/transaction"
        steps preflight
        badly
        printf 'upgrade\tshop\tall\t2.4.0\t%s\n' "$word" >"$in/transaction"
        steps baseline
        badly
        has_like '^problem	invalid	'
    done
    ask shop=2.4.1
    for VAR_ROOT in ../x apps/../.. 'a//b'; do
        plan
        badly
    done
    VAR_ROOT=apps
    # shellcheck disable=SC2016 # that is the point
    for VAR_SOURCE in '' 'http://u:p@host/x' 'http://' 'https://-o/x' 'https://host/$(id)' '../x'; do
        plan
        badly
        has_like '^problem	invalid	'
    done
}

test_strange_folder_names() {
    # shellcheck disable=SC2016 # that is the point
    odd="$t/so urce \$(id) 'q'"
    mv "$t/source" "$odd"
    VAR_SOURCE=$odd
    # shellcheck disable=SC2088 # the playbook expands it
    VAR_ROOT='~/my apps;x'
    mv "$t/home/apps" "$t/home/my apps;x"
    patch
    well
    [ "$(readlink "$t/home/my apps;x/shop/current")" = releases/2.4.1 ] || say "it was not switched"
    steps verify
    well
    steps rollback
    well
    exact
}

test_unit() {
    mkdir "$t/fake"
    PATH_FIRST=$t/fake:
    # shellcheck disable=SC2016 # the fake expands them
    printf '#!/bin/sh\necho "$*" >>"$HOME/systemctl"\ncase $* in *broken*) exit 1 ;; esac\n' >"$t/fake/systemctl"
    chmod +x "$t/fake/systemctl"
    VAR_RESTART=shop.service
    patch
    steps verify
    well
    has_like '^service	stale	shop.service	'
    steps restart
    well
    has service restarted shop.service "the release changed"
    steps verify
    well
    has_no service
    steps rollback
    well
    has service restarted shop.service "the release before is back"
    steps rollback
    well
    grep -q 'restart -- shop.service' "$t/home/systemctl" || say "systemctl was not called"
    VAR_RESTART=-x
    plan
    badly
    RUN=01TESTRUN2
    rm -rf "$t/stash"
    VAR_RESTART=broken.service
    patch
    well
    steps restart
    badly
    has_like '^service	failed	broken.service'
}
