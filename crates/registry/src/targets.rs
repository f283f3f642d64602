//! Which servers one plugin waits for in vain: a circuit for every (plugin, target).

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rollcage_core::{
    PluginId,
    host::{HttpEnd, TargetGate},
};

use crate::{
    circuit::{BreakerState, Circuit, Rules},
    monotonic::Monotonic,
    observe::Observer,
};

/// Targets remembered at most. A target is remembered only after a whole deadline was spent waiting for it.
const MAX_TARGETS: usize = 256;

/// One plugin's targets.
#[derive(Debug)]
pub(crate) struct Targets {
    rules: Rules,
    /// How long a probe may take: the plugin's own deadline.
    lease: Duration,
    time: Arc<dyn Monotonic>,
    circuits: Mutex<BTreeMap<String, Circuit>>,
    /// Who is told of the plugin's requests.
    told: (PluginId, Arc<dyn Observer>),
}

impl Targets {
    pub(crate) fn new(
        rules: Rules,
        lease: Duration,
        time: Arc<dyn Monotonic>,
        told: (PluginId, Arc<dyn Observer>),
    ) -> Self {
        Self {
            rules,
            lease,
            time,
            circuits: Mutex::default(),
            told,
        }
    }

    /// A call's deadline passed while it waited for this target.
    pub(crate) fn fault(&self, target: &str) -> Option<Duration> {
        let now = self.time.now();
        let mut circuits = self.lock();
        if !circuits.contains_key(target) && circuits.len() >= MAX_TARGETS {
            circuits.retain(|_, circuit| !circuit.is_idle(now));
            if circuits.len() >= MAX_TARGETS {
                return None;
            }
        }
        let circuit = circuits
            .entry(target.to_owned())
            .or_insert_with(|| Circuit::new(self.rules));
        let ticket = circuit.present();
        circuit.fault(ticket, now)
    }

    /// Those that are not asked now, or only once in a while.
    pub(crate) fn paused(&self) -> Vec<String> {
        let now = self.time.now();
        let circuits = self.lock();
        let paused = circuits
            .iter()
            .filter(|(_, circuit)| circuit.state(now) != BreakerState::Closed);
        paused.map(|(target, _)| target.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Circuit>> {
        self.circuits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TargetGate for Targets {
    fn admit(&self, target: &str) -> Result<(), Duration> {
        match self.lock().get_mut(target) {
            Some(circuit) => circuit.admit(self.time.now(), self.lease).map(drop),
            None => Ok(()),
        }
    }

    fn answered(&self, target: &str) {
        if let Some(circuit) = self.lock().get_mut(target) {
            let ticket = circuit.present();
            circuit.success(ticket);
        }
    }

    fn ended(&self, grant: Option<&str>, end: HttpEnd) {
        let (plugin, observer) = &self.told;
        observer.http(plugin, grant, end);
    }
}

#[cfg(test)]
mod tests {
    use rollcage_api::plugin::BreakerEntry;

    use rollcage_api::plugin::PluginKind;

    use super::*;
    use crate::{observe::Unobserved, testing::FakeMonotonic};

    fn targets() -> (Targets, Arc<FakeMonotonic>) {
        let time = Arc::new(FakeMonotonic::default());
        let rules = Rules::from(&BreakerEntry::default());
        let id = PluginId {
            kind: PluginKind::Step,
            name: "a/b".to_owned(),
        };
        let told: (_, Arc<dyn Observer>) = (id, Arc::new(Unobserved));
        (Targets::new(rules, Duration::from_mins(1), time.clone(), told), time)
    }

    #[test]
    fn one_slow_server_is_paused_and_the_others_are_not() {
        let (targets, time) = targets();
        for n in 0..5 {
            assert_eq!(targets.admit("slow:80"), Ok(()), "{n}");
            assert_eq!(targets.fault("slow:80").is_some(), n == 4);
        }
        assert_eq!(targets.admit("slow:80"), Err(Duration::from_secs(1)));
        assert_eq!(targets.admit("quick:80"), Ok(()));
        time.pass(Duration::from_secs(1));
        assert_eq!(targets.admit("slow:80"), Ok(()), "the probe");
        assert_eq!(
            targets.admit("slow:80"),
            Err(Duration::from_mins(1)),
            "one probe at a time"
        );
        targets.fault("slow:80");
        assert_eq!(targets.admit("slow:80"), Err(Duration::from_secs(2)));
        time.pass(Duration::from_secs(2));
        assert_eq!(targets.admit("slow:80"), Ok(()));
        targets.answered("slow:80");
        assert_eq!(targets.admit("slow:80"), Ok(()));
        assert_eq!(targets.admit("slow:80"), Ok(()));
    }

    #[test]
    fn the_number_of_targets_is_bounded_and_old_ones_make_room() {
        let (targets, time) = targets();
        for n in 0..MAX_TARGETS + 10 {
            targets.fault(&format!("10.0.0.{n}:80"));
        }
        assert_eq!(targets.lock().len(), MAX_TARGETS);
        time.pass(Duration::from_secs(31));
        targets.fault("late:80");
        assert_eq!(targets.lock().len(), 1);
    }
}
