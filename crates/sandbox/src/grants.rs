//! Whether an entry grants a Kubernetes request: verbs, group and resource, namespaces, names.

use rollcage_api::plugin::KubernetesGrant;
use rollcage_core::{Denial, host::ResourceName};

use crate::bindings::rollcage::plugin::kubernetes::Kind;

/// Stands for the namespace of the object being reconciled.
const OBJECT: &str = "@object";

/// What is done, in the words of grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    List,
    Create,
    Patch,
    Delete,
}

impl Verb {
    fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Create => "create",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }
}

/// Where a request reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// One namespace.
    Namespace,
    /// All namespaces, or objects that are in none.
    Cluster,
}

impl Scope {
    /// Compares what the kind is with how it was asked for.
    pub(crate) fn of(resource: &ResourceName, wish: &Wish<'_>, verbs: &[Verb]) -> Result<Self, String> {
        let kind = &wish.kind.kind;
        match (resource.namespaced, wish.namespace.is_empty()) {
            (true, false) => Ok(Self::Namespace),
            (true, true) if verbs == [Verb::List] => Ok(Self::Cluster),
            (true, true) => Err(format!("{kind} objects are in namespaces, and none was given")),
            (false, true) => Ok(Self::Cluster),
            (false, false) => Err(format!("{kind} objects are in no namespace, and one was given")),
        }
    }
}

/// What a plugin asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish<'a> {
    pub(crate) kind: &'a Kind,
    /// Empty: none, or all.
    pub(crate) namespace: &'a str,
    /// Absent: all.
    pub(crate) name: Option<&'a str>,
}

/// What is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    wanted: String,
    grant: String,
}

impl Missing {
    /// For the plugin and its author.
    pub(crate) fn text(&self) -> String {
        format!(
            "{} is not allowed; the entry does not grant it: {}",
            self.wanted, self.grant
        )
    }
}

impl From<Missing> for Denial {
    fn from(missing: Missing) -> Self {
        Self {
            capability: "kubernetes".to_owned(),
            wanted: missing.wanted,
            grant: missing.grant,
        }
    }
}

impl Wish<'_> {
    /// Lets nothing into a path that is more than one segment of it.
    pub(crate) fn validate(&self) -> Result<(), String> {
        let plain = |what: &str, text: &str, more: &str| {
            let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.') || more.contains(c);
            if text.len() > 253 || !text.chars().all(fine) || text == "." || text == ".." {
                Err(format!("{text:?} is no {what}"))
            } else {
                Ok(())
            }
        };
        plain("API group", &self.kind.group, "")?;
        plain("API version", &self.kind.version, "")?;
        plain("kind", &self.kind.kind, "")?;
        plain("namespace", self.namespace, "")?;
        // Names of RBAC objects have colons.
        plain("object name", self.name.unwrap_or_default(), ":_")?;
        for (what, text) in [
            ("API version", Some(self.kind.version.as_str())),
            ("kind", Some(self.kind.kind.as_str())),
            ("object name", self.name),
        ] {
            if text == Some("") {
                return Err(format!("the {what} is empty"));
            }
        }
        Ok(())
    }

    /// Whether no grant speaks of this API group at all.
    pub(crate) fn is_hopeless(&self, grants: &[KubernetesGrant]) -> bool {
        !grants.iter().any(|grant| named(&grant.api_groups, &self.kind.group))
    }

    /// Whether some grant may allow a verb on it, the kind's plural not being known yet.
    pub(crate) fn may(&self, grants: &[KubernetesGrant], object_namespace: &str, verb: Verb) -> bool {
        grants.iter().any(|grant| {
            named(&grant.api_groups, &self.kind.group)
                && named(&grant.verbs, verb.as_str())
                && names(grant, self.name)
                && (self.namespace.is_empty() || in_namespace(grant, self.namespace, object_namespace))
        })
    }

    /// The plural that most kinds have.
    pub(crate) fn guessed_plural(&self) -> String {
        let kind = self.kind.kind.to_ascii_lowercase();
        if let Some(stem) = kind.strip_suffix('y')
            && !stem.ends_with(['a', 'e', 'i', 'o', 'u'])
        {
            format!("{stem}ies")
        } else if kind.ends_with('s') || kind.ends_with('x') || kind.ends_with("ch") || kind.ends_with("sh") {
            format!("{kind}es")
        } else {
            format!("{kind}s")
        }
    }

    /// What is missing for `verbs`.
    pub(crate) fn denial(&self, plural: &str, object_namespace: &str, verbs: &[Verb]) -> Missing {
        let verbs = verbs.iter().map(|verb| verb.as_str()).collect::<Vec<_>>().join(", ");
        let namespaces = if self.namespace.is_empty() {
            r#", namespaces: ["*"]"#.to_owned()
        } else if self.namespace == object_namespace {
            String::new()
        } else {
            format!(", namespaces: [{}]", self.namespace)
        };
        let group = if self.kind.group.is_empty() {
            r#""""#
        } else {
            &self.kind.group
        };
        let place = [self.namespace, self.name.unwrap_or_default()];
        let place = place
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join("/");
        let dotted = if self.kind.group.is_empty() {
            plural.to_owned()
        } else {
            format!("{plural}.{}", self.kind.group)
        };
        Missing {
            wanted: format!("{verbs} {dotted} {place}").trim_end().to_owned(),
            grant: format!(
                "kubernetes: [{{apiGroups: [{group}], resources: [{plural}], verbs: [{verbs}]{namespaces}}}]"
            ),
        }
    }
}

