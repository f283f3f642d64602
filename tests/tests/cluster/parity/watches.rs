//! What watches tell, and from where they can be resumed.

use serde_json::{Value, json};

use super::{LONG, Side, compare as differences, script::Step};
use differences::Difference;

const ITEMS: &str = "/apis/parity.example.com/v1/namespaces/NS/widgets";

/// Changes of which watches tell.
const CHANGES: [(&str, &str, &str); 6] = [
    (
        "POST",
        ITEMS,
        r#"{"apiVersion":"parity.example.com/v1","kind":"Widget","metadata":{"name":"a","labels":{"in":"yes"}}}"#,
    ),
    (
        "POST",
        ITEMS,
        r#"{"apiVersion":"parity.example.com/v1","kind":"Widget","metadata":{"name":"b"}}"#,
    ),
    (
        "PATCH merge",
        "/apis/parity.example.com/v1/namespaces/NS/widgets/a",
        r#"{"spec":{"n":1}}"#,
    ),
    (
        "PATCH merge",
        "/apis/parity.example.com/v1/namespaces/NS/widgets/b",
        r#"{"metadata":{"labels":{"in":"yes"}}}"#,
    ),
    (
        "PATCH merge",
        "/apis/parity.example.com/v1/namespaces/NS/widgets/a",
        r#"{"metadata":{"labels":{"in":null}}}"#,
    ),
    ("DELETE", "/apis/parity.example.com/v1/namespaces/NS/widgets/b", ""),
];

/// Makes the changes on both, then compares watches that begin before and between.
pub async fn compare(real: &mut Side, ours: &mut Side, found: &mut Vec<Difference>) {
    for side in [&mut *real, &mut *ours] {
        side.ask(&Step::new("before", "GET", ITEMS, "").save_as("start")).await;
        for (index, (verb, path, body)) in CHANGES.into_iter().enumerate() {
            let step = Step::new("change", verb, path, body);
            let step = if index == 1 { step.save_as("middle") } else { step };
            let answer = side.ask(&step).await;
            assert!(answer["code"].as_u64().unwrap() < 300, "{answer}");
        }
    }
    let watch = "watch=1&timeoutSeconds=2";
    for (name, query) in [
        ("from the start", "resourceVersion=@start.rv"),
        ("from the middle", "resourceVersion=@middle.rv"),
        ("by label", "resourceVersion=@start.rv&labelSelector=in%3Dyes"),
        ("by name", "resourceVersion=@start.rv&fieldSelector=metadata.name%3Da"),
        ("from nowhere", ""),
        ("from any version", "resourceVersion=0"),
        (
            "with bookmarks at the start",
            "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true",
        ),
        ("initial events without a match", "sendInitialEvents=true"),
    ] {
        let path: &'static str = format!("{ITEMS}?{watch}&{query}").leak();
        both(name, path, real, ours, found).await;
    }
}

/// Both have forgotten the past.
pub async fn compare_gone(real: &mut Side, ours: &mut Side, found: &mut Vec<Difference>) {
    let path = "/apis/parity.example.com/v1/namespaces/NS/widgets?watch=1&timeoutSeconds=2&resourceVersion=1";
    both("from a version that is gone", path, real, ours, found).await;
}

async fn both(name: &'static str, path: &'static str, real: &mut Side, ours: &mut Side, found: &mut Vec<Difference>) {
    let step = Step::new(name, "GET", path, "");
    let (expected, given) = tokio::join!(read(&step, real), read(&step, ours));
    differences::collect(name, "", &expected, &given, found);
}

/// All events until the watch ends by itself.
async fn read(step: &Step, side: &mut Side) -> Value {
    let answer = tokio::time::timeout(LONG, side.send(step)).await;
    let answer = answer.unwrap_or_else(|_| panic!("{}: it does not end", step.name));
    // One event is an object; more are lines.
    let events: Vec<Value> = match &answer.body {
        Value::String(lines) => lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
        one => vec![one.clone()],
    };
    let mut events: Vec<Value> = events.iter().map(|event| side.normal.of(event)).collect();
    for event in &mut events {
        if event["type"] == "BOOKMARK" {
            event["object"]["metadata"]["resourceVersion"] = "(version)".into();
        }
    }
    json!({"code": answer.code, "events": events})
}
