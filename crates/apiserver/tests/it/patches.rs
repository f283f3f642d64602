//! JSON and strategic patches, and what is refused as a patch.

use k8s_openapi::api::{apps::v1::Deployment, core::v1::Service};
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;

use crate::{
    objects::{custom, object, refusal},
    start,
};

fn operations(value: serde_json::Value) -> Patch<()> {
    Patch::Json(serde_json::from_value(value).unwrap())
}

#[tokio::test]
async fn a_json_patch_is_done_whole_or_not_at_all() {
    let (server, client) = start();
    let rollouts = custom(&client, "Rollout");
    let made = object("Rollout", "r", &json!({"spec": {"steps": [1, 2], "a": {"b": "c"}}}));
    rollouts.create(&PostParams::default(), &made).await.unwrap();
    let good = json!([
        {"op": "test", "path": "/spec/a/b", "value": "c"},
        {"op": "add", "path": "/spec/steps/-", "value": 3},
        {"op": "move", "from": "/spec/a", "path": "/spec/z"},
        {"op": "remove", "path": "/spec/steps/0"},
    ]);
    let done = rollouts
        .patch("r", &PatchParams::default(), &operations(good))
        .await
        .unwrap();
    assert_eq!(done.data["spec"], json!({"steps": [2, 3], "z": {"b": "c"}}));
    let before = server.revision();
    let bad = [
        json!([{"op": "add", "path": "/spec/x", "value": 1}, {"op": "test", "path": "/spec/z/b", "value": "d"}]),
        json!([{"op": "remove", "path": "/spec/none"}]),
    ];
    for patch in bad {
        let refused = rollouts.patch("r", &PatchParams::default(), &operations(patch)).await;
        assert_eq!(refusal(refused), (422, "Invalid".into()));
    }
    let renamed = json!([{"op": "replace", "path": "/metadata/name", "value": "other"}]);
    let refused = rollouts.patch("r", &PatchParams::default(), &operations(renamed)).await;
    assert_eq!(refusal(refused), (400, "BadRequest".into()));
    // Each doubles the object.
    let double = |index: u8| json!({"op": "copy", "from": "/spec", "path": format!("/spec/x{index}")});
    let bomb: Vec<_> = (0..64).map(double).collect();
    let refused = rollouts
        .patch("r", &PatchParams::default(), &operations(json!(bomb)))
        .await;
    assert!(matches!(refusal(refused).0, 400 | 413));
    assert_eq!(server.revision(), before);
}

#[tokio::test]
async fn strategic_patches_go_by_keys_for_built_in_kinds_only() {
    let (_server, client) = start();
    let services: Api<Service> = Api::default_namespaced(client.clone());
    let service =
        json!({"metadata": {"name": "s"}, "spec": {"ports": [{"name": "a", "port": 1}, {"name": "b", "port": 2}]}});
    services
        .create(&PostParams::default(), &serde_json::from_value(service).unwrap())
        .await
        .unwrap();
    let patch = json!({"spec": {"ports": [{"port": 2, "name": "c"}, {"port": 1, "$patch": "delete"}]}});
    let patched = services
        .patch("s", &PatchParams::default(), &Patch::Strategic(patch))
        .await
        .unwrap();
    let ports = serde_json::to_value(patched.spec.unwrap().ports).unwrap();
    assert_eq!(ports, json!([{"name": "c", "port": 2}]));

    let deployments: Api<Deployment> = Api::default_namespaced(client.clone());
    let made = json!({"metadata": {"name": "d"}, "spec": {"selector": {}, "template": {"spec": {"containers": [{"name": "x", "image": "1"}]}}}});
    deployments
        .create(&PostParams::default(), &serde_json::from_value(made).unwrap())
        .await
        .unwrap();
    let image = json!({"spec": {"template": {"spec": {"containers": [{"name": "y", "image": "2"}]}}}});
    let both = deployments
        .patch("d", &PatchParams::default(), &Patch::Strategic(image))
        .await
        .unwrap();
    assert_eq!(both.spec.template.spec.unwrap().containers.len(), 2);

    let rollouts = custom(&client, "Rollout");
    rollouts
        .create(&PostParams::default(), &object("Rollout", "r", &json!({"spec": {}})))
        .await
        .unwrap();
    let refused = rollouts
        .patch("r", &PatchParams::default(), &Patch::Strategic(json!({"spec": {}})))
        .await;
    assert_eq!(refusal(refused), (415, "UnsupportedMediaType".into()));
    let refused = rollouts
        .patch("r", &PatchParams::default(), &Patch::Merge(json!([1])))
        .await;
    assert_eq!(refusal(refused), (400, "BadRequest".into()));
    let dry = PatchParams {
        dry_run: true,
        ..PatchParams::default()
    };
    let shown = rollouts
        .patch("r", &dry, &Patch::Merge(json!({"spec": {"replicas": 9}})))
        .await
        .unwrap();
    assert_eq!(shown.data["spec"]["replicas"], 9);
    assert_eq!(rollouts.get("r").await.unwrap().data["spec"], json!({}));
}
