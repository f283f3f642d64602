//! Which ReplicaSet is what, revisions and the rollback window.

use std::collections::BTreeMap;

use fastrand::Rng;
use k8s_openapi::api::apps::v1;
use rollcage_api::rollout::Rollout;
use rollcage_core::rollout::{
    ReplicaSet, ReplicaSets, is_within_window, max_revision, pod_template_hash, revise, same_template,
};
use serde_json::{Map, Value, json};

use super::{
    CASES, compare,
    generate::{one_of, percent, replica_set, rollout},
    seed,
};

const HASH: &str = "rollouts-pod-template-hash";

fn template(rng: &mut Rng) -> Value {
    let image = *one_of(rng, &["web:1", "web:2", "web:3"]);
    let mut template = json!({"metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "web", "image": image, "resources": {"limits": {"cpu": "1"}}}]}});
    if percent(rng, 20) {
        template["spec"]["serviceAccountName"] = "s".into();
    }
    template
}

/// A template as it is in a ReplicaSet: a hash, metadata for the time of the release, and a rule to keep away from others.
fn live(rng: &mut Rng, set: &mut Value, template: &Value, hash: &str, affinity: bool) {
    let mut live = template.clone();
    live["metadata"]["labels"][HASH] = hash.into();
    if percent(rng, 30) {
        live["metadata"]["labels"]["role"] = "canary".into();
        if percent(rng, 80) {
            let injected = json!({"labels": {"role": "canary", "gone": "x"}, "annotations": {"x": "y"}});
            set["metadata"]["annotations"]["rollout.argoproj.io/ephemeral-metadata"] = injected.to_string().into();
        }
    }
    if template["spec"]["serviceAccountName"].is_string() {
        live["spec"]["serviceAccount"] = "s".into();
    }
    if affinity && percent(rng, 70) {
        let rule = json!({"labelSelector": {"matchExpressions": [{"key": HASH, "operator": "In", "values": ["x"]}]},
            "topologyKey": "kubernetes.io/hostname"});
        live["spec"]["affinity"]["podAntiAffinity"] = json!({"requiredDuringSchedulingIgnoredDuringExecution": [rule]});
    }
    set["spec"]["template"] = live;
}

fn request(rng: &mut Rng) -> Value {
    let mut rollout = rollout(rng);
    let wanted = template(rng);
    rollout["spec"]["template"] = wanted.clone();
    let affinity = percent(rng, 20);
    if affinity {
        rollout["spec"]["strategy"]["canary"]["antiAffinity"] =
            json!({"requiredDuringSchedulingIgnoredDuringExecution": {}});
    }
    for (name, often) in [("team", 30), ("empty", 20), ("notified.notifications.argoproj.io", 20)] {
        if percent(rng, often) {
            rollout["metadata"]["annotations"][name] = if name == "empty" { "" } else { "x" }.into();
        }
    }
    let mut hashes: Vec<String> = ["canary", "stable", "old-1", "old-2", "old-3"]
        .map(str::to_owned)
        .into();
    if percent(rng, 60) {
        hashes.push(pod_template_hash(Some(&wanted), None));
    }
    rng.shuffle(&mut hashes);
    hashes.truncate(rng.usize(..6));
    let sets: Vec<Value> = hashes
        .iter()
        .map(|hash| {
            let mut set = replica_set(rng, hash, 4);
            let of = if percent(rng, 25) {
                wanted.clone()
            } else {
                template(rng)
            };
            live(rng, &mut set, &of, hash, affinity);
            let annotations = &mut set["metadata"]["annotations"];
            match rng.u32(..20) {
                0 => {
                    annotations["rollout.argoproj.io/revision"] =
                        (*one_of(rng, &["x", "", "-3", "+4", "1.5", "99999999999999999999"])).into();
                }
                1..4 => {
                    annotations["rollout.argoproj.io/revision-history"] =
                        (*one_of(rng, &["1", "1,2", "", ",3"])).into();
                }
                4 => annotations["experiment.argoproj.io/name"] = (*one_of(rng, &["e", ""])).into(),
                5 => annotations["team"] = "x".into(),
                _ => {}
            }
            set
        })
        .collect();
    if let (true, Some(hash)) = (percent(rng, 70), hashes.first()) {
        rollout["status"]["stableRS"] = hash.as_str().into();
    }
    json!({"rollout": rollout, "sets": sets})
}

fn here(request: &Value) -> Value {
    let rollout: Rollout = serde_json::from_value(request["rollout"].clone()).expect("a Rollout");
    let objects: Vec<v1::ReplicaSet> = serde_json::from_value(request["sets"].clone()).expect("ReplicaSets");
    let sets: Vec<ReplicaSet> = objects.iter().map(ReplicaSet::of).collect();
    let same = |set: &ReplicaSet| {
        let object = request["sets"].as_array().into_iter().flatten();
        let object = object
            .clone()
            .find(|object| object["metadata"]["name"] == set.name.as_str())
            .expect("it is there");
        let annotations = object["metadata"]["annotations"]
            .as_object()
            .cloned()
            .unwrap_or_else(Map::new);
        same_template(
            &rollout,
            &object["spec"]["template"],
            &annotations,
            &request["rollout"]["spec"]["template"],
        )
    };
    let classes = ReplicaSets::of(&rollout, &sets, same);
    let name = |set: Option<&ReplicaSet>| set.map_or("", |set| &set.name).to_owned();
    let older: Vec<&ReplicaSet> = sets
        .iter()
        .filter(|set| classes.new.is_none_or(|new| new.uid != set.uid))
        .collect();
    let revised = revise(&rollout, classes.new.map(|new| &new.annotations), older.iter().copied());
    let others: Vec<&str> = classes.others.iter().map(|set| set.name.as_str()).collect();
    let annotations: BTreeMap<String, String> = revised.annotations;
    json!({"new": name(classes.new), "stable": name(classes.stable), "others": others,
        "maxRevision": max_revision(older.iter().copied()), "annotations": annotations, "annotationsChanged": revised.changed,
        "withinWindow": is_within_window(&rollout, &classes)})
}

#[test]
fn every_replica_set_is_what_it_is_to_the_original() -> anyhow::Result<()> {
    let mut rng = Rng::with_seed(seed()?);
    let requests: Vec<Value> = (0..CASES).map(|_| request(&mut rng)).collect();
    let answers = compare("rollout.classes", &requests, |request| Ok(here(request)))?;
    if let Some(answers) = answers {
        let share = |is: &dyn Fn(&Value) -> bool| {
            answers.iter().filter(|answer| answer.as_ref().is_ok_and(is)).count() * 100 / CASES
        };
        assert!(share(&|answer| answer["new"] != "") > 30 && share(&|answer| answer["withinWindow"] == true) > 1);
    }
    Ok(())
}
