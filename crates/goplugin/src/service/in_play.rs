//! Which calls run: what a plugin writes meanwhile belongs to them, and holds none of their secrets.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rollcage_core::{Call, secret::Masker};

use crate::logs::{LogRecord, LogSink};

/// Secrets of so many ended calls are still masked: a plugin writes when it likes.
const REMEMBERED: usize = 64;

/// The calls that run. Those without secrets, of which nobody wants the log, cost nothing here.
#[derive(Debug)]
pub(super) struct InPlay {
    /// Bytes of the log that are kept for one call.
    log: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    calls: BTreeMap<u64, Noted>,
    ended: VecDeque<Masker>,
}

#[derive(Debug)]
struct Noted {
    call: Call,
    /// Bytes of log that still fit.
    room: u64,
}

/// A call that runs, until this is dropped.
pub(super) struct Entered<'a> {
    to: &'a InPlay,
    number: u64,
}

impl InPlay {
    pub(super) fn new(log: u64) -> Self {
        Self {
            log,
            state: Mutex::default(),
        }
    }

    pub(super) fn enter(&self, call: &Call) -> Option<Entered<'_>> {
        if call.usage.is_none() && call.secrets.is_empty() {
            return None;
        }
        let mut state = self.lock();
        let number = state.next;
        state.next += 1;
        let noted = Noted {
            call: call.clone(),
            room: self.log,
        };
        state.calls.insert(number, noted);
        drop(state);
        Some(Entered { to: self, number })
    }

    /// A text without the secrets that are, or lately were, in play.
    pub(super) fn mask(&self, text: String) -> String {
        let state = self.lock();
        state.mask(text)
    }

    /// A sink that masks, tells the running calls, and passes on.
    pub(super) fn before(self: Arc<Self>, log: LogSink) -> LogSink {
        Arc::new(move |record| {
            let masked = {
                let mut state = self.lock();
                let masked = LogRecord {
                    message: state.mask(record.message.clone()),
                    fields: state.mask(record.fields.clone()),
                    ..*record
                };
                state.note(&masked);
                masked
            };
            log(&masked);
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn mask(&self, mut text: String) -> String {
        let running = self.calls.values().map(|noted| &noted.call.secrets);
        for masker in running.chain(&self.ended).filter(|masker| !masker.is_empty()) {
            text = masker.mask(&text).into_owned();
        }
        text
    }

    fn note(&mut self, record: &LogRecord) {
        for noted in self.calls.values_mut() {
            let line = if record.fields.is_empty() {
                record.message.clone()
            } else {
                format!("{} {}", record.message, record.fields)
            };
            let Some(room) = noted.room.checked_sub(line.len() as u64) else {
                continue;
            };
            noted.room = room;
            let level = record.level.as_str().to_ascii_lowercase();
            noted.call.note(|usage| usage.log.push((level, line)));
        }
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let mut state = self.to.lock();
        let Some(ended) = state.calls.remove(&self.number) else {
            return;
        };
        if !ended.call.secrets.is_empty() {
            state.ended.truncate(REMEMBERED - 1);
            state.ended.push_front(ended.call.secrets);
        }
    }
}

#[cfg(test)]
mod tests {
    use rollcage_core::CallUsage;
    use tracing::Level;

    use super::*;
    use crate::logs::LogStream;

    fn record(message: &str) -> LogRecord {
        LogRecord {
            stream: LogStream::Stderr,
            level: Level::INFO,
            message: message.to_owned(),
            fields: String::new(),
        }
    }

    #[test]
    fn lines_are_masked_and_told_to_the_calls_that_run() {
        let in_play = Arc::new(InPlay::new(30));
        let written: Arc<Mutex<Vec<String>>> = Arc::default();
        let sink = {
            let written = written.clone();
            in_play.clone().before(Arc::new(move |record| {
                written.lock().unwrap().push(record.message.clone());
            }))
        };
        let usage = Arc::new(Mutex::new(CallUsage::default()));
        let call = Call {
            secrets: Masker::new(["hunter2".to_owned()]),
            usage: Some(usage.clone()),
            ..Call::for_namespace("n")
        };
        sink(&record("before hunter2"));
        let entered = in_play.enter(&call);
        sink(&record("while hunter2 runs"));
        sink(&record("more than there is room for"));
        drop(entered);
        sink(&record("after hunter2"));
        assert_eq!(
            *written.lock().unwrap(),
            [
                "before hunter2",
                "while ***** runs",
                "more than there is room for",
                "after *****"
            ]
        );
        let log = usage.lock().unwrap().log.clone();
        assert_eq!(log, [("info".to_owned(), "while ***** runs".to_owned())]);
        assert!(in_play.enter(&Call::for_namespace("n")).is_none());
        assert_eq!(in_play.mask("hunter2".to_owned()), "*****");
    }
}
