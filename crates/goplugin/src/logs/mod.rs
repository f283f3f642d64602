//! What a plugin writes, as events: always read, never waited for, bounded in length and rate.
//!
//! ```text
//! fd 1, fd 2, the two streams of the session -> Lines (cut, capped) -> Classifier (hclog JSON, prefixes, panics)
//!   -> Budget (lines a second) -> LogSink (tracing, by default)
//! ```
//!
//! A pipe is read until its end whatever comes out of it: a Go program whose standard error nobody reads is killed by its
//! next word, and one that is read too slowly stops.

mod classify;
mod lines;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rollcage_core::PluginId;
use tokio::{io::AsyncReadExt as _, net::unix::pipe};
use tracing::Level;

use self::{classify::Classifier, lines::Lines};
use crate::yamux::Stream;

/// Longest message of one event, in bytes.
const MESSAGE: usize = 4 * 1024;

/// Events at once, and events a second after that: a plugin that logs its whole configuration at its start is fine.
const BURST: u32 = 500;
const RATE: u32 = 100;

/// What is kept of standard error for the next fault.
const TAIL: usize = 4 * 1024;

/// And of the words of a panic.
const PANIC: usize = 512;

/// Where a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl fmt::Display for LogStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        })
    }
}

/// One line of a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    /// Where it came from.
    pub stream: LogStream,
    /// How important the plugin says it is.
    pub level: Level,
    /// Its text, cut to a few kilobytes.
    pub message: String,
    /// Its key-value pairs as JSON; empty if it has none.
    pub fields: String,
}

/// Where the lines of a plugin go. Called from the tasks that read its pipes: it must not block.
pub type LogSink = Arc<dyn Fn(&LogRecord) + Send + Sync>;

/// Lines as events of `tracing`, with the plugin's name.
pub fn to_tracing(plugin: &PluginId) -> LogSink {
    let name = plugin.name.clone();
    Arc::new(move |record| {
        let LogRecord {
            stream,
            level,
            message,
            fields,
        } = record;
        macro_rules! event {
            ($level:expr) => {
                tracing::event!(target: "rollcage::plugin", $level, plugin = %name, %stream, %fields, "{message}")
            };
        }
        match *level {
            Level::ERROR => event!(Level::ERROR),
            Level::WARN => event!(Level::WARN),
            Level::INFO => event!(Level::INFO),
            Level::DEBUG => event!(Level::DEBUG),
            Level::TRACE => event!(Level::TRACE),
        }
    })
}

/// The last bytes of standard error, for a fault; of a Go program that panicked the first ones, which hold the cause.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tail(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    end: Vec<u8>,
    panic: Vec<u8>,
}

impl Tail {
    fn push(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let from = bytes.len().saturating_sub(TAIL);
        kept.end.extend_from_slice(bytes.get(from..).unwrap_or_default());
        let excess = kept.end.len().saturating_sub(TAIL);
        kept.end.drain(..excess);
    }

    fn panic(&self, line: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = PANIC.saturating_sub(kept.panic.len());
        if room > 0 {
            kept.panic
                .extend_from_slice(line.get(..room.min(line.len())).unwrap_or_default());
            kept.panic.push(b'\n');
        }
    }

    pub(crate) fn text(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(if kept.panic.is_empty() { &kept.end } else { &kept.panic });
        text.trim()
            .chars()
            .filter(|c| *c == '\n' || *c == '\t' || !c.is_control())
            .collect()
    }
}

/// How many events a plugin may still cause. All of its streams share one.
#[derive(Debug)]
struct Budget {
    left: f64,
    at: Instant,
    dropped: u64,
}

/// Turns bytes of one plugin into events.
#[derive(Clone)]
pub(crate) struct Logger {
    sink: LogSink,
    budget: Arc<Mutex<Budget>>,
}

impl Logger {
    pub(crate) fn new(sink: LogSink) -> Self {
        let budget = Budget {
            left: f64::from(BURST),
            at: Instant::now(),
            dropped: 0,
        };
        Self {
            sink,
            budget: Arc::new(Mutex::new(budget)),
        }
    }

    /// Whether one more event fits; and how many did not since the last one that did.
    fn admit(&self, now: Instant) -> Option<u64> {
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = now.saturating_duration_since(budget.at).as_secs_f64();
        budget.left = (budget.left + passed * f64::from(RATE)).min(f64::from(BURST));
        budget.at = now;
        if budget.left < 1.0 {
            budget.dropped += 1;
            return None;
        }
        budget.left -= 1.0;
        Some(std::mem::take(&mut budget.dropped))
    }

