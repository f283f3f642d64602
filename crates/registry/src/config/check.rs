//! What an entry must hold to be worth a try: Argo's rules (specification 1.2), and those of our own fields.

use rollcage_api::plugin::{InstanceMode, PluginEntry};
use url::Url;

use super::grants;
use crate::circuit::MAX_FAULTS;

/// Longest name: it becomes part of log lines, metrics and paths.
const MAX_NAME: usize = 253;

/// Most calls of one plugin at a time, and most that wait: beyond it, memory is the limit that hits.
const MAX_CALLS: u32 = 10_000;

/// What is wrong with an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The field: keys and indices.
    pub path: Vec<String>,
    /// What is wrong.
    pub cause: String,
    /// What to do.
    pub hint: String,
}

impl Problem {
    /// At a field such as `limits.deadline` or `permissions.http.0`.
    pub(super) fn new(path: &str, cause: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            path: path.split('.').map(str::to_owned).collect(),
            cause: cause.into(),
            hint: hint.into(),
        }
    }
}

/// Checks an entry, and writes what has several spellings in one.
pub(super) fn check(entry: &mut PluginEntry) -> Result<(), Problem> {
    check_name(&entry.name)?;
    if entry.disabled {
        // Nothing else of it is used; what is wrong with it is told when it is wanted again.
        return Ok(());
    }
    check_location(&entry.location)?;
    entry.sha256 = check_sha256(&entry.sha256)?;
    for (index, from) in entry.headers_from.iter().enumerate() {
        if from.secret_ref.name.is_empty() {
            return Err(Problem::new(
                &format!("headersFrom.{index}.secretRef.name"),
                "there is no name",
                "name the Secret whose keys and values are the request's headers",
            ));
        }
    }
    check_limits(entry)?;
    check_namespaces(entry)?;
    for (name, value) in &entry.env {
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            return Err(Problem {
                path: vec!["env".to_owned(), name.clone()],
                cause: "this is no environment variable".to_owned(),
                hint: "a name has no `=`, and neither name nor value has a NUL".to_owned(),
            });
        }
    }
    grants::check(&entry.permissions)
}

/// `^([a-zA-Z0-9\-]+)\/{1}([a-zA-Z0-9_\-.]+)$`
fn check_name(name: &str) -> Result<(), Problem> {
    let hint = "write the name as <namespace>/<name>, such as argoproj-labs/prometheus: letters, digits and `-`, then \
                also `_` and `.`";
    if name.is_empty() {
        return Err(Problem::new("name", "there is no name", hint));
    }
    if name.len() > MAX_NAME {
        return Err(Problem::new("name", format!("longer than {MAX_NAME} bytes"), hint));
    }
    let good = name.split_once('/').is_some_and(|(namespace, rest)| {
        !namespace.is_empty()
            && !rest.is_empty()
            && namespace.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && rest
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
    });
    if good {
        return Ok(());
    }
    // Argo's words: people search for them.
    let cause = format!("plugin repository ({name}) must be in the format of <namespace>/<name>");
    Err(Problem::new("name", cause, hint))
}

fn check_location(location: &str) -> Result<(), Problem> {
    let wrong = |cause: String| {
        Err(Problem::new(
            "location",
            cause,
            "write file:///path/to/plugin.wasm, https://server/plugin.wasm or oci://registry/repository:tag",
        ))
    };
    if location.is_empty() {
        return wrong("there is no location".to_owned());
    }
    if location.contains(|c: char| c.is_ascii_control() || c == ' ') {
        return wrong("plugin location is no address: it holds blanks or control characters".to_owned());
    }
    let Some((scheme, rest)) = location.split_once("://") else {
        return wrong("plugin location must be of http(s), file or oci scheme".to_owned());
    };
    match scheme.to_ascii_lowercase().as_str() {
        // The `url` crate would take the path's first part for a server.
        "http" | "https" if rest.starts_with(['/', '\\']) => wrong("plugin location has no server".to_owned()),
        "http" | "https" => match Url::parse(location) {
            Ok(_) => Ok(()),
            Err(error) => wrong(format!("plugin location is no address: {error}")),
        },
        "file" if rest.trim_matches('/').is_empty() => wrong("plugin location has no path".to_owned()),
        "oci" if !rest.contains('/') => wrong("plugin location has no repository".to_owned()),
        "bundled" if rest.is_empty() => wrong("plugin location has no name".to_owned()),
        "file" | "oci" | "bundled" => Ok(()),
        _ => wrong("plugin location must be of http(s), file or oci scheme".to_owned()),
    }
}

