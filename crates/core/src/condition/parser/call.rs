//! Calls of functions and builtins.

use super::{Kind, Node, Parser, Result, syntax};
use crate::condition::{
    ast::BuiltinCall,
    builtins::{Argument, Builtin},
};

impl Parser<'_> {
    /// `name(...)`. `arguments` holds what came through a pipe. No name of the environment is also that of a builtin,
    /// so that `::name` differs from `name` in nothing.
    pub(super) fn call(&mut self, name: String, arguments: Vec<Node>) -> Result<Node> {
        let Some(function) = Builtin::of(&name) else {
            let callee = self.boxed(Kind::Identifier(name.into()))?;
            let arguments = self.arguments(arguments)?;
            return self.node(Kind::Call { callee, arguments });
        };
        let arguments = match function.predicate_arguments() {
            Some(wanted) => self.predicate_arguments(wanted, arguments)?,
            None => self.arguments(arguments)?,
        };
        self.node(Kind::Builtin(BuiltinCall::new(function, arguments)))
    }

    pub(super) fn arguments(&mut self, mut arguments: Vec<Node>) -> Result<Vec<Node>> {
        let piped = arguments.len();
        self.expect_bracket('(')?;
        while !self.at_bracket(')') {
            if arguments.len() > piped {
                self.expect(",")?;
                if self.at_bracket(')') {
                    break;
                }
            }
            arguments.push(self.expression(0)?);
        }
        self.expect_bracket(')')?;
        Ok(arguments)
    }

    fn predicate_arguments(&mut self, wanted: &[Argument], mut arguments: Vec<Node>) -> Result<Vec<Node>> {
        self.expect_bracket('(')?;
        let wanted = wanted.get(arguments.len()..).unwrap_or_default();
        for (index, argument) in wanted.iter().enumerate() {
            if self.at_bracket(')') {
                if argument.is_optional() {
                    break;
                }
                return Err(syntax(format!("expected at least {} arguments", wanted.len())));
            }
            if index > 0 {
                self.expect(",")?;
            }
            arguments.push(if argument.is_predicate() {
                self.predicate()?
            } else {
                self.expression(0)?
            });
        }
        self.accept(",")?;
        self.expect_bracket(')')?;
        Ok(arguments)
    }

    fn predicate(&mut self) -> Result<Node> {
        let braces = self.at_bracket('{');
        self.predicates += 1;
        let body = if braces {
            self.block()?
        } else {
            let body = self.expression(0)?;
            if self.at(";") {
                return Err(syntax("wrap predicate with brackets { and }"));
            }
            body
        };
        self.predicates -= 1;
        self.node(Kind::Predicate(Box::new(body)))
    }
}
