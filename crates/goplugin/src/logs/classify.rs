//! How important a line is: hclog's JSON, its prefixes, and Go's own last words.

use serde_json::{Map, Value};
use tracing::Level;

/// Remembers whether the plugin is in its last words: everything behind `panic:` belongs to it.
#[derive(Debug, Default)]
pub(super) struct Classifier {
    panicked: bool,
}

impl Classifier {
    /// Whether the line that was read last belongs to its last words.
    pub(super) fn panicked(&self) -> bool {
        self.panicked
    }
}

const PREFIXES: [(&str, Level); 5] = [
    ("[TRACE]", Level::TRACE),
    ("[DEBUG]", Level::DEBUG),
    ("[INFO]", Level::INFO),
    ("[WARN]", Level::WARN),
    ("[ERROR]", Level::ERROR),
];

/// How Go's last words begin: a panic, the runtime giving up, a signal that it does not handle.
const LAST_WORDS: [&str; 8] = [
    "panic: ",
    "fatal error: ",
    "SIGSEGV: ",
    "SIGBUS: ",
    "SIGABRT: ",
    "SIGFPE: ",
    "SIGILL: ",
    "SIGQUIT: ",
];

impl Classifier {
    /// Level, message and fields; none for an empty line.
    pub(super) fn line(&mut self, line: &[u8]) -> Option<(Level, String, String)> {
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end();
        if text.is_empty() {
            return None;
        }
        if text.starts_with('{')
            && let Ok(fields) = serde_json::from_str::<Map<String, Value>>(text)
            && let Some(read) = hclog(fields)
        {
            return Some(read);
        }
        if LAST_WORDS.iter().any(|words| text.starts_with(words)) {
            self.panicked = true;
        }
        let prefix = PREFIXES.iter().find(|(prefix, _)| text.starts_with(prefix));
        let level = match prefix {
            _ if self.panicked => Level::ERROR,
            Some((_, level)) => *level,
            None => Level::DEBUG,
        };
        Some((level, text.to_owned(), String::new()))
    }
}

/// A line of hclog. Its own keys have to be text, or else the line is just text (Go's host does not look, and dies).
fn hclog(mut fields: Map<String, Value>) -> Option<(Level, String, String)> {
    let mut text = |key: &str| match fields.shift_remove(key) {
        None => Some(None),
        Some(Value::String(text)) => Some(Some(text)),
        Some(_) => None,
    };
    let message = text("@message")??;
    let level = text("@level")?;
    text("@timestamp")?;
    let level = match level?.as_str() {
        "trace" => Level::TRACE,
        "debug" => Level::DEBUG,
        "info" => Level::INFO,
        "warn" => Level::WARN,
        "error" => Level::ERROR,
        _ => return None,
    };
    let rest = if fields.is_empty() {
        String::new()
    } else {
        Value::Object(fields).to_string()
    };
    Some((level, message, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h21_levels_are_read_and_nothing_is_trusted() {
        let deep = format!("{}{}", "{\"a\":".repeat(10_000), "1");
        let cases: Vec<(&str, Level, &str, &str)> = vec![
            (
                r#"{"@level":"warn","@message":"careful","@timestamp":"t"}"#,
                Level::WARN,
                "careful",
                "",
            ),
            (
                r#"{"@level":"info","@message":"x","@timestamp":"t","@module":"m","n":3}"#,
                Level::INFO,
                "x",
                r#"{"@module":"m","n":3}"#,
            ),
            (
                r#"{"@level":3,"@message":"x"}"#,
                Level::DEBUG,
                r#"{"@level":3,"@message":"x"}"#,
                "",
            ),
            (
                r#"{"@level":"info","@message":null}"#,
                Level::DEBUG,
                r#"{"@level":"info","@message":null}"#,
                "",
            ),
            (
                r#"{"@level":"info","@message":"x","@timestamp":7}"#,
                Level::DEBUG,
                r#"{"@level":"info","@message":"x","@timestamp":7}"#,
                "",
            ),
            (
                r#"{"@level":"loud","@message":"x"}"#,
                Level::DEBUG,
                r#"{"@level":"loud","@message":"x"}"#,
                "",
            ),
            (r#"{"level":"info"}"#, Level::DEBUG, r#"{"level":"info"}"#, ""),
            ("[WARN] old style", Level::WARN, "[WARN] old style", ""),
            ("plain\r", Level::DEBUG, "plain", ""),
            (&deep, Level::DEBUG, &deep, ""),
        ];
        for (line, level, message, fields) in cases {
            let expected = Some((level, message.to_owned(), fields.to_owned()));
            assert_eq!(Classifier::default().line(line.as_bytes()), expected);
        }
        assert_eq!(Classifier::default().line(b" "), None);
        assert_eq!(
            Classifier::default()
                .line(b"bad \xff text")
                .map(|(_, message, _)| message),
            Some("bad \u{fffd} text".to_owned())
        );
    }

    #[test]
    fn h22_everything_behind_a_panic_is_an_error() {
        let mut classifier = Classifier::default();
        let trace = "time=now level=info\npanic: boom\n\ngoroutine 1 [running]:\nmain.main()\nexit status 2";
        let levels: Vec<Level> = trace
            .lines()
            .filter_map(|line| Some(classifier.line(line.as_bytes())?.0))
            .collect();
        assert_eq!(
            levels,
            [Level::DEBUG, Level::ERROR, Level::ERROR, Level::ERROR, Level::ERROR]
        );
    }
}
