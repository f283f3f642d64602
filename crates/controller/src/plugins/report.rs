//! What is serving in the cluster, and why something is not: what the objects say, for somebody who asks.

use std::{collections::BTreeMap, time::Duration};

use futures::{Stream, StreamExt as _};
use jiff::{SignedDuration, Timestamp};
use kube::{
    Api, Client, Error, ResourceExt as _,
    api::{ApiResource, DynamicObject, ListParams},
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event, watcher},
    },
};
use rollcage_api::plugin_object::{
    ACCEPTED, CRD_NAME, Plugin, PluginFailure, PluginReplica, PluginStatus, READY, UP_TO_DATE,
};
use serde::Serialize;

use super::{Timing, follow::api, status};

/// Longest wait for the API server.
const ANSWER: Duration = Duration::from_secs(15);

/// Objects that are asked for at a time.
const PAGE: u32 = 500;

/// All plugins of one controller.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Whether every plugin is as it should be.
    pub ok: bool,
    /// The controller's namespace.
    pub namespace: String,
    /// The plugins, by kind and name.
    pub plugins: Vec<Line>,
}

/// One plugin.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// Whether it is as it should be: Accepted, Ready and UpToDate, in every replica; or disabled.
    pub ok: bool,
    /// Name of the object.
    pub object: String,
    /// What it extends.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its state, or why it has none: `Duplicate`, `Invalid`, `Disabled`, `Unknown`.
    pub state: String,
    /// Whether the leader's plugin answers calls.
    pub ready: bool,
    /// What runs it.
    pub runtime: Option<String>,
    /// Where its entry is written.
    pub source: Option<String>,
    /// SHA-256 of what serves.
    pub serving_digest: Option<String>,
    /// SHA-256 of what should serve.
    pub wanted_digest: Option<String>,
    /// Whether calls pass.
    pub breaker: Option<String>,
    /// Since when it is in this state of readiness.
    pub since: Option<Timestamp>,
    /// Why it is not as it should be.
    pub failure: Option<PluginFailure>,
    /// What its conditions say that are not True.
    pub conditions: Vec<Unmet>,
    /// The plugin in each replica.
    pub replicas: Vec<PluginReplica>,
}

/// A condition that is not True.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unmet {
    /// Its type.
    pub condition: String,
    /// Why, in a word.
    pub reason: String,
    /// Why.
    pub message: String,
}

/// Why nothing can be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct Unknown {
    /// What is wrong.
    pub cause: String,
    /// What to do.
    pub hint: String,
}

impl Unknown {
    fn new(cause: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            cause: cause.into(),
            hint: hint.into(),
        }
    }
}

/// How all plugins of the controller in `namespace` are.
pub async fn read(client: &Client, namespace: &str) -> Result<Report, Unknown> {
    let objects = tokio::time::timeout(ANSWER, list(&api(client, namespace)))
        .await
        .map_err(|_| silent())?
        .map_err(|error| unreadable(&error, namespace))?;
    if objects.is_empty() {
        return Err(nobody(client, namespace).await);
    }
    report(namespace, &objects, Timestamp::now())
}

/// The same, now and whenever something changes.
pub fn follow(client: &Client, namespace: &str) -> impl Stream<Item = Result<Report, Unknown>> + use<> {
    let (client, namespace) = (client.clone(), namespace.to_owned());
    let events = watcher(api(&client, &namespace), watcher::Config::default()).default_backoff();
    let state = (BTreeMap::new(), false);
    events
        .scan(state, move |(objects, listed), event| {
            let mut put = |object: DynamicObject| objects.insert(object.name_any(), object);
            let next = match event {
                Ok(Event::Init) => {
                    objects.clear();
                    *listed = false;
                    None
                }
                Ok(Event::InitApply(object)) => {
                    put(object);
                    None
                }
                Ok(Event::Apply(object)) => {
                    put(object);
                    Some(Ok(()))
                }
                Ok(Event::Delete(object)) => {
                    objects.remove(&object.name_any());
                    Some(Ok(()))
                }
                Ok(Event::InitDone) => {
                    *listed = true;
                    Some(Ok(()))
                }
                Err(watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error)) => {
                    Some(Err(unreadable(&error, &namespace)))
                }
                Err(error) => Some(Err(Unknown::new(error.to_string(), "it is tried again"))),
            };
            let next = next.filter(|event| event.is_err() || *listed);
            let all: Vec<DynamicObject> = objects.values().cloned().collect();
            let next = next.map(|event| event.and_then(|()| report(&namespace, &all, Timestamp::now())));
            std::future::ready(Some(next))
        })
        .filter_map(std::future::ready)
}

async fn list(api: &Api<DynamicObject>) -> Result<Vec<DynamicObject>, Error> {
    let mut objects = Vec::new();
    let mut page = ListParams::default().limit(PAGE);
    loop {
        let list = api.list(&page).await?;
        objects.extend(list.items);
        match list.metadata.continue_ {
            Some(token) if !token.is_empty() => page = page.continue_token(&token),
            _ => return Ok(objects),
        }
    }
}

fn silent() -> Unknown {
    Unknown::new(
        format!("the API server does not answer within {ANSWER:?}"),
        "check the address in the kubeconfig, or name another one with --kubeconfig",
    )
}

