//! Members, indices and slices behind an operand.

use super::{Kind, Node, Parser, Result, Token, syntax};
use crate::condition::lexer::{is_alphabetic, is_alphanumeric};

impl Parser<'_> {
    pub(super) fn postfix(&mut self, mut node: Node) -> Result<Node> {
        loop {
            let optional = self.at("?.");
            if optional || self.at(".") {
                self.take()?;
                node = if optional && self.at_bracket('[') {
                    self.index(node, true)?
                } else {
                    self.member(node, optional)?
                };
            } else if self.at_bracket('[') {
                node = self.index(node, false)?;
            } else {
                return Ok(node);
            }
        }
    }

    fn member(&mut self, node: Node, optional: bool) -> Result<Node> {
        let name = match self.take()? {
            Token::Identifier(name) => name,
            // Words such as `not` and `matches` are names behind a dot.
            Token::Operator(word) if is_name(word) => word.to_owned(),
            _ => return Err(syntax("expected name")),
        };
        let property = self.boxed(Kind::String(name.into()))?;
        let (base, in_chain) = match node.kind {
            Kind::Chain(inner) => (inner, true),
            _ => (Box::new(node), false),
        };
        let method = self.at_bracket('(');
        let member = self.node(Kind::Member {
            base,
            property,
            optional,
            method,
        })?;
        let node = if method {
            let arguments = self.arguments(Vec::new())?;
            self.node(Kind::Call {
                callee: Box::new(member),
                arguments,
            })?
        } else {
            member
        };
        if in_chain || optional {
            self.node(Kind::Chain(Box::new(node)))
        } else {
            Ok(node)
        }
    }

    fn index(&mut self, node: Node, optional: bool) -> Result<Node> {
        self.expect_bracket('[')?;
        let base = Box::new(node);
        let from = if self.at(":") {
            None
        } else {
            Some(Box::new(self.expression(0)?))
        };
        let node = match from {
            Some(property) if !self.at(":") => {
                let member = self.node(Kind::Member {
                    base,
                    property,
                    optional,
                    method: false,
                })?;
                if optional {
                    self.node(Kind::Chain(Box::new(member)))?
                } else {
                    member
                }
            }
            from => {
                self.expect(":")?;
                let to = if self.at_bracket(']') {
                    None
                } else {
                    Some(Box::new(self.expression(0)?))
                };
                self.node(Kind::Slice { base, from, to })?
            }
        };
        self.expect_bracket(']')?;
        Ok(node)
    }
}

fn is_name(word: &str) -> bool {
    word.starts_with(is_alphabetic) && word.chars().all(is_alphanumeric)
}
