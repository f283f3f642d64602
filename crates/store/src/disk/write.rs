//! Writing bytes under a temporary name, and giving them their own.

use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _, Write as _},
    path::Path,
};

use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::{Disk, Lease, sync_folder};
use crate::{digest::Digest, problem::Problem};

/// Names of files that are being written begin so.
pub(super) const TEMPORARY: &str = ".tmp-";

/// Bytes on their way into the cache. Dropped without [`commit`](Self::commit), they are gone.
#[derive(Debug)]
pub(crate) struct Writing {
    file: NamedTempFile,
    hasher: Sha256,
    length: u64,
    /// The begin, for a look at what the bytes are.
    head: Vec<u8>,
}

/// As much of the begin as is looked at.
const HEAD: usize = 64 << 10;

impl Disk {
    /// Begins to write, as far as is known `expected` bytes.
    pub(crate) fn write(&self, expected: u64) -> Result<Writing, Problem> {
        let folder = self.blobs();
        self.make_room(expected);
        let file = temporary(&folder).map_err(|error| Problem::storage("cannot write into", &folder, &error))?;
        Ok(Writing {
            file,
            hasher: Sha256::new(),
            length: 0,
            head: Vec::new(),
        })
    }
}

/// A locked temporary file, 0600. The lock tells sweepers of this and other processes that its writer lives.
fn temporary(folder: &Path) -> io::Result<NamedTempFile> {
    let file = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(folder)?;
    // Shared, as a reader's: nobody ever waits for it. Without locks on this file system a sweeper may take the file; then
    // the rename fails and the fetch is tried again.
    let _ = file.as_file().try_lock_shared();
    Ok(file)
}

impl Writing {
    /// Adds bytes.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        self.file.write_all(bytes).map_err(|error| self.problem(&error))?;
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        let room = HEAD.saturating_sub(self.head.len());
        self.head.extend(bytes.iter().take(room));
        Ok(())
    }

    /// Bytes so far.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// The first 64 KiB.
    pub(crate) fn head(&self) -> &[u8] {
        &self.head
    }

    /// The digest of the bytes so far.
    pub(crate) fn digest(&self) -> Digest {
        Digest::from_hasher(self.hasher.clone())
    }

    /// Syncs the bytes and gives them their name. They are read back, so what is handed on is what is on disk. Where the same
    /// bytes are already, they stay: somebody may be about to execute that very file, with its mode and without a writer.
    pub(crate) fn commit(mut self, disk: &Disk) -> Result<(Vec<u8>, Lease), Problem> {
        let digest = self.digest();
        if let Some(there) = disk.read(&digest)? {
            return Ok(there);
        }
        let folder = disk.blobs();
        let path = folder.join(digest.hex());
        disk.make_room(self.length);
        let read = |file: &mut File, length: u64| -> io::Result<Vec<u8>> {
            file.sync_all()?;
            file.rewind()?;
            let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
            file.read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = read(self.file.as_file_mut(), self.length).map_err(|error| self.problem(&error))?;
        if Digest::of(&bytes) != digest {
            let error = io::Error::other("the bytes that were written are not the ones that are read back");
            return Err(self.problem(&error));
        }
        let persisted = match self.file.persist_noclobber(&path) {
            // Somebody was quicker, or this file system cannot tell.
            Err(error) => match disk.read(&digest)? {
                Some(there) => return Ok(there),
                None => error.file.persist(&path),
            },
            persisted => persisted,
        };
        let written = persisted.map_err(|error| {
            // A sweeper that could not see our lock took the file.
            let retryable = error.error.kind() == io::ErrorKind::NotFound;
            let problem = Problem::storage("cannot write", &path, &error.error);
            if retryable { problem.retryable() } else { problem }
        })?;
        sync_folder(&folder).map_err(|error| Problem::storage("cannot write", &folder, &error))?;
        // For reading only: a file that is open for writing cannot be executed.
        let file = File::open(&path).map_err(|error| Problem::storage("cannot read", &path, &error))?;
        let lease = Lease::new(file);
        drop(written);
        Ok((bytes, lease))
    }

    fn problem(&self, error: &io::Error) -> Problem {
        let folder = self.file.path().parent().unwrap_or(self.file.path());
        Problem::storage(
            &format!("cannot write {} bytes into", self.length.max(1)),
            folder,
            error,
        )
    }
}

/// Writes a small file whole.
pub(super) fn write_small(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    super::make_private(folder)?;
    let mut file = temporary(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    sync_folder(folder)
}

/// Whether a file's writer is gone.
pub(super) fn is_abandoned(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| file.try_lock().is_ok())
}

/// Removes a file; one that is gone already is as good.
pub(super) fn remove(path: &Path) -> bool {
    match fs::remove_file(path) {
        Ok(()) => true,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}
