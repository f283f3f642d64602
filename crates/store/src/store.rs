//! The way of the bytes: cache, location, or what served last.

use std::{
    fmt, fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures::FutureExt as _;
use http::HeaderMap;
use rollcage_api::plugin::PluginEntry;
use rollcage_core::{Fault, FaultKind, Phase, PluginId, host::Secrets};

use crate::{
    config::{StoreConfig, StoreError},
    digest::Digest,
    disk::{Disk, KnownGood, Lease},
    download::Downloader,
    flight::Flights,
    headers::headers,
    identity::identify,
    location::Location,
    problem::Problem,
    work::{Obtained, Task, Transfer, Work, blocking},
};

/// Verified bytes by entry. One per cache folder and process; other processes may use the same folder.
#[derive(Debug)]
pub struct Store {
    work: Arc<Work>,
    flights: Flights<Wanted, Transfer, Result<Obtained, Problem>>,
}

/// Bytes whose digest was checked. As long as this lives, they stay in the cache.
#[derive(Clone)]
pub struct Fetched {
    /// Their digest.
    pub digest: Digest,
    /// The bytes.
    pub bytes: Arc<[u8]>,
    /// Where they are in the cache.
    pub path: PathBuf,
    /// Where they came from.
    pub origin: Origin,
    lease: Lease,
}

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetched")
            .field("digest", &self.digest)
            .field("bytes", &self.bytes.len())
            .field("origin", &self.origin)
            .field("lease", &self.lease)
            .finish_non_exhaustive()
    }
}

/// A cached file that can be executed. As long as this lives, it stays in the cache.
#[derive(Clone, Debug)]
pub struct Executable {
    digest: Digest,
    path: PathBuf,
    _lease: Lease,
}

impl Executable {
    /// Digest of its bytes.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Who may execute a cached program: whoever gets into the folder, which is private.
const EXECUTABLE: u32 = 0o555;

/// Where bytes came from.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    /// The cache had them.
    Cache,
    /// The location had them.
    Location,
    /// The location failed, and these served the plugin last.
    LastKnownGood(Box<Fault>),
}

/// What makes two fetches the same.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Wanted {
    Digest(Digest),
    Location { location: String, headers: Digest },
}

impl Store {
    /// Opens a cache folder, or makes it.
    pub fn open(folder: impl AsRef<Path>, config: StoreConfig) -> Result<Self, StoreError> {
        let disk = Arc::new(Disk::open(folder.as_ref(), config.max_cache.0)?);
        let downloader = Downloader::new(config.clone(), Arc::clone(&disk))?;
        Ok(Self {
            work: Arc::new(Work {
                config,
                disk,
                downloader,
            }),
            flights: Flights::new(),
        })
    }

    /// The bytes of an entry.
    ///
    /// With a `sha256` that is in the cache no server is asked. Without one the location is, and when it fails, what last
    /// served this plugin from this same location is given instead, with the failure as its [`Origin`]. `headersFrom` is
    /// read from `secrets`.
    pub async fn fetch(
        &self,
        id: &PluginId,
        entry: &PluginEntry,
        secrets: &dyn Secrets,
    ) -> Result<Fetched, Box<Fault>> {
        self.fetch_with(id, entry, secrets, &|_| {}).await
    }

    /// As [`fetch`](Self::fetch), telling how far it is.
    pub async fn fetch_with(
        &self,
        id: &PluginId,
        entry: &PluginEntry,
        secrets: &dyn Secrets,
        report: &(dyn Fn(Transfer) + Send + Sync),
    ) -> Result<Fetched, Box<Fault>> {
        let (location, pinned) = self.resolve(entry).map_err(|problem| problem.fault(id))?;
        match self.obtain(entry, location, pinned, secrets, report).await {
            Ok(obtained) => Ok(self.fetched(obtained)),
            Err(problem) => {
                let fault = problem.fault(id);
                match pinned {
                    Some(_) => Err(fault),
                    None => self.fall_back(id, entry, fault).await,
                }
            }
        }
    }

    /// Bytes by digest, from the cache alone; `None` when they are not there, or damaged.
    pub async fn read(&self, id: &PluginId, digest: &Digest) -> Result<Option<Fetched>, Box<Fault>> {
        let obtained = self.cached(*digest).await.map_err(|problem| problem.fault(id))?;
        Ok(obtained.map(|obtained| self.fetched(obtained)))
    }

    /// The cached file of a program, made executable. What is in it was checked when it was fetched.
    pub async fn executable(&self, id: &PluginId, fetched: &Fetched) -> Result<Executable, Box<Fault>> {
        let executable = Executable {
            digest: fetched.digest,
            path: fetched.path.clone(),
            _lease: fetched.lease.clone(),
        };
        let path = executable.path.clone();
        let made = blocking(move || {
            fs::set_permissions(&path, fs::Permissions::from_mode(EXECUTABLE))
                .map_err(|error| Problem::storage("cannot make executable", &path, &error))
        });
        made.await.map_err(|problem| problem.fault(id))?;
        Ok(executable)
    }

    /// What last served a plugin.
    pub async fn last_known_good(&self, id: &PluginId) -> Option<KnownGood> {
        let (disk, id) = (Arc::clone(&self.work.disk), id.clone());
        blocking(move || Ok(disk.known_good(&id))).await.ok().flatten()
    }

