//! Reading blobs: never without their digest.

use std::{
    fmt,
    fs::{self, File},
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{Disk, write::remove};
use crate::{
    digest::Digest,
    problem::{Problem, os_message},
};

/// Keeps a blob from being evicted, by this process or another.
#[derive(Clone)]
pub(crate) struct Lease(Arc<File>);

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lease of {}", Arc::strong_count(&self.0))
    }
}

impl Lease {
    /// Never waits: whoever holds the file alone is just removing it, and an open file stays readable. On a file system
    /// without locks, eviction goes by age alone.
    pub(super) fn new(file: File) -> Self {
        let _ = file.try_lock_shared();
        Self(Arc::new(file))
    }
}

/// How old a blob's mark of last use may become; more often would only wear the disk.
const TOUCH_AFTER: Duration = Duration::from_mins(1);

impl Disk {
    /// The bytes with this digest, when they are here. A file with other bytes is set aside.
    pub(crate) fn read(&self, digest: &Digest) -> Result<Option<(Vec<u8>, Lease)>, Problem> {
        let path = self.blobs().join(digest.hex());
        let opened = File::open(&path).and_then(|file| {
            let lease = Lease::new(file);
            let mut bytes = Vec::new();
            (&*lease.0).read_to_end(&mut bytes)?;
            Ok((bytes, lease))
        });
        let (bytes, lease) = match opened {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            // A bad sector reads as an error: the bytes may still be had from elsewhere.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => {
                self.set_aside(digest, &path, None, &os_message(&error));
                return Ok(None);
            }
            Err(error) => return Err(Problem::storage("cannot read", &path, &error)),
        };
        let found = Digest::of(&bytes);
        if found != *digest {
            self.set_aside(digest, &path, Some(&lease.0), &format!("its bytes have {found}"));
            return Ok(None);
        }
        touch(&lease.0);
        Ok(Some((bytes, lease)))
    }

    /// Whether a blob is here, by its name alone.
    pub(crate) fn has(&self, digest: &Digest) -> bool {
        self.blobs().join(digest.hex()).is_file()
    }

    /// Moves a damaged blob out of the way, for somebody to look at.
    fn set_aside(&self, digest: &Digest, path: &Path, opened: Option<&File>, why: &str) {
        // Another process may have put a good one there since.
        let same = |opened: &File| {
            let (ours, now) = (opened.metadata().ok()?, fs::metadata(path).ok()?);
            Some((ours.dev(), ours.ino()) == (now.dev(), now.ino()))
        };
        if opened.is_some_and(|opened| same(opened) != Some(true)) {
            return;
        }
        let target = self.aside().join(format!("{}-{}", digest.hex(), std::process::id()));
        tracing::warn!(%digest, why, kept = %target.display(), "a cached plugin is damaged and is fetched anew");
        if fs::rename(path, &target).is_err() {
            remove(path);
        }
    }
}

fn touch(file: &File) {
    let now = SystemTime::now();
    let is_old = file
        .metadata()
        .and_then(|metadata| metadata.modified())
        .is_ok_and(|used| now.duration_since(used).is_ok_and(|age| age > TOUCH_AFTER));
    if is_old {
        // Reading works on a read-only folder, too.
        let _ = file.set_modified(now);
    }
}
