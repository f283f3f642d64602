//! A session against a peer that is played by hand, frame by frame.

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

/// Y01: streams are announced at once, before any payload.
#[tokio::test]
async fn y01_streams_are_announced_when_they_are_opened() {
    let (session, mut peer) = Peer::client();
    let _streams = [
        session.open().await.unwrap(),
        session.open().await.unwrap(),
        session.open().await.unwrap(),
    ];
    for id in [1, 3, 5] {
        peer.expect(Kind::WindowUpdate, Flags::SYN, id).await;
    }
}

/// Y03: a stream of the peer is acknowledged once.
#[tokio::test]
async fn y03_one_ack_for_each_stream() {
    let (session, mut peer) = Peer::of(Role::Server, Times::default());
    peer.send(Kind::WindowUpdate, Flags::SYN, 1, 0).await;
    peer.data(1, b"hi").await;
    let stream = session.accept().await.unwrap();
    peer.expect(Kind::WindowUpdate, Flags::ACK, 1).await;
    assert_eq!(stream.recv().await.unwrap().unwrap(), "hi");
    stream.push(Bytes::from_static(b"ho")).unwrap();
    assert_eq!(peer.expect(Kind::Data, Flags::NONE, 1).await, b"ho");
}

/// Y04, Y17: ten megabytes each way between two sessions, windows kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn y04_ten_megabytes_each_way() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let client = Session::new(Socket::Unix(ours), Role::Client, Times::default());
    let server = Session::new(Socket::Unix(theirs), Role::Server, Times::default());
    let echo = tokio::spawn(async move {
        let stream = server.accept().await.unwrap();
        while let Some(bytes) = stream.recv().await.unwrap() {
            stream.ready().await.unwrap();
            stream.push(bytes).unwrap();
        }
        stream.close();
        stream.ready().await.unwrap_err();
        // Stays until the other side has read everything.
        while stream.recv().await.is_ok_and(|bytes| bytes.is_some()) {}
        server.ended().await;
    });
    let stream = client.open().await.unwrap();
    let sent: Vec<u8> = (0..10 * 1024 * 1024u32)
        .map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1])
        .collect();
    stream.push(Bytes::from(sent.clone())).unwrap();
    stream.close();
    let mut got = Vec::new();
    while let Some(bytes) = timeout(SOON, stream.recv()).await.unwrap().unwrap() {
        assert!(bytes.len() <= WINDOW as usize);
        got.extend_from_slice(&bytes);
    }
    assert!(got == sent);
    client.close();
    echo.await.unwrap();
}

/// Y05: a peer that gives no more window holds up its own stream alone; pings are answered.
#[tokio::test]
async fn y05_a_full_window_stops_one_stream_only() {
    let (session, mut peer) = Peer::client();
    let slow = peer.opened(&session, 1).await;
    let other = peer.opened(&session, 3).await;
    slow.push(Bytes::from(vec![7; 300_000])).unwrap();
    let mut got = 0;
    while got < WINDOW as usize {
        got += peer.expect(Kind::Data, Flags::NONE, 1).await.len();
    }
    assert_eq!(got, WINDOW as usize);
    assert!(timeout(Duration::from_millis(50), slow.ready()).await.is_err());
    peer.send(Kind::Ping, Flags::SYN, 0, 9).await;
    peer.expect(Kind::Ping, Flags::ACK, 0).await;
    other.push(Bytes::from_static(b"through")).unwrap();
    assert_eq!(peer.expect(Kind::Data, Flags::NONE, 3).await, b"through");
    peer.send(Kind::WindowUpdate, Flags::NONE, 1, 50_000).await;
    assert_eq!(
        peer.expect(Kind::Data, Flags::NONE, 1).await.len(),
        300_000 - WINDOW as usize
    );
    timeout(SOON, slow.ready()).await.unwrap().unwrap();
}

/// Y06: no more than 256 streams wait for their ACK, and none is lost.
#[tokio::test]
async fn y06_streams_wait_for_acks() {
    let (session, mut peer) = Peer::client();
    let session = std::sync::Arc::new(session);
    let opener = session.clone();
    let all = tokio::spawn(async move {
        let mut streams = Vec::new();
        for _ in 0..300 {
            streams.push(opener.open().await.unwrap());
        }
        streams
    });
    for n in 0..256 {
        peer.expect(Kind::WindowUpdate, Flags::SYN, 2 * n + 1).await;
    }
    assert!(!all.is_finished());
    for n in 0..300 {
        peer.send(Kind::WindowUpdate, Flags::ACK, 2 * n + 1, 0).await;
    }
    assert_eq!(timeout(SOON, all).await.unwrap().unwrap().len(), 300);
}

