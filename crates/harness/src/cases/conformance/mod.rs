//! Cases that every plugin of a kind has: what the contract promises to those who call it.
//!
//! They start from a case of the file (the first that calls the kind's main method and expects an answer), make its call
//! in worlds that are spoilt on purpose, and hold ends and objects against those of the call in peace. A case that does
//! not apply says why.

mod ground;
mod host;
mod kinds;
mod meddler;

use std::{path::Path, time::Instant};

use rollcage_api::plugin::PluginKind;

use self::ground::{Ground, Verdict};
use super::{
    file::ConformanceSpec,
    prepare::Prepared,
    report::{CaseKind, CaseReport, Status},
};
use crate::{error::CommandError, method::Method, workbench::Workbench};

/// The cases of a kind, by name.
pub fn names(kind: PluginKind) -> Vec<&'static str> {
    let mut names = vec![
        host::REPEATED,
        host::RESTART,
        host::CANCELLED,
        host::GARBAGE,
        host::MISSING,
        host::CONFLICT,
        host::SERVERS_DOWN,
    ];
    names.extend(match kind {
        PluginKind::TrafficRouter => &[kinds::WEIGHTS, kinds::VERIFY, kinds::ROUTES, kinds::HASHES][..],
        PluginKind::MetricProvider => &[kinds::TERMINATE],
        PluginKind::Step => &[kinds::TERMINATE, kinds::ABORT],
    });
    names
}

/// The cases of a plugin, ready to be run.
#[derive(Debug)]
pub struct Conformance<'a> {
    ground: Result<Ground<'a>, String>,
    spec: &'a ConformanceSpec,
    is_native: bool,
}

/// Cases that look at host calls, or at the kind of an error: native plugins have neither.
const OF_COMPONENTS: [&str; 5] = [
    host::CANCELLED,
    host::GARBAGE,
    host::MISSING,
    host::CONFLICT,
    host::SERVERS_DOWN,
];

impl<'a> Conformance<'a> {
    /// Finds the case to start from, and makes its call in peace.
    pub async fn prepare(
        workbench: &'a Workbench,
        file: &'a Path,
        kind: PluginKind,
        cases: &[Prepared],
        spec: &'a ConformanceSpec,
    ) -> Result<Self, CommandError> {
        let main = Method::main_of(kind);
        let fits = |case: &&Prepared| {
            let named = spec.from.is_empty() || case.name == spec.from;
            let first = case.turns.first();
            named
                && first.is_some_and(|turn| {
                    turn.method == main && turn.expect.error.is_none() && turn.expect.fault.is_none()
                })
        };
        let ground = match cases.iter().find(fits) {
            Some(case) => Ground::prepare(workbench, file, kind, case).await?,
            None => Err(format!(
                "there is no case to start from: one that calls {} and expects an answer",
                main.name()
            )),
        };
        Ok(Self {
            ground,
            spec,
            is_native: false,
        })
    }

    /// Leaves out what does not apply to native plugins.
    pub fn of_native(self, is_native: bool) -> Self {
        Self { is_native, ..self }
    }

    /// Runs one.
    pub async fn run(&self, name: &str) -> Result<CaseReport, CommandError> {
        let started = Instant::now();
        let verdict = match (&self.ground, self.spec.skip.get(name)) {
            (_, Some(reason)) => Verdict::Skipped(format!("left out: {reason}")),
            _ if self.is_native && OF_COMPONENTS.contains(&name) => Verdict::Skipped(
                "a native plugin asks the network itself, and its errors are texts without a kind".to_owned(),
            ),
            (Err(reason), None) => Verdict::Skipped(reason.clone()),
            (Ok(ground), None) => check(name, ground).await?,
        };
        let (status, reason, problems) = match verdict {
            Verdict::Holds => (Status::Passed, String::new(), Vec::new()),
            Verdict::Skipped(reason) => (Status::Skipped, reason, Vec::new()),
            Verdict::Broken(problem) => (Status::Failed, String::new(), vec![*problem]),
        };
        Ok(CaseReport {
            name: name.to_owned(),
            kind: CaseKind::Conformance,
            status,
            duration_us: u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
            reason,
            problems,
            calls: Vec::new(),
        })
    }
}

async fn check(name: &str, ground: &Ground<'_>) -> Result<Verdict, CommandError> {
    match name {
        host::REPEATED => host::repeated(ground).await,
        host::RESTART => host::restart(ground).await,
        host::CANCELLED => host::cancelled(ground).await,
        host::GARBAGE => host::garbage(ground).await,
        host::MISSING => host::missing(ground).await,
        host::CONFLICT => host::conflict(ground).await,
        host::SERVERS_DOWN => host::servers_down(ground).await,
        kinds::WEIGHTS => kinds::weights(ground).await,
        kinds::VERIFY => kinds::verify(ground).await,
        kinds::ROUTES => kinds::routes(ground).await,
        kinds::HASHES => kinds::hashes(ground).await,
        kinds::TERMINATE => kinds::terminate(ground).await,
        kinds::ABORT => kinds::abort(ground).await,
        _ => Ok(Verdict::Skipped("there is no such case".to_owned())),
    }
}
