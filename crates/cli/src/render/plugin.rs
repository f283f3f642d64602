//! `rollcage plugin ...` as text.

use rollcage_harness::{bench::BenchReport, call::CallReport, error::CommandError, inspect::Inspection};

use super::{style, table};

/// What a plugin is.
pub fn inspection(inspection: &Inspection) -> Vec<String> {
    let mut rows = vec![
        vec!["kind".into(), style::strong(&inspection.kind)],
        vec!["contract".into(), inspection.contract.clone()],
        vec!["summary".into(), inspection.summary.clone()],
        vec!["version".into(), inspection.version.clone()],
        vec!["runtime".into(), inspection.runtime.to_owned()],
        vec!["size".into(), format!("{} bytes", inspection.size)],
        vec!["digest".into(), inspection.digest.clone()],
    ];
    if let Some(native) = &inspection.native {
        rows.push(vec!["format".into(), native.format.clone()]);
        for (name, value) in [
            ("package", &native.package),
            ("go", &native.go),
            ("argo-rollouts", &native.argo_rollouts),
            ("go-plugin", &native.go_plugin),
            ("type", &native.type_name),
        ] {
            rows.extend(value.as_ref().map(|value| vec![name.into(), value.clone()]));
        }
    }
    if let Some(capabilities) = &inspection.capabilities {
        rows.push(vec!["supports".into(), capabilities.join(", ")]);
    }
    if let Some(init) = &inspection.init {
        rows.push(vec![
            "init".into(),
            if init == "ok" {
                style::good(init)
            } else {
                style::bad(init)
            },
        ]);
    }
    let mut lines = table::lines(&rows);
    if inspection.native.is_some() {
        return lines;
    }
    lines.push("imports".to_owned());
    lines.extend(inspection.imports.iter().map(|import| format!("  {import}")));
    lines.push(style::faint("# the least rights that it asks for, for its entry:"));
    lines.extend(inspection.grant_yaml().lines().map(str::to_owned));
    if let Some(missing) = &inspection.missing {
        if missing == &rollcage_api::plugin::Permissions::default() {
            lines.push(style::good("the entry grants everything that it asks for"));
        } else {
            lines.push(style::odd("the entry does not grant:"));
            let missing = Inspection {
                wants: missing.clone(),
                ..inspection.clone()
            };
            lines.extend(missing.grant_yaml().lines().skip(1).map(|line| format!("  {line}")));
        }
    }
    lines
}

/// How a call went.
pub fn call(report: &CallReport) -> Vec<String> {
    let mut lines: Vec<String> = serde_json::to_string_pretty(&report.result)
        .unwrap_or_default()
        .lines()
        .map(str::to_owned)
        .collect();
    for change in report.changes.iter().flatten() {
        lines.push(style::strong(&change.object));
        lines.extend(change.diff.lines().map(|line| match line.as_bytes().first() {
            Some(b'+') => style::good(line),
            Some(b'-') => style::bad(line),
            _ => line.to_owned(),
        }));
    }
    if report.changes.as_ref().is_some_and(Vec::is_empty) {
        lines.push(style::faint("no object was changed"));
    }
    for denial in &report.usage.denials {
        lines.push(format!(
            "{} {} {}; grant: {}",
            style::odd("denied:"),
            denial.capability,
            denial.wanted,
            denial.grant
        ));
    }
    let usage = &report.usage;
    lines.push(style::faint(format!(
        "{} us, {} KiB of guest memory, {} HTTP requests, {} Kubernetes calls",
        report.duration_us,
        usage.guest_memory_bytes / 1024,
        usage.http_requests,
        usage.kubernetes_calls
    )));
    lines
}

/// What was measured.
pub fn bench(report: &BenchReport) -> Vec<String> {
    table::lines(&[
        vec!["calls".into(), report.calls.to_string()],
        vec!["p50".into(), format!("{:.1} us", report.p50_us)],
        vec!["p90".into(), format!("{:.1} us", report.p90_us)],
        vec!["p99".into(), format!("{:.1} us", report.p99_us)],
        vec!["throughput".into(), format!("{:.0} calls/s", report.calls_per_second)],
        vec!["processor".into(), format!("{:.1} us a call", report.cpu_us_per_call)],
        vec!["memory".into(), format!("{:.1} MiB resident", report.rss_mib)],
        vec!["instance".into(), report.instance.clone()],
    ])
}

/// Why a command did not succeed: what, then what to do.
pub fn error(error: &CommandError) -> Vec<String> {
    let message = match error {
        CommandError::Fault(fault) => format!("plugin {}: {}: {}", fault.plugin, fault.phase, fault.cause),
        error => error.to_string(),
    };
    let mut lines = vec![format!("{} {message}", style::bad("error:"))];
    if let CommandError::Fault(fault) = error {
        lines.extend(
            fault
                .backtrace
                .iter()
                .map(|frame| style::faint(format!("  at {frame}"))),
        );
    }
    if !error.hint().is_empty() {
        lines.push(format!("{} {}", style::busy("hint:"), error.hint()));
    }
    lines
}
