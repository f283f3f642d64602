//! Plugins that do not answer, or answer something else.

use std::time::Duration;

use rollcage_core::{FaultKind, Phase};
use rollcage_goplugin::{Killed, RpcError, SessionError};
use tokio::{
    runtime::Handle,
    time::{sleep, timeout},
};

use crate::{
    peer::{act, peer, slow, start, started},
    served::served,
    support::{Case, SOON},
};

/// A hang ends at its deadline; other calls are not affected, and the late answer is nobody's.
#[tokio::test]
async fn l06_a_hang_is_one_call() {
    started!(case, plugin, service);
    let (hung, fine) = tokio::join!(
        slow(&service, 700, Duration::from_millis(200)),
        slow(&service, 20, SOON)
    );
    assert!(matches!(hung, Err(RpcError::Deadline { .. })), "{hung:?}");
    assert_eq!(fine.unwrap(), 20);
    assert!(act(&service, "hang", Duration::from_millis(100)).await.is_err());
    // While the late answer comes.
    for n in 0..20 {
        assert_eq!(slow(&service, 50 + n, SOON).await.unwrap(), 50 + n);
    }
    plugin.ping(SOON).await.unwrap();
    let exit = plugin.quit().await.unwrap();
    assert_eq!(exit.killed, None);
    case.nothing_is_left().await;
}

#[tokio::test]
async fn l06_a_plugin_that_never_answers() {
    let (case, plugin, stream) = served("exec sleep 600", &[]).await;
    let error = plugin.ping(Duration::from_millis(100)).await.unwrap_err();
    assert!(matches!(error, RpcError::Deadline { .. }), "{error}");
    drop(stream);
    // The connection is over, the process is not: it is ended.
    let exit = timeout(SOON, plugin.ended()).await.unwrap().unwrap();
    assert_eq!(exit.to_string(), "was ended by its host");
    case.nothing_is_left().await;
}

/// Stopped as a whole: the keep-alive finds it. (With Go's own times: see `slow`.)
#[tokio::test]
async fn l07_stopped() {
    let Some(peer) = peer() else { return };
    let mut case = Case::of(peer);
    case.spec.patience.keep_alive = Duration::from_millis(200);
    case.spec.patience.answer = Duration::from_millis(1500);
    let (plugin, service) = start(&case).await;
    let error = act(&service, "stop", SOON).await.unwrap_err();
    assert!(error.to_string().contains("keep-alive"), "{error}");
    assert_eq!(error.kind(), FaultKind::Deadline);
    let exit = timeout(SOON, plugin.ended()).await.unwrap().unwrap();
    assert_eq!(exit.killed, Some(Killed::GivenUp));
    case.nothing_is_left().await;
    drop((plugin, service));
    // Nor is any task of it: this runtime is the test's own.
    timeout(SOON, async {
        while Handle::current().metrics().num_alive_tasks() > 0 {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn y10_a_plugin_that_speaks_something_else() {
    let (case, plugin, _stream) = served("exec sleep 600", b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let error = plugin.ping(SOON).await.unwrap_err();
    assert!(
        matches!(&error, RpcError::Session(error) if matches!(**error, SessionError::Frame(_)))
            || matches!(error, RpcError::Shutdown),
        "{error}"
    );
    let fault = plugin.fault(Phase::Call, &error).await;
    assert!(
        matches!(fault.kind, FaultKind::InvalidAnswer | FaultKind::Exit),
        "{fault}"
    );
    plugin.kill().await.unwrap();
    case.nothing_is_left().await;
}
