//! The state of a session, without any socket: pieces of frames go in, bytes to send come out, wakers are called.
//!
//! Everything is bounded: a stream holds at most one window of unread bytes, at most [`BACKLOG`] streams of the peer wait
//! to be accepted, at most [`BACKLOG`] of ours wait for their ACK, and `out` takes no payload beyond [`OUT_HIGH`].

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    task::Waker,
};

use bytes::{Buf as _, Bytes, BytesMut};

use super::{
    Role, SessionError,
    frame::{AWAY_NORMAL, AWAY_PROTOCOL, Flags, FrameError, Header, Kind, Piece, WINDOW},
};

/// Streams that wait to be accepted, or for the peer's ACK: the number that Go has.
pub(super) const BACKLOG: usize = 256;

/// With this much waiting for the socket, payload stays in its stream and nothing is read that would ask for answers.
pub(super) const OUT_HIGH: usize = 512 * 1024;

/// Largest body of one frame: other streams get in between.
const FRAME: usize = 64 * 1024;

#[derive(Debug, Default)]
pub(super) struct Slot {
    recv: BytesMut,
    /// Bytes announced by headers and not read yet, those still on their way included.
    unread: u32,
    recv_window: u32,
    send: VecDeque<Bytes>,
    queued: usize,
    send_window: u32,
    /// Our side is closed for sending; FIN goes out after what is queued.
    closing: bool,
    fin_sent: bool,
    remote_closed: bool,
    reset: bool,
    acked: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Slot {
    fn new(acked: bool) -> Self {
        Self {
            recv_window: WINDOW,
            send_window: WINDOW,
            acked,
            ..Self::default()
        }
    }

    /// Nothing more comes for this stream: its frames are those of an unknown one.
    fn over(&self) -> bool {
        self.reset || (self.fin_sent && self.remote_closed)
    }

    fn wake(&mut self) {
        if let Some(waker) = self.reader.take() {
            waker.wake();
        }
        if let Some(waker) = self.writer.take() {
            waker.wake();
        }
    }
}

/// What reading from a stream gave.
#[derive(Debug)]
pub(super) enum Received {
    Bytes(Bytes),
    End,
    Pending,
}

#[derive(Debug)]
pub(super) struct Mux {
    role: Role,
    next: u32,
    streams: HashMap<u32, Slot>,
    /// Where the body goes that is being read; none drains it.
    body: Option<u32>,
    unacked: usize,
    backlog: VecDeque<u32>,
    acceptors: Vec<Waker>,
    openers: Vec<Waker>,
    /// Streams with payload that did not fit into `out`.
    waiting: usize,
    pub(super) out: BytesMut,
    remote_away: bool,
    /// The keep-alive that has not been answered.
    pub(super) ping: Option<u32>,
    pub(super) failed: Option<Arc<SessionError>>,
}

impl Mux {
    pub(super) fn new(role: Role) -> Self {
        Self {
            role,
            next: if role.is_client() { 1 } else { 2 },
            streams: HashMap::new(),
            body: None,
            unacked: 0,
            backlog: VecDeque::new(),
            acceptors: Vec::new(),
            openers: Vec::new(),
            waiting: 0,
            out: BytesMut::new(),
            remote_away: false,
            ping: None,
            failed: None,
        }
    }

    fn frame(&mut self, kind: Kind, flags: Flags, stream: u32, length: u32) {
        let header = Header {
            kind,
            flags,
            stream,
            length,
        };
        self.out.extend_from_slice(&header.encode());
    }

    /// Ends the session; the first reason stays.
    pub(super) fn fail(&mut self, error: SessionError) {
        if self.failed.is_some() {
            return;
        }
        if matches!(error, SessionError::Protocol { .. }) {
            self.frame(Kind::GoAway, Flags::NONE, 0, AWAY_PROTOCOL);
        }
        self.failed = Some(Arc::new(error));
        for slot in self.streams.values_mut() {
            slot.wake();
        }
        for waker in self.acceptors.drain(..).chain(self.openers.drain(..)) {
            waker.wake();
        }
    }

    fn protocol(&mut self, what: impl Into<String>) {
        self.fail(SessionError::Protocol { what: what.into() });
    }

    fn check(&self) -> Result<(), Arc<SessionError>> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    /// One piece from the peer.
    pub(super) fn piece(&mut self, piece: &Result<Piece<'_>, FrameError>) {
        match *piece {
            // Go ends the session without a word here; so do we.
            Err(error) => self.fail(SessionError::Frame(error)),
            Ok(Piece::Header(header)) => match header.kind {
                Kind::Ping => self.pinged(header),
                Kind::GoAway => self.away(header.length),
                Kind::Data | Kind::WindowUpdate => self.streamed(header),
            },
            Ok(Piece::Body(bytes)) => {
                if let Some(slot) = self.body.and_then(|id| self.streams.get_mut(&id)) {
                    slot.recv.extend_from_slice(bytes);
                    if let Some(waker) = slot.reader.take() {
                        waker.wake();
                    }
                }
            }
        }
    }

