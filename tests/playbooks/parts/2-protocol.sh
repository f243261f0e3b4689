# shellcheck shell=bash disable=SC2016,SC2034,SC2086,SC2154 # its variables are those of `run`; scripts are texts here
# What the prelude promises: records, ends, bundles.

tab=$'\t'

check "a step that goes well" "step${tab}one
note${tab}hello
end${tab}ok
exit 0" <<'S'
step_one() { echo log; echo log >&2; rec note hello; done_ok; }
run_steps one
S

check "values are cleaned" "note${tab}a b c d  e
fact${tab}key${tab}
exit 0" <<'S'
rec note "$(printf 'a\tb\nc\033d\001\177e')"
rec fact key ''
exit 0
S

check "bytes of other languages stay" "note${tab}Grüße 世界
exit 0" <<'S'
rec note 'Grüße 世界'
exit 0
S

check "what is no text is left out" "note${tab}a b
exit 0" <<'S'
rec note "$(printf 'a\377\303 b')"
exit 0
S

check "values have an end" "2000
exit 0" <<'S'
clean "$(awk 'BEGIN { for (i = 0; i < 5000; i++) printf "x" }')"
echo "${#CLEAN}" >&3
exit 0
S

check "fail" "step${tab}one
problem${tab}held${tab}no way${tab}do it
exit 1" <<'S'
step_one() { fail held 'no way' 'do it'; rec note 'not here'; done_ok; }
run_steps one
S

check "fail in a function in a condition" "step${tab}one
problem${tab}held${tab}no way${tab}
exit 1" <<'S'
inner() { fail held 'no way'; }
step_one() { if inner; then :; fi; done_ok; }
run_steps one
S

check "a problem is no success" "step${tab}one
problem${tab}held${tab}first${tab}
problem${tab}refused${tab}second${tab}hint
exit 1" <<'S'
step_one() { problem held first; problem refused second hint; done_ok; }
run_steps one two
S

check "an end without done_ok" "step${tab}one
exit 70" <<'S'
step_one() { true; }
run_steps one two
S

check "an unset variable ends a step" "step${tab}one
exit 2" <<'S'
step_one() { echo "$NOT_SET"; done_ok; }
run_steps one two
S

check "a bundle stops at the first that fails" "step${tab}one
end${tab}ok
step${tab}two
problem${tab}internal${tab}no${tab}
exit 1" <<'S'
step_one() { done_ok; }
step_two() { fail internal no; }
step_three() { done_ok; }
run_steps one two three
S

check "steps share files, not variables" "step${tab}one
end${tab}ok
step${tab}two
note${tab}from one
note${tab}unset
end${tab}ok
exit 0" <<'S'
step_one() { echo 'from one' >"$WORK/file"; variable=set; done_ok; }
step_two() { note "$(cat "$WORK/file")"; note "${variable:-unset}"; done_ok; }
run_steps one two
S

check "steps read nothing" "step${tab}one
note${tab}
end${tab}ok
exit 0" <<'S'
step_one() { note "$(cat)"; done_ok; }
run_steps one
S

check "scratch is private" "700
exit 0" <<'S'
stat -c %a "$WORK" >&3
exit 0
S
wants scratch && report "scratch is gone" '' "$(ls -A "$scratch/tmp")"

environment=(RECORDS="$scratch/out/records")
check "records into a file" $'\nexit 0' <<'S'
step_one() { echo log; done_ok; }
run_steps one
S
if wants "records into a file"; then report "the file" "$(for _ in "${shells[@]}"; do printf 'step\tone\nend\tok\n'; done)" "$(cat "$scratch/out/records")"; fi

if wants "records to an open descriptor"; then
  for shell in "${shells[@]}"; do
    script 'step_one() { echo log; done_ok; }
run_steps one' >"$scratch/script"
    env -i PATH=/usr/bin:/bin TMPDIR="$scratch/tmp" RECORDS=3 $shell "$scratch/script" 3>"$scratch/out/three" >"$scratch/out/one" 2>&1
    report "records to an open descriptor ($shell)" $'step\tone\nend\tok' "$(cat "$scratch/out/three")"
  done
fi
environment=()

eq "quote" "as it was" <<'S'
for value in '' "a b" "it's" '$(reboot)' '`x`' '-n' 'a\b' '"' "$(printf 'a\nb')" '*' '~'; do
    eval "set -- $(quote "$value")"
    [ $# -eq 1 ] && [ "$1" = "$value" ] || echo "broken: $value"
done
echo as it was
S

if command -v flock >/dev/null; then
  eq "a lock and its holder" "nobody
flock -n $scratch/lock sleep 3
time is up" <<S
: >$scratch/lock
lock_holder $scratch/lock || echo nobody
flock -n $scratch/lock sleep 3 3>&- &
sleep 0.3
lock_holder $scratch/lock && echo "\$HOLDER_COMMAND"
wait_for_locks 1 $scratch/lock 3>/dev/null || echo 'time is up'
wait
S
fi
