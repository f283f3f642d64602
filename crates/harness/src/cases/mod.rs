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

mod conformance;
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

use self::{conformance::Conformance, prepare::Cases};
pub use self::{
    junit::junit,
    report::{CaseKind, CaseReport, Evidence, HttpEvidence, Status, TestReport},
    verdict::Problem,
};
use rollcage_api::plugin::PluginKind;

use crate::{
    error::CommandError,
    recording::{Deck, Tape},
    workbench::{Program, Workbench},
};

/// What to test.
#[derive(Clone, Debug, Default)]
pub struct TestOptions {
    /// The plugin.
    pub file: PathBuf,
    /// Its kind, where the file does not tell.
    pub kind: Option<PluginKind>,
    /// The cases; `cases.yaml` beside the plugin, else in the working directory, when absent.
    pub cases: Option<PathBuf>,
    /// Only cases whose name holds one of these texts; all when empty.
    pub filter: Vec<String>,
    /// Stop at the first case that fails.
    pub fail_fast: bool,
    /// Only the cases of the file, not those of every plugin of the kind.
    pub without_conformance: bool,
    /// What is done with host calls. Conformance cases then do not run: they ask what nobody recorded.
    pub tape: Tape,
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
    let kind = found.kind(options.kind)?;
    check_skips(&cases, kind)?;
    let deck = Deck::open(&options.tape)?;
    let mut report = TestReport::new(&path, &options.file, kind);
    let prepared = cases.prepare(kind)?;
    for case in &prepared {
        if report.takes(&options, &case.name) {
            let case = run::case(workbench, &options.file, case, &deck).await?;
            view(&case);
            report.add(case);
        }
    }
    if !options.without_conformance && !deck.is_on() {
        let spec = &cases.file.conformance;
        let is_native = matches!(found.program, Program::Native { .. });
        let conformance = Conformance::prepare(workbench, &options.file, kind, &prepared, spec)
            .await?
            .of_native(is_native);
        for name in conformance::names(kind) {
            if report.takes(&options, &format!("conformance: {name}")) {
                let case = conformance.run(name).await?;
                view(&case);
                report.add(case);
            }
        }
    }
    if report.cases.is_empty() {
        return Err(CommandError::usage(
            format!("no case has {:?} in its name", options.filter.join("\" or \"")),
            "leave --filter out to run all cases",
        ));
    }
    deck.finish()?;
    report.duration_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    Ok(report)
}

/// Conformance cases that are left out are named as they are.
fn check_skips(cases: &Cases, kind: PluginKind) -> Result<(), CommandError> {
    let known = conformance::names(kind);
    match cases
        .file
        .conformance
        .skip
        .keys()
        .find(|name| !known.contains(&name.as_str()))
    {
        Some(name) => {
            let cause = format!("a {kind} has no conformance case {name:?}");
            let hint = format!("they are: {}", known.join("; "));
            Err(cases.wrong(&["conformance", "skip", name], &cause, &hint))
        }
        None => Ok(()),
    }
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
