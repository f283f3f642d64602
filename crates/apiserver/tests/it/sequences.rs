//! Random sequences of writes keep what clients rely on.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use http_body_util::BodyExt;
use proptest::prelude::*;
use rollcage_apiserver::{ApiServer, ChangeType};
use serde_json::{Value, json};

use crate::{
    clock,
    hostile::{open, send},
};

const PATH: &str = "/apis/argoproj.io/v1alpha1/namespaces/default/rollouts";

#[derive(Clone, Debug)]
enum Step {
    Create(u8, u8),
    Merge(u8, u8),
    Status(u8, u8),
    Apply(u8, u8, u8),
    Replace(u8, u8),
    Delete(u8),
    Label(u8, bool),
}

fn step() -> impl Strategy<Value = Step> {
    let name = 0_u8..4;
    prop_oneof![
        (name.clone(), 0_u8..3).prop_map(|(name, x)| Step::Create(name, x)),
        (name.clone(), 0_u8..3).prop_map(|(name, x)| Step::Merge(name, x)),
        (name.clone(), 0_u8..3).prop_map(|(name, x)| Step::Status(name, x)),
        (name.clone(), 0_u8..3, 0_u8..3).prop_map(|(name, who, x)| Step::Apply(name, who, x)),
        (name.clone(), 0_u8..3).prop_map(|(name, x)| Step::Replace(name, x)),
        name.clone().prop_map(Step::Delete),
        (name, any::<bool>()).prop_map(|(name, on)| Step::Label(name, on)),
    ]
}

fn rollout(name: u8, spec: &Value) -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": format!("r{name}")}, "spec": spec,
    })
}

async fn take(server: &Arc<ApiServer>, step: &Step) -> u16 {
    let merge = "application/merge-patch+json";
    let one = |name: &u8| format!("{PATH}/r{name}");
    let (method, uri, content_type, body) = match step {
        Step::Create(name, x) => (
            "POST",
            PATH.to_owned(),
            "application/json",
            rollout(*name, &json!({"x": x})),
        ),
        Step::Merge(name, x) => ("PATCH", one(name), merge, json!({"spec": {"x": x}})),
        Step::Status(name, x) => ("PATCH", one(name) + "/status", merge, json!({"status": {"x": x}})),
        Step::Apply(name, who, x) => {
            let uri = format!("{}?fieldManager=m{who}&force=true", one(name));
            (
                "PATCH",
                uri,
                "application/apply-patch+yaml",
                rollout(*name, &json!({format!("f{x}"): who, "x": x})),
            )
        }
        Step::Replace(name, x) => {
            let (_, now) = send(server, "GET", &one(name), "", Vec::new()).await;
            let mut now: Value = serde_json::from_slice(&now).unwrap();
            now["spec"] = json!({"x": x, "y": x});
            ("PUT", one(name), "application/json", now)
        }
        Step::Delete(name) => ("DELETE", one(name), "application/json", json!({})),
        Step::Label(name, on) => {
            let label = if *on { json!("yes") } else { Value::Null };
            (
                "PATCH",
                one(name),
                merge,
                json!({"metadata": {"labels": {"on": label}}}),
            )
        }
    };
    send(server, method, &uri, content_type, body.to_string().into_bytes())
        .await
        .0
}

/// A list: its version and its objects by name.
async fn list(server: &Arc<ApiServer>, query: &str) -> (u64, BTreeMap<String, Value>) {
    let (code, body) = send(server, "GET", &format!("{PATH}?{query}"), "", Vec::new()).await;
    assert_eq!(code, 200);
    let list: Value = serde_json::from_slice(&body).unwrap();
    let version = list["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
    let items = list["items"].as_array().unwrap();
    (
        version,
        items
            .iter()
            .map(|item| (item["metadata"]["name"].as_str().unwrap().to_owned(), item.clone()))
            .collect(),
    )
}

/// Follows a watch from a list until the object `end` is there.
async fn follow(
    server: &Arc<ApiServer>,
    query: &str,
    version: u64,
    mut state: BTreeMap<String, Value>,
) -> BTreeMap<String, Value> {
    let uri = format!("{PATH}?watch=1&resourceVersion={version}&{query}");
    let mut body = open(server, "GET", &uri, "", Vec::new()).await.into_body();
    let mut last = version;
    while !state.contains_key("end") {
        let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
        for line in frame.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let event: Value = serde_json::from_slice(line).unwrap();
            let object = &event["object"];
            let name = object["metadata"]["name"].as_str().unwrap().to_owned();
            let version: u64 = object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
            assert!(version > last, "versions grow");
            last = version;
            match event["type"].as_str().unwrap() {
                "ADDED" => assert!(state.insert(name, object.clone()).is_none(), "added twice"),
                "MODIFIED" => assert!(
                    state.insert(name, object.clone()).is_some(),
                    "modified before it was added"
                ),
                "DELETED" => assert!(state.remove(&name).is_some(), "deleted before it was added"),
                other => panic!("{other}"),
            }
        }
    }
    state
}

