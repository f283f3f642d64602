//! Limits on what an instance takes of the machine's memory.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use rollcage_api::ByteSize;
use rollcage_core::FaultKind;
use wasmtime::ResourceLimiter;

use crate::{policy::Policy, stop::Stop};

/// Counts one store's memories and tables. What exceeds a limit ends the call, because languages turn a refused
/// `memory.grow` into an anonymous trap.
#[derive(Debug)]
pub(crate) struct Limiter {
    limit: ByteSize,
    memory: usize,
    table_elements: usize,
    instances: usize,
    tables: usize,
    memories: usize,
    /// Bytes of all linear memories now, and what the last growth added.
    total: usize,
    added: usize,
    peak: usize,
    /// Of all instances of the plugin.
    held: Held,
}

/// Bytes of linear memory that a plugin's instances hold now. Clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held(Arc<AtomicU64>);

impl Held {
    pub(crate) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn add(&self, bytes: usize) {
        self.0
            .fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn take(&self, bytes: usize) {
        self.0
            .fetch_sub(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl Limiter {
    pub(crate) fn new(policy: &Policy) -> Self {
        let ceilings = &policy.ceilings;
        Self {
            limit: policy.limits.memory,
            memory: policy.limits.memory.as_usize(),
            table_elements: ceilings.table_elements,
            instances: ceilings.instances,
            tables: ceilings.tables,
            memories: ceilings.memories,
            total: 0,
            added: 0,
            peak: 0,
            held: policy.held.clone(),
        }
    }

    /// Largest sum of the linear memories so far, in bytes.
    pub(crate) fn peak(&self) -> u64 {
        u64::try_from(self.peak).unwrap_or(u64::MAX)
    }
}

/// The instance is gone, and its memories with it.
impl Drop for Limiter {
    fn drop(&mut self) {
        self.held.take(self.total);
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let added = desired.saturating_sub(current);
        let total = self.total.saturating_add(added);
        if total > self.memory {
            return Err(Stop::new(
                FaultKind::Memory,
                format!(
                    "it wanted {total} bytes of memory, more than limits.memory ({})",
                    self.limit
                ),
            )
            .into());
        }
        if maximum.is_some_and(|maximum| desired > maximum) {
            // The memory's own type forbids it, which is for the guest to deal with.
            return Ok(false);
        }
        self.added = added;
        self.total = total;
        self.held.add(added);
        self.peak = self.peak.max(total);
        Ok(true)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        tracing::debug!("memory did not grow: {error:#}");
        let added = std::mem::take(&mut self.added).min(self.total);
        self.total -= added;
        self.held.take(added);
        Ok(())
    }

    fn table_growing(&mut self, _: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if desired > self.table_elements {
            return Err(Stop::new(
                FaultKind::Table,
                format!(
                    "it wanted a table of {desired} elements, more than {}",
                    self.table_elements
                ),
            )
            .into());
        }
        Ok(maximum.is_none_or(|maximum| desired <= maximum))
    }

    fn instances(&self) -> usize {
        self.instances
    }

    fn tables(&self) -> usize {
        self.tables
    }

    fn memories(&self) -> usize {
        self.memories
    }
}
