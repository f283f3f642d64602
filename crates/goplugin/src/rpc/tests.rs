//! net/rpc against a server that is played by hand.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use rollcage_gob::{Encoder, types, wire};
use tokio::{net::UnixStream, time::timeout};

use super::{
    message::{Message, Messages, is_definition},
    *,
};
use crate::yamux::{Role, Session, Socket, Stream, Times};

const SOON: Duration = Duration::from_secs(20);
const DEFINITION: &[u8] = b"\x3a\xff\x81\x03\x01\x01\x08Response\x01\xff\x82\x00\x01\x03\x01\x0dServiceMethod\x01\x0c\x00\x01\x03Seq\x01\x06\x00\x01\x05Error\x01\x0c\x00\x00\x00";

/// The other side of a stream.
struct Server {
    stream: Stream,
    messages: Messages,
    defined: bool,
    _sessions: (Session, Session),
}

impl Server {
    async fn new(limits: CallLimits) -> (Client, Self) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let host = Session::new(Socket::Unix(ours), Role::Client, Times::default());
        let plugin = Session::new(Socket::Unix(theirs), Role::Server, Times::default());
        let client = Client::new(host.open().await.unwrap(), Bytes::new(), limits);
        let server = Self {
            stream: plugin.accept().await.unwrap(),
            messages: Messages::new(1 << 20),
            defined: false,
            _sessions: (host, plugin),
        };
        (client, server)
    }

    async fn message(&mut self) -> Bytes {
        loop {
            match self.messages.next().unwrap() {
                Some(Message::Whole(message)) => return message,
                Some(other) => panic!("{other:?}"),
                None => {
                    let bytes = timeout(SOON, self.stream.recv()).await.unwrap().unwrap().unwrap();
                    self.messages.push(&bytes);
                }
            }
        }
    }

    /// Number and argument of the next call.
    async fn call(&mut self) -> (u64, Bytes) {
        let mut header = self.message().await;
        while is_definition(&header) {
            header = self.message().await;
        }
        // `TYPE 01 LEN NAME [01 SEQ] 00`
        let (_, name) = message::number(&header).unwrap().unwrap();
        let rest = &header[name + 2 + usize::from(header[name + 1])..];
        let seq = if rest[0] == 1 {
            message::number(&rest[1..]).unwrap().unwrap().0
        } else {
            0
        };
        (seq, self.message().await)
    }

    fn send(&self, bytes: &[u8]) {
        self.stream.push(Bytes::copy_from_slice(bytes)).unwrap();
    }

    /// Answers call `seq` (below 128) with `body`, whole messages.
    fn answer(&mut self, seq: u8, error: &str, body: &[u8]) {
        let mut out = if self.defined { vec![] } else { DEFINITION.to_vec() };
        self.defined = true;
        let mut header = vec![0xff, 0x82, 1, 1, b'm'];
        let mut from = 1;
        if seq > 0 {
            header.extend([1, seq]);
            from = 0;
        }
        if !error.is_empty() {
            header.extend([1 + from, u8::try_from(error.len()).unwrap()]);
            header.extend(error.as_bytes());
        }
        header.push(0);
        out.push(u8::try_from(header.len()).unwrap());
        out.extend(header);
        out.extend(body);
        self.send(&out);
    }
}

async fn number(client: &Client, deadline: Duration) -> Result<u32, RpcError> {
    let argument = |encoder: &mut Encoder, to: &mut Vec<u8>| encoder.value(types::BOOL, &true, to);
    client
        .call("Plugin.Number", argument, |value| value.decode(types::UINT32), deadline)
        .await
}

/// N02, N03: answers find their calls, in whatever order they come.
#[tokio::test]
async fn n03_answers_in_any_order() {
    let (client, mut server) = Server::new(CallLimits::default()).await;
    let client = Arc::new(client);
    let calls: Vec<_> = (0..100)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { number(&client, SOON).await.unwrap() })
        })
        .collect();
    let mut seqs = BTreeSet::new();
    for _ in 0..100 {
        seqs.insert(u8::try_from(server.call().await.0).unwrap());
    }
    assert_eq!(seqs, (0..100).collect());
    for seq in seqs.into_iter().rev() {
        server.answer(seq, "", &[3, 6, 0, seq]);
    }
    let mut answers = BTreeSet::new();
    for call in calls {
        answers.insert(call.await.unwrap());
    }
    assert_eq!(answers, (0..100).collect());
    assert_eq!(client.pending(), 0);
}

/// N11, N13: the value behind an error, and the answer to an unknown call, are dropped whatever they are.
#[tokio::test]
async fn n11_n13_what_nobody_wants_is_dropped() {
    let (client, mut server) = Server::new(CallLimits::default()).await;
    let placeholder = b"\x0a\xff\x83\x03\x01\x02\xff\x84\x00\x00\x00\x03\xff\x84\x00";
    let (called, ()) = tokio::join!(number(&client, SOON), async {
        server.call().await;
        server.answer(99, "", &[3, 6, 0, 7]);
        server.answer(0, "rpc: can't find method Plugin.Number", placeholder);
    });
    assert!(matches!(called, Err(RpcError::Server(text)) if text == "rpc: can't find method Plugin.Number"));
    let (called, ()) = tokio::join!(number(&client, SOON), async {
        let (seq, _) = server.call().await;
        server.answer(u8::try_from(seq).unwrap(), "", &[3, 6, 0, 5]);
    });
    assert_eq!(called.unwrap(), 5);
}

