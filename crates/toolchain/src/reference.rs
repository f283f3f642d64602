//! The contract's reference (`docs/contract.md`), generated from the WIT.

mod types;

use std::fmt::Write;

use wit_parser::{Docs, Function, Interface, InterfaceId, PackageId, Resolve, World, WorldItem};

use crate::{BuildError, contract};

const HEAD: &str = "<!-- Generated from wit/ by `cargo xtask docs`; do not edit. -->\n\n# The plugin contract\n\n";

/// The whole page as Markdown.
pub fn markdown() -> Result<String, BuildError> {
    let (resolve, package) = contract::resolve()?;
    let page = Page { resolve, package };
    let mut out = String::from(HEAD);
    page.write(&mut out)
        .map_err(|error| BuildError::Contract(error.to_string()))?;
    Ok(out)
}

struct Page {
    resolve: Resolve,
    package: PackageId,
}

impl Page {
    fn write(&self, out: &mut String) -> std::fmt::Result {
        let Some(package) = self.resolve.packages.get(self.package) else {
            return Ok(());
        };
        writeln!(
            out,
            "Package `{}`. A plugin is a WebAssembly component of one of the worlds below: it exports the one interface of \
             its kind and imports what it needs. The sources are in [`wit/`](../wit).\n",
            package.name
        )?;
        writeln!(out, "## Worlds\n")?;
        for world in package.worlds.values().filter_map(|id| self.resolve.worlds.get(*id)) {
            self.world(out, world)?;
        }
        // Exports first: they are what an author writes.
        let exported = exported(package.worlds.values().filter_map(|id| self.resolve.worlds.get(*id)));
        let (plugin, host): (Vec<InterfaceId>, Vec<InterfaceId>) =
            package.interfaces.values().partition(|id| exported.contains(id));
        writeln!(out, "## What a plugin exports\n")?;
        for id in plugin {
            self.interface(out, id)?;
        }
        writeln!(out, "## What a plugin may import\n")?;
        for id in host {
            self.interface(out, id)?;
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
        Ok(())
    }

    fn world(&self, out: &mut String, world: &World) -> std::fmt::Result {
        let names = |items: &mut dyn Iterator<Item = &WorldItem>| {
            let names = items.filter_map(|item| match item {
                WorldItem::Interface { id, .. } => self.link(*id),
                _ => None,
            });
            names.collect::<Vec<_>>().join(", ")
        };
        writeln!(out, "### world `{}`\n", world.name)?;
        prose(out, &world.docs)?;
        let exports = names(&mut world.exports.values());
        if exports.is_empty() {
            writeln!(out, "Imports: {}.\n", names(&mut world.imports.values()))
        } else {
            writeln!(out, "Exports: {exports}.\n")
        }
    }

    fn interface(&self, out: &mut String, id: InterfaceId) -> std::fmt::Result {
        let Some(interface) = self.resolve.interfaces.get(id) else {
            return Ok(());
        };
        writeln!(out, "### interface `{}`\n", name(interface))?;
        prose(out, &interface.docs)?;
        for function in interface.functions.values() {
            self.function(out, function)?;
        }
        for id in interface.types.values() {
            self.type_definition(out, interface, *id)?;
        }
        Ok(())
    }

    fn function(&self, out: &mut String, function: &Function) -> std::fmt::Result {
        let params = function.params.iter();
        let params: Vec<_> = params
            .map(|param| format!("{}: {}", param.name, self.type_name(&param.ty)))
            .collect();
        let result = function
            .result
            .map(|ty| format!(" -> {}", self.type_name(&ty)))
            .unwrap_or_default();
        writeln!(out, "#### `{}`\n", function.name)?;
        writeln!(
            out,
            "```wit\n{}: func({}){result}\n```\n",
            function.name,
            params.join(", ")
        )?;
        prose(out, &function.docs)
    }

    fn link(&self, id: InterfaceId) -> Option<String> {
        let name = name(self.resolve.interfaces.get(id)?);
        Some(format!("[`{name}`](#interface-{name})"))
    }
}

fn exported<'a>(worlds: impl Iterator<Item = &'a World>) -> Vec<InterfaceId> {
    worlds
        .flat_map(|world| world.exports.values())
        .filter_map(|item| match item {
            WorldItem::Interface { id, .. } => Some(*id),
            _ => None,
        })
        .collect()
}

fn name(interface: &Interface) -> &str {
    interface.name.as_deref().unwrap_or_default()
}

fn prose(out: &mut String, docs: &Docs) -> std::fmt::Result {
    match &docs.contents {
        Some(text) => writeln!(out, "{}\n", text.trim()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_in_docs_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/contract.md");
        let current = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            current == markdown().unwrap(),
            "docs/contract.md is stale: run `cargo xtask docs`"
        );
    }

    #[test]
    fn every_item_of_the_contract_is_documented() {
        let page = Page {
            resolve: contract::resolve().unwrap().0,
            package: contract::resolve().unwrap().1,
        };
        assert_eq!(page.undocumented(), Vec::<String>::new());
    }
}
