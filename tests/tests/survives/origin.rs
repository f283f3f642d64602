//! A download server: version after version of one plugin, as slow as wanted, or down.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use rollcage_tests::faults::handmade::healthy;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// What is served now.
#[derive(Clone, Debug)]
pub struct Served {
    /// The bytes; absent: the server hangs up on everybody.
    pub bytes: Option<Arc<[u8]>>,
    /// How long the second half is kept back.
    pub pause: Duration,
}

/// The server.
#[derive(Clone, Debug)]
pub struct Origin {
    address: SocketAddr,
    served: Arc<Mutex<Served>>,
}

impl Origin {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let served = Arc::new(Mutex::new(Served {
            bytes: None,
            pause: Duration::ZERO,
        }));
        let origin = Self {
            address: listener.local_addr().unwrap(),
            served: Arc::clone(&served),
        };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let served = served.lock().unwrap().clone();
                tokio::spawn(async move { drop(answer(stream, served).await) });
            }
        });
        origin
    }

    pub fn location(&self) -> String {
        format!("http://{}/plugin.wasm", self.address)
    }

    pub fn serve(&self, bytes: Option<Arc<[u8]>>, pause: Duration) {
        *self.served.lock().unwrap() = Served { bytes, pause };
    }
}

async fn answer(mut stream: TcpStream, served: Served) -> std::io::Result<()> {
    let Some(bytes) = served.bytes else { return Ok(()) };
    let mut request = [0; 4096];
    let _ = stream.read(&mut request).await?;
    let head = format!(
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        bytes.len()
    );
    let (first, second) = bytes.split_at(bytes.len() / 2);
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(first).await?;
    tokio::time::sleep(served.pause).await;
    stream.write_all(second).await?;
    stream.shutdown().await
}

/// The healthy plugin with other bytes each time: a custom section holds the number, and as many zeros as wanted.
pub fn version(number: u32, zeros: usize) -> Arc<[u8]> {
    let mut section = b"\x01v".to_vec();
    section.extend(number.to_le_bytes());
    section.resize(section.len() + zeros, 0);
    let mut bytes = healthy().to_vec();
    bytes.push(0);
    let mut length = section.len();
    loop {
        let low = u8::try_from(length & 0x7f).unwrap();
        length >>= 7;
        bytes.push(if length == 0 { low } else { low | 0x80 });
        if length == 0 {
            break;
        }
    }
    bytes.extend(section);
    bytes.into()
}
