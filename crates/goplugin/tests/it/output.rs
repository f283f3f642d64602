//! What plugins write.

use std::{sync::Arc, time::Duration};

use rollcage_goplugin::{LogRecord, LogSink, LogStream, NativePlugin};
use tokio::time::{sleep, timeout};
use tracing::Level;

use crate::{
    alone::alone,
    peer::{act, run, slow, started},
    support::{Case, SOON, launcher},
};

/// Buffers, the runtime's threads, a window or two: not the hundred megabytes that are written.
const LITTLE: u64 = 24 << 20;

/// Lets the plugin write a hundred megabytes; calls are answered meanwhile, and it ends in order.
async fn flood(what: &str) {
    started!(case, plugin, service);
    let flooding = act(&service, what, SOON);
    tokio::pin!(flooding);
    let mut answered = 0;
    loop {
        tokio::select! {
            flooded = &mut flooding => break assert_eq!(flooded.unwrap(), "done", "{what}"),
            called = slow(&service, 1, SOON) => {
                called.unwrap();
                plugin.ping(SOON).await.unwrap();
                answered += 1;
            }
        }
    }
    assert!(answered > 0, "no call was answered while it wrote");
    // Not killed by a pipe that nobody reads.
    assert_eq!(plugin.exit(), None);
    plugin.ping(SOON).await.unwrap();
    let all = case.log.lock().unwrap().clone();
    assert!(all.iter().all(|record| record.message.len() < 5000));
    let exit = plugin.quit().await.unwrap();
    assert_eq!((exit.status.code(), exit.killed), (Some(0), None));
    case.nothing_is_left().await;
}

#[test]
fn h18_a_flood_on_standard_output() {
    alone(LITTLE, || run(flood("stdout")));
}

#[test]
fn h19_a_flood_on_standard_error() {
    alone(LITTLE, || {
        run(async {
            // Without an end of the line, and in lines of a megabyte; none of it is UTF-8.
            flood("stderr").await;
            flood("stderr-lines").await;
        });
    });
}

#[test]
fn h20_a_flood_through_the_session() {
    alone(LITTLE, || run(flood("go-stdout")));
}

/// The log, as soon as it has such a line: it comes by another way than answers do.
async fn logged(case: &Case, is: impl Fn(&LogRecord) -> bool) -> Vec<LogRecord> {
    timeout(SOON, async {
        loop {
            let all = case.log.lock().unwrap().clone();
            if all.iter().any(&is) {
                return all;
            }
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("it does not log that")
}

/// The line that ends Go's own host: the peer writes it when it starts.
#[tokio::test]
async fn h21_a_log_line_of_the_wrong_types() {
    started!(case, plugin, service);
    act(&service, "nothing", SOON).await.unwrap();
    let strange = r#"{"@level":3,"@message":null}"#;
    let all = logged(&case, |record| record.message == strange).await;
    let record = all.iter().find(|record| record.message == strange).unwrap();
    assert_eq!((record.level, record.stream), (Level::DEBUG, LogStream::Stderr));
    plugin.quit().await.unwrap();
    case.nothing_is_left().await;
}

#[tokio::test]
async fn h22_a_panic_and_its_trace_are_errors() {
    started!(case, plugin, service);
    act(&service, "panic", SOON).await.unwrap_err();
    plugin.ended().await.unwrap();
    case.nothing_is_left().await;
    // The last line of a trace.
    let all = logged(&case, |record| record.message.starts_with("created by ")).await;
    let begins = all
        .iter()
        .position(|record| record.message.starts_with("panic: boom in a handler"))
        .unwrap();
    let (before, trace) = all.split_at(begins);
    assert!(before.iter().all(|record| record.level != Level::ERROR), "{before:#?}");
    assert!(trace.len() > 3, "{trace:#?}");
    assert!(trace.iter().all(|record| record.level == Level::ERROR), "{trace:#?}");
}

/// A log that is written slowly does not lose what a plugin said before it was asked to quit.
#[tokio::test(flavor = "multi_thread")]
async fn what_it_wrote_is_logged_when_it_has_quit() {
    let Some(peer) = crate::peer::peer() else { return };
    let case = Case::of(peer);
    let written = case.log.clone();
    let sink: LogSink = Arc::new(move |record: &LogRecord| {
        std::thread::sleep(Duration::from_millis(30));
        written.lock().unwrap().push(record.clone());
    });
    let plugin = NativePlugin::start(&launcher(), &case.spec, sink).await.unwrap();
    plugin.quit().await.unwrap();
    let logged = case.log.lock().unwrap().clone();
    let strange = r#"{"@level":3,"@message":null}"#;
    assert!(logged.iter().any(|record| record.message == strange), "{logged:#?}");
}
