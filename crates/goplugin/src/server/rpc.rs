//! The answering side of a stream.
//!
//! ```text
//! Stream::recv -> Messages (cut, capped) -> header | argument -> Service::begin -> a task for each call
//!                                                                    -> Replies (in the order of their ends) -> Stream::push
//! ```

use std::{panic::AssertUnwindSafe, sync::Arc};

use bytes::Bytes;
use futures::{FutureExt as _, future::BoxFuture};
use rollcage_gob::{
    DecodeError, Decoder, EncodeError, Encoder, Limits, Type, Value, types,
    wire::{Empty, Request, Response},
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{sync::Semaphore, task::JoinSet};

use crate::{
    rpc::{Message, Messages, definitions, is_definition},
    yamux::{SessionError, Stream},
};

/// Calls of one stream at the same time; further ones are not read yet.
const CALLS: usize = 1024;

/// Longest name of a method that is repeated in an answer: nobody's own is a fraction of it.
const NAME: usize = 1024;

/// A reply as it will be written.
pub(super) type Reply = Box<dyn FnOnce(&mut Encoder, &mut Vec<u8>) -> Result<(), EncodeError> + Send>;

/// A call under way; its error is the text that the caller gets in place of a reply.
pub(super) type Answer = BoxFuture<'static, Result<Reply, String>>;

/// Why a call does not begin.
#[derive(Debug)]
pub(super) enum Refused {
    /// No such service.
    Service,
    /// No such method.
    Method,
    /// The argument cannot be read.
    Argument(DecodeError),
    /// The argument is another one than the method takes.
    Other(String),
}

/// What is called.
pub(super) trait Service: Send + Sync + 'static {
    /// Begins a call. What is wrong with it is told at once; the rest is done beside other calls.
    fn begin(self: Arc<Self>, service: &str, method: &str, argument: Value<'_, '_>) -> Result<Answer, Refused>;

    /// The reply to a call of `name` is on its way.
    fn replied(&self, name: &str) {
        let _ = name;
    }
}

/// A reply of this type.
pub(super) fn reply<T: Serialize + Send + 'static>(of: Type, value: T) -> Reply {
    Box::new(move |encoder, to| encoder.value(of, &value, to))
}

/// A reply that says nothing.
pub(super) fn nothing() -> Reply {
    reply(types::RPC_EMPTY, Empty {})
}

/// Reads an argument.
pub(super) fn argument<T: DeserializeOwned>(value: Value<'_, '_>, of: Type) -> Result<T, Refused> {
    value.decode(of).map_err(Refused::Argument)
}

/// Answers the calls that come on `stream`, of which `first` was read already, until it ends; those that run then are
/// still answered. `limit` is the size of one message.
pub(super) async fn serve<S: Service>(stream: Stream, first: Bytes, service: Arc<S>, limit: usize) {
    let replies = Arc::new(Replies {
        stream,
        sender: tokio::sync::Mutex::default(),
    });
    let mut calls = JoinSet::new();
    let mut reader = Reader {
        messages: Messages::new(limit as u64),
        decoder: Decoder::new(Limits {
            message: limit,
            ..Limits::default()
        }),
        header: None,
    };
    let ended = reader.read(first, &replies, &service, &mut calls).await;
    match &ended {
        // The session is over: nobody hears an answer.
        Err(End::Session(error)) => return tracing::debug!(%error, "a stream ended with its session"),
        Err(End::Broken(error)) => tracing::warn!(error, "a stream that is no net/rpc is given up"),
        Ok(()) => {}
    }
    while calls.join_next().await.is_some() {}
    // Dropped with answers still in it, the stream would be reset.
    let _ = replies.stream.ready().await;
    replies.stream.close();
    if ended.is_err() {
        return;
    }
    while let Ok(Some(_)) = replies.stream.recv().await {}
}

/// Why no more is read.
#[derive(Debug)]
enum End {
    Session(Arc<SessionError>),
    Broken(String),
}

impl End {
    fn broken(error: impl std::fmt::Display) -> Self {
        Self::Broken(error.to_string())
    }
}

struct Reader {
    messages: Messages,
    decoder: Decoder,
    header: Option<Request>,
}

