//! Secret values that the plugin's entry makes readable by name.

pub use crate::bindings::imports::rollcage::plugin::secrets::SecretError;
use crate::host;

/// Reads one value. The host masks it in everything that leaves the plugin.
pub fn get(name: &str) -> Result<String, SecretError> {
    host::secret_get(name)
}
