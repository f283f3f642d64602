//! Pings without end, and none at all.

use super::*;

/// A million pings.
const PINGS: usize = 1_000_000;

/// A peer that does not read: in the end nothing is taken from it any more, and the session ends.
#[test]
fn y15_pings_of_a_peer_that_does_not_read() {
    alone(16 << 20, || {
        run(async {
            let times = Times {
                write: Duration::from_secs(1),
                ..Times::default()
            };
            let (session, mut peer) = Peer::of(Role::Client, times);
            let pings = frame(Kind::Ping, Flags::SYN, 0, 1).repeat(10_000);
            let flood = async {
                for _ in 0..PINGS / 10_000 {
                    if peer.0.write_all(&pings).await.is_err() {
                        break;
                    }
                }
            };
            let (error, ()) = timeout(SOON, async { tokio::join!(session.ended(), flood) })
                .await
                .unwrap();
            assert!(matches!(*error, SessionError::WriteStalled { .. }), "{error}");
        });
    });
}

/// Every one is answered, and answers that nobody asked for are ignored.
#[test]
fn y15_pings_of_a_peer_that_reads() {
    alone(16 << 20, || {
        run(async {
            let (session, mut peer) = Peer::client();
            let stream = peer.opened(&session, 1).await;
            let (mut from, mut to) = peer.0.split();
            let pings = [
                frame(Kind::Ping, Flags::SYN, 0, 1),
                frame(Kind::Ping, Flags::ACK, 0, 77),
            ]
            .concat()
            .repeat(10_000);
            let asking = async {
                for _ in 0..PINGS / 10_000 {
                    to.write_all(&pings).await.unwrap();
                }
                to.write_all(&frame(Kind::Data, Flags::NONE, 1, 2)).await.unwrap();
                to.write_all(b"hi").await.unwrap();
            };
            let answered = async {
                let answer = frame(Kind::Ping, Flags::ACK, 0, 1);
                let mut got = [0; 12];
                for _ in 0..PINGS {
                    from.read_exact(&mut got).await.unwrap();
                    assert_eq!(got, answer);
                }
            };
            timeout(3 * SOON, async { tokio::join!(asking, answered) })
                .await
                .unwrap();
            assert_eq!(stream.recv().await.unwrap().unwrap(), "hi");
            assert!(session.error().is_none());
        });
    });
}

/// No answer to the keep-alive ends the session; an answer keeps it.
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
