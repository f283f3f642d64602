//! `{{args.NAME}}` in metrics (spec 6.1): a metric is written as JSON, filled in as text, and read back.
//!
//! Substitution is one pass over the text: a value that holds `{{` is not filled in again. A tag is what is between the
//! delimiters without its outer spaces, and is known or an error: there is no escape and no expression.

use std::{borrow::Cow, fmt::Write as _, sync::LazyLock};

use regex::Regex;

const OPEN: &str = "{{";
const CLOSE: &str = "}}";

/// Bytes that one substitution may produce: an object is at most 1.5 MiB, and without a bound a megabyte of tags times a
/// megabyte of value would fill the machine.
pub const MAX_OUTPUT: usize = 8 << 20;

/// An argument: its name, and its value when it has one.
pub type Argument = (String, Option<String>);

/// Why a text cannot be filled in; the messages are Argo's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// `{{` without `}}` behind it.
    #[error("Cannot find end tag=\"}}}}\" in the template={template} starting from {rest}")]
    Unclosed {
        /// The whole text, quoted.
        template: String,
        /// What follows the `{{`, quoted.
        rest: String,
    },
    /// An argument without a value, used or not.
    #[error("argument \"{0}\" was not supplied")]
    NotSupplied(String),
    /// Tags that name no argument; the last one of the text.
    #[error("failed to resolve {{{{{0}}}}}")]
    Unresolved(String),
    /// A value with a character that Go quotes in a way that JSON does not know.
    #[error("invalid character '{0}' in string escape code")]
    Escape(char),
    /// More than [`MAX_OUTPUT`].
    #[error("filled in, the metrics are larger than {max} bytes", max = MAX_OUTPUT)]
    TooLarge,
}

/// Fills `arguments` into `template`, which is JSON: values are quoted as Go quotes them.
///
/// Of arguments with the same name the last one counts. `budget` is what may still be produced; it is lowered by what
/// was.
pub fn fill_json(template: &str, arguments: &[Argument], budget: &mut usize) -> Result<String, TemplateError> {
    let parts = split(template)?;
    for (name, value) in arguments {
        if value.is_none() {
            return Err(TemplateError::NotSupplied(name.clone()));
        }
    }
    let mut filled = String::with_capacity(template.len());
    let (mut unresolved, mut escape) = (None, None);
    for (text, tag) in parts {
        filled.push_str(text);
        let Some(tag) = tag else { break };
        let value = tag.trim().strip_prefix("args.").and_then(|name| {
            let found = arguments.iter().rev().find(|(known, _)| known == name);
            found.and_then(|(_, value)| value.as_deref())
        });
        match value.map(quote) {
            Some(quoted) => {
                filled.push_str(&quoted.text);
                escape = escape.or(quoted.not_json);
            }
            None => unresolved = Some(tag),
        }
        if filled.len() > *budget {
            return Err(TemplateError::TooLarge);
        }
    }
    if let Some(tag) = unresolved {
        return Err(TemplateError::Unresolved(tag.to_owned()));
    }
    if let Some(letter) = escape {
        return Err(TemplateError::Escape(letter));
    }
    *budget = budget.checked_sub(filled.len()).ok_or(TemplateError::TooLarge)?;
    Ok(filled)
}

/// The texts before, between and after the tags, each with the tag that follows it.
fn split(template: &str) -> Result<Vec<(&str, Option<&str>)>, TemplateError> {
    let mut parts = Vec::new();
    let mut rest = template;
    while let Some((text, after)) = rest.split_once(OPEN) {
        let Some((tag, next)) = after.split_once(CLOSE) else {
            return Err(TemplateError::Unclosed {
                template: quoted(template),
                rest: quoted(after),
            });
        };
        parts.push((text, Some(tag)));
        rest = next;
    }
    parts.push((rest, None));
    Ok(parts)
}

/// `text` in double quotes, as Go's `strconv.Quote` writes it.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", quote(text).text)
}

struct Quoted<'a> {
    text: Cow<'a, str>,
    /// The letter after the backslash of the first escape that JSON does not have.
    not_json: Option<char>,
}

/// What Go's `strconv.Quote` writes between its quotation marks.
fn quote(value: &str) -> Quoted<'_> {
    if value.chars().all(|c| matches!(c, ' '..='~') && c != '"' && c != '\\') {
        return Quoted {
            text: Cow::Borrowed(value),
            not_json: None,
        };
    }
    let mut text = String::with_capacity(value.len() + 8);
    let mut not_json = None;
    for c in value.chars() {
        let letter = match c {
            '"' | '\\' => Some(c),
            '\u{8}' => Some('b'),
            '\u{c}' => Some('f'),
            '\n' => Some('n'),
            '\r' => Some('r'),
            '\t' => Some('t'),
            '\u{7}' => Some('a'),
            '\u{b}' => Some('v'),
            '\0'..=' ' | '\u{7f}' if c != ' ' => Some('x'),
            _ if is_print(c) => None,
            '\0'..='\u{ffff}' => Some('u'),
            _ => Some('U'),
        };
        let Some(letter) = letter else {
            text.push(c);
            continue;
        };
        text.push('\\');
        text.push(letter);
        // Writing to a String cannot fail.
        let _ = match letter {
            'x' => write!(text, "{:02x}", u32::from(c)),
            'u' => write!(text, "{:04x}", u32::from(c)),
            'U' => write!(text, "{:08x}", u32::from(c)),
            _ => Ok(()),
        };
        if matches!(letter, 'a' | 'v' | 'x' | 'U') {
            not_json = not_json.or(Some(letter));
        }
    }
    Quoted {
        text: Cow::Owned(text),
        not_json,
    }
}

