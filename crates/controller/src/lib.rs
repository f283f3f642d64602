//! Kubernetes loops: AnalysisRuns to their verdicts

pub mod cluster;
