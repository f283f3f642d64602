//! Changes as they happen, for callers in the same process.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;
use tokio::sync::Notify;

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChangeType {
    /// Created.
    Added,
    /// Changed.
    Modified,
    /// Gone.
    Deleted,
}

impl ChangeType {
    /// As in a watch event.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }
}

/// Group, version and kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gvk {
    /// API group; empty for core.
    pub group: String,
    /// Version.
    pub version: String,
    /// Kind.
    pub kind: String,
}

/// One change of one object.
#[derive(Clone, Debug)]
pub struct Change {
    /// What happened.
    pub change: ChangeType,
    /// The kind, in the version that is stored.
    pub gvk: Gvk,
    /// Namespace; empty for cluster-scoped kinds.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// The version of the store after this change; strictly grows from change to change.
    pub resource_version: u64,
    /// The object after the change; for a deletion its last state.
    pub object: Arc<Value>,
    /// The object before the change.
    pub previous: Option<Arc<Value>>,
}

/// A subscriber left so many changes unread that some were dropped; it must list again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("some changes were dropped because too many were left unread; list the objects again")]
pub struct Lagged;

/// The changes since [`ApiServer::subscribe`](crate::ApiServer::subscribe), in order. A change is here before the
/// request that made it is answered.
#[derive(Debug)]
pub struct Subscription {
    inner: Arc<Feed>,
}

#[derive(Debug)]
pub(crate) struct Feed {
    queue: Mutex<Queue>,
    grown: Notify,
    most: usize,
    most_bytes: usize,
}

#[derive(Debug, Default)]
struct Queue {
    changes: VecDeque<(Change, usize)>,
    /// Bytes of the objects as JSON.
    bytes: usize,
    lagged: bool,
}

impl Queue {
    fn take_lagged(&mut self) -> Result<(), Lagged> {
        if std::mem::take(&mut self.lagged) {
            Err(Lagged)
        } else {
            Ok(())
        }
    }
}

impl Feed {
    pub(crate) fn new(most: usize, most_bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            queue: Mutex::default(),
            grown: Notify::new(),
            most,
            most_bytes,
        })
    }

    /// `size` is that of the object as JSON.
    pub(crate) fn push(&self, change: Change, size: usize) {
        let mut queue = self.lock();
        if queue.changes.len() >= self.most || queue.bytes + size > self.most_bytes {
            *queue = Queue {
                lagged: true,
                ..Queue::default()
            };
        }
        if !queue.lagged {
            queue.bytes += size;
            queue.changes.push_back((change, size));
        }
        drop(queue);
        self.grown.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscription {
    pub(crate) fn new(inner: Arc<Feed>) -> Self {
        Self { inner }
    }

    /// The next change, if there is one now.
    pub fn try_next(&self) -> Result<Option<Change>, Lagged> {
        let mut queue = self.inner.lock();
        queue.take_lagged()?;
        let Some((change, size)) = queue.changes.pop_front() else {
            return Ok(None);
        };
        queue.bytes -= size;
        Ok(Some(change))
    }

    /// Every change there is now.
    pub fn drain(&self) -> Result<Vec<Change>, Lagged> {
        let mut queue = self.inner.lock();
        queue.take_lagged()?;
        let queue = std::mem::take(&mut *queue);
        Ok(queue.changes.into_iter().map(|(change, _)| change).collect())
    }

    /// The next change, waiting for it.
    pub async fn next(&self) -> Result<Change, Lagged> {
        loop {
            let grown = self.inner.grown.notified();
            if let Some(change) = self.try_next()? {
                return Ok(change);
            }
            grown.await;
        }
    }
}
