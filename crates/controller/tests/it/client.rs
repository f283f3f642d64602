//! What every request goes through, with an API server that answers as it is told.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
    client::{Body, ClientBuilder},
};
use rollcage_controller::{
    client::{ApiRequest, Fence, Guarded, Limiter, Moment, Rate},
    run::Observer,
};
use serde_json::json;
use tower::service_fn;

/// Code, `Retry-After`, pause before the answer.
type Told = (u16, Option<u32>, Duration);

#[derive(Debug, Default)]
struct Seen(Mutex<Vec<(String, u16)>>);

impl Observer for Seen {
    fn request(&self, request: &ApiRequest<'_>) {
        self.0.lock().unwrap().push((request.verb.to_owned(), request.code));
    }
}

/// Answers in this order, and with 200 afterwards.
fn guarded(answers: &[Told], seen: Arc<Seen>) -> Guarded {
    let answers = Arc::new(Mutex::new(answers.iter().rev().copied().collect::<Vec<_>>()));
    let service = service_fn(move |_: Request<Body>| {
        let (code, retry_after, pause) = answers.lock().unwrap().pop().unwrap_or((200, None, Duration::ZERO));
        async move {
            tokio::time::sleep(pause).await;
            let object = if code == 200 {
                json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}})
            } else {
                json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "no time", "code": code})
            };
            let mut answer = Response::builder().status(code);
            if let Some(seconds) = retry_after {
                answer = answer.header("retry-after", seconds);
            }
            Ok::<_, Infallible>(answer.body(Full::new(Bytes::from(object.to_string()))).unwrap())
        }
    });
    Guarded::around(service, "test", WRITE, seen)
}

fn api(guarded: Guarded) -> Api<ConfigMap> {
    let client: Client = ClientBuilder::new(guarded, "default").build();
    Api::default_namespaced(client)
}

async fn write(api: &Api<ConfigMap>) -> Result<ConfigMap, kube::Error> {
    api.patch("c", &PatchParams::default(), &Patch::Merge(json!({"data": {}})))
        .await
}

fn codes(seen: &Seen) -> Vec<u16> {
    seen.0.lock().unwrap().iter().map(|(_, code)| *code).collect()
}

/// Longest write.
const WRITE: Duration = Duration::from_millis(500);

const NOW: Duration = Duration::ZERO;

#[tokio::test]
async fn reads_are_sent_again_and_writes_are_not() {
    let seen = Arc::new(Seen::default());
    let answers = [(429, None, NOW), (503, None, NOW), (504, None, NOW)];
    api(guarded(&answers, seen.clone())).get("c").await.unwrap();
    assert_eq!(codes(&seen), [429, 503, 504, 200]);

    for code in [429, 503, 504] {
        let seen = Arc::new(Seen::default());
        let refused = write(&api(guarded(&[(code, None, NOW)], seen.clone()))).await;
        assert!(matches!(refused, Err(kube::Error::Api(status)) if status.code == code));
        assert_eq!(codes(&seen), [code]);
    }

    let seen = Arc::new(Seen::default());
    let never = api(guarded(&[(503, None, NOW); 20], seen.clone())).get("c").await;
    assert!(matches!(never, Err(kube::Error::Api(status)) if status.code == 503));
    assert_eq!(codes(&seen).len(), 5, "not for ever");
}

#[tokio::test]
async fn a_pause_that_the_server_asks_for_is_kept_by_the_whole_client() {
    let seen = Arc::new(Seen::default());
    let limiter = Limiter::new(Rate::new(100, 100));
    let api = api(guarded(&[(429, Some(1), NOW)], seen.clone()).limited(limiter));
    let began = Instant::now();
    assert!(write(&api).await.is_err());
    assert_eq!(codes(&seen), [429]);
    write(&api).await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_write_ends() {
    let seen = Arc::new(Seen::default());
    let hour = Duration::from_hours(1);
    let api = api(guarded(&[(200, None, hour)], seen.clone()));
    let began = Instant::now();
    assert!(write(&api).await.is_err());
    assert!(began.elapsed() >= WRITE && began.elapsed() < Duration::from_secs(10));
    assert_eq!(codes(&seen), [0]);
}

#[tokio::test]
async fn a_write_waits_for_its_turn_no_longer_than_we_lead() {
    let seen = Arc::new(Seen::default());
    let fence = Fence::closed();
    let limiter = Limiter::new(Rate::new(1, 1));
    let api = api(guarded(&[], seen.clone())
        .limited(limiter.clone())
        .behind(fence.clone()));
    let refused = write(&api).await.unwrap_err();
    assert!(refused.to_string().contains("does not lead"), "{refused}");
    fence.open_until(Moment::now().after(Duration::from_millis(500)));
    write(&api).await.unwrap();
    // The next turn is in a second.
    let began = Instant::now();
    assert!(write(&api).await.is_err());
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(codes(&seen), [200], "only what was sent in time");
    api.get("c").await.unwrap();
}
