//! The last changes, for watches and for lists of the recent past.

use std::{collections::VecDeque, sync::Arc};

use crate::{feed::ChangeType, kind::KindId, store::Stored};

/// A change as watches need it.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub revision: u64,
    pub kind: KindId,
    pub change: ChangeType,
    pub object: Arc<Stored>,
    pub previous: Option<Arc<Stored>>,
}

/// The last changes, bounded by number and by size.
#[derive(Debug)]
pub(crate) struct History {
    events: VecDeque<Event>,
    bytes: usize,
    most: usize,
    most_bytes: usize,
    /// Changes up to this revision are gone.
    compacted: u64,
}

impl History {
    pub(crate) fn new(most: usize, most_bytes: usize) -> Self {
        Self {
            events: VecDeque::new(),
            bytes: 0,
            most,
            most_bytes,
            compacted: 0,
        }
    }

    pub(crate) fn push(&mut self, event: Event) {
        self.bytes += event.object.size;
        self.events.push_back(event);
        while self.events.len() > self.most || self.bytes > self.most_bytes {
            let Some(gone) = self.events.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(gone.object.size);
            self.compacted = gone.revision;
        }
    }

    /// Forgets everything up to now.
    pub(crate) fn compact(&mut self) {
        if let Some(last) = self.events.back() {
            self.compacted = last.revision;
        }
        self.events.clear();
        self.bytes = 0;
    }

    pub(crate) fn compacted(&self) -> u64 {
        self.compacted
    }

    /// The changes after `revision`, oldest first; `None` if some of them are gone.
    pub(crate) fn after(&self, revision: u64) -> Option<impl DoubleEndedIterator<Item = &Event>> {
        if revision < self.compacted {
            return None;
        }
        let start = self.events.partition_point(|event| event.revision <= revision);
        Some(self.events.range(start..))
    }
}
