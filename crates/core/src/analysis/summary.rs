//! Metrics counted by outcome (spec 4.6).

use rollcage_api::analysis::{AnalysisPhase, RunSummary};

/// Counts a metric that is there.
pub(super) fn listed(summary: &mut RunSummary) {
    summary.count += 1;
}

/// Counts a metric that ended. `limited` is the phase of the limit that it broke; a metric that broke none counts as
/// successful whatever its own phase is, as in Argo.
pub(super) fn ended(summary: &mut RunSummary, limited: Option<AnalysisPhase>) {
    let bucket = match limited {
        Some(AnalysisPhase::Failed) => &mut summary.failed,
        Some(AnalysisPhase::Inconclusive) => &mut summary.inconclusive,
        Some(AnalysisPhase::Error) => &mut summary.error,
        _ => &mut summary.successful,
    };
    *bucket += 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_broken_limit_it_is_success() {
        let mut summary = RunSummary::default();
        for limited in [
            None,
            Some(AnalysisPhase::Failed),
            Some(AnalysisPhase::Error),
            Some(AnalysisPhase::Inconclusive),
            Some(AnalysisPhase::Inconclusive),
        ] {
            listed(&mut summary);
            ended(&mut summary, limited);
        }
        let expected = RunSummary {
            count: 5,
            successful: 1,
            failed: 1,
            inconclusive: 2,
            error: 1,
        };
        assert_eq!(summary, expected);
    }
}