    fn pinged(&mut self, header: Header) {
        if header.flags.has(Flags::SYN) {
            self.frame(Kind::Ping, Flags::ACK, 0, header.length);
        } else if header.flags.has(Flags::ACK) && self.ping == Some(header.length) {
            self.ping = None;
        }
    }

    fn away(&mut self, code: u32) {
        if code == AWAY_NORMAL {
            self.remote_away = true;
            for waker in self.openers.drain(..) {
                waker.wake();
            }
        } else {
            self.fail(SessionError::GoAway { code });
        }
    }

    fn streamed(&mut self, header: Header) {
        let id = header.stream;
        self.body = None;
        if header.flags.has(Flags::SYN) && !self.incoming(id) {
            return;
        }
        let payload = header.kind == Kind::Data;
        if payload && header.length > WINDOW {
            self.protocol(format!("a frame of {} bytes on stream {id}", header.length));
            return;
        }
        let Some(slot) = self.streams.get_mut(&id).filter(|slot| !slot.over()) else {
            // We have reset it, or it never was: what comes is read and forgotten.
            return;
        };
        if header.flags.has(Flags::ACK) && !slot.acked {
            slot.acked = true;
            self.unacked = self.unacked.saturating_sub(1);
            for waker in self.openers.drain(..) {
                waker.wake();
            }
        }
        if header.flags.has(Flags::FIN) {
            if slot.remote_closed {
                self.protocol(format!("stream {id} was closed twice"));
                return;
            }
            slot.remote_closed = true;
            slot.wake();
        }
        if header.flags.has(Flags::RST) {
            slot.reset = true;
            self.waiting = self.waiting.saturating_sub(usize::from(slot.queued > 0));
            slot.queued = 0;
            slot.send.clear();
            slot.wake();
            return;
        }
        if payload {
            let Some(left) = slot.recv_window.checked_sub(header.length) else {
                self.protocol(format!("stream {id} got more than its window allows"));
                return;
            };
            slot.recv_window = left;
            slot.unread += header.length;
            self.body = Some(id);
        } else {
            // Go lets the sum wrap around, which would stop the stream; a sum this large means "no limit" anyway.
            slot.send_window = slot.send_window.saturating_add(header.length);
            self.pump(id);
        }
    }

    /// A stream of the peer; whether the rest of its frame counts.
    fn incoming(&mut self, id: u32) -> bool {
        if id == 0 || (id % 2 == 1) == self.role.is_client() {
            self.protocol(format!("the peer opened stream {id}, which is not its to open"));
            return false;
        }
        if self.streams.contains_key(&id) {
            self.protocol(format!("stream {id} was opened twice"));
            return false;
        }
        if self.role == Role::Client || self.backlog.len() >= BACKLOG {
            self.frame(Kind::WindowUpdate, Flags::RST, id, 0);
            return true;
        }
        self.streams.insert(id, Slot::new(true));
        self.backlog.push_back(id);
        for waker in self.acceptors.drain(..) {
            waker.wake();
        }
        true
    }

    /// The peer's next stream, acknowledged; none yet leaves the waker.
    pub(super) fn accept(&mut self, waker: &Waker) -> Result<Option<u32>, Arc<SessionError>> {
        self.check()?;
        let Some(id) = self.backlog.pop_front() else {
            self.acceptors.push(waker.clone());
            return Ok(None);
        };
        self.frame(Kind::WindowUpdate, Flags::ACK, id, 0);
        Ok(Some(id))
    }

    /// Opens a stream; none as long as too many wait for their ACK.
    pub(super) fn open(&mut self, waker: &Waker) -> Result<Option<u32>, Arc<SessionError>> {
        self.check()?;
        if self.remote_away {
            return Err(Arc::new(SessionError::GoAway { code: AWAY_NORMAL }));
        }
        if self.unacked >= BACKLOG {
            self.openers.push(waker.clone());
            return Ok(None);
        }
        let id = self.next;
        // Two thousand million streams: another session is needed.
        self.next = id.checked_add(2).ok_or_else(|| Arc::new(SessionError::Exhausted))?;
        self.streams.insert(id, Slot::new(false));
        self.unacked += 1;
        // At once, not with the first payload: a go-plugin server waits for all three of its streams.
        self.frame(Kind::WindowUpdate, Flags::SYN, id, 0);
        Ok(Some(id))
    }

