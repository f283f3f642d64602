//! The cache folder.
//!
//! Every write goes to a temporary file beside its target, is synced, and takes its name by a rename: at any moment a name
//! stands for complete bytes or for nothing. There is no lock that a crash could leave behind: file locks end with their
//! owner, and nothing waits for one but the removal of a file in use.

mod blobs;
mod evict;
mod good;
mod write;

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

pub use self::good::KnownGood;
pub(crate) use self::{blobs::Lease, write::Writing};
use crate::{config::StoreError, problem::os_message};

/// The folder and its bound.
#[derive(Debug)]
pub(crate) struct Disk {
    root: PathBuf,
    max_cache: u64,
}

impl Disk {
    /// Makes the folder, or takes one that is there, and clears away what dead writers left. A folder that can only be
    /// read is taken, too: what it holds can be served.
    pub(crate) fn open(root: &Path, max_cache: u64) -> Result<Self, StoreError> {
        let disk = Self {
            root: root.to_owned(),
            max_cache,
        };
        let parts = [
            root.join("blobs"),
            disk.blobs(),
            disk.aside(),
            disk.good(),
            disk.revalidate(),
        ];
        for folder in std::iter::once(root.to_owned()).chain(parts) {
            let Err(error) = make_private(&folder) else {
                continue;
            };
            // Without its parts a read-only folder is merely empty.
            if !root.is_dir() || fs::read_dir(root).is_err() {
                return Err(StoreError::Folder {
                    path: folder,
                    source: error,
                });
            }
            tracing::warn!(folder = %folder.display(), error = os_message(&error), "the cache folder cannot be written");
            break;
        }
        disk.sweep();
        Ok(disk)
    }

    pub(crate) fn blobs(&self) -> PathBuf {
        self.root.join("blobs/sha256")
    }

    fn aside(&self) -> PathBuf {
        self.root.join("aside")
    }

    fn good(&self) -> PathBuf {
        self.root.join("good")
    }

    fn revalidate(&self) -> PathBuf {
        self.root.join("revalidate")
    }
}

/// A folder that only we can use. One that belongs to another user (a mounted volume) is left as it is: nothing in it is
/// trusted without its digest.
fn make_private(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let metadata = fs::metadata(folder)?;
    if metadata.uid() == rustix::process::geteuid().as_raw() && metadata.permissions().mode() & 0o077 != 0 {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// After a rename: the name, too, has to survive a power cut.
fn sync_folder(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}
