//! Manifests: objects from files, as they are in a cluster already.

use serde_json::Value;

use crate::{
    error::ApiError,
    feed::Gvk,
    fields::{Id, Managers, Operation},
    kind::{Kinds, View},
    object::Object,
    server::ApiServer,
    snapshot::ObjectKey,
    store::Store,
    write::WriteOptions,
};

/// Who wrote the fields of loaded objects.
const MANAGER: &str = "manifests";

/// One document of a file.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Where it is from, for messages: a path, with the line if it is known.
    pub file: String,
    /// The object, or a `List` of objects.
    pub value: Value,
}

/// Why an object was not loaded.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{file}: {kind}{}: {cause}", if name.is_empty() { String::new() } else { format!(" \"{name}\"") })]
pub struct LoadError {
    /// Where it is from.
    pub file: String,
    /// Its kind as it stands there.
    pub kind: String,
    /// Its name as it stands there.
    pub name: String,
    /// What is wrong.
    #[source]
    pub cause: ApiError,
}

/// What became of manifests.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The objects that are in the store now.
    pub objects: Vec<ObjectKey>,
    /// The others.
    pub errors: Vec<LoadError>,
}

impl ApiServer {
    /// Puts manifests into the store. Definitions go first, then namespaces; a namespace that is named but not defined
    /// is created; an object without one is in `default`. Unlike by a request, an object keeps the `uid`, creation
    /// time, generation and status that it brings along, so that the objects of a cluster can be loaded as they were.
    /// One that is wrong is reported, and the others are loaded.
    pub fn load(&self, manifests: impl IntoIterator<Item = Manifest>) -> Loaded {
        let mut documents = Vec::new();
        for manifest in manifests {
            flatten(manifest, &mut documents);
        }
        documents.sort_by_key(|document| match text(&document.value, &["kind"]) {
            "CustomResourceDefinition" => 0,
            "Namespace" => 1,
            _ => 2,
        });
        let mut store = self.store();
        let mut loaded = Loaded::default();
        for Manifest { file, value } in documents {
            let kind = text(&value, &["kind"]).to_owned();
            let name = text(&value, &["metadata", "name"]).to_owned();
            match store.load(value) {
                Ok(key) => loaded.objects.push(key),
                Err(cause) => {
                    let kind = if kind.is_empty() {
                        "object without a kind".into()
                    } else {
                        kind
                    };
                    loaded.errors.push(LoadError {
                        file,
                        kind,
                        name,
                        cause,
                    });
                }
            }
        }
        loaded
    }
}

impl Store {
    fn load(&mut self, value: Value) -> Result<ObjectKey, ApiError> {
        let (api_version, kind) = (text(&value, &["apiVersion"]), text(&value, &["kind"]));
        let view = self
            .kinds
            .by_kind(api_version, kind)
            .ok_or_else(|| unknown(&self.kinds, api_version, kind))?;
        let mut object = Object::parse(&view, value)?;
        let meta = &mut object.meta;
        if !view.kind.namespaced {
            meta.namespace.clear();
        } else if meta.namespace.is_empty() {
            meta.namespace = "default".into();
        }
        if let Some(key) = self.place(&meta.uid) {
            return Err(ApiError::new(
                409,
                format!("its uid is that of {} \"{}\"", key.0.as_str(), key.1.name),
            ));
        }
        if meta.uid.is_empty() {
            meta.uid = self.ids.uid();
        }
        if meta.creation_timestamp.is_empty() {
            meta.creation_timestamp = self.time();
        }
        meta.deletion_timestamp.clear();
        meta.deletion_grace_period_seconds = None;
        if view.kind.namespaced {
            let namespace = meta.namespace.clone();
            self.ensure_namespace(&namespace);
        } else if view.id.as_str() == "namespaces" && self.get(&view.id, &crate::store::Key::of(meta)).is_some() {
            return self.load_namespace(&view, &object);
        }
        let id = Id::new(Operation::Update, MANAGER, &view, false);
        if object.meta.managed_fields.is_none() {
            let time = self.time();
            Managers::record(id, None, &mut object, &view, &time);
        }
        let stored = self.insert(&view, &WriteOptions::default(), object)?;
        Ok(key(&view, &stored.meta.namespace, &stored.meta.name))
    }

    /// Namespaces of a new cluster are there already: a manifest of one adds its labels and annotations.
    fn load_namespace(&mut self, view: &View, object: &Object) -> Result<ObjectKey, ApiError> {
        let target = crate::write::Target {
            view: view.clone(),
            namespace: String::new(),
            name: object.meta.name.clone(),
            status: false,
        };
        let patch = serde_json::json!({"metadata": {
            "labels": object.meta.labels, "annotations": object.meta.annotations,
        }});
        let patch = crate::patch::Patch::parse(view, "application/merge-patch+json", patch)?;
        let options = WriteOptions {
            manager: MANAGER.into(),
            ..WriteOptions::default()
        };
        let stored = self.patch(&target, &options, &patch)?;
        Ok(key(view, "", &stored.meta.name))
    }
}

fn key(view: &View, namespace: &str, name: &str) -> ObjectKey {
    let stored = view.kind.served.first();
    let (group, version) = stored
        .map(|stored| (stored.group.clone(), stored.version.clone()))
        .unwrap_or_default();
    let gvk = Gvk {
        group,
        version,
        kind: view.kind.kind.clone(),
    };
    ObjectKey {
        gvk,
        namespace: namespace.into(),
        name: name.into(),
    }
}

/// A list becomes its items.
fn flatten(manifest: Manifest, documents: &mut Vec<Manifest>) {
    let is_list = text(&manifest.value, &["kind"]) == "List";
    match manifest.value {
        Value::Object(mut map) if is_list && map.get("items").is_some_and(Value::is_array) => {
            let Some(Value::Array(items)) = map.remove("items") else {
                return;
            };
            for (index, value) in items.into_iter().enumerate() {
                documents.push(Manifest {
                    file: format!("{} (item {index})", manifest.file),
                    value,
                });
            }
        }
        value => documents.push(Manifest {
            file: manifest.file,
            value,
        }),
    }
}

fn unknown(kinds: &Kinds, api_version: &str, kind: &str) -> ApiError {
    let others: Vec<String> = kinds
        .iter()
        .filter(|(_, known)| known.kind == kind)
        .flat_map(|(_, known)| &known.served)
        .map(|served| crate::kind::api_version(&served.group, &served.version))
        .collect();
    let hint = match others.as_slice() {
        [] => "add its CustomResourceDefinition, or correct apiVersion and kind".to_owned(),
        known => format!("the kind is known in {}", known.join(", ")),
    };
    ApiError::new(
        404,
        format!("no kind {kind:?} in apiVersion {api_version:?} is known: {hint}"),
    )
}

fn text<'v>(value: &'v Value, path: &[&str]) -> &'v str {
    path.iter()
        .try_fold(value, |value, field| value.get(field))
        .and_then(Value::as_str)
        .unwrap_or_default()
}
