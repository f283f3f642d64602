//! Where plugin bytes and compiled code are kept between two commands.

use std::{env, io, os::unix::fs::DirBuilderExt, path::PathBuf};

use crate::error::CommandError;

/// The cache folder, and whether it outlives the machine's temporary files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheDir {
    /// The folder; it exists.
    pub path: PathBuf,
    /// False for a folder in TMPDIR: the command warns.
    pub survives: bool,
}

impl CacheDir {
    /// `flag` (which also carries ROLLCAGE_CACHE_DIR), else `$XDG_CACHE_HOME/rollcage` (`~/.cache/rollcage` where that
    /// is not set, as the XDG specification says), else, or where that cannot be made (a container's file system is often
    /// read-only), a private folder in TMPDIR.
    pub fn choose(flag: Option<PathBuf>) -> Result<Self, CommandError> {
        let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let usual = || {
            absolute("XDG_CACHE_HOME")
                .map(|path| path.join("rollcage"))
                .or_else(|| absolute("HOME").map(|path| path.join(".cache/rollcage")))
                .filter(|path| create_private(path).is_ok())
        };
        let wanted = flag.or_else(usual);
        let survives = wanted.is_some();
        let path =
            wanted.unwrap_or_else(|| env::temp_dir().join(format!("rollcage-{}", rustix::process::geteuid().as_raw())));
        create_private(&path).map_err(|error| {
            CommandError::usage(
                format!("cache folder {}: {error}", path.display()),
                "name a folder that can be written with --cache-dir or ROLLCAGE_CACHE_DIR",
            )
        })?;
        Ok(Self { path, survives })
    }
}

/// Creates the folder with mode 0700, or accepts one that is already there.
fn create_private(path: &PathBuf) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_wins_and_survives() {
        let folder = tempfile::tempdir().unwrap();
        let wanted = folder.path().join("deep/cache");
        let cache = CacheDir::choose(Some(wanted.clone())).unwrap();
        assert_eq!(
            cache,
            CacheDir {
                path: wanted.clone(),
                survives: true
            }
        );
        assert!(wanted.is_dir());
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_a_usage_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = CacheDir::choose(Some(file.path().join("cache"))).unwrap_err();
        assert_eq!(error.exit_code(), 2);
    }
}
