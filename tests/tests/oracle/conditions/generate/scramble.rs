//! Expressions with a mistake in their text.

/// Words that may turn up anywhere.
const WORDS: &[&str] = &[
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ";",
    ":",
    "::",
    "?",
    "?.",
    "??",
    "?:",
    ".",
    "..",
    "|",
    "||",
    "&&",
    "!",
    "#",
    "-",
    "+",
    "*",
    "**",
    "^",
    "/",
    "%",
    "==",
    "!=",
    "<",
    ">=",
    "=",
    "not",
    "in",
    "and",
    "or",
    "matches",
    "contains",
    "let",
    "if",
    "else",
    "true",
    "nil",
    "result",
    "x",
    "1",
    "1.5",
    "1.",
    ".5",
    "1_0",
    "1__0",
    "0x",
    "0x1f",
    "0b2",
    "0o9",
    "1e",
    "1e400",
    "99999999999999999999",
    "'a'",
    "'a",
    "\"\\q\"",
    "`",
    "'\\u12'",
    "@",
    "$",
    "$env",
    "~",
    "&",
    "all(",
    "len()",
    "map",
    "#acc",
    "#index",
    "//",
    "/*",
    "*/",
    "é",
    "\u{0}",
    "\\",
    "let x = 1;",
    "startsWith",
    "not in",
    "b'x'",
    "b'é'",
];

/// One to three mistakes: a word too many, too few, another one, or two in the wrong order.
pub(super) fn scramble(rng: &mut fastrand::Rng, text: &str) -> String {
    let mut words = words(text);
    for _ in 0..rng.u32(1..3) {
        let at = rng.usize(..words.len().max(1));
        let word = WORDS[rng.usize(..WORDS.len())].to_owned();
        match rng.u32(..5) {
            0 if words.len() > 1 => drop(words.remove(at)),
            1 if words.len() > at + 1 => words.swap(at, at + 1),
            2 if words.len() > at => words[at] = word,
            3 => words.truncate(at.max(1)),
            _ => words.insert(at, word),
        }
    }
    words.join(if rng.bool() { " " } else { "" })
}

/// Names and numbers in one piece, all else character by character.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut inside = false;
    for c in text.chars() {
        let part = c.is_alphanumeric() || c == '_';
        match words.last_mut() {
            Some(last) if part && inside => last.push(c),
            _ if c == ' ' => {}
            _ => words.push(c.to_string()),
        }
        inside = part;
    }
    words
}
