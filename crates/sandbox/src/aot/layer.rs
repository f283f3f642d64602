//! Machine code that came with the program: a read-only folder of an image, made by the same build for the least processor
//! of its kind. Like the program itself it is trusted because only the system's owner can have written it.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;
use wasmtime::Engine;

use super::{
    Artifact,
    cache::{Entry, index},
    key,
};
use crate::engine;

/// The user whom the program belongs to, too.
const ROOT: u32 = 0;

/// The folder.
#[derive(Debug)]
pub(crate) struct Layer {
    dir: PathBuf,
    /// What it was made by: only its settings matter.
    engine: Engine,
}

impl Layer {
    /// Opens a folder that others cannot write to; otherwise there is no layer, and the log says why.
    pub(crate) fn open(dir: &Path) -> Option<Self> {
        let opened = trusted(dir).and_then(|dir| {
            let engine = engine::baseline().map_err(|error| io::Error::other(format!("{error:#}")))?;
            Ok(Self { dir, engine })
        });
        opened
            .inspect_err(|error| {
                tracing::warn!(dir = %dir.display(), %error, "the machine code that came with the program is not used");
            })
            .ok()
    }

    /// The machine code of a component, when it is there and is what was written.
    pub(crate) fn get(&self, digest: &str) -> Option<Artifact> {
        let read = || {
            let entry = Entry::read(open(&index(&self.dir, &key(digest, &self.engine)))?)?;
            entry.check(open(&entry.code(&self.dir))?)
        };
        match read() {
            Ok(file) => Some(Artifact::checked(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(dir = %self.dir.display(), %error, "machine code that came with the program is not used");
                None
            }
        }
    }
}

/// A file for a compiler to write to.
pub(crate) fn begin(dir: &Path) -> io::Result<NamedTempFile> {
    fs::create_dir_all(dir)?;
    tempfile::Builder::new().prefix(".new-").tempfile_in(dir)
}

/// Takes what a compiler wrote into the folder; gives its size.
pub(crate) fn put(dir: &Path, key: &str, mut code: NamedTempFile) -> io::Result<u64> {
    let entry = Entry::of(code.as_file_mut())?;
    let size = entry.size;
    let mut noted = begin(dir)?;
    noted.write_all(&serde_json::to_vec(&entry)?)?;
    for (file, path) in [(code, entry.code(dir)), (noted, index(dir, key))] {
        // Another user is going to read it.
        file.as_file().set_permissions(Permissions::from_mode(0o644))?;
        file.persist(path).map_err(|error| error.error)?;
    }
    Ok(size)
}

/// The folder's own path, if only the system's owner can put files there.
fn trusted(dir: &Path) -> io::Result<PathBuf> {
    let dir = dir.canonicalize()?;
    for folder in dir.ancestors() {
        let found = fs::symlink_metadata(folder)?;
        // In a sticky folder, such as /tmp, nobody can replace what is not his.
        let sticky = folder != dir && found.mode() & 0o1000 != 0;
        if found.uid() != ROOT || found.mode() & 0o022 != 0 && !sticky {
            let cause = format!("others than root can write to {}", folder.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, cause));
        }
    }
    Ok(dir)
}

/// Opens a file that only the system's owner can have written.
fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default())
        .open(path)?;
    let found = file.metadata()?;
    if found.is_file() && found.uid() == ROOT && found.mode() & 0o022 == 0 {
        Ok(file)
    } else {
        let cause = format!("others than root can write to {}", path.display());
        Err(io::Error::new(io::ErrorKind::PermissionDenied, cause))
    }
}
