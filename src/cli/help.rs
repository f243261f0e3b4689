//! Longer texts of the help and the manual pages.

pub(super) const ABOUT: &str = "\
Patch fleets of hosts over SSH, stage by stage, with proven rollback and recorded approval.

A plan names what to patch and the stages to patch it in. `patchctl run` patches the first stage, shows what happened \
and asks: approve, and the next stage gets exactly what was proved; reject, and every host goes back to what it was.";

pub(super) const AFTER: &str = "\
Try it:  patchctl demo        (needs no hosts, no root, no set-up)
Begin:   patchctl new         (asks what it needs, and writes a plan)
Exit codes: `patchctl --help`";

pub(super) const AFTER_LONG: &str = "\
Examples:
  patchctl demo                             see it all, on an embedded fleet
  patchctl -i inventory.toml inventory ping who answers
  patchctl new plan.toml                    write a plan
  patchctl plan plan.toml                   what would happen on each host
  patchctl run plan.toml                    patch, ask, promote or roll back
  patchctl approve last --resume            decide a paused run, and go on
  patchctl resume --due                     the one line for cron
  patchctl pause last                       stop at the next safe point
  patchctl drift                            who differs from what was approved

Exit codes:
  0    complete: every selected host has the patch, or needed nothing
  1    error: patchctl itself failed; hosts are as the journal says
  2    invalid: command line, plan, inventory or playbook; no host was contacted
  3    paused: waits for an approval, a window or a person
  4    rejected: every host that the decision covers is back as it was
  5    failed: a patch or a check failed; every host concerned is back as it was
  6    degraded: a host is not in a known good state; a person must act
  7    refused: nothing was changed on any host
  8    partial: kept where patched; some hosts were not patched and not touched
  130  interrupted (143: by SIGTERM): stopped at a safe point; `resume` goes on

Files:
  /etc/patchctl/config.toml, ~/.config/patchctl/config.toml    long flags' names as keys
  /etc/patchctl/policy.toml                                    what every plan must keep to
  $XDG_STATE_HOME/patchctl (root: /var/lib/patchctl)           the records of runs";

pub(super) const NEW: &str = "\
Examples:
  patchctl -i inventory.toml new plan.toml
  patchctl -i inventory.toml new plan.toml --uat uat --prod prod --packages openssl,libssl3";

pub(super) const POLICY_TEST: &str = "\
Each rule with what it comes to for each stage: whether it applies, and why, or on which answer of the hosts that depends; \
what each gate asks for; limits; windows and freezes as of now; exceptions. Ends with 7 where a run would be refused.

Examples:
  patchctl policy test plan.toml
  patchctl policy test plan.toml --policy stricter.toml --output json";

pub(super) const AUDIT_VERIFY: &str = "\
Each journal is held against its own chain, the files that were frozen, its blobs, the signatures in it, the site's chain \
of all runs, and, with --anchors, what was left outside. Ends with 0 where all is as it was written, with 5 where it is not.

Examples:
  patchctl audit verify
  patchctl audit verify --export evidence
  journalctl -t patchctl | patchctl audit verify --anchors -
  ssh web-01 \"sudo sh -c 'cat /var/lib/patchctl/witness/*'\" | patchctl audit verify last --anchors -";

pub(super) const AUDIT_REVIEW: &str = "\
A run that somebody drove with --emergency passed windows, freezes or gates as a policy permits, and must be looked at \
afterwards, by somebody else than who declared it. `patchctl runs` lists what is due. Ends with 0 where it is recorded.

Examples:
  patchctl audit review last --reason 'CVE-2026-31337 was exploited; the postmortem is INC0099'";

pub(super) const AUDIT_EXPORT: &str = "\
DIR gets the records byte for byte, signatures with the statements that they are over, the evidence of every gate, a report \
(report.html, report.md) with what PCI DSS, NIST SP 800-40, SOC 2 and ISO 27001 ask for, an in-toto statement, checksums, and \
a README.md that says how to verify each of them without patchctl. With it: `patchctl audit verify --export DIR`.
Ends with 0 where all is as it was written, with 5 where it is not: it is exported all the same, and the report says so first.

Examples:
  patchctl audit export last -o evidence
  patchctl audit export --since 2026-10-01 --until 2026-12-31 -o q4
  journalctl -t patchctl | patchctl audit export CHG0041337 -o evidence --anchors -";

pub(super) const RUN: &str = "\
Without a terminal a gate that --approve does not name pauses the run (exit code 3); `approve`, `reject` and `resume` \
go on from any other terminal.

Examples:
  patchctl run plan.toml
  patchctl run plan.toml --limit 'prod:!db-1' --forks 5
  patchctl run plan.toml --yes --approve uat --reason 'CHG0041337, tests are green'
  patchctl run plan.toml --non-interactive --output json";

pub(super) const PLAN: &str = "\
Examples:
  patchctl plan plan.toml
  patchctl plan plan.toml --no-refresh --output json";

pub(super) const CHECK: &str = "\
Ends 0 if all is well, 2 if not; every mistake is shown with its line.";

