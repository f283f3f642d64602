//! Server-side apply.

use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api, Client, Error,
    api::{DynamicObject, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::{
    objects::{custom, object, refusal},
    start,
};

fn deployments(client: &Client) -> Api<Deployment> {
    Api::default_namespaced(client.clone())
}

fn deployment(spec: &Value) -> Patch<Value> {
    Patch::Apply(json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}))
}

async fn apply(api: &Api<Deployment>, manager: &str, spec: &Value) -> Result<Value, Error> {
    let applied = api.patch("d", &PatchParams::apply(manager), &deployment(spec)).await?;
    Ok(serde_json::to_value(applied).unwrap())
}

/// Who manages what, as `manager operation subresource: fields`.
fn managed(object: &Value) -> Vec<String> {
    let entries = object["metadata"]["managedFields"].as_array().unwrap();
    let text = |entry: &Value, field: &str| entry[field].as_str().unwrap_or_default().to_owned();
    entries
        .iter()
        .map(|entry| {
            let (who, how, sub) = (
                text(entry, "manager"),
                text(entry, "operation"),
                text(entry, "subresource"),
            );
            format!("{who} {how} {sub}: {}", entry["fieldsV1"])
        })
        .collect()
}

#[tokio::test]
async fn applying_creates_owns_and_is_the_same_when_repeated() {
    let (server, client) = start();
    let api = deployments(&client);
    let spec = json!({"replicas": 1, "template": {"spec": {"containers": [{"name": "x", "image": "1"}]}}});
    let made = apply(&api, "a", &spec).await.unwrap();
    assert_eq!(
        managed(&made),
        [
            r#"a Apply : {"f:spec":{"f:replicas":{},"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"x\"}":{".":{},"f:image":{},"f:name":{}}}}}}}"#
        ]
    );
    assert_eq!(made["metadata"]["generation"], 1);
    let before = server.revision();
    apply(&api, "a", &spec).await.unwrap();
    assert_eq!(server.revision(), before);
    let missing = api.patch("d", &PatchParams::default(), &deployment(&spec)).await;
    assert!(missing.is_err(), "a manager is required");
}

