//! The calling side of a stream.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use rollcage_gob::{
    DecodeError, Decoder, EncodeError, Encoder, Limits, Value, types,
    wire::{Request, Response},
};
use tokio::{
    sync::oneshot,
    task::AbortHandle,
    time::{Instant, timeout_at},
};

use super::{
    CallLimits, RpcError,
    message::{Message, Messages, definitions, is_definition},
};
use crate::yamux::{SessionError, Stream};

/// What waits for an answer: it gets the value, or why there is none. An error that it returns ends the stream.
type Answer = Box<dyn FnOnce(Result<Value<'_, '_>, RpcError>) -> Result<(), RpcError> + Send>;

struct Pending {
    next: u64,
    answers: HashMap<u64, Answer>,
    over: bool,
}

/// The sending half.
struct Sender {
    encoder: Encoder,
    /// Definitions that the encoder believes to be sent, and that go out with the next call.
    owed: Vec<u8>,
}

struct Inner {
    stream: Stream,
    limits: CallLimits,
    sender: tokio::sync::Mutex<Sender>,
    pending: Mutex<Pending>,
}

impl Inner {
    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// No more answers come.
    fn give_up(&self, error: &RpcError) {
        let answers = {
            let mut pending = self.pending();
            pending.over = true;
            std::mem::take(&mut pending.answers)
        };
        for answer in answers.into_values() {
            // Nothing is decoded any more.
            let _ = answer(Err(error.clone()));
        }
    }

    async fn read(&self, first: Bytes) -> RpcError {
        let mut messages = Messages::new(self.limits.output);
        let mut decoder = Decoder::new(Limits {
            message: usize::try_from(self.limits.output).unwrap_or(usize::MAX),
            ..Limits::default()
        });
        let mut header: Option<Response> = None;
        messages.push(&first);
        drop(first);
        loop {
            match messages.next() {
                Ok(Some(message)) => {
                    if let Err(error) = self.message(message, &mut decoder, &mut header) {
                        return error;
                    }
                    continue;
                }
                Ok(None) => {}
                Err(error) => return error.into(),
            }
            match self.stream.recv().await {
                Ok(Some(bytes)) => messages.push(&bytes),
                Ok(None) => return RpcError::Session(Arc::new(SessionError::End)),
                Err(error) => return RpcError::Session(error),
            }
        }
    }

    fn message(&self, message: Message, decoder: &mut Decoder, header: &mut Option<Response>) -> Result<(), RpcError> {
        let broken = |error: DecodeError| RpcError::Header(Arc::new(error));
        let whole = match message {
            Message::Whole(bytes) => bytes,
            Message::TooLarge { length, head } => {
                let error = RpcError::Output {
                    size: length,
                    limit: self.limits.output,
                };
                // An answer is lost, and the stream goes on behind it. Without a type, or a header, it cannot.
                return match header.take() {
                    Some(response) if !is_definition(&head) => {
                        let answer = self.pending().answers.remove(&response.seq);
                        answer.map_or(Ok(()), |answer| answer(Err(error)))
                    }
                    _ => Err(error),
                };
            }
        };
        let Some(value) = decoder.message(&whole).map_err(broken)? else {
            return Ok(());
        };
        let Some(response) = header.take() else {
            *header = Some(value.decode(types::RPC_RESPONSE).map_err(broken)?);
            return Ok(());
        };
        // Of a call that was given up, or that never was: the value is passed over.
        let Some(answer) = self.pending().answers.remove(&response.seq) else {
            return Ok(());
        };
        if response.error.is_empty() {
            answer(Ok(value))
        } else {
            answer(Err(RpcError::Server(response.error)))
        }
    }
}

/// Calls the methods of one service. Calls run side by side and their answers may come in any order.
pub struct Client {
    inner: Arc<Inner>,
    reader: AbortHandle,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("stream", &self.inner.stream)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Speaks net/rpc on `stream`, of which `first` was read already.
    pub(crate) fn new(stream: Stream, first: Bytes, limits: CallLimits) -> Self {
        let inner = Arc::new(Inner {
            stream,
            limits,
            sender: tokio::sync::Mutex::new(Sender {
                encoder: Encoder::new(),
                owed: Vec::new(),
            }),
            pending: Mutex::new(Pending {
                next: 0,
                answers: HashMap::new(),
                over: false,
            }),
        });
        let read = inner.clone();
        let reader = tokio::spawn(async move {
            let error = read.read(first).await;
            read.give_up(&error);
            // What the plugin still sends would fill a window that nobody empties.
            read.stream.close();
            while let Ok(Some(_)) = read.stream.recv().await {}
        })
        .abort_handle();
        Self { inner, reader }
    }

