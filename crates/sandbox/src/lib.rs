//! Runs a WebAssembly component under limits, with only what it was granted.
//!
//! ```text
//! bytes -> aot (compiler process, private cache) -> component (kind, imports, linked) -+
//! entry -> policy (limits, grants) ----------------------------------------------------+-> plugin -> port
//!
//! port call -> view (trimmed object) -> guest thread: instance -> init -> function -> answer -> meaning, masking
//!                                       |-> imports: log, subject, evaluate, http, kubernetes, secrets, WASI
//! ticker: moves epochs, ends what is beyond its deadline
//! ```
//!
//! Invariants
//! - Guest code runs on the sandbox's own threads only, and gives way to other guests after each tick.
//! - One deadline, in real time, covers everything that a call does, waiting included. It always ends as an answer, as an
//!   error of the plugin's own, or as a typed fault.
//! - Nothing of a guest is trusted: what it hands over is bounded before it is copied, and an instance that faulted is
//!   never used again.
//! - What is not granted is denied, with the name of the missing grant. A secret that was in play is masked in everything
//!   that leaves.
//! - Machine code is only loaded from a folder that nobody else can write to, after its digest was checked.
//!
//! What it does not do: fetch plugins, decide which plugin serves, queue calls, count faults. That is the registry's.

mod aot;
mod bindings;
mod clock;
mod component;
mod config;
mod contract;
mod ctx;
mod describe;
pub mod egress;
mod engine;
mod grants;
mod imports;
mod instance;
mod kind;
mod limiter;
mod log;
mod lookout;
mod plugin;
mod policy;
mod ports;
mod progress;
mod sample;
mod sandbox;
mod size;
mod stop;
mod subject;
#[cfg(test)]
mod testing;
mod threads;
mod ticker;
mod warm;

pub use aot::child::compiler_main;
pub use component::Component;
pub use config::{Ceilings, Compiler, CompilerLimits, Pool, SandboxConfig};
pub use describe::Description;
pub use kind::kind_of;
pub use plugin::WasmPlugin;
pub use sandbox::{Sandbox, SandboxError};
