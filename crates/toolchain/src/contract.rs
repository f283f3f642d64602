//! The contract (`wit/`), embedded: guests in other languages need it as files, and its reference is generated from it.

use std::{fs, path::Path};

use wit_parser::{PackageId, Resolve, UnresolvedPackageGroup};

use crate::BuildError;

/// The contract's files: name and text.
pub const FILES: [(&str, &str); 6] = [
    ("host.wit", include_str!("../../../wit/host.wit")),
    ("metrics.wit", include_str!("../../../wit/metrics.wit")),
    ("routing.wit", include_str!("../../../wit/routing.wit")),
    ("stepping.wit", include_str!("../../../wit/stepping.wit")),
    ("types.wit", include_str!("../../../wit/types.wit")),
    ("worlds.wit", include_str!("../../../wit/worlds.wit")),
];

/// Writes the contract's files into a folder.
pub fn write(dir: &Path) -> Result<(), BuildError> {
    fs::create_dir_all(dir).map_err(BuildError::file(dir))?;
    for (name, text) in FILES {
        let path = dir.join(name);
        fs::write(&path, text).map_err(BuildError::file(path))?;
    }
    Ok(())
}

/// The contract, parsed.
pub fn resolve() -> Result<(Resolve, PackageId), BuildError> {
    let wrong = |error: &dyn std::fmt::Display| BuildError::Contract(error.to_string());
    let mut map = wit_parser::SourceMap::new();
    for (name, text) in FILES {
        map.push(Path::new(name), text);
    }
    let group: UnresolvedPackageGroup = map.parse().map_err(|(_, error)| wrong(&error))?;
    let mut resolve = Resolve::default();
    let package = resolve.push_group(group).map_err(|error| wrong(&error))?;
    Ok((resolve, package))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn every_file_is_embedded() {
        let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../wit");
        let mut names: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, FILES.map(|(name, _)| name));
    }

    #[test]
    fn each_kind_exports_one_interface_and_no_function_of_its_own() {
        let (resolve, package) = resolve().unwrap();
        for (world, interface) in [
            ("metric-provider", "metrics"),
            ("traffic-router", "routing"),
            ("step", "stepping"),
        ] {
            let id = resolve.select_world(&[package], Some(world)).unwrap();
            let exports: Vec<_> = resolve.worlds[id]
                .exports
                .keys()
                .map(|key| resolve.name_world_key(key))
                .collect();
            assert_eq!(exports, [format!("rollcage:plugin/{interface}@0.1.0")]);
        }
    }
}
