//! One fetch, from where the bytes are to where they are kept. It belongs to nobody in particular: all who want the same
//! bytes wait for the same one.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
    sync::Arc,
};

use http::HeaderMap;
use rollcage_core::{FaultKind, Phase};
use sha2::{Digest as _, Sha256};
use tokio::{sync::watch, task};
use url::Url;

use crate::{
    config::StoreConfig,
    digest::Digest,
    disk::{Disk, Lease, Writing},
    download::{Delivery, Downloader, Order},
    identity::identify,
    location::Location,
    problem::{Problem, os_message},
    store::Origin,
};

/// How far a fetch is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transfer {
    /// What is done.
    pub stage: Stage,
    /// Bytes that came.
    pub received: u64,
    /// Bytes that will come, when the server told.
    pub total: Option<u64>,
}

/// What is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// Bytes come.
    #[default]
    Fetching,
    /// They are checked.
    Verifying,
}

/// What a flight ends with; each of its passengers makes its own [`Fetched`](crate::Fetched) of it.
#[derive(Clone)]
pub(crate) struct Obtained {
    pub digest: Digest,
    pub bytes: Arc<[u8]>,
    pub lease: Lease,
    pub origin: Origin,
}

/// What outlives the call that began it.
#[derive(Debug)]
pub(crate) struct Work {
    pub config: StoreConfig,
    pub disk: Arc<Disk>,
    pub downloader: Downloader,
}

/// One fetch, for whoever waits for it.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    /// The location as the entry writes it.
    pub key: String,
    pub location: Location,
    pub headers: HeaderMap,
    pub pinned: Option<Digest>,
}

impl Work {
    pub(crate) async fn run(
        self: Arc<Self>,
        task: &Task,
        progress: &watch::Sender<Transfer>,
    ) -> Result<Obtained, Problem> {
        match self.run_once(task, progress).await {
            // The disk is full, or somebody took the temporary file: make room, and try once more.
            Err(problem) if problem.retryable && problem.kind == FaultKind::Storage => {
                let disk = Arc::clone(&self.disk);
                blocking(move || {
                    disk.empty();
                    Ok(())
                })
                .await?;
                self.run_once(task, progress).await
            }
            result => result,
        }
    }

    async fn run_once(&self, task: &Task, progress: &watch::Sender<Transfer>) -> Result<Obtained, Problem> {
        match &task.location {
            Location::File(path) => {
                if let Some(obtained) = self.copied_before(task, path).await? {
                    return Ok(obtained);
                }
                let (disk, path, max) = (Arc::clone(&self.disk), path.clone(), self.config.max_plugin.0);
                let writing = blocking(move || copy(&disk, &path, max)).await?;
                self.finish(task, writing, progress).await
            }
            Location::Http(url) => self.run_http(task, url, progress).await,
            Location::Bundled(name) => {
                let (disk, bytes) = (Arc::clone(&self.disk), self.bundled(name)?);
                let writing = blocking(move || {
                    let mut writing = disk.write(bytes.len() as u64)?;
                    writing.append(bytes)?;
                    Ok(writing)
                });
                self.finish(task, writing.await?, progress).await
            }
            Location::Oci(_) => Err(Problem::entry("oci:// locations are not enabled yet", "")),
        }
    }

    /// The bytes of a file that is in the cache already: an executable has tens of megabytes, which are not written again
    /// and synced at every start. What keeps the file from being read is told by the copy.
    async fn copied_before(&self, task: &Task, path: &Path) -> Result<Option<Obtained>, Problem> {
        let (disk, path, config, pinned) = (
            Arc::clone(&self.disk),
            path.to_owned(),
            self.config.clone(),
            task.pinned,
        );
        blocking(move || {
            let Some(digest) =
                digest_of(&path, config.max_plugin.0).filter(|digest| pinned.is_none_or(|pinned| pinned == *digest))
            else {
                return Ok(None);
            };
            let Some((bytes, lease)) = disk.read(&digest)? else {
                return Ok(None);
            };
            if let Some(problem) = config.refusal(&identify(&bytes)) {
                return Err(problem);
            }
            Ok(Some(Obtained {
                digest,
                bytes: bytes.into(),
                lease,
                origin: Origin::Location,
            }))
        })
        .await
    }