/// Every path of `fieldsV1`.
fn paths(fields: &Value, at: &str, all: &mut BTreeSet<String>) {
    let fields = fields.as_object().unwrap();
    if fields.is_empty() || fields.contains_key(".") {
        all.insert(at.to_owned());
    }
    for (element, below) in fields.iter().filter(|(element, _)| *element != ".") {
        paths(below, &format!("{at}/{element}"), all);
    }
}

/// Every path of an object of objects, and those of its leaves.
fn nodes(value: &Value, at: &str, all: &mut BTreeSet<String>, leaves: &mut BTreeSet<String>) {
    all.insert(at.to_owned());
    match value.as_object() {
        // What was emptied is left over without a manager, as in the real server.
        Some(map) => {
            for (key, value) in map {
                nodes(value, &format!("{at}/f:{key}"), all, leaves);
            }
        }
        None => {
            leaves.insert(at.to_owned());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_field_has_a_manager_and_applying_again_changes_nothing(
        steps in proptest::collection::vec((0_u8..4, any::<bool>(), proptest::collection::btree_map("[a-d]", proptest::collection::btree_map("[x-z]", 0_u8..2, 0..3), 0..4)), 1..24)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let server = ApiServer::new(clock());
            for (who, merges, spec) in steps {
                let spec = json!(spec);
                let (content_type, body) = if merges {
                    ("application/merge-patch+json", json!({"spec": spec}))
                } else {
                    ("application/apply-patch+yaml", rollout(0, &spec))
                };
                let uri = |force: bool| {
                    let force = if force && !merges { "&force=true" } else { "" };
                    format!("{PATH}/r0?fieldManager=m{who}{force}")
                };
                let write = async |force| {
                    send(&server, "PATCH", &uri(force), content_type, body.to_string().into_bytes()).await
                };
                let before = server.revision();
                let (code, _) = write(false).await;
                prop_assert!(matches!(code, 200 | 201 | 404 | 409), "{}", code);
                if code >= 400 {
                    prop_assert_eq!(server.revision(), before);
                }
                if code == 409 {
                    prop_assert_eq!(write(true).await.0, 200);
                }
                let Some(object) = server.object("argoproj.io/v1alpha1", "Rollout", "default", "r0") else { continue };
                // What was asked for is there.
                let asked: BTreeMap<String, Value> = serde_json::from_value(spec).unwrap();
                for (key, value) in &asked {
                    for (inner, value) in value.as_object().unwrap() {
                        prop_assert_eq!(&object["spec"][key][inner], value);
                    }
                }
                let revision = server.revision();
                prop_assert_eq!(write(true).await.0, 200);
                prop_assert_eq!(server.revision(), revision);
                // Each field has somebody, and nobody has a field that is not there.
                let (mut all, mut leaves, mut managed) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
                if object.get("spec").is_some() {
                    nodes(&object["spec"], "/f:spec", &mut all, &mut leaves);
                }
                for entry in object["metadata"]["managedFields"].as_array().into_iter().flatten() {
                    paths(&entry["fieldsV1"], "", &mut managed);
                }
                prop_assert!(leaves.is_subset(&managed), "{:?} {:?}", leaves, managed);
                prop_assert!(managed.is_subset(&all), "{:?} {:?}", managed, all);
            }
            Ok(())
        })?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_list_and_the_watch_from_it_make_the_newest_list(steps in proptest::collection::vec(step(), 1..40), at in any::<proptest::sample::Index>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let server = ApiServer::new(clock());
            let feed = server.subscribe();
            let selected = "labelSelector=on%3Dyes";
            let mut points = Vec::new();
            for step in &steps {
                let before = server.revision();
                points.push((list(&server, "").await, list(&server, selected).await));
                let code = take(&server, step).await;
                // A refused write changes nothing.
                if code >= 400 {
                    prop_assert_eq!(server.revision(), before, "{:?}", step);
                }
            }
            let end = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "end", "labels": {"on": "yes"}}});
            send(&server, "POST", PATH, "application/json", end.to_string().into_bytes()).await;
            let newest = (list(&server, "").await.1, list(&server, selected).await.1);

            let (all, some) = points.swap_remove(at.index(points.len()));
            prop_assert_eq!(&follow(&server, "", all.0, all.1.clone()).await, &newest.0);
            prop_assert_eq!(&follow(&server, selected, some.0, some.1).await, &newest.1);
            // The past can be listed as it was.
            let (then, past) = list(&server, &format!("resourceVersion={}&resourceVersionMatch=Exact", all.0)).await;
            prop_assert_eq!((then, &past), (all.0, &all.1));

            // The feed tells the same story, every version once.
            let changes = feed.drain().unwrap();
            let mut state = BTreeMap::new();
            for pair in changes.windows(2) {
                prop_assert_eq!(pair[0].resource_version + 1, pair[1].resource_version);
            }
            for change in changes {
                let before = match change.change {
                    ChangeType::Deleted => state.remove(&change.name),
                    _ => state.insert(change.name.clone(), change.object.as_ref().clone()),
                };
                prop_assert_eq!(before.as_ref(), change.previous.as_deref());
            }
            prop_assert_eq!(&state, &newest.0);
            for (_, object) in state {
                let generation = object["metadata"]["generation"].as_u64().unwrap();
                prop_assert!(generation >= 1);
            }
            Ok(())
        })?;
    }
}
