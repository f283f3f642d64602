//! Which kind of plugin bytes are, before anything is compiled.

use rollcage_api::plugin::PluginKind;
use wasmparser::{Parser, Payload};

use crate::contract;

/// The kind that a component's exports say; `None` for everything that is no plugin of exactly one kind.
pub fn kind_of(bytes: &[u8]) -> Option<PluginKind> {
    let mut names = Vec::new();
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.ok()? {
            // Exports of components and modules inside say nothing of the whole.
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentExportSection(exports) if depth == 0 => {
                for export in exports {
                    names.push(export.ok()?.name.name);
                }
            }
            _ => {}
        }
    }
    contract::identify(names).ok().map(|identity| identity.kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_plugin_has_no_kind() {
        for bytes in [&b""[..], b"\0asm", b"\0asm\x0d\0\x01\0", b"\x7fELF"] {
            assert_eq!(kind_of(bytes), None);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_survive(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let mut component = b"\0asm\x0d\0\x01\0".to_vec();
            component.extend(bytes);
            let _ = kind_of(&component);
        }
    }
}
