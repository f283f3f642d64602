//! A plugin whose socket the test serves.

use rollcage_goplugin::NativePlugin;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
};

use crate::support::Case;

/// Starts a process that runs `then`; on its socket `answer` is said. `$SOCKET` is where that is.
pub async fn served(then: &str, answer: &[u8]) -> (Case, NativePlugin, UnixStream) {
    let mut case = Case::script(&format!("echo \"1|1|unix|$SOCKET|netrpc|\"; {then}"));
    let socket = case.folder.path().join("socket");
    let listener = UnixListener::bind(&socket).unwrap();
    case.spec
        .env
        .insert("SOCKET".into(), socket.to_string_lossy().into_owned());
    let (plugin, accepted) = tokio::join!(case.start(), listener.accept());
    let (mut stream, _) = accepted.unwrap();
    // The three streams.
    let mut opened = [0; 36];
    stream.read_exact(&mut opened).await.unwrap();
    assert_eq!([opened[7], opened[19], opened[31]], [1, 3, 5]);
    stream.write_all(answer).await.unwrap();
    (case, plugin.unwrap(), stream)
}
