//! `rollcage migrate` as text: each finding with its fix, then what is good to know, then the rights.

use std::fmt::Write as _;

use rollcage_controller::migrate::{Finding, Report, Rights};
use serde::Serialize;

use super::style;

/// The whole report.
pub fn report(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    for finding in &report.findings {
        lines.extend(one(finding));
    }
    lines.extend(report.notes.iter().map(|note| style::faint(format!("note: {note}"))));
    if !lines.is_empty() {
        lines.push(String::new());
    }
    if let Some(rights) = &report.rights {
        lines.extend(allowed(rights));
        lines.push(String::new());
    }
    let looked = &report.looked;
    let counts = format!(
        "looked at {}, {} asked, {}, {}",
        count(looked.entries, "entry", "entries"),
        count(looked.locations, "location", "locations"),
        count(looked.rollouts, "Rollout", "Rollouts"),
        count(looked.analyses, "analysis", "analyses")
    );
    lines.push(match report.findings.len() {
        0 => style::good(format!("ready: nothing would fail; {counts}")),
        findings => style::bad(format!("{}; {counts}", count(findings, "finding", "findings"))),
    });
    lines
}

fn one(finding: &Finding) -> Vec<String> {
    let mut lines = vec![format!(
        "{} {}: {}",
        style::bad(finding.check.as_str()),
        style::strong(&finding.subject),
        finding.problem
    )];
    if !finding.objects.is_empty() {
        let mut objects = finding.objects.join(", ");
        if finding.more_objects > 0 {
            // Writing to a String cannot fail.
            let _ = write!(objects, ", and {} more", finding.more_objects);
        }
        lines.push(style::faint(format!("  {objects}")));
    }
    let mut fix = finding.fix.lines();
    lines.extend(fix.next().map(|line| format!("  {} {line}", style::busy("fix:"))));
    lines.extend(fix.map(|line| format!("    {line}")));
    lines
}

fn allowed(rights: &Rights) -> Vec<String> {
    let mut lines = vec![style::faint("# values of the chart")];
    lines.extend(yaml(&rights.values));
    lines.push(style::faint("# the same without the chart"));
    for manifest in &rights.manifests {
        lines.push("---".to_owned());
        lines.extend(yaml(manifest));
    }
    lines
}

fn yaml(value: &impl Serialize) -> Vec<String> {
    let text = rollcage_api::yaml::to_string(value).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
