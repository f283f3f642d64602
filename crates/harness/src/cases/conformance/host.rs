//! Cases of every kind: what the host does to a call, and what the call meets.

use rollcage_api::{
    analysis::Measurement,
    plugin::{InstanceMode, PluginKind},
};
use rollcage_core::PluginErrorKind;
use serde_json::{Map, Value, json};

use super::{
    super::{prepare::PreparedTurn, run::end_json},
    ground::{Ground, Verdict, objects, other_objects, same_end, typed},
    meddler::{Meddler, Plan},
};
use crate::{
    error::CommandError,
    input::Input,
    matching,
    method::Method,
    session::{Session, SessionOptions},
};

pub const REPEATED: &str = "repeated call";
pub const RESTART: &str = "restart between calls";
pub const CANCELLED: &str = "cancelled call";
pub const GARBAGE: &str = "garbage configuration";
pub const MISSING: &str = "missing object";
pub const CONFLICT: &str = "conflict, then success";
pub const SERVERS_DOWN: &str = "servers down";

/// Points at which a call is cut off, at most.
const CUTS: usize = 8;
/// Calls of a series, at most.
const SERIES: usize = 5;

/// A call that is repeated ends the same way and changes nothing more.
pub async fn repeated(ground: &Ground<'_>) -> Result<Verdict, CommandError> {
    const PROMISE: &str = "calls are repeated: do nothing when nothing is to be done, and measure the same again";
    let mut world = ground.world()?;
    ground.call(&world, &ground.turn).await?;
    world.renew_answers(&ground.case)?;
    let again = ground.call(&world, &ground.turn).await?;
    if let Some(change) = again.changes.iter().flatten().next() {
        let mut verdict = format!("the repeated call changes {}", crate::surroundings::object_name(change));
        verdict.push_str(&format_diff(&crate::surroundings::object_diff(change).diff));
        return Ok(Verdict::broken(verdict, PROMISE));
    }
    Ok(ground
        .like_in_peace("the repeated call", &again, &world, PROMISE)
        .unwrap_or(Verdict::Holds))
}

/// A diff as it goes into a line of text: only what was changed.
fn format_diff(diff: &str) -> String {
    let changed = diff.lines().filter(|line| {
        let mark = line.starts_with('+') || line.starts_with('-');
        mark && !line.starts_with("+++") && !line.starts_with("---")
    });
    changed
        .take(6)
        .fold(String::new(), |text, line| text + "\n      " + line)
}

/// A series of calls goes the same way whether one instance lives through it or each call has a new host.
pub async fn restart(ground: &Ground<'_>) -> Result<Verdict, CommandError> {
    const PROMISE: &str = "memory survives no call: keep state in a measurement's metadata, a step's state, or objects";
    let (kept, kept_objects) = kept(ground).await?;
    let world = ground.world()?;
    let mut series = Series::new(ground.kind, ground.turn.method, ground.turn.input.clone());
    let mut ends = Vec::new();
    while let Some((method, input)) = series.next(ends.last()) {
        let turn = PreparedTurn {
            method,
            input,
            ..ground.turn.clone()
        };
        ends.push(end_json(&ground.call(&world, &turn).await?.answer));
    }
    for (index, (kept, new)) in kept.iter().zip(&ends).enumerate() {
        if !same_end(kept, new) {
            let (kept, new) = (matching::shown(kept), matching::shown(new));
            let how = format!(
                "call {} ends with {new} in a new host, and with {kept} in a kept instance",
                index + 1
            );
            return Ok(Verdict::broken(how, PROMISE));
        }
    }
    Ok(other_objects("calls in new hosts", &kept_objects, &objects(&world), PROMISE).unwrap_or(Verdict::Holds))
}

