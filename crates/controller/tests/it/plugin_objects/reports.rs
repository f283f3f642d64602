//! What somebody who asks is told.

use futures::StreamExt as _;
use rollcage_apiserver::{ApiError, Disturbance, Match};
use rollcage_controller::plugins::report::{follow, read};

use super::bed::{Bed, NAMESPACE};

/// Reports are of the real time: so are these objects.
fn now(bed: &Bed) {
    bed.clock.set(jiff::Timestamp::now());
}

#[tokio::test]
async fn a_report_tells_what_serves_and_why_something_does_not() {
    let bed = Bed::new();
    now(&bed);
    let replica = bed.replica("rollcage-0", true);
    replica.configure("- {name: a/good, location: 'file:///ok'}\n- {name: a/off, disabled: true}");
    bed.until_condition("metric-provider.a.good", "UpToDate", "True UpToDate")
        .await;
    bed.until_quiet().await;
    let report = read(&bed.client, NAMESPACE).await.unwrap();
    assert!(report.ok, "{report:#?}");
    assert_eq!(report.plugins[1].state, "Disabled");

    bed.entry("bad", "a/bad", "http://down").await;
    bed.entry("twin", "a/good", "file:///ok").await;
    bed.until_condition("bad", "Ready", "False Unavailable").await;
    bed.until_condition("twin", "Ready", "False DuplicateName").await;
    bed.until_quiet().await;
    let report = read(&bed.client, NAMESPACE).await.unwrap();
    assert!(!report.ok);
    let states: Vec<_> = report
        .plugins
        .iter()
        .map(|line| (line.object.as_str(), line.state.as_str(), line.ok))
        .collect();
    assert_eq!(
        states,
        [
            ("bad", "Unavailable", false),
            ("metric-provider.a.good", "Ready", true),
            ("twin", "Duplicate", false),
            ("metric-provider.a.off", "Disabled", true)
        ]
    );
    assert_eq!(report.plugins[0].failure.as_ref().unwrap().hint, "start the server");

    // A replica that differs.
    let other = bed.replica("rollcage-1", false);
    other.configure("- {name: a/good, location: 'http://down'}");
    bed.until("it has said so", |bed| {
        bed.replicas("metric-provider.a.good").len() == 2
    })
    .await;
    bed.until_quiet().await;
    let report = read(&bed.client, NAMESPACE).await.unwrap();
    assert!(!report.plugins[1].ok && report.plugins[1].ready);
}

#[tokio::test]
async fn what_cannot_be_told_says_what_to_do() {
    let bed = Bed::bare();
    let unknown = read(&bed.client, NAMESPACE).await.unwrap_err();
    assert!(
        unknown.cause.contains("is not installed") && unknown.hint.contains("kubectl apply -f"),
        "{unknown:?}"
    );
    bed.install();
    let unknown = read(&bed.client, NAMESPACE).await.unwrap_err();
    assert!(unknown.hint.contains("no controller runs there"), "{unknown:?}");
    bed.entry("p", "a/b", "file:///ok").await;
    let unknown = read(&bed.client, NAMESPACE).await.unwrap_err();
    assert!(unknown.cause.contains("no controller writes"), "{unknown:?}");
    let unknown = read(&bed.client, "default").await.unwrap_err();
    assert!(unknown.hint.contains("there are some in rollcage"), "{unknown:?}");

    // The clock is that of long ago.
    let replica = bed.replica("rollcage-0", true);
    replica.configure("[]");
    bed.until_condition("p", "Ready", "True Serving").await;
    let unknown = read(&bed.client, NAMESPACE).await.unwrap_err();
    assert!(unknown.cause.contains("no controller has written"), "{unknown:?}");

    bed.server.disturb(
        Match::default(),
        1,
        Disturbance::Refuse(ApiError::new(403, "forbidden: plugins")),
    );
    let unknown = read(&bed.client, NAMESPACE).await.unwrap_err();
    assert!(
        unknown.cause.contains("forbidden") && unknown.hint.contains("allow get, list and watch"),
        "{unknown:?}"
    );
}

#[tokio::test]
async fn a_watch_tells_every_change() {
    let bed = Bed::new();
    now(&bed);
    bed.entry("p", "a/b", "http://down").await;
    let replica = bed.replica("rollcage-0", true);
    replica.configure("[]");
    bed.until_condition("p", "Ready", "False Unavailable").await;
    let mut reports = std::pin::pin!(follow(&bed.client, NAMESPACE));
    assert!(!reports.next().await.unwrap().unwrap().ok);
    bed.edit("p", serde_json::json!({"spec": {"location": "file:///ok"}}))
        .await;
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !reports.next().await.unwrap().unwrap().ok {
        assert!(std::time::Instant::now() < end);
    }
}
