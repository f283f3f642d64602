//! One connection: its session, its three streams, and the services that are dispensed on it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    net::UnixStream,
    sync::{Notify, mpsc},
    task::JoinSet,
    time::timeout,
};

use super::{broker::Broker, control::Control, plugin::Plugin, rpc};
use crate::yamux::{Role, Session, Socket, Stream, Times};

/// How long a peer may take to open its three streams.
const OPENING: Duration = Duration::from_secs(30);

/// How long the answer to a farewell may take to get through the socket, and how long the host may then take to close its
/// side: a connection that ends under its hands is none that it would call graceful.
const FAREWELL: Duration = Duration::from_secs(1);

/// Size of a message on the control stream: headers, numbers and names.
const CONTROL: usize = 64 << 10;

/// Size of a message on a plugin's stream. An object of Kubernetes has 1.5 MiB at most.
const CALL: usize = 16 << 20;

/// Services of one connection at a time; Argo's controller has one.
const SERVICES: usize = 256;

/// Serves a connection to its end.
pub(super) async fn serve(socket: UnixStream, plugin: Arc<Plugin>, quit: Arc<Notify>) {
    let session = Arc::new(Session::new(Socket::Unix(socket), Role::Server, Times::default()));
    let Ok(Some((control, _output))) = timeout(OPENING, open(&session)).await else {
        tracing::warn!("a connection did not become a session of go-plugin");
        return;
    };
    let broker = Arc::new(Broker::default());
    let (dispensed, mut services) = mpsc::unbounded_channel();
    let (leaving, farewell) = (Arc::new(AtomicBool::new(false)), Arc::new(Notify::new()));
    let service = Arc::new(Control {
        plugin: plugin.clone(),
        broker: broker.clone(),
        dispensed,
        leaving: leaving.clone(),
        quit: farewell.clone(),
    });
    let control = rpc::serve(control, Bytes::new(), service, CONTROL);
    let streams = broker.run(session.clone());
    tokio::pin!(control, streams);
    let mut serving = JoinSet::new();
    let _closed = Closed(session.clone());
    loop {
        tokio::select! {
            // As go-plugin: a connection ends with its control stream.
            () = &mut control => break,
            () = &mut streams => break,
            Some(awaited) = services.recv(), if serving.len() < SERVICES => {
                let plugin = plugin.clone();
                serving.spawn(async move {
                    if let Some((stream, rest)) = awaited.stream().await {
                        rpc::serve(stream, rest, plugin, CALL).await;
                    }
                });
            }
            Some(_) = serving.join_next() => {}
            () = farewell.notified() => part(&session, &quit).await,
        }
    }
    // A host that hangs up behind its farewell may be seen to be gone before its answer is seen to be sent.
    if leaving.load(Ordering::Acquire) {
        part(&session, &quit).await;
    }
}

/// Lets the host have its answer and close its side; then this process may end.
async fn part(session: &Session, quit: &Notify) {
    let _ = timeout(FAREWELL, async {
        session.flushed().await;
        session.ended().await;
    })
    .await;
    quit.notify_one();
}

/// Closes the session before its streams are dropped, which would reset them: Go throws away what it has not read of a
/// stream that is reset.
struct Closed(Arc<Session>);

impl Drop for Closed {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Control, and the two streams that stand for standard output and error. Nothing is written to those: what there is to
/// say goes to the process's own. They have to be acknowledged all the same, and stay.
async fn open(session: &Session) -> Option<(Stream, [Stream; 2])> {
    let control = session.accept().await.ok()?;
    let stdout = session.accept().await.ok()?;
    let stderr = session.accept().await.ok()?;
    Some((control, [stdout, stderr]))
}
