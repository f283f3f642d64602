//! `rollcage plugin test`: a plugin's cases, each in surroundings of its own.
//!
//! ```text
//! cases.yaml -> file -> prepare (files read, everything wrong named with its line)
//!                          |
//!                          v
//!    run: surroundings (API, clock, HTTP answers) -> session (registry, sandbox) -> call -> verdict -> report -> junit
//! ```
//!
//! Invariants: no network, no real clock: the same file gives the same result. A case sees nothing of another one.

pub mod file;
mod junit;
mod prepare;
mod report;
mod run;
mod verdict;

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use self::prepare::Cases;
pub use self::{
    junit::junit,
    report::{CaseKind, CaseReport, Evidence, HttpEvidence, Status, TestReport},
    verdict::Problem,
};
use crate::{error::CommandError, workbench::Workbench};

/// What to test.
#[derive(Clone, Debug, Default)]
pub struct TestOptions {
    /// The plugin.
    pub file: PathBuf,
    /// The cases; `cases.yaml` beside the plugin, else in the working directory, when absent.
    pub cases: Option<PathBuf>,
    /// Only cases whose name holds one of these texts; all when empty.
    pub filter: Vec<String>,
    /// Stop at the first case that fails.
    pub fail_fast: bool,
}

/// Runs the cases one after another. `view` is shown each when it has ended.
pub async fn test(
    workbench: &Workbench,
    options: TestOptions,
    view: &mut (dyn FnMut(&CaseReport) + Send),
) -> Result<TestReport, CommandError> {
    let started = Instant::now();
    let path = find(&options)?;
    let cases = Cases::read(&path)?;
    // Kept to the end: the component is compiled and linked once.
    let found = workbench.load(&options.file).await?;
    let kind = found.id.kind;
    let wanted =
        |name: &str| options.filter.is_empty() || options.filter.iter().any(|part| name.contains(part.as_str()));
    let mut report = TestReport::new(&path, &options.file, kind);
    for case in cases.prepare(kind)? {
        if !wanted(&case.name) {
            report.filtered += 1;
        } else if options.fail_fast && report.failed > 0 {
            report.not_run += 1;
        } else {
            let case = run::case(workbench, &options.file, &case).await?;
            view(&case);
            report.add(case);
        }
    }
    if report.cases.is_empty() {
        return Err(CommandError::usage(
            format!("no case has {:?} in its name", options.filter.join("\" or \"")),
            "leave --filter out to run all cases",
        ));
    }
    report.duration_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    Ok(report)
}

/// The cases file: the named one, else `cases.yaml` beside the plugin, else in the working directory.
fn find(options: &TestOptions) -> Result<PathBuf, CommandError> {
    if let Some(path) = &options.cases {
        return Ok(path.clone());
    }
    let beside = options.file.with_file_name("cases.yaml");
    let here = Path::new("cases.yaml");
    if beside.is_file() {
        Ok(beside)
    } else if here.is_file() {
        Ok(here.to_owned())
    } else {
        Err(CommandError::usage(
            format!("there is no {} and no cases.yaml here", beside.display()),
            "name the cases with -f; docs/testing-plugins.md tells how they are written",
        ))
    }
}
