//! The socket, and the line that names it.

use std::{
    fs,
    hash::{BuildHasher as _, RandomState},
    io::{self, Read as _},
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
};

use tokio::net::{UnixListener, UnixStream};

use super::Invitation;
use crate::handshake::{APP_VERSION, CORE_VERSION, SOCKET_PATH};

/// Names that are tried until one is free.
const TRIES: usize = 100;

/// Longest list of groups that is read.
const GROUPS: u64 = 4 << 20;

/// A socket that is listened on. Dropping it removes the file.
#[derive(Debug)]
pub(super) struct Listener {
    socket: UnixListener,
    path: PathBuf,
    multiplex: bool,
}

impl Listener {
    /// A socket with a name of its own, as go-plugin names them.
    pub(super) fn bind(invitation: &Invitation) -> io::Result<Self> {
        let (socket, path) = free(&invitation.folder)?;
        // Made first, so that the file goes away with whatever fails from here on.
        let listener = Self {
            socket,
            path,
            multiplex: invitation.multiplex,
        };
        if let Some(group) = &invitation.group {
            chown(&listener.path, None, Some(group_id(group)?))?;
            fs::set_permissions(&listener.path, fs::Permissions::from_mode(0o660))?;
        }
        Ok(listener)
    }

    pub(super) fn line(&self) -> String {
        let path = self.path.display();
        let multiplex = if self.multiplex { "|false" } else { "" };
        format!("{CORE_VERSION}|{APP_VERSION}|unix|{path}|netrpc|{multiplex}")
    }

    pub(super) async fn accept(&self) -> io::Result<UnixStream> {
        Ok(self.socket.accept().await?.0)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Somebody may have tidied up already.
        let _ = fs::remove_file(&self.path);
    }
}

fn free(folder: &Path) -> io::Result<(UnixListener, PathBuf)> {
    let random = RandomState::new();
    let mut taken = io::Error::from(io::ErrorKind::AddrInUse);
    for attempt in 0..TRIES {
        let number = random.hash_one(attempt) % 10_000_000_000;
        let path = std::path::absolute(folder)?.join(format!("plugin{number}"));
        if path.as_os_str().len() > SOCKET_PATH {
            let text = format!("{}: a socket's path has at most {SOCKET_PATH} bytes", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        match UnixListener::bind(&path) {
            Ok(socket) => return Ok((socket, path)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => taken = error,
            Err(error) => return Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
        }
    }
    Err(taken)
}

fn group_id(group: &str) -> io::Result<u32> {
    if let Ok(number) = group.parse() {
        return Ok(number);
    }
    let mut groups = String::new();
    fs::File::open("/etc/group")?.take(GROUPS).read_to_string(&mut groups)?;
    let found = groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(group)).then(|| fields.nth(1)?.parse().ok())?
    });
    found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("there is no group {group:?}")))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use rollcage_api::plugin::PluginKind;

    use super::*;
    use crate::handshake::{Address, parse};

    fn invitation(folder: &Path) -> Invitation {
        Invitation {
            kind: PluginKind::Step,
            folder: folder.to_owned(),
            group: None,
            multiplex: false,
        }
    }

    #[tokio::test]
    async fn the_line_names_a_socket_that_takes_connections_and_goes_with_its_listener() {
        let folder = tempfile::tempdir().unwrap();
        let listener = Listener::bind(&invitation(folder.path())).unwrap();
        let Ok(Address::Unix(path)) = parse(listener.line().as_bytes()) else {
            panic!("{}", listener.line());
        };
        assert!(
            path.parent() == Some(folder.path()) && path.file_name().unwrap().to_str().unwrap().starts_with("plugin")
        );
        assert!(listener.line().ends_with("|netrpc|"), "{}", listener.line());
        UnixStream::connect(&path).await.unwrap();
        drop(listener);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn h24_a_group_may_use_the_socket() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().metadata().unwrap().gid();
        let mut wanted = invitation(folder.path());
        wanted.group = Some(own.to_string());
        let listener = Listener::bind(&wanted).unwrap();
        let metadata = listener.path.metadata().unwrap();
        assert_eq!((metadata.gid(), metadata.mode() & 0o777), (own, 0o660));
        wanted.group = Some("no such group".to_owned());
        assert!(Listener::bind(&wanted).is_err());
        assert_eq!(group_id("root").unwrap(), 0);
    }

    #[tokio::test]
    async fn h25_a_path_that_is_too_long_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("x".repeat(100));
        fs::create_dir(&deep).unwrap();
        let error = Listener::bind(&invitation(&deep)).unwrap_err();
        assert!(error.to_string().contains("at most 107 bytes"), "{error}");
    }
}
