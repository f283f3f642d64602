//! A session against a peer that is played by hand, frame by frame.

mod any;
mod drip;
mod floods;
mod rules;
mod streams;
mod windows;

use std::time::Duration;

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    time::timeout,
};

use super::{
    frame::{Flags, Header, Kind, WINDOW},
    *,
};
use crate::alone::alone;

const SOON: Duration = Duration::from_secs(20);

/// The other end of a session.
struct Peer(UnixStream);

impl Peer {
    fn client() -> (Session, Self) {
        Self::of(Role::Client, Times::default())
    }

    fn of(role: Role, times: Times) -> (Session, Self) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Session::new(Socket::Unix(ours), role, times), Self(theirs))
    }

    async fn send(&mut self, kind: Kind, flags: Flags, stream: u32, length: u32) {
        let header = Header {
            kind,
            flags,
            stream,
            length,
        };
        self.0.write_all(&header.encode()).await.unwrap();
    }

    async fn data(&mut self, stream: u32, body: &[u8]) {
        self.send(Kind::Data, Flags::NONE, stream, u32::try_from(body.len()).unwrap())
            .await;
        self.0.write_all(body).await.unwrap();
    }

    /// The next frame, with its body; none at the end.
    async fn next(&mut self) -> Option<(Header, Vec<u8>)> {
        let mut header = [0; 12];
        timeout(SOON, self.0.read_exact(&mut header)).await.unwrap().ok()?;
        let header = Header::decode(header).unwrap();
        let mut body = vec![
            0;
            if header.kind == Kind::Data {
                header.length as usize
            } else {
                0
            }
        ];
        self.0.read_exact(&mut body).await.unwrap();
        Some((header, body))
    }

    async fn expect(&mut self, kind: Kind, flags: Flags, stream: u32) -> Vec<u8> {
        let (header, body) = self.next().await.expect("the session ended");
        assert_eq!((header.kind, header.flags, header.stream), (kind, flags, stream));
        body
    }

    async fn opened(&mut self, session: &Session, id: u32) -> Stream {
        let stream = session.open().await.unwrap();
        self.expect(Kind::WindowUpdate, Flags::SYN, id).await;
        self.send(Kind::WindowUpdate, Flags::ACK, id, 0).await;
        stream
    }
}

async fn ended(session: &Session) -> std::sync::Arc<SessionError> {
    timeout(SOON, session.ended()).await.unwrap()
}

/// A frame's bytes.
fn frame(kind: Kind, flags: Flags, stream: u32, length: u32) -> [u8; 12] {
    Header {
        kind,
        flags,
        stream,
        length,
    }
    .encode()
}

/// Runs a test on a runtime of its own: for those in a process of their own.
fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(test);
}
