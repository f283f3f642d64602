//! The calling side of a stream.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::oneshot,
    task::AbortHandle,
    time::{Instant, timeout_at},
};

use super::{
    CallLimits, Codec, CodecError, Response, RpcError,
    codec::is_definition,
    message::{Message, Messages, number},
};
use crate::yamux::{SessionError, Stream};

/// What waits for an answer: it gets the decoder and the value, or why there is none.
type Answer<C> = Box<dyn FnOnce(Result<(&mut <C as Codec>::Decoder, &[u8]), RpcError>) -> Result<(), RpcError> + Send>;

struct Pending<C: Codec> {
    next: u64,
    answers: HashMap<u64, Answer<C>>,
    over: bool,
}

struct Inner<C: Codec> {
    stream: Stream,
    limits: CallLimits,
    encoder: tokio::sync::Mutex<C::Encoder>,
    pending: Mutex<Pending<C>>,
}

impl<C: Codec> Inner<C> {
    fn pending(&self) -> MutexGuard<'_, Pending<C>> {
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
        let mut decoder = C::Decoder::default();
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

    fn message(
        &self,
        message: Message,
        decoder: &mut C::Decoder,
        header: &mut Option<Response>,
    ) -> Result<(), RpcError> {
        let first = match &message {
            Message::Whole(bytes) => bytes,
            Message::TooLarge { head, .. } => head,
        };
        let definition = is_definition(first).ok_or_else(|| RpcError::Header(CodecError("an empty message".into())))?;
        let whole = match message {
            Message::Whole(bytes) => Ok(bytes),
            Message::TooLarge { length, .. } => Err(RpcError::Output {
                size: length,
                limit: self.limits.output,
            }),
        };
        if definition {
            // Without this type nothing behind it can be read.
            return C::define(decoder, &whole?).map_err(RpcError::Header);
        }
        let Some(response) = header.take() else {
            *header = Some(C::response(decoder, &whole?).map_err(RpcError::Header)?);
            return Ok(());
        };
        // Of a call that was given up, or that never was: what follows is read and dropped.
        let Some(answer) = self.pending().answers.remove(&response.seq) else {
            return Ok(());
        };
        if !response.error.is_empty() {
            return answer(Err(RpcError::Server(response.error)));
        }
        match whole {
            Ok(value) => answer(Ok((decoder, &value))),
            // This answer is lost, the stream goes on behind it.
            Err(error) => answer(Err(error)),
        }
    }
}

/// Calls the methods of one service. Calls run side by side and their answers may come in any order.
pub struct Client<C: Codec> {
    inner: Arc<Inner<C>>,
    reader: AbortHandle,
}

impl<C: Codec> fmt::Debug for Client<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("stream", &self.inner.stream)
            .finish_non_exhaustive()
    }
}

impl<C: Codec> Client<C> {
    /// Speaks net/rpc on `stream`, of which `first` was read already.
    pub(crate) fn new(stream: Stream, first: Bytes, limits: CallLimits) -> Self {
        let inner = Arc::new(Inner {
            stream,
            limits,
            encoder: tokio::sync::Mutex::default(),
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

    /// Calls `method` and waits for its answer at most `deadline`.
    ///
    /// `argument` appends the argument; when it fails it leaves the encoder as it was, and nothing is sent. `answer` reads
    /// the value.
    pub async fn call<T: Send + 'static>(
        &self,
        method: &str,
        argument: impl FnOnce(&mut C::Encoder, &mut Vec<u8>) -> Result<(), CodecError>,
        answer: impl FnOnce(&mut C::Decoder, &[u8]) -> Result<T, CodecError> + Send + 'static,
        deadline: Duration,
    ) -> Result<T, RpcError> {
        let until = Instant::now() + deadline;
        let (sender, receiver) = oneshot::channel();
        let registered = self.register(Box::new(move |result| {
            let (result, stream) = match result {
                Ok((decoder, value)) => match answer(decoder, value) {
                    Ok(value) => (Ok(value), Ok(())),
                    Err(error) => (Err(RpcError::Body(error.clone())), Err(RpcError::Body(error))),
                },
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

    fn register(&self, answer: Answer<C>) -> Result<Registered<'_, C>, RpcError> {
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
        argument: impl FnOnce(&mut C::Encoder, &mut Vec<u8>) -> Result<(), CodecError>,
    ) -> Result<(), RpcError> {
        // Types are defined in the order in which they are sent: encoding and sending are one step, without a point in
        // between at which a caller could give up.
        let mut encoder = self.inner.encoder.lock().await;
        self.inner.stream.ready().await.map_err(RpcError::Session)?;
        let mut body = Vec::new();
        argument(&mut encoder, &mut body).map_err(RpcError::Argument)?;
        if body.len() as u64 > self.inner.limits.input {
            // The encoder believes that these types were sent; so they are, without the value.
            self.inner
                .stream
                .push(definitions(&body).into())
                .map_err(RpcError::Session)?;
            return Err(RpcError::Input {
                size: body.len() as u64,
                limit: self.inner.limits.input,
            });
        }
        let mut whole = Vec::with_capacity(body.len() + 128);
        C::request(&mut encoder, method, seq, &mut whole);
        whole.extend_from_slice(&body);
        self.inner.stream.push(whole.into()).map_err(RpcError::Session)
    }

    /// Ends our side; calls that wait still get their answers.
    pub(crate) fn close(&self) {
        self.inner.stream.close();
    }

    /// Calls that wait for an answer.
    pub fn pending(&self) -> usize {
        self.inner.pending().answers.len()
    }
}

impl<C: Codec> Drop for Client<C> {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// The messages of `body` that define types.
fn definitions(body: &[u8]) -> Vec<u8> {
    let (mut all, mut rest) = (Vec::new(), body);
    while let Ok(Some((length, used))) = number(rest) {
        let end = used.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
        let (whole, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        if whole.get(used..).and_then(is_definition) == Some(true) {
            all.extend_from_slice(whole);
        }
        rest = after;
    }
    all
}

/// A call that waits; dropped, it is given up.
struct Registered<'a, C: Codec> {
    inner: &'a Inner<C>,
    seq: u64,
}

impl<C: Codec> Drop for Registered<'_, C> {
    fn drop(&mut self) {
        self.inner.pending().answers.remove(&self.seq);
    }
}
