//! Whole-system tests, named by feature, and what they share.
//!
//! ```text
//! tests/oracle   -> oracle (a Go program of ours, in tests/oracle) -> what the original and Go's libraries make of the input
//! tests/cluster  -> controlplane (Go: etcd, kube-apiserver ..., in tests/controlplane) -> what a real cluster makes of it
//! tests/faults   -> faults (components that misbehave) -> stage (store, sandbox, registry) -> the fault of each
//! tests/survives -> victim (a host in a process of its own, killed) -> stage on the same folder
//! tests/guards   -> stage + server: what plugins reach, and what leaves them
//! tests/deploy   -> chart (Helm, built with Go) -> what deploy/ makes of a cluster
//! tests/peers    -> peers (Argo's own plugins and client, built with Go) -> what both hosts make of the same plugin
//! ```

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a kit for tests: one that cannot go on fails"
)]

pub mod chart;
pub mod controlplane;
pub mod faults;
pub mod lives;
pub mod measured;
pub mod oracle;
pub mod peers;
pub mod server;
pub mod stage;
pub mod victim;
pub mod wasi;
