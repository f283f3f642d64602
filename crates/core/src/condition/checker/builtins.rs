//! Types of builtins.

use super::{Checker, Node, Result, Scope, Type, mismatch};
use crate::condition::{
    ast::BuiltinCall,
    builtins::{Builtin, Rule, rule},
    value::{ArrayKind, MapKind},
};

const NO_POINTERS: &[(&str, Type)] = &[];
const INDEX: &[(&str, Type)] = &[("index", Type::Int)];
const INDEX_AND_ACC: &[(&str, Type)] = &[("index", Type::Int), ("acc", Type::Unknown)];

impl Checker<'_> {
    pub(super) fn builtin(&mut self, call: &mut BuiltinCall) -> Result<Type> {
        if call.function.predicate_arguments().is_some() {
            return self.over_elements(call.function, &mut call.arguments);
        }
        match rule(call.function) {
            Rule::Index => self.get(&mut call.arguments),
            Rule::Validate(validate) => {
                let mut types = Vec::with_capacity(call.arguments.len());
                for argument in &mut call.arguments {
                    types.push(self.visit(argument)?);
                }
                validate(call.function, &types).map_err(mismatch)
            }
            Rule::Overloads(overloads) => {
                let mut seen = Vec::new();
                let mut last = None;
                for (parameters, returns) in overloads {
                    match self.fit(call.function.name(), parameters, &mut call.arguments, &mut seen)? {
                        None => return Ok(returns.clone()),
                        unfit => last = unfit,
                    }
                }
                Err(last.unwrap_or_else(|| mismatch(format!("no matching overload for {}", call.function.name()))))
            }
        }
    }

    fn over_elements(&mut self, function: Builtin, arguments: &mut [Node]) -> Result<Type> {
        let Some((collection, rest)) = arguments.split_first_mut() else {
            return Err(mismatch(format!("not enough arguments to call {}", function.name())));
        };
        let collection = self.visit(collection)?;
        if !collection.is_array() && !collection.is_unknown() {
            return Err(mismatch(format!(
                "builtin {} takes only array (got {})",
                function.name(),
                collection.pointed_to()
            )));
        }
        let elements = || {
            if collection.is_unknown() {
                Type::Unknown
            } else {
                collection.element()
            }
        };
        let Some((predicate, rest)) = rest.split_first_mut() else {
            return Ok(if function == Builtin::Count {
                Type::Int
            } else {
                elements()
            });
        };
        let pointers = match function {
            Builtin::Map => INDEX,
            Builtin::Reduce => INDEX_AND_ACC,
            _ => NO_POINTERS,
        };
        self.scopes.push(Scope {
            collection: collection.clone(),
            pointers,
        });
        let returns = self.visit(predicate);
        self.scopes.pop();
        let returns = returns?;
        if let Some(last) = rest.first_mut() {
            let order = self.visit(last)?;
            if function == Builtin::SortBy && !order.is_string() && !order.is_unknown() {
                return Err(mismatch(format!(
                    "sortBy order argument must be a string (got {})",
                    order.name()
                )));
            }
        }
        if returns.is_nil() {
            // A predicate that gives nil counts as one that gives nothing.
            if function == Builtin::Sum {
                return Err(mismatch(match collection {
                    Type::Array(kind, _) if kind != ArrayKind::Any => {
                        format!(
                            "cannot use {} as argument (type []interface {{}}) to call sum ",
                            kind.go_name()
                        )
                    }
                    _ => "cannot use func(interface {}) as argument (type func(interface {}) bool) to call sum "
                        .to_owned(),
                }));
            }
            let inputs = if function == Builtin::Reduce { "two" } else { "one" };
            return Err(mismatch(format!(
                "predicate should has {inputs} input and one output param"
            )));
        }
        let needs_bool = !matches!(
            function,
            Builtin::Map | Builtin::Sum | Builtin::GroupBy | Builtin::SortBy | Builtin::Reduce
        );
        if needs_bool && !returns.is_bool() && !returns.is_unknown() {
            return Err(mismatch(format!(
                "predicate should return boolean (got {})",
                returns.name()
            )));
        }
        Ok(match function {
            Builtin::Filter if collection.is_unknown() => Type::ANYS,
            Builtin::Filter => Type::array_of(elements()),
            Builtin::Map => Type::array_of(returns),
            Builtin::Count | Builtin::FindIndex | Builtin::FindLastIndex => Type::Int,
            // What is known of the elements of an array that the predicate gives is lost here.
            Builtin::Sum => match returns {
                Type::Unknown => Type::Any,
                Type::Array(kind, _) => Type::Array(kind, None),
                other => other,
            },
            Builtin::Find | Builtin::FindLast => elements(),
            Builtin::GroupBy => Type::Map(MapKind::AnyToArray),
            Builtin::SortBy => collection,
            Builtin::Reduce => returns,
            _ => Type::Bool,
        })
    }
}
