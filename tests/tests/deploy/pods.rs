//! The pods: what they may, where their state is, and where they run.

use rollcage_tests::chart::{Helm, only};
use serde_json::{Value, json};

fn pod(objects: &[Value]) -> &Value {
    &only(objects, "StatefulSet")["spec"]["template"]["spec"]
}

fn container(objects: &[Value]) -> &Value {
    let containers = pod(objects)["containers"].as_array().unwrap();
    assert_eq!(containers.len(), 1);
    &containers[0]
}

fn env<'a>(container: &'a Value, name: &str) -> &'a Value {
    let all = container["env"].as_array().unwrap();
    let found = all.iter().find(|variable| variable["name"] == name);
    found.map_or(&Value::Null, |variable| &variable["value"])
}

/// What the Pod Security Standard `restricted` asks for, and a root that nothing writes to.
#[test]
fn they_may_nothing_that_they_do_not_need() {
    let Some(helm) = Helm::find() else { return };
    let objects = helm.objects(&json!({}));
    let pod = pod(&objects);
    assert_eq!(
        pod["securityContext"],
        json!({
            "runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532,
            "fsGroupChangePolicy": "OnRootMismatch", "seccompProfile": {"type": "RuntimeDefault"}
        })
    );
    assert_eq!(
        container(&objects)["securityContext"],
        json!({
            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}
        })
    );
    for field in ["hostNetwork", "hostPID", "hostIPC"] {
        assert!(pod[field].is_null(), "{field}");
    }
    for volume in pod["volumes"].as_array().unwrap() {
        assert!(volume["hostPath"].is_null(), "{volume}");
    }
    assert_eq!(only(&objects, "ServiceAccount")["automountServiceAccountToken"], false);
}

#[test]
fn probes_and_ports_are_argos() {
    let Some(helm) = Helm::find() else { return };
    let objects = helm.objects(&json!({}));
    let container = container(&objects);
    assert_eq!(
        container["ports"],
        json!([{"name": "healthz", "containerPort": 8080}, {"name": "metrics", "containerPort": 8090}])
    );
    for (probe, path) in [("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")] {
        assert_eq!(container[probe]["httpGet"], json!({"path": path, "port": "healthz"}));
    }
    assert_eq!(container["args"], json!(["controller", "--instance-id=rollcage"]));
}

/// A claim of its own for each replica, which nobody else writes to; or a folder that goes with the pod.
#[test]
fn the_cache_is_each_replicas_own() {
    let Some(helm) = Helm::find() else { return };
    let objects = helm.objects(&json!({}));
    let claims = &only(&objects, "StatefulSet")["spec"]["volumeClaimTemplates"];
    assert_eq!(claims.as_array().unwrap().len(), 1);
    assert_eq!(claims[0]["spec"]["accessModes"], json!(["ReadWriteOnce"]));
    assert_eq!(claims[0]["metadata"]["name"], "cache");
    let folder = env(container(&objects), "ROLLCAGE_CACHE_DIR").as_str().unwrap();
    // Below the mount: the volume's own root belongs to root.
    assert_eq!(folder, "/var/cache/rollcage/v1");
    assert!(
        container(&objects)["volumeMounts"]
            .as_array()
            .unwrap()
            .contains(&json!({"name": "cache", "mountPath": "/var/cache/rollcage"}))
    );

    let objects = helm.objects(&json!({"cache": {"type": "emptyDir", "size": "3Gi"}}));
    assert!(only(&objects, "StatefulSet")["spec"]["volumeClaimTemplates"].is_null());
    let volumes = pod(&objects)["volumes"].as_array().unwrap();
    assert!(volumes.contains(&json!({"name": "cache", "emptyDir": {"sizeLimit": "3Gi"}})));
}

#[test]
fn two_replicas_are_kept_apart_and_one_stays() {
    let Some(helm) = Helm::find() else { return };
    let objects = helm.objects(&json!({}));
    let set = only(&objects, "StatefulSet");
    assert_eq!(set["spec"]["replicas"], 2);
    let labels = &set["spec"]["selector"]["matchLabels"];
    let spread = pod(&objects)["topologySpreadConstraints"].as_array().unwrap();
    let keys: Vec<&str> = spread.iter().map(|one| one["topologyKey"].as_str().unwrap()).collect();
    assert_eq!(keys, ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]);
    for one in spread {
        assert_eq!(&one["labelSelector"]["matchLabels"], labels);
    }
    let budget = only(&objects, "PodDisruptionBudget");
    assert_eq!(budget["spec"]["maxUnavailable"], 1);
    // Whatever selects pods selects these, and the pods have what is selected.
    let pod_labels = set["spec"]["template"]["metadata"]["labels"].as_object().unwrap();
    for (selects, selector) in [
        ("StatefulSet", labels),
        ("PodDisruptionBudget", &budget["spec"]["selector"]["matchLabels"]),
        ("Service", &only(&objects, "Service")["spec"]["selector"]),
        (
            "NetworkPolicy",
            &only(&objects, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        ),
    ] {
        for (key, value) in selector.as_object().unwrap() {
            assert_eq!(pod_labels.get(key), Some(value), "{selects}");
        }
    }
}

#[test]
fn images_come_from_where_the_values_say() {
    let Some(helm) = Helm::find() else { return };
    let image = |image: Value| {
        let objects = helm.objects(&json!({"image": image, "imagePullSecrets": [{"name": "pull"}]}));
        assert_eq!(pod(&objects)["imagePullSecrets"], json!([{"name": "pull"}]));
        container(&objects)["image"].as_str().unwrap().to_owned()
    };
    assert_eq!(image(json!({})), "rollcage/rollcage:0.1.0");
    assert_eq!(
        image(json!({"registry": "registry.example.com/mirror/", "tag": "1"})),
        "registry.example.com/mirror/rollcage/rollcage:1"
    );
    let digest = format!("sha256:{}", "a".repeat(64));
    assert_eq!(
        image(json!({"digest": digest.as_str(), "tag": "1"})),
        format!("rollcage/rollcage@{digest}")
    );
}

#[test]
fn certificates_and_proxies_reach_the_program() {
    let Some(helm) = Helm::find() else { return };
    let plain = helm.objects(&json!({}));
    for name in ["SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"] {
        assert!(env(container(&plain), name).is_null(), "{name}");
    }
    let objects = helm.objects(&json!({
        "extraCaBundle": {"secret": "corp"}, "proxy": {"https": "http://proxy:3128", "noProxy": "10.0.0.0/8"}
    }));
    let container = container(&objects);
    // The image's own certificates stay beside those of the folder.
    assert_eq!(env(container, "SSL_CERT_FILE"), "/etc/ssl/certs/ca-certificates.crt");
    assert_eq!(env(container, "SSL_CERT_DIR"), "/etc/rollcage/ca");
    assert!(
        container["volumeMounts"]
            .as_array()
            .unwrap()
            .contains(&json!({"name": "ca", "mountPath": "/etc/rollcage/ca", "readOnly": true}))
    );
    let volumes = pod(&objects)["volumes"].as_array().unwrap();
    assert!(volumes.contains(&json!({"name": "ca", "secret": {"secretName": "corp"}})));
    assert_eq!(env(container, "HTTPS_PROXY"), "http://proxy:3128");
    assert_eq!(
        env(container, "NO_PROXY"),
        "localhost,127.0.0.1,.svc,.cluster.local,$(KUBERNETES_SERVICE_HOST),10.0.0.0/8"
    );
}
