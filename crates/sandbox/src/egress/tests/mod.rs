//! The guard against real servers on this machine: what is granted arrives, what is not reaches nobody.

mod addresses;
mod credentials;
mod decisions;
mod hostile;
mod limits;
mod responder;
mod servers;
mod streaming;
mod support;
mod trust;
