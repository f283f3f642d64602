//! Log lines as Argo's controller reads them from a plugin's standard error: hclog's JSON.
//!
//! Its reader takes `@level`, `@message` and `@timestamp` to be texts without looking, and a line that is longer than 64
//! KiB comes apart: here all three are always texts, and no line is that long.

use std::fmt;

use rollcage_core::clock::{Clock as _, SystemClock};
use serde_json::{Map, Value};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

/// Longest text of one field, in bytes before it is escaped.
const TEXT: usize = 4 << 10;

/// Longest line.
const LINE: usize = 60 << 10;

/// Formats events for a host of go-plugin.
#[derive(Clone, Copy, Debug, Default)]
pub struct HclogFormat;

impl<S, N> FormatEvent<S, N> for HclogFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        writeln!(writer, "{}", line(*event.metadata().level(), fields))
    }
}

fn line(level: Level, fields: Fields) -> String {
    let level = match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    };
    let mut line = Map::new();
    line.insert("@level".to_owned(), level.into());
    line.insert("@message".to_owned(), fields.message.clone().into());
    let now = SystemClock.now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
    line.insert("@timestamp".to_owned(), now.into());
    let short = Value::Object(line.clone()).to_string();
    for (name, value) in fields.others {
        line.entry(name).or_insert(value);
    }
    let whole = Value::Object(line).to_string();
    // Of control characters alone, each of which takes six bytes.
    if whole.len() > LINE { short } else { whole }
}

#[derive(Default)]
struct Fields {
    message: String,
    others: Map<String, Value>,
}

impl Fields {
    fn text(&mut self, field: &Field, mut text: String) {
        text.truncate(text.floor_char_boundary(TEXT));
        if field.name() == "message" {
            self.message = text;
        } else {
            self.value(field, text.into());
        }
    }

    fn value(&mut self, field: &Field, value: Value) {
        self.others.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, format!("{value:?}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.value(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.value(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.value(field, value.into());
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_the_host_asserts_is_text_whatever_is_logged() {
        let lines = Lines::default();
        let out = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .event_format(HclogFormat)
            .with_max_level(Level::TRACE)
            .with_writer(move || out.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(plugin = %"a/b", count = 3_u64, "two\nlines");
            tracing::error!("{}", "\u{1}".repeat(100_000));
            tracing::warn!(
                a = "\u{1}".repeat(5000),
                b = "\u{1}".repeat(5000),
                c = "\u{1}".repeat(5000),
                "much"
            );
            tracing::debug!(n = 1.5);
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let read: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(read.len(), 4);
        for (line, read) in text.lines().zip(&read) {
            assert!(line.len() < 64 << 10, "{}", line.len());
            assert!(
                ["@level", "@message", "@timestamp"]
                    .iter()
                    .all(|key| read[key].is_string()),
                "{read}"
            );
        }
        assert_eq!(read[0]["@message"], "two\nlines");
        assert_eq!((&read[0]["plugin"], &read[0]["count"]), (&"a/b".into(), &3.into()));
        assert_eq!(read[2]["@message"], "much");
        let time = read[0]["@timestamp"].as_str().unwrap();
        assert!(
            time.len() == "2006-01-02T15:04:05.000000Z".len() && time.ends_with('Z'),
            "{time}"
        );
    }
}