/// Whether the grants allow every one of `verbs`; each by one grant alone.
pub(crate) fn check(
    grants: &[KubernetesGrant],
    wish: &Wish<'_>,
    plural: &str,
    scope: Scope,
    object_namespace: &str,
    verbs: &[Verb],
) -> Result<(), Missing> {
    let allowed = |verb: Verb| {
        grants.iter().any(|grant| {
            named(&grant.api_groups, &wish.kind.group)
                && named(&grant.resources, plural)
                && named(&grant.verbs, verb.as_str())
                && names(grant, wish.name)
                && match scope {
                    Scope::Namespace => in_namespace(grant, wish.namespace, object_namespace),
                    Scope::Cluster => everywhere(grant),
                }
        })
    };
    let missing: Vec<Verb> = verbs.iter().copied().filter(|verb| !allowed(*verb)).collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(wish.denial(plural, object_namespace, &missing))
    }
}

fn named(list: &[String], name: &str) -> bool {
    list.iter().any(|item| item == "*" || item == name)
}

/// A grant for some names allows nothing that is about all of them.
fn names(grant: &KubernetesGrant, name: Option<&str>) -> bool {
    grant.resource_names.is_empty()
        || name.is_some_and(|name| grant.resource_names.iter().any(|granted| granted == name))
}

fn in_namespace(grant: &KubernetesGrant, namespace: &str, object_namespace: &str) -> bool {
    let is_object = !object_namespace.is_empty() && namespace == object_namespace;
    match &grant.namespaces {
        None => is_object,
        Some(granted) => granted
            .iter()
            .any(|granted| granted == "*" || granted == namespace || (granted == OBJECT && is_object)),
    }
}

