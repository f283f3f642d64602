//! Which ReplicaSet is what to a Rollout (spec 7.1, 7.3).

use rollcage_api::rollout::Rollout;
use serde_json::{Map, Value};

use super::{HASH_LABEL, ReplicaSet, ReplicaSets, hash};

/// Annotation: the metadata that pods have only as long as they are canary or stable.
const EPHEMERAL_ANNOTATION: &str = "rollout.argoproj.io/ephemeral-metadata";

impl<'a> ReplicaSets<'a> {
    /// The Rollout's ReplicaSets by what they are to it. The new one is that with the pod template's hash, else the oldest
    /// of which `same` says that its pods are those of the template ([`same_template`]): hashes change between releases of
    /// controllers, and no Rollout is to start anew for that.
    pub fn of(rollout: &Rollout, sets: &'a [ReplicaSet], same: impl Fn(&ReplicaSet) -> bool) -> Self {
        let mut oldest: Vec<&ReplicaSet> = sets.iter().collect();
        oldest.sort_by_key(|set| (set.created, &set.name));
        let hash = hash::pod_template_hash(rollout.spec.template.as_ref(), rollout.status.collision_count);
        let with = |hash: &str| oldest.iter().copied().find(|set| set.hash == hash);
        let new = with(&hash).or_else(|| oldest.iter().copied().find(|set| same(set)));
        let stable_hash = rollout.status.stable_rs.as_str();
        let stable = match new {
            _ if stable_hash.is_empty() => None,
            Some(new) if new.hash == stable_hash => Some(new),
            _ => sets.iter().find(|set| set.hash == stable_hash),
        };
        let is = |part: Option<&ReplicaSet>, set: &ReplicaSet| part.is_some_and(|part| part.name == set.name);
        let others = sets.iter().filter(|set| !is(new, set) && !is(stable, set)).collect();
        Self { new, stable, others }
    }
}

/// Whether a ReplicaSet's pods are those of a template, apart from what a controller adds to them. `wanted` is the Rollout's
/// template with Kubernetes' defaults, as the API server fills them in; `annotations` are the ReplicaSet's.
pub fn same_template(rollout: &Rollout, live: &Value, annotations: &Map<String, Value>, wanted: &Value) -> bool {
    let mut live = live.clone();
    let mut wanted = wanted.clone();
    remove_ephemeral(&mut live, annotations);
    remove_injected(&mut live, rollout);
    for template in [&mut live, &mut wanted] {
        remove(template, &["metadata", "labels"], HASH_LABEL);
        // The API server adds the old name beside the new one.
        remove(template, &["spec"], "serviceAccount");
    }
    hash::canonical(&live) == hash::canonical(&wanted)
}

fn remove(value: &mut Value, path: &[&str], name: &str) {
    if let Some(object) = object_at(value, path) {
        object.remove(name);
    }
}

fn object_at<'v>(value: &'v mut Value, path: &[&str]) -> Option<&'v mut Map<String, Value>> {
    path.iter()
        .try_fold(value, |value, name| value.get_mut(name))?
        .as_object_mut()
}

/// Labels and annotations that pods got for as long as they are canary or stable.
fn remove_ephemeral(template: &mut Value, annotations: &Map<String, Value>) {
    let injected = annotations.get(EPHEMERAL_ANNOTATION).and_then(Value::as_str);
    let Some(injected) = injected.and_then(|text| serde_json::from_str::<Value>(text).ok()) else {
        return;
    };
    for kind in ["labels", "annotations"] {
        for name in injected
            .get(kind)
            .and_then(Value::as_object)
            .into_iter()
            .flat_map(Map::keys)
        {
            remove(template, &["metadata", kind], name);
        }
    }
}

/// The rule that keeps canary pods from nodes of stable ones.
fn remove_injected(template: &mut Value, rollout: &Rollout) {
    const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
    const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
    let canary = rollout.spec.strategy.canary.as_ref();
    let rule = canary.and_then(|canary| canary.rest.get("antiAffinity"));
    let is_set = |kind: &str| rule.and_then(|rule| rule.get(kind)).is_some_and(|kind| !kind.is_null());
    let kind = match (is_set(PREFERRED), is_set(REQUIRED)) {
        (true, _) => PREFERRED,
        (false, true) => REQUIRED,
        (false, false) => return,
    };
    let Some(affinity) = object_at(template, &["spec", "affinity"]) else {
        return;
    };
    let Some(against) = affinity.get_mut("podAntiAffinity") else {
        return;
    };
    let Some(terms) = against.get_mut(kind).and_then(Value::as_array_mut) else {
        return;
    };
    let Some(at) = terms
        .iter()
        .position(|term| is_injected(term.get("podAffinityTerm").unwrap_or(term)))
    else {
        return;
    };
    terms.remove(at);
    // What was made for the rule alone goes with it.
    let is_empty = |value: &Value| {
        let parts = value.as_object();
        parts.is_none_or(|parts| parts.values().all(|part| part.as_array().is_none_or(Vec::is_empty)))
    };
    if is_empty(against) {
        affinity.remove("podAntiAffinity");
    }
    if affinity.values().all(Value::is_null) {
        remove(template, &["spec"], "affinity");
    }
}

