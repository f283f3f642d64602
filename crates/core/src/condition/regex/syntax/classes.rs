//! Single characters and classes of them.

use super::{CLASS_WEIGHT, Translator, UNICODE_CLASS_WEIGHT, error};

impl Translator<'_> {
    /// A character behind a backslash, in a class or outside of one.
    pub(super) fn escaped_char(&mut self) -> Result<char, String> {
        let before = self.rest;
        self.skip(1);
        let Some(c) = self.next() else {
            return Err(error("trailing backslash at end of expression", ""));
        };
        let invalid = |translator: &Self| Err(error("invalid escape sequence", translator.taken(before)));
        match c {
            'a' => Ok('\u{7}'),
            'f' => Ok('\u{c}'),
            'n' => Ok('\n'),
            'r' => Ok('\r'),
            't' => Ok('\t'),
            'v' => Ok('\u{b}'),
            '0'..='7' => {
                let mut value = c.to_digit(8).unwrap_or_default();
                let mut digits = 1;
                while let Some(digit) = self
                    .rest
                    .chars()
                    .next()
                    .and_then(|c| c.to_digit(8))
                    .filter(|_| digits < 3)
                {
                    self.skip(1);
                    value = value * 8 + digit;
                    digits += 1;
                }
                // One digit other than zero would be a reference to a group.
                if c != '0' && digits == 1 {
                    return invalid(self);
                }
                char::from_u32(value).map_or_else(|| invalid(self), Ok)
            }
            'x' => self
                .hex_digits()
                .and_then(char::from_u32)
                .map_or_else(|| invalid(self), Ok),
            c if c.is_ascii() && !c.is_ascii_alphanumeric() => Ok(c),
            _ => invalid(self),
        }
    }

    /// `41` or `{1F600}` behind `\x`; nothing from where it is wrong.
    fn hex_digits(&mut self) -> Option<u32> {
        let first = self.next()?;
        if first != '{' {
            let (high, low) = (first.to_digit(16), self.next().and_then(|c| c.to_digit(16)));
            return Some(high? * 16 + low?);
        }
        let mut code = None;
        loop {
            match self.next()? {
                '}' => return code,
                c => code = Some(code.unwrap_or(0) * 16 + c.to_digit(16)?).filter(|code| *code <= 0x10_FFFF),
            }
            code?;
        }
    }

    /// `\pL`, `\p{Greek}`, `\P{^Greek}`.
    pub(super) fn unicode_class(&mut self) -> Result<String, String> {
        let before = self.rest;
        self.skip(1);
        let upper = self.next() == Some('P');
        let range = |translator: &Self| error("invalid character class range", translator.taken(before));
        let name = match self.next() {
            Some('{') => {
                let Some((name, after)) = self.rest.split_once('}') else {
                    self.rest = "";
                    return Err(range(self));
                };
                self.rest = after;
                name.to_owned()
            }
            Some(c) => c.to_string(),
            None => return Err(range(self)),
        };
        let (name, caret) = name
            .strip_prefix('^')
            .map_or((name.as_str(), false), |name| (name, true));
        let class = format!("\\{}{{{name}}}", if upper == caret { 'p' } else { 'P' });
        let known = name == "Any" || (is_property_name(name) && regex_syntax_knows(&class));
        if known { Ok(class) } else { Err(range(self)) }
    }

    pub(super) fn class(&mut self) -> Result<(), String> {
        let whole = self.rest;
        self.skip(1);
        let mut class = String::from("[");
        if self.rest.starts_with('^') {
            self.skip(1);
            class.push('^');
        }
        let mut weight = CLASS_WEIGHT;
        let mut first = true;
        loop {
            if self.rest.starts_with(']') && !first {
                self.skip(1);
                class.push(']');
                self.operand(&class, weight);
                return Ok(());
            }
            first = false;
            if let Some(name) = self.posix_class()? {
                class.push_str(name);
                continue;
            }
            let mut ahead = self.rest.chars();
            if ahead.next() == Some('\\') {
                match ahead.next() {
                    Some('p' | 'P') => {
                        class.push_str(&self.unicode_class()?);
                        weight = weight.saturating_add(UNICODE_CLASS_WEIGHT);
                        continue;
                    }
                    Some(c) if perl_class(c).is_some() => {
                        self.skip(2);
                        class.push_str(perl_class(c).unwrap_or_default());
                        continue;
                    }
                    _ => {}
                }
            }
            let range = self.rest;
            let low = self.class_char(whole)?;
            class.push_str(&hex(low));
            if self.rest.starts_with('-') && self.rest.len() >= 2 && !self.rest.starts_with("-]") {
                self.skip(1);
                let high = self.class_char(whole)?;
                if high < low {
                    return Err(error("invalid character class range", self.taken(range)));
                }
                class.push('-');
                class.push_str(&hex(high));
            }
        }
    }

    fn class_char(&mut self, whole: &str) -> Result<char, String> {
        if self.rest.starts_with('\\') {
            return self.escaped_char();
        }
        self.next().ok_or_else(|| error("missing closing ]", whole))
    }

    /// `[:alpha:]` in a class.
    fn posix_class(&mut self) -> Result<Option<&'static str>, String> {
        const SPELLED: [(&str, &str); 14] = [
            ("[:alnum:]", "[:^alnum:]"),
            ("[:alpha:]", "[:^alpha:]"),
            ("[:ascii:]", "[:^ascii:]"),
            ("[:blank:]", "[:^blank:]"),
            ("[:cntrl:]", "[:^cntrl:]"),
            ("[:digit:]", "[:^digit:]"),
            ("[:graph:]", "[:^graph:]"),
            ("[:lower:]", "[:^lower:]"),
            ("[:print:]", "[:^print:]"),
            ("[:punct:]", "[:^punct:]"),
            ("[:space:]", "[:^space:]"),
            ("[:upper:]", "[:^upper:]"),
            ("[:word:]", "[:^word:]"),
            ("[:xdigit:]", "[:^xdigit:]"),
        ];
        let before = self.rest;
        let Some((_, after)) = before.strip_prefix("[:").and_then(|rest| rest.split_once(":]")) else {
            return Ok(None);
        };
        self.rest = after;
        let taken = self.taken(before);
        let known = SPELLED
            .iter()
            .flat_map(|(plain, negated)| [*plain, *negated])
            .find(|class| *class == taken);
        known
            .map(Some)
            .ok_or_else(|| error("invalid character class range", taken))
    }
}

/// A class as the engine writes it, in a class of its own or in another one.
pub(super) fn perl_class(c: char) -> Option<&'static str> {
    Some(match c {
        'd' => "[0-9]",
        'D' => "[^0-9]",
        's' => r"[\t\n\x0c\r ]",
        'S' => r"[^\t\n\x0c\r ]",
        'w' => "[0-9A-Za-z_]",
        'W' => "[^0-9A-Za-z_]",
        _ => return None,
    })
}

pub(super) fn hex(c: char) -> String {
    format!("\\x{{{:X}}}", u32::from(c))
}

/// Go knows categories and scripts by their names only, upper and lower case being the same.
fn is_property_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_alphabetic() || matches!(c, '_' | '-' | ' '))
}

fn regex_syntax_knows(class: &str) -> bool {
    regex::Regex::new(class).is_ok()
}
