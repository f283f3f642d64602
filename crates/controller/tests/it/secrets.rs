//! Secret arguments reach the plugin's configuration and nothing else.

use std::{collections::BTreeMap, sync::atomic::Ordering};

use serde_json::{Value, json};

use crate::world::World;

async fn world(value: &str) -> World {
    let world = World::new();
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "default"},
        "stringData": {"token": value}
    });
    world.create("/api/v1/namespaces/default/secrets", secret).await;
    world
}

fn spec(key: &str) -> Value {
    json!({
        "args": [
            {"name": "token", "valueFrom": {"secretKeyRef": {"name": "s", "key": key}}},
            {"name": "app", "value": "shop"}
        ],
        "metrics": [{"name": "m", "interval": "1m", "provider": {"plugin": {"a/b": {"auth": "Bearer {{args.token}}", "app": "{{args.app}}"}}}}]
    })
}

#[tokio::test]
async fn only_the_configuration_has_the_value() {
    let world = world("hunter2").await;
    let plugin = world.plugins.serve("a/b");
    plugin.says("header", "Bearer hunter2");
    plugin.then(json!({
        "phase": "Successful", "value": "hunter2", "message": "sent hunter2", "metadata": {"k": "hunter2"}
    }));
    world.run("r", spec("token")).await;
    world.pass("r").await;
    let asked = &plugin.asked()[0];
    assert_eq!(
        asked.metric["provider"]["plugin"]["a/b"],
        json!({"auth": "Bearer hunter2", "app": "shop"})
    );
    assert!(
        !asked.run.to_string().contains("hunter2"),
        "the object names the secret, no more"
    );
    let arguments: BTreeMap<_, _> = asked.arguments.iter().cloned().collect();
    assert_eq!((arguments["token"].as_str(), arguments["app"].as_str()), ("", "shop"));
    let stored = world.object("r").unwrap().to_string();
    assert!(!stored.contains("hunter2"), "{stored}");
    let result = &world.status("r")["metricResults"][0];
    let measured = &result["measurements"][0];
    assert_eq!(
        (
            &measured["value"],
            &measured["message"],
            &measured["metadata"]["k"],
            &result["metadata"]["header"]
        ),
        (
            &json!("*****"),
            &json!("sent *****"),
            &json!("*****"),
            &json!("Bearer *****")
        )
    );
}

/// Spec 4.2, 4.4: what cannot be resolved ends the run, in Argo's words; here with a time.
#[tokio::test]
async fn a_missing_secret_ends_the_run() {
    for (key, name, cause) in [
        ("other", "s", "key 'other' does not exist in secret 's'"),
        ("token", "absent", "secrets \"absent\" not found"),
    ] {
        let world = world("x").await;
        let plugin = world.plugins.serve("a/b");
        let mut spec = spec(key);
        spec["args"][0]["valueFrom"]["secretKeyRef"]["name"] = name.into();
        world.run("r", spec).await;
        world.pass("r").await;
        let status = world.status("r");
        assert_eq!(
            status["message"],
            format!("Unable to resolve metric arguments: {cause}")
        );
        assert_eq!(
            (&status["phase"], &status["completedAt"]),
            (&json!("Error"), &json!("2026-01-01T00:00:00Z"))
        );
        assert_eq!(
            world.events(),
            ["Warning AnalysisRunError Analysis Completed. Result: Error"]
        );
        assert!(plugin.asked().is_empty());
    }
}

/// Spec 6.1: a value that Go cannot quote as JSON.
#[tokio::test]
async fn a_value_that_cannot_be_filled_in() {
    let world = world("bell\u{7}").await;
    world.plugins.serve("a/b");
    world.run("r", spec("token")).await;
    world.pass("r").await;
    assert_eq!(
        world.status("r")["message"],
        "Unable to resolve metric arguments: invalid character 'a' in string escape code"
    );
}

/// An API server that stumbles is no reason to end a run.
#[tokio::test]
async fn a_secret_that_cannot_be_read_now() {
    let world = world("x").await;
    let plugin = world.plugins.serve("a/b");
    world.run("r", spec("token")).await;
    world.trouble.no_secrets.store(1, Ordering::SeqCst);
    let error = world.try_pass("r").await.unwrap_err();
    assert_eq!(error.to_string(), r#"cannot read the secret "s" for default/r"#);
    assert_eq!(world.object("r").unwrap()["status"], Value::Null);
    world.pass("r").await;
    assert_eq!(plugin.methods(), ["run", "get-metadata"]);
}

/// The secret is read anew for every measurement.
#[tokio::test]
async fn a_rotated_secret_is_used() {
    let world = world("first").await;
    let plugin = world.plugins.serve("a/b");
    world.run("r", spec("token")).await;
    world.pass("r").await;
    let request = http::Request::patch("/api/v1/namespaces/default/secrets/s")
        .header("content-type", "application/merge-patch+json")
        .body(json!({"stringData": {"token": "second"}}).to_string().into_bytes())
        .unwrap();
    let _: Value = world.client.request(request).await.unwrap();
    world.advance(60);
    world.pass("r").await;
    let last = plugin.asked().pop().unwrap();
    assert_eq!(last.metric["provider"]["plugin"]["a/b"]["auth"], "Bearer second");
}
