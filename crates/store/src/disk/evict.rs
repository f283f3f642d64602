//! Keeping the folder below its bound.

use std::{
    collections::HashSet,
    fs::{self, File},
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::{
    Disk,
    write::{TEMPORARY, is_abandoned, remove},
};

struct Candidate {
    path: PathBuf,
    length: u64,
    used: SystemTime,
}

impl Disk {
    /// Makes room for `needed` more bytes: damaged blobs go first, then those used longest ago, but
    /// never one in use or known to be good. When that is not enough, the bound gives way: a plugin that cannot be loaded
    /// is worse than a full cache, and the disk's own limit still holds.
    pub(super) fn make_room(&self, needed: u64) {
        let excess = self.evict(needed, self.max_cache);
        if excess > 0 {
            tracing::warn!(
                bytes = excess,
                "the cache grows beyond its bound: everything in it is in use or known to be good"
            );
        }
    }

    /// Evicts whatever may be: the disk is full.
    pub(crate) fn empty(&self) {
        self.evict(0, 0);
    }

    /// How far the bound is missed in the end.
    fn evict(&self, needed: u64, bound: u64) -> u64 {
        let blobs = candidates(&self.blobs());
        let aside = candidates(&self.aside());
        let total: u64 = blobs.iter().chain(&aside).map(|candidate| candidate.length).sum();
        let mut excess = total.saturating_add(needed).saturating_sub(bound);
        if excess == 0 {
            return 0;
        }
        let good: HashSet<PathBuf> = self
            .good_digests()
            .iter()
            .map(|digest| self.blobs().join(digest.hex()))
            .collect();
        let mut unprotected: Vec<_> = blobs.into_iter().filter(|blob| !good.contains(&blob.path)).collect();
        unprotected.sort_by_key(|candidate| candidate.used);
        for candidate in aside.into_iter().chain(unprotected) {
            if excess == 0 {
                break;
            }
            if remove_unused(&candidate.path) {
                tracing::debug!(blob = %candidate.path.display(), "evicted from the cache");
                excess = excess.saturating_sub(candidate.length);
            }
        }
        excess
    }

    /// Removes what writers left that are gone.
    pub(super) fn sweep(&self) {
        let mut folders = vec![self.blobs(), self.revalidate()];
        folders.extend(files(&self.good()));
        for path in folders.iter().flat_map(|folder| files(folder)) {
            let is_temporary = path
                .file_name()
                .and_then(|name| name.to_str())
                .is_some_and(|name| name.starts_with(TEMPORARY));
            if is_temporary && is_abandoned(&path) {
                remove(&path);
            }
        }
        for path in files(&self.revalidate()) {
            if !self.is_of_use(&path) {
                remove(&path);
            }
        }
    }
}

/// Removes a file that nobody holds, here or in another process.
fn remove_unused(path: &Path) -> bool {
    match File::open(path) {
        // Held until the name is gone, so that a reader that opens it now gets whole bytes or none.
        Ok(file) => file.try_lock().is_ok() && remove(path),
        Err(_) => false,
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default()
}

fn candidates(folder: &Path) -> Vec<Candidate> {
    files(folder)
        .into_iter()
        .filter(|path| {
            path.file_name()
                .and_then(|name| name.to_str())
                .is_some_and(|name| !name.starts_with(TEMPORARY))
        })
        .filter_map(|path| {
            let metadata = fs::metadata(&path).ok()?;
            Some(Candidate {
                length: metadata.len(),
                used: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
                path,
            })
        })
        .collect()
}
