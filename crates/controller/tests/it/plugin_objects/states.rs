//! Conditions and their times.

use serde_json::json;

use super::bed::Bed;

#[tokio::test]
async fn times_are_those_of_the_change() {
    let bed = Bed::new();
    bed.entry("p", "a/b", "http://down").await;
    let replica = bed.replica("rollcage-0", true);
    replica.configure("[]");
    bed.until_condition("p", "Ready", "False Unavailable").await;
    let time = |bed: &Bed, index: usize| bed.status("p")["conditions"][index]["lastTransitionTime"].clone();
    let start = json!("2026-01-01T00:00:00Z");
    assert_eq!((time(&bed, 0), time(&bed, 1)), (start.clone(), start.clone()));
    assert_eq!(
        bed.message("p", "Ready"),
        "fetch: http://down/: connection refused (start the server)"
    );
    assert_eq!(bed.status("p")["failure"]["time"], start);

    bed.pass(60);
    bed.edit("p", json!({"spec": {"location": "file:///ok"}})).await;
    bed.until_condition("p", "Ready", "True Serving").await;
    assert_eq!((time(&bed, 0), time(&bed, 1)), (start, json!("2026-01-01T00:01:00Z")));
    assert!(bed.status("p")["failure"].is_null());

    // Another process that leads finds the same, and changes no time.
    let other = bed.replica("rollcage-1", false);
    other.configure("[]");
    bed.until("both are there", |bed| bed.replicas("p").len() == 2).await;
    bed.until("the other is ready", |bed| bed.replicas("p")[1] == "rollcage-1 Ready")
        .await;
    bed.pass(60);
    replica.end().await;
    other.leads.send_replace(true);
    bed.until_quiet().await;
    bed.edit("p", json!({"spec": {"args": ["x"]}})).await;
    bed.until("the other leads", |bed| {
        bed.status("p")["observedGeneration"] == json!(3)
    })
    .await;
    bed.until_condition("p", "UpToDate", "True UpToDate").await;
    let moved = [time(&bed, 0), time(&bed, 1)];
    assert_eq!(moved, [json!("2026-01-01T00:00:00Z"), json!("2026-01-01T00:01:00Z")]);
}

#[tokio::test]
async fn a_load_is_seen_and_somebodys_words_are_overwritten() {
    let bed = Bed::new();
    bed.entry("p", "a/b", "file:///slow").await;
    let replica = bed.replica("rollcage-0", true);
    replica.configure("[]");
    bed.until_condition("p", "Ready", "False Loading").await;
    assert_eq!(bed.message("p", "Ready"), "Fetching");
    assert_eq!(bed.status("p")["state"], "Fetching");
    let status = json!({"status": {"state": "Ready", "failure": {"phase": "fetch", "cause": "mine"}}});
    let params = kube::api::PatchParams::default();
    bed.api()
        .patch_status("p", &params, &kube::api::Patch::Merge(status))
        .await
        .unwrap();
    bed.until("the state is put back", |bed| bed.status("p")["state"] == "Fetching")
        .await;
    // A field that we never wrote is not ours to remove: it is left, and nobody writes for ever.
    bed.until_quiet().await;
}