/// Go's `strconv.IsPrint`: letters, marks, numbers, punctuation, symbols, and the ASCII space, of Go's version of Unicode.
fn is_print(c: char) -> bool {
    static PRINT: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"^[\p{L}\p{M}\p{N}\p{P}\p{S} &&\p{age:15.0}]$").ok());
    matches!(c, ' '..='~')
        || PRINT
            .as_ref()
            .is_none_or(|print| print.is_match(c.encode_utf8(&mut [0; 4])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(pairs: &[(&str, Option<&str>)]) -> Vec<Argument> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned)))
            .collect()
    }

    fn fill(template: &str, pairs: &[(&str, Option<&str>)]) -> Result<String, String> {
        fill_json(template, &arguments(pairs), &mut MAX_OUTPUT.clone()).map_err(|error| error.to_string())
    }

    #[test]
    fn fills_in_known_tags_once() {
        for (template, pairs, filled) in [
            ("no tags }}", &[][..], "no tags }}"),
            ("{{args.a}}", &[("a", Some("1"))], "1"),
            (
                "a{{ args.a }}b{{args.b}}c",
                &[("a", Some("1")), ("b", Some("2"))],
                "a1b2c",
            ),
            ("{{args.a}}", &[("a", Some("{{args.a}}"))], "{{args.a}}"),
            ("{{args.a.b-c}}", &[("a.b-c", Some("x"))], "x"),
            ("{{args.a}}", &[("a", Some("old")), ("a", Some("new"))], "new"),
            (
                "{{{args.a}}",
                &[("{args.a", Some("no"))],
                "failed to resolve {{{args.a}}",
            ),
        ] {
            assert_eq!(
                fill(template, pairs).unwrap_or_else(|error| error),
                filled,
                "{template}"
            );
        }
    }

    #[test]
    fn says_what_cannot_be_filled_in_in_argo_s_words() {
        for (template, pairs, message) in [
            ("x", &[("a", None)][..], r#"argument "a" was not supplied"#),
            ("{{a}} {{b }} ", &[], "failed to resolve {{b }}"),
            (
                "{{args.missing}}",
                &[("a", Some("1"))],
                "failed to resolve {{args.missing}}",
            ),
            ("{{ .Values.x }}", &[], "failed to resolve {{ .Values.x }}"),
            ("{{}}", &[], "failed to resolve {{}}"),
            (
                r#""a":"{{b"#,
                &[("a", None)],
                r#"Cannot find end tag="}}" in the template="\"a\":\"{{b" starting from "b""#,
            ),
            (
                "{{args.a}}",
                &[("a", Some("\u{7}"))],
                "invalid character 'a' in string escape code",
            ),
            ("{{args.a}}{{b}}", &[("a", Some("\u{7}"))], "failed to resolve {{b}}"),
        ] {
            assert_eq!(fill(template, pairs).unwrap_err(), message, "{template}");
        }
    }

    /// Expected texts are what Go 1.26's `strconv.Quote` writes.
    #[test]
    fn quotes_as_go_does() {
        for (value, quoted, not_json) in [
            ("plain ~", "plain ~", None),
            ("a\"b\\c\n\r\t\u{8}\u{c}", r#"a\"b\\c\n\r\t\b\f"#, None),
            ("\u{7}", r"\a", Some('a')),
            ("\u{b}\u{7}", r"\v\a", Some('v')),
            ("\u{1b}[0m", r"\x1b[0m", Some('x')),
            ("\u{7f}", r"\x7f", Some('x')),
            ("é漢", "é漢", None),
            ("\u{a0}\u{85}\u{200b}\u{feff}", r"\u00a0\u0085\u200b\ufeff", None),
            ("\u{fffd}", "\u{fffd}", None),
            ("🚀", "🚀", None),
            ("\u{e0067}", r"\U000e0067", Some('U')),
            // A letter since Unicode 16.
            ("\u{138f5}", r"\U000138f5", Some('U')),
            ("<>&'", "<>&'", None),
        ] {
            let got = quote(value);
            assert_eq!((got.text.as_ref(), got.not_json), (quoted, not_json), "{value:?}");
        }
    }

    #[test]
    fn what_is_filled_in_is_bounded() {
        let template = "{{args.a}}".repeat(10_000);
        let long = arguments(&[("a", Some(&"x".repeat(10_000)))]);
        assert_eq!(
            fill_json(&template, &long, &mut MAX_OUTPUT.clone()),
            Err(TemplateError::TooLarge)
        );
        let mut budget = 10;
        assert!(fill_json("12345678", &[], &mut budget).is_ok());
        assert_eq!(budget, 2);
        assert_eq!(fill_json("123", &[], &mut budget), Err(TemplateError::TooLarge));
    }

    proptest::proptest! {
        #[test]
        fn survives_any_text(template in r"([a-z{}\\. ]|args){0,60}", value in ".{0,20}") {
            let _ = fill(&template, &[("a", Some(&value))]);
        }

        #[test]
        fn a_value_that_json_can_hold_comes_back(value in ".{0,40}") {
            if let Ok(filled) = fill(r#"{"k":"{{args.a}}"}"#, &[("a", Some(&value))]) {
                let back: serde_json::Value = serde_json::from_str(&filled).unwrap();
                proptest::prop_assert_eq!(back["k"].as_str(), Some(value.as_str()));
            }
        }
    }
}
