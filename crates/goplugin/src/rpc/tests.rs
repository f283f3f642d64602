//! net/rpc against a server that is played by hand.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use rollcage_gob::{Encoder, types, wire};
use tokio::{net::UnixStream, time::timeout};

use super::{
    message::{Message, Messages, is_definition},
    *,
};
use crate::{
    alone::alone,
    yamux::{Role, Session, Socket, Stream, Times},
};

const SOON: Duration = Duration::from_secs(20);
const DEFINITION: &[u8] = b"\x3a\xff\x81\x03\x01\x01\x08Response\x01\xff\x82\x00\x01\x03\x01\x0dServiceMethod\x01\x0c\x00\x01\x03Seq\x01\x06\x00\x01\x05Error\x01\x0c\x00\x00\x00";

/// The other side of a stream.
struct Server {
    stream: Stream,
    messages: Messages,
    defined: bool,
    sessions: (Session, Session),
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
            sessions: (host, plugin),
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

    /// Sends so many bytes, as fast as they are taken.
    async fn fill(&self, mut bytes: usize) {
        while bytes > 0 {
            let part = bytes.min(64 << 10);
            // The stream may have been given up.
            if self.stream.ready().await.is_err() || self.stream.push(vec![b'x'; part].into()).is_err() {
                return;
            }
            bytes -= part;
        }
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

/// Answers find their calls.
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

/// The first number is not sent; the last one takes nine bytes, and the one behind it is the first again.
#[tokio::test]
async fn n02_the_first_and_the_last_number() {
    let (client, mut server) = Server::new(CallLimits::default()).await;
    let (called, ()) = tokio::join!(number(&client, SOON), async {
        assert_eq!(server.call().await.0, 0);
        server.answer(0, "", &[3, 6, 0, 5]);
    });
    assert_eq!(called.unwrap(), 5);
    client.set_next(u64::MAX);
    let (called, ()) = tokio::join!(number(&client, SOON), async {
        assert_eq!(server.call().await.0, u64::MAX);
        let header = b"\x10\xff\x82\x01\x01m\x01\xf8\xff\xff\xff\xff\xff\xff\xff\xff\x00";
        server.send(&[&header[..], &[3, 6, 0, 6]].concat());
    });
    assert_eq!(called.unwrap(), 6);
    let (called, ()) = tokio::join!(number(&client, SOON), async {
        assert_eq!(server.call().await.0, 0);
        server.answer(0, "", &[3, 6, 0, 7]);
    });
    assert_eq!(called.unwrap(), 7);
}

/// The value behind an error is dropped, whatever it is.
#[tokio::test]
async fn n11_the_value_behind_an_error() {
    let (client, mut server) = Server::new(CallLimits::default()).await;
    let placeholder = b"\x0a\xff\x83\x03\x01\x02\xff\x84\x00\x00\x00\x03\xff\x84\x00";
    let text = b"\x04\x0c\x00\x01x";
    // A map that is defined on the way, and a nil interface.
    let map = b"\x0e\xff\x85\x04\x01\x02\xff\x86\x00\x01\x0c\x01\x0c\x00\x00\x08\xff\x86\x00\x01\x01k\x01v";
    let nil = [3, 0x10, 0, 0];
    for (seq, body) in [&placeholder[..], text, map, &nil].into_iter().enumerate() {
        let (called, ()) = tokio::join!(number(&client, SOON), async {
            server.call().await;
            server.answer(u8::try_from(seq).unwrap(), "no", body);
        });
        assert!(
            matches!(&called, Err(RpcError::Server(text)) if text == "no"),
            "{called:?}"
        );
    }
    let (called, ()) = tokio::join!(number(&client, SOON), async {
        let (seq, _) = server.call().await;
        server.answer(u8::try_from(seq).unwrap(), "", &[3, 6, 0, 5]);
    });
    assert_eq!(called.unwrap(), 5);
}

#[tokio::test]
async fn n13_an_answer_that_nobody_waits_for() {
    let (client, mut server) = Server::new(CallLimits::default()).await;
    let (called, ()) = tokio::join!(number(&client, SOON), async {
        server.call().await;
        server.answer(99, "", &[3, 6, 0, 7]);
        server.answer(98, "no", b"\x04\x0c\x00\x01x");
        server.answer(0, "", &[3, 6, 0, 5]);
        // And one more to the same.
        server.answer(0, "", &[3, 6, 0, 6]);
    });
    assert_eq!(called.unwrap(), 5);
    let (called, ()) = tokio::join!(number(&client, SOON), async {
        server.call().await;
        server.answer(1, "", &[3, 6, 0, 8]);
    });
    assert_eq!(called.unwrap(), 8);
}

/// A call that is given up: its late answer is not taken for another's.
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

/// An answer of another type. Go gives the stream up; it need not be.
#[tokio::test]
async fn n12_an_answer_of_another_type() {
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

/// The stream stays usable, and the types come with the next call.
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

/// The stream ends between the head of an answer and its value.
#[tokio::test]
async fn n15_the_stream_ends_in_an_answer() {
    let (client, mut server) = Server::new(CallLimits::default()).await;
    let (one, two, ()) = tokio::join!(number(&client, SOON), number(&client, SOON), async {
        server.call().await;
        server.call().await;
        server.answer(1, "", &[]);
        server.stream.close();
    });
    for called in [one, two] {
        assert_eq!(called.unwrap_err().to_string(), "unexpected EOF");
    }
    assert!(matches!(number(&client, SOON).await, Err(RpcError::Shutdown)));
}

/// The stream is reset in a call: that stream is over, another on the same session is not.
#[tokio::test]
async fn y08_a_reset_in_a_call() {
    let (client, mut server) = Server::new(CallLimits::default()).await;
    let other = Client::new(
        server.sessions.0.open().await.unwrap(),
        Bytes::new(),
        CallLimits::default(),
    );
    let stream = server.sessions.1.accept().await.unwrap();
    let (called, ()) = tokio::join!(number(&client, SOON), async {
        server.call().await;
        drop(std::mem::replace(&mut server.stream, stream));
    });
    assert_eq!(called.unwrap_err().to_string(), "connection reset");
    (server.messages, server.defined) = (Messages::new(1 << 20), false);
    let (called, ()) = tokio::join!(number(&other, SOON), async {
        server.call().await;
        server.answer(0, "", &[3, 6, 0, 9]);
    });
    assert_eq!(called.unwrap(), 9);
}

/// An answer that is too large is that call's fault; a head that is, the stream's. Neither is kept.
#[test]
fn x24_an_error_of_fifty_megabytes() {
    alone(16 << 20, || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let limits = CallLimits {
                output: 1000,
                ..CallLimits::default()
            };
            let (client, mut server) = Server::new(limits).await;
            let large = |server: &Server, head: &[u8], size: u32| {
                let [_, a, b, c] = (u32::try_from(head.len()).unwrap() + size).to_be_bytes();
                if a == 0 {
                    server.send(&[&[0xfe, b, c], head].concat());
                } else {
                    server.send(&[&[0xfd, a, b, c], head].concat());
                }
            };
            let (called, ()) = tokio::join!(number(&client, SOON), async {
                server.call().await;
                server.answer(0, "", &[]);
                // A number, which is followed by half a megabyte.
                large(&server, &[6, 0], 500_000);
                server.fill(500_000).await;
            });
            assert!(
                matches!(
                    called,
                    Err(RpcError::Output {
                        size: 500_002,
                        limit: 1000
                    })
                ),
                "{called:?}"
            );
            let (called, ()) = tokio::join!(number(&client, SOON), async {
                server.call().await;
                // Response{ServiceMethod: "m", Seq: 1, Error: fifty megabytes}
                let length = 50_u32 << 20;
                server.send(&[0xfc, 3, 0x20, 0, 13]);
                server.send(&[0xff, 0x82, 1, 1, b'm', 1, 1, 1, 0xfc]);
                server.send(&length.to_be_bytes());
                server.fill(50 << 20).await;
            });
            assert!(
                matches!(called, Err(RpcError::Output { limit: 1000, .. })),
                "{called:?}"
            );
            assert!(matches!(number(&client, SOON).await, Err(RpcError::Shutdown)));
        });
    });
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
