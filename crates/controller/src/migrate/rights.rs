//! What the controller has to be allowed for its plugins and analyses: as RBAC, and as values of the chart.
//!
//! Where a grant becomes a rule is what the chart does with `plugins`; a test holds both against each other.

use std::collections::{BTreeMap, BTreeSet};

use rollcage_api::plugin::{KubernetesGrant, PluginEntry};
use rollcage_core::PluginId;
use rollcage_registry::{ConfigFile, config::Configuration};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Probe, Situation, analyses, of_kinds, text};

/// What `*` among the verbs of a grant stands for.
const VERBS: [&str; 6] = ["create", "delete", "get", "list", "patch", "update"];

/// What it does with Secrets that entries name.
const WATCHES: [&str; 2] = ["list", "watch"];

/// One rule of a role.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// API groups.
    pub api_groups: Vec<String>,
    /// Plural names.
    pub resources: Vec<String>,
    /// Verbs.
    pub verbs: Vec<String>,
    /// Names; all when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resource_names: Vec<String>,
}

/// What the controller has to be allowed beside what it needs for itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rights {
    /// In the whole cluster.
    pub cluster: Vec<Rule>,
    /// By namespace.
    pub namespaces: BTreeMap<String, Vec<Rule>>,
    /// Secrets of the controller's own namespace, which it watches by name.
    pub secrets: BTreeSet<String>,
    /// Namespaces in which arguments of analyses come from Secrets.
    pub analysis_secret_namespaces: BTreeSet<String>,
    /// All of it as values of the chart, with what components ask for and their entries do not grant yet.
    pub values: Value,
    /// Roles and their bindings to the controller's account, for those who do not use the chart.
    pub manifests: Vec<Value>,
    /// Namespace and name of the controller's account.
    #[serde(skip)]
    pub account: (String, String),
    /// Grants of everything, which no role can be made from: plugin and field.
    #[serde(skip)]
    pub refused: Vec<String>,
}

pub(super) fn of(situation: &Situation, configuration: &Configuration, namespace: &str, account: &str) -> Rights {
    let mut rights = Rights {
        account: (namespace.to_owned(), account.to_owned()),
        ..Rights::default()
    };
    let mut plugins: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for (id, wanted) in &configuration.plugins {
        let Ok(entry) = &wanted.entry else { continue };
        if wanted.source.file == ConfigFile::Bundled || entry.disabled {
            continue;
        }
        let entry = with_wishes(entry, situation.probes.get(id));
        rights.add(id, &entry);
        plugins.entry(id.kind.config_key()).or_default().push(written(&entry));
    }
    rights.analysis_secret_namespaces = secret_namespaces(situation);
    rights.values = json!({
        "plugins": plugins,
        "rbac": {"analysisSecretNamespaces": rights.analysis_secret_namespaces}
    });
    rights.manifests = rights.manifests(namespace, account);
    rights
}

/// The entry, granting what its component asks for.
fn with_wishes(entry: &PluginEntry, probe: Option<&Probe>) -> PluginEntry {
    let mut entry = entry.clone();
    if let Some(Probe::Component { missing }) = probe {
        let missing = missing.clone();
        entry.permissions.http.extend(missing.http);
        entry.permissions.kubernetes.extend(missing.kubernetes);
        entry.permissions.credentials.extend(missing.credentials);
    }
    entry
}

impl Rights {
    fn add(&mut self, id: &PluginId, entry: &PluginEntry) {
        let headers = entry.headers_from.iter().map(|from| from.secret_ref.name.clone());
        let credentials = entry.permissions.credentials.iter();
        let credentials = credentials.filter_map(|credential| Some(credential.secret_ref.as_ref()?.name.clone()));
        self.secrets.extend(headers.chain(credentials));
        for grant in &entry.permissions.kubernetes {
            let all = [("apiGroups", &grant.api_groups), ("resources", &grant.resources)];
            if let Some((field, _)) = all.iter().find(|(_, words)| words.iter().any(|word| word == "*")) {
                self.refused.push(format!(
                    "{} plugin {}: `*` in permissions.kubernetes {field}",
                    id.kind, id.name
                ));
                continue;
            }
            self.add_grant(entry, grant);
        }
    }

