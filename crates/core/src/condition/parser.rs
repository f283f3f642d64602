//! Tokens into a tree.

mod call;
mod literal;
mod postfix;

use std::sync::Arc;

use super::{
    ast::{BinaryOp, Kind, Node, Pointer, UnaryOp},
    error::{Budget, Result, syntax},
    lexer,
    limits::Limits,
    token::Token,
};

/// Parses a whole expression.
pub(super) fn parse(source: &str, limits: &Limits) -> Result<Node> {
    if source.len() > limits.source {
        return Err(Budget::Source(limits.source).into());
    }
    let mut tokens = lexer::tokens(source).into_iter();
    let current = tokens.next().unwrap_or(Ok(Token::End))?;
    let mut parser = Parser {
        tokens,
        current,
        limits,
        nodes: 0,
        nesting: 0,
        predicates: 0,
    };
    let node = parser.sequence()?;
    match parser.current {
        Token::End => Ok(node),
        _ => Err(parser.unexpected()),
    }
}

struct Parser<'a> {
    tokens: std::vec::IntoIter<Result<Token>>,
    current: Token,
    limits: &'a Limits,
    nodes: usize,
    nesting: usize,
    /// How many predicates are open: `#` means something inside of one only.
    predicates: usize,
}

impl Parser<'_> {
    /// Takes the current token.
    fn take(&mut self) -> Result<Token> {
        let next = self
            .tokens
            .next()
            .unwrap_or_else(|| Err(syntax("unexpected end of expression")))?;
        Ok(std::mem::replace(&mut self.current, next))
    }

    fn unexpected(&self) -> super::EvalError {
        syntax(format!("unexpected token {}", self.current))
    }

    fn at(&self, operator: &str) -> bool {
        self.current.is_operator(operator)
    }

    fn at_bracket(&self, bracket: char) -> bool {
        self.current.is_bracket(bracket)
    }

    fn accept(&mut self, operator: &str) -> Result<bool> {
        let there = self.at(operator);
        if there {
            self.take()?;
        }
        Ok(there)
    }

    fn expect(&mut self, operator: &str) -> Result<()> {
        if self.accept(operator)? {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    fn expect_bracket(&mut self, bracket: char) -> Result<()> {
        if !self.at_bracket(bracket) {
            return Err(self.unexpected());
        }
        self.take().map(drop)
    }

    fn expect_identifier(&mut self) -> Result<String> {
        match &self.current {
            Token::Identifier(name) => {
                let name = name.clone();
                self.take()?;
                Ok(name)
            }
            _ => Err(self.unexpected()),
        }
    }

    /// Counts a node, and refuses a tree that is too deep to walk through.
    fn node(&mut self, kind: Kind) -> Result<Node> {
        self.nodes += 1;
        if self.nodes > self.limits.nodes {
            return Err(Budget::Nodes.into());
        }
        let node = Node::new(kind);
        if node.depth > self.limits.depth {
            return Err(Budget::Depth(self.limits.depth).into());
        }
        Ok(node)
    }

    fn boxed(&mut self, kind: Kind) -> Result<Box<Node>> {
        self.node(kind).map(Box::new)
    }

    /// A second instance of a node, for an operand that is written once and used twice. It counts again: copies of copies
    /// would otherwise double at each level.
    fn copy(&mut self, node: &Node) -> Result<Node> {
        let mut waiting = vec![node];
        while let Some(node) = waiting.pop() {
            self.nodes += 1;
            if self.nodes > self.limits.nodes {
                return Err(Budget::Nodes.into());
            }
            node.kind.for_each_child(&mut |child| waiting.push(child));
        }
        Ok(node.clone())
    }

    /// Runs `inner` one level deeper.
    fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.nesting += 1;
        if self.nesting > self.limits.nesting {
            return Err(Budget::Depth(self.limits.nesting).into());
        }
        let outcome = inner(self);
        self.nesting -= 1;
        outcome
    }

    fn sequence(&mut self) -> Result<Node> {
        let first = self.expression(0)?;
        if !self.at(";") {
            return Ok(first);
        }
        let mut nodes = vec![first];
        while self.accept(";")? {
            if self.current == Token::End {
                break;
            }
            nodes.push(self.expression(0)?);
        }
        match <[Node; 1]>::try_from(nodes) {
            Ok([only]) => Ok(only),
            Err(nodes) => self.node(Kind::Sequence(nodes)),
        }
    }

    fn expression(&mut self, precedence: u16) -> Result<Node> {
        self.nested(|parser| {
            if precedence == 0 && parser.at("let") {
                return parser.declaration();
            }
            if precedence == 0 && parser.at("if") {
                return parser.conditional_if();
            }
            let left = parser.primary()?;
            let node = parser.operations(left, precedence)?;
            if precedence == 0 {
                parser.conditional(node)
            } else {
                Ok(node)
            }
        })
    }

    /// The operators behind an operand that bind at least as tightly as `precedence`.
    fn operations(&mut self, mut left: Node, precedence: u16) -> Result<Node> {
        let mut previous = "";
        while let Token::Operator(spelling) = self.current {
            if spelling == "|" {
                if precedence > 0 {
                    break;
                }
                self.take()?;
                let name = self.expect_identifier()?;
                left = self.call(name, vec![left])?;
                // The token behind the pipe is the operator that counts as the previous one.
                previous = spelling;
                continue;
            }
            let mut spelling = spelling;
            let mut negated = false;
            if spelling == "not" {
                let Some(op) = self.peek_operator().filter(|op| op.takes_not()) else {
                    self.take()?;
                    return Err(self.unexpected());
                };
                if op.precedence() < precedence {
                    break;
                }
                self.take()?;
                spelling = op.spelling;
                negated = true;
            }
            let Some(op) = BinaryOp::of(spelling).filter(|op| op.precedence() >= precedence) else {
                break;
            };
            self.take()?;
            if previous == "??" && spelling != "??" {
                return Err(syntax(format!(
                    "Operator ({spelling}) and coalesce expressions (??) cannot be mixed. Wrap either by parentheses."
                )));
            }
            left = if op.chains() {
                self.comparison(left, op)?
            } else {
                self.operation(left, op)?
            };
            if negated {
                left = self.node(Kind::Unary {
                    op: UnaryOp::Not,
                    operand: Box::new(left),
                })?;
            }
            previous = spelling;
        }
        Ok(left)
    }

    fn peek_operator(&self) -> Option<BinaryOp> {
        match self.tokens.as_slice().first() {
            Some(Ok(Token::Operator(spelling))) => BinaryOp::of(spelling),
            _ => None,
        }
    }

    fn operation(&mut self, left: Node, op: BinaryOp) -> Result<Node> {
        let right_associative = op.action == super::ast::Action::Power;
        let right = self.expression(op.precedence() + u16::from(!right_associative))?;
        self.node(Kind::Binary {
            op,
            left: Box::new(left),
            right: Box::new(right),
        })
    }

    /// `a < b <= c` compares neighbours.
    fn comparison(&mut self, mut left: Node, mut op: BinaryOp) -> Result<Node> {
        let mut whole: Option<Node> = None;
        loop {
            let right = self.expression(op.precedence() + 1)?;
            let next = match self.current {
                Token::Operator(spelling) => BinaryOp::of(spelling).filter(|op| op.chains()),
                _ => None,
            };
            let next = match next {
                Some(next) => Some((next, self.copy(&right)?)),
                None => None,
            };
            let compared = self.node(Kind::Binary {
                op,
                left: Box::new(left),
                right: Box::new(right),
            })?;
            let joined = match whole {
                None => compared,
                Some(whole) => {
                    let and = BinaryOp {
                        action: super::ast::Action::And,
                        spelling: "&&",
                    };
                    self.node(Kind::Binary {
                        op: and,
                        left: Box::new(whole),
                        right: Box::new(compared),
                    })?
                }
            };
            let Some((next, copied)) = next else {
                return Ok(joined);
            };
            self.take()?;
            (op, left, whole) = (next, copied, Some(joined));
        }
    }

    fn declaration(&mut self) -> Result<Node> {
        self.expect("let")?;
        let name: Arc<str> = self.expect_identifier()?.into();
        self.expect("=")?;
        let value = Box::new(self.expression(0)?);
        self.expect(";")?;
        let body = Box::new(self.sequence()?);
        self.node(Kind::Let { name, value, body })
    }

    fn conditional_if(&mut self) -> Result<Node> {
        self.expect("if")?;
        let condition = Box::new(self.expression(0)?);
        let then = Box::new(self.block()?);
        self.expect("else")?;
        let otherwise = if self.at("if") {
            self.nested(Self::conditional_if)?
        } else {
            self.block()?
        };
        // The original does not count this node; nothing but the exact limit depends on it.
        self.node(Kind::Conditional {
            condition,
            then,
            otherwise: Box::new(otherwise),
        })
    }

    fn block(&mut self) -> Result<Node> {
        self.expect_bracket('{')?;
        let node = self.sequence()?;
        self.expect_bracket('}')?;
        Ok(node)
    }

    /// `a ? b : c`, and `a ?: c` for `a ? a : c`.
    fn conditional(&mut self, mut node: Node) -> Result<Node> {
        while self.accept("?")? {
            let (then, otherwise) = if self.accept(":")? {
                (self.copy(&node)?, self.expression(0)?)
            } else {
                let then = self.expression(0)?;
                self.expect(":")?;
                (then, self.expression(0)?)
            };
            node = self.node(Kind::Conditional {
                condition: Box::new(node),
                then: Box::new(then),
                otherwise: Box::new(otherwise),
            })?;
        }
        Ok(node)
    }

    fn primary(&mut self) -> Result<Node> {
        match self.current {
            Token::Operator(spelling) => {
                if let Some(op) = UnaryOp::of(spelling) {
                    self.take()?;
                    let operand = Box::new(self.expression(op.precedence())?);
                    let node = self.node(Kind::Unary { op, operand })?;
                    return self.postfix(node);
                }
                if self.predicates > 0 && matches!(spelling, "#" | ".") {
                    let pointer = self.pointer(spelling)?;
                    let node = self.node(Kind::Pointer(pointer))?;
                    return self.postfix(node);
                }
                if spelling == "::" {
                    self.take()?;
                    let name = self.expect_identifier()?;
                    let node = self.call(name, Vec::new())?;
                    return self.postfix(node);
                }
                Err(self.unexpected())
            }
            Token::Bracket('(') => {
                self.take()?;
                let node = self.sequence()?;
                self.expect_bracket(')')?;
                self.postfix(node)
            }
            _ => self.secondary(),
        }
    }

    /// `#`, `#name`, or nothing at all before a `.`, which stays.
    fn pointer(&mut self, spelling: &str) -> Result<Pointer> {
        if spelling == "." {
            return Ok(Pointer::Item);
        }
        self.take()?;
        match &self.current {
            Token::Identifier(name) => {
                let name: Arc<str> = name.as_str().into();
                self.take()?;
                Ok(Pointer::Named(name))
            }
            _ => Ok(Pointer::Item),
        }
    }

    fn secondary(&mut self) -> Result<Node> {
        let node = match &self.current {
            Token::Identifier(name) => {
                let name = name.clone();
                self.take()?;
                match name.as_str() {
                    "true" => return self.node(Kind::Bool(true)),
                    "false" => return self.node(Kind::Bool(false)),
                    "nil" => return self.node(Kind::Nil),
                    _ if self.at_bracket('(') => self.call(name, Vec::new())?,
                    _ => self.node(Kind::Identifier(name.into()))?,
                }
            }
            Token::Number(text) => {
                let text = text.clone();
                self.take()?;
                return self.node(literal::number(&text)?);
            }
            Token::String(text) => {
                let kind = Kind::String(text.as_str().into());
                self.take()?;
                self.node(kind)?
            }
            Token::Bytes(bytes) => {
                let kind = Kind::Constant(super::value::Value::bytes(bytes));
                self.take()?;
                self.node(kind)?
            }
            Token::Bracket('[') => self.array()?,
            Token::Bracket('{') => self.map()?,
            Token::Operator(_) | Token::Bracket(_) | Token::End => return Err(self.unexpected()),
        };
        self.postfix(node)
    }

    fn array(&mut self) -> Result<Node> {
        self.expect_bracket('[')?;
        let mut nodes = Vec::new();
        while !self.at_bracket(']') {
            if !nodes.is_empty() {
                self.expect(",")?;
                if self.at_bracket(']') {
                    break;
                }
            }
            nodes.push(self.expression(0)?);
        }
        self.expect_bracket(']')?;
        self.node(Kind::Array(nodes))
    }

    fn map(&mut self) -> Result<Node> {
        self.expect_bracket('{')?;
        let mut pairs = Vec::new();
        while !self.at_bracket('}') {
            if !pairs.is_empty() {
                self.expect(",")?;
                if self.at_bracket('}') {
                    break;
                }
                if self.at(",") {
                    return Err(self.unexpected());
                }
            }
            let key = match &self.current {
                Token::Number(text) | Token::String(text) | Token::Identifier(text) => {
                    let kind = Kind::String(text.as_str().into());
                    let key = self.node(kind)?;
                    self.take()?;
                    key
                }
                Token::Bracket('(') => self.expression(0)?,
                other => {
                    return Err(syntax(format!(
                        "a map key must be a quoted string, a number, a identifier, or an expression enclosed in \
                         parentheses (unexpected token {other})"
                    )));
                }
            };
            self.expect(":")?;
            let value = self.expression(0)?;
            self.nodes += 1;
            pairs.push((key, value));
        }
        self.expect_bracket('}')?;
        self.node(Kind::Map(pairs))
    }
}
