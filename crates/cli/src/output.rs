//! Where results go: one JSON object or text on standard output, everything else on standard error.

use anstream::{eprintln, println};
use rollcage_harness::CommandError;
use serde::Serialize;
use serde_json::json;

use crate::{args::Output, render};

/// Writes results as the user asked.
#[derive(Clone, Copy, Debug)]
pub struct Out {
    output: Output,
}

impl Out {
    /// As `--output` says.
    pub fn new(output: Output) -> Self {
        Self { output }
    }

    /// Whether results are for people.
    pub fn is_text(self) -> bool {
        self.output == Output::Text
    }

    /// A result: the lines, or the object.
    pub fn result(self, value: &impl Serialize, lines: impl FnOnce() -> Vec<String>) {
        match self.output {
            Output::Text => lines().iter().for_each(|line| println!("{line}")),
            Output::Json => {
                let value =
                    serde_json::to_value(value).unwrap_or_else(|error| json!({"unprintable": error.to_string()}));
                println!("{value}");
            }
        }
    }

    /// A line of a result that comes line by line; not in JSON, which is one object.
    pub fn line(self, line: impl FnOnce() -> String) {
        if self.is_text() {
            println!("{}", line());
        }
    }

    /// Why there is no result.
    pub fn error(self, error: &CommandError) {
        match self.output {
            _ if matches!(error, CommandError::Reported) => {}
            Output::Text => render::plugin::error(error).iter().for_each(|line| eprintln!("{line}")),
            Output::Json => println!("{}", error.to_json()),
        }
    }
}

/// Something to know beside the result, on standard error.
pub fn note(text: &str) {
    eprintln!("{text}");
}
