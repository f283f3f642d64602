//! From a core module to a component.

use wit_component::ComponentEncoder;

/// Wraps a core module that carries its world (as the SDK's export macros leave it) into a component.
///
/// The error says what is wrong with the module.
pub fn componentize(core: &[u8]) -> Result<Vec<u8>, String> {
    let mut encoder = ComponentEncoder::default();
    encoder
        .validate(true)
        .module(core)
        .map_err(|error| format!("{error:#}"))?;
    encoder.encode().map_err(|error| format!("{error:#}"))
}
