//! What `audit verify` found.

use super::grid::{Cell, Grid};
use super::style::{Look, Tone};
use crate::core::audit::{Cover, Finding};
use crate::core::untrusted::Untrusted;

/// A run that was verified.
#[derive(Debug)]
pub struct Row {
    /// Which.
    pub run: String,
    /// Its plan.
    pub plan: Option<String>,
    /// Its records that are whole.
    pub records: u64,
    /// How far they are covered.
    pub cover: Cover,
    /// Signatures that count.
    pub signatures: u32,
    /// Nothing is wrong with it.
    pub ok: bool,
}

/// The runs, then what is wrong, then what the answer is worth.
pub fn verified(look: &Look, rows: &[Row], findings: &[Finding], compared: bool) -> String {
    let mut text = if rows.is_empty() { "no runs yet\n".to_owned() } else { grid(look, rows).draw() };
    for (note, title) in [(false, "Wrong"), (true, "To know")] {
        let of_kind: Vec<&Finding> = findings.iter().filter(|found| found.kind.is_note() == note).collect();
        if !of_kind.is_empty() {
            text.push_str(&format!("\n{title}\n"));
        }
        for found in of_kind {
            let run = found.run_id.as_ref().map_or_else(String::new, |run| format!("run {run}: "));
            let at = found.record.filter(|_| found.run_id.is_some());
            let at = at.map_or_else(String::new, |record| format!("record {record}: "));
            text.push_str(&format!("  {run}{at}{}\n", Untrusted::new(&found.message)));
        }
    }
    let wrong = findings.iter().filter(|found| !found.kind.is_note()).count();
    text.push('\n');
    text.push_str(&match (wrong, compared) {
        (0, true) => "The records are whole, and fit the heads that were kept outside as far as these go.\n".to_owned(),
        (0, false) => {
            "The records are whole. Nothing outside was compared: whoever can write the whole state folder could \
                       have written all of it anew.\nGive --anchors with lines of the system's log, or of \
                       /var/lib/patchctl/witness on patched hosts.\n"
                .to_owned()
        }
        (1, _) => "1 thing is wrong: keep the state folder as it is, and find out who wrote to it.\n".to_owned(),
        (count, _) => {
            format!("{count} things are wrong: keep the state folder as it is, and find out who wrote to it.\n")
        }
    });
    text
}

fn grid(look: &Look, rows: &[Row]) -> Grid {
    let mut grid = Grid::new(look, &["run", "records", "sealed", "anchored", "signed", "", "plan"])
        .right(1)
        .right(2)
        .right(3)
        .right(4);
    for row in rows {
        let (tone, word) = if row.ok { (Tone::Good, "whole") } else { (Tone::Bad, "wrong") };
        let number = |number: u64| if number == 0 { look.dash().to_owned() } else { number.to_string() };
        grid.row(vec![
            Cell::plain(row.run.clone()),
            Cell::plain(row.records.to_string()),
            Cell::plain(number(row.cover.sealed)),
            Cell::plain(number(row.cover.anchored)),
            Cell::plain(number(row.signatures.into())),
            Cell::new(tone, word),
            Cell::plain(row.plan.clone().unwrap_or_else(|| look.dash().to_owned())),
        ]);
    }
    grid
}
