//! The report as one HTML file: no scripts, nothing from elsewhere, and readable on paper.

use super::{Block, Report, compose};
use crate::core::untrusted::Untrusted;

const STYLE: &str = "body{font:15px/1.45 sans-serif;color:#111;background:#fff;max-width:75em;margin:2em auto;padding:0 1em}\
    h1{font-size:1.6em}h2{border-bottom:2px solid #444;margin-top:2.2em}h3{margin:1.4em 0 .4em}\
    table{border-collapse:collapse;width:100%;font-size:.85em;margin:.5em 0}th,td{border:1px solid #999;padding:.25em .5em;\
    text-align:left;vertical-align:top;overflow-wrap:anywhere}th{background:#eee}dl{display:grid;\
    grid-template-columns:max-content auto;gap:.2em 1em}dt{font-weight:bold}dd{margin:0;overflow-wrap:anywhere}\
    .alarm{border:4px solid #b00;background:#fee;padding:.8em;font-weight:bold}\
    @media print{body{margin:0;max-width:none;font-size:11px}tr{break-inside:avoid}h2,h3{break-after:avoid}\
    thead{display:table-header-group}}";

/// The report as HTML.
pub fn html(report: &Report<'_>) -> String {
    let blocks = compose(report);
    let title =
        blocks.iter().find_map(|block| if let Block::Title(title) = block { Some(escape(title)) } else { None });
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n",
        title.unwrap_or_default()
    );
    for block in &blocks {
        out.push_str(&draw(block));
    }
    out.push_str("</body>\n</html>\n");
    out
}

fn draw(block: &Block) -> String {
    match block {
        Block::Alarm(said) => format!("<p class=\"alarm\">{}</p>\n", escape(said)),
        Block::Title(said) => format!("<h1>{}</h1>\n", escape(said)),
        Block::Heading(depth, said) => format!("<h{depth}>{}</h{depth}>\n", escape(said)),
        Block::Text(said) => format!("<p>{}</p>\n", escape(said)),
        Block::Facts(facts) => {
            let row = |(name, value): &(&str, String)| format!("<dt>{}</dt><dd>{}</dd>\n", escape(name), escape(value));
            format!("<dl>\n{}</dl>\n", facts.iter().map(row).collect::<String>())
        }
        Block::List(items) => {
            let row = |item: &String| format!("<li>{}</li>\n", escape(item));
            format!("<ul>\n{}</ul>\n", items.iter().map(row).collect::<String>())
        }
        Block::Table(head, rows) => {
            let cells = |tag: &str, cells: &mut dyn Iterator<Item = &str>| {
                let cells: String = cells.map(|cell| format!("<{tag}>{}</{tag}>", escape(cell))).collect();
                format!("<tr>{cells}</tr>\n")
            };
            let body: String = rows.iter().map(|row| cells("td", &mut row.iter().map(String::as_str))).collect();
            format!(
                "<table>\n<thead>\n{}</thead>\n<tbody>\n{body}</tbody>\n</table>\n",
                cells("th", &mut head.iter().copied())
            )
        }
    }
}

/// Text that means itself, whoever wrote it.
pub(super) fn escape(text: &str) -> String {
    let safe = Untrusted::new(text).to_string();
    let mut out = String::with_capacity(safe.len());
    for c in safe.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
