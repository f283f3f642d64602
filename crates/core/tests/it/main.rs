//! What the domain promises, through its public interface.

mod analysis;
mod condition;
#[path = "../../../../tests/src/oracle.rs"]
mod oracle;
#[cfg(test)]
mod rollout;
