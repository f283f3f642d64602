//! `rollcage plugin test` as text: a line a case, then what went wrong, then the count.

use rollcage_harness::cases::{CaseKind, CaseReport, Evidence, Problem, Status, TestReport};

use super::style;

/// Lines of a log or an answer that are shown.
const SHOWN: usize = 40;

/// One case.
pub fn case(case: &CaseReport) -> String {
    let word = match case.status {
        Status::Passed => style::good("PASS"),
        Status::Failed => style::bad("FAIL"),
        Status::Skipped => style::odd("SKIP"),
    };
    let name = name(case);
    match case.status {
        Status::Skipped => format!(
            "{word} {:>9}  {name} {}",
            "",
            style::faint(format!("({})", case.reason))
        ),
        Status::Passed | Status::Failed => {
            format!(
                "{word} {}  {name}",
                style::faint(format!("{:>9}", time(case.duration_us)))
            )
        }
    }
}

/// What went wrong, and the count.
pub fn summary(report: &TestReport) -> Vec<String> {
    let mut lines = Vec::new();
    for case in report.cases.iter().filter(|case| case.status == Status::Failed) {
        lines.push(String::new());
        lines.push(format!("{} {}", style::bad("FAIL"), style::strong(name(case))));
        lines.extend(case.problems.iter().flat_map(problem));
        if let Some(last) = case.calls.last() {
            lines.extend(evidence(last));
        }
    }
    lines.push(String::new());
    let mut counts = vec![format!("{} passed", report.passed)];
    let mut count = |number: usize, word: &str| {
        if number > 0 {
            counts.push(format!("{number} {word}"));
        }
    };
    count(report.failed, "failed");
    count(report.skipped, "skipped");
    count(report.filtered, "filtered out");
    count(report.not_run, "not run");
    let verdict = format!(
        "{} in {}: {}",
        counts.join(", "),
        time(report.duration_us),
        report.cases_file
    );
    lines.push(if report.ok {
        style::good(verdict)
    } else {
        style::bad(verdict)
    });
    lines
}

fn name(case: &CaseReport) -> String {
    match case.kind {
        CaseKind::Case => case.name.clone(),
        CaseKind::Conformance => format!("conformance: {}", case.name),
    }
}

fn problem(problem: &Problem) -> Vec<String> {
    let mut lines: Vec<String> = problem
        .differences
        .iter()
        .map(|line| format!("  {}: {line}", problem.expectation))
        .collect();
    lines.extend(problem.diff.lines().map(|line| format!("    {}", coloured(line))));
    if !problem.hint.is_empty() {
        lines.push(format!("  {} {}", style::busy("hint:"), problem.hint));
    }
    lines
}

fn coloured(line: &str) -> String {
    match line.as_bytes().first() {
        Some(b'+') => style::good(line),
        Some(b'-') => style::bad(line),
        _ => line.to_owned(),
    }
}

/// What the call did, for those who wonder why.
fn evidence(call: &Evidence) -> Vec<String> {
    let mut lines = vec![style::faint(format!("  {} ended with {}", call.method, call.end))];
    for exchange in &call.http {
        lines.push(style::faint(format!(
            "  http: {} -> {}",
            exchange.request, exchange.answer
        )));
    }
    for denial in &call.denials {
        let text = format!(
            "  denied: {} {}; grant: {}",
            denial.capability, denial.wanted, denial.grant
        );
        lines.push(style::odd(text));
    }
    lines.extend(
        call.log
            .iter()
            .take(SHOWN)
            .map(|(level, line)| style::faint(format!("  log: {level:>5}  {line}"))),
    );
    lines
}

/// Microseconds in milliseconds or seconds.
fn time(us: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown with two or three digits")]
    let ms = us as f64 / 1000.0;
    if ms < 1000.0 {
        format!("{ms:.1} ms")
    } else {
        format!("{:.2} s", ms / 1000.0)
    }
}
