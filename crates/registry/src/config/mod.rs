//! From the two ConfigMaps to what is wanted: every entry on its own, good or bad.
//!
//! ```text
//! bundled plugins ──────────────────────────────────────┐
//! argo-rollouts-config ─┐  text    items      check     v    merge
//! rollcage-config ──────┴─> keys ──> entries ──> Wanted ──> Configuration (kind and name -> Wanted; notes)
//! ```

mod check;
mod grants;
mod single;
mod text;

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::Arc,
};

use rollcage_api::plugin::{PluginEntry, PluginKind};
use rollcage_core::{Fault, FaultKind, Phase, PluginId};
use serde::Serialize;

pub use self::single::single;

/// Entries of one key at most: a ConfigMap holds 1 MiB, and every entry is a state to be kept and shown.
pub const MAX_ENTRIES: usize = 1000;

/// Longest name that an id takes over from a bad entry.
const MAX_SHOWN_NAME: usize = 200;

/// Which of the two ConfigMaps, or neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum ConfigFile {
    /// None: the plugin comes with the program. Both ConfigMaps override it by kind and name.
    #[serde(rename = "bundled")]
    Bundled,
    /// None: a file with this entry alone.
    #[serde(rename = "entry file")]
    Entry,
    /// Argo's own, shared with the stock controller and never written by us.
    #[serde(rename = "argo-rollouts-config")]
    Argo,
    /// Ours; it overrides the other one by kind and name.
    #[serde(rename = "rollcage-config")]
    Rollcage,
}

impl ConfigFile {
    /// Both ConfigMaps, the overriding one last.
    pub const ALL: [Self; 2] = [Self::Argo, Self::Rollcage];

    /// The ConfigMap's name; `bundled` or `entry file` when there is none.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bundled => "bundled",
            Self::Entry => "entry file",
            Self::Argo => "argo-rollouts-config",
            Self::Rollcage => "rollcage-config",
        }
    }
}

impl fmt::Display for ConfigFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What is known of a ConfigMap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ConfigMap {
    /// There is none. What an earlier one configured stays.
    #[default]
    Absent,
    /// It could not be read, for this reason. What an earlier one configured stays.
    Unreadable(String),
    /// Its `data`.
    Present(BTreeMap<String, String>),
}

/// Both ConfigMaps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigMaps {
    /// `argo-rollouts-config`.
    pub argo: ConfigMap,
    /// `rollcage-config`.
    pub rollcage: ConfigMap,
}

/// Where an entry is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Source {
    /// The ConfigMap.
    pub file: ConfigFile,
    /// The kind, and with it the key.
    #[serde(skip)]
    pub kind: PluginKind,
    /// Line in the key's text, from 1; 0 when the text as a whole is meant.
    pub line: usize,
}

impl Source {
    /// The name under which a key that cannot be read is shown. No plugin has it: names have one `/` and no `:`.
    pub(crate) fn key_name(self) -> String {
        format!("{}:{}", self.file, self.kind.config_key())
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if self.file != ConfigFile::Entry {
            write!(f, ", {}", self.kind.config_key())?;
        }
        if self.line > 0 {
            write!(f, ", line {}", self.line)?;
        }
        Ok(())
    }
}

/// One entry, as it is wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// Where it is written.
    pub source: Source,
    /// The entry, or what is wrong with it.
    pub entry: Result<Arc<PluginEntry>, Arc<Fault>>,
    /// What is odd about it, but not wrong.
    pub notes: Vec<String>,
}

/// What both ConfigMaps want together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Configuration {
    /// Every plugin, good or bad. A key that cannot be read has an entry of its own, under a name that no plugin has.
    pub plugins: BTreeMap<PluginId, Wanted>,
    /// What people should know about the configuration as a whole.
    pub notes: Vec<String>,
}

/// What earlier ConfigMaps wanted, for when one is gone or cannot be read.
#[derive(Debug, Default)]
pub struct Remembered(HashMap<(ConfigFile, PluginKind), Vec<(PluginId, Wanted)>>);

/// A plugin that comes with the program, and what it may do unless a ConfigMap has an entry of its kind and name.
#[derive(Clone, Debug, PartialEq)]
pub struct Bundled {
    /// Its kind.
    pub kind: PluginKind,
    /// Its entry; the location is `bundled://NAME`.
    pub entry: Arc<PluginEntry>,
}

impl Bundled {
    fn wanted(&self) -> (PluginId, Wanted) {
        let id = PluginId {
            kind: self.kind,
            name: self.entry.name.clone(),
        };
        let source = Source {
            file: ConfigFile::Bundled,
            kind: self.kind,
            line: 0,
        };
        let wanted = Wanted {
            source,
            entry: Ok(Arc::clone(&self.entry)),
            notes: Vec::new(),
        };
        (id, wanted)
    }
}

