//! The example `gateway-api` on a real API server with the Gateway API's own custom resources: through the sandbox, as an
//! account that has what the example's entry grants and nothing else.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use kube::{
    Api,
    api::{DynamicObject, Patch, PatchParams, PostParams},
};
use rollcage_api::{
    plugin::PluginKind,
    rollout::{Rollout, Verification},
};
use rollcage_controller::cluster::Cluster;
use rollcage_core::{Call, CallError, PluginErrorKind, PluginSource as _, TrafficRouter, host::HostServices};
use rollcage_tests::{
    chart,
    controlplane::{self, ControlPlane, Namespace, client, dynamic, until},
    stage::Stage,
    victim::place,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    kit::{INSTANCE, built, file},
    stock::Original,
};

const NAME: &str = "test/gateway-api";
const VERSION: &str = "gateway.networking.k8s.io/v1";

/// A namespace with routes, and the plugin.
struct Site<'p> {
    here: Namespace<'p>,
    router: Arc<dyn TrafficRouter>,
    routes: Api<DynamicObject>,
    grpc: Api<DynamicObject>,
    user: String,
    _stage: Stage,
    _folder: TempDir,
}

/// The custom resources, once they are served.
fn install(plane: &ControlPlane) {
    let definitions = controlplane::built().unwrap().join("gateway-api");
    let definitions = definitions
        .canonicalize()
        .unwrap_or_else(|error| panic!("{}: {error}: cargo xtask cluster --build", definitions.display()));
    for name in ["httproutes", "grpcroutes"] {
        let file = definitions.join(format!("gateway.networking.k8s.io_{name}.yaml"));
        plane.kubectl(&["apply", "--server-side", "-f", &file.to_string_lossy()]);
        let name = format!("crd/{name}.gateway.networking.k8s.io");
        let wait = ["wait", "--for=condition=Established", "--timeout=60s", name.as_str()];
        let began = Instant::now();
        // As long as one has no conditions at all, it waits for none.
        while let Err(error) = controlplane::kubectl(plane.kubeconfig(), &wait) {
            assert!(began.elapsed() < Duration::from_mins(1), "{error}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// What examples/gateway-api/entry.yaml grants.
fn grants() -> Value {
    let entry = std::fs::read_to_string(chart::root().join("examples/gateway-api/entry.yaml")).unwrap();
    let entry: Value = serde_yaml::from_str(&entry).unwrap();
    entry["permissions"].clone()
}

impl<'p> Site<'p> {
    async fn new(plane: &'p ControlPlane, name: &str) -> Self {
        tokio::task::block_in_place(|| install(plane));
        let here = plane.namespace(name).await;
        let grants = grants();
        // A rule of a Role has the fields of a grant.
        let account = here.account("plugin", &json!([]), &grants["kubernetes"]).await;
        let cluster = Cluster::new(client(&account.kubeconfig).await, &here.name);
        let host = HostServices {
            kubernetes: Arc::new(cluster),
            ..HostServices::without_cluster()
        };
        let folder = tempfile::tempdir().unwrap();
        let mut stage = Stage::open(&place(folder.path(), controlplane::program()), host);
        let location = file(&built("gateway-api.wasm"));
        stage.entry(
            PluginKind::TrafficRouter,
            "gateway-api",
            &location,
            &json!({"permissions": grants}),
        );
        stage.load().await;
        let router = stage.registry.traffic_router(NAME, &here.name).unwrap();
        let manifests = std::fs::read_to_string(chart::root().join("examples/gateway-api/kube/routes.yaml")).unwrap();
        here.apply(&manifests.replace("namespace: shop", &format!("namespace: {}", here.name)))
            .await;
        Self {
            routes: dynamic(&here.client, &here.name, VERSION, "HTTPRoute"),
            grpc: dynamic(&here.client, &here.name, VERSION, "GRPCRoute"),
            user: account.user,
            here,
            router,
            _stage: stage,
            _folder: folder,
        }
    }

    fn call(&self) -> Call {
        Call::for_namespace(&self.here.name)
    }

    fn rollout(&self) -> Arc<Rollout> {
        let rollout = json!({
            "metadata": {"name": "web", "namespace": self.here.name, "uid": "1-2-3"},
            "spec": {"strategy": {"canary": {
                "canaryService": "web-canary", "stableService": "web-stable",
                "trafficRouting": {
                    "managedRoutes": [{"name": "testers"}, {"name": "shadow"}],
                    "plugins": {NAME: {"httpRoute": "web", "grpcRoute": "cart"}},
                },
            }}},
        });
        Arc::new(serde_json::from_value(rollout).unwrap())
    }

    async fn set_weight(&self, weight: i32) -> Result<(), CallError> {
        self.router.set_weight(&self.call(), &self.rollout(), weight, &[]).await
    }

    async fn verify(&self, weight: i32) -> Verification {
        let verified = self
            .router
            .verify_weight(&self.call(), &self.rollout(), weight, &[])
            .await;
        verified.unwrap()
    }

    async fn set_header(&self, header: &str) {
        let route = json!({"name": "testers", "match": [{"headerName": header, "headerValue": {"prefix": "a."}}]});
        let route = serde_json::from_value(route).unwrap();
        self.router
            .set_header_route(&self.call(), &self.rollout(), &route)
            .await
            .unwrap();
    }

    async fn set_mirror(&self) {
        let route = json!({"name": "shadow", "percentage": 35, "match": [{"path": {"prefix": "/"}}]});
        let route = serde_json::from_value(route).unwrap();
        self.router
            .set_mirror_route(&self.call(), &self.rollout(), &route)
            .await
            .unwrap();
    }

    async fn remove(&self) {
        self.router
            .remove_managed_routes(&self.call(), &self.rollout())
            .await
            .unwrap();
    }

    async fn http(&self) -> DynamicObject {
        self.routes.get("web").await.unwrap()
    }

    async fn versions(&self) -> [Option<String>; 2] {
        let grpc = self.grpc.get("cart").await.unwrap();
        [
            self.http().await.metadata.resource_version,
            grpc.metadata.resource_version,
        ]
    }
}

fn rules(route: &DynamicObject) -> &Vec<Value> {
    route.data["spec"]["rules"].as_array().unwrap()
}

fn names(route: &DynamicObject) -> Vec<&str> {
    rules(route)
        .iter()
        .map(|rule| rule["name"].as_str().unwrap_or("-"))
        .collect()
}

fn weights(rule: &Value) -> Vec<&Value> {
    let backends = rule["backendRefs"].as_array().unwrap();
    backends.iter().map(|backend| &backend["weight"]).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateway_api_a_release_goes_through_real_routes() {
    let Some(plane) = ControlPlane::shared() else { return };
    let site = Site::new(plane, "gateway").await;
    let before = site.http().await;
    site.set_weight(20).await.unwrap();
    let route = site.http().await;
    assert_eq!(weights(&rules(&route)[1]), [80, 20]);
    assert_eq!(weights(&rules(&site.grpc.get("cart").await.unwrap())[0]), [80, 20]);
    assert_eq!(
        route.metadata.labels.unwrap()["rollouts.argoproj.io/gatewayapi-canary"],
        "in-progress"
    );
    assert_eq!(site.verify(20).await, Verification::Verified);
    assert_eq!(site.verify(21).await, Verification::NotVerified);
    site.set_header("X-Tester").await;
    site.set_mirror().await;
    let route = site.http().await;
    assert_eq!(names(&route), ["testers", "shadow", "files", "everything"]);
    let headers = json!([{"type": "RegularExpression", "name": "X-Tester", "value": r"a\..*"}]);
    assert_eq!(
        rules(&route)[0]["matches"],
        json!([{"path": {"type": "PathPrefix", "value": "/"}, "headers": headers}])
    );
    let canary = json!({"group": "", "kind": "Service", "name": "web-canary", "port": 80});
    let mirror = json!({"type": "RequestMirror", "requestMirror": {"backendRef": canary, "percent": 35}});
    assert_eq!(rules(&route)[1]["filters"], json!([mirror]));
    assert_eq!(rules(&route)[1]["timeouts"], json!({"request": "5s"}));
    assert_eq!(names(&site.grpc.get("cart").await.unwrap()), ["testers", "shadow", "-"]);
    // With the server's defaults filled in, too, a repetition writes nothing.
    let versions = site.versions().await;
    site.set_header("X-Tester").await;
    site.set_mirror().await;
    site.set_weight(20).await.unwrap();
    assert_eq!(site.versions().await, versions);
    site.set_weight(50).await.unwrap();
    let route = site.http().await;
    for split in [1, 3] {
        assert_eq!(weights(&rules(&route)[split]), [50, 50]);
    }
    // Another header in the same route, then the end: what is left is what was there before.
    site.set_header("X-Other").await;
    assert_eq!(names(&site.http().await), ["testers", "shadow", "files", "everything"]);
    site.remove().await;
    site.set_weight(0).await.unwrap();
    let after = site.http().await;
    assert_eq!(
        (after.data, after.metadata.labels),
        (before.data, before.metadata.labels)
    );
    let versions = site.versions().await;
    site.remove().await;
    assert_eq!(site.versions().await, versions);
    // The account has nothing but the declared rights, and nothing else was wanted.
    let refused = plane
        .audit()
        .into_iter()
        .filter(|entry| entry["user"]["username"] == site.user.as_str() && entry["responseStatus"]["code"] == 403);
    assert_eq!(refused.count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateway_api_and_others_write_the_same_route() {
    let Some(plane) = ControlPlane::shared() else { return };
    let site = Site::new(plane, "gateway-busy").await;
    // Somebody changes the route all the time, and counts.
    let routes = site.routes.clone();
    let somebody = tokio::spawn(async move {
        for count in 0..150 {
            let patch = json!({"metadata": {"annotations": {"count": count.to_string()}}});
            let params = PatchParams::default();
            routes.patch("web", &params, &Patch::Merge(&patch)).await.unwrap();
        }
    });
    let mut lost = 0;
    for weight in (1..=30).chain([40]) {
        // A call that others were faster than five times is told so, and repeated, as a controller does.
        while let Err(error) = site.set_weight(weight).await {
            let CallError::Plugin(error) = error else {
                panic!("{error:?}")
            };
            assert_eq!(error.kind, PluginErrorKind::Conflict, "{error:?}");
            lost += 1;
            assert!(lost < 100, "it never gets its turn");
        }
    }
    somebody.await.unwrap();
    let route = site.http().await;
    assert_eq!(weights(&rules(&route)[1]), [60, 40]);
    assert_eq!(route.metadata.annotations.unwrap()["count"], "149");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateway_api_gateways_have_their_say() {
    let Some(plane) = ControlPlane::shared() else { return };
    let site = Site::new(plane, "gateway-status").await;
    site.set_weight(20).await.unwrap();
    let generation = site.http().await.metadata.generation.unwrap();
    for (seen, resolved, expected) in [
        (generation - 1, "True", Verification::NotVerified),
        (generation, "False", Verification::NotVerified),
        (generation, "True", Verification::Verified),
    ] {
        let condition = |kind: &str, status: &str| {
            json!({"type": kind, "status": status, "reason": "R", "message": "", "observedGeneration": seen,
                "lastTransitionTime": "2026-01-01T00:00:00Z"})
        };
        let mut route = site.http().await;
        route.data["status"] = json!({"parents": [{
            "parentRef": {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "gate"},
            "controllerName": "example.com/gateway",
            "conditions": [condition("Accepted", "True"), condition("ResolvedRefs", resolved)],
        }]});
        site.routes
            .replace_status("web", &PostParams::default(), &route)
            .await
            .unwrap();
        assert_eq!(site.verify(20).await, expected, "{seen} {resolved}");
    }
}

/// The original's controller moves a whole release by the component, which runs in `rollcage shim`. (Up to 1.9 it has
/// mirrors for Istio only.)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateway_api_moves_a_release_of_the_original() {
    let Some(plane) = ControlPlane::shared() else { return };
    let site = Site::new(plane, "gateway-stock").await;
    let here = &site.here;
    let before = site.http().await;
    let folder = tempfile::tempdir().unwrap();
    let entry = json!({"name": NAME, "location": file(&built("gateway-api.wasm")), "permissions": grants()});
    std::fs::write(folder.path().join("entry.yaml"), entry.to_string()).unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let shim = json!([{
        "name": NAME, "location": file(&controlplane::program()),
        "args": ["shim", "--entry", path("entry.yaml"), "--cache-dir", path("cache")],
    }]);
    let service = |name: &str| {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}})
    };
    let steps = json!([
        {"setWeight": 20},
        {"setHeaderRoute": {"name": "testers", "match": [{"headerName": "X-Tester", "headerValue": {"exact": "yes"}}]}},
        {"pause": {}},
    ]);
    let mut rollout = serde_json::to_value(&*site.rollout()).unwrap();
    rollout["apiVersion"] = "argoproj.io/v1alpha1".into();
    rollout["kind"] = "Rollout".into();
    rollout["metadata"] = json!({"name": "web", "labels": {INSTANCE: here.name}});
    rollout["spec"]["replicas"] = 1.into();
    rollout["spec"]["selector"] = json!({"matchLabels": {"app": "web"}});
    rollout["spec"]["template"] = json!({
        "metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "main", "image": "web:1"}]}
    });
    rollout["spec"]["strategy"]["canary"]["steps"] = steps;
    rollout.as_object_mut().unwrap().remove("status");
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argo-rollouts-config"},
        "data": {"trafficRouterPlugins": shim.to_string()}});
    for object in [map, service("web-stable"), service("web-canary"), rollout] {
        here.apply(&object.to_string()).await;
    }
    let everything = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]);
    let account = here.account("original", &everything, &json!([])).await;
    let _original = Original::start(
        &account,
        &here.name,
        &here.name,
        &["--namespaced", "--namespace", &here.name],
    );
    let rollouts = dynamic(&here.client, &here.name, "argoproj.io/v1alpha1", "Rollout");
    let phase = async |phase: &str| {
        let status = rollouts.get("web").await.unwrap().data["status"].clone();
        status["phase"] == phase && status["observedGeneration"] != Value::Null
    };
    until("the first version is healthy", async || phase("Healthy").await).await;

    let image = json!([{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "web:2"}]);
    let image: Patch<Value> = Patch::Json(serde_json::from_value(image).unwrap());
    rollouts.patch("web", &PatchParams::default(), &image).await.unwrap();
    until("the release waits behind its steps", async || {
        phase("Paused").await && rollouts.get("web").await.unwrap().data["status"]["currentStepIndex"] == 2
    })
    .await;
    let route = site.http().await;
    assert_eq!(names(&route), ["testers", "files", "everything"]);
    assert_eq!(weights(&rules(&route)[2]), [80, 20]);
    let weights_told = &rollouts.get("web").await.unwrap().data["status"]["canary"]["weights"];
    assert_eq!(
        (&weights_told["canary"]["weight"], &weights_told["verified"]),
        (&json!(20), &json!(true))
    );

    // As `kubectl argo rollouts promote` does.
    let promote = Patch::Merge(json!({"status": {"pauseConditions": null}}));
    rollouts
        .patch_status("web", &PatchParams::default(), &promote)
        .await
        .unwrap();
    let mut looks = 0;
    until("the release is through, and the route as it was", async || {
        // The original may overlook what is written while it writes itself, until the object changes again.
        if looks % 20 == 0 {
            let poke = Patch::Merge(json!({"metadata": {"annotations": {"poke": looks.to_string()}}}));
            rollouts.patch("web", &PatchParams::default(), &poke).await.unwrap();
        }
        looks += 1;
        let after = site.http().await;
        after.data == before.data && after.metadata.labels == before.metadata.labels
    })
    .await;
    until("the Rollout is healthy", async || phase("Healthy").await).await;
    assert_eq!(names(&site.grpc.get("cart").await.unwrap()), ["-"]);
}
