//! Components that are not there, not there yet, of another kind: calls are told, and it gets better without a restart.

use std::{sync::Arc, time::Instant};

use kube::api::{Api, Patch, PatchParams};
use rollcage_api::plugin::PluginKind;
use rollcage_apiserver::{ApiServer, Manifest};
use rollcage_tests::peers::Peers;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::block_in_place};

use super::support::{NAME, entry, five, metric, run, shim, silent, text, write_entry};
use crate::support::plugin;

const KIND: PluginKind = PluginKind::MetricProvider;

fn input(server: &str) -> Value {
    json!({"analysisRun": run(), "metric": metric(&json!({"url": format!("http://{server}/")}))})
}

fn measured(answer: &Value) -> bool {
    answer["measurement"]["phase"] == "Running"
}

/// A location that does not exist, a server that hangs, a component of another kind, an entry that cannot be read; and in
/// the end one that serves. All of it in one process.
#[test]
fn whatever_is_wrong_is_told_and_gets_better_without_a_restart() {
    let Some(peers) = Peers::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let server = five();
    let file = entry(&folder, "/nowhere/plugin.wasm".as_ref(), &json!({}));
    let mut shim = shim(&peers, &folder, KIND, &["--entry", file.to_str().unwrap()], &[]);
    let began = Instant::now();
    shim.call("type", &json!({}));
    // The start of a process, the handshake, InitPlugin and this call: nothing of it waits for a load.
    assert!(began.elapsed().as_secs() < 30, "{:?}", began.elapsed());
    let told = shim.ready("run", &input(&server));
    assert_eq!(told["measurement"]["phase"], "Error");
    let says = text(&told);
    assert!(
        says.starts_with("failed to run via plugin: plugin test/plugin: fetch: Unavailable: ")
            && says.contains("/nowhere"),
        "{says}"
    );
    let says = text(&shim.call(
        "garbage-collect",
        &json!({"analysisRun": run(), "metric": metric(&json!({})), "limit": 1}),
    ));
    assert!(says.starts_with("plugin test/plugin: fetch: Unavailable: "), "{says}");
    let says = text(&shim.call("get-metadata", &json!({"metric": metric(&json!({}))})));
    assert!(
        says.starts_with("failed to get metadata via plugin: plugin test/plugin: "),
        "{says}"
    );

    // Never answered, and nobody waits for it.
    write_entry(&file, &format!("http://{}/plugin.wasm", silent()), &json!({}));
    let told = shim.until("run", &input(&server), |answer| text(answer).contains("Fetching: "));
    assert!(text(&told).contains("still loading"), "{told}");
    let began = Instant::now();
    for _ in 0..20 {
        shim.call("run", &input(&server));
    }
    assert!(began.elapsed().as_secs() < 30, "{:?}", began.elapsed());

    write_entry(
        &file,
        &format!("file://{}", plugin("faults/step-rules").display()),
        &json!({}),
    );
    let told = shim.until("run", &input(&server), |answer| text(answer).contains("Unavailable: "));
    assert!(
        text(&told).contains("the component is a step, configured as a metric-provider"),
        "{told}"
    );

    std::fs::write(&file, "name: [").unwrap();
    let told = shim.until("run", &input(&server), |answer| text(answer).contains("entry file"));
    assert!(text(&told).contains("resolve: Unavailable: entry file"), "{told}");

    let good = format!("file://{}", plugin("faults/metric-rules").display());
    write_entry(&file, &good, &json!({"permissions": {"http": [server]}}));
    shim.until("run", &input(&server), measured);
    // What serves goes on serving with an entry that is gone, and less of it is granted when the entry says so.
    std::fs::remove_file(&file).unwrap();
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert!(measured(&shim.call("run", &input(&server))));
    write_entry(&file, &good, &json!({}));
    shim.until("run", &input(&server), |answer| !measured(answer));
    assert_eq!(shim.pids().len(), 1, "{}", shim.log());
    // The shim's own lines are read as such.
    assert!(
        shim.log().contains("the component's entry cannot be read"),
        "{}",
        shim.log()
    );
}

/// Nobody says where the entry is; the file is not there.
#[test]
fn a_shim_without_an_entry_says_so_in_every_answer() {
    let Some(peers) = Peers::find() else { return };
    for (arguments, says) in [
        (&[][..], "add `--entry FILE` or `--entry-from-configmap`"),
        (&["--entry", "/nowhere/entry.yaml"], "/nowhere/entry.yaml: No such file"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut shim = shim(&peers, &folder, PluginKind::Step, arguments, &[]);
        let input = json!({"rollout": {}, "context": {"pluginName": NAME}});
        let told = shim.ready("run", &input);
        assert!(text(&told).contains(says), "{told}");
    }
}

/// The entry in `rollcage-config`, beside the shim's own in Argo's: of another kind, then right, then changed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_entry_comes_from_the_configmaps() {
    let Some(peers) = Peers::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let server = five();
    let api = ApiServer::new(Arc::new(jiff::Timestamp::now));
    let own = json!([{"name": NAME, "location": "file:///rollcage", "args": ["shim", "--entry-from-configmap"]}]);
    let manifests = [
        (
            "argo-rollouts-config",
            json!({"metricProviderPlugins": own.to_string()}),
        ),
        ("rollcage-config", json!({})),
    ]
    .map(|(name, data)| Manifest {
        file: "states.rs".to_owned(),
        value: json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "rollouts"}, "data": data,
        }),
    });
    let loaded = api.load(manifests);
    assert!(loaded.errors.is_empty(), "{:?}", loaded.errors);
    let client = kubeconfig(&api, &folder).await;
    let maps: Api<k8s_openapi::api::core::v1::ConfigMap> = Api::namespaced(client, "rollouts");
    let configure = |key: &str, entry: Value| {
        let data = json!({"data": {key: json!([entry]).to_string()}});
        let maps = maps.clone();
        async move {
            let params = PatchParams::default();
            maps.patch("rollcage-config", &params, &Patch::Merge(data))
                .await
                .unwrap();
        }
    };
    let config = folder.path().join("kubeconfig");
    let env = [("KUBECONFIG", config.to_str().unwrap()), ("POD_NAMESPACE", "rollouts")];
    let mut shim = block_in_place(|| shim(&peers, &folder, KIND, &["--entry-from-configmap", "--name", NAME], &env));
    let told = block_in_place(|| shim.ready("run", &input(&server)));
    assert!(text(&told).contains("the entry of this shim itself"), "{told}");
    assert!(
        text(&told).contains("metricProviderPlugins of the ConfigMap rollcage-config in rollouts"),
        "{told}"
    );
    let good = format!("file://{}", plugin("faults/metric-rules").display());
    let entry = json!({"name": NAME, "location": good, "permissions": {"http": [server]}});
    configure("metricProviderPlugins", entry).await;
    block_in_place(|| shim.until("run", &input(&server), measured));
    configure("metricProviderPlugins", json!({"name": NAME, "location": good})).await;
    block_in_place(|| shim.until("run", &input(&server), |answer| text(answer).contains("permissions")));
}

/// Serves the API, writes a kubeconfig for it, and gives a client of it.
pub async fn kubeconfig(api: &Arc<ApiServer>, folder: &TempDir) -> kube::Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let serving = api.clone();
    tokio::spawn(async move { serving.serve(listener, std::future::pending()).await });
    let text = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": server}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "users": [{"name": "test", "user": {}}],
    });
    std::fs::write(folder.path().join("kubeconfig"), text.to_string()).unwrap();
    kube::Client::try_from(kube::Config::new(server.parse().unwrap())).unwrap()
}
