//! What the text of an expression consists of.

use std::fmt;

use super::quote::quote;

/// One token. Operators and brackets are compared by their spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Identifier(String),
    Number(String),
    String(String),
    Bytes(Vec<u8>),
    Operator(&'static str),
    Bracket(char),
    End,
}

/// Every spelling the lexer can produce as an operator. The second half of a pair such as `&*` is taken without asking
/// whether the pair means anything; the parser refuses it then.
const OPERATORS: [&str; 52] = [
    ",",
    ";",
    "%",
    "+",
    "-",
    "^",
    "&",
    "!",
    "=",
    "*",
    "<",
    ">",
    "&&",
    "&=",
    "&*",
    "!&",
    "!=",
    "!*",
    "=&",
    "==",
    "=*",
    "*&",
    "*=",
    "**",
    "<&",
    "<=",
    "<*",
    ">&",
    ">=",
    ">*",
    "|",
    "||",
    ":",
    "::",
    "?",
    "?.",
    "??",
    "/",
    "#",
    "##",
    ".",
    "..",
    "not",
    "in",
    "or",
    "and",
    "matches",
    "contains",
    "startsWith",
    "endsWith",
    "let",
    "if",
];

impl Token {
    /// The operator of that spelling, if there is one.
    pub(super) fn operator(spelling: &str) -> Option<Self> {
        if spelling == "else" {
            return Some(Self::Operator("else"));
        }
        OPERATORS
            .iter()
            .find(|known| **known == spelling)
            .map(|known| Self::Operator(known))
    }

    pub(super) fn is_operator(&self, spelling: &str) -> bool {
        matches!(self, Self::Operator(own) if *own == spelling)
    }

    pub(super) fn is_bracket(&self, bracket: char) -> bool {
        matches!(self, Self::Bracket(own) if *own == bracket)
    }
}

/// As error messages show it: kind and quoted text.
impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, text) = match self {
            Self::Identifier(text) => ("Identifier", text.clone()),
            Self::Number(text) => ("Number", text.clone()),
            Self::String(text) => ("String", text.clone()),
            Self::Bytes(bytes) => ("Bytes", String::from_utf8_lossy(bytes).into_owned()),
            Self::Operator(text) => ("Operator", (*text).to_owned()),
            Self::Bracket(text) => ("Bracket", text.to_string()),
            Self::End => ("EOF", String::new()),
        };
        if text.is_empty() {
            f.write_str(kind)
        } else {
            write!(f, "{kind}({})", quote(&text))
        }
    }
}
