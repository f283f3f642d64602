//! yamux, the multiplexer under go-plugin: many streams over one socket.
//!
//! Why our own: the published crates announce a stream only with its first payload (a go-plugin server waits for ever for
//! the standard output and error streams, which the host never writes to), or stop reading the socket when one stream is
//! not drained, or end the session on a `GoAway` that only says "no new streams". The state machine is small, and every
//! one of those cases is a test here.
//!
//! ```text
//! socket -> frame::Parser (pieces) -> Mux (pure state: windows, flags, limits) -> Stream::recv
//! Stream::push -> Mux -> out -> socket (by the pusher; by the write task when the socket is full)
//! ```

mod frame;
mod mux;
mod session;
mod socket;
mod stream;
#[cfg(test)]
mod tests;

use std::{io, time::Duration};

pub use frame::FrameError;
pub(crate) use session::Session;
pub(crate) use socket::Socket;
pub(crate) use stream::Stream;

/// Which side of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Opens odd streams. The peer opens none.
    Client,
    /// Opens even streams and accepts odd ones.
    Server,
}

impl Role {
    fn is_client(self) -> bool {
        self == Self::Client
    }
}

/// Real-time limits of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    /// Between two keep-alives.
    pub(crate) keep_alive: Duration,
    /// For the answer to one.
    pub(crate) answer: Duration,
    /// For the socket to take anything.
    pub(crate) write: Duration,
}

impl Default for Times {
    /// Go's own numbers.
    fn default() -> Self {
        Self {
            keep_alive: Duration::from_secs(30),
            answer: Duration::from_secs(10),
            write: Duration::from_secs(10),
        }
    }
}

/// Why a session, or one of its streams, is over.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The peer closed the socket.
    #[error("unexpected EOF")]
    End,
    /// The socket failed.
    #[error("the connection to the plugin broke: {0}")]
    Socket(#[source] io::Error),
    /// The peer sent no yamux frame.
    #[error("the plugin broke the yamux protocol: {0}")]
    Frame(#[from] FrameError),
    /// The peer broke a rule.
    #[error("the plugin broke the yamux protocol: {what}")]
    Protocol {
        /// Which one.
        what: String,
    },
    /// The peer ended the session, or (code 0) opens nothing more.
    #[error("the plugin went away (code {code})")]
    GoAway {
        /// 0 normal, 1 protocol error, 2 internal error.
        code: u32,
    },
    /// A keep-alive was not answered.
    #[error("the plugin did not answer a keep-alive within {after:?}")]
    KeepAlive {
        /// How long it had.
        after: Duration,
    },
    /// The peer does not read.
    #[error("the plugin took nothing from its socket for {after:?}")]
    WriteStalled {
        /// How long it had.
        after: Duration,
    },
    /// The peer reset the stream.
    #[error("connection reset")]
    Reset,
    /// We closed it.
    #[error("connection is shut down")]
    Closed,
    /// All numbers of streams are used.
    #[error("the connection has used all its stream numbers")]
    Exhausted,
}
