//! `cases.yaml` as it is written. Unknown fields are errors: a misspelt expectation must not pass.

use std::{collections::BTreeMap, path::PathBuf};

use rollcage_api::{GoDuration, plugin::PluginEntry};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::answers::{HttpRule, RequestPattern};

/// Cases of one plugin, for `rollcage plugin test`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct CasesFile {
    /// The plugin's entry in all cases: a file, or the entry itself. Its location is replaced by the tested file.
    #[schemars(with = "Option<FileOr<PluginEntry>>")]
    pub entry: Option<Value>,
    /// What is called, as far as cases do not say otherwise.
    pub call: CallSpec,
    /// What surrounds the plugin in all cases; cases add to it.
    pub given: Given,
    /// The cases, in the order in which they run.
    pub cases: Vec<Case>,
    /// The cases that every plugin of the kind has.
    pub conformance: ConformanceSpec,
}

/// One case: a call in its surroundings, and what is expected of it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Case {
    /// What it shows; unique in the file.
    pub name: String,
    /// The plugin's entry in this case.
    #[schemars(with = "Option<FileOr<PluginEntry>>")]
    pub entry: Option<Value>,
    /// What surrounds the plugin, beside what all cases have.
    pub given: Given,
    /// What is called.
    pub call: CallSpec,
    /// How it ends.
    pub expect: Expect,
    /// Further calls in the same surroundings, each in a new host, as after a restart.
    pub then: Vec<Turn>,
}

/// A further call of a case.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Turn {
    /// How far the clock moves before it.
    pub after: Option<GoDuration>,
    /// What is called, as far as it is not the case's call again.
    pub call: CallSpec,
    /// How it ends.
    pub expect: Expect,
}

/// What surrounds the plugin.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Given {
    /// The time when the case begins; 2026-01-01T00:00:00Z when absent. It moves only when the plugin sleeps, or `after`
    /// says so.
    #[schemars(with = "Option<String>")]
    pub clock: Option<jiff::Timestamp>,
    /// Objects in the in-process Kubernetes API.
    pub objects: Vec<Map<String, Value>>,
    /// Files and folders with further objects, relative to the cases file.
    pub manifests: Vec<PathBuf>,
    /// Secrets of the configuration's namespace: name, key, value.
    pub secrets: BTreeMap<String, BTreeMap<String, String>>,
    /// HTTP answers in the network's place. A request without an answer fails the case.
    pub http: Vec<HttpRule>,
}

/// What is called. What is absent is as for all cases, or as in the call before.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct CallSpec {
    /// The contract's name of the method; `run`, or `set-weight`, when nothing says otherwise.
    pub method: Option<String>,
    /// The method's arguments, as INPUT of `plugin call`: a file, or the arguments themselves.
    #[schemars(with = "Option<FileOr<Map<String, Value>>>")]
    pub input: Option<Value>,
    /// JSON merge patch over the arguments.
    #[schemars(with = "Option<Map<String, Value>>")]
    pub merge: Option<Value>,
    /// Replaces the plugin's own configuration in the arguments.
    pub config: Option<Value>,
}

/// How a call ends. Without `error` and `fault` it answers. What is absent is not checked.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Expect {
    /// The answer, as far as it is named; texts may be `{$contains: TEXT}` or `{$matches: REGEX}`.
    pub answer: Option<Value>,
    /// The plugin's own typed error.
    pub error: Option<ExpectedError>,
    /// A fault of the plugin.
    pub fault: Option<ExpectedFault>,
    /// Every object that is changed; an empty list: none is.
    pub changes: Option<Vec<ExpectedChange>>,
    /// Lines that are logged, in this order, others between them; an empty list: none is.
    pub log: Option<Vec<ExpectedLine>>,
    /// Every host call that is denied; an empty list: none is.
    pub denials: Option<Vec<ExpectedDenial>>,
    /// Every HTTP request, in order; an empty list: none is sent.
    pub requests: Option<Vec<RequestPattern>>,
}

/// An error of the plugin.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExpectedError {
    /// Its kind.
    pub kind: ErrorKind,
    /// A text that its message holds.
    #[serde(default)]
    pub message: String,
    /// When another try may help.
    #[serde(default)]
    pub retry_after: Option<GoDuration>,
}

/// Kinds of a plugin's own errors.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// Its configuration is wrong.
    InvalidConfig,
    /// Something it depends on does not answer now.
    Unavailable,
    /// Something refused it.
    Denied,
    /// An object changed in between.
    Conflict,
    /// Anything else.
    Internal,
}

/// A fault.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExpectedFault {
    /// Its kind, such as `deadline`, `memory`, `trap` or `denied`.
    pub kind: String,
    /// The phase it happens in, `init` or `call`; any when absent.
    #[serde(default)]
    pub phase: Option<String>,
    /// A text that its cause holds.
    #[serde(default)]
    pub cause: String,
}

/// An object that is changed.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExpectedChange {
    /// `Kind namespace/name`; `Kind name` for a cluster-scoped kind.
    pub object: String,
    /// What becomes of it.
    #[serde(default)]
    pub change: ChangeKind,
    /// The object afterwards, as far as it is named.
    #[serde(default)]
    pub to: Option<Value>,
}

/// What becomes of an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// Any of the others.
    #[default]
    Any,
    /// It is new.
    Added,
    /// It is another.
    Modified,
    /// It is gone.
    Deleted,
}

/// A line of the log: a text that it holds, alone or with its level.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ExpectedLine {
    /// Of any level.
    Text(String),
    /// Of this level.
    WithLevel {
        /// `debug`, `info`, `warn` or `error`.
        level: String,
        /// A text that it holds.
        #[serde(default)]
        text: String,
    },
}

/// A host call that is denied.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ExpectedDenial {
    /// `http`, `kubernetes`, `secrets` and the like; any when empty.
    pub capability: String,
    /// A text that what was asked for holds.
    pub wanted: String,
}

/// What conformance cases start from, and which do not hold for this plugin.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ConformanceSpec {
    /// Name of the case whose surroundings and call they start from; the first one that calls the kind's main method and
    /// expects an answer when absent.
    pub from: String,
    /// Conformance cases that are left out: name and reason.
    pub skip: BTreeMap<String, String>,
}

/// A file by name, or what it would hold.
#[derive(JsonSchema)]
#[serde(untagged)]
pub enum FileOr<T> {
    /// A file, relative to the cases file.
    File(String),
    /// The thing itself.
    Inline(T),
}
