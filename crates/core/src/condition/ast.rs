//! The tree of an expression.

use std::{collections::BTreeSet, sync::Arc};

use super::{builtins::Builtin, types::Type, value::Value};

/// A part of an expression, with the type that the checker found for it.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) ty: Type,
    /// Levels of nodes from here down, this one included.
    pub(super) depth: usize,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    String(Arc<str>),
    /// A bytes literal, or an array of literals put together ahead of time.
    Constant(Value),
    Identifier(Arc<str>),
    Pointer(Pointer),
    Unary {
        op: UnaryOp,
        operand: Box<Node>,
    },
    Binary {
        op: BinaryOp,
        left: Box<Node>,
        right: Box<Node>,
    },
    /// Where an optional member that meets nil ends up.
    Chain(Box<Node>),
    Member {
        base: Box<Node>,
        property: Box<Node>,
        optional: bool,
        /// `base.property(...)`.
        method: bool,
    },
    Slice {
        base: Box<Node>,
        from: Option<Box<Node>>,
        to: Option<Box<Node>>,
    },
    Call {
        callee: Box<Node>,
        arguments: Vec<Node>,
    },
    Builtin(BuiltinCall),
    /// The expression that a builtin evaluates for each element.
    Predicate(Box<Node>),
    Let {
        name: Arc<str>,
        value: Box<Node>,
        body: Box<Node>,
    },
    Sequence(Vec<Node>),
    Conditional {
        condition: Box<Node>,
        then: Box<Node>,
        otherwise: Box<Node>,
    },
    Array(Vec<Node>),
    Map(Vec<(Node, Node)>),
    /// `left in [strings]` with the strings as a set. This and what follows is made by the optimizer.
    InStrings {
        left: Box<Node>,
        set: Arc<BTreeSet<Arc<str>>>,
    },
    /// `left in from..to`.
    InRange {
        left: Box<Node>,
        from: i64,
        to: i64,
    },
    /// `sum([...])`: added up from the back, without the array.
    Total(Vec<Node>),
}

#[derive(Clone, Debug)]
pub(super) struct BuiltinCall {
    pub(super) function: Builtin,
    pub(super) arguments: Vec<Node>,
    /// What `filter` and `find` give instead of the element: a `map` over them that was folded in.
    pub(super) map: Option<Box<Node>>,
    /// `find` in place of `filter(...)[0]`: nothing found is an error.
    pub(super) throws: bool,
    /// `count` needs to count no further.
    pub(super) threshold: Option<i64>,
}

impl BuiltinCall {
    pub(super) fn new(function: Builtin, arguments: Vec<Node>) -> Self {
        Self {
            function,
            arguments,
            map: None,
            throws: false,
            threshold: None,
        }
    }
}

/// What `#` and its names stand for inside a predicate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pointer {
    Item,
    Named(Arc<str>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UnaryOp {
    /// `!`
    Bang,
    /// `not`
    Not,
    Plus,
    Minus,
}

impl UnaryOp {
    pub(super) fn of(spelling: &str) -> Option<Self> {
        Some(match spelling {
            "!" => Self::Bang,
            "not" => Self::Not,
            "+" => Self::Plus,
            "-" => Self::Minus,
            _ => return None,
        })
    }

    pub(super) fn precedence(self) -> u16 {
        match self {
            Self::Bang | Self::Not => 50,
            Self::Plus | Self::Minus => 90,
        }
    }

    pub(super) fn spelling(self) -> &'static str {
        match self {
            Self::Bang => "!",
            Self::Not => "not",
            Self::Plus => "+",
            Self::Minus => "-",
        }
    }
}

/// A binary operator and how it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BinaryOp {
    pub(super) action: Action,
    pub(super) spelling: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    More,
    LessOrEqual,
    MoreOrEqual,
    In,
    Matches,
    Contains,
    StartsWith,
    EndsWith,
    Range,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
    Coalesce,
}

impl BinaryOp {
    pub(super) fn of(spelling: &'static str) -> Option<Self> {
        let action = match spelling {
            "or" | "||" => Action::Or,
            "and" | "&&" => Action::And,
            "==" => Action::Equal,
            "!=" => Action::NotEqual,
            "<" => Action::Less,
            ">" => Action::More,
            "<=" => Action::LessOrEqual,
            ">=" => Action::MoreOrEqual,
            "in" => Action::In,
            "matches" => Action::Matches,
            "contains" => Action::Contains,
            "startsWith" => Action::StartsWith,
            "endsWith" => Action::EndsWith,
            ".." => Action::Range,
            "+" => Action::Add,
            "-" => Action::Subtract,
            "*" => Action::Multiply,
            "/" => Action::Divide,
            "%" => Action::Modulo,
            "**" | "^" => Action::Power,
            "??" => Action::Coalesce,
            _ => return None,
        };
        Some(Self { action, spelling })
    }

    pub(super) fn precedence(self) -> u16 {
        match self.action {
            Action::Or => 10,
            Action::And => 15,
            Action::Equal
            | Action::NotEqual
            | Action::Less
            | Action::More
            | Action::LessOrEqual
            | Action::MoreOrEqual
            | Action::In
            | Action::Matches
            | Action::Contains
            | Action::StartsWith
            | Action::EndsWith => 20,
            Action::Range => 25,
            Action::Add | Action::Subtract => 30,
            Action::Multiply | Action::Divide | Action::Modulo => 60,
            Action::Power => 100,
            Action::Coalesce => 500,
        }
    }