    /// Keeps bytes as those that last served a plugin: from now on they are not evicted. `location` is the entry's.
    pub async fn remember(&self, id: &PluginId, location: &str, fetched: &Fetched) -> Result<(), Box<Fault>> {
        let (disk, plugin, location, fetched) = (
            Arc::clone(&self.work.disk),
            id.clone(),
            location.to_owned(),
            fetched.clone(),
        );
        blocking(move || {
            // Somebody may have emptied the folder meanwhile.
            if !disk.has(&fetched.digest) {
                let mut writing = disk.write(fetched.bytes.len() as u64)?;
                writing.append(&fetched.bytes)?;
                writing.commit(&disk)?;
            }
            disk.remember(&plugin, &location, &fetched.digest)
        })
        .await
        .map_err(|problem| problem.fault(id))
    }

    /// Drops the memory of what last served a plugin that is no longer wanted.
    pub async fn forget(&self, id: &PluginId) -> Result<(), Box<Fault>> {
        let (disk, plugin) = (Arc::clone(&self.work.disk), id.clone());
        blocking(move || disk.forget(&plugin))
            .await
            .map_err(|problem| problem.fault(id))
    }

    fn fetched(&self, obtained: Obtained) -> Fetched {
        Fetched {
            digest: obtained.digest,
            bytes: obtained.bytes,
            path: self.work.disk.blobs().join(obtained.digest.hex()),
            origin: obtained.origin,
            lease: obtained.lease,
        }
    }

    fn resolve(&self, entry: &PluginEntry) -> Result<(Location, Option<Digest>), Problem> {
        let location = Location::parse(&entry.location, &self.work.config.base)
            .map_err(|error| Problem::entry(error.to_string(), error.hint()))?;
        if matches!(location, Location::Oci(_)) {
            let hint = "use a file:// or https:// location until then";
            return Err(Problem::new(
                Phase::Resolve,
                FaultKind::UnsupportedRuntime,
                "oci:// locations are not enabled yet",
                hint,
            ));
        }
        let pinned = match entry.sha256.trim() {
            "" => None,
            text => Some(text.parse().map_err(|error| {
                let hint = "write the 64 digits that `sha256sum FILE` prints";
                Problem::entry(format!("sha256: {error}"), hint)
            })?),
        };
        Ok((location, pinned))
    }

    async fn cached(&self, digest: Digest) -> Result<Option<Obtained>, Problem> {
        let disk = Arc::clone(&self.work.disk);
        let found = blocking(move || disk.read(&digest)).await?;
        Ok(found.map(|(bytes, lease)| Obtained {
            digest,
            bytes: bytes.into(),
            lease,
            origin: Origin::Cache,
        }))
    }

    async fn obtain(
        &self,
        entry: &PluginEntry,
        location: Location,
        pinned: Option<Digest>,
        secrets: &dyn Secrets,
        report: &(dyn Fn(Transfer) + Send + Sync),
    ) -> Result<Obtained, Problem> {
        if let Some(digest) = pinned
            && let Some(obtained) = self.cached(digest).await?
        {
            return match self.work.config.refusal(&identify(&obtained.bytes)) {
                Some(problem) => Err(problem),
                None => Ok(obtained),
            };
        }
        let headers = match location {
            Location::Http(_) => headers(&entry.headers_from, secrets).await?,
            _ => HeaderMap::new(),
        };
        let own = Wanted::Location {
            location: entry.location.clone(),
            headers: fingerprint(&headers),
        };
        let task = Task {
            key: entry.location.clone(),
            location,
            headers,
            pinned,
        };
        // The same bytes are fetched once, wherever two entries say that they are; but one entry's broken location is no
        // reason for the other to fail.
        if let Some(digest) = pinned {
            let (joined, is_ours) = self.fly(Wanted::Digest(digest), &task, report).await;
            if joined.is_ok() || is_ours {
                return joined;
            }
        }
        self.fly(own, &task, report).await.0
    }

    /// Joins or begins a flight; true when it was begun here.
    async fn fly(
        &self,
        wanted: Wanted,
        task: &Task,
        report: &(dyn Fn(Transfer) + Send + Sync),
    ) -> (Result<Obtained, Problem>, bool) {
        let mut is_ours = false;
        let begin = |progress| {
            is_ours = true;
            let (work, task) = (Arc::clone(&self.work), task.clone());
            async move { work.run(&task, &progress).await }.boxed()
        };
        let result = self.flights.join(wanted, begin, report).await;
        (result, is_ours)
    }

    async fn fall_back(&self, id: &PluginId, entry: &PluginEntry, fault: Box<Fault>) -> Result<Fetched, Box<Fault>> {
        let Some(good) = self
            .last_known_good(id)
            .await
            .filter(|good| good.is_from(&entry.location))
        else {
            return Err(fault);
        };
        match self.cached(good.digest).await {
            Ok(Some(obtained)) => {
                tracing::warn!(plugin = %id, %fault, digest = %good.digest, "serving what served last");
                Ok(self.fetched(Obtained {
                    origin: Origin::LastKnownGood(fault),
                    ..obtained
                }))
            }
            _ => Err(fault),
        }
    }
}

/// Headers as a part of a key, without their values.
fn fingerprint(headers: &HeaderMap) -> Digest {
    let mut text = Vec::new();
    for (name, value) in headers {
        // Neither can hold a line break.
        text.extend_from_slice(name.as_str().as_bytes());
        text.push(b'\n');
        text.extend_from_slice(value.as_bytes());
        text.push(b'\n');
    }
    Digest::of(&text)
}
