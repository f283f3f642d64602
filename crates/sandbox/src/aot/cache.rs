//! The folder of machine code: `<key>.json` says which `<sha256>.cwasm` belongs to a key.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};
use tempfile::{NamedTempFile, TempDir};

use super::{Artifact, sha256_of};

/// An index entry is two short fields.
const INDEX_LIMIT: u64 = 512;
/// All machine code together: fifty Python guests. The oldest goes first.
const SIZE_LIMIT: u64 = 2 << 30;
/// No compilation takes this long: a file that is still being written then belongs to a process that died.
const ABANDONED: Duration = Duration::from_hours(1);
/// How files begin that are being written.
const UNFINISHED: &str = ".new-";

/// The folder.
#[derive(Debug)]
pub(crate) struct Cache {
    dir: PathBuf,
    /// Present when the configured folder is not ours: then nothing outlives this process.
    _private: Option<TempDir>,
}

/// What belongs to a key.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    sha256: String,
    pub(super) size: u64,
}

impl Entry {
    /// Of machine code that was just written.
    pub(super) fn of(code: &mut File) -> io::Result<Self> {
        code.rewind()?;
        Ok(Self {
            sha256: sha256_of(code)?,
            size: code.metadata()?.len(),
        })
    }

    /// Reads one.
    pub(super) fn read(file: File) -> io::Result<Self> {
        let mut text = Vec::new();
        file.take(INDEX_LIMIT).read_to_end(&mut text)?;
        let entry: Self = serde_json::from_slice(&text)?;
        if entry.sha256.len() == 64 && entry.sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Ok(entry)
        } else {
            Err(io::Error::other("not a SHA-256 digest"))
        }
    }

    /// Where its machine code is.
    pub(super) fn code(&self, dir: &Path) -> PathBuf {
        dir.join(format!("{}.cwasm", self.sha256))
    }

    /// The file, if it is what was written.
    pub(super) fn check(&self, mut file: File) -> io::Result<File> {
        if file.metadata()?.len() != self.size {
            return Err(io::Error::other("its size is not the one that was written"));
        }
        if sha256_of(&mut file)? == self.sha256 {
            Ok(file)
        } else {
            Err(io::Error::other("its digest is not the one that was written"))
        }
    }
}

/// Where the entry of a key is.
pub(super) fn index(dir: &Path, key: &str) -> PathBuf {
    dir.join(format!("{key}.json"))
}

