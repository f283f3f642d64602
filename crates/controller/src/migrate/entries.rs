//! The entries of both ConfigMaps, and what their locations answered.

use std::collections::BTreeSet;

use rollcage_api::plugin::{Permissions, PluginEntry};
use rollcage_core::PluginId;
use rollcage_registry::{
    ConfigFile, ConfigMap,
    config::{Configuration, Wanted},
};
use serde_json::Value;

use super::{Check, Finding, Probe, Report, Situation, of_kinds, text};

/// Where what the stock controller cannot load belongs.
const MOVE: &str = "move the entry to the ConfigMap rollcage-config, which the stock controller does not read";

pub(super) fn examine(situation: &Situation, configuration: &Configuration, report: &mut Report) {
    let nodes = architectures(situation);
    for (id, wanted) in &configuration.plugins {
        if wanted.source.file == ConfigFile::Bundled {
            continue;
        }
        report.looked.entries += 1;
        report.notes.extend(wanted.notes.iter().cloned());
        let subject = format!("{} plugin {}", id.kind, id.name);
        let mut found = |check, problem: String, fix: &str| {
            report.findings.push(Finding {
                problem,
                ..Finding::of(check, subject.clone(), fix)
            });
        };
        let entry = match &wanted.entry {
            Ok(entry) if entry.disabled => continue,
            Ok(entry) => entry,
            Err(fault) => {
                found(Check::InvalidEntry, fault.cause.clone(), &fault.hint);
                continue;
            }
        };
        let probe = situation.probes.get(id);
        if wanted.source.file == ConfigFile::Argo {
            for (problem, fix) in not_for_stock(situation, id, wanted, entry, probe) {
                found(Check::StockCannotLoad, problem, fix);
            }
            if scheme(entry) == "file" {
                found(
                    Check::FileOfTheImage,
                    format!(
                        "{}: {} is a file of the stock controller's pod, and not of ours",
                        wanted.source, entry.location
                    ),
                    "serve it over https and name its sha256, or mount it into our pods at the same path",
                );
            }
        }
        if let Some(problem) = moving(entry) {
            found(
                Check::MovingLocation,
                format!("{}: {problem}", wanted.source),
                "name one version, and its sha256",
            );
        } else if entry.sha256.is_empty() && matches!(scheme(entry).as_str(), "http" | "https") {
            report.notes.push(format!(
                "{}: {} has no sha256: whatever its server hands out is run",
                wanted.source, id.name
            ));
        }
        let Some(probe) = probe else { continue };
        examine_probe(&subject, wanted, probe, &nodes, report);
    }
}

fn examine_probe(subject: &str, wanted: &Wanted, probe: &Probe, nodes: &BTreeSet<String>, report: &mut Report) {
    let finding = |check, problem, fix: &str| Finding {
        problem,
        ..Finding::of(check, subject, fix)
    };
    match probe {
        Probe::Failed(fault) => {
            let problem = format!("{}: {}: {}", wanted.source, fault.phase, fault.cause);
            report.findings.push(finding(Check::Unreachable, problem, &fault.hint));
        }
        Probe::Component { missing } if *missing == Permissions::default() => {}
        Probe::Component { missing } => {
            let wishes = rollcage_api::yaml::to_string(missing).unwrap_or_default();
            let problem = format!("{}: it asks for more than its entry grants", wanted.source);
            let fix = format!("if you agree, add to its `permissions`:\n{}", wishes.trim_end());
            report.findings.push(finding(Check::MissingGrant, problem, &fix));
        }
        Probe::Native {
            format,
            architectures,
            is_linux,
        } => {
            let elsewhere: Vec<&str> = nodes
                .iter()
                .filter(|node| !architectures.contains(node))
                .map(String::as_str)
                .collect();
            if !is_linux {
                let problem = format!("{}: its location has {format}: pods run Linux", wanted.source);
                let fix = "name the plugin's build for Linux";
                report.findings.push(finding(Check::WrongArchitecture, problem, fix));
            } else if nodes.is_empty() {
                report.notes.push(format!(
                    "{}: {subject} is {format}: nodes with another processor cannot run it",
                    wanted.source
                ));
            } else if !elsewhere.is_empty() {
                let problem = format!(
                    "{}: its location has {format}, and there are nodes with {}",
                    wanted.source,
                    elsewhere.join(" and ")
                );
                let fix = format!(
                    "name the plugin's build for these nodes, or keep the pods on the others (chart: \
                     `nodeSelector: {{kubernetes.io/arch: {}}}`)",
                    architectures.first().map_or("amd64", String::as_str)
                );
                report.findings.push(finding(Check::WrongArchitecture, problem, &fix));
            }
        }
    }
}

/// What of an entry of the shared ConfigMap keeps the stock controller from starting, or the plugin from working there.
fn not_for_stock(
    situation: &Situation,
    id: &PluginId,
    wanted: &Wanted,
    entry: &PluginEntry,
    probe: Option<&Probe>,
) -> Vec<(String, &'static str)> {
    let mut problems = Vec::new();
    let scheme = scheme(entry);
    if !matches!(scheme.as_str(), "http" | "https" | "file") {
        problems.push((
            format!(
                "{}: the stock controller ends when it starts: it knows no {scheme}:// locations",
                wanted.source
            ),
            MOVE,
        ));
        return problems;
    }
    let path = entry.location.split(['?', '#']).next().unwrap_or_default();
    let by_name = std::path::Path::new(path)
        .extension()
        .is_some_and(|end| end.eq_ignore_ascii_case("wasm"));
    if by_name && probe.is_none() || matches!(probe, Some(Probe::Component { .. })) {
        problems.push((
            format!(
                "{}: a WebAssembly component, which the stock controller fetches when it starts and can never run",
                wanted.source
            ),
            MOVE,
        ));
    }
    let written = match &situation.maps.argo {
        ConfigMap::Present(data) => data.get(id.kind.config_key()).map_or("", String::as_str),
        ConfigMap::Absent | ConfigMap::Unreadable(_) => "",
    };
    // The entry has it in lower case, however it is written.
    if scheme != "file" && !entry.sha256.is_empty() && !written.contains(&entry.sha256) {
        problems.push((
            format!(
                "{}: the stock controller ends when it starts: it compares sha256 with lower-case digits only",
                wanted.source
            ),
            "write the digest in lower case",
        ));
    }
    problems
}

fn scheme(entry: &PluginEntry) -> String {
    let scheme = entry.location.split_once("://").map_or("", |(scheme, _)| scheme);
    scheme.to_ascii_lowercase()
}

/// How a location's bytes change, if they do.
fn moving(entry: &PluginEntry) -> Option<String> {
    let location = entry.location.split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = location.split_once("://")?;
    let (_, path) = rest.split_once('/')?;
    let moves = match scheme.to_ascii_lowercase().as_str() {
        "http" | "https" => path.split('/').any(|part| part == "latest"),
        // A digest holds, whatever the tag says.
        "oci" if path.contains('@') => false,
        "oci" => path.ends_with(":latest") || !path.contains(':'),
        _ => false,
    };
    moves.then(|| {
        if entry.sha256.is_empty() {
            format!("{location} is another plugin tomorrow")
        } else {
            format!("{location} is another plugin tomorrow, which its sha256 then refuses")
        }
    })
}

/// Processors of the nodes, where they are known.
fn architectures(situation: &Situation) -> BTreeSet<String> {
    of_kinds(situation, &["Node"])
        .map(|node: &Value| text(node, "/status/nodeInfo/architecture").to_owned())
        .filter(|architecture| !architecture.is_empty())
        .collect()
}
