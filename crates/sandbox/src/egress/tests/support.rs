//! Servers that count, names that answer as they are told, and calls.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use rollcage_api::{
    analysis::SecretKeyRef,
    plugin::{CredentialGrant, HttpGrant, HttpGrantOptions, Permissions},
};
use rollcage_core::{
    Call, CallUsage,
    host::{HostServices, HttpRequest, HttpResponse, Secrets, SecretsError},
    secret::SharedMasker,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Handle,
};

use crate::egress::{Egress, EgressCall, EgressError, Names, SendOptions};

pub(super) const MAX_IN: u64 = 256 * 1024;
pub(super) const MAX_OUT: u64 = 64 * 1024;

/// A server on 127.0.0.1 that counts who connects.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) port: u16,
    reached: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Serves every connection with `serve`.
    pub(super) async fn start<F, S>(serve: S) -> Self
    where
        S: Fn(TcpStream, Server) -> F + Send + Sync + 'static,
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let server = Self {
            port: listener.local_addr().unwrap().port(),
            reached: Arc::default(),
            requests: Arc::default(),
        };
        let shared = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.reached.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, shared.clone()));
            }
        });
        server
    }

    /// Answers every request (one a connection) with these bytes, then closes.
    pub(super) async fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer: Arc<[u8]> = answer.into().into();
        Self::start(move |mut stream, server| {
            let answer = answer.clone();
            async move {
                server.read_request(&mut stream).await?;
                stream.write_all(&answer).await?;
                stream.shutdown().await
            }
        })
        .await
    }

    /// Answers 200 with the request itself as body.
    pub(super) async fn echo() -> Self {
        Self::start(|mut stream, server| async move {
            let request = server.read_request(&mut stream).await?;
            stream.write_all(&ok(&request)).await?;
            stream.shutdown().await
        })
        .await
    }

    /// Reads a request with its body, and remembers it.
    pub(super) async fn read_request(&self, stream: &mut TcpStream) -> io::Result<String> {
        let mut bytes = Vec::new();
        loop {
            let mut chunk = [0; 4096];
            let read = stream.read(&mut chunk).await?;
            bytes.extend_from_slice(&chunk[..read]);
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
                let head = head.to_ascii_lowercase();
                let length = head
                    .split("content-length: ")
                    .nth(1)
                    .and_then(|rest| rest.lines().next()?.parse().ok());
                match length {
                    Some(length) => body.len() >= length,
                    None => !head.contains("transfer-encoding: chunked") || body.ends_with("0\r\n\r\n"),
                }
            });
            if whole || read == 0 {
                self.requests.lock().unwrap().push(text.clone());
                return Ok(text);
            }
        }
    }

    /// How many connections there were.
    pub(super) fn reached(&self) -> usize {
        self.reached.load(Ordering::SeqCst)
    }

    /// The requests so far.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    pub(super) fn url(&self, host: &str) -> String {
        format!("http://{host}:{}/path?query=1", self.port)
    }

    pub(super) fn grant(&self, host: &str) -> HttpGrant {
        HttpGrant::Host(format!("{host}:{}", self.port))
    }
}

/// A whole answer with this body.
pub(super) fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

pub(super) fn with_options(host: String, options: impl FnOnce(&mut HttpGrantOptions)) -> HttpGrant {
    let mut grant = HttpGrantOptions {
        host,
        ..HttpGrantOptions::default()
    };
    options(&mut grant);
    HttpGrant::WithOptions(grant)
}

/// Names that answer as they are told: one list of addresses a look-up, the last one from then on.
#[derive(Debug, Default)]
pub(super) struct Told {
    answers: Mutex<HashMap<String, Vec<Vec<IpAddr>>>>,
    lookups: AtomicUsize,
}

impl Told {
    pub(super) fn name(self, name: &str, answers: &[&[&str]]) -> Self {
        let parse = |addresses: &&[&str]| addresses.iter().map(|text| text.parse().unwrap()).collect();
        let answers = answers.iter().map(parse).collect();
        self.answers.lock().unwrap().insert(name.into(), answers);
        self
    }

