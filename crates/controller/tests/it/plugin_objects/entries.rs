//! Objects as configuration.

use rollcage_api::plugin::PluginKind;
use rollcage_core::{PluginId, PluginSource as _};
use serde_json::json;

use super::bed::{Bed, digest};

#[tokio::test]
async fn an_object_configures_a_plugin_and_shows_it() {
    let bed = Bed::new();
    let replica = bed.replica("rollcage-0", true);
    bed.entry("early", "a/early", "file:///ok").await;
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert!(
        replica.registry.snapshot().plugins.is_empty(),
        "a ConfigMap may have the name: it was not read yet"
    );
    replica.configure("[]");
    bed.entry("good", "a/good", "file:///ok/good").await;
    for (object, name) in [("early", "a/early"), ("good", "a/good")] {
        bed.until_condition(object, "Ready", "True Serving").await;
        assert!(replica.registry.metric_provider(name, "default").is_ok());
    }
    bed.until_condition("good", "UpToDate", "True UpToDate").await;
    let status = bed.status("good");
    let expected = json!({
        "source": "Plugin object good", "state": "Ready", "runtime": "wasm", "contract": "0.1.0", "breaker": "closed",
        "observedGeneration": 1, "servingDigest": digest("file:///ok/good")
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(status[field], *value, "{field}");
    }
    assert_eq!(status["conditions"][0]["observedGeneration"], json!(1));
    assert_eq!(bed.replicas("good"), ["rollcage-0 Ready"]);

    bed.edit("good", json!({"spec": {"location": "file:///ok/newer"}}))
        .await;
    bed.until("the newer version serves", |bed| {
        bed.status("good")["servingDigest"] == digest("file:///ok/newer")
    })
    .await;
    assert_eq!(bed.status("good")["observedGeneration"], json!(2));

    bed.edit("good", json!({"spec": {"location": "http://down/p.wasm"}}))
        .await;
    bed.until_condition("good", "UpToDate", "False Degraded").await;
    assert_eq!(bed.condition("good", "Ready"), "True ServingOlder");
    let failure = bed.status("good")["failure"].clone();
    assert_eq!(
        (&failure["phase"], &failure["hint"]),
        (&json!("fetch"), &json!("start the server"))
    );

    bed.api()
        .delete("good", &kube::api::DeleteParams::default())
        .await
        .unwrap();
    bed.until("it is gone", |_| replica.registry.snapshot().plugins.len() == 1)
        .await;
}

#[tokio::test]
async fn the_configmap_wins_and_then_the_older_object() {
    let bed = Bed::new();
    bed.entry("shadowed", "a/both", "file:///ok/object").await;
    bed.entry("old", "a/two", "file:///ok/old").await;
    bed.pass(10);
    bed.entry("a-young", "a/two", "file:///ok/young").await;
    let replica = bed.replica("rollcage-0", true);
    replica.configure("- {name: a/both, location: 'file:///ok/configmap'}");
    for object in ["shadowed", "a-young"] {
        bed.until_condition(object, "Accepted", "False DuplicateName").await;
        assert_eq!(bed.condition(object, "Ready"), "False DuplicateName");
        assert!(bed.replicas(object).is_empty(), "no replica has it");
    }
    assert_eq!(
        bed.message("shadowed", "Accepted"),
        "the metric-provider a/both is configured by the ConfigMap rollcage-config, metricProviderPlugins, line 1: remove \
         one of the two"
    );
    bed.until_condition("old", "Ready", "True Serving").await;
    let mirror = "metric-provider.a.both";
    bed.until_condition(mirror, "Ready", "True Serving").await;
    assert_eq!(bed.status(mirror)["servingDigest"], digest("file:///ok/configmap"));

    replica.configure("[]");
    bed.until_condition("shadowed", "Ready", "True Serving").await;
    bed.until("the mirror is gone", |bed| bed.object(mirror).is_null())
        .await;
    bed.api()
        .delete("old", &kube::api::DeleteParams::default())
        .await
        .unwrap();
    bed.until_condition("a-young", "Ready", "True Serving").await;
}

#[tokio::test]
async fn a_bad_object_is_its_own_state() {
    let bed = Bed::new();
    let replica = bed.replica("rollcage-0", true);
    replica.configure("[]");
    bed.create("no-kind", json!({"kind": "Router", "name": "a/b"})).await;
    bed.create("odd", json!("text")).await;
    bed.create(
        "limits",
        json!({"kind": "Step", "name": "a/limits", "location": "file:///ok", "limits": {"deadline": "soon"}}),
    )
    .await;
    bed.entry("good", "a/good", "file:///ok").await;
    for object in ["no-kind", "odd", "limits"] {
        bed.until_condition(object, "Accepted", "False Invalid").await;
        assert_eq!(bed.condition(object, "Ready"), "False Invalid");
    }
    assert!(
        bed.message("no-kind", "Accepted")
            .contains("MetricProvider, TrafficRouter or Step")
    );
    let message = bed.message("limits", "Accepted");
    assert!(
        message.starts_with("resolve: Plugin object limits: limits.deadline: "),
        "{message}"
    );
    bed.until_condition("good", "Ready", "True Serving").await;

    // A good entry that becomes a bad one goes on serving.
    bed.edit("good", json!({"spec": {"location": "nowhere"}})).await;
    bed.until_condition("good", "Accepted", "False Invalid").await;
    assert_eq!(bed.condition("good", "Ready"), "True ServingOlder");
    assert!(replica.registry.metric_provider("a/good", "default").is_ok());
    let id = PluginId {
        kind: PluginKind::Step,
        name: "a/limits".to_owned(),
    };
    assert!(
        replica.registry.snapshot().plugins.contains_key(&id),
        "who asks for it is told why"
    );
}

#[tokio::test]
async fn a_disabled_entry_is_not_ready_and_says_so() {
    let bed = Bed::new();
    let replica = bed.replica("rollcage-0", true);
    replica.configure("- {name: a/off, disabled: true, sha256: nonsense}");
    bed.until_condition("metric-provider.a.off", "Ready", "False Disabled")
        .await;
    assert_eq!(bed.condition("metric-provider.a.off", "Accepted"), "True Accepted");
    assert!(bed.status("metric-provider.a.off")["failure"].is_null());
}
