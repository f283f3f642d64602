//! Streams of calls and answers.

use serde_json::{Value as Json, json};

use super::{
    alone::alone,
    bytes,
    golden::{REQUESTS, RESPONSES},
};
use crate::{Decoder, Encoder, types, wire};

#[test]
fn g18_two_types_of_one_name() {
    let (mut encoder, mut stream) = (Encoder::new(), Vec::new());
    let head = wire::Response {
        service_method: "Plugin.Run".into(),
        seq: 3,
        ..Default::default()
    };
    let reply = json!({"result": {"phase": "Running", "requeueAfter": "30s", "status": {}}});
    for _ in 0..2 {
        encoder.value(types::RPC_RESPONSE, &head, &mut stream).unwrap();
        encoder.value(types::STEP_RESPONSE, &reply, &mut stream).unwrap();
    }
    assert!(stream.ends_with(&bytes(
        "01 01 07 \"Running\" 02 fb 0d f8 47 58 00 01 02 7b 7d 00 01 00 00"
    )));
    let mut rest = stream.as_slice();
    let mut decoder = Decoder::default();
    for _ in 0..2 {
        let read: wire::Response = decoder
            .next(&mut rest)
            .unwrap()
            .unwrap()
            .decode(types::RPC_RESPONSE)
            .unwrap();
        assert_eq!(read, head);
        let read: Json = decoder
            .next(&mut rest)
            .unwrap()
            .unwrap()
            .decode(types::STEP_RESPONSE)
            .unwrap();
        assert_eq!(
            read,
            json!({"result": {"phase": "Running", "requeueAfter": "30s", "status": {}}, "error": {}})
        );
    }
}

#[test]
fn n01_the_control_stream() {
    let stream = bytes(REQUESTS);
    let mut rest = stream.as_slice();
    let mut decoder = Decoder::default();
    let mut next = |of| -> Json { decoder.next(&mut rest).unwrap().unwrap().decode(of).unwrap() };
    assert_eq!(next(types::RPC_REQUEST), json!({"serviceMethod": "Dispenser.Dispense"}));
    assert_eq!(next(types::STRING), "RpcMetricProviderPlugin");
    assert_eq!(
        next(types::RPC_REQUEST),
        json!({"serviceMethod": "Control.Ping", "seq": 1})
    );
    assert_eq!(next(types::BOOL), true);

    let stream = bytes(RESPONSES);
    let mut rest = stream.as_slice();
    let mut decoder = Decoder::default();
    let mut next = |of| -> Json { decoder.next(&mut rest).unwrap().unwrap().decode(of).unwrap() };
    assert_eq!(next(types::RPC_RESPONSE)["serviceMethod"], "Dispenser.Dispense");
    assert_eq!(next(types::UINT32), 1);
    assert_eq!(next(types::RPC_RESPONSE)["seq"], 1);
    assert_eq!(next(types::RPC_EMPTY), json!({}));
    assert_eq!(next(types::RPC_RESPONSE)["error"], "unknown plugin type: nope");
    assert_eq!(next(types::RPC_EMPTY), json!({}));
}

#[test]
fn n08_nothing_in_an_interface() {
    let mut stream = Vec::new();
    Encoder::new().nil_interface(&mut stream);
    assert_eq!(stream, bytes("03 10 00 00"));
    let mut rest = stream.as_slice();
    let mut decoder = Decoder::default();
    let value = decoder.next(&mut rest).unwrap().unwrap();
    assert_eq!(value.interface(), Some(""));
    assert!(!value.decode::<Json>(types::METRIC_RUN_ARGS).unwrap_err().ends_stream());
}

#[test]
fn g21_ten_thousand_calls_on_one_stream() {
    alone(4 << 20, || {
        let (mut encoder, mut stream) = (Encoder::new(), Vec::new());
        let args = json!({"metric": {"name": "m"}});
        encoder
            .interface("GetMetadataArgs", types::METRIC_GET_METADATA_ARGS, &args, &mut stream)
            .unwrap();
        let first = stream.len();
        assert!(first > 10_000, "{first}");
        let mut decoder = Decoder::default();
        let mut rest = stream.as_slice();
        decoder.next(&mut rest).unwrap().unwrap();
        for _ in 0..10_000 {
            stream.clear();
            encoder
                .interface("GetMetadataArgs", types::METRIC_GET_METADATA_ARGS, &args, &mut stream)
                .unwrap();
            // As long as Go's second call, but for the type's number.
            assert!((30..=31).contains(&stream.len()), "{}", stream.len());
            let mut rest = stream.as_slice();
            let value = decoder.next(&mut rest).unwrap().unwrap();
            assert_eq!(
                value.decode::<Json>(types::METRIC_GET_METADATA_ARGS).unwrap()["metric"]["name"],
                "m"
            );
        }
    });
}

#[test]
fn n14_what_cannot_be_written_leaves_the_stream_as_it_was() {
    let (mut encoder, mut stream) = (Encoder::new(), Vec::new());
    let wrong = json!({"metric": {"name": "m", "provider": {"web": {"timeoutSeconds": "soon"}}}});
    let error = encoder
        .interface("GetMetadataArgs", types::METRIC_GET_METADATA_ARGS, &wrong, &mut stream)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "metric.provider.web.timeoutSeconds: a text instead of a number"
    );
    assert!(stream.is_empty());
    encoder
        .interface(
            "GetMetadataArgs",
            types::METRIC_GET_METADATA_ARGS,
            &json!({}),
            &mut stream,
        )
        .unwrap();
    let mut rest = stream.as_slice();
    assert!(Decoder::default().next(&mut rest).unwrap().is_some());
    for (value, error) in [
        (json!({"metric": {"count": 1.5}}), "a fraction"),
        (json!({"metric": {"count": 4_294_967_296_i64}}), "out of range"),
        (json!({"metric": []}), "a list instead of an object"),
        (
            json!({"metric": {"provider": {"job": {"metadata": {"creationTimestamp": "now"}}}}}),
            "RFC 3339",
        ),
    ] {
        let why = encoder
            .interface("x", types::METRIC_GET_METADATA_ARGS, &value, &mut stream)
            .unwrap_err();
        assert!(why.to_string().contains(error), "{why}");
    }
}
