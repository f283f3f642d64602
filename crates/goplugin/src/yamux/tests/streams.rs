//! Streams: opened, closed, reset.

use super::*;

/// Before any payload.
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

/// A stream of the peer is acknowledged once.
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

/// No more than 256 streams wait for their ACK, and none is lost.
#[tokio::test]
async fn y06_no_more_than_256_wait_for_acks() {
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

/// The peer's FIN ends reading, not writing.
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

/// Frames of streams that are not there are drained.
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

/// A normal going away leaves what is open.
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
