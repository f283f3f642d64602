//! Cases of one kind.

use rollcage_api::{
    plugin::PluginKind,
    rollout::{HeaderMatch, ManagedRoute, RouteMatch, SetHeaderRoute, SetMirrorRoute, StringMatch},
};
use serde_json::{Value, json};

use super::{
    super::{
        prepare::PreparedTurn,
        run::{World, end_json},
    },
    ground::{Ground, Verdict, objects, other_objects, typed},
};
use crate::{
    error::CommandError,
    input::Input,
    invoke::Port,
    matching,
    method::Method,
    session::{Outcome, Session, SessionOptions},
    surroundings::object_name,
};

pub const WEIGHTS: &str = "weight 0 and 100";
pub const VERIFY: &str = "verify-weight";
pub const ROUTES: &str = "managed routes";
pub const HASHES: &str = "update-hash";
pub const TERMINATE: &str = "terminate";
pub const ABORT: &str = "abort";

/// The route that cases make.
const ROUTE: &str = "rollcage-conformance";

fn turn(ground: &Ground<'_>, method: Method, change: impl FnOnce(&mut Input)) -> PreparedTurn {
    let mut turn = PreparedTurn {
        method,
        ..ground.turn.clone()
    };
    change(&mut turn.input);
    turn
}

/// Why a call that has to succeed did not.
fn has_to_answer(what: &str, outcome: &Outcome, promise: &str) -> Option<Verdict> {
    outcome.answer.is_err().then(|| {
        let end = matching::shown(&end_json(&outcome.answer));
        Verdict::broken(format!("{what} ends with {end}"), promise)
    })
}

/// Calls twice: the first has to answer, and the second to change nothing.
async fn twice(
    ground: &Ground<'_>,
    world: &World,
    turn: &PreparedTurn,
    what: &str,
    promise: &str,
) -> Result<Option<Verdict>, CommandError> {
    let first = ground.call(world, turn).await?;
    if let Some(broken) = has_to_answer(what, &first, promise) {
        return Ok(Some(broken));
    }
    let second = ground.call(world, turn).await?;
    if let Some(broken) = has_to_answer(&format!("{what}, repeated,"), &second, promise) {
        return Ok(Some(broken));
    }
    let change = second.changes.iter().flatten().next();
    Ok(change.map(|change| Verdict::broken(format!("{what}, repeated, changes {}", object_name(change)), promise)))
}

/// A release begins with weight 0 and ends with 100.
pub async fn weights(ground: &Ground<'_>) -> Result<Verdict, CommandError> {
    const PROMISE: &str = "every release goes from 0 to 100, and back to 0 when it is aborted";
    let mut world = ground.world()?;
    for weight in [0, 100, 0] {
        world.renew_answers(&ground.case)?;
        let turn = turn(ground, Method::SetWeight, |input| input.desired_weight = weight);
        let what = format!("set-weight {weight}");
        if let Some(broken) = twice(ground, &world, &turn, &what, PROMISE).await? {
            return Ok(broken);
        }
    }
    Ok(Verdict::Holds)
}

/// A weight that was set is verified, or not judged at all.
pub async fn verify(ground: &Ground<'_>) -> Result<Verdict, CommandError> {
    const PROMISE: &str =
        "a weight that has taken effect is `verified`; a router that cannot tell says `not-implemented`";
    let mut world = ground.world()?;
    for weight in [30, 0] {
        world.renew_answers(&ground.case)?;
        let set = turn(ground, Method::SetWeight, |input| input.desired_weight = weight);
        ground.call(&world, &set).await?;
        let verify = turn(ground, Method::VerifyWeight, |input| input.desired_weight = weight);
        let outcome = ground.call(&world, &verify).await?;
        if let Some(broken) = has_to_answer(&format!("verify-weight {weight}"), &outcome, PROMISE) {
            return Ok(broken);
        }
        match outcome.answer {
            Ok(answer) if answer == json!("not-implemented") => {
                return Ok(Verdict::Skipped("verify-weight is not implemented".to_owned()));
            }
            Ok(answer) if answer == json!("not-verified") => {
                let how = format!("verify-weight {weight} answers not-verified after set-weight {weight}");
                return Ok(Verdict::broken(how, PROMISE));
            }
            _ => {}
        }
    }
    Ok(Verdict::Holds)
}

/// What a router supports beyond weights.
async fn capabilities(ground: &Ground<'_>, world: &World) -> Result<Vec<String>, CommandError> {
    let (workbench, file) = ground.tools();
    let options = SessionOptions {
        file: file.to_owned(),
        kind: Some(ground.kind),
        entry: Some(ground.case.entry.clone()),
        ..SessionOptions::default()
    };
    let prepare = |_, _: Option<&str>| Ok((ground.turn.method, ground.turn.input.clone()));
    let session = Session::open_in(workbench, options, world.surroundings.clone(), prepare).await?;
    Ok(match session.port() {
        Port::Router(port) => port.capabilities().unwrap_or_default(),
        Port::Metric(_) | Port::Step(_) => Vec::new(),
    })
}

