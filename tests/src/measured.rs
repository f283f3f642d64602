//! What benchmarks measure, in processes of their own too.

use std::{fs, time::Duration};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// What a host measured of its calls: Argo's client, or our own.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Measured {
    /// Half of the calls took at most this.
    pub p50_us: f64,
    /// All but a hundredth took at most this.
    pub p99_us: f64,
    /// Of all callers.
    pub calls_per_second: f64,
    /// Of host and plugin together.
    pub cpu_us_per_call: f64,
    /// Of the host alone.
    pub host_cpu_us_per_call: f64,
    /// Resident memory of the host after the calls.
    pub host_rss_bytes: f64,
    /// Resident memory of the plugin.
    pub plugin_rss_bytes: f64,
    /// From its launch to the first answer.
    pub start_ms: f64,
}

/// The value below which `percent` of the values are.
pub fn percentile(values: &mut [Duration], percent: usize) -> Duration {
    values.sort_unstable();
    let index = (values.len() * percent / 100).min(values.len().saturating_sub(1));
    values.get(index).copied().unwrap_or_default()
}

/// Processor time of all living threads of this process.
pub fn processor_time() -> Result<Duration> {
    processor_time_of("self")
}

/// The same of another process.
pub fn processor_time_of(process: &str) -> Result<Duration> {
    let mut nanoseconds = 0;
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let text = fs::read_to_string(task?.path().join("schedstat"))?;
        let used = text.split_whitespace().next().context("schedstat is empty")?;
        nanoseconds += used.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// Resident memory of a process in bytes.
pub fn resident_bytes(process: &str) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{process}/statm"))?;
    let pages = text.split(' ').nth(1).context("statm is short")?;
    Ok(pages.parse::<f64>()? * 4096.0)
}

/// In microseconds.
pub fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
