//! A session: one socket, read and written by tasks of its own.
//!
//! Whoever has something to send writes it to the socket itself when the socket takes it: a call costs no hop to a writer
//! task. Only what the socket does not take at once is left to that task.

use std::{
    future::poll_fn,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
    time::Duration,
};

use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    Role, SessionError, Times,
    frame::Parser,
    mux::{Mux, OUT_HIGH},
    socket::{Line, Socket},
    stream::Stream,
};

/// One read of the socket.
const READ: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct Shared {
    mux: Mutex<Mux>,
    /// None if it could not be watched: then the session has failed at once.
    line: Option<Line>,
    /// The socket took less than there was.
    blocked: Notify,
    /// `out` has room again.
    drained: Notify,
    failed: Notify,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Mux> {
        // The state is whole after every statement that could panic.
        self.mux.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what the socket takes.
    pub(super) fn flush(&self, mux: &mut Mux) {
        while !mux.out.is_empty() {
            let Some(line) = &self.line else { break };
            match line.write(&mux.out) {
                Ok(0) => mux.fail(SessionError::End),
                Ok(count) => {
                    mux.sent(count);
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.blocked.notify_one(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    mux.out.clear();
                    mux.fail(SessionError::Socket(error));
                }
            }
            break;
        }
        if mux.out.len() < OUT_HIGH {
            self.drained.notify_one();
        }
        if mux.failed.is_some() {
            self.failed.notify_waiters();
        }
    }

    fn fail(&self, error: SessionError) {
        let mut mux = self.lock();
        mux.fail(error);
        self.flush(&mut mux);
        drop(mux);
        self.shut();
    }

    fn shut(&self) {
        if let Some(line) = &self.line {
            line.shut();
        }
    }

    async fn read(&self) {
        let Some(line) = &self.line else { return };
        let mut buffer = vec![0; READ];
        let mut parser = Parser::default();
        loop {
            // A peer that asks and asks and does not read the answers is not listened to.
            while self.lock().out.len() >= OUT_HIGH {
                self.drained.notified().await;
            }
            match line.read(&mut buffer).await {
                Ok(0) => return self.fail(SessionError::End),
                Ok(count) => {
                    let mut input = buffer.get(..count).unwrap_or_default();
                    let mut mux = self.lock();
                    while let Some(piece) = parser.next(&mut input).transpose() {
                        mux.piece(&piece);
                        if mux.failed.is_some() {
                            break;
                        }
                    }
                    self.flush(&mut mux);
                    if mux.failed.is_some() {
                        drop(mux);
                        return self.shut();
                    }
                }
                Err(error) => return self.fail(SessionError::Socket(error)),
            }
        }
    }

    async fn write(&self, stall: Duration) {
        let Some(line) = &self.line else { return };
        loop {
            self.blocked.notified().await;
            let waiting = self.lock().out.len();
            if waiting == 0 {
                continue;
            }
            match timeout(stall, line.writable()).await {
                Ok(Ok(())) => self.flush(&mut self.lock()),
                Ok(Err(error)) => return self.fail(SessionError::Socket(error)),
                Err(_) => return self.fail(SessionError::WriteStalled { after: stall }),
            }
        }
    }

    async fn keep_alive(&self, times: Times) {
        for value in 0.. {
            sleep(times.keep_alive).await;
            {
                let mut mux = self.lock();
                mux.keep_alive(value);
                self.flush(&mut mux);
            }
            sleep(times.answer).await;
            if self.lock().ping == Some(value) {
                return self.fail(SessionError::KeepAlive { after: times.answer });
            }
        }
    }
}

/// One yamux session. Dropping it ends it, and every stream of it.
#[derive(Debug)]
pub(crate) struct Session {
    shared: Arc<Shared>,
    /// Aborted with the session.
    _tasks: JoinSet<()>,
}

impl Session {
    /// Speaks yamux on `socket` from now on.
    pub(crate) fn new(socket: Socket, role: Role, times: Times) -> Self {
        let mut mux = Mux::new(role);
        let line = match Line::new(socket) {
            Ok(line) => Some(line),
            Err(error) => {
                mux.fail(SessionError::Socket(error));
                None
            }
        };
        let shared = Arc::new(Shared {
            mux: Mutex::new(mux),
            line,
            blocked: Notify::new(),
            drained: Notify::new(),
            failed: Notify::new(),
        });
        let mut tasks = JoinSet::new();
        let (reader, writer, keeper) = (shared.clone(), shared.clone(), shared.clone());
        tasks.spawn(async move { reader.read().await });
        tasks.spawn(async move { writer.write(times.write).await });
        tasks.spawn(async move { keeper.keep_alive(times).await });
        Self { shared, _tasks: tasks }
    }

    /// Opens a stream.
    pub(crate) async fn open(&self) -> Result<Stream, Arc<SessionError>> {
        poll_fn(|context| {
            let mut mux = self.shared.lock();
            let opened = mux.open(context.waker());
            self.shared.flush(&mut mux);
            match opened? {
                Some(id) => Poll::Ready(Ok(Stream::new(id, self.shared.clone()))),
                None => Poll::Pending,
            }
        })
        .await
    }

    /// The next stream that the peer opens. A client has none: what its peer opens is reset.
    pub(crate) async fn accept(&self) -> Result<Stream, Arc<SessionError>> {
        poll_fn(|context| {
            let mut mux = self.shared.lock();
            let accepted = mux.accept(context.waker());
            self.shared.flush(&mut mux);
            match accepted? {
                Some(id) => Poll::Ready(Ok(Stream::new(id, self.shared.clone()))),
                None => Poll::Pending,
            }
        })
        .await
    }

    /// Waits until the socket has taken everything that was sent.
    pub(crate) async fn flushed(&self) {
        const LOOK: Duration = Duration::from_millis(1);
        while !self.shared.lock().out.is_empty() && self.error().is_none() {
            sleep(LOOK).await;
        }
    }

    /// Why the session is over, once it is.
    pub(crate) async fn ended(&self) -> Arc<SessionError> {
        loop {
            let notified = self.shared.failed.notified();
            if let Some(error) = self.error() {
                return error;
            }
            notified.await;
        }
    }

    /// Why the session is over, if it is.
    pub(crate) fn error(&self) -> Option<Arc<SessionError>> {
        self.shared.lock().failed.clone()
    }

    /// Ends the session as Go does: the socket is closed, without a word.
    pub(crate) fn close(&self) {
        self.shared.fail(SessionError::Closed);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.close();
    }
}
