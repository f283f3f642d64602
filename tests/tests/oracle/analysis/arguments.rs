//! What a Rollout's arguments are worth.

use fastrand::Rng;
use rollcage_api::template::RolloutArgument;
use rollcage_core::analysis::{Hashes, rollout_arguments};
use serde_json::{Value, json};

use super::{Case, assert_share, compare, one_of, percent, rng, text};

const CASES: usize = 5_000;

#[derive(Debug)]
struct Arguments {
    args: Vec<Value>,
    rollout: Value,
}

impl Case for Arguments {
    const OP: &'static str = "analysis.rolloutArgs";

    fn request(&self) -> Value {
        json!({"args": self.args, "rollout": self.rollout, "stable": "old", "latest": "new"})
    }

    fn here(&self) -> Result<Value, String> {
        let args: Vec<RolloutArgument> = serde_json::from_value(self.args.clone().into()).expect("arguments");
        let hashes = Hashes {
            stable: "old",
            latest: "new",
        };
        let found = rollout_arguments(&args, hashes, &self.rollout).map_err(|error| error.to_string())?;
        Ok(serde_json::to_value(found).expect("arguments are JSON"))
    }
}

fn metadata_path(rng: &mut Rng) -> String {
    let known = [
        "metadata.name",
        "metadata.namespace",
        "metadata.uid",
        "metadata.labels",
        "metadata.annotations",
        "metadata.labels['app']",
        "metadata.labels['app.kubernetes.io/name']",
        "metadata.labels['none']",
        "metadata.annotations['A/b']",
        "metadata.annotations['text']",
    ];
    if percent(rng, 90) {
        return (*one_of(rng, &known)).to_owned();
    }
    let pieces = [
        ".name",
        ".labels",
        ".annotations",
        "['app']",
        "['",
        "']",
        ".",
        "x",
        "generation",
        "['a b']",
        "['']",
        "['']x",
    ];
    format!("metadata{}", text(rng, &pieces, 3))
}

fn path(rng: &mut Rng) -> String {
    let known = [
        "spec.replicas",
        "spec.minReadySeconds",
        "spec.paused",
        "spec.selector.matchLabels.app",
        "spec.strategy.canary.steps[0].setWeight",
        "spec.strategy.canary.steps[1].pause.duration",
        "spec.strategy.canary.canaryService",
        "spec.strategy.canary.steps",
        "spec.strategy.canary.steps[9]",
        "spec.strategy.canary.steps.0.setWeight",
        "apiVersion",
        "spec.selector",
        "spec.none.deeper",
    ];
    if percent(rng, 75) {
        return (*one_of(rng, &known)).to_owned();
    }
    let pieces = [
        "spec",
        ".",
        "[",
        "]",
        "replicas",
        "strategy",
        "canary",
        "steps",
        "0",
        "1",
        "x",
        "canaryService",
        "setWeight",
        "é",
        "+1",
    ];
    format!("spec.{}", text(rng, &pieces, 5))
}

fn argument(rng: &mut Rng) -> Value {
    let mut argument = json!({"name": one_of(rng, &["a", "b"])});
    if percent(rng, 30) {
        argument["value"] = "literal".into();
    }
    match rng.u32(..10) {
        0 | 1 => argument["valueFrom"] = json!({"podTemplateHashValue": one_of(rng, &["Latest", "Stable"])}),
        2..5 => argument["valueFrom"] = json!({"fieldRef": {"fieldPath": metadata_path(rng)}}),
        5..9 => argument["valueFrom"] = json!({"fieldRef": {"fieldPath": path(rng)}}),
        _ => {}
    }
    argument
}

fn rollout(rng: &mut Rng) -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
        "metadata": {
            "name": "shop", "namespace": one_of(rng, &["default", "é"]), "uid": "u-1",
            "labels": {"app": one_of(rng, &["shop", "say \"hi\"\n", "\u{7}\u{200b}é"]), "app.kubernetes.io/name": "x"},
            "annotations": {"A/b": "upper", "text": "{\"a\": 1}"}
        },
        "spec": {
            "replicas": one_of(rng, &[0, 1, 3, 99_999, 999_999, 1_000_000, 1_234_567, 2_147_483_647]),
            "minReadySeconds": rng.i32(1..), "paused": true, "selector": {"matchLabels": {"app": "shop"}},
            "strategy": {"canary": {
                "canaryService": "canary", "steps": [{"setWeight": rng.i32(..)}, {"pause": {"duration": one_of(rng, &[json!("1h"), json!(30)])}}]
            }}
        }
    })
}

fn case(rng: &mut Rng) -> Arguments {
    // Of several fields Argo minds the last one only.
    let several = if percent(rng, 2) { rng.usize(..3) } else { 1 };
    Arguments {
        args: (0..several).map(|_| argument(rng)).collect(),
        rollout: rollout(rng),
    }
}

#[test]
fn fields_of_rollouts() -> anyhow::Result<()> {
    let mut rng = rng()?;
    let cases: Vec<Arguments> = (0..CASES).map(|_| case(&mut rng)).collect();
    if let Some(answers) = compare(&cases)? {
        let good = answers.iter().filter(|answer| answer.is_ok()).count();
        assert_share(good, CASES, 50, "are worth something");
        assert_share(CASES - good, CASES, 10, "are not");
    }
    Ok(())
}
