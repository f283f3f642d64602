//! Texts that come instead of a plugin.

use serde_json::Value;

use super::Identity;

/// Longest piece of a text that is repeated in a sentence.
const SHOWN: usize = 100;

/// `cut`: there is more than `bytes`.
pub(super) fn identify(bytes: &[u8], cut: bool) -> Option<Identity> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        // A character that was cut at the end is no fault of the text.
        Err(error) if cut && error.error_len().is_none() => {
            std::str::from_utf8(bytes.get(..error.valid_up_to())?).ok()?
        }
        Err(_) => return None,
    };
    if text
        .chars()
        .any(|c| c.is_control() && !c.is_whitespace() && c != '\u{1b}')
    {
        return None;
    }
    let trimmed = text.trim_start();
    let lower: String = trimmed.chars().take(1024).map(|c| c.to_ascii_lowercase()).collect();
    Some(if let Some(rest) = text.strip_prefix("#!") {
        Identity::Script {
            interpreter: shown(rest.lines().next().unwrap_or_default()),
        }
    } else if text.starts_with("version https://git-lfs.github.com/") {
        Identity::GitLfsPointer
    } else if lower.starts_with("(component") || lower.starts_with("(module") {
        Identity::WasmText
    } else if is_html(&lower) {
        Identity::Html {
            title: element(trimmed, "title"),
        }
    } else if lower.starts_with("<?xml") || lower.starts_with("<error") {
        Identity::Xml {
            message: element(trimmed, "message"),
        }
    } else if let Some(message) = json(trimmed, cut) {
        Identity::Json { message }
    } else {
        Identity::Text {
            start: shown(trimmed.lines().next().unwrap_or_default()),
        }
    })
}

/// Comments and an XML declaration may come before the first tag.
fn is_html(lower: &str) -> bool {
    let mut rest = lower;
    loop {
        rest = rest.trim_start();
        let (prefix, end) = match rest {
            _ if rest.starts_with("<!--") => ("<!--", "-->"),
            _ if rest.starts_with("<?xml") => ("<?xml", "?>"),
            _ => break,
        };
        match rest.strip_prefix(prefix).and_then(|rest| rest.split_once(end)) {
            Some((_, after)) => rest = after,
            None => break,
        }
    }
    ["<!doctype html", "<html", "<head", "<body", "<title"]
        .iter()
        .any(|tag| rest.starts_with(tag))
}

/// What the first element of this name holds, tags inside it included.
fn element(text: &str, name: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let found = lower.find(&format!("<{name}")).and_then(|start| {
        let open = start + lower.get(start..)?.find('>')? + 1;
        let close = open + lower.get(open..)?.find(&format!("</{name}"))?;
        text.get(open..close)
    });
    shown(found.unwrap_or_default())
}

/// The message of a JSON object or list; `None` when it is neither. Of a longer one only the begin is there.
fn json(text: &str, cut: bool) -> Option<String> {
    match serde_json::from_str::<Value>(text) {
        Ok(value @ (Value::Object(_) | Value::Array(_))) => Some(shown(&message(&value).unwrap_or_default())),
        Err(error) if cut && error.is_eof() && text.starts_with(['{', '[']) => Some(String::new()),
        _ => None,
    }
}

/// Where servers put what they have to say: `message`, `error`, `error.message`, `errors[0].message`, `detail`.
fn message(value: &Value) -> Option<String> {
    let inside = match value {
        Value::String(text) => return Some(text.clone()),
        Value::Array(items) => return items.first().and_then(message),
        Value::Object(fields) => fields,
        _ => return None,
    };
    ["message", "error", "errors", "detail", "error_description"]
        .iter()
        .find_map(|name| inside.get(*name).and_then(message))
}

/// A piece of somebody else's text: one line, no control characters, not long.
fn shown(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words
        .join(" ")
        .chars()
        .filter(|c| !c.is_control())
        .take(SHOWN)
        .collect()
}
