//! Old measurements go, and their providers are told (spec 4.8).

use rollcage_core::{FaultKind, Phase};
use serde_json::{Value, json};

use crate::{plugins::fault, world::World};

fn spec() -> Value {
    json!({
        "args": [{"name": "t", "value": "v"}],
        "measurementRetention": [{"metricName": "m", "limit": 2}],
        "metrics": [{"name": "m", "interval": "10s", "provider": {"plugin": {"a/b": {"x": "{{args.t}}"}}}}]
    })
}

fn values(world: &World) -> Vec<String> {
    let measurements = world.status("r")["metricResults"][0]["measurements"].clone();
    let text = |m: &Value| m["value"].as_str().unwrap().to_owned();
    measurements.as_array().unwrap().iter().map(text).collect()
}

async fn measure(world: &World, times: usize) {
    for _ in 0..times {
        world.pass("r").await;
        world.advance(10);
    }
}

#[tokio::test]
async fn the_provider_is_told_and_the_newest_stay() {
    let world = World::new();
    let plugin = world.plugins.serve("a/b");
    for value in ["1", "2", "3", "4"] {
        plugin.then(json!({"phase": "Successful", "value": value}));
    }
    world.run("r", spec()).await;
    measure(&world, 4).await;
    assert_eq!(values(&world), ["3", "4"]);
    assert_eq!(world.status("r")["metricResults"][0]["count"], 4);
    let told: Vec<_> = plugin
        .asked()
        .into_iter()
        .filter(|asked| asked.method == "garbage-collect")
        .collect();
    assert_eq!(told.len(), 2);
    assert_eq!(told[0].measurement, Some(json!(2)));
    assert_eq!(told[0].metric["provider"]["plugin"]["a/b"]["x"], "v");
    let seen = &told[0].run["status"]["metricResults"][0]["measurements"];
    assert_eq!(seen.as_array().unwrap().len(), 3, "it sees what is to go");
}

#[tokio::test]
async fn without_the_provider_s_consent_they_stay() {
    let world = World::new();
    let plugin = world.plugins.serve("a/b");
    plugin.refuses_collection();
    world.run("r", spec()).await;
    measure(&world, 4).await;
    assert_eq!(values(&world).len(), 4);
    // Until they are too many.
    measure(&world, 17).await;
    assert_eq!(values(&world).len(), 2);
}

#[tokio::test]
async fn a_plugin_that_is_away_is_told_later() {
    let world = World::new();
    let plugin = world.plugins.serve("a/b");
    plugin.refuses_collection();
    world.run("r", spec()).await;
    measure(&world, 3).await;
    world
        .plugins
        .take_away(fault("a/b", Phase::Fetch, FaultKind::Unreachable, "gone"));
    measure(&world, 1).await;
    assert_eq!(values(&world).len(), 3);
    let back = world.plugins.serve("a/b");
    measure(&world, 1).await;
    assert_eq!(values(&world).len(), 2);
    assert_eq!(back.methods(), ["run", "garbage-collect"]);
}
