//! A report as JUnit XML, in the shape that CI systems read.

use std::fmt::Write as _;

use super::report::{CaseKind, CaseReport, Status, TestReport};

/// The whole file.
pub fn junit(report: &TestReport) -> String {
    let counts = format!(
        "tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\" time=\"{}\"",
        report.cases.len(),
        report.failed,
        report.skipped,
        seconds(report.duration_us)
    );
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let name = escaped(&report.cases_file);
    // Writing to a string cannot fail.
    let _ = writeln!(xml, "<testsuites name=\"rollcage plugin test\" {counts}>");
    let _ = writeln!(xml, "  <testsuite name=\"{name}\" {counts}>");
    for case in &report.cases {
        write_case(&mut xml, report, case);
    }
    xml.push_str("  </testsuite>\n</testsuites>\n");
    xml
}

fn write_case(xml: &mut String, report: &TestReport, case: &CaseReport) {
    let class = match case.kind {
        CaseKind::Case => report.plugin.clone(),
        CaseKind::Conformance => format!("{}.conformance", report.plugin),
    };
    let (name, class, time) = (escaped(&case.name), escaped(&class), seconds(case.duration_us));
    let _ = write!(
        xml,
        "    <testcase name=\"{name}\" classname=\"{class}\" time=\"{time}\""
    );
    match case.status {
        Status::Passed => xml.push_str("/>\n"),
        Status::Skipped => {
            let _ = writeln!(
                xml,
                ">\n      <skipped message=\"{}\"/>\n    </testcase>",
                escaped(&case.reason)
            );
        }
        Status::Failed => {
            let first = case.problems.first();
            let message = first
                .and_then(|problem| {
                    problem
                        .differences
                        .first()
                        .map(|line| format!("{}: {line}", problem.expectation))
                })
                .unwrap_or_default();
            let kind = first.map(|problem| problem.expectation.clone()).unwrap_or_default();
            let _ = writeln!(
                xml,
                ">\n      <failure message=\"{}\" type=\"{}\">{}</failure>",
                escaped(&message),
                escaped(&kind),
                escaped(&text(case))
            );
            let log = log(case);
            if !log.is_empty() {
                let _ = writeln!(xml, "      <system-out>{}</system-out>", escaped(&log));
            }
            xml.push_str("    </testcase>\n");
        }
    }
}

/// Everything that is not as expected.
fn text(case: &CaseReport) -> String {
    let mut text = String::new();
    for problem in &case.problems {
        for line in &problem.differences {
            let _ = writeln!(text, "{}: {line}", problem.expectation);
        }
        text.push_str(&problem.diff);
        if !problem.hint.is_empty() {
            let _ = writeln!(text, "hint: {}", problem.hint);
        }
    }
    text
}

fn log(case: &CaseReport) -> String {
    let mut text = String::new();
    for (level, line) in case.calls.iter().flat_map(|call| &call.log) {
        let _ = writeln!(text, "{level:>5}  {line}");
    }
    text
}

fn seconds(us: u64) -> String {
    format!("{}.{:06}", us / 1_000_000, us % 1_000_000)
}

/// Text for an attribute or an element. What XML 1.0 cannot hold at all becomes U+FFFD.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push_str("&#10;"),
            '\t' => escaped.push_str("&#9;"),
            c if c < ' ' || c == '\u{fffe}' || c == '\u{ffff}' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;
    use rollcage_api::plugin::PluginKind;

    use super::*;
    use crate::cases::verdict::Problem;

    fn report(name: &str, line: &str) -> TestReport {
        let mut report = TestReport::new(Path::new("cases.yaml"), Path::new("a&b.wasm"), PluginKind::Step);
        let case = |status, reason: &str, problems| CaseReport {
            name: name.to_owned(),
            kind: CaseKind::Case,
            status,
            duration_us: 1_234_567,
            reason: reason.to_owned(),
            problems,
            calls: Vec::new(),
        };
        report.add(case(Status::Passed, "", Vec::new()));
        report.add(case(Status::Skipped, line, Vec::new()));
        report.add(case(
            Status::Failed,
            "",
            vec![Problem::new("answer", line).hint("do <that>")],
        ));
        report
    }

    fn parsed(report: &TestReport, check: impl FnOnce(&roxmltree::Document<'_>)) {
        let xml = junit(report);
        let document = roxmltree::Document::parse(&xml).unwrap_or_else(|error| panic!("{error}: {xml}"));
        check(&document);
    }

    #[test]
    fn a_parser_reads_what_is_written() {
        let (name, line) = ("it's <\"x\"> & y", "expected \"a\"\n\tfound ]]> \u{1b}[31m");
        parsed(&report(name, line), |document| {
            let suites = document.root_element();
            assert_eq!(
                (suites.tag_name().name(), suites.attribute("tests")),
                ("testsuites", Some("3"))
            );
            let suite = suites.first_element_child().unwrap();
            assert_eq!(
                (suite.attribute("failures"), suite.attribute("skipped")),
                (Some("1"), Some("1"))
            );
            let cases: Vec<_> = suite.children().filter(roxmltree::Node::is_element).collect();
            assert_eq!(cases.len(), 3);
            assert!(cases.iter().all(|case| case.attribute("name") == Some(name)));
            assert_eq!(cases[0].attribute("time"), Some("1.234567"));
            let failure = cases[2].first_element_child().unwrap();
            assert_eq!(failure.attribute("type"), Some("answer"));
            assert!(
                failure
                    .text()
                    .unwrap()
                    .contains("expected \"a\"\n\tfound ]]> \u{fffd}[31m")
            );
            assert!(failure.text().unwrap().ends_with("hint: do <that>\n"));
        });
    }

    proptest! {
        #[test]
        fn every_text_can_be_read_back(name in any::<String>(), line in any::<String>()) {
            parsed(&report(&name, &line), |document| {
                assert_eq!(document.descendants().filter(|node| node.has_tag_name("testcase")).count(), 3);
            });
        }
    }
}
