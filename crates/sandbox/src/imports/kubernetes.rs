//! `kubernetes`: only what the entry grants, checked before anything leaves.

use std::{collections::BTreeMap, sync::Arc};

use rollcage_core::host::{KubernetesError as Failed, KubernetesRequest, KubernetesVerb, ObjectKind, ResourceName};
use serde_json::Value;
use wasmtime::{StoreContextMut, component::Linker};

use super::{interface, on_host};
use crate::{
    bindings::rollcage::plugin::{
        kubernetes::{Kind, KubernetesError, PatchType, Reference},
        types::Pair,
    },
    ctx::{Ctx, charge},
    grants::{Scope, Verb, Wish, check},
    size::Size as _,
};

/// What a call that waits for it waits for.
const TARGET: &str = "the Kubernetes API";

pub(super) fn add(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
    let mut instance = linker.instance(interface!("kubernetes"))?;
    instance.func_wrap_async("get", |store, (object,): (Reference,)| {
        Box::new(async move {
            let size = object.size();
            let verb = KubernetesVerb::Get { name: object.name };
            let answer = perform(store, size, object.kind, object.namespace, &[Verb::Get], verb).await?;
            Ok((answer.map(|object| object.to_string()),))
        })
    })?;
    instance.func_wrap_async("list", |store, (kind, namespace, labels): (Kind, String, Vec<Pair>)| {
        Box::new(async move {
            let size = kind.size() + namespace.len() + labels.size();
            let labels: BTreeMap<_, _> = labels.into_iter().map(|pair| (pair.name, pair.value)).collect();
            let verb = KubernetesVerb::List { labels };
            let answer = perform(store, size, kind, namespace, &[Verb::List], verb).await?;
            Ok((answer.map(|list| match list {
                Value::Array(objects) => objects.iter().map(ToString::to_string).collect(),
                other => vec![other.to_string()],
            }),))
        })
    })?;
    instance.func_wrap_async("apply", |store, (object, json): (Reference, String)| {
        Box::new(async move { Ok((apply(store, object, json).await?.map(|object| object.to_string()),)) })
    })?;
    instance.func_wrap_async(
        "patch",
        |store, (object, kind, json): (Reference, PatchType, String)| {
            Box::new(async move {
                let size = object.size() + json.len();
                let patch = match serde_json::from_str(&json) {
                    Ok(patch) => patch,
                    Err(error) => return Ok((Err(not_json(&error)),)),
                };
                let name = object.name;
                let verb = match kind {
                    PatchType::Merge => KubernetesVerb::MergePatch { name, patch },
                    PatchType::Json => KubernetesVerb::JsonPatch { name, patch },
                };
                let answer = perform(store, size, object.kind, object.namespace, &[Verb::Patch], verb).await?;
                Ok((answer.map(|object| object.to_string()),))
            })
        },
    )?;
    instance.func_wrap_async("delete", |store, (object, version): (Reference, Option<String>)| {
        Box::new(async move {
            let size = object.size() + version.size();
            let verb = KubernetesVerb::Delete {
                name: object.name,
                resource_version: version,
            };
            let answer = perform(store, size, object.kind, object.namespace, &[Verb::Delete], verb).await?;
            Ok((answer.map(|_| ()),))
        })
    })
}

fn not_json(error: &serde_json::Error) -> KubernetesError {
    KubernetesError::Invalid(format!("not JSON: {error}"))
}

