//! What routes lead to: the Rollout's two Services among their backendRefs.

use rollcage_sdk::{Error, router::Rollout};
use serde_json::{Value, json};

/// A backendRef that says nothing else has this weight.
const DEFAULT_WEIGHT: u64 = 1;

/// The Rollout's Services in their roles of now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Services<'a> {
    pub(crate) stable: &'a str,
    pub(crate) canary: &'a str,
    namespace: &'a str,
}

impl<'a> Services<'a> {
    pub(crate) fn of(rollout: &'a Rollout) -> Result<Self, Error> {
        let (stable, canary) = match &rollout.ping_pong {
            Some(both) if both.stable == "ping" => (&both.ping_service, &both.pong_service),
            Some(both) => (&both.pong_service, &both.ping_service),
            None => (&rollout.stable_service, &rollout.canary_service),
        };
        if stable.is_empty() || canary.is_empty() {
            return Err(Error::invalid_config(
                "canaryService and stableService: the Rollout must name both, or pingPong",
            ));
        }
        Ok(Self {
            stable,
            canary,
            namespace: &rollout.namespace,
        })
    }

    /// Whether a backendRef leads to this Service. One that names no namespace is taken for the Rollout's.
    pub(crate) fn is(&self, service: &str, backend: &Value) -> bool {
        let text = |field: &str| backend.get(field).and_then(Value::as_str);
        text("name") == Some(service) && text("namespace").is_none_or(|namespace| namespace == self.namespace)
    }

    /// Whether a backendRef leads to one of them, whichever role it has now.
    pub(crate) fn is_any(&self, backend: &Value) -> bool {
        self.is(self.stable, backend) || self.is(self.canary, backend)
    }

    /// Whether a rule splits its traffic between the two.
    pub(crate) fn are_split_by(&self, rule: &Value) -> bool {
        let has = |service: &str| backends(rule).iter().any(|backend| self.is(service, backend));
        has(self.stable) && has(self.canary)
    }

    /// Sets the weights of a rule that splits.
    pub(crate) fn set_weights(&self, rule: &mut Value, weights: Weights) {
        let backends = rule.get_mut("backendRefs").and_then(Value::as_array_mut);
        for backend in backends.into_iter().flatten() {
            let weight = if self.is(self.canary, backend) {
                weights.canary
            } else if self.is(self.stable, backend) {
                weights.stable
            } else {
                continue;
            };
            if let Some(fields) = backend.as_object_mut() {
                fields.insert("weight".to_owned(), json!(weight));
            }
        }
    }

    /// Whether a rule that splits has these weights.
    pub(crate) fn have_weights(&self, rule: &Value, weights: Weights) -> bool {
        backends(rule).iter().all(|backend| {
            let weight = backend.get("weight").and_then(Value::as_u64).unwrap_or(DEFAULT_WEIGHT);
            if self.is(self.canary, backend) {
                weight == u64::from(weights.canary)
            } else if self.is(self.stable, backend) {
                weight == u64::from(weights.stable)
            } else {
                true
            }
        })
    }
}

/// Shares of traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Weights {
    pub(crate) stable: u32,
    pub(crate) canary: u32,
}

impl Weights {
    pub(crate) fn of(rollout: &Rollout, canary: u32) -> Self {
        Self {
            stable: rollout.max_weight.saturating_sub(canary),
            canary,
        }
    }
}

/// The backendRefs of a rule.
pub(crate) fn backends(rule: &Value) -> &[Value] {
    let backends = rule.get("backendRefs").and_then(Value::as_array);
    backends.map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use rollcage_sdk::router::PingPong;

    use super::*;

    fn rollout() -> Rollout {
        Rollout {
            namespace: "shop".to_owned(),
            stable_service: "stable".to_owned(),
            canary_service: "canary".to_owned(),
            ..Rollout::default()
        }
    }

    #[test]
    fn the_roles_of_ping_and_pong_are_those_of_now() {
        for (stable, expected) in [("ping", ("a", "b")), ("pong", ("b", "a")), ("", ("b", "a"))] {
            let rollout = Rollout {
                ping_pong: Some(PingPong {
                    ping_service: "a".to_owned(),
                    pong_service: "b".to_owned(),
                    stable: stable.to_owned(),
                }),
                ..rollout()
            };
            let services = Services::of(&rollout).unwrap();
            assert_eq!((services.stable, services.canary), expected);
        }
    }

    #[test]
    fn a_rollout_without_services_is_told_so() {
        let rollout = Rollout {
            canary_service: String::new(),
            ..rollout()
        };
        assert!(matches!(Services::of(&rollout), Err(Error::InvalidConfig(_))));
    }

    #[test]
    fn only_the_two_get_weights() {
        let (rollout, weights) = (rollout(), Weights { stable: 80, canary: 20 });
        let services = Services::of(&rollout).unwrap();
        let mut rule = json!({"backendRefs": [
            {"name": "stable", "namespace": "shop", "port": 80}, {"name": "canary", "weight": 3, "filters": []},
            {"name": "other", "weight": 5}, {"name": "canary", "namespace": "elsewhere"}
        ]});
        assert!(services.are_split_by(&rule) && !services.have_weights(&rule, weights));
        services.set_weights(&mut rule, weights);
        let expected = json!({"backendRefs": [
            {"name": "stable", "namespace": "shop", "port": 80, "weight": 80}, {"name": "canary", "weight": 20, "filters": []},
            {"name": "other", "weight": 5}, {"name": "canary", "namespace": "elsewhere"}
        ]});
        assert_eq!(rule, expected);
        assert!(services.have_weights(&rule, weights));
        assert!(!services.are_split_by(&json!({"backendRefs": [{"name": "stable"}]})));
    }
}