    /// All bytes that have come.
    pub(super) fn recv(&mut self, id: u32, waker: &Waker) -> Result<Received, Arc<SessionError>> {
        let failed = self.failed.clone();
        let Some(slot) = self.streams.get_mut(&id) else {
            return Ok(Received::End);
        };
        if slot.recv.is_empty() {
            return if slot.reset {
                Err(Arc::new(SessionError::Reset))
            } else if slot.remote_closed && slot.unread == 0 {
                Ok(Received::End)
            } else if let Some(error) = failed {
                Err(error)
            } else {
                slot.reader = Some(waker.clone());
                Ok(Received::Pending)
            };
        }
        let bytes = slot.recv.split().freeze();
        slot.unread = slot
            .unread
            .saturating_sub(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        let delta = WINDOW.saturating_sub(slot.unread).saturating_sub(slot.recv_window);
        if delta >= WINDOW / 2 && !slot.remote_closed && !slot.reset {
            slot.recv_window += delta;
            self.frame(Kind::WindowUpdate, Flags::NONE, id, delta);
        }
        Ok(Received::Bytes(bytes))
    }

    /// Whether all that was handed over before has been taken; if not, leaves the waker.
    pub(super) fn ready(&mut self, id: u32, waker: &Waker) -> Result<bool, Arc<SessionError>> {
        self.check()?;
        let Some(slot) = self.streams.get_mut(&id) else {
            return Err(Arc::new(SessionError::Closed));
        };
        if slot.reset {
            return Err(Arc::new(SessionError::Reset));
        }
        if slot.closing {
            return Err(Arc::new(SessionError::Closed));
        }
        if slot.queued == 0 {
            return Ok(true);
        }
        slot.writer = Some(waker.clone());
        Ok(false)
    }

    /// Payload to send, as soon as the window allows.
    pub(super) fn push(&mut self, id: u32, bytes: Bytes) -> Result<(), Arc<SessionError>> {
        self.check()?;
        let Some(slot) = self.streams.get_mut(&id) else {
            return Err(Arc::new(SessionError::Closed));
        };
        if slot.reset {
            return Err(Arc::new(SessionError::Reset));
        }
        if slot.closing {
            return Err(Arc::new(SessionError::Closed));
        }
        if bytes.is_empty() {
            return Ok(());
        }
        self.waiting += usize::from(slot.queued == 0);
        slot.queued += bytes.len();
        slot.send.push_back(bytes);
        self.pump(id);
        Ok(())
    }

    /// Moves payload to the socket's queue, as far as the windows and the queue allow.
    fn pump(&mut self, id: u32) {
        let Some(slot) = self.streams.get_mut(&id) else {
            return;
        };
        let had = slot.queued > 0;
        while self.out.len() < OUT_HIGH && slot.send_window > 0 {
            let Some(front) = slot.send.front_mut() else {
                break;
            };
            let window = usize::try_from(slot.send_window).unwrap_or(usize::MAX);
            let length = front.len().min(window).min(FRAME);
            let part = front.split_to(length);
            if front.is_empty() {
                slot.send.pop_front();
            }
            let length32 = u32::try_from(length).unwrap_or(0);
            let header = Header {
                kind: Kind::Data,
                flags: Flags::NONE,
                stream: id,
                length: length32,
            };
            self.out.extend_from_slice(&header.encode());
            self.out.extend_from_slice(&part);
            slot.send_window -= length32;
            slot.queued -= length;
        }
        if slot.queued > 0 {
            return;
        }
        self.waiting = self.waiting.saturating_sub(usize::from(had));
        if slot.closing && !slot.fin_sent {
            slot.fin_sent = true;
            self.out.extend_from_slice(
                &Header {
                    kind: Kind::WindowUpdate,
                    flags: Flags::FIN,
                    stream: id,
                    length: 0,
                }
                .encode(),
            );
        }
        if let Some(waker) = slot.writer.take() {
            waker.wake();
        }
    }

    /// `count` bytes of `out` went to the socket; payload that had to wait follows.
    pub(super) fn sent(&mut self, count: usize) {
        self.out.advance(count.min(self.out.len()));
        if self.waiting > 0 && self.out.len() < OUT_HIGH / 2 {
            let ids: Vec<u32> = self
                .streams
                .iter()
                .filter(|(_, slot)| slot.queued > 0 && slot.send_window > 0)
                .map(|(id, _)| *id)
                .collect();
            for id in ids {
                self.pump(id);
            }
        }
    }

    /// Nothing more will be sent on this stream; the peer may go on.
    pub(super) fn close(&mut self, id: u32) {
        if let Some(slot) = self.streams.get_mut(&id)
            && !slot.closing
            && !slot.reset
        {
            slot.closing = true;
            self.pump(id);
        }
    }

    /// Nobody holds the stream any more.
    pub(super) fn forget(&mut self, id: u32) {
        let Some(slot) = self.streams.remove(&id) else {
            return;
        };
        self.waiting = self.waiting.saturating_sub(usize::from(slot.queued > 0));
        if !slot.acked {
            self.unacked = self.unacked.saturating_sub(1);
            for waker in self.openers.drain(..) {
                waker.wake();
            }
        }
        if !slot.over() && self.failed.is_none() {
            self.frame(Kind::WindowUpdate, Flags::RST, id, 0);
        }
    }

    /// Asks whether the peer is there; the answer has to carry `value`.
    pub(super) fn keep_alive(&mut self, value: u32) {
        self.ping = Some(value);
        self.frame(Kind::Ping, Flags::SYN, 0, value);
    }
}
