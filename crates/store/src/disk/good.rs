//! Small records: what last served a plugin, and what a server said about a location.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rollcage_core::PluginId;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    Disk,
    write::{remove, write_small},
};
use crate::{digest::Digest, problem::Problem};

/// Longest record that is read: ours have some hundred bytes.
const MAX_RECORD: u64 = 16 << 10;

/// What last served a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownGood {
    /// The bytes.
    pub digest: Digest,
    location: Digest,
}

impl KnownGood {
    /// Whether the bytes came from this location, as the entry writes it.
    pub fn is_from(&self, location: &str) -> bool {
        self.location == location_key(location)
    }
}

/// Records show no location: its query may hold a secret.
fn location_key(location: &str) -> Digest {
    Digest::of(location.as_bytes())
}

#[derive(Serialize, Deserialize)]
struct GoodRecord {
    plugin: String,
    digest: String,
    location: String,
}

/// What a server said about a location.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Revalidation {
    /// The bytes that it sent.
    digest: String,
    /// Its entity tag for them.
    etag: String,
}

impl Disk {
    /// Keeps what serves a plugin.
    pub(crate) fn remember(&self, id: &PluginId, location: &str, digest: &Digest) -> Result<(), Problem> {
        let record = GoodRecord {
            plugin: id.name.clone(),
            digest: digest.to_string(),
            location: location_key(location).to_string(),
        };
        let path = self.good_path(id);
        write_record(&path, &record).map_err(|error| Problem::storage("cannot write", &path, &error))
    }

    /// What last served a plugin. A damaged record is none.
    pub(crate) fn known_good(&self, id: &PluginId) -> Option<KnownGood> {
        let record: GoodRecord = read_record(&self.good_path(id))?;
        (record.plugin == id.name).then_some(())?;
        Some(KnownGood {
            digest: record.digest.parse().ok()?,
            location: record.location.parse().ok()?,
        })
    }

    /// Drops the record of a plugin that is no longer wanted.
    pub(crate) fn forget(&self, id: &PluginId) -> Result<(), Problem> {
        let path = self.good_path(id);
        if remove(&path) {
            Ok(())
        } else {
            let error = io::Error::from(io::ErrorKind::PermissionDenied);
            Err(Problem::storage("cannot remove", &path, &error))
        }
    }

    /// Every digest that is known to be good for some plugin.
    pub(super) fn good_digests(&self) -> Vec<Digest> {
        let entries = |folder: PathBuf| {
            fs::read_dir(folder)
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.path())
        };
        entries(self.good())
            .flat_map(entries)
            .filter_map(|path| read_record::<GoodRecord>(&path)?.digest.parse().ok())
            .collect()
    }

    /// What a server said about a location when it was last asked.
    pub(crate) fn revalidation(&self, location: &str) -> Option<(Digest, String)> {
        let record: Revalidation = read_record(&self.revalidation_path(location))?;
        Some((record.digest.parse().ok()?, record.etag))
    }

    /// Whether a record of a server's words still has its bytes.
    pub(super) fn is_of_use(&self, path: &Path) -> bool {
        let record = read_record::<Revalidation>(path);
        record
            .and_then(|record| record.digest.parse().ok())
            .is_some_and(|digest| self.has(&digest))
    }

    /// Keeps what a server said; without an entity tag there is nothing to keep.
    pub(crate) fn keep_revalidation(&self, location: &str, digest: &Digest, etag: Option<&str>) {
        let path = self.revalidation_path(location);
        let kept = match etag {
            Some(etag) => {
                let record = Revalidation {
                    digest: digest.to_string(),
                    etag: etag.to_owned(),
                };
                write_record(&path, &record).is_ok()
            }
            None => remove(&path),
        };
        if !kept {
            // The next time the bytes come whole, that is all.
            tracing::debug!(path = %path.display(), "cannot keep the entity tag");
        }
    }

    fn good_path(&self, id: &PluginId) -> PathBuf {
        // Names hold slashes, and may hold anything.
        self.good()
            .join(id.kind.world())
            .join(Digest::of(id.name.as_bytes()).hex())
    }

    fn revalidation_path(&self, location: &str) -> PathBuf {
        self.revalidate().join(location_key(location).hex())
    }
}

fn write_record(path: &Path, record: &impl Serialize) -> io::Result<()> {
    write_small(path, &serde_json::to_vec(record)?)
}

fn read_record<T: DeserializeOwned>(path: &Path) -> Option<T> {
    let length = fs::metadata(path).ok()?.len();
    (length <= MAX_RECORD).then_some(())?;
    let record = serde_json::from_slice(&fs::read(path).ok()?);
    if record.is_err() {
        tracing::warn!(path = %path.display(), "a damaged record in the cache folder is not used");
    }
    record.ok()
}
