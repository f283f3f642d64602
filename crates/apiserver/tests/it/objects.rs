//! Objects: create, read, replace, merge, delete.

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::{
    Api, Client, Error,
    api::{
        ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams,
        Preconditions,
    },
};
use rollcage_apiserver::ChangeType;
use serde_json::json;

use crate::start;

pub fn custom(client: &Client, kind: &str) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("argoproj.io", "v1alpha1", kind));
    Api::namespaced_with(client.clone(), "default", &resource)
}

pub fn object(kind: &str, name: &str, body: &serde_json::Value) -> DynamicObject {
    let mut whole = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": kind, "metadata": {"name": name},
    });
    whole.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    serde_json::from_value(whole).unwrap()
}

/// Code and reason of a refusal.
pub fn refusal<T: std::fmt::Debug>(result: Result<T, Error>) -> (u16, String) {
    match result {
        Err(Error::Api(status)) => (status.code, status.reason.clone()),
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[tokio::test]
async fn an_object_is_created_read_changed_and_deleted() {
    let (server, client) = start();
    let feed = server.subscribe();
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    let made: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "a"}, "data": {"k": "1"}})).unwrap();
    let made = maps.create(&PostParams::default(), &made).await.unwrap();
    let meta = &made.metadata;
    assert_eq!(meta.namespace.as_deref(), Some("default"));
    assert_eq!(
        serde_json::to_value(&meta.creation_timestamp).unwrap(),
        json!("2026-03-01T10:00:00Z")
    );
    assert_eq!(meta.uid.as_ref().unwrap().len(), 36);
    assert_eq!(meta.generation, None, "ConfigMaps have no generation");

    let merged = maps
        .patch("a", &PatchParams::default(), &Patch::Merge(json!({"data": {"l": "2"}})))
        .await
        .unwrap();
    assert_eq!(merged.data.unwrap().len(), 2);
    let version = merged.metadata.resource_version.unwrap();
    assert_ne!(Some(&version), meta.resource_version.as_ref());
    let same = maps
        .patch("a", &PatchParams::default(), &Patch::Merge(json!({"data": {"l": "2"}})))
        .await
        .unwrap();
    assert_eq!(
        same.metadata.resource_version.unwrap(),
        version,
        "a write that changes nothing makes no version"
    );

    let stale = made.clone();
    assert_eq!(
        refusal(maps.replace("a", &PostParams::default(), &stale).await),
        (409, "Conflict".into())
    );
    let twice = ConfigMap {
        metadata: kube::api::ObjectMeta {
            name: Some("a".into()),
            ..Default::default()
        },
        ..Default::default()
    };
    assert_eq!(
        refusal(maps.create(&PostParams::default(), &twice).await),
        (409, "AlreadyExists".into())
    );
    assert_eq!(refusal(maps.get("b").await), (404, "NotFound".into()));

    let wrong = DeleteParams {
        preconditions: Some(Preconditions {
            uid: Some("x".into()),
            resource_version: None,
        }),
        ..Default::default()
    };
    assert_eq!(refusal(maps.delete("a", &wrong).await), (409, "Conflict".into()));
    maps.delete("a", &DeleteParams::default()).await.unwrap();
    assert!(maps.get_opt("a").await.unwrap().is_none());

    let changes = feed.drain().unwrap();
    let seen: Vec<_> = changes
        .iter()
        .map(|change| (change.change, change.name.as_str()))
        .collect();
    assert_eq!(
        seen,
        [
            (ChangeType::Added, "a"),
            (ChangeType::Modified, "a"),
            (ChangeType::Deleted, "a")
        ]
    );
    assert!(changes.is_sorted_by(|a, b| a.resource_version < b.resource_version));
    assert_eq!(changes[0].gvk.kind, "ConfigMap");
    assert_eq!(changes[1].previous.as_ref().unwrap()["data"], json!({"k": "1"}));
}

