//! Environment variables that the plugin's entry grants.

use crate::host;

/// The value of a variable, when the entry's `env` sets it.
pub fn var(name: &str) -> Option<String> {
    host::environment()
        .into_iter()
        .find_map(|(key, value)| (key == name).then_some(value))
}
