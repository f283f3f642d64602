//! When a load that failed is tried again.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use rollcage_core::{Fault, FaultKind, Phase, PluginId};

/// Pauses between loads: they double from `first` to `most`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// After the first failure: a server that restarts is back in a few seconds.
    pub first: Duration,
    /// Never longer: an operator who mended a server should not wait for a coffee.
    pub most: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(2),
            most: Duration::from_mins(5),
        }
    }
}

impl Retry {
    /// How long to wait after `failures` in a row; `None` when the same would happen again for ever. `pinned`: the entry
    /// names the digest, so that the bytes cannot get better.
    pub(crate) fn pause(&self, id: &PluginId, failures: u32, fault: &Fault, pinned: bool) -> Option<Duration> {
        if fault.phase == Phase::Resolve || (pinned && is_about_the_bytes(fault)) {
            return None;
        }
        let doubled = self.first.saturating_mul(1 << failures.saturating_sub(1).min(20));
        let pause = doubled.min(self.most);
        // Up to a tenth less, always the same for one plugin: twenty plugins of one server do not come back as one.
        let mut hasher = DefaultHasher::new();
        (&id.kind.world(), &id.name).hash(&mut hasher);
        let share = u32::try_from(hasher.finish() % 100).unwrap_or(0);
        Some(pause.saturating_sub(pause / 1000 * share))
    }
}

/// Whether a failure lies in the bytes alone.
fn is_about_the_bytes(fault: &Fault) -> bool {
    match fault.kind {
        FaultKind::UnsupportedRuntime
        | FaultKind::WrongContract
        | FaultKind::UnknownImport
        | FaultKind::CompileFailed => true,
        // An executable that was started may do better in another environment.
        FaultKind::NotAPlugin => fault.phase < Phase::Link,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use rollcage_api::plugin::PluginKind;

    use super::*;

    #[test]
    fn doubles_up_to_the_most_and_knows_what_is_hopeless() {
        let id = PluginId {
            kind: PluginKind::Step,
            name: "a/b".into(),
        };
        let retry = Retry::default();
        let fault = |phase, kind| Fault::new(&id, phase, kind, "", "");
        let down = fault(Phase::Fetch, FaultKind::Unreachable);
        for (failures, seconds) in [(1, 2), (2, 4), (3, 8), (8, 256), (9, 300), (40, 300), (u32::MAX, 300)] {
            let pause = retry.pause(&id, failures, &down, false).unwrap();
            let most = Duration::from_secs(seconds);
            assert!(pause <= most && pause >= most * 9 / 10, "{failures}: {pause:?}");
            assert_eq!(retry.pause(&id, failures, &down, true), Some(pause));
        }
        for (phase, kind, pinned, again) in [
            (Phase::Resolve, FaultKind::InvalidEntry, false, false),
            (Phase::Compile, FaultKind::CompileFailed, false, true),
            (Phase::Compile, FaultKind::CompileFailed, true, false),
            (Phase::Compile, FaultKind::CompileLimit, true, true),
            (Phase::Link, FaultKind::UnknownImport, true, false),
            (Phase::Verify, FaultKind::DigestMismatch, true, true),
            (Phase::Init, FaultKind::InitRefused, true, true),
        ] {
            let pause = retry.pause(&id, 1, &fault(phase, kind), pinned);
            assert_eq!(pause.is_some(), again, "{kind} {pinned}");
        }
    }
}