/// Routes that were made are all removed.
pub async fn routes(ground: &Ground<'_>) -> Result<Verdict, CommandError> {
    const PROMISE: &str =
        "remove-managed-routes takes away every route that was made for the Rollout, and nothing else";
    let world = ground.world()?;
    let known = capabilities(ground, &world).await?;
    let mut made = Vec::new();
    if known.iter().any(|name| name == "header-routes") {
        made.push((
            "set-header-route",
            turn(ground, Method::SetHeaderRoute, with_header_route),
        ));
    }
    if known.iter().any(|name| name == "mirror-routes") {
        made.push((
            "set-mirror-route",
            turn(ground, Method::SetMirrorRoute, with_mirror_route),
        ));
    }
    if made.is_empty() {
        let reason = "neither header-routes nor mirror-routes is among its capabilities";
        return Ok(Verdict::Skipped(reason.to_owned()));
    }
    ground.call(&world, &ground.turn).await?;
    let before = objects(&world);
    for (what, turn) in &made {
        if let Some(broken) = twice(ground, &world, turn, what, PROMISE).await? {
            return Ok(broken);
        }
    }
    let remove = turn(ground, Method::RemoveManagedRoutes, managed);
    if let Some(broken) = twice(ground, &world, &remove, "remove-managed-routes", PROMISE).await? {
        return Ok(broken);
    }
    Ok(other_objects("remove-managed-routes", &before, &objects(&world), PROMISE).unwrap_or(Verdict::Holds))
}

/// The Rollout manages the route.
fn managed(input: &mut Input) {
    let rollout = std::sync::Arc::make_mut(&mut input.rollout);
    let canary = rollout.spec.strategy.canary.get_or_insert_default();
    let routing = canary.traffic_routing.get_or_insert_default();
    routing.managed_routes.push(ManagedRoute { name: ROUTE.into() });
}

fn exactly(text: &str) -> StringMatch {
    StringMatch {
        exact: text.to_owned(),
        ..StringMatch::default()
    }
}

fn with_header_route(input: &mut Input) {
    managed(input);
    input.set_header_route = SetHeaderRoute {
        name: ROUTE.into(),
        matches: vec![HeaderMatch {
            header_name: "x-conformance".into(),
            header_value: exactly("yes"),
        }],
    };
}

fn with_mirror_route(input: &mut Input) {
    managed(input);
    input.set_mirror_route = SetMirrorRoute {
        name: ROUTE.into(),
        matches: vec![RouteMatch {
            method: Some(exactly("GET")),
            ..RouteMatch::default()
        }],
        percentage: Some(50),
    };
}

/// Hashes are told before every weight.
pub async fn hashes(ground: &Ground<'_>) -> Result<Verdict, CommandError> {
    const PROMISE: &str = "update-hash is called before every weight: it succeeds, and changes nothing when repeated";
    let world = ground.world()?;
    if !capabilities(ground, &world)
        .await?
        .iter()
        .any(|name| name == "update-hash")
    {
        return Ok(Verdict::Skipped("update-hash is not among its capabilities".to_owned()));
    }
    let turn = turn(ground, Method::UpdateHash, |input| {
        input.canary_hash = "5b7c8d9f".into();
        input.stable_hash = "6d8f9c7b".into();
    });
    Ok(twice(ground, &world, &turn, "update-hash", PROMISE)
        .await?
        .unwrap_or(Verdict::Holds))
}

/// What is ended early has ended.
pub async fn terminate(ground: &Ground<'_>) -> Result<Verdict, CommandError> {
    ended(ground, "terminate").await
}

/// What is aborted has ended.
pub async fn abort(ground: &Ground<'_>) -> Result<Verdict, CommandError> {
    ended(ground, "abort").await
}

async fn ended(ground: &Ground<'_>, name: &str) -> Result<Verdict, CommandError> {
    const PROMISE: &str =
        "what is terminated or aborted is called no more: answer another phase than running, or an error";
    let answer = ground.end.get("answer").cloned().unwrap_or_default();
    let is_running = |answer: &Value| answer.get("phase").is_some_and(|phase| phase == "Running");
    if ground.kind == PluginKind::MetricProvider && !is_running(&answer) {
        return Ok(Verdict::Skipped("every measurement ends in run".to_owned()));
    }
    let turn = turn(ground, Method::of(ground.kind, name)?, |input| {
        input.context.status = answer.get("status").cloned().unwrap_or_default();
        input.measurement = serde_json::from_value(answer.clone()).unwrap_or_default();
    });
    let mut world = ground.world()?;
    ground.call(&world, &ground.turn).await?;
    world.renew_answers(&ground.case)?;
    let outcome = ground.call(&world, &turn).await?;
    let what = format!("{name} of what runs");
    if let Some(broken) = typed(&what, &outcome, &[], PROMISE) {
        return Ok(broken);
    }
    match &outcome.answer {
        Ok(answer) if is_running(answer) => Ok(Verdict::broken(format!("{what} answers that it is running"), PROMISE)),
        _ => Ok(Verdict::Holds),
    }
}
