//! On a real control plane: etcd, kube-apiserver and kube-controller-manager, with TLS and RBAC on.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests, helpers included"
)]

mod dev;
mod disruptions;
mod features;
mod gateway_api;
mod job;
mod kills;
mod kit;
mod leadership;
mod original;
mod parity;
mod plane;
mod plugin_objects;
mod providers;
mod proxy;
mod records;
mod security;
mod stock;
mod versions;
mod watched_secrets;
mod writers;
