//! Doing one write, and what came of it.

use std::{sync::Arc, time::Duration};

use kube::{
    Api, Error,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams, Preconditions},
};
use rollcage_api::plugin_object::{API_VERSION, KIND};
use serde_json::{Value, json};

use super::{
    plan::{Action, Part, Write},
    store::Store,
};

/// Longest wait for one answer.
const ANSWER: Duration = Duration::from_secs(10);

/// What came of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// It is written, and the object has this version now.
    Written(Option<String>),
    /// Somebody else wrote first; what is known of the object is fresh again.
    Overtaken,
    /// It cannot be written; the reason is for people.
    Failed(String),
}

/// Does a write on the version of the object that is known, and keeps the answer.
pub(super) async fn write(api: &Api<DynamicObject>, store: &Store, write: &Write) -> Done {
    let known = store.get(&write.name);
    let done = tokio::time::timeout(ANSWER, send(api, write, known.as_ref())).await;
    let error = match done {
        Ok(Ok(Some(object))) => {
            let version = object.metadata.resource_version.clone();
            store.put(object);
            return Done::Written(version);
        }
        Ok(Ok(None)) => {
            // The watch tells when it is gone, which may take a finalizer's time.
            return Done::Written(None);
        }
        Ok(Err(error)) => error,
        Err(_) => return Done::Failed(format!("the API server does not answer within {ANSWER:?}")),
    };
    match &error {
        Error::Api(status) if status.code == 409 || status.code == 404 => {
            // One that cannot be read now is seen by the watch.
            let _ = refresh(api, store, &write.name).await;
            Done::Overtaken
        }
        Error::Api(status) if status.code == 403 => Done::Failed(format!(
            "{}: allow {} of {} in the API group rollcage.dev",
            status.message,
            verb(&write.action),
            if matches!(write.action, Action::Apply { .. }) {
                "plugins/status"
            } else {
                "plugins"
            }
        )),
        error => Done::Failed(error.to_string()),
    }
}

fn verb(action: &Action) -> &'static str {
    match action {
        Action::Create(_) => "create",
        Action::Delete => "delete",
        Action::Mend(_) | Action::Apply { .. } => "patch",
    }
}

async fn send(
    api: &Api<DynamicObject>,
    write: &Write,
    known: Option<&Arc<DynamicObject>>,
) -> Result<Option<DynamicObject>, Error> {
    let post = PostParams {
        field_manager: Some(super::plan::LEADER.to_owned()),
        ..PostParams::default()
    };
    match &write.action {
        Action::Create(object) => api.create(&post, &read(object)?).await.map(Some),
        Action::Mend(patch) => {
            tracing::warn!(
                object = write.name,
                "this object stands for an entry that is written elsewhere, and was changed: it is put back"
            );
            let params = PatchParams {
                field_manager: post.field_manager,
                ..PatchParams::default()
            };
            api.patch(&write.name, &params, &Patch::Merge(patch)).await.map(Some)
        }
        Action::Delete => {
            let metadata = known.map(|known| &known.metadata);
            let preconditions = metadata.map(|metadata| Preconditions {
                resource_version: metadata.resource_version.clone(),
                uid: metadata.uid.clone(),
            });
            let params = DeleteParams {
                preconditions,
                ..DeleteParams::default()
            };
            api.delete(&write.name, &params).await.map(|_| None)
        }
        Action::Apply { manager, status } => {
            let params = PatchParams::apply(manager).force();
            let body = body(&write.name, known, status);
            api.patch_status(&write.name, &params, &Patch::Apply(body))
                .await
                .map(Some)
        }
    }
}

/// A status with the version of the object that it was decided on.
fn body(name: &str, known: Option<&Arc<DynamicObject>>, status: &Value) -> Value {
    let mut metadata = json!({"name": name});
    let version = known.and_then(|known| known.metadata.resource_version.as_ref());
    if let (Some(version), Some(fields)) = (version, metadata.as_object_mut()) {
        fields.insert("resourceVersion".to_owned(), json!(version));
    }
    json!({"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "status": status})
}

fn read(object: &Value) -> Result<DynamicObject, Error> {
    serde_json::from_value(object.clone()).map_err(Error::SerdeError)
}

/// Asks for the object as it is now.
pub(super) async fn refresh(api: &Api<DynamicObject>, store: &Store, name: &str) -> Result<(), Error> {
    let known = store.get(name);
    match tokio::time::timeout(ANSWER, api.get_opt(name)).await {
        Ok(Ok(Some(object))) => store.put(object),
        Ok(Ok(None)) => store.remove(name, known.and_then(|known| known.metadata.uid.clone()).as_deref()),
        Ok(Err(error)) => return Err(error),
        Err(_) => {}
    }
    Ok(())
}

/// Whether only the leader may do this.
pub(super) fn is_leaders(part: &Part) -> bool {
    !matches!(part, Part::Replica)
}
