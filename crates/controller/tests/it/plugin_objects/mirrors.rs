//! Objects that stand for entries of ConfigMaps.

use std::sync::Arc;

use rollcage_api::plugin::PluginKind;
use rollcage_registry::{Bundled, ConfigMap, ConfigMaps};
use serde_json::json;

use super::bed::{Bed, maps};

#[tokio::test]
async fn every_entry_has_a_mirror_good_or_bad() {
    let bed = Bed::new();
    let bundled = Bundled {
        kind: PluginKind::MetricProvider,
        entry: Arc::new(serde_json::from_value(json!({"name": "rollcage/web", "location": "bundled://web"})).unwrap()),
    };
    let replica = bed.replica_with("rollcage-0", true, vec![bundled]);
    let secret = "hunter2hunter2";
    replica.configure(&format!(
        "- {{name: a/ok, location: 'https://user:{secret}@server/p.wasm?token={secret}', env: {{TOKEN: {secret}}}, args: [{secret}]}}\n\
         - {{name: Odd_One, location: 'file:///ok'}}\n- {{location: 'file:///ok'}}\n- {{name: a/where, location: nowhere}}\n"
    ));
    bed.until("all are there", |bed| bed.names().len() == 5).await;
    bed.until_quiet().await;
    let ok = bed.object("metric-provider.a.ok");
    assert_eq!(ok["metadata"]["labels"], json!({"rollcage.dev/source": "configmap"}));
    assert_eq!(
        ok["spec"],
        json!({"kind": "MetricProvider", "name": "a/ok", "location": "https://server/p.wasm?..."})
    );
    assert!(bed.status("metric-provider.a.ok")["source"] == "rollcage-config, metricProviderPlugins, line 1");
    let web = bed.object("metric-provider.rollcage.web");
    assert_eq!(web["metadata"]["labels"], json!({"rollcage.dev/source": "bundled"}));
    for name in bed.names() {
        let object = bed.object(&name);
        if !["metric-provider.a.ok", "metric-provider.rollcage.web"].contains(&name.as_str()) {
            assert_eq!(bed.condition(&name, "Accepted"), "False Invalid", "{name}");
        }
        assert!(!object.to_string().contains(secret), "{name}: {object}");
    }

    // A key that cannot be read is there, too.
    replica.registry.configure(&maps("{"));
    let key = "metric-provider.rollcage-config-metricproviderplugins-";
    bed.until("the key has an object", |bed| {
        bed.names().iter().any(|name| name.starts_with(key))
    })
    .await;
    replica.configure("[]");
    bed.until("only what is bundled is left", |bed| {
        bed.names() == ["metric-provider.rollcage.web"]
    })
    .await;
}

#[tokio::test]
async fn what_is_not_ours_is_not_touched_and_what_is_ours_is_put_back() {
    let bed = Bed::new();
    bed.create(
        "metric-provider.a.b",
        json!({"kind": "Step", "name": "mine/mine", "location": "file:///x"}),
    )
    .await;
    let replica = bed.replica("rollcage-0", true);
    replica.configure("- {name: a/b, location: 'file:///ok'}\n- {name: a/c, location: 'file:///ok'}");
    // The name is taken: the mirror has another one.
    bed.until_condition("metric-provider.a.b-configmap", "Ready", "True Serving")
        .await;
    bed.until_condition("metric-provider.a.c", "Ready", "True Serving")
        .await;
    let mine = bed.object("metric-provider.a.b");
    assert_eq!(mine["spec"]["name"], "mine/mine");
    assert!(mine["metadata"]["labels"].is_null());

    bed.edit(
        "metric-provider.a.c",
        json!({"spec": {"location": "file:///evil", "args": ["x"]}, "metadata": {"labels": {"x": "y"}}}),
    )
    .await;
    bed.until("it is put back", |bed| {
        let object = bed.object("metric-provider.a.c");
        object["spec"] == json!({"kind": "MetricProvider", "name": "a/c", "location": "file:///ok"})
            && object["metadata"]["labels"]["x"] == "y"
    })
    .await;
    let generation = bed.object("metric-provider.a.c")["metadata"]["generation"].clone();
    bed.until("the status is of that", |bed| {
        bed.status("metric-provider.a.c")["observedGeneration"] == generation
    })
    .await;

    // Somebody labels an object of another plugin as ours, and deletes a mirror.
    bed.api()
        .delete("metric-provider.a.c", &kube::api::DeleteParams::default())
        .await
        .unwrap();
    bed.until("it is made again", |bed| !bed.object("metric-provider.a.c").is_null())
        .await;
    replica.configure("[]");
    bed.until("only the user's is left", |bed| bed.names() == ["metric-provider.a.b"])
        .await;
}

#[tokio::test]
async fn nothing_is_removed_while_a_configmap_cannot_be_read() {
    let bed = Bed::new();
    let first = bed.replica("rollcage-0", true);
    first.configure("- {name: a/b, location: 'file:///ok'}");
    bed.until_condition("metric-provider.a.b", "Ready", "True Serving")
        .await;
    first.kill();
    // Another process that cannot read it knows of nothing.
    let second = bed.replica("rollcage-1", true);
    bed.until_quiet().await;
    second.registry.configure(&ConfigMaps {
        argo: ConfigMap::Absent,
        rollcage: ConfigMap::Unreadable("forbidden".to_owned()),
    });
    bed.until_quiet().await;
    assert_eq!(bed.names(), ["metric-provider.a.b"]);
    second.registry.configure(&ConfigMaps::default());
    bed.until("it is gone", |bed| bed.names().is_empty()).await;
}