    fn add_grant(&mut self, entry: &PluginEntry, grant: &KubernetesGrant) {
        let everywhere = || vec!["*".to_owned()];
        let object = || entry.usable_from.clone().unwrap_or_else(everywhere);
        let places: Vec<String> = match &grant.namespaces {
            None => object(),
            Some(namespaces) => namespaces
                .iter()
                .flat_map(|namespace| {
                    if namespace == "@object" {
                        object()
                    } else {
                        vec![namespace.clone()]
                    }
                })
                .collect(),
        };
        let verbs = if grant.verbs.iter().any(|verb| verb == "*") {
            VERBS.map(str::to_owned).to_vec()
        } else {
            grant.verbs.clone()
        };
        let rule = Rule {
            api_groups: grant.api_groups.clone(),
            resources: grant.resources.clone(),
            verbs,
            resource_names: grant.resource_names.clone(),
        };
        let put = |rules: &mut Vec<Rule>| {
            if !rules.contains(&rule) {
                rules.push(rule.clone());
            }
        };
        if places.iter().any(|place| place == "*") {
            put(&mut self.cluster);
        } else {
            for place in places {
                put(self.namespaces.entry(place).or_default());
            }
        }
    }

    /// All rules with the namespace that they are for; empty: the cluster.
    pub(super) fn rules(&self) -> Vec<(String, Rule)> {
        let cluster = self.cluster.iter().map(|rule| (String::new(), rule.clone()));
        let namespaces = self.namespaces.iter();
        let namespaces = namespaces.flat_map(|(place, rules)| rules.iter().map(|rule| (place.clone(), rule.clone())));
        let named = self.secrets.iter();
        let named = named.map(|name| (self.account.0.clone(), secrets(&WATCHES, Some(name))));
        let secrets = self.analysis_secret_namespaces.iter();
        let secrets = secrets.map(|place| (place.clone(), self::secrets(&["get"], None)));
        cluster.chain(namespaces).chain(named).chain(secrets).collect()
    }

    /// Roles and their bindings to a service account, as manifests.
    fn manifests(&self, namespace: &str, account: &str) -> Vec<Value> {
        let mut manifests = Vec::new();
        let mut role = |place: Option<&str>, what: &str, rules: Value| {
            let kind = if place.is_some() { "Role" } else { "ClusterRole" };
            let name = format!("{namespace}:{account}-{what}");
            let mut metadata = Map::from_iter([("name".to_owned(), json!(name))]);
            metadata.extend(place.map(|place| ("namespace".to_owned(), json!(place))));
            let version = "rbac.authorization.k8s.io/v1";
            manifests.push(json!({"apiVersion": version, "kind": kind, "metadata": metadata, "rules": rules}));
            manifests.push(json!({
                "apiVersion": version, "kind": format!("{kind}Binding"), "metadata": metadata,
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name},
                "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}]
            }));
        };
        if !self.cluster.is_empty() {
            role(None, "plugins", json!(self.cluster));
        }
        for (place, rules) in &self.namespaces {
            role(Some(place), "plugins", json!(rules));
        }
        if !self.secrets.is_empty() {
            let secrets = json!([{
                "apiGroups": [""], "resources": ["secrets"], "resourceNames": self.secrets, "verbs": WATCHES
            }]);
            role(Some(namespace), "plugin-secrets", secrets);
        }
        for place in &self.analysis_secret_namespaces {
            let secrets = json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]);
            role(Some(place), "analysis-secrets", secrets);
        }
        manifests
    }
}

/// Namespaces of analyses whose arguments come from Secrets.
fn secret_namespaces(situation: &Situation) -> BTreeSet<String> {
    of_kinds(situation, &analyses::KINDS)
        .filter(|object| !analyses::has_ended(object))
        .filter(|object| {
            let arguments = object.pointer("/spec/args").and_then(Value::as_array);
            let mut arguments = arguments.into_iter().flatten();
            arguments.any(|argument| argument.pointer("/valueFrom/secretKeyRef/name").is_some())
        })
        .map(|object| text(object, "/metadata/namespace").to_owned())
        .filter(|namespace| !namespace.is_empty())
        .collect()
}

/// The entry as people write it: without what is as it would be anyway.
fn written(entry: &PluginEntry) -> Value {
    let fields = |entry: &PluginEntry| match serde_json::to_value(entry) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    let usual = fields(&PluginEntry::default());
    let fields = fields(entry).into_iter();
    Value::Object(
        fields
            .filter(|(field, value)| usual.get(field) != Some(value))
            .collect(),
    )
}

fn secrets(verbs: &[&str], name: Option<&String>) -> Rule {
    Rule {
        api_groups: vec![String::new()],
        resources: vec!["secrets".to_owned()],
        verbs: verbs.iter().map(|&verb| verb.to_owned()).collect(),
        resource_names: name.into_iter().cloned().collect(),
    }
}