/// Server-side apply makes an object that does not exist, for which patching alone is not enough.
async fn apply(
    mut store: StoreContextMut<'_, Ctx>,
    object: Reference,
    json: String,
) -> wasmtime::Result<Result<Value, KubernetesError>> {
    let size = object.size() + json.len();
    let mut value: Value = match serde_json::from_str(&json) {
        Ok(value) => value,
        Err(error) => return Ok(Err(not_json(&error))),
    };
    if let Err(error) = complete(&mut value, &object) {
        return Ok(Err(error));
    }
    // With a version it can only change what is there: the API server answers a conflict otherwise.
    let versioned = value
        .pointer("/metadata/resourceVersion")
        .is_some_and(|version| !version.is_null());
    let mut verbs = vec![Verb::Patch];
    if !versioned {
        let (kind, namespace) = (object.kind.clone(), object.namespace.clone());
        let may_create = Wish {
            kind: &kind,
            namespace: &namespace,
            name: Some(&object.name),
        };
        if !may_create.may(
            &store.data().policy.permissions.kubernetes,
            &store.data().call.namespace,
            Verb::Create,
        ) {
            let verb = KubernetesVerb::Get {
                name: object.name.clone(),
            };
            let found = perform(store_of(&mut store), 0, kind, namespace, &[Verb::Patch], verb).await?;
            match found {
                Ok(_) => {}
                Err(KubernetesError::NotFound(_)) => verbs.push(Verb::Create),
                Err(error) => return Ok(Err(error)),
            }
        }
    }
    let verb = KubernetesVerb::Apply {
        name: object.name,
        object: value,
    };
    perform(store, size, object.kind, object.namespace, &verbs, verb).await
}

fn store_of<'a>(store: &'a mut StoreContextMut<'_, Ctx>) -> StoreContextMut<'a, Ctx> {
    wasmtime::AsContextMut::as_context_mut(store)
}

/// Fills in what the reference says already, and refuses what contradicts it.
fn complete(value: &mut Value, object: &Reference) -> Result<(), KubernetesError> {
    let api_version = if object.kind.group.is_empty() {
        object.kind.version.clone()
    } else {
        format!("{}/{}", object.kind.group, object.kind.version)
    };
    let fill = |fields: &mut serde_json::Map<String, Value>, field: &str, text: &str| {
        let found = fields.entry(field).or_insert_with(|| Value::from(text));
        if found == text {
            Ok(())
        } else {
            let text = format!("the object's {field} is {found}, the reference's {text:?}");
            Err(KubernetesError::Invalid(text))
        }
    };
    let no_object = || KubernetesError::Invalid("not a JSON object".to_owned());
    let fields = value.as_object_mut().ok_or_else(no_object)?;
    fill(fields, "apiVersion", &api_version)?;
    fill(fields, "kind", &object.kind.kind)?;
    let metadata = fields
        .entry("metadata")
        .or_insert_with(|| Value::Object(serde_json::Map::new()));
    let metadata = metadata.as_object_mut().ok_or_else(no_object)?;
    fill(metadata, "name", &object.name)?;
    if object.namespace.is_empty() {
        Ok(())
    } else {
        fill(metadata, "namespace", &object.namespace)
    }
}

/// Checks and does one request.
async fn perform(
    mut store: StoreContextMut<'_, Ctx>,
    size: usize,
    kind: Kind,
    namespace: String,
    verbs: &[Verb],
    verb: KubernetesVerb,
) -> wasmtime::Result<Result<Value, KubernetesError>> {
    charge(&mut store, size)?;
    let policy = Arc::clone(&store.data().policy);
    let wish = Wish {
        kind: &kind,
        namespace: &namespace,
        name: name_of(&verb),
    };
    if let Err(text) = wish.validate() {
        return Ok(Err(KubernetesError::Invalid(text)));
    }
    let grants = &policy.permissions.kubernetes;
    let asked_for = store.data().call.namespace.clone();
    if !wish.is_hopeless(grants) {
        // Only now is the cluster asked anything.
        match resolve(&mut store, &kind).await? {
            Err(error) => return Ok(Err(given(error))),
            Ok(resource) => {
                let scope = Scope::of(&resource, &wish, verbs);
                let scope = match scope {
                    Ok(scope) => scope,
                    Err(text) => return Ok(Err(KubernetesError::Invalid(text))),
                };
                return match check(grants, &wish, &resource.plural, scope, &asked_for, verbs) {
                    Ok(()) => request(&mut store, kind, resource, namespace, verb).await,
                    Err(denial) => {
                        let text = denial.text();
                        store.data_mut().call.deny(denial.into());
                        Ok(Err(KubernetesError::Denied(text)))
                    }
                };
            }
        }
    }
    let denial = wish.denial(&wish.guessed_plural(), &asked_for, verbs);
    let text = denial.text();
    store.data_mut().call.deny(denial.into());
    Ok(Err(KubernetesError::Denied(text)))
}

