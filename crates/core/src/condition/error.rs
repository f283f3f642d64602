//! Why a condition has no verdict.

use std::sync::Arc;

/// Why an expression could not be evaluated. What it displays is the bare cause in the original's words, without a
/// position: it goes into the message of a measurement as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// The text is no expression.
    #[error("{0}")]
    Syntax(String),
    /// The types of the actual values do not fit the operators and functions; found before anything is computed.
    #[error("{0}")]
    Type(String),
    /// A value met on the way does not fit.
    #[error("{0}")]
    Run(String),
    /// The expression asks for more than it may have.
    #[error("{0}")]
    Budget(#[from] Budget),
    /// It computed something, but no bool (or no time, where a time was wanted).
    #[error("expected {expected}, but got {got}")]
    Outcome {
        /// Go's name of the wanted type.
        expected: &'static str,
        /// Go's name of the type there was.
        got: Arc<str>,
    },
}

/// Which limit an expression ran into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Budget {
    /// Its text is too long.
    #[error("expression is longer than {0} bytes")]
    Source(usize),
    /// Brackets, operators or calls are nested too deeply.
    #[error("expression is nested deeper than {0} levels")]
    Depth(usize),
    /// It has too many parts.
    #[error("compilation failed: expression exceeds maximum allowed nodes")]
    Nodes,
    /// It builds too many array and map elements, or too much text.
    #[error("memory budget exceeded")]
    Memory,
    /// It computes for too long.
    #[error("step budget exceeded")]
    Steps,
    /// A value (of the result, or built by the expression) is nested too deeply.
    #[error("value is nested deeper than {0} levels")]
    ValueDepth(usize),
}

pub(super) type Result<T, E = EvalError> = std::result::Result<T, E>;

pub(super) fn syntax(message: impl Into<String>) -> EvalError {
    EvalError::Syntax(message.into())
}

pub(super) fn mismatch(message: impl Into<String>) -> EvalError {
    EvalError::Type(message.into())
}

pub(super) fn run(message: impl Into<String>) -> EvalError {
    EvalError::Run(message.into())
}