fn everywhere(grant: &KubernetesGrant) -> bool {
    grant
        .namespaces
        .as_ref()
        .is_some_and(|granted| granted.iter().any(|granted| granted == "*"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(group: &str, kind: &str) -> Kind {
        Kind {
            group: group.into(),
            version: "v1".into(),
            kind: kind.into(),
        }
    }

    fn grant(json: &str) -> KubernetesGrant {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn allows_what_one_grant_allows_whole() {
        let ingress = kind("networking.k8s.io", "Ingress");
        let base = r#"{"apiGroups":["networking.k8s.io"],"resources":["ingresses"],"verbs":["get","patch"]"#;
        for (rest, namespace, name, verb, allowed) in [
            ("}", "shop", Some("web"), Verb::Get, true),
            ("}", "shop", Some("web"), Verb::Patch, true),
            ("}", "shop", Some("web"), Verb::Delete, false),
            ("}", "other", Some("web"), Verb::Get, false),
            (r#","namespaces":["@object"]}"#, "shop", Some("web"), Verb::Get, true),
            (r#","namespaces":["@object"]}"#, "other", Some("web"), Verb::Get, false),
            (r#","namespaces":["other"]}"#, "other", Some("web"), Verb::Get, true),
            (r#","namespaces":["other"]}"#, "shop", Some("web"), Verb::Get, false),
            (r#","namespaces":["*"]}"#, "kube-system", Some("web"), Verb::Get, true),
            (r#","namespaces":[]}"#, "shop", Some("web"), Verb::Get, false),
            (r#","resourceNames":["web"]}"#, "shop", Some("web"), Verb::Get, true),
            (r#","resourceNames":["web"]}"#, "shop", Some("api"), Verb::Get, false),
        ] {
            let grants = [grant(&format!("{base}{rest}"))];
            let wish = Wish {
                kind: &ingress,
                namespace,
                name,
            };
            let found = check(&grants, &wish, "ingresses", Scope::Namespace, "shop", &[verb]);
            assert_eq!(found.is_ok(), allowed, "{rest} {namespace} {name:?} {verb:?}");
        }
    }

    #[test]
    fn compares_group_and_resource_and_never_mixes_grants() {
        let grants = [
            grant(r#"{"apiGroups":[""],"resources":["services"],"verbs":["get"]}"#),
            grant(r#"{"apiGroups":["apps"],"resources":["*"],"verbs":["patch"]}"#),
        ];
        for (group, name, plural, verb, allowed) in [
            ("", "Service", "services", Verb::Get, true),
            ("", "Service", "services", Verb::Patch, false),
            ("", "Secret", "secrets", Verb::Get, false),
            ("apps", "Deployment", "deployments", Verb::Patch, true),
            ("apps", "Deployment", "deployments", Verb::Get, false),
            ("networking.k8s.io", "Ingress", "ingresses", Verb::Patch, false),
        ] {
            let kind = kind(group, name);
            let wish = Wish {
                kind: &kind,
                namespace: "shop",
                name: Some("x"),
            };
            let found = check(&grants, &wish, plural, Scope::Namespace, "shop", &[verb]);
            assert_eq!(found.is_ok(), allowed, "{group} {name} {verb:?}");
        }
    }

    #[test]
    fn all_namespaces_and_cluster_objects_need_a_star() {
        let node = kind("", "Node");
        let wish = Wish {
            kind: &node,
            namespace: "",
            name: None,
        };
        let base = r#"{"apiGroups":["*"],"resources":["*"],"verbs":["*"]"#;
        for (rest, allowed) in [
            ("}", false),
            (r#","namespaces":["@object"]}"#, false),
            (r#","namespaces":["*"]}"#, true),
            (r#","namespaces":["*"],"resourceNames":["a"]}"#, false),
        ] {
            let grants = [grant(&format!("{base}{rest}"))];
            let found = check(&grants, &wish, "nodes", Scope::Cluster, "shop", &[Verb::List]);
            assert_eq!(found.is_ok(), allowed, "{rest}");
        }
        // Without an object there is no namespace of it.
        let grants = [grant(&format!("{base}}}"))];
        let nowhere = Wish { namespace: "", ..wish };
        assert!(check(&grants, &nowhere, "nodes", Scope::Namespace, "", &[Verb::Get]).is_err());
    }

    #[test]
    fn names_the_missing_rule_as_a_line_of_the_entry() {
        let ingress = kind("networking.k8s.io", "Ingress");
        for (namespace, name, grant, wanted) in [
            (
                "shop",
                Some("web"),
                "kubernetes: [{apiGroups: [networking.k8s.io], resources: [ingresses], verbs: [get]}]",
                "get ingresses.networking.k8s.io shop/web",
            ),
            (
                "other",
                Some("web"),
                "kubernetes: [{apiGroups: [networking.k8s.io], resources: [ingresses], verbs: [get], namespaces: [other]}]",
                "get ingresses.networking.k8s.io other/web",
            ),
            (
                "",
                None,
                r#"kubernetes: [{apiGroups: [networking.k8s.io], resources: [ingresses], verbs: [get], namespaces: ["*"]}]"#,
                "get ingresses.networking.k8s.io",
            ),
        ] {
            let wish = Wish {
                kind: &ingress,
                namespace,
                name,
            };
            let missing = wish.denial("ingresses", "shop", &[Verb::Get]);
            assert_eq!((missing.grant.as_str(), missing.wanted.as_str()), (grant, wanted));
        }
    }

    #[test]
    fn guesses_plurals() {
        for (name, plural) in [
            ("Ingress", "ingresses"),
            ("Service", "services"),
            ("NetworkPolicy", "networkpolicies"),
            ("Gateway", "gateways"),
        ] {
            let kind = kind("", name);
            let wish = Wish {
                kind: &kind,
                namespace: "",
                name: None,
            };
            assert_eq!(wish.guessed_plural(), plural);
        }
    }

    #[test]
    fn lets_no_path_through() {
        for (group, version, name, namespace, object) in [
            ("a/b", "v1", "Pod", "n", "x"),
            ("", "v1/..", "Pod", "n", "x"),
            ("", "", "Pod", "n", "x"),
            ("", "v1", "", "n", "x"),
            ("", "v1", "Pod", "..", "x"),
            ("", "v1", "Pod", "n/pods", "x"),
            ("", "v1", "Pod", "n", ""),
            ("", "v1", "Pod", "n", "x/exec"),
            ("", "v1", "Pod", "n", "x?watch=1"),
            ("", "v1", "Pod", "n", "x%2fexec"),
            ("", "v1", "Pod", "n", ".."),
        ] {
            let kind = Kind {
                group: group.into(),
                version: version.into(),
                kind: name.into(),
            };
            let wish = Wish {
                kind: &kind,
                namespace,
                name: Some(object),
            };
            assert!(
                wish.validate().is_err(),
                "{group} {version} {name} {namespace} {object}"
            );
        }
        let kind = kind("rbac.authorization.k8s.io", "ClusterRole");
        let wish = Wish {
            kind: &kind,
            namespace: "",
            name: Some("system:node"),
        };
        assert_eq!(wish.validate(), Ok(()));
    }
}
