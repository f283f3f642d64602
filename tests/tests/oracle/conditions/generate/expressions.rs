//! Expressions of a type that is wanted, out of forms with holes.
//!
//! A hole is `<n>` for a number, `<s>` for a text and so on (see [`hole`]); `<b@n>` is a predicate over elements that are
//! numbers. What a map's keys come in no order for is sorted or counted, and the clock is only compared with the past.

use super::{Aim, Builder, TYPES, Type, forms};

/// The type that a hole's letters stand for; nothing for `any`.
fn hole(letters: &str) -> Option<Type> {
    Some(match letters {
        "b" => Type::Bool,
        "n" => Type::Number,
        "i" => Type::Int,
        "s" => Type::Text,
        "ns" => Type::Numbers,
        "ts" => Type::Texts,
        "os" => Type::Objects,
        "m" => Type::Map,
        "t" => Type::Time,
        "d" => Type::Duration,
        "any" => return None,
        other => unreachable!("a hole <{other}>"),
    })
}

impl Builder<'_> {
    /// An expression of that type, with about as many levels.
    pub(super) fn expression(&mut self, wanted: Type, depth: u32) -> String {
        let wanted = if self.aim == Aim::WrongTypes && self.rarely(5) {
            self.pick(&TYPES)
        } else {
            wanted
        };
        if (self.aim == Aim::WrongTypes && self.rarely(8)) || (self.aim == Aim::WrongData && self.rarely(80)) {
            return self.any_call();
        }
        if depth == 0 || self.rarely(8) {
            return self.leaf(wanted);
        }
        if self.rarely(16) {
            return self.declaration(wanted, depth - 1);
        }
        let form = self.pick(forms::of(wanted));
        let text = self.fill(form, depth - 1);
        match self.rng.u32(..16) {
            // Sometimes what binds tighter is left to the operators.
            0 => text,
            1 => format!("( {text}\n)"),
            2 => format!("/* {} */ ({text})", if depth > 2 { "deep" } else { "" }),
            _ if form.contains(' ') || form.starts_with(['-', '!']) => format!("({text})"),
            _ => text,
        }
    }

    /// Fills the holes of a form.
    pub(super) fn fill(&mut self, form: &str, depth: u32) -> String {
        let mut text = String::new();
        let mut rest = form;
        while let Some((before, after)) = rest.split_once('<') {
            text.push_str(before);
            let is_hole = after.starts_with(|c: char| c.is_ascii_lowercase());
            if let Some((letters, behind)) = after.split_once('>').filter(|_| is_hole) {
                text.push_str(&self.hole(letters, depth));
                rest = behind;
            } else {
                text.push('<');
                rest = after;
            }
        }
        text + rest
    }

    fn hole(&mut self, letters: &str, depth: u32) -> String {
        if let Some((wanted, element)) = letters.split_once('@') {
            return self.predicate(wanted, element, depth);
        }
        let wanted = self.meant(letters);
        self.expression(wanted, depth)
    }

    fn meant(&mut self, letters: &str) -> Type {
        hole(letters).unwrap_or_else(|| self.pick(&TYPES))
    }

    fn predicate(&mut self, wanted: &str, element: &str, depth: u32) -> String {
        let element = match element {
            "o" => Type::Map,
            letters => hole(letters).expect("elements have a type"),
        };
        self.elements.push(element);
        let wanted = self.meant(wanted);
        // Mostly the element plays a part.
        let body = if depth == 0 && self.rng.bool() {
            let form = self.pick(forms::of_predicate(wanted, element));
            self.fill(form, 0)
        } else {
            self.expression(wanted, depth)
        };
        self.elements.pop();
        if self.rng.bool() { body } else { format!("{{{body}}}") }
    }

    fn declaration(&mut self, wanted: Type, depth: u32) -> String {
        let ty = self.pick(&TYPES);
        let value = self.expression(ty, depth);
        let name = format!("v{}", self.variables.len());
        self.variables.push((name.clone(), ty));
        let body = self.expression(wanted, depth);
        self.variables.pop();
        format!("(let {name} = {value}; {body})")
    }

    /// Any function with any arguments.
    fn any_call(&mut self) -> String {
        let names: Vec<&str> = forms::FUNCTIONS.split_whitespace().collect();
        let name = self.pick(&names);
        let arguments: Vec<String> = (0..self.rng.usize(..4))
            .map(|_| {
                let ty = self.pick(&TYPES);
                self.leaf(ty)
            })
            .collect();
        format!("{name}({})", arguments.join(", "))
    }

    fn leaf(&mut self, wanted: Type) -> String {
        if self.aim == Aim::WrongData && self.rng.u32(..5) < 3 {
            return self.wrong_data();
        }
        let mut names: Vec<String> = Vec::new();
        match self.elements.last() {
            Some(Type::Map) => names.extend(
                match wanted {
                    Type::Number => &[".v", "#.v", ".id", "#['v']"][..],
                    Type::Text => &[".name", "#?.name"],
                    Type::Map => &["#"],
                    _ => &[],
                }
                .iter()
                .map(|name| (*name).to_owned()),
            ),
            Some(element) if *element == wanted => names.push("#".to_owned()),
            _ => {}
        }
        let fits = |(_, ty): &&(String, Type)| *ty == wanted;
        names.extend(self.variables.iter().filter(fits).map(|(name, _)| name.clone()));
        let paths: Vec<_> = self.subject.paths.iter().filter(fits).map(|(path, _)| path).collect();
        if !paths.is_empty() && self.rng.u32(..3) > 0 {
            names.push(paths[self.rng.usize(..paths.len())].clone());
        }
        if names.is_empty() || self.rarely(4) {
            return self.pick(forms::literals(wanted)).to_owned();
        }
        names.swap_remove(self.rng.usize(..names.len()))
    }

    /// A path that leads to something else than is wanted, or nowhere.
    fn wrong_data(&mut self) -> String {
        let subject = self.subject;
        if self.rng.bool() {
            return self.pick(&subject.mistakes).to_owned();
        }
        subject.paths[self.rng.usize(..subject.paths.len())].0.clone()
    }
}
