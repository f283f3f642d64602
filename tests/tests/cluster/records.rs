//! What holds of the measurements of a run, whatever became of the controller meanwhile.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

/// Times are stored in whole seconds.
const SECOND: Duration = Duration::from_secs(1);

/// Exactly-once records of the run's one metric: as many as wanted, counted, and none too soon after the one before.
pub fn check(status: &Value, count: u32, interval: Duration) {
    let result = &status["metricResults"][0];
    let started = starts(status);
    assert_eq!(started.len(), count as usize, "{status}");
    assert_eq!(result["successful"], count, "{status}");
    assert_eq!(result["count"], count, "{status}");
    for pair in started.windows(2) {
        let gap = gap(pair);
        assert!(
            gap + SECOND >= interval,
            "{gap:?} within an interval of {interval:?}: {status}"
        );
    }
}

/// When the measurements of the run's one metric began.
pub fn starts(status: &Value) -> Vec<Timestamp> {
    let measurements = status["metricResults"][0]["measurements"].as_array();
    let starts = measurements.into_iter().flatten().map(|one| one["startedAt"].as_str());
    starts.map(|start| start.unwrap().parse().unwrap()).collect()
}

/// The longest time between two measurements.
pub fn longest_gap(status: &Value) -> Duration {
    starts(status).windows(2).map(gap).max().unwrap_or_default()
}

fn gap(pair: &[Timestamp]) -> Duration {
    Duration::try_from(pair[1].duration_since(pair[0])).unwrap_or_default()
}
