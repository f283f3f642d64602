//! How much an expression may ask for.

/// Bounds on one evaluation. Running into any of them is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// Bytes of the expression's text.
    pub(super) source: usize,
    /// Levels of brackets, calls and operators that wait for their right side. The parser recurses that deep, on threads
    /// with 2 MiB of stack, of which an unoptimised build takes half.
    pub(super) nesting: usize,
    /// Levels of nodes: a long chain of operators is deep without being nested. Everything that walks the tree recurses
    /// that deep.
    pub(super) depth: usize,
    /// Nodes of the tree; the original's own limit.
    pub(super) nodes: usize,
    /// Elements of arrays and maps that are built; the original's own limit, counted as it counts.
    pub(super) memory: usize,
    /// Bytes of text and of elements that are built, including what the original does not count.
    pub(super) bytes: usize,
    /// Nodes that are evaluated and elements that builtins look at: about half a second of computing.
    pub(super) steps: usize,
    /// Levels of arrays and maps within each other.
    pub(super) value_depth: usize,
}

impl Limits {
    pub(super) const DEFAULT: Self = Self {
        source: 64 * 1024,
        nesting: 100,
        depth: 256,
        nodes: 10_000,
        memory: 1_000_000,
        bytes: 64 * 1024 * 1024,
        steps: 10_000_000,
        value_depth: 256,
    };
}
