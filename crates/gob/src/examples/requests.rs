//! What Argo's arguments and replies are on the wire.

use serde_json::{Value as Json, json};

use super::{
    all, bytes,
    golden::{RPC_ERRORS, RUN, STEP, VERIFIED},
    one, written,
};
use crate::{Encoder, schema::leak, types};

#[test]
fn g01_replies() {
    let values = [json!({}), json!({"errorString": "boom"})];
    assert_eq!(all(types::TYPES_RPC_ERROR, RPC_ERRORS).unwrap(), values);
    // With Go's numbers of types, every byte is Go's.
    let schema = "RpcError { ErrorString:s }";
    assert_eq!(written(leak::first(schema), &values), bytes(RPC_ERRORS));

    let values = [json!({"verified": 1, "err": {}}), json!({"err": {}})];
    assert_eq!(all(types::ROUTER_VERIFY_WEIGHT_RESPONSE, VERIFIED).unwrap(), values);
    let schema = "VerifyWeightResponse { Verified:i32 Err:RpcError }\nRpcError { ErrorString:s }";
    assert_eq!(written(leak::first(schema), &values), bytes(VERIFIED));

    let values = [
        json!({"result": {"phase": "Running", "requeueAfter": "30s", "status": {}}, "error": {}}),
        json!({"result": {}, "error": {}}),
    ];
    assert_eq!(all(types::STEP_RESPONSE, STEP).unwrap(), values);
    let schema = "Response { Result:RpcStepResult Error:RpcError }
        RpcStepResult { Phase:s Message:s RequeueAfter:D Status:B }
        RpcError { ErrorString:s }";
    assert_eq!(written(leak::first(schema), &values), bytes(STEP));
}

#[test]
fn g01_requests() {
    // The second of each on a stream: the number of the type is ours, the value is Go's, byte for byte.
    for (name, of, args, go) in [
        (
            "GetMetadataArgs",
            types::METRIC_GET_METADATA_ARGS,
            json!({"metric": {"name": "m"}}),
            "08 01 01 01 6d 09 00 00 00",
        ),
        (
            "RunArgs",
            types::METRIC_RUN_ARGS,
            json!({"analysisRun": {}, "metric": {}}),
            "11 01 01 00 01 00 01 00 01 05 00 00 00 01 0a 00 00 00",
        ),
        (
            "SetWeightAndVerifyWeightArgs",
            types::ROUTER_SET_WEIGHT_AND_VERIFY_WEIGHT_ARGS,
            json!({"rollout": {}, "desiredWeight": 20}),
            "19 01 01 00 01 00 01 05 01 00 01 00 00 04 00 00 01 0f 00 01 00 00 00 01 28 00",
        ),
    ] {
        let (mut encoder, mut stream) = (Encoder::new(), Vec::new());
        encoder.interface(name, of, &args, &mut stream).unwrap();
        stream.clear();
        encoder.interface(name, of, &args, &mut stream).unwrap();
        assert!(stream.ends_with(&bytes(go)), "{name}: {stream:02x?}");
        let mut head = bytes("10 00");
        crate::put::bytes(&mut head, name.as_bytes());
        assert!(stream[1..].starts_with(&head), "{name}: {stream:02x?}");
    }
    // The little that a host may send.
    let read: Json = one(types::METRIC_RUN_ARGS, RUN).unwrap();
    assert_eq!(
        read,
        json!({"metric": {"name": "m", "provider": {"plugin": {"a/b": {"x": 1}}}}})
    );
}
