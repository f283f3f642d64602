//! What goes with what: owners, namespaces, definitions.

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, PropagationPolicy},
};
use serde_json::{Value, json};

use crate::{objects::refusal, start};

/// Creates a ConfigMap with these owners; its uid.
async fn make(api: &Api<ConfigMap>, name: &str, owners: &[(&str, &str)], finalizer: bool) -> String {
    let owners: Vec<Value> = owners
        .iter()
        .map(|(name, uid)| {
            json!({"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": uid, "blockOwnerDeletion": true})
        })
        .collect();
    let finalizers: &[&str] = if finalizer { &["example.com/hold"] } else { &[] };
    let map = json!({"metadata": {"name": name, "ownerReferences": owners, "finalizers": finalizers}});
    let made = api
        .create(&PostParams::default(), &serde_json::from_value(map).unwrap())
        .await
        .unwrap();
    made.metadata.uid.unwrap()
}

async fn names(api: &Api<ConfigMap>) -> Vec<String> {
    let list = api.list(&ListParams::default()).await.unwrap();
    list.items.into_iter().map(|map| map.metadata.name.unwrap()).collect()
}

async fn free(api: &Api<ConfigMap>, name: &str) {
    let patch = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    api.patch(name, &PatchParams::default(), &patch).await.unwrap();
}

fn maps(client: &Client) -> Api<ConfigMap> {
    Api::default_namespaced(client.clone())
}

fn how(policy: PropagationPolicy) -> DeleteParams {
    DeleteParams {
        propagation_policy: Some(policy),
        ..DeleteParams::default()
    }
}

#[tokio::test]
async fn dependents_go_after_their_last_owner() {
    let (_server, client) = start();
    let api = maps(&client);
    let a = make(&api, "a", &[], false).await;
    let b = make(&api, "b", &[], false).await;
    let child = make(&api, "child", &[("a", &a)], false).await;
    make(&api, "grandchild", &[("child", &child)], false).await;
    make(&api, "shared", &[("a", &a), ("b", &b)], false).await;
    make(&api, "stray", &[("never", "was")], false).await;
    api.delete("a", &DeleteParams::default()).await.unwrap();
    assert_eq!(
        names(&api).await,
        ["b", "shared", "stray"],
        "done when the request is answered"
    );
    let shared = api.get("shared").await.unwrap();
    assert_eq!(shared.metadata.owner_references.unwrap().len(), 1);
    api.delete("b", &how(PropagationPolicy::Orphan)).await.unwrap();
    assert_eq!(names(&api).await, ["shared", "stray"]);
    assert_eq!(api.get("shared").await.unwrap().metadata.owner_references, None);
}

#[tokio::test]
async fn in_the_foreground_the_owner_waits() {
    let (_server, client) = start();
    let api = maps(&client);
    let owner = make(&api, "owner", &[], false).await;
    make(&api, "held", &[("owner", &owner)], true).await;
    make(&api, "quick", &[("owner", &owner)], false).await;
    let waiting = api
        .delete("owner", &how(PropagationPolicy::Foreground))
        .await
        .unwrap()
        .left()
        .unwrap();
    assert_eq!(waiting.metadata.finalizers.unwrap(), ["foregroundDeletion"]);
    assert_eq!(names(&api).await, ["held", "owner"]);
    free(&api, "held").await;
    assert_eq!(names(&api).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_namespace_goes_when_all_in_it_is_gone() {
    let (_server, client) = start();
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": "n"}})).unwrap();
    namespaces.create(&PostParams::default(), &namespace).await.unwrap();
    let api: Api<ConfigMap> = Api::namespaced(client, "n");
    make(&api, "a", &[], false).await;
    make(&api, "held", &[], true).await;
    let going = namespaces
        .delete("n", &DeleteParams::default())
        .await
        .unwrap()
        .left()
        .unwrap();
    assert_eq!(going.status.unwrap().phase.as_deref(), Some("Terminating"));
    assert_eq!(names(&api).await, ["held"]);
    let late: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "late"}})).unwrap();
    assert_eq!(
        refusal(api.create(&PostParams::default(), &late).await),
        (403, "Forbidden".into())
    );
    let label = Patch::Merge(json!({"metadata": {"labels": {"still": "here"}}}));
    namespaces.patch("n", &PatchParams::default(), &label).await.unwrap();
    free(&api, "held").await;
    assert!(namespaces.get_opt("n").await.unwrap().is_none());
}

#[tokio::test]
async fn a_collection_is_deleted_by_selector() {
    let (_server, client) = start();
    let api = maps(&client);
    for (name, tier) in [("a", "x"), ("b", "y"), ("c", "x")] {
        let map = json!({"metadata": {"name": name, "labels": {"tier": tier}}});
        api.create(&PostParams::default(), &serde_json::from_value(map).unwrap())
            .await
            .unwrap();
    }
    let selected = ListParams::default().labels("tier=x");
    api.delete_collection(&DeleteParams::default(), &selected)
        .await
        .unwrap();
    assert_eq!(names(&api).await, ["b"]);
}
