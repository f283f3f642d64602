//! Bytes that come one by one.

use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use super::*;

/// Carries bytes, each in a read and a write of its own.
async fn drip(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let mut byte = [0];
    while from.read_exact(&mut byte).await.is_ok() && to.write_all(&byte).await.is_ok() {}
}

#[tokio::test]
async fn y14_reads_and_writes_of_one_byte() {
    let ((ours, near), (far, theirs)) = (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
    let client = Session::new(Socket::Unix(ours), Role::Client, Times::default());
    let server = Session::new(Socket::Unix(theirs), Role::Server, Times::default());
    let ((near_from, near_to), (far_from, far_to)) = (near.into_split(), far.into_split());
    tokio::spawn(drip(near_from, far_to));
    tokio::spawn(drip(far_from, near_to));
    let echo = async {
        let stream = server.accept().await.unwrap();
        while let Some(bytes) = stream.recv().await.unwrap() {
            stream.push(bytes).unwrap();
        }
        stream.close();
        stream
    };
    let asking = async {
        let stream = client.open().await.unwrap();
        let sent: Vec<u8> = (0..20_000_u32)
            .map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1])
            .collect();
        for part in sent.chunks(777) {
            stream.push(Bytes::copy_from_slice(part)).unwrap();
        }
        stream.close();
        let mut got = Vec::new();
        while let Some(bytes) = stream.recv().await.unwrap() {
            got.extend_from_slice(&bytes);
        }
        assert!(got == sent);
    };
    timeout(SOON, async { tokio::join!(echo, asking) }).await.unwrap();
    assert!(client.error().is_none() && server.error().is_none());
}
