//! What a session runs over.
//!
//! Only reading is watched for all the time. A socket that is watched for writing too wakes its owner whenever the peer
//! has read something: once more for each call, for nothing.

use std::{
    io::{self, Read as _, Write as _},
    net::Shutdown,
    os::{
        fd::{AsFd as _, AsRawFd, OwnedFd, RawFd},
        unix,
    },
};

use tokio::{
    io::{Interest, unix::AsyncFd},
    net::{TcpStream, UnixStream},
};

/// A connected socket.
#[derive(Debug)]
pub(crate) enum Socket {
    Unix(UnixStream),
    Tcp(TcpStream),
}

#[derive(Debug)]
enum Plain {
    Unix(unix::net::UnixStream),
    Tcp(std::net::TcpStream),
}

impl From<Plain> for OwnedFd {
    fn from(socket: Plain) -> Self {
        match socket {
            Plain::Unix(socket) => socket.into(),
            Plain::Tcp(socket) => socket.into(),
        }
    }
}

impl AsRawFd for Plain {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Self::Unix(socket) => socket.as_raw_fd(),
            Self::Tcp(socket) => socket.as_raw_fd(),
        }
    }
}

#[expect(
    deprecated,
    reason = "its successor has to be promised that the descriptor stays the same and open; an owned socket's does"
)]
fn watch<T: AsRawFd + Into<OwnedFd>>(socket: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(socket, interest)
}

/// A socket that is watched for reading.
#[derive(Debug)]
pub(super) struct Line(AsyncFd<Plain>);

impl Line {
    pub(super) fn new(socket: Socket) -> io::Result<Self> {
        let plain = match socket {
            Socket::Unix(socket) => Plain::Unix(socket.into_std()?),
            Socket::Tcp(socket) => Plain::Tcp(socket.into_std()?),
        };
        watch(plain, Interest::READABLE).map(Self)
    }

    /// Waits for bytes and reads them; none at the end.
    pub(super) async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut guard = self.0.readable().await?;
            let read = guard.try_io(|socket| match socket.get_ref() {
                Plain::Unix(socket) => (&*socket).read(buffer),
                Plain::Tcp(socket) => (&*socket).read(buffer),
            });
            match read {
                Ok(Ok(count)) => {
                    // What is read to its end tells when there is more again.
                    if count > 0 && count < buffer.len() {
                        guard.clear_ready();
                    }
                    return Ok(count);
                }
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Err(error),
                // Not readable after all.
                Err(_) => {}
            }
        }
    }

    /// Writes what goes without waiting.
    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.get_ref() {
            Plain::Unix(socket) => (&*socket).write(bytes),
            Plain::Tcp(socket) => (&*socket).write(bytes),
        }
    }

    /// Waits until something can be written.
    pub(super) async fn writable(&self) -> io::Result<()> {
        let socket = match self.0.get_ref() {
            Plain::Unix(socket) => socket.as_fd().try_clone_to_owned()?,
            Plain::Tcp(socket) => socket.as_fd().try_clone_to_owned()?,
        };
        watch(socket, Interest::WRITABLE)?.writable().await.map(drop)
    }

    /// The peer reads the end, whoever else still holds the socket.
    pub(super) fn shut(&self) {
        // Fails only when it is shut already.
        let _ = match self.0.get_ref() {
            Plain::Unix(socket) => socket.shutdown(Shutdown::Both),
            Plain::Tcp(socket) => socket.shutdown(Shutdown::Both),
        };
    }
}
