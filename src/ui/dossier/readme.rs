//! What lies in an export, and how each thing in it is verified without patchctl.

use super::text;
use crate::core::dossier::Report;
use crate::core::ids::RunId;
use crate::core::settings::stamp;
use crate::core::statement::NAMESPACE;

/// A signed decision's files.
pub struct Signed {
    /// Of which run.
    pub run: RunId,
    /// Beginning of the files' names.
    pub name: String,
    /// Whose signature it is.
    pub principal: String,
    /// When it was recorded.
    pub at: jiff::Timestamp,
}

/// The README of an export.
pub fn readme(report: &Report<'_>, signed: &[Signed]) -> String {
    let mut out = String::new();
    if !report.audit.ok {
        out.push_str("**THESE RECORDS DO NOT VERIFY: see `report.md` and `verify.json`.**\n\n");
    }
    let maker = report.maker;
    out.push_str(&format!(
        "# Records of {}\n\nWritten by patchctl {} at {}. Nothing but these files is needed to read or to verify them.\n\n",
        text::count(report.audit.runs.len(), "patch run"),
        maker.version,
        stamp(maker.at.0)
    ));
    out.push_str(CONTENTS);
    out.push_str(FILES);
    out.push_str(&signatures(signed));
    out.push_str(CHAIN);
    for run in &report.audit.runs {
        out.push_str(&format!("    check runs/{}/journal.jsonl    # head {}\n", run.run_id, run.head));
    }
    out.push_str("    check site/chain.jsonl\n");
    out.push_str(REST);
    out
}

const CONTENTS: &str = "\
## What is here

- `report.html`, `report.md`: the same report, for a browser or printer and as text. Begin there.
- `SHA256SUMS`: the checksum of every other file.
- `statement.intoto.json`: an in-toto statement (v1): the files and their digests, what the runs came to, who exported them.
- `verify.json`: what verifying these records found when they were exported.
- `site/chain.jsonl`: the chain of all runs of that machine, up to the last line that names one of these. Of other runs it has
  their IDs, change IDs and hashes, without which it could not be verified.
- `site/anchors`: what was compared from outside, if anything was.
- `runs/RUN/`, for each run:
  - `journal.jsonl`: all that happened, a record a line, as it was written
  - `settings.json`, `plan.toml`, `playbooks.json`: what was frozen at its start (hosts, stages, rules, steps)
  - `blobs/`: the logs of steps on hosts; each is called by its SHA-256
  - `result.json`: how every host and stage ended
  - `evidence-GATE.txt`: what was shown to whoever decided; `evidence-GATE.json`: the same for machines, where its SHA-256
    is the digest that the decision names
  - `decisions/`: each signed decision's text (`.statement`) and signature (`.sig`), and `allowed_signers`, the keys that
    counted
  - `verify.json`: what was found of this run

";

const FILES: &str = "\
## Verify the files

    sha256sum -c SHA256SUMS

## Verify what was decided on

The digest of a gate, as decisions name it and the report lists it, is the SHA-256 of its text:

    sha256sum runs/*/evidence-*.json

## Verify the signatures

";

const CHAIN: &str = "\
## Verify the chains

Each line of a journal, and of the site's chain, has in `prev` the SHA-256 of the line before it, without its line end; the
first has zeros. Paste this into a shell in this folder; it prints `BROKEN` where a line does not follow, and the hash of the
last line, which is the head:

    check() {
      prev=$(printf '%064d' 0)
      while IFS= read -r line; do
        case $line in *\"\\\"prev\\\":\\\"sha256:$prev\\\"\"*) ;; *) echo \"BROKEN: $line\" ;; esac
        prev=$(printf '%s' \"$line\" | sha256sum | cut -d ' ' -f 1)
      done <\"$1\"
      echo \"$1: sha256:$prev\"
    }
";

const REST: &str = "
Lines in `site/chain.jsonl` name a run, how many records its journal had (`records`), and the hash of the last of them then
(`head`). The same lines went to the system's log (tag `patchctl`) of the machine, and with each change to the hosts
(`/var/lib/patchctl/witness/RUN`). Compare them there: only what is kept elsewhere shows that not all of this was written anew.

## Verify all of it with patchctl

In the folder above this one, if this is called `evidence`:

    patchctl audit verify --export evidence
    journalctl -t patchctl | patchctl audit verify --export evidence --anchors -

It ends with 0 where all is as it was written, and with 5 where it is not.
";

fn signatures(signed: &[Signed]) -> String {
    if signed.is_empty() {
        return "No decision in these runs was signed.\n\n".into();
    }
    let mut out =
        String::from("Each of these says `Good` (OpenSSH 9.1 or newer; the time is when it was recorded):\n\n");
    for one in signed {
        let folder = format!("runs/{}/decisions", one.run);
        out.push_str(&format!(
            "    ssh-keygen -Y verify -f {folder}/allowed_signers -I {} -n {NAMESPACE} -O verify-time={} \
             -s {folder}/{name}.sig <{folder}/{name}.statement\n",
            quoted(&one.principal),
            one.at.strftime("%Y%m%d%H%M%SZ"),
            name = one.name,
        ));
    }
    out.push('\n');
    out
}

/// A word of a shell's command line.
fn quoted(word: &str) -> String {
    format!("'{}'", text::safe(word).replace('\'', "'\\''"))
}
