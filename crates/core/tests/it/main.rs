//! What the domain promises, through its public interface.

mod analysis;
mod condition;
#[path = "../../../../tests/src/oracle.rs"]
#[expect(dead_code, reason = "whatever is asked here is asked many times")]
mod oracle;
#[cfg(test)]
mod rollout;
