//! Rules that a peer may break.

use super::*;

/// The session ends and says why; where Go says a word before, so do we.
async fn ends(says: &str, bytes: &[u8], goes_away: bool) {
    let (session, mut peer) = Peer::client();
    let stream = peer.opened(&session, 1).await;
    peer.0.write_all(bytes).await.unwrap();
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

#[tokio::test]
async fn y10_broken_rules_end_the_session() {
    let fin = frame(Kind::WindowUpdate, Flags::FIN, 1, 0);
    let syn = |stream| frame(Kind::WindowUpdate, Flags::SYN, stream, 0);
    ends("closed twice", &[fin, fin].concat(), true).await;
    ends("not its to open", &syn(7), true).await;
    ends("not its to open", &syn(0), true).await;
    // A window's worth, and one byte.
    let mut over = frame(Kind::Data, Flags::NONE, 1, WINDOW).to_vec();
    over.resize(over.len() + WINDOW as usize, 0);
    over.extend(frame(Kind::Data, Flags::NONE, 1, 1));
    ends("more than its window", &over, true).await;
    ends("version 1", &[1; 12], false).await;
    ends("type 4", &[0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], false).await;
}

#[tokio::test]
async fn y10_a_stream_that_is_opened_twice() {
    let (session, mut peer) = Peer::of(Role::Server, Times::default());
    peer.send(Kind::WindowUpdate, Flags::SYN, 1, 0).await;
    peer.send(Kind::WindowUpdate, Flags::SYN, 1, 0).await;
    assert!(ended(&session).await.to_string().contains("opened twice"));
}

/// A normal one: see `streams`.
#[tokio::test]
async fn y11_going_away_for_a_reason_ends_the_session() {
    for code in [1, 2, 99] {
        let away = frame(Kind::GoAway, Flags::NONE, 0, code);
        ends(&format!("code {code}"), &away, false).await;
    }
}

#[test]
fn y13_four_gigabytes_are_refused_before_they_come() {
    alone(8 << 20, || {
        run(async {
            for stream in [1, 77] {
                let header = frame(Kind::Data, Flags::NONE, stream, u32::MAX);
                ends("4294967295 bytes", &header, true).await;
            }
        });
    });
}