/// The series in one warm instance: its ends, and the objects after it.
async fn kept(ground: &Ground<'_>) -> Result<(Vec<Value>, super::ground::Objects), CommandError> {
    let world = ground.world()?;
    let (workbench, file) = ground.tools();
    let mut entry = ground.case.entry.clone();
    entry.instances.mode = InstanceMode::Warm;
    let options = SessionOptions {
        file: file.to_owned(),
        kind: Some(ground.kind),
        entry: Some(entry),
        config: ground.turn.config.clone(),
        ..SessionOptions::default()
    };
    let turn = &ground.turn;
    let prepare = |_, _: Option<&str>| Ok((turn.method, turn.input.clone()));
    let session = Session::open_in(workbench, options, world.surroundings.clone(), prepare).await?;
    let mut series = Series::new(ground.kind, turn.method, session.input().clone());
    let mut ends = Vec::new();
    while let Some((method, input)) = series.next(ends.last()) {
        ends.push(end_json(&session.call_with(method, &input).await.answer));
    }
    Ok((ends, objects(&world)))
}

/// Calls as the controller makes them one after another.
struct Series {
    kind: PluginKind,
    first: (Method, Input),
    made: usize,
}

impl Series {
    fn new(kind: PluginKind, method: Method, input: Input) -> Self {
        Self {
            kind,
            first: (method, input),
            made: 0,
        }
    }

    /// The next call after one that ended this way.
    fn next(&mut self, last: Option<&Value>) -> Option<(Method, Input)> {
        if self.made == SERIES {
            return None;
        }
        self.made += 1;
        let (mut method, mut input) = self.first.clone();
        let Some(last) = last else {
            return Some((method, input));
        };
        let answer = last.get("answer")?;
        let is_running = answer.get("phase").is_some_and(|phase| phase == "Running");
        match self.kind {
            PluginKind::TrafficRouter => input.desired_weight = *[10, 30, 10, 0].get(self.made.checked_sub(2)?)?,
            PluginKind::Step if is_running => {
                input.context.status = answer.get("status").cloned().unwrap_or_default();
            }
            PluginKind::Step => return None,
            PluginKind::MetricProvider if is_running => {
                method = Method::MetricResume;
                input.measurement = serde_json::from_value::<Measurement>(answer.clone()).ok()?;
            }
            PluginKind::MetricProvider => {}
        }
        Some((method, input))
    }
}

/// A call that is cut off anywhere leaves nothing behind that its repetition does not put right.
pub async fn cancelled(ground: &Ground<'_>) -> Result<Verdict, CommandError> {
    const PROMISE: &str = "a call may end at any host call: its repetition has to finish what it began";
    if ground.asks.all == 0 {
        return Ok(Verdict::Skipped("the call asks nothing of the host".to_owned()));
    }
    for cut in 0..ground.asks.all.min(CUTS) {
        let mut world = ground.world()?;
        let calm = world.clone();
        let meddler = Meddler::enter(&mut world, Plan::CutOff(cut));
        tokio::select! {
            outcome = ground.call(&world, &ground.turn) => { outcome?; }
            () = meddler.reached() => {}
        }
        let mut world = calm;
        world.renew_answers(&ground.case)?;
        let again = ground.call(&world, &ground.turn).await?;
        let what = format!("the call after one that was cut off at its host call {}", cut + 1);
        if let Some(broken) = ground.like_in_peace(&what, &again, &world, PROMISE) {
            return Ok(broken);
        }
    }
    Ok(Verdict::Holds)
}

/// A configuration that is none ends in `invalid-config`, and changes nothing.
pub async fn garbage(ground: &Ground<'_>) -> Result<Verdict, CommandError> {
    const PROMISE: &str = "a configuration comes from users: answer what is wrong with it as invalid-config";
    for config in garbage_for(config_of(ground).as_ref()) {
        let world = ground.world()?;
        let turn = PreparedTurn {
            config: Some(config.clone()),
            ..ground.turn.clone()
        };
        let outcome = ground.call(&world, &turn).await?;
        let what = format!("a call with the configuration {}", matching::shown(&config));
        // One that goes on to ask somebody has taken the configuration for good, and may fail for any reason.
        let went_on = outcome.usage.http_requests > 0 || outcome.usage.kubernetes_calls > 0;
        let kinds: &[_] = if went_on {
            &[]
        } else {
            &[PluginErrorKind::InvalidConfig]
        };
        if let Some(broken) = typed(&what, &outcome, kinds, PROMISE) {
            return Ok(broken);
        }
        if outcome.answer.is_err() && outcome.changes.iter().flatten().next().is_some() {
            return Ok(Verdict::broken(format!("{what} fails, and changes objects"), PROMISE));
        }
    }
    Ok(Verdict::Holds)
}

