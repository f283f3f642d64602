//! Objects with every field of Argo's own types set, and with those of Kubernetes that people use.

use serde_json::{Value, json};

/// Metadata as a cluster that was used for a while has it.
fn metadata(name: &str) -> Value {
    json!({
        "name": name, "generateName": "checkout-", "namespace": "shop", "uid": "6f1c3b0e-1111-4222-8333-944455566677",
        "resourceVersion": "481516", "generation": 7, "creationTimestamp": "2026-01-02T03:04:05Z",
        "deletionTimestamp": "2026-01-02T05:00:00Z", "deletionGracePeriodSeconds": 30, "selfLink": "/apis/x",
        "labels": {"app": "checkout", "tier": "ünïcode ✓"}, "annotations": {"note": "line one\nline \"two\" <&>"},
        "finalizers": ["example.com/hold"],
        "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "u-1", "controller": true, "blockOwnerDeletion": false}],
        "managedFields": [{"manager": "kubectl", "operation": "Update", "apiVersion": "argoproj.io/v1alpha1", "time": "2026-01-02T03:04:05Z",
            "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:replicas": {}}}, "subresource": "status"}],
    })
}

/// Arguments, one of them taken from `source`: AnalysisRuns and Rollouts know different ones.
fn arguments(source: &Value) -> Value {
    json!([
        {"name": "service", "value": "checkout"},
        {"name": "empty", "value": ""},
        {"name": "source", "valueFrom": source},
        {"name": "field", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
    ])
}

fn rollout_arguments() -> Value {
    arguments(&json!({"podTemplateHashValue": "Latest"}))
}

/// A metric of the plugin `test/own`, whose configuration is `script`.
pub fn metric(script: &Value) -> Value {
    json!({
        "name": "success-rate", "interval": "1m", "initialDelay": "30s", "count": 5,
        "successCondition": "result[0] >= 0.95", "failureCondition": "result[0] < 0.5", "failureLimit": "2",
        "inconclusiveLimit": 3, "consecutiveErrorLimit": "10%", "consecutiveSuccessLimit": 1,
        "provider": {"plugin": {"test/own": script}},
    })
}

/// Metrics of every built-in provider: they travel in the object, whoever measures.
fn providers() -> Vec<Value> {
    let web = json!({"web": {"method": "POST", "url": "https://x.example/{{args.service}}", "headers": [{"key": "a", "value": "b"}],
        "body": "text", "jsonBody": {"a": [1, 2.5, null, "x"]}, "timeoutSeconds": 40, "jsonPath": "{$.data}", "insecure": true,
        "authentication": {"oauth2": {"tokenUrl": "t", "clientId": "c", "clientSecret": "s", "scopes": ["a", "b"]}, "sigv4": {"region": "r", "profile": "p", "roleArn": "arn"}}}});
    let prometheus = json!({"prometheus": {"address": "http://p:9090", "query": "up", "insecure": false, "timeout": 20,
        "headers": [{"key": "X-Scope", "value": "t"}], "rangeQuery": {"start": "now() - duration('5m')", "end": "now()", "step": "1m"}}});
    let job = json!({"job": {"metadata": {"labels": {"a": "b"}}, "spec": {"backoffLimit": 1, "template": {"spec": {"restartPolicy": "Never",
        "containers": [{"name": "c", "image": "i", "command": ["sh", "-c", "true"]}]}}}}});
    let others = [
        json!({"kayenta": {"address": "k", "application": "a", "canaryConfigName": "c", "metricsAccountName": "m", "configurationAccountName": "g",
            "storageAccountName": "s", "threshold": {"pass": 90, "marginal": 70}, "scopes": [{"name": "n",
            "controlScope": {"scope": "s", "region": "r", "step": 60, "start": "a", "end": "b"}, "experimentScope": {"scope": "s", "region": "r", "step": 0, "start": "", "end": ""}}]}}),
        json!({"datadog": {"interval": "5m", "query": "q", "queries": {"a": "x", "b": "y"}, "formula": "a/b", "apiVersion": "v2", "aggregator": "last",
            "secretRef": {"name": "dd", "namespaced": true}}}),
        json!({"wavefront": {"address": "w", "query": "q"}}),
        json!({"newRelic": {"profile": "p", "query": "q", "timeout": 10}}),
        json!({"cloudWatch": {"interval": "30m", "metricDataQueries": [{"id": "rate", "expression": "e", "label": "l", "period": 60, "returnData": false,
            "metricStat": {"metric": {"dimensions": [{"name": "n", "value": "v"}], "metricName": "m", "namespace": "ns"}, "period": 300, "stat": "p99", "unit": "None"}}]}}),
        json!({"graphite": {"address": "g", "query": "q"}}),
        json!({"influxdb": {"profile": "p", "query": "q"}}),
        json!({"skywalking": {"address": "s", "query": "q", "interval": "1m"}}),
    ];
    [web, prometheus, job].into_iter().chain(others).collect()
}

/// An AnalysisRun with a history. Without kind: neither controller keeps it in the objects that it works on.
pub fn analysis_run() -> Value {
    let metrics: Vec<Value> = providers()
        .into_iter()
        .enumerate()
        .map(|(number, provider)| json!({"name": format!("m{number}"), "provider": provider}))
        .collect();
    json!({
        "metadata": metadata("checkout-5"),
        "spec": {
            "metrics": metrics, "args": arguments(&json!({"secretKeyRef": {"name": "s", "key": "k"}})), "terminate": true,
            "dryRun": [{"metricName": "m1"}], "measurementRetention": [{"metricName": "m.*", "limit": 20}],
            "ttlStrategy": {"secondsAfterCompletion": 0, "secondsAfterFailure": 60, "secondsAfterSuccess": 3600},
        },
        "status": {
            "phase": "Running", "message": "waiting", "startedAt": "2026-01-02T03:04:05Z", "completedAt": "2026-01-02T03:05:05Z",
            "runSummary": {"count": 2, "successful": 1, "failed": 0, "inconclusive": 1, "error": 0},
            "dryRunSummary": {"count": 1, "failed": 1},
            "metricResults": [{
                "name": "m1", "phase": "Running", "count": 3, "successful": 1, "failed": 1, "inconclusive": 0, "error": 1, "consecutiveError": 1,
                "consecutiveSuccess": 2, "dryRun": true, "message": "so so", "metadata": {"ResolvedQuery": "up"},
                "measurements": [measurement(), {"phase": "Successful", "value": "1"}],
            }],
        },
    })
}

/// A measurement with everything.
pub fn measurement() -> Value {
    json!({
        "phase": "Running", "message": "on its way", "value": "[0.5]", "metadata": {"id": "7", "empty": ""},
        "startedAt": "2026-01-02T03:04:05Z", "finishedAt": "2026-01-02T03:04:06Z", "resumeAt": "2026-01-02T03:14:05Z",
    })
}

fn pod_template() -> Value {
    let probe = json!({"httpGet": {"path": "/", "port": "http", "scheme": "HTTPS", "httpHeaders": [{"name": "a", "value": "b"}]},
        "initialDelaySeconds": 5, "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3});
    json!({
        "metadata": {"labels": {"app": "checkout"}, "annotations": {"a": "b"}},
        "spec": {
            "serviceAccountName": "checkout", "automountServiceAccountToken": false, "terminationGracePeriodSeconds": 0, "hostNetwork": false,
            "nodeSelector": {"disk": "ssd"}, "priorityClassName": "high", "restartPolicy": "Always", "dnsPolicy": "ClusterFirst",
            "securityContext": {"runAsUser": 0, "runAsNonRoot": true, "fsGroup": 2000, "sysctls": [{"name": "n", "value": "v"}]},
            "imagePullSecrets": [{"name": "pull"}],
            "tolerations": [{"key": "k", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}],
            "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {"matchLabels": {"app": "checkout"}}}],
            "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": {"topologyKey": "host",
                "labelSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["a", "b"]}]}}}]}},
            "volumes": [
                {"name": "config", "configMap": {"name": "c", "defaultMode": 420, "optional": false, "items": [{"key": "k", "path": "p", "mode": 0}]}},
                {"name": "scratch", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}},
                {"name": "all", "projected": {"sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 3600}}, {"secret": {"name": "s"}}]}},
            ],
            "initContainers": [{"name": "init", "image": "i", "restartPolicy": "Always"}],
            "containers": [{
                "name": "app", "image": "registry.example/checkout:1.2", "imagePullPolicy": "IfNotPresent", "command": ["/app"], "args": ["--port", "8080"],
                "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
                "env": [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": true}}},
                    {"name": "C", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}}}],
                "envFrom": [{"prefix": "P_", "configMapRef": {"name": "c"}}],
                "resources": {"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "250m", "memory": "128974848", "example.com/gpu": "1e3"}},
                "volumeMounts": [{"name": "config", "mountPath": "/etc/app", "readOnly": true}],
                "livenessProbe": probe, "readinessProbe": {"tcpSocket": {"port": 8080}}, "lifecycle": {"preStop": {"exec": {"command": ["sleep", "5"]}}},
                "securityContext": {"capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": true, "allowPrivilegeEscalation": false},
            }],
        },
    })
}

fn steps(script: &Value) -> Value {
    json!([
        {"setWeight": 0}, {"setWeight": 20}, {"pause": {}}, {"pause": {"duration": "1h"}}, {"pause": {"duration": 30}},
        {"setCanaryScale": {"replicas": 0, "weight": 50, "matchTrafficWeight": false}},
        {"setHeaderRoute": {"name": "h", "match": [{"headerName": "x", "headerValue": {"exact": "a", "prefix": "b", "regex": "c.*"}}]}},
        {"setMirrorRoute": {"name": "m", "percentage": 5, "match": [{"method": {"exact": "GET"}, "path": {"prefix": "/"}, "headers": {"h": {"regex": "r"}}}]}},
        {"analysis": {"templates": [{"templateName": "t", "clusterScope": true}], "args": rollout_arguments(), "dryRun": [{"metricName": "d"}],
            "measurementRetention": [{"metricName": "r", "limit": 1}], "analysisRunMetadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}}},
        {"experiment": {"duration": "5m", "analyses": [{"name": "a", "templateName": "t", "clusterScope": false, "args": [{"name": "n", "value": "v"}], "requiredForCompletion": true}],
            "templates": [{"name": "t", "specRef": "canary", "replicas": 1, "weight": 10, "service": {"name": "s"}, "metadata": {"labels": {"a": "b"}},
                "selector": {"matchLabels": {"a": "b"}}}]}},
        {"plugin": {"name": "test/own", "config": script}},
    ])
}

fn traffic_routing(script: &Value) -> Value {
    json!({
        "plugins": {"test/own": script}, "managedRoutes": [{"name": "h"}, {"name": "m"}], "maxTrafficWeight": 1000,
        "nginx": {"stableIngress": "s", "stableIngresses": ["a", "b"], "annotationPrefix": "p", "additionalIngressAnnotations": {"k": "v"}, "canaryIngressAnnotations": {"c": "d"}},
        "istio": {"virtualService": {"name": "v", "routes": ["primary"], "tlsRoutes": [{"port": 443, "sniHosts": ["s"]}], "tcpRoutes": [{"port": 5432}]},
            "virtualServices": [{"name": "w"}], "destinationRule": {"name": "d", "canarySubsetName": "c", "stableSubsetName": "s"}},
        "alb": {"ingress": "i", "ingresses": ["j"], "servicePort": 80, "rootService": "r", "annotationPrefix": "a", "stickinessConfig": {"enabled": true, "durationSeconds": 3600}},
        "smi": {"rootService": "r", "trafficSplitName": "t"}, "ambassador": {"mappings": ["m"]}, "traefik": {"weightedTraefikServiceName": "w"},
        "apisix": {"route": {"name": "r", "rules": ["a"]}}, "appMesh": {"virtualService": {"name": "v", "routes": ["r"]},
            "virtualNodeGroup": {"canaryVirtualNodeRef": {"name": "c"}, "stableVirtualNodeRef": {"name": "s"}}},
    })
}

fn status() -> Value {
    json!({
        "abort": true, "pauseConditions": [{"reason": "CanaryPauseStep", "startTime": "2026-01-02T03:04:05Z"}], "controllerPause": true,
        "abortedAt": "2026-01-02T03:04:05Z", "currentPodHash": "p", "currentStepHash": "s", "replicas": 5, "updatedReplicas": 1, "readyReplicas": 4,
        "availableReplicas": 4, "currentStepIndex": 0, "collisionCount": 0, "observedGeneration": "7", "selector": "app=checkout", "stableRS": "stable",
        "conditions": [{"type": "Progressing", "status": "True", "lastUpdateTime": "2026-01-02T03:04:05Z", "lastTransitionTime": "2026-01-02T03:04:05Z", "reason": "r", "message": "m"}],
        "canary": {
            "currentStepAnalysisRunStatus": {"name": "a", "status": "Running", "message": "m"}, "currentBackgroundAnalysisRunStatus": {"name": "b", "status": "Failed"},
            "currentExperiment": "e", "stablePingPong": "ping",
            "weights": {"canary": {"weight": 20, "serviceName": "c", "podTemplateHash": "p"}, "stable": {"weight": 80}, "additional": [{"weight": 0, "serviceName": "x", "podTemplateHash": "y"}], "verified": false},
            "stepPluginStatuses": [{"index": 0, "name": "test/own", "message": "m", "phase": "Running", "startedAt": "2026-01-02T03:04:05Z", "updatedAt": "2026-01-02T03:04:06Z",
                "finishedAt": "2026-01-02T03:04:07Z", "operation": "Run", "executions": 2, "disabled": false, "backoff": "30s", "status": {"Id": "a", "n": [1, null]}}],
        },
        "blueGreen": {"previewSelector": "p", "activeSelector": "a", "scaleUpPreviewCheckPoint": true, "prePromotionAnalysisRunStatus": {"name": "x", "status": "Successful"}},
        "HPAReplicas": 5, "phase": "Progressing", "message": "more replicas", "workloadObservedGeneration": "3", "restartedAt": "2026-01-02T03:04:05Z",
        "promoteFull": true, "alb": {"loadBalancer": {"name": "l", "arn": "a", "fullName": "f"}, "canaryTargetGroup": {"name": "c", "arn": "a", "fullName": "f"}},
    })
}

/// No Rollout has both strategies, but both can travel.
fn blue_green() -> Value {
    let analysis = json!({"templates": [{"templateName": "t"}], "args": rollout_arguments()});
    json!({
        "activeService": "a", "previewService": "p", "previewReplicaCount": 0, "autoPromotionEnabled": false, "autoPromotionSeconds": 30,
        "maxUnavailable": "50%", "scaleDownDelaySeconds": 0, "abortScaleDownDelaySeconds": 1, "scaleDownDelayRevisionLimit": 0,
        "prePromotionAnalysis": analysis, "postPromotionAnalysis": analysis, "previewMetadata": {"labels": {"a": "b"}},
        "antiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {}}, "activeMetadata": {"annotations": {"c": "d"}},
    })
}

/// A Rollout whose plugin configurations are `script`.
pub fn rollout(script: &Value) -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": metadata("checkout"),
        "spec": {
            "replicas": 0, "selector": {"matchLabels": {"app": "checkout"}}, "template": pod_template(), "minReadySeconds": 10, "revisionHistoryLimit": 0,
            "paused": true, "progressDeadlineSeconds": 600, "progressDeadlineAbort": true, "restartAt": "2026-01-02T03:04:05Z",
            "rollbackWindow": {"revisions": 3}, "workloadRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d", "scaleDown": "never"},
            "analysis": {"successfulRunHistoryLimit": 0, "unsuccessfulRunHistoryLimit": 5},
            "strategy": {"canary": {
                "canaryService": "c", "stableService": "s", "steps": steps(script), "trafficRouting": traffic_routing(script), "maxUnavailable": 0, "maxSurge": "25%",
                "analysis": {"templates": [{"templateName": "t"}], "startingStep": 0}, "antiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": {"weight": 1}},
                "canaryMetadata": {"labels": {"role": "canary"}}, "stableMetadata": {"annotations": {"role": "stable"}}, "scaleDownDelaySeconds": 0,
                "scaleDownDelayRevisionLimit": 2, "abortScaleDownDelaySeconds": 0, "dynamicStableScale": true, "minPodsPerReplicaSet": 0,
                "pingPong": {"pingService": "a", "pongService": "b"}, "replicaProgressThreshold": {"type": "Percent", "value": 90},
            }, "blueGreen": blue_green()},
        },
        "status": status(),
    })
}
