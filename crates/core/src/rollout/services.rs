//! Which pods Services select (spec 7.6).

use super::{Canary, Pauses, ReplicaSet, ReplicaSets, RolloutEvent};

/// What a Service is to select.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aim<'a> {
    /// The Service's name.
    pub service: &'a str,
    /// The pods that it is to select.
    pub set: &'a ReplicaSet,
    /// Whether some of them have to be there first.
    pub needs_pods: bool,
}

/// A Service that gets other pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switch {
    /// The value of [`HASH_LABEL`](super::HASH_LABEL) that its selector gets.
    pub hash: String,
    /// Whether it gets the annotation that says which Rollout it belongs to.
    pub adopts: bool,
    /// What is told of it.
    pub event: RolloutEvent,
}

impl<'a> Aim<'a> {
    /// What changes of the Service. `selected` is the hash in its selector, empty without one; `managed` is whether it has
    /// the annotation that says which Rollout it belongs to.
    pub fn switch(&self, selected: &str, managed: bool) -> Option<Switch> {
        let Self {
            service,
            set,
            needs_pods,
        } = *self;
        let some = set.available > 0;
        // A Service that served before the Rollout came is taken over when all pods can take over.
        let all = some && set.wanted != 0 && set.wanted <= set.available;
        let ready = !needs_pods || (some && (managed || all));
        (selected != set.hash && ready).then(|| Switch {
            hash: set.hash.clone(),
            adopts: !managed,
            event: RolloutEvent {
                warning: false,
                reason: "SwitchService",
                message: format!(
                    "Switched selector for service '{service}' from '{selected}' to '{}'",
                    set.hash
                ),
            },
        })
    }

    fn of(service: &'a str, set: Option<&'a ReplicaSet>, needs_pods: bool) -> Option<Self> {
        let set = set.filter(|_| !service.is_empty())?;
        Some(Self {
            service,
            set,
            needs_pods,
        })
    }
}

impl<'a> Canary<'a> {
    /// What the Services are to select, in this order.
    pub fn aims(&self, sets: &ReplicaSets<'a>, pauses: &Pauses) -> Vec<Aim<'a>> {
        let strategy = self.strategy;
        let mut aims: Vec<Option<Aim<'a>>> = Vec::new();
        if let Some(service) = self.ping_pong_canary().filter(|_| !self.is_promoted()) {
            aims.push(Aim::of(service, sets.new, false));
        }
        aims.push(Aim::of(&strategy.stable_service, sets.stable, true));
        if self.routing().is_none() && pauses.is_aborted(&self.rollout.status) {
            aims.push(Aim::of(&strategy.canary_service, sets.stable, true));
        } else if self.going_back_from(sets).is_none() {
            // Otherwise it selects the pods that traffic comes back from, as long as it does.
            aims.push(Aim::of(&strategy.canary_service, sets.new, true));
        }
        aims.into_iter().flatten().collect()
    }

    /// What a router's [`CanaryServiceToStable`](super::RouterCall::CanaryServiceToStable) asks for.
    pub fn aim_at_stable(&self, sets: &ReplicaSets<'a>) -> Option<Aim<'a>> {
        Aim::of(&self.strategy.canary_service, sets.stable, false)
    }

    /// Of the two Services that take turns, the canary's.
    fn ping_pong_canary(&self) -> Option<&'a str> {
        let services = self.strategy.ping_pong.as_ref()?;
        let status = self.rollout.status.canary.as_ref();
        let is_stable_ping = status.is_some_and(|status| status.stable_ping_pong == "ping");
        Some(if is_stable_ping {
            &services.pong_service
        } else {
            &services.ping_service
        })
    }
}

#[cfg(test)]
mod tests {
    use rollcage_api::rollout::Rollout;
    use serde_json::{Value, json};

    use super::*;

    fn set(hash: &str, wanted: i32, available: i32) -> ReplicaSet {
        ReplicaSet {
            name: hash.to_owned(),
            hash: hash.to_owned(),
            wanted,
            available,
            ..ReplicaSet::default()
        }
    }

    #[test]
    fn each_service_has_its_pods() {
        let aims = |canary: &Value, status: &Value| {
            let mut status = status.clone();
            status["currentPodHash"] = "new".into();
            let spec = json!({"replicas": 4, "strategy": {"canary": canary}});
            let rollout: Rollout = serde_json::from_value(json!({"spec": spec, "status": status})).unwrap();
            let (new, stable) = (set("new", 4, 2), set("old", 4, 4));
            let sets = ReplicaSets {
                new: Some(&new),
                stable: Some(if rollout.status.stable_rs == "new" {
                    &new
                } else {
                    &stable
                }),
                others: Vec::new(),
            };
            let canary = Canary::of(&rollout).unwrap();
            let aims = canary.aims(&sets, &Pauses::of(&canary));
            let short = |aim: &Aim<'_>| {
                let sign = if aim.needs_pods { "" } else { "!" };
                format!("{}={}{sign}", aim.service, aim.set.hash)
            };
            aims.iter().map(short).collect::<Vec<_>>().join(" ")
        };
        let basic = json!({"canaryService": "c", "stableService": "s"});
        let routed = json!({"canaryService": "c", "stableService": "s", "trafficRouting": {}});
        let dynamic =
            json!({"canaryService": "c", "stableService": "s", "trafficRouting": {}, "dynamicStableScale": true});
        let turns = json!({"pingPong": {"pingService": "i", "pongService": "o"}, "trafficRouting": {}});
        let weights = json!({"weights": {"canary": {"podTemplateHash": "x"}}});
        for (canary, status, expected) in [
            (&basic, json!({"stableRS": "old"}), "s=old c=new"),
            (&basic, json!({"stableRS": "old", "abort": true}), "s=old c=old"),
            (&routed, json!({"stableRS": "old", "abort": true}), "s=old c=new"),
            (&dynamic, json!({"stableRS": "new", "canary": weights}), "s=new"),
            (&dynamic, json!({"stableRS": "new"}), "s=new c=new"),
            (&json!({}), json!({"stableRS": "old"}), ""),
            (&turns, json!({"stableRS": "old"}), "i=new!"),
            (
                &turns,
                json!({"stableRS": "old", "canary": {"stablePingPong": "pong"}}),
                "i=new!",
            ),
            (
                &turns,
                json!({"stableRS": "old", "canary": {"stablePingPong": "ping"}}),
                "o=new!",
            ),
            (
                &turns,
                json!({"stableRS": "new", "canary": {"stablePingPong": "ping"}}),
                "",
            ),
        ] {
            assert_eq!(aims(canary, &status), expected, "{canary} {status}");
        }
    }

    #[test]
    fn a_service_waits_for_its_pods() {
        for (wanted, available, needs_pods, selected, managed, switches) in [
            (4, 4, true, "a", true, true),
            (4, 1, true, "a", true, true),
            (4, 0, true, "a", true, false),
            (4, 0, false, "a", true, true),
            (4, 4, true, "b", true, false),
            (4, 4, true, "b", false, false),
            // Taken over from somebody else.
            (4, 4, true, "", false, true),
            (4, 3, true, "", false, false),
            (0, 3, true, "", false, false),
            (4, 3, false, "", false, true),
        ] {
            let set = set("b", wanted, available);
            let aim = Aim {
                service: "s",
                set: &set,
                needs_pods,
            };
            let switch = aim.switch(selected, managed);
            assert_eq!(switch.is_some(), switches, "{aim:?} {selected} {managed}");
            assert!(switch.is_none_or(|switch| switch.adopts != managed && switch.hash == "b"));
        }
    }
}
