# shellcheck shell=sh
# What has to be done so that `current` leads to the wanted releases. Reads only.

step_resolve() {
    settings
    [ "$SELECT" = packages ] || fail invalid "releases are asked for by name" 'select = "packages"'
    : >"$WORK/resolved"
    [ -s "$IN/packages" ] || fail invalid "no application was asked for" 'packages = ["NAME=VERSION"]'
    sums
    resolve_pins
    tr '\t' '=' <"$IN/packages" >"$WORK/asked"
    while IFS= read -r resolve_row || [ -n "$resolve_row" ]; do
        [ -n "$resolve_row" ] || continue
        resolve_name=${resolve_row%%=*}
        resolve_name=${resolve_name%:all}
        resolve_version=${resolve_row#*=}
        [ "$resolve_version" != "$resolve_row" ] || resolve_version=
        valid_name "$resolve_name" || fail invalid "an application's name is not in its grammar"
        [ -z "$resolve_version" ] || valid_version "$resolve_version" || fail invalid "the version of $resolve_name is not in its grammar"
        resolve_excluded "$resolve_name" || resolve_one "$resolve_name" "$resolve_version"
    done <"$WORK/asked"
    done_ok
}

# Proved versions, as NAME=VERSION.
resolve_pins() {
    PINNED=0
    : >"$WORK/pins"
    [ -e "$IN/pins" ] || return 0
    PINNED=1
    awk -F '\t' '$2 == "all" { print $1 "=" $3 }' "$IN/pins" >"$WORK/pins"
}

resolve_excluded() { # NAME
    [ -e "$IN/exclude" ] || return 1
    while IFS= read -r resolve_glob || [ -n "$resolve_glob" ]; do
        # shellcheck disable=SC2254 # it is meant as a pattern
        case $1 in
            $resolve_glob)
                note "$1 is excluded"
                return 0
                ;;
        esac
    done <"$IN/exclude"
    return 1
}

resolve_one() { # NAME VERSION
    app "$1"
    if [ -n "$STRANGE" ]; then
        problem refused "$1 is not laid out as releases: $STRANGE" "NAME/releases/VERSION/ and the link NAME/current under $ROOT"
        return
    fi
    if [ -z "$HAVE" ] && ! is_one "${INSTALL:-0}"; then
        rec absent "$1"
        return
    fi
    resolve_target "$1" "$2"
    if [ -z "$TARGET" ]; then
        problem not_found "$SOURCE has no release of $1"
    elif [ "$TARGET" = "$HAVE" ] || { [ -z "$2" ] && [ -n "$HAVE" ] && older "$TARGET" "$HAVE"; }; then
        rec current "$1" all "$HAVE"
    elif [ "$PINNED" = 1 ] && ! grep -q -x -F -- "$1=$TARGET" "$WORK/pins"; then
        rec unproven "$1" all "$TARGET"
    elif ! in_source "$1" "$TARGET"; then
        problem not_found "$1-$TARGET.tar.gz is not in $SOURCE" "$(resolve_offer "$1")"
    else
        resolve_op "$1"
    fi
}

# The wanted version, else the highest proved one, else the highest.
resolve_target() { # NAME VERSION -> $TARGET
    TARGET=$2
    [ -z "$TARGET" ] || return 0
    source_versions "$1" >"$WORK/versions"
    if [ "$PINNED" = 1 ]; then
        TARGET=$(sed -n "s/^$(printf '%s' "$1" | sed 's/[.^]/\\&/g')=//p" "$WORK/pins" | sort -V -r | while IFS= read -r resolve_version; do
            if [ "$resolve_version" = "$HAVE" ] || grep -q -x -F -- "$resolve_version" "$WORK/versions"; then
                printf '%s\n' "$resolve_version"
                break
            fi
        done)
    fi
    [ -n "$TARGET" ] || TARGET=$(head -n 1 "$WORK/versions")
}

resolve_offer() { # NAME
    source_versions "$1" | head -n 5 | awk '{ text = text (NR > 1 ? ", " : "it has ") $0 } END { print text }'
}

resolve_op() { # NAME
    if [ -z "$HAVE" ]; then
        resolve_kind=install
    elif older "$TARGET" "$HAVE"; then
        resolve_kind=downgrade
    else
        resolve_kind=upgrade
    fi
    rec op "$resolve_kind" "$1" all "$HAVE" "$TARGET" "$SOURCE" 0
    printf '%s\t%s\tall\t%s\t%s\n' "$resolve_kind" "$1" "$HAVE" "$TARGET" >>"$WORK/resolved"
}
