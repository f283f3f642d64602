//! How and where everything in a document is written, by granit-parser's events. Bounds are checked here, before
//! anything else looks at the text.

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span, Tag as EventTag};

use super::{MAX_DEPTH, MAX_NODES, Mark, YamlError, YamlErrorKind};

/// A value as written.
#[derive(Debug)]
pub(super) struct Outline {
    /// Where it begins.
    pub mark: Mark,
    /// Its anchor's number; 0 when it has none.
    pub anchor: usize,
    /// What it is.
    pub kind: Kind,
}

/// What a value is.
#[derive(Debug)]
pub(super) enum Kind {
    /// A text that may mean something else.
    Scalar {
        /// The tag that matters to Go.
        tag: Tag,
        /// Written without quotes and without a tag.
        implicit: bool,
        /// The text, to see that both parsers read the same.
        text: String,
    },
    /// A list.
    Sequence(Vec<Outline>),
    /// Pairs, in order.
    Mapping(Vec<(Outline, Outline)>),
    /// What the anchor with this number marks.
    Alias(usize),
}

/// A scalar's tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    /// None.
    None,
    /// `!!str`
    Str,
    /// `!!bool`
    Bool,
    /// `!!int`
    Int,
    /// `!!float`
    Float,
    /// `!!null`
    Null,
    /// `!!binary`
    Binary,
    /// `!!merge`
    Merge,
    /// Any other: the scalar is a text.
    Other,
}

/// A list or mapping that is not complete.
struct Open {
    mark: Mark,
    anchor: usize,
    mapping: bool,
    items: Vec<Outline>,
}

/// The documents of `text`, whose first line is the file's `first_line`, and what ended the reading early.
pub(super) fn outline(file: &str, text: &str, first_line: usize) -> (Vec<Outline>, Option<YamlError>) {
    let mut options = granit_parser::options! {
        // As libyaml does, and with it Go.
        bom_inside_document_as_content: true,
        block_scalar_eof_without_line_feed: true,
        flow_nesting_limit: MAX_DEPTH + 1,
        block_nesting_limit: MAX_DEPTH + 1,
    };
    options.set_emit_comments(false);
    let place = |span: Span| Mark {
        line: span.start.line() + first_line - 1,
        column: span.start.col() + 1,
    };
    let mut documents = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    let mut nodes = 0;
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => return (documents, Some(scan_error(file, &error, first_line))),
        };
        let mark = place(span);
        let bound = |cause: String| Some(YamlError::new(YamlErrorKind::Bound, file, mark, String::new(), cause));
        let complete = match event {
            Event::Scalar(value, style, anchor, tag) => {
                let tag = tag.as_deref();
                // The parser writes `~` where there is nothing at all.
                let absent = style == ScalarStyle::Plain && span.is_empty();
                let kind = Kind::Scalar {
                    tag: tag.map_or(Tag::None, scalar_tag),
                    implicit: tag.is_none() && style == ScalarStyle::Plain,
                    text: if absent { String::new() } else { value.into_owned() },
                };
                Outline { mark, anchor, kind }
            }
            Event::Alias(id) => Outline {
                mark,
                anchor: 0,
                kind: Kind::Alias(id),
            },
            Event::SequenceStart(_, anchor, _) | Event::MappingStart(_, anchor, _) => {
                if open.len() == MAX_DEPTH {
                    return (documents, bound(too_deep()));
                }
                let mapping = matches!(event, Event::MappingStart(..));
                open.push(Open {
                    mark,
                    anchor,
                    mapping,
                    items: Vec::new(),
                });
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(open) => open.close(),
                None => continue,
            },
            _ => continue,
        };
        nodes += 1;
        if nodes > MAX_NODES {
            return (documents, bound(format!("more than {MAX_NODES} values")));
        }
        if let Some(parent) = open.last_mut() {
            parent.items.push(complete);
        } else {
            documents.push(complete);
            nodes = 0;
        }
    }
    (documents, None)
}

impl Open {
    fn close(self) -> Outline {
        let kind = if self.mapping {
            let mut items = self.items.into_iter();
            let mut pairs = Vec::with_capacity(items.len() / 2);
            while let (Some(key), Some(value)) = (items.next(), items.next()) {
                pairs.push((key, value));
            }
            Kind::Mapping(pairs)
        } else {
            Kind::Sequence(self.items)
        };
        Outline {
            mark: self.mark,
            anchor: self.anchor,
            kind,
        }
    }
}

fn scalar_tag(tag: &EventTag) -> Tag {
    match tag.suffix_in_namespace("tag:yaml.org,2002:").as_deref() {
        // Go reads a time as the text that was written.
        Some("str" | "timestamp") => Tag::Str,
        Some("bool") => Tag::Bool,
        Some("int") => Tag::Int,
        Some("float") => Tag::Float,
        Some("null") => Tag::Null,
        Some("binary") => Tag::Binary,
        Some("merge") => Tag::Merge,
        _ => Tag::Other,
    }
}

fn scan_error(file: &str, error: &ScanError, first_line: usize) -> YamlError {
    let mark = Mark {
        line: error.marker().line() + first_line - 1,
        column: error.marker().col() + 1,
    };
    if *error.kind() == ErrorKind::RecursionLimitExceeded {
        return YamlError::new(YamlErrorKind::Bound, file, mark, String::new(), too_deep());
    }
    YamlError::new(YamlErrorKind::Syntax, file, mark, String::new(), error.info())
}

fn too_deep() -> String {
    format!("nested deeper than {MAX_DEPTH}")
}
