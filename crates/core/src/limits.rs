//! Limits in force: an entry's own, or the defaults, with the reason for every number.

use std::time::Duration;

use rollcage_api::{ByteSize, plugin::LimitsEntry};

/// Limits of one plugin, with nothing left open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest time of one call: twice Argo's Prometheus time-out of 30 s.
    pub deadline: Duration,
    /// Linear memory of one instance: a JavaScript engine with its heap needs some 20 MiB.
    pub memory: ByteSize,
    /// Calls at the same time: an AnalysisRun's metrics run side by side.
    pub concurrency: u32,
    /// Calls that may wait: twice Argo's 30 analysis workers.
    pub queue: u32,
    /// Bytes handed to one call: an object in etcd is at most 1.5 MiB, and JSON inside JSON can double it.
    pub input: ByteSize,
    /// Bytes that one call may hand out: a status that holds more does not fit into etcd.
    pub output: ByteSize,
    /// Bytes that one call may log.
    pub log: ByteSize,
}

impl Limits {
    /// For a WebAssembly component.
    pub fn wasm(entry: &LimitsEntry) -> Self {
        Self {
            deadline: entry.deadline.map_or(Duration::from_mins(1), |d| d.0),
            memory: entry.memory.unwrap_or(ByteSize::mebi(64)),
            concurrency: entry.concurrency.unwrap_or(8).max(1),
            queue: entry.queue.unwrap_or(64),
            input: entry.input.unwrap_or(ByteSize::mebi(4)),
            output: entry.output.unwrap_or(ByteSize::mebi(1)),
            log: entry.log.unwrap_or(ByteSize::kibi(64)),
        }
    }
}

impl Limits {
    /// For a native executable. Its deadline is Argo's habit of none at all, made finite: calls of a minute are legal.
    /// Memory has no limit unless the entry sets one, as in the original; what crosses is limited generously.
    pub fn native(entry: &LimitsEntry) -> Self {
        Self {
            deadline: entry.deadline.map_or(Duration::from_secs(90), |d| d.0),
            memory: entry.memory.unwrap_or(ByteSize(u64::MAX)),
            input: entry.input.unwrap_or(ByteSize::mebi(16)),
            output: entry.output.unwrap_or(ByteSize::mebi(16)),
            ..Self::wasm(entry)
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::wasm(&LimitsEntry::default())
    }
}
