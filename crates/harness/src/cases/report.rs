//! What came of cases, for people and machines.

use std::path::Path;

use rollcage_api::plugin::PluginKind;
use rollcage_core::Denial;
use serde::Serialize;
use serde_json::Value;

use super::{
    TestOptions,
    run::end_json,
    verdict::{Found, Problem},
};
use crate::{call::ObjectDiff, surroundings::object_diff};

/// Bytes of a body that a report shows.
const BODY: usize = 2000;

/// A whole test.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TestReport {
    /// Whether no case failed.
    pub ok: bool,
    /// The cases file.
    pub cases_file: String,
    /// The plugin's file.
    pub plugin: String,
    /// What the plugin extends, as in WIT.
    pub plugin_kind: String,
    /// Cases that hold.
    pub passed: usize,
    /// Cases that do not.
    pub failed: usize,
    /// Cases that do not apply, with their reason.
    pub skipped: usize,
    /// Cases that the filter left out.
    pub filtered: usize,
    /// Cases that were not run because one failed.
    pub not_run: usize,
    /// Real time of all, in microseconds.
    pub duration_us: u64,
    /// Each case that was run or skipped, in order.
    pub cases: Vec<CaseReport>,
}

/// One case.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CaseReport {
    /// Its name.
    pub name: String,
    /// Whose case it is.
    pub kind: CaseKind,
    /// What came of it.
    pub status: Status,
    /// Real time in microseconds.
    pub duration_us: u64,
    /// Why it was skipped.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// What is not as expected.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
    /// What its calls did.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<Evidence>,
}

/// Whose case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CaseKind {
    /// Of the cases file.
    Case,
    /// Of every plugin of the kind.
    Conformance,
}

/// What came of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It holds.
    Passed,
    /// It does not.
    Failed,
    /// It does not apply.
    Skipped,
}

/// What a call did.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// The method.
    pub method: String,
    /// `{answer: ...}`, `{error: ...}` or `{fault: ...}`.
    pub end: Value,
    /// Lines that the plugin logged: level and text.
    pub log: Vec<(String, String)>,
    /// What it asked over HTTP.
    pub http: Vec<HttpEvidence>,
    /// Objects that it changed.
    pub changes: Vec<ObjectDiff>,
    /// Host calls that were denied.
    pub denials: Vec<Denial>,
}

/// One HTTP exchange.
#[derive(Clone, Debug, Serialize)]
pub struct HttpEvidence {
    /// Method and address.
    pub request: String,
    /// The body that was sent.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// Status, or why there was no answer.
    pub answer: String,
}

impl Evidence {
    /// What is known of a call.
    pub fn of(method: &str, found: &Found<'_>) -> Self {
        let http = found.asked.iter().map(|asked| HttpEvidence {
            request: format!("{} {}", asked.request.method, asked.request.url),
            body: String::from_utf8_lossy(&asked.request.body)
                .chars()
                .take(BODY)
                .collect(),
            answer: match &asked.answer {
                Ok(response) => response.status.to_string(),
                Err(failure) => failure.to_string(),
            },
        });
        Self {
            method: method.to_owned(),
            end: end_json(found.answer),
            log: found.usage.log.clone(),
            http: http.collect(),
            changes: found.changes.iter().map(object_diff).collect(),
            denials: found.usage.denials.clone(),
        }
    }
}

impl TestReport {
    /// Of no case yet.
    pub fn new(cases: &Path, plugin: &Path, kind: PluginKind) -> Self {
        Self {
            ok: true,
            cases_file: cases.display().to_string(),
            plugin: plugin.display().to_string(),
            plugin_kind: kind.to_string(),
            passed: 0,
            failed: 0,
            skipped: 0,
            filtered: 0,
            not_run: 0,
            duration_us: 0,
            cases: Vec::new(),
        }
    }

    /// Whether a case of this name is to be run; counts it when it is not.
    pub fn takes(&mut self, options: &TestOptions, name: &str) -> bool {
        let filter = &options.filter;
        let wanted = filter.is_empty() || filter.iter().any(|part| name.contains(part.as_str()));
        let stopped = options.fail_fast && self.failed > 0;
        self.filtered += usize::from(!wanted);
        self.not_run += usize::from(wanted && stopped);
        wanted && !stopped
    }

    /// One more.
    pub fn add(&mut self, case: CaseReport) {
        match case.status {
            Status::Passed => self.passed += 1,
            Status::Failed => self.failed += 1,
            Status::Skipped => self.skipped += 1,
        }
        self.ok = self.failed == 0;
        self.cases.push(case);
    }
}
