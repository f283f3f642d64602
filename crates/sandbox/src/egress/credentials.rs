//! Secret values that the host puts into requests on their way out, so that the plugin never has them.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderName, HeaderValue};
use rollcage_api::{analysis::SecretKeyRef, plugin::CredentialGrant};
use rollcage_core::{host::Secrets, secret::SharedMasker};

use super::{
    error::{EgressError, GrantError},
    headers::is_hosts_own,
    mask::Patterns,
    server::{HostPattern, Server},
    shapes::shapes,
    target::Target,
};

/// A value whose Secret nobody watches is read again after this time, so that a rotated one is used soon.
const FRESH: Duration = Duration::from_secs(30);

/// A value that cannot be read again is used for this long, so that an API server's restart stops no measurement.
const STALE: Duration = Duration::from_mins(5);

/// Rotated values that are still masked in answers.
const REMEMBERED: usize = 4;

/// The credentials of one plugin that have a header.
#[derive(Debug)]
pub(super) struct Credentials {
    all: Vec<Credential>,
    secrets: Arc<dyn Secrets>,
    /// Every value in use, in every shape: masked in every answer.
    patterns: Mutex<Patterns>,
}

#[derive(Debug)]
struct Credential {
    name: String,
    secret: SecretKeyRef,
    header: HeaderName,
    servers: Vec<Server>,
    /// Held while the secret is read: one reader at a time.
    cached: tokio::sync::Mutex<Option<Cached>>,
    /// Shapes of the values that were in use, newest last.
    shapes: Mutex<VecDeque<Arc<[String]>>>,
}

#[derive(Clone)]
struct Cached {
    header: HeaderValue,
    shapes: Arc<[String]>,
    read_at: Instant,
    /// What it is out of, where Secrets are watched.
    revision: Option<u64>,
}

impl Cached {
    /// Whether the Secret need not be read again; `revision` is that of now.
    fn is_current(&self, revision: Option<u64>) -> bool {
        match revision {
            Some(_) => self.revision == revision,
            None => self.read_at.elapsed() < FRESH,
        }
    }
}

impl std::fmt::Debug for Cached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cached")
            .field("read_at", &self.read_at)
            .finish_non_exhaustive()
    }
}

