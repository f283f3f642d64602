//! Percentiles, and what the system counts.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result};
pub(crate) use rollcage_tests::measured::{microseconds, percentile, processor_time};

/// The middle one.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Resident memory of this process in MiB: all of it, and what of it is no copy of a file.
pub(crate) fn resident_mib() -> Result<(f64, f64)> {
    let status = fs::read_to_string(Path::new("/proc/self/status"))?;
    let field = |name: &str| {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let kib = line
            .with_context(|| format!("no {name}"))?
            .trim()
            .trim_end_matches(" kB");
        anyhow::Ok(kib.parse::<f64>()? / 1024.0)
    };
    Ok((field("VmRSS")?, field("RssAnon")?))
}

/// In milliseconds.
pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
