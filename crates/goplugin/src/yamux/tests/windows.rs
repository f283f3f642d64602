//! Windows.

use super::*;

/// Ten megabytes each way between two sessions, windows kept.
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

/// A peer that gives no more window holds up its own stream alone; pings are answered.
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

/// A reader that pauses in a transfer, for longer than two keep-alives take: the sender waits, both sides go on
/// answering, and so does another stream. A minute with Go's own times is 1.5 of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn y05_a_reader_that_pauses() {
    let times = Times {
        keep_alive: Duration::from_millis(50),
        answer: Duration::from_millis(1500),
        write: Duration::from_secs(3),
    };
    let (ours, theirs) = UnixStream::pair().unwrap();
    let client = Session::new(Socket::Unix(ours), Role::Client, times);
    let server = Session::new(Socket::Unix(theirs), Role::Server, times);
    let (slow, other) = (client.open().await.unwrap(), client.open().await.unwrap());
    let (reader, echo) = (server.accept().await.unwrap(), server.accept().await.unwrap());
    let sent = vec![7; 2 << 20];
    slow.push(Bytes::from(sent.clone())).unwrap();
    slow.close();
    for _ in 0..40 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        other.push(Bytes::from_static(b"there?")).unwrap();
        let question = timeout(SOON, echo.recv()).await.unwrap().unwrap().unwrap();
        echo.push(question).unwrap();
        assert_eq!(timeout(SOON, other.recv()).await.unwrap().unwrap().unwrap(), "there?");
    }
    assert!(client.error().is_none() && server.error().is_none());
    let mut got = Vec::new();
    while let Some(bytes) = timeout(SOON, reader.recv()).await.unwrap().unwrap() {
        got.extend_from_slice(&bytes);
    }
    assert!(got == sent);
}

/// Windows that add up to more than a u32.
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

/// A megabyte at once: no frame is larger than the window, nor all of them together before it is opened again.
#[tokio::test]
async fn y17_no_frame_is_larger_than_the_window() {
    let (session, mut peer) = Peer::client();
    let stream = peer.opened(&session, 1).await;
    stream.push(Bytes::from(vec![5; 1 << 20])).unwrap();
    let mut left = 1 << 20;
    let mut window = WINDOW as usize;
    while left > 0 {
        let part = peer.expect(Kind::Data, Flags::NONE, 1).await.len();
        assert!(part <= window, "{part} of {window}");
        window -= part;
        left -= part;
        if window == 0 && left > 0 {
            // Nothing more comes before the peer says so.
            peer.send(Kind::Ping, Flags::SYN, 0, 3).await;
            peer.expect(Kind::Ping, Flags::ACK, 0).await;
            peer.send(Kind::WindowUpdate, Flags::NONE, 1, 1000).await;
            let part = peer.expect(Kind::Data, Flags::NONE, 1).await.len();
            assert_eq!(part, 1000);
            left -= part;
            peer.send(Kind::WindowUpdate, Flags::NONE, 1, WINDOW).await;
            window = WINDOW as usize;
        }
    }
}
