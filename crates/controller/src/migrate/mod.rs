//! What would fail if Rollcage took over from the stock controller, why, and what to do about each.
//!
//! ```text
//! ConfigMaps ─> entries ──┐                    (what an entry is; what its location answered: Probe)
//! Rollouts, analyses ─> analyses, rollouts ──> Report: findings, each with its fix; notes; rights
//! Deployments, Leases ─> stock ──┘
//! read: all of it out of a cluster; allowed: whether the controller's account has the rights
//! (nothing else of this module asks anybody)
//! ```
//!
//! Invariants: findings are functions of a [`Situation`]. What could not be looked at is a finding of its own, never
//! silence: without findings Rollcage can take over. Nothing is written anywhere.

mod allowed;
mod analyses;
mod entries;
mod read;
mod rights;
mod rollouts;
mod stock;

use std::collections::BTreeMap;

use jiff::Timestamp;
use rollcage_api::plugin::{Permissions, PluginEntry};
use rollcage_core::{Fault, PluginId};
use rollcage_registry::{
    Bundled, ConfigFile, ConfigMaps,
    config::{Configuration, Remembered},
};
use serde::Serialize;
use serde_json::Value;

pub use allowed::allowed;
pub use read::{ReadError, read};
pub use rights::{Rights, Rule};

/// Objects named in one finding; the others are counted.
const NAMED: usize = 10;

/// Everything that is looked at.
#[derive(Clone, Debug, Default)]
pub struct Situation {
    /// Both ConfigMaps.
    pub maps: ConfigMaps,
    /// What serves without an entry.
    pub bundled: Vec<Bundled>,
    /// What the locations of entries answered, as far as they were asked.
    pub probes: BTreeMap<PluginId, Probe>,
    /// Rollouts, analyses, Deployments, Leases, Nodes.
    pub objects: Vec<Value>,
    /// What could not be read, with the reason.
    pub unread: Vec<String>,
    /// The instance id that Rollcage is going to have; empty: all objects without one.
    pub instance_id: String,
    /// Namespace and name of the controller's service account, when its rights are to be told.
    pub account: Option<(String, String)>,
    /// When this was.
    pub now: Timestamp,
}

/// What an entry's location answered.
#[derive(Clone, Debug)]
pub enum Probe {
    /// Nothing usable.
    Failed(Box<Fault>),
    /// A component, and what it asks for that its entry does not grant.
    Component {
        /// What is missing; empty when nothing is.
        missing: Permissions,
    },
    /// An executable.
    Native {
        /// As in `an ELF executable for amd64`.
        format: String,
        /// Processors that it is for, as Kubernetes names them.
        architectures: Vec<String>,
        /// Whether the controller's system runs it, its processor apart.
        is_linux: bool,
    },
}

/// What a finding is about. The texts are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// Something could not be looked at.
    NotRead,
    /// An entry that cannot be read.
    InvalidEntry,
    /// An entry of the shared ConfigMap that the stock controller cannot load.
    StockCannotLoad,
    /// A location that is a file of the stock controller's image.
    FileOfTheImage,
    /// A location that does not answer with a plugin.
    Unreachable,
    /// A location whose bytes change.
    MovingLocation,
    /// A plugin for other processors than the nodes'.
    WrongArchitecture,
    /// A component asks for more than its entry grants, or the controller's account may not do what an entry grants.
    MissingGrant,
    /// An object names a plugin that has no entry, or may not use it.
    NotConfigured,
    /// An object needs what Rollcage does not do.
    Unsupported,
    /// A stock controller acts on the same objects.
    SameInstance,
}

impl Check {
    /// The stable text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotRead => "not-read",
            Self::InvalidEntry => "invalid-entry",
            Self::StockCannotLoad => "stock-cannot-load",
            Self::FileOfTheImage => "file-of-the-image",
            Self::Unreachable => "unreachable",
            Self::MovingLocation => "moving-location",
            Self::WrongArchitecture => "wrong-architecture",
            Self::MissingGrant => "missing-grant",
            Self::NotConfigured => "not-configured",
            Self::Unsupported => "unsupported",
            Self::SameInstance => "same-instance",
        }
    }
}

/// One thing that would fail.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What kind of thing.
    pub check: Check,
    /// What it is about: a plugin, a kind of object, a controller.
    pub subject: String,
    /// What would fail, and why.
    pub problem: String,
    /// What to do.
    pub fix: String,
    /// The objects concerned, as `namespace/name`; at most ten.
    pub objects: Vec<String>,
    /// How many objects there are beside these.
    pub more_objects: usize,
}

/// How much was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Looked {
    /// Entries of both ConfigMaps.
    pub entries: usize,
    /// Of them, how many locations were asked.
    pub locations: usize,
    /// Rollouts.
    pub rollouts: usize,
    /// Templates, and runs that have not ended.
    pub analyses: usize,
}

/// What would fail.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Nothing would.
    pub ok: bool,
    /// What was looked at.
    pub looked: Looked,
    /// What would fail.
    pub findings: Vec<Finding>,
    /// What is good to know.
    pub notes: Vec<String>,
    /// What the controller has to be allowed for these plugins and analyses, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rights: Option<Rights>,
}