    fn line(&self, stream: LogStream, classifier: &mut Classifier, line: &[u8], cut: usize) {
        // Also for lines that are dropped: what follows a panic is important.
        let Some((level, message, fields)) = classifier.line(line) else {
            return;
        };
        let Some(dropped) = self.admit(Instant::now()) else {
            return;
        };
        if dropped > 0 {
            (self.sink)(&LogRecord {
                stream,
                level: Level::WARN,
                message: format!("{dropped} lines of this plugin were dropped: it logs too much"),
                fields: String::new(),
            });
        }
        (self.sink)(&LogRecord {
            stream,
            level,
            message: shorten(message, cut),
            fields: shorten(fields, 0),
        });
    }

    /// Reads a pipe to its end.
    pub(crate) async fn drain_pipe(
        self,
        first: Vec<u8>,
        mut pipe: pipe::Receiver,
        stream: LogStream,
        tail: Option<Tail>,
    ) {
        let (mut lines, mut classifier) = (Lines::default(), Classifier::default());
        let mut take = |bytes: &[u8]| {
            if let Some(tail) = &tail {
                tail.push(bytes);
            }
            lines.push(bytes, |line, cut| {
                self.line(stream, &mut classifier, line, cut);
                if let Some(tail) = &tail
                    && classifier.panicked()
                {
                    tail.panic(line);
                }
            });
        };
        take(&first);
        drop(first);
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match pipe.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(count) => take(buffer.get(..count).unwrap_or_default()),
            }
            // A flood does not keep this thread from its other tasks.
            tokio::task::consume_budget().await;
        }
        lines.end(|line, cut| self.line(stream, &mut classifier, line, cut));
    }

    /// Reads a stream of the session to its end.
    pub(crate) async fn drain_stream(self, from: Stream, stream: LogStream) {
        let (mut lines, mut classifier) = (Lines::default(), Classifier::default());
        while let Ok(Some(bytes)) = from.recv().await {
            lines.push(&bytes, |line, cut| self.line(stream, &mut classifier, line, cut));
            tokio::task::consume_budget().await;
        }
        lines.end(|line, cut| self.line(stream, &mut classifier, line, cut));
    }
}

fn shorten(mut text: String, cut: usize) -> String {
    let mut gone = cut;
    if text.len() > MESSAGE {
        let end = text.floor_char_boundary(MESSAGE);
        gone += text.len() - end;
        text.truncate(end);
    }
    if gone > 0 {
        return format!("{text}… ({gone} bytes more)");
    }
    text
}

/// How long the end of a pipe is waited for when its process is gone: a child of the plugin may hold it.
pub(crate) const SETTLE: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    fn collector() -> (LogSink, Arc<Mutex<Vec<LogRecord>>>) {
        let all = Arc::new(Mutex::new(Vec::new()));
        let into = all.clone();
        let sink: LogSink = Arc::new(move |record: &LogRecord| into.lock().unwrap().push(record.clone()));
        (sink, all)
    }

    #[test]
    fn a_flood_is_counted_and_not_logged() {
        let (sink, all) = collector();
        let logger = Logger::new(sink);
        let mut classifier = Classifier::default();
        for _ in 0..100_000 {
            logger.line(LogStream::Stderr, &mut classifier, b"again", 0);
        }
        let before = all.lock().unwrap().len();
        assert!((500..5000).contains(&before), "{before}");
        std::thread::sleep(Duration::from_millis(50));
        logger.line(LogStream::Stderr, &mut classifier, b"at last", 0);
        let all = all.lock().unwrap();
        assert_eq!(all.last().unwrap().message, "at last");
        assert!(all.iter().any(|record| record.message.contains("were dropped")));
    }

    #[test]
    fn long_lines_say_what_is_missing() {
        let (sink, all) = collector();
        let logger = Logger::new(sink);
        logger.line(
            LogStream::Stdout,
            &mut Classifier::default(),
            "ä".repeat(5000).as_bytes(),
            1000,
        );
        let all = all.lock().unwrap();
        assert!(all[0].message.len() < MESSAGE + 40);
        assert!(
            all[0].message.ends_with("… (6904 bytes more)"),
            "{}",
            &all[0].message[MESSAGE..]
        );
    }

    #[test]
    fn the_tail_keeps_the_end() {
        let tail = Tail::default();
        tail.push(&vec![b'a'; 10_000]);
        tail.push(b"\x1b[31mthe end\x00\n");
        let text = tail.text();
        assert!(text.len() <= TAIL && text.ends_with("[31mthe end"), "{text}");
        tail.panic(b"panic: boom");
        tail.panic(&[b'x'; 10_000]);
        tail.push(b"exit status 2");
        assert!(tail.text().starts_with("panic: boom\nxxx") && tail.text().len() < 600);
    }
}