    pub(super) fn lookups(&self) -> usize {
        self.lookups.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Names for Told {
    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        self.lookups.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().unwrap();
        match answers.get_mut(name.trim_end_matches('.')) {
            None => Err(io::Error::other("no such name")),
            Some(left) if left.len() > 1 => Ok(left.remove(0)),
            Some(left) => Ok(left.first().cloned().unwrap_or_default()),
        }
    }
}

/// Secrets in memory.
#[derive(Debug, Default)]
pub(super) struct Kept(Mutex<BTreeMap<String, String>>, AtomicUsize);

impl Kept {
    pub(super) fn set(&self, name: &str, value: &str) {
        self.0.lock().unwrap().insert(name.into(), value.into());
    }

    pub(super) fn reads(&self) -> usize {
        self.1.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Secrets for Kept {
    async fn read(&self, name: &str) -> Result<Option<BTreeMap<String, Vec<u8>>>, SecretsError> {
        self.1.fetch_add(1, Ordering::SeqCst);
        let value = self.0.lock().unwrap().get(name).cloned();
        match value.as_deref() {
            Some("unreadable") => Err(SecretsError("the API server is away".into())),
            value => Ok(value.map(|value| BTreeMap::from([("key".to_owned(), value.as_bytes().to_vec())]))),
        }
    }
}

pub(super) fn credential(name: &str, header: &str, hosts: &[String]) -> CredentialGrant {
    CredentialGrant {
        name: name.into(),
        secret_ref: Some(SecretKeyRef {
            name: name.into(),
            key: "key".into(),
        }),
        header: header.into(),
        hosts: hosts.to_vec(),
        readable: false,
    }
}

pub(super) fn host() -> HostServices {
    HostServices::without_cluster()
}

pub(super) fn http(grants: Vec<HttpGrant>) -> Permissions {
    Permissions {
        http: grants,
        ..Permissions::default()
    }
}

/// A guard whose connections come from 127.0.0.1: this machine refuses to route them anywhere else, so that a test can
/// let a name lead to a public address without a packet leaving.
pub(super) fn egress(permissions: &Permissions, host: &HostServices, names: Arc<Told>) -> Egress {
    let source = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
    Egress::with_source(permissions, host, Handle::current(), names, source).unwrap()
}

/// A call with its surroundings in view.
pub(super) struct Seen {
    pub(super) call: EgressCall,
    pub(super) masker: SharedMasker,
    pub(super) usage: Arc<Mutex<CallUsage>>,
}

pub(super) fn call_of(time: Duration) -> Seen {
    call_with(time, Call::default())
}

pub(super) fn call_with(time: Duration, mut call: Call) -> Seen {
    let usage: Arc<Mutex<CallUsage>> = Arc::default();
    call.usage = Some(usage.clone());
    let masker = SharedMasker::default();
    Seen {
        call: EgressCall::new(&call, Instant::now() + time, masker.clone(), MAX_IN, MAX_OUT),
        masker,
        usage,
    }
}

/// A call with more time than a test takes.
pub(super) fn call() -> Seen {
    call_of(Duration::from_secs(20))
}

pub(super) fn get(url: impl Into<String>) -> HttpRequest {
    HttpRequest {
        method: "GET".into(),
        url: url.into(),
        headers: Vec::new(),
        body: Vec::new(),
    }
}

/// Sends within a call of its own.
pub(super) async fn send(egress: &Egress, request: HttpRequest) -> Result<HttpResponse, EgressError> {
    egress.send(&call().call, request, SendOptions::default()).await
}

/// The missing grant of a denial.
pub(super) fn missing(result: Result<HttpResponse, EgressError>) -> String {
    match result {
        Err(error) => error
            .denial()
            .unwrap_or_else(|| panic!("not a denial: {error}"))
            .grant
            .clone(),
        Ok(answer) => panic!("not denied: {}", answer.status),
    }
}
