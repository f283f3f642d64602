//! The two engines, which share compiled code: one with prepared places, one that makes every instance from scratch.

use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, WasmBacktraceDetails};

use crate::config::{Ceilings, Pool};

/// Address space behind one linear memory. Part of the compiled code, hence the same for everyone; a memory that grows
/// beyond it is moved.
const RESERVATION: u64 = 128 << 20;
/// Address space after it that traps, so that most bounds checks fall away.
const GUARD: u64 = 32 << 20;
/// Stack that host functions have beside the guest's own: conditions are evaluated on it, nested as deeply as allowed.
/// Only what is touched takes memory.
const HOST_STACK: usize = 3584 << 10;
/// Bytes of linear memory that a place keeps between two guests, overwritten with what the next one finds. A small guest
/// in Rust writes to some 60 KiB; what a larger one wrote beyond this goes back to the system. Only where the system tells
/// which pages were written (Linux 6.7): without that the first bytes would have to be taken for them.
const MEMORY_KEPT: usize = 256 << 10;
/// The same of a table: 1024 elements.
const TABLE_KEPT: usize = 8 << 10;

/// What the compiler and both engines agree on.
fn base() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .memory_reservation(RESERVATION)
        .memory_guard_size(GUARD)
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        // The contract's functions are synchronous; without the bookkeeping of concurrent tasks an instance is 2 us cheaper.
        .concurrency_support(false)
        // No plugin language in use needs them, and what is not there has no bugs.
        .gc_support(false)
        .wasm_memory64(false);
    config
}

/// An engine that only compiles.
pub(crate) fn compiling() -> wasmtime::Result<Engine> {
    Engine::new(&base())
}

/// An engine that compiles for the least processor of this machine's kind, so that all of them can run it.
pub(crate) fn baseline() -> wasmtime::Result<Engine> {
    let mut config = base();
    // With a target that is named nothing is taken from the processor that this runs on.
    config.target(&format!("{}-unknown-linux-gnu", std::env::consts::ARCH))?;
    Engine::new(&config)
}

/// An engine that makes every instance from scratch.
pub(crate) fn on_demand(ceilings: &Ceilings) -> wasmtime::Result<Engine> {
    let mut config = base();
    stacks(&mut config, ceilings);
    Engine::new(&config)
}

/// An engine with prepared places; `None` when the system does not give the address space.
pub(crate) fn pooled(pool: Pool, ceilings: &Ceilings) -> Option<Engine> {
    let mut instances = pool.instances;
    while instances > 0 {
        let mut config = base();
        stacks(&mut config, ceilings);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(places(instances, pool, ceilings)));
        match Engine::new(&config) {
            Ok(engine) => return Some(engine),
            Err(error) => {
                tracing::warn!(
                    instances,
                    error = format!("{error:#}"),
                    "no address space for so many instances"
                );
                instances /= 4;
            }
        }
    }
    None
}

/// Linear memory that fits into a place.
pub(crate) fn slot_memory(pool: Pool) -> u64 {
    pool.memory.0.min(RESERVATION)
}

fn stacks(config: &mut Config, ceilings: &Ceilings) {
    config
        .max_wasm_stack(ceilings.stack)
        .async_stack_size(ceilings.stack + HOST_STACK);
}

fn places(instances: u32, pool: Pool, ceilings: &Ceilings) -> PoolingAllocationConfig {
    let mut places = PoolingAllocationConfig::default();
    // A component is made of several core instances, memories and tables: JavaScript has 8 of the first, 3 of the second.
    places
        .total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(40))
        .total_memories(instances.saturating_mul(4))
        .total_tables(instances.saturating_mul(10))
        .total_stacks(instances)
        .max_core_instances_per_component(u32::try_from(ceilings.instances).unwrap_or(u32::MAX))
        .max_memories_per_component(u32::try_from(ceilings.memories).unwrap_or(u32::MAX))
        .max_tables_per_component(u32::try_from(ceilings.tables).unwrap_or(u32::MAX))
        .table_elements(ceilings.table_elements)
        .max_component_instance_size(4 << 20)
        .max_core_instance_size(4 << 20)
        .max_memory_size(usize::try_from(slot_memory(pool)).unwrap_or(usize::MAX));
    // What a guest wrote is put back by copying, not by giving the pages back to the system: that interrupts every other
    // core, and the next guest would have to ask for the same pages again.
    places.table_keep_resident(TABLE_KEPT);
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        places
            .pagemap_scan(Enabled::Auto)
            .linear_memory_keep_resident(MEMORY_KEPT);
    }
    places
}

#[cfg(test)]
mod tests {
    use std::hash::{DefaultHasher, Hash, Hasher};

    use super::*;

    #[test]
    fn all_engines_run_the_same_code() {
        let hash = |engine: &Engine| {
            let mut hasher = DefaultHasher::new();
            engine.precompile_compatibility_hash().hash(&mut hasher);
            hasher.finish()
        };
        let ceilings = Ceilings::default();
        let compiling = hash(&compiling().unwrap());
        assert_eq!(compiling, hash(&on_demand(&ceilings).unwrap()));
        assert_eq!(compiling, hash(&pooled(Pool::default(), &ceilings).unwrap()));
    }
}