#[tokio::test]
async fn managers_conflict_over_values_and_share_equal_ones() {
    let (_server, client) = start();
    let api = deployments(&client);
    apply(&api, "a", &json!({"replicas": 1, "paused": false}))
        .await
        .unwrap();
    let refused = apply(&api, "b", &json!({"replicas": 2})).await;
    let Err(Error::Api(status)) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!((status.code, status.reason.as_str()), (409, "Conflict"));
    assert_eq!(
        status.message,
        r#"Apply failed with 1 conflict: conflict with "a": .spec.replicas"#
    );
    let cause = &status.details.as_ref().unwrap().causes[0];
    assert_eq!(
        (cause.reason.as_str(), cause.field.as_str()),
        ("FieldManagerConflict", ".spec.replicas")
    );

    // The same value is shared, and stays as long as one of them applies it.
    apply(&api, "b", &json!({"replicas": 1})).await.unwrap();
    let without = apply(&api, "a", &json!({"paused": false})).await.unwrap();
    assert_eq!(
        without["spec"],
        json!({"paused": false, "replicas": 1, "selector": {}, "template": {}})
    );
    let three = deployment(&json!({"replicas": 3, "paused": false}));
    let forced = api.patch("d", &PatchParams::apply("a").force(), &three).await.unwrap();
    let forced = serde_json::to_value(forced).unwrap();
    assert_eq!(
        managed(&forced),
        [r#"a Apply : {"f:spec":{"f:paused":{},"f:replicas":{}}}"#]
    );
    // b lost it, so its silence removes nothing; a's removes it.
    let b = apply(&api, "b", &json!({"minReadySeconds": 5})).await.unwrap();
    assert_eq!(b["spec"]["replicas"], 3);
    let a = apply(&api, "a", &json!({"paused": false})).await.unwrap();
    assert_eq!(a["spec"].get("replicas"), None);
    assert_eq!(a["spec"]["minReadySeconds"], 5);
}

#[tokio::test]
async fn fields_written_by_other_means_are_owned_too() {
    let (_server, client) = start();
    let api = deployments(&client);
    apply(&api, "a", &json!({"replicas": 1})).await.unwrap();
    let by = PatchParams {
        field_manager: Some("scaler".into()),
        ..PatchParams::default()
    };
    let scaled = api
        .patch("d", &by, &Patch::Merge(json!({"spec": {"replicas": 5}})))
        .await
        .unwrap();
    let scaled = serde_json::to_value(scaled).unwrap();
    assert_eq!(managed(&scaled), [r#"scaler Update : {"f:spec":{"f:replicas":{}}}"#]);
    assert_eq!(
        refusal(apply(&api, "a", &json!({"replicas": 1})).await),
        (409, "Conflict".into())
    );
    // Not applying it any more is the way to give it up.
    let given = apply(&api, "a", &json!({"paused": true})).await.unwrap();
    assert_eq!(given["spec"]["replicas"], 5);
}

#[tokio::test]
async fn items_of_keyed_lists_belong_to_those_who_apply_them() {
    let (_server, client) = start();
    let api = deployments(&client);
    let containers = |list: Value| json!({"template": {"spec": {"containers": list}}});
    apply(
        &api,
        "a",
        &containers(json!([{"name": "x", "image": "1", "args": ["p", "q"]}])),
    )
    .await
    .unwrap();
    apply(
        &api,
        "b",
        &containers(json!([{"name": "side", "image": "s"}, {"name": "x", "env": [{"name": "E"}]}])),
    )
    .await
    .unwrap();
    let reread = serde_json::to_value(api.get("d").await.unwrap()).unwrap();
    assert_eq!(
        reread["spec"]["template"]["spec"]["containers"],
        json!([{"name": "side", "image": "s"}, {"name": "x", "image": "1", "args": ["p", "q"], "env": [{"name": "E"}]}])
    );
    // a leaves the container that b also applies: what was a's alone goes.
    let left = apply(&api, "a", &json!({"paused": true})).await.unwrap();
    assert_eq!(
        left["spec"]["template"]["spec"]["containers"],
        json!([{"name": "side", "image": "s"}, {"name": "x", "env": [{"name": "E"}]}])
    );
    // A list that is one value is replaced as one.
    let b = json!([{"name": "side", "image": "s", "args": ["1"]}]);
    let b = apply(&api, "b", &containers(b)).await.unwrap();
    assert_eq!(
        b["spec"]["template"]["spec"]["containers"],
        json!([{"name": "side", "image": "s", "args": ["1"]}])
    );
}

#[tokio::test]
async fn each_endpoint_applies_its_half() {
    let (_server, client) = start();
    let rollouts = custom(&client, "Rollout");
    let whole = object(
        "Rollout",
        "r",
        &json!({"spec": {"replicas": 1}, "status": {"phase": "x"}}),
    );
    let status_first = rollouts
        .patch_status("r", &PatchParams::apply("ctl"), &Patch::Apply(&whole))
        .await;
    assert_eq!(refusal(status_first).0, 404);
    let made = rollouts
        .patch("r", &PatchParams::apply("user"), &Patch::Apply(&whole))
        .await
        .unwrap();
    assert_eq!(made.data.get("status"), None);
    let status = rollouts
        .patch_status("r", &PatchParams::apply("ctl"), &Patch::Apply(&whole))
        .await
        .unwrap();
    assert_eq!(status.data["status"]["phase"], "x");
    assert_eq!(status.metadata.generation, Some(1));
    let managed = managed(&serde_json::to_value(&status).unwrap());
    assert_eq!(
        managed,
        [
            r#"ctl Apply status: {"f:status":{"f:phase":{}}}"#,
            r#"user Apply : {"f:spec":{"f:replicas":{}}}"#
        ]
    );
    // A stale version is refused by apply as by everything else.
    let mut stale: DynamicObject = whole;
    stale.metadata.resource_version = made.metadata.resource_version;
    stale.data["spec"]["replicas"] = json!(2);
    let refused = rollouts
        .patch("r", &PatchParams::apply("user"), &Patch::Apply(&stale))
        .await;
    assert_eq!(refusal(refused), (409, "Conflict".into()));
}

#[tokio::test]
async fn forgotten_managers_come_back_as_one() {
    let (_server, client) = start();
    let rollouts = custom(&client, "Rollout");
    let made = object("Rollout", "r", &json!({"spec": {"replicas": 1, "paused": true}}));
    rollouts.create(&PostParams::default(), &made).await.unwrap();
    let forget = json!({"metadata": {"managedFields": []}});
    let forgotten = rollouts
        .patch("r", &PatchParams::default(), &Patch::Merge(forget))
        .await
        .unwrap();
    assert_eq!(forgotten.metadata.managed_fields, None);
    let mut applied = made.clone();
    applied.data["spec"] = json!({"replicas": 2});
    let refused = rollouts
        .patch("r", &PatchParams::apply("a"), &Patch::Apply(&applied))
        .await;
    let Err(Error::Api(status)) = refused else {
        panic!("{refused:?}")
    };
    assert!(status.message.contains("before-first-apply"), "{}", status.message);
}

#[tokio::test]
async fn many_managers_by_update_become_fewer() {
    let (_server, client) = start();
    let rollouts = custom(&client, "Rollout");
    rollouts
        .create(
            &PostParams::default(),
            &object("Rollout", "r", &json!({"spec": {"a": 1}})),
        )
        .await
        .unwrap();
    for index in 0..15 {
        let who = PatchParams {
            field_manager: Some(format!("m{index}")),
            ..PatchParams::default()
        };
        let label = json!({"metadata": {"labels": {format!("l{index}"): "x"}}});
        rollouts.patch("r", &who, &Patch::Merge(label)).await.unwrap();
    }
    let crowd = serde_json::to_value(rollouts.get("r").await.unwrap()).unwrap();
    let managed = managed(&crowd);
    assert_eq!(managed.len(), 10);
    assert!(
        managed.iter().any(|entry| entry.starts_with("ancient-changes Update")),
        "{managed:?}"
    );
    // Nobody's fields were lost on the way.
    for index in 0..15 {
        assert!(
            managed.iter().any(|entry| entry.contains(&format!("f:l{index}\""))),
            "l{index} {managed:?}"
        );
    }
}
