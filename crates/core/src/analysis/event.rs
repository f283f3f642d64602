//! What is told to people as Events (spec 4.11, 8.3).

use rollcage_api::analysis::AnalysisPhase;

/// An Event on the AnalysisRun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// `Warning` rather than `Normal`.
    pub warning: bool,
    /// Machine-readable reason.
    pub reason: String,
    /// For people.
    pub message: String,
}

impl Event {
    /// The run ended.
    pub fn run_completed(phase: AnalysisPhase) -> Self {
        Self {
            warning: is_bad(phase),
            reason: format!("AnalysisRun{phase}"),
            message: format!("Analysis Completed. Result: {phase}"),
        }
    }

    /// A metric ended.
    pub(super) fn metric_completed(metric: &str, phase: AnalysisPhase) -> Self {
        Self {
            warning: is_bad(phase),
            reason: format!("Metric{phase}"),
            message: format!("Metric '{metric}' Completed. Result: {phase}"),
        }
    }

    /// The run began to wait for a plugin; a reason of ours.
    pub(super) fn waiting(message: &str) -> Self {
        Self {
            warning: true,
            reason: "PluginNotServing".to_owned(),
            message: message.to_owned(),
        }
    }
}

fn is_bad(phase: AnalysisPhase) -> bool {
    matches!(phase, AnalysisPhase::Error | AnalysisPhase::Failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_and_texts_are_argo_s() {
        for (phase, warning) in [
            (AnalysisPhase::Successful, false),
            (AnalysisPhase::Inconclusive, false),
            (AnalysisPhase::Failed, true),
            (AnalysisPhase::Error, true),
        ] {
            let run = Event::run_completed(phase);
            assert_eq!(run.reason, format!("AnalysisRun{phase}"));
            assert_eq!(run.message, format!("Analysis Completed. Result: {phase}"));
            let metric = Event::metric_completed("latency", phase);
            assert_eq!(metric.reason, format!("Metric{phase}"));
            assert_eq!(metric.message, format!("Metric 'latency' Completed. Result: {phase}"));
            assert_eq!((run.warning, metric.warning), (warning, warning));
        }
    }
}