impl Credentials {
    /// Takes those with a header; the others are for `secrets.get` only.
    pub(super) fn parse(entries: &[CredentialGrant], secrets: Arc<dyn Secrets>) -> Result<Self, GrantError> {
        let mut all = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            let credential = Credential::parse(entry).map_err(|problem| GrantError {
                field: format!("permissions.credentials[{index}]"),
                problem: format!("{:?}: {problem}", entry.name),
            })?;
            all.extend(credential);
        }
        Ok(Self {
            all,
            secrets,
            patterns: Mutex::default(),
        })
    }

    /// Whether answers may hold values that have to be masked.
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Sets the headers that belong to the target, over what the guest set. The first credential of a header counts.
    pub(super) async fn attach(
        &self,
        target: &Target,
        headers: &mut HeaderMap,
        masker: &SharedMasker,
    ) -> Result<(), EgressError> {
        let mut set: Vec<&HeaderName> = Vec::new();
        for credential in &self.all {
            if set.contains(&&credential.header) || !credential.servers.iter().any(|server| server.matches(target)) {
                continue;
            }
            let cached = self.read(credential).await.map_err(|cause| EgressError::Credential {
                name: credential.name.clone(),
                cause,
            })?;
            masker.add(cached.shapes.iter().cloned());
            headers
                .try_insert(credential.header.clone(), cached.header)
                .map_err(|_| EgressError::TooLarge("too many request headers".into()))?;
            set.push(&credential.header);
        }
        Ok(())
    }

    /// What is masked in answers.
    pub(super) fn patterns(&self) -> Patterns {
        self.patterns.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A server refused the credentials: whoever asks next reads them anew.
    pub(super) fn refused(&self, target: &Target) {
        for credential in &self.all {
            if credential.servers.iter().any(|server| server.matches(target))
                && let Ok(mut cached) = credential.cached.try_lock()
                && let Some(cached) = cached.as_mut()
                && cached.read_at.elapsed() > Duration::from_secs(1)
                && let Some(old) = Instant::now().checked_sub(FRESH)
            {
                cached.read_at = cached.read_at.min(old);
            }
        }
    }

    async fn read(&self, credential: &Credential) -> Result<Cached, String> {
        let mut cached = credential.cached.lock().await;
        let SecretKeyRef { name, key, .. } = &credential.secret;
        // Before it is read: what changes in between is read once more.
        let revision = self.secrets.revision(name);
        if let Some(cached) = cached.as_ref().filter(|cached| cached.is_current(revision)) {
            return Ok(cached.clone());
        }
        let data = match self.secrets.read(name).await {
            Ok(Some(data)) => data,
            Ok(None) => {
                *cached = None;
                return Err(format!("there is no Secret {name}"));
            }
            Err(error) => {
                return match cached.as_ref().filter(|cached| cached.read_at.elapsed() < STALE) {
                    Some(cached) => Ok(cached.clone()),
                    None => Err(format!("the Secret {name} cannot be read: {error}")),
                };
            }
        };
        *cached = None;
        let value = data
            .get(key)
            .ok_or_else(|| format!("the Secret {name} has no key {key}"))?;
        // A final newline is an accident of the tool that made the Secret; no header may hold one.
        let value = std::str::from_utf8(value).unwrap_or_default().trim();
        let header = HeaderValue::from_str(value).ok().filter(|header| !header.is_empty());
        let mut header = header.ok_or_else(|| format!("key {key} of the Secret {name} is no header value"))?;
        header.set_sensitive(true);
        let fresh = Cached {
            header,
            shapes: shapes(value).into(),
            read_at: Instant::now(),
            revision,
        };
        self.remember(credential, &fresh.shapes);
        *cached = Some(fresh.clone());
        Ok(fresh)
    }

    fn remember(&self, credential: &Credential, shapes: &Arc<[String]>) {
        {
            let mut known = credential.shapes.lock().unwrap_or_else(PoisonError::into_inner);
            if known.back() == Some(shapes) {
                return;
            }
            known.push_back(shapes.clone());
            if known.len() > REMEMBERED {
                known.pop_front();
            }
        }
        let mut every = Vec::new();
        for credential in &self.all {
            let known = credential.shapes.lock().unwrap_or_else(PoisonError::into_inner);
            every.extend(known.iter().cloned());
        }
        let patterns = Patterns::new(every.iter().flat_map(|shapes| shapes.iter()).map(String::as_str));
        *self.patterns.lock().unwrap_or_else(PoisonError::into_inner) = patterns;
    }
}

impl Credential {
    fn parse(entry: &CredentialGrant) -> Result<Option<Self>, String> {
        if entry.header.is_empty() {
            return if entry.hosts.is_empty() {
                Ok(None)
            } else {
                Err("hosts: without `header` there is nothing to send to them".into())
            };
        }
        let header = HeaderName::from_bytes(entry.header.as_bytes())
            .map_err(|_| format!("header: {:?} is no header name", entry.header))?;
        if is_hosts_own(&header) {
            return Err(format!("header: `{header}` belongs to the host"));
        }
        if entry.hosts.is_empty() {
            return Err("hosts: `header` needs the servers that it is sent to".into());
        }
        let mut servers = Vec::new();
        for host in &entry.hosts {
            let server = Server::parse(host).map_err(|problem| format!("hosts: {host:?}: {problem}"))?;
            if server.host == HostPattern::Any {
                return Err(format!("hosts: {host:?} would send the value to every server"));
            }
            servers.push(server);
        }
        let secret = entry.secret_ref.clone().ok_or("secretRef: missing")?;
        if secret.name.is_empty() || secret.key.is_empty() {
            return Err("secretRef: needs `name` and `key`".into());
        }
        Ok(Some(Self {
            name: entry.name.clone(),
            secret,
            header,
            servers,
            cached: tokio::sync::Mutex::default(),
            shapes: Mutex::default(),
        }))
    }
}
