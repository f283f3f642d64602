//! MuxBroker, the accepting side: a stream of the host is for the service whose number it begins with.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use tokio::{
    sync::oneshot,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    broker::WAIT,
    yamux::{Session, Stream},
};

/// Numbers that wait to be dialled, and streams that have not told theirs: more than any host has.
const WAITING: usize = 256;

/// Numbers that were given out and not dialled yet.
#[derive(Debug, Default)]
pub(super) struct Broker {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next: u32,
    waiting: HashMap<u32, oneshot::Sender<(Stream, Bytes)>>,
}

/// A number, and the stream that will come for it within go-plugin's five seconds.
pub(super) struct Awaited {
    pub(super) number: u32,
    broker: Arc<Broker>,
    stream: oneshot::Receiver<(Stream, Bytes)>,
}

impl Broker {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new number; none when too many wait.
    pub(super) fn number(self: &Arc<Self>) -> Option<Awaited> {
        let mut state = self.lock();
        if state.waiting.len() >= WAITING {
            return None;
        }
        state.next = state.next.wrapping_add(1);
        let (number, (sender, stream)) = (state.next, oneshot::channel());
        state.waiting.insert(number, sender);
        Some(Awaited {
            number,
            broker: self.clone(),
            stream,
        })
    }

    /// Brings the session's further streams to whom they are for, until it ends.
    pub(super) async fn run(self: Arc<Self>, session: Arc<Session>) {
        let mut dialling = JoinSet::new();
        while let Ok(stream) = session.accept().await {
            while dialling.try_join_next().is_some() {}
            if dialling.len() < WAITING {
                dialling.spawn(self.clone().bring(stream));
            }
        }
    }

    async fn bring(self: Arc<Self>, stream: Stream) {
        let Ok(Ok(Some((number, rest)))) = timeout(WAIT, stream.recv_exactly::<4>()).await else {
            return;
        };
        let number = u32::from_le_bytes(number);
        let waiting = self.lock().waiting.remove(&number);
        if let Some(waiting) = waiting {
            // Gone when it came too late.
            drop(waiting.send((stream, rest)));
        } else {
            tracing::debug!(number, "a stream that nobody waits for");
            sleep(WAIT).await;
        }
    }
}

impl Awaited {
    /// The stream, acknowledged, and what came behind its number.
    pub(super) async fn stream(mut self) -> Option<(Stream, Bytes)> {
        let (stream, rest) = timeout(WAIT, &mut self.stream).await.ok()?.ok()?;
        stream.push(Bytes::copy_from_slice(&self.number.to_le_bytes())).ok()?;
        Some((stream, rest))
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        self.broker.lock().waiting.remove(&self.number);
    }
}
