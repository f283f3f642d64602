//! The same over sockets.

use std::time::Duration;

use futures::TryStreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client, Config,
    api::{DeleteParams, Patch, PatchParams, PostParams},
    runtime::{WatchStreamExt, watcher},
};
use rollcage_apiserver::ApiServer;
use serde_json::json;
use tokio::{net::TcpListener, sync::oneshot, time::timeout};

use crate::{clock, objects::refusal};

#[tokio::test]
async fn a_client_in_another_process_sees_the_same() {
    let server = ApiServer::new(clock());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn({
        let server = server.clone();
        async move { server.serve(listener, async move { drop(stopped.await) }).await }
    });
    let mut config = Config::new(format!("http://{address}").parse().unwrap());
    config.default_namespace = "default".into();
    let client = Client::try_from(config).unwrap();
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    let mut seen = std::pin::pin!(
        watcher(maps.clone(), watcher::Config::default())
            .default_backoff()
            .touched_objects()
    );

    let map: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "a"}})).unwrap();
    maps.create(&PostParams::default(), &map).await.unwrap();
    let next = timeout(Duration::from_secs(10), seen.try_next())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(next.metadata.name.as_deref(), Some("a"));
    maps.patch("a", &PatchParams::default(), &Patch::Merge(json!({"data": {"k": "v"}})))
        .await
        .unwrap();
    let next = timeout(Duration::from_secs(10), seen.try_next())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(next.data.unwrap()["k"], "v");
    maps.delete("a", &DeleteParams::default()).await.unwrap();
    assert_eq!(refusal(maps.get("a").await), (404, "NotFound".into()));
    assert_eq!(client.apiserver_version().await.unwrap().major, "1");

    // It stops although a watch is open.
    stop.send(()).unwrap();
    timeout(Duration::from_secs(10), serving)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}
