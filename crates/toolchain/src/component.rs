//! From a core module to a component.

use wit_component::{ComponentEncoder, DecodedWasm};

/// What the names of the contract's interfaces begin with.
const CONTRACT: &str = "rollcage:plugin/";

/// Wraps a core module that carries its world (as the SDK's export macros leave it) into a component that exports a
/// plugin.
///
/// The error says what is wrong with the module.
pub fn componentize(core: &[u8]) -> Result<Vec<u8>, String> {
    let mut encoder = ComponentEncoder::default();
    encoder
        .validate(true)
        .module(core)
        .map_err(|error| format!("{error:#}"))?;
    let component = encoder.encode().map_err(|error| format!("{error:#}"))?;
    if exports_plugin(&component)? {
        Ok(component)
    } else {
        Err("the module exports no plugin".to_owned())
    }
}

/// A module without a world becomes a component without exports: no error for the encoder, but no plugin either.
fn exports_plugin(component: &[u8]) -> Result<bool, String> {
    let decoded = wit_component::decode(component).map_err(|error| format!("{error:#}"))?;
    let DecodedWasm::Component(resolve, world) = decoded else {
        return Ok(false);
    };
    let world = resolve.worlds.get(world);
    let mut exports = world.into_iter().flat_map(|world| world.exports.keys());
    Ok(exports.any(|key| resolve.name_world_key(key).starts_with(CONTRACT)))
}
