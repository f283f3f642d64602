//! Kubernetes loops: AnalysisRuns to their verdicts
