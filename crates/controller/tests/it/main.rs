//! Whole AnalysisRuns through the reconciler, an API in memory and plugins that answer as they are told.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "helpers of tests fail by panicking"
)]

mod client;
mod conflicts;
mod events;
mod jobs;
mod leader;
mod malformed;
mod plugin_objects;
mod plugins;
mod providers;
mod retention;
mod secrets;
mod simulation;
mod ttl;
mod verdicts;
mod waiting;
mod watched_secrets;
mod world;
