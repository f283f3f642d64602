//! Hashes of pod templates and steps, to the byte as the original has them (spec 7.3): FNV-1a over Go's JSON encoding.
//!
//! ```text
//! template (any JSON) -> json, by fields.txt (which fields, in which order, when left out) -> FNV-1a -> letters
//! ```
//!
//! `fields.txt` is made from Go's types; a test holds it to them and says what changed. A field that it does not have is no
//! part of a hash, as with the original.

mod fields;
mod json;
mod quantity;

use rollcage_api::rollout::Rollout;
use serde_json::Value;

/// Letters and digits that make no words.
const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// Hash of a pod template. A name that was taken makes the next one another (`status.collisionCount`).
pub fn pod_template_hash(template: Option<&Value>, collisions: Option<i32>) -> String {
    let mut bytes = json::encode("PodTemplateSpec", template);
    if let Some(collisions) = collisions {
        bytes.extend(collisions.to_le_bytes());
        bytes.extend([0; 4]);
    }
    letters(fnv(&bytes))
}

/// A pod template as hashes see it: the same bytes are the same pods.
pub(super) fn canonical(template: &Value) -> Vec<u8> {
    json::encode("PodTemplateSpec", Some(template))
}

/// Hash of the steps; empty without a canary strategy.
pub fn step_hash(rollout: &Rollout) -> String {
    let strategy = &rollout.spec.strategy;
    let (Some(canary), None) = (
        &strategy.canary,
        strategy.rest.get("blueGreen").filter(|other| !other.is_null()),
    ) else {
        return String::new();
    };
    // What was read can be written.
    let steps = serde_json::to_value(&canary.steps).unwrap_or_default();
    let steps = Some(&steps).filter(|_| !canary.steps.is_empty());
    letters(fnv(&json::encode("[]CanaryStep", steps)))
}

/// FNV-1a, 32 bits.
fn fnv(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash: u32, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

fn letters(hash: u32) -> String {
    let letter = |digit: u8| LETTERS.get(usize::from(digit) % LETTERS.len()).copied().map(char::from);
    hash.to_string().bytes().filter_map(letter).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of_steps(steps: &Value) -> String {
        let spec = json!({"strategy": {"canary": {"steps": steps}}});
        step_hash(&serde_json::from_value(json!({"spec": spec})).unwrap())
    }

    /// As the original's own tests have them.
    #[test]
    fn known_hashes() {
        for (steps, hash) in [
            (json!(null), "5ffbfbbd64"),
            (json!([]), "5ffbfbbd64"),
            (json!([{"pause": {}}]), "6b9b86fbd5"),
            (json!([{"setWeight": 1}]), "5d6bf6ffc4"),
            (json!([{"pause": {}}, {"pause": {}}]), "79c9b9f6bf"),
        ] {
            assert_eq!(of_steps(&steps), hash, "{steps}");
        }
        let container = |name: &str| {
            json!({"name": name, "image": "nginx:1.19-alpine",
                "ports": [{"name": "http", "containerPort": 80, "protocol": "TCP"}],
                "resources": {"requests": {"cpu": "5m", "memory": "16Mi"}}})
        };
        let template = json!({"metadata": {"labels": {"app": "canary-scaledowndelay"}},
            "spec": {"containers": [container("canary-scaledowndelay")]}});
        assert_eq!(pod_template_hash(Some(&template), None), "674d8cf959");
        let gated = json!({"metadata": {"labels": {"app": "dynamic-stable-scale"}}, "spec": {
            "containers": [container("dynamic-stable-scale")],
            "readinessGates": [{"conditionType": "argoproj.io/e2e-readiness"}]}});
        assert_eq!(pod_template_hash(Some(&gated), None), "6b56c8cdb4");
    }

    #[test]
    fn only_what_pods_are_made_of_counts() {
        let template = json!({"spec": {"containers": [{"name": "a", "env": [{"name": "A", "value": "<&>"}]}]}});
        let hash = |template: &Value| pod_template_hash(Some(template), None);
        let mut other = template.clone();
        other["spec"]["noSuchField"] = json!(1);
        other["spec"]["containers"][0]["args"] = json!([]);
        other["spec"]["volumes"] = json!(null);
        other["metadata"] = json!({"creationTimestamp": null, "labels": {}});
        assert_eq!(hash(&template), hash(&other));
        for (pointer, value) in [
            ("/spec/containers/0/name", json!("b")),
            ("/spec/containers/0/env/0/value", json!("<&")),
            ("/spec/containers", json!([])),
            ("/spec/containers", json!(null)),
        ] {
            let mut other = template.clone();
            *other.pointer_mut(pointer).unwrap() = value;
            assert_ne!(hash(&template), hash(&other), "{other}");
        }
        assert_ne!(hash(&template), pod_template_hash(Some(&template), Some(0)));
        assert_ne!(
            pod_template_hash(Some(&template), Some(1)),
            pod_template_hash(Some(&template), Some(0))
        );
    }

    #[test]
    fn a_strategy_without_steps_of_its_own_has_no_hash() {
        for strategy in [
            json!({}),
            json!({"blueGreen": {}}),
            json!({"blueGreen": {}, "canary": {}}),
        ] {
            let rollout = serde_json::from_value(json!({"spec": {"strategy": strategy}})).unwrap();
            assert_eq!(step_hash(&rollout), "", "{strategy}");
        }
    }
}
