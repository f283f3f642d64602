//! Components that misbehave, each in its own way, and how each has to end.
//!
//! ```text
//! handmade (text), refused (what does not load), compiled (tests/guests) -> Case -> play: entry, load, call -> Row
//! ```

pub mod compiled;
pub mod handmade;
pub mod play;
pub mod refused;
pub mod table;

use std::{sync::Arc, time::Duration};

use rollcage_api::plugin::PluginKind;
use rollcage_core::{FaultKind, Phase};
use serde_json::{Value, json};

/// What is done with a component.
#[derive(Clone, Debug)]
pub enum Act {
    /// It is loaded, which has to fail.
    Load,
    /// It is loaded by a host whose compiler may write very little.
    LoadTight,
    /// It is asked what it is.
    Describe,
    /// A function of its kind is called, metric providers with this configuration.
    Call(&'static str, Value),
    /// `run` is called until it fails, which has to be after 99 good calls.
    Late,
}

/// A component and its end.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it does.
    pub name: String,
    /// What it is configured as.
    pub plugin: PluginKind,
    /// Its bytes; without any there is no file.
    pub bytes: Option<Arc<[u8]>>,
    /// Other fields of its entry.
    pub entry: Value,
    /// What is done with it.
    pub act: Act,
    /// Where it ends.
    pub phase: Phase,
    /// As what it ends.
    pub kind: FaultKind,
    /// A piece of the cause.
    pub cause: String,
    /// The server that the fault has to name.
    pub waiting_for: Option<String>,
    /// The deadline that ends it.
    pub deadline: Option<Duration>,
}

impl Case {
    /// A metric provider.
    pub fn new(name: &str, bytes: impl Into<Arc<[u8]>>, act: Act, phase: Phase, kind: FaultKind, cause: &str) -> Self {
        Self {
            name: name.to_owned(),
            plugin: PluginKind::MetricProvider,
            bytes: Some(bytes.into()),
            entry: json!({}),
            act,
            phase,
            kind,
            cause: cause.to_owned(),
            waiting_for: None,
            deadline: None,
        }
    }

    /// One that `run` ends.
    pub fn run(name: &str, bytes: impl Into<Arc<[u8]>>, kind: FaultKind, cause: &str) -> Self {
        Self::new(name, bytes, Act::Call("run", json!({})), Phase::Call, kind, cause)
    }

    /// One that does not load.
    pub fn load(name: &str, bytes: impl Into<Arc<[u8]>>, phase: Phase, kind: FaultKind, cause: &str) -> Self {
        Self::new(name, bytes, Act::Load, phase, kind, cause)
    }

    /// Of another kind.
    pub fn of(mut self, plugin: PluginKind) -> Self {
        self.plugin = plugin;
        self
    }

    /// Fields of its entry.
    pub fn with(mut self, entry: Value) -> Self {
        self.entry = entry;
        self
    }

    /// Ends at a deadline.
    pub fn within(mut self, milliseconds: u64) -> Self {
        self.deadline = Some(Duration::from_millis(milliseconds));
        let limits = self.entry.as_object_mut().unwrap().entry("limits").or_insert(json!({}));
        limits["deadline"] = json!(format!("{milliseconds}ms"));
        self
    }

    /// With a configuration.
    pub fn configured(mut self, config: Value) -> Self {
        if let Act::Call(_, given) = &mut self.act {
            *given = config;
        }
        self
    }
}
