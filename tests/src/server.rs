//! Servers that answer as they please, and count what reaches them.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::AbortHandle,
};

/// A server; it ends when this is dropped.
///
/// | path | answer |
/// |---|---|
/// | `/` and any other | `reached` |
/// | `/silent` | none, for ever |
/// | `/drip` | a byte now and then |
/// | `/headers` | a header now and then, for ever |
/// | `/echo` | the request itself |
/// | `/to/URL` | a redirect there |
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
    accepting: AbortHandle,
}

impl Server {
    /// Listens on a free port of 127.0.0.1.
    pub async fn start() -> Self {
        Self::on("127.0.0.1").await.unwrap()
    }

    /// Listens on a free port of an address of this machine.
    pub async fn on(address: &str) -> std::io::Result<Self> {
        let listener = TcpListener::bind((address, 0)).await?;
        let address = listener.local_addr()?;
        let (connections, requests) = (Arc::<AtomicUsize>::default(), Arc::<Mutex<Vec<String>>>::default());
        let (counter, log) = (Arc::clone(&connections), Arc::clone(&requests));
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, Arc::clone(&log)));
            }
        });
        Ok(Self {
            address,
            connections,
            requests,
            accepting: accepting.abort_handle(),
        })
    }

    /// An address of this server.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Connections that reached it.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Heads of the requests that reached it.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(mut stream: TcpStream, log: Arc<Mutex<Vec<String>>>) {
    // Who hangs up is served.
    let _ = answer(&mut stream, &log).await;
}

async fn answer(stream: &mut TcpStream, log: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            read => head.extend_from_slice(&buffer[..read]),
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    log.lock().unwrap().push(head.clone());
    let path = head.split(' ').nth(1).unwrap_or_default();
    match path {
        "/silent" => tokio::time::sleep(Duration::from_mins(10)).await,
        "/drip" => {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
                .await?;
            drip(stream, b".").await?;
        }
        "/headers" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n").await?;
            drip(stream, b"x: y\r\n").await?;
        }
        "/echo" => whole(stream, "200 OK", "", &head).await?,
        _ => match path.strip_prefix("/to/") {
            Some(target) => whole(stream, "302 Found", &format!("location: {target}\r\n"), "moved").await?,
            None => whole(stream, "200 OK", "", "reached").await?,
        },
    }
    Ok(())
}

async fn drip(stream: &mut TcpStream, drop: &[u8]) -> std::io::Result<()> {
    loop {
        stream.write_all(drop).await?;
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

async fn whole(stream: &mut TcpStream, status: &str, headers: &str, body: &str) -> std::io::Result<()> {
    let answer = format!(
        "HTTP/1.1 {status}\r\n{headers}connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}
