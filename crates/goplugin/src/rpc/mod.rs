//! net/rpc: many calls at once over one stream.
//!
//! ```text
//! Client::call -> (argument encoded, then header: nothing half-written) -> Stream::push
//! Stream::recv -> Messages (cut, capped) -> definitions to the decoder, header -> number of the call -> value to its caller
//! ```
//!
//! A call that is given up leaves its number behind: its answer, when it comes, is read and dropped.

mod client;
mod message;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use rollcage_gob::{DecodeError, EncodeError};

pub(crate) use self::message::{Message, Messages, definitions, is_definition};
pub use self::{client::Client, message::MessageError};
use crate::yamux::SessionError;

/// How large things may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallLimits {
    /// An argument with its header, in bytes.
    pub input: u64,
    /// One message of an answer, in bytes.
    pub output: u64,
}

impl Default for CallLimits {
    /// The defaults of an entry for a native plugin.
    fn default() -> Self {
        Self {
            input: 16 << 20,
            output: 16 << 20,
        }
    }
}

/// How a call ended without an answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RpcError {
    /// The plugin's server answered with an error: an unknown method, an argument it cannot read.
    #[error("{0}")]
    Server(String),
    /// No answer in time.
    #[error("no answer within {after:?}")]
    Deadline {
        /// How long it had.
        after: Duration,
    },
    /// The argument is larger than `limits.input`.
    #[error("the argument has {size} bytes, {limit} are allowed")]
    Input {
        /// What it has.
        size: u64,
        /// What is allowed.
        limit: u64,
    },
    /// The answer is larger than `limits.output`.
    #[error("the answer has {size} bytes, {limit} are allowed")]
    Output {
        /// What it has.
        size: u64,
        /// What is allowed.
        limit: u64,
    },
    /// The argument cannot be encoded. Nothing was sent.
    #[error("the argument cannot be encoded: {0}")]
    Argument(Arc<EncodeError>),
    /// The answer is not what the method answers. (Go gives the stream up; here it goes on where it can be read on.)
    #[error("reading body gob: {0}")]
    Body(Arc<DecodeError>),
    /// What came is no net/rpc. The stream is given up.
    #[error("reading header gob: {0}")]
    Header(Arc<DecodeError>),
    /// What came is cut into no messages. The stream is given up.
    #[error("gob: {0}")]
    Message(#[from] MessageError),
    /// The session ended, or the stream did, with the call pending.
    #[error("{0}")]
    Session(Arc<SessionError>),
    /// The stream was over before the call.
    #[error("connection is shut down")]
    Shutdown,
}
