# shellcheck shell=bash disable=SC2016,SC2034,SC2086,SC2154 # its variables are those of `run`; scripts are texts here
# The scripts as text.

if wants shellcheck; then
  if command -v shellcheck >/dev/null; then
    for file in "$playbooks"/prelude.sh "$playbooks"/*/*.sh; do
      report "shellcheck ${file#"$playbooks"/}" '' "$(shellcheck -s sh "$file" 2>&1)"
    done
  else
    say "SKIPPED shellcheck: it is not installed" && skipped=1
  fi
fi

if wants names; then
  # Files are put together: one function, one name.
  report "names used twice" '' "$(cat "$playbooks"/prelude.sh "$playbooks"/apt/*.sh | sed -n 's/^\([a-z_]*\)() {.*/\1/p' | sort | uniq -d)"
  for file in "$playbooks"/apt/*.sh; do
    step=$(basename "$file" .sh)
    [[ $step == lib ]] || report "apt/$step.sh defines its step" 1 "$(grep -c "^step_$step() {" "$file")"
    for shell in "${shells[@]}"; do report "syntax of apt/$step.sh ($shell)" '' "$($shell -n "$file" 2>&1)"; done
  done
  report "steps of apt.toml" "$(sed -n 's/^\[steps\.\(.*\)\]$/\1/p' "$playbooks/apt.toml" | sort)" \
    "$(cd "$playbooks/apt" && printf '%s\n' *.sh | sed -e '/^lib\.sh$/d' -e 's/\.sh$//' | sort)"
fi
