//! The control plane itself, and its handle.

use k8s_openapi::api::{
    apps::v1::Deployment,
    batch::v1::Job,
    core::v1::{ConfigMap, Pod, Secret},
};
use kube::{
    Api,
    api::{DeleteParams, ListParams, PostParams},
};
use rollcage_tests::controlplane::{self, ControlPlane, Options, dynamic, eventually, until};
use serde_json::json;

#[tokio::test]
async fn pods_of_deployments_and_jobs_start_and_end() {
    let Some(plane) = ControlPlane::shared() else { return };
    let here = plane.namespace("pods").await;
    here.apply(
        r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: "web:1"}]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: good}
spec:
  template:
    spec: {restartPolicy: Never, containers: [{name: main, image: "job:1", command: ["true"]}]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: bad}
spec:
  backoffLimit: 0
  template:
    spec: {restartPolicy: Never, containers: [{name: main, image: "job:1", command: [sh, -c, "exit 3"]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: broken}
spec: {containers: [{name: main, image: "web:error"}]}
"#,
    )
    .await;
    let deployments: Api<Deployment> = here.api();
    until("the Deployment is available", async || {
        let status = deployments.get("web").await.unwrap().status.unwrap();
        status.available_replicas == Some(3)
    })
    .await;
    let jobs: Api<Job> = here.api();
    for (name, condition) in [("good", "Complete"), ("bad", "Failed")] {
        until(&format!("{name} is {condition}"), async || {
            let status = jobs.get(name).await.unwrap().status.unwrap_or_default();
            let mut conditions = status.conditions.into_iter().flatten();
            conditions.any(|given| given.type_ == condition && given.status == "True")
        })
        .await;
    }
    let pods: Api<Pod> = here.api();
    let reason = eventually("the broken pod waits", async || {
        let status = pods.get("broken").await.unwrap().status?;
        status.container_statuses?.remove(0).state?.waiting?.reason
    })
    .await;
    assert_eq!(reason, "CreateContainerError");
    deployments.delete("web", &DeleteParams::default()).await.unwrap();
    let labels = ListParams::default().labels("app=web");
    until("its pods are gone", async || {
        pods.list(&labels).await.unwrap().items.is_empty()
    })
    .await;
}

#[tokio::test]
async fn an_account_can_do_what_its_rules_say_and_nothing_else() {
    let Some(plane) = ControlPlane::shared() else { return };
    let here = plane.namespace("rules").await;
    let elsewhere = plane.namespace("rules-not").await;
    let read = json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}]);
    let account = here.account("reader", &json!([]), &read).await;
    let client = controlplane::client(&account.kubeconfig).await;
    let maps = |namespace: &str| Api::<ConfigMap>::namespaced(client.clone(), namespace);
    // The API server's own view of the rules follows within a moment.
    until("the rule counts", async || {
        maps(&here.name).list(&ListParams::default()).await.is_ok()
    })
    .await;
    let code = |error: kube::Error| match error {
        kube::Error::Api(status) => status.code,
        other => panic!("{other}"),
    };
    let listed = maps(&elsewhere.name).list(&ListParams::default()).await;
    assert_eq!(code(listed.unwrap_err()), 403);
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &here.name);
    assert_eq!(code(secrets.list(&ListParams::default()).await.unwrap_err()), 403);
    let map = serde_json::from_value(json!({"metadata": {"name": "x"}})).unwrap();
    let created = maps(&here.name).create(&PostParams::default(), &map).await;
    assert_eq!(code(created.unwrap_err()), 403);
    let refused = eventually("the audit log tells", async || {
        let mine = |entry: &serde_json::Value| entry["user"]["username"] == account.user.as_str();
        let refused = |entry: &serde_json::Value| entry["responseStatus"]["code"] == 403 && entry["verb"] == "create";
        plane.audit().into_iter().find(|entry| mine(entry) && refused(entry))
    })
    .await;
    assert_eq!(refused["objectRef"]["resource"], "configmaps");
}

#[tokio::test]
async fn argos_custom_resources_are_there() {
    let Some(plane) = ControlPlane::shared() else { return };
    let here = plane.namespace("argo").await;
    here.apply(
        "{apiVersion: argoproj.io/v1alpha1, kind: AnalysisRun, metadata: {name: x}, spec: {metrics: [{name: m, provider: {}}]}}",
    )
    .await;
    let runs = dynamic(&here.client, &here.name, "argoproj.io/v1alpha1", "AnalysisRun");
    assert_eq!(runs.get("x").await.unwrap().data["spec"]["metrics"][0]["name"], "m");
    assert!(here.kubectl(&["get", "analysisruns"]).contains('x'));
}

#[tokio::test]
async fn an_api_server_comes_back_where_it_was() {
    let Some(plane) = ControlPlane::start(&Options::default()) else {
        return;
    };
    let here = plane.namespace("restarted").await;
    here.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: kept}, data: {a: b}}")
        .await;
    let server = plane.part("kube-apiserver");
    server.kill();
    let maps: Api<ConfigMap> = here.api();
    assert!(maps.get("kept").await.is_err(), "nobody is there");
    server.start();
    assert_eq!(maps.get("kept").await.unwrap().data.unwrap()["a"], "b");
    server.freeze();
    let soon = std::time::Duration::from_secs(1);
    let answer = tokio::time::timeout(soon, maps.get("kept")).await;
    assert!(answer.is_err(), "a frozen server answers nothing");
    server.thaw();
    until("it answers again", async || maps.get("kept").await.is_ok()).await;
}
