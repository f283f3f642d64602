//! What `deploy/` makes of a cluster: the chart under many values, the rights that it gives, and what is made out of it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests, helpers included"
)]

mod cluster;
mod generated;
mod image;
mod network;
mod pods;
mod rights;
mod values;
