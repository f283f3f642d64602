//! One stream of a session.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};

use super::{SessionError, mux::Received, session::Shared};

/// A stream in both directions. One task reads at a time and one writes. Dropping it resets what is not closed.
///
/// Sending never stops half-way: [`push`](Self::push) takes everything at once, and what the window does not allow yet
/// waits in the session. A caller that gives up leaves no half message behind.
#[derive(Debug)]
pub(crate) struct Stream {
    id: u32,
    shared: Arc<Shared>,
}

impl Stream {
    pub(super) fn new(id: u32, shared: Arc<Shared>) -> Self {
        Self { id, shared }
    }

    /// The bytes that have come since; none at the peer's end of the stream.
    pub(crate) async fn recv(&self) -> Result<Option<Bytes>, Arc<SessionError>> {
        poll_fn(|context| self.poll_recv(context)).await
    }

    fn poll_recv(&self, context: &Context<'_>) -> Poll<Result<Option<Bytes>, Arc<SessionError>>> {
        let mut mux = self.shared.lock();
        let received = mux.recv(self.id, context.waker());
        self.shared.flush(&mut mux);
        match received? {
            Received::Bytes(bytes) => Poll::Ready(Ok(Some(bytes))),
            Received::End => Poll::Ready(Ok(None)),
            Received::Pending => Poll::Pending,
        }
    }

    /// Exactly `N` bytes, and what came behind them.
    pub(crate) async fn recv_exactly<const N: usize>(&self) -> Result<Option<([u8; N], Bytes)>, Arc<SessionError>> {
        let mut have = BytesMut::new();
        loop {
            if let Some((head, rest)) = have.split_first_chunk::<N>() {
                return Ok(Some((*head, Bytes::copy_from_slice(rest))));
            }
            match self.recv().await? {
                Some(bytes) => have.extend_from_slice(&bytes),
                None => return Ok(None),
            }
        }
    }

    /// Waits until everything pushed before is on its way.
    pub(crate) async fn ready(&self) -> Result<(), Arc<SessionError>> {
        poll_fn(|context| match self.shared.lock().ready(self.id, context.waker()) {
            Ok(true) => Poll::Ready(Ok(())),
            Ok(false) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        })
        .await
    }

    /// Sends all of `bytes`, now or as soon as the peer allows.
    pub(crate) fn push(&self, bytes: Bytes) -> Result<(), Arc<SessionError>> {
        let mut mux = self.shared.lock();
        mux.push(self.id, bytes)?;
        self.shared.flush(&mut mux);
        Ok(())
    }

    /// Ends our direction; the peer may go on.
    pub(crate) fn close(&self) {
        let mut mux = self.shared.lock();
        mux.close(self.id);
        self.shared.flush(&mut mux);
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let mut mux = self.shared.lock();
        mux.forget(self.id);
        self.shared.flush(&mut mux);
    }
}
