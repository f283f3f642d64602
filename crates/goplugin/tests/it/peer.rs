//! A real go-plugin server (`tests/peer`) and its service.

use std::{
    future::Future,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::Duration,
};

use rollcage_gob::{Encoder, types};
use rollcage_goplugin::{CallLimits, Client, NativePlugin, RpcError};

use crate::support::{Case, SOON};

/// A plugin and its service; nothing where there is no Go.
macro_rules! started {
    ($case:ident, $plugin:ident, $service:ident) => {
        let Some(peer) = crate::peer::peer() else { return };
        let $case = crate::support::Case::of(peer);
        let ($plugin, $service) = crate::peer::start(&$case).await;
    };
}
pub(crate) use started;

/// Starts the plugin of `case` and reaches its service.
pub async fn start(case: &Case) -> (NativePlugin, Client) {
    let plugin = case.start().await.unwrap();
    let service = plugin.dispense(CallLimits::default(), SOON).await.unwrap();
    (plugin, service)
}

/// A method from text to text.
pub async fn text(service: &Client, method: &str, what: &str, deadline: Duration) -> Result<String, RpcError> {
    let argument = |encoder: &mut Encoder, to: &mut Vec<u8>| encoder.value(types::STRING, what, to);
    service
        .call(method, argument, |value| value.decode(types::STRING), deadline)
        .await
}

/// Lets it do something.
pub async fn act(service: &Client, what: &str, deadline: Duration) -> Result<String, RpcError> {
    text(service, "Plugin.Do", what, deadline).await
}

/// Answers the same number after as many milliseconds.
pub async fn slow(service: &Client, millis: u32, deadline: Duration) -> Result<u32, RpcError> {
    let argument = |encoder: &mut Encoder, to: &mut Vec<u8>| encoder.value(types::UINT32, &millis, to);
    service
        .call("Plugin.Slow", argument, |value| value.decode(types::UINT32), deadline)
        .await
}

/// Runs a test on a runtime of its own: for those in a process of their own.
pub fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(test);
}

/// The executable of `tests/peer`; none (with a line) where there is no Go.
pub fn peer() -> Option<PathBuf> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    BUILT
        .get_or_init(|| {
            let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peer");
            let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
            let target = folder.join("go-plugin-peer");
            // Other processes of this test may run the one that is there.
            let fresh = folder.join(format!("go-plugin-peer-{}", std::process::id()));
            let built = Command::new("go")
                .args(["build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o"])
                .arg(&fresh)
                .arg(".")
                .current_dir(source)
                .output();
            match built {
                Ok(output) if output.status.success() => {
                    std::fs::rename(&fresh, &target).unwrap();
                    Some(target)
                }
                Ok(output) => panic!(
                    "the Go peer does not build: {}",
                    String::from_utf8_lossy(&output.stderr)
                ),
                Err(error) if std::env::var_os("CI").is_some_and(|ci| ci == "true") => panic!("no Go: {error}"),
                Err(_) => {
                    eprintln!("skipped: the tests with a real go-plugin server need Go");
                    None
                }
            }
        })
        .clone()
}
