//! What another version of ours left in an object. There is no older release yet, so what a newer one could write stands for
//! it: as far as Argo's custom resource lets it be stored at all.

use jiff::{SignedDuration, Timestamp};
use rollcage_tests::controlplane::ControlPlane;
use serde_json::json;

use crate::kit::{INSTANCE, Prometheus, Site, built, entry, file, spec};

#[tokio::test]
async fn what_is_unknown_to_us_survives_our_passes() {
    let Some(plane) = ControlPlane::shared() else { return };
    let site = Site::new(plane, "versions").await;
    let prometheus = Prometheus::start().await;
    let location = file(&built("prometheus.wasm"));
    site.entries(&json!([entry("acme/prometheus", &location, prometheus.port)]))
        .await;
    let before = Timestamp::from_second(Timestamp::now().as_second()).unwrap() - SignedDuration::from_secs(5);
    let first = json!({
        "phase": "Successful", "value": "[0.95]", "startedAt": before, "finishedAt": before,
        "metadata": {"tomorrow/state": "opaque"},
    });
    let run = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisRun",
        "metadata": {
            "name": "half", "labels": {INSTANCE: site.instance, "tomorrow": "label"},
            "annotations": {"rollcage/tomorrow": "{\"version\": 2}"},
        },
        "spec": spec(&prometheus.provider("acme/prometheus", "x"), 3, "1s"),
        "status": {
            "phase": "Running", "startedAt": before, "runSummary": {"count": 1},
            "metricResults": [{
                "name": "m", "phase": "Running", "count": 1, "successful": 1, "consecutiveSuccess": 1,
                "metadata": {"tomorrow/provider": "opaque"}, "measurements": [first],
            }],
        },
    });
    site.here.apply(&run.to_string()).await;
    let _controller = site.controller();
    let status = site.phase("half", "Successful").await;
    let result = &status["metricResults"][0];
    assert_eq!(prometheus.asked("x"), 2, "what was measured counts");
    assert_eq!(
        (&result["count"], &result["successful"]),
        (&json!(3), &json!(3)),
        "{status}"
    );
    assert_eq!(result["measurements"][0], first, "{status}");
    assert_eq!(result["metadata"]["tomorrow/provider"], "opaque", "{status}");
    assert_eq!(status["startedAt"], json!(before), "{status}");
    let metadata = site.runs.get("half").await.unwrap().metadata;
    assert_eq!(metadata.annotations.unwrap()["rollcage/tomorrow"], "{\"version\": 2}");
    assert_eq!(metadata.labels.unwrap()["tomorrow"], "label");
}
