//! Bounds of a server. Every one is enforced where its comment says.

use std::time::Duration;

/// Bounds of one [`ApiServer`](crate::ApiServer).
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of a request body; more is answered with 413, as the real server does.
    pub request: usize,
    /// Bytes of one object as JSON, managed fields included; etcd's limit. More is answered with 413.
    pub object: usize,
    /// Nesting of one object. A reader of our answers (most stop at 128) sees an object inside a list or an event.
    pub depth: usize,
    /// Objects in the store; a create above it is answered with 507.
    pub objects: usize,
    /// Bytes of all objects as JSON; a write above it is answered with 507.
    pub bytes: usize,
    /// Changes kept for watches; an older `resourceVersion` is answered with 410.
    pub history: usize,
    /// Bytes of the changes kept for watches, whichever bound is met first.
    pub history_bytes: usize,
    /// Watches at a time; one more is answered with 429.
    pub watches: usize,
    /// Changes that a subscriber may leave unread; one more and it is told that it lagged.
    pub unread: usize,
    /// Bytes of those changes, whichever bound is met first.
    pub unread_bytes: usize,
    /// Real time to receive a request body.
    pub body_time: Duration,
    /// Real time between bookmarks of a watch that asked for them.
    pub bookmark: Duration,
    /// Real time until a watch ends that named no `timeoutSeconds`.
    pub watch_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request: 3 << 20,
            object: 1536 << 10,
            depth: 100,
            objects: 100_000,
            bytes: 512 << 20,
            history: 16_384,
            history_bytes: 64 << 20,
            watches: 1024,
            unread: 262_144,
            unread_bytes: 256 << 20,
            body_time: Duration::from_secs(30),
            bookmark: Duration::from_mins(1),
            watch_time: Duration::from_mins(30),
        }
    }
}
