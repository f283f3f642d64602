//! Streams as Go has written them.

use super::bytes;
use crate::{Type, schema::leak, types};

pub(super) const POINTS: &str =
    "1e 7f 03 01 01 05 \"Point\" 01 ff 80 00 01 02 01 01 58 01 04 00 01 01 59 01 04 00 00 00
    07 ff 80 01 2c 01 42 00
    05 ff 80 02 0a 00
    03 ff 80 00";

pub(super) const OUTER: &str =
    "30 7f 03 01 01 05 \"Outer\" 01 ff 80 00 01 03 01 05 \"Title\" 01 0c 00 01 05 \"Items\" 01 ff 84 00 01 04
    \"Flag\" 01 02 00 00 00
    1a ff 83 02 01 01 0b \"[]main.Item\" 01 ff 84 00 01 ff 82 00 00
    21 ff 81 03 01 01 04 \"Item\" 01 ff 82 00 01 02 01 04 \"Name\" 01 0c 00 01 01 \"N\" 01 04 00 00 00
    11 ff 80 01 01 74 01 02 01 01 61 01 02 00 00 01 01 00";

/// The definitions of `struct { Phase string; StartedAt *metav1.Time; Metadata map[string]string }`.
pub(super) const TIMED: &str =
    "35 7f 03 01 01 01 4d 01 ff 80 00 01 03 01 05 \"Phase\" 01 0c 00 01 09 \"StartedAt\" 01 ff 82 00 01 08
    \"Metadata\" 01 ff 84 00 00 00
    0a ff 81 05 01 02 ff 86 00 00 00
    10 ff 87 05 01 01 04 \"Time\" 01 ff 88 00 00 00
    21 ff 83 04 01 01 11 \"map[string]string\" 01 ff 84 00 01 0c 01 0c 00 00";
pub(super) const TIMED_VALUE: &str = "19 ff 80 01 01 53 01 0f 01 00*3 0e dd 25 74 25 00*3 06 ff ff 01 00 00";

pub(super) const MAPS: &str = "0d 7f 04 01 02 ff 80 00 01 0c 01 0c 00 00 08 ff 80 00 01 01 6b 01 76 04 ff 80 00 00";
pub(super) const MAP_OF_BYTES: &str = "0e ff 89 04 01 02 ff 8a 00 01 0c 01 0a 00 00 09 ff 8a 00 01 01 \"p\" 02 \"{}\"";
pub(super) const ARRAY: &str = "0e ff 8b 01 01 02 ff 8c 00 01 04 01 06 00 00 07 ff 8c 00 03 02 00 04";
pub(super) const MARSHALER: &str = "0e ff 97 06 01 01 02 42 4d 01 ff 98 00 00 00 06 ff 98 00 02 07 aa";

/// `RpcError` in an interface, twice.
pub(super) const ERRORS: &str =
    "30 10 00 08 \"RpcError\" 7f 03 01 01 08 \"RpcError\" 01 ff 80 00 01 01 01 0b \"ErrorString\" 01 0c 00 00 00
    07 ff 80 04 01 01 65 00
    12 10 00 08 \"RpcError\" ff 80 04 01 01 65 00";
/// The same in an interface of a struct in an interface.
pub(super) const NESTED: &str = "1c 10 00 01 49 7f 03 01 01 05 \"Inner\" 01 ff 80 00 01 01 01 01 56 01 10 00 00 00
    3c ff 80 30 01 08 \"RpcError\" ff 81 03 01 01 08 \"RpcError\" 01 ff 82 00 01 01 01 0b \"ErrorString\" 01 0c 00 00 00
    08 ff 82 04 01 01 65 00 00";

pub(super) const REQUESTS: &str =
    "2e 7f 03 01 01 07 \"Request\" 01 ff 80 00 01 02 01 0d \"ServiceMethod\" 01 0c 00 01 03 \"Seq\" 01 06 00 00 00
    17 ff 80 01 12 \"Dispenser.Dispense\" 00 1a 0c 00 17 \"RpcMetricProviderPlugin\"
    13 ff 80 01 0c \"Control.Ping\" 01 01 00 03 02 00 01";