    fn bundled(&self, name: &str) -> Result<&'static [u8], Problem> {
        self.config.bundled.get(name).copied().ok_or_else(|| {
            let names: Vec<_> = self.config.bundled.keys().copied().collect();
            let hint = match &*names {
                [] => "this program was built without any: run `cargo xtask plugins` before it is built".to_owned(),
                names => format!("there are {}", names.join(", ")),
            };
            let cause = format!("no plugin {name:?} comes with this program");
            Problem::new(Phase::Fetch, FaultKind::NotFound, cause, hint)
        })
    }

    async fn run_http(&self, task: &Task, url: &Url, progress: &watch::Sender<Transfer>) -> Result<Obtained, Problem> {
        // Only bytes that are really here, whole, save asking for them.
        let known = self.known(task).await?;
        let order = Order {
            url: url.clone(),
            headers: task.headers.clone(),
            etag: known.as_ref().map(|(_, etag, _)| etag.clone()),
        };
        match (self.downloader.download(&order, progress).await?, known) {
            (Delivery::Unchanged, Some((digest, _, (bytes, lease)))) => Ok(Obtained {
                digest,
                bytes: bytes.into(),
                lease,
                origin: Origin::Location,
            }),
            (Delivery::Unchanged, None) => {
                let cause = "the server says that the bytes have not changed, and was not asked";
                Err(Problem::new(
                    Phase::Fetch,
                    FaultKind::BadAnswer,
                    cause,
                    "check the server, and proxies before it",
                ))
            }
            (Delivery::Bytes { writing, etag }, _) => {
                let obtained = self.finish(task, writing, progress).await?;
                if task.pinned.is_none() {
                    let (disk, key, digest) = (Arc::clone(&self.disk), task.key.clone(), obtained.digest);
                    blocking(move || {
                        disk.keep_revalidation(&key, &digest, etag.as_deref());
                        Ok(())
                    })
                    .await?;
                }
                Ok(obtained)
            }
        }
    }

    /// Bytes of an entry without `sha256` that are here, and the server's tag for them.
    async fn known(&self, task: &Task) -> Result<Option<(Digest, String, (Vec<u8>, Lease))>, Problem> {
        if task.pinned.is_some() {
            return Ok(None);
        }
        let (disk, key) = (Arc::clone(&self.disk), task.key.clone());
        blocking(move || {
            let Some((digest, etag)) = disk.revalidation(&key) else {
                return Ok(None);
            };
            Ok(disk.read(&digest)?.map(|read| (digest, etag, read)))
        })
        .await
    }

    /// Checks bytes, and only then takes them into the cache.
    async fn finish(
        &self,
        task: &Task,
        writing: Writing,
        progress: &watch::Sender<Transfer>,
    ) -> Result<Obtained, Problem> {
        progress.send_modify(|transfer| {
            transfer.stage = Stage::Verifying;
            transfer.received = writing.length();
        });
        let (disk, pinned, from) = (Arc::clone(&self.disk), task.pinned, task.location.to_string());
        let config = self.config.clone();
        blocking(move || {
            let digest = writing.digest();
            let identity = identify(writing.head());
            if let Some(pinned) = pinned.filter(|pinned| *pinned != digest) {
                let cause = format!(
                    "{from} has {digest} ({identity}, {} bytes), and the entry wants {pinned}",
                    writing.length()
                );
                let hint = match identity.hint() {
                    "" => "if the plugin was meant to change, change the entry's sha256, too",
                    hint => hint,
                };
                return Err(Problem::new(Phase::Verify, FaultKind::DigestMismatch, cause, hint));
            }
            if let Some(problem) = config.refusal(&identity) {
                return Err(problem);
            }
            let (bytes, lease) = writing.commit(&disk)?;
            Ok(Obtained {
                digest,
                bytes: bytes.into(),
                lease,
                origin: Origin::Location,
            })
        })
        .await
    }
}

/// The digest of a regular file of at most `max` bytes that can be read.
fn digest_of(path: &Path, max: u64) -> Option<Digest> {
    let metadata = std::fs::metadata(path).ok()?;
    if !metadata.is_file() || metadata.len() > max {
        return None;
    }
    let mut hasher = Sha256::new();
    let mut file = File::open(path).ok()?.take(max);
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => hasher.update(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
    Some(Digest::from_hasher(hasher))
}

/// Copies a file into the cache.
fn copy(disk: &Disk, path: &Path, max: u64) -> Result<Writing, Problem> {
    let unreadable = |error: &io::Error| {
        let (kind, hint) = match error.kind() {
            io::ErrorKind::NotFound => (
                FaultKind::NotFound,
                "check the location: relative ones start at the working directory",
            ),
            _ => (FaultKind::Storage, "the file has to be readable"),
        };
        let cause = format!("cannot read {}: {}", path.display(), os_message(error));
        Problem::new(Phase::Fetch, kind, cause, hint)
    };
    let too_large = |size: String| {
        let cause = format!("{} has {size} bytes, and a plugin has at most {max}", path.display());
        Problem::new(
            Phase::Fetch,
            FaultKind::TooLarge,
            cause,
            "check that the location names a plugin",
        )
    };
    // Looked at before it is opened: opening a pipe waits for its writer.
    let metadata = std::fs::metadata(path).map_err(|error| unreadable(&error))?;
    if !metadata.is_file() {
        let cause = format!("{} is no regular file", path.display());
        return Err(Problem::new(
            Phase::Fetch,
            FaultKind::NotFound,
            cause,
            "name the file itself",
        ));
    }
    if metadata.len() > max {
        return Err(too_large(metadata.len().to_string()));
    }
    let mut file = File::open(path).map_err(|error| unreadable(&error))?;
    let mut writing = disk.write(metadata.len())?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = match file.read(&mut buffer) {
            Ok(0) => return Ok(writing),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(unreadable(&error)),
        };
        writing.append(buffer.get(..count).unwrap_or_default())?;
        // It may grow while it is read.
        if writing.length() > max {
            return Err(too_large(format!("more than {max}")));
        }
    }
}

/// Disk work, away from the threads that serve.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    task::spawn_blocking(work).await.unwrap_or_else(|error| {
        let cause = format!("work on the cache folder ended early: {error}");
        Err(Problem::new(
            Phase::Fetch,
            FaultKind::Host,
            cause,
            "this is a fault of the host: please report it",
        ))
    })
}