pub(super) const STATUS: &str = "\
Examples:
  patchctl status
  patchctl status CHG0041337 --output json
  patchctl status last --exit-code";

pub(super) const APPROVE: &str = "\
On a terminal the evidence is shown, and you are asked. Without one give the digest that `patchctl status` shows.

Examples:
  patchctl approve last
  patchctl approve CHG0041337 --reason 'smoke tests fine' --digest 3f9a61c2 --resume";

pub(super) const REJECT: &str = "\
Examples:
  patchctl reject last --reason 'login page is slow' --resume";

pub(super) const RESUME: &str = "\
Examples:
  patchctl resume last
  patchctl resume CHG0041337 --failed
  */5 * * * *  patchctl resume --due      (cron)";

pub(super) const PAUSE: &str = "\
As the first Ctrl-C does, from any terminal: nothing new starts, what runs on hosts comes to a safe point, and the \
process that drives the run ends with 3. Nothing goes back. `resume --due` leaves the run alone until somebody goes on \
with it.

Examples:
  patchctl pause last
  patchctl pause CHG0041337";

pub(super) const CANCEL: &str = "\
What is approved stays; what is patched and not approved goes back; nothing else begins. On a terminal you are shown \
which hosts that are, and asked; without one it needs --yes. Where a process drives the run, that one does it; else \
this one. The run ends with 4 when every host concerned is back as it was.

Examples:
  patchctl cancel last
  patchctl cancel CHG0041337 --reason 'wrong maintenance window' --yes";

pub(super) const RECOVER: &str = "\
For hosts that the run lost after a change, or that did not come back as they were. The host is asked what became of \
its job: what ended well is finished, what did not is restored. A job is never run twice. Then the run goes on from \
there.

Examples:
  patchctl recover last -l web-03.example.com
  patchctl recover CHG0041337 -l 'prod:&rack-7'";

pub(super) const RELEASE: &str = "\
The run expects nothing more of the host and counts it as lost where it was changed. Where the host answers, the run's \
claim on it is cleared; never while one of the run's jobs is alive there. Where the state folder does not know the run \
(it was lost), give the run's whole ID and an inventory: then the claim is cleared and nothing is recorded.

Examples:
  patchctl release last -l web-03.example.com --reason 'new hardware under the old name'
  patchctl -i inventory.toml release 01JD3M0V8ZQK5W9E2RXTYB6C7D -l web-03.example.com --reason 'state folder lost'";

pub(super) const ROLLBACK: &str = "\
Examples:
  patchctl rollback CHG0041337 --dry-run
  patchctl rollback last --stage prod --limit web-03 --reason 'memory leak'
  patchctl rollback last --packages 'libssl*' --reason 'breaks TLS 1.0 clients'";

pub(super) const PING: &str = "\
Ends 0 if every host answered as itself, 7 if not.

Examples:
  patchctl -i inventory.toml inventory ping
  patchctl -i inventory.toml inventory ping 'uat:&web' --accept-new-host-keys";

pub(super) const DRIFT: &str = "\
Each host is asked what is installed; nothing is changed on it, not even package indexes, and no claim is taken. That is \
held against the newest run in the state folder whose word on the host stands: patched or found current there and \
approved, or a rollback. Of that run's packages it lists those at another version than the run left, and those at another \
version than most of the stage's other hosts have that are asked with it and are of the same distribution, release and \
architecture.

The hosts are the inventory's: -i, the configuration's, or inventory.toml here. Without any they are all that the \
runs know, as the newest run with each had it frozen. Hosts that no approved run knows are listed and not asked.

Ends with 0 where no host differs, with 5 where one does, else with 7 where one could not be asked.

Examples:
  patchctl drift
  patchctl drift 'prod:!db-1' --output json
  patchctl -i inventory.toml drift -l uat";

pub(super) const DRILL: &str = "\
The plan's first stage is patched as `run` would patch it: in its waves, within its windows and budgets, with its checks, \
hooks, reboots and snapshots, and as policies permit. Then all of it goes back, without a gate, and each host is compared \
with what it was. A drill is a run of its own: `status`, `report`, `resume` and `cancel` know it, and its result says how \
long each way back took. A policy can require one: `[drill]` with `within = \"30d\"`.

Ends with 0 where each host that had something to do was patched and is back exactly; with 5 where a patch or a check \
failed, and all are back; with 6, 7 and 8 as `run` does.

Examples:
  patchctl drill plan.toml
  patchctl drill plan.toml --limit uat-web-01 --yes
  patchctl drill plan.toml --non-interactive --output json";

pub(super) const DEMO: &str = "\
Examples:
  patchctl demo
  patchctl demo --reject
  patchctl demo --fail uat-02";

pub(super) const COMPLETIONS: &str = "\
Examples:
  patchctl completions bash > /etc/bash_completion.d/patchctl
  patchctl completions zsh  > ~/.zfunc/_patchctl
  patchctl completions fish > ~/.config/fish/completions/patchctl.fish";

pub(super) const SCHEMA: &str = "\
Editors that know taplo check a plan that begins with a line like:
  #:schema ./plan.schema.json

Examples:
  patchctl schema plan > plan.schema.json";
