//! A way to the API server that can be cut.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use rollcage_tests::controlplane::{Account, ControlPlane};
use serde_json::Value;
use tokio::{
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinHandle},
};

/// Passes connections on to the API server, until they are cut.
pub struct Proxy {
    /// The account whose kubeconfig leads here.
    pub account: Account,
    state: Arc<State>,
    accepting: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

#[derive(Default)]
struct State {
    blocked: AtomicBool,
    connections: Mutex<Vec<AbortHandle>>,
}

impl Proxy {
    /// One for this account.
    pub async fn start(plane: &ControlPlane, account: &Account) -> Self {
        let server: SocketAddr = plane.server().trim_start_matches("https://").parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::<State>::default();
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = leading_to(account, port, folder.path().join("kubeconfig"));
        Self {
            account: Account {
                kubeconfig,
                ..account.clone()
            },
            accepting: tokio::spawn(accept(listener, server, state.clone())),
            state,
            _folder: folder,
        }
    }

    /// Ends all connections, whatever is under way on them.
    pub fn cut(&self) {
        for connection in self.state.connections.lock().unwrap().drain(..) {
            connection.abort();
        }
    }

    /// Ends all connections, and every new one at once.
    pub fn block(&self) {
        self.state.blocked.store(true, Ordering::SeqCst);
        self.cut();
    }

    /// Lets new connections pass again.
    pub fn unblock(&self) {
        self.state.blocked.store(false, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn accept(listener: TcpListener, server: SocketAddr, state: Arc<State>) {
    loop {
        let (mut client, _) = listener.accept().await.unwrap();
        if state.blocked.load(Ordering::SeqCst) {
            continue;
        }
        let connection = tokio::spawn(async move {
            let Ok(mut server) = TcpStream::connect(server).await else {
                return;
            };
            // However it ends: that is for the two to find out.
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        });
        state.connections.lock().unwrap().push(connection.abort_handle());
    }
}

fn leading_to(account: &Account, port: u16, path: PathBuf) -> PathBuf {
    let mut config: Value = serde_json::from_slice(&std::fs::read(&account.kubeconfig).unwrap()).unwrap();
    for named in config["clusters"].as_array_mut().unwrap() {
        named["cluster"]["server"] = format!("https://127.0.0.1:{port}").into();
    }
    std::fs::write(&path, config.to_string()).unwrap();
    path
}
