//! The same input, once through Rollcage and once through the Go libraries that Argo Rollouts uses.

#[cfg(test)]
mod yaml;