/// The plugin's own configuration in the call.
fn config_of(ground: &Ground<'_>) -> Option<Value> {
    let turn = &ground.turn;
    if turn.config.is_some() {
        return turn.config.clone();
    }
    let input = &turn.input;
    match ground.kind {
        PluginKind::MetricProvider => input.metric.provider.plugin.values().next().cloned(),
        PluginKind::TrafficRouter => {
            let canary = input.rollout.spec.strategy.canary.as_ref()?;
            canary.traffic_routing.as_ref()?.plugins.values().next().cloned()
        }
        PluginKind::Step => Some(input.context.config.clone()),
    }
}

/// Values that are no configuration, and the good one with each field spoilt.
fn garbage_for(good: Option<&Value>) -> Vec<Value> {
    let deep = (0..60).fold(Value::Null, |inner, _| json!([inner]));
    let mut all = vec![
        Value::Null,
        json!([]),
        json!("text"),
        json!(-7.5),
        json!(true),
        deep,
        json!({"": {"": ""}}),
        json!({"\u{0}\u{202e}": "x".repeat(10_000)}),
    ];
    let fields = good.and_then(Value::as_object).cloned().unwrap_or_default();
    for key in fields.keys() {
        let mut spoilt: Map<String, Value> = fields.clone();
        spoilt.insert(key.clone(), json!({"unexpected": [null]}));
        all.push(Value::Object(spoilt));
    }
    all
}

/// Objects that are not there are no reason to fall.
pub async fn missing(ground: &Ground<'_>) -> Result<Verdict, CommandError> {
    const PROMISE: &str = "objects come and go: answer a typed error that names the missing one";
    if ground.asks.kubernetes == 0 {
        return Ok(Verdict::Skipped("the call asks for no object".to_owned()));
    }
    let mut case = ground.case.clone();
    let is_secret = |object: &Value| object.get("kind").is_some_and(|kind| kind == "Secret");
    case.manifests.objects.retain(|manifest| is_secret(&manifest.value));
    let world = super::super::run::World::of(&case)?;
    let outcome = ground.call(&world, &ground.turn).await?;
    Ok(typed("a call without any object", &outcome, &[], PROMISE).unwrap_or(Verdict::Holds))
}

/// A write that comes too late is told, and the next call makes it good.
pub async fn conflict(ground: &Ground<'_>) -> Result<Verdict, CommandError> {
    const PROMISE: &str = "others write, too: answer `conflict` (or try again), and let the next call make it good";
    if ground.asks.writes == 0 {
        return Ok(Verdict::Skipped("the call writes no object".to_owned()));
    }
    let mut world = ground.world()?;
    let mut calm = world.clone();
    Meddler::enter(&mut world, Plan::Conflict);
    let outcome = ground.call(&world, &ground.turn).await?;
    let kinds = [PluginErrorKind::Conflict, PluginErrorKind::Unavailable];
    if let Some(broken) = typed("a call whose write meets a conflict", &outcome, &kinds, PROMISE) {
        return Ok(broken);
    }
    if outcome.answer.is_ok() {
        let what = "a call that answers although its write met a conflict";
        if let Some(broken) = ground.like_in_peace(what, &outcome, &world, PROMISE) {
            return Ok(broken);
        }
    }
    calm.renew_answers(&ground.case)?;
    let again = ground.call(&calm, &ground.turn).await?;
    Ok(ground
        .like_in_peace("the call after a conflict", &again, &calm, PROMISE)
        .unwrap_or(Verdict::Holds))
}

/// A server that does not answer is told as `unavailable`.
pub async fn servers_down(ground: &Ground<'_>) -> Result<Verdict, CommandError> {
    const PROMISE: &str = "servers go down: answer `unavailable`, so that the host tries again";
    if ground.asks.http == 0 {
        return Ok(Verdict::Skipped("the call asks no server".to_owned()));
    }
    let mut world = ground.world()?;
    Meddler::enter(&mut world, Plan::ServersDown);
    let outcome = ground.call(&world, &ground.turn).await?;
    let kinds = [PluginErrorKind::Unavailable];
    Ok(typed("a call whose servers are down", &outcome, &kinds, PROMISE).unwrap_or(Verdict::Holds))
}
