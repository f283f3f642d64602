//! Metrics whose plugin does not serve: they wait, and are not failed for it.
//!
//! Since when a run waits for a plugin is kept in an annotation of the run, in the same write as its status: it survives
//! every restart, any replica can go on, and Argo, which does not know it, is not disturbed. The value is a JSON object
//! from plugin name to time. An entry goes when the plugin is asked successfully again, or nobody needs it any more.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use rollcage_api::analysis::AnalysisRun;

use super::{RETRY, after, stored};
use crate::{Fault, FaultKind, PluginId};

/// The annotation.
pub const ANNOTATION: &str = "rollcage/waiting-since";

/// Plugins that a run waits for, each with the time since when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waiting(BTreeMap<String, Timestamp>);

impl Waiting {
    /// What the run's annotation says; one that cannot be read says nothing.
    pub fn of(run: &AnalysisRun) -> Self {
        let annotations = run.metadata.annotations.as_ref();
        let text = annotations.and_then(|annotations| annotations.get(ANNOTATION));
        Self(
            text.and_then(|text| serde_json::from_str(text).ok())
                .unwrap_or_default(),
        )
    }

    /// Since when the run waits for this plugin.
    pub fn since(&self, plugin: &PluginId) -> Option<Timestamp> {
        self.0.get(&plugin.name).copied()
    }

    /// The annotation's value; `None` when there should be none.
    pub fn annotation(&self) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        serde_json::to_string(&self.0).ok()
    }

    pub(super) fn absent(&mut self, plugin: &PluginId, since: Timestamp) {
        self.0.insert(plugin.name.clone(), stored(since));
    }

    pub(super) fn served(&mut self, plugin: &PluginId) {
        self.0.remove(&plugin.name);
    }

    pub(super) fn retain(&mut self, needed: impl Fn(&str) -> bool) {
        self.0.retain(|name, _| needed(name));
    }
}

/// What happens to a try for which the plugin was not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Absence {
    /// Nothing was measured, and nothing is counted.
    Wait(Patience),
    /// The try counts as an error; absent since then.
    Error(Timestamp),
    /// The try counts as an error, and waiting would not have helped.
    Refused,
}

/// How a metric waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For whom.
    pub plugin: PluginId,
    /// Why, with plugin, phase and first cause.
    pub fault: String,
    /// Since when.
    pub since: Timestamp,
    /// From when on tries count as errors.
    pub until: Timestamp,
    /// When to look again whether or not the plugin's state changes.
    pub look_again: Option<Timestamp>,
}

impl Patience {
    /// For the run's status.
    pub(super) fn message(&self) -> String {
        let Self {
            fault, since, until, ..
        } = self;
        format!("waiting since {since} for {fault}; from {until} on every try counts as an error")
    }
}

/// Whether a fault means that nothing was tried: the plugin is not there, or has no room now.
pub fn nothing_was_tried(fault: &Fault) -> bool {
    fault.kind.is_not_serving() || is_busy(fault.kind)
}

/// Kinds that pass without the plugin's state changing, so that somebody has to look again.
fn is_busy(kind: FaultKind) -> bool {
    matches!(
        kind,
        FaultKind::BreakerOpen | FaultKind::QueueFull | FaultKind::QueueDeadline
    )
}

/// What happens to a try for which nothing was tried. `patience` is the entry's `unavailable.after`; a run that ends
/// early never waits.
pub fn absence(
    fault: &Fault,
    terminating: bool,
    since: Option<Timestamp>,
    patience: Duration,
    now: Timestamp,
) -> Absence {
    if fault.kind == FaultKind::NotUsableHere {
        return Absence::Refused;
    }
    let since = stored(since.unwrap_or(now));
    let until = after(since, patience);
    if terminating || until <= now || patience.is_zero() {
        return Absence::Error(since);
    }
    Absence::Wait(Patience {
        plugin: fault.plugin.clone(),
        fault: fault.to_string(),
        since,
        until,
        look_again: is_busy(fault.kind).then(|| after(stored(now), RETRY)),
    })
}

#[cfg(test)]
mod tests {
    use rollcage_api::plugin::PluginKind;

    use super::*;
    use crate::Phase;

    fn plugin() -> PluginId {
        PluginId {
            kind: PluginKind::MetricProvider,
            name: "example/p".into(),
        }
    }

    fn fault(kind: FaultKind) -> Fault {
        Fault::new(&plugin(), Phase::Fetch, kind, "connection refused", "start the server")
    }

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn waits_from_the_first_try_until_patience_ends() {
        let (start, minutes) = (time("2026-01-01T00:00:00.7Z"), Duration::from_mins(5));
        let fault = fault(FaultKind::Unreachable);
        let Absence::Wait(patience) = absence(&fault, false, None, minutes, start) else {
            panic!("the first try waits")
        };
        assert_eq!(
            patience.message(),
            "waiting since 2026-01-01T00:00:00Z for plugin example/p: fetch: connection refused (start the server); \
             from 2026-01-01T00:05:00Z on every try counts as an error"
        );
        assert_eq!(patience.look_again, None);
        let since = Some(patience.since);
        let at = |now: &str| absence(&fault, false, since, minutes, time(now));
        assert!(matches!(at("2026-01-01T00:04:59.9Z"), Absence::Wait(_)));
        assert_eq!(at("2026-01-01T00:05:00Z"), Absence::Error(patience.since));
    }

    #[test]
    fn argo_s_behaviour_ending_early_and_mistakes_do_not_wait() {
        let now = time("2026-01-01T00:00:00Z");
        let minutes = Duration::from_mins(5);
        let down = fault(FaultKind::Unreachable);
        assert_eq!(absence(&down, false, None, Duration::ZERO, now), Absence::Error(now));
        assert_eq!(absence(&down, true, None, minutes, now), Absence::Error(now));
        let refused = fault(FaultKind::NotUsableHere);
        assert_eq!(absence(&refused, false, None, minutes, now), Absence::Refused);
    }

    #[test]
    fn what_passes_by_itself_is_looked_at_again() {
        let now = time("2026-01-01T00:00:00Z");
        for (kind, again) in [
            (FaultKind::BreakerOpen, true),
            (FaultKind::QueueFull, true),
            (FaultKind::QueueDeadline, true),
            (FaultKind::Loading, false),
            (FaultKind::NotConfigured, false),
        ] {
            assert!(nothing_was_tried(&fault(kind)), "{kind}");
            let Absence::Wait(patience) = absence(&fault(kind), false, None, Duration::from_mins(5), now) else {
                panic!("{kind} waits")
            };
            assert_eq!(
                patience.look_again,
                again.then(|| time("2026-01-01T00:00:10Z")),
                "{kind}"
            );
        }
        assert!(!nothing_was_tried(&fault(FaultKind::Trap)));
    }

    #[test]
    fn the_annotation_survives_a_round_trip_and_any_text() {
        let mut run = AnalysisRun::default();
        let mut waiting = Waiting::of(&run);
        assert_eq!(waiting.annotation(), None);
        waiting.absent(&plugin(), time("2026-01-01T00:00:00.5Z"));
        let text = waiting.annotation().unwrap();
        assert_eq!(text, r#"{"example/p":"2026-01-01T00:00:00Z"}"#);
        run.metadata.annotations = Some(BTreeMap::from([(ANNOTATION.to_owned(), text)]));
        assert_eq!(Waiting::of(&run), waiting);
        run.metadata.annotations = Some(BTreeMap::from([(ANNOTATION.to_owned(), "nonsense".to_owned())]));
        assert_eq!(Waiting::of(&run), Waiting::default());
    }
}
