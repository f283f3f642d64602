//! What conformance cases start from: a case's call, and how it ends in peace.

use std::{collections::BTreeMap, path::Path};

use rollcage_api::plugin::PluginKind;
use rollcage_apiserver::without_bookkeeping;
use rollcage_core::{CallError, PluginErrorKind};
use serde_json::Value;

use super::{
    super::{
        prepare::{Prepared, PreparedTurn},
        run::{self, World, end_json},
        verdict::Problem,
    },
    meddler::{Meddler, Plan},
};
use crate::{error::CommandError, matching, session::Outcome, workbench::Workbench};

/// What came of a conformance case.
#[derive(Debug)]
pub enum Verdict {
    /// The plugin does as promised.
    Holds,
    /// It does not.
    Broken(Box<Problem>),
    /// The case does not apply, because ...
    Skipped(String),
}

impl Verdict {
    /// A promise is broken: how, and what the promise is.
    pub fn broken(how: impl Into<String>, promise: &str) -> Self {
        Self::Broken(Box::new(Problem::new("conformance", how).hint(promise)))
    }
}

/// Objects by kind, namespace and name, without what the API server keeps in them.
pub type Objects = BTreeMap<String, Value>;

/// The case to start from, with its call made in peace.
#[derive(Debug)]
pub struct Ground<'a> {
    workbench: &'a Workbench,
    file: &'a Path,
    /// What the plugin extends.
    pub kind: PluginKind,
    /// The case.
    pub case: Prepared,
    /// Its call.
    pub turn: PreparedTurn,
    /// How it ends in peace.
    pub end: Value,
    /// The objects after it.
    pub objects: Objects,
    /// What the call asks: everything, writes, HTTP requests, Kubernetes requests.
    pub asks: Asks,
}

/// How much a call asks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asks {
    /// Requests of every kind.
    pub all: usize,
    /// Kubernetes requests that write.
    pub writes: usize,
    /// HTTP requests.
    pub http: u32,
    /// Kubernetes requests.
    pub kubernetes: u32,
}

impl<'a> Ground<'a> {
    /// Makes the case's first call in peace. `Ok(Err(reason))`: there is nothing to start from.
    pub async fn prepare(
        workbench: &'a Workbench,
        file: &'a Path,
        kind: PluginKind,
        case: &Prepared,
    ) -> Result<Result<Self, String>, CommandError> {
        let Some(turn) = case.turns.first() else {
            return Ok(Err(format!("the case {:?} has no call", case.name)));
        };
        let mut world = World::of(case)?;
        let meddler = Meddler::enter(&mut world, Plan::Watch);
        let outcome = run::call(workbench, file, case, turn, &world).await?;
        let end = end_json(&outcome.answer);
        if outcome.answer.is_err() {
            let end = matching::shown(&end);
            return Ok(Err(format!("the case {:?} to start from ends with {end}", case.name)));
        }
        Ok(Ok(Self {
            workbench,
            file,
            kind,
            turn: turn.clone(),
            end,
            objects: objects(&world),
            asks: Asks {
                all: meddler.asked(),
                writes: meddler.writes(),
                http: outcome.usage.http_requests,
                kubernetes: outcome.usage.kubernetes_calls,
            },
            case: case.clone(),
        }))
    }

    /// A new world of the case.
    pub fn world(&self) -> Result<World, CommandError> {
        World::of(&self.case)
    }

    /// A call in a new host.
    pub async fn call(&self, world: &World, turn: &PreparedTurn) -> Result<Outcome, CommandError> {
        run::call(self.workbench, self.file, &self.case, turn, world).await
    }

    /// Tools and file, for cases that open sessions themselves.
    pub fn tools(&self) -> (&Workbench, &Path) {
        (self.workbench, self.file)
    }

    /// Whether a call ended as the call in peace, with the same objects; else how it differs.
    pub fn like_in_peace(&self, what: &str, outcome: &Outcome, world: &World, promise: &str) -> Option<Verdict> {
        let end = end_json(&outcome.answer);
        if !same_end(&end, &self.end) {
            let (wanted, found) = (matching::shown(&self.end), matching::shown(&end));
            return Some(Verdict::broken(
                format!("{what} ends with {found}, in peace with {wanted}"),
                promise,
            ));
        }
        other_objects(what, &self.objects, &objects(world), promise)
    }
}

/// Whether two calls ended the same way. When they did is another matter: a native plugin looks at its own clock.
pub fn same_end(one: &Value, other: &Value) -> bool {
    let without_times = |end: &Value| {
        let mut end = end.clone();
        if let Some(answer) = end.get_mut("answer").and_then(Value::as_object_mut) {
            answer.retain(|name, _| name != "startedAt" && name != "finishedAt");
        }
        end
    };
    without_times(one) == without_times(other)
}

/// All objects of a world.
pub fn objects(world: &World) -> Objects {
    let Some(snapshot) = world.surroundings.snapshot() else {
        return Objects::new();
    };
    let named = snapshot.objects.iter().map(|(key, object)| {
        let name = format!("{} {}/{}", key.gvk.kind, key.namespace, key.name);
        (name, without_bookkeeping(object))
    });
    named.collect()
}

/// The first object that is not as it should be.
pub fn other_objects(what: &str, expected: &Objects, found: &Objects, promise: &str) -> Option<Verdict> {
    let names = expected.keys().chain(found.keys());
    let name = names.into_iter().find(|name| expected.get(*name) != found.get(*name))?;
    let of = |objects: &Objects| objects.get(name).cloned().unwrap_or_default();
    let (expected, found) = (of(expected), of(found));
    let mut problem = Problem::new("conformance", format!("after {what}, {name} is not as it should be")).hint(promise);
    problem.diff = matching::full_diff(&expected, &found);
    Some(Verdict::Broken(Box::new(problem)))
}

/// What a call that could not succeed may end with: an answer, or a typed error of one of these kinds (any, when there
/// are none). Everything else breaks the promise.
pub fn typed(what: &str, outcome: &Outcome, kinds: &[PluginErrorKind], promise: &str) -> Option<Verdict> {
    match &outcome.answer {
        Ok(_) => None,
        Err(CallError::Fault(fault)) => Some(Verdict::broken(
            format!("{what} ends with a fault: {}: {}", fault.kind, fault.cause),
            promise,
        )),
        Err(CallError::Plugin(error)) if kinds.is_empty() || kinds.contains(&error.kind) => None,
        Err(CallError::Plugin(_)) => {
            let end = matching::shown(&end_json(&outcome.answer));
            Some(Verdict::broken(format!("{what} ends with {end}"), promise))
        }
    }
}