/// Y07: the peer's FIN ends reading, not writing.
#[tokio::test]
async fn y07_half_close() {
    let (session, mut peer) = Peer::client();
    let stream = peer.opened(&session, 1).await;
    peer.data(1, b"last").await;
    peer.send(Kind::WindowUpdate, Flags::FIN, 1, 0).await;
    assert_eq!(stream.recv().await.unwrap().unwrap(), "last");
    assert!(stream.recv().await.unwrap().is_none());
    stream.push(Bytes::from_static(b"still")).unwrap();
    assert_eq!(peer.expect(Kind::Data, Flags::NONE, 1).await, b"still");
    stream.close();
    peer.expect(Kind::WindowUpdate, Flags::FIN, 1).await;
    drop(stream);
    // Both sides are closed: no RST.
    peer.send(Kind::Ping, Flags::SYN, 0, 1).await;
    peer.expect(Kind::Ping, Flags::ACK, 0).await;
}

/// Y08: a reset ends one stream.
#[tokio::test]
async fn y08_reset_ends_one_stream() {
    let (session, mut peer) = Peer::client();
    let gone = peer.opened(&session, 1).await;
    let stays = peer.opened(&session, 3).await;
    peer.send(Kind::WindowUpdate, Flags::RST, 1, 0).await;
    assert!(matches!(*gone.recv().await.unwrap_err(), SessionError::Reset));
    assert!(matches!(
        *gone.push(Bytes::from_static(b"x")).unwrap_err(),
        SessionError::Reset
    ));
    peer.data(3, b"here").await;
    assert_eq!(stays.recv().await.unwrap().unwrap(), "here");
}

/// Y09: frames of streams that are not there are drained.
#[tokio::test]
async fn y09_unknown_streams_are_drained() {
    let (session, mut peer) = Peer::client();
    let stream = peer.opened(&session, 1).await;
    peer.data(99, b"nobody").await;
    peer.send(Kind::WindowUpdate, Flags::FIN, 98, 0).await;
    peer.send(Kind::WindowUpdate, Flags::NONE, 97, 12).await;
    peer.data(1, b"somebody").await;
    assert_eq!(stream.recv().await.unwrap().unwrap(), "somebody");
    // A client takes no streams: a reset, and the session lives.
    peer.send(Kind::WindowUpdate, Flags::SYN, 2, 0).await;
    peer.expect(Kind::WindowUpdate, Flags::RST, 2).await;
    assert!(session.error().is_none());
}

/// Y10, Y11, Y13: what breaks the protocol ends the session, with a word where Go says one.
#[tokio::test]
async fn y10_broken_rules_end_the_session() {
    let frame = |kind, flags, stream, length| {
        Header {
            kind,
            flags,
            stream,
            length,
        }
        .encode()
    };
    let fin = frame(Kind::WindowUpdate, Flags::FIN, 1, 0);
    let mut over = frame(Kind::Data, Flags::NONE, 1, WINDOW).to_vec();
    over.resize(over.len() + WINDOW as usize, 0);
    over.extend(frame(Kind::Data, Flags::NONE, 1, 1));
    let cases: Vec<(&str, Vec<u8>, bool)> = vec![
        ("closed twice", [fin, fin].concat(), true),
        ("more than its window", over, true),
        (
            "4294967295 bytes",
            frame(Kind::Data, Flags::NONE, 1, u32::MAX).to_vec(),
            true,
        ),
        (
            "4294967295 bytes",
            frame(Kind::Data, Flags::NONE, 77, u32::MAX).to_vec(),
            true,
        ),
        (
            "not its to open",
            frame(Kind::WindowUpdate, Flags::SYN, 7, 0).to_vec(),
            true,
        ),
        (
            "not its to open",
            frame(Kind::WindowUpdate, Flags::SYN, 0, 0).to_vec(),
            true,
        ),
        ("version 1", [1; 12].to_vec(), false),
        ("type 4", vec![0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], false),
        ("code 1", frame(Kind::GoAway, Flags::NONE, 0, 1).to_vec(), false),
        ("code 2", frame(Kind::GoAway, Flags::NONE, 0, 2).to_vec(), false),
        ("code 99", frame(Kind::GoAway, Flags::NONE, 0, 99).to_vec(), false),
    ];
    for (says, bytes, goes_away) in cases {
        let (session, mut peer) = Peer::client();
        let stream = peer.opened(&session, 1).await;
        peer.0.write_all(&bytes).await.unwrap();
        let error = ended(&session).await;
        assert!(error.to_string().contains(says), "{error} should say {says}");
        if goes_away {
            let (last, _) = peer.next().await.unwrap();
            assert_eq!((last.kind, last.length), (Kind::GoAway, 1), "{says}");
        }
        assert!(peer.next().await.is_none(), "{says}");
        while let Ok(Some(_)) = stream.recv().await {}
        assert!(stream.push(Bytes::from_static(b"x")).is_err());
        assert!(session.open().await.is_err());
    }
}