pub(super) const RESPONSES: &str =
    "3a ff 81 03 01 01 08 \"Response\" 01 ff 82 00 01 03 01 0d \"ServiceMethod\" 01 0c 00 01 03 \"Seq\" 01 06 00 01 05
    \"Error\" 01 0c 00 00 00 17 ff 82 01 12 \"Dispenser.Dispense\" 00 03 06 00 01
    13 ff 82 01 0c \"Control.Ping\" 01 01 00 0a ff 83 03 01 02 ff 84 00 00 00 03 ff 84 00
    34 ff 82 01 12 \"Dispenser.Dispense\" 01 02 01 19 \"unknown plugin type: nope\" 00 03 ff 84 00";

pub(super) const RPC_ERRORS: &str =
    "25 7f 03 01 01 08 \"RpcError\" 01 ff 80 00 01 01 01 0b \"ErrorString\" 01 0c 00 00 00
    03 ff 80 00
    09 ff 80 01 04 \"boom\" 00";
pub(super) const VERIFIED: &str =
    "37 7f 03 01 01 14 \"VerifyWeightResponse\" 01 ff 80 00 01 02 01 08 \"Verified\" 01 04 00 01 03 \"Err\" 01 ff 82 00 00 00
    26 ff 81 03 01 01 08 \"RpcError\" 01 ff 82 00 01 01 01 0b \"ErrorString\" 01 0c 00 00 00
    07 ff 80 01 02 01 00 00
    05 ff 80 02 00 00";
pub(super) const STEP: &str =
    "2c 7f 03 01 01 08 \"Response\" 01 ff 80 00 01 02 01 06 \"Result\" 01 ff 82 00 01 05 \"Error\" 01 ff 84 00 00 00
    4d ff 81 03 01 01 0d \"RpcStepResult\" 01 ff 82 00 01 04 01 05 \"Phase\" 01 0c 00 01 07 \"Message\" 01 0c 00 01 0c
    \"RequeueAfter\" 01 04 00 01 06 \"Status\" 01 0a 00 00 00
    26 ff 83 03 01 01 08 \"RpcError\" 01 ff 84 00 01 01 01 0b \"ErrorString\" 01 0c 00 00 00
    1b ff 80 01 01 07 \"Running\" 02 fb 0d f8 47 58 00 01 02 7b 7d 00 01 00 00
    07 ff 80 01 00 01 00 00";
/// `RunArgs` with the little of a metric that a host may send.
pub(super) const RUN: &str = "20 7f 03 01 01 07 \"RunArgs\" 01 ff 80 00 01 01 01 06 \"Metric\" 01 ff 82 00 00 00
    2b ff 81 03 01 01 06 \"Metric\" 01 ff 82 00 01 02 01 04 \"Name\" 01 0c 00 01 08 \"Provider\" 01 ff 84 00 00 00
    1e ff 83 03 01 01 04 \"Prov\" 01 ff 84 00 01 01 01 06 \"Plugin\" 01 ff 86 00 00 00
    22 ff 85 04 01 01 12 \"map[string][]uint8\" 01 ff 86 00 01 0c 01 0a 00 00
    23 10 00 07 \"RunArgs\" ff 80 16 01 01 01 6d 01 01 01 03 \"a/b\" 07 7b 22 78 22 3a 31 7d 00 00 00";

/// All of them, each with a type that reads it.
pub(super) fn streams() -> Vec<(Type, Vec<u8>)> {
    let point = leak::last("Point { X:i64 Y:i64 }");
    let outer = leak::last("Item { Name:s N:i32 }\nOuter { Title:s Items:[]Item Flag:b }");
    let timed = leak::last("M { Phase:s StartedAt:*T Metadata:{}s }");
    let timed_stream = [TIMED, TIMED_VALUE].join(" ");
    [
        (point, POINTS),
        (outer, OUTER),
        (timed, &timed_stream),
        (types::STRINGS, MAPS),
        (types::STRINGS, MAP_OF_BYTES),
        (types::STRING, ARRAY),
        (types::STRING, MARSHALER),
        (types::TYPES_RPC_ERROR, ERRORS),
        (types::TYPES_RPC_ERROR, NESTED),
        (types::RPC_REQUEST, REQUESTS),
        (types::RPC_RESPONSE, RESPONSES),
        (types::TYPES_RPC_ERROR, RPC_ERRORS),
        (types::ROUTER_VERIFY_WEIGHT_RESPONSE, VERIFIED),
        (types::STEP_RESPONSE, STEP),
        (types::METRIC_RUN_ARGS, RUN),
    ]
    .into_iter()
    .map(|(of, stream)| (of, bytes(stream)))
    .collect()
}
