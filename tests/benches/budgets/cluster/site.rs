//! A place for one controller: a namespace, an instance id, accounts, and runs.

use std::collections::{BTreeMap, HashSet};

use anyhow::{Context as _, Result, bail};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::{
    Api,
    api::{DynamicObject, PostParams},
    runtime::watcher::{self, Event},
};
use rollcage_tests::controlplane::{Account, ControlPlane, Namespace, dynamic};
use serde_json::{Value, json};
use tokio::{task::JoinHandle, time::Instant};

use super::{Who, process::PATIENCE, provider::Provider};

const INSTANCE: &str = "argo-rollouts.argoproj.io/controller-instance-id";

/// Objects that are made at the same time.
const SIDE_BY_SIDE: usize = 8;

/// Everything that a turn has for itself. The instance id is the namespace's name.
pub(super) struct Site<'p> {
    pub here: Namespace<'p>,
    original: Account,
    ours: Account,
    runs: Api<DynamicObject>,
    provider: u16,
}

/// Runs that are waited for.
pub(super) struct Ends(JoinHandle<Result<Instant>>);

impl<'p> Site<'p> {
    pub async fn new(plane: &'p ControlPlane, name: &str, provider: &Provider) -> Result<Self> {
        let here = plane.namespace(name).await;
        let everything = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]);
        let site = Self {
            original: here.account("original", &everything, &json!([])).await,
            ours: here.shipped_account(&here.name, false).await,
            runs: dynamic(&here.client, &here.name, "argoproj.io/v1alpha1", "AnalysisRun"),
            provider: provider.port,
            here,
        };
        // Without an entry, what is bundled may not ask this machine itself.
        let entries = json!([{
            "name": "rollcage/prometheus", "location": "bundled://prometheus",
            "permissions": {"http": [format!("127.0.0.1:{}", provider.port)]},
        }]);
        let map = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "rollcage-config"},
            "data": {"metricProviderPlugins": entries.to_string()},
        });
        site.here.apply(&map.to_string()).await;
        Ok(site)
    }

    pub fn account(&self, who: Who) -> &Account {
        match who {
            Who::Original => &self.original,
            Who::Ours => &self.ours,
        }
    }

    /// A run whose metric is measured once, or, with `every`, for ever.
    pub fn run(&self, name: &str, every: Option<&str>) -> Value {
        let address = format!("http://127.0.0.1:{}", self.provider);
        let mut metric = json!({
            "name": "m", "successCondition": "result[0] > 0.9",
            "provider": {"prometheus": {"address": address, "query": "up"}},
        });
        match every {
            None => metric["count"] = json!(1),
            Some(every) => metric["interval"] = json!(every),
        }
        json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisRun",
            "metadata": {"name": name, "namespace": self.here.name, "labels": {INSTANCE: self.here.name}},
            "spec": {"metrics": [metric]},
        })
    }

    /// Makes these.
    pub async fn create(&self, runs: impl Iterator<Item = Value> + Send) -> Result<()> {
        let made = stream::iter(runs.map(Ok)).try_for_each_concurrent(SIDE_BY_SIDE, async |run: Value| {
            let object: DynamicObject = serde_json::from_value(run)?;
            self.runs.create(&PostParams::default(), &object).await?;
            anyhow::Ok(())
        });
        made.await.context("making AnalysisRuns")
    }

    /// Looks from here on until so many runs are successful, of those that these fields select.
    pub async fn ends(&self, fields: &str, count: usize) -> Result<Ends> {
        let config = watcher::Config::default()
            .labels(&format!("{INSTANCE}={}", self.here.name))
            .fields(fields);
        let mut events = watcher::watcher(self.runs.clone(), config).boxed();
        // The first list: from there on everything is seen.
        loop {
            if let Event::InitDone = events.try_next().await?.context("the watch ended")? {
                break;
            }
        }
        Ok(Ends(tokio::spawn(async move {
            let mut ended = HashSet::new();
            while let Some(event) = events.try_next().await? {
                let (Event::Apply(run) | Event::InitApply(run)) = event else {
                    continue;
                };
                let name = run.metadata.name.unwrap_or_default();
                match run.data["status"]["phase"].as_str() {
                    Some("Successful") => ended.insert(name),
                    Some("Failed" | "Error" | "Inconclusive") => bail!("{name} ended: {}", run.data["status"]),
                    _ => false,
                };
                if ended.len() == count {
                    return Ok(Instant::now());
                }
            }
            bail!("the watch ended")
        })))
    }

    /// The same for one that this makes.
    pub async fn probe(&self, name: &str) -> Result<Ends> {
        let ends = self.ends(&format!("metadata.name={name}"), 1).await?;
        self.create(std::iter::once(self.run(name, None))).await?;
        Ok(ends)
    }

    /// Requests that this account has made, by verb and resource.
    pub fn requests(&self, plane: &ControlPlane, who: Who) -> BTreeMap<(String, String), usize> {
        let mut requests = BTreeMap::new();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        for entry in plane.audit() {
            if entry["user"]["username"] == self.account(who).user {
                let what = (text(&entry["verb"]), text(&entry["objectRef"]["resource"]));
                *requests.entry(what).or_default() += 1;
            }
        }
        requests
    }
}

impl Ends {
    /// When the last one ended.
    pub async fn at(self) -> Result<Instant> {
        tokio::time::timeout(PATIENCE, self.0)
            .await
            .context("they do not all end")??
    }
}