#[tokio::test]
async fn status_follows_the_rules_of_the_subresource() {
    let (_server, client) = start();
    // A Rollout has the subresource: each endpoint writes its half, and only the spec counts as a generation.
    let rollouts = custom(&client, "Rollout");
    let made = object(
        "Rollout",
        "r",
        &json!({"spec": {"replicas": 1}, "status": {"phase": "Healthy"}}),
    );
    let made = rollouts.create(&PostParams::default(), &made).await.unwrap();
    assert_eq!((made.data.get("status"), made.metadata.generation), (None, Some(1)));
    let both = json!({"spec": {"replicas": 2}, "status": {"phase": "Degraded"}});
    let status = rollouts
        .patch_status("r", &PatchParams::default(), &Patch::Merge(&both))
        .await
        .unwrap();
    assert_eq!(
        (&status.data["spec"]["replicas"], &status.data["status"]["phase"]),
        (&json!(1), &json!("Degraded"))
    );
    assert_eq!(status.metadata.generation, Some(1));
    let both = json!({"spec": {"replicas": 3}, "status": {"phase": "Healthy"}});
    let main = rollouts
        .patch("r", &PatchParams::default(), &Patch::Merge(&both))
        .await
        .unwrap();
    assert_eq!(
        (&main.data["spec"]["replicas"], &main.data["status"]["phase"]),
        (&json!(3), &json!("Degraded"))
    );
    assert_eq!(main.metadata.generation, Some(2));

    // An AnalysisRun has none: a status is a field like any other, and counts as a generation.
    let runs = custom(&client, "AnalysisRun");
    let made = object("AnalysisRun", "a", &json!({"spec": {}, "status": {"phase": "Pending"}}));
    let made = runs.create(&PostParams::default(), &made).await.unwrap();
    assert_eq!(made.data["status"]["phase"], json!("Pending"));
    let status = json!({"status": {"phase": "Running"}});
    let written = runs
        .patch("a", &PatchParams::default(), &Patch::Merge(&status))
        .await
        .unwrap();
    assert_eq!(
        (written.data["status"]["phase"].as_str(), written.metadata.generation),
        (Some("Running"), Some(2))
    );
    let refused = runs
        .patch_status("a", &PatchParams::default(), &Patch::Merge(&status))
        .await;
    assert_eq!(refusal(refused).0, 404);
    // Custom resources are not replaced blindly.
    let blind = object("AnalysisRun", "a", &json!({"spec": {}}));
    assert_eq!(
        refusal(runs.replace("a", &PostParams::default(), &blind).await),
        (422, "Invalid".into())
    );
    let stale = json!({"metadata": {"resourceVersion": made.metadata.resource_version}, "status": {"phase": "Failed"}});
    let refused = runs.patch("a", &PatchParams::default(), &Patch::Merge(&stale)).await;
    assert_eq!(refusal(refused), (409, "Conflict".into()));
}

#[tokio::test]
async fn lists_select_and_come_in_pages_of_one_version() {
    let (server, client) = start();
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    for index in 0..7 {
        let tier = if index % 2 == 0 { "even" } else { "odd" };
        let map = json!({"metadata": {"name": format!("m{index}"), "labels": {"tier": tier}}});
        maps.create(&PostParams::default(), &serde_json::from_value(map).unwrap())
            .await
            .unwrap();
    }
    let names = |list: &kube::api::ObjectList<ConfigMap>| -> Vec<String> {
        list.items
            .iter()
            .map(|map| map.metadata.name.clone().unwrap())
            .collect()
    };
    let even = maps.list(&ListParams::default().labels("tier=even")).await.unwrap();
    assert_eq!(names(&even), ["m0", "m2", "m4", "m6"]);
    let one = maps
        .list(&ListParams::default().fields("metadata.name=m3"))
        .await
        .unwrap();
    assert_eq!(names(&one), ["m3"]);
    assert_eq!(
        refusal(maps.list(&ListParams::default().fields("data.x=1")).await).0,
        400
    );

    let first = maps.list(&ListParams::default().limit(3)).await.unwrap();
    assert_eq!((names(&first).len(), first.metadata.remaining_item_count), (3, Some(4)));
    // What happens between two pages is not seen by the second.
    maps.delete("m4", &DeleteParams::default()).await.unwrap();
    let token = first.metadata.continue_.clone().unwrap();
    let rest = maps.list(&ListParams::default().continue_token(&token)).await.unwrap();
    assert_eq!(names(&rest), ["m3", "m4", "m5", "m6"]);
    assert_eq!(rest.metadata.resource_version, first.metadata.resource_version);
    server.compact();
    assert_eq!(
        refusal(maps.list(&ListParams::default().continue_token(&token)).await).0,
        410
    );
    assert_eq!(
        refusal(maps.list(&ListParams::default().continue_token("?")).await).0,
        400
    );
}

#[tokio::test]
async fn refusals_have_the_real_codes() {
    let (_server, client) = start();
    let maps = |namespace: &str| Api::<ConfigMap>::namespaced(client.clone(), namespace);
    let map = |value: serde_json::Value| serde_json::from_value::<ConfigMap>(value).unwrap();
    let create =
        async |namespace: &str, value| refusal(maps(namespace).create(&PostParams::default(), &map(value)).await);
    assert_eq!(
        create("nowhere", json!({"metadata": {"name": "a"}})).await,
        (404, "NotFound".into())
    );
    assert_eq!(
        create("default", json!({"metadata": {"name": "A_b"}})).await,
        (422, "Invalid".into())
    );
    assert_eq!(
        create("default", json!({"metadata": {}})).await,
        (422, "Invalid".into())
    );
    let bad = json!({"metadata": {"name": "a", "labels": {"x": "not a label"}}});
    assert_eq!(create("default", bad).await, (422, "Invalid".into()));
    let other = json!({"metadata": {"name": "a", "namespace": "other"}});
    assert_eq!(create("default", other).await, (400, "BadRequest".into()));
    let large = json!({"metadata": {"name": "a"}, "data": {"x": "y".repeat(1 << 20), "z": "y"}});
    assert_eq!(create("default", large).await, (422, "Invalid".into()));
    let runs = custom(&client, "AnalysisRun");
    let huge = object("AnalysisRun", "a", &json!({"spec": {"x": "y".repeat(1600 << 10)}}));
    assert_eq!(
        refusal(runs.create(&PostParams::default(), &huge).await),
        (413, "RequestEntityTooLarge".into())
    );
    let body = object("AnalysisRun", "a", &json!({"spec": {"x": "y".repeat(3 << 20)}}));
    assert_eq!(
        refusal(runs.create(&PostParams::default(), &body).await),
        (413, "RequestEntityTooLarge".into())
    );
    let unknown = custom(&client, "Unheard");
    assert_eq!(refusal(unknown.get("a").await), (404, "NotFound".into()));
}

