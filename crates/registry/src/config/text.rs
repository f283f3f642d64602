//! One key's text as a list of entries, each read on its own.

use rollcage_api::plugin::PluginEntry;
use serde_json::Value;

use super::check::Problem;

/// One item of the list.
pub(super) struct Item {
    value: Value,
}

/// Something wrong, with its place.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) line: usize,
    pub(super) field: String,
    pub(super) cause: String,
    pub(super) hint: String,
}

/// The items of a key, or what is wrong with the text as a whole.
pub(super) fn items(text: &str) -> Result<Vec<Item>, Wrong> {
    let wrong = |line: usize, cause: String| Wrong {
        line,
        field: String::new(),
        cause,
        hint: String::new(),
    };
    let value: Value = serde_yaml::from_str(text)
        .map_err(|error| wrong(error.location().map_or(0, |at| at.line()), error.to_string()))?;
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) => Ok(items.into_iter().map(|value| Item { value }).collect()),
        _ => Err(wrong(0, "a list of entries is wanted".to_owned())),
    }
}

impl Item {
    pub(super) fn line(&self) -> usize {
        0
    }

    pub(super) fn name(&self) -> Option<&str> {
        self.value.get("name").and_then(Value::as_str)
    }

    pub(super) fn entry(&self) -> Result<PluginEntry, Wrong> {
        serde_json::from_value(self.value.clone()).map_err(|error| Wrong {
            line: 0,
            field: String::new(),
            cause: error.to_string(),
            hint: "correct the field".to_owned(),
        })
    }

    pub(super) fn place(&self, problem: Problem) -> Wrong {
        Wrong {
            line: 0,
            field: problem.path.join("."),
            cause: problem.cause,
            hint: problem.hint,
        }
    }

    pub(super) fn unknown_fields(&self) -> Vec<(usize, String)> {
        Vec::new()
    }
}