impl Reader {
    async fn read<S: Service>(
        &mut self,
        first: Bytes,
        replies: &Arc<Replies>,
        service: &Arc<S>,
        calls: &mut JoinSet<()>,
    ) -> Result<(), End> {
        let running = Arc::new(Semaphore::new(CALLS));
        self.messages.push(&first);
        loop {
            while let Some(message) = self.messages.next().map_err(End::broken)? {
                let Some((request, begun)) = self.message(message, service)? else {
                    continue;
                };
                while calls.try_join_next().is_some() {}
                // Never closed.
                let Ok(permit) = running.clone().acquire_owned().await else {
                    continue;
                };
                let (replies, service) = (replies.clone(), service.clone());
                calls.spawn(async move {
                    let result = match begun {
                        Ok(answer) => AssertUnwindSafe(answer).catch_unwind().await.unwrap_or_else(|_| {
                            Err("the plugin's host panicked in this call: report this as a bug of Rollcage".to_owned())
                        }),
                        Err(text) => Err(text),
                    };
                    if replies.send(&request, result).await.is_ok() {
                        service.replied(&request.service_method);
                    }
                    drop(permit);
                });
            }
            match replies.stream.recv().await {
                Ok(Some(bytes)) => self.messages.push(&bytes),
                Ok(None) => return Ok(()),
                Err(error) => return Err(End::Session(error)),
            }
        }
    }

    /// A request when this message completes one: how its call begins, or the text of its refusal.
    #[expect(clippy::type_complexity, reason = "used here alone")]
    fn message<S: Service>(
        &mut self,
        message: Message,
        service: &Arc<S>,
    ) -> Result<Option<(Request, Result<Answer, String>)>, End> {
        let whole = match message {
            Message::Whole(bytes) => bytes,
            Message::TooLarge { length, head } => {
                // An argument is lost, and the stream goes on behind it. Without a type, or a header, it cannot.
                return match self.header.take() {
                    Some(request) if !is_definition(&head) => {
                        let text = format!("gob: a message of {length} bytes is more than this plugin takes");
                        Ok(Some((request, Err(text))))
                    }
                    _ => Err(End::Broken(format!("a message of {length} bytes"))),
                };
            }
        };
        let Some(value) = self.decoder.message(&whole).map_err(End::broken)? else {
            return Ok(None);
        };
        let Some(request) = self.header.take() else {
            self.header = Some(value.decode(types::RPC_REQUEST).map_err(End::broken)?);
            return Ok(None);
        };
        let name = &request.service_method;
        let begun = match name.rsplit_once('.') {
            None => Err(format!("rpc: service/method request ill-formed: {}", cut(name))),
            Some((at, method)) => match service.clone().begin(at, method, value) {
                Ok(answer) => Ok(answer),
                Err(Refused::Service) => Err(format!("rpc: can't find service {}", cut(name))),
                Err(Refused::Method) => Err(format!("rpc: can't find method {}", cut(name))),
                Err(Refused::Argument(error)) if error.ends_stream() => return Err(End::broken(error)),
                Err(Refused::Argument(error)) => Err(format!("gob: {error}")),
                Err(Refused::Other(text)) => Err(text),
            },
        };
        Ok(Some((request, begun)))
    }
}

fn cut(name: &str) -> &str {
    name.get(..name.floor_char_boundary(NAME)).unwrap_or_default()
}

/// The sending half.
struct Replies {
    stream: Stream,
    sender: tokio::sync::Mutex<Sender>,
}

#[derive(Default)]
struct Sender {
    encoder: Encoder,
    /// Definitions that the encoder believes to be sent, and that go out with the next reply.
    owed: Vec<u8>,
}

impl Replies {
    async fn send(&self, request: &Request, result: Result<Reply, String>) -> Result<(), Arc<SessionError>> {
        let mut sender = self.sender.lock().await;
        self.stream.ready().await?;
        let whole = sender.encode(request, result).or_else(|error| {
            tracing::error!(method = request.service_method, %error, "a reply cannot be encoded");
            sender.encode(request, Err(format!("the reply cannot be encoded: {error}")))
        });
        match whole {
            Ok(whole) => self.stream.push(whole.into()),
            // An error of ours about a text.
            Err(_) => Ok(()),
        }
    }
}

impl Sender {
    fn encode(&mut self, request: &Request, result: Result<Reply, String>) -> Result<Vec<u8>, EncodeError> {
        let mut whole = std::mem::take(&mut self.owed);
        let (error, reply) = match result {
            Ok(reply) => (String::new(), reply),
            // Without a text the caller would take it for a success.
            Err(text) if text.is_empty() => ("the plugin failed without a word".to_owned(), nothing()),
            Err(text) => (text, nothing()),
        };
        let response = Response {
            service_method: cut(&request.service_method).to_owned(),
            seq: request.seq,
            error,
        };
        let written = self
            .encoder
            .value(types::RPC_RESPONSE, &response, &mut whole)
            .and_then(|()| reply(&mut self.encoder, &mut whole));
        match written {
            Ok(()) => Ok(whole),
            Err(error) => {
                // A header without its reply would be read as that of the next one: only the types stay.
                self.owed = definitions(&whole);
                Err(error)
            }
        }
    }
}
