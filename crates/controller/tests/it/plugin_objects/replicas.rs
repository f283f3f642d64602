//! Several replicas write into one object.

use std::collections::BTreeSet;

use rollcage_apiserver::Verb;

use super::bed::Bed;

const OBJECT: &str = "metric-provider.a.b";

#[tokio::test]
async fn each_replica_has_its_entry_and_the_leader_the_rest() {
    let bed = Bed::new();
    let (one, two) = (bed.replica("rollcage-0", true), bed.replica("rollcage-1", false));
    one.configure("- {name: a/b, location: 'file:///ok'}");
    two.configure("- {name: a/b, location: 'http://down'}");
    bed.until("both are there", |bed| {
        bed.replicas(OBJECT) == ["rollcage-0 Ready", "rollcage-1 Unavailable"]
    })
    .await;
    bed.until_condition(OBJECT, "Ready", "True Serving").await;
    let managers = |bed: &Bed| -> BTreeSet<String> {
        let fields = bed.object(OBJECT)["metadata"]["managedFields"].clone();
        fields
            .as_array()
            .unwrap()
            .iter()
            .filter(|entry| entry["subresource"] == "status")
            .map(|entry| entry["manager"].as_str().unwrap().to_owned())
            .collect()
    };
    let expected = ["rollcage", "rollcage-rollcage-0", "rollcage-rollcage-1"].map(str::to_owned);
    assert_eq!(managers(&bed), expected.into());

    // The lead goes over.
    one.leads.send_replace(false);
    two.leads.send_replace(true);
    bed.until_condition(OBJECT, "Ready", "False Unavailable").await;

    // One that ends takes its entry along.
    one.end().await;
    assert_eq!(bed.replicas(OBJECT), ["rollcage-1 Unavailable"]);
}

#[tokio::test]
async fn entries_of_the_killed_go_by_age_and_those_of_the_living_stay() {
    let bed = Bed::new();
    let (one, two) = (bed.replica("rollcage-0", true), bed.replica("rollcage-1", false));
    for replica in [&one, &two] {
        replica.configure("- {name: a/b, location: 'file:///ok'}");
    }
    let both = ["rollcage-0 Ready", "rollcage-1 Ready"];
    bed.until("both are there", |bed| bed.replicas(OBJECT) == both).await;
    two.kill();
    let third = bed.replica("rollcage-2", false);
    third.configure("- {name: a/b, location: 'file:///ok'}");
    bed.until("the third is there", |bed| bed.replicas(OBJECT).len() == 3)
        .await;
    bed.until_quiet().await;
    for _ in 0..4 {
        // A heartbeat; something has to wake them, as the clock is ours.
        bed.pass(301);
        bed.edit(
            OBJECT,
            serde_json::json!({"metadata": {"annotations": {"t": bed.server.revision().to_string()}}}),
        )
        .await;
        bed.until_quiet().await;
    }
    assert_eq!(bed.replicas(OBJECT), ["rollcage-0 Ready", "rollcage-2 Ready"]);
    let time = bed.status(OBJECT)["replicas"][0]["time"].clone();
    assert_eq!(time, "2026-01-01T00:20:04Z", "the living write again");
}

#[tokio::test]
async fn only_differences_are_written_and_every_write_carries_the_version() {
    let bed = Bed::new();
    let replica = bed.replica("rollcage-0", true);
    let recorder = bed.server.record();
    replica.configure("- {name: a/b, location: 'file:///ok'}");
    bed.until_condition(OBJECT, "Ready", "True Serving").await;
    bed.until_quiet().await;
    let status_writes = |records: Vec<rollcage_apiserver::RequestRecord>| {
        let patches = records.into_iter().filter(|record| record.verb == Verb::Patch);
        patches
            .map(|record| String::from_utf8(record.body.to_vec()).unwrap())
            .collect::<Vec<_>>()
    };
    let written = status_writes(recorder.take());
    assert!(!written.is_empty());
    assert!(
        written.iter().all(|body| body.contains("\"resourceVersion\":\"")),
        "{written:?}"
    );
    // The same configuration again, and somebody's annotation: nothing to say.
    replica.configure("- {name: a/b, location: 'file:///ok'}");
    bed.edit(OBJECT, serde_json::json!({"metadata": {"annotations": {"x": "y"}}}))
        .await;
    bed.until_quiet().await;
    let again = status_writes(recorder.take());
    assert_eq!(again.len(), 1, "the annotation alone: {again:?}");
}