/// The digest in lower case.
fn check_sha256(sha256: &str) -> Result<String, Problem> {
    let sum = "write the output of `sha256sum FILE`, or leave the field out";
    let digits = sha256.bytes().all(|b| b.is_ascii_hexdigit());
    match sha256.len() {
        0 => Ok(String::new()),
        64 if digits => Ok(sha256.to_ascii_lowercase()),
        40 if digits => Err(Problem::new(
            "sha256",
            "this looks like SHA-1: 40 hexadecimal digits, where SHA-256 has 64",
            sum,
        )),
        _ if sha256.starts_with("sha256:") => Err(Problem::new(
            "sha256",
            "the digest has a prefix",
            "write the 64 hexadecimal digits alone, without `sha256:`",
        )),
        length => Err(Problem::new(
            "sha256",
            format!("this is no SHA-256 digest: 64 hexadecimal digits are wanted, this has {length} bytes"),
            sum,
        )),
    }
}

fn check_limits(entry: &PluginEntry) -> Result<(), Problem> {
    let limits = &entry.limits;
    let positive = "write a value above zero, or leave the field out for the default";
    let zero = [
        ("limits.deadline", limits.deadline.is_some_and(|d| d.0.is_zero())),
        ("limits.memory", limits.memory.is_some_and(|m| m.0 == 0)),
        ("limits.concurrency", limits.concurrency == Some(0)),
        ("limits.input", limits.input.is_some_and(|m| m.0 == 0)),
        ("limits.output", limits.output.is_some_and(|m| m.0 == 0)),
        ("breaker.faults", entry.breaker.faults == 0),
        ("breaker.window", entry.breaker.window.0.is_zero()),
        ("breaker.maxPause", entry.breaker.max_pause.0.is_zero()),
        (
            "instances.max",
            entry.instances.mode == InstanceMode::Warm && entry.instances.max == 0,
        ),
        (
            "instances.calls",
            entry.instances.mode == InstanceMode::Warm && entry.instances.calls == 0,
        ),
    ];
    if let Some((field, _)) = zero.iter().find(|(_, zero)| *zero) {
        return Err(Problem::new(field, "zero would let no call through", positive));
    }
    let large = [
        ("limits.concurrency", limits.concurrency.unwrap_or(0), MAX_CALLS),
        ("limits.queue", limits.queue.unwrap_or(0), MAX_CALLS),
        ("breaker.faults", entry.breaker.faults, MAX_FAULTS),
    ];
    if let Some((field, value, most)) = large.iter().find(|(_, value, most)| value > most) {
        return Err(Problem::new(
            field,
            format!("{value} is too large"),
            format!("write {most} or less"),
        ));
    }
    Ok(())
}

fn check_namespaces(entry: &PluginEntry) -> Result<(), Problem> {
    let namespaces = entry.usable_from.iter().flatten().enumerate();
    for (index, namespace) in namespaces {
        if namespace != "*" && !is_namespace(namespace) {
            return Err(Problem::new(
                &format!("usableFrom.{index}"),
                format!("{namespace:?} is no namespace"),
                "write names of namespaces, or \"*\" alone for all; patterns are not supported",
            ));
        }
    }
    Ok(())
}

/// An RFC 1123 label, as Kubernetes wants it.
pub(super) fn is_namespace(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 63
        && !name.starts_with('-')
        && !name.ends_with('-')
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}
