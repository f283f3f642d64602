//! Runs out of templates and what a Rollout says of them.

use std::{collections::BTreeMap, sync::Arc};

use fastrand::Rng;
use rollcage_api::{
    analysis::AnalysisRunSpec,
    template::{AnalysisTemplateRef, AnalysisTemplateSpec},
};
use rollcage_core::analysis::{collect, run_spec};
use serde_json::{Value, json};

use super::{Case, assert_share, compare, one_of, percent, rng};

const CASES: usize = 5_000;

#[derive(Debug)]
struct FromTemplates {
    /// Name and spec, in the order in which they are named; a name may be there again.
    namespaced: Vec<(String, Value)>,
    cluster: Vec<(String, Value)>,
    given: Value,
}

impl Case for FromTemplates {
    const OP: &'static str = "analysis.fromTemplates";

    fn request(&self) -> Value {
        let objects = |all: &[(String, Value)]| -> Value {
            let object = |(name, spec): &(String, Value)| json!({"metadata": {"name": name}, "spec": spec});
            all.iter().map(object).collect()
        };
        let mut request = self.given.clone();
        request["templates"] = objects(&self.namespaced);
        request["clusterTemplates"] = objects(&self.cluster);
        request
    }

    fn here(&self) -> Result<Value, String> {
        let mut templates = BTreeMap::new();
        let mut references = Vec::new();
        // In turns: the order between the two kinds does not matter.
        let longest = self.namespaced.len().max(self.cluster.len());
        for index in 0..longest {
            for (all, cluster_scope) in [(&self.cluster, true), (&self.namespaced, false)] {
                let Some((name, spec)) = all.get(index) else { continue };
                let reference = AnalysisTemplateRef {
                    template_name: name.clone(),
                    cluster_scope,
                };
                references.push(reference.clone());
                let spec: AnalysisTemplateSpec = serde_json::from_value(spec.clone()).expect("a template");
                templates.entry(reference).or_insert(Arc::new(spec));
            }
        }
        let given: AnalysisRunSpec = serde_json::from_value(self.given.clone()).expect("what a Rollout says");
        let run = collect(&references, &templates)
            .and_then(|collected| run_spec(&collected, &given.args, &given.dry_run, &given.measurement_retention))
            .map_err(|error| error.to_string())?;
        let mut run = serde_json::to_value(run).expect("a spec is JSON");
        if run["metrics"] == json!([]) {
            // A nil slice.
            run["metrics"] = Value::Null;
        }
        Ok(run)
    }
}

fn argument(rng: &mut Rng) -> Value {
    let mut argument = json!({"name": one_of(rng, &["a", "b", "c", "d", "e", "f", "'`"])});
    if percent(rng, 60) {
        argument["value"] = (*one_of(rng, &["1", "1", "1", "1", "1", "", "it's"])).into();
    }
    if percent(rng, 30) {
        argument["valueFrom"] = match rng.u32(..3) {
            0 => json!({"fieldRef": {"fieldPath": "metadata.name"}}),
            1 => json!({}),
            _ => json!({"secretKeyRef": {"name": one_of(rng, &["s", "t"]), "key": "k"}}),
        };
    }
    argument
}

fn list(rng: &mut Rng, most: usize, one: impl Fn(&mut Rng) -> Value) -> Value {
    (0..rng.usize(..=most)).map(|_| one(rng)).collect()
}

fn rule(rng: &mut Rng) -> Value {
    json!({"metricName": format!("rule{}", rng.u32(..40))})
}

fn kept(rng: &mut Rng) -> Value {
    json!({"metricName": format!("rule{}", rng.u32(..40)), "limit": rng.i32(0..5)})
}

fn metric(rng: &mut Rng) -> Value {
    json!({"name": format!("m{}", rng.u32(..60)), "provider": {"plugin": {"a/b": {"n": rng.u32(..9)}}}})
}

fn templates(rng: &mut Rng) -> Vec<(String, Value)> {
    let names = ["x", "y", "z"];
    let specs: Vec<Value> = names
        .iter()
        .map(|_| {
            json!({
                "metrics": list(rng, 2, metric), "args": list(rng, 2, argument),
                "dryRun": list(rng, 2, rule), "measurementRetention": list(rng, 2, kept)
            })
        })
        .collect();
    (0..rng.usize(..4))
        .map(|_| {
            let index = rng.usize(..names.len());
            (names[index].to_owned(), specs[index].clone())
        })
        .collect()
}

fn case(rng: &mut Rng) -> FromTemplates {
    let mut given: Vec<Value> = ["a", "b", "c", "d", "e", "f"]
        .iter()
        .map(|name| json!({"name": name, "value": "given"}))
        .collect();
    given.retain(|_| percent(rng, 80));
    if percent(rng, 50) {
        given.push(argument(rng));
    }
    FromTemplates {
        namespaced: templates(rng),
        cluster: templates(rng),
        given: json!({"args": given, "dryRun": list(rng, 1, rule), "measurementRetention": list(rng, 1, kept)}),
    }
}

#[test]
fn runs_of_templates() -> anyhow::Result<()> {
    let mut rng = rng()?;
    let cases: Vec<FromTemplates> = (0..CASES).map(|_| case(&mut rng)).collect();
    if let Some(answers) = compare(&cases)? {
        let good = answers.iter().filter(|answer| answer.is_ok()).count();
        assert_share(good, CASES, 20, "make a run");
        for text in [
            "two metrics",
            "two Dry-Run",
            "two Measurement",
            "specified multiple times",
            "was not resolved",
        ] {
            let such = answers
                .iter()
                .filter(|answer| answer.as_ref().is_err_and(|error| error.contains(text)));
            assert_share(such.count(), CASES, 2, text);
        }
    }
    Ok(())
}
