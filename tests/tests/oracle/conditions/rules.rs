//! Where an outcome may be another one than the original's. There are no other differences.

use super::{Case, Outcome};

/// A kind of difference.
pub(super) struct Rule {
    /// The row of `docs/compatibility.md` that tells users.
    pub(super) row: &'static str,
    pub(super) explains: fn(case: &Case, original: &Outcome, here: &Outcome) -> bool,
}

pub(super) const RULES: &[Rule] = &[
    Rule {
        row: "Conditions: `findLast`, `findLastIndex`, `last` and `[-1]` of `filter(...)`",
        explains: |case, _, _| {
            let has = |part| case.condition.contains(part);
            has("findLast") || (has("filter(") && (has("last(") || has("[-1]")))
        },
    },
    Rule {
        row: "Conditions: calls behind `?.`",
        explains: |case, _, _| case.condition.contains("?.") && case.condition.contains('('),
    },
    Rule {
        row: "Conditions: patterns that cannot be compiled",
        explains: |_, original, here| match (original, here) {
            (Err(original), Err(here)) => original.strip_prefix(here.as_str()).is_some_and(is_stack),
            _ => false,
        },
    },
    Rule {
        row: "Conditions: halves of characters",
        explains: |case, _, _| {
            let text = format!("{}{}", case.condition, case.result.request());
            case.condition.contains('[') && (text.contains("\\u") || !text.is_ascii())
        },
    },
    Rule {
        row: "Conditions: years",
        explains: |_, _, here| here.as_ref().is_err_and(|error| error == "time out of range"),
    },
    Rule {
        row: "Conditions: two mistakes in one text",
        explains: |_, original, here| match (original, here) {
            (Err(original), Err(_)) => is_of_lexer(original),
            _ => false,
        },
    },
    Rule {
        row: "Conditions: arguments of methods that the data does not have",
        explains: |case, original, here| original.is_err() && here.is_err() && calls_a_method(&case.condition),
    },
];

/// What a panic leaves behind a message.
fn is_stack(text: &str) -> bool {
    text.starts_with("\ngoroutine ")
}

fn is_of_lexer(error: &str) -> bool {
    [
        "bad number syntax: ",
        "literal not terminated",
        "unrecognized character: ",
        "invalid char escape",
    ]
    .iter()
    .any(|start| error.starts_with(start))
}

fn calls_a_method(condition: &str) -> bool {
    condition.split('.').skip(1).any(|behind| {
        let name = behind.find(|c: char| !c.is_ascii_alphabetic());
        name.is_some_and(|end| end > 0 && behind[end..].starts_with('('))
    })
}

/// Whether the difference is one that is known, and by which rule.
pub(super) fn rule_for(case: &Case, original: &Outcome, here: &Outcome) -> Option<usize> {
    RULES.iter().position(|rule| (rule.explains)(case, original, here))
}
