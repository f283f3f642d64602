//! MuxBroker: how a stream finds what it is for. Its first four bytes are a number, and so is the answer.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::time::timeout;

use crate::yamux::{Session, SessionError, Stream};

/// How long go-plugin keeps a number that nobody dials.
pub(crate) const WAIT: Duration = Duration::from_secs(5);

/// Why nothing could be dialled.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BrokerError {
    /// Another number came back.
    #[error("bad ack: {got} (expected {expected})")]
    Ack {
        /// What came.
        got: u32,
        /// What was dialled.
        expected: u32,
    },
    /// The stream ended.
    #[error("unexpected EOF")]
    End,
    /// Nothing came back.
    #[error("timeout waiting for accept")]
    Timeout,
    /// The session ended.
    #[error("{0}")]
    Session(#[from] Arc<SessionError>),
}

/// Opens the stream for `number`; what came behind the answer is returned with it.
pub(crate) async fn dial(session: &Session, number: u32) -> Result<(Stream, Bytes), BrokerError> {
    let dialled = async {
        let stream = session.open().await?;
        stream.push(Bytes::copy_from_slice(&number.to_le_bytes()))?;
        let (ack, rest) = stream.recv_exactly::<4>().await?.ok_or(BrokerError::End)?;
        let got = u32::from_le_bytes(ack);
        if got != number {
            return Err(BrokerError::Ack { got, expected: number });
        }
        Ok((stream, rest))
    };
    timeout(WAIT, dialled).await.unwrap_or(Err(BrokerError::Timeout))
}

#[cfg(test)]
mod tests {
    use tokio::net::UnixStream;

    use super::*;
    use crate::yamux::{Role, Socket, Times};

    #[tokio::test]
    async fn y16_numbers_have_to_come_back() {
        let cases: [(&'static [u8], &str); 4] = [
            (&[1, 0, 0, 0, 9], "fine"),
            (&[2, 0, 0, 0], "bad ack: 2 (expected 1)"),
            (&[1, 0], "unexpected EOF"),
            (&[], "unexpected EOF"),
        ];
        for (answer, expected) in cases {
            let (ours, theirs) = UnixStream::pair().unwrap();
            let host = Session::new(Socket::Unix(ours), Role::Client, Times::default());
            let plugin = Session::new(Socket::Unix(theirs), Role::Server, Times::default());
            let served = async {
                let stream = plugin.accept().await.unwrap();
                assert_eq!(stream.recv_exactly::<4>().await.unwrap().unwrap().0, [1, 0, 0, 0]);
                stream.push(Bytes::from_static(answer)).unwrap();
                stream.close();
                stream
            };
            let (dialled, _stream) = tokio::join!(dial(&host, 1), served);
            match dialled {
                Ok((_, rest)) => assert_eq!((expected, &rest[..]), ("fine", &[9][..])),
                Err(error) => assert_eq!(error.to_string(), expected),
            }
        }
    }

    #[tokio::test]
    async fn y16_a_number_that_nobody_accepts() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let host = Session::new(Socket::Unix(ours), Role::Client, Times::default());
        let _silent = theirs;
        assert!(matches!(dial(&host, 1).await, Err(BrokerError::Timeout)));
    }
}