/// Y10: a stream that is opened twice.
#[tokio::test]
async fn y10_opened_twice() {
    let (session, mut peer) = Peer::of(Role::Server, Times::default());
    peer.send(Kind::WindowUpdate, Flags::SYN, 1, 0).await;
    peer.send(Kind::WindowUpdate, Flags::SYN, 1, 0).await;
    assert!(ended(&session).await.to_string().contains("opened twice"));
}

/// Y11: a normal going away leaves what is open.
#[tokio::test]
async fn y11_no_new_streams_after_go_away() {
    let (session, mut peer) = Peer::client();
    let stream = peer.opened(&session, 1).await;
    peer.send(Kind::GoAway, Flags::NONE, 0, 0).await;
    peer.data(1, b"goes on").await;
    assert_eq!(stream.recv().await.unwrap().unwrap(), "goes on");
    assert!(matches!(
        *session.open().await.unwrap_err(),
        SessionError::GoAway { code: 0 }
    ));
    assert!(session.error().is_none());
}

/// Y12: windows that add up to more than a u32.
#[tokio::test]
async fn y12_windows_saturate() {
    let (session, mut peer) = Peer::client();
    let stream = peer.opened(&session, 1).await;
    for _ in 0..3 {
        peer.send(Kind::WindowUpdate, Flags::NONE, 1, u32::MAX).await;
    }
    peer.send(Kind::Ping, Flags::SYN, 0, 5).await;
    peer.expect(Kind::Ping, Flags::ACK, 0).await;
    stream.push(Bytes::from(vec![1; 1_000_000])).unwrap();
    let mut got = 0;
    while got < 1_000_000 {
        let part = peer.expect(Kind::Data, Flags::NONE, 1).await.len();
        assert!(part <= WINDOW as usize);
        got += part;
    }
}

/// Y15: a million pings from a peer that does not read cost no memory; a pong that nobody asked for is ignored.
#[tokio::test]
async fn y15_ping_flood() {
    let times = Times {
        write: Duration::from_secs(1),
        ..Times::default()
    };
    let (session, mut peer) = Peer::of(Role::Client, times);
    peer.send(Kind::Ping, Flags::ACK, 0, 77).await;
    let pings = Header {
        kind: Kind::Ping,
        flags: Flags::SYN,
        stream: 0,
        length: 1,
    }
    .encode()
    .repeat(10_000);
    // The peer never reads: in the end nothing is taken from it any more, and the session ends.
    let flood = async {
        for _ in 0..100 {
            if peer.0.write_all(&pings).await.is_err() {
                break;
            }
        }
    };
    let (error, ()) = timeout(SOON, async { tokio::join!(session.ended(), flood) })
        .await
        .unwrap();
    assert!(matches!(*error, SessionError::WriteStalled { .. }), "{error}");
}

/// L07: no answer to the keep-alive ends the session; an answer keeps it.
#[tokio::test]
async fn l07_keep_alive() {
    let times = Times {
        keep_alive: Duration::from_millis(20),
        answer: Duration::from_millis(500),
        ..Times::default()
    };
    let (session, mut peer) = Peer::of(Role::Client, times);
    let (ping, _) = peer.next().await.unwrap();
    assert_eq!((ping.kind, ping.flags), (Kind::Ping, Flags::SYN));
    peer.send(Kind::Ping, Flags::ACK, 0, ping.length).await;
    let (second, _) = peer.next().await.unwrap();
    assert_ne!(second.length, ping.length);
    assert!(session.error().is_none());
    assert!(matches!(*ended(&session).await, SessionError::KeepAlive { .. }));
}

/// A reader that stops holds up its own stream alone, and the window opens again when it goes on.
#[tokio::test]
async fn windows_are_given_back() {
    let (session, mut peer) = Peer::client();
    let stream = peer.opened(&session, 1).await;
    let half = vec![3; WINDOW as usize / 2];
    peer.data(1, &half).await;
    let mut got = 0;
    while got < half.len() {
        got += stream.recv().await.unwrap().unwrap().len();
    }
    let (update, _) = peer.next().await.unwrap();
    assert_eq!(
        (update.kind, update.stream, update.length),
        (Kind::WindowUpdate, 1, WINDOW / 2)
    );
}

/// Dropped streams are reset, and what comes for them afterwards is drained.
#[tokio::test]
async fn a_dropped_stream_is_reset() {
    let (session, mut peer) = Peer::client();
    drop(peer.opened(&session, 1).await);
    peer.expect(Kind::WindowUpdate, Flags::RST, 1).await;
    peer.data(1, b"late").await;
    peer.send(Kind::Ping, Flags::SYN, 0, 1).await;
    peer.expect(Kind::Ping, Flags::ACK, 0).await;
}
