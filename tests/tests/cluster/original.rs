//! The original beside ours, on one control plane.

use std::collections::BTreeSet;

use kube::api::ListParams;
use rollcage_tests::controlplane::{ControlPlane, Options, until};
use serde_json::json;

use crate::{
    kit::{INSTANCE, Prometheus, Site, built as plugin, entry, file, spec},
    stock::Original,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_different_instance_ids_neither_writes_the_others_objects() {
    const EACH: usize = 50;
    let Some(plane) = ControlPlane::start(&Options::default()) else {
        return;
    };
    let site = Site::new(&plane, "beside").await;
    let prometheus = Prometheus::start().await;
    let location = file(&plugin("prometheus.wasm"));
    site.entries(&json!([entry("acme/prometheus", &location, prometheus.port)]))
        .await;
    let everything = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]);
    let theirs = site.here.account("original", &everything, &json!([])).await;
    let provider = prometheus.provider("acme/prometheus", "ours");
    let address = format!("http://127.0.0.1:{}", prometheus.port);
    let built_in = json!({"prometheus": {"address": address, "query": "theirs"}});
    for index in 0..EACH {
        site.run(&format!("ours-{index}"), &spec(&provider, 2, "1s")).await;
        site.run_of("original", &format!("theirs-{index}"), &spec(&built_in, 2, "1s"))
            .await;
    }
    let original = Original::start(&theirs, &site.here.name, "original", &[]);
    let controller = site.controller();
    until("all runs are successful", async || {
        let runs = site.runs.list(&ListParams::default()).await.unwrap();
        let phases = runs.items.iter().map(|run| &run.data["status"]["phase"]);
        phases.filter(|phase| **phase == "Successful").count() == 2 * EACH
    })
    .await;
    drop((original, controller));

    let audit = plane.audit();
    let written_by = |user: &str| -> BTreeSet<String> {
        let entries = audit.iter().filter(|entry| {
            let verb = entry["verb"].as_str().unwrap_or_default();
            entry["user"]["username"] == user
                && entry["objectRef"]["resource"] == "analysisruns"
                && matches!(verb, "patch" | "update" | "delete" | "create")
        });
        entries
            .filter_map(|entry| entry["objectRef"]["name"].as_str().map(str::to_owned))
            .collect()
    };
    for (user, prefix) in [(&site.account.user, "ours-"), (&theirs.user, "theirs-")] {
        let written = written_by(user);
        assert_eq!(written.len(), EACH, "{user} wrote {written:?}");
        assert!(
            written.iter().all(|name| name.starts_with(prefix)),
            "{user} wrote {written:?}"
        );
    }
    let runs = site.runs.list(&ListParams::default()).await.unwrap();
    for run in runs.items {
        let ours = run.metadata.labels.unwrap()[INSTANCE] == site.instance;
        let managers: BTreeSet<_> = run
            .metadata
            .managed_fields
            .unwrap()
            .into_iter()
            .filter_map(|entry| entry.manager)
            .collect();
        assert_eq!(managers.contains("rollouts-controller"), !ours, "{managers:?}");
    }
}