fn name_of(verb: &KubernetesVerb) -> Option<&str> {
    match verb {
        KubernetesVerb::List { .. } => None,
        KubernetesVerb::Get { name }
        | KubernetesVerb::Apply { name, .. }
        | KubernetesVerb::MergePatch { name, .. }
        | KubernetesVerb::JsonPatch { name, .. }
        | KubernetesVerb::Delete { name, .. } => Some(name),
    }
}

fn object_kind(kind: &Kind) -> ObjectKind {
    ObjectKind {
        group: kind.group.clone(),
        version: kind.version.clone(),
        kind: kind.kind.clone(),
    }
}

async fn resolve(store: &mut StoreContextMut<'_, Ctx>, kind: &Kind) -> wasmtime::Result<Result<ResourceName, Failed>> {
    let Ctx { call, policy, .. } = store.data();
    call.progress.set_target(Some(TARGET));
    let kubernetes = Arc::clone(&policy.host.kubernetes);
    let kind = object_kind(kind);
    let resolved = on_host(&call.io, async move { kubernetes.resolve(&kind).await }).await;
    call.progress.set_target(None);
    resolved
}

async fn request(
    store: &mut StoreContextMut<'_, Ctx>,
    kind: Kind,
    resource: ResourceName,
    namespace: String,
    verb: KubernetesVerb,
) -> wasmtime::Result<Result<Value, KubernetesError>> {
    let Ctx { call, policy, .. } = store.data();
    call.note(|usage| usage.kubernetes_calls = usage.kubernetes_calls.saturating_add(1));
    call.progress.set_target(Some(TARGET));
    let kubernetes = Arc::clone(&policy.host.kubernetes);
    let manager = policy.id.name.clone();
    let limit = policy.limits.input;
    let request = KubernetesRequest {
        kind: object_kind(&kind),
        resource,
        namespace,
        verb,
    };
    let answer = on_host(&call.io, async move {
        let answer = kubernetes.request(&manager, request).await;
        // Measured there, because a large answer takes a while.
        let size = answer.as_ref().map_or(0, |value| value.to_string().len());
        (answer, size)
    });
    let answer = answer.await;
    call.progress.set_target(None);
    let (answer, size) = answer?;
    Ok(match answer {
        Ok(_) if size > limit.as_usize() => Err(KubernetesError::Other(format!(
            "the answer has {size} bytes, more than limits.input ({limit})"
        ))),
        Ok(value) => Ok(value),
        Err(error) => Err(given(error)),
    })
}

fn given(error: Failed) -> KubernetesError {
    match error {
        Failed::Denied(text) => KubernetesError::Denied(text),
        Failed::NotFound(text) => KubernetesError::NotFound(text),
        Failed::Conflict(text) => KubernetesError::Conflict(text),
        Failed::Invalid(text) => KubernetesError::Invalid(text),
        Failed::Unavailable(text) => KubernetesError::Unavailable(text),
        Failed::Other(text) => KubernetesError::Other(text),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn completes_an_object_and_refuses_contradictions() {
        let reference = Reference {
            kind: Kind {
                group: "networking.k8s.io".into(),
                version: "v1".into(),
                kind: "Ingress".into(),
            },
            namespace: "shop".into(),
            name: "web".into(),
        };
        let mut value = json!({"spec": {}});
        complete(&mut value, &reference).map_err(drop).unwrap();
        assert_eq!(
            value,
            json!({
                "spec": {},
                "apiVersion": "networking.k8s.io/v1",
                "kind": "Ingress",
                "metadata": {"name": "web", "namespace": "shop"},
            })
        );
        for contradiction in [
            json!({"apiVersion": "networking.k8s.io/v2"}),
            json!({"kind": "Service"}),
            json!({"metadata": {"name": "other"}}),
            json!({"metadata": {"namespace": "kube-system"}}),
            json!({"metadata": []}),
            json!([]),
        ] {
            let mut value = contradiction.clone();
            assert!(complete(&mut value, &reference).is_err(), "{contradiction}");
        }
    }
}
