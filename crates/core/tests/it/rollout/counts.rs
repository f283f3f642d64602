//! How many pods there are to be.

use fastrand::Rng;
use k8s_openapi::api::apps::v1;
use rollcage_api::rollout::Rollout;
use rollcage_core::rollout::{Canary, ReplicaSet, ReplicaSets, Scale};
use serde_json::{Value, json};

use super::{CASES, compare, generate, seed};

/// The ReplicaSets of a request, as the controller would read them.
pub(super) struct Observed {
    pub(super) rollout: Rollout,
    pub(super) new: Option<ReplicaSet>,
    pub(super) stable: Option<ReplicaSet>,
    pub(super) others: Vec<ReplicaSet>,
}

impl Observed {
    pub(super) fn of(request: &Value) -> Self {
        let set = |value: &Value| -> Option<ReplicaSet> {
            let object: Option<v1::ReplicaSet> = serde_json::from_value(value.clone()).expect("a ReplicaSet");
            object.map(|object| ReplicaSet::of(&object))
        };
        let others = request["others"].as_array().expect("others");
        Self {
            rollout: serde_json::from_value(request["rollout"].clone()).expect("a Rollout"),
            new: set(&request["new"]),
            stable: set(&request["stable"]),
            others: others.iter().filter_map(set).collect(),
        }
    }

    pub(super) fn sets(&self) -> ReplicaSets<'_> {
        ReplicaSets {
            new: self.new.as_ref(),
            stable: self.stable.as_ref(),
            others: self.others.iter().collect(),
        }
    }
}

#[test]
fn as_many_pods_as_the_original_wants() -> anyhow::Result<()> {
    let mut rng = Rng::with_seed(seed()?);
    let requests: Vec<Value> = (0..CASES)
        .map(|_| {
            let mut scene = generate::scene(&mut rng);
            scene["weights"] = rng.bool().into();
            scene
        })
        .collect();
    let answers = compare("rollout.counts", &requests, |request| {
        let observed = Observed::of(request);
        let sets = observed.sets();
        let canary = Canary::of(&observed.rollout).expect("a canary");
        let status = observed.rollout.status.canary.as_ref();
        let weights = status
            .and_then(|canary| canary.weights.as_ref())
            .filter(|_| request["weights"] == true);
        let counts = canary.counts(&sets, weights);
        let (replicas, weight) = match canary.scale(&sets) {
            Scale::Replicas(replicas) => (Some(replicas), 0),
            Scale::Weight(weight) => (None, weight),
        };
        Ok(json!({
            "canary": counts.canary, "stable": counts.stable, "atCounts": canary.at_counts(&sets, weights),
            "maxSurge": canary.max_surge(), "maxUnavailable": canary.max_unavailable(), "setWeight": canary.set_weight(),
            "canaryWeight": canary.canary_weight(&sets), "scaleReplicas": replicas, "scaleWeight": weight,
        }))
    })?;
    if let Some(answers) = answers {
        let at = answers
            .iter()
            .filter(|answer| answer.as_ref().is_ok_and(|answer| answer["atCounts"] == true));
        assert!(at.count() * 50 > CASES, "few are where they are to be");
    }
    Ok(())
}
