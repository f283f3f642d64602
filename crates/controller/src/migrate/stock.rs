//! Stock controllers that run: who acts on which objects.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::{Check, Finding, Report, Situation, full_name, of_kinds, text};

/// The lease of an election, without and with an instance id behind it.
const LEASE: &str = "argo-rollouts-controller-lock";

/// Our own holders begin so.
const OURS: &str = "rollcage_";

/// A lease that was renewed since then is held: twice as long as Argo's leases last.
const RECENT: Duration = Duration::from_secs(30);

/// One stock controller.
struct Controller<'a> {
    object: &'a Value,
    instance_id: String,
    elects: bool,
    /// It has replicas.
    runs: bool,
}

pub(super) fn examine(situation: &Situation, report: &mut Report) {
    let ours = situation.instance_id.as_str();
    let mut same = false;
    for controller in of_kinds(situation, &["Deployment", "StatefulSet"]).filter_map(Controller::find) {
        let name = full_name(controller.object);
        let whose = objects_of(&controller.instance_id);
        if !controller.runs {
            report
                .notes
                .push(format!("{name} is the stock controller of {whose}, scaled to zero"));
        } else if controller.instance_id == ours {
            same = true;
            report.findings.push(clash(&name, &controller, ours));
        } else {
            report.notes.push(format!(
                "{name} is the stock controller of {whose}; Rollcage takes {}: they do not meet",
                objects_of(ours)
            ));
        }
    }
    for lease in of_kinds(situation, &["Lease"]) {
        let Some(id) = lease_of(text(lease, "/metadata/name")) else {
            continue;
        };
        let holder = text(lease, "/spec/holderIdentity");
        let renewed: Option<Timestamp> = text(lease, "/spec/renewTime").parse().ok();
        let held = renewed.is_some_and(|renewed| situation.now.duration_since(renewed).unsigned_abs() < RECENT);
        // The Deployment tells more, where it was found.
        if id == ours && held && !same && !holder.is_empty() && !holder.starts_with(OURS) {
            report.findings.push(Finding {
                problem: format!(
                    "{holder} holds the lease of {}: Rollcage only stands by",
                    objects_of(ours)
                ),
                ..Finding::of(
                    Check::SameInstance,
                    full_name(lease),
                    "stop that controller, or give Rollcage an instance id of its own (chart: `controller.instanceId`)",
                )
            });
        }
    }
}

fn clash(name: &str, controller: &Controller<'_>, ours: &str) -> Finding {
    let namespace = text(controller.object, "/metadata/namespace");
    let kind = text(controller.object, "/kind").to_lowercase();
    let problem = if controller.elects {
        format!(
            "it acts on {}, too: in one namespace one of the two waits for the lease, in two both act",
            objects_of(ours)
        )
    } else {
        format!(
            "it acts on {}, too, and without leader election: nothing keeps the two apart",
            objects_of(ours)
        )
    };
    let fix = format!(
        "give Rollcage an instance id of its own (chart: `controller.instanceId`), or stop it: kubectl scale {kind} {} -n \
         {namespace} --replicas=0",
        text(controller.object, "/metadata/name")
    );
    Finding {
        problem,
        ..Finding::of(Check::SameInstance, name, fix)
    }
}

fn objects_of(instance_id: &str) -> String {
    if instance_id.is_empty() {
        "objects without an instance id".to_owned()
    } else {
        format!("objects of the instance id {instance_id}")
    }
}

/// The instance id of a lease, if it is one of an election.
fn lease_of(name: &str) -> Option<&str> {
    match name.strip_prefix(LEASE)? {
        "" => Some(""),
        rest => rest.strip_prefix('-'),
    }
}

impl<'a> Controller<'a> {
    fn find(object: &'a Value) -> Option<Self> {
        let containers = object
            .pointer("/spec/template/spec/containers")
            .and_then(Value::as_array)?;
        let container = containers.iter().find(|container| is_stock(container))?;
        let words = words(container);
        let flag = |name: &str| {
            let mut values = words.iter().enumerate().filter_map(|(index, word)| {
                let rest = word.strip_prefix(name)?;
                match rest.strip_prefix('=') {
                    Some(value) => Some(value.to_owned()),
                    None if rest.is_empty() => Some(words.get(index + 1).cloned().unwrap_or_default()),
                    None => None,
                }
            });
            values.next_back()
        };
        Some(Self {
            object,
            instance_id: flag("--instance-id").unwrap_or_default(),
            elects: flag("--leader-elect").is_none_or(|value| value != "false"),
            runs: object.pointer("/spec/replicas").and_then(Value::as_u64) != Some(0),
        })
    }
}

/// By its program, or by its image (of which the dashboard and kubectl's plugin have others).
fn is_stock(container: &Value) -> bool {
    let program = words(container)
        .iter()
        .any(|word| word.rsplit('/').next() == Some("rollouts-controller"));
    let image = text(container, "/image");
    let image = image.rsplit('/').next().unwrap_or_default();
    program || image.split([':', '@']).next() == Some("argo-rollouts")
}

fn words(container: &Value) -> Vec<String> {
    let of = |field: &str| container.get(field).and_then(Value::as_array).into_iter().flatten();
    of("command")
        .chain(of("args"))
        .filter_map(|word| word.as_str().map(str::to_owned))
        .collect()
}