/// Says what would fail.
pub fn examine(situation: &Situation) -> Report {
    let configuration = configuration(situation);
    let mut report = Report {
        ok: false,
        looked: Looked {
            locations: situation.probes.len(),
            ..Looked::default()
        },
        findings: Vec::new(),
        notes: configuration.notes.clone(),
        rights: None,
    };
    for what in &situation.unread {
        report.findings.push(Finding {
            problem: what.clone(),
            ..Finding::of(
                Check::NotRead,
                "cluster",
                "run it as somebody who may read it, then again",
            )
        });
    }
    entries::examine(situation, &configuration, &mut report);
    analyses::examine(situation, &configuration, &mut report);
    rollouts::examine(situation, &configuration, &mut report);
    stock::examine(situation, &mut report);
    if let Some((namespace, name)) = &situation.account {
        let rights = rights::of(situation, &configuration, namespace, name);
        for refused in &rights.refused {
            report.findings.push(Finding {
                problem: format!("{refused}: no role is made from a grant of everything"),
                ..Finding::of(
                    Check::MissingGrant,
                    "controller",
                    "write the names of groups and resources",
                )
            });
        }
        report.rights = Some(rights);
    }
    report.settle();
    report
}

impl Report {
    /// Once all findings are there.
    fn settle(&mut self) {
        self.findings.sort();
        self.ok = self.findings.is_empty();
    }
}

/// The plugins that there would be, read as the controller reads them.
pub fn configuration(situation: &Situation) -> Configuration {
    rollcage_registry::config::read(&situation.bundled, &situation.maps, &mut Remembered::default())
}

/// Entries of the ConfigMaps whose locations can be asked: usable, not disabled, not part of the program.
pub fn locations(configuration: &Configuration) -> impl Iterator<Item = (&PluginId, ConfigFile, &PluginEntry)> {
    configuration.plugins.iter().filter_map(|(id, wanted)| {
        let entry = wanted.entry.as_ref().ok()?;
        let has_location = !entry.disabled && !entry.location.starts_with("bundled://");
        has_location.then_some((id, wanted.source.file, entry.as_ref()))
    })
}

impl Finding {
    fn of(check: Check, subject: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            check,
            subject: subject.into(),
            problem: String::new(),
            fix: fix.into(),
            objects: Vec::new(),
            more_objects: 0,
        }
    }
}

/// Objects that have the same problem, told together.
#[derive(Debug, Default)]
struct Grouped(BTreeMap<(Check, String, String, String), Vec<String>>);

impl Grouped {
    fn add(&mut self, object: &Value, check: Check, subject: &str, problem: String, fix: String) {
        let objects = self.0.entry((check, subject.to_owned(), problem, fix)).or_default();
        let name = full_name(object);
        // One object may need the same thing several times.
        if objects.last() != Some(&name) {
            objects.push(name);
        }
    }

    fn findings(self) -> impl Iterator<Item = Finding> {
        self.0.into_iter().map(|((check, subject, problem, fix), mut objects)| {
            let more_objects = objects.len().saturating_sub(NAMED);
            objects.truncate(NAMED);
            Finding {
                check,
                subject,
                problem,
                fix,
                objects,
                more_objects,
            }
        })
    }
}

/// A text in an object; empty when there is none.
fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// `Kind namespace/name`.
fn full_name(object: &Value) -> String {
    let (kind, name) = (text(object, "/kind"), text(object, "/metadata/name"));
    match text(object, "/metadata/namespace") {
        "" => format!("{kind} {name}"),
        namespace => format!("{kind} {namespace}/{name}"),
    }
}

/// Objects of these kinds.
fn of_kinds<'a>(situation: &'a Situation, kinds: &'a [&str]) -> impl Iterator<Item = &'a Value> {
    let objects = situation.objects.iter();
    objects.filter(move |object| kinds.contains(&text(object, "/kind")))
}

/// Why an object of this namespace cannot use a plugin, and what to do; nothing when it can.
fn not_usable(configuration: &Configuration, id: &PluginId, namespace: &str) -> Option<(String, String)> {
    let Some(wanted) = configuration.plugins.get(id) else {
        return Some((
            format!("{} plugin {} has no entry", id.kind, id.name),
            format!(
                "add one under {} of the ConfigMap rollcage-config (chart: `plugins.{}`)",
                id.kind.config_key(),
                id.kind.config_key()
            ),
        ));
    };
    // One that is wrong is a finding already.
    let entry = wanted.entry.as_ref().ok()?;
    if entry.disabled {
        let problem = format!("{} plugin {} is disabled", id.kind, id.name);
        return Some((problem, "take `disabled` out of its entry".to_owned()));
    }
    let usable_from = entry.usable_from.as_ref()?;
    // Of a cluster-wide template it is not known who uses it.
    let usable = namespace.is_empty() || usable_from.iter().any(|one| one == "*" || one == namespace);
    (!usable).then(|| {
        (
            format!("{} plugin {} is not usable from {namespace}", id.kind, id.name),
            format!("add {namespace} to `usableFrom` of its entry"),
        )
    })
}
