//! Text into tokens.

use std::sync::LazyLock;

use regex::Regex;

use super::{
    error::{Result, syntax},
    escape::{unescape, unescape_bytes},
    quote::{is_printable, quote},
    token::Token,
};

/// Cuts `source` into tokens, the last one being [`Token::End`].
///
/// An error ends the list instead of replacing it: what stands before it is parsed first, and may be wrong already.
pub(super) fn tokens(source: &str) -> Vec<Result<Token>> {
    let mut lexer = Lexer {
        chars: source.chars().collect(),
        start: 0,
        end: 0,
    };
    let mut tokens = Vec::new();
    loop {
        let before = tokens.len();
        if let Err(error) = lexer.scan(&mut tokens) {
            tokens.push(Err(error));
            return tokens;
        }
        if matches!(tokens.get(before), Some(Ok(Token::End))) {
            return tokens;
        }
    }
}

struct Lexer {
    chars: Vec<char>,
    /// Where the token begins that is being read.
    start: usize,
    end: usize,
}

impl Lexer {
    fn scan(&mut self, tokens: &mut Vec<Result<Token>>) -> Result<()> {
        self.start = self.end;
        let Some(c) = self.next() else {
            tokens.push(Ok(Token::End));
            return Ok(());
        };
        let token = match c {
            c if c.is_whitespace() => return Ok(()),
            '\'' | '"' => {
                self.string(c)?;
                Token::String(unescape(&self.word())?)
            }
            '`' => Token::String(self.raw_string()?),
            'b' | 'B' if matches!(self.peek(), Some('\'' | '"')) => {
                let quote = self.next().unwrap_or('"');
                self.string(quote)?;
                Token::Bytes(unescape_bytes(self.word().get(1..).unwrap_or_default())?)
            }
            '0'..='9' => {
                self.end = self.start;
                self.number()?
            }
            '.' if self.peek().is_some_and(|c| c.is_ascii_digit()) => self.number()?,
            '/' if self.accept("/") => {
                while self.next().is_some_and(|c| c != '\n') {}
                return Ok(());
            }
            '/' if self.accept("*") => return self.comment(),
            '#' => {
                self.accept("#");
                tokens.push(self.operator());
                self.start = self.end;
                while self.peek().is_some_and(is_alphanumeric) {
                    self.next();
                }
                if self.start < self.end {
                    tokens.push(Ok(Token::Identifier(self.word())));
                }
                return Ok(());
            }
            '(' | ')' | '[' | ']' | '{' | '}' => Token::Bracket(c),
            '|' => self.pair("|")?,
            ':' => self.pair(":")?,
            '?' => self.pair(".?")?,
            '.' => self.pair(".")?,
            '&' | '!' | '=' | '*' | '<' | '>' => self.pair("&=*")?,
            ',' | ';' | '%' | '+' | '-' | '^' | '/' => self.pair("")?,
            c if is_alphanumeric(c) => {
                while self.peek().is_some_and(is_alphanumeric) {
                    self.next();
                }
                let word = self.word();
                match Token::operator(&word) {
                    Some(operator) => operator,
                    None => Token::Identifier(word),
                }
            }
            c if is_printable(c) => {
                return Err(syntax(format!("unrecognized character: U+{:04X} '{c}'", u32::from(c))));
            }
            c => return Err(syntax(format!("unrecognized character: U+{:04X}", u32::from(c)))),
        };
        tokens.push(Ok(token));
        Ok(())
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.end += 1;
        Some(c)
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.end).copied()
    }

    fn accept(&mut self, set: &str) -> bool {
        let taken = self.peek().is_some_and(|c| set.contains(c));
        self.end += usize::from(taken);
        taken
    }

    fn accept_run(&mut self, set: &str) {
        while self.accept(set) {}
    }

    fn word(&self) -> String {
        self.chars
            .get(self.start..self.end)
            .unwrap_or_default()
            .iter()
            .collect()
    }

    fn pair(&mut self, second: &str) -> Result<Token> {
        self.accept(second);
        self.operator()
    }

    fn operator(&self) -> Result<Token> {
        let word = self.word();
        Token::operator(&word).ok_or_else(|| syntax(format!("unexpected operator {}", quote(&word))))
    }

    fn comment(&mut self) -> Result<()> {
        loop {
            match self.next() {
                None => return Err(syntax("unclosed comment")),
                Some('*') if self.accept("/") => return Ok(()),
                Some(_) => {}
            }
        }
    }

    fn number(&mut self) -> Result<Token> {
        let mut digits = "0123456789_";
        if self.accept("0") {
            if self.accept("xX") {
                digits = "0123456789abcdefABCDEF_";
            } else if self.accept("oO") {
                digits = "01234567_";
            } else if self.accept("bB") {
                digits = "01_";
            }
        }
        self.accept_run(digits);
        let whole = self.end;
        if self.accept(".") {
            if self.peek() == Some('.') {
                // `1..2` is a range, not `1.` followed by `.2`.
                self.end = whole;
                return Ok(Token::Number(self.word()));
            }
            self.accept_run(digits);
        }
        if self.accept("eE") {
            self.accept("+-");
            self.accept_run(digits);
        }
        if self.peek().is_some_and(is_alphanumeric) {
            self.next();
            return Err(syntax(format!("bad number syntax: {}", quote(&self.word()))));
        }
        Ok(Token::Number(self.word()))
    }

    /// Moves behind the closing quote.
    fn string(&mut self, quote: char) -> Result<()> {
        loop {
            match self.next() {
                None | Some('\n') => return Err(syntax("literal not terminated")),
                Some('\\') => self.escape(quote)?,
                Some(c) if c == quote => return Ok(()),
                Some(_) => {}
            }
        }
    }

    fn escape(&mut self, quote: char) -> Result<()> {
        match self.next() {
            Some('a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\') => Ok(()),
            Some(c) if c == quote => Ok(()),
            Some('0'..='7') => {
                self.end -= 1;
                self.digits(8, 3)
            }
            Some('x') => self.digits(16, 2),
            Some('u') if self.accept("{") => {
                let first = self.end;
                while self.end - first < 6 && self.peek().is_some_and(|c| c.is_ascii_hexdigit()) {
                    self.next();
                }
                if first < self.end && self.accept("}") {
                    Ok(())
                } else {
                    Err(syntax("invalid char escape"))
                }
            }
            Some('u') => self.digits(16, 4),
            Some('U') => self.digits(16, 8),
            _ => Err(syntax("invalid char escape")),
        }
    }

    fn digits(&mut self, base: u32, count: usize) -> Result<()> {
        for _ in 0..count {
            if !self.next().is_some_and(|c| c.is_digit(base)) {
                return Err(syntax("invalid char escape"));
            }
        }
        Ok(())
    }

    /// Between backticks everything stands for itself; two backticks are one.
    fn raw_string(&mut self) -> Result<String> {
        let mut text = String::new();
        loop {
            match self.next() {
                None => return Err(syntax("literal not terminated")),
                Some('`') if self.accept("`") => text.push('`'),
                Some('`') => return Ok(text),
                Some(c) => text.push(c),
            }
        }
    }
}

/// Letters, decimal digits, `_` and `$`: what names are made of.
pub(super) fn is_alphanumeric(c: char) -> bool {
    is_alphabetic(c)
        || if c.is_ascii() {
            c.is_ascii_digit()
        } else {
            in_class(DIGIT.as_ref(), c)
        }
}

/// Whether a name can start with it.
pub(super) fn is_alphabetic(c: char) -> bool {
    c == '_'
        || c == '$'
        || if c.is_ascii() {
            c.is_ascii_alphabetic()
        } else {
            in_class(LETTER.as_ref(), c)
        }
}

// The standard library's notion of alphabetic and numeric is wider than the Unicode categories that Go goes by.
static LETTER: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\A\p{L}").ok());
static DIGIT: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\A\p{Nd}").ok());

fn in_class(class: Option<&Regex>, c: char) -> bool {
    class.is_some_and(|class| class.is_match(c.encode_utf8(&mut [0; 4])))
}
