//! Calls of a real server.

use std::sync::Arc;

use rollcage_core::FaultKind;
use rollcage_gob::{Encoder, types, wire};
use rollcage_goplugin::{CallLimits, RpcError};

use crate::{
    alone::alone,
    peer::{act, run, slow, started, text},
    support::SOON,
};

/// What Argo sends to methods that take nothing.
#[expect(clippy::unnecessary_wraps, reason = "as other arguments")]
fn nothing(encoder: &mut Encoder, to: &mut Vec<u8>) -> Result<(), rollcage_gob::EncodeError> {
    encoder.nil_interface(to);
    Ok(())
}

#[tokio::test]
async fn n01_go_reads_our_control_stream() {
    started!(case, plugin, service);
    // Dispense was the first call, on the same stream.
    plugin.ping(SOON).await.unwrap();
    plugin.ping(SOON).await.unwrap();
    assert!(plugin.dispense(CallLimits::default(), SOON).await.is_ok());
    drop(service);
    plugin.quit().await.unwrap();
    case.nothing_is_left().await;
}

#[tokio::test]
async fn n08_methods_that_take_nothing() {
    started!(case, plugin, service);
    let init: Result<wire::RpcError, _> = service
        .call(
            "Plugin.InitPlugin",
            nothing,
            |value| value.decode(types::TYPES_RPC_ERROR),
            SOON,
        )
        .await;
    assert_eq!(init.unwrap().error_string, "");
    let kind: Result<String, _> = service
        .call("Plugin.Type", nothing, |value| value.decode(types::STRING), SOON)
        .await;
    assert_eq!(kind.unwrap(), "peer");
    plugin.kill().await.unwrap();
    case.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n03_a_thousand_calls_at_once() {
    started!(case, plugin, service);
    let service = Arc::new(service);
    let calls: Vec<_> = (0..1000_u32)
        .map(|n| {
            let service = service.clone();
            // Answered in another order than asked.
            tokio::spawn(async move { (n * 37 % 97, slow(&service, n * 37 % 97, SOON).await.unwrap()) })
        })
        .collect();
    for call in calls {
        let (asked, got) = call.await.unwrap();
        assert_eq!(asked, got);
    }
    assert_eq!(service.pending(), 0);
    plugin.kill().await.unwrap();
    case.nothing_is_left().await;
}

#[test]
fn g21_ten_thousand_calls_of_a_plugin() {
    alone(16 << 20, || {
        run(async {
            started!(case, plugin, service);
            for n in 0..10_000 {
                let said = format!("call {n}");
                assert_eq!(text(&service, "Plugin.Echo", &said, SOON).await.unwrap(), said);
            }
            assert_eq!(service.pending(), 0);
            plugin.quit().await.unwrap();
            case.nothing_is_left().await;
        });
    });
}

#[tokio::test]
async fn n05_services_and_methods_that_are_none() {
    started!(case, plugin, service);
    for (method, says) in [
        ("Plugin.Nothing", "rpc: can't find method Plugin.Nothing"),
        ("Other.Do", "rpc: can't find service Other.Do"),
        ("Do", "rpc: service/method request ill-formed: Do"),
    ] {
        let error = text(&service, method, "x", SOON).await.unwrap_err();
        assert_eq!(error.to_string(), says);
        assert_eq!(act(&service, "nothing", SOON).await.unwrap(), "done");
    }
    plugin.kill().await.unwrap();
    case.nothing_is_left().await;
}

#[tokio::test]
async fn n11_errors_of_a_method() {
    started!(case, plugin, service);
    let error = act(&service, "error", SOON).await.unwrap_err();
    assert!(
        matches!(&error, RpcError::Server(text) if text == "no, says the plugin"),
        "{error}"
    );
    // A text where a number is expected: the server's own words.
    let error = text(&service, "Plugin.Slow", "x", SOON).await.unwrap_err();
    assert!(
        matches!(&error, RpcError::Server(text) if text.starts_with("gob: decoding into local type")),
        "{error}"
    );
    assert_eq!(act(&service, "nothing", SOON).await.unwrap(), "done");
    plugin.kill().await.unwrap();
    case.nothing_is_left().await;
}

/// Ten megabytes there and back, and a ping while they are under way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn y04_large_values() {
    started!(case, plugin, service);
    let large: String = (0..10_u32 << 20).map(|n| char::from(b' ' + (n % 89) as u8)).collect();
    let (echoed, pinged) = tokio::join!(text(&service, "Plugin.Echo", &large, SOON), plugin.ping(SOON));
    assert!(echoed.unwrap() == large);
    pinged.unwrap();
    // More than is allowed: this call's fault, and the next is fine.
    let limits = CallLimits {
        output: 1 << 20,
        input: 5 << 20,
    };
    let limited = plugin.dispense(limits, SOON).await.unwrap();
    let error = text(&limited, "Plugin.Echo", &large, SOON).await.unwrap_err();
    assert_eq!(error.kind(), FaultKind::Input, "{error}");
    let error = text(&limited, "Plugin.Echo", &large[..2 << 20], SOON)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), FaultKind::Output, "{error}");
    assert_eq!(slow(&limited, 1, SOON).await.unwrap(), 1);
    plugin.kill().await.unwrap();
    case.nothing_is_left().await;
}
