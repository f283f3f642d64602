//! Where an answer may be another one than the original's. There are no other differences.

use serde_json::Value;

/// What somebody answered.
type Answer = Result<Value, String>;

/// A kind of difference.
pub(super) struct Rule {
    /// The row of `docs/compatibility.md` that tells users.
    pub(super) row: &'static str,
    op: &'static str,
    explains: fn(request: &Value, original: &Answer, here: &Answer) -> bool,
}

impl Rule {
    pub(super) fn explains_in(&self, op: &str, request: &Value, original: &Answer, here: &Answer) -> bool {
        self.op == op && (self.explains)(request, original, here)
    }
}

pub(super) const RULES: &[Rule] = &[
    Rule {
        row: "Runs that end early by an error",
        op: "analysis.pass",
        explains: |_, original, here| {
            let (Ok(original), Ok(mut here)) = (original, here.clone()) else {
                return false;
            };
            let status = here["status"].as_object_mut();
            let completed = status.and_then(|status| status.shift_remove("completedAt"));
            completed.is_some() && *original == here && original["status"]["phase"] == "Error"
        },
    },
    Rule {
        row: "Fields of a Rollout as arguments",
        op: "analysis.rolloutArgs",
        explains: |request, original, here| match (original, here) {
            (Ok(_), Err(_)) => true,
            (Err(original), Err(here)) => {
                let several = request["args"].as_array().is_some_and(|args| args.len() > 1);
                several || original.starts_with("panic: ") || original.starts_with(&format!("{here}: "))
            }
            _ => false,
        },
    },
];
