//! Conditions that nobody thought of, on results that fit them more or less.
//!
//! A condition is built from the top: of a bool that is wanted, of the operands that it needs, down to literals and paths
//! into the result. What makes it fail is put in on the way: a wrong type that shows before anything is computed, one
//! that only shows in the data, or pieces of text in the wrong order.

mod expressions;
mod forms;
mod results;
mod scramble;

use super::Case;
use results::Subject;

/// What a condition is meant to end as. That is up to the original, of course.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aim {
    Verdict,
    /// Words in the wrong order.
    Nonsense,
    /// Operands of types that are known to be wrong.
    WrongTypes,
    /// Paths into the result that lead to something else than is wanted.
    WrongData,
}

/// Types of expressions, as far as building them needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Bool,
    Number,
    /// An `int`, where only that will do.
    Int,
    Text,
    Numbers,
    Texts,
    /// Maps with `id`, `v` and `name`.
    Objects,
    Map,
    Time,
    Duration,
    Nil,
}

const TYPES: [Type; 11] = [
    Type::Bool,
    Type::Number,
    Type::Int,
    Type::Text,
    Type::Numbers,
    Type::Texts,
    Type::Objects,
    Type::Map,
    Type::Time,
    Type::Duration,
    Type::Nil,
];

/// A random case.
pub(super) fn case(rng: &mut fastrand::Rng) -> Case {
    let aim = match rng.u32(..100) {
        0..57 => Aim::Verdict,
        57..62 => Aim::Nonsense,
        62..65 => Aim::WrongTypes,
        _ => Aim::WrongData,
    };
    // What is wrong with a document shows late, with most other results at once.
    let subject = if aim == Aim::WrongData && rng.u32(..4) > 0 {
        Subject::document(rng)
    } else {
        Subject::random(rng)
    };
    let depth = rng.u32(1..5);
    let condition = Builder::new(rng, &subject, aim).expression(Type::Bool, depth);
    let condition = if aim == Aim::Nonsense {
        scramble::scramble(rng, &condition)
    } else {
        condition
    };
    Case {
        condition,
        result: subject.result,
    }
}

/// A random expression for a time, without a result.
pub(super) fn time(rng: &mut fastrand::Rng) -> String {
    let aim = if rng.u32(..4) == 0 {
        Aim::WrongTypes
    } else {
        Aim::Verdict
    };
    let subject = Subject::nothing();
    let depth = rng.u32(..3);
    let mut builder = Builder::new(rng, &subject, aim);
    let form = builder.pick(forms::WITH_THE_CLOCK);
    builder.fill(form, depth)
}

/// Builds one expression.
struct Builder<'a> {
    rng: &'a mut fastrand::Rng,
    subject: &'a Subject,
    aim: Aim,
    /// The type of `#` in each open predicate, the innermost last.
    elements: Vec<Type>,
    /// Variables that can be used, with their types.
    variables: Vec<(String, Type)>,
}

impl<'a> Builder<'a> {
    fn new(rng: &'a mut fastrand::Rng, subject: &'a Subject, aim: Aim) -> Self {
        Self {
            rng,
            subject,
            aim,
            elements: Vec::new(),
            variables: Vec::new(),
        }
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.rng.usize(..choices.len())]
    }

    /// One time in `n`.
    fn rarely(&mut self, n: u32) -> bool {
        self.rng.u32(..n) == 0
    }
}
