//! Permissions that say what cannot be meant: what grants nothing, and what contradicts itself.

use std::collections::{BTreeMap, BTreeSet};

use rollcage_api::plugin::{CredentialGrant, HttpGrant, HttpGrantOptions, KubernetesGrant, Permissions};

use rollcage_sandbox::egress;

use super::check::{Problem, is_namespace};

/// What a Kubernetes grant may allow; `*` is all of them.
const VERBS: [&str; 6] = ["get", "list", "create", "update", "patch", "delete"];

pub(super) fn check(permissions: &Permissions) -> Result<(), Problem> {
    check_http(&permissions.http)?;
    for (index, grant) in permissions.kubernetes.iter().enumerate() {
        check_kubernetes(&format!("permissions.kubernetes.{index}"), grant)?;
    }
    check_credentials(permissions)?;
    // What a server, a header or a certificate is, only the one who uses them knows.
    egress::check(permissions).map_err(|error| {
        let path = error.field.replace('[', ".").replace(']', "");
        Problem::new(&path, error.problem, "correct the entry's permissions")
    })
}

fn options(grant: &HttpGrant) -> HttpGrantOptions {
    match grant {
        HttpGrant::Host(host) => HttpGrantOptions {
            host: host.clone(),
            ..HttpGrantOptions::default()
        },
        HttpGrant::WithOptions(options) => options.clone(),
    }
}

fn check_http(grants: &[HttpGrant]) -> Result<(), Problem> {
    let mut seen: BTreeMap<String, HttpGrantOptions> = BTreeMap::new();
    for (index, grant) in grants.iter().enumerate() {
        let path = format!("permissions.http.{index}");
        let mut options = options(grant);
        options.host.make_ascii_lowercase();
        options.methods.sort_unstable();
        if options.host.is_empty() {
            return Err(Problem::new(
                &path,
                "there is no server",
                "write NAME:PORT, ADDRESS:PORT or CIDR:PORT, or a mapping with `host`",
            ));
        }
        if options.insecure && !options.ca.is_empty() {
            return Err(Problem::new(
                &path,
                format!("{}: `insecure` and `ca` contradict each other", grant.host()),
                "keep `ca` to have the certificate checked, or `insecure` to have it not",
            ));
        }
        if let Some(earlier) = seen.get(&options.host)
            && *earlier != options
        {
            return Err(Problem::new(
                &path,
                format!("{}: granted twice, with different options", grant.host()),
                "keep one grant for each server",
            ));
        }
        seen.insert(options.host.clone(), options);
    }
    Ok(())
}

fn check_kubernetes(path: &str, grant: &KubernetesGrant) -> Result<(), Problem> {
    let empty = [
        ("apiGroups", grant.api_groups.is_empty(), "\"\" is the core group"),
        (
            "resources",
            grant.resources.is_empty(),
            "write plural names, such as httproutes",
        ),
        (
            "verbs",
            grant.verbs.is_empty(),
            "write some of get, list, create, update, patch, delete",
        ),
        (
            "namespaces",
            grant.namespaces.as_ref().is_some_and(Vec::is_empty),
            "leave the field out for the namespace of the object being reconciled",
        ),
    ];
    if let Some((field, _, hint)) = empty.iter().find(|(_, empty, _)| *empty) {
        return Err(Problem::new(
            &format!("{path}.{field}"),
            "the list is empty, so that the grant allows nothing",
            *hint,
        ));
    }
    for (index, verb) in grant.verbs.iter().enumerate() {
        if verb != "*" && !VERBS.contains(&verb.as_str()) {
            return Err(Problem::new(
                &format!("{path}.verbs.{index}"),
                format!("{verb:?} is no verb that can be granted"),
                format!("write some of {}", VERBS.join(", ")),
            ));
        }
    }
    if !grant.resource_names.is_empty() && grant.verbs.iter().all(|verb| verb == "list") {
        return Err(Problem::new(
            &format!("{path}.resourceNames"),
            "`list` is about all names, so that a grant for some of them allows nothing",
            "take `resourceNames` off, or grant `get`",
        ));
    }
    for (index, resource) in grant.resources.iter().enumerate() {
        if resource.is_empty() || resource.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(Problem::new(
                &format!("{path}.resources.{index}"),
                format!("{resource:?} is no plural name of a resource"),
                "write it as `kubectl api-resources` does, such as httproutes for HTTPRoute",
            ));
        }
    }
    for (index, namespace) in grant.namespaces.iter().flatten().enumerate() {
        if namespace != "*" && namespace != "@object" && !is_namespace(namespace) {
            return Err(Problem::new(
                &format!("{path}.namespaces.{index}"),
                format!("{namespace:?} is no namespace"),
                "write names of namespaces, @object for that of the object being reconciled, or \"*\"",
            ));
        }
    }
    Ok(())
}

