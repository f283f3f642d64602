//! The in-process API against the real one: the same requests, and answers that are equal but for ids, times and versions.
//!
//! ```text
//! script (steps) -> ask(real)    -> normal ┐
//!               └-> ask(in-process) -> normal ┴-> differences; those of KNOWN are expected, and must still be there
//! ```

mod compare;
mod script;
mod watches;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use http::{Request, StatusCode};
use jiff::Timestamp;
use kube::{Client, client::Body};
use rollcage_apiserver::ApiServer;
use rollcage_tests::controlplane::{ControlPlane, Namespace, Options, eventually};
use serde_json::Value;

use compare::{Difference, Normal};
use script::{KNOWN, Step, WIDGETS};

/// One of the two servers, with what earlier answers said.
struct Side {
    client: Client,
    namespace: String,
    saved: BTreeMap<&'static str, Value>,
    normal: Normal,
}

/// An answer as it came.
#[derive(Clone, Debug)]
struct Answer {
    code: u16,
    body: Value,
}

impl Side {
    fn new(client: Client, namespace: &str) -> Self {
        Self {
            client,
            namespace: namespace.to_owned(),
            saved: BTreeMap::new(),
            normal: Normal::new(namespace),
        }
    }

    /// Fills in the namespace, and what was saved: `@NAME.rv`, `@NAME.uid`, `@NAME.continue`.
    fn fill(&self, text: &str) -> String {
        let mut text = text.replace("NS", &self.namespace);
        for (name, body) in &self.saved {
            for (field, pointer) in [
                ("rv", "/metadata/resourceVersion"),
                ("uid", "/metadata/uid"),
                ("continue", "/metadata/continue"),
            ] {
                let value = body.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
                text = text.replace(&format!("@{name}.{field}"), value);
            }
        }
        text
    }

    async fn send(&self, step: &Step) -> Answer {
        let (verb, kind) = step.verb.split_once(' ').unwrap_or((step.verb, ""));
        let content = match kind {
            "merge" => "application/merge-patch+json",
            "json" => "application/json-patch+json",
            "strategic" => "application/strategic-merge-patch+json",
            "apply" => "application/apply-patch+yaml",
            "text" => "text/plain",
            _ => "application/json",
        };
        let accept = match kind {
            "metadata" => "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
            "xml" => "application/xml",
            _ => "application/json",
        };
        let mut request = Request::builder()
            .method(verb)
            .uri(self.fill(step.path))
            .header("user-agent", "parity/1.0")
            .header("accept", accept);
        if !step.body.is_empty() {
            request = request.header("content-type", content);
        }
        let request = request.body(Body::from(self.fill(step.body).into_bytes())).unwrap();
        let response = self.client.send(request).await.unwrap();
        let code = response.status().as_u16();
        let bytes = response.into_body().collect_bytes().await.unwrap();
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        Answer { code, body }
    }

    async fn ask(&mut self, step: &Step) -> Value {
        let answer = if step.until == 0 {
            self.send(step).await
        } else {
            let asking = &*self;
            eventually(step.name, async || {
                let answer = asking.send(step).await;
                (answer.code == step.until).then_some(answer)
            })
            .await
        };
        if !step.save.is_empty() {
            self.saved.insert(step.save, answer.body.clone());
        }
        serde_json::json!({"code": answer.code, "body": self.normal.of(&answer.body)})
    }
}

#[tokio::test]
async fn the_in_process_api_answers_as_the_real_one() {
    let Some(plane) = ControlPlane::shared() else { return };
    let (_server, mut real, mut ours) = sides(plane).await;
    let mut differences = Vec::new();
    for step in script::steps() {
        let (expected, given) = (real.ask(&step).await, ours.ask(&step).await);
        compare::collect(step.name, "", &expected, &given, &mut differences);
    }
    settle(&differences, KNOWN);
}

#[tokio::test]
async fn watches_tell_the_same() {
    let Some(plane) = ControlPlane::shared() else { return };
    let (_server, mut real, mut ours) = sides(plane).await;
    let mut differences = Vec::new();
    watches::compare(&mut real, &mut ours, &mut differences).await;
    settle(&differences, &[]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watches_of_a_past_that_is_gone_are_refused() {
    let Some(plane) = ControlPlane::start(&Options::default()) else {
        return;
    };
    let (server, mut real, mut ours) = sides(&plane).await;
    // What it has in its caches begins when it starts.
    let part = plane.part("kube-apiserver");
    tokio::task::block_in_place(|| {
        part.kill();
        part.start();
    });
    server.compact();
    let mut differences = Vec::new();
    watches::compare_gone(&mut real, &mut ours, &mut differences).await;
    settle(&differences, &[]);
}

/// Both servers, each with a namespace of its own and the definition of widgets.
async fn sides(plane: &ControlPlane) -> (Arc<ApiServer>, Side, Side) {
    let here: Namespace<'_> = plane.namespace("parity").await;
    let server = ApiServer::new(Arc::new(Timestamp::now));
    server.ensure_namespace("inside");
    let real = Side::new(here.client.clone(), &here.name);
    let ours = Side::new(Client::new(server.service(), "default"), "inside");
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    for side in [&real, &ours] {
        let made = side.send(&Step::new("define widgets", "POST", path, WIDGETS)).await;
        assert!(matches!(made.code, 201 | 409), "{made:?}");
        let list = Step::new("widgets are served", "GET", "/apis/parity.example.com/v1/widgets", "");
        eventually("widgets are served", async || {
            (side.send(&list).await.code == StatusCode::OK).then_some(())
        })
        .await;
    }
    (server, real, ours)
}

/// Fails for each difference that is not expected, and for each that is expected and no longer there.
fn settle(differences: &[Difference], known: &[(&str, &str, &str)]) {
    let is_known = |found: &&Difference| {
        let fits = |(step, path, _): &&(&str, &str, &str)| found.step == *step && found.path.starts_with(path);
        known.iter().any(|one| fits(&one))
    };
    let unknown: Vec<String> = differences
        .iter()
        .filter(|found| !is_known(found))
        .map(ToString::to_string)
        .collect();
    assert!(
        unknown.is_empty(),
        "{} differences:\n{}",
        unknown.len(),
        unknown.join("\n")
    );
    for (step, path, why) in known {
        let there = differences
            .iter()
            .any(|found| found.step == *step && found.path.starts_with(path));
        assert!(there, "no longer different, {step} at {path}: {why}");
    }
}

/// Longest wait for the end of a watch that ends by itself.
const LONG: Duration = Duration::from_mins(1);