    /// Calls `method` (`Service.Method`) and waits for its answer at most `deadline`.
    ///
    /// `argument` appends one value; `answer` reads one. What `answer` makes of the value is done while other answers wait.
    pub async fn call<T: Send + 'static>(
        &self,
        method: &str,
        argument: impl FnOnce(&mut Encoder, &mut Vec<u8>) -> Result<(), EncodeError>,
        answer: impl FnOnce(Value<'_, '_>) -> Result<T, DecodeError> + Send + 'static,
        deadline: Duration,
    ) -> Result<T, RpcError> {
        let until = Instant::now() + deadline;
        let (sender, receiver) = oneshot::channel();
        let registered = self.register(Box::new(move |result| {
            let (result, stream) = match result.map(answer) {
                Ok(Ok(value)) => (Ok(value), Ok(())),
                Ok(Err(error)) => {
                    let ends = error.ends_stream();
                    let error = RpcError::Body(Arc::new(error));
                    (Err(error.clone()), if ends { Err(error) } else { Ok(()) })
                }
                Err(error) => (Err(error), Ok(())),
            };
            // Whoever waited may have given up.
            let _ = sender.send(result);
            stream
        }))?;
        let call = async {
            self.send(method, registered.seq, argument).await?;
            receiver.await.unwrap_or(Err(RpcError::Shutdown))
        };
        timeout_at(until, call)
            .await
            .unwrap_or(Err(RpcError::Deadline { after: deadline }))
    }

    fn register(&self, answer: Answer) -> Result<Registered<'_>, RpcError> {
        let mut pending = self.inner.pending();
        if pending.over {
            return Err(RpcError::Shutdown);
        }
        let seq = pending.next;
        pending.next = seq.wrapping_add(1);
        pending.answers.insert(seq, answer);
        Ok(Registered {
            inner: &self.inner,
            seq,
        })
    }

    async fn send(
        &self,
        method: &str,
        seq: u64,
        argument: impl FnOnce(&mut Encoder, &mut Vec<u8>) -> Result<(), EncodeError>,
    ) -> Result<(), RpcError> {
        // Types are defined in the order in which they are sent: encoding and sending are one step, without a point in
        // between at which a caller could give up.
        let mut sender = self.inner.sender.lock().await;
        self.inner.stream.ready().await.map_err(RpcError::Session)?;
        let Sender { encoder, owed } = &mut *sender;
        let mut whole = std::mem::take(owed);
        let owing = whole.len();
        let request = Request {
            service_method: method.to_owned(),
            seq,
        };
        let encoded = encoder
            .value(types::RPC_REQUEST, &request, &mut whole)
            .and_then(|()| argument(encoder, &mut whole));
        let size = (whole.len() - owing) as u64;
        let refused = match encoded {
            Err(error) => RpcError::Argument(Arc::new(error)),
            Ok(()) if size > self.inner.limits.input => RpcError::Input {
                size,
                limit: self.inner.limits.input,
            },
            Ok(()) => return self.inner.stream.push(whole.into()).map_err(RpcError::Session),
        };
        // A header without its value would be read as that of the next call: only the types stay.
        *owed = definitions(&whole);
        Err(refused)
    }

    /// Ends our side; calls that wait still get their answers.
    pub(crate) fn close(&self) {
        self.inner.stream.close();
    }

    /// The number of the next call.
    #[cfg(test)]
    pub(super) fn set_next(&self, seq: u64) {
        self.inner.pending().next = seq;
    }

    /// Calls that wait for an answer.
    pub fn pending(&self) -> usize {
        self.inner.pending().answers.len()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// A call that waits; dropped, it is given up.
struct Registered<'a> {
    inner: &'a Inner,
    seq: u64,
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.inner.pending().answers.remove(&self.seq);
    }
}
