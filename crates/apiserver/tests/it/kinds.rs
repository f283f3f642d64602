//! Which kinds there are: discovery, definitions, manifests.

use k8s_openapi::api::{
    core::v1::{Event, ObjectReference},
    events::v1::Event as NewEvent,
};
use kube::{
    Api, Client,
    api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams},
    discovery::{Discovery, Scope, verbs},
};
use rollcage_apiserver::{ApiServer, ChangeType, Kind, Manifest, without_bookkeeping};
use serde_json::{Value, json};

use crate::{clock, objects::refusal, start};

fn definition(plural: &str, kind: &str, scope: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.example.com")},
        "spec": {
            "group": "example.com", "scope": scope,
            "names": {"plural": plural, "kind": kind, "shortNames": ["w"]},
            "versions": [
                {"name": "v1alpha1", "served": true, "storage": false},
                {"name": "v1", "served": true, "storage": true, "subresources": {"status": {}}, "schema": {"openAPIV3Schema": {
                    "type": "object", "properties": {"spec": {"type": "object", "properties": {"parts": {
                        "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["id"],
                        "items": {"type": "object", "properties": {"id": {"type": "integer"}}},
                    }}}},
                }}},
            ],
        },
    })
}

fn api(client: &Client, version: &str, kind: &str) -> Api<DynamicObject> {
    Api::namespaced_with(
        client.clone(),
        "default",
        &ApiResource::from_gvk(&GroupVersionKind::gvk("example.com", version, kind)),
    )
}

#[tokio::test]
async fn clients_discover_what_is_served() {
    let (server, client) = start();
    server.register(
        Kind::custom("example.com", "v1", "Policy")
            .cluster_scoped()
            .with_status(),
    );
    assert_eq!(client.apiserver_version().await.unwrap().major, "1");
    let again = client.clone();
    let discovery = Discovery::new(client).run().await.unwrap();
    let gvk = |group: &str, version: &str, kind: &str| GroupVersionKind::gvk(group, version, kind);
    let (rollout, caps) = discovery
        .resolve_gvk(&gvk("argoproj.io", "v1alpha1", "Rollout"))
        .unwrap();
    assert_eq!((rollout.plural.as_str(), &caps.scope), ("rollouts", &Scope::Namespaced));
    assert!(caps.supports_operation(verbs::WATCH));
    assert_eq!(caps.subresources.len(), 1);
    let (_, caps) = discovery
        .resolve_gvk(&gvk("argoproj.io", "v1alpha1", "AnalysisRun"))
        .unwrap();
    assert_eq!(caps.subresources.len(), 0, "AnalysisRuns have no status subresource");
    let (policy, caps) = discovery.resolve_gvk(&gvk("example.com", "v1", "Policy")).unwrap();
    assert_eq!((policy.plural.as_str(), caps.scope), ("policies", Scope::Cluster));
    for (group, kind) in [
        ("", "Pod"),
        ("apps", "ReplicaSet"),
        ("networking.k8s.io", "Ingress"),
        ("batch", "Job"),
    ] {
        assert!(discovery.resolve_gvk(&gvk(group, "v1", kind)).is_some(), "{kind}");
    }
    let request = http::Request::get("/openapi/v3/apis/argoproj.io/v1alpha1")
        .body(Vec::new())
        .unwrap();
    let openapi: Value = again.request(request).await.unwrap();
    let path = "/apis/argoproj.io/v1alpha1/namespaces/{namespace}/rollouts/{name}";
    assert_eq!(
        openapi["paths"][path]["patch"]["parameters"][2]["name"],
        "fieldValidation"
    );
    assert!(
        discovery
            .resolve_gvk(&gvk("gateway.networking.k8s.io", "v1beta1", "HTTPRoute"))
            .is_some()
    );
}

