//! A web server that does as it is told, and what else the tests share.

use std::{
    collections::BTreeMap,
    future::Future,
    io,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use rollcage_api::{
    ByteSize,
    plugin::{HeadersFrom, PluginEntry, PluginKind, SecretRef},
};
use rollcage_core::{
    PluginId,
    host::{NoCluster, Secrets, SecretsError},
};
use rollcage_store::{Fetched, Store, StoreConfig};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// Something that begins like a component; `seed` makes it another one.
pub fn component(seed: u64, length: usize) -> Vec<u8> {
    let body = seed.to_le_bytes().repeat(length.div_ceil(8) - 1);
    [b"\0asm\x0d\0\x01\0".as_slice(), &body].concat()
}

pub fn config() -> StoreConfig {
    StoreConfig {
        connect_timeout: Duration::from_secs(5),
        idle_timeout: Duration::from_millis(500),
        total_timeout: Duration::from_secs(10),
        attempts: 3,
        first_pause: Duration::from_millis(5),
        max_plugin: ByteSize::mebi(4),
        proxies_from_environment: false,
        ..StoreConfig::default()
    }
}

pub fn open(folder: &Path) -> Store {
    Store::open(folder, config()).unwrap()
}

pub fn id() -> PluginId {
    named("example/plugin")
}

pub fn named(name: &str) -> PluginId {
    PluginId {
        kind: PluginKind::MetricProvider,
        name: name.into(),
    }
}

pub fn entry(location: &str) -> PluginEntry {
    PluginEntry {
        name: "example/plugin".into(),
        location: location.into(),
        ..PluginEntry::default()
    }
}

pub fn pinned(location: &str, bytes: &[u8]) -> PluginEntry {
    PluginEntry {
        sha256: rollcage_store::Digest::of(bytes).hex(),
        ..entry(location)
    }
}

/// Fetches without secrets; a fault as its text.
pub async fn fetch(store: &Store, entry: &PluginEntry) -> Result<Fetched, String> {
    store
        .fetch(&id(), entry, &NoCluster)
        .await
        .map_err(|fault| fault.to_string())
}

pub fn headers_from(name: &str) -> Vec<HeadersFrom> {
    vec![HeadersFrom {
        secret_ref: SecretRef { name: name.into() },
    }]
}

#[derive(Debug)]
pub struct OneSecret(pub &'static str, pub Vec<(&'static str, &'static str)>);

#[async_trait]
impl Secrets for OneSecret {
    async fn read(&self, name: &str) -> Result<Option<BTreeMap<String, Vec<u8>>>, SecretsError> {
        let values = self
            .1
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()));
        Ok((name == self.0).then(|| values.collect()))
    }
}

/// A request's first lines, and the connection to answer on.
pub struct Exchange {
    pub number: usize,
    pub request: String,
    pub stream: TcpStream,
}

impl Exchange {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.request.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref()).await
    }

    /// A whole answer.
    pub async fn answer(mut self, status: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<()> {
        let headers: Vec<String> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n",
            body.len()
        );
        self.send(head + &headers.concat() + "\r\n").await?;
        self.send(body).await?;
        self.stream.shutdown().await
    }

    /// Ends the connection so that the other side sees a reset.
    pub fn reset(self) {
        let _ = self.stream.set_zero_linger();
    }
}

/// Serves until it is dropped.
pub struct Server {
    pub address: String,
    requests: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Server {
    pub async fn start<F, R>(handler: F) -> Self
    where
        F: Fn(Exchange) -> R + Send + Sync + 'static,
        R: Future<Output = io::Result<()>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        let handler = Arc::new(handler);
        let task = tokio::spawn(async move {
            let mut running = tokio::task::JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let (log, handler) = (Arc::clone(&log), Arc::clone(&handler));
                running.spawn(async move {
                    let mut request = Vec::new();
                    while !request.ends_with(b"\r\n\r\n") {
                        match stream.read_u8().await {
                            Ok(byte) => request.push(byte),
                            Err(_) => return,
                        }
                    }
                    let request = String::from_utf8_lossy(&request).into_owned();
                    let number = {
                        let mut log = log.lock().unwrap();
                        log.push(request.clone());
                        log.len()
                    };
                    let _ = handler(Exchange {
                        number,
                        request,
                        stream,
                    })
                    .await;
                });
            }
        });
        Self {
            address,
            requests,
            task,
        }
    }

    /// Answers everything with these bytes.
    pub async fn of(bytes: Vec<u8>) -> Self {
        let bytes = Arc::new(bytes);
        Self::start(move |exchange| {
            let bytes = Arc::clone(&bytes);
            async move { exchange.answer("200 OK", &[], &bytes).await }
        })
        .await
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    pub fn hits(&self) -> usize {
        self.requests().len()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// File names below a folder.
pub fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Names of blobs, temporary ones included.
pub fn blobs(folder: &Path) -> Vec<String> {
    files(&folder.join("blobs/sha256"))
}
