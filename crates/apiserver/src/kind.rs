//! Which kinds the server knows, and how each behaves.

use std::{collections::BTreeMap, sync::Arc};

use crate::fields::Lists;

/// When a write bumps `metadata.generation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// The kind has none (ConfigMap, Secret, Lease ...).
    Never,
    /// A change of `spec`.
    Spec,
    /// Any change outside `metadata`; the rule of custom resources. Where a status subresource exists, a write to the
    /// main resource cannot change the status, so this amounts to "anything but status".
    Content,
}

/// What a name must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameRule {
    /// `a-z0-9`, `-` and `.`, at most 253.
    Subdomain,
    /// `a-z0-9` and `-`, at most 63.
    Label,
    /// As `Label`, and the first is a letter.
    Label1035,
}

/// One group and version under which a kind is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// API group; empty for core.
    pub group: String,
    /// Version.
    pub version: String,
    /// Fields that have another name in this version: (stored, served).
    pub renames: &'static [(&'static str, &'static str)],
}

/// A kind of object.
#[derive(Clone, Debug, PartialEq)]
pub struct Kind {
    /// `Rollout`.
    pub kind: String,
    /// `rollouts`.
    pub plural: String,
    /// `rollout`.
    pub singular: String,
    /// `ro`.
    pub short_names: Vec<String>,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// Whether `/status` exists.
    pub status: bool,
    /// Groups and versions under which it is served; the first is the one that is stored.
    pub served: Vec<Served>,
    /// When `generation` grows.
    pub generation: Generation,
    /// Whether the real server decodes it into a Go type: strategic merge patches work, explicit nulls vanish, and
    /// `apiVersion` and `kind` may be left out of a body.
    pub typed: bool,
    /// Whether an update may leave `resourceVersion` out.
    pub unconditional_update: bool,
    /// What names must look like.
    pub names: NameRule,
    /// Lists that are merged item by item.
    pub lists: Lists,
}

impl Kind {
    /// A custom resource: namespaced, no status subresource, plural and singular guessed from the kind as by kubectl.
    pub fn custom(group: &str, version: &str, kind: &str) -> Self {
        let singular = kind.to_lowercase();
        let plural = match singular.as_str() {
            s if s.ends_with('s') || s.ends_with('x') || s.ends_with("ch") => format!("{s}es"),
            s if s.ends_with('y') => format!("{}ies", s.trim_end_matches('y')),
            s => format!("{s}s"),
        };
        Self {
            kind: kind.into(),
            plural,
            singular,
            short_names: Vec::new(),
            namespaced: true,
            status: false,
            served: vec![Served {
                group: group.into(),
                version: version.into(),
                renames: &[],
            }],
            generation: Generation::Content,
            typed: false,
            unconditional_update: false,
            names: NameRule::Subdomain,
            lists: Lists::of_metadata(),
        }
    }

    /// With another plural.
    #[must_use]
    pub fn plural(mut self, plural: &str) -> Self {
        self.plural = plural.into();
        self
    }

    /// With short names.
    #[must_use]
    pub fn short(mut self, names: &[&str]) -> Self {
        self.short_names = names.iter().map(|&name| name.into()).collect();
        self
    }

    /// Not in namespaces.
    #[must_use]
    pub fn cluster_scoped(mut self) -> Self {
        self.namespaced = false;
        self
    }

    /// With a status subresource.
    #[must_use]
    pub fn with_status(mut self) -> Self {
        self.status = true;
        self
    }

    /// Served under one more version of the same group.
    #[must_use]
    pub fn also(mut self, version: &str) -> Self {
        if let Some(group) = self.served.first().map(|served| served.group.clone()) {
            self.served.push(Served {
                group,
                version: version.into(),
                renames: &[],
            });
        }
        self
    }

    /// Plural and group as in `rollouts.argoproj.io`: what identifies it in the store.
    pub(crate) fn id(&self) -> KindId {
        let group = self.served.first().map_or("", |served| served.group.as_str());
        KindId(qualify(&self.plural, group).into())
    }
}

/// What identifies a kind in the store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct KindId(Arc<str>);

impl KindId {
    /// `plural.group`, or the plural alone for core.
    pub(crate) fn of(qualified: &str) -> Self {
        Self(qualified.into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A kind as seen through one of its versions.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) id: KindId,
    pub(crate) kind: Arc<Kind>,
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) renames: &'static [(&'static str, &'static str)],
}

impl View {
    fn new(id: &KindId, kind: &Arc<Kind>, served: &Served) -> Self {
        Self {
            id: id.clone(),
            kind: kind.clone(),
            group: served.group.clone(),
            version: served.version.clone(),
            renames: served.renames,
        }
    }

    /// `group/version`, or the version alone for core.
    pub(crate) fn api_version(&self) -> String {
        api_version(&self.group, &self.version)
    }

    /// `plural.group`, or the plural alone for core.
    pub(crate) fn qualified(&self) -> String {
        qualify(&self.kind.plural, &self.group)
    }
}

/// `group/version`, or the version alone for core.
pub(crate) fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() {
        version.into()
    } else {
        format!("{group}/{version}")
    }
}

fn qualify(plural: &str, group: &str) -> String {
    if group.is_empty() {
        plural.into()
    } else {
        format!("{plural}.{group}")
    }
}

/// All kinds of a server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kinds {
    kinds: BTreeMap<KindId, Arc<Kind>>,
}

impl Kinds {
    /// Adds a kind, or replaces its definition.
    pub(crate) fn register(&mut self, kind: Kind) -> KindId {
        let id = kind.id();
        self.kinds.insert(id.clone(), Arc::new(kind));
        id
    }

    pub(crate) fn get(&self, id: &KindId) -> Option<&Arc<Kind>> {
        self.kinds.get(id)
    }

    pub(crate) fn remove(&mut self, id: &KindId) {
        self.kinds.remove(id);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&KindId, &Arc<Kind>)> {
        self.kinds.iter()
    }

    /// The kind behind `/apis/GROUP/VERSION/PLURAL`.
    pub(crate) fn by_path(&self, group: &str, version: &str, plural: &str) -> Option<View> {
        self.find(|kind| kind.plural == plural, group, version)
    }

    /// The kind behind `apiVersion` and `kind`.
    pub(crate) fn by_kind(&self, api_version: &str, name: &str) -> Option<View> {
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        self.find(|kind| kind.kind == name, group, version)
    }

    /// A kind as it is stored.
    pub(crate) fn stored(&self, id: &KindId) -> Option<View> {
        let kind = self.kinds.get(id)?;
        Some(View::new(id, kind, kind.served.first()?))
    }

    fn find(&self, is: impl Fn(&Kind) -> bool, group: &str, version: &str) -> Option<View> {
        self.kinds.iter().filter(|(_, kind)| is(kind)).find_map(|(id, kind)| {
            let served = kind
                .served
                .iter()
                .find(|served| served.group == group && served.version == version)?;
            Some(View::new(id, kind, served))
        })
    }
}