    /// Whether `a < b < c` means `a < b && b < c`.
    pub(super) fn chains(self) -> bool {
        matches!(
            self.action,
            Action::Less | Action::More | Action::LessOrEqual | Action::MoreOrEqual
        )
    }

    /// Whether `a not in b` can be written.
    pub(super) fn takes_not(self) -> bool {
        matches!(
            self.action,
            Action::In | Action::Matches | Action::Contains | Action::StartsWith | Action::EndsWith
        )
    }
}

impl Node {
    /// A node of that kind, its type not known yet.
    pub(super) fn new(kind: Kind) -> Self {
        let mut depth = 0;
        kind.for_each_child(&mut |child| depth = depth.max(child.depth));
        Self {
            kind,
            ty: Type::Unknown,
            depth: depth + 1,
        }
    }

    pub(super) fn typed(kind: Kind, ty: Type) -> Self {
        Self { ty, ..Self::new(kind) }
    }

    pub(super) fn as_string(&self) -> Option<&Arc<str>> {
        match &self.kind {
            Kind::String(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn as_int(&self) -> Option<i64> {
        match self.kind {
            Kind::Int(value) => Some(value),
            _ => None,
        }
    }

    pub(super) fn as_builtin(&self, function: Builtin) -> Option<&BuiltinCall> {
        match &self.kind {
            Kind::Builtin(call) if call.function == function => Some(call),
            _ => None,
        }
    }

    pub(super) fn as_identifier(&self) -> Option<&str> {
        match &self.kind {
            Kind::Identifier(name) => Some(name),
            _ => None,
        }
    }
}

impl Kind {
    pub(super) fn for_each_child<'a>(&'a self, visit: &mut dyn FnMut(&'a Node)) {
        match self {
            Self::Nil
            | Self::Bool(_)
            | Self::Int(_)
            | Self::Float(_)
            | Self::String(_)
            | Self::Constant(_)
            | Self::Identifier(_)
            | Self::Pointer(_) => {}
            Self::Unary { operand: child, .. }
            | Self::Chain(child)
            | Self::Predicate(child)
            | Self::InStrings { left: child, .. }
            | Self::InRange { left: child, .. } => visit(child),
            Self::Binary { left, right, .. } => {
                visit(left);
                visit(right);
            }
            Self::Member { base, property, .. } => {
                visit(base);
                visit(property);
            }
            Self::Slice { base, from, to } => {
                visit(base);
                from.iter().chain(to).for_each(|child| visit(child));
            }
            Self::Call { callee, arguments } => {
                visit(callee);
                arguments.iter().for_each(visit);
            }
            Self::Builtin(call) => {
                call.arguments.iter().for_each(&mut *visit);
                call.map.iter().for_each(|child| visit(child));
            }
            Self::Let { value, body, .. } => {
                visit(value);
                visit(body);
            }
            Self::Sequence(children) | Self::Array(children) | Self::Total(children) => children.iter().for_each(visit),
            Self::Conditional {
                condition,
                then,
                otherwise,
            } => {
                visit(condition);
                visit(then);
                visit(otherwise);
            }
            Self::Map(pairs) => pairs.iter().for_each(|(key, value)| {
                visit(key);
                visit(value);
            }),
        }
    }

    /// The same for changes. `map` of a builtin is left out: it was looked at where it came from.
    pub(super) fn for_each_child_mut(
        &mut self,
        visit: &mut dyn FnMut(&mut Node) -> super::error::Result<()>,
    ) -> super::error::Result<()> {
        match self {
            Self::Nil
            | Self::Bool(_)
            | Self::Int(_)
            | Self::Float(_)
            | Self::String(_)
            | Self::Constant(_)
            | Self::Identifier(_)
            | Self::Pointer(_) => Ok(()),
            Self::Unary { operand: child, .. }
            | Self::Chain(child)
            | Self::Predicate(child)
            | Self::InStrings { left: child, .. }
            | Self::InRange { left: child, .. } => visit(child),
            Self::Binary { left, right, .. } => {
                visit(left)?;
                visit(right)
            }
            Self::Member { base, property, .. } => {
                visit(base)?;
                visit(property)
            }
            Self::Slice { base, from, to } => {
                visit(base)?;
                from.iter_mut().chain(to).try_for_each(|child| visit(child))
            }
            Self::Call { callee, arguments } => {
                visit(callee)?;
                arguments.iter_mut().try_for_each(visit)
            }
            Self::Builtin(call) => call.arguments.iter_mut().try_for_each(visit),
            Self::Let { value, body, .. } => {
                visit(value)?;
                visit(body)
            }
            Self::Sequence(children) | Self::Array(children) | Self::Total(children) => {
                children.iter_mut().try_for_each(visit)
            }
            Self::Conditional {
                condition,
                then,
                otherwise,
            } => {
                visit(condition)?;
                visit(then)?;
                visit(otherwise)
            }
            Self::Map(pairs) => pairs.iter_mut().try_for_each(|(key, value)| {
                visit(key)?;
                visit(value)
            }),
        }
    }
}
