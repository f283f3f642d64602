//! Go's syntax of regular expressions into that of the engine, which is close, but not the same: what Go refuses must be
//! refused, `\d`, `\w`, `\s` and `\b` are about ASCII only, and `[`, `&&` and `{` may stand for themselves.

mod classes;

use classes::{hex, perl_class};

/// Groups within each other; Go allows a thousand levels of everything.
const MAX_NESTING: usize = 250;

/// How often something may be repeated, repetitions within repetitions multiplied.
const MAX_REPEAT: u32 = 1000;

/// The same pattern for the engine. The error is Go's.
pub(super) fn translate(pattern: &str) -> Result<Translated, String> {
    let mut translator = Translator {
        pattern,
        rest: pattern,
        out: String::new(),
        group: Group::default(),
        outer: Vec::new(),
    };
    translator.run()?;
    let Group {
        weight, operand_weight, ..
    } = translator.group;
    Ok(Translated {
        pattern: translator.out,
        weight: weight.saturating_add(operand_weight),
    })
}

struct Translator<'a> {
    pattern: &'a str,
    rest: &'a str,
    out: String,
    /// The group that is read; at first the whole pattern.
    group: Group,
    /// Those around it.
    outer: Vec<Group>,
}

/// What is known of an open group.
#[derive(Default)]
struct Group {
    /// Whether there is something that a repetition could be of.
    operand: bool,
    /// How often that operand repeats its innermost part, and how much it costs.
    operand_repeats: u32,
    operand_weight: usize,
    /// The most that any operand repeats its innermost part, and what all of them cost.
    repeats: u32,
    weight: usize,
}

/// A pattern for the engine.
pub(super) struct Translated {
    pub(super) pattern: String,
    /// How large its automaton will be, in characters, roughly.
    pub(super) weight: usize,
}

/// What a class of characters costs in place of a single one: characters are bytes to the engine.
const CLASS_WEIGHT: usize = 10;
const UNICODE_CLASS_WEIGHT: usize = 100;

/// What `{2,3}` and its like say. A number that is too large to read is too large to be right.
struct Repeat {
    min: u32,
    /// Nothing for as often as possible.
    max: Option<u32>,
}

fn error(what: &str, text: &str) -> String {
    format!("error parsing regexp: {what}: `{text}`")
}

impl<'a> Translator<'a> {
    fn run(&mut self) -> Result<(), String> {
        let mut last_repeat: Option<&'a str> = None;
        while let Some(c) = self.rest.chars().next() {
            let before = self.rest;
            let mut repeated = false;
            match c {
                '(' => self.open()?,
                ')' => self.close()?,
                '|' => {
                    self.skip(1);
                    self.out.push('|');
                    self.group.operand = false;
                }
                '[' => self.class()?,
                '*' | '+' | '?' => {
                    self.skip(1);
                    self.repetition(before, last_repeat, &c.to_string(), 1)?;
                    repeated = true;
                }
                '{' => match self.counted() {
                    Some(repeat) => {
                        self.count(before, last_repeat, &repeat)?;
                        repeated = true;
                    }
                    None => self.literal(c),
                },
                '\\' => self.escape()?,
                '^' | '$' | '.' => {
                    self.skip(1);
                    self.operand(&c.to_string(), CLASS_WEIGHT);
                }
                _ => self.literal(c),
            }
            last_repeat = repeated.then_some(before);
        }
        if !self.outer.is_empty() {
            return Err(error("missing closing )", self.pattern));
        }
        Ok(())
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.skip(c.len_utf8());
        Some(c)
    }

    /// What was taken since `before`.
    fn taken(&self, before: &'a str) -> &'a str {
        before.get(..before.len() - self.rest.len()).unwrap_or(before)
    }

    fn open_group(&mut self) {
        self.outer.push(std::mem::take(&mut self.group));
    }

    fn operand(&mut self, text: &str, weight: usize) {
        self.out.push_str(text);
        let group = &mut self.group;
        group.operand = true;
        group.operand_repeats = 1;
        group.repeats = group.repeats.max(1);
        group.weight = group.weight.saturating_add(group.operand_weight);
        group.operand_weight = weight;
    }

    fn literal(&mut self, c: char) {
        self.skip(c.len_utf8());
        self.operand(&regex::escape(c.encode_utf8(&mut [0; 4])), 1);
    }

    fn open(&mut self) -> Result<(), String> {
        if self.outer.len() >= MAX_NESTING {
            return Err(error("expression nests too deeply", self.pattern));
        }
        let whole = self.rest;
        if let Some(name) = whole.strip_prefix("(?P<").or_else(|| whole.strip_prefix("(?<")) {
            // Nobody asks for captures: the name is checked and dropped.
            let Some((name, after)) = name.split_once('>') else {
                return Err(error("invalid named capture", whole));
            };
            self.rest = after;
            if name.is_empty() || !name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric()) {
                return Err(error("invalid named capture", self.taken(whole)));
            }
            self.out.push('(');
            self.open_group();
            return Ok(());
        }
        if whole.starts_with("(?") {
            return self.flags();
        }
        self.skip(1);
        self.out.push('(');
        self.open_group();
        Ok(())
    }

