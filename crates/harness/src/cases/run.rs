//! One case: its surroundings are made, its calls are made in them, and what they did is held against what is expected.

use std::{path::Path, sync::Arc, time::Instant};

use jiff::SignedDuration;
use rollcage_core::{CallError, CallUsage, clock::Clock, host::HostServices};
use serde_json::Value;

use super::{
    prepare::{Prepared, PreparedTurn},
    report::{CaseKind, CaseReport, Evidence, Status},
    verdict::{self, Found, Problem},
};
use crate::{
    answers::{Answers, WrongRule},
    clock::ScenarioClock,
    error::CommandError,
    recording::{Deck, Reel},
    session::{Outcome, Session, SessionOptions},
    surroundings::Surroundings,
    workbench::Workbench,
};

/// A case's world: what its calls share.
#[derive(Clone, Debug)]
pub struct World {
    /// API, Secrets, HTTP answers, clock.
    pub surroundings: Surroundings,
    /// The HTTP answers.
    pub answers: Arc<Answers>,
    clock: Arc<ScenarioClock>,
}

impl World {
    /// The world of a case when it begins.
    pub fn of(case: &Prepared) -> Result<Self, CommandError> {
        let clock = Arc::new(ScenarioClock::new(case.clock, true));
        let mut surroundings = Surroundings::with_objects(case.manifests.clone(), clock.clone())?;
        let answers = answers(case)?;
        surroundings.host = HostServices {
            http: Some(answers.clone()),
            ..surroundings.host
        };
        Ok(Self {
            surroundings,
            answers,
            clock,
        })
    }

    /// HTTP answers begin anew, and nothing stands between them and the plugin.
    pub fn renew_answers(&mut self, case: &Prepared) -> Result<(), CommandError> {
        self.answers = answers(case)?;
        self.surroundings.host.http = Some(self.answers.clone());
        Ok(())
    }

    /// Where something is recorded or replayed, requests without an answer of the case are asked of the network, or of the
    /// recording.
    fn record(&mut self, case: &Prepared, deck: &Deck) -> Result<Reel, CommandError> {
        if deck.is_on() {
            self.answers = Answers::listening(&case.dir, &case.http).map_err(|wrong| wrong_rule(&wrong))?;
            self.surroundings.host.http = Some(self.answers.clone());
        }
        let api = self.surroundings.api.clone();
        deck.enter(&case.name, &mut self.surroundings.host, api, false)
    }

    /// Time passes.
    pub fn wait(&self, time: std::time::Duration) {
        let time = SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
        if let Ok(until) = self.clock.now().checked_add(time) {
            self.clock.skip_to(until);
        }
    }
}

fn answers(case: &Prepared) -> Result<Arc<Answers>, CommandError> {
    Answers::without_network(&case.dir, &case.http).map_err(|wrong| wrong_rule(&wrong))
}

fn wrong_rule(wrong: &WrongRule) -> CommandError {
    CommandError::usage(format!("http[{}]: {}", wrong.index, wrong.cause), wrong.hint)
}

/// Makes one call in a new host.
pub async fn call(
    workbench: &Workbench,
    file: &Path,
    case: &Prepared,
    turn: &PreparedTurn,
    world: &World,
) -> Result<Outcome, CommandError> {
    let options = SessionOptions {
        file: file.to_owned(),
        kind: turn.method.kind(),
        entry: Some(case.entry.clone()),
        config: turn.config.clone(),
        ..SessionOptions::default()
    };
    let prepare = |_, _: Option<&str>| Ok((turn.method, turn.input.clone()));
    match Session::open_in(workbench, options, world.surroundings.clone(), prepare).await {
        Ok(session) => Ok(session.call().await),
        // `init` belongs to the call, wherever it is run first.
        Err(CommandError::Fault(fault)) => Ok(Outcome {
            answer: Err(CallError::Fault(fault)),
            usage: CallUsage::default(),
            duration: std::time::Duration::ZERO,
            changes: None,
        }),
        Err(error) => Err(error),
    }
}

/// Runs a case.
pub async fn case(
    workbench: &Workbench,
    file: &Path,
    case: &Prepared,
    deck: &Deck,
) -> Result<CaseReport, CommandError> {
    let started = Instant::now();
    let mut world = World::of(case)?;
    let reel = world.record(case, deck)?;
    let mut problems = Vec::new();
    let mut evidence = Vec::new();
    for (index, turn) in case.turns.iter().enumerate() {
        world.wait(turn.after.0);
        let outcome = call(workbench, file, case, turn, &world).await?;
        let asked = world.answers.take_asked();
        let changes = outcome.changes.unwrap_or_default();
        let found = Found {
            answer: &outcome.answer,
            usage: &outcome.usage,
            changes: &changes,
            asked: &asked,
        };
        let mut wrong = verdict::judge(&turn.expect, &found);
        if case.turns.len() > 1 {
            name_the_call(&mut wrong, index);
        }
        let failed = !wrong.is_empty();
        problems.append(&mut wrong);
        evidence.push(Evidence::of(turn.method.name(), &found));
        if failed {
            break;
        }
    }
    let differences = deck.leave(&reel);
    problems.extend(differences.into_iter().map(|text| Problem::new("replay", text)));
    let status = if problems.is_empty() {
        Status::Passed
    } else {
        Status::Failed
    };
    Ok(CaseReport {
        name: case.name.clone(),
        kind: CaseKind::Case,
        status,
        duration_us: u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        reason: String::new(),
        problems,
        calls: evidence,
    })
}

/// In a case of several calls, problems say which one they are about.
fn name_the_call(problems: &mut [Problem], index: usize) {
    for problem in problems {
        problem.expectation = match index {
            0 => format!("first call: {}", problem.expectation),
            index => format!("then[{}]: {}", index - 1, problem.expectation),
        };
    }
}

/// The answer as JSON, however the call ended.
pub fn end_json(answer: &Result<Value, CallError>) -> Value {
    match answer {
        Ok(answer) => serde_json::json!({"answer": answer}),
        Err(CallError::Plugin(error)) => serde_json::json!({"error": verdict::error_json(error)}),
        Err(CallError::Fault(fault)) => serde_json::json!({"fault": verdict::fault_json(fault)}),
    }
}