impl Cache {
    /// Opens `parent/aot`, making it when it does not exist.
    ///
    /// A folder of ours that others can look into or write to is emptied and closed to them, because what it holds may be
    /// theirs; a folder of somebody else is left alone, and a private one used instead.
    pub(crate) fn open(parent: &Path) -> io::Result<Self> {
        fs::create_dir_all(parent)?;
        let dir = parent.join("aot");
        match DirBuilder::new().mode(0o700).create(&dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let found = fs::symlink_metadata(&dir)?;
        if !found.is_dir() || found.uid() != own_uid() {
            tracing::warn!(dir = %dir.display(), "the folder for machine code is not ours: using a private one");
            let private = tempfile::Builder::new().prefix("rollcage-aot-").tempdir()?;
            return Ok(Self {
                dir: private.path().to_owned(),
                _private: Some(private),
            });
        }
        if found.mode() & 0o777 != 0o700 {
            tracing::warn!(dir = %dir.display(), "others could reach the folder for machine code: emptying it");
            fs::set_permissions(&dir, fs::Permissions::from_mode(0o700))?;
            for entry in fs::read_dir(&dir)? {
                let path = entry?.path();
                if path.is_dir() && !path.is_symlink() {
                    fs::remove_dir_all(path)?;
                } else {
                    fs::remove_file(path)?;
                }
            }
        }
        let cache = Self { dir, _private: None };
        cache.sweep(SIZE_LIMIT)?;
        Ok(cache)
    }

    /// The machine code of a key, when it is there and is what was written. Anything else is removed.
    pub(crate) fn get(&self, key: &str) -> Option<Artifact> {
        let index = index(&self.dir, key);
        let entry = match Self::read_index(&index) {
            Ok(entry) => entry?,
            Err(error) => {
                tracing::warn!(file = %index.display(), %error, "removing an unusable entry of the machine-code cache");
                remove(&index);
                return None;
            }
        };
        let code = entry.code(&self.dir);
        match Self::checked(&code, &entry) {
            Ok(file) => Some(Artifact::checked(file)),
            Err(error) => {
                tracing::warn!(file = %code.display(), %error, "removing unusable machine code");
                remove(&code);
                remove(&index);
                None
            }
        }
    }

    /// A file for a compiler to write to.
    pub(crate) fn begin(&self) -> io::Result<NamedTempFile> {
        // Created with mode 0600 and a name that nobody else has.
        tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(&self.dir)
    }

    /// Keeps what a compiler wrote under a key.
    pub(crate) fn put(&self, key: &str, mut code: NamedTempFile) -> io::Result<Artifact> {
        let entry = Entry::of(code.as_file_mut())?;
        let path = entry.code(&self.dir);
        code.persist(&path).map_err(|error| error.error)?;
        let mut index = self.begin()?;
        index.write_all(&serde_json::to_vec(&entry)?)?;
        index
            .persist(self::index(&self.dir, key))
            .map_err(|error| error.error)?;
        // Opened anew, read-only: nothing can be written through what is handed out.
        Ok(Artifact::checked(Self::checked(&path, &entry)?))
    }

    /// Forgets a key, because the engine does not take its machine code.
    pub(crate) fn remove(&self, key: &str) {
        remove(&index(&self.dir, key));
    }

    /// Removes what dead processes left behind, and the oldest machine code until the rest fits.
    fn sweep(&self, limit: u64) -> io::Result<()> {
        let now = SystemTime::now();
        let mut code = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            // Another process may be sweeping as well.
            let Ok(metadata) = entry.metadata() else { continue };
            let modified = metadata.modified().unwrap_or(now);
            let path = entry.path();
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                if now.duration_since(modified).is_ok_and(|age| age > ABANDONED) {
                    remove(&path);
                }
            } else if path.extension().is_some_and(|extension| extension == "cwasm") {
                code.push((modified, metadata.len(), path));
            }
        }
        code.sort();
        let mut total: u64 = code.iter().map(|(_, size, _)| size).sum();
        for (_, size, path) in code {
            if total <= limit {
                break;
            }
            // Its index entry goes when it is next asked for.
            remove(&path);
            total -= size;
        }
        Ok(())
    }

    fn read_index(path: &Path) -> io::Result<Option<Entry>> {
        let file = match open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        Entry::read(file).map(Some)
    }

    fn checked(path: &Path, entry: &Entry) -> io::Result<File> {
        entry.check(open(path)?)
    }
}

/// Opens a file that only this user can have written.
fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default())
        .open(path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        Err(io::Error::other("it is not a file"))
    } else if found.uid() != own_uid() {
        Err(io::Error::other("it belongs to another user"))
    } else if found.mode() & 0o777 != 0o600 {
        Err(io::Error::other("its mode is not 0600"))
    } else if found.nlink() > 1 {
        // None at all is fine: another process has just replaced it by the same.
        Err(io::Error::other("it has another name"))
    } else {
        Ok(file)
    }
}

fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(file = %path.display(), %error, "cannot remove");
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn filled(dir: &TempDir) -> Cache {
        let cache = Cache::open(dir.path()).unwrap();
        let mut code = cache.begin().unwrap();
        code.write_all(b"machine code").unwrap();
        cache.put("key", code).unwrap();
        cache
    }

    fn code_file(cache: &Cache) -> PathBuf {
        let name = format!("{}.cwasm", super::super::sha256(b"machine code"));
        cache.dir.join(name)
    }

    #[test]
    fn keeps_what_was_put_across_openings() {
        let dir = TempDir::new().unwrap();
        let cache = filled(&dir);
        assert!(cache.get("key").is_some());
        assert!(cache.get("another key").is_none());
        assert!(Cache::open(dir.path()).unwrap().get("key").is_some());
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!(
            (
                mode(&cache.dir),
                mode(&code_file(&cache)),
                mode(&index(&cache.dir, "key"))
            ),
            (0o700, 0o600, 0o600)
        );
    }

    #[test]
    fn refuses_and_removes_whatever_was_touched() {
        type Touch = fn(&Cache);
        let touches: [(&str, Touch); 9] = [
            ("changed byte", |cache| {
                fs::write(code_file(cache), b"machine c0de").unwrap();
            }),
            ("longer", |cache| {
                fs::write(code_file(cache), b"machine code and more").unwrap();
            }),
            ("empty", |cache| fs::write(code_file(cache), b"").unwrap()),
            ("readable by others", |cache| {
                fs::set_permissions(code_file(cache), fs::Permissions::from_mode(0o644)).unwrap();
            }),
            ("a link", |cache| {
                let elsewhere = cache.dir.join("elsewhere");
                fs::rename(code_file(cache), &elsewhere).unwrap();
                symlink(elsewhere, code_file(cache)).unwrap();
            }),
            ("a second name", |cache| {
                fs::hard_link(code_file(cache), cache.dir.join("second")).unwrap();
            }),
            ("gone", |cache| fs::remove_file(code_file(cache)).unwrap()),
            ("index of another digest", |cache| {
                fs::write(
                    index(&cache.dir, "key"),
                    format!(r#"{{"sha256":"{}","size":12}}"#, "0".repeat(64)),
                )
                .unwrap();
            }),
            ("index with a path", |cache| {
                fs::write(
                    index(&cache.dir, "key"),
                    r#"{"sha256":"../../../etc/passwd","size":12}"#,
                )
                .unwrap();
            }),
        ];
        for (name, touch) in touches {
            let dir = TempDir::new().unwrap();
            let cache = filled(&dir);
            touch(&cache);
            assert!(cache.get("key").is_none(), "{name}");
            assert!(!index(&cache.dir, "key").exists(), "{name}: the entry stays");
        }
    }

    #[test]
    fn empties_a_folder_that_was_open_to_others() {
        let dir = TempDir::new().unwrap();
        let cache = filled(&dir);
        fs::set_permissions(&cache.dir, fs::Permissions::from_mode(0o755)).unwrap();
        let cache = Cache::open(dir.path()).unwrap();
        assert!(cache.get("key").is_none());
        assert_eq!(fs::metadata(&cache.dir).unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn sweeps_what_dead_processes_left_and_the_oldest_code() {
        let dir = TempDir::new().unwrap();
        let cache = filled(&dir);
        let age = |path: &Path, hours| {
            let time = SystemTime::now() - Duration::from_hours(hours);
            File::options()
                .write(true)
                .open(path)
                .unwrap()
                .set_modified(time)
                .unwrap();
        };
        let (old, new) = (cache.dir.join(".new-old"), cache.dir.join(".new-new"));
        for path in [&old, &new] {
            fs::write(path, "half").unwrap();
        }
        age(&old, 2);
        age(&code_file(&cache), 5);
        let mut second = cache.begin().unwrap();
        second.write_all(b"more machine code").unwrap();
        cache.put("second", second).unwrap();
        cache.sweep(20).unwrap();
        assert!(!old.exists() && new.exists());
        assert!(cache.get("key").is_none() && cache.get("second").is_some());
    }

    #[test]
    fn leaves_a_foreign_folder_alone() {
        let dir = TempDir::new().unwrap();
        let target = TempDir::new().unwrap();
        symlink(target.path(), dir.path().join("aot")).unwrap();
        let cache = Cache::open(dir.path()).unwrap();
        let mut code = cache.begin().unwrap();
        code.write_all(b"machine code").unwrap();
        cache.put("key", code).unwrap();
        assert!(cache.get("key").is_some());
        assert_eq!(fs::read_dir(target.path()).unwrap().count(), 0);
    }
}