fn unreadable(error: &Error, namespace: &str) -> Unknown {
    match error {
        Error::Api(status) if status.code == 404 => Unknown::new(
            format!("the custom resource {CRD_NAME} is not installed in this cluster"),
            "install it with `kubectl apply -f deploy/crd/plugins.rollcage.dev.yaml`; a running controller finds it within a \
             minute",
        ),
        Error::Api(status) if status.code == 403 || status.code == 401 => Unknown::new(
            status.message.clone(),
            format!(
                "allow get, list and watch of plugins in the API group rollcage.dev, namespace {namespace}, or use another \
                 kubeconfig"
            ),
        ),
        Error::Api(status) => Unknown::new(status.message.clone(), "try again"),
        error => Unknown::new(
            format!("the Kubernetes API cannot be reached: {}", chain(error)),
            "check the address in the kubeconfig, or name another one with --kubeconfig",
        ),
    }
}

/// An error with its causes, each once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = cause.source();
    }
    text
}

/// There is no object: nobody writes any here.
async fn nobody(client: &Client, namespace: &str) -> Unknown {
    let everywhere: Api<DynamicObject> = Api::all_with(client.clone(), &ApiResource::erase::<Plugin>(&()));
    let listed = tokio::time::timeout(ANSWER, list(&everywhere)).await;
    let mut elsewhere: Vec<String> = match listed {
        Ok(Ok(objects)) => objects.iter().filter_map(kube::ResourceExt::namespace).collect(),
        // Those who may read one namespace need not be able to read them all.
        Ok(Err(_)) | Err(_) => Vec::new(),
    };
    elsewhere.sort();
    elsewhere.dedup();
    let hint = match elsewhere.as_slice() {
        [] => format!(
            "no plugin is configured, or no controller runs there: check `kubectl -n {namespace} get pods`, or name the \
             controller's namespace with -n"
        ),
        namespaces => format!(
            "there are some in {}: name the namespace with -n",
            namespaces.join(", ")
        ),
    };
    Unknown::new(
        format!("there are no Plugin objects in the namespace {namespace}"),
        hint,
    )
}

/// What the objects say. An error when nobody has written into any of them, or not for long.
fn report(namespace: &str, objects: &[DynamicObject], now: Timestamp) -> Result<Report, Unknown> {
    let statuses: Vec<(&DynamicObject, PluginStatus)> = objects
        .iter()
        .map(|object| (object, status::observed(object)))
        .collect();
    let is_written = |(_, status): &(&DynamicObject, PluginStatus)| !status.conditions.is_empty();
    if !objects.is_empty() && !statuses.iter().any(is_written) {
        return Err(Unknown::new(
            format!("no controller writes the states of the plugins in the namespace {namespace}"),
            format!(
                "check that `rollcage controller` runs there and may patch plugins/status: `kubectl -n {namespace} get pods`"
            ),
        ));
    }
    let times = statuses
        .iter()
        .flat_map(|(_, status)| &status.replicas)
        .map(|replica| replica.time.as_str());
    let newest = times.filter_map(|time| time.parse::<Timestamp>().ok()).max();
    let gone = SignedDuration::try_from(Timing::default().gone).unwrap_or(SignedDuration::MAX);
    if let Some(newest) = newest
        && now.duration_since(newest) > gone
    {
        return Err(Unknown::new(
            format!(
                "no controller has written the states of the plugins in the namespace {namespace} for {} minutes",
                now.duration_since(newest).as_mins()
            ),
            format!("check that `rollcage controller` runs there: `kubectl -n {namespace} get pods`"),
        ));
    }
    let mut plugins: Vec<Line> = statuses
        .into_iter()
        .map(|(object, status)| line(object, status))
        .collect();
    plugins.sort_by(|a, b| (&a.kind, &a.name, &a.object).cmp(&(&b.kind, &b.name, &b.object)));
    Ok(Report {
        ok: plugins.iter().all(|plugin| plugin.ok),
        namespace: namespace.to_owned(),
        plugins,
    })
}

fn line(object: &DynamicObject, status: PluginStatus) -> Line {
    let text = |place: &str| {
        object
            .data
            .pointer(place)
            .and_then(|value| value.as_str())
            .unwrap_or_default()
            .to_owned()
    };
    let ready = status.condition(READY);
    let reason = ready.map(|ready| ready.reason.as_str()).unwrap_or_default();
    let is_disabled = reason == "Disabled";
    let is_current = status.observed_generation == object.metadata.generation;
    let same_everywhere = status
        .replicas
        .iter()
        .all(|replica| replica.state == "Ready" && replica.digest == status.serving_digest);
    let conditions = [ACCEPTED, READY, UP_TO_DATE]
        .into_iter()
        .filter_map(|kind| status.condition(kind));
    let unmet: Vec<Unmet> = conditions
        .filter(|condition| condition.status != "True")
        .map(|condition| Unmet {
            condition: condition.type_.clone(),
            reason: condition.reason.clone(),
            message: condition.message.clone(),
        })
        .collect();
    let state = match (&status.state, reason) {
        _ if is_disabled => "Disabled".to_owned(),
        (None, "DuplicateName") => "Duplicate".to_owned(),
        (None, "Invalid") => "Invalid".to_owned(),
        (Some(state), _) => state.clone(),
        (None, _) => "Unknown".to_owned(),
    };
    Line {
        ok: is_current && !status.conditions.is_empty() && (is_disabled || unmet.is_empty() && same_everywhere),
        object: object.name_any(),
        kind: text("/spec/kind"),
        name: text("/spec/name"),
        state,
        ready: status.is_true(READY),
        since: ready.map(|ready| ready.last_transition_time.0),
        runtime: status.runtime,
        source: status.source,
        serving_digest: status.serving_digest,
        wanted_digest: status.wanted_digest,
        breaker: status.breaker,
        failure: status.failure,
        conditions: if is_disabled { Vec::new() } else { unmet },
        replicas: status.replicas,
    }
}
