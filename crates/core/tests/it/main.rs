//! What the domain promises, through its public interface.

mod analysis;
mod condition;
