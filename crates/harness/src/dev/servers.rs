//! Servers on loopback that a scenario starts, for plugins to be fetched from.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Component, Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    extract::{Path as UrlPath, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::{net::TcpListener, task::JoinHandle};

use super::scenario::FileServer;
use crate::error::CommandError;

/// All servers of a scenario, by name.
#[derive(Debug, Default)]
pub struct Servers {
    servers: BTreeMap<String, Server>,
}

#[derive(Debug)]
struct Server {
    address: SocketAddr,
    files: PathBuf,
    /// `None` while the server is down: its port refuses connections.
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Servers {
    /// Starts the servers that are not down. Every server keeps its port for the whole scenario.
    pub async fn start(dir: &Path, wanted: &[FileServer]) -> Result<Self, CommandError> {
        let mut servers = BTreeMap::new();
        for server in wanted {
            let listener = bind("127.0.0.1:0").await?;
            let address = listener.local_addr().map_err(|error| io_error(&error))?;
            let running = Server {
                address,
                files: dir.join(&server.files),
                task: Mutex::new(None),
            };
            if !server.down {
                running.serve(listener);
            }
            servers.insert(server.name.clone(), running);
        }
        Ok(Self { servers })
    }

    /// `{{servers.NAME}}` of every server replaced by its address and port.
    pub fn fill_in(&self, text: &str) -> String {
        self.servers.iter().fold(text.to_owned(), |text, (name, server)| {
            text.replace(&format!("{{{{servers.{name}}}}}"), &server.address.to_string())
        })
    }

    /// Lets a server come up.
    pub async fn up(&self, name: &str) -> Result<(), CommandError> {
        let server = self.get(name)?;
        let down = server.task.lock().unwrap_or_else(PoisonError::into_inner).is_none();
        if down {
            server.serve(bind(&server.address.to_string()).await?);
        }
        Ok(())
    }

    /// Lets a server go down.
    pub async fn down(&self, name: &str) -> Result<(), CommandError> {
        let task = self
            .get(name)?
            .task
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(task) = task {
            task.abort();
            // The port is free only when the task has gone.
            let _ = task.await;
        }
        Ok(())
    }

    fn get(&self, name: &str) -> Result<&Server, CommandError> {
        self.servers.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.servers.keys().map(String::as_str).collect();
            CommandError::usage(
                format!("scenario.yaml: there is no server {name:?}"),
                format!("servers of this scenario: {}", known.join(", ")),
            )
        })
    }
}

impl Server {
    fn serve(&self, listener: TcpListener) {
        let app = Router::new()
            .route("/{*path}", get(file))
            .with_state(Arc::new(self.files.clone()));
        let task = tokio::spawn(async move {
            // Ends only with the task: axum retries failed accepts itself.
            let _ = axum::serve(listener, app).await;
        });
        *self.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
    }
}

async fn file(State(dir): State<Arc<PathBuf>>, UrlPath(path): UrlPath<String>) -> Response {
    let inside = Path::new(&path)
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    match tokio::fs::read(dir.join(&path)).await {
        Ok(bytes) if inside => bytes.into_response(),
        _ => (StatusCode::NOT_FOUND, "no such file\n").into_response(),
    }
}

async fn bind(address: &str) -> Result<TcpListener, CommandError> {
    TcpListener::bind(address).await.map_err(|error| io_error(&error))
}

fn io_error(error: &std::io::Error) -> CommandError {
    CommandError::usage(
        format!("a server of the scenario cannot listen on loopback: {error}"),
        "free the port and try again",
    )
}
