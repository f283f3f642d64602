//! Which pods Services select.

use fastrand::Rng;
use rollcage_core::rollout::{Aim, Canary, Pauses};
use serde_json::{Value, json};

use super::{
    CASES, compare,
    counts::Observed,
    generate::{one_of, percent, scene},
    scaling::{NOW, services},
    seed,
};

fn request(rng: &mut Rng) -> Value {
    let mut request = scene(rng);
    request["now"] = NOW.into();
    // The controller writes it before anything else.
    if request["rollout"]["spec"]["replicas"].is_null() {
        request["rollout"]["spec"]["replicas"] = 1.into();
    }
    let canary = &mut request["rollout"]["spec"]["strategy"]["canary"];
    match rng.u32(..4) {
        0 => {
            canary["pingPong"] = json!({"pingService": "ping", "pongService": "pong"});
            canary["canaryService"] = "".into();
            canary["stableService"] = "".into();
        }
        1 => canary["stableService"] = "stable".into(),
        _ => {
            canary["canaryService"] = "canary".into();
            canary["stableService"] = "stable".into();
        }
    }
    let status = &mut request["rollout"]["status"];
    if percent(rng, 50) {
        status["canary"]["stablePingPong"] = (*one_of(rng, &["ping", "pong"])).into();
    }
    if percent(rng, 30) {
        status["stableRS"] = "canary".into();
        request["stable"] = request["new"].clone();
    }
    request["services"] = services(rng, 98);
    if percent(rng, 10) {
        request["abort"] = "a plugin failed".into();
    }
    request
}

/// What changes of a Service as the original would say it, and its Event.
pub(super) fn switch(aim: &Aim<'_>, selected: &str, managed: bool) -> Option<(String, String)> {
    let switch = aim.switch(selected, managed)?;
    let whose = if switch.adopts {
        "becomes web's and selects"
    } else {
        "selects"
    };
    let event = format!("Normal {} {}", switch.event.reason, switch.event.message);
    Some((format!("{} {whose} {}", aim.service, switch.hash), event))
}

fn here(request: &Value) -> Result<Value, String> {
    let observed = Observed::of(request);
    let sets = observed.sets();
    let canary = Canary::of(&observed.rollout).expect("a canary");
    let mut pauses = Pauses::of(&canary);
    if let Some(message) = request["abort"].as_str() {
        pauses.abort(message);
    }
    let (mut calls, mut events) = (Vec::new(), Vec::new());
    for aim in canary.aims(&sets, &pauses) {
        let Some(service) = request["services"].get(aim.service) else {
            return Err(format!("services \"{}\" not found", aim.service));
        };
        let selected = service["hash"].as_str().unwrap_or_default();
        if let Some((call, event)) = switch(&aim, selected, service["managed"] == true) {
            calls.push(call);
            events.push(event);
        }
    }
    Ok(json!({"calls": calls, "events": events}))
}

#[test]
fn services_select_what_they_select_with_the_original() -> anyhow::Result<()> {
    let mut rng = Rng::with_seed(seed()?);
    let requests: Vec<Value> = (0..CASES).map(|_| request(&mut rng)).collect();
    let answers = compare("rollout.services", &requests, here)?;
    if let Some(answers) = answers {
        for call in [
            "canary selects",
            "stable selects",
            "ping selects",
            "pong selects",
            " becomes web's",
        ] {
            let told = answers
                .iter()
                .flatten()
                .filter(|answer| answer["calls"].to_string().contains(call));
            assert!(told.count() * 100 > CASES, "{call} hardly ever");
        }
    }
    Ok(())
}
