//! Escapes in string and bytes literals.

use super::error::{Result, syntax};

/// The text of a literal that still has its quotes.
pub(super) fn unescape(literal: &str) -> Result<String> {
    let mut text = String::with_capacity(literal.len());
    let mut rest = Rest::of(literal)?;
    while let Some(c) = rest.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        let c = match rest.escape()? {
            Escape::Char(c) => c,
            Escape::Code(code) => {
                // As Go's encoder does: a surrogate half becomes the replacement character.
                let replaced = if (0xD800..0xE000).contains(&code) { 0xFFFD } else { code };
                char::from_u32(replaced).ok_or_else(bad)?
            }
            Escape::Byte(byte) => char::from(byte),
        };
        text.push(c);
    }
    Ok(text)
}

/// The bytes of a `b"..."` literal that still has its quotes but not its `b`.
pub(super) fn unescape_bytes(literal: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(literal.len());
    let mut rest = Rest::of(literal)?;
    while let Some(c) = rest.next() {
        let c = if c == '\\' {
            match rest.escape()? {
                Escape::Char(c) => c,
                Escape::Byte(byte) => {
                    bytes.push(byte);
                    continue;
                }
                Escape::Code(_) => return Err(bad()),
            }
        } else {
            c
        };
        bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }
    Ok(bytes)
}

fn bad() -> super::EvalError {
    syntax("unable to unescape string")
}

enum Escape {
    Char(char),
    /// `\x41` or `\101`: a code point in a string, a byte in bytes.
    Byte(u8),
    /// `\u0041`, `\U00000041`, `\u{41}`.
    Code(u32),
}

struct Rest {
    chars: std::vec::IntoIter<char>,
}

impl Rest {
    fn of(literal: &str) -> Result<Self> {
        let inner = literal.get(1..literal.len().saturating_sub(1)).ok_or_else(bad)?;
        // Line ends are one thing, however they are written.
        let inner = inner.replace("\r\n", "\n").replace('\r', "\n");
        Ok(Self {
            chars: inner.chars().collect::<Vec<_>>().into_iter(),
        })
    }

    fn next(&mut self) -> Option<char> {
        self.chars.next()
    }

    fn escape(&mut self) -> Result<Escape> {
        let c = self
            .next()
            .ok_or_else(|| syntax("unable to unescape string, found '\\' as last character"))?;
        let escape = match c {
            'a' => Escape::Char('\u{7}'),
            'b' => Escape::Char('\u{8}'),
            'f' => Escape::Char('\u{c}'),
            'n' => Escape::Char('\n'),
            'r' => Escape::Char('\r'),
            't' => Escape::Char('\t'),
            'v' => Escape::Char('\u{b}'),
            '\\' | '\'' | '"' | '`' | '?' => Escape::Char(c),
            'x' | 'X' => Escape::Byte(u8::try_from(self.digits(16, 2)?).map_err(|_| bad())?),
            'u' if self.chars.as_slice().first() == Some(&'{') => {
                self.next();
                let mut code = 0;
                loop {
                    match self.next().ok_or_else(bad)? {
                        '}' => break Escape::Code(code),
                        c => code = code * 16 + c.to_digit(16).filter(|_| code < 0x10_0000).ok_or_else(bad)?,
                    }
                }
            }
            'u' => Escape::Code(self.digits(16, 4)?),
            'U' => Escape::Code(self.digits(16, 8)?),
            '0'..='3' => {
                let octal = || syntax("unable to unescape octal sequence in string");
                let high = c.to_digit(8).unwrap_or_default();
                let low = self.digits(8, 2).map_err(|_| octal())?;
                Escape::Byte(u8::try_from(high * 64 + low).map_err(|_| octal())?)
            }
            _ => return Err(bad()),
        };
        if matches!(escape, Escape::Code(code) if code > u32::from(char::MAX)) {
            return Err(bad());
        }
        Ok(escape)
    }

    fn digits(&mut self, base: u32, count: usize) -> Result<u32> {
        let mut value: u32 = 0;
        for _ in 0..count {
            let digit = self.next().and_then(|c| c.to_digit(base)).ok_or_else(bad)?;
            value = value
                .checked_mul(base)
                .and_then(|value| value.checked_add(digit))
                .ok_or_else(bad)?;
        }
        Ok(value)
    }
}