#[tokio::test]
async fn names_are_generated_and_secrets_are_encoded() {
    let (_server, client) = start();
    let secrets: Api<Secret> = Api::default_namespaced(client.clone());
    let secret = json!({"metadata": {"generateName": "s-"}, "stringData": {"token": "hush"}});
    let secret = secrets
        .create(&PostParams::default(), &serde_json::from_value(secret).unwrap())
        .await
        .unwrap();
    let name = secret.metadata.name.unwrap();
    assert!(name.starts_with("s-") && name.len() == 7, "{name}");
    assert_eq!(secret.data.unwrap()["token"].0, b"hush");
    assert_eq!((secret.string_data, secret.type_.as_deref()), (None, Some("Opaque")));
    let namespaces: Api<Namespace> = Api::all(client);
    let default = namespaces.get("default").await.unwrap();
    assert_eq!(default.status.unwrap().phase.as_deref(), Some("Active"));
}

#[tokio::test]
async fn a_finalizer_holds_an_object() {
    let (_server, client) = start();
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    let map = json!({"metadata": {"name": "a", "finalizers": ["example.com/hold"]}});
    maps.create(&PostParams::default(), &serde_json::from_value(map).unwrap())
        .await
        .unwrap();
    let held = maps
        .delete("a", &DeleteParams::default())
        .await
        .unwrap()
        .left()
        .expect("held");
    assert!(held.metadata.deletion_timestamp.is_some());
    let more = json!({"metadata": {"finalizers": ["example.com/hold", "example.com/more"]}});
    let refused = maps.patch("a", &PatchParams::default(), &Patch::Merge(more)).await;
    assert_eq!(refusal(refused), (422, "Invalid".into()));
    let free = json!({"metadata": {"finalizers": null}});
    maps.patch("a", &PatchParams::default(), &Patch::Merge(free))
        .await
        .unwrap();
    assert!(maps.get_opt("a").await.unwrap().is_none());
}

#[tokio::test]
async fn a_dry_run_does_nothing_and_a_status_is_replaced_alone() {
    let (server, client) = start();
    let rollouts = custom(&client, "Rollout");
    let made = object("Rollout", "r", &json!({"spec": {"replicas": 1}}));
    let before = server.revision();
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    assert!(rollouts.create(&dry, &made).await.unwrap().metadata.uid.is_some());
    assert_eq!(server.revision(), before);
    let mut made = rollouts.create(&PostParams::default(), &made).await.unwrap();
    made.data["spec"]["replicas"] = json!(9);
    made.data["status"] = json!({"phase": "Healthy"});
    let replaced = rollouts
        .replace_status("r", &PostParams::default(), &made)
        .await
        .unwrap();
    assert_eq!(
        replaced.data,
        json!({"spec": {"replicas": 1}, "status": {"phase": "Healthy"}})
    );
    let read = rollouts.get_status("r").await.unwrap();
    assert_eq!(read.metadata.resource_version, replaced.metadata.resource_version);
    // An older version that does not exist yet is not waited for.
    let future = ListParams::default()
        .at("999")
        .matching(kube::api::VersionMatch::NotOlderThan);
    assert_eq!(refusal(rollouts.list(&future).await).0, 504);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_that_name_the_version_lose_nothing() {
    const WRITERS: u32 = 4;
    const TIMES: u32 = 25;
    let (_server, client) = start();
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    let map = json!({"metadata": {"name": "n"}, "data": {"n": "0"}});
    maps.create(&PostParams::default(), &serde_json::from_value(map).unwrap())
        .await
        .unwrap();
    let writers = (0..WRITERS).map(|_| {
        let maps = maps.clone();
        tokio::spawn(async move {
            let mut done = 0;
            while done < TIMES {
                let mut map = maps.get("n").await.unwrap();
                let data = map.data.as_mut().unwrap();
                let next = data["n"].parse::<u32>().unwrap() + 1;
                data.insert("n".into(), next.to_string());
                match maps.replace("n", &PostParams::default(), &map).await {
                    Ok(_) => done += 1,
                    Err(Error::Api(status)) if status.code == 409 => {}
                    Err(error) => panic!("{error}"),
                }
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    assert_eq!(
        maps.get("n").await.unwrap().data.unwrap()["n"],
        (WRITERS * TIMES).to_string()
    );
}