#[tokio::test]
async fn a_definition_makes_a_kind_and_takes_it_away() {
    let (_server, client) = start();
    let crds = ApiResource::from_gvk(&GroupVersionKind::gvk(
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
    ));
    let crds: Api<DynamicObject> = Api::all_with(client.clone(), &crds);
    let definition: DynamicObject = serde_json::from_value(definition("widgets", "Widget", "Namespaced")).unwrap();
    let made = crds.create(&PostParams::default(), &definition).await.unwrap();
    assert_eq!(made.data["status"]["conditions"][1]["type"], "Established");
    let widgets = api(&client, "v1", "Widget");
    let widget = |parts: Value| {
        let spec = json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"parts": parts}});
        serde_json::from_value::<DynamicObject>(spec).unwrap()
    };
    // The schema says that parts are told apart by their id.
    widgets
        .patch(
            "w",
            &PatchParams::apply("a"),
            &Patch::Apply(&widget(json!([{"id": 1, "x": "a"}]))),
        )
        .await
        .unwrap();
    let both = widgets
        .patch(
            "w",
            &PatchParams::apply("b"),
            &Patch::Apply(&widget(json!([{"id": 2, "x": "b"}]))),
        )
        .await
        .unwrap();
    assert_eq!(
        both.data["spec"]["parts"],
        json!([{"id": 1, "x": "a"}, {"id": 2, "x": "b"}])
    );
    let status = widgets
        .patch_status(
            "w",
            &PatchParams::default(),
            &Patch::Merge(json!({"status": {"ok": true}})),
        )
        .await
        .unwrap();
    assert_eq!(
        (status.data["status"]["ok"].as_bool(), status.metadata.generation),
        (Some(true), Some(2))
    );
    let old = api(&client, "v1alpha1", "Widget").get("w").await.unwrap();
    assert_eq!(old.types.unwrap().api_version, "example.com/v1alpha1");
    crds.delete("widgets.example.com", &DeleteParams::default())
        .await
        .unwrap();
    assert_eq!(refusal(widgets.get("w").await).0, 404);
    assert_eq!(refusal(widgets.list(&ListParams::default()).await).0, 404);
    let mut wrong = definition;
    wrong.metadata.name = Some("gadgets.example.com".into());
    assert_eq!(
        refusal(crds.create(&PostParams::default(), &wrong).await),
        (422, "Invalid".into())
    );
}

#[tokio::test]
async fn manifests_are_loaded_as_they_are() {
    let (server, client) = start();
    let before = server.snapshot();
    let manifest = |file: &str, value: Value| Manifest {
        file: file.into(),
        value,
    };
    let loaded = server.load([
        manifest(
            "a.yaml",
            json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}}),
        ),
        manifest(
            "b.yaml",
            json!({"apiVersion": "v1", "kind": "List", "items": [
                {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {
                    "name": "r", "namespace": "shop", "uid": "u-1", "generation": 7, "resourceVersion": "99",
                    "creationTimestamp": "2025-01-01T00:00:00Z",
                }, "status": {"phase": "Healthy"}},
                {"apiVersion": "argoproj.io/v1", "kind": "Rollout", "metadata": {"name": "x"}},
            ]}),
        ),
        manifest("c.yaml", definition("widgets", "Widget", "Namespaced")),
        manifest(
            "d.yaml:12",
            json!({"apiVersion": "example.com/v1", "kind": "Gadget", "metadata": {"name": "g"}}),
        ),
        manifest(
            "e.yaml",
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default", "labels": {"team": "a"}}}),
        ),
        manifest("f.yaml", json!({"metadata": {"name": "g"}})),
        manifest(
            "g.yaml",
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "uid": "u-1"}}),
        ),
    ]);
    let errors: Vec<String> = loaded.errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        errors,
        [
            "b.yaml (item 1): Rollout \"x\": no kind \"Rollout\" in apiVersion \"argoproj.io/v1\" is known: the kind is known in argoproj.io/v1alpha1",
            "d.yaml:12: Gadget \"g\": no kind \"Gadget\" in apiVersion \"example.com/v1\" is known: add its CustomResourceDefinition, or correct apiVersion and kind",
            "f.yaml: object without a kind \"g\": no kind \"\" in apiVersion \"\" is known: add its CustomResourceDefinition, or correct apiVersion and kind",
            "g.yaml: Pod \"p\": its uid is that of rollouts.argoproj.io \"r\"",
        ]
    );
    let names: Vec<&str> = loaded.objects.iter().map(|key| key.name.as_str()).collect();
    assert_eq!(names, ["widgets.example.com", "default", "w", "r"]);
    let rollout = server.object("argoproj.io/v1alpha1", "Rollout", "shop", "r").unwrap();
    let meta = &rollout["metadata"];
    assert_eq!((&meta["uid"], &meta["generation"]), (&json!("u-1"), &json!(7)));
    assert_eq!(meta["creationTimestamp"], "2025-01-01T00:00:00Z");
    assert_eq!(rollout["status"]["phase"], "Healthy");
    assert!(api(&client, "v1", "Widget").get("w").await.is_ok());

    let changes = before.diff(&server.snapshot());
    let seen: Vec<_> = changes
        .iter()
        .map(|change| (change.key.gvk.kind.as_str(), change.change))
        .collect();
    assert_eq!(
        seen,
        [
            ("Namespace", ChangeType::Modified),
            ("Namespace", ChangeType::Added),
            ("CustomResourceDefinition", ChangeType::Added),
            ("Rollout", ChangeType::Added),
            ("Widget", ChangeType::Added),
        ]
    );
    let bare = without_bookkeeping(changes[3].after.as_ref().unwrap());
    assert_eq!(bare["metadata"], json!({"name": "r", "namespace": "shop"}));
}