    /// `(?i-s:` or `(?i)`.
    fn flags(&mut self) -> Result<(), String> {
        let whole = self.rest;
        self.skip(2);
        let (mut on, mut off) = (String::new(), String::new());
        let (mut negative, mut seen) = (false, false);
        while let Some(c) = self.next() {
            match c {
                'i' | 'm' | 's' | 'U' => {
                    // The last word on a flag counts; the engine wants no more than one.
                    on.retain(|flag| flag != c);
                    off.retain(|flag| flag != c);
                    if negative { &mut off } else { &mut on }.push(c);
                    seen = true;
                }
                '-' if !negative => (negative, seen) = (true, false),
                ':' | ')' if !negative || seen => {
                    let minus = if off.is_empty() { "" } else { "-" };
                    let flags = format!("(?{on}{minus}{off}{c}");
                    // Without any flags there is only a group.
                    if flags != "(?)" {
                        self.out.push_str(&flags);
                    }
                    if c == ':' {
                        self.open_group();
                    }
                    return Ok(());
                }
                _ => return Err(error("invalid or unsupported Perl syntax", self.taken(whole))),
            }
        }
        if whole == "(?" {
            return Err(error("invalid or unsupported Perl syntax", whole));
        }
        Err(error("missing closing )", self.pattern))
    }

    fn close(&mut self) -> Result<(), String> {
        let Some(outer) = self.outer.pop() else {
            return Err(error("unexpected )", self.pattern));
        };
        self.skip(1);
        let inner = std::mem::replace(&mut self.group, outer);
        self.operand(")", inner.weight.saturating_add(inner.operand_weight));
        self.group.operand_repeats = inner.repeats.max(1);
        self.group.repeats = self.group.repeats.max(inner.repeats);
        Ok(())
    }

    fn repetition(
        &mut self,
        before: &'a str,
        last_repeat: Option<&'a str>,
        operator: &str,
        times: u32,
    ) -> Result<(), String> {
        let lazy = self.rest.starts_with('?');
        self.skip(usize::from(lazy));
        if let Some(first) = last_repeat {
            return Err(error("invalid nested repetition operator", self.taken(first)));
        }
        let taken = self.taken(before);
        let group = &mut self.group;
        if !group.operand {
            return Err(error("missing argument to repetition operator", taken));
        }
        group.operand_repeats = group.operand_repeats.saturating_mul(times.max(1));
        group.repeats = group.repeats.max(group.operand_repeats);
        if times >= 2 && group.operand_repeats > MAX_REPEAT {
            return Err(error("invalid repeat count", taken));
        }
        group.operand_weight = group
            .operand_weight
            .saturating_mul(usize::try_from(times.max(1)).unwrap_or(usize::MAX));
        self.out.push_str(operator);
        if lazy {
            self.out.push('?');
        }
        Ok(())
    }

    /// Reads `{n}`, `{n,}` or `{n,m}`; what is none of them is text.
    fn counted(&mut self) -> Option<Repeat> {
        let number = |text: &str| {
            let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let leading_zero = text.len() > 1 && text.starts_with('0');
            (plain && !leading_zero).then(|| text.parse().unwrap_or(u32::MAX))
        };
        let (inner, after) = self.rest.strip_prefix('{')?.split_once('}')?;
        let (min, max) = inner.split_once(',').unwrap_or((inner, inner));
        let max = if max.is_empty() { None } else { Some(number(max)?) };
        let repeat = Repeat { min: number(min)?, max };
        self.rest = after;
        Some(repeat)
    }

    fn count(&mut self, before: &'a str, last_repeat: Option<&'a str>, repeat: &Repeat) -> Result<(), String> {
        let Repeat { min, max } = *repeat;
        if min > MAX_REPEAT || max.is_some_and(|max| max > MAX_REPEAT || max < min) {
            return Err(error("invalid repeat count", self.taken(before)));
        }
        let operator = match max {
            Some(max) => format!("{{{min},{max}}}"),
            None => format!("{{{min},}}"),
        };
        self.repetition(before, last_repeat, &operator, max.unwrap_or(min))
    }

    fn escape(&mut self) -> Result<(), String> {
        let before = self.rest;
        let mut behind = before.chars().skip(1);
        match behind.next() {
            Some('Q') => {
                let text = before.get(2..).unwrap_or_default();
                let (quoted, after) = text.split_once("\\E").unwrap_or((text, ""));
                self.rest = after;
                for c in quoted.chars() {
                    self.operand(&regex::escape(c.encode_utf8(&mut [0; 4])), 1);
                }
                Ok(())
            }
            Some(c @ ('A' | 'z')) => {
                self.skip(2);
                self.operand(&format!("\\{c}"), 1);
                Ok(())
            }
            Some(c @ ('b' | 'B')) => {
                self.skip(2);
                self.operand(&format!("(?-u:\\{c})"), 1);
                Ok(())
            }
            Some('p' | 'P') => {
                let class = self.unicode_class()?;
                self.operand(&class, UNICODE_CLASS_WEIGHT);
                Ok(())
            }
            Some(c) if perl_class(c).is_some() => {
                self.skip(2);
                let class = perl_class(c).unwrap_or_default();
                // Neither is changed by the flag for upper and lower case.
                self.operand(&format!("(?-i:{class})"), CLASS_WEIGHT);
                Ok(())
            }
            _ => {
                let c = self.escaped_char()?;
                self.operand(&hex(c), 1);
                Ok(())
            }
        }
    }
}