/// L06: a call that is given up; its late answer is not taken for another's.
#[tokio::test]
async fn l06_late_answers_are_dropped() {
    let (client, mut server) = Server::new(CallLimits::default()).await;
    let late = number(&client, Duration::from_millis(50)).await;
    assert!(matches!(late, Err(RpcError::Deadline { .. })));
    assert_eq!(client.pending(), 0);
    assert_eq!(server.call().await.0, 0);
    let (called, ()) = tokio::join!(number(&client, SOON), async {
        assert_eq!(server.call().await.0, 1);
        server.answer(0, "", &[3, 6, 0, 11]);
        server.answer(1, "", &[3, 6, 0, 22]);
    });
    assert_eq!(called.unwrap(), 22);
}

/// N12: an answer of another type. Go gives the stream up; it need not be.
#[tokio::test]
async fn n12_wrong_type() {
    let (client, mut server) = Server::new(CallLimits::default()).await;
    for seq in 0..3 {
        let (called, ()) = tokio::join!(number(&client, SOON), async {
            server.call().await;
            server.answer(2 * seq, "", b"\x04\x0c\x00\x01x");
        });
        assert!(matches!(called, Err(RpcError::Body(_))), "{called:?}");
        let (called, ()) = tokio::join!(number(&client, SOON), async {
            server.call().await;
            server.answer(2 * seq + 1, "", &[3, 6, 0, 5]);
        });
        assert_eq!(called.unwrap(), 5);
    }
}

/// N14, and arguments that are too large: the stream stays usable, and the types come with the next call.
#[tokio::test]
async fn n14_arguments_that_cannot_be_sent() {
    let limits = CallLimits {
        input: 100,
        ..CallLimits::default()
    };
    let (client, mut server) = Server::new(limits).await;
    // A text is no truth value.
    let refused = |encoder: &mut Encoder, to: &mut Vec<u8>| encoder.value(types::BOOL, "x", to);
    let error = client.call("Plugin.X", refused, |_| Ok(()), SOON).await.unwrap_err();
    assert!(matches!(error, RpcError::Argument(_)), "{error}");
    let large = |encoder: &mut Encoder, to: &mut Vec<u8>| {
        let error = wire::RpcError {
            error_string: "x".repeat(200),
        };
        encoder.interface("RpcError", types::TYPES_RPC_ERROR, &error, to)
    };
    let error = client.call("Plugin.X", large, |_| Ok(()), SOON).await.unwrap_err();
    assert!(matches!(error, RpcError::Input { limit: 100, .. }), "{error}");
    let (called, ()) = tokio::join!(number(&client, SOON), async {
        let mut defined = 0;
        // Request and RpcError, which the encoder believes to be sent.
        let mut header = server.message().await;
        while is_definition(&header) {
            defined += 1;
            header = server.message().await;
        }
        assert_eq!(defined, 2);
        assert!(header.ends_with(&[1, 2, 0]), "call 2: {header:?}");
        server.message().await;
        server.answer(2, "", &[3, 6, 0, 9]);
    });
    assert_eq!(called.unwrap(), 9);
}

/// N15, X24: the stream ends inside an answer; an answer that is too large.
#[tokio::test]
async fn n15_x24_ends_and_excess() {
    let limits = CallLimits {
        output: 1000,
        ..CallLimits::default()
    };
    let (client, mut server) = Server::new(limits).await;
    let (called, ()) = tokio::join!(number(&client, SOON), async {
        server.call().await;
        let mut large = vec![0xfd, 7, 0xa1, 0x20, 6, 0];
        large.resize(4 + 500_000, 1);
        server.answer(0, "", &large);
    });
    assert!(
        matches!(
            called,
            Err(RpcError::Output {
                size: 500_000,
                limit: 1000
            })
        ),
        "{called:?}"
    );
    let (called, ()) = tokio::join!(number(&client, SOON), async {
        server.call().await;
        server.answer(1, "", &[]);
        server.stream.close();
    });
    assert_eq!(called.unwrap_err().to_string(), "unexpected EOF");
    assert!(matches!(number(&client, SOON).await, Err(RpcError::Shutdown)));
}

/// What is no gob at all ends the stream, not the host.
#[tokio::test]
async fn garbage_ends_the_stream() {
    for garbage in [
        &[0xf0; 20][..],
        &[0],
        &[3, 200, 200, 200],
        &[0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    ] {
        let (client, mut server) = Server::new(CallLimits::default()).await;
        let (called, ()) = tokio::join!(number(&client, SOON), async {
            server.call().await;
            server.send(garbage);
        });
        assert!(
            matches!(called, Err(RpcError::Header(_) | RpcError::Message(_))),
            "{garbage:?} gave {called:?}"
        );
    }
}
