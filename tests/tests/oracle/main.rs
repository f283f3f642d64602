//! The same input, once through Rollcage and once through Argo Rollouts and the Go libraries that it uses.

#[cfg(test)]
mod conditions;
#[cfg(test)]
mod yaml;