/// Reads both. Never fails: what is wrong becomes the state of what is wrong.
pub fn read(bundled: &[Bundled], maps: &ConfigMaps, remembered: &mut Remembered) -> Configuration {
    let mut configuration = Configuration {
        plugins: bundled.iter().map(Bundled::wanted).collect(),
        notes: Vec::new(),
    };
    for (file, map) in ConfigFile::ALL.into_iter().zip([&maps.argo, &maps.rollcage]) {
        if let Some(note) = map_note(file, map, remembered) {
            configuration.notes.push(note);
        }
        for kind in PluginKind::ALL {
            read_key(file, kind, map, remembered, &mut configuration);
        }
    }
    configuration
}

/// What to say of a ConfigMap that is not there, when that leaves something as it was.
fn map_note(file: ConfigFile, map: &ConfigMap, remembered: &Remembered) -> Option<String> {
    let keeps = PluginKind::ALL
        .iter()
        .any(|kind| remembered.0.get(&(file, *kind)).is_some_and(|list| !list.is_empty()));
    let kept = if keeps {
        "; the plugins that it configured stay as they are"
    } else {
        ""
    };
    match map {
        ConfigMap::Absent if keeps => Some(format!(
            "the ConfigMap {file} is gone{kept}: to remove them, empty its keys"
        )),
        ConfigMap::Unreadable(cause) => Some(format!("the ConfigMap {file} cannot be read: {cause}{kept}")),
        ConfigMap::Absent | ConfigMap::Present(_) => None,
    }
}

fn read_key(
    file: ConfigFile,
    kind: PluginKind,
    map: &ConfigMap,
    remembered: &mut Remembered,
    configuration: &mut Configuration,
) {
    let slot = remembered.0.entry((file, kind)).or_default();
    if let ConfigMap::Present(data) = map {
        let text = data.get(kind.config_key()).map_or("", String::as_str);
        match parse_key(file, kind, text, &mut configuration.notes) {
            Ok(plugins) => *slot = plugins,
            Err(mut problem) => {
                if !slot.is_empty() {
                    problem
                        .notes
                        .push("the plugins that this key configured before stay as they are".to_owned());
                }
                let id = PluginId {
                    kind,
                    name: problem.source.key_name(),
                };
                configuration.plugins.insert(id, problem);
            }
        }
    }
    configuration.plugins.extend(slot.iter().cloned());
}

/// The entries of one key, or the key's own fault.
fn parse_key(
    file: ConfigFile,
    kind: PluginKind,
    text: &str,
    notes: &mut Vec<String>,
) -> Result<Vec<(PluginId, Wanted)>, Wanted> {
    let items = text::items(text).map_err(|error| {
        let source = Source {
            file,
            kind,
            line: error.line,
        };
        let id = PluginId {
            kind,
            name: source.key_name(),
        };
        let hint = format!(
            "write a YAML list of entries into {} of the ConfigMap {file}",
            kind.config_key()
        );
        Wanted {
            source,
            entry: Err(Arc::new(fault(&id, source, &error.field, &error.cause, hint))),
            notes: Vec::new(),
        }
    })?;
    let mut plugins: Vec<(PluginId, Wanted)> = Vec::new();
    let mut lines: HashMap<PluginId, usize> = HashMap::new();
    let total = items.len();
    for (index, item) in items.into_iter().take(MAX_ENTRIES).enumerate() {
        let source = Source {
            file,
            kind,
            line: item.line(),
        };
        let id = PluginId {
            kind,
            name: shown_name(item.name(), file, kind, index),
        };
        if let Some(first) = lines.get(&id) {
            notes.push(format!(
                "{source}: {} is there a second time and is ignored, as the first one (line {first}) counts",
                id.name
            ));
            continue;
        }
        lines.insert(id.clone(), source.line);
        let entry = item.entry().and_then(|mut entry| match check::check(&mut entry) {
            Ok(()) => Ok(Arc::new(entry)),
            Err(problem) => Err(item.place(problem)),
        });
        let entry = entry.map_err(|wrong| {
            let at = Source {
                line: wrong.line,
                ..source
            };
            Arc::new(fault(&id, at, &wrong.field, &wrong.cause, wrong.hint))
        });
        let notes = item
            .unknown_fields()
            .into_iter()
            .map(|(line, field)| {
                format!(
                    "{}: the field {field} is not known and is ignored",
                    Source { line, ..source }
                )
            })
            .collect();
        plugins.push((id, Wanted { source, entry, notes }));
    }
    if total > MAX_ENTRIES {
        notes.push(format!(
            "{file}, {}: only the first {MAX_ENTRIES} of {total} entries are read",
            kind.config_key()
        ));
    }
    Ok(plugins)
}

/// The name in an entry's id: as written, or a place when nothing usable is written.
fn shown_name(name: Option<&str>, file: ConfigFile, kind: PluginKind, index: usize) -> String {
    match name {
        Some(name) if !name.is_empty() => name.chars().take(MAX_SHOWN_NAME).collect(),
        _ => format!("{file}:{}[{index}]", kind.config_key()),
    }
}

fn fault(id: &PluginId, source: Source, field: &str, cause: &str, hint: impl Into<String>) -> Fault {
    let field = if field.is_empty() {
        String::new()
    } else {
        format!("{field}: ")
    };
    Fault::new(
        id,
        Phase::Resolve,
        FaultKind::InvalidEntry,
        format!("{source}: {field}{cause}"),
        hint,
    )
}
