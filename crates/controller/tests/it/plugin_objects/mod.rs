//! The custom resource: entries from objects, states in the cluster, over an API in memory.

mod bed;
mod definition;
mod entries;
mod mirrors;
mod outages;
mod replicas;
mod reports;
mod states;