fn is_injected(term: &Value) -> bool {
    let expressions = term
        .pointer("/labelSelector/matchExpressions")
        .and_then(Value::as_array);
    expressions
        .into_iter()
        .flatten()
        .any(|expression| expression.get("key").and_then(Value::as_str) == Some(HASH_LABEL))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(name: &str, hash: &str, created: &str) -> ReplicaSet {
        ReplicaSet {
            name: name.to_owned(),
            hash: hash.to_owned(),
            created: created.parse().ok(),
            ..ReplicaSet::default()
        }
    }

    #[test]
    fn by_hash_and_then_by_template() {
        let template = json!({"spec": {"containers": [{"name": "a"}]}});
        let mut rollout: Rollout = serde_json::from_value(json!({"spec": {"template": template}})).unwrap();
        let hash = hash::pod_template_hash(Some(&template), None);
        let sets = [
            set("a", "x", "2026-01-01T00:00:03Z"),
            set("b", "y", "2026-01-01T00:00:02Z"),
            set("c", &hash, "2026-01-01T00:00:09Z"),
            set("d", &hash, "2026-01-01T00:00:08Z"),
        ];
        let names = |sets: &ReplicaSets<'_>| {
            let name = |set: Option<&ReplicaSet>| set.map_or("-", |set| &set.name).to_owned();
            let others: String = sets.others.iter().map(|set| set.name.as_str()).collect();
            (name(sets.new), name(sets.stable), others)
        };
        let found = |rollout: &Rollout, sets: &[ReplicaSet], same: &str| {
            names(&ReplicaSets::of(rollout, sets, |set| same.contains(&set.name)))
        };
        let is = |new: &str, stable: &str, others: &str| (new.to_owned(), stable.to_owned(), others.to_owned());
        assert_eq!(found(&rollout, &sets, "ab"), is("d", "-", "abc"));
        assert_eq!(found(&rollout, &sets[..2], "ab"), is("b", "-", "a"));
        assert_eq!(found(&rollout, &sets[..2], ""), is("-", "-", "ab"));
        rollout.status.stable_rs = "x".to_owned();
        assert_eq!(found(&rollout, &sets, ""), is("d", "a", "bc"));
        rollout.status.stable_rs = hash;
        assert_eq!(found(&rollout, &sets, ""), is("d", "d", "abc"));
        rollout.status.stable_rs = "gone".to_owned();
        assert_eq!(found(&rollout, &sets[..2], "a"), is("a", "-", "b"));
    }

    #[test]
    fn what_a_controller_adds_is_no_difference() {
        let rollout: Rollout = serde_json::from_value(json!({"spec": {"strategy": {"canary": {"antiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {}}}}}}))
        .unwrap();
        let wanted = json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "a",
            "resources": {"limits": {"cpu": "1000m"}}}], "serviceAccountName": "s"}});
        let rule = json!({"labelSelector": {"matchExpressions": [
            {"key": HASH_LABEL, "operator": "In", "values": ["x"]}]}, "topologyKey": "kubernetes.io/hostname"});
        let live = json!({"metadata": {"creationTimestamp": null, "labels": {"app": "web", HASH_LABEL: "x", "role": "canary"}},
            "spec": {"containers": [{"name": "a", "resources": {"limits": {"cpu": "1"}}}], "serviceAccountName": "s",
                "serviceAccount": "s",
                "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [rule]}}}});
        let annotations = json!({EPHEMERAL_ANNOTATION: "{\"labels\":{\"role\":\"canary\"}}"});
        let annotations = annotations.as_object().unwrap();
        assert!(same_template(&rollout, &live, annotations, &wanted));
        assert!(
            !same_template(&Rollout::default(), &live, annotations, &wanted),
            "nobody adds rules here"
        );
        assert!(
            !same_template(&rollout, &live, &Map::new(), &wanted),
            "the label is its own"
        );
        let mut other = live.clone();
        other["spec"]["containers"][0]["name"] = "b".into();
        assert!(!same_template(&rollout, &other, annotations, &wanted));
    }
}