#[tokio::test]
async fn an_event_is_one_object_in_both_groups() {
    let (_server, client) = start();
    let old: Api<Event> = Api::default_namespaced(client.clone());
    let new: Api<NewEvent> = Api::default_namespaced(client);
    let event: NewEvent = serde_json::from_value(json!({
        "metadata": {"name": "e"}, "reason": "Why", "note": "it happened", "reportingController": "c", "type": "Normal",
        "regarding": {"kind": "Rollout", "name": "r"}, "eventTime": "2026-03-01T10:00:00.000000Z",
    }))
    .unwrap();
    new.create(&PostParams::default(), &event).await.unwrap();
    let same = old.get("e").await.unwrap();
    assert_eq!(same.message.as_deref(), Some("it happened"));
    assert_eq!(same.reporting_component.as_deref(), Some("c"));
    let about: ObjectReference = same.involved_object;
    assert_eq!(about.name.as_deref(), Some("r"));
    old.patch(
        "e",
        &PatchParams::default(),
        &Patch::Merge(json!({"message": "again", "count": 2})),
    )
    .await
    .unwrap();
    let found = new
        .list(&ListParams::default().fields("regarding.name=r"))
        .await
        .unwrap();
    assert_eq!(found.items[0].note.as_deref(), Some("again"));
    assert_eq!(found.items[0].deprecated_count, Some(2));
    assert_eq!(
        old.list(&ListParams::default().fields("involvedObject.name=x"))
            .await
            .unwrap()
            .items
            .len(),
        0
    );
}

#[tokio::test]
async fn metadata_alone_can_be_asked_for() {
    let (_server, client) = start();
    let maps: Api<k8s_openapi::api::core::v1::ConfigMap> = Api::default_namespaced(client);
    let map = json!({"metadata": {"name": "a"}, "data": {"k": "v"}});
    maps.create(&PostParams::default(), &serde_json::from_value(map).unwrap())
        .await
        .unwrap();
    let one = maps.get_metadata("a").await.unwrap();
    assert_eq!(one.types.unwrap().kind, "PartialObjectMetadata");
    let all = maps.list_metadata(&ListParams::default()).await.unwrap();
    assert_eq!(all.items[0].metadata.name.as_deref(), Some("a"));
}

#[test]
fn two_servers_name_things_alike() {
    let names = || {
        let server = ApiServer::new(clock());
        server.ensure_namespace("x");
        server
            .objects("v1", "Namespace", "")
            .iter()
            .map(|namespace| namespace["metadata"]["uid"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(), names());
}
