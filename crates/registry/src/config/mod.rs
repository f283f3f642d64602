//! From the two ConfigMaps and the Plugin objects to what is wanted: every entry on its own, good or bad.
//!
//! ```text
//! bundled plugins ──────────────────────────────────────┐
//! argo-rollouts-config ─┐  text    items      check     v    merge
//! rollcage-config ──────┴─> keys ──> entries ──> Wanted ──> Configuration (kind and name -> Wanted; notes)
//! Plugin objects ── check ── Wanted, unless a ConfigMap or an older object has the name ──^   └─> a verdict an object
//! ```

mod check;
mod grants;
mod objects;
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

use self::text::Item;

pub use self::{
    objects::{Judged, PluginObject, Verdict, add_objects},
    single::single,
};

/// Entries of one key at most: a ConfigMap holds 1 MiB, and every entry is a state to be kept and shown.
pub const MAX_ENTRIES: usize = 1000;

/// Longest name that an id takes over from a bad entry.
const MAX_SHOWN_NAME: usize = 200;

/// Which of the two ConfigMaps, an object, or none of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum ConfigFile {
    /// None: the plugin comes with the program. Both ConfigMaps override it by kind and name.
    #[serde(rename = "bundled")]
    Bundled,
    /// None: a file with this entry alone.
    #[serde(rename = "entry file")]
    Entry,
    /// None: an object of the kind Plugin. Both ConfigMaps override it by kind and name.
    #[serde(rename = "Plugin object")]
    Object,
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

    /// The ConfigMap's name; `bundled`, `entry file` or `Plugin object` when there is none.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bundled => "bundled",
            Self::Entry => "entry file",
            Self::Object => "Plugin object",
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
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Source {
    /// The ConfigMap.
    pub file: ConfigFile,
    /// The kind, and with it the key.
    #[serde(skip)]
    pub kind: PluginKind,
    /// Line in the key's text, from 1; 0 when the text as a whole is meant.
    pub line: usize,
    /// Name of the Plugin object, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<Arc<str>>,
}

impl Source {
    /// A place that is not in an object.
    pub(crate) fn new(file: ConfigFile, kind: PluginKind, line: usize) -> Self {
        Self {
            file,
            kind,
            line,
            object: None,
        }
    }

    /// The same, but for the line.
    fn at(&self, line: usize) -> Self {
        // An object's lines are not those that people see.
        let line = if self.object.is_some() { 0 } else { line };
        Self { line, ..self.clone() }
    }

    /// The name under which a key that cannot be read is shown. No plugin has it: names have one `/` and no `:`.
    pub(crate) fn key_name(&self) -> String {
        format!("{}:{}", self.file, self.kind.config_key())
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        match (self.file, &self.object) {
            (ConfigFile::Entry, _) | (_, Some(_)) => {}
            _ => write!(f, ", {}", self.kind.config_key())?,
        }
        if let Some(object) = &self.object {
            write!(f, " {object}")?;
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
        let source = Source::new(ConfigFile::Bundled, self.kind, 0);
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
        let source = Source::new(file, kind, error.line);
        let id = PluginId {
            kind,
            name: source.key_name(),
        };
        let hint = format!(
            "write a YAML list of entries into {} of the ConfigMap {file}",
            kind.config_key()
        );
        Wanted {
            entry: Err(Arc::new(fault(&id, &source, &error.field, &error.cause, hint))),
            source,
            notes: Vec::new(),
        }
    })?;
    let mut plugins: Vec<(PluginId, Wanted)> = Vec::new();
    let mut lines: HashMap<PluginId, usize> = HashMap::new();
    let total = items.len();
    for (index, item) in items.into_iter().take(MAX_ENTRIES).enumerate() {
        let source = Source::new(file, kind, item.line());
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
        let wanted = wanted(&id, source, &item);
        plugins.push((id, wanted));
    }
    if total > MAX_ENTRIES {
        notes.push(format!(
            "{file}, {}: only the first {MAX_ENTRIES} of {total} entries are read",
            kind.config_key()
        ));
    }
    Ok(plugins)
}

/// One entry, checked.
fn wanted(id: &PluginId, source: Source, item: &Item) -> Wanted {
    let entry = item.entry().and_then(|mut entry| match check::check(&mut entry) {
        Ok(()) => Ok(Arc::new(entry)),
        Err(problem) => Err(item.place(problem)),
    });
    let entry = entry.map_err(|wrong| {
        let at = source.at(wrong.line);
        Arc::new(fault(id, &at, &wrong.field, &wrong.cause, wrong.hint))
    });
    let notes = item
        .unknown_fields()
        .into_iter()
        .map(|(line, field)| format!("{}: the field {field} is not known and is ignored", source.at(line)))
        .collect();
    Wanted { source, entry, notes }
}

/// The name in an entry's id: as written, or a place when nothing usable is written.
fn shown_name(name: Option<&str>, file: ConfigFile, kind: PluginKind, index: usize) -> String {
    match name {
        Some(name) if !name.is_empty() => name.chars().take(MAX_SHOWN_NAME).collect(),
        _ => format!("{file}:{}[{index}]", kind.config_key()),
    }
}

fn fault(id: &PluginId, source: &Source, field: &str, cause: &str, hint: impl Into<String>) -> Fault {
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

/// A location as it may be shown: without user, password and query. Empty when it is none.
pub fn shown_location(location: &str) -> String {
    use rollcage_store::Location;
    match Location::parse(location, std::path::Path::new("/")) {
        Ok(web @ Location::Http(_)) => web.to_string(),
        Ok(_) => location.to_owned(),
        Err(_) => String::new(),
    }
}