fn check_credentials(permissions: &Permissions) -> Result<(), Problem> {
    let mut names = BTreeSet::new();
    let mut headers = BTreeMap::new();
    for (index, credential) in permissions.credentials.iter().enumerate() {
        let path = format!("permissions.credentials.{index}");
        check_credential(&path, credential)?;
        if !names.insert(credential.name.as_str()) {
            return Err(Problem::new(
                &format!("{path}.name"),
                format!("there are two credentials named {:?}", credential.name),
                "give each credential a name of its own",
            ));
        }
        for (position, host) in credential.hosts.iter().enumerate() {
            let host = host.to_ascii_lowercase();
            if !reaches(permissions, &host) {
                return Err(Problem::new(
                    &format!("{path}.hosts.{position}"),
                    format!("{host}: the credential is for a server that `permissions.http` does not grant"),
                    "add the server to `permissions.http`, or take it off here",
                ));
            }
            let header = credential.header.to_ascii_lowercase();
            if let Some(other) = headers.insert((host.clone(), header), credential.name.as_str()) {
                return Err(Problem::new(
                    &format!("{path}.hosts.{position}"),
                    format!(
                        "{host}: {other:?} and {:?} both set the header {}",
                        credential.name, credential.header
                    ),
                    "keep one credential for each header of a server",
                ));
            }
        }
    }
    Ok(())
}

fn check_credential(path: &str, credential: &CredentialGrant) -> Result<(), Problem> {
    let no_secret = credential
        .secret_ref
        .as_ref()
        .is_none_or(|secret| secret.name.is_empty() || secret.key.is_empty());
    let wrong = [
        (
            credential.name.is_empty(),
            "name",
            "there is no name",
            "write the name that the plugin uses",
        ),
        (
            no_secret,
            "secretRef",
            "there is no Secret",
            "write secretRef: {name: SECRET, key: KEY}",
        ),
        (
            credential.header.is_empty() && !credential.readable,
            "header",
            "the credential can be neither sent nor read",
            "write `header` and `hosts` to have the host send it, or `readable: true` to let the plugin read it",
        ),
        (
            !credential.header.is_empty() && credential.hosts.is_empty(),
            "hosts",
            "the header is sent to no server",
            "write the servers that get the header, as in `permissions.http`",
        ),
        (
            credential.header.is_empty() && !credential.hosts.is_empty(),
            "hosts",
            "servers without a header",
            "write the header that they get",
        ),
    ];
    match wrong.into_iter().find(|(wrong, ..)| *wrong) {
        Some((_, field, cause, hint)) => Err(Problem::new(&format!("{path}.{field}"), cause, hint)),
        None => Ok(()),
    }
}

/// Whether some grant may lead to the server: the same words, or words that stand for many servers.
fn reaches(permissions: &Permissions, host: &str) -> bool {
    let stands_for_many = |server: &str| server.contains(['*', '/']);
    permissions.http.iter().any(|grant| {
        let granted = grant.host();
        granted.eq_ignore_ascii_case(host) || stands_for_many(granted) || stands_for_many(host)
    })
}
